//! Reading a catalogue, and refusing one that is not whole.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use goodtwin_core::dataset::read_json_lines;
use goodtwin_core::{BagType, ContentId, Error as CoreError, Row};
use goodtwin_imaging::{Format, complete};
use goodtwin_vision::{Compute, Features, colour};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::encoder::check_unit;
use crate::manifest::{
    COLOURS, CURRENT, CatalogManifest, EMBEDDINGS, FORMAT, FileEntry, ITEMS, MANIFEST, TENSOR, Thumbnails,
    thumbnail_path,
};
use crate::{Encoder, Result};

/// What is known of how a picture looks.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The network's, of L2 norm 1.
    pub embedding: &'a [f32],
    /// [`colour::histogram`], of L2 norm 1.
    pub colour: &'a [f32],
}

impl Look<'_> {
    /// Refuse what is no embedding of `dim` values, or no colours.
    pub(crate) fn check(&self, dim: usize) -> Result<(), String> {
        check_unit(self.embedding, dim)?;
        check_unit(self.colour, colour::LEN).map_err(|what| format!("of the picture's colours {what}"))
    }
}

impl<'a> From<&'a Features> for Look<'a> {
    fn from(features: &'a Features) -> Self {
        Look { embedding: &features.embedding, colour: &features.colour }
    }
}

/// A catalogue in memory: manifest, rows and vectors; the thumbnails stay on disk.
#[derive(Debug)]
pub struct Catalog {
    /// Its folder, with symbolic links resolved: a `current` that is swapped later does not change what this one shows.
    pub root: PathBuf,
    /// What `catalog.json` says.
    pub manifest: CatalogManifest,
    /// One a vector, all rows of one item side by side.
    pub rows: Vec<Row>,
    /// `rows.len()` embeddings of `manifest.dim` values, each followed by its picture's colours.
    pub(crate) vectors: Vec<f32>,
    /// The rows of each item, in order of the item's id.
    pub(crate) groups: Vec<Range<usize>>,
}

/// What a row is a picture of: the offer if there is one, else the picture itself.
pub(crate) fn item_key(row: &Row) -> &str {
    row.item.as_ref().map_or(&row.file_name, |item| item.id.as_str())
}

impl Catalog {
    /// The catalogue's content id.
    pub fn id(&self) -> &ContentId {
        &self.manifest.id
    }

    /// Embedding and colours of row `n`.
    pub fn look(&self, n: usize) -> Look<'_> {
        let length = self.manifest.dim + colour::LEN;
        let (embedding, colour) = self.vectors[n * length..][..length].split_at(self.manifest.dim);
        Look { embedding, colour }
    }

    /// One row an item: its main picture's.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.groups.iter().map(|g| &self.rows[g.start])
    }

    /// The types in the catalogue, with the number of items of each.
    pub fn types(&self) -> BTreeMap<&BagType, usize> {
        let mut types = BTreeMap::new();
        for row in self.items() {
            *types.entry(&row.bag_type).or_default() += 1;
        }
        types
    }

    /// The file of a picture's thumbnail; [`CatalogReader::open`] has seen that it is there.
    pub fn thumbnail(&self, picture: &ContentId) -> PathBuf {
        self.root.join(thumbnail_path(picture))
    }

    /// The network to ask this catalogue with: that of `model`, else of the run that the catalogue was built with.
    ///
    /// # Errors
    /// Exit 65 when there is no such run, or when it is not the one that made the catalogue: [`Catalog::check_model`].
    pub fn encoder(&self, model: Option<&Path>, compute: &Compute) -> Result<Encoder> {
        let recorded = self.manifest.run.find();
        if model.is_none() && !recorded.exists() {
            let hint = ": the catalogue was built with it; `--model RUN` says where it is now".into();
            return Err(CoreError::Missing { path: recorded.into(), kind: "run", hint }.into());
        }
        let encoder = Encoder::open(model.unwrap_or(recorded), compute)?;
        self.check_model(&encoder)?;
        Ok(encoder)
    }

    /// Refuse to compare this catalogue with the embeddings of another network or another preprocessing, or with colours that were
    /// counted in another way.
    ///
    /// # Errors
    /// [`CoreError::Mismatch`] naming the part that differs; expected is the encoder's, received the catalogue's.
    pub fn check_model(&self, encoder: &Encoder) -> Result<()> {
        let parents = &self.manifest.parents;
        // The model's id covers its preprocessing, so that the part that says more comes first.
        let parts = [
            ("the preprocessing that made the catalogue", encoder.preprocess.as_str(), parents.preprocess.as_str()),
            ("the model that made the catalogue", encoder.model.as_str(), parents.model.as_str()),
            ("how colours are counted", &colour::VERSION.to_string(), &parents.colours.to_string()),
            ("the length of a vector", &encoder.dim.to_string(), &self.manifest.dim.to_string()),
        ];
        for (part, expected, received) in parts {
            equal(&self.root.join(MANIFEST), part, expected, received)?;
        }
        Ok(())
    }
}

