//! The network against values that were worked out in float64 from the same weights.

use std::path::{Path, PathBuf};

use goodtwin_imaging::Picture;
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::trunk::Block5;
use goodtwin_vision::{Compute, Preprocess, Trunk, Weights};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Relative L2 errors at `block4_pool` and `block5_pool`, for the pattern after `change`.
fn errors(compute: &Compute, change: impl Fn(&Picture) -> Picture) -> (f64, f64) {
    let golden = workspace().join("tests/golden");
    let weights =
        Weights::load_vgg16_imagenet(&workspace().join("checkpoints/vgg16-imagenet-f16.safetensors")).unwrap();
    let expected = Weights::load(&golden.join("vgg16-pattern224-f16weights.safetensors")).unwrap();
    let picture = Picture::decode(&std::fs::read(golden.join("pattern224.png")).unwrap()).unwrap();
    let preprocess =
        Preprocess { size: 224, colour: Colour::Full, fit: Fit::Pad, crops: vec![Crop::Whole], values: Values::Caffe };
    let x = goodtwin_vision::embedder::inputs(&[change(&picture)], &preprocess, compute.device());
    let block4 = Trunk::load(&weights, compute.device()).unwrap().forward(x);
    let block5 = Block5::load(&weights, compute.device()).unwrap().fix().forward(block4.clone());
    let error = |received: Vec<f32>, name: &str| {
        let expected = expected.stored(name).unwrap().to_f32();
        assert_eq!(received.len(), expected.len());
        let difference: f64 = received.iter().zip(&expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let length: f64 = expected.iter().map(|b| f64::from(*b).powi(2)).sum();
        (difference / length).sqrt()
    };
    (
        error(block4.into_data().try_into_vec().unwrap(), "block4_pool"),
        error(block5.into_data().try_into_vec().unwrap(), "block5_pool"),
    )
}

#[test]
fn agrees_with_the_golden_values() {
    let (block4, block5) = errors(&Compute::cpu(), Picture::clone);
    println!("relative L2 error: block4_pool {block4:.2e}, block5_pool {block5:.2e}");
    assert!(block4 < 1e-3 && block5 < 1e-3, "block4_pool {block4}, block5_pool {block5}");
}

#[test]
fn swapped_channels_do_not_agree() {
    let swapped = |p: &Picture| {
        let rgb = p.rgb().chunks_exact(3).flat_map(|c| [c[2], c[1], c[0]]).collect();
        Picture::new(p.width(), p.height(), rgb)
    };
    let (block4, block5) = errors(&Compute::cpu(), swapped);
    assert!(block4 > 0.1 && block5 > 0.1, "block4_pool {block4}, block5_pool {block5}");
}
