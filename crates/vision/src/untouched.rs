//! What a network finds as ImageNet left it: the features that every trained network is measured against.

use burn::tensor::{Device, Tensor};

use crate::embedder::rows;
use crate::pooling::{gem, grid, mean, unit};
use crate::trunk::Block5;
use crate::{Result, Trunk, Weights};

/// The names of the features that [`Untouched::features`] returns, in order.
pub const NAMES: [&str; 6] =
    ["block 5 mean", "block 5 GeM", "block 5 grid", "block 4 mean", "block 4 GeM", "block 4 grid"];

/// The convolutions as ImageNet left them.
pub struct Untouched {
    trunk: Trunk,
    block5: Block5,
}

impl Untouched {
    /// The network with these weights.
    pub fn load(imagenet: &Weights, device: &Device) -> Result<Untouched> {
        Ok(Untouched { trunk: Trunk::load(imagenet, device)?, block5: Block5::load(imagenet, device)?.fix() })
    }

    /// Block 4 and block 5 of a preprocessed batch `[n, 3, size, size]`.
    pub fn maps(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let block4 = self.trunk.forward(x);
        let block5 = self.block5.forward(block4.clone());
        (block4, block5)
    }

    /// For each of [`NAMES`], one row of length 1 an image.
    pub fn features(&self, x: Tensor<4>) -> [Vec<Vec<f32>>; 6] {
        self.features_of(self.trunk.forward(x))
    }

    /// [`Untouched::features`] of block 4 `[n, channels, size/16, size/16]`, such as the cache keeps it.
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