/// Reads a catalogue and checks it: format, id, sizes, hashes, vectors, and that no thumbnail is missing.
pub struct CatalogReader;

impl CatalogReader {
    /// Read a catalogue's folder, or a link to one such as `catalogs/current`.
    ///
    /// # Errors
    /// Exit 65 for a folder that holds no catalogue, or one of another format, or with a file that is cut off, changed or
    /// missing, or a vector that is not finite or not of length 1; each names the file, what was expected and received.
    pub fn open(dir: &Path) -> Result<Catalog> {
        // A link is followed once: one that is swapped while we read would give a part of each catalogue.
        let root = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.into());
        let manifest = read_manifest(&root)?;
        let embeddings = read_file(&root, EMBEDDINGS, &manifest)?;
        let vectors = parse_vectors(&root.join(EMBEDDINGS), &embeddings, &manifest)?;
        let rows: Vec<Row> = read_json_lines(&root.join(ITEMS), &read_file(&root, ITEMS, &manifest)?)?;
        equal(&root.join(ITEMS), "the number of lines", manifest.count, rows.len())?;
        let groups = group(&rows);
        equal(&root.join(ITEMS), "the number of items", manifest.items, groups.len())?;
        for row in &rows {
            let path = root.join(thumbnail_path(&row.sha256));
            if !path.is_file() {
                return Err(CoreError::Missing { path, kind: "thumbnail", hint: REBUILD.into() }.into());
            }
        }
        Ok(Catalog { root, manifest, rows, vectors, groups })
    }
}

const REBUILD: &str = ": `goodtwin catalog build` makes the catalogue anew";

/// What was meant by a folder that holds catalogues: the current one, or else any.
fn catalog_below(dir: &Path) -> Option<PathBuf> {
    let current = dir.join(CURRENT);
    let others = std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    std::iter::once(current).chain(others).find(|folder| folder.join(MANIFEST).is_file())
}

fn read_manifest(dir: &Path) -> Result<CatalogManifest> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let path = dir.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => CoreError::Missing {
            path: dir.into(),
            kind: "catalogue",
            hint: match catalog_below(dir) {
                Some(below) => format!(": expected a folder with {MANIFEST}; did you mean `{}`?", below.display()),
                None => format!(
                    ": expected a folder with {MANIFEST}; `goodtwin catalog build` makes one, --catalog names another"
                ),
            },
        },
        _ => CoreError::disk(&path, "read the catalogue", e),
    })?;
    let wrong = |e| CoreError::data(&path, format!("not a catalogue's manifest: {e}"));
    let version: Version = serde_json::from_slice(&bytes).map_err(wrong)?;
    if version.format != FORMAT {
        let received = version.format;
        let what = format!("the format does not match: expected {FORMAT}, received {received}{REBUILD}");
        return Err(CoreError::data(path, what).into());
    }
    let manifest: CatalogManifest = serde_json::from_slice(&bytes).map_err(wrong)?;
    equal(&path, "id", manifest.work_out_id(), &manifest.id)?;
    Ok(manifest)
}

/// Read a file whole and hold it against the manifest, the size first: it says most plainly that a file was cut off.
fn read_file(dir: &Path, name: &str, manifest: &CatalogManifest) -> Result<Vec<u8>> {
    let path = dir.join(name);
    let FileEntry { bytes: size, sha256 } = manifest.files.get(name).ok_or_else(|| {
        let what = format!("`files` does not list {name}: expected its bytes and sha256");
        CoreError::data(dir.join(MANIFEST), what)
    })?;
    let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "part of the catalogue", e))?;
    equal(&path, "the size", format!("{size} bytes"), format!("{} bytes", bytes.len()))?;
    equal(&path, "the SHA-256", sha256, ContentId::of(&bytes))?;
    Ok(bytes)
}

