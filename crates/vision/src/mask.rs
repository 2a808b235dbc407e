//! Where in a picture the bag is: a small head that says of each place of the maps how much of it is bag.
//!
//! It sees block 4 and, upsampled, block 5, each place beside the mean of all places: what is bag depends on what else there
//! is. It learns before all other layers, from bags that were cut out of plain grounds and laid on others, where the answer is
//! known; then it stays as it is.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor, TensorData};

use crate::layers::{conv, linear, matmul, mean_dim};
use crate::weights::Stored;
use crate::{Architecture, Result, Weights};

/// Channels between the maps and the answer.
pub const HIDDEN: usize = 64;
/// What the answer starts from where nothing has taught the head anything: all is bag.
const ALL: f32 = 8.0;

/// Block 4 and block 5 in, a value from 0 to 1 for each place of block 4 out.
#[derive(Module, Debug)]
pub struct MaskHead {
    /// Of each place of block 4.
    pub block4: Conv2d,
    /// Of each place of block 5.
    pub block5: Conv2d,
    /// Of the means of both over all places.
    pub context: Linear,
    spread: Conv2d,
    out: Conv2d,
}

impl MaskHead {
    /// A head that knows nothing: all of every picture is bag. Its layers are random, and the last is 0.
    pub fn init(trunk: Architecture, device: &Device) -> MaskHead {
        let [block4, block5] = trunk.channels();
        let wide = |channels: usize, out: usize| {
            Conv2dConfig::new([channels, out], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        };
        let mut out = wide(HIDDEN, 1).with_initializer(Initializer::Zeros).init(device);
        out.bias = Some(Param::from_tensor(Tensor::full([1], ALL, device)));
        MaskHead {
            block4: Conv2dConfig::new([block4, HIDDEN], [1, 1]).init(device),
            block5: Conv2dConfig::new([block5, HIDDEN], [1, 1]).with_bias(false).init(device),
            context: LinearConfig::new(block4 + block5, HIDDEN).with_bias(false).init(device),
            spread: wide(HIDDEN, HIDDEN).init(device),
            out,
        }
        .no_grad()
    }

    /// Floating-point operations of one picture of `size` pixels.
    pub fn flops(trunk: Architecture, size: u32) -> f64 {
        let ([block4, block5], [side4, side5]) = (trunk.channels(), trunk.sides(size));
        let (places4, places5) = (side4 * side4, side5 * side5);
        let means = block4 + block5;
        let wide = 9 * (HIDDEN + 1) * places4;
        (2 * HIDDEN * (block4 * places4 + block5 * places5 + means + wide)) as f64
    }

    /// The same with an undecided last layer, and ready to learn.
    pub fn undecided(self, device: &Device) -> MaskHead {
        struct Learn;
        impl ModuleMapper for Learn {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(Tensor::require_grad)
            }
        }
        let last = Conv2dConfig::new([HIDDEN, 1], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        MaskHead { out: last.init(device), ..self }.map(&mut Learn)
    }

    /// From a checkpoint.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(trunk: Architecture, weights: &Weights, device: &Device) -> Result<MaskHead> {
        let mut head = MaskHead::init(trunk, device);
        let [block4, block5] = trunk.channels();
        let w = |key: &str, shape| Ok::<_, crate::Error>(Param::from_tensor(weights.tensor(key, shape, device)?));
        head.block4.weight = w("mask.block4.weight", [HIDDEN, block4, 1, 1])?;
        head.block5.weight = w("mask.block5.weight", [HIDDEN, block5, 1, 1])?;
        head.spread.weight = w("mask.spread.weight", [HIDDEN, HIDDEN, 3, 3])?;
        head.out.weight = w("mask.out.weight", [1, HIDDEN, 3, 3])?;
        head.context.weight =
            Param::from_tensor(weights.tensor("mask.context.weight", [block4 + block5, HIDDEN], device)?);
        let b = |key: &str, len| Ok::<_, crate::Error>(Some(Param::from_tensor(weights.tensor(key, [len], device)?)));
        head.block4.bias = b("mask.block4.bias", HIDDEN)?;
        head.spread.bias = b("mask.spread.bias", HIDDEN)?;
        head.out.bias = b("mask.out.bias", 1)?;
        Ok(head.no_grad())
    }

    /// Its tensors, as a checkpoint has them.
    pub fn tensors(&self) -> Vec<(String, Stored)> {
        let convs = [("block4", &self.block4), ("block5", &self.block5), ("spread", &self.spread), ("out", &self.out)];
        let mut tensors = vec![("mask.context.weight".to_string(), Stored::of(self.context.weight.val()))];
        for (name, conv) in convs {
            tensors.push((format!("mask.{name}.weight"), Stored::of(conv.weight.val())));
            tensors.extend(conv.bias.iter().map(|bias| (format!("mask.{name}.bias"), Stored::of(bias.val()))));
        }
        tensors
    }

