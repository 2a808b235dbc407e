//! From a block's maps to one vector an image.

use burn::tensor::Tensor;
use burn::tensor::module::adaptive_avg_pool2d;
use serde::{Deserialize, Serialize};

use crate::Architecture;

/// What the dense layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Every value of block 5, as the original recipe does.
    Flatten,
    /// The generalised mean of block 5: a value a channel, 512 of VGG16.
    Gem,
    /// Block 4 over a 3x3 grid, of length 1, beside the generalised mean of block 5, of a length of its own: 5,120 values of
    /// VGG16. Middle textures and where they lie tell models apart on plain grounds; the deepest block carries across
    /// grounds.
    Joint,
}

impl Pooling {
    /// The number of values, for pictures of `size` pixels a side.
    pub fn len(self, trunk: Architecture, size: u32) -> usize {
        let ([block4, block5], [_, side]) = (trunk.channels(), trunk.sides(size));
        match self {
            Pooling::Flatten => block5 * side * side,
            Pooling::Gem => block5,
            Pooling::Joint => 9 * block4 + block5,
        }
    }

    /// Block 4 and block 5 in, `[n, len]` out. `weight` is how much block 5 counts where both are seen.
    pub fn forward(self, block4: Tensor<4>, block5: Tensor<4>, weight: f64) -> Tensor<2> {
        match self {
            Pooling::Flatten => block5.flatten(1, 3),
            Pooling::Gem => gem(block5),
            Pooling::Joint => Tensor::cat(vec![unit(grid(block4)), unit(gem(block5)) * weight], 1),
        }
    }
}

/// The mean over all places: `[n, c, h, w]` to `[n, c]`.
pub fn mean(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c])
}

/// The generalised mean with p = 3 (Radenović, Tolias, Chum 2018): `[n, c, h, w]` to `[n, c]`.
pub fn gem(x: Tensor<4>) -> Tensor<2> {
    // The root's gradient is unbounded at 0, where most of a ReLU's outputs are.
    let x = x.clamp_min(1e-3);
    mean(x.clone() * x.clone() * x).powf_scalar(1.0 / 3.0)
}

/// Means over a 3x3 grid, then the square root: `[n, c, h, w]` to `[n, 9 c]`.
pub fn grid(x: Tensor<4>) -> Tensor<2> {
    adaptive_avg_pool2d(x, [3, 3]).flatten(1, 3).sqrt()
}

/// Each row divided by its length.
pub fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = (x.clone() * x.clone()).sum_dim(1).sqrt().clamp_min(1e-9);
    x / length
}
