//! One run at a time in one output folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::{Error, Result};

/// Held for as long as a run goes on. The system lets go of it when the process ends, however it ends.
pub struct RunLock(File);

impl RunLock {
    /// Keep runs away while something is read, and leave other readers be. There is nothing to hold where no run ever was.
    ///
    /// # Errors
    /// [`Error::Locked`] (exit 75) at once if a run is at work; exit 74 where the disk refuses.
    pub fn share(path: &Path) -> Result<Option<Self>> {
        match File::open(path) {
            Ok(file) => lock(file, path, FlockOperation::NonBlockingLockShared).map(Some),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::disk(path, "take the lock", e)),
        }
    }

    /// Take the lock, or say who has it.
    ///
    /// # Errors
    /// [`Error::Locked`] (exit 75) at once if another run holds it; exit 74 where the disk refuses.
    pub fn take(path: &Path) -> Result<Self> {
        let disk = |e| Error::create(path, "take the lock", e);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(disk)?;
        let mut lock = lock(file, path, FlockOperation::NonBlockingLockExclusive)?;
        lock.0.set_len(0).and_then(|()| lock.0.rewind()).map_err(disk)?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        writeln!(lock.0, "process {} on {host}", std::process::id()).map_err(disk)?;
        Ok(lock)
    }
}

fn lock(mut file: File, path: &Path, how: FlockOperation) -> Result<RunLock> {
    match flock(&file, how) {
        Ok(()) => Ok(RunLock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = Read::by_ref(&mut file).take(400).read_to_string(&mut holder);
            let holder = if holder.is_empty() { "unknown".into() } else { holder.trim().into() };
            Err(Error::Locked { path: path.into(), holder })
        }
        Err(e) => Err(Error::disk(path, "take the lock", e.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.lock");
        let first = RunLock::take(&path).unwrap();
        let error = RunLock::take(&path).err().unwrap();
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        let error = RunLock::share(&path).err().unwrap();
        assert_eq!(error.exit_code(), 75);
        drop(first);
        let readers = (RunLock::share(&path).unwrap(), RunLock::share(&path).unwrap());
        assert_eq!(RunLock::take(&path).err().unwrap().exit_code(), 75);
        drop(readers);
        RunLock::take(&path).unwrap();
    }
}
