//! The trunks that a recipe can choose between, behind one name: what is frozen, and the block after it, which is fine-tuned.
//!
//! VGG16's words stand for both. *Block 4* is the output of the frozen part, a 16th of the picture's side: `block4_pool`, or
//! ResNet-50's stage 3. *Block 5* is what follows, a 32nd of the side: `block5_pool`, or stage 4.

use std::fmt;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use goodtwin_core::Error as CoreError;
use serde::{Deserialize, Serialize};

use crate::preprocess::Values;
use crate::resnet50::{self, EXPANSION, WIDTH};
use crate::vgg16::{self, CHANNELS, CONVOLUTIONS};
use crate::weights::Stored;
use crate::{Compute, Error, Precision, Result, Weights};

/// ResNet-50's first convolution, as an imported file has it: VGG16's weights have none of that name, nor have torchvision's.
pub(crate) const RESNET50_FIRST: &str = "stem.weight";

/// Which network a trunk is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Simonyan and Zisserman 2014; its weights ship with GoodTwin.
    #[default]
    Vgg16,
    /// He et al. 2015; its weights are the user's, brought in by `goodtwin weights import`.
    Resnet50,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Vgg16 => "VGG16",
            Architecture::Resnet50 => "ResNet-50",
        })
    }
}

impl Architecture {
    /// The one that these weights are of, by the name of the first convolution.
    ///
    /// # Errors
    /// [`Error::Tensor`] when they are of neither.
    pub fn of(weights: &Weights) -> Result<Architecture> {
        let (vgg16, resnet50) = ("block1_conv1.weight", RESNET50_FIRST);
        match (weights.stored(vgg16), weights.stored(resnet50)) {
            (Some(_), None) => Ok(Architecture::Vgg16),
            (None, Some(_)) => Ok(Architecture::Resnet50),
            (vgg, _) => Err(Error::Tensor {
                path: weights.path().into(),
                name: vgg16.into(),
                expected: format!("this one for VGG16, or `{resnet50}` for ResNet-50"),
                received: if vgg.is_some() { "both" } else { "neither" }.into(),
            }),
        }
    }

    /// Whether it is the one that is meant where none is named.
    pub fn is_default(&self) -> bool {
        *self == Architecture::default()
    }

