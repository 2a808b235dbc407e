//! A folder of pictures into a data set.

use std::collections::BTreeMap;
use std::path::Path;

use goodtwin_core::{ContentId, Dataset};

use super::gather::{Origin, gather};
use super::{Options, Result, folder};

/// Make a data set at `out` of the pictures below `dir`.
///
/// `dir` holds `metadata.jsonl` (`file_name` and `bag_type` or `label`; `family`, `brand`, `title`, `colour`, `background`,
/// `source`, `split` where they are known), or one sub-folder a class; either may lie below `train/`, `validation/`,
/// `test/`. A split that the source gives is kept, unless the options ask for another. What cannot be used is left out and listed by cause in the manifest.
///
/// # Errors
/// Exit 65 for a folder in no such layout or with classes beside splits, a line that cannot be read, nothing left, a class with
/// no image or one, or a given split that has a family in two parts; 2 for brands that cannot be held out; 74 when the disk
/// refuses.
pub fn import(dir: &Path, out: &Path, options: &Options<'_>) -> Result<Dataset> {
    let folder = folder::read(dir)?;
    let origin = Origin { path: dir, parents: BTreeMap::new(), left_out: Vec::new() };
    gather(folder.candidates, origin, out, options, |hashes| {
        let files: BTreeMap<_, _> = folder.metadata.iter().chain(hashes).collect();
        Some(("folder".into(), ContentId::of_json(&files)))
    })
}
