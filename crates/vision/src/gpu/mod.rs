//! VGG16's convolutions on a GPU, with weights that never change.
//!
//! Without matrix units, and those take no f32, Burn has direct convolutions only. Winograd's F(4x4, 3x3) (Lavin and Gray 2015) needs
//! a quarter of their multiplications. A layer is three kernels, in CubeCL's dialect of Rust, which becomes WGSL at run time:
//!
//! - `winograd`: maps to transformed tiles; and products back to maps, with bias, ReLU and pool.
//! - `product`: tiles times weights, a matrix product for each of 36 frequencies.
//!
//! `planes` makes their input of a picture's bytes. What is above the convolutions is small: `matmul` multiplies any matrices,
//! without their speed.
//!
//! No kernel is chosen by trying, so that the first batch need not wait for that, and a card gives the same bits each time.

// Each kernel asks whether its thread has work, or is launched for whole pieces; its other indices follow from the shapes that
// are asserted here. Buffers that a kernel takes without strides are ours: made here, or of `Tensor::from_data`, and so dense.
#![allow(unsafe_code)]

mod matmul;
mod planes;
mod product;
mod winograd;

use burn::backend::Wgpu;
use burn::backend::wgpu::CubeTensor;
use burn::cubecl::calculate_cube_count_elemwise;
use burn::cubecl::client::Client;
use burn::cubecl::ir::{ElemType, FloatKind};
use burn::cubecl::prelude::*;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use goodtwin_imaging::Picture;
use rayon::prelude::*;

use crate::cpu::{F4, filter};
use crate::{Precision, Preprocess};
use winograd::{A, M, PRODUCTS};

/// Values of the tiles at work, before and after the product each. What a block needs beside its maps grows with it and not with
/// the batch.
const TILE_VALUES: usize = if cfg!(test) { 1 << 19 } else { 24 << 20 };
/// Values of the largest maps at work, where the driver gives buffers as large: some give gigabytes, Mesa's software 128 MiB.
const MAP_VALUES: usize = if cfg!(test) { 1 << 17 } else { 96 << 20 };
/// Below this many channels a convolution is worked out directly.
const FEW: usize = 8;

/// A block: convolutions of 3x3 with a border of one, each with bias and ReLU, and a 2x2 max pool after the last.
#[derive(Debug)]
pub struct Convolutions {
    layers: Vec<Layer>,
    precision: Precision,
}

#[derive(Debug)]
struct Layer {
    weight: Weight,
    bias: Tensor<1>,
    channels: [usize; 2],
    pooled: bool,
}

#[derive(Clone, Debug)]
enum Weight {
    /// `[c_in * 9, c_out]`.
    Direct(Tensor<2>),
    /// `[36, c_in, c_out]`.
    Transformed(Tensor<3>),
}

/// Room for tiles, used by one layer after the other.
struct Room {
    tiles: CubeTensor,
    products: CubeTensor,
    numbers: ElemType,
}

/// Images of a batch that are worked out together.
#[derive(Clone, Copy)]
struct Piece {
    first: usize,
    images: usize,
    height: usize,
    width: usize,
}

impl Convolutions {
    /// A block of `(weight [c_out, c_in, 3, 3], bias)`, with a pool after the last.
    pub fn new(block: Vec<(Tensor<4>, Tensor<1>)>) -> Convolutions {
        let last = block.len() - 1;
        let layers = block.into_iter().enumerate().map(|(i, (weight, bias))| Layer::new(weight, bias, i == last));
        Convolutions { layers: layers.collect(), precision: Precision::F32 }
    }

    /// The same with tiles and transformed weights in other numbers; sums and maps stay in f32.
    pub fn at(&self, precision: Precision) -> Convolutions {
        let layer = |layer: &Layer| {
            let weight = match &layer.weight {
                Weight::Transformed(weight) => Weight::Transformed(weight.clone().cast(precision.dtype())),
                direct => direct.clone(),
            };
            Layer { weight, bias: layer.bias.clone(), ..*layer }
        };
        Convolutions { layers: self.layers.iter().map(layer).collect(), precision }
    }

