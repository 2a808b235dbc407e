//! Where the time of embedding goes, stage by stage, beside a matrix multiplication and a copy.
//!
//! What binds a stage follows the roofline model (Williams, Waterman, Patterson 2009): the time that its multiply-adds take at
//! the pace of a large matrix multiplication against the time that its bytes take at the pace of a large copy, both measured in
//! the same run. Operations are those of the plain convolution: Winograd's algorithm saves most of them, so that the trunk may
//! pass the matrix multiplication's pace.

use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Distribution, Tensor};
use goodtwin_core::Error as CoreError;
use goodtwin_imaging::Picture;
use goodtwin_vision::colour::histogram;
use goodtwin_vision::embedder::framed_inputs;
use goodtwin_vision::layers::linear;
use goodtwin_vision::mask::MaskHead;
use goodtwin_vision::pooling::unit;
use goodtwin_vision::vgg16::{Block, CHANNELS, CONVOLUTIONS};
use goodtwin_vision::{Architecture, Compute, Pooling, Precision, Preprocess, Trunk, Weights};
use rayon::prelude::*;
use serde::Serialize;

use crate::pipeline::ahead;
use crate::{Error, Result};

/// Each stage is measured so often, after once that does not count; the median counts.
const ROUNDS: usize = 5;
/// Batches that go through the whole pipeline.
const BATCHES: usize = 6;
/// The painted photographs, as shops have them.
const PHOTO: (u32, u32) = (800, 600);
/// The dense layer of the default recipe, and how much block 5 counts there.
const DENSE: usize = 2048;
const BLOCK5_WEIGHT: f64 = 0.35;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device, for people.
    pub device: String,
    /// In which numbers the convolutions computed.
    pub precision: String,
    /// Pixels of a side.
    pub size: u32,
    /// Billions of floating-point operations a second of a matrix multiplication of 2,048 x 2,048 on the device.
    pub matmul_gflops: f64,
    /// Billions of bytes a second that a large copy reads and writes, in the computer's memory.
    pub copy_gbytes: f64,
    /// One for each batch size.
    pub batches: Vec<Batch>,
}

/// Embedding in batches of one size.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// Pictures at once.
    pub batch: usize,
    /// How far block 5's maps are from the CPU's, in f32, as a share of their length (relative L2).
    pub error: f64,
    /// In the order of the work.
    pub stages: Vec<Stage>,
    /// Pictures a second through trunk and head alone.
    pub network_images_per_second: f64,
    /// Pictures a second from file to embedding, stages overlapping.
    pub images_per_second: f64,
    /// The share of that time in which the network waited for pictures.
    pub waiting: f64,
}

/// One stage.
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
    /// Of [`Report::matmul_gflops`].
    pub of_matmul: Option<f64>,
    /// What it cannot get below.
    pub bound: Bound,
}

/// What holds a stage back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// Multiply-adds, or the decoder's logic.
    Compute,
    /// The memory's pace.
    Memory,
    /// Reading files, here from the system's cache.
    Disk,
}

/// What to measure.
pub struct Bench<'a> {
    /// ImageNet's VGG16.
    pub imagenet: &'a Weights,
    /// The device.
    pub compute: &'a Compute,
    /// The convolutions' numbers.
    pub precision: Precision,
    /// Size, colours and fit.
    pub preprocess: &'a Preprocess,
    /// The time since any fixed moment.
    pub now: &'a dyn Fn() -> Duration,
}

/// A stage before it is set beside them: milliseconds, operations and bytes a picture.
struct Timed {
    name: &'static str,
    ms: f64,
    flops: f64,
    bytes: f64,
    bound: Option<Bound>,
}

/// A [`Batch`] before its stages are set beside the machine's peaks.
struct Measured {
    batch: usize,
    error: f64,
    timed: Vec<Timed>,
    network_images_per_second: f64,
    images_per_second: f64,
    waiting: f64,
}

