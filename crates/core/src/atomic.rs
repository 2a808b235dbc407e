//! Files that are whole or not there at all.
//!
//! What is not whole yet is called `.tmp-PID-…`, beside its target, and locked (flock) for as long as its maker lives, in
//! whatever container. A process that is killed leaves it behind without the lock; the next one that writes in the same
//! folder removes it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Error, Result};

/// Write `bytes` to `path`: into a temporary file in the same folder, fsync, rename, fsync the folder.
///
/// The folder is made if it is missing. On any error the file that stood there before still stands.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = filled(path, || format!("write {} bytes", bytes.len()), |file| file.write_all(bytes))?;
    file.publish()?;
    sync_dir(parent(path))
}

/// [`write`] without waiting for the disk: whole or not there for all who look, even after `kill -9`; but after a loss of power
/// only once [`sync_all_under`] was called. For many small files, which would each wait longer than they take.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = filled(path, || format!("write {} bytes", bytes.len()), |file| file.write_all(bytes))?;
    file.rename()
}

/// Make all that was written under this folder durable, and all else on its file system with it, in one go.
pub fn sync_all_under(folder: &Path) -> Result<()> {
    let disk = |e: std::io::Error| Error::disk(folder, "make its files durable", e);
    let _folder = File::open(folder).map_err(disk)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&_folder).map_err(|e| disk(e.into()))?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    Ok(())
}

/// [`write`] for contents that are made on the way, such as a large matrix.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    filled(path, || "write the file".into(), fill)?.publish()?;
    sync_dir(parent(path))
}

/// A temporary file with all its bytes, beside the path that it is for.
struct Filled<'a> {
    file: tempfile::NamedTempFile,
    path: &'a Path,
    action: String,
}

fn filled<'a>(
    path: &'a Path,
    action: impl Fn() -> String,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Filled<'a>> {
    let folder = parent(path);
    create_dir(folder)?;
    remove_stale(folder);
    let mut file = temporary_file(folder).map_err(|e| Error::create(folder, "create a temporary file", e))?;
    let mut buffered = std::io::BufWriter::new(file.as_file_mut());
    let done = fill(&mut buffered).and_then(|()| buffered.flush());
    drop(buffered);
    match done {
        Ok(()) => Ok(Filled { file, path, action: action() }),
        Err(e) => Err(Error::disk(path, action(), e)),
    }
}

impl Filled<'_> {
    fn publish(self) -> Result<()> {
        self.file.as_file().sync_all().map_err(|e| Error::disk(self.path, self.action.clone(), e))?;
        self.rename()
    }

    fn rename(self) -> Result<()> {
        let Filled { file, path, action } = self;
        file.persist(path).map(drop).map_err(|e| Error::create(path, action, e.error))
    }
}

/// See that a file can be made at `path` before the work whose outcome it is for: its folder is made, and nothing is left in it.
pub fn probe(path: &Path) -> Result<()> {
    let action = "write the file";
    if path.is_dir() {
        return Err(Error::create(path, action, std::io::ErrorKind::IsADirectory.into()));
    }
    let folder = parent(path);
    create_dir(folder)?;
    temporary_file(folder).map(drop).map_err(|e| Error::create(path, action, e))
}

/// `mkdir -p`, with the folder named when it fails.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::create(path, "create the folder", e))
}

/// Make the renames and removals in this folder durable.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|d| d.sync_all()).map_err(|e| Error::disk(path, "fsync the folder", e))
}

/// A folder that is filled out of sight and then takes its place with one rename.
///
/// Dropped without [`StagedDir::publish`], it removes itself.
pub struct StagedDir {
    staging: tempfile::TempDir,
    target: PathBuf,
    /// Held until the folder has its name, or is gone.
    _lock: File,
}

impl StagedDir {
    /// Stage a folder beside `target`.
    pub fn new(target: &Path) -> Result<Self> {
        let folder = parent(target);
        create_dir(folder)?;
        remove_stale(folder);
        let made = temporary_dir(folder).map_err(|e| Error::create(folder, "create a temporary folder", e))?;
        Ok(StagedDir { staging: made.0, target: target.into(), _lock: made.1 })
    }

    /// Where to put the files.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// [`StagedDir::publish`] under a name that is known only now that the contents are: `target` is in the same folder.
    pub fn publish_as(mut self, target: &Path) -> Result<()> {
        self.target = target.into();
        self.publish()
    }

