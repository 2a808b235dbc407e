//! From a recipe and a data set to a run folder.
//!
//! How to run it: `goodtwin train --config configs/training.toml --dataset datasets/demo`
//!
//! The trunk is frozen and its outputs are cached, so a step is block 5, the dense layer and the softmax layer, forward
//! and back. The epoch with the lowest loss on the validation split is kept; the test split is looked at once, at the end.
//!
//! - [`splits`]: [`Splits`](splits::Splits): which rows are trained on, choose the epoch, are measured at the end.
//! - [`learner`]: [`Learner`](learner::Learner): what learns, before its first step.
//! - [`mask`]: where the bag is, which it learns first.
//! - [`plan`]: which pictures a step sees, in which views, and what its dropout draws from.
//! - [`batches`]: reads them while the step before is at work.
//! - [`loss`]: what a step is to lower; [`families`]: what families add to it.
//! - [`schedule`], [`optimizer`]: from a gradient to a step.
//! - [`averaging`]: the mean of the weights over the last steps.
//! - [`steps`]: the loop; [`stop`]: how it is ended before its time.
//! - [`checkpoint`], [`run_card`]: where a run goes on after a kill, and what it is made of.
//! - [`log`][]: `metrics.jsonl`.
//! - [`seeds`]: several runs that differ in their seed.
//! - [`measure`]: what the network says of pictures.
//! - [`parameters`]: a network's parameters by the path to them.

pub mod averaging;
pub mod batches;
pub mod checkpoint;
pub mod families;
pub mod learner;
pub mod log;
pub mod loss;
pub mod mask;
pub mod measure;
pub mod optimizer;
pub mod parameters;
pub mod plan;
pub mod run_card;
pub mod schedule;
pub mod seeds;
pub mod splits;
pub mod steps;
pub mod stop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::module::Module;
use goodtwin_core::atomic::{self, StagedDir};
use goodtwin_core::terminal::note;
use goodtwin_core::{BagType, Dataset, Error as CoreError, RunLock};
use goodtwin_vision::checkpoint::Provenance;
use goodtwin_vision::{Checkpoint, Compute, DeviceChoice, ModelCard, Weights};

use crate::cache::Source;
use crate::evaluate::{Asking, SEEN, Seen, Start as AtStart};
use crate::memory::{Estimate, gib};
use crate::metrics::{Confusion, argmax};
use crate::recipe::FamilyLoss;
use crate::retrieval::{self, Retrieval};
use crate::{Error, Recipe, Result, TrunkCache, Ui, model_card, report};
use checkpoint::{Checkpoints, State, Sums};
use families::Families;
use learner::{Begun, Learner};
pub use log::Epoch;
use log::{Log, Written};
use measure::Measured;
use plan::Batch;
use run_card::RunCard;
use seeds::{SeedRun, Seeds};
use splits::Splits;
use steps::{Progress, Steps};
pub use stop::Stop;

/// What to train, on what, and where.
pub struct Job<'a> {
    /// Every setting.
    pub recipe: &'a Recipe,
    /// The pictures.
    pub dataset: &'a Dataset,
    /// Where files lie.
    pub places: &'a Places,
    /// The device that does the sums.
    pub compute: &'a Compute,
    /// Where progress goes.
    pub ui: &'a Ui,
    /// Bytes that a step may take; none where nobody knows.
    pub memory: Option<u64>,
    /// The time, since the beginning of 1970; it never goes back.
    pub now: &'a dyn Fn() -> Duration,
    /// Ends it before its time.
    pub stop: &'a Stop,
}

/// Where a run reads and writes.
#[derive(Clone, Debug)]
pub struct Places {
    /// The trunk's ImageNet weights.
    pub imagenet: PathBuf,
    /// The run folder.
    pub out: PathBuf,
    /// The trunk's cache.
    pub cache: PathBuf,
    /// The device that was asked for.
    pub device: DeviceChoice,
}

