//! `goodtwin bench embed`.

use std::path::PathBuf;
use std::time::Instant;

use goodtwin_inference::bench::{Bench, Report};
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::{Compute, DeviceChoice, Precision, Preprocess, Weights};

use crate::exit::{Failure, Outcome, say};

/// Measure embedding, stage by stage, on painted photographs of 800 x 600.
///
/// "direct GFLOP/s" counts the operations that direct convolutions would need, "of matmul" is their share of what a matrix
/// multiplication reaches: the trunk's Winograd algorithm needs fewer, so that it may pass 100 %.
#[derive(clap::Args)]
pub struct Args {
    /// Pixels of a side of the network's input
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    size: u32,
    /// Pictures at once
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,8",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    batch: Vec<u16>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// auto takes a real GPU if there is one; gpu takes any Vulkan adapter, software included
    #[arg(long, value_name = "auto|cpu|gpu", default_value_t)]
    device: DeviceChoice,
    /// The numbers in which a GPU's convolutions compute: f16 and bf16 where it has them, with the error that they cost
    #[arg(long, value_name = "f32|f16|bf16", default_value_t)]
    precision: Precision,
    /// VGG16's ImageNet weights
    #[arg(long, value_name = "FILE", default_value = "checkpoints/vgg16-imagenet-f16.safetensors")]
    weights: PathBuf,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let preprocess = Preprocess {
        size: args.size,
        colour: Colour::Full,
        fit: Fit::Pad,
        crops: vec![Crop::Whole],
        values: Values::Caffe,
    };
    preprocess.check()?;
    let imagenet = Weights::load_vgg16_imagenet(&args.weights)?;
    let compute = Compute::choose(args.device)?;
    let scratch = tempfile::tempdir().map_err(|e| Failure::new(73, format!("cannot make a temporary folder: {e}")))?;
    let started = Instant::now();
    let now = || started.elapsed();
    let bench =
        Bench { imagenet: &imagenet, compute: &compute, precision: args.precision, preprocess: &preprocess, now: &now };
    let batches: Vec<usize> = args.batch.iter().map(|n| usize::from(*n)).collect();
    let report = bench.run(&batches, scratch.path())?;
    if args.json {
        return say(serde_json::to_string_pretty(&report).expect("figures serialise"));
    }
    table(&report)
}

fn table(report: &Report) -> Outcome {
    say(format_args!("{}, {}, {} px", report.device, report.precision, report.size))?;
    super::peaks(&report.peaks)?;
    for batch in &report.batches {
        super::stages(&format!("batch {}", batch.batch), &batch.stages)?;
        say(format_args!(
            "network alone {:.1} images/s; from file to embedding {:.1} images/s, the network waiting {:.1} % of the time",
            batch.network_images_per_second,
            batch.images_per_second,
            100.0 * batch.waiting
        ))?;
        if batch.error > 0.0 {
            say(format_args!("relative L2 error at block5_pool against the CPU: {:.1e}", batch.error))?;
        }
    }
    Ok(())
}
