//! Where the time of training goes: each stage measured by itself, beside a matrix multiplication and a copy.
//!
//! [`roofline`](goodtwin_vision::roofline) sets each beside them.

use std::time::Duration;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use goodtwin_core::terminal::note;
use goodtwin_core::{Dataset, Row};
use goodtwin_imaging::Picture;
use goodtwin_vision::embedder::framed_inputs;
use goodtwin_vision::mask::MaskHead;
use goodtwin_vision::roofline::{self, Bound, Peaks, Timed, flops};
use goodtwin_vision::vgg16::{Block, CHANNELS};
use goodtwin_vision::{Architecture, Compute, NetworkSpec, Pooling, Top, Trunk, Weights};
use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use crate::cache::{Source, TrunkCache};
use crate::train::families::Families;
use crate::train::learner::Learner;
use crate::train::loss::{Labels, Losses};
use crate::train::optimizer::{Optimizer, rates};
use crate::train::plan::Batch;
use crate::train::{batches, parameters};
use crate::{Error, Recipe, Result, Ui};

/// Each stage is measured so often; the median counts.
const ROUNDS: usize = 5;
/// Without a terminal, a line is printed as often while one thing is measured.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device, for people.
    pub device: String,
    /// The recipe's name.
    pub recipe: String,
    /// Pixels of a side.
    pub size: u32,
    /// Pictures at once.
    pub batch: usize,
    /// What the stages are held against.
    #[serde(flatten)]
    pub peaks: Peaks,
    /// In the order of the work. Those up to the cache are paid once a picture and view, the others in each epoch.
    pub stages: Vec<Stage>,
    /// Milliseconds a picture of one epoch.
    pub epochs: Epochs,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its time beside the machine's peaks.
    #[serde(flatten)]
    pub measured: roofline::Stage,
    /// Whether an epoch that reads the cache does it too.
    pub every_epoch: bool,
}

/// Milliseconds a picture of an epoch, four ways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Epochs {
    /// Block 4 from the cache.
    pub cached: f64,
    /// The same with the trunk worked out anew, as this program does it.
    pub uncached: f64,
    /// The same with the trunk in the code that block 5 learns in.
    pub uncached_same_code: f64,
    /// Gradients through all of VGG16.
    pub full: f64,
}

/// Measures.
pub struct Bench<'a> {
    /// Size, batch and head.
    pub recipe: &'a Recipe,
    /// Whose pictures.
    pub dataset: &'a Dataset,
    /// ImageNet's VGG16.
    pub imagenet: &'a Weights,
    /// The device.
    pub compute: &'a Compute,
    /// Where progress goes.
    pub ui: &'a Ui,
    /// The time since any fixed moment.
    pub now: &'a dyn Fn() -> Duration,
}