impl Bench<'_> {
    /// Measure each batch size on painted photographs, kept in the folder `scratch`.
    ///
    /// # Errors
    /// Those of the disk, of weights that are not whole, and of a precision that the device does not have.
    pub fn run(&self, batches: &[usize], scratch: &Path) -> Result<Report> {
        self.precision.check(self.compute)?;
        let most = batches.iter().copied().max().unwrap_or(1);
        let files = photographs(most, scratch)?;
        let network = Network::load(self.imagenet, self.compute, self.precision)?;
        let on_cpu = || Network::load(self.imagenet, &Compute::cpu(), Precision::F32);
        let exact = self.compute.is_gpu().then(on_cpu).transpose()?;
        let measure = |batch: &usize| self.batch(&files[..*batch], &network, exact.as_ref());
        let measured = batches.iter().map(measure).collect::<Result<Vec<_>>>()?;
        // Last: on a GPU many kernels are tried for the product, and what that leaves of the memory is slower to work with.
        let (matmul_gflops, copy_gbytes) = (self.matmul_gflops(), self.copy_gbytes());
        let batches = measured.into_iter().map(|measured| measured.beside(matmul_gflops, copy_gbytes)).collect();
        let device = self.compute.describe().to_owned();
        let (precision, size) = (self.precision.to_string(), self.preprocess.size);
        Ok(Report { device, precision, size, matmul_gflops, copy_gbytes, batches })
    }

    /// Relative L2 error of `block5_pool` against the CPU's network.
    fn error(&self, exact: &Network, frames: &[Vec<Picture>], maps: Tensor<4>) -> f64 {
        let cpu = Compute::cpu();
        let (mut off, mut length) = (0.0, 0.0);
        let maps: Vec<f32> = maps.into_data().try_into_vec().expect("maps come out in f32");
        for (frames, maps) in frames.iter().zip(maps.chunks(maps.len() / frames.len())) {
            let input = framed_inputs(std::slice::from_ref(frames), self.preprocess, cpu.device());
            let exact: Vec<f32> =
                exact.block5.forward(exact.trunk.forward(input)).into_data().try_into_vec().expect("maps are f32");
            off += exact.iter().zip(maps).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            length += exact.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
        }
        (off / length).sqrt()
    }

    fn batch(&self, files: &[PathBuf], network: &Network, exact: Option<&Network>) -> Result<Measured> {
        let n = files.len();
        let frame_bytes = self.preprocess.len() as f64;
        let input_bytes = 4.0 * frame_bytes;
        let mut bytes = vec![];
        let disk = self.time(n, || bytes = read(files))?;
        let bytes = bytes.into_iter().collect::<Result<Vec<_>>>()?;
        let mut pictures = vec![];
        let decode = self.time(n, || pictures = bytes.par_iter().map(|b| decoded(b)).collect())?;
        let mut frames = vec![];
        let resize = self.time(n, || frames = pictures.par_iter().map(|p| self.preprocess.frames(p)).collect())?;
        let input = || framed_inputs(&frames, self.preprocess, self.compute.device());
        let sent = self.time(n, || wait(input()))?;
        let there = input();
        let trunk = self.time(n, || wait(network.trunk.forward(there.clone())))?;
        let block4 = network.trunk.forward(there);
        let block5 = self.time(n, || wait(network.block5.forward(block4.clone())))?;
        let maps = network.block5.forward(block4.clone());
        let error = exact.map_or(0.0, |exact| self.error(exact, &frames, maps.clone()));
        let head = self.time(n, || wait(network.head(block4.clone(), maps.clone())))?;
        let colours = self.time(n, || drop(colours(&frames).collect::<Vec<_>>()))?;

        let size = self.preprocess.size;
        let photo = (3 * PHOTO.0 * PHOTO.1) as f64;
        let share_of_weights = |values: usize| 4.0 * values as f64 / n as f64;
        let dense = network.dense.weight.shape().num_elements();
        let timed = vec![
            Timed { name: "disk", ms: disk, flops: 0.0, bytes: 0.0, bound: Some(Bound::Disk) },
            Timed { name: "decode", ms: decode, flops: 0.0, bytes: photo, bound: Some(Bound::Compute) },
            Timed { name: "resize", ms: resize, flops: 0.0, bytes: photo + frame_bytes, bound: None },
            Timed { name: "input", ms: sent, flops: 0.0, bytes: frame_bytes + input_bytes, bound: None },
            Timed {
                name: "trunk",
                ms: trunk,
                flops: (1..=4).map(|b| flops(b, size)).sum(),
                bytes: input_bytes
                    + (1..=4).map(|b| maps_bytes(b, size)).sum::<f64>()
                    + share_of_weights(weights(1..=4)),
                bound: None,
            },
            Timed {
                name: "block 5",
                ms: block5,
                flops: flops(5, size),
                bytes: maps_bytes(5, size) + share_of_weights(weights(5..=5)),
                bound: None,
            },
            Timed { name: "head", ms: head, flops: 2.0 * dense as f64, bytes: share_of_weights(dense), bound: None },
            Timed { name: "colours", ms: colours, flops: 0.0, bytes: frame_bytes, bound: Some(Bound::Compute) },
        ];
        let (images_per_second, waiting) = self.pipeline(files, network)?;
        let network_images_per_second = 1e3 / (trunk + block5 + head);
        Ok(Measured { batch: n, error, timed, network_images_per_second, images_per_second, waiting })
    }

    /// From file to embedding, stages overlapping: pictures a second, and the share of the time in which the network waited.
    fn pipeline(&self, files: &[PathBuf], network: &Network) -> Result<(f64, f64)> {
        let prepare = |files: &[PathBuf]| {
            let frames = |bytes: Result<Vec<u8>>| Ok(self.preprocess.frames(&decoded(&bytes?)));
            read(files).into_par_iter().map(frames).collect::<Result<Vec<_>>>()
        };
        let start = (self.now)();
        let mut working = Duration::ZERO;
        ahead((0..BATCHES).map(|_| files), prepare, |frames| {
            let from = (self.now)();
            let frames = frames?;
            let block4 = network.trunk.forward(framed_inputs(&frames, self.preprocess, self.compute.device()));
            let block5 = network.block5.forward(block4.clone());
            let embedding = network.head(block4, block5);
            // As `Embedder::embed` does: while a card is at work.
            std::hint::black_box(colours(&frames).collect::<Vec<_>>());
            wait(embedding);
            working += (self.now)() - from;
            Ok::<(), Error>(())
        })?;
        let whole = ((self.now)() - start).as_secs_f64();
        Ok(((BATCHES * files.len()) as f64 / whole, 1.0 - working.as_secs_f64() / whole))
    }

    /// Milliseconds a picture.
    fn time(&self, pictures: usize, mut work: impl FnMut()) -> Result<f64> {
        work();
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let from = (self.now)();
                work();
                ((self.now)() - from).as_secs_f64()
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        Ok(1e3 * rounds[ROUNDS / 2] / pictures as f64)
    }

    fn matmul_gflops(&self) -> f64 {
        let side = 2048;
        let random = || Tensor::<2>::random([side, side], Distribution::Uniform(-1.0, 1.0), self.compute.device());
        let (a, b) = (random(), random());
        let ms = self.time(1, || wait(a.clone().matmul(b.clone())));
        2.0 * (side as f64).powi(3) / ms.unwrap_or(f64::NAN) / 1e6
    }

    fn copy_gbytes(&self) -> f64 {
        let from = vec![1.0f32; 32 << 20];
        let mut to = vec![0.0f32; from.len()];
        let chunk = 1 << 18;
        let copy = || to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).for_each(|(t, f)| t.copy_from_slice(f));
        8.0 * from.len() as f64 / self.time(1, copy).unwrap_or(f64::NAN) / 1e6
    }
}

