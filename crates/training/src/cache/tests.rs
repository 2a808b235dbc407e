use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::Int;
use goodtwin_core::{BagType, DatasetWriter, Split};
use goodtwin_vision::embedder::framed_inputs;
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::top::Activation;
use goodtwin_vision::{Architecture, NetworkSpec, Pooling, Top};

use super::*;

const AUGMENT: Augment = Augment { views: 1, grounds: 0.0, rotation: 10.0, shift: 0.1, flip: true };

fn preprocess() -> Preprocess {
    Preprocess {
        size: 32,
        colour: Colour::Full,
        fit: Fit::Pad,
        crops: vec![Crop::Whole, Crop::Bag],
        values: Values::Caffe,
    }
}

fn imagenet() -> Weights {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../checkpoints/vgg16-imagenet-f16.safetensors");
    Weights::load_vgg16_imagenet(&path).unwrap()
}

/// Pictures of stripes, one for each of these widths.
fn pictures(dir: &Path, widths: &[u32]) -> Dataset {
    let writer = DatasetWriter::create(dir).unwrap();
    let row = |width: &u32| {
        let rgb = (0..40)
            .flat_map(|y| (0..40).flat_map(move |x| [if (x / width).is_multiple_of(2) { 230 } else { 20 }, y, 90]));
        let bytes = Picture::new(40, 40, rgb.collect()).to_png();
        let sha256 = ContentId::of(&bytes);
        Row::new(
            writer.add_image(&bytes, &sha256, "png").unwrap(),
            sha256,
            [40, 40],
            BagType::new(if *width < 4 { "narrow" } else { "broad" }),
            Split::Train,
        )
    };
    let rows = widths.iter().map(row).collect();
    writer.finish(rows, BTreeMap::new(), "all in train".into(), vec![]).unwrap()
}

fn open(root: &Path, dataset: &Dataset, augment: &Augment, imagenet: &Weights) -> TrunkCache {
    let (compute, ui) = (Compute::cpu(), Ui::detect());
    let source = Source { dataset, preprocess: &preprocess(), augment, imagenet, compute: &compute, ui: &ui };
    TrunkCache::open(root, &source).unwrap()
}

/// How many outputs lie in all folders.
fn kept(root: &Path) -> usize {
    let lines = |dir: std::fs::DirEntry| {
        std::fs::read_to_string(dir.path().join("index.jsonl")).map_or(0, |text| text.lines().count())
    };
    std::fs::read_dir(root).unwrap().map(|dir| lines(dir.unwrap())).sum()
}

#[test]
fn a_changed_picture_and_another_view_cost_only_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (root, imagenet) = (dir.path().join("cache"), imagenet());
    let first = pictures(&dir.path().join("first"), &[1, 3, 5]);
    open(&root, &first, &AUGMENT, &imagenet);
    assert_eq!(kept(&root), 6);
    open(&root, &first, &AUGMENT, &imagenet);
    assert_eq!(kept(&root), 6, "nothing is worked out twice");
    let second = pictures(&dir.path().join("second"), &[1, 3, 7]);
    open(&root, &second, &AUGMENT, &imagenet);
    assert_eq!(kept(&root), 8, "the new picture and its view");
    open(&root, &second, &Augment { views: 2, ..AUGMENT }, &imagenet);
    assert_eq!(kept(&root), 11, "a second view of three pictures");
    open(&root, &second, &Augment { shift: 0.2, ..AUGMENT }, &imagenet);
    assert_eq!(kept(&root), 14, "other views of three pictures, which themselves are the same");
}

#[test]
fn a_bent_bit_is_worked_out_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (root, imagenet) = (dir.path().join("cache"), imagenet());
    let dataset = pictures(&dir.path().join("data"), &[1, 3, 5]);
    let before = open(&root, &dataset, &AUGMENT, &imagenet).values(&[0, 1, 2], &[0, 0, 0]).unwrap();
    for folder in std::fs::read_dir(&root).unwrap() {
        let maps = folder.unwrap().path().join("maps.f16");
        let mut bytes = std::fs::read(&maps).unwrap();
        bytes[5000] ^= 64;
        std::fs::write(&maps, bytes).unwrap();
    }
    let after = open(&root, &dataset, &AUGMENT, &imagenet).values(&[0, 1, 2], &[0, 0, 0]).unwrap();
    assert_eq!(before, after);
    assert_eq!(kept(&root), 8, "one of the pictures, and one of their views");
}

