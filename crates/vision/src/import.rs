//! ResNet-50's weights from a file of the user's: torchvision's key names in, our folded file out.
//!
//! Nothing of it ships with GoodTwin. The imported file carries the SHA-256 of the file that it was made from; its own hash
//! is what a run names as its trunk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goodtwin_core::{ContentId, Error as CoreError, atomic};
use safetensors::{Dtype, SafeTensors};

use crate::resnet50::{ConvSpec, convolutions};
use crate::trunk::RESNET50_FIRST;
use crate::weights::Stored;
use crate::{Architecture, Error, Result, Weights};

/// What torchvision adds to each variance.
const EPSILON: f64 = 1e-5;
/// ResNet-50 in f32 is 102 MB.
const MAX_BYTES: u64 = 1 << 30;

/// What an import made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The SHA-256 of the user's file.
    pub source: ContentId,
    /// The SHA-256 of the file that was written: what runs name.
    pub id: ContentId,
    /// Convolutions in it.
    pub convolutions: usize,
    /// Tensors of the user's file that a trunk has no use for: the classifier, counts of batches.
    pub left_out: Vec<String>,
}

/// Read `source` with torchvision's names, check every shape, fold each batch normalisation into its convolution, and write
/// `target`. `width` is [`WIDTH`](crate::resnet50::WIDTH) but in tests.
///
/// # Errors
/// Exit 65 for a file that is no safetensors, or whose tensors are not ResNet-50's: the first that differs is named. Exit 73 where
/// something else than imported weights stands at `target`.
pub fn resnet50(source: &Path, target: &Path, width: usize) -> Result<Imported> {
    replaceable(source, target)?;
    let length = std::fs::metadata(source).map_err(|e| CoreError::read(source, "weights file", e))?.len();
    if length > MAX_BYTES {
        let what = format!("is {length} bytes: expected at most {MAX_BYTES}; ResNet-50 in f32 has 102 MB");
        return Err(CoreError::data(source, what).into());
    }
    let bytes = std::fs::read(source).map_err(|e| CoreError::read(source, "weights file", e))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| CoreError::data(source, format!("not a whole safetensors file: {e}")))?;
    if file.names().contains(&RESNET50_FIRST) {
        let what = "was imported already: a recipe with `trunk = \"resnet50\"` takes it as it is, by `--weights`";
        return Err(CoreError::data(source, what).into());
    }
    let file = Torchvision { path: source, file };

    let mut folded = BTreeMap::new();
    let mut used = BTreeSet::new();
    for conv in convolutions(width) {
        let (conv_key, norm_key) = torchvision_keys(&conv.key);
        let weight = file.values(&format!("{conv_key}.weight"), &conv.weight_shape(), &mut used)?;
        let out = [conv.channels[1]];
        let norm = ["weight", "bias", "running_mean", "running_var"]
            .map(|part| file.values(&format!("{norm_key}.{part}"), &out, &mut used));
        let [scale, shift, mean, variance] = norm;
        let norm = Normalisation { scale: scale?, shift: shift?, mean: mean?, variance: variance? };
        if let Some(channel) = norm.variance.iter().position(|v| *v < 0.0) {
            return Err(Error::Tensor {
                path: source.into(),
                name: format!("{norm_key}.running_var"),
                expected: "variances of 0 or more".into(),
                received: format!("{} for channel {channel}", norm.variance[channel]),
            });
        }
        let (weight, bias) = fold(&conv, &weight, &norm);
        folded.insert(format!("{}.weight", conv.key), Stored::from_f32(&conv.weight_shape(), &weight));
        folded.insert(format!("{}.bias", conv.key), Stored::from_f32(&out, &bias));
    }
    let mut left_out = Vec::new();
    for name in file.file.names() {
        if used.contains(name) {
            continue;
        }
        if !name.ends_with(".num_batches_tracked") && !name.starts_with("fc.") {
            return Err(Error::Tensor {
                path: source.into(),
                name: name.into(),
                expected: "ResNet-50's tensors as torchvision names them".into(),
                received: "one that it does not have".into(),
            });
        }
        left_out.push(name.to_owned());
    }
    left_out.sort();

    let source_id = ContentId::of(&bytes);
    let origin = format!("resnet50, folded from the file with SHA-256 {source_id}");
    let written = crate::weights::serialize_with(&folded, Some(("source", origin)));
    atomic::write(target, &written)?;
    Ok(Imported { source: source_id, id: ContentId::of(&written), convolutions: folded.len() / 2, left_out })
}

