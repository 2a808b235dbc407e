//! `goodtwin train`: a data set and a recipe in, a run folder out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use goodtwin_core::terminal::note;
use goodtwin_core::{Dataset, DatasetReader};
use goodtwin_training::dataset::lacks;
use goodtwin_training::train::run_card::{self, RunCard};
use goodtwin_training::train::seeds::{self, Seeds};
use goodtwin_training::train::{self, Job, Places, Stop, Summary};
use goodtwin_training::{Error, Recipe, Ui, memory};
use goodtwin_vision::{Checkpoint, Compute, DeviceChoice};

use crate::exit::{Failure, Outcome, say};
use crate::signals;

/// Fine-tune the last block of a trunk, a dense and a softmax layer: of VGG16, or of the trunk that the recipe names.
#[derive(clap::Args)]
pub struct Args {
    /// The recipe: every setting of the run [default: configs/training.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data set, made by `goodtwin dataset`
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    dataset: Option<PathBuf>,
    /// The run folder [default: checkpoints/runs/NAME-ID: the recipe's `name`, the data set's id]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    out: Option<PathBuf>,
    /// So many runs, OUT-seedN each, from the recipe's seed on; OUT.seeds.json has mean and spread
    #[arg(long, value_name = "COUNT", conflicts_with = "resume", value_parser = clap::value_parser!(u8).range(2..=100))]
    seeds: Option<u8>,
    /// Go on with a run, or a group of seeds, that was stopped (Ctrl-C, SIGTERM) or killed; recipe, data set and weights are those that it began with
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
    /// auto takes a real GPU if there is one; gpu takes any Vulkan adapter, software included [default: auto]
    #[arg(long, value_name = "auto|cpu|gpu")]
    device: Option<DeviceChoice>,
    /// The trunk's ImageNet weights [default: checkpoints/vgg16-imagenet-f16.safetensors, or checkpoints/resnet50.safetensors]
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
        imagenet: args.weights.unwrap_or_else(|| recipe.trunk.weights_file().into()),
        out: args.out.unwrap_or_else(default_out),
        cache: args.cache.unwrap_or_else(|| "checkpoints/cache".into()),
        device: args.device.unwrap_or_default(),
    };
    with_job(&recipe, &dataset, &places, |job| match args.seeds {
        None => tell(&recipe, &train::train(job)?),
        Some(count) => {
            let imagenet = recipe.trunk.load(&places.imagenet)?;
            if let Some(seeds) = Seeds::open(&places.out)? {
                let finished = seeds.runs.iter().all(|run| run.metrics.is_some());
                let taken = match finished {
                    true => Error::Exists(seeds::file(&places.out)),
                    false => Error::Unfinished(places.out.clone()),
                };
                return Err(taken.into());
            }
            tell_seeds(job, &mut Seeds::new(&places.out, RunCard::of(job, &imagenet), count.into()))
        }
    })
}

fn resume(args: Args, run: PathBuf) -> Outcome {
    if train::is_finished(&run) {
        // A model that cannot be read is not what a finished run has.
        Checkpoint::open(&run)?;
        train::tidy(&run)?;
        let given = [
            ("--config", args.config.is_some()),
            ("--dataset", args.dataset.is_some()),
            ("--device", args.device.is_some()),
            ("--weights", args.weights.is_some()),
            ("--cache", args.cache.is_some()),
        ];
        let unused: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(option, _)| *option).collect();
        if !unused.is_empty() {
            note(format_args!("not looked at, since the run is finished: {}", unused.join(", ")));
        }
        return say(format_args!("{}: the run is finished; there is nothing to go on with", run.display()));
    }
    let mut group = Seeds::open(&run)?;
    let card = match &group {
        Some(seeds) => seeds.card.clone(),
        None => RunCard::open(&run)?,
    };
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
    with_job(&recipe, &dataset, &places, |job| match &mut group {
        None => tell(&recipe, &train::resume(job)?),
        Some(seeds) => tell_seeds(job, seeds),
    })
}

fn with_job(recipe: &Recipe, dataset: &Dataset, places: &Places, run: impl FnOnce(&Job<'_>) -> Outcome) -> Outcome {
    let stop = Arc::new(Stop::default());
    let (asked, out) = (stop.clone(), places.out.clone());
    signals::when_asked_to_end(move || end(&asked, &out))?;
    let compute = Compute::choose(places.device)?;
    note(format_args!("device: {}", compute.describe()));
    note(format_args!("data set: {} pictures, id {}", dataset.rows.len(), dataset.id().short()));
    for lack in lacks(dataset) {
        note(lack);
    }
    let out = places.out.display();
    note(format_args!("run: {out}; if it is stopped, `goodtwin train --resume {out}` goes on with it"));
    let (ui, now) = (Ui::detect(), clock());
    // What a graphics card has free its driver does not say.
    let memory = if compute.is_gpu() { None } else { memory::available() };
    run(&Job { recipe, dataset, places, compute: &compute, ui: &ui, memory, now: &now, stop: &stop })
}

/// In good order while steps are taken. At once before and after them: what the trunk worked out is kept.
fn end(stop: &Stop, out: &Path) {
    if stop.ask() {
        return note("goodtwin: stopping with the step in hand; once more to end at once");
    }
    match out.join(run_card::NAME).exists() || seeds::file(out).exists() {
        true => note(format_args!("goodtwin: stopped; `goodtwin train --resume {}` goes on with it", out.display())),
        false => note("goodtwin: stopped before the run began"),
    }
    std::process::exit(130);
}

/// The time since 1970, which a clock that is set meanwhile does not turn back.
fn clock() -> impl Fn() -> Duration {
    let (at_start, started) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
    move || at_start + started.elapsed()
}

fn tell(recipe: &Recipe, summary: &Summary) -> Outcome {
    say(format_args!("run:                {}", summary.run.display()))?;
    say(format_args!("model:              {}", summary.card.id.short()))?;
    say(format_args!("epoch kept:         {} of {}", summary.best_epoch, recipe.epochs))?;
    match summary.confusion.accuracy() {
        None => say("held-out accuracy:  no picture may ask")?,
        Some(share) => say(format_args!("held-out accuracy:  {share:.3} ({} pictures)", summary.confusion.total()))?,
    }
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

fn tell_seeds(job: &Job<'_>, seeds: &mut Seeds) -> Outcome {
    train::train_seeds(job, seeds, |summary| {
        note(format_args!("{}: epoch {} was kept", summary.run.display(), summary.best_epoch));
    })?;
    say(format_args!("{} runs, {}-seedN\n", seeds.runs.len(), job.places.out.display()))?;
    say(format_args!("{:<28} {:>8} {:>8}", "figure", "mean", "spread"))?;
    for (figure, spread) in &seeds.figures {
        let deviation = spread.deviation.map_or("-".into(), |d| format!("{d:.4}"));
        say(format_args!("{figure:<28} {:>8.4} {deviation:>8}", spread.mean))?;
    }
    say("\nThe spread is the sample's standard deviation.")
}
