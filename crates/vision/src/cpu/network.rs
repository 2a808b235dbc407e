//! Blocks of VGG16, one convolution after another.

use std::fmt;
use std::ops::RangeInclusive;

use super::buffer::{Pool, Pooled};
use super::compiled::{Isa, Steps};
use super::layer::{First, Layer};
use super::shape::SLAB;
use crate::vgg16::{CONVOLUTIONS, channels};
use crate::{Result, Weights};

/// Pixels of the first block that are on their way at once, for each two threads: one picture at 224 px. What memory holds does
/// not grow with the number of pictures.
const PIXELS: usize = 224 * 224;
/// Blocks 4 and 5 have few tiles and many weights, so that so many times more pictures share one pass over the weights.
const DEEP: usize = 8;

/// Some blocks with fixed weights, ready to run.
pub struct Convolutions {
    steps: &'static Steps,
    first: Option<First>,
    /// Block numbers and layers.
    layers: Vec<(usize, Layer)>,
    pool: Pool,
}

impl fmt::Debug for Convolutions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers.len() + usize::from(self.first.is_some());
        f.debug_struct("Convolutions").field("layers", &layers).finish_non_exhaustive()
    }
}

/// Feature maps in slabs, `[slab][image][y][x][64]`.
struct Maps<'a> {
    images: usize,
    height: usize,
    width: usize,
    values: Pooled<'a>,
}

impl Convolutions {
    /// Blocks by their numbers; `parameters` are (weight `[out][in][3][3]`, bias) of each convolution in order.
    pub fn new(isa: Isa, blocks: RangeInclusive<usize>, parameters: Vec<(Vec<f32>, Vec<f32>)>) -> Convolutions {
        let steps = isa.steps();
        let mut parameters = parameters.into_iter();
        let (mut first, mut layers) = (None, vec![]);
        for number in blocks {
            for i in 1..=CONVOLUTIONS[number - 1] {
                let (weight, bias) = parameters.next().expect("as many parameters as convolutions");
                if (number, i) == (1, 1) {
                    first = Some(First::new(&weight, bias, steps));
                } else {
                    let [channels_in, _] = channels(number, i);
                    layers.push((number, Layer::new(channels_in, weight, bias, i == CONVOLUTIONS[number - 1])));
                }
            }
        }
        Convolutions { steps, first, layers, pool: Pool::default() }
    }

    /// Blocks by their numbers, with the tensors `block{number}_conv{i}.weight` and `.bias`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(isa: Isa, blocks: RangeInclusive<usize>, weights: &Weights) -> Result<Convolutions> {
        let convolutions = blocks.clone().flat_map(|n| (1..=CONVOLUTIONS[n - 1]).map(move |i| (n, i)));
        let parameters = convolutions.map(|(number, i)| {
            let (key, [channels_in, out]) = (format!("block{number}_conv{i}"), channels(number, i));
            let weight = weights.values(&format!("{key}.weight"), &[out, channels_in, 3, 3])?;
            Ok((weight, weights.values(&format!("{key}.bias"), &[out])?))
        });
        let parameters = parameters.collect::<Result<_>>()?;
        Ok(Convolutions::new(isa, blocks, parameters))
    }

    /// `[n][c][h][w]` in, `[n][c out][h out][w out]` out, with the output's shape.
    pub fn forward(&self, [images, channels, height, width]: [usize; 4], maps: &[f32]) -> (Vec<f32>, [usize; 4]) {
        let len = channels * height * width;
        assert_eq!(maps.len(), images * len);
        let split = self.layers.partition_point(|(number, _)| *number < 4);
        let (wide, deep) = self.layers.split_at(split);
        let scale = if self.first.is_some() { 1 } else { 16 * 16 };
        let pixels = PIXELS * rayon::current_num_threads().div_ceil(2);
        let few = (pixels / (scale * height * width).max(1)).max(1);
        let out =
            wide.iter().chain(deep).fold([channels, height, width], |[_, h, w], (_, layer)| layer.out_shape(h, w));
        let mut values = Vec::with_capacity(images * out.iter().product::<usize>());
        for many in maps.chunks((few * DEEP * len).max(1)) {
            let parts: Vec<Maps> =
                many.chunks(few * len).map(|few| self.run(wide, self.enter(few, [channels, height, width]))).collect();
            leave(&self.run(deep, self.join(parts)), out, &mut values);
        }
        (values, [images, out[0], out[1], out[2]])
    }

    fn run<'a>(&'a self, layers: &'a [(usize, Layer)], mut maps: Maps<'a>) -> Maps<'a> {
        for (_, layer) in layers {
            let shape = layer.shape(maps.images, maps.height, maps.width);
            let mut out = self.pool.take(layer.out_len(&shape));
            layer.forward(self.steps, &shape, &maps.values, &mut out, &self.pool);
            maps = Maps { height: shape.out_height(), width: shape.out_width(), values: out, ..maps };
        }
        maps
    }

    /// From planes to slabs: by the first convolution, or as they are.
    fn enter(&self, planes: &[f32], [channels, height, width]: [usize; 3]) -> Maps<'_> {
        let plane = height * width;
        let images = planes.len() / (channels * plane);
        let slabs = if self.first.is_some() { 1 } else { channels / SLAB };
        let mut values = self.pool.take(slabs * SLAB * images * plane);
        match &self.first {
            Some(first) => first.forward(self.steps, (height, width), planes, &mut values, &self.pool),
            None => {
                for (i, pixels) in values.chunks_exact_mut(plane * SLAB).enumerate() {
                    let (slab, image) = (i / images, i % images);
                    let source = &planes[(image * channels + slab * SLAB) * plane..][..SLAB * plane];
                    for (p, pixel) in pixels.chunks_exact_mut(SLAB).enumerate() {
                        for (c, value) in pixel.iter_mut().enumerate() {
                            *value = source[c * plane + p];
                        }
                    }
                }
            }
        }
        Maps { images, height, width, values }
    }

    /// The maps of all pictures of all parts.
    fn join<'a>(&'a self, mut parts: Vec<Maps<'a>>) -> Maps<'a> {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let (height, width) = (parts[0].height, parts[0].width);
        let images = parts.iter().map(|p| p.images).sum();
        let mut values = self.pool.take(parts.iter().map(|p| p.values.len()).sum());
        let slab_len = images * height * width * SLAB;
        for (slab, out) in values.chunks_exact_mut(slab_len).enumerate() {
            let mut at = 0;
            for part in &parts {
                let len = part.images * height * width * SLAB;
                out[at..at + len].copy_from_slice(&part.values[slab * len..][..len]);
                at += len;
            }
        }
        Maps { images, height, width, values }
    }
}

/// From slabs to planes.
fn leave(maps: &Maps, [channels, height, width]: [usize; 3], out: &mut Vec<f32>) {
    let plane = height * width;
    let start = out.len();
    out.resize(start + maps.values.len(), 0.0);
    for (i, pixels) in maps.values.chunks_exact((plane * SLAB).max(1)).enumerate() {
        let (slab, image) = (i / maps.images, i % maps.images);
        let target = &mut out[start + (image * channels + slab * SLAB) * plane..][..SLAB * plane];
        for (p, pixel) in pixels.chunks_exact(SLAB).enumerate() {
            for (c, value) in pixel.iter().enumerate() {
                target[c * plane + p] = *value;
            }
        }
    }
}