/// What a run left behind.
#[derive(Debug)]
pub struct Summary {
    /// The run folder.
    pub run: PathBuf,
    /// `model.json`.
    pub card: ModelCard,
    /// On the test split.
    pub confusion: Confusion,
    /// Queries from the test split, against all pictures, before the first step; none without families to ask for.
    pub at_start: Option<Retrieval>,
    /// The same, of the epoch that was kept.
    pub retrieval: Option<Retrieval>,
    /// The epoch whose weights were kept.
    pub best_epoch: usize,
}

/// Held by who is at work on a run.
const LOCK: &str = "run.lock";

/// Train, measure, and write the run folder, which must be empty or not there yet.
///
/// # Errors
/// See [`Error`]; all that can be checked is checked before the trunk runs. An error before the first checkpoint leaves no
/// run folder; after it, [`resume`] goes on. Exit 75 while another process is at work on the run, 130 where it was stopped.
pub fn train(job: &Job<'_>) -> Result<Summary> {
    let out = &job.places.out;
    let classes = job.dataset.classes();
    let splits = Splits::of(job.dataset, &classes)?;
    let imagenet = job.recipe.trunk.load(&job.places.imagenet)?;
    expect_room(out)?;
    let families = families(job, &splits)?;
    let part = part(job, classes.len(), &splits)?;
    atomic::create_dir(out)?;
    let lock = RunLock::take(&out.join(LOCK))?;
    // Another may have begun since.
    expect_room(out)?;
    let card = RunCard::of(job, &imagenet);
    card.write(out)?;
    let checkpoints = Checkpoints::of(out, card.id());
    let mut run = Run { job, part, classes, splits, families, imagenet, checkpoints, _lock: lock };
    run.go().inspect_err(|e| {
        // Nothing to go on from; a dump is for a person to look at.
        if !Checkpoints::exist(out) && !is_finished(out) && !matches!(e, Error::NotANumber { .. }) {
            let _ = std::fs::remove_dir_all(out);
        }
    })
}

/// Refuse a folder that holds anything; a lock alone is what a run left that was killed before it began.
fn expect_room(out: &Path) -> Result<()> {
    if out.read_dir().is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOCK)) {
        return Err(match is_finished(out) || RunCard::open(out).is_err() {
            true => Error::Exists(out.into()),
            // Who is at work on it is told of first.
            false => RunLock::take(&out.join(LOCK)).map(|_| Error::Unfinished(out.into()))?,
        });
    }
    Ok(())
}

/// Go on with a run that was killed, from its last checkpoint or, where there is none yet, from the start.
///
/// # Errors
/// Exit 65 when recipe, data set or weights are not those that the run began with, exit 73 when there is nothing left to do, exit 75 while another process is at work on it,
/// and those of [`train`].
pub fn resume(job: &Job<'_>) -> Result<Summary> {
    let out = &job.places.out;
    let card = RunCard::open(out)?;
    let lock = RunLock::take(&out.join(LOCK))?;
    // Whoever held the lock before us may have come to the end.
    if is_finished(out) {
        remove_what_is_not_needed(out)?;
        return Err(Error::Finished(out.clone()));
    }
    let imagenet = job.recipe.trunk.load(&job.places.imagenet)?;
    card.check(&out.join(run_card::NAME), job.recipe, job.dataset, &imagenet)?;
    if card.backend != job.compute.backend() {
        note(format_args!(
            "the run began on {} and goes on with {}: its losses will differ in the last digits",
            card.backend,
            job.compute.backend()
        ));
    }
    let classes = job.dataset.classes();
    let splits = Splits::of(job.dataset, &classes)?;
    let families = families(job, &splits)?;
    let part = part(job, classes.len(), &splits)?;
    let checkpoints = Checkpoints::of(out, card.id());
    Run { job, part, classes, splits, families, imagenet, checkpoints, _lock: lock }.go()
}

/// Whether there is nothing left to do: the model is there.
pub fn is_finished(run: &Path) -> bool {
    run.join("model.json").exists()
}