    /// Where its ImageNet weights are kept.
    pub fn weights_file(self) -> &'static str {
        match self {
            Architecture::Vgg16 => "checkpoints/vgg16-imagenet-f16.safetensors",
            Architecture::Resnet50 => "checkpoints/resnet50.safetensors",
        }
    }

    /// Read its ImageNet weights: for VGG16 the very file that ships, for ResNet-50 one that was imported.
    ///
    /// # Errors
    /// Exit 65 for a file that is missing, is none, or is of another network: the first difference is named.
    pub fn load(self, path: &Path) -> Result<Weights> {
        if self == Architecture::Vgg16 {
            return Weights::load_vgg16_imagenet(path);
        }
        if !path.exists() {
            return Err(CoreError::Missing {
                path: path.into(),
                kind: "weights file",
                hint: ": ResNet-50's weights do not ship with GoodTwin; `goodtwin weights import --network resnet50 FILE` \
                       brings in a safetensors file with torchvision's names"
                    .into(),
            }
            .into());
        }
        let weights = Weights::load(path)?;
        for conv in resnet50::convolutions(WIDTH) {
            weights.check(&format!("{}.weight", conv.key), &conv.weight_shape())?;
            weights.check(&format!("{}.bias", conv.key), &conv.channels[1..])?;
        }
        Ok(weights)
    }

    /// What its weights were trained to see.
    pub fn values(self) -> Values {
        match self {
            Architecture::Vgg16 => Values::Caffe,
            Architecture::Resnet50 => Values::Torchvision,
        }
    }

    /// What block 4 is called in the network's own words.
    pub fn block4(self) -> &'static str {
        match self {
            Architecture::Vgg16 => "block4_pool",
            Architecture::Resnet50 => "stage3",
        }
    }

    /// Channels of block 4 and of block 5.
    pub fn channels(self) -> [usize; 2] {
        match self {
            Architecture::Vgg16 => [CHANNELS[3], CHANNELS[4]],
            Architecture::Resnet50 => [EXPANSION * (WIDTH << 2), EXPANSION * (WIDTH << 3)],
        }
    }

    /// Rows of block 4's and of block 5's maps, for pictures of `size` pixels a side, a multiple of 16.
    pub fn sides(self, size: u32) -> [usize; 2] {
        let side = size as usize / 16;
        match self {
            // A pool drops a row that has no partner, a convolution with stride 2 takes it.
            Architecture::Vgg16 => [side, side / 2],
            Architecture::Resnet50 => [side, side.div_ceil(2)],
        }
    }

    /// How many values block 5 learns.
    pub fn block5_parameters(self) -> usize {
        match self {
            Architecture::Vgg16 => CONVOLUTIONS[4] * (9 * CHANNELS[3] * CHANNELS[4] + CHANNELS[4]),
            Architecture::Resnet50 => {
                let of_stage4 = resnet50::convolutions(WIDTH).into_iter().filter(|conv| is_block5(&conv.key));
                of_stage4.map(|conv| conv.weight_shape().iter().product::<usize>() + conv.channels[1]).sum()
            }
        }
    }

    /// Which code does the frozen part's sums: what was kept of another's may differ in the last bits. The number is raised when
    /// they change.
    pub fn arithmetic(self, compute: &Compute) -> String {
        match self {
            Architecture::Vgg16 => format!("vgg16 2, {}", compute.backend()),
            Architecture::Resnet50 => format!("resnet50 1, {}", compute.backend()),
        }
    }

    /// The tensors of the frozen part.
    pub fn frozen_tensors(self) -> Vec<String> {
        let convs: Vec<String> = match self {
            Architecture::Vgg16 => (1..=4)
                .flat_map(|number| (1..=CONVOLUTIONS[number - 1]).map(move |i| format!("block{number}_conv{i}")))
                .collect(),
            Architecture::Resnet50 => {
                resnet50::convolutions(WIDTH).into_iter().map(|conv| conv.key).filter(|key| !is_block5(key)).collect()
            }
        };
        convs.iter().flat_map(|key| ["weight", "bias"].map(|part| format!("{key}.{part}"))).collect()
    }
}

fn is_block5(resnet50_key: &str) -> bool {
    resnet50_key.starts_with("stage4")
}

/// What is frozen: a picture in, block 4 out.
#[derive(Debug)]
pub enum Trunk {
    /// Blocks 1 to 4.
    Vgg16(vgg16::Trunk),
    /// The stem and stages 1 to 3.
    Resnet50(resnet50::Trunk),
}

impl Trunk {
    /// The trunk with these weights, of the network that they are of, without gradients.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(weights: &Weights, device: &Device) -> Result<Trunk> {
        Ok(match Architecture::of(weights)? {
            Architecture::Vgg16 => Trunk::Vgg16(vgg16::Trunk::load(weights, device)?),
            Architecture::Resnet50 => Trunk::Resnet50(resnet50::Trunk::load(WIDTH, weights, device)?),
        })
    }

    /// The same trunk with weights in other numbers, where it is VGG16 on a GPU; maps come out in f32.
    pub fn at(self, precision: Precision) -> Trunk {
        match self {
            Trunk::Vgg16(trunk) => Trunk::Vgg16(trunk.at(precision)),
            residual => residual,
        }
    }

    /// `[n, 3, size, size]`, preprocessed, to block 4: `[n, channels, size/16, size/16]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Trunk::Vgg16(trunk) => trunk.forward(x),
            Trunk::Resnet50(trunk) => trunk.forward(x),
        }
    }
}

/// What is fine-tuned of the trunk's network: block 4 in, block 5 out.
#[derive(Module, Debug)]
pub enum Block5 {
    /// Three convolutions and a pool.
    Vgg16(vgg16::Block),
    /// Stage 4: three bottlenecks.
    Resnet50(resnet50::Stage),
}

