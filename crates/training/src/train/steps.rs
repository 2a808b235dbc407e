//! The steps of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::terminal::note;
use goodtwin_core::{Dataset, atomic};
use goodtwin_vision::Top;
use goodtwin_vision::embedder::rows;

use super::Job;
use super::averaging::Average;
use super::batches;
use super::checkpoint::{Best, Checkpoints, Found, State, Tensors};
use super::families::Families;
use super::learner::Learner;
use super::log::{Epoch, Line, Log, Step, Written};
use super::loss::{Labels, Losses, Passed, Share};
use super::measure::Measured;
use super::optimizer::{Optimizer, groups, rates};
use super::parameters;
use super::plan::{Batch, Plan};
use super::schedule::Schedule;
use super::splits::Splits;
use crate::metrics::argmax;
use crate::recipe::{FamilyLoss, FineTune};
use crate::retrieval::Retrieval;
use crate::{Error, Result, TrunkCache, recipe};

/// A checkpoint is written when this many times as long as the last one took to write has passed: it costs a twentieth.
const CHECKPOINT_PACE: u32 = 20;

/// All that steps change.
pub struct Progress {
    /// What a checkpoint keeps beside tensors.
    pub state: State,
    /// The weights.
    pub learner: Learner,
    optimizer: Optimizer,
    average: Option<Average>,
    /// The best epoch's weights.
    best: Option<Learner>,
}

impl Progress {
    /// Before the first step.
    pub fn new(job: &Job<'_>, state: State, learner: Learner) -> Progress {
        let optimizer = &job.recipe.optimizer;
        let average = (optimizer.averaging > 0.0).then(|| Average::new(&learner, optimizer.averaging));
        Progress { state, learner, optimizer: Optimizer::new(optimizer.rule), average, best: None }
    }

    /// From a checkpoint. `learner` is any network of its shape.
    pub fn load(job: &Job<'_>, found: Found, learner: Learner) -> Result<Progress> {
        let (recipe, step) = (&job.recipe.optimizer, found.state.step);
        let learner = parameters::load(learner, &found.tensors("weights")?)?;
        let device = job.compute.device();
        let optimizer = Optimizer::load(recipe.rule, step, &found.tensors("optimizer")?, device)?;
        let average = match recipe.averaging > 0.0 {
            true => Some(Average::load(&learner, recipe.averaging, step, &found.tensors("average")?)?),
            false => None,
        };
        let best = match &found.state.best {
            Some(_) => Some(parameters::load(learner.valid(), &found.tensors("best")?)?),
            None => None,
        };
        Ok(Progress { state: found.state, learner, optimizer, average, best })
    }

    fn tensors(&self) -> Tensors {
        let mut tensors = BTreeMap::from([
            ("weights".to_string(), parameters::stored(&self.learner)),
            ("optimizer".to_string(), self.optimizer.stored()),
        ]);
        tensors.extend(self.average.as_ref().map(|average| ("average".to_string(), average.stored())));
        tensors.extend(self.best.as_ref().map(|best| ("best".to_string(), parameters::stored(best))));
        tensors
    }

    /// The weights that would be kept if the run ended now.
    fn network(&self) -> Result<Learner> {
        match &self.average {
            Some(average) => average.network(&self.learner),
            None => Ok(self.learner.valid()),
        }
    }
}

/// Takes the steps of a run that are not taken yet.
pub struct Steps<'a> {
    /// What to train, on what, where.
    pub job: &'a Job<'a>,
    /// The rows.
    pub splits: &'a Splits,
    /// Their families, as far as a loss asks.
    pub families: &'a Families,
    /// What the trunk says of them.
    pub cache: &'a TrunkCache,
    /// Where to go on after a kill.
    pub checkpoints: &'a Checkpoints,
    /// Pictures that fit into memory at once; the gradients of a batch are added up over its parts.
    pub part: usize,
}

