//! The data set: pictures with types in, an image folder split by family out.
//!
//! - [`import`]: a folder of pictures, with `metadata.jsonl` or one sub-folder a class.
//! - [`build`]: the items of a crawl and their pictures.
//! - [`folder`]: reads the two layouts that `import` takes.
//! - [`gather`]: reads every picture, leaves out what cannot be used by cause, keeps the same bytes once (of a crawl,
//!   once an offer), writes the data set.
//! - [`ties`]: which pictures hang together, whatever their families are called.
//! - [`split`]: which family goes where, and which families must go together.
//! - [`hold_out`]: what is held out: families, or whole brands.
//! - [`check`]: whether anything of a data set is on both sides of its split.
//! - [`lacks`](mod@lacks): what it lacks that a run has use for.
//! - [`card`]: its `README.md` and `croissant.json`.
//! - [`error`]: why there is no data set.
//!
//! Reading one back is [`goodtwin_core::DatasetReader`]'s job. Classes are whatever the data names; nothing here knows a bag.

mod build;
pub mod card;
pub mod check;
pub mod error;
mod folder;
mod gather;
pub mod hold_out;
mod import;
pub mod lacks;
pub mod split;
pub mod ties;

pub use build::build;
pub use check::check;
pub use error::{Error, Result};
pub use hold_out::HoldOut;
pub use import::import;
pub use lacks::lacks;

/// How a data set is made.
pub struct Options<'a> {
    /// Another seed makes another split; the same seed and pictures make the same data set.
    pub seed: u64,
    /// What is held out, whatever the source says; none for the split that the source gives, else one by family.
    pub hold_out: Option<HoldOut>,
    /// Is told, from several threads, how many pictures were read, and of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { seed: 0, hold_out: None, progress: &|_, _| {} }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