impl Block5 {
    /// The block with these weights, of the network that they are of.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(weights: &Weights, device: &Device) -> Result<Block5> {
        Ok(match Architecture::of(weights)? {
            Architecture::Vgg16 => Block5::Vgg16(vgg16::Block::load(5, weights, device)?),
            Architecture::Resnet50 => Block5::Resnet50(resnet50::Stage::load(WIDTH, 4, weights, device)?),
        })
    }

    /// The same block, with weights that never change again: without gradients, and VGG16's several times as fast on the CPU.
    pub fn fix(self) -> Block5 {
        match self {
            Block5::Vgg16(block) => Block5::Vgg16(block.fix(5)),
            Block5::Resnet50(stage) => Block5::Resnet50(stage.no_grad()),
        }
    }

    /// Block 4's maps to block 5's.
    pub fn forward(&self, block4: Tensor<4>) -> Tensor<4> {
        match self {
            Block5::Vgg16(block) => block.forward(block4),
            Block5::Resnet50(stage) => stage.forward(block4),
        }
    }

    /// The maps that it ends with, before a pool makes them smaller; the same whether or not it is fixed, but slower.
    pub fn last_maps(&self, block4: Tensor<4>) -> Tensor<4> {
        match self {
            Block5::Vgg16(block) => block.convolved(block4),
            Block5::Resnet50(stage) => stage.forward(block4),
        }
    }

    /// What is left to do to [`Block5::last_maps`].
    pub fn pool(&self, maps: Tensor<4>) -> Tensor<4> {
        match self {
            Block5::Vgg16(_) => vgg16::pool(maps),
            Block5::Resnet50(_) => maps,
        }
    }

    /// Its tensors, as a checkpoint has them.
    pub fn tensors(&self) -> Vec<(String, Stored)> {
        let parameters: Vec<(String, Tensor<4>, Tensor<1>)> = match self {
            Block5::Vgg16(block) => block
                .parameters()
                .enumerate()
                .map(|(i, (weight, bias))| (format!("block5_conv{}", i + 1), weight, bias))
                .collect(),
            Block5::Resnet50(stage) => stage.parameters(WIDTH, 4),
        };
        parameters
            .into_iter()
            .flat_map(|(key, weight, bias)| {
                [(format!("{key}.weight"), Stored::of(weight)), (format!("{key}.bias"), Stored::of(bias))]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_neither_network_and_of_none_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.safetensors");
        let missing = Architecture::Resnet50.load(&path).unwrap_err();
        assert_eq!(missing.exit_code(), 65);
        assert!(missing.to_string().contains("goodtwin weights import --network resnet50"), "{missing}");
        let one = |name: &str| [(name.to_string(), Stored::from_f32(&[1], &[0.0]))].into();
        std::fs::write(&path, crate::weights::serialize(&one("dense.weight"))).unwrap();
        let neither = Architecture::of(&Weights::load(&path).unwrap()).unwrap_err();
        assert!(neither.to_string().contains("received neither"), "{neither}");
        std::fs::write(&path, crate::weights::serialize(&one("stem.weight"))).unwrap();
        assert_eq!(Architecture::of(&Weights::load(&path).unwrap()).unwrap(), Architecture::Resnet50);
        let other = Architecture::Resnet50.load(&path).unwrap_err().to_string();
        assert!(other.contains("`stem.weight`: expected shape [64, 3, 7, 7], received shape [1]"), "{other}");
    }

    #[test]
    fn sizes_are_those_of_the_networks() {
        assert_eq!(Architecture::Vgg16.channels(), [512, 512]);
        assert_eq!(Architecture::Resnet50.channels(), [1024, 2048]);
        assert_eq!((Architecture::Vgg16.sides(48), Architecture::Resnet50.sides(48)), ([3, 1], [3, 2]));
        assert_eq!(Architecture::Vgg16.sides(224), [14, 7]);
        assert_eq!(Architecture::Vgg16.block5_parameters(), 7_079_424);
        // torchvision's layer4 has 14,964,736; folding leaves one value a channel of each normalisation's two.
        let channels = 3 * (512 + 512 + 2048) + 2048;
        assert_eq!(Architecture::Resnet50.block5_parameters(), 14_964_736 - channels);
        assert_eq!(Architecture::Vgg16.frozen_tensors().len(), 20);
        assert_eq!(Architecture::Resnet50.frozen_tensors().len(), 2 * (53 - 10));
    }
}
