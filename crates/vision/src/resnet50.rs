//! ResNet-50 (He et al. 2015; the stride in the 3x3 convolution, as torchvision has it), in Burn: the second trunk.
//!
//! Batch normalisation works by running statistics, which are frozen, so each is folded into its convolution when the weights
//! are imported ([`crate::import`]): what is left is convolutions with biases, ReLU and sums.
//!
//! Stages 1 to 3 answer to VGG16's blocks 1 to 4 (maps of a 16th of the side), stage 4 to its block 5 (a 32nd).

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

use crate::{Result, Weights};

/// Bottlenecks in each stage.
pub const BOTTLENECKS: [usize; 4] = [3, 4, 6, 3];
/// A bottleneck's output has four times the channels of its 3x3 convolution.
pub const EXPANSION: usize = 4;
/// Channels of the stem's output; each stage's 3x3 convolutions have 1, 2, 4 and 8 times as many.
pub const WIDTH: usize = 64;

/// One convolution of the network: its key in a weights file, and its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// `stem`, `stage2.0.conv1`, `stage2.0.shortcut`.
    pub key: String,
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Pixels of the kernel's side: 1, 3 or 7; the padding keeps the size.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl ConvSpec {
    /// `[out, in, kernel, kernel]`.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.channels[1], self.channels[0], self.kernel, self.kernel]
    }

    fn load(&self, weights: &Weights, device: &Device) -> Result<Conv2d> {
        let weight = weights.tensor(&format!("{}.weight", self.key), self.weight_shape(), device)?;
        let bias = weights.tensor(&format!("{}.bias", self.key), [self.channels[1]], device)?;
        let padding = self.kernel / 2;
        Ok(Conv2d {
            weight: Param::from_tensor(weight),
            bias: Some(Param::from_tensor(bias)),
            stride: [self.stride; 2],
            kernel_size: [self.kernel; 2],
            dilation: [1; 2],
            groups: 1,
            padding: PaddingConfig2d::Explicit(padding, padding, padding, padding),
        })
    }
}

/// The stem's convolution.
pub fn stem_spec(width: usize) -> ConvSpec {
    ConvSpec { key: "stem".into(), channels: [3, width], kernel: 7, stride: 2 }
}

/// The convolutions of bottleneck `index` (from 0) of stage `number` (1 to 4): 1x1, 3x3, 1x1, and for the first of a stage
/// the shortcut's 1x1.
pub fn bottleneck_spec(width: usize, number: usize, index: usize) -> Vec<ConvSpec> {
    let inner = width << (number - 1);
    let out = EXPANSION * inner;
    let channels_in = match (number, index) {
        (1, 0) => width,
        (_, 0) => out / 2,
        _ => out,
    };
    let stride = if number > 1 && index == 0 { 2 } else { 1 };
    let conv = |name: &str, channels, kernel, stride| {
        let key = format!("stage{number}.{index}.{name}");
        ConvSpec { key, channels, kernel, stride }
    };
    let mut convs = vec![
        conv("conv1", [channels_in, inner], 1, 1),
        conv("conv2", [inner, inner], 3, stride),
        conv("conv3", [inner, out], 1, 1),
    ];
    if index == 0 {
        convs.push(conv("shortcut", [channels_in, out], 1, stride));
    }
    convs
}

/// Every convolution, in the order in which a picture meets them.
pub fn convolutions(width: usize) -> Vec<ConvSpec> {
    let mut all = vec![stem_spec(width)];
    for (stage, bottlenecks) in BOTTLENECKS.iter().enumerate() {
        all.extend((0..*bottlenecks).flat_map(|index| bottleneck_spec(width, stage + 1, index)));
    }
    all
}

/// Three convolutions around which the input is added.
#[derive(Module, Debug)]
struct Bottleneck {
    convs: Vec<Conv2d>,
    shortcut: Option<Conv2d>,
}