    /// How many images are worked out at once, as even a part of the batch as can be: in a driver's largest buffer, or in
    /// [`MAP_VALUES`], are the block's largest maps. None where the maps are not on a GPU.
    pub fn images_at_once(&self, x: &Tensor<4>) -> Option<usize> {
        let [images, _, height, width] = x.dims();
        let most = self.layers.iter().map(|layer| layer.channels[1]).max()?;
        let at_once = (largest_buffer(x)?.min(MAP_VALUES) / (height * width * most)).max(1);
        Some(images.div_ceil(images.div_ceil(at_once)))
    }

    /// `[n, c, h, w]` to `[n, c_out, h / 2, w / 2]`; none where the maps are not on a GPU, or carry gradients, or are so large that
    /// no buffer takes one picture's tiles.
    pub fn forward(&self, x: Tensor<4>) -> Option<Tensor<4>> {
        let (images, at_once) = (x.dims()[0], self.images_at_once(&x)?);
        if images <= at_once {
            return self.forward_whole(x);
        }
        let pieces = x.split(at_once, 0).into_iter().map(|piece| self.forward_whole(piece));
        Some(Tensor::cat(pieces.collect::<Option<Vec<_>>>()?, 0))
    }

    fn forward_whole(&self, x: Tensor<4>) -> Option<Tensor<4>> {
        let [images, _, height, width] = x.dims();
        let needed = self.layers.iter().map(|layer| layer.tile_values(images, height, width)).max()?;
        if needed > largest_buffer(&x)? {
            return None;
        }
        let room = Room::new(needed, self.precision, &x.device())?;
        self.layers.iter().try_fold(x, |x, layer| layer.forward(x, &room))
    }
}

impl Room {
    fn new(values: usize, precision: Precision, device: &Device) -> Option<Room> {
        let empty = || primitive(Tensor::<1>::empty([values], (device, DType::from(precision.dtype()))));
        let kind = match precision {
            Precision::F32 => FloatKind::F32,
            Precision::F16 => FloatKind::F16,
            Precision::Bf16 => FloatKind::BF16,
        };
        Some(Room { tiles: empty()?, products: empty()?, numbers: ElemType::Float(kind) })
    }
}

impl Layer {
    fn new(weight: Tensor<4>, bias: Tensor<1>, pooled: bool) -> Layer {
        let [channels_out, channels_in, ..] = weight.dims();
        assert_eq!(bias.dims(), [channels_out], "a bias for each channel, which the kernels read unchecked");
        let device = weight.device();
        let values: Vec<f32> = weight.into_data().try_into_vec().expect("weights are f32");
        let weight = if channels_in < FEW {
            assert!(!pooled && channels_out.is_multiple_of(4), "what the direct kernel does");
            let taps = channels_in * 9;
            let at = |i: usize| values[i % channels_out * taps + i / channels_out];
            let values: Vec<f32> = (0..values.len()).map(at).collect();
            Weight::Direct(Tensor::from_data(TensorData::new(values, [taps, channels_out]), &device))
        } else {
            assert!(product::fits(channels_in, channels_out), "{channels_in} channels to {channels_out}");
            let values = transform(&values, channels_in, channels_out);
            let shape = [PRODUCTS, channels_in, channels_out];
            Weight::Transformed(Tensor::from_data(TensorData::new(values, shape), &device))
        };
        Layer { weight, bias, channels: [channels_in, channels_out], pooled }
    }

    /// How many of so many images of that size are worked out at a time.
    fn at_once(&self, images: usize, height: usize, width: usize) -> usize {
        let [channels_in, channels_out] = self.channels;
        let of_image = PRODUCTS * winograd::tiles(height, width) * channels_in.max(channels_out);
        (TILE_VALUES / of_image).clamp(1, images)
    }

    /// Values of their tiles, before or after the product.
    fn tile_values(&self, images: usize, height: usize, width: usize) -> usize {
        match self.weight {
            Weight::Direct(_) => 1,
            Weight::Transformed(_) => {
                let tiles = self.at_once(images, height, width) * winograd::tiles(height, width);
                PRODUCTS * product::Cut::of(tiles, self.channels[1]).rows * self.channels[0].max(self.channels[1])
            }
        }
    }

