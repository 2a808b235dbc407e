//! One run at a time in one output folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use goodtwin_core::{Error, Result};
use rustix::fs::{FlockOperation, flock};

/// Held for as long as a run goes on. The system lets go of it when the process ends, however it ends.
pub struct RunLock(#[allow(dead_code, reason = "dropping the file lets go of the lock")] File);

impl RunLock {
    /// Take the lock, or say who has it.
    ///
    /// # Errors
    /// [`Error::Locked`] (exit 75) at once if another run holds it; exit 74 where the disk refuses.
    pub fn take(path: &Path) -> Result<Self> {
        let disk = |e| Error::disk(path, "take the lock", e);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(disk)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = Read::by_ref(&mut file).take(400).read_to_string(&mut holder);
                let holder = if holder.is_empty() { "unknown".into() } else { holder.trim().into() };
                return Err(Error::Locked { path: path.into(), holder });
            }
            Err(e) => return Err(disk(e.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(disk)?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        writeln!(file, "process {} on {host}", std::process::id()).map_err(disk)?;
        Ok(RunLock(file))
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
        drop(first);
        RunLock::take(&path).unwrap();
    }
}