    /// How much of each place is bag: block 4 `[n, c, h, w]` and block 5 in, `[n, 1, h, w]` out.
    pub fn forward(&self, block4: Tensor<4>, block5: Tensor<4>) -> Tensor<4> {
        sigmoid(self.logits(seen(block4), seen(block5), None))
    }

    /// The sigmoid's input, of what [`seen`] made of block 4 and block 5. `dropped`, `[n, HIDDEN, 1, 1]`, multiplies channels
    /// in training.
    pub fn logits(&self, block4: Tensor<4>, block5: Tensor<4>, dropped: Option<Tensor<4>>) -> Tensor<4> {
        let ([n, c4, h, w], [_, c5, h5, w5]) = (block4.dims(), block5.dims());
        let means = Tensor::cat(
            vec![
                mean_dim(block4.clone().reshape([n, c4, h * w]), 2).reshape([n, c4]),
                mean_dim(block5.clone().reshape([n, c5, h5 * w5]), 2).reshape([n, c5]),
            ],
            1,
        );
        let up = upsampling([h5, w5], [h, w], &block5.device());
        let deep = conv(&self.block5, block5).reshape([1, n * HIDDEN, h5 * w5]);
        let deep = matmul(deep, up.unsqueeze()).reshape([n, HIDDEN, h, w]);
        let context = linear(&self.context, means).reshape([n, HIDDEN, 1, 1]);
        let hidden = relu(conv(&self.block4, block4) + deep + context);
        let hidden = match dropped {
            Some(dropped) => hidden * dropped,
            None => hidden,
        };
        conv(&self.out, relu(conv(&self.spread, hidden)))
    }
}

/// What the head makes of maps before all else: square roots, since few values of a ReLU are large and most are 0.
pub fn seen(maps: Tensor<4>) -> Tensor<4> {
    maps.sqrt()
}

/// Bilinear weights from a small map's places to a larger one's, `[places, places]`, both row by row.
fn upsampling(from: [usize; 2], to: [usize; 2], device: &Device) -> Tensor<2> {
    let axis = |from: usize, to: usize| -> Vec<Vec<f32>> {
        let weights = |place: usize| {
            let at = ((place as f32 + 0.5) * from as f32 / to as f32 - 0.5).clamp(0.0, (from - 1) as f32);
            (0..from).map(|i| (1.0 - (at - i as f32).abs()).max(0.0)).collect()
        };
        (0..to).map(weights).collect()
    };
    let (rows, columns) = (axis(from[0], to[0]), axis(from[1], to[1]));
    let mut values = Vec::with_capacity(from[0] * from[1] * to[0] * to[1]);
    for i in 0..from[0] {
        for j in 0..from[1] {
            values.extend(rows.iter().flat_map(|row| columns.iter().map(move |column| row[i] * column[j])));
        }
    }
    Tensor::from_data(TensorData::new(values, [from[0] * from[1], to[0] * to[1]]), device)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::weights::serialize;

    #[test]
    fn a_head_that_was_written_says_the_same() {
        let device = Device::flex();
        device.seed(2);
        let learns = device.clone().autodiff();
        let head = MaskHead::init(Architecture::Vgg16, &learns).undecided(&learns).valid();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("head.safetensors");
        std::fs::write(&path, serialize(&head.tensors().into_iter().collect())).unwrap();
        let read = MaskHead::load(Architecture::Vgg16, &Weights::load(&path).unwrap(), &device).unwrap();
        let maps = |side| Tensor::random([2, 512, side, side], Distribution::Uniform(0.0, 40.0), &device);
        let (block4, block5) = (maps(6), maps(3));
        let mask = |head: &MaskHead| -> Vec<f32> {
            head.forward(block4.clone(), block5.clone()).into_data().try_into_vec().unwrap()
        };
        assert_eq!(mask(&head), mask(&read));
        assert_eq!(mask(&head).len(), 2 * 6 * 6);
        let mut tensors: std::collections::BTreeMap<_, _> = head.tensors().into_iter().collect();
        tensors.remove("mask.spread.bias");
        std::fs::write(&path, serialize(&tensors)).unwrap();
        let error = MaskHead::load(Architecture::Vgg16, &Weights::load(&path).unwrap(), &device).unwrap_err();
        assert!(error.to_string().contains("mask.spread.bias"), "{error}");
    }

    #[test]
    fn upsampling_is_bilinear_and_keeps_what_is_constant() {
        let device = Device::flex();
        let values = |from, to| -> Vec<f32> { upsampling(from, to, &device).into_data().try_into_vec().unwrap() };
        assert_eq!(values([1, 2], [1, 4]), [1.0, 0.75, 0.25, 0.0, 0.0, 0.25, 0.75, 1.0]);
        let odd = values([1, 1], [3, 3]);
        assert_eq!(odd, [1.0; 9]);
        let (from, to) = ([2, 3], [5, 6]);
        let weights = values(from, to);
        for place in 0..30 {
            let sum: f32 = (0..6).map(|i| weights[i * 30 + place]).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        }
    }
}
