//! The journal: one SQLite file in which a run writes down what it did before it goes on.
//!
//! Each fetch and each item is one transaction, made durable (`WAL`, `synchronous = FULL`) before the next request
//! leaves. So a run that is killed at any moment goes on where it was: [`Journal::begin_run`] gives it its old number, and
//! pages, pictures and items that carry that number are not asked for again.
//!
//! - [`ask`]: questions to it.
//! - [`duplicates`]: items of one store that are one item.
//! - [`fetched`]: what was fetched: pages, pictures, robots.txt, with their validators.
//! - [`forecast`]: what earlier runs measured.
//! - [`items`]: what became of each item, and the passes over a whole store.
//! - [`health`]: the end of a store: drift, and what is published.
//! - [`quarantined`]: which pages contradict themselves, and in what.
//! - [`SharedJournal`]: the journal for many tasks at once.

pub mod ask;
pub mod duplicates;
pub mod fetched;
pub mod forecast;
pub mod health;
pub mod items;
pub mod quarantined;
mod shared;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goodtwin_core::{ContentId, atomic};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use url::Url;

use crate::{Error, Result};

pub use shared::SharedJournal;

/// The steps from an empty file to the journal of this version; an older one takes those that it lacks.
const SCHEMA: [&str; 3] = [include_str!("schema.sql"), include_str!("schema-2.sql"), include_str!("schema-3.sql")];

const FORMAT: i64 = SCHEMA.len() as i64;

/// How long an unfinished run can be gone on with. What it fetched counts as fresh, so it must not be old; and a run that a
/// timer starts each day, an hour earlier or later, begins anew each day.
const RESUMABLE: SignedDuration = SignedDuration::from_hours(20);

/// The number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// A run that did not come to its end: what the journal has is a part of what the stores offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended; nothing, if it was killed.
    pub exit_code: Option<u8>,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.exit_code {
            Some(130) => "was interrupted",
            Some(75) => "ended early, since a host asked to be left alone",
            _ => "was cut off",
        };
        write!(f, "the last run, begun {:.0}, {how}: the next `goodtwin scrape` does the rest", self.started_at)
    }
}

/// An open journal.
pub struct Journal {
    path: PathBuf,
    db: Connection,
    group: Option<Group>,
}

/// Writes that become durable together.
#[derive(Default)]
struct Group {
    /// Files that rows of this group tell of lie under this folder, and may not be on the disk yet.
    files_under: Option<PathBuf>,
    /// SQLite gave the whole group up, as it does when the disk is full.
    lost: Option<Error>,
    /// A run ended with it.
    is_last: bool,
}

