//! The training loop.
//!
//! How to run it: `goodtwin train --config configs/training.toml --dataset datasets/demo`
//!
//! The trunk is frozen and its outputs are cached, so a step is block 5, the dense layer and the softmax layer, forward
//! and back. The epoch with the lowest loss on the validation split is kept; the test split is looked at once, at the end.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use burn::module::{Module, Param, ParamGroup};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer, RmsPropConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use goodtwin_core::atomic::{self, StagedDir};
use goodtwin_core::{BagType, Dataset, Error as CoreError, Split};
use goodtwin_vision::checkpoint::Provenance;
use goodtwin_vision::embedder::rows;
use goodtwin_vision::{Checkpoint, Compute, ModelCard, NetworkSpec, Top, Weights};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::cache::Source;
use crate::metrics::{Confusion, argmax};
use crate::recipe::{Rule, Schedule, Start};
use crate::retrieval::{self, Retrieval};
use crate::{Error, Recipe, Result, TrunkCache, Ui, report, whitening};

/// The most pictures that whitening is fitted on.
const WHITENING_ROWS: usize = 3000;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean over the steps.
    pub train_loss: f64,
    /// Over the augmented pictures, while training.
    pub train_accuracy: f64,
    /// Absent when the split is empty.
    pub validation_loss: Option<f64>,
    /// Absent when the split is empty.
    pub validation_accuracy: Option<f64>,
    /// Wall time.
    pub seconds: f64,
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

/// Where a run reads and writes.
pub struct Places<'a> {
    /// ImageNet's VGG16.
    pub imagenet: &'a Path,
    /// The run folder: empty, or not there yet.
    pub out: &'a Path,
    /// The trunk's cache.
    pub cache: &'a Path,
}

