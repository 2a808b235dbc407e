//! What a crawl left for the data set: its items and where their pictures lie.

use std::path::{Path, PathBuf};

use goodtwin_core::{ContentId, Item};

use crate::{Journal, Result};

/// The items of a crawl that are fit to use.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The SHA-256 of the items' JSON lines. It holds no time of day: the same shops give the same id.
    pub id: ContentId,
    /// Those in state `ok`, sorted by id.
    pub items: Vec<Item>,
    /// Where [`goodtwin_core::ItemImage::file_name`] is found.
    pub images_dir: PathBuf,
}

impl Manifest {
    /// Read the journal of a crawl, `OUT/crawl.sqlite`; the pictures lie beside it in `OUT/images`.
    ///
    /// # Errors
    /// Exit 65 where there is no such file, or it is not a journal of this version.
    pub fn read(journal_path: &Path) -> Result<Self> {
        if !journal_path.is_file() {
            return Err(goodtwin_core::Error::Missing {
                path: journal_path.into(),
                kind: "crawl journal",
                hint: ": `goodtwin scrape` makes one".into(),
            }
            .into());
        }
        let items = Journal::open(journal_path)?.ok_items()?;
        let id = ContentId::of(goodtwin_core::dataset::to_json_lines(&items));
        Ok(Manifest { id, items, images_dir: journal_path.with_file_name("images") })
    }
}
