//! The data set: an image folder in the Hugging Face convention.
//!
//! ```text
//! DATASET/
//!   dataset.json     what it is: its content id, its parents' ids, its classes, what was left out and why
//!   metadata.jsonl   one Row a line, in order of file_name, then of the offer's id
//!   images/ab/ab….jpg  the original bytes, under their SHA-256
//! ```
//! The id of a data set is the SHA-256 of `metadata.jsonl`; since each row names the SHA-256 of its picture, it covers
//! every byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::atomic::StagedDir;
use crate::{BagType, ContentId, Error, Item, ItemId, Result};

const FORMAT: u32 = 1;

/// Which part of the data a row belongs to. All rows of a family are in one split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trained on.
    Train,
    /// Chooses the epoch.
    Validation,
    /// Measured once, at the end.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        })
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "train" => Ok(Split::Train),
            "validation" | "val" | "valid" => Ok(Split::Validation),
            "test" => Ok(Split::Test),
            _ => Err(format!("`{text}` is not a split: expected train, validation or test")),
        }
    }
}

/// One picture, and all that is known of it. A picture that several offers show has a row for each, with one `file_name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Path of the picture below the data set's folder.
    pub file_name: String,
    /// SHA-256 of the picture's bytes.
    pub sha256: ContentId,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// The class.
    pub bag_type: BagType,
    /// Which split.
    pub split: Split,
    /// The same model in other colours or views; none where there is only one.
    pub family: Option<String>,
    /// `plain`, `scene`, ... where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// The colour's name, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// The brand, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// The title, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The public collection or the file that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The licence that its maker gives it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The shop's offer, when the picture was scraped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

impl Row {
    /// A conventional store's offer: it is asked about, and neither trained on nor offered.
    pub fn is_for_evaluation(&self) -> bool {
        self.item.as_ref().is_some_and(|item| item.evaluation_only)
    }

    /// A picture of `[width, height]` pixels of which nothing else is known.
    pub fn new(
        file_name: String,
        sha256: ContentId,
        [width, height]: [u32; 2],
        bag_type: BagType,
        split: Split,
    ) -> Row {
        Row {
            file_name,
            sha256,
            width,
            height,
            bag_type,
            split,
            family: None,
            background: None,
            colour: None,
            brand: None,
            title: None,
            source: None,
            licence: None,
            item: None,
        }
    }
}

/// A picture that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LeftOut {
    /// The file, as the source named it.
    pub file_name: String,
    /// The cause in one word, such as `truncated` or `not-an-image`; the same words as the scraper's.
    pub cause: String,
    /// The cause for a person.
    pub detail: String,
}

/// `dataset.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// The version of this layout.
    pub format: u32,
    /// The SHA-256 of `metadata.jsonl`.
    pub id: ContentId,
    /// What it was made from, by name: the id of a crawl or of an imported folder.
    pub parents: BTreeMap<String, ContentId>,
    /// How rows were split, for a person: fractions and seed.
    pub split: String,
    /// Rows a class and split.
    pub counts: BTreeMap<BagType, BTreeMap<Split, usize>>,
    /// What was left out.
    pub left_out: Vec<LeftOut>,
}

/// A data set in memory: its rows, not its pixels.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its folder.
    pub root: PathBuf,
    /// What `dataset.json` says.
    pub manifest: DatasetManifest,
    /// One a picture and offer, in order of `file_name`, then of the offer's id.
    pub rows: Vec<Row>,
}

impl Dataset {
    /// The data set's content id.
    pub fn id(&self) -> &ContentId {
        &self.manifest.id
    }

    /// The classes, sorted. Their order is the order of the softmax.
    pub fn classes(&self) -> Vec<BagType> {
        self.rows.iter().map(|r| r.bag_type.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The picture of a row.
    pub fn path(&self, row: &Row) -> PathBuf {
        self.root.join(&row.file_name)
    }

    /// The picture's bytes.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when they are not the bytes that the row names.
    pub fn read(&self, row: &Row) -> Result<Vec<u8>> {
        let path = self.path(row);
        let bytes = std::fs::read(&path).map_err(|e| Error::read(&path, "picture", e))?;
        let received = ContentId::of(&bytes);
        if received != row.sha256 {
            return Err(Error::Mismatch {
                path,
                part: "the SHA-256 of the picture".into(),
                expected: row.sha256.to_string(),
                received: received.to_string(),
            });
        }
        Ok(bytes)
    }
}

/// Reads a data set and refuses one that is not what its manifest says.
pub struct DatasetReader;

impl DatasetReader {
    /// Read `dataset.json` and `metadata.jsonl` of a folder.
    ///
    /// # Errors
    /// Exit 65 for a folder that is no data set, an empty one, a row that cannot be read, or rows that are not those of
    /// the manifest.
    pub fn open(root: &Path) -> Result<Dataset> {
        let path = root.join("dataset.json");
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Error::Missing {
                path: root.into(),
                kind: "data set",
                hint: ": expected a folder with dataset.json; `goodtwin dataset build` or `goodtwin dataset import` makes one".into(),
            },
            _ => Error::read(&path, "manifest", e),
        })?;
        let manifest: DatasetManifest =
            serde_json::from_str(&text).map_err(|e| Error::data(&path, format!("not a data set's manifest: {e}")))?;
        if manifest.format != FORMAT {
            return Err(Error::Mismatch {
                path,
                part: "format".into(),
                expected: FORMAT.to_string(),
                received: manifest.format.to_string(),
            });
        }
        let path = root.join("metadata.jsonl");
        let bytes = std::fs::read(&path).map_err(|e| Error::read(&path, "metadata", e))?;
        let received = ContentId::of(&bytes);
        if received != manifest.id {
            return Err(Error::Mismatch {
                path,
                part: "the SHA-256 of the rows".into(),
                expected: manifest.id.to_string(),
                received: received.to_string(),
            });
        }
        let rows = read_json_lines(&path, &bytes)?;
        if rows.is_empty() {
            return Err(Error::data(&path, "the data set is empty: expected at least one picture"));
        }
        Ok(Dataset { root: root.into(), manifest, rows })
    }
}