/// Train, measure, and write the run folder.
///
/// # Errors
/// See [`Error`]; all that can be checked is checked before the trunk runs.
pub fn train(recipe: &Recipe, dataset: &Dataset, places: &Places<'_>, compute: &Compute, ui: &Ui) -> Result<Summary> {
    let classes = dataset.classes();
    let splits = Splits::of(dataset, &classes)?;
    if places.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Exists(places.out.into()));
    }
    let imagenet = Weights::load_vgg16_imagenet(places.imagenet)?;
    let staged = StagedDir::new(places.out)?;
    let (preprocess, augment) = (&recipe.preprocess, &recipe.augment);
    let cache =
        TrunkCache::open(places.cache, &Source { dataset, preprocess, augment, imagenet: &imagenet, compute, ui })?;

    let device = compute.device().clone().autodiff();
    device.seed(recipe.seed);
    let (spec, mut top) = start(recipe, dataset, &classes, &splits, &cache, &imagenet, &device)?;
    let all: Vec<usize> = (0..dataset.rows.len()).collect();
    let at_start = measure(&top.valid(), &all, &splits.labels, &cache, recipe.batch_size, compute)?;
    let at_start = retrieval::measure(&dataset.rows, &at_start.embeddings, &splits.test);
    let mut optimizer = optimizer(recipe);
    let steps = splits.train.len().div_ceil(recipe.batch_size);
    let mut schedule = schedule(recipe, recipe.epochs * steps);
    let loss_of = CrossEntropyLossConfig::new().with_smoothing(Some(recipe.optimizer.label_smoothing)).init(&device);
    let mut log = MetricsLog::create(&staged.path().join("metrics.jsonl"))?;
    let mut history: Vec<Epoch> = Vec::new();
    let mut best: Option<(f64, usize, Top)> = None;
    let bar = ui.bar((recipe.epochs * steps) as u64, "training");

    for epoch in 1..=recipe.epochs {
        let started = Instant::now();
        let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
        rng.set_stream(epoch as u64);
        let mut order = splits.train.clone();
        order.shuffle(&mut rng);
        let (mut loss_sum, mut right) = (0.0, 0);
        for (step, batch) in order.chunks(recipe.batch_size).enumerate() {
            let seen: Vec<usize> = batch.iter().map(|_| rng.random_range(0..=cache.views())).collect();
            let labels: Vec<usize> = batch.iter().map(|i| splits.labels[*i]).collect();
            let (_, logits) = top.forward(cache.batch(batch, &seen, &device)?);
            let loss = loss_of.forward(logits.clone(), targets(&labels, &device));
            let value = loss.clone().into_scalar::<f32>();
            if !value.is_finite() {
                let pictures = batch.iter().map(|i| dataset.rows[*i].file_name.clone()).collect();
                return Err(Error::NotANumber { loss: value, epoch, step: step + 1, pictures });
            }
            let gradients = GradientsParams::from_grads(loss.backward(), &top);
            top = optimizer.step(schedule.step(), top, gradients);
            loss_sum += f64::from(value) * batch.len() as f64;
            right += rows(logits.inner()).iter().zip(&labels).filter(|(row, label)| argmax(row) == **label).count();
            bar.inc(1);
        }
        let validation = (!splits.validation.is_empty())
            .then(|| measure(&top.valid(), &splits.validation, &splits.labels, &cache, recipe.batch_size, compute))
            .transpose()?;
        // The step after the last loss has been taken: its weights show in the validation's loss only.
        if let Some(loss) = validation.as_ref().map(|m| m.loss).filter(|loss| !loss.is_finite()) {
            return Err(Error::NotANumber {
                loss: loss as f32,
                epoch,
                step: steps,
                pictures: vec!["validation".into()],
            });
        }
        let line = Epoch {
            epoch,
            train_loss: loss_sum / order.len() as f64,
            train_accuracy: right as f64 / order.len() as f64,
            validation_loss: validation.as_ref().map(|m| m.loss),
            validation_accuracy: validation.as_ref().map(|m| m.accuracy(&splits.labels)),
            seconds: started.elapsed().as_secs_f64(),
        };
        log.append(&line)?;
        ui.line(&bar, &describe(&line, recipe.epochs));
        // Without a validation split the last epoch is kept: the training loss would only choose the most overfitted.
        let loss = line.validation_loss.unwrap_or(-(epoch as f64));
        if best.as_ref().is_none_or(|(lowest, ..)| loss < *lowest) {
            best = Some((loss, epoch, top.valid()));
        }
        history.push(line);
    }
    bar.finish_and_clear();

    let (_, best_epoch, top) = best.expect("a recipe has at least one epoch");
    let measured = measure(&top, &all, &splits.labels, &cache, recipe.batch_size, compute)?;
    let predictions = splits.test.iter().map(|i| (splits.labels[*i], argmax(&measured.logits[*i])));
    let confusion = Confusion::count(&classes, predictions);
    let retrieval = retrieval::measure(&dataset.rows, &measured.embeddings, &splits.test);
    let provenance = Provenance {
        dataset: dataset.id().clone(),
        device: compute.describe().into(),
        recipe: serde_json::to_value(recipe).expect("a recipe serialises"),
        metrics: final_metrics(best_epoch, &confusion, at_start, retrieval),
    };
    let card = Checkpoint::write(staged.path(), &top, &imagenet, spec, recipe.preprocess.clone(), provenance)?;
    let page = report::render(&card, dataset, &history, best_epoch, &confusion, [at_start, retrieval]);
    atomic::write(&staged.path().join("report.html"), page.as_bytes())?;
    staged.publish_new()?;
    Ok(Summary { run: places.out.into(), card, confusion, at_start, retrieval, best_epoch })
}

/// Row numbers by split, and the label of every row.
pub struct Splits {
    /// Trained on.
    pub train: Vec<usize>,
    /// Chooses the epoch.
    pub validation: Vec<usize>,
    /// Measured at the end.
    pub test: Vec<usize>,
    /// The class of each row, by place in the list of classes.
    pub labels: Vec<usize>,
}

