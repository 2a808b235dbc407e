//! Checkpoint and pictures in, a catalogue out; a photo's embedding in, twins out.
//!
//! ```text
//! Checkpoint + Dataset ──[build]──► OUT/<id>/{catalog.json, embeddings.safetensors, items.jsonl, thumbnails/}
//!                                   OUT/current ──[CatalogReader]──► Catalog
//! photo ──[Encoder]──► embedding ──[Catalog::search] + Filters──► Twins ──[Answer]──► JSON
//! ```
//! - [`encoder`]: [`Encoder`], the one step from picture to vector, and the ids of the network that takes it.
//! - [`photo`]: a photo's file in, its hash and its picture out.
//! - [`manifest`]: `catalog.json`, what a catalogue is, what it was made from, and the hash of each of its files.
//! - [`writer`]: [`build`], which embeds a data set, takes over what did not change, and swaps the catalogue in.
//! - [`pipeline`]: batches are read and decoded ahead of the network.
//! - [`reader`]: [`CatalogReader`], which refuses a catalogue that is not whole, or not what its manifest says.
//! - [`search`]: [`Catalog::search`], an exact scan by cosine with [`Filters`]; each item once, by its best picture.
//! - [`answer`]: [`Answer`], the JSON that the command line and the web page give alike.
//! - [`bench`]: where the time of embedding goes.
//! - [`error`]: the [`Error`] of this crate; each kind maps to one exit code.

pub mod answer;
pub mod bench;
pub mod encoder;
pub mod error;
pub mod manifest;
pub mod photo;
pub mod pipeline;
pub mod reader;
mod scan;
pub mod search;
#[cfg(test)]
mod testing;
pub mod writer;

pub use answer::Answer;
pub use encoder::Encoder;
pub use error::{Error, Result};
pub use manifest::{CatalogManifest, Parents, RunPath};
pub use reader::{Catalog, CatalogReader, Look};
pub use search::{Filters, Twin};
pub use writer::{Built, Progress, build};