/// Read one JSON value a line; an error names the line.
pub fn read_json_lines<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<Vec<T>> {
    // Some editors begin a file with a byte order mark.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| Error::data(path, format!("not UTF-8: {e}")))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(n, line)| serde_json::from_str(line).map_err(|e| Error::data(path, in_line(n + 1, &e))))
        .collect()
}

/// What is wrong with line `number` of a file of JSON lines, and where. Each line is a text of its own, so that serde's number for
/// it is always 1.
pub fn in_line(number: usize, error: &serde_json::Error) -> String {
    let (at, text) = (format!(" at line {} column {}", error.line(), error.column()), error.to_string());
    format!("line {number}, column {}: {}", error.column(), text.strip_suffix(&at).unwrap_or(&text))
}

/// One JSON value a line.
pub fn to_json_lines<T: Serialize>(values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        serde_json::to_writer(&mut bytes, value).expect("our own types have string keys and serialise");
        bytes.push(b'\n');
    }
    bytes
}

/// What a data set's folder holds, with its card and what describes it to other programs.
const PARTS: [&str; 5] = ["metadata.jsonl", "dataset.json", "images", "README.md", "croissant.json"];

/// Writes a data set: pictures as they come, then the rows, then the folder takes its place at once.
pub struct DatasetWriter {
    staged: StagedDir,
    target: PathBuf,
}

impl DatasetWriter {
    /// Start a data set that will stand at `target`. What stands there stays until [`DatasetWriter::finish`].
    pub fn create(target: &Path) -> Result<Self> {
        if target.exists() && !target.join("dataset.json").exists() && !is_empty_dir(target) {
            return Err(Error::Usage(format!(
                "{}: holds something that is not a data set, which would be replaced; give an empty or a new folder",
                target.display()
            )));
        }
        if let Some(other) = beside_a_data_set(target) {
            return Err(Error::Usage(format!(
                "{}: holds `{other}` beside a data set, which would be removed with it; move that, or give a new folder",
                target.display()
            )));
        }
        Ok(DatasetWriter { staged: StagedDir::new(target)?, target: target.into() })
    }

    /// Keep a picture's original bytes and return its `file_name`.
    pub fn add_image(&self, bytes: &[u8], sha256: &ContentId, extension: &str) -> Result<String> {
        let file_name = format!("images/{}/{sha256}.{extension}", &sha256.as_str()[..2]);
        let path = self.staged.path().join(&file_name);
        if !path.exists() {
            let folder = path.parent().expect("joined from three parts");
            crate::atomic::create_dir(folder)?;
            std::fs::write(&path, bytes).map_err(|e| Error::disk(&path, format!("write {} bytes", bytes.len()), e))?;
        }
        Ok(file_name)
    }

    /// Write rows and manifest, and put the folder in its place.
    pub fn finish(
        self,
        rows: Vec<Row>,
        parents: BTreeMap<String, ContentId>,
        split: String,
        left_out: Vec<LeftOut>,
    ) -> Result<Dataset> {
        self.finish_with(rows, parents, split, left_out, |_, _| Ok(()))
    }