impl Bottleneck {
    fn load(width: usize, number: usize, index: usize, weights: &Weights, device: &Device) -> Result<Bottleneck> {
        let mut convs: Vec<Conv2d> = bottleneck_spec(width, number, index)
            .iter()
            .map(|spec| spec.load(weights, device))
            .collect::<Result<_>>()?;
        let shortcut = (convs.len() == 4).then(|| convs.pop().expect("there are four"));
        Ok(Bottleneck { convs, shortcut })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        for (i, conv) in self.convs.iter().enumerate() {
            y = conv.forward(y);
            if i < 2 {
                y = relu(y);
            }
        }
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x),
            None => x,
        };
        relu(y + x)
    }
}

/// Bottlenecks of one size of map.
#[derive(Module, Debug)]
pub struct Stage {
    bottlenecks: Vec<Bottleneck>,
}

impl Stage {
    /// Stage `number` (1 to 4) of a network of this [`WIDTH`], with the tensors `stage{number}.{i}.{conv}.weight` and `.bias`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(width: usize, number: usize, weights: &Weights, device: &Device) -> Result<Stage> {
        let bottlenecks = (0..BOTTLENECKS[number - 1])
            .map(|index| Bottleneck::load(width, number, index, weights, device))
            .collect::<Result<_>>()?;
        Ok(Stage { bottlenecks })
    }

    /// `[n, c_in, h, w]` to `[n, c_out, h/2, w/2]`, or of the same size in stage 1.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.bottlenecks.iter().fold(x, |x, bottleneck| bottleneck.forward(x))
    }

    /// The convolutions' parameters, `(key, weight, bias)`.
    pub fn parameters(&self, width: usize, number: usize) -> Vec<(String, Tensor<4>, Tensor<1>)> {
        let mut all = Vec::new();
        for (index, bottleneck) in self.bottlenecks.iter().enumerate() {
            let convs = bottleneck.convs.iter().chain(&bottleneck.shortcut);
            for (spec, conv) in bottleneck_spec(width, number, index).into_iter().zip(convs) {
                let bias = conv.bias.as_ref().expect("folded convolutions have biases");
                all.push((spec.key, conv.weight.val(), bias.val()));
            }
        }
        all
    }
}

/// The stem and stages 1 to 3: the frozen trunk.
#[derive(Module, Debug)]
pub struct Trunk {
    stem: Conv2d,
    stages: Vec<Stage>,
}

impl Trunk {
    /// The trunk with these weights, without gradients.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(width: usize, weights: &Weights, device: &Device) -> Result<Trunk> {
        let stem = stem_spec(width).load(weights, device)?;
        let stages = (1..=3).map(|number| Stage::load(width, number, weights, device)).collect::<Result<_>>()?;
        Ok(Trunk { stem, stages }.freeze())
    }

    /// `[n, 3, h, w]`, preprocessed, to stage 3's output `[n, 16 width, h/16, w/16]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.stem.forward(x));
        let x = max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]));
        self.stages.iter().fold(x, |x, stage| stage.forward(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_convolutions_are_those_of_the_paper() {
        let all = convolutions(WIDTH);
        assert_eq!(all.len(), 1 + 16 * 3 + 4, "50 layers are the stem, 48 and the classifier; 4 shortcuts beside them");
        let multiply_adds: usize = all
            .iter()
            .scan(224, |side, conv| {
                let here = match conv.key.as_str() {
                    "stem" => 112,
                    key => match &key[..6] {
                        "stage1" => 56,
                        "stage2" => 28,
                        "stage3" => 14,
                        _ => 7,
                    },
                };
                *side = here;
                // The first 1x1 convolution of a stage still sees the larger map.
                let factor = if conv.key.ends_with(".0.conv1") && !conv.key.starts_with("stage1") { 4 } else { 1 };
                Some(factor * here * here * conv.weight_shape().iter().product::<usize>())
            })
            .sum();
        // torchvision gives 4.09 G multiply-adds, with the classifier's 2 M.
        assert_eq!(multiply_adds / 10_000_000, 408);
        let parameters: usize =
            all.iter().map(|c| c.weight_shape().iter().product::<usize>() + 2 * c.channels[1]).sum();
        assert_eq!(parameters + 2048 * 1000 + 1000, 25_557_032, "torchvision's count, two values a normalised channel");
    }
}
