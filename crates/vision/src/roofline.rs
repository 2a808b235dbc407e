//! What holds a stage of the work back, by the roofline model (Williams, Waterman, Patterson 2009).
//!
//! The time that a stage's multiply-adds take at the pace of a large matrix multiplication is set against the time that its
//! bytes take at the pace of a large copy, both measured in the same run: the larger of the two is what the stage cannot get
//! below. Multiply-adds are those of direct convolutions: Winograd's algorithm saves most of them, so that the trunk may pass
//! the matrix multiplication's pace.

use std::ops::RangeInclusive;

use burn::tensor::{Distribution, Tensor};
use rayon::prelude::*;
use serde::Serialize;

use crate::Compute;
use crate::vgg16::{CHANNELS, CONVOLUTIONS, channels};

/// The paces that stages are held against.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Peaks {
    /// Billions of floating-point operations a second of a matrix multiplication of 2,048 x 2,048 on the device.
    pub matmul_gflops: f64,
    /// Billions of bytes a second that a large copy reads and writes in the device's memory.
    pub copy_gbytes: f64,
    /// The same in the computer's memory, where pictures are decoded and resized; of the CPU the same figure.
    pub host_copy_gbytes: f64,
}

impl Peaks {
    /// Measure them. `time` says how many milliseconds a piece of work takes, which is named.
    pub fn measure(compute: &Compute, time: &dyn Fn(&str, &mut dyn FnMut()) -> f64) -> Peaks {
        let side = 2048;
        let random = || Tensor::<2>::random([side, side], Distribution::Uniform(-1.0, 1.0), compute.device());
        let (a, b) = (random(), random());
        let product = time("matrix product", &mut || wait(a.clone().matmul(b.clone())));
        let host_copy_gbytes = host_copy_gbytes(time);
        let copy_gbytes = match compute.is_gpu() {
            true => {
                // Larger than a card's caches, no larger than what some drivers take; several, since one is over sooner than
                // the wait for it.
                let (values, copies) = (32 << 20, 4);
                let ones = Tensor::<1>::ones([values], compute.device());
                let mut copy = || wait((0..copies).fold(ones.clone(), |from, _| from * 2.0));
                8.0 * (copies * values) as f64 / time("copy on the card", &mut copy) / 1e6
            }
            false => host_copy_gbytes,
        };
        Peaks { matmul_gflops: 2.0 * (side as f64).powi(3) / product / 1e6, copy_gbytes, host_copy_gbytes }
    }
}

/// Into memory that is there already: a tensor's result is new memory, whose pages take longer to get than to fill.
fn host_copy_gbytes(time: &dyn Fn(&str, &mut dyn FnMut()) -> f64) -> f64 {
    let from = vec![1.0f32; 32 << 20];
    let mut to = vec![0.0f32; from.len()];
    let chunk = 1 << 18;
    let mut copy = || to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).for_each(|(t, f)| t.copy_from_slice(f));
    8.0 * from.len() as f64 / time("copy", &mut copy) / 1e6
}

/// Reading one value waits for all. The data that a tensor gives are only fetched when they are looked at.
pub fn wait<const D: usize>(tensor: Tensor<D>) {
    let one = tensor.slice(std::array::from_fn::<_, D, _>(|_| 0..1)).into_data();
    std::hint::black_box(one.as_slice::<f32>().expect("it is f32")[0]);
}

/// What holds a stage back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Multiply-adds, at the device's pace of a matrix multiplication.
    Compute,
    /// The memory's pace.
    Memory,
    /// The decoder's logic, which is neither: one core a picture.
    Decoder,
    /// Reading files, here from the system's cache.
    Files,
}

/// A stage as it was measured: milliseconds, operations and bytes a picture.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    /// What it does.
    pub name: &'static str,
    /// Milliseconds a picture.
    pub ms: f64,
    /// Floating-point operations a picture.
    pub flops: f64,
    /// Bytes that must move, a picture.
    pub bytes: f64,
    /// Whether they move in the device's memory, or in the computer's.
    pub on_device: bool,
    /// What is known to hold it back; where nothing is, the roofline says.
    pub bound: Option<Bound>,
}

impl Timed {
    /// One of the computer's memory, without operations or bytes to speak of.
    pub fn of(name: &'static str, ms: f64, bound: Option<Bound>) -> Timed {
        Timed { name, ms, flops: 0.0, bytes: 0.0, on_device: false, bound }
    }

    /// One of the device's memory.
    pub fn on_device(name: &'static str, ms: f64) -> Timed {
        Timed { on_device: true, ..Timed::of(name, ms, None) }
    }

