//! VGG16's thirteen convolutions (Simonyan and Zisserman 2014, configuration D): in Burn where they learn, by
//! [`cpu`](crate::cpu) or `gpu` where their weights are fixed.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use crate::cpu::{Convolutions, Isa};
#[cfg(feature = "gpu")]
use crate::gpu;
use crate::{Precision, Result, Weights};

/// Channels of each block's output.
pub const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
/// Convolutions in each block.
pub const CONVOLUTIONS: [usize; 5] = [2, 2, 3, 3, 3];

/// Channels in and out of convolution `i` (from 1) of block `number` (1 to 5).
pub(crate) fn channels(number: usize, i: usize) -> [usize; 2] {
    let channels_in = match (number, i) {
        (1, 1) => 3,
        (_, 1) => CHANNELS[number - 2],
        _ => CHANNELS[number - 1],
    };
    [channels_in, CHANNELS[number - 1]]
}

/// A few 3x3 convolutions, each with ReLU, then a 2x2 max pool.
#[derive(Module, Debug)]
pub struct Block {
    convs: Vec<Conv2d>,
    #[module(skip)]
    fixed: Option<Arc<Fixed>>,
}

/// Code for weights that never change again.
#[derive(Debug)]
enum Fixed {
    Cpu(Convolutions),
    #[cfg(feature = "gpu")]
    Gpu(gpu::Convolutions),
}

impl Block {
    /// Block `number` (1 to 5) with the tensors `block{number}_conv{i}.weight` and `.bias`.
    pub fn load(number: usize, weights: &Weights, device: &Device) -> Result<Block> {
        let convs = (1..=CONVOLUTIONS[number - 1]).map(|i| {
            let [channels_in, out] = channels(number, i);
            let key = format!("block{number}_conv{i}");
            let mut conv = Conv2dConfig::new([channels_in, out], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device);
            conv.weight =
                Param::from_tensor(weights.tensor(&format!("{key}.weight"), [out, channels_in, 3, 3], device)?);
            conv.bias = Some(Param::from_tensor(weights.tensor(&format!("{key}.bias"), [out], device)?));
            Ok(conv)
        });
        Ok(Block { convs: convs.collect::<Result<_>>()?, fixed: None })
    }

    /// The same block, with weights that never change again: several times as fast, and without gradients.
    pub fn fix(self, number: usize) -> Block {
        let block = self.no_grad();
        let fixed = if block.convs[0].weight.val().device() == Device::flex() {
            let values = |(w, b): (Tensor<4>, Tensor<1>)| (floats(w).0, floats(b).0);
            let parameters = block.parameters().map(values).collect();
            Some(Fixed::Cpu(Convolutions::new(Isa::best(), number..=number, parameters)))
        } else {
            block.fixed_on_gpu()
        };
        Block { fixed: fixed.map(Arc::new), ..block }
    }

    #[cfg(feature = "gpu")]
    fn fixed_on_gpu(&self) -> Option<Fixed> {
        Some(Fixed::Gpu(gpu::Convolutions::new(self.parameters().collect())))
    }

    #[cfg(not(feature = "gpu"))]
    fn fixed_on_gpu(&self) -> Option<Fixed> {
        None
    }

    /// The same block with weights in other numbers, for a GPU; maps come in and go out in f32.
    pub fn at(self, precision: Precision) -> Block {
        // Winograd's transforms leave bf16 too few digits.
        #[cfg(feature = "gpu")]
        if let Some(Fixed::Gpu(fixed)) = self.fixed.as_deref()
            && precision == Precision::F16
        {
            return Block { fixed: Some(Arc::new(Fixed::Gpu(fixed.at(precision)))), ..self };
        }
        match precision {
            Precision::F32 => self,
            _ => Block { fixed: None, ..precision.cast(self) },
        }
    }

    /// `[n, c_in, h, w]` to `[n, c_out, h/2, w/2]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self.fixed.as_deref() {
            Some(Fixed::Cpu(fixed)) => run(fixed, x),
            _ => self.reduced(x).cast(FloatDType::F32),
        }
    }

    /// The same on a GPU, or by Burn, with maps in the weights' numbers.
    fn reduced(&self, x: Tensor<4>) -> Tensor<4> {
        #[cfg(feature = "gpu")]
        if let Some(Fixed::Gpu(fixed)) = self.fixed.as_deref()
            && let Some(maps) = fixed.forward(x.clone())
        {
            return maps;
        }
        let numbers = FloatDType::from(self.convs[0].weight.val().dtype());
        pool(self.convolved(x.cast(numbers)))
    }

    /// How many pictures of a batch its code for a GPU works out at once; none where it has none.
    #[cfg(feature = "gpu")]
    fn images_at_once(&self, x: &Tensor<4>) -> Option<usize> {
        match self.fixed.as_deref() {
            Some(Fixed::Gpu(fixed)) => fixed.images_at_once(x),
            _ => None,
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn images_at_once(&self, _: &Tensor<4>) -> Option<usize> {
        None
    }

    /// The same without the pool, by Burn.
    pub fn convolved(&self, x: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(x, |x, conv| relu(conv.forward(x)))
    }

    /// The convolutions' parameters, `(weight, bias)` in order.
    pub fn parameters(&self) -> impl Iterator<Item = (Tensor<4>, Tensor<1>)> {
        self.convs.iter().map(|c| (c.weight.val(), c.bias.as_ref().expect("VGG16's convolutions have biases").val()))
    }
}

/// The 2x2 max pool that ends a block.
pub fn pool(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([2, 2]))
}

