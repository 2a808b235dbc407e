//! The CPU's own convolutions, on every instruction set that this processor has, against values that were worked out in
//! float64, and against Burn's at sizes that are cut into tiles in other ways.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_imaging::Picture;
use goodtwin_vision::cpu::{Convolutions, Isa};
use goodtwin_vision::embedder::inputs;
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::vgg16::Block;
use goodtwin_vision::{Preprocess, Weights};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn imagenet() -> Weights {
    Weights::load_vgg16_imagenet(&workspace().join("checkpoints/vgg16-imagenet-f16.safetensors")).unwrap()
}

/// The pattern's planes at 224 px.
fn pattern() -> Vec<f32> {
    let picture = Picture::decode(&std::fs::read(workspace().join("tests/golden/pattern224.png")).unwrap()).unwrap();
    let preprocess =
        Preprocess { size: 224, colour: Colour::Full, fit: Fit::Pad, crops: vec![Crop::Whole], values: Values::Caffe };
    inputs(&[picture], &preprocess, &Device::flex()).into_data().try_into_vec().unwrap()
}

/// The relative L2 error.
fn error(received: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(received.len(), expected.len());
    let difference: f64 = received.iter().zip(expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (difference / expected.iter().map(|b| f64::from(*b).powi(2)).sum::<f64>()).sqrt()
}

#[test]
fn every_instruction_set_agrees_with_the_golden_values() {
    let (weights, input) = (imagenet(), pattern());
    let golden = Weights::load(&workspace().join("tests/golden/vgg16-pattern224-f16weights.safetensors")).unwrap();
    for isa in Isa::available() {
        let (block4, shape) = Convolutions::load(isa, 1..=4, &weights).unwrap().forward([1, 3, 224, 224], &input);
        let (block5, _) = Convolutions::load(isa, 5..=5, &weights).unwrap().forward(shape, &block4);
        for (received, name) in [(block4, "block4_pool"), (block5, "block5_pool")] {
            let error = error(&received, &golden.stored(name).unwrap().to_f32());
            println!("{isa}, {name}: relative L2 error {error:.1e}");
            assert!(error < 1e-4, "{isa}, {name}: {error}");
        }
    }
}

#[test]
fn agrees_with_burn_at_every_size() {
    let (weights, pattern, flex) = (imagenet(), pattern(), Device::flex());
    let blocks: Vec<Block> = (1..=5).map(|n| Block::load(n, &weights, &flex).unwrap()).collect();
    let ours = Convolutions::load(Isa::best(), 1..=5, &weights).unwrap();
    for (height, width) in [(48, 48), (64, 64), (96, 96), (128, 128), (160, 160), (32, 208), (144, 80)] {
        let plane = |c: usize| (0..height * width).map(move |i| c * 224 * 224 + i / width * 224 + i % width);
        let input: Vec<f32> = (0..3).flat_map(plane).map(|i| pattern[i]).collect();
        let shape = [1, 3, height, width];
        let x = Tensor::<4>::from_data(TensorData::new(input.clone(), shape), &flex);
        let expected = blocks.iter().fold(x, |x, block| block.forward(x)).into_data().try_into_vec::<f32>().unwrap();
        let error = error(&ours.forward(shape, &input).0, &expected);
        assert!(error < 1e-4, "{height} x {width}: {error}");
    }
}
