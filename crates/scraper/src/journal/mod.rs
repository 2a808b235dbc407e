//! The journal: one SQLite file in which a run writes down what it did before it goes on.
//!
//! Each fetch and each item is one transaction, made durable (`WAL`, `synchronous = FULL`) before the next request
//! leaves. So a run that is killed at any moment goes on where it was: [`Journal::begin_run`] gives it its old number, and
//! pages, pictures and items that carry that number are not asked for again.
//!
//! - [`fetched`]: what was fetched: pages, pictures, robots.txt, with their validators.
//! - [`items`]: what became of each item, and the passes over a whole store.

pub mod fetched;
pub mod items;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goodtwin_core::ContentId;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use url::Url;

use crate::{Error, Result};

const FORMAT: i64 = 1;

/// How long an unfinished run can be gone on with. What it fetched counts as fresh, so it must not be old.
const RESUMABLE: SignedDuration = SignedDuration::from_hours(24);

/// The number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// An open journal.
pub struct Journal {
    path: PathBuf,
    db: Connection,
}

impl Journal {
    /// Open the journal at `path`, and make it if there is none.
    ///
    /// # Errors
    /// Exit 74 where the disk refuses, 65 where the file is something else or of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let db = Connection::open(path).map_err(|e| Error::journal(path, e))?;
        let mut journal = Journal { path: path.into(), db };
        journal.prepare()?;
        Ok(journal)
    }

    /// Open a journal that no run is writing to, and leave everything as it is.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_to_read(path: &Path) -> Result<Self> {
        let failed = |e| Error::journal(path, e);
        let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let db = match std::fs::metadata(log) {
            // A run that was killed left its last writes in the log: SQLite reads them through files of its own.
            Ok(log) if log.len() > 0 => Connection::open_with_flags(path, flags),
            // Else it makes none, and a folder that cannot be written to is as good.
            _ => {
                flags |= OpenFlags::SQLITE_OPEN_URI;
                let whole = std::path::absolute(path).map_err(|e| goodtwin_core::Error::disk(path, "find", e))?;
                let mut address = Url::from_file_path(whole).expect("an absolute path has an address");
                address.set_query(Some("immutable=1"));
                Connection::open_with_flags(address.as_str(), flags)
            }
        };
        let journal = Journal { path: path.into(), db: db.map_err(failed)? };
        journal.check_format()?;
        Ok(journal)
    }

    fn prepare(&mut self) -> Result<()> {
        self.with(|db| {
            db.busy_timeout(Duration::from_secs(5))?;
            db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        })?;
        if self.with(format)? == 0 {
            self.transact(|tx| {
                // Somebody may have made the tables between our look and our lock.
                if format(tx)? == 0 {
                    tx.execute_batch(include_str!("schema.sql"))?;
                    tx.pragma_update(None, "user_version", FORMAT)?;
                }
                Ok(())
            })?;
        }
        self.check_format()
    }

    fn check_format(&self) -> Result<()> {
        match self.with(format)? {
            FORMAT => Ok(()),
            received => Err(Error::JournalFormat { path: self.path.clone(), expected: FORMAT, received }),
        }
    }

    /// The number of the run that starts now: that of the newest one, if it was cut off within a day and had the same config
    /// (its id), or else a new one. An older one is never gone on with: which items a later run saw is told by its number.
    pub fn begin_run(&mut self, config: &ContentId, now: Timestamp) -> Result<RunId> {
        self.transact(|tx| {
            let newest = tx
                .query_row(
                    "SELECT id, started_at, finished_at IS NULL AND config = ?1 FROM runs ORDER BY id DESC LIMIT 1",
                    [config.as_str()],
                    |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, bool>(2)?)),
                )
                .optional()?;
            if let Some((id, started, true)) = newest
                && started.parse::<Timestamp>().is_ok_and(|t| now.duration_since(t) < RESUMABLE)
            {
                return Ok(RunId(id));
            }
            tx.execute("INSERT INTO runs (config, started_at) VALUES (?1, ?2)", [config.as_str(), &now.to_string()])?;
            Ok(RunId(tx.last_insert_rowid()))
        })
    }

    /// The run did all that it could; the next one looks at everything anew.
    pub fn finish_run(&mut self, run: RunId, now: Timestamp) -> Result<()> {
        self.transact(|tx| {
            tx.execute("UPDATE runs SET finished_at = ?2 WHERE id = ?1", params![run.0, now.to_string()]).map(drop)
        })?;
        // One file is easier to carry away than three.
        self.with(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        ask(&self.db).map_err(|e| Error::journal(&self.path, e))
    }

    fn transact<T>(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let journal = |e| Error::journal(&self.path, e);
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(journal)?;
        let value = change(&tx).map_err(journal)?;
        tx.commit().map_err(journal)?;
        Ok(value)
    }
}

fn format(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0))
}

/// The journal as tasks share it: one at a time, off the threads that serve the network, since each write waits for the disk.
#[derive(Clone)]
pub struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    /// Share a journal.
    pub fn new(journal: Journal) -> Self {
        SharedJournal(Arc::new(Mutex::new(journal)))
    }

    /// Do something with the journal on a thread that may block.
    pub async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Journal) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let journal = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            let mut journal =
                journal.lock().map_err(|_| Error::Internal("a task panicked while it held the journal".into()))?;
            act(&mut journal)
        })
        .await
        .map_err(|e| Error::Internal(format!("the journal's task ended: {e}")))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_that_was_cut_off_is_gone_on_with_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.sqlite");
        let mut journal = Journal::open(&path).unwrap();
        let config = ContentId::of("config");
        let first = journal.begin_run(&config, at("2026-01-01T00:00:00Z")).unwrap();
        drop(journal);
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.begin_run(&config, at("2026-01-01T12:00:00Z")).unwrap(), first);
        let other = journal.begin_run(&ContentId::of("another"), at("2026-01-01T12:00:00Z")).unwrap();
        assert_ne!(other, first, "what another config decided may be decided otherwise now");
        let second = journal.begin_run(&config, at("2026-01-03T00:00:00Z")).unwrap();
        assert_ne!(second, first);
        journal.finish_run(second, at("2026-01-03T00:01:00Z")).unwrap();
        // The first was never finished, but it is too old to be gone on with.
        assert!(journal.begin_run(&config, at("2026-01-03T00:02:00Z")).unwrap() > second);
    }

    #[test]
    fn a_run_that_another_one_came_after_is_not_gone_on_with() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let (one_store, all_stores) = (ContentId::of("one"), ContentId::of("all"));
        let now = at("2026-01-01T00:00:00Z");
        let stopped = journal.begin_run(&one_store, now).unwrap();
        let whole = journal.begin_run(&all_stores, now).unwrap();
        journal.finish_run(whole, now).unwrap();
        let again = journal.begin_run(&one_store, now).unwrap();
        assert!(again > whole && whole > stopped, "{again:?} {whole:?} {stopped:?}");
        assert_eq!(journal.begin_run(&one_store, now).unwrap(), again);
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.sqlite");
        std::fs::write(&path, "these are my notes, and no database at all, as anybody can see").unwrap();
        assert_eq!(Journal::open(&path).err().unwrap().exit_code(), 65);
        let path = dir.path().join("later.sqlite");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "user_version", 7).unwrap();
        drop(db);
        let error = Journal::open(&path).err().unwrap();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("format 7, expected 1"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_disk_failure() {
        assert_eq!(Journal::open(Path::new("/nowhere/crawl.sqlite")).err().unwrap().exit_code(), 74);
    }
}