#[test]
fn a_step_from_the_cache_has_the_loss_of_one_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let (imagenet, compute) = (imagenet(), Compute::cpu());
    let dataset = pictures(&dir.path().join("data"), &[1, 3, 5, 7]);
    let cache = open(&dir.path().join("cache"), &dataset, &AUGMENT, &imagenet);
    let device = compute.device().clone().autodiff();
    let spec = |pooling| NetworkSpec {
        trunk: Architecture::Vgg16,
        trunk_sha256: imagenet.id().clone(),
        pooling,
        block5_weight: 0.5,
        crops: 2,
        dense: 32,
        activation: Activation::None,
        dropout: 0.0,
        classes: dataset.classes(),
    };
    let trunk = Trunk::load(&imagenet, compute.device()).unwrap();
    let (rows, views) = ([0, 1, 2, 3], [0, 1, 1, 0]);
    let frames: Vec<Vec<Picture>> = rows
        .iter()
        .zip(views)
        .map(|(i, view)| {
            let row = &dataset.rows[*i];
            let picture = decode(&dataset, row).unwrap();
            augment::see(&picture, &preprocess(), &AUGMENT, own_seed(row), view).frames
        })
        .collect();
    let uncached = trunk.forward(framed_inputs(&frames, &preprocess(), compute.device()));
    let loss_of = CrossEntropyLossConfig::new().init(&device);
    let loss = |top: &Top, maps: &TensorData| {
        let (_, logits) = top.forward(Tensor::from_data(maps.clone(), &device));
        let labels = Tensor::<1, Int>::from_data([0, 0, 1, 1], &device);
        f64::from(loss_of.forward(logits, labels).into_scalar::<f32>())
    };
    let (cached, uncached) = (cache.values(&rows, &views).unwrap(), uncached.into_data());
    let values = |maps: &TensorData| maps.clone().try_into_vec::<f32>().unwrap();
    let off = |(a, b): (&f32, &f32)| (a - b).abs() / b.abs().max(1e-3);
    let worst = values(&cached).iter().zip(&values(&uncached)).map(off).fold(0.0, f32::max);
    assert!(worst > 0.0 && worst <= 1.0 / 2048.0, "f16 keeps 11 bits: off by {worst}");
    for pooling in [Pooling::Joint, Pooling::Masked] {
        let mut top = Top::init(&spec(pooling), preprocess().size, &imagenet, &device).unwrap();
        top.mask = top.mask.map(|mask| mask.undecided(&device));
        let (cached, uncached) = (loss(&top, &cached), loss(&top, &uncached));
        assert!((cached / uncached - 1.0).abs() < 1e-3, "{pooling:?}: cached {cached}, uncached {uncached}");
    }
}

#[test]
fn masks_lie_beside_the_maps() {
    let mask = |left: u32| {
        let rgb = (0..32 * 32).flat_map(|i| if i % 32 >= left { [255u8; 3] } else { [0; 3] });
        Picture::new(32, 32, rgb.collect())
    };
    assert_eq!(shares(Some(&mask(16)), 32), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(shares(Some(&mask(12)), 32), [0.25, 1.0, 0.25, 1.0]);
    let dir = tempfile::tempdir().unwrap();
    let imagenet = imagenet();
    // Stripes from edge to edge are no bag on a plain ground.
    let dataset = pictures(&dir.path().join("data"), &[1, 3]);
    let cache = open(&dir.path().join("cache"), &dataset, &AUGMENT, &imagenet);
    assert_eq!((cache.mask(0, 0).unwrap(), cache.mask(1, 1).unwrap()), (None, None));
    assert_eq!(cache.shape(), [2, 512, 2, 2]);
}

#[test]
fn what_f16_cannot_hold_is_its_largest_number() {
    let largest = 65_504f32.to_le_bytes();
    let f16s = to_f16(&[1e6, 65_504.0, 0.5]);
    let back: Vec<f32> = f16s.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
    assert_eq!(back, [f32::from_le_bytes(largest), 65_504.0, 0.5]);
}
