//! What a crawl left for the data set: its items and where their pictures lie.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::{ContentId, Item};

use crate::journal::CutOff;
use crate::journal::duplicates::Source;
use crate::{QuietJournal, Result};

/// The items of a crawl that are fit to use.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The SHA-256 of the items' JSON lines. It holds no time of day: the same shops give the same id.
    pub id: ContentId,
    /// What the stores gave in their last runs without drift, sorted by id.
    pub items: Vec<Item>,
    /// Of items that the shop offers under other ids too, with the same pictures: where else they come from, by id.
    pub sources: BTreeMap<String, Vec<Source>>,
    /// The last run, if it did not come to its end, so that items may be missing.
    pub cut_off: Option<CutOff>,
    /// Where [`goodtwin_core::ItemImage::file_name`] is found.
    pub images_dir: PathBuf,
}

impl Manifest {
    /// Read the journal of a crawl, `OUT/crawl.sqlite`; the pictures lie beside it in `OUT/images`.
    ///
    /// # Errors
    /// Exit 65 where there is no such file, or it is not a journal of this version; exit 75, with the name of the process,
    /// while a run writes to it.
    pub fn read(journal_path: &Path) -> Result<Self> {
        let journal = QuietJournal::open(journal_path)?;
        let (items, sources, cut_off) = (journal.ok_items()?, journal.sources()?, journal.cut_off()?);
        let id = ContentId::of(goodtwin_core::dataset::to_json_lines(&items));
        Ok(Manifest { id, items, sources, cut_off, images_dir: journal_path.with_file_name("images") })
    }
}

#[cfg(test)]
mod tests {
    use goodtwin_core::{ContentId, RunLock};
    use jiff::Timestamp;

    use super::*;
    use crate::Journal;
    use crate::run::LOCK;

    #[test]
    fn a_journal_is_read_without_a_trace_and_not_while_a_run_writes_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl #1?.sqlite");
        let mut journal = Journal::open(&path).unwrap();
        let run = journal.begin_run(&ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        // What a killed run left beside the file is read, too.
        let killed = Manifest::read(&path).unwrap();
        assert!(killed.items.is_empty() && killed.cut_off.is_some());
        journal.finish_run(run, Timestamp::UNIX_EPOCH).unwrap();
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        let whole = Manifest::read(&path).unwrap();
        assert!(whole.items.is_empty() && whole.cut_off.is_none());
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let files = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(files, 1, "no file was made beside it");

        let lock = RunLock::take(&dir.path().join(LOCK)).unwrap();
        let error = Manifest::read(&path).unwrap_err();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(lock);
        Manifest::read(&path).unwrap();
    }

    #[test]
    fn an_empty_file_is_no_journal_and_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.sqlite");
        std::fs::write(&path, "").unwrap();
        assert_eq!(Manifest::read(&path).unwrap_err().exit_code(), 65);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
