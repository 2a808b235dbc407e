//! Where the time of training goes: each stage measured by itself, beside a matrix multiplication and a copy.
//!
//! [`report`] sets each beside them.

pub mod report;

use std::time::Duration;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use goodtwin_core::terminal::note;
use goodtwin_core::{Dataset, Row};
use goodtwin_imaging::Picture;
use goodtwin_vision::embedder::framed_inputs;
use goodtwin_vision::vgg16::{Block, CHANNELS, CONVOLUTIONS};
use goodtwin_vision::{Architecture, Compute, NetworkSpec, Top, Trunk, Weights};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::cache::{Source, TrunkCache};
use crate::train::families::Families;
use crate::train::learner::Learner;
use crate::train::loss::{Labels, Losses};
use crate::train::optimizer::{Optimizer, rates};
use crate::train::plan::Batch;
use crate::train::{batches, parameters};
use crate::{Error, Recipe, Result, Ui};
use report::Timed;
pub use report::{Bound, Epochs, Report, Stage};

/// Each stage is measured so often; the median counts.
const ROUNDS: usize = 5;
/// Without a terminal, a line is printed as often while one thing is measured.
const SAY_EVERY: Duration = Duration::from_secs(10);

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
        let matmul_gflops = self.matmul_gflops();
        let copy_gbytes = self.copy_gbytes();
        let mut stages = Vec::new();

        let mut files = Vec::new();
        let ms = self.time("read", n, || {
            files = rows.par_iter().map(|row| Ok(self.dataset.read(row)?)).collect::<Result<Vec<_>>>()?;
            Ok(())
        })?;
        stages.push(Timed::of("read", ms, Some(Bound::Files)));
        let mut pictures = Vec::new();
        let ms = self.time("decode", n, || {
            let decode = |(bytes, row): (&Vec<u8>, &Row)| {
                Picture::decode(bytes).map_err(|e| goodtwin_core::Error::data(self.dataset.path(row), e.to_string()))
            };
            pictures = files.par_iter().zip(rows).map(decode).collect::<Result<Vec<_>, _>>()?;
            Ok(())
        })?;
        stages.push(Timed::of("decode", ms, Some(Bound::Decoder)));
        let mut frames = Vec::new();
        let ms = self.time("resize", n, || {
            frames = pictures.par_iter().map(|picture| preprocess.frames(picture)).collect();
            Ok(())
        })?;
        let pixels = pictures.iter().map(|p| p.rgb().len()).sum::<usize>() as f64 / n as f64;
        stages.push(Timed { bytes: pixels + preprocess.len() as f64, ..Timed::of("resize", ms, None) });

        let trunk = Trunk::load(self.imagenet, device)?;
        let input = || framed_inputs(&frames, preprocess, device);
        let ms = self.time("trunk", n, || self.done(trunk.forward(input())))?;
        let crops = preprocess.crops.len() as f64;
        let flops = crops * (1..=4).map(|block| flops(block, preprocess.size)).sum::<f64>();
        stages.push(Timed { flops, ..Timed::of("trunk", ms, None) });
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
        stages.push(Timed { bytes: 6.0 * map, every_epoch: true, ..Timed::of("cache", ms, None) });

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
        let head = flops5(recipe, classes.len());
        stages.push(Timed { flops: head, every_epoch: true, ..Timed::of("head forward", forward, None) });
        let both = self.time("head backward", n, || {
            let gradients = GradientsParams::from_grads(pass(&learner).backward(), &learner);
            drop(gradients);
            self.sync()
        })?;
        let ms = (both - forward).max(0.0);
        stages.push(Timed { flops: 2.0 * head, every_epoch: true, ..Timed::of("head backward", ms, None) });
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
        stages.push(Timed {
            bytes: 7.0 * values as f64 / n as f64,
            every_epoch: true,
            ..Timed::of("optimiser", ms, None)
        });

        let epochs = self.epochs(&cache, &all, &mut learner, &losses, &labels, &frames, trunk_ms)?;
        let total: f64 = stages.iter().map(|stage| stage.ms).sum();
        Ok(Report {
            device: self.compute.describe().into(),
            recipe: recipe.name.clone(),
            size: preprocess.size,
            batch: n,
            matmul_gflops,
            copy_gbytes,
            stages: stages.into_iter().map(|stage| stage.beside(matmul_gflops, copy_gbytes, total)).collect(),
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

    fn matmul_gflops(&self) -> f64 {
        let n = 2048;
        let device: &Device = self.compute.device();
        let matrix = || Tensor::<2>::random([n, n], Distribution::Default, device);
        let (a, b) = (matrix(), matrix());
        let ms = self
            .time("matrix product", 1, || self.done(a.clone().matmul(b.clone())))
            .expect("a product of two matrices");
        2.0 * (n as f64).powi(3) / ms / 1e6
    }

    fn copy_gbytes(&self) -> f64 {
        // Larger than any cache.
        let values = 32 << 20;
        let ones = Tensor::<1>::ones([values], self.compute.device());
        let ms = self.time("copy", 1, || self.done(ones.clone() * 2.0)).expect("a scaled copy");
        2.0 * 4.0 * values as f64 / ms / 1e6
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

/// Floating-point operations of a block's convolutions for one picture of `size` pixels, two a multiply-add.
fn flops(block: usize, size: u32) -> f64 {
    let side = (size as usize) >> (block - 1);
    let (out, first) = (CHANNELS[block - 1], if block == 1 { 3 } else { CHANNELS[block - 2] });
    let channels = first * out + (CONVOLUTIONS[block - 1] - 1) * out * out;
    (2 * 9 * channels * side * side) as f64
}

/// Block 5, the dense layer and the softmax layer, forward.
fn flops5(recipe: &Recipe, classes: usize) -> f64 {
    let (size, dense, crops) = (recipe.preprocess.size, recipe.head.dense, recipe.preprocess.crops.len());
    crops as f64 * flops(5, size)
        + (2 * dense * (crops * recipe.head.pooling.len(Architecture::Vgg16, size) + classes)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_multiply_adds_are_vgg16s() {
        let trunk: f64 = (1..=4).map(|block| flops(block, 224)).sum::<f64>() / 2e9;
        assert!((trunk - 13.96).abs() < 0.01, "{trunk}");
        assert!((flops(5, 224) / 2e9 - 1.39).abs() < 0.01);
        assert!((flops(3, 448) / flops(3, 224) - 4.0).abs() < 1e-9);
    }
}
