use std::collections::BTreeMap;
use std::ops::Range;
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

fn pictures(numbers: Range<u32>, plain: bool) -> Vec<Picture> {
    numbers.map(|i| picture(i, plain)).collect()
}

/// What the mask learns from.
struct Lesson {
    recipe: Recipe,
    splits: Splits,
    cache: TrunkCache,
    block5: Block5,
    device: Device,
}

impl Lesson {
    fn of(dir: &Path, pictures: &[Picture]) -> Lesson {
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
        Lesson { recipe, splits, cache, block5, device }
    }

    fn learn(&self) -> (MaskHead, Option<f64>) {
        learn(&self.recipe, &self.splits, &self.cache, &self.block5, &self.device).unwrap()
    }
}

#[test]
fn it_learns_where_bags_are_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (head, agreement) = Lesson::of(dir.path(), &pictures(0..40, true)).learn();
    let agreement = agreement.unwrap();
    // A head that takes all for the bag has less than half. What it starts from is chance: tests draw from one process's random
    // numbers.
    assert!(agreement > 0.6, "on pictures and views that it has not seen: {agreement}");
    assert!(!head.block4.weight.val().is_require_grad() && !head.context.weight.val().is_require_grad());
}

#[test]
fn without_plain_grounds_all_is_bag() {
    let dir = tempfile::tempdir().unwrap();
    let lesson = Lesson::of(dir.path(), &pictures(0..8, false));
    let (head, agreement) = lesson.learn();
    assert_eq!(agreement, None);
    let maps = Tensor::random([2, 512, 4, 4], Distribution::Uniform(0.0, 40.0), &Device::flex());
    let head = head.valid();
    let mask: Vec<f32> =
        head.forward(maps.clone(), lesson.block5.valid().forward(maps)).into_data().try_into_vec().unwrap();
    assert!(mask.iter().all(|share| *share > 0.99), "{mask:?}");
}

#[test]
fn pictures_of_which_nothing_is_known_take_no_place_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let all = [pictures(0..6, true), pictures(6..40, false)].concat();
    let Lesson { splits, cache, block5, device, .. } = Lesson::of(dir.path(), &all);
    let rows: Vec<usize> = (0..splits.labels.len()).collect();
    let lessons = Lessons::of(&rows, 18, &cache, &block5.valid().fix(), &device).unwrap();
    assert_eq!(lessons.len(), 18, "six pictures in three views each");
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
