//! `goodtwin eval`: a run beside the untouched trunk.

use std::path::PathBuf;

use goodtwin_core::DatasetReader;
use goodtwin_training::Ui;
use goodtwin_training::evaluate::{self, Queries, Rung};
use goodtwin_vision::{Compute, DeviceChoice, Embedder};

use crate::exit::{Failure, Outcome, say};

/// Measure a run on held-out families, beside the same trunk untouched.
#[derive(clap::Args)]
pub struct Args {
    /// The run; without one, only the untouched trunk is measured
    run: Option<PathBuf>,
    /// The data set to measure on
    #[arg(long, value_name = "DIR")]
    dataset: PathBuf,
    /// held-out: pictures of the test split ask; all: every picture asks. The gallery is every other picture
    #[arg(long, value_name = "held-out|all", default_value = "held-out")]
    queries: Queries,
    /// The untouched trunk's input [default: the run's, or 128]
    #[arg(long, value_name = "PIXELS")]
    size: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// auto takes a real GPU if there is one; gpu takes any Vulkan adapter, software included
    #[arg(long, value_name = "auto|cpu|gpu", default_value_t)]
    device: DeviceChoice,
    /// VGG16's ImageNet weights
    #[arg(long, value_name = "FILE", default_value = "checkpoints/vgg16-imagenet-f16.safetensors")]
    weights: PathBuf,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let dataset = DatasetReader::open(&args.dataset)?;
    let compute = Compute::choose(args.device)?;
    let ui = Ui::detect();
    let embedder = args.run.as_deref().map(|run| Embedder::open(run, &compute)).transpose()?;
    if let Some(embedder) = &embedder
        && args.queries == Queries::HeldOut
        && embedder.dataset_id() != dataset.id()
    {
        return Err(Failure::new(
            65,
            format!(
                "{}: the run was trained on data set {}, this is {}: which families it has not seen is not known; \
                 --queries all measures it as it is",
                args.dataset.display(),
                embedder.dataset_id().short(),
                dataset.id().short()
            ),
        ));
    }
    let size = args.size.or(embedder.as_ref().map(|e| e.card().preprocess.size)).unwrap_or(128);
    let fit = embedder.as_ref().map(|e| e.card().preprocess.fit).unwrap_or_default();
    let mut rungs = evaluate::untouched(&dataset, &args.weights, (size, fit), args.queries, &compute, &ui)?;
    if let Some(embedder) = &embedder {
        rungs.extend(evaluate::start(embedder, &dataset, args.queries));
        rungs.push(evaluate::run(&dataset, embedder, args.queries, &ui)?);
    }
    if args.json {
        say(serde_json::to_string_pretty(&rungs).expect("figures serialise"))
    } else {
        print_table(&rungs, size)
    }
}

fn print_table(rungs: &[Rung], size: u32) -> Outcome {
    let Some(queries) = rungs[0].retrieval.map(|r| r.queries) else {
        for accuracy in rungs.iter().filter_map(|r| r.accuracy) {
            say(format_args!("accuracy: {accuracy:.3}"))?;
        }
        say("retrieval: no picture that may ask has another of its family in the set")?;
        return Ok(());
    };
    say(format_args!("{queries} queries; untouched VGG16 at {size} px\n"))?;
    say(format_args!(
        "{:<22} {:>8} {:>8} {:>12} {:>9}",
        "features", "family@1", "family@5", "type nearest", "accuracy"
    ))?;
    for rung in rungs {
        let Some(r) = &rung.retrieval else { continue };
        let accuracy = rung.accuracy.map_or("-".into(), |a| format!("{a:.3}"));
        say(format_args!(
            "{:<22} {:>8.3} {:>8.3} {:>12.3} {accuracy:>9}",
            rung.features, r.recall_1, r.recall_5, r.type_1
        ))?;
    }
    let Some(run) = rungs.iter().find(|r| r.features == evaluate::THIS_RUN) else { return Ok(()) };
    let recall = |rung: &Rung| rung.retrieval.map_or(0.0, |r| r.recall_1);
    let untouched = rungs.iter().filter(|r| !r.features.starts_with(evaluate::THIS_RUN));
    let best = untouched.max_by(|a, b| recall(a).total_cmp(&recall(b))).expect("the untouched trunk was measured");
    let verdict = if recall(run) > recall(best) { "beats" } else { "does not beat" };
    say(format_args!(
        "\nThis run {verdict} the best untouched feature, {} ({:.3} against {:.3}).",
        best.features,
        recall(run),
        recall(best)
    ))
}
