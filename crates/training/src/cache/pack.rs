//! One folder of the cache: outputs of one size, made with one set of settings, each in a slot of its own.
//!
//! ```text
//! KEY/
//!   settings.json  what the outputs were made with; its content id is KEY
//!   index.jsonl    one Entry a line: which picture and view lie in which slot, and the SHA-256 of the slot's bytes
//!   maps.f16       the slots: an output each, and how much of each of its places is bag
//! ```
//! Both files are only ever appended to, bytes before the line that names them. A process that is killed leaves slots
//! without a line, which the next one writes over, or half a line, which the next one cuts off. What a disk loses or bends
//! afterwards does not have the SHA-256 of its line, and counts as missing.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use goodtwin_core::{ContentId, Error as CoreError, atomic};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Result;

/// A picture, and which view of it: 0 is the picture itself.
pub(super) type Key = (ContentId, usize);

/// One line of `index.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    slot: u64,
    picture: ContentId,
    view: usize,
    sha256: ContentId,
}

/// An open folder. While it is open to be filled no other process writes into it.
pub(super) struct Pack {
    dir: PathBuf,
    maps: File,
    index: File,
    entries: HashMap<Key, Entry>,
    /// The first slot that no line names.
    free: u64,
    slot_bytes: usize,
}

impl Pack {
    /// Open the folder for these settings, or make it; waits while another run fills it, and says so by `waiting`.
    pub fn open(
        root: &Path,
        settings: &impl Serialize,
        slot_bytes: usize,
        waiting: impl FnOnce(&Path),
    ) -> Result<Pack> {
        let dir = root.join(ContentId::of_json(settings).short());
        atomic::create_dir(&dir)?;
        let open = |name: &str, append: bool| {
            let path = dir.join(name);
            let mut options = OpenOptions::new();
            options.read(true).write(!append).append(append).create(true).truncate(false);
            options.open(&path).map_err(|e| CoreError::disk(&path, "open the file", e))
        };
        let (maps, index) = (open("maps.f16", false)?, open("index.jsonl", true)?);
        let locked = match index.try_lock() {
            Err(TryLockError::WouldBlock) => {
                waiting(&dir);
                index.lock()
            }
            Err(TryLockError::Error(e)) => Err(e),
            Ok(()) => Ok(()),
        };
        locked.map_err(|e| CoreError::disk(&dir, "lock the cache", e))?;
        let described = dir.join("settings.json");
        if !described.exists() {
            let json = serde_json::to_vec_pretty(settings).expect("our own types have string keys and serialise");
            atomic::write(&described, &json)?;
        }
        let mut pack = Pack { dir, maps, index, entries: HashMap::new(), free: 0, slot_bytes };
        pack.read_index()?;
        Ok(pack)
    }

    fn read_index(&mut self) -> Result<()> {
        let disk = |e| CoreError::disk(self.dir.join("index.jsonl"), "read the index", e);
        let mut bytes = Vec::new();
        (&self.index).read_to_end(&mut bytes).map_err(disk)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
        if whole < bytes.len() {
            self.index.set_len(whole as u64).map_err(disk)?;
        }
        // A line that is none any more has lost its entry and nothing else: each names its own slot.
        for line in bytes[..whole].split(|b| *b == b'\n') {
            let Ok(entry) = serde_json::from_slice::<Entry>(line) else { continue };
            self.free = self.free.max(entry.slot.saturating_add(1));
            self.entries.insert((entry.picture.clone(), entry.view), entry);
        }
        let length = self.maps.metadata().map_err(disk)?.len();
        let whole = length / self.slot_bytes as u64;
        self.entries.retain(|_, entry| entry.slot < whole);
        self.free = self.free.min(whole);
        Ok(())
    }

