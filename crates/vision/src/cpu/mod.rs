//! VGG16's convolutions on the CPU, with weights that do not change: the one place where own code beats a library, since nine
//! tenths of all the arithmetic is here.
//!
//! Winograd's algorithm needs a quarter of a convolution's multiplications or less, and what is left of them are matrix
//! products: one for each frequency, of a few tiles' transformed pixels with the transformed weights. So that transformed
//! pixels never leave the cache, a few rows of tiles go through all steps at a time.
//!
//! - [`shape`]: sizes of maps, tiles and what lies between the steps.
//! - [`simd`]: vectors of f32, a type an instruction set; one of them in plain Rust with every access checked.
//! - [`winograd`]: the transforms F(4x4, 3x3) and F(6x6, 3x3).
//! - [`steps`]: input transform, product, output transform with bias, ReLU and pool, written once.
//! - [`compiled`]: the steps compiled for each instruction set; [`Isa`] chooses at run time.
//! - [`buffer`]: memory that begins a cache line, and a pool of it.
//! - [`layer`]: one convolution, its work dealt out to threads.
//! - [`network`]: [`Convolutions`]: blocks, picture by picture.
//!
//! The sum of a value has the same order whatever the number of threads, the batch and the cut into tasks, so the bytes are the
//! same. Instruction sets differ in the last bits, as those with a fused multiply-add round once where others round twice.
//!
//! `unsafe` here is for instructions that a processor may lack, and for accesses without a check in the innermost loops. The only
//! other place that has some is the launches of the GPU's kernels, in [`crate::gpu`].
#![allow(unsafe_code)]
// Loops over rows and columns of tiles read as the formulas do, and unroll.
#![allow(clippy::needless_range_loop)]

mod buffer;
mod compiled;
mod layer;
mod network;
mod shape;
mod simd;
mod steps;
mod winograd;

pub use compiled::Isa;
pub use network::Convolutions;
#[cfg(feature = "gpu")]
pub(crate) use winograd::{F4, filter};

#[cfg(test)]
mod tests;
