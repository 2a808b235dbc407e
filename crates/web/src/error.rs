//! What keeps the server from starting.

use std::net::SocketAddr;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that names the address or the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue cannot be served with this model.
    #[error(transparent)]
    Inference(#[from] goodtwin_inference::Error),
    /// The address is taken, or not ours (exit 69).
    #[error("{address}: cannot listen there: {source}; `--listen` takes another address, with port 0 for any free one")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Inference(e) => e.exit_code(),
            Error::Listen { .. } => 69,
        }
    }
}