    fn forward(&self, x: Tensor<4>, room: &Room) -> Option<Tensor<4>> {
        let [images, channels, height, width] = x.dims();
        assert_eq!(channels, self.channels[0], "channels of the maps");
        let cell = if self.pooled { 2 } else { 1 };
        let shape = [images, height / cell, width / cell, self.channels[1]];
        let out = primitive(Tensor::<4>::empty(shape, &x.device()))?;
        let (maps, bias) = (primitive(x)?, primitive(self.bias.clone())?);
        match &self.weight {
            Weight::Direct(weight) => {
                let piece = Piece { first: 0, images, height, width };
                self.direct(piece, maps, primitive(weight.clone())?, bias, out.clone());
            }
            Weight::Transformed(weight) => {
                let weight = primitive(weight.clone())?;
                let at_once = self.at_once(images, height, width);
                for first in (0..images).step_by(at_once) {
                    let piece = Piece { first, images: at_once.min(images - first), height, width };
                    self.by_tiles(piece, &maps, &weight, &bias, room, &out);
                }
            }
        }
        Some(Tensor::<4>::from_primitive::<Wgpu>(out).permute([0, 3, 1, 2]))
    }

    fn direct(&self, piece: Piece, maps: CubeTensor, weight: CubeTensor, bias: CubeTensor, out: CubeTensor) {
        let [channels_in, channels_out] = self.channels;
        let pixels = piece.images * piece.height * piece.width;
        let client = maps.client.clone();
        let (count, dim) = threads(&client, pixels * channels_out / 4);
        unsafe {
            winograd::direct::launch_unchecked(
                &client,
                count,
                dim,
                maps.into_tensor_arg(),
                weight.into_buffer_arg(),
                bias.into_buffer_arg(),
                out.into_buffer_arg(),
                pixels,
                channels_in,
                channels_out,
                piece.height,
                piece.width,
            );
        }
    }

    fn by_tiles(
        &self,
        piece: Piece,
        maps: &CubeTensor,
        weight: &CubeTensor,
        bias: &CubeTensor,
        room: &Room,
        out: &CubeTensor,
    ) {
        let client = &maps.client;
        let [channels_in, channels_out] = self.channels;
        let tiles = piece.images * winograd::tiles(piece.height, piece.width);
        let cut = product::Cut::of(tiles, channels_out);
        let (count, dim) = threads(client, tiles * channels_in);
        unsafe {
            winograd::tiles_in::launch_unchecked(
                client,
                count,
                dim,
                maps.clone().into_tensor_arg(),
                room.tiles.clone().into_buffer_arg(),
                piece.first,
                tiles,
                cut.rows,
                channels_in,
                piece.height,
                piece.width,
                room.numbers,
            );
        }
        let (count, dim) = (cut.count(channels_out), CubeDim::new_1d(product::THREADS as u32));
        unsafe {
            product::multiply::launch_unchecked(
                client,
                count,
                dim,
                room.tiles.clone().into_buffer_arg(),
                weight.clone().into_buffer_arg(),
                room.products.clone().into_buffer_arg(),
                cut.rows,
                channels_in,
                channels_out,
                cut.rows_of_thread,
                cut.columns,
                room.numbers,
            );
        }
        let (count, dim) = threads(client, tiles * channels_out);
        unsafe {
            winograd::tiles_back::launch_unchecked(
                client,
                count,
                dim,
                room.products.clone().into_buffer_arg(),
                bias.clone().into_buffer_arg(),
                out.clone().into_buffer_arg(),
                piece.first,
                tiles,
                cut.rows,
                channels_out,
                piece.height,
                piece.width,
                self.pooled,
                room.numbers,
            );
        }
    }
}

