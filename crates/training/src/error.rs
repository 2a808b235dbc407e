//! What can go wrong in training.

use std::path::PathBuf;

use crate::memory::gib;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read, is not what it should be, or does not match.
    #[error(transparent)]
    Core(#[from] goodtwin_core::Error),
    /// The network, its weights or its device.
    #[error(transparent)]
    Vision(#[from] goodtwin_vision::Error),
    /// A data set that cannot be trained on or measured (exit 65).
    #[error("{}: {what}", dataset.display())]
    Dataset {
        /// The data set's folder.
        dataset: PathBuf,
        /// What is wrong with it, and what was expected.
        what: String,
    },
    /// A setting out of range (exit 2).
    #[error("{}: {what}", config.display())]
    Recipe {
        /// The recipe's file.
        config: PathBuf,
        /// The key, its value, and what was expected.
        what: String,
    },
    /// Two runs of other data or queries (exit 65).
    #[error("{0}")]
    NotComparable(String),
    /// The run folder is taken (exit 73).
    #[error("{}: already holds a run, or something else; give another --out", .0.display())]
    Exists(PathBuf),
    /// The run folder holds a run that is not finished (exit 73).
    #[error("{}: holds a run that is not finished; go on with it by `goodtwin train --resume {}`, or give another --out", .0.display(), .0.display())]
    Unfinished(PathBuf),
    /// There is nothing left to do (exit 73).
    #[error("{}: the run is finished; there is nothing to go on with", .0.display())]
    Finished(PathBuf),
    /// Not even one picture fits into memory (exit 69).
    #[error(
        "not enough memory: one picture of {size} px needs {}, and {} are free; {}",
        gib(*needed), gib(*available),
        largest.map_or("no size fits".into(), |size| format!("the largest that fits is {size} px (`preprocess.size`)"))
    )]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
        /// Pixels of a side.
        size: u32,
        /// The largest size of which one picture fits.
        largest: Option<u32>,
    },
    /// A batch that cannot be taken in parts does not fit into memory (exit 69).
    #[error(
        "not enough memory: a batch of {batch} needs {}, and {} are free; it cannot be taken in parts, since `loss = \"supcon\"` compares its pictures \
         with each other; {}",
        gib(*needed), gib(*available),
        match largest { 0 => "not even 4 fit".into(), largest => format!("the largest that fits is {largest} (`batch_size`)") }
    )]
    BatchMemory {
        /// Pictures.
        batch: usize,
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
        /// The largest batch that fits; 0 where none does of which something is to be learned.
        largest: usize,
    },
    /// The run was asked to stop, and has written a checkpoint (exit 130).
    #[error("stopped after step {step}; `goodtwin train --resume {}` goes on with it", run.display())]
    Stopped {
        /// Steps taken, over all epochs.
        step: usize,
        /// The run, or the group of seeds that it is of.
        run: PathBuf,
    },
    /// The loss is no number any more (exit 70).
    #[error(
        "the loss became {loss} at epoch {epoch}, step {step}: lower the learning rate in a new run, since this one goes on as it began; {} lists the pictures of that step, \
         and {}",
        dump.display(), if *kept { "the last checkpoint is kept" } else { "there is no checkpoint yet" }
    )]
    NotANumber {
        /// The loss.
        loss: f32,
        /// From 1.
        epoch: usize,
        /// From 1, over all epochs.
        step: usize,
        /// The file with the batch's pictures.
        dump: PathBuf,
        /// Whether there is a checkpoint of the steps before.
        kept: bool,
    },
}

impl Error {
    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Core(e) => e.exit_code(),
            Error::Vision(e) => e.exit_code(),
            Error::Dataset { .. } | Error::NotComparable(_) => 65,
            Error::Recipe { .. } => 2,
            Error::Memory { .. } | Error::BatchMemory { .. } => 69,
            Error::NotANumber { .. } => 70,
            Error::Stopped { .. } => 130,
            Error::Exists(_) | Error::Unfinished(_) | Error::Finished(_) => 73,
        }
    }
}
