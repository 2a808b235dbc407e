//! The GPU's path gives what the CPU's does. On a machine without a card this runs on Mesa's software Vulkan.

use std::path::Path;

use burn::module::Module;
use goodtwin_core::{BagType, ContentId};
use goodtwin_imaging::Picture;
use goodtwin_vision::checkpoint::Provenance;
use goodtwin_vision::mask::MaskHead;
use goodtwin_vision::preprocess::{Colour, Crop, Fit, Values};
use goodtwin_vision::top::Activation;
use goodtwin_vision::trunk::Block5;
use goodtwin_vision::{
    Architecture, Checkpoint, Compute, DeviceChoice, Embedder, NetworkSpec, Pooling, Precision, Preprocess, Top, Trunk,
    Weights,
};

fn gpu() -> Option<Compute> {
    let gpu = Compute::choose(DeviceChoice::Gpu).inspect_err(|e| eprintln!("skipped: {e}")).ok();
    assert!(
        gpu.is_some() || std::env::var_os("GOODTWIN_TESTS_HAVE_GPU").is_none(),
        "there is a driver, but no adapter"
    );
    gpu
}

fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn imagenet() -> Weights {
    Weights::load_vgg16_imagenet(&workspace().join("checkpoints/vgg16-imagenet-f16.safetensors")).unwrap()
}

fn pattern() -> Picture {
    Picture::decode(&std::fs::read(workspace().join("tests/golden/pattern224.png")).unwrap()).unwrap()
}

fn preprocess() -> Preprocess {
    Preprocess { size: 48, colour: Colour::Full, fit: Fit::Pad, crops: vec![Crop::Whole], values: Values::Caffe }
}

#[test]
fn the_gpu_agrees_with_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let (weights, picture, preprocess) = (imagenet(), pattern(), preprocess());
    let maps = |compute: &Compute| {
        let x = goodtwin_vision::embedder::inputs(std::slice::from_ref(&picture), &preprocess, compute.device());
        let block4 = Trunk::load(&weights, compute.device()).unwrap().forward(x);
        let block5 = Block5::load(&weights, compute.device()).unwrap().fix().forward(block4);
        block5.into_data().try_into_vec::<f32>().unwrap()
    };
    let (expected, received) = (maps(&Compute::cpu()), maps(&gpu));
    let difference: f32 = expected.iter().zip(&received).map(|(a, b)| (a - b).powi(2)).sum();
    let length: f32 = expected.iter().map(|a| a.powi(2)).sum();
    let error = (difference / length).sqrt();
    println!("{}: relative L2 error {error:.1e} at block5_pool", gpu.describe());
    assert!(error < 1e-3, "{}: {error}", gpu.describe());
}

#[test]
fn half_precision_costs_what_its_bits_say() {
    let Some(gpu) = gpu() else { return };
    let (weights, preprocess) = (imagenet(), preprocess());
    let maps = |precision: Precision| {
        let x = goodtwin_vision::embedder::inputs(&[pattern()], &preprocess, gpu.device());
        let trunk = Trunk::load(&weights, gpu.device()).unwrap().at(precision);
        trunk.forward(x).into_data().try_into_vec::<f32>().unwrap()
    };
    let exact = maps(Precision::F32);
    for (precision, most) in [(Precision::F16, 2e-2), (Precision::Bf16, 1e-1)] {
        if let Err(e) = precision.check(&gpu) {
            eprintln!("skipped: {e}");
            continue;
        }
        let difference: f32 = exact.iter().zip(maps(precision)).map(|(a, b)| (a - b).powi(2)).sum();
        let error = (difference / exact.iter().map(|a| a.powi(2)).sum::<f32>()).sqrt();
        println!("{}, {precision}: relative L2 error {error:.1e} at block4_pool", gpu.describe());
        assert!(error > 0.0 && error < most, "{precision}: {error}");
    }
}

#[test]
fn the_gpu_sees_the_bag_where_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let (weights, preprocess) = (imagenet(), preprocess());
    let spec = NetworkSpec {
        trunk: Architecture::Vgg16,
        trunk_sha256: weights.id().clone(),
        pooling: Pooling::Masked,
        block5_weight: 0.35,
        crops: 1,
        dense: 16,
        activation: Activation::None,
        dropout: 0.0,
        classes: vec![BagType::new("clutch"), BagType::new("tote")],
    };
    let device = Compute::cpu().device().clone();
    device.seed(4);
    let mut top = Top::init(&spec, preprocess.size, &weights, &device).unwrap();
    let learns = device.autodiff();
    top.mask = Some(MaskHead::init(spec.trunk, &learns).undecided(&learns).valid());
    let dir = tempfile::tempdir().unwrap();
    let provenance = Provenance {
        dataset: ContentId::of(b""),
        device: "cpu".into(),
        recipe: serde_json::Value::Null,
        metrics: Default::default(),
    };
    Checkpoint::write(dir.path(), &top, &weights, spec, preprocess, provenance).unwrap();
    let embedding = |compute: &Compute| {
        let embedder = Embedder::open(dir.path(), compute).unwrap();
        embedder.embed(&[pattern()]).unwrap()
    };
    for (expected, received) in embedding(&Compute::cpu()).iter().zip(embedding(&gpu)) {
        let cosine: f32 = expected.embedding.iter().zip(&received.embedding).map(|(a, b)| a * b).sum();
        assert!(cosine > 0.9999, "{}: {cosine}", gpu.describe());
    }
}
