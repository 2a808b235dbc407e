//! `goodtwin train`: a data set and a recipe in, a run folder out.

use std::path::PathBuf;
use std::time::Instant;

use goodtwin_core::DatasetReader;
use goodtwin_core::terminal::note;
use goodtwin_training::train::run_card::RunCard;
use goodtwin_training::train::{self, Job, Places, Summary};
use goodtwin_training::{Recipe, Ui};
use goodtwin_vision::{Compute, DeviceChoice};

use crate::exit::{Failure, Outcome, say};

/// Fine-tune the top four layers of VGG16, a dense and a softmax layer.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe: every setting of the run [default: configs/training.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data set, made by `goodtwin dataset`
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    dataset: Option<PathBuf>,
    /// The run folder [default: checkpoints/runs/RECIPE-DATASET]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// Go on with a run that was killed; recipe, data set and weights are those that it began with
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// auto takes a real GPU if there is one; gpu takes any Vulkan adapter, software included [default: auto]
    #[arg(long, value_name = "auto|cpu|gpu")]
    device: Option<DeviceChoice>,
    /// VGG16's ImageNet weights [default: checkpoints/vgg16-imagenet-f16.safetensors]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Where the trunk's outputs are kept between runs [default: checkpoints/cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.resume.clone() {
        Some(run) => resume(args, run),
        None => begin(args),
    }
}

fn begin(args: Args) -> Outcome {
    let recipe = Recipe::load(&args.config.unwrap_or_else(|| "configs/training.toml".into()))?;
    let dataset = DatasetReader::open(&args.dataset.expect("clap requires it without --resume"))?;
    let default_out = || PathBuf::from("checkpoints/runs").join(format!("{}-{}", recipe.name, dataset.id().short()));
    let places = Places {
        imagenet: args.weights.unwrap_or_else(|| "checkpoints/vgg16-imagenet-f16.safetensors".into()),
        out: args.out.unwrap_or_else(default_out),
        cache: args.cache.unwrap_or_else(|| "checkpoints/cache".into()),
        device: args.device.unwrap_or_default(),
    };
    let compute = Compute::choose(places.device)?;
    note(format_args!("device: {}", compute.describe()));
    note(format_args!("data set: {} pictures, id {}", dataset.rows.len(), dataset.id().short()));
    let (ui, now) = (Ui::detect(), clock());
    let job = Job { recipe: &recipe, dataset: &dataset, places: &places, compute: &compute, ui: &ui, now: &now };
    tell(&recipe, &train::train(&job)?)
}

fn resume(args: Args, run: PathBuf) -> Outcome {
    if train::is_finished(&run) {
        return say(format_args!("{}: the run is finished; there is nothing to go on with", run.display()));
    }
    let card = RunCard::open(&run)?;
    let recipe = match args.config {
        Some(path) => Recipe::load(&path)?,
        None => card.recipe,
    };
    let dataset = DatasetReader::open(&args.dataset.unwrap_or(card.dataset.path))?;
    let recorded = card.device.parse().map_err(|e: String| Failure::new(65, format!("{}: {e}", run.display())))?;
    let places = Places {
        imagenet: args.weights.unwrap_or(card.weights.path),
        out: run,
        cache: args.cache.unwrap_or(card.cache),
        device: args.device.unwrap_or(recorded),
    };
    let compute = Compute::choose(places.device)?;
    note(format_args!("device: {}", compute.describe()));
    let (ui, now) = (Ui::detect(), clock());
    let job = Job { recipe: &recipe, dataset: &dataset, places: &places, compute: &compute, ui: &ui, now: &now };
    tell(&recipe, &train::resume(&job)?)
}

fn clock() -> impl Fn() -> std::time::Duration {
    let started = Instant::now();
    move || started.elapsed()
}

fn tell(recipe: &Recipe, summary: &Summary) -> Outcome {
    say(format_args!("run:                {}", summary.run.display()))?;
    say(format_args!("model:              {}", summary.card.id.short()))?;
    say(format_args!("epoch kept:         {} of {}", summary.best_epoch, recipe.epochs))?;
    say(format_args!(
        "held-out accuracy:  {:.3} ({} pictures)",
        summary.confusion.accuracy(),
        summary.confusion.total()
    ))?;
    if let (Some(before), Some(after)) = (&summary.at_start, &summary.retrieval) {
        say(format_args!(
            "family Recall@1:    {:.3} ({} queries; {:.3} before the first step)",
            after.recall_1, after.queries, before.recall_1
        ))?;
        say(format_args!("family Recall@5:    {:.3} ({:.3} before the first step)", after.recall_5, before.recall_5))?;
    } else {
        say("family Recall:      no picture of the test split has a relative to ask for")?;
    }
    say(format_args!("report:             {}", summary.run.join("report.html").display()))
}
