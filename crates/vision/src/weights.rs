//! Safetensors files: named tensors, widened to f32, with shapes checked before they reach the network.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::{ContentId, Error as CoreError};
use safetensors::{Dtype, SafeTensors};

use crate::{Error, Result};

/// ImageNet's VGG16 (Simonyan and Zisserman, CC BY 4.0) as it ships in `checkpoints/`.
pub const VGG16_IMAGENET: &str = "89d6ab93b481bfcb17b9c7ddbf8c051e9265563c04e96db4f3c05d74329cec9d";

/// One tensor as its file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// f16 or f32.
    pub dtype: Dtype,
    /// Little-endian values.
    pub bytes: Vec<u8>,
}

/// A tensor that torchvision's ResNet-50 has, and how its file is brought in.
const TORCHVISION: &str = "layer1.0.conv1.weight";
const TORCHVISIONS: &str =
    "torchvision's names; `goodtwin weights import --network resnet50 FILE` puts ours in their place";

/// The tensors of one file.
#[derive(Clone, Debug)]
pub struct Weights {
    path: PathBuf,
    id: ContentId,
    tensors: BTreeMap<String, Stored>,
}

impl Weights {
    /// Read a file whole.
    ///
    /// # Errors
    /// Exit 65 for a file that is missing, cut off, or no safetensors, or that has tensors other than f16 and f32.
    pub fn load(path: &Path) -> Result<Weights> {
        let bytes = std::fs::read(path).map_err(|e| CoreError::read(path, "weights file", e))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| CoreError::data(path, format!("not a whole safetensors file: {e}")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            if !matches!(view.dtype(), Dtype::F16 | Dtype::F32) {
                let mut received = format!("{:?}", view.dtype());
                // Which has counts of batches as whole numbers.
                if file.names().contains(&TORCHVISION) {
                    received += &format!(", beside {TORCHVISIONS}");
                }
                return Err(Error::Tensor { path: path.into(), name, expected: "F16 or F32".into(), received });
            }
            let stored = Stored { shape: view.shape().to_vec(), dtype: view.dtype(), bytes: view.data().to_vec() };
            tensors.insert(name, stored);
        }
        Ok(Weights { path: path.into(), id: ContentId::of(&bytes), tensors })
    }

    /// Read ImageNet's VGG16 and refuse any other file.
    pub fn load_vgg16_imagenet(path: &Path) -> Result<Weights> {
        let weights = Weights::load(path)?;
        if weights.id.as_str() != VGG16_IMAGENET {
            return Err(CoreError::Mismatch {
                path: path.into(),
                part: "the SHA-256 of VGG16's ImageNet weights".into(),
                expected: VGG16_IMAGENET.into(),
                received: weights.id.to_string(),
            }
            .into());
        }
        Ok(weights)
    }

    /// The SHA-256 of the file.
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor as it is stored.
    pub fn stored(&self, name: &str) -> Option<&Stored> {
        self.tensors.get(name)
    }

    /// Whether a tensor is there in this shape.
    ///
    /// # Errors
    /// [`Error::Tensor`] when it is missing or has another shape.
    pub fn check(&self, name: &str, shape: &[usize]) -> Result<&Stored> {
        let refuse = |received: String| Error::Tensor {
            path: self.path.clone(),
            name: name.into(),
            expected: format!("shape {shape:?}"),
            received,
        };
        let stored = self.tensors.get(name).ok_or_else(|| {
            let torchvision = self.tensors.contains_key(TORCHVISION);
            refuse(if torchvision { TORCHVISIONS } else { "no such tensor" }.into())
        })?;
        if stored.shape != shape {
            return Err(refuse(format!("shape {:?}", stored.shape)));
        }
        Ok(stored)
    }

    /// A tensor's values, widened to f32.
    ///
    /// # Errors
    /// Those of [`Weights::check`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.check(name, shape)?.to_f32())
    }

    /// A tensor in f32 on a device.
    ///
    /// # Errors
    /// Those of [`Weights::values`].
    pub fn tensor<const D: usize>(&self, name: &str, shape: [usize; D], device: &Device) -> Result<Tensor<D>> {
        Ok(Tensor::from_data(TensorData::new(self.values(name, &shape)?, shape), device))
    }
}

impl Stored {
    /// The values, widened where they are f16.
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            Dtype::F16 => self.bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            _ => self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        }
    }

    /// A tensor of the network to store.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Stored {
        let shape = tensor.dims();
        let values = tensor.into_data().try_into_vec::<f32>().expect("the network's tensors are f32");
        Stored::from_f32(&shape, &values)
    }

    /// An f32 tensor to store.
    pub fn from_f32(shape: &[usize], values: &[f32]) -> Stored {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Stored { shape: shape.to_vec(), dtype: Dtype::F32, bytes }
    }
}

/// The bytes of a safetensors file with these tensors, in order of their names.
pub fn serialize(tensors: &BTreeMap<String, Stored>) -> Vec<u8> {
    serialize_with(tensors, None)
}

/// The same, with one line about them in the header: its key and its text. One only, since the library keeps them in a hash
/// map, and two would give two files of one content.
pub fn serialize_with(tensors: &BTreeMap<String, Stored>, about: Option<(&str, String)>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, t)| {
        let view = safetensors::tensor::TensorView::new(t.dtype, t.shape.clone(), &t.bytes)
            .expect("a stored tensor has as many bytes as its shape says");
        (name, view)
    });
    let about = about.map(|(key, text)| [(key.to_owned(), text)].into());
    safetensors::serialize(views, about).expect("the header is made of names and shapes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As torchvision has them today, with a count of batches beside each normalisation, and as it had them once.
    #[test]
    fn whoever_gives_torchvisions_file_is_told_how_it_is_brought_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resnet50.safetensors");
        for counted in [true, false] {
            let mut tensors = BTreeMap::from([(TORCHVISION.to_string(), Stored::from_f32(&[1], &[0.0]))]);
            if counted {
                let count = Stored { shape: vec![1], dtype: Dtype::I64, bytes: vec![0; 8] };
                tensors.insert("bn1.num_batches_tracked".into(), count);
            }
            std::fs::write(&path, serialize(&tensors)).unwrap();
            let error = crate::Architecture::Resnet50.load(&path).unwrap_err().to_string();
            assert!(error.contains("`goodtwin weights import --network resnet50 FILE`"), "{error}");
            assert_eq!(error.contains("I64"), counted, "{error}");
        }
    }
}
