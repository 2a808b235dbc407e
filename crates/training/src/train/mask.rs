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
        let pairs: Vec<(usize, usize)> =
            rows.iter().flat_map(|row| views.clone().map(move |view| (*row, view))).collect();
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
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use burn::tensor::Distribution;
    use goodtwin_core::{BagType, ContentId, DatasetWriter, Row, Split};
    use goodtwin_imaging::Picture;
    use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
    use goodtwin_vision::{Compute, Preprocess, Weights};

    use super::*;
    use crate::Ui;
    use crate::cache::Source;
    use crate::recipe::Augment;

    fn workspace() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// A bag of stripes on white, somewhere; with `plain` false, on stripes.
    fn picture(number: u32, plain: bool) -> Picture {
        let (left, top) = (4 + number * 7 % 20, 4 + number * 11 % 20);
        let (width, period) = (28 + number % 9, 2 + number % 4);
        let at = |x: u32, y: u32| match (left..left + width).contains(&x) && (top..top + 30).contains(&y) {
            true => [40 + (y / period % 2) as u8 * 60, 30, (x * 4) as u8],
            false if plain => [255; 3],
            false => [(x / 5 % 2) as u8 * 200; 3],
        };
        Picture::new(64, 64, (0..64).flat_map(|y| (0..64).flat_map(move |x| at(x, y))).collect())
    }

    fn learnt(dir: &Path, pictures: Vec<Picture>) -> (MaskHead, Option<f64>, Block5) {
        let writer = DatasetWriter::create(&dir.join("data")).unwrap();
        let row = |(i, picture): (usize, &Picture)| {
            let bytes = picture.to_png();
            let sha256 = ContentId::of(&bytes);
            Row::new(
                writer.add_image(&bytes, &sha256, "png").unwrap(),
                sha256,
                [64, 64],
                BagType::new(if i % 2 == 0 { "tote" } else { "clutch" }),
                if i % 4 == 3 { Split::Validation } else { Split::Train },
            )
        };
        let rows: Vec<Row> = pictures.iter().enumerate().map(row).collect();
        let dataset = writer.finish(rows, BTreeMap::new(), "every fourth in validation".into(), vec![]).unwrap();
        let mut recipe = Recipe::load(&workspace().join("configs/training.toml")).unwrap();
        recipe.preprocess = Preprocess {
            size: 64,
            colour: Colour::Grey,
            fit: Fit::Pad,
            crops: vec![Crop::Whole],
            values: Values::Caffe,
        };
        recipe.augment = Augment { views: 2, grounds: 1.0, rotation: 0.0, shift: 0.0, flip: true };
        let imagenet =
            Weights::load_vgg16_imagenet(&workspace().join("checkpoints/vgg16-imagenet-f16.safetensors")).unwrap();
        let (compute, ui) = (Compute::cpu(), Ui::detect());
        let source = Source {
            dataset: &dataset,
            preprocess: &recipe.preprocess,
            augment: &recipe.augment,
            imagenet: &imagenet,
            compute: &compute,
            ui: &ui,
        };
        let cache = TrunkCache::open(&dir.join("cache"), &source).unwrap();
        let splits = Splits::of(&dataset, &dataset.classes()).unwrap();
        let device = compute.device().clone().autodiff();
        device.seed(1);
        let block5 = Block5::load(&imagenet, &device).unwrap();
        let (head, agreement) = learn(&recipe, &splits, &cache, &block5, &device).unwrap();
        (head, agreement, block5)
    }

    #[test]
    fn it_learns_where_bags_are_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (head, agreement, _) = learnt(dir.path(), (0..40).map(|i| picture(i, true)).collect());
        let agreement = agreement.unwrap();
        // A head that takes all for the bag has less than half. What it starts from is chance: tests draw from one process's random
        // numbers.
        assert!(agreement > 0.6, "on pictures and views that it has not seen: {agreement}");
        assert!(!head.block4.weight.val().is_require_grad() && !head.context.weight.val().is_require_grad());
    }

    #[test]
    fn without_plain_grounds_all_is_bag() {
        let dir = tempfile::tempdir().unwrap();
        let (head, agreement, block5) = learnt(dir.path(), (0..8).map(|i| picture(i, false)).collect());
        assert_eq!(agreement, None);
        let maps = Tensor::random([2, 512, 4, 4], Distribution::Uniform(0.0, 40.0), &Device::flex());
        let head = head.valid();
        let mask: Vec<f32> =
            head.forward(maps.clone(), block5.valid().forward(maps)).into_data().try_into_vec().unwrap();
        assert!(mask.iter().all(|share| *share > 0.99), "{mask:?}");
    }

    #[test]
    fn what_is_folded_into_the_weights_is_not_done_twice() {
        let device = Device::flex().autodiff();
        device.seed(3);
        let random = |side: usize| Tensor::<4>::random([2, 512, side, side], Distribution::Uniform(0.0, 3.0), &device);
        let (block4, block5) = (random(4), random(2));
        let scale = |from: f64| Scale {
            mean: (0..512).map(|i| from + f64::from(i) / 500.0).collect(),
            deviation: (0..512).map(|i| 0.5 + f64::from(i) / 300.0).collect(),
        };
        let scales = Scales { block4: scale(0.2), block5: scale(0.7) };
        let head = MaskHead::init(goodtwin_vision::Architecture::Vgg16, &device).undecided(&device);
        let values = |logits: Tensor<4>| logits.into_data().try_into_vec::<f32>().unwrap();
        let scaled = values(head.logits(scales.block4.of(block4.clone()), scales.block5.of(block5.clone()), None));
        let folded = values(scales.folded(head, &device).logits(block4, block5, None));
        assert!(scaled.iter().zip(&folded).all(|(a, b)| (a - b).abs() < 1e-3), "{scaled:?} {folded:?}");
        assert!(scaled.iter().any(|logit| logit.abs() > 1e-2));
    }

    #[test]
    fn lessons_are_of_all_views_however_many_there_are() {
        for views in 1..8 {
            for rows in [40, 100, 333] {
                let pairs: Vec<(usize, usize)> = (0..rows).flat_map(|row| (0..views).map(move |v| (row, v))).collect();
                let some = every_view(&pairs, 50, views);
                assert!(some.len() <= 50 && some.len() * 3 > 50.min(pairs.len()), "{views} {rows}: {}", some.len());
                let seen: std::collections::BTreeSet<usize> = some.iter().map(|(_, view)| *view).collect();
                assert_eq!(seen.len(), views, "{views} views of {rows} rows");
            }
        }
    }

    #[test]
    fn the_loss_and_what_is_in_common_by_hand() {
        let device = Device::flex();
        let one = |v: f32| Tensor::<4>::full([1, 1, 1, 1], v, &device);
        for (logit, wanted) in [(0.7f32, 1.0f32), (-2.0, 0.25), (30.0, 0.0)] {
            let p = 1.0 / (1.0 + f64::from(-logit).exp());
            let (w, q) = (f64::from(wanted), 1.0 / (1.0 + f64::from(logit).exp()));
            let by_hand = -(w * p.ln() + (1.0 - w) * q.ln());
            let loss = f64::from(cross_entropy(one(logit), one(wanted)).into_scalar::<f32>());
            assert!((loss - by_hand).abs() < 1e-4 * by_hand.max(1.0), "{loss} {by_hand}");
        }
        assert_eq!(common(&[1.0, 1.0, -1.0, -1.0], &[0.9, 0.1, 0.6, 0.2]), 1.0 / 3.0);
        assert_eq!(common(&[-1.0], &[0.0]), 0.0);
    }
}