/// Frames as the network's input, `[n, 3, size, size]`; none where the device is no GPU, or keeps gradients.
pub fn input(frames: &[&Picture], preprocess: &Preprocess, device: &Device) -> Option<Tensor<4>> {
    let planes = preprocess.values.planes();
    let scales: [f32; 6] = std::array::from_fn(|i| if i < 3 { planes[i].1 } else { planes[i - 3].2 });
    // First, as it says of what kind the device is.
    let scales = primitive(Tensor::<1>::from_data(scales, device))?;
    let side = preprocess.size as usize;
    let (len, values) = (3 * side * side, frames.len() * 3 * side * side);
    let mut bytes = vec![0; values];
    let write = |(out, framed): (&mut [u8], &&Picture)| out.copy_from_slice(preprocess.coloured(framed).rgb());
    bytes.par_chunks_exact_mut(len).zip(frames).for_each(write);
    // The kernel reads four at once.
    let words = TensorData::from_bytes_vec(bytes, [values / 4], DType::U32);
    let words = Tensor::<1, Int>::from_data(words, (device, DType::U32)).try_into_primitive::<Wgpu>().ok()?;
    let out = primitive(Tensor::<4>::empty([frames.len(), 3, side, side], device))?;
    let client = out.client.clone();
    let (count, dim) = threads(&client, values);
    unsafe {
        planes::planes::launch_unchecked(
            &client,
            count,
            dim,
            words.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            values,
            side * side,
            scales.into_buffer_arg(),
            planes[0].0 == 2,
        );
    }
    Some(Tensor::from_primitive::<Wgpu>(out))
}

/// Whether a tensor is on a GPU, in f32 and without gradients.
pub fn is_on_gpu<const D: usize>(x: &Tensor<D>) -> bool {
    in_f32(x).is_some()
}

fn in_f32<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    primitive(x.clone()).filter(|x| x.dtype == DType::F32)
}

/// `[n, rows, inner]` times `[n, inner, columns]` to `[n, rows, columns]`; none where they are not on a GPU, in f32 and without
/// gradients.
pub fn matmul(a: &Tensor<3>, b: &Tensor<3>) -> Option<Tensor<3>> {
    let ([n, rows, inner], [n_too, inner_too, columns]) = (a.dims(), b.dims());
    assert_eq!([n, inner], [n_too, inner_too], "matrices, and what is summed over");
    let (device, a, b) = (a.device(), in_f32(a)?, in_f32(b)?);
    let out = primitive(Tensor::<3>::empty([n, rows, columns], &device))?;
    let client = a.client.clone();
    let (count, dim) = threads(&client, n * rows * columns);
    unsafe {
        matmul::multiply::launch_unchecked(
            &client,
            count,
            dim,
            a.into_tensor_arg(),
            b.into_tensor_arg(),
            out.clone().into_buffer_arg(),
            n * rows * columns,
            rows,
            inner,
            columns,
        );
    }
    Some(Tensor::from_primitive::<Wgpu>(out))
}

