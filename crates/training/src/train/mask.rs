//! Where the bag is, learnt before all else.
//!
//! Bags on plain grounds are cut out by their colours alone, and views lay them on other grounds: of both it is known how much
//! of each place is bag, and the network's [`MaskHead`] learns to say it from the maps. It never learns again, so that what
//! is above it starts from, and keeps, one way of seeing.

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::terminal::note;
use goodtwin_vision::mask::{HIDDEN, MaskHead, seen};
use goodtwin_vision::trunk::Block5;
use half::f16;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::learner::every;
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use super::splits::Splits;
use crate::recipe::{Rule, Schedule as Kind};
use crate::{Recipe, Result, TrunkCache};

/// The most pictures and views to learn from.
pub const LESSONS: usize = 3000;
/// With fewer there is nothing to learn.
const FEWEST: usize = 16;
/// The most pictures and views of the validation split that it is measured on.
const MEASURED: usize = 500;
const STEPS: usize = 400;
/// Pictures and views that a step learns from.
pub const BATCH: usize = 32;
/// The learning rate; it falls to nothing along half a cosine.
const RATE: f64 = 2e-3;
/// The share of channels that a step does without.
const DROPOUT: f32 = 0.2;
/// Standard deviations are at least this.
const SMALLEST: f64 = 1e-3;

/// A head that has learnt, and how well it does on the validation split: the mean over its pictures and views of the share
/// that mask and truth have in common of all that either holds. None where there is nothing to learn from, and the head
/// takes all of every picture for the bag.
pub fn learn(
    recipe: &Recipe,
    splits: &Splits,
    cache: &TrunkCache,
    block5: &Block5,
    device: &Device,
) -> Result<(MaskHead, Option<f64>)> {
    let block5 = block5.clone().valid().fix();
    let lessons = Lessons::of(&splits.train, LESSONS, cache, &block5, device)?;
    if lessons.len() < FEWEST {
        note(format_args!(
            "mask: {} pictures and views of the training split have a ground that is known: with fewer than {FEWEST}, all of \
             every picture is taken for the bag",
            lessons.len()
        ));
        return Ok((MaskHead::init(recipe.trunk, device), None));
    }
    let scales = Scales::of(&lessons)?;
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let mut head = MaskHead::init(recipe.trunk, device).undecided(device);
    let (mut optimizer, schedule) = (Optimizer::new(Rule::Adamw), Schedule::new(Kind::Cosine, 0, STEPS));
    let mut order: Vec<usize> = vec![];
    for step in 0..STEPS {
        if order.len() < BATCH.min(lessons.len()) {
            order = (0..lessons.len()).collect();
            order.shuffle(&mut rng);
        }
        let batch = order.split_off(order.len() - BATCH.min(lessons.len()));
        let (block4, block5, wanted) = lessons.batch(&batch, device)?;
        let kept = (0..batch.len() * HIDDEN).map(|_| match rng.random::<f32>() < DROPOUT {
            true => 0.0,
            false => 1.0 / (1.0 - DROPOUT),
        });
        let kept = TensorData::new(kept.collect::<Vec<f32>>(), [batch.len(), HIDDEN, 1, 1]);
        let logits =
            head.logits(scales.block4.of(block4), scales.block5.of(block5), Some(Tensor::from_data(kept, device)));
        let gradients = GradientsParams::from_grads(cross_entropy(logits, wanted).backward(), &head);
        let rates = ModuleLrScheduler::new(RATE * schedule.factor(step)).step();
        head = optimizer.step(&rates, head, gradients);
    }
    let head = scales.folded(head, device).no_grad();
    let unseen = Lessons::of(&splits.validation, MEASURED, cache, &block5, device)?;
    let agreement = unseen.agreement(&head.valid(), device)?;
    if let Some(agreement) = agreement {
        note(format_args!(
            "mask: learnt from {} pictures and views where the bag is; on {} of the validation split, it and the bag have {:.2} \
             of what either holds in common",
            lessons.len(),
            unseen.len(),
            agreement
        ));
    }
    Ok((head, agreement))
}

/// Binary cross-entropy of logits with shares from 0 to 1, the mean over all places.
fn cross_entropy(logits: Tensor<4>, wanted: Tensor<4>) -> Tensor<1> {
    let rest = logits.clone().abs().neg().exp().add_scalar(1.0).log();
    (logits.clone().clamp_min(0.0) - logits * wanted + rest).mean()
}

