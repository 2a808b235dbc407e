//! Stages beside a matrix multiplication and a copy.
//!
//! The bound of a stage follows the roofline model (Williams, Waterman, Patterson 2009): the time that its multiply-adds take
//! at the pace of a large matrix multiplication, and the time that its bytes take at the pace of a large copy, both measured
//! in the same run. The larger of the two is what the stage cannot get below. Multiply-adds are those of the plain
//! convolution: an algorithm that saves some of them (Winograd) can pass the matrix multiplication's pace.

use serde::Serialize;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device, for people.
    pub device: String,
    /// The recipe's name.
    pub recipe: String,
    /// Pixels of a side.
    pub size: u32,
    /// Pictures at once.
    pub batch: usize,
    /// Billions of floating-point operations a second of a matrix multiplication of 2,048 x 2,048.
    pub matmul_gflops: f64,
    /// Billions of bytes a second that a large copy reads and writes.
    pub copy_gbytes: f64,
    /// In the order of the work. Those up to the cache are paid once a picture and view, the others in each epoch.
    pub stages: Vec<Stage>,
    /// Milliseconds a picture of one epoch.
    pub epochs: Epochs,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What it does.
    pub name: &'static str,
    /// Whether an epoch that reads the cache does it too.
    pub every_epoch: bool,
    /// Milliseconds a picture.
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
    /// How much of its time that bound explains, at most 1.
    pub explained: f64,
}

/// What holds a stage back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The multiply-adds.
    Arithmetic,
    /// The memory's pace.
    Memory,
    /// The decoder, which is neither: one core a picture.
    Decoder,
    /// Reading and checking files.
    Files,
}

/// Milliseconds a picture of an epoch, three ways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Epochs {
    /// Block 4 from the cache.
    pub cached: f64,
    /// The same with the trunk worked out anew, as this program does it.
    pub uncached: f64,
    /// The same with the trunk in the code that block 5 learns in.
    pub uncached_same_code: f64,
    /// Gradients through all of VGG16.
    pub full: f64,
}

/// A stage before it is set beside them.
pub(super) struct Timed {
    pub name: &'static str,
    pub every_epoch: bool,
    pub ms: f64,
    /// Floating-point operations a picture.
    pub flops: f64,
    /// Bytes that must move, a picture.
    pub bytes: f64,
    pub bound: Option<Bound>,
}

impl Timed {
    /// One without arithmetic or bytes to speak of.
    pub fn of(name: &'static str, ms: f64, bound: Option<Bound>) -> Timed {
        Timed { name, every_epoch: false, ms, flops: 0.0, bytes: 0.0, bound }
    }

    /// Its share of `total` milliseconds, and what holds it back.
    pub fn beside(self, matmul_gflops: f64, copy_gbytes: f64, total: f64) -> Stage {
        let (arithmetic, memory) = (self.flops / matmul_gflops / 1e6, self.bytes / copy_gbytes / 1e6);
        let (bound, least) = match self.bound {
            Some(bound) => (bound, self.ms),
            None if arithmetic >= memory => (Bound::Arithmetic, arithmetic),
            None => (Bound::Memory, memory),
        };
        let gflops = (self.flops > 0.0).then(|| self.flops / self.ms / 1e6);
        Stage {
            name: self.name,
            every_epoch: self.every_epoch,
            ms: self.ms,
            share: self.ms / total,
            direct_gflops: gflops,
            of_matmul: gflops.map(|g| g / matmul_gflops),
            bound,
            explained: (least / self.ms).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_bound_by_what_takes_longest() {
        let stage = |flops, bytes| Timed { flops, bytes, ..Timed::of("x", 2.0, None) }.beside(100.0, 10.0, 8.0);
        let busy = stage(1e8, 1e6);
        assert_eq!(
            (busy.bound, busy.share, busy.direct_gflops, busy.of_matmul),
            (Bound::Arithmetic, 0.25, Some(50.0), Some(0.5))
        );
        assert_eq!(busy.explained, 0.5);
        let moving = stage(0.0, 1e7);
        assert_eq!((moving.bound, moving.explained, moving.direct_gflops), (Bound::Memory, 0.5, None));
    }
}
