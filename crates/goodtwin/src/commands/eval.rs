//! `goodtwin eval`: a run beside the ladder.

use std::path::{Path, PathBuf};

use goodtwin_core::terminal::{lines, note};
use goodtwin_core::{ContentId, Dataset, DatasetReader, atomic};
use goodtwin_training::Ui;
use goodtwin_training::bootstrap::Bootstrap;
use goodtwin_training::evaluate::{Run, Settings, evaluate, publish};
use goodtwin_training::evaluation::{self, Evaluation, Group, Queries, Rung};
use goodtwin_training::retrieval::{Figures, Metric};
use goodtwin_vision::{Compute, DeviceChoice};

use crate::exit::{Failure, Outcome, say};

/// Measure a run on held-out families, beside chance, colours, and the same trunk untouched.
#[derive(clap::Args)]
pub struct Args {
    /// The run; without one, only the untouched trunk is measured
    run: Option<PathBuf>,
    /// The data set to measure on [default: the one below datasets/ that the run was trained on]
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// held-out: pictures of families that the run has not seen ask; all: every picture asks. The gallery is every other picture
    #[arg(long, value_name = "held-out|all", default_value = "held-out")]
    queries: Queries,
    /// The untouched trunk's input; of another size than the run's the figures get files of their own [default: the run's, or 128]
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
    /// Where the trunk's outputs are kept between runs
    #[arg(long, value_name = "DIR", default_value = "checkpoints/cache")]
    cache: PathBuf,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let compute = Compute::choose(args.device)?;
    let ui = Ui::detect();
    let run = args.run.as_deref().map(|dir| Run::open(dir, &compute)).transpose()?;
    let dataset = match (&args.dataset, &run) {
        (Some(dir), _) => DatasetReader::open(dir)?,
        (None, Some(run)) => find(Path::new("datasets"), run.embedder.dataset_id())?,
        (None, None) => {
            return Err(Failure::usage("expected a run, or --dataset DIR to measure the untouched trunk on"));
        }
    };
    let settings = Settings {
        imagenet: &args.weights,
        cache: &args.cache,
        size: args.size,
        queries: args.queries,
        bootstrap: Bootstrap::default(),
    };
    if let Some(run) = &run {
        // Nobody waits for figures that cannot be kept.
        atomic::probe(&run.dir.join(evaluation::NAME))?;
    }
    let evaluation = evaluate(&dataset, run.as_ref(), &settings, &compute, &ui)?;
    if let Some(run) = &run {
        evaluation.write(&evaluation.path(&run.dir, run.embedder.card()))?;
        note(format_args!("report: {}", publish(run, &dataset, &evaluation)?.display()));
    }
    match args.json {
        true => say(serde_json::to_string_pretty(&evaluation).expect("figures serialise")),
        false => say(lines(&describe(&evaluation))),
    }
}

/// The data set with this id, in a folder below `datasets` or in one of those.
fn find(datasets: &Path, id: &ContentId) -> Result<Dataset, Failure> {
    let below =
        |dir: &Path| -> Vec<PathBuf> { dir.read_dir().into_iter().flatten().flatten().map(|e| e.path()).collect() };
    let mut dirs = below(datasets);
    dirs.extend(dirs.clone().iter().flat_map(|dir| below(dir)));
    dirs.sort();
    let manifest = |dir: &PathBuf| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(dir.join("dataset.json")).ok()?).ok()
    };
    match dirs.iter().find(|dir| manifest(dir).is_some_and(|m| m["id"] == id.as_str())) {
        Some(dir) => Ok(DatasetReader::open(dir)?),
        None => Err(Failure::new(
            65,
            format!(
                "no data set below {} has the id {} that the run was trained on: give --dataset DIR",
                datasets.display(),
                id.short()
            ),
        )),
    }
}