    /// Which of these are not there whole: those without an entry, and those whose bytes are not those of their entry.
    pub fn missing(&self, keys: &[Key]) -> Result<Missing> {
        let found = keys.par_iter().map(|key| match self.entries.get(key) {
            None => Ok(Some(false)),
            Some(entry) => {
                let mut bytes = vec![0; self.slot_bytes];
                self.read(entry.slot, &mut bytes)?;
                Ok((ContentId::of(&bytes) != entry.sha256).then_some(true))
            }
        });
        let found: Vec<Option<bool>> = found.collect::<Result<_>>()?;
        let of = |damaged: bool| {
            keys.iter().zip(&found).filter(|(_, f)| **f == Some(damaged)).map(|(key, _)| key.clone()).collect()
        };
        Ok(Missing { absent: of(false), damaged: of(true) })
    }

    /// Add outputs. A full disk leaves nothing half done.
    pub fn append(&mut self, outputs: impl IntoIterator<Item = (Key, Vec<u8>)>) -> Result<()> {
        let first = self.free;
        let (mut bytes, mut lines, mut added) = (Vec::new(), Vec::new(), Vec::new());
        for ((picture, view), map) in outputs {
            assert_eq!(map.len(), self.slot_bytes, "the outputs of one folder have one size");
            let slot = first + added.len() as u64;
            let entry = Entry { slot, picture, view, sha256: ContentId::of(&map) };
            serde_json::to_writer(&mut lines, &entry).expect("our own types have string keys and serialise");
            lines.push(b'\n');
            bytes.extend(map);
            added.push(entry);
        }
        let (maps, index) = (self.dir.join("maps.f16"), self.dir.join("index.jsonl"));
        let at = first * self.slot_bytes as u64;
        if let Err(e) = self.maps.write_all_at(&bytes, at) {
            let _ = self.maps.set_len(at); // room for others; without its lines it is nothing anyway
            return Err(CoreError::disk(maps, format!("write {} bytes", bytes.len()), e).into());
        }
        let before = self.index.metadata().map_err(|e| CoreError::disk(&index, "read the index", e))?.len();
        if let Err(e) = (&self.index).write_all(&lines) {
            let _ = self.index.set_len(before);
            return Err(CoreError::disk(index, format!("write {} bytes", lines.len()), e).into());
        }
        self.free += added.len() as u64;
        self.entries.extend(added.into_iter().map(|e| ((e.picture.clone(), e.view), e)));
        Ok(())
    }

    /// Let other processes write; what is there stays readable.
    pub fn finish(&self) -> Result<()> {
        let disk = |e| CoreError::disk(&self.dir, "fsync the cache", e);
        self.maps.sync_data().and_then(|()| self.index.sync_data()).map_err(disk)?;
        self.index.unlock().map_err(|e| CoreError::disk(&self.dir, "unlock the cache", e))?;
        Ok(())
    }

    /// Where a picture's view lies.
    pub fn slot(&self, key: &Key) -> Option<u64> {
        self.entries.get(key).map(|e| e.slot)
    }

    /// The first bytes of a slot.
    pub fn read(&self, slot: u64, bytes: &mut [u8]) -> Result<()> {
        self.read_from(slot, 0, bytes)
    }