impl Steps<'_> {
    /// Train to the end, and return the best epoch's weights and its number.
    pub fn run(&self, mut at: Progress) -> Result<(State, Learner)> {
        let (job, recipe) = (self.job, self.job.recipe);
        let plan = Plan {
            seed: recipe.seed,
            train: self.splits.train.clone(),
            views: self.cache.views(),
            batch_size: recipe.batch_size,
            partners: self.families.partners().cloned(),
        };
        let (steps, epochs) = (plan.steps(), recipe.epochs);
        let warm_up = (recipe.optimizer.warm_up * steps as f64).round() as usize;
        let schedule = Schedule::new(recipe.optimizer.schedule, warm_up, epochs * steps);
        let losses = Losses::new(recipe, &self.splits.class_counts(), self.families);
        let device = job.compute.device().clone().autodiff();
        // Where block 5 does not learn, nothing goes back through it, and it is worked out as at the query.
        let fixed = (recipe.optimizer.fine_tune_from == FineTune::Dense).then(|| at.learner.valid().top.fix());
        let seconds = || (job.now)().as_secs_f64();
        let mut log = Log::open(&job.places.out, at.state.written, seconds())?;
        if at.state.written == Written::default() {
            log.scalars(0, &found(at.state.at_start), seconds())?;
        }
        // A checkpoint that was just read need not be written again.
        let from = (at.state.written != Written::default()).then_some(at.state.step);
        let mut pace = Pace { step: from, written: (job.now)(), cost: Duration::ZERO };
        let (dropout, smoothing) = (recipe.head.dropout, recipe.optimizer.label_smoothing);
        if dropout.max(smoothing.into()) > 0.0 && !self.splits.validation.is_empty() {
            note(format_args!(
                "loss: in training with dropout {dropout} and label smoothing {smoothing}, which raise it; of the validation split \
                 without them, so that the two are not to be compared"
            ));
        }
        let bar = job.ui.bar((epochs * steps) as u64, "training");
        bar.set_position(at.state.step as u64);
        let heeding = job.stop.heed();

        while at.state.history.len() < epochs {
            let epoch = at.state.history.len() + 1;
            let batches = plan.epoch(epoch);
            let done = at.state.step - (epoch - 1) * steps;
            batches::each(self.cache, &batches[done..], self.part, |batch, parts| {
                let started = (job.now)();
                let mut pass = Pass::default();
                let families_of =
                    |rows: &[usize]| rows.iter().map(|i| self.splits.families[*i]).collect::<Vec<usize>>();
                let whole = families_of(&batch.rows);
                for (number, block4) in parts.enumerate() {
                    device.seed(plan.noise(at.state.step, number));
                    let rows =
                        batch.rows.chunks(self.part).nth(number).expect("a batch has as many parts as were read");
                    let pooled = see(fixed.as_ref(), &at.learner, block4?, &device);
                    let types: Vec<usize> = rows.iter().map(|i| self.splits.labels[*i]).collect();
                    let families = families_of(rows);
                    let labels = Labels { types: &types, families: &families };
                    pass.add(&losses, &at.learner, pooled, labels, losses.share(&families, &whole));
                }
                let factor = schedule.factor(at.state.step);
                if !pass.loss.is_finite() {
                    return Err(not_a_number(job, pass.loss, epoch, at.state.step + 1, batch));
                }
                // The loss shows that these weights are sound: those after the step have yet to show it.
                let stop = job.stop.asked();
                if pace.is_due(at.state.step, (job.now)(), stop) {
                    let began = (job.now)();
                    at.state.written = log.sync()?;
                    self.checkpoints.save(&at.state, &at.tensors())?;
                    pace.wrote(at.state.step, began, (job.now)());
                }
                if stop {
                    return Err(Error::Stopped { step: at.state.step, run: job.places.out.clone() });
                }
                let gradients = pass.gradients.grads();
                at.learner = at.optimizer.step(&rates(&recipe.optimizer, factor), at.learner.clone(), gradients);
                if let Some(average) = &mut at.average {
                    average.update(&at.learner);
                }
                at.state.step += 1;
                let weight = batch.rows.len() as f64;
                at.state.epoch.loss += f64::from(pass.loss) * weight;
                at.state.epoch.family += pass.family.map_or(0.0, f64::from) * weight;
                at.state.epoch.right += pass.right;
                at.state.epoch.seconds += ((job.now)() - started).as_secs_f64();
                let accuracy = pass.right as f32 / batch.rows.len() as f32;
                bar.inc(1);
                let step = at.state.step;
                log.scalars(step, &learning_rates(&recipe.optimizer, factor), seconds())?;
                let line = Step { step, epoch, loss: pass.loss, family_loss: pass.family, accuracy, rate: factor };
                log.append(&Line::Step(line), seconds())
            })?;
            let line = self.end_epoch(&mut at, epoch, plan.pictures())?;
            job.ui.line(&bar, &line.describe(epochs));
            log.append(&Line::Epoch(line.clone()), seconds())?;
            at.state.history.push(line);
        }
        bar.finish_and_clear();
        at.state.written = log.sync()?;
        // What follows is a look at every picture: whoever ends it, in whatever way, loses none of the steps.
        // Where no validation split has shown that these weights are sound, the step before them is what to go on from.
        if !self.splits.validation.is_empty() && pace.is_due(at.state.step, (job.now)(), true) {
            self.checkpoints.save(&at.state, &at.tensors())?;
        }
        drop(heeding);
        if job.stop.asked() {
            return Err(Error::Stopped { step: at.state.step, run: job.places.out.clone() });
        }
        Ok((at.state, at.best.expect("a recipe has at least one epoch, and each is compared")))
    }

    /// Measure on the validation split, and keep the weights if they are the best.
    fn end_epoch(&self, at: &mut Progress, epoch: usize, pictures: usize) -> Result<Epoch> {
        let started = (self.job.now)();
        let network = at.network()?;
        let (which, labels) = (&self.splits.validation, &self.splits.labels);
        let validation = (!which.is_empty())
            .then(|| Measured::of(&network.top, which, labels, self.cache, self.part, self.job.compute.device()))
            .transpose()?;
        if let Some(loss) = validation.as_ref().map(|m| m.loss).filter(|loss| !loss.is_finite()) {
            let batch = Batch { rows: which.clone(), views: vec![0; which.len()] };
            return Err(not_a_number(self.job, loss as f32, epoch, at.state.step, &batch));
        }
        let sums = std::mem::take(&mut at.state.epoch);
        let pictures = pictures as f64;
        let family = self.job.recipe.family.loss != FamilyLoss::None;
        let line = Epoch {
            epoch,
            step: at.state.step,
            train_loss: sums.loss / pictures,
            train_family_loss: family.then_some(sums.family / pictures),
            train_accuracy: sums.right as f64 / pictures,
            validation_loss: validation.as_ref().map(|m| m.loss),
            validation_accuracy: validation.as_ref().map(|m| m.accuracy(labels)),
            seconds: sums.seconds + ((self.job.now)() - started).as_secs_f64(),
        };
        // Without a validation split the last epoch is kept: the training loss would only choose the most overfitted.
        let loss = line.validation_loss.unwrap_or(-(epoch as f64));
        if at.state.best.as_ref().is_none_or(|best| loss < best.loss) {
            at.state.best = Some(Best { epoch, loss });
            at.best = Some(network);
        }
        Ok(line)
    }
}

