//! From a picture to features: one preprocessing, one network, for training, catalogue and query alike.
//!
//! - [`device`]: [`DeviceChoice`] in, [`Compute`] out: the GPU by wgpu or the CPU by flex, and its name.
//! - [`ground`]: a picture in, the bag's box and the ground's colour out, where the ground is plain.
//! - [`precision`]: f32, or half of it, for a GPU's convolutions.
//! - [`preprocess`]: [`Preprocess`]: a [`Picture`](goodtwin_imaging::Picture) in, one or two crops of it as the planes that the trunk was trained on out.
//! - [`weights`]: [`Weights`]: a safetensors file in, named tensors out, with shapes checked.
//! - [`trunk`]: [`Architecture`], [`Trunk`] (what is frozen) and block 5 (what is fine-tuned), whichever network they are of.
//! - [`vgg16`]: blocks 1 to 4, and block 5, in Burn.
//! - [`resnet50`]: stages 1 to 3, and stage 4, in Burn.
//! - [`import`]: ResNet-50's weights, a file of the user's with torchvision's names in, folded weights out.
//! - [`cpu`]: the same convolutions on the CPU, with weights that never change: Winograd's algorithm in AVX-512, AVX2 or NEON.
//! - `gpu`, with the cargo feature of that name: the same on a GPU, by kernels for Winograd's algorithm.
//! - [`layers`]: products of matrices, and the layers that are one, by a GPU without trying which kernel is fastest.
//! - [`mask`]: maps in, where the bag is out.
//! - [`pooling`]: maps in, vectors out: flatten, mean, generalised mean, grid, and a grid over the bag alone.
//! - [`top`]: [`Top`], what is fine-tuned: block 5, the dense layer, the softmax.
//! - [`colour`]: a picture and where the bag is in, its colours out.
//! - [`activation`]: a picture and a class in, the places that speak for it out.
//! - [`checkpoint`]: a run folder's `model.json` and `model.safetensors`, written and read.
//! - [`embedder`]: [`Embedder`]: a checkpoint that embeds pictures.
//! - [`untouched`]: what a network of ImageNet's finds without any training: the baselines.
//! - [`roofline`]: what a stage took in, what holds it back out.
//! - [`error`]: the [`Error`] of this crate.

pub mod activation;
pub mod checkpoint;
pub mod colour;
pub mod cpu;
pub mod device;
pub mod embedder;
pub mod error;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod ground;
pub mod import;
pub mod layers;
pub mod mask;
pub mod pooling;
pub mod precision;
pub mod preprocess;
pub mod resnet50;
pub mod roofline;
pub mod top;
pub mod trunk;
pub mod untouched;
pub mod vgg16;
pub mod weights;

pub use checkpoint::{Checkpoint, ModelCard, NetworkSpec};
pub use device::{Compute, DeviceChoice};
pub use embedder::{Embedder, Features};
pub use error::{Error, Result};
pub use pooling::Pooling;
pub use precision::Precision;
pub use preprocess::Preprocess;
pub use top::Top;
pub use trunk::{Architecture, Trunk};
pub use weights::Weights;