impl Journal {
    /// Open the journal at `path`, and make it if there is none.
    ///
    /// # Errors
    /// Exit 74 where the disk refuses, 65 where the file is something else or of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let db = Connection::open(path).map_err(|e| Error::journal(path, e))?;
        let mut journal = Journal { path: path.into(), db, group: None };
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
        let journal = Journal { path: path.into(), db: db.map_err(failed)?, group: None };
        journal.check_format()?;
        Ok(journal)
    }

    fn prepare(&mut self) -> Result<()> {
        self.with(|db| {
            db.busy_timeout(Duration::from_secs(5))?;
            db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            db.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
        })?;
        if (0..FORMAT).contains(&self.with(format)?) {
            self.transact(|tx| {
                // Somebody may have made the tables between our look and our lock.
                let done = usize::try_from(format(tx)?).unwrap_or(SCHEMA.len());
                for (step, version) in SCHEMA.iter().zip(1_i64..).skip(done) {
                    tx.execute_batch(step)?;
                    tx.pragma_update(None, "user_version", version)?;
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

    /// The number of a run that asks for some items again. Items that it does not ask for count as it finds them.
    ///
    /// # Errors
    /// Exit 2 while the newest run can be gone on with: it has a queue of its own.
    pub fn begin_retry(&mut self, config: &ContentId, now: Timestamp) -> Result<RunId> {
        let before = self.newest_run()?;
        let run = self.begin_run(config, now)?;
        if Some(run) == before {
            let what = "the last run was cut off: `goodtwin scrape` without --retry goes on with it";
            return Err(goodtwin_core::Error::Usage(what.into()).into());
        }
        Ok(run)
    }

    /// The number of the newest run, if there was any.
    pub fn newest_run(&self) -> Result<Option<RunId>> {
        self.with(|db| db.query_row("SELECT max(id) FROM runs", [], |r| Ok(r.get::<_, Option<i64>>(0)?.map(RunId))))
    }

    /// How a run ended, whether or not it is gone on with.
    pub fn put_exit_code(&mut self, run: RunId, code: u8) -> Result<()> {
        self.transact(|tx| tx.execute("UPDATE runs SET exit_code = ?2 WHERE id = ?1", params![run.0, code]).map(drop))
    }

    /// When the last run ended that ended well: with exit 0.
    pub fn last_success(&self) -> Result<Option<Timestamp>> {
        self.with(|db| {
            db.query_row("SELECT max(finished_at) FROM runs WHERE exit_code = 0", [], |r| {
                let time = r.get::<_, Option<String>>(0)?;
                time.map(|time| time.parse().map_err(|e| fetched::bad_text(0, e))).transpose()
            })
        })
    }

    /// The newest run, if it did not come to its end.
    pub fn cut_off(&self) -> Result<Option<CutOff>> {
        self.with(|db| {
            db.query_row(
                "SELECT started_at, exit_code FROM runs WHERE finished_at IS NULL AND id = (SELECT max(id) FROM runs)",
                [],
                |r| {
                    let started_at = r.get::<_, String>(0)?.parse().map_err(|e| fetched::bad_text(0, e))?;
                    Ok(CutOff { started_at, exit_code: r.get(1)? })
                },
            )
            .optional()
        })
    }

    /// The run did all that it could; the next one looks at everything anew.
    pub fn finish_run(&mut self, run: RunId, now: Timestamp) -> Result<()> {
        self.transact(|tx| {
            tx.execute("UPDATE runs SET finished_at = ?2 WHERE id = ?1", params![run.0, now.to_string()]).map(drop)
        })?;
        match &mut self.group {
            None => self.checkpoint(),
            Some(group) => {
                group.is_last = true;
                Ok(())
            }
        }
    }

    /// One file is easier to carry away than three: SQLite's log becomes part of the journal.
    fn checkpoint(&mut self) -> Result<()> {
        self.with(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        ask(&self.db).map_err(|e| Error::journal(&self.path, e))
    }

    /// All or nothing, and durable when this returns; within a group, when the group ends.
    fn transact<T>(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let was_under_way = !self.db.is_autocommit();
        let done = if self.group.is_some() { self.part(change) } else { self.whole(change) };
        let done = done.map_err(|e| Error::journal(&self.path, e));
        if let Err(error) = &done
            && was_under_way
            && self.db.is_autocommit()
            && let Some(group) = &mut self.group
        {
            group.lost.get_or_insert(error.again());
        }
        done
    }

    fn whole<T>(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let tx = self.db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let value = change(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    fn part<T>(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
        }
        let savepoint = self.db.savepoint()?;
        let value = change(&savepoint)?;
        savepoint.commit()?;
        Ok(value)
    }

    /// From here on, writes become durable together, by [`Journal::end_group`].
    fn begin_group(&mut self) {
        self.group = Some(Group::default());
    }

    /// Make what was written since [`Journal::begin_group`] durable, files before the rows that tell of them.
    fn end_group(&mut self) -> Result<()> {
        let group = self.group.take().unwrap_or_default();
        if let Some(error) = group.lost {
            // What came after the loss is part of the group, too.
            if !self.db.is_autocommit() {
                self.with(|db| db.execute_batch("ROLLBACK"))?;
            }
            return Err(error);
        }
        if self.db.is_autocommit() {
            return Ok(());
        }
        let synced = group.files_under.map_or(Ok(()), |folder| Ok(atomic::sync_all_under(&folder)?));
        let done = synced.and_then(|()| self.with(|db| db.execute_batch("COMMIT")));
        if done.is_err() && !self.db.is_autocommit() {
            self.with(|db| db.execute_batch("ROLLBACK"))?;
        }
        done?;
        if group.is_last { self.checkpoint() } else { Ok(()) }
    }

    /// A row that is written now tells of a file under `folder` that was renamed into place and not synced.
    pub(crate) fn tells_of_files_under(&mut self, folder: &Path) -> Result<()> {
        match &mut self.group {
            Some(group) => group.files_under = Some(folder.into()),
            None => atomic::sync_all_under(folder)?,
        }
        Ok(())
    }
}

fn format(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0))
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
    fn a_run_that_did_not_come_to_its_end_is_told_of_until_another_one_does() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let now = at("2026-01-01T00:00:00.25Z");
        assert_eq!(journal.cut_off().unwrap(), None);
        let run = journal.begin_run(&ContentId::of("config"), now).unwrap();
        assert_eq!(journal.cut_off().unwrap(), Some(CutOff { started_at: now, exit_code: None }));
        journal.put_exit_code(run, 130).unwrap();
        let said = journal.cut_off().unwrap().unwrap().to_string();
        assert!(said.starts_with("the last run, begun 2026-01-01T00:00:00Z, was interrupted: "), "{said}");
        journal.finish_run(run, now).unwrap();
        assert_eq!(journal.cut_off().unwrap(), None);
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
        assert!(error.to_string().contains("format 7, expected 3"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_disk_failure() {
        assert_eq!(Journal::open(Path::new("/nowhere/crawl.sqlite")).err().unwrap().exit_code(), 74);
    }
}