/// The file in a run's folder with the pictures that the loss was no number on.
pub const DUMP: &str = "not-a-number.json";

/// Say which pictures the loss was no number on; a file beside the run has all of them.
pub fn not_a_number(job: &Job<'_>, loss: f32, epoch: usize, step: usize, batch: &Batch) -> Error {
    let Dataset { rows, .. } = job.dataset;
    let pictures: Vec<_> = batch
        .rows
        .iter()
        .zip(&batch.views)
        .map(|(i, view)| {
            serde_json::json!({ "row": i, "file_name": rows[*i].file_name, "sha256": rows[*i].sha256, "view": view })
        })
        .collect();
    let dump = job.places.out.join(DUMP);
    let value = serde_json::json!({ "loss": loss.to_string(), "epoch": epoch, "step": step, "batch": pictures });
    let kept = Checkpoints::exist(&job.places.out);
    match atomic::write(&dump, format!("{value:#}\n").as_bytes()) {
        Ok(()) => Error::NotANumber { loss, epoch, step, dump, kept },
        Err(e) => e.into(),
    }
}

/// What a network found, for TensorBoard.
pub fn found(retrieval: Option<Retrieval>) -> Vec<(&'static str, f32)> {
    let Some(found) = retrieval else { return vec![] };
    vec![("test/family_recall_at_1", found.recall_1 as f32), ("test/family_recall_at_5", found.recall_5 as f32)]
}

/// The learning rate of each part of the network, for TensorBoard.
fn learning_rates(recipe: &recipe::Optimizer, factor: f64) -> Vec<(&'static str, f32)> {
    groups(recipe).into_iter().map(|group| (group.tag, (group.rate * factor) as f32)).collect()
}

/// What the dense layer sees: through a block 5 that learns, or one that is `fixed`.
fn see(fixed: Option<&Top>, learner: &Learner, block4: TensorData, device: &Device) -> Tensor<2> {
    match fixed {
        Some(top) => Tensor::from_inner(top.pooled(Tensor::from_data(block4, &device.clone().inner()))),
        None => learner.top.pooled(Tensor::from_data(block4, device)),
    }
}

/// What the parts of a batch add up to.
#[derive(Default)]
struct Pass {
    loss: f32,
    family: Option<f32>,
    right: usize,
    gradients: GradientsAccumulator<Learner>,
}

impl Pass {
    fn add(&mut self, losses: &Losses, learner: &Learner, pooled: Tensor<2>, labels: Labels<'_>, share: Share) {
        let Passed { loss, family, logits } = losses.pass_pooled(learner, pooled, labels, share);
        if let Some(family) = family {
            *self.family.get_or_insert(0.0) += family.into_scalar::<f32>();
        }
        self.loss += loss.clone().into_scalar::<f32>();
        if !self.loss.is_finite() {
            return;
        }
        self.gradients.accumulate(learner, GradientsParams::from_grads(loss.backward(), learner));
        self.right +=
            rows(logits.inner()).iter().zip(labels.types).filter(|(row, label)| argmax(row) == **label).count();
    }
}

/// When the next checkpoint is due.
struct Pace {
    /// The step of the last one.
    step: Option<usize>,
    written: Duration,
    cost: Duration,
}

impl Pace {
    /// `last`: no other will follow.
    fn is_due(&self, step: usize, now: Duration, last: bool) -> bool {
        self.step != Some(step) && (last || now.saturating_sub(self.written) >= self.cost * CHECKPOINT_PACE)
    }

    fn wrote(&mut self, step: usize, started: Duration, ended: Duration) {
        *self = Pace { step: Some(step), written: ended, cost: ended.saturating_sub(started) };
    }
}