/// Only what an import made is replaced by another: never the file itself, nor somebody's notes.
fn replaceable(source: &Path, target: &Path) -> Result<()> {
    let same = |file: &Path| std::fs::canonicalize(file).ok();
    let is_ours = || {
        let network = Weights::load(target).and_then(|weights| Architecture::of(&weights));
        network.is_ok_and(|network| network == Architecture::Resnet50)
    };
    if target.exists() && (same(source) == same(target) || !is_ours()) {
        let why = "expected no file there, or weights that were imported before; give another --out";
        let why = std::io::Error::new(std::io::ErrorKind::AlreadyExists, why);
        return Err(CoreError::create(target, "write the weights", why).into());
    }
    Ok(())
}

/// Our key to torchvision's: convolution and batch normalisation.
fn torchvision_keys(key: &str) -> (String, String) {
    match key.strip_prefix("stage") {
        None => ("conv1".into(), "bn1".into()),
        Some(rest) => match rest.strip_suffix("shortcut") {
            Some(place) => (format!("layer{place}downsample.0"), format!("layer{place}downsample.1")),
            None => (format!("layer{rest}"), format!("layer{}", rest.replace("conv", "bn"))),
        },
    }
}

struct Normalisation {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

/// `scale (w x - mean) / sqrt(variance + epsilon) + shift` as one convolution, in double precision.
fn fold(conv: &ConvSpec, weight: &[f32], norm: &Normalisation) -> (Vec<f32>, Vec<f32>) {
    let a_channel = weight.len() / conv.channels[1];
    let factors: Vec<f64> =
        norm.scale.iter().zip(&norm.variance).map(|(s, v)| f64::from(*s) / (f64::from(*v) + EPSILON).sqrt()).collect();
    let folded = weight.iter().enumerate().map(|(i, w)| (f64::from(*w) * factors[i / a_channel]) as f32).collect();
    let bias = factors
        .iter()
        .zip(norm.shift.iter().zip(&norm.mean))
        .map(|(f, (shift, mean))| (f64::from(*shift) - f64::from(*mean) * f) as f32)
        .collect();
    (folded, bias)
}

/// A file with torchvision's names.
struct Torchvision<'a> {
    path: &'a Path,
    file: SafeTensors<'a>,
}

impl Torchvision<'_> {
    /// One tensor's values, finite, of this shape.
    fn values(&self, name: &str, shape: &[usize], used: &mut BTreeSet<String>) -> Result<Vec<f32>> {
        let refuse = |received: String| Error::Tensor {
            path: self.path.into(),
            name: name.into(),
            expected: format!("finite values, F16 or F32, of shape {shape:?}"),
            received,
        };
        let view = self.file.tensor(name).map_err(|_| refuse("no such tensor".into()))?;
        if view.shape() != shape {
            return Err(refuse(format!("shape {:?}", view.shape())));
        }
        if !matches!(view.dtype(), Dtype::F16 | Dtype::F32) {
            return Err(refuse(format!("{:?}", view.dtype())));
        }
        let stored = Stored { shape: shape.to_vec(), dtype: view.dtype(), bytes: view.data().to_vec() };
        let values = stored.to_f32();
        if let Some(place) = values.iter().position(|v| !v.is_finite()) {
            return Err(refuse(format!("{} at place {place}", values[place])));
        }
        used.insert(name.to_owned());
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_keys_are_torchvisions() {
        for (ours, conv, norm) in [
            ("stem", "conv1", "bn1"),
            ("stage1.0.conv1", "layer1.0.conv1", "layer1.0.bn1"),
            ("stage3.5.conv3", "layer3.5.conv3", "layer3.5.bn3"),
            ("stage4.0.shortcut", "layer4.0.downsample.0", "layer4.0.downsample.1"),
        ] {
            assert_eq!(torchvision_keys(ours), (conv.to_owned(), norm.to_owned()));
        }
    }
}
