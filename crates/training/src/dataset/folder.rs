//! The two layouts of a folder of pictures.
//!
//! With `metadata.jsonl` (Hugging Face's image folder), one line a picture; or one sub-folder a class (ImageFolder). Either
//! may lie below folders called `train`, `validation` and `test`, with no other folder of pictures beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use goodtwin_core::config::misspelt;
use goodtwin_core::dataset::read_json_lines;
use goodtwin_core::terminal::note;
use goodtwin_core::{BagType, ContentId, Error as CoreError, Item, Split};
use goodtwin_imaging::Format;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::gather::{Candidate, NO_PICTURE};
use super::{Error, Result};

/// What a folder names.
#[derive(Default)]
pub(super) struct Folder {
    pub candidates: Vec<Candidate>,
    /// The hashes of the metadata files, by name.
    pub metadata: BTreeMap<String, ContentId>,
    /// Classes that a sub-folder names, and where.
    classes: BTreeMap<BagType, PathBuf>,
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
    #[serde(default, alias = "license", deserialize_with = "text")]
    licence: Option<String>,
    #[serde(default, deserialize_with = "split")]
    split: Option<Split>,
    /// The shop's offer, as our own data sets have it; of another program's file, whatever goes by that name.
    #[serde(default)]
    item: Option<Value>,
}

/// The keys of [`Line`] that people write: no `item`, or columns of others such as `item_id` were taken for it.
const KEYS: [&str; 12] = [
    "file_name",
    "bag_type",
    "label",
    "family",
    "brand",
    "title",
    "colour",
    "background",
    "source",
    "licence",
    "license",
    "split",
];

/// A key that is none, but is much like one that its line lacks.
#[derive(Debug, PartialEq)]
struct Misspelt {
    key: String,
    meant: &'static str,
    lines: usize,
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misspelt { key, meant, lines } = self;
        let plural = if *lines == 1 { "" } else { "s" };
        write!(f, "unknown key `{key}` in {lines} line{plural}, which is not used; did you mean `{meant}`?")
    }
}

fn misspelt_keys(lines: &[BTreeMap<String, IgnoredAny>]) -> Vec<Misspelt> {
    let mut counts: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for line in lines {
        let is_told = |key: &str| match key {
            "bag_type" | "label" => line.contains_key("bag_type") || line.contains_key("label"),
            key => line.contains_key(key),
        };
        for key in line.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            if let Some(meant) = misspelt(key, KEYS).filter(|meant| !is_told(meant)) {
                *counts.entry((key, meant)).or_default() += 1;
            }
        }
    }
    let found = counts.into_iter();
    found.map(|((key, meant), lines)| Misspelt { key: key.into(), meant, lines }).collect()
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
    if let Some((deeper, classes)) = one_too_high(&folder.classes)? {
        note(format_args!(
            "{}: one class, whose pictures lie in folders of their own ({classes}): if those are the classes, import {}",
            dir.display(),
            deeper.display()
        ));
    }
    let given: BTreeSet<&BagType> = folder.candidates.iter().filter_map(|c| c.bag_type.as_ref()).collect();
    match folder.classes.iter().find(|(class, _)| !given.contains(class)) {
        Some((class, path)) => {
            Err(Error::EmptyClass { path: path.clone(), class: class.clone(), left_out: NO_PICTURE.into() })
        }
        None => Ok(folder),
    }
}

/// `prefix` is empty or ends with a slash.
fn add(dir: &Path, prefix: &str, split: Option<Split>, folder: &mut Folder) -> Result<()> {
    if dir.join("metadata.jsonl").exists() {
        return add_lines(dir, prefix, split, folder);
    }
    let (classes, beside): (Vec<_>, Vec<_>) = list(dir)?.into_iter().partition(|(_, path)| path.is_dir());
    if classes.is_empty() {
        return Err(Error::NoLayout { path: dir.into() });
    }
    if split.is_none() && classes.iter().any(|(name, _)| as_split(name).is_some()) {
        return add_splits(dir, prefix, &classes, folder);
    }
    // Beside the classes' folders: of no class, and so left out, but not without a word.
    for (name, path) in beside {
        let loose = Candidate { name: format!("{prefix}{name}"), path: Some(path), split, ..Candidate::default() };
        if is_meant_as_picture(&loose) {
            folder.candidates.push(loose);
        }
    }
    for (name, path) in classes {
        let bag_type = BagType::new(&name);
        let class = Candidate { bag_type: Some(bag_type.clone()), split, ..Candidate::default() };
        add_files(&path, &format!("{prefix}{name}/"), &class, folder)?;
        folder.classes.insert(bag_type, path);
    }
    Ok(())
}