/// Values of the largest buffer that the driver gives; none where the tensor is not on a GPU.
fn largest_buffer(x: &Tensor<4>) -> Option<usize> {
    Some(primitive(x.clone())?.client.properties().memory.max_page_size as usize / size_of::<f32>())
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> Option<CubeTensor> {
    tensor.try_into_primitive::<Wgpu>().ok()
}

fn threads(client: &Client, work: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(client, work);
    (calculate_cube_count_elemwise(client, work, dim), dim)
}

/// Weights `[c_out, c_in, 3, 3]` to `[36, c_in, c_out]`.
fn transform(weight: &[f32], channels_in: usize, channels_out: usize) -> Vec<f32> {
    let transformed = |taps: &[f32]| {
        let values = filter::<F4, A, M>(taps);
        std::array::from_fn(|i| values.as_flattened()[i] as f32)
    };
    let pairs: Vec<[f32; PRODUCTS]> = weight.par_chunks_exact(9).map(transformed).collect();
    let mut out = vec![0.0; PRODUCTS * pairs.len()];
    out.par_chunks_exact_mut(pairs.len()).enumerate().for_each(|(frequency, out)| {
        for (at, value) in out.iter_mut().enumerate() {
            let (channel_in, channel_out) = (at / channels_out, at % channels_out);
            *value = pairs[channel_out * channels_in + channel_in][frequency];
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::PaddingConfig2d;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::Distribution;
    use burn::tensor::activation::relu;

    use super::*;
    use crate::device::any_gpu;
    use crate::vgg16::pool;

    #[test]
    fn the_input_is_what_it_is_on_the_cpu() {
        use crate::preprocess::{Colour, Crop, Fit, Values};
        let Some(gpu) = any_gpu() else { return };
        let picture = |n: u32| {
            Picture::new(
                48,
                48,
                (0..48 * 48 * 3u32).map(|i| ((i + n).wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
            )
        };
        let pictures = [picture(0), picture(1), picture(2)];
        for (colour, values) in [(Colour::Full, Values::Caffe), (Colour::Grey, Values::Torchvision)] {
            let preprocess = Preprocess { size: 48, colour, fit: Fit::Pad, crops: vec![Crop::Whole], values };
            let input = |device: &Device| crate::embedder::inputs(&pictures, &preprocess, device).into_data();
            let (expected, received) = (input(&Device::flex()), input(gpu.device()));
            assert_eq!(expected.shape(), received.shape());
            let [expected, received] = [expected, received].map(|data| data.try_into_vec::<f32>().unwrap());
            assert!(is_on_gpu(&crate::embedder::inputs(&pictures, &preprocess, gpu.device())));
            let off = expected.iter().zip(&received).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-5, "{colour:?}, {values:?}: {off}");
        }
    }

    /// A block as Burn works it out on the CPU, and as it is here; maps of 3 channels or many, with edges where tiles end and
    /// where they do not, images that fill several pieces, and strides of either order.
    #[test]
    fn a_block_is_what_burn_makes_of_it() {
        let Some(gpu) = any_gpu() else { return };
        let cpu = Device::flex();
        cpu.seed(3);
        for (channels, images, [height, width]) in [
            (vec![3, 64, 64], 9, [20, 14]),
            (vec![64, 128, 64], 3, [12, 13]),
            (vec![32, 64], 1, [3, 5]),
            (vec![16, 128], 40, [8, 16]),
        ] {
            let random = |dims: [usize; 4]| Tensor::<4>::random(dims, Distribution::Normal(0.0, 0.2), &cpu);
            let block: Vec<_> = channels
                .windows(2)
                .map(|c| (random([c[1], c[0], 3, 3]), random([1, 1, 1, c[1]]).reshape([c[1]])))
                .collect();
            let x = random([images, width, height, channels[0]]).permute([0, 3, 2, 1]);
            let expected = pool(block.iter().fold(x.clone(), |x, (weight, bias)| {
                let mut conv =
                    Conv2dConfig::new([1, 1], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(&cpu);
                conv.weight = Param::from_tensor(weight.clone());
                conv.bias = Some(Param::from_tensor(bias.clone()));
                relu(conv.forward(x))
            }));
            let there =
                block.iter().map(|(w, b)| (w.clone().to_device(gpu.device()), b.clone().to_device(gpu.device())));
            let convolutions = Convolutions::new(there.collect());
            for (precision, most) in [(Precision::F32, 1e-5), (Precision::F16, 1e-2)] {
                if precision.check(&gpu).is_err() {
                    continue;
                }
                let received = convolutions.at(precision).forward(x.clone().to_device(gpu.device())).unwrap();
                assert_eq!(received.dims(), expected.dims());
                let off = (received.to_device(&cpu) - expected.clone()).powf_scalar(2.0).sum();
                let error = (off / expected.clone().powf_scalar(2.0).sum()).sqrt().into_scalar::<f32>();
                println!("{channels:?}, {images} of {height} x {width}, {precision}: {error:.1e}");
                assert!(error < most, "{channels:?}, {images} of {height} x {width}, {precision}: {error}");
            }
        }
    }

    #[test]
    fn pieces_cover_all_tiles() {
        for (tiles, rows, rows_of_thread) in [(1, 32, 2), (255, 256, 2), (256, 256, 8), (257, 384, 8)] {
            let cut = product::Cut::of(tiles, 192);
            assert_eq!((cut.rows, cut.rows_of_thread, cut.columns), (rows, rows_of_thread, 64));
        }
        assert_eq!(product::Cut::of(1, 256).columns, 128);
    }
}