impl Bench<'_> {
    /// Measure all stages on the first pictures of the data set; `scratch` is a folder for a cache of its own.
    ///
    /// # Errors
    /// A picture that cannot be read (exit 65), a full disk (74).
    pub fn run(&self, scratch: &std::path::Path) -> Result<Report> {
        let (recipe, preprocess) = (self.recipe, &self.recipe.preprocess);
        let rows = &self.dataset.rows[..recipe.batch_size.min(self.dataset.rows.len())];
        let (n, side) = (rows.len(), preprocess.size as usize / 16);
        let device = self.compute.device();
        // What a batch reads once, a picture.
        let a_picture = |bytes: usize| bytes as f64 / n as f64;
        let mut once = Vec::new();

        let mut files = Vec::new();
        let ms = self.time("read", n, || {
            files = rows.par_iter().map(|row| Ok(self.dataset.read(row)?)).collect::<Result<Vec<_>>>()?;
            Ok(())
        })?;
        once.push(Timed::of("read", ms, Some(Bound::Files)));
        let mut pictures = Vec::new();
        let ms = self.time("decode", n, || {
            let decode = |(bytes, row): (&Vec<u8>, &Row)| {
                Picture::decode(bytes).map_err(|e| goodtwin_core::Error::data(self.dataset.path(row), e.to_string()))
            };
            pictures = files.par_iter().zip(rows).map(decode).collect::<Result<Vec<_>, _>>()?;
            Ok(())
        })?;
        once.push(Timed::of("decode", ms, Some(Bound::Decoder)));
        let mut frames = Vec::new();
        let ms = self.time("resize", n, || {
            frames = pictures.par_iter().map(|picture| preprocess.frames(picture)).collect();
            Ok(())
        })?;
        let pixels = pictures.iter().map(|p| p.rgb().len()).sum::<usize>() as f64 / n as f64;
        once.push(Timed { bytes: pixels + preprocess.len() as f64, ..Timed::of("resize", ms, None) });

        let trunk = Trunk::load(self.imagenet, device)?;
        let input = || framed_inputs(&frames, preprocess, device);
        let ms = self.time("trunk", n, || self.done(trunk.forward(input())))?;
        let crops = preprocess.crops.len() as f64;
        let bytes = crops * roofline::map_bytes(1..=4, preprocess.size) + a_picture(4 * roofline::weights(1..=4));
        let flops = crops * flops(1..=4, preprocess.size);
        once.push(Timed { flops, bytes, ..Timed::on_device("trunk", ms) });
        let trunk_ms = ms;

        let source = Source {
            dataset: self.dataset,
            preprocess,
            augment: &recipe.augment,
            imagenet: self.imagenet,
            compute: self.compute,
            ui: self.ui,
        };
        let mut small = self.dataset.clone();
        small.rows.truncate(n);
        let cache = TrunkCache::open(scratch, &Source { dataset: &small, ..source })?;
        let all: Vec<usize> = (0..n).collect();
        let ms = self.time("cache", n, || cache.values(&all, &vec![0; n]).map(drop))?;
        // Read as f16, written as f32.
        let map = crops * (CHANNELS[3] * side * side) as f64;
        let mut every_epoch = vec![Timed { bytes: 6.0 * map, ..Timed::of("cache", ms, None) }];

        let classes = self.dataset.classes();
        let learning = device.clone().autodiff();
        let mut learner = Learner {
            top: Top::init(&self.spec(&classes), preprocess.size, self.imagenet, &learning)?,
            family_classifier: None,
        };
        let losses = Losses::new(recipe, &vec![1; classes.len()], &Families::default());
        let labels: Vec<usize> = (0..n).map(|i| i % classes.len()).collect();
        let block4 = cache.values(&all, &vec![0; n])?;
        let pass = |learner: &Learner| {
            losses
                .pass(
                    learner,
                    Tensor::from_data(block4.clone(), &learning),
                    Labels { types: &labels, families: &labels },
                )
                .loss
        };
        let forward = self.time("head forward", n, || self.done(pass(&learner).inner()))?;
        let learns = flops5(recipe, classes.len());
        let flops = learns + flops_seen(recipe);
        every_epoch.push(Timed { flops, ..Timed::on_device("head forward", forward) });
        let both = self.time("head backward", n, || {
            let gradients = GradientsParams::from_grads(pass(&learner).backward(), &learner);
            drop(gradients);
            self.sync()
        })?;
        let ms = (both - forward).max(0.0);
        every_epoch.push(Timed { flops: 2.0 * learns, ..Timed::on_device("head backward", ms) });
        let mut optimizer = Optimizer::new(recipe.optimizer.rule);
        let rates = rates(&recipe.optimizer, 1e-6);
        let mut gradients: Vec<GradientsParams> =
            (0..=ROUNDS).map(|_| GradientsParams::from_grads(pass(&learner).backward(), &learner)).collect();
        let ms = self.time("optimiser", n, || {
            learner = optimizer.step(&rates, learner.clone(), gradients.pop().expect("one a round"));
            self.sync()
        })?;
        // Weight, gradient and two moments in, weight and two moments out.
        let values: usize = parameters::stored(&learner).values().map(|t| t.bytes.len()).sum();
        every_epoch.push(Timed { bytes: 7.0 * a_picture(values), ..Timed::on_device("optimiser", ms) });

        let epochs = self.epochs(&cache, &all, &mut learner, &losses, &labels, &frames, trunk_ms)?;
        // Last: on a GPU many kernels are tried for the product, and what that leaves of the memory is slower to work with.
        let peaks = Peaks::measure(self.compute, &|what, work| {
            self.time(what, 1, || {
                work();
                Ok(())
            })
            .expect("neither a product nor a copy fails")
        });
        let total: f64 = once.iter().chain(&every_epoch).map(|stage| stage.ms).sum();
        let stage = |timed: &Timed, every_epoch| Stage { measured: timed.beside(&peaks, total), every_epoch };
        Ok(Report {
            device: self.compute.describe().into(),
            recipe: recipe.name.clone(),
            size: preprocess.size,
            batch: n,
            peaks,
            stages: once.iter().map(|t| stage(t, false)).chain(every_epoch.iter().map(|t| stage(t, true))).collect(),
            epochs,
        })
    }

    /// Whole steps, as the loop takes them.
    #[allow(clippy::too_many_arguments)] // what `run` has made, used once
    fn epochs(
        &self,
        cache: &TrunkCache,
        rows: &[usize],
        learner: &mut Learner,
        losses: &Losses,
        labels: &[usize],
        frames: &[Vec<Picture>],
        trunk_ms: f64,
    ) -> Result<Epochs> {
        let (n, device) = (rows.len(), self.compute.device().clone().autodiff());
        let mut optimizer = Optimizer::new(self.recipe.optimizer.rule);
        let rates = rates(&self.recipe.optimizer, 1e-6);
        let mut step = |learner: &mut Learner, block4: Tensor<4>| {
            let loss = losses.pass(learner, block4, Labels { types: labels, families: labels }).loss;
            let gradients = GradientsParams::from_grads(loss.backward(), learner);
            *learner = optimizer.step(&rates, learner.clone(), gradients);
            self.sync()
        };
        let mut rounds = Rounds::of(self, "steps");
        let batches = vec![Batch { rows: rows.to_vec(), views: vec![0; n] }; ROUNDS + 1];
        let started = (self.now)();
        let mut first = None;
        batches::each(cache, &batches, n, |_, parts| {
            for block4 in parts {
                step(learner, Tensor::from_data(block4?, &device))?;
            }
            first.get_or_insert_with(|| (self.now)()); // the first step warms up
            rounds.done();
            Ok(())
        })?;
        drop(rounds);
        let elapsed = (self.now)() - first.unwrap_or(started);
        let cached = elapsed.as_secs_f64() * 1e3 / (ROUNDS * n) as f64;

        // Blocks 1 to 4 without gradients, in the code that block 5 learns in.
        let inner = self.compute.device();
        let frozen: Vec<Block> =
            (1..=4).map(|b| Ok(Block::load(b, self.imagenet, inner)?.no_grad())).collect::<Result<_>>()?;
        let input = framed_inputs(frames, &self.recipe.preprocess, inner);
        let by_burn = || self.done(frozen.iter().fold(input.clone(), |x, block| block.forward(x)));
        let same_code = self.time("trunk by Burn", n, by_burn)?;

        let all: Vec<Block> = (1..=4).map(|b| Ok(Block::load(b, self.imagenet, &device)?)).collect::<Result<_>>()?;
        let full = self.time("all of VGG16", n, || {
            let input = Tensor::<4>::from_inner(input.clone());
            let block4 = all.iter().fold(input, |x, block| block.forward(x));
            let loss = losses.pass(learner, block4, Labels { types: labels, families: labels }).loss;
            let mut gradients = loss.backward();
            let of_blocks: Vec<GradientsParams> =
                all.iter().map(|block| GradientsParams::from_module(&mut gradients, block)).collect();
            drop((of_blocks, GradientsParams::from_module(&mut gradients, learner)));
            self.sync()
        })?;
        Ok(Epochs { cached, uncached: cached + trunk_ms, uncached_same_code: cached + same_code, full })
    }

    fn spec(&self, classes: &[goodtwin_core::BagType]) -> NetworkSpec {
        let head = &self.recipe.head;
        NetworkSpec {
            trunk: Architecture::Vgg16,
            trunk_sha256: self.imagenet.id().clone(),
            pooling: head.pooling,
            block5_weight: head.block5_weight,
            crops: self.recipe.preprocess.crops.len(),
            dense: head.dense,
            activation: head.activation,
            dropout: head.dropout,
            classes: classes.to_vec(),
        }
    }

    /// Milliseconds a picture of the median round; a first one warms up.
    fn time(&self, what: &str, pictures: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
        let mut rounds = Rounds::of(self, what);
        work()?;
        rounds.done();
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let started = (self.now)();
            work()?;
            times.push(((self.now)() - started).as_secs_f64() * 1e3 / pictures as f64);
            rounds.done();
        }
        times.sort_by(f64::total_cmp);
        Ok(times[ROUNDS / 2])
    }

    /// Wait until the device has worked out what was asked.
    fn sync(&self) -> Result<()> {
        self.compute.device().sync().map_err(|e| Error::Vision(goodtwin_vision::Error::Unavailable(e.to_string())))
    }

    fn done<const D: usize>(&self, tensor: Tensor<D>) -> Result<()> {
        drop(tensor);
        self.sync()
    }
}

