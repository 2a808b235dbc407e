//! `goodtwin bench train`.

use std::path::PathBuf;
use std::time::Instant;

use goodtwin_core::DatasetReader;
use goodtwin_training::bench::{Bench, Report};
use goodtwin_training::{Recipe, Ui};
use goodtwin_vision::{Compute, DeviceChoice, Weights};

use crate::exit::{Failure, Outcome, say};

/// Measure a training step, stage by stage.
///
/// "direct GFLOP/s" counts the operations that direct convolutions would need, "of matmul" is their share of what a matrix
/// multiplication reaches: the trunk's Winograd algorithm needs fewer, so that it may pass 100 %.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe: size, batch and head
    #[arg(long, value_name = "FILE", default_value = "configs/training.toml")]
    config: PathBuf,
    /// The data set whose first pictures are used
    #[arg(long, value_name = "DIR")]
    dataset: PathBuf,
    /// auto, cpu or gpu
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// VGG16's ImageNet weights
    #[arg(long, value_name = "FILE", default_value = "checkpoints/vgg16-imagenet-f16.safetensors")]
    weights: PathBuf,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let recipe = Recipe::load(&args.config)?;
    let dataset = DatasetReader::open(&args.dataset)?;
    if !recipe.trunk.is_default() {
        return Err(Failure::usage(format!(
            "{}: bench train measures VGG16: expected a recipe without `trunk`",
            args.config.display()
        )));
    }
    let compute = Compute::choose(args.device)?;
    let imagenet = Weights::load_vgg16_imagenet(&args.weights)?;
    let scratch = tempfile::tempdir().map_err(|e| Failure::new(73, format!("cannot make a temporary folder: {e}")))?;
    let started = Instant::now();
    let (ui, now) = (Ui::detect(), || started.elapsed());
    let (recipe, dataset, imagenet, compute) = (&recipe, &dataset, &imagenet, &compute);
    let report = Bench { recipe, dataset, imagenet, compute, ui: &ui, now: &now }.run(scratch.path())?;
    if args.json {
        return say(serde_json::to_string_pretty(&report).expect("figures serialise"));
    }
    table(&report)
}

fn table(report: &Report) -> Outcome {
    say(format_args!("{}: {} pictures of {} px, recipe {}", report.device, report.batch, report.size, report.recipe))?;
    super::peaks(&report.peaks)?;
    super::stages("stage", report.stages.iter().map(|stage| &stage.measured))?;
    let e = &report.epochs;
    say(format_args!("\n{:<46} {:>10} {:>7}", "an epoch", "ms/picture", "cached"))?;
    for (name, ms) in [
        ("cached", e.cached),
        ("uncached, the trunk by this program's own code", e.uncached),
        ("uncached, the trunk by Burn", e.uncached_same_code),
        ("gradients through all of VGG16, by Burn", e.full),
    ] {
        say(format_args!("{name:<46} {ms:>10.2} {:>6.2}x", ms / e.cached))?;
    }
    Ok(())
}
