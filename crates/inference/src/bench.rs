//! Where the time of embedding goes, stage by stage, beside a matrix multiplication and a copy.
//!
//! [`roofline`](goodtwin_vision::roofline) says what holds a stage back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;
use goodtwin_core::Error as CoreError;
use goodtwin_imaging::Picture;
use goodtwin_vision::colour::histogram;
use goodtwin_vision::embedder::framed_inputs;
use goodtwin_vision::layers::linear;
use goodtwin_vision::mask::MaskHead;
use goodtwin_vision::pooling::unit;
use goodtwin_vision::roofline::{Bound, Peaks, Stage, Timed, flops, map_bytes, wait, weights};
use goodtwin_vision::vgg16::{Block, CHANNELS};
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
const VGG16: Architecture = Architecture::Vgg16;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device, for people.
    pub device: String,
    /// In which numbers the convolutions computed.
    pub precision: String,
    /// Pixels of a side.
    pub size: u32,
    /// What the stages are held against.
    #[serde(flatten)]
    pub peaks: Peaks,
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
        let peaks = Peaks::measure(self.compute, &|_, work| self.time(1, work));
        let batches = measured.into_iter().map(|measured| measured.beside(&peaks)).collect();
        let device = self.compute.describe().to_owned();
        let (precision, size) = (self.precision.to_string(), self.preprocess.size);
        Ok(Report { device, precision, size, peaks, batches })
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
        let disk = self.time(n, || bytes = read(files));
        let bytes = bytes.into_iter().collect::<Result<Vec<_>>>()?;
        let mut pictures = vec![];
        let decode = self.time(n, || pictures = bytes.par_iter().map(|b| decoded(b)).collect());
        let mut frames = vec![];
        let resize = self.time(n, || frames = pictures.par_iter().map(|p| self.preprocess.frames(p)).collect());
        let input = || framed_inputs(&frames, self.preprocess, self.compute.device());
        let sent = self.time(n, || wait(input()));
        let there = input();
        let trunk = self.time(n, || wait(network.trunk.forward(there.clone())));
        let block4 = network.trunk.forward(there);
        let block5 = self.time(n, || wait(network.block5.forward(block4.clone())));
        let maps = network.block5.forward(block4.clone());
        let error = exact.map_or(0.0, |exact| self.error(exact, &frames, maps.clone()));
        let head = self.time(n, || wait(network.head(block4.clone(), maps.clone())));
        let colours = self.time(n, || drop(colours(&frames).collect::<Vec<_>>()));

        let size = self.preprocess.size;
        let photo = (3 * PHOTO.0 * PHOTO.1) as f64;
        let share_of_weights = |values: usize| 4.0 * values as f64 / n as f64;
        let dense = network.dense.weight.shape().num_elements();
        // Mask and pooling read block 4 and block 5 each.
        let maps_seen = 2.0 * 4.0 * Pooling::Flatten.len(VGG16, size) as f64 * (1.0 + 4.0);
        let timed = vec![
            Timed::of("disk", disk, Some(Bound::Files)),
            Timed::of("decode", decode, Some(Bound::Decoder)),
            Timed { bytes: photo + frame_bytes, ..Timed::of("resize", resize, None) },
            // A card is sent the bytes themselves.
            Timed {
                bytes: frame_bytes + if self.compute.is_gpu() { frame_bytes } else { input_bytes },
                ..Timed::of("input", sent, None)
            },
            Timed {
                flops: flops(1..=4, size),
                bytes: input_bytes + map_bytes(1..=4, size) + share_of_weights(weights(1..=4)),
                ..Timed::on_device("trunk", trunk)
            },
            Timed {
                flops: flops(5..=5, size),
                bytes: map_bytes(5..=5, size) + share_of_weights(weights(5..=5)),
                ..Timed::on_device("block 5", block5)
            },
            Timed {
                flops: MaskHead::flops(VGG16, size) + Pooling::Masked.flops(VGG16, size) + 2.0 * dense as f64,
                bytes: maps_seen + share_of_weights(dense),
                ..Timed::on_device("head", head)
            },
            Timed { bytes: frame_bytes, ..Timed::of("colours", colours, Some(Bound::Compute)) },
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
    fn time(&self, pictures: usize, mut work: impl FnMut()) -> f64 {
        work();
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let from = (self.now)();
                work();
                ((self.now)() - from).as_secs_f64()
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        1e3 * rounds[ROUNDS / 2] / pictures as f64
    }
}

impl Measured {
    fn beside(self, peaks: &Peaks) -> Batch {
        let whole: f64 = self.timed.iter().map(|t| t.ms).sum();
        let stages = self.timed.iter().map(|t| t.beside(peaks, whole)).collect();
        let Measured { batch, error, network_images_per_second, images_per_second, waiting, .. } = self;
        Batch { batch, error, stages, network_images_per_second, images_per_second, waiting }
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
            mask: MaskHead::init(VGG16, device),
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