/// The only class's folder, and its sub-folders by name, where no picture lies beside them: somebody may have meant it.
fn one_too_high(classes: &BTreeMap<BagType, PathBuf>) -> Result<Option<(&PathBuf, String)>> {
    let (1, Some(only)) = (classes.len(), classes.values().next()) else { return Ok(None) };
    let (folders, files): (Vec<_>, Vec<_>) = list(only)?.into_iter().partition(|(_, path)| path.is_dir());
    let names: Vec<String> = folders.into_iter().map(|(name, _)| name).collect();
    Ok((names.len() > 1 && files.is_empty()).then(|| (only, names.join(", "))))
}

fn as_split(name: &str) -> Option<Split> {
    name.parse().ok()
}

/// What an archive or its author put beside the splits is passed over; pictures there would be lost without a word.
fn add_splits(dir: &Path, prefix: &str, sub_folders: &[(String, PathBuf)], folder: &mut Folder) -> Result<()> {
    let mut odd = Vec::new();
    for (name, path) in sub_folders {
        if as_split(name).is_none() && holds_pictures(path)? {
            odd.push(format!("`{name}`"));
        }
    }
    if !odd.is_empty() {
        return Err(Error::Mixed { path: dir.into(), odd: odd.join(", ") });
    }
    for (name, path) in sub_folders {
        if let Some(split) = as_split(name) {
            add(path, &format!("{prefix}{name}/"), Some(split), folder)?;
        }
    }
    Ok(())
}

fn holds_pictures(dir: &Path) -> Result<bool> {
    let mut folder = Folder::default();
    add_files(dir, "", &Candidate::default(), &mut folder)?;
    Ok(folder.candidates.iter().filter_map(|c| c.path.as_ref()).any(|path| is_picture(path)))
}

/// One that is cut off or an error page was meant as one all the same; notes and annotations beside the classes were not.
pub(super) fn is_meant_as_picture(file: &Candidate) -> bool {
    let name = file.name.to_ascii_lowercase();
    [".jpg", ".jpeg", ".png", ".webp", ".gif"].iter().any(|end| name.ends_with(end))
        || file.path.as_ref().is_some_and(|path| is_picture(path))
}

/// By its first bytes, as everywhere; a file that cannot be read cannot be imported either.
fn is_picture(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = path.is_file() && File::open(path).is_ok_and(|f| f.take(16).read_to_end(&mut start).is_ok());
    read && Format::of(&start).is_ok()
}

fn add_lines(dir: &Path, prefix: &str, split: Option<Split>, folder: &mut Folder) -> Result<()> {
    let path = dir.join("metadata.jsonl");
    let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "metadata", e))?;
    folder.metadata.insert(format!("{prefix}metadata.jsonl"), ContentId::of(&bytes));
    // Before an error that a line lacks a key: this says how it is spelt there.
    for one in misspelt_keys(&read_json_lines(&path, &bytes)?) {
        note(format_args!("{}: {one}", path.display()));
    }
    // Without their offers a conventional shop's bags would go into a catalogue, and all others would lose price and shop.
    let is_ours = dir.join("dataset.json").exists();
    for (number, line) in read_json_lines::<Line>(&path, &bytes)?.into_iter().enumerate() {
        let item = line.item.filter(|_| is_ours).map(serde_json::from_value::<Item>).transpose();
        let item = item.map_err(|e| CoreError::data(&path, format!("line {}: `item` is no offer: {e}", number + 1)))?;
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
            licence: line.licence,
            item,
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

/// Names and paths, sorted; hidden ones, and the folder that macOS puts into archives, are left alone.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |e| CoreError::disk(dir, "list the folder", e);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && name != "__MACOSX" {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_nearly_one_is_named_and_columns_of_others_are_not() {
        let text = r#"{"file_name": "1.png", "bag_typ": "tote", "color": "red", "width": 3, "price": 9, "style": "s", "rating": 4}
            {"filename": "2.png", "bag_typ": "tote", "label": "tote", "brand": "Able", "brand_url": "u", "license": "l"}
            {"file_name": "3.png", "bag_typ": "tote", "item": {"id": 3}, "item_id": 3, "items": 1, "sha256": "0", "height": 2, "image": "i", "text": "t"}"#;
        let found = misspelt_keys(&read_json_lines(Path::new("m"), text.as_bytes()).unwrap());
        let named = |key: &str, meant, lines| Misspelt { key: key.into(), meant, lines };
        let expected =
            [named("bag_typ", "bag_type", 2), named("color", "colour", 1), named("filename", "file_name", 1)];
        assert_eq!(found, expected);
        assert!(found[0].to_string().starts_with("unknown key `bag_typ` in 2 lines"), "{}", found[0]);
    }
}
