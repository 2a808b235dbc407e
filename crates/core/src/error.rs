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
    /// Nothing can be made there, whatever room the disk has: a file stands where a folder must be, or the parent takes none
    /// (exit 73).
    #[error("{}: cannot {action}: {source}", path.display())]
    Create {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
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

    /// A file or folder that could not be made: [`Error::Create`] if its place is the matter, [`Error::Disk`] if the disk is.
    pub fn create(path: impl AsRef<Path>, action: impl Into<String>, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{
            AlreadyExists, DirectoryNotEmpty, InvalidFilename, IsADirectory, NotADirectory, NotFound,
        };
        match source.kind() {
            AlreadyExists | DirectoryNotEmpty | InvalidFilename | IsADirectory | NotADirectory | NotFound => {
                Error::Create { path: path.as_ref().into(), action: action.into(), source }
            }
            _ => Error::disk(path, action, source),
        }
    }

    /// A failed read: a missing file is [`Error::Missing`], a folder or what is not the text that it must be [`Error::Data`],
    /// anything else [`Error::Disk`].
    pub fn read(path: impl AsRef<Path>, kind: &'static str, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path: path.as_ref().into(), kind, hint: String::new() },
            std::io::ErrorKind::IsADirectory => Error::data(path, format!("a folder: expected the {kind}")),
            std::io::ErrorKind::InvalidData => Error::data(path, format!("the {kind} cannot be read: {source}")),
            _ => Error::disk(path, format!("read the {kind}"), source),
        }
    }

    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Data { .. } | Error::Mismatch { .. } | Error::Missing { .. } => 65,
            Error::Create { .. } => 73,
            Error::Disk { .. } => 74,
            Error::Locked { .. } => 75,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{DatasetReader, Error, RatingBook, atomic};

    #[test]
    fn what_cannot_be_made_is_not_what_the_disk_refuses() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        for taken in
            [atomic::create_dir(&file), atomic::write(&file.join("a.json"), b"{}"), atomic::write(dir.path(), b"")]
        {
            let error = taken.unwrap_err();
            assert_eq!(error.exit_code(), 73, "{error}");
        }
        assert!(atomic::probe(&dir.path().join("below/metrics")).is_ok());
        assert!(!dir.path().join("below/metrics").exists());
        assert_eq!(atomic::probe(&file.join("metrics")).unwrap_err().exit_code(), 73);
        assert_eq!(atomic::probe(dir.path()).unwrap_err().exit_code(), 73, "a folder has the name");
        let full = Error::create(Path::new("out"), "create the folder", std::io::ErrorKind::StorageFull.into());
        assert_eq!(full.exit_code(), 74);
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let error = RatingBook::load(dir.path()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().ends_with(": a folder: expected the ratings file"), "{error}");
    }

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
