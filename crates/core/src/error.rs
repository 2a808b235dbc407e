//! What can go wrong with a file of ours, with enough said to mend it.

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that names the file, the value, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the user gave cannot be used as it is: a missing config, an unknown key, a bad option (exit 2).
    #[error("{0}")]
    Usage(String),
    /// A file holds something that it must not hold (exit 65).
    #[error("{}: {what}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the value and what was expected.
        what: String,
    },
    /// Two artefacts do not belong together, or one does not have the bytes that its manifest names (exit 65).
    #[error("{}: {part} does not match: expected {expected}, received {received}", path.display())]
    Mismatch {
        /// The file that was read.
        path: PathBuf,
        /// Which part differs, such as "model" or "the SHA-256 of embeddings.safetensors".
        part: String,
        /// What the reader needs.
        expected: String,
        /// What the file has.
        received: String,
    },
    /// The disk refused: full, read-only, or broken (exit 74).
    #[error("{}: cannot {action}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb: "write 4096 bytes", "create the folder".
        action: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that must be there is not (exit 65, or 2 where the user named it on the command line).
    #[error("{}: no such {kind}{hint}", path.display())]
    Missing {
        /// The path that was looked for.
        path: PathBuf,
        /// What was expected there: "config", "data set", "photo".
        kind: &'static str,
        /// What to do about it; empty, or starts with ": ".
        hint: String,
    },
    /// Another run holds the lock (exit 75).
    #[error("{}: locked by another run: {holder}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Process and host of the run that holds it, as far as known.
        holder: String,
    },
}

impl Error {
    /// Bad data in a file.
    pub fn data(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::Data { path: path.as_ref().into(), what: what.into() }
    }

    /// A disk failure on the way to `action`.
    pub fn disk(path: impl AsRef<Path>, action: impl Into<String>, source: std::io::Error) -> Self {
        Error::Disk { path: path.as_ref().into(), action: action.into(), source }
    }

    /// A failed read: a missing file is [`Error::Missing`], one that is not the text that it must be [`Error::Data`],
    /// anything else [`Error::Disk`].
    pub fn read(path: impl AsRef<Path>, kind: &'static str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path: path.as_ref().into(), kind, hint: String::new() },
            std::io::ErrorKind::InvalidData => Error::data(path, format!("the {kind} cannot be read: {source}")),
            _ => Error::disk(path, format!("read the {kind}"), source),
        }
    }

    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Data { .. } | Error::Mismatch { .. } | Error::Missing { .. } => 65,
            Error::Disk { .. } => 74,
            Error::Locked { .. } => 75,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{DatasetReader, RatingBook};

    #[test]
    fn bytes_that_are_no_text_are_bad_data() {
        let dir = tempfile::tempdir().unwrap();
        let (manifest, ratings) = (dir.path().join("dataset.json"), dir.path().join("ratings.jsonl"));
        for path in [&manifest, &ratings] {
            std::fs::write(path, b"\xff\xfe{").unwrap();
        }
        let errors = [DatasetReader::open(dir.path()).unwrap_err(), RatingBook::load(&ratings).unwrap_err()];
        for (error, name) in errors.iter().zip(["dataset.json", "ratings.jsonl"]) {
            assert_eq!(error.exit_code(), 65, "{error}");
            assert!(error.to_string().contains(name) && error.to_string().contains("UTF-8"), "{error}");
        }
    }
}