impl Splits {
    /// Sort the rows.
    ///
    /// # Errors
    /// [`Error::Dataset`] when a run would be pointless: one class only, or a class that is not in the training split.
    pub fn of(dataset: &Dataset, classes: &[BagType]) -> Result<Splits> {
        let refuse = |what: String| Err(Error::Dataset { dataset: dataset.root.clone(), what });
        if classes.len() < 2 {
            return refuse(format!("has the class `{}` only: expected at least two to tell apart", classes[0]));
        }
        let of = |split| (0..dataset.rows.len()).filter(|i| dataset.rows[*i].split == split).collect::<Vec<_>>();
        let labels: Vec<usize> = dataset
            .rows
            .iter()
            .map(|r| classes.binary_search(&r.bag_type).expect("the classes are those of the rows, sorted"))
            .collect();
        let train = of(Split::Train);
        for (number, class) in classes.iter().enumerate() {
            if !train.iter().any(|i| labels[*i] == number) {
                return refuse(format!(
                    "the class `{class}` has no picture in the training split: expected at least one"
                ));
            }
        }
        Ok(Splits { train, validation: of(Split::Validation), test: of(Split::Test), labels })
    }
}

/// The network before its first step.
fn start(
    recipe: &Recipe,
    dataset: &Dataset,
    classes: &[BagType],
    splits: &Splits,
    cache: &TrunkCache,
    imagenet: &Weights,
    device: &Device,
) -> Result<(NetworkSpec, Top)> {
    let head = &recipe.head;
    let mut spec = NetworkSpec {
        trunk: "vgg16".into(),
        trunk_sha256: imagenet.id().clone(),
        pooling: head.pooling,
        dense: head.dense,
        activation: head.activation,
        dropout: head.dropout,
        classes: classes.to_vec(),
    };
    let size = recipe.preprocess.size;
    let mut top = Top::init(&spec, size, imagenet, device)?;
    if head.start == Start::Whitening {
        let still = top.valid();
        let mut pooled = Vec::with_capacity(splits.train.len());
        // Some thousands show every direction that there is, and the decomposition costs the cube of their number.
        let step = splits.train.len().div_ceil(WHITENING_ROWS);
        let sample: Vec<usize> = splits.train.iter().copied().step_by(step).collect();
        for batch in sample.chunks(recipe.batch_size) {
            let block4 = cache.batch(batch, &vec![0; batch.len()], &device.clone().inner())?;
            pooled.extend(rows(still.pooled(block4)));
        }
        let affine = whitening::fit(&pooled, head.dense).ok_or_else(|| Error::Dataset {
            dataset: dataset.root.clone(),
            what: "the pictures of the training split do not differ: expected some that do".into(),
        })?;
        spec.dense = affine.d_out;
        let shape = [head.pooling.len(size), affine.d_out];
        top.dense = Linear {
            weight: Param::from_data(TensorData::new(affine.weight, shape), device),
            bias: Some(Param::from_data(TensorData::new(affine.bias, [affine.d_out]), device)),
        };
        top.classifier = LinearConfig::new(affine.d_out, classes.len()).init(device);
    }
    Ok((spec, top))
}

fn optimizer(recipe: &Recipe) -> ModuleOptimizer {
    match recipe.optimizer.rule {
        Rule::Rmsprop => RmsPropConfig::new().with_alpha(0.9).with_momentum(0.0).with_epsilon(1e-7).init(),
        Rule::Adamw => AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(1e-4).init(),
    }
}

/// One learning rate a part of the network.
fn schedule(recipe: &Recipe, steps: usize) -> ModuleLrScheduler {
    let of = |rate: f64| match recipe.optimizer.schedule {
        Schedule::Constant => LrSchedulerConfig::Constant(rate),
        Schedule::Cosine => LrSchedulerConfig::Cosine(CosineAnnealingLrSchedulerConfig::new(rate, steps)),
    };
    let rates = &recipe.optimizer;
    ModuleLrSchedulerConfig::new(of(rates.block5))
        .with_group(ParamGroup::from_predicate("dense"), of(rates.dense))
        .with_group(ParamGroup::from_predicate("classifier"), of(rates.classifier))
        .init()
        .expect("the recipe's rates were checked to be in 0..=1")
}