/// Blocks 1 to 4: the frozen trunk.
#[derive(Debug)]
pub struct Trunk(Frozen);

#[derive(Debug)]
enum Frozen {
    /// All blocks in one, so that maps between them stay as the next wants them.
    Cpu(Convolutions),
    Gpu(Vec<Block>),
}

impl Trunk {
    /// The trunk with these weights, without gradients.
    pub fn load(weights: &Weights, device: &Device) -> Result<Trunk> {
        if *device == Device::flex() {
            return Ok(Trunk(Frozen::Cpu(Convolutions::load(Isa::best(), 1..=4, weights)?)));
        }
        let blocks = (1..=4).map(|n| Ok(Block::load(n, weights, device)?.fix(n)));
        Ok(Trunk(Frozen::Gpu(blocks.collect::<Result<_>>()?)))
    }

    /// The same trunk with weights in other numbers, where it is on a GPU; maps come out in f32.
    pub fn at(self, precision: Precision) -> Trunk {
        match self.0 {
            Frozen::Gpu(blocks) => Trunk(Frozen::Gpu(blocks.into_iter().map(|block| block.at(precision)).collect())),
            cpu => Trunk(cpu),
        }
    }

    /// `[n, 3, h, w]`, preprocessed, to `block4_pool`: `[n, 512, h/16, w/16]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self.0 {
            Frozen::Cpu(convolutions) => run(convolutions, x),
            Frozen::Gpu(blocks) => {
                let through = |x| blocks.iter().fold(x, |x, block| block.reduced(x)).cast(FloatDType::F32);
                // In pieces to the end: a block's maps of all pictures may be more than a buffer takes, what comes out is not.
                let images = x.dims()[0];
                match blocks[0].images_at_once(&x).filter(|at_once| *at_once < images) {
                    Some(at_once) => Tensor::cat(x.split(at_once, 0).into_iter().map(through).collect(), 0),
                    None => through(x),
                }
            }
        }
    }
}

fn run(convolutions: &Convolutions, x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    let (values, shape) = floats(x);
    let (values, shape) = convolutions.forward(shape, &values);
    Tensor::from_data(TensorData::new(values, shape), &device)
}

fn floats<const D: usize>(x: Tensor<D>) -> (Vec<f32>, [usize; D]) {
    let shape = x.dims();
    (x.into_data().try_into_vec().expect("the network's tensors are f32"), shape)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::Distribution;

    use super::*;

    #[cfg(feature = "gpu")]
    #[test]
    fn a_batch_goes_through_a_gpu_in_even_pieces() {
        let Some(gpu) = crate::device::any_gpu() else { return };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checkpoints/vgg16-imagenet-f16.safetensors");
        let weights = Weights::load(&file).unwrap();
        let cpu = Device::flex();
        let x = Tensor::<4>::random([5, 3, 32, 32], Distribution::Normal(0.0, 60.0), &cpu);
        let there = Trunk::load(&weights, gpu.device()).unwrap();
        let Frozen::Gpu(blocks) = &there.0 else { panic!("it is on a GPU") };
        // Of these sizes the maps at work, in tests, are those of two pictures.
        assert_eq!(blocks[0].images_at_once(&x.clone().to_device(gpu.device())), Some(2));
        let received = there.forward(x.clone().to_device(gpu.device())).to_device(&cpu);
        let expected = Trunk::load(&weights, &cpu).unwrap().forward(x);
        assert_eq!(received.dims(), [5, 512, 2, 2]);
        let square = |x: Tensor<4>| x.powf_scalar(2.0).sum().into_scalar::<f32>();
        let error = (square(received - expected.clone()) / square(expected)).sqrt();
        assert!(error < 1e-4, "{error}");
    }

    /// Mesa's software Vulkan has no halves, so that the code that a GPU runs is tested on Burn's CPU backend.
    #[test]
    fn half_precision_costs_what_its_bits_say() {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checkpoints/vgg16-imagenet-f16.safetensors");
        let (weights, device) = (Weights::load_vgg16_imagenet(&weights).unwrap(), Device::flex());
        device.seed(6);
        let x = Tensor::<4>::random([1, 512, 4, 4], Distribution::Uniform(0.0, 60.0), &device);
        let maps = |precision: Precision| {
            let block = Block::load(5, &weights, &device).unwrap().no_grad().at(precision);
            let maps = block.forward(x.clone());
            assert_eq!((maps.dtype(), maps.dims()), (FloatDType::F32.into(), [1, 512, 2, 2]));
            floats(maps).0
        };
        let exact = maps(Precision::F32);
        let length = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
        for (precision, most) in [(Precision::F16, 5e-3), (Precision::Bf16, 4e-2)] {
            let off = length(&mut maps(precision).iter().zip(&exact).map(|(a, b)| a - b));
            let error = off / length(&mut exact.iter().copied());
            assert!(error > 1e-5 && error < most, "{precision}: {error}");
        }
    }
}
