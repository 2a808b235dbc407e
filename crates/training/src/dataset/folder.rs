//! The two layouts of a folder of pictures.
//!
//! With `metadata.jsonl` (Hugging Face's image folder), one line a picture; or one sub-folder a class (ImageFolder). Either
//! may lie below folders called `train`, `validation` and `test`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use goodtwin_core::dataset::read_json_lines;
use goodtwin_core::{BagType, ContentId, Error as CoreError, Split};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::gather::Candidate;
use super::{Error, Result};

/// What a folder names.
#[derive(Default)]
pub(super) struct Folder {
    pub candidates: Vec<Candidate>,
    /// The hashes of the metadata files, by name.
    pub metadata: BTreeMap<String, ContentId>,
}

/// One line of `metadata.jsonl`. Unknown columns are ignored: the file may serve other programs too.
#[derive(Deserialize)]
struct Line {
    file_name: String,
    #[serde(default, deserialize_with = "text")]
    bag_type: Option<String>,
    #[serde(default, deserialize_with = "text")]
    label: Option<String>,
    #[serde(default, deserialize_with = "text")]
    family: Option<String>,
    #[serde(default, deserialize_with = "text")]
    brand: Option<String>,
    #[serde(default, deserialize_with = "text")]
    title: Option<String>,
    #[serde(default, deserialize_with = "text")]
    colour: Option<String>,
    #[serde(default, deserialize_with = "text")]
    background: Option<String>,
    #[serde(default, deserialize_with = "text")]
    source: Option<String>,
    #[serde(default, deserialize_with = "split")]
    split: Option<Split>,
}

/// Families and labels are often numbers; nothing and an empty text are the same.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_string()).filter(|t| !t.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(serde::de::Error::custom(format!("expected text, received {other}"))),
    }
}

fn split<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Split>, D::Error> {
    text(from)?.map(|name| name.parse().map_err(serde::de::Error::custom)).transpose()
}

/// Name every picture of a folder.
pub(super) fn read(dir: &Path) -> Result<Folder> {
    if !dir.is_dir() {
        return Err(CoreError::Missing { path: dir.into(), kind: "folder of pictures", hint: String::new() }.into());
    }
    let mut folder = Folder::default();
    add(dir, "", None, &mut folder)?;
    Ok(folder)
}

/// `prefix` is empty or ends with a slash.
fn add(dir: &Path, prefix: &str, split: Option<Split>, folder: &mut Folder) -> Result<()> {
    if dir.join("metadata.jsonl").exists() {
        return add_lines(dir, prefix, split, folder);
    }
    let classes: Vec<(String, PathBuf)> = list(dir)?.into_iter().filter(|(_, path)| path.is_dir()).collect();
    if classes.is_empty() {
        return Err(Error::NoLayout { path: dir.into() });
    }
    let splits: Option<Vec<Split>> = classes.iter().map(|(name, _)| name.parse().ok()).collect();
    if let (Some(splits), None) = (splits, split) {
        for ((name, path), split) in classes.into_iter().zip(splits) {
            add(&path, &format!("{prefix}{name}/"), Some(split), folder)?;
        }
        return Ok(());
    }
    for (name, path) in classes {
        let class = Candidate { bag_type: Some(BagType::new(&name)), split, ..Candidate::default() };
        add_files(&path, &format!("{prefix}{name}/"), &class, folder)?;
    }
    Ok(())
}

fn add_lines(dir: &Path, prefix: &str, split: Option<Split>, folder: &mut Folder) -> Result<()> {
    let path = dir.join("metadata.jsonl");
    let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "metadata", e))?;
    folder.metadata.insert(format!("{prefix}metadata.jsonl"), ContentId::of(&bytes));
    for line in read_json_lines::<Line>(&path, &bytes)? {
        let inside =
            Path::new(&line.file_name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        folder.candidates.push(Candidate {
            name: format!("{prefix}{}", line.file_name),
            path: inside.then(|| dir.join(&line.file_name)),
            sha256: None,
            bag_type: line.bag_type.or(line.label).map(|label| BagType::new(&label)),
            split: line.split.or(split),
            family: line.family,
            background: line.background,
            colour: line.colour,
            brand: line.brand,
            title: line.title,
            source: line.source,
            item: None,
        });
    }
    Ok(())
}

fn add_files(dir: &Path, prefix: &str, class: &Candidate, folder: &mut Folder) -> Result<()> {
    for (name, path) in list(dir)? {
        // A link to a folder is not followed: it may lead back up.
        if path.is_dir() && !path.is_symlink() {
            add_files(&path, &format!("{prefix}{name}/"), class, folder)?;
        } else {
            folder.candidates.push(Candidate { name: format!("{prefix}{name}"), path: Some(path), ..class.clone() });
        }
    }
    Ok(())
}

/// Names and paths, sorted; hidden ones are left alone.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |e| CoreError::disk(dir, "list the folder", e);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}
