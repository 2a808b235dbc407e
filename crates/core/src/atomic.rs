//! Files that are whole or not there at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Write `bytes` to `path`: into a temporary file in the same folder, fsync, rename, fsync the folder.
///
/// The folder is made if it is missing. On any error the file that stood there before still stands.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// [`write`] for contents that are made on the way, such as a large matrix.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let folder = parent(path);
    create_dir(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .tempfile_in(folder)
        .map_err(|e| Error::disk(folder, "create a temporary file", e))?;
    let disk = |e| Error::disk(path, "write the file", e);
    {
        let mut buffered = std::io::BufWriter::new(file.as_file_mut());
        fill(&mut buffered).map_err(disk)?;
        buffered.flush().map_err(disk)?;
    }
    file.as_file().sync_all().map_err(disk)?;
    set_readable(file.as_file()).map_err(disk)?;
    file.persist(path).map_err(|e| disk(e.error))?;
    sync_dir(folder)
}

/// `mkdir -p`, with the folder named when it fails.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::disk(path, "create the folder", e))
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
    target: std::path::PathBuf,
}

impl StagedDir {
    /// Stage a folder beside `target`.
    pub fn new(target: &Path) -> Result<Self> {
        let folder = parent(target);
        create_dir(folder)?;
        let staging = tempfile::Builder::new()
            .prefix(".tmp-")
            .tempdir_in(folder)
            .map_err(|e| Error::disk(folder, "create a temporary folder", e))?;
        Ok(StagedDir { staging, target: target.into() })
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
        self.staging.close().map_err(|e| Error::disk(target, "remove the old folder", e))
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
        set_readable_path(self.staging.path()).map_err(|e| self.refused(e))
    }

    fn refused(&self, e: std::io::Error) -> Error {
        Error::disk(&self.target, "move the folder into place", e)
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
    let aside = a.with_extension("old");
    fs::rename(b, &aside)?;
    fs::rename(a, b)?;
    fs::rename(&aside, a)
}

/// Point the symbolic link `link` at `target` (relative to the link's folder) with one rename.
#[cfg(unix)]
pub fn swap_link(link: &Path, target: &Path) -> Result<()> {
    let folder = parent(link);
    let disk = |e| Error::disk(link, "swap the link", e);
    let staging = tempfile::Builder::new().prefix(".tmp-").tempdir_in(folder).map_err(disk)?;
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

fn walk(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
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

// `tempfile` makes files that only their owner reads; an artefact is for everybody whom the umask allows.
#[cfg(unix)]
fn set_readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(unix)]
fn set_readable_path(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn set_readable(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn set_readable_path(_: &Path) -> std::io::Result<()> {
    Ok(())
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
        assert_eq!(late.publish_new().unwrap_err().exit_code(), 74);
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
}