fn parse_vectors(path: &Path, bytes: &[u8], manifest: &CatalogManifest) -> Result<Vec<f32>> {
    let wrong = |e| CoreError::data(path, format!("not a safetensors file of a catalogue: {e}"));
    let tensors = SafeTensors::deserialize(bytes).map_err(wrong)?;
    let values = |name: &str, length: usize| -> Result<Vec<f32>> {
        let tensor = tensors.tensor(name).map_err(wrong)?;
        let shape = |dtype: Dtype, shape: &[usize]| format!("{dtype} {shape:?}");
        let expected = shape(Dtype::F32, &[manifest.count, length]);
        equal(path, &format!("type and shape of `{name}`"), expected, shape(tensor.dtype(), tensor.shape()))?;
        let values: Vec<f32> =
            tensor.data().as_chunks().0.iter().map(|four: &[u8; 4]| f32::from_le_bytes(*four)).collect();
        for (n, row) in values.chunks_exact(length.max(1)).enumerate() {
            check_unit(row, length).map_err(|what| CoreError::data(path, format!("row {n} of `{name}` {what}")))?;
        }
        Ok(values)
    };
    let (embeddings, colours) = (values(TENSOR, manifest.dim)?, values(COLOURS, colour::LEN)?);
    let rows = embeddings.chunks_exact(manifest.dim.max(1)).zip(colours.chunks_exact(colour::LEN));
    Ok(rows.flat_map(|(embedding, colour)| embedding.iter().chain(colour).copied()).collect())
}

/// The runs of rows that belong to one item. Writers sort rows by item, and the id covers their order.
fn group(rows: &[Row]) -> Vec<Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|a, b| item_key(a) == item_key(b))
        .map(|chunk| {
            start += chunk.len();
            start - chunk.len()..start
        })
        .collect()
}

fn equal(path: &Path, part: &str, expected: impl ToString, received: impl ToString) -> Result<(), CoreError> {
    let (expected, received) = (expected.to_string(), received.to_string());
    if expected == received {
        return Ok(());
    }
    Err(CoreError::Mismatch { path: path.into(), part: part.into(), expected, received })
}

/// Vectors of a catalogue that a new one may take over, by the picture's hash.
pub(crate) struct Reusable {
    catalog: Option<Catalog>,
    by_picture: HashMap<ContentId, usize>,
}

impl Reusable {
    /// What can be taken over from the catalogue at `current`; nothing if there is none, if it is damaged, or if another
    /// network or another preprocessing made it.
    pub(crate) fn open(current: &Path, encoder: &Encoder) -> Self {
        let nothing = Reusable { catalog: None, by_picture: HashMap::new() };
        if !current.exists() {
            return nothing;
        }
        match CatalogReader::open(current).and_then(|c| c.check_model(encoder).map(|()| c)) {
            Ok(catalog) => {
                let by_picture = catalog.rows.iter().enumerate().map(|(n, row)| (row.sha256.clone(), n)).collect();
                Reusable { catalog: Some(catalog), by_picture }
            }
            Err(e) => {
                tracing::warn!("nothing is taken over from the current catalogue: {e}");
                nothing
            }
        }
    }

    /// Embedding and colours of a picture, if they are known.
    pub(crate) fn look(&self, picture: &ContentId) -> Option<Look<'_>> {
        let catalog = self.catalog.as_ref()?;
        self.by_picture.get(picture).map(|&n| catalog.look(n))
    }

    /// The file of a picture's thumbnail, if it is known, was made in the same way and is whole.
    pub(crate) fn thumbnail(&self, picture: &ContentId, made: Thumbnails) -> Option<PathBuf> {
        let catalog = self.catalog.as_ref().filter(|c| c.manifest.thumbnails == made)?;
        let file = self.by_picture.contains_key(picture).then(|| catalog.thumbnail(picture))?;
        complete::check(Format::Jpeg, &std::fs::read(&file).ok()?).is_ok().then_some(file)
    }
}