/// Remove what a finished run no longer needs, if it was killed before it could.
///
/// # Errors
/// Exit 74 where the disk refuses, exit 75 while another process is at work on the run.
pub fn tidy(run: &Path) -> Result<()> {
    if !checkpoint::folder(run).exists() && !run.join(LOCK).exists() {
        return Ok(());
    }
    let _lock = RunLock::take(&run.join(LOCK))?;
    remove_what_is_not_needed(run)
}

fn remove_what_is_not_needed(run: &Path) -> Result<()> {
    Checkpoints::remove(run)?;
    let lock = run.join(LOCK);
    Ok(std::fs::remove_file(&lock).map_err(|e| CoreError::disk(&lock, "remove the lock", e))?)
}

/// What a loss over families needs to know.
fn families(job: &Job<'_>, splits: &Splits) -> Result<Families> {
    let families = Families::of(&job.recipe.family, splits);
    if job.recipe.family.loss == FamilyLoss::NormalisedSoftmax && families.classes() < 2 {
        let what = format!(
            "has {} families of two pictures in the training split: a softmax over families tells at least two apart",
            families.classes()
        );
        return Err(Error::Dataset { dataset: job.dataset.root.clone(), what });
    }
    Ok(families)
}

/// How many pictures go through the network at once.
fn part(job: &Job<'_>, classes: usize, splits: &Splits) -> Result<usize> {
    let pictures = splits.train.len();
    let batch = job.recipe.batch(pictures);
    let Some(available) = job.memory else { return Ok(batch) };
    let estimate = Estimate::of(job.recipe, classes, pictures);
    let part = estimate.part(job.recipe, classes, pictures, available)?;
    if part < batch {
        note(format_args!(
            "memory: a batch of {batch} needs {}, and {} are free: it is taken in parts of {part}, whose gradients are added up",
            gib(estimate.bytes(batch)),
            gib(available)
        ));
    }
    Ok(part)
}

struct Run<'a> {
    job: &'a Job<'a>,
    part: usize,
    classes: Vec<BagType>,
    splits: Splits,
    families: Families,
    imagenet: Weights,
    checkpoints: Checkpoints,
    _lock: RunLock,
}

