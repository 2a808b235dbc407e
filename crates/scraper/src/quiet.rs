//! A journal while no run writes to it.

use std::ops::Deref;
use std::path::Path;

use goodtwin_core::RunLock;

use crate::run::LOCK;
use crate::{Journal, Result};

/// A journal that is read; as long as this is kept, no run starts.
pub struct QuietJournal {
    journal: Journal,
    _lock: Option<RunLock>,
}

impl QuietJournal {
    /// Open `OUT/crawl.sqlite`.
    ///
    /// # Errors
    /// Exit 65 where there is no such file, or it is not a journal of this version; exit 75, with the name of the process,
    /// while a run writes to it.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let hint = ": `goodtwin scrape` makes one".into();
            return Err(goodtwin_core::Error::Missing { path: path.into(), kind: "crawl journal", hint }.into());
        }
        let lock = RunLock::share(&path.with_file_name(LOCK))?;
        Ok(QuietJournal { journal: Journal::open_to_read(path)?, _lock: lock })
    }
}

impl Deref for QuietJournal {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        &self.journal
    }
}