/// The headline, the ladder, the groups.
pub fn describe(evaluation: &Evaluation) -> String {
    let mut text = format!("{}\n\n", evaluation.headline);
    text += &format!(
        "{} on {} ({} pictures, id {}); untouched {} at {} px; {}\n",
        evaluation.run.as_ref().map_or("the ladder", |r| r.name.as_str()),
        evaluation.dataset.name,
        evaluation.dataset.pictures,
        evaluation.dataset.id.short(),
        evaluation.trunks,
        evaluation.size,
        match evaluation.seen {
            0 => format!("{} ask", evaluation.askers()),
            seen => format!("{} ask, {seen} do not", evaluation.askers()),
        }
    );
    let rungs = &evaluation.rungs;
    text += &table("family, every other picture in the gallery", rungs, |r| r.family.as_ref());
    text += &table("family across grounds, other grounds in the gallery", rungs, |r| r.across.as_ref());
    if evaluation.asks_of_a_part() {
        let title = format!("family, {} alone in the gallery", evaluation.askers());
        text += &table(&title, rungs, |r| r.unseen.as_ref());
    }
    text += &table("type", rungs, |r| r.types.as_ref());
    text += &groups("type", &evaluation.by_type);
    text += &groups("ground", &evaluation.by_background);
    if let (None, Some(accuracy)) = (&evaluation.classification, evaluation.of_run().and_then(|run| run.accuracy)) {
        text += &format!("\naccuracy {accuracy} of {} pictures\n", evaluation.asked.len());
    }
    if let Some(classes) = &evaluation.classification {
        text += &format!("\naccuracy {} of {} pictures{}\n", classes.accuracy, classes.pictures, classes.strangers());
        text += &format!("{:<24} {:>8} {:>10} {:>8}\n", "class", "pictures", "precision", "recall");
        let share = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.3}"));
        for c in &classes.classes {
            let (precision, recall) = (share(c.precision), share(c.recall));
            text += &format!("{:<24} {:>8} {precision:>10} {recall:>8}\n", c.class.as_str(), c.pictures);
        }
    }
    text += &evaluation.seeds.as_ref().map_or(String::new(), super::runs::seeds);
    let b = evaluation.bootstrap;
    text + &format!("\n95 % intervals: {} resamples of families, seed {}", b.resamples, b.seed)
}

fn table(title: &str, rungs: &[Rung], figures: impl Fn(&Rung) -> Option<&Figures>) -> String {
    let Some(any) = rungs.iter().find_map(&figures) else { return String::new() };
    let mut text = format!("\n{title}: {} queries of {} families\n", any.queries, any.families);
    text += &format!("{:<32} {:^21}", "features", "Recall@1");
    for metric in &Metric::ALL[1..] {
        text += &format!(" {:>9}", metric.name());
    }
    text += "\n";
    for rung in rungs {
        let name = &rung.features;
        match (figures(rung), &rung.retrieval, &rung.note) {
            (Some(f), ..) => {
                text += &format!("{name:<32} {:<21}", f.get(Metric::Recall1).to_string());
                for metric in &Metric::ALL[1..] {
                    text += &format!(" {:>9.3}", f.get(*metric).value);
                }
                text += "\n";
            }
            (None, None, Some(note)) => text += &format!("{name:<32} {note}\n"),
            (None, Some(r), Some(note)) if title.starts_with("family, ") => {
                text += &format!("{name:<32} {:.3} {:>25.3}   {note}\n", r.recall_1, r.recall_5);
            }
            _ => {}
        }
    }
    text
}

fn groups(by: &str, groups: &[Group]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut text = format!("\nfamily by {by} of the query\n");
    text += &format!(
        "{by:<24} {:>8} {:^21} {:>9}   {}\n",
        "queries", "Recall@1", "mAP@R", "Recall@1 minus the best untouched"
    );
    for group in groups {
        let difference = group.difference.as_ref().map_or(String::new(), |d| d[&Metric::Recall1].to_string());
        let (recall, map_r) = (group.family.get(Metric::Recall1).to_string(), group.family.get(Metric::MapR).value);
        text += &format!("{:<24} {:>8} {recall:<21} {map_r:>9.3}   {difference}\n", group.name, group.family.queries);
    }
    text
}