impl Measured {
    fn beside(self, matmul_gflops: f64, copy_gbytes: f64) -> Batch {
        let whole: f64 = self.timed.iter().map(|t| t.ms).sum();
        let stages = self.timed.iter().map(|t| t.beside(whole, matmul_gflops, copy_gbytes)).collect();
        let Measured { batch, error, network_images_per_second, images_per_second, waiting, .. } = self;
        Batch { batch, error, stages, network_images_per_second, images_per_second, waiting }
    }
}

impl Timed {
    fn beside(&self, whole: f64, matmul_gflops: f64, copy_gbytes: f64) -> Stage {
        let gflops = (self.flops > 0.0).then(|| self.flops / self.ms / 1e6);
        let by_roofline = match self.flops / matmul_gflops >= self.bytes / copy_gbytes {
            true => Bound::Compute,
            false => Bound::Memory,
        };
        Stage {
            name: self.name,
            ms: self.ms,
            share: self.ms / whole,
            direct_gflops: gflops,
            of_matmul: gflops.map(|g| g / matmul_gflops),
            bound: self.bound.unwrap_or(by_roofline),
        }
    }
}

/// The default recipe's network with a dense layer at random: what its weights are changes no time.
struct Network {
    trunk: Trunk,
    block5: Block,
    mask: MaskHead,
    dense: Linear,
}