    /// Its share of `total` milliseconds, and what holds it back.
    pub fn beside(&self, peaks: &Peaks, total: f64) -> Stage {
        let copy_gbytes = if self.on_device { peaks.copy_gbytes } else { peaks.host_copy_gbytes };
        let (compute, memory) = (self.flops / peaks.matmul_gflops / 1e6, self.bytes / copy_gbytes / 1e6);
        let (bound, least) = match self.bound {
            Some(bound) => (bound, self.ms),
            None if compute >= memory => (Bound::Compute, compute),
            None => (Bound::Memory, memory),
        };
        let gflops = (self.flops > 0.0 && self.ms > 0.0).then(|| self.flops / self.ms / 1e6);
        Stage {
            name: self.name,
            ms: self.ms,
            share: self.ms / total,
            direct_gflops: gflops,
            of_matmul: gflops.map(|g| g / peaks.matmul_gflops),
            bound,
            // Of no time at all any bound explains the whole.
            explained: if least < self.ms { least / self.ms } else { 1.0 },
        }
    }
}

/// A stage beside the machine's peaks.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What it does.
    pub name: &'static str,
    /// Milliseconds a picture, all cores at work.
    pub ms: f64,
    /// Of the time of all stages.
    pub share: f64,
    /// Billions of floating-point operations a second that direct convolutions would need to be as fast; none for a stage
    /// that has none to speak of.
    pub direct_gflops: Option<f64>,
    /// Of [`Peaks::matmul_gflops`].
    pub of_matmul: Option<f64>,
    /// What it cannot get below.
    pub bound: Bound,
    /// How much of its time that bound explains, at most 1.
    pub explained: f64,
}

/// Floating-point operations of these blocks' direct convolutions for one picture of `size` pixels, two a multiply-add.
pub fn flops(blocks: RangeInclusive<usize>, size: u32) -> f64 {
    blocks.map(|block| 2.0 * pixels(block, size) * weights(block..=block) as f64).sum()
}

/// The weights of these blocks' convolutions, without biases.
pub fn weights(blocks: RangeInclusive<usize>) -> usize {
    let of = |block: usize, i: usize| 9 * channels(block, i).iter().product::<usize>();
    blocks.flat_map(|block| (1..=CONVOLUTIONS[block - 1]).map(move |i| of(block, i))).sum()
}

/// Bytes of these blocks' maps: each convolution writes its own in f32, and the next reads them.
pub fn map_bytes(blocks: RangeInclusive<usize>, size: u32) -> f64 {
    blocks.map(|b| 8.0 * pixels(b, size) * (CHANNELS[b - 1] * CONVOLUTIONS[b - 1]) as f64).sum()
}

fn pixels(block: usize, size: u32) -> f64 {
    f64::from(size >> (block - 1)).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_multiply_adds_are_vgg16s() {
        assert!((flops(1..=4, 224) / 2e9 - 13.96).abs() < 0.01);
        assert!((flops(5..=5, 224) / 2e9 - 1.39).abs() < 0.01);
        assert!((flops(3..=3, 448) / flops(3..=3, 224) - 4.0).abs() < 1e-9);
        assert_eq!(weights(1..=5), 14_710_464);
        // Of block 5 at 32 px, three maps of 2 x 2 x 512.
        assert_eq!(map_bytes(5..=5, 32), (3 * 2 * 2 * 512 * 8) as f64);
    }

    #[test]
    fn a_stage_is_bound_by_what_takes_longest() {
        let peaks = Peaks { matmul_gflops: 100.0, copy_gbytes: 10.0, host_copy_gbytes: 5.0 };
        let stage = |flops, bytes, on_device| {
            Timed { flops, bytes, on_device, ..Timed::of("x", 2.0, None) }.beside(&peaks, 8.0)
        };
        let busy = stage(1e8, 1e6, true);
        assert_eq!(
            (busy.bound, busy.share, busy.direct_gflops, busy.of_matmul),
            (Bound::Compute, 0.25, Some(50.0), Some(0.5))
        );
        assert_eq!(busy.explained, 0.5);
        let moving = stage(0.0, 1e7, true);
        assert_eq!((moving.bound, moving.explained, moving.direct_gflops), (Bound::Memory, 0.5, None));
        assert_eq!(stage(0.0, 1e7, false).explained, 1.0, "the computer's memory is slower");
        let known = Timed::of("x", 2.0, Some(Bound::Decoder)).beside(&peaks, 8.0);
        assert_eq!((known.bound, known.explained), (Bound::Decoder, 1.0));
        let at_once = Timed { flops: 1e8, ..Timed::of("x", 0.0, None) }.beside(&peaks, 8.0);
        assert_eq!((at_once.direct_gflops, at_once.explained), (None, 1.0));
    }

    #[test]
    fn peaks_are_worked_out_of_times() {
        // As if all took a millisecond.
        let peaks = Peaks::measure(&Compute::cpu(), &|_, work| {
            work();
            1.0
        });
        assert!((peaks.matmul_gflops - 17_179.9).abs() < 0.1, "{}", peaks.matmul_gflops);
        assert!((peaks.copy_gbytes - 268.4).abs() < 0.1, "{}", peaks.copy_gbytes);
        assert_eq!(peaks.host_copy_gbytes, peaks.copy_gbytes);
    }
}
