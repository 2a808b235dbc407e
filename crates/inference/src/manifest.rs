//! `catalog.json`: what a catalogue is, and what it was made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::ContentId;
use serde::{Deserialize, Serialize};

/// The version of the layout that this program writes and reads.
pub const FORMAT: u32 = 3;
/// The manifest's own file name.
pub const MANIFEST: &str = "catalog.json";
/// The link to the newest catalogue, beside all of them.
pub const CURRENT: &str = "current";
/// Two tensors in f32: [`TENSOR`] of shape (count, dim), and [`COLOURS`] of shape (count, [`goodtwin_vision::colour::LEN`]); each row has
/// L2 norm 1.
pub const EMBEDDINGS: &str = "embeddings.safetensors";
/// The name of the tensor in [`EMBEDDINGS`].
pub const TENSOR: &str = "embeddings";
/// The name of the other tensor in [`EMBEDDINGS`]: the colours of the bags.
pub const COLOURS: &str = "colours";
/// One [`goodtwin_core::Row`] a line, in the order of the vectors: by item, then by picture.
pub const ITEMS: &str = "items.jsonl";

/// What a catalogue was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parents {
    /// The content id of network, preprocessing and weights.
    pub model: ContentId,
    /// What was done to a picture before the network saw it.
    pub preprocess: ContentId,
    /// How its colours were counted: [`goodtwin_vision::colour::VERSION`].
    pub colours: u32,
    /// The data set whose pictures these are.
    pub dataset: ContentId,
}

/// Where the run lay when the catalogue was built; a hint for whoever gives no `--model`, and no part of the id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPath {
    /// As it was given.
    pub given: PathBuf,
    /// The same, absolute.
    pub absolute: PathBuf,
}

impl RunPath {
    /// The run as named on a command line.
    pub fn new(given: &Path) -> Self {
        let absolute = std::fs::canonicalize(given).or_else(|_| std::path::absolute(given));
        RunPath { given: given.into(), absolute: absolute.unwrap_or_else(|_| given.into()) }
    }

    /// Where to look for the run now: where it lay, or, if all was moved elsewhere, where it lies from here. Not the other way
    /// round: another project has runs of the same names.
    pub fn find(&self) -> &Path {
        if self.absolute.exists() { &self.absolute } else { &self.given }
    }
}

/// Size and hash of one file of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: ContentId,
}

/// How the thumbnails were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thumbnails {
    /// The longest side, in pixels.
    pub longest: u32,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
}

/// `catalog.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogManifest {
    /// The version of this layout: [`FORMAT`].
    pub format: u32,
    /// The SHA-256 over parents, shape, thumbnails' making and the hashes of the files: see [`CatalogManifest::work_out_id`].
    pub id: ContentId,
    /// What it was made from.
    pub parents: Parents,
    /// Where the run lay.
    pub run: RunPath,
    /// Length of a vector.
    pub dim: usize,
    /// How many vectors there are: one a picture.
    pub count: usize,
    /// How many items there are: an item may have several pictures.
    pub items: usize,
    /// How the thumbnails below `thumbnails/` were made, one a picture.
    pub thumbnails: Thumbnails,
    /// [`EMBEDDINGS`] and [`ITEMS`].
    pub files: BTreeMap<String, FileEntry>,
}

impl CatalogManifest {
    /// The id that the other fields amount to. Thumbnails are made from pictures that [`ITEMS`] names by hash, so that
    /// their making stands for their bytes.
    pub fn work_out_id(&self) -> ContentId {
        ContentId::of_json(&(self.format, &self.parents, self.dim, self.count, self.thumbnails, &self.files))
    }
}

/// Where the thumbnail of a picture lies below the catalogue's folder.
pub fn thumbnail_path(picture: &ContentId) -> PathBuf {
    Path::new("thumbnails").join(&picture.as_str()[..2]).join(format!("{picture}.jpg"))
}