/// Says how far the measuring of one thing is: a bar; without a terminal a line when it begins, and one now and then.
struct Rounds<'a> {
    now: &'a dyn Fn() -> Duration,
    what: String,
    bar: ProgressBar,
    done: usize,
    said: Duration,
}

impl<'a> Rounds<'a> {
    fn of(bench: &Bench<'a>, what: &str) -> Rounds<'a> {
        let bar = bench.ui.bar(1 + ROUNDS as u64, what);
        if bar.is_hidden() {
            note(format_args!("measuring: {what}"));
        }
        Rounds { now: bench.now, what: what.into(), bar, done: 0, said: (bench.now)() }
    }

    fn done(&mut self) {
        self.done += 1;
        self.bar.inc(1);
        let now = (self.now)();
        if self.bar.is_hidden() && now - self.said >= SAY_EVERY {
            note(format_args!("measuring: {}, {} of {} rounds", self.what, self.done, 1 + ROUNDS));
            self.said = now;
        }
    }
}

impl Drop for Rounds<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What is worked out of the maps beside the layers that learn: where the bag is, and the grid over it.
fn flops_seen(recipe: &Recipe) -> f64 {
    let (size, pooling) = (recipe.preprocess.size, recipe.head.pooling);
    let mask = if pooling == Pooling::Masked { MaskHead::flops(Architecture::Vgg16, size) } else { 0.0 };
    recipe.preprocess.crops.len() as f64 * (mask + pooling.flops(Architecture::Vgg16, size))
}

/// Block 5, the dense layer and the softmax layer, forward.
fn flops5(recipe: &Recipe, classes: usize) -> f64 {
    let (size, dense, crops) = (recipe.preprocess.size, recipe.head.dense, recipe.preprocess.crops.len());
    crops as f64 * flops(5..=5, size)
        + (2 * dense * (crops * recipe.head.pooling.len(Architecture::Vgg16, size) + classes)) as f64
}
