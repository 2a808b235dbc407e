//! What can go wrong between a checkpoint, a catalogue and a photo.

use std::path::PathBuf;

use goodtwin_imaging::Refusal;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that names the file, the value, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of ours is missing, damaged, or does not belong with another; or the disk refused.
    #[error(transparent)]
    Core(#[from] goodtwin_core::Error),
    /// The network could not be run.
    #[error(transparent)]
    Vision(#[from] goodtwin_vision::Error),
    /// A picture that cannot be shown or embedded (exit 65).
    #[error("{}: {refusal}", path.display())]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// Why it was refused.
        refusal: Refusal,
    },
    /// The network gave something that is no embedding of this catalogue (exit 70).
    #[error("the embedding {what}")]
    Embedding {
        /// Of which of the pictures that were given.
        at: usize,
        /// What is wrong with it, with expected and received.
        what: String,
    },
    /// The same of a picture whose file is known (exit 70).
    #[error("{}: the network's embedding {what}; without this picture the others can be embedded", path.display())]
    NoEmbedding {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong with it, with expected and received.
        what: String,
    },
}

impl Error {
    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Core(e) => e.exit_code(),
            Error::Vision(e) => e.exit_code(),
            Error::Picture { .. } => 65,
            Error::Embedding { .. } | Error::NoEmbedding { .. } => 70,
        }
    }
}