    /// The bytes of a slot from one on.
    pub fn read_from(&self, slot: u64, first: usize, bytes: &mut [u8]) -> Result<()> {
        let at = slot * self.slot_bytes as u64 + first as u64;
        Ok(self.maps.read_exact_at(bytes, at).map_err(|e| CoreError::disk(&self.dir, "read the cache", e))?)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// What [`Pack::missing`] found.
pub(super) struct Missing {
    /// Never worked out.
    pub absent: Vec<Key>,
    /// Worked out, and changed on the disk since.
    pub damaged: Vec<Key>,
}

impl Missing {
    /// The views to work out, by picture.
    pub fn by_picture(self) -> BTreeMap<ContentId, Vec<usize>> {
        let mut views: BTreeMap<ContentId, Vec<usize>> = BTreeMap::new();
        for (picture, view) in self.absent.into_iter().chain(self.damaged) {
            views.entry(picture).or_default().push(view);
        }
        views
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(root: &Path) -> Pack {
        Pack::open(root, &"settings", 8, |_| panic!("nobody else is here")).unwrap()
    }

    fn key(n: u8) -> Key {
        (ContentId::of([n]), usize::from(n % 2))
    }

    fn fill(root: &Path, numbers: &[u8]) {
        let mut pack = open(root);
        pack.append(numbers.iter().map(|n| (key(*n), vec![*n; 8]))).unwrap();
        pack.finish().unwrap();
    }

    fn state(root: &Path, numbers: &[u8]) -> (Vec<Key>, Vec<Key>) {
        let missing = open(root).missing(&numbers.iter().map(|n| key(*n)).collect::<Vec<_>>()).unwrap();
        (missing.absent, missing.damaged)
    }

    #[test]
    fn what_was_added_is_there_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &[1, 2]);
        fill(root.path(), &[3]);
        assert_eq!(state(root.path(), &[1, 2, 3, 4]), (vec![key(4)], vec![]));
        let pack = open(root.path());
        let mut bytes = [0; 8];
        pack.read(pack.slot(&key(3)).unwrap(), &mut bytes).unwrap();
        assert_eq!(bytes, [3; 8]);
    }

    #[test]
    fn a_bent_bit_is_found_and_written_anew() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &[1, 2, 3]);
        let path = open(root.path()).dir().join("maps.f16");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] ^= 4;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(state(root.path(), &[1, 2, 3]), (vec![], vec![key(2)]));
        fill(root.path(), &[2]);
        assert_eq!(state(root.path(), &[1, 2, 3]), (vec![], vec![]));
    }

    #[test]
    fn every_cut_of_both_files_costs_what_was_cut_and_no_more() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path(), &[1, 2, 3]);
        let dir = open(root.path()).dir().to_path_buf();
        let whole: Vec<Vec<u8>> = ["index.jsonl", "maps.f16"].map(|n| std::fs::read(dir.join(n)).unwrap()).into();
        let line = whole[0].len() / 3;
        for cut in (0..whole[0].len()).step_by(7) {
            std::fs::write(dir.join("index.jsonl"), &whole[0][..cut]).unwrap();
            std::fs::write(dir.join("maps.f16"), &whole[1]).unwrap();
            let kept = cut / line;
            let (absent, damaged) = state(root.path(), &[1, 2, 3]);
            assert_eq!((absent.len(), damaged.len()), (3 - kept, 0), "cut at {cut}");
            fill(root.path(), &[1, 2, 3]);
            assert_eq!(state(root.path(), &[1, 2, 3]), (vec![], vec![]), "cut at {cut}");
        }
        for cut in 0..24 {
            std::fs::write(dir.join("index.jsonl"), &whole[0]).unwrap();
            std::fs::write(dir.join("maps.f16"), &whole[1][..cut]).unwrap();
            assert_eq!(state(root.path(), &[1, 2, 3]).0.len(), 3 - cut / 8, "cut at {cut}");
            fill(root.path(), &[3]);
            assert_eq!(state(root.path(), &[3]), (vec![], vec![]), "cut at {cut}");
        }
    }

    #[test]
    fn one_process_writes_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = open(root.path());
        let (said, waits) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                Pack::open(root.path(), &"settings", 8, |dir| said.send(dir.to_path_buf()).unwrap())
                    .unwrap()
                    .missing(&[key(1)])
                    .unwrap()
                    .absent
                    .len()
            });
            assert_eq!(waits.recv().unwrap(), first.dir(), "the second says that it waits");
            let mut first = first;
            first.append([(key(1), vec![1; 8])]).unwrap();
            first.finish().unwrap();
            assert_eq!(second.join().unwrap(), 0, "and then sees what the first wrote");
        });
    }
}
