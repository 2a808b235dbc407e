//! What a network finds as ImageNet left it: the features that every trained network is measured against.

use burn::tensor::{Device, Tensor};

use crate::embedder::rows;
use crate::pooling::{gem, grid, mean, unit};
use crate::trunk::Block5;
use crate::{Result, Weights};

/// The names of what [`Untouched::features_of`] returns, in order.
pub const NAMES: [&str; 6] =
    ["block 5 mean", "block 5 GeM", "block 5 grid", "block 4 mean", "block 4 GeM", "block 4 grid"];

/// Block 5 as ImageNet left it.
pub struct Untouched {
    block5: Block5,
}

impl Untouched {
    /// The network with these weights.
    pub fn load(imagenet: &Weights, device: &Device) -> Result<Untouched> {
        Ok(Untouched { block5: Block5::load(imagenet, device)?.fix() })
    }

    /// For each of [`NAMES`], one row of length 1 an image, from block 4 `[n, channels, size/16, size/16]`, such as the cache
    /// keeps it.
    pub fn features_of(&self, block4: Tensor<4>) -> [Vec<Vec<f32>>; 6] {
        let block5 = self.block5.forward(block4.clone());
        [
            mean(block5.clone()),
            gem(block5.clone()),
            grid(block5),
            mean(block4.clone()),
            gem(block4.clone()),
            grid(block4),
        ]
        .map(|pooled| rows(unit(pooled)))
    }
}
