//! ResNet-50 against float64: a network of width 4, imported from a file with torchvision's names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use goodtwin_vision::resnet50::{ConvSpec, Stage, Trunk, WIDTH, convolutions};
use goodtwin_vision::weights::{Stored, serialize};
use goodtwin_vision::{Compute, Weights, import};
use safetensors::Dtype;

const SMALL: usize = 4;

/// `count` multiples of 2^-16 in [0, 1) that follow from a name, as tests/golden/resnet50_small.py makes them.
fn uniform(name: &str, count: usize) -> Vec<f32> {
    let mut state =
        name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    let next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 48) as f32 / 65536.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn torchvision_keys(conv: &ConvSpec) -> (String, String) {
    let key = conv.key.replace("stage", "layer");
    if key == "stem" {
        ("conv1".into(), "bn1".into())
    } else if key.ends_with("shortcut") {
        (key.replace("shortcut", "downsample.0"), key.replace("shortcut", "downsample.1"))
    } else {
        (key.clone(), key.replace("conv", "bn"))
    }
}

/// A whole network with torchvision's names.
fn torchvision(width: usize) -> BTreeMap<String, Stored> {
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, shape: &[usize], change: &dyn Fn(f32) -> f32| {
        let values: Vec<f32> = uniform(&name, shape.iter().product()).into_iter().map(change).collect();
        tensors.insert(name, Stored::from_f32(shape, &values));
    };
    for conv in convolutions(width) {
        let (key, norm) = torchvision_keys(&conv);
        let fan_in = conv.channels[0] * conv.kernel * conv.kernel;
        let scale = ((6.0 / fan_in as f64).sqrt().log2() + 1.0).round_ties_even().exp2() as f32;
        put(format!("{key}.weight"), &conv.weight_shape(), &|u| (u - 0.5) * scale);
        let out = &conv.channels[1..];
        put(format!("{norm}.weight"), out, &|u| u * 0.5 + 0.75);
        put(format!("{norm}.bias"), out, &|u| (u - 0.5) * 0.25);
        put(format!("{norm}.running_mean"), out, &|u| (u - 0.5) * 0.25);
        put(format!("{norm}.running_var"), out, &|u| u + 0.5);
    }
    put("fc.weight".into(), &[10, 32 * width], &|u| u);
    let batches = Stored { shape: vec![], dtype: Dtype::I64, bytes: 7_i64.to_le_bytes().to_vec() };
    tensors.insert("bn1.num_batches_tracked".into(), batches);
    tensors
}

fn write(dir: &Path, tensors: &BTreeMap<String, Stored>) -> PathBuf {
    let path = dir.join("torchvision.safetensors");
    std::fs::write(&path, serialize(tensors)).unwrap();
    path
}

fn relative_error(received: Tensor<4>, expected: &Stored) -> f64 {
    assert_eq!(received.dims().to_vec(), expected.shape);
    let received: Vec<f32> = received.into_data().try_into_vec().unwrap();
    let expected = expected.to_f32();
    let difference: f64 = received.iter().zip(&expected).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let length: f64 = expected.iter().map(|b| f64::from(*b).powi(2)).sum();
    (difference / length).sqrt()
}

#[test]
fn an_imported_network_agrees_with_the_golden_values() {
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (write(dir.path(), &torchvision(SMALL)), dir.path().join("resnet50.safetensors"));
    let imported = import::resnet50(&source, &target, SMALL).unwrap();
    assert_eq!(imported.convolutions, 53);
    assert_eq!(imported.left_out, ["bn1.num_batches_tracked", "fc.weight"]);
    let weights = Weights::load(&target).unwrap();
    assert_eq!(weights.id(), &imported.id);
    assert_eq!(import::resnet50(&source, &target, SMALL).unwrap(), imported, "the same file makes the same file");

    let device = Compute::cpu().device().clone();
    let trunk = Trunk::load(SMALL, &weights, &device).unwrap();
    let stage4 = Stage::load(SMALL, 4, &weights, &device).unwrap();
    let input: Vec<f32> = uniform("input", 3 * 64 * 64).into_iter().map(|u| (u - 0.5) * 4.0).collect();
    let maps = trunk.forward(Tensor::from_data(TensorData::new(input, [1, 3, 64, 64]), &device));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/resnet50-small.safetensors");
    let golden = Weights::load(&golden).unwrap();
    let errors = [
        relative_error(maps.clone(), golden.stored("stage3").unwrap()),
        relative_error(stage4.forward(maps), golden.stored("stage4").unwrap()),
    ];
    println!("relative L2 error: stage 3 {:.2e}, stage 4 {:.2e}", errors[0], errors[1]);
    assert!(errors.iter().all(|e| *e < 1e-5), "{errors:?}");
}

#[test]
fn the_first_tensor_that_differs_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("resnet50.safetensors");
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Stored>)| {
        let mut tensors = torchvision(SMALL);
        change(&mut tensors);
        let error = import::resnet50(&write(dir.path(), &tensors), &target, SMALL).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(!target.exists(), "a refused file leaves nothing");
        error.to_string()
    };
    let message = refused(&|t| {
        t.remove("layer2.0.downsample.0.weight");
        t.remove("layer4.2.bn3.bias");
    });
    assert!(message.contains("`layer2.0.downsample.0.weight`") && message.contains("no such tensor"), "{message}");
    let message = refused(&|t| drop(t.insert("layer1.0.conv2.weight".into(), Stored::from_f32(&[4, 4], &[0.0; 16]))));
    assert!(message.contains("shape [4, 4, 3, 3], received shape [4, 4]"), "{message}");
    let message = refused(&|t| drop(t.insert("layer1.0.bn1.running_var".into(), Stored::from_f32(&[4], &[-1.0; 4]))));
    assert!(message.contains("`layer1.0.bn1.running_var`") && message.contains("-1"), "{message}");
    let message = refused(&|t| drop(t.insert("bn1.bias".into(), Stored::from_f32(&[4], &[f32::NAN; 4]))));
    assert!(message.contains("`bn1.bias`") && message.contains("NaN"), "{message}");
    // ResNet-101 has what ResNet-50 has, and more.
    let message = refused(&|t| drop(t.insert("layer3.6.conv1.weight".into(), Stored::from_f32(&[1], &[0.0]))));
    assert!(message.contains("`layer3.6.conv1.weight`") && message.contains("does not have"), "{message}");
    // A network of another width.
    let error = import::resnet50(&write(dir.path(), &torchvision(SMALL)), &target, WIDTH).unwrap_err().to_string();
    assert!(
        error.contains("`conv1.weight`") && error.contains("[64, 3, 7, 7], received shape [4, 3, 7, 7]"),
        "{error}"
    );
}