/// Pictures and views of which it is known where the bag is.
struct Lessons<'a> {
    cache: &'a TrunkCache,
    /// Rows and views.
    places: Vec<(usize, usize)>,
    /// Of each, how much of each place is bag.
    shares: Vec<Vec<f32>>,
    /// Of each, block 5 as the head sees it, channels, rows, columns.
    block5: Vec<Vec<f16>>,
    block5_shape: [usize; 3],
}

impl Lessons<'_> {
    fn of<'a>(
        rows: &[usize],
        limit: usize,
        cache: &'a TrunkCache,
        block5: &Block5,
        device: &Device,
    ) -> Result<Lessons<'a>> {
        let views = 0..=cache.views();
        let mut pairs: Vec<(usize, usize)> = vec![];
        for row in rows {
            // Known of all views of a picture or of none. Asked before the choice, or pictures that say nothing would take the
            // places of those that do.
            if cache.mask(*row, 0)?.is_some() {
                pairs.extend(views.clone().map(|view| (*row, view)));
            }
        }
        let mut lessons = Lessons { cache, places: vec![], shares: vec![], block5: vec![], block5_shape: [0; 3] };
        for (row, view) in every_view(&pairs, limit, 1 + cache.views()) {
            if let Some(shares) = cache.mask(row, view)? {
                lessons.places.push((row, view));
                lessons.shares.push(shares);
            }
        }
        for batch in lessons.places.chunks(BATCH) {
            let (rows, views): (Vec<usize>, Vec<usize>) = batch.iter().copied().unzip();
            let maps = seen(block5.forward(cache.batch(&rows, &views, &device.clone().inner())?));
            let [_, channels, height, width] = maps.dims();
            lessons.block5_shape = [channels, height, width];
            let values: Vec<f32> = maps.into_data().try_into_vec().expect("the network's tensors are f32");
            let of_one = |values: &[f32]| values.iter().map(|v| f16::from_f32(*v)).collect();
            lessons.block5.extend(values.chunks(channels * height * width).map(of_one));
        }
        Ok(lessons)
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    /// Block 4 and block 5 as the head sees them, and how much of each place is bag.
    fn batch(&self, numbers: &[usize], device: &Device) -> Result<(Tensor<4>, Tensor<4>, Tensor<4>)> {
        let (rows, views): (Vec<usize>, Vec<usize>) = numbers.iter().map(|i| self.places[*i]).unzip();
        let block4 = seen(self.cache.batch(&rows, &views, device)?);
        let [n, _, height, width] = block4.dims();
        let [channels, deep_height, deep_width] = self.block5_shape;
        let block5: Vec<f32> = numbers.iter().flat_map(|i| self.block5[*i].iter().map(|v| v.to_f32())).collect();
        let block5 = TensorData::new(block5, [n, channels, deep_height, deep_width]);
        let shares: Vec<f32> = numbers.iter().flat_map(|i| self.shares[*i].iter().copied()).collect();
        let shares = TensorData::new(shares, [n, 1, height, width]);
        Ok((block4, Tensor::from_data(block5, device), Tensor::from_data(shares, device)))
    }

    /// What [`learn`] says of a head that has learnt.
    fn agreement(&self, head: &MaskHead, device: &Device) -> Result<Option<f64>> {
        let numbers: Vec<usize> = (0..self.len()).collect();
        let mut sum = 0.0;
        for batch in numbers.chunks(BATCH) {
            let (block4, block5, _) = self.batch(batch, &device.clone().inner())?;
            let logits: Vec<f32> =
                head.logits(block4, block5, None).into_data().try_into_vec().expect("the network's tensors are f32");
            for (logits, number) in logits.chunks(logits.len() / batch.len()).zip(batch) {
                sum += common(logits, &self.shares[*number]);
            }
        }
        Ok((self.len() > 0).then(|| sum / self.len() as f64))
    }
}

/// At most `limit` of the pairs, evenly spread over rows and over their `views`.
fn every_view(pairs: &[(usize, usize)], limit: usize, views: usize) -> Vec<(usize, usize)> {
    // A step that shares a divisor with the number of views would meet the same few views of all rows.
    let shares = |step: usize| (2..=views).any(|d| views.is_multiple_of(d) && step.is_multiple_of(d));
    let least = pairs.len().div_ceil(limit).max(1);
    let step = (least..).find(|step| !shares(*step)).expect("a prime above the number of views shares nothing");
    pairs.iter().copied().step_by(step).collect()
}

