//! What can go wrong between a picture and its features.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read, is not what it should be, or does not match.
    #[error(transparent)]
    Core(#[from] goodtwin_core::Error),
    /// A weights file lacks a tensor, or has it in another shape (exit 65).
    #[error("{}: tensor `{name}`: expected {expected}, received {received}", path.display())]
    Tensor {
        /// The safetensors file.
        path: PathBuf,
        /// The tensor's key.
        name: String,
        /// Its shape or type as the network needs it.
        expected: String,
        /// What the file has.
        received: String,
    },
    /// No such device on this machine (exit 69).
    #[error("{0}")]
    Unavailable(String),
    /// A setting that the network cannot have (exit 2).
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Core(e) => e.exit_code(),
            Error::Tensor { .. } => 65,
            Error::Unavailable(_) => 69,
            Error::Usage(_) => 2,
        }
    }
}