    /// Take the place of the target in one rename; a folder that stood there is exchanged with ours, then removed.
    pub fn publish(self) -> Result<()> {
        if !self.target.exists() {
            return self.publish_new();
        }
        self.sync()?;
        exchange(self.staging.path(), &self.target).map_err(|e| self.refused(e))?;
        sync_dir(parent(&self.target))?;
        let target = self.target;
        match self.staging.close() {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::disk(target, "remove the old folder", e)),
            _ => Ok(()),
        }
    }

    /// [`StagedDir::publish`] where nothing may be replaced: a folder with something in it stays, and ours is removed.
    pub fn publish_new(self) -> Result<()> {
        self.sync()?;
        fs::rename(self.staging.path(), &self.target).map_err(|e| self.refused(e))?;
        let _ = self.staging.keep(); // it is no longer there to be removed
        sync_dir(parent(&self.target))
    }

    fn sync(&self) -> Result<()> {
        for entry in walk(self.staging.path())? {
            File::open(&entry).and_then(|f| f.sync_all()).map_err(|e| Error::disk(&entry, "fsync", e))?;
        }
        Ok(())
    }

    fn refused(&self, e: std::io::Error) -> Error {
        Error::create(&self.target, "move the folder into place", e)
    }
}

/// Swap two folders in one step where the system can (Linux), or with two renames, between which a crash leaves the old
/// folder under a temporary name.
fn exchange(a: &Path, b: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {} // this file system cannot: by hand, below
            done => return Ok(done?),
        }
    }
    let aside = a.with_extension(ASIDE);
    fs::rename(b, &aside)?;
    fs::rename(a, b)?;
    fs::rename(&aside, a)
}

/// Point the symbolic link `link` at `target` (relative to the link's folder) with one rename.
#[cfg(unix)]
pub fn swap_link(link: &Path, target: &Path) -> Result<()> {
    let folder = parent(link);
    let disk = |e| Error::create(link, "swap the link", e);
    remove_stale(folder);
    let (staging, _lock) = temporary_dir(folder).map_err(disk)?;
    let fresh = staging.path().join("link");
    std::os::unix::fs::symlink(target, &fresh).map_err(disk)?;
    fs::rename(&fresh, link).map_err(disk)?;
    sync_dir(folder)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

fn walk(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = vec![dir.to_path_buf()];
    let entries = fs::read_dir(dir).map_err(|e| Error::disk(dir, "list the folder", e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::disk(dir, "list the folder", e))?.path();
        if path.is_dir() {
            all.extend(walk(&path)?);
        } else {
            all.push(path);
        }
    }
    Ok(all)
}

const PREFIX: &str = ".tmp-";
/// Where [`exchange`] puts an old folder while it has no other name: never ours to remove.
const ASIDE: &str = "old";

fn prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// `tempfile` makes files that only their owner reads; an artefact is for everybody whom the umask allows.
fn temporary_file(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(&prefix()).make_in(folder, |path| {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o666);
        let file = options.open(path)?;
        match is_locked_by_us(&file, path) {
            true => Ok(file),
            // Somebody swept it away before it was locked. On this error `tempfile` takes another name.
            false => Err(std::io::ErrorKind::AlreadyExists.into()),
        }
    })
}

