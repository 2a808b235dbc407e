//! Why there is no data set.

use std::path::PathBuf;

use goodtwin_core::BagType;

/// The result of making a data set.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that names the folder, the value, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written, or its lines make no sense.
    #[error(transparent)]
    Core(#[from] goodtwin_core::Error),
    /// The folder is in no layout that is known.
    #[error(
        "{}: no metadata.jsonl and no sub-folders: expected metadata.jsonl with file_name and bag_type, or one sub-folder a class",
        path.display()
    )]
    NoLayout {
        /// The folder.
        path: PathBuf,
    },
    /// Folders of splits, and other folders with pictures beside them.
    #[error(
        "{}: pictures in {odd} beside folders of splits: expected train, validation and test alone, or one sub-folder a class",
        path.display()
    )]
    Mixed {
        /// The folder.
        path: PathBuf,
        /// Its sub-folders that are no splits, but hold pictures.
        odd: String,
    },
    /// Nothing is left to learn from.
    #[error("{}: the data set is empty: expected at least one whole picture with a type; {left_out}", path.display())]
    Empty {
        /// Where the pictures were looked for.
        path: PathBuf,
        /// What was left out, by cause.
        left_out: String,
    },
    /// A class that somebody named, and of which there is nothing.
    #[error(
        "{}: the class `{}` is empty: expected at least 2 images, one to train on and one to hold out; {left_out}",
        path.display(),
        class.as_str().escape_debug()
    )]
    EmptyClass {
        /// Where its pictures were looked for.
        path: PathBuf,
        /// The class.
        class: BagType,
        /// What was left out of it, by cause.
        left_out: String,
    },
    /// A class that cannot be both trained on and measured.
    #[error(
        "{}: the class `{}` has 1 image ({file_name}): expected at least 2 images, one to train on and one to hold out",
        path.display(),
        class.as_str().escape_debug()
    )]
    TooFewImages {
        /// Where the pictures came from.
        path: PathBuf,
        /// The class.
        class: BagType,
        /// Its one picture, as the source names it.
        file_name: String,
    },
    /// Brands that cannot be held out (exit 2).
    #[error("{option}: {what} ({})", path.display())]
    Brands {
        /// The option that asks for it.
        option: &'static str,
        /// Where the pictures came from.
        path: PathBuf,
        /// What is wrong with them, and what was expected.
        what: String,
    },
    /// The source says which split a picture belongs to, and what it says cannot be used.
    #[error("{}: {what}", path.display())]
    GivenSplit {
        /// Where the pictures came from.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        what: String,
    },
}

impl Error {
    /// The exit code of `sysexits.h` that fits.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Core(e) => e.exit_code(),
            Error::Brands { .. } => 2,
            _ => 65,
        }
    }
}