impl Network {
    fn load(imagenet: &Weights, compute: &Compute, precision: Precision) -> Result<Network> {
        let device = compute.device();
        let block5 = Block::load(5, imagenet, device)?.fix(5);
        Ok(Network {
            trunk: Trunk::load(imagenet, device)?.at(precision),
            block5: if precision == Precision::F32 { block5 } else { block5.at(precision) },
            mask: MaskHead::init(Architecture::Vgg16, device),
            dense: LinearConfig::new(9 * CHANNELS[3] + CHANNELS[4], DENSE).init(device),
        })
    }

    fn head(&self, block4: Tensor<4>, block5: Tensor<4>) -> Tensor<2> {
        let mask = self.mask.forward(block4.clone(), block5.clone());
        let pooled = Pooling::Masked.forward(block4, block5, BLOCK5_WEIGHT, Some(mask));
        unit(linear(&self.dense, pooled))
    }
}

/// The histogram of each picture's colours.
fn colours(frames: &[Vec<Picture>]) -> impl ParallelIterator<Item = Vec<f32>> {
    frames.par_iter().map(|frames| histogram(&frames[0], None))
}

/// Reading one value waits for all. The data that a tensor gives are only fetched when they are looked at.
fn wait<const D: usize>(tensor: Tensor<D>) {
    let one = tensor.slice(std::array::from_fn::<_, D, _>(|_| 0..1)).into_data();
    std::hint::black_box(one.as_slice::<f32>().expect("it is f32")[0]);
}

/// Multiply-adds of a block's plain convolutions, twice.
fn flops(block: usize, size: u32) -> f64 {
    let pixels = f64::from(size >> (block - 1)).powi(2);
    2.0 * pixels * weights(block..=block) as f64
}

fn weights(blocks: std::ops::RangeInclusive<usize>) -> usize {
    let of = |block: usize| {
        let out = CHANNELS[block - 1];
        let first = if block == 1 { 3 } else { CHANNELS[block - 2] };
        9 * out * (first + (CONVOLUTIONS[block - 1] - 1) * out)
    };
    blocks.map(of).sum()
}

/// Each convolution of a block writes its maps and the next reads them.
fn maps_bytes(block: usize, size: u32) -> f64 {
    let maps = f64::from(size >> (block - 1)).powi(2) * CHANNELS[block - 1] as f64;
    8.0 * maps * CONVOLUTIONS[block - 1] as f64
}

/// Painted photographs as JPEG files: slow changes with a fine texture, as leather has.
fn photographs(count: usize, folder: &Path) -> Result<Vec<PathBuf>> {
    let (width, height) = PHOTO;
    (0..count)
        .map(|number| {
            let value = |i: u32| {
                let (x, y, c) = (i / 3 % width, i / 3 / width, i % 3);
                let texture = (x.wrapping_mul(2654435761) ^ y.wrapping_mul(40503) ^ number as u32) >> 27;
                ((x * (c + 1) + y * (3 - c)) / 8 % 200 + texture) as u8
            };
            let path = folder.join(format!("{number}.jpg"));
            let jpeg = Picture::new(width, height, (0..3 * width * height).map(value).collect()).to_jpeg(88);
            std::fs::write(&path, jpeg).map_err(|e| CoreError::disk(&path, "write the file", e))?;
            Ok(path)
        })
        .collect()
}

fn read(files: &[PathBuf]) -> Vec<Result<Vec<u8>>> {
    let bytes = |path: &PathBuf| Ok(std::fs::read(path).map_err(|e| CoreError::read(path, "photograph", e))?);
    files.par_iter().map(bytes).collect()
}

fn decoded(bytes: &[u8]) -> Picture {
    Picture::decode(bytes).expect("we wrote this photograph ourselves")
}