impl Run<'_> {
    fn go(&mut self) -> Result<Summary> {
        self.note_what_is_seen()?;
        self.forget_what_went_wrong()?;
        let Job { recipe, dataset, places, compute, ui, .. } = *self.job;
        let (preprocess, augment, imagenet) = (&recipe.preprocess, &recipe.augment, &self.imagenet);
        let source = Source { dataset, preprocess, augment, imagenet, compute, ui };
        let cache = TrunkCache::open(&places.cache, &source)?;
        let progress = match self.checkpoints.latest(|line| note(line))? {
            Some(found) => {
                note(format_args!("going on after step {}", found.state.step));
                let device = compute.device().clone().autodiff();
                let learner =
                    Learner::random(&found.state.network, preprocess.size, self.families.classes(), imagenet, &device)?;
                Progress::load(self.job, found, learner)?
            }
            None => self.start(&cache)?,
        };
        // Dropout's draws and the last digits of a sum depend on it, so that a run keeps to the one that it began with, where that fits.
        let part = progress.state.part.min(self.part);
        let (job, splits, families) = (self.job, &self.splits, &self.families);
        let steps = Steps { job, splits, families, cache: &cache, checkpoints: &self.checkpoints, part };
        let (state, learner) = steps.run(progress)?;
        let summary = self.finish(&cache, state, &learner, part)?;
        remove_what_is_not_needed(&places.out)?;
        Ok(summary)
    }

    /// A dump of an earlier try is not of this one.
    fn forget_what_went_wrong(&self) -> Result<()> {
        let dump = self.job.places.out.join(steps::DUMP);
        match std::fs::remove_file(&dump) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(CoreError::disk(&dump, "remove the file", e).into())
            }
            _ => Ok(()),
        }
    }

    /// Before any long work: a picture that cannot be read ends the run here.
    fn note_what_is_seen(&mut self) -> Result<()> {
        let (out, dataset) = (&self.job.places.out, self.job.dataset);
        if !out.join(SEEN).exists() {
            Seen::of(dataset).write(out)?;
        }
        self.splits.test = Asking::of_own(out, dataset, &self.splits.test, self.job.ui)?.rows;
        Ok(())
    }

    /// The run before its first step.
    fn start(&self, cache: &TrunkCache) -> Result<Progress> {
        let recipe = self.job.recipe;
        let device = self.job.compute.device().clone().autodiff();
        device.seed(recipe.seed);
        let (splits, imagenet) = (&self.splits, &self.imagenet);
        let Begun { network, learner, mask_agreement } =
            Learner::start(recipe, self.job.dataset, splits, cache, imagenet, self.part, &device)?;
        let (out, dataset) = (&self.job.places.out, self.job.dataset);
        let measured = self.measure(cache, &learner.valid(), self.part)?;
        let answers = retrieval::ask(&dataset.rows, &measured.embeddings, &self.splits.test);
        let at_start = Retrieval::of(&answers);
        AtStart { dataset: dataset.id().clone(), answers }.write(out)?;
        let state = State {
            step: 0,
            part: self.part,
            network,
            at_start,
            mask_agreement,
            epoch: Sums::default(),
            history: vec![],
            best: None,
            written: Written::default(),
        };
        Ok(Progress::new(self.job, state, learner))
    }

    fn measure(&self, cache: &TrunkCache, learner: &Learner, part: usize) -> Result<Measured> {
        let all: Vec<usize> = (0..self.job.dataset.rows.len()).collect();
        Measured::of(&learner.top, &all, &self.splits.labels, cache, part, self.job.compute.device())
    }

    fn found(&self, measured: &Measured) -> Option<Retrieval> {
        retrieval::measure(&self.job.dataset.rows, &measured.embeddings, &self.splits.test)
    }

    /// Look at the test split, and write the model: `model.json` last, which makes the run a finished one.
    fn finish(&self, cache: &TrunkCache, state: State, learner: &Learner, part: usize) -> Result<Summary> {
        let Job { recipe, dataset, places, compute, .. } = *self.job;
        let best_epoch = state.best.as_ref().expect("a run has at least one epoch").epoch;
        let measured = self.measure(cache, learner, part)?;
        // A last step that went wrong shows here alone where there is no validation split.
        let unsound = measured.unsound();
        if !unsound.is_empty() {
            let batch = Batch { views: vec![0; unsound.len()], rows: unsound };
            return Err(steps::not_a_number(self.job, measured.loss as f32, best_epoch, state.step, &batch));
        }
        let labels = &self.splits.labels;
        let asked = retrieval::distinct(&dataset.rows, &self.splits.test);
        let predictions = asked.iter().map(|i| (labels[*i], argmax(&measured.logits[*i])));
        let confusion = Confusion::count(&self.classes, predictions);
        let (at_start, retrieval) = (state.at_start, self.found(&measured));
        let provenance = Provenance {
            dataset: dataset.id().clone(),
            device: compute.describe().into(),
            recipe: serde_json::to_value(recipe).expect("a recipe serialises"),
            metrics: final_metrics(best_epoch, &confusion, at_start, retrieval, state.mask_agreement),
        };
        let staged = StagedDir::new(&places.out.join("finished"))?;
        let preprocess = recipe.preprocess.clone();
        let card =
            Checkpoint::write(staged.path(), &learner.top, &self.imagenet, state.network, preprocess, provenance)?;
        let page = report::render(&card, dataset, &state.history, best_epoch, &confusion, [at_start, retrieval]);
        atomic::write(&staged.path().join("report.html"), page.as_bytes())?;
        let name = places.out.file_name().map_or("run".into(), |n| n.to_string_lossy().into_owned());
        let readme = model_card::markdown(&name, &card, None);
        atomic::write(&staged.path().join("README.md"), readme.as_bytes())?;
        let mut log = Log::open(&places.out, state.written, (self.job.now)().as_secs_f64())?;
        let steps = state.history.last().map_or(0, |epoch| epoch.step);
        log.scalars(steps, &steps::found(retrieval), (self.job.now)().as_secs_f64())?;
        log.sync()?;
        move_into(staged.path(), &places.out, "model.json")?;
        Ok(Summary { run: places.out.clone(), card, confusion, at_start, retrieval, best_epoch })
    }
}

