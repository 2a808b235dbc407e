//! What ends a whole run. What ends one item is a [`crate::State`], and what ends one fetch is a [`crate::fetch::FetchError`].

use std::path::{Path, PathBuf};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A run that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A config, a file of ours or the lock (exit as [`goodtwin_core::Error::exit_code`] says).
    #[error(transparent)]
    Core(#[from] goodtwin_core::Error),
    /// SQLite could not read or write the journal (exit 74), or the file is not a journal (exit 65).
    #[error("{}: the journal cannot be used: {source}{}", path.display(), room(path, source))]
    Journal {
        /// The SQLite file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The journal was written by another version of this program (exit 65).
    #[error("{}: the journal has format {received}, expected {expected}; {}", path.display(), if received < expected {
        "the next `goodtwin scrape` brings it up to date"
    } else {
        "a later version of this program wrote it"
    })]
    JournalFormat {
        /// The SQLite file.
        path: PathBuf,
        /// The format that this program writes.
        expected: i64,
        /// The format of the file.
        received: i64,
    },
    /// The HTTP client could not be made (exit 70).
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[source] reqwest::Error),
    /// A task of ours ended in a way that it must not (exit 70).
    #[error("internal: {0}")]
    Internal(String),
}

fn same(source: &std::io::Error) -> std::io::Error {
    match source.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(source.kind(), source.to_string()),
    }
}

/// How much room there is, where that may be what is the matter.
fn room(path: &Path, source: &rusqlite::Error) -> String {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, SystemIoFailure};
    match source.sqlite_error_code() {
        Some(CannotOpen | DiskFull | SystemIoFailure) => {}
        _ => return String::new(),
    }
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(disk) => format!(" (it has {size} bytes; {} bytes are free)", disk.f_bavail * disk.f_frsize),
        Err(_) => format!(" (it has {size} bytes)"),
    }
}

impl Error {
    pub(crate) fn journal(path: &Path, source: rusqlite::Error) -> Self {
        Error::Journal { path: path.into(), source }
    }

    /// The same once more, for another task that failed with it.
    pub(crate) fn again(&self) -> Self {
        match self {
            Error::Journal { path, source: rusqlite::Error::SqliteFailure(code, said) } => {
                Error::Journal { path: path.clone(), source: rusqlite::Error::SqliteFailure(*code, said.clone()) }
            }
            Error::Core(goodtwin_core::Error::Disk { path, action, source }) => {
                goodtwin_core::Error::disk(path, action, same(source)).into()
            }
            Error::Core(goodtwin_core::Error::Create { path, action, source }) => {
                goodtwin_core::Error::create(path, action, same(source)).into()
            }
            other => Error::Internal(other.to_string()),
        }
    }

    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Core(e) => e.exit_code(),
            Error::Journal { source, .. } => match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => 65,
                _ => 74,
            },
            Error::JournalFormat { .. } => 65,
            Error::Client(_) | Error::Internal(_) => 70,
        }
    }
}