/// The folder, and its lock.
fn temporary_dir(folder: &Path) -> std::io::Result<(tempfile::TempDir, File)> {
    let prefix = prefix();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    loop {
        let dir = builder.tempdir_in(folder)?;
        match File::open(dir.path()) {
            Ok(lock) if is_locked_by_us(&lock, dir.path()) => return Ok((dir, lock)),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
}

/// Take the lock that says that somebody is at work on this; then it still stands at its path, unless a sweeper was quicker.
/// Where a file system has no locks, nobody can sweep, either.
fn is_locked_by_us(file: &File, path: &Path) -> bool {
    let locked = rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive);
    locked.is_err() || path.exists()
}

/// Remove what processes that are gone left in this folder; looked for once a folder, as folders of pictures are long.
///
/// Nothing depends on it, so that a folder that cannot be listed or a file that will not go is passed over in silence.
fn remove_stale(folder: &Path) {
    static LOOKED_AT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if !LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.into()) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_temporary(&path) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        // Held while it is removed: its maker, if it is only just there, waits for us and then sees that it is gone.
        if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
            let is_dir = entry.file_type().is_ok_and(|t| t.is_dir());
            let _ = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Whether this is a temporary file or folder of ours, by its name.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(PREFIX));
    let maker = name.and_then(|n| n.split_once('-')).map(|(maker, _)| maker);
    maker.is_some_and(|m| m.parse::<u32>().is_ok()) && path.extension().is_none_or(|e| e != ASIDE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |f| {
            f.write_all(b"half of the new")?;
            Err(std::io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().exit_code(), 74);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["a.json"]);
    }

    #[test]
    fn a_staged_folder_takes_the_place_of_the_old_one_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("run");
        for text in ["one", "two"] {
            let staged = StagedDir::new(&target).unwrap();
            fs::write(staged.path().join(text), text).unwrap();
            staged.publish().unwrap();
            assert_eq!(names(&target), [text]);
        }
        drop(StagedDir::new(&target).unwrap());
        assert_eq!(names(dir.path()), ["run"]);
        let late = StagedDir::new(&target).unwrap();
        fs::write(late.path().join("three"), "three").unwrap();
        assert_eq!(late.publish_new().unwrap_err().exit_code(), 73);
        assert_eq!(names(&target), ["two"], "what stands there is not replaced");
        assert_eq!(names(dir.path()), ["run"]);
    }

    #[test]
    fn a_link_is_swapped() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("current");
        for target in ["a", "b"] {
            swap_link(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(names(dir.path()), ["current"]);
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let leave = |folder: &Path| {
            fs::create_dir_all(folder.join(".tmp-4-aBcDeF/images")).unwrap();
            fs::write(folder.join(".tmp-4-aBcDeF/images/a.jpg"), "half").unwrap();
            fs::write(folder.join(".tmp-1-gHiJkL"), "half").unwrap();
            fs::create_dir(folder.join(".tmp-4-mNoPqR.old")).unwrap();
            fs::create_dir(folder.join(".tmp-5-living")).unwrap();
            fs::write(folder.join(".tmp-5-living-too"), "half").unwrap();
            fs::write(folder.join(".tmp-notes"), "somebody's").unwrap();
            fs::write(folder.join("4-x"), "somebody's").unwrap();
            // As another process, perhaps in another container where the numbers mean something else, would hold them.
            let hold = |name| {
                let file = File::open(folder.join(name)).unwrap();
                rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
                file
            };
            (hold(".tmp-5-living"), hold(".tmp-5-living-too"))
        };
        let kept =
            |more: &'static str| [".tmp-4-mNoPqR.old", ".tmp-5-living", ".tmp-5-living-too", ".tmp-notes", "4-x", more];
        let (folders, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let _living = leave(folders.path());
        StagedDir::new(&folders.path().join("run")).unwrap().publish().unwrap();
        assert_eq!(names(folders.path()), kept("run"));
        let _living = leave(files.path());
        write(&files.path().join("a.json"), b"{}").unwrap();
        assert_eq!(names(files.path()), kept("a.json"));
    }

    #[test]
    fn what_is_being_made_is_locked_until_it_is_made() {
        let is_free = |path: &Path| {
            let file = File::open(path).unwrap();
            rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
        };
        let dir = tempfile::tempdir().unwrap();
        let staged = StagedDir::new(&dir.path().join("run")).unwrap();
        let file = temporary_file(dir.path()).unwrap();
        for path in [staged.path(), file.path()] {
            assert!(is_temporary(path) && !is_free(path), "{}", path.display());
        }
        staged.publish().unwrap();
        assert!(is_free(&dir.path().join("run")));
    }

    #[test]
    fn a_refusal_names_the_path_and_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a.json")).unwrap();
        let error = write(&dir.path().join("a.json"), b"1234").unwrap_err();
        assert!(error.to_string().contains("a.json: cannot write 4 bytes: "), "{error}");
        assert_eq!(names(dir.path()), ["a.json"]);
        write_unsynced(&dir.path().join("b.json"), b"{}").unwrap();
        sync_all_under(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["a.json", "b.json"]);
    }

    /// The umask belongs to the whole process, so that this test runs itself in one of its own.
    #[cfg(unix)]
    #[test]
    fn artefacts_are_for_those_whom_the_umask_allows() {
        use std::os::unix::fs::PermissionsExt;
        const UNDER_UMASK: &str = "GOODTWIN_TEST_UNDER_UMASK";
        if std::env::var_os(UNDER_UMASK).is_none() {
            let name = "atomic::tests::artefacts_are_for_those_whom_the_umask_allows";
            let status = std::process::Command::new("sh")
                .args(["-c", "umask 027 && exec \"$0\" --exact \"$1\""])
                .args([std::env::current_exe().unwrap().as_os_str(), name.as_ref()])
                .env(UNDER_UMASK, "1")
                .stdout(std::process::Stdio::null())
                .status();
            assert!(status.unwrap().success());
            return;
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = tempfile::tempdir().unwrap();
        let (file, run) = (dir.path().join("a.json"), dir.path().join("run"));
        write(&file, b"{}").unwrap();
        StagedDir::new(&run).unwrap().publish().unwrap();
        assert_eq!((mode(&file), mode(&run)), (0o640, 0o750));
    }
}
