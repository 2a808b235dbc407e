//! VGG16's thirteen convolutions (Simonyan and Zisserman 2014, configuration D), in Burn.

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

use crate::{Compute, Result, Weights};

/// Channels of each block's output.
pub const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
/// Convolutions in each block.
pub const CONVOLUTIONS: [usize; 5] = [2, 2, 3, 3, 3];

/// A few 3x3 convolutions, each with ReLU, then a 2x2 max pool.
#[derive(Module, Debug)]
pub struct Block {
    convs: Vec<Conv2d>,
}

impl Block {
    /// Block `number` (1 to 5) with the tensors `block{number}_conv{i}.weight` and `.bias`.
    pub fn load(number: usize, weights: &Weights, device: &Device) -> Result<Block> {
        let out = CHANNELS[number - 1];
        let first_in = if number == 1 { 3 } else { CHANNELS[number - 2] };
        let convs = (1..=CONVOLUTIONS[number - 1]).map(|i| {
            let channels_in = if i == 1 { first_in } else { out };
            let key = format!("block{number}_conv{i}");
            let mut conv = Conv2dConfig::new([channels_in, out], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device);
            conv.weight =
                Param::from_tensor(weights.tensor(&format!("{key}.weight"), [out, channels_in, 3, 3], device)?);
            conv.bias = Some(Param::from_tensor(weights.tensor(&format!("{key}.bias"), [out], device)?));
            Ok(conv)
        });
        Ok(Block { convs: convs.collect::<Result<_>>()? })
    }

    /// `[n, c_in, h, w]` to `[n, c_out, h/2, w/2]`.
    pub fn forward(&self, mut x: Tensor<4>) -> Tensor<4> {
        for conv in &self.convs {
            x = relu(conv.forward(x));
        }
        max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
    }

    /// The convolutions' parameters, `(weight, bias)` in order.
    pub fn parameters(&self) -> impl Iterator<Item = (Tensor<4>, Tensor<1>)> {
        self.convs.iter().map(|c| (c.weight.val(), c.bias.as_ref().expect("VGG16's convolutions have biases").val()))
    }
}

/// Blocks 1 to 4: the frozen trunk.
#[derive(Module, Debug)]
pub struct Trunk {
    blocks: Vec<Block>,
}

impl Trunk {
    /// The trunk with these weights, without gradients.
    pub fn load(weights: &Weights, device: &Device) -> Result<Trunk> {
        let blocks = (1..=4).map(|n| Block::load(n, weights, device)).collect::<Result<_>>()?;
        Ok(Trunk { blocks }.freeze())
    }

    /// Which code does the sums: what was kept of another's may differ in the last bits. The number is raised when they
    /// change.
    pub fn arithmetic(compute: &Compute) -> String {
        format!("vgg16 1, {}", compute.backend())
    }

    /// `[n, 3, h, w]`, preprocessed, to `block4_pool`: `[n, 512, h/16, w/16]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }
}