/// Move all files of one folder into another, `last` after the others are there for good.
fn move_into(from: &Path, to: &Path, last: &str) -> Result<()> {
    let disk = |e| CoreError::disk(to, "move the files into place", e);
    let names: Vec<_> = from
        .read_dir()
        .map_err(disk)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<Result<_, _>>()
        .map_err(disk)?;
    for name in names.iter().filter(|name| *name != last) {
        std::fs::rename(from.join(name), to.join(name)).map_err(disk)?;
    }
    atomic::sync_dir(to)?;
    std::fs::rename(from.join(last), to.join(last)).map_err(disk)?;
    Ok(atomic::sync_dir(to)?)
}

/// Go on with a group of runs, or begin it: each seed's run is begun, gone on with, or finished already. `job` says what
/// they share, and its `out` is the group's name.
///
/// # Errors
/// Exit 65 where recipe, data set or weights are not those that the group, or a run that is finished, began with; those of
/// [`train`] and [`resume`], from the first run that fails.
pub fn train_seeds(job: &Job<'_>, seeds: &mut Seeds, mut each: impl FnMut(&Summary)) -> Result<()> {
    let group = &job.places.out;
    // It goes on as a whole.
    let of_group = |e| match e {
        Error::Stopped { step, .. } => Error::Stopped { step, run: group.clone() },
        e => e,
    };
    let imagenet = job.recipe.trunk.load(&job.places.imagenet)?;
    seeds.card.check(&seeds::file(group), job.recipe, job.dataset, &imagenet)?;
    // A folder of this name may be another's: said before hours of work.
    let known = |SeedRun { seed, folder, .. }: &SeedRun| -> Result<_> {
        let out = group.with_file_name(folder);
        let model = is_finished(&out).then(|| Checkpoint::open(&out)).transpose()?.map(|checkpoint| checkpoint.card);
        if let Some(model) = &model {
            seeds.card.with_seed(*seed).check_model(&out, model)?;
        }
        Ok((*seed, out, model))
    };
    let runs = seeds.runs.iter().map(known).collect::<Result<Vec<_>>>()?;
    seeds.write(group)?;
    for (seed, out, model) in runs {
        let recipe = Recipe { seed, ..job.recipe.clone() };
        let places = Places { out, ..job.places.clone() };
        let job = Job { recipe: &recipe, places: &places, ..*job };
        let metrics = match model {
            Some(model) => {
                tidy(&places.out)?;
                model.metrics
            }
            None => {
                let begun = RunCard::open(&places.out).is_ok();
                let summary = if begun { resume(&job) } else { train(&job) }.map_err(of_group)?;
                each(&summary);
                summary.card.metrics
            }
        };
        seeds.finished(group, seed, metrics)?;
    }
    Ok(())
}

fn final_metrics(
    best_epoch: usize,
    confusion: &Confusion,
    at_start: Option<Retrieval>,
    retrieval: Option<Retrieval>,
    mask_agreement: Option<f64>,
) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::from([("best_epoch".into(), best_epoch as f64)]);
    metrics.extend(mask_agreement.map(|agreement| ("validation_mask_iou".into(), agreement)));
    metrics.extend(confusion.accuracy().map(|accuracy| ("test_accuracy".into(), accuracy)));
    for (prefix, found) in [("start", at_start), ("test", retrieval)] {
        let Some(found) = found else { continue };
        metrics.insert(format!("{prefix}_family_queries"), found.queries as f64);
        metrics.insert(format!("{prefix}_family_recall_at_1"), found.recall_1);
        metrics.insert(format!("{prefix}_family_recall_at_5"), found.recall_5);
        metrics.insert(format!("{prefix}_family_type_at_1"), found.type_1);
    }
    metrics
}