    /// The same, but that `describe` is given the folder before it takes its place: what it writes there comes with it, and where
    /// it fails, what stood there still stands.
    pub fn finish_with<E: From<Error>>(
        self,
        mut rows: Vec<Row>,
        parents: BTreeMap<String, ContentId>,
        split: String,
        mut left_out: Vec<LeftOut>,
        describe: impl FnOnce(&Path, &Dataset) -> Result<(), E>,
    ) -> Result<Dataset, E> {
        rows.sort_by(|a, b| place(a).cmp(&place(b)));
        left_out.sort();
        let mut counts: BTreeMap<BagType, BTreeMap<Split, usize>> = BTreeMap::new();
        for row in &rows {
            *counts.entry(row.bag_type.clone()).or_default().entry(row.split).or_default() += 1;
        }
        let lines = to_json_lines(&rows);
        let manifest = DatasetManifest { format: FORMAT, id: ContentId::of(&lines), parents, split, counts, left_out };
        crate::atomic::write(&self.staged.path().join("metadata.jsonl"), &lines)?;
        let json = serde_json::to_vec_pretty(&manifest).expect("our own types have string keys and serialise");
        crate::atomic::write(&self.staged.path().join("dataset.json"), &json)?;
        let dataset = Dataset { root: self.target, manifest, rows };
        describe(self.staged.path(), &dataset)?;
        self.staged.publish()?;
        Ok(dataset)
    }
}

fn place(row: &Row) -> (&str, Option<&ItemId>) {
    (&row.file_name, row.item.as_ref().map(|item| &item.id))
}

/// The first, by name, of what lies in a folder and is no part of a data set: a run, somebody's notes, the pictures that it was made
/// from.
fn beside_a_data_set(dir: &Path) -> Option<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !PARTS.contains(&name.as_str())).min()
}

fn is_empty_dir(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Availability, Condition};

    fn write(target: &Path) -> Dataset {
        let writer = DatasetWriter::create(target).unwrap();
        let row = add(&writer);
        writer.finish(vec![row], BTreeMap::new(), "all in train".into(), vec![]).unwrap()
    }

    fn add(writer: &DatasetWriter) -> Row {
        let bytes = b"pretend picture";
        let sha256 = ContentId::of(bytes);
        let file_name = writer.add_image(bytes, &sha256, "jpg").unwrap();
        Row::new(file_name, sha256, [1, 1], BagType::new("tote"), Split::Train)
    }

    fn offer(key: &str) -> Item {
        Item {
            evaluation_only: false,
            id: ItemId::new("shop", key),
            store: "shop".into(),
            url: format!("http://shop.test/{key}"),
            title: "The tote".into(),
            brand: "Able".into(),
            bag_type: None,
            family: None,
            colour: None,
            price: None,
            price_text: None,
            condition: Condition::New,
            availability: Availability::InStock,
            rating: None,
            images: vec![],
        }
    }

    #[test]
    fn what_lies_beside_a_data_set_is_not_removed_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("bags");
        write(&target);
        std::fs::write(target.join("README.md"), "its card").unwrap();
        write(&target);
        std::fs::create_dir(target.join("run")).unwrap();
        std::fs::write(target.join("notes.txt"), "mine").unwrap();
        let error = DatasetWriter::create(&target).err().unwrap();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("holds `notes.txt` beside a data set"), "{error}");
        assert!(target.join("notes.txt").exists() && target.join("run").exists());
    }

    #[test]
    fn offers_of_one_picture_are_in_order_of_their_ids() {
        let dir = tempfile::tempdir().unwrap();
        let written = |name: &str, keys: [&str; 3]| {
            let writer = DatasetWriter::create(&dir.path().join(name)).unwrap();
            let rows = keys.map(|key| Row { item: Some(offer(key)), ..add(&writer) }).to_vec();
            writer.finish(rows, BTreeMap::new(), "all in train".into(), vec![]).unwrap()
        };
        let (one, other) = (written("one", ["b", "a", "c"]), written("other", ["c", "b", "a"]));
        assert_eq!(one.id(), other.id());
        let read = DatasetReader::open(&one.root).unwrap();
        let ids: Vec<_> = read.rows.iter().map(|r| r.item.as_ref().unwrap().id.as_str()).collect();
        assert_eq!(ids, ["shop/a", "shop/b", "shop/c"]);
        assert_eq!(std::fs::read_dir(one.path(&one.rows[0]).parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("d");
        let written = write(&target);
        let read = DatasetReader::open(&target).unwrap();
        assert_eq!(read.rows, written.rows);
        assert_eq!(read.manifest, written.manifest);
        assert_eq!(read.read(&read.rows[0]).unwrap(), b"pretend picture");
        write(&target);
    }

    #[test]
    fn a_changed_row_or_picture_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("d");
        let dataset = write(&target);
        std::fs::write(dataset.path(&dataset.rows[0]), b"another picture").unwrap();
        let error = dataset.read(&dataset.rows[0]).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        let metadata = target.join("metadata.jsonl");
        let text = std::fs::read_to_string(&metadata).unwrap().replace("tote", "clutch");
        std::fs::write(&metadata, text).unwrap();
        let error = DatasetReader::open(&target).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("the SHA-256 of the rows does not match: expected"), "{error}");
    }

    #[test]
    fn a_folder_of_something_else_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert_eq!(DatasetWriter::create(dir.path()).err().unwrap().exit_code(), 2);
        let error = DatasetReader::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("no such data set: expected a folder with dataset.json"), "{error}");
    }
}