/// Intersection over union of the places that are bag: where a logit is above 0, and where more than half of a place is.
fn common(logits: &[f32], shares: &[f32]) -> f64 {
    let both = |hold: fn(bool, bool) -> bool| {
        logits.iter().zip(shares).filter(|(logit, share)| hold(**logit > 0.0, **share > 0.5)).count()
    };
    both(|a, b| a && b) as f64 / both(|a, b| a || b).max(1) as f64
}

/// Means and standard deviations of the channels: the head learns on what has 0 and 1.
struct Scales {
    block4: Scale,
    block5: Scale,
}

struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scales {
    fn of(lessons: &Lessons<'_>) -> Result<Scales> {
        let numbers: Vec<usize> = every(&(0..lessons.len()).collect::<Vec<_>>(), MEASURED);
        let (mut block4, mut block5) = (Moments::default(), Moments::default());
        for batch in numbers.chunks(BATCH) {
            let (first, second, _) = lessons.batch(batch, &Device::flex())?;
            block4.add(first);
            block5.add(second);
        }
        Ok(Scales { block4: block4.scale(), block5: block5.scale() })
    }

    /// The head that says of maps as they are what `head` says of maps with mean 0 and standard deviation 1.
    fn folded(&self, head: MaskHead, device: &Device) -> MaskHead {
        let values = |data: TensorData| data.try_into_vec::<f32>().expect("the network's tensors are f32");
        let means: Vec<f64> = self.block4.mean.iter().chain(&self.block5.mean).copied().collect();
        let deviations: Vec<f64> = self.block4.deviation.iter().chain(&self.block5.deviation).copied().collect();
        let first = self.block4.mean.len();
        let bias = head.block4.bias.as_ref().expect("it has one").val();
        let mut bias: Vec<f64> = values(bias.into_data()).into_iter().map(f64::from).collect();
        // Of every layer that sees a channel: its weights over the deviation, and what that takes from the sum.
        let mut fold = |weights: Vec<f32>, channel_of: &dyn Fn(usize) -> usize, out_of: &dyn Fn(usize) -> usize| {
            let folded = weights.iter().enumerate().map(|(i, weight)| {
                let channel = channel_of(i);
                let weight = f64::from(*weight) / deviations[channel];
                bias[out_of(i)] -= weight * means[channel];
                weight as f32
            });
            folded.collect::<Vec<f32>>()
        };
        let (channels4, channels5) = (first, means.len() - first);
        let block4 = fold(values(head.block4.weight.val().into_data()), &|i| i % channels4, &|i| i / channels4);
        let block5 = fold(values(head.block5.weight.val().into_data()), &|i| first + i % channels5, &|i| i / channels5);
        let context = fold(values(head.context.weight.val().into_data()), &|i| i / HIDDEN, &|i| i % HIDDEN);
        let bias: Vec<f32> = bias.into_iter().map(|b| b as f32).collect();
        let mut head = head;
        head.block4.weight = Param::from_data(TensorData::new(block4, [HIDDEN, channels4, 1, 1]), device);
        head.block5.weight = Param::from_data(TensorData::new(block5, [HIDDEN, channels5, 1, 1]), device);
        head.context.weight = Param::from_data(TensorData::new(context, [means.len(), HIDDEN]), device);
        head.block4.bias = Some(Param::from_data(TensorData::new(bias, [HIDDEN]), device));
        head
    }
}

impl Scale {
    fn of(&self, maps: Tensor<4>) -> Tensor<4> {
        let row = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
            let shape = [1, values.len(), 1, 1];
            Tensor::<4>::from_data(TensorData::new(values, shape), &maps.device())
        };
        (maps.clone() - row(&self.mean)) / row(&self.deviation)
    }
}

/// Sums over places.
#[derive(Default)]
struct Moments {
    count: usize,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn add(&mut self, maps: Tensor<4>) {
        let [n, channels, height, width] = maps.dims();
        self.sum.resize(channels, 0.0);
        self.squares.resize(channels, 0.0);
        let values: Vec<f32> = maps.into_data().try_into_vec().expect("the network's tensors are f32");
        for (i, map) in values.chunks(height * width).enumerate() {
            let channel = i % channels;
            self.sum[channel] += map.iter().map(|v| f64::from(*v)).sum::<f64>();
            self.squares[channel] += map.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        }
        self.count += n * height * width;
    }

    fn scale(self) -> Scale {
        let n = self.count as f64;
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / n).collect();
        let of = |(square, mean): (&f64, &f64)| (square / n - mean * mean).max(0.0).sqrt().max(SMALLEST);
        let deviation = self.squares.iter().zip(&mean).map(of).collect();
        Scale { mean, deviation }
    }
}

#[cfg(test)]
mod tests;
