//! The GPU's path gives what the CPU's does. On a machine without a card this runs on Mesa's software Vulkan.

use std::path::Path;

use goodtwin_imaging::Picture;
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::untouched::Untouched;
use goodtwin_vision::{Compute, DeviceChoice, Preprocess, Weights};

#[test]
fn the_gpu_agrees_with_the_cpu() {
    let gpu = match Compute::choose(DeviceChoice::Gpu) {
        Ok(gpu) => gpu,
        Err(e) => {
            eprintln!("skipped: {e}");
            return;
        }
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let weights = Weights::load_vgg16_imagenet(&workspace.join("checkpoints/vgg16-imagenet-f16.safetensors")).unwrap();
    let pattern = std::fs::read(workspace.join("tests/golden/pattern224.png")).unwrap();
    let picture = Picture::decode(&pattern).unwrap();
    let preprocess =
        Preprocess { size: 48, colour: Colour::Full, fit: Fit::Pad, crops: vec![Crop::Whole], values: Values::Caffe };
    let maps = |compute: &Compute| {
        let x = goodtwin_vision::embedder::inputs(std::slice::from_ref(&picture), &preprocess, compute.device());
        let (_, block5) = Untouched::load(&weights, compute.device()).unwrap().maps(x);
        block5.into_data().try_into_vec::<f32>().unwrap()
    };
    let (expected, received) = (maps(&Compute::cpu()), maps(&gpu));
    let difference: f32 = expected.iter().zip(&received).map(|(a, b)| (a - b).powi(2)).sum();
    let length: f32 = expected.iter().map(|a| a.powi(2)).sum();
    let error = (difference / length).sqrt();
    println!("{}: relative L2 error {error:.1e} at block5_pool", gpu.describe());
    assert!(error < 1e-3, "{}: {error}", gpu.describe());
}
