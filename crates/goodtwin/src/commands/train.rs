//! `goodtwin train`: a data set and a recipe in, a run folder out.

use std::path::PathBuf;

use goodtwin_core::DatasetReader;
use goodtwin_core::terminal::note;
use goodtwin_training::train::{Places, train};
use goodtwin_training::{Recipe, Ui};
use goodtwin_vision::{Compute, DeviceChoice};

use crate::exit::{Outcome, say};

/// Fine-tune the top four layers of VGG16, a dense and a softmax layer.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe: every setting of the run
    #[arg(long, value_name = "FILE", default_value = "configs/training.toml")]
    config: PathBuf,
    /// The data set, made by `goodtwin dataset`
    #[arg(long, value_name = "DIR")]
    dataset: PathBuf,
    /// The run folder [default: checkpoints/runs/RECIPE-DATASET]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// auto takes a real GPU if there is one; gpu takes any Vulkan adapter, software included
    #[arg(long, value_name = "auto|cpu|gpu", default_value_t)]
    device: DeviceChoice,
    /// VGG16's ImageNet weights
    #[arg(long, value_name = "FILE", default_value = "checkpoints/vgg16-imagenet-f16.safetensors")]
    weights: PathBuf,
    /// Where the trunk's outputs are kept between runs
    #[arg(long, value_name = "DIR", default_value = "checkpoints/cache")]
    cache: PathBuf,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let recipe = Recipe::load(&args.config)?;
    let dataset = DatasetReader::open(&args.dataset)?;
    let out = args
        .out
        .unwrap_or_else(|| PathBuf::from("checkpoints/runs").join(format!("{}-{}", recipe.name, dataset.id().short())));
    let compute = Compute::choose(args.device)?;
    note(format_args!("device: {}", compute.describe()));
    note(format_args!("data set: {} pictures, id {}", dataset.rows.len(), dataset.id().short()));
    let places = Places { imagenet: &args.weights, out: &out, cache: &args.cache };
    let summary = train(&recipe, &dataset, &places, &compute, &Ui::detect())?;
    say(format_args!("run:                {}", summary.run.display()))?;
    say(format_args!("model:              {}", summary.card.id.short()))?;
    say(format_args!("epoch kept:         {} of {}", summary.best_epoch, recipe.epochs))?;
    say(format_args!(
        "held-out accuracy:  {:.3} ({} pictures)",
        summary.confusion.accuracy(),
        summary.confusion.total()
    ))?;
    if let (Some(before), Some(after)) = (summary.at_start, summary.retrieval) {
        say(format_args!(
            "family Recall@1:    {:.3} ({} queries; {:.3} before the first step)",
            after.recall_1, after.queries, before.recall_1
        ))?;
        say(format_args!("family Recall@5:    {:.3} ({:.3} before the first step)", after.recall_5, before.recall_5))?;
    } else {
        say("family Recall:      no picture of the test split has a relative to ask for")?;
    }
    say(format_args!("report:             {}", summary.run.join("report.html").display()))?;
    Ok(())
}