fn targets(labels: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|l| *l as i32).collect();
    Tensor::from_data(TensorData::new(values, [labels.len()]), device)
}

/// What the network says of some rows, seen as they are.
struct Measured {
    rows: Vec<usize>,
    embeddings: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
    loss: f64,
}

impl Measured {
    fn accuracy(&self, labels: &[usize]) -> f64 {
        let right = self.rows.iter().zip(&self.logits).filter(|(i, row)| argmax(row) == labels[**i]).count();
        right as f64 / self.rows.len() as f64
    }
}

fn measure(
    top: &Top,
    which: &[usize],
    labels: &[usize],
    cache: &TrunkCache,
    batch_size: usize,
    compute: &Compute,
) -> Result<Measured> {
    let device = compute.device();
    let loss_of = CrossEntropyLossConfig::new().init(device);
    let mut out = Measured { rows: which.to_vec(), embeddings: vec![], logits: vec![], loss: 0.0 };
    for batch in which.chunks(batch_size) {
        let (embedding, logits) = top.forward(cache.batch(batch, &vec![0; batch.len()], device)?);
        let batch_labels: Vec<usize> = batch.iter().map(|i| labels[*i]).collect();
        let loss = loss_of.forward(logits.clone(), targets(&batch_labels, device)).into_scalar::<f32>();
        out.loss += f64::from(loss) * batch.len() as f64 / which.len() as f64;
        out.embeddings.extend(rows(embedding));
        out.logits.extend(rows(logits));
    }
    Ok(out)
}

fn final_metrics(
    best_epoch: usize,
    confusion: &Confusion,
    at_start: Option<Retrieval>,
    retrieval: Option<Retrieval>,
) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::from([("best_epoch".into(), best_epoch as f64)]);
    if confusion.total() > 0 {
        metrics.insert("test_accuracy".into(), confusion.accuracy());
    }
    for (prefix, found) in [("start", at_start), ("test", retrieval)] {
        let Some(found) = found else { continue };
        metrics.insert(format!("{prefix}_family_queries"), found.queries as f64);
        metrics.insert(format!("{prefix}_family_recall_at_1"), found.recall_1);
        metrics.insert(format!("{prefix}_family_recall_at_5"), found.recall_5);
        metrics.insert(format!("{prefix}_family_type_at_1"), found.type_1);
    }
    metrics
}

fn describe(e: &Epoch, epochs: usize) -> String {
    let validation = match (e.validation_loss, e.validation_accuracy) {
        (Some(loss), Some(accuracy)) => format!(", validation loss {loss:.4} accuracy {accuracy:.3}"),
        _ => String::new(),
    };
    format!(
        "epoch {}/{epochs}: loss {:.4} accuracy {:.3}{validation}, {:.1} s",
        e.epoch, e.train_loss, e.train_accuracy, e.seconds
    )
}

/// `metrics.jsonl`: a line an epoch, on disk before the next begins.
struct MetricsLog {
    path: PathBuf,
    file: std::fs::File,
}

impl MetricsLog {
    fn create(path: &Path) -> Result<MetricsLog> {
        let file = std::fs::File::create(path).map_err(|e| CoreError::disk(path, "create the file", e))?;
        Ok(MetricsLog { path: path.into(), file })
    }

    fn append(&mut self, epoch: &Epoch) -> Result<()> {
        let mut line = serde_json::to_vec(epoch).expect("an epoch serialises");
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|e| CoreError::disk(&self.path, format!("write {} bytes", line.len()), e))?;
        Ok(())
    }
}
