//! Where a run goes on after a kill.
//!
//! ```text
//! RUN/checkpoints/
//!   step-00000120/   weights, optimiser, average, best weights (safetensors), and manifest.json with their SHA-256
//!   step-00000160/
//!   latest.json      which of them is the last, which the one before, and the SHA-256 of their manifests
//! ```
//! A folder is filled out of sight and takes its place with one rename, then the pointer is swapped: a checkpoint is complete
//! or is not there. The last two are kept. One that is not what its manifest says is named, and the one before it is taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::atomic::{self, StagedDir};
use goodtwin_core::{ContentId, Error as CoreError};
use goodtwin_vision::weights::{Stored, serialize};
use goodtwin_vision::{NetworkSpec, Weights};
use serde::{Deserialize, Serialize};

use super::log::{Epoch, Written};
use crate::Result;
use crate::retrieval::Retrieval;

const FORMAT: u32 = 2;

/// All that a run remembers but tensors. Random numbers follow from the recipe's seed, the epoch and the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps taken, over all epochs.
    pub step: usize,
    /// Pictures that went through the network at once: dropout's draws and the last digits of a sum depend on it.
    pub part: usize,
    /// The network, with as many units as whitening found directions.
    pub network: NetworkSpec,
    /// What the network found before its first step.
    pub at_start: Option<Retrieval>,
    /// How well the mask head found the bags of the validation split, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_agreement: Option<f64>,
    /// Of the epoch that is under way.
    pub epoch: Sums,
    /// The epochs that are over.
    pub history: Vec<Epoch>,
    /// The epoch whose weights are the best so far.
    pub best: Option<Best>,
    /// What the run has said up to here.
    pub written: Written,
}

/// Sums over the steps of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Over the pictures.
    pub loss: f64,
    /// What families add to it, before it is weighed.
    pub family: f64,
    /// Pictures whose type was right.
    pub right: usize,
    /// Wall time.
    pub seconds: f64,
}

/// Which epoch was the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// From 1.
    pub epoch: usize,
    /// What was lowest: the validation's loss.
    pub loss: f64,
}

/// The tensors of a checkpoint, by file.
pub type Tensors = BTreeMap<String, BTreeMap<String, Stored>>;

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// The id of the run's recipe, data set and weights.
    run: ContentId,
    state: State,
    files: BTreeMap<String, ContentId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pointer {
    latest: Pointed,
    previous: Option<Pointed>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pointed {
    name: String,
    manifest: ContentId,
}

/// A checkpoint that was read and found whole.
pub struct Found {
    /// What the run remembers.
    pub state: State,
    dir: PathBuf,
    manifest: ContentId,
}

impl Found {
    /// The tensors of one file, such as `weights`.
    pub fn tensors(&self, name: &str) -> Result<Weights> {
        Ok(Weights::load(&self.dir.join(format!("{name}.safetensors")))?)
    }
}

/// The checkpoints of a run.
pub struct Checkpoints {
    dir: PathBuf,
    run: ContentId,
}

/// Where a run's checkpoints lie.
pub fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join("checkpoints")
}

impl Checkpoints {
    /// Those of the run in this folder.
    pub fn of(run_dir: &Path, run: ContentId) -> Checkpoints {
        Checkpoints { dir: folder(run_dir), run }
    }

    /// Whether the run in this folder has any to go on from.
    pub fn exist(run_dir: &Path) -> bool {
        folder(run_dir).join("latest.json").exists()
    }

    /// Write one, point at it, and remove all but it and the one before.
    pub fn save(&self, state: &State, tensors: &Tensors) -> Result<()> {
        let name = format!("step-{:08}", state.step);
        let staged = StagedDir::new(&self.dir.join(&name))?;
        let mut files = BTreeMap::new();
        for (file, tensors) in tensors {
            let bytes = serialize(tensors);
            atomic::write(&staged.path().join(format!("{file}.safetensors")), &bytes)?;
            files.insert(file.clone(), ContentId::of(&bytes));
        }
        let manifest = Manifest { format: FORMAT, run: self.run.clone(), state: state.clone(), files };
        let manifest = serde_json::to_vec_pretty(&manifest).expect("our own types have string keys and serialise");
        atomic::write(&staged.path().join("manifest.json"), &manifest)?;
        staged.publish()?;
        let latest = Pointed { name, manifest: ContentId::of(&manifest) };
        // One that is saved again takes its own place, and not that of the one before.
        let known = self.pointer().ok().flatten();
        let previous = known.and_then(|p| if p.latest.name == latest.name { p.previous } else { Some(p.latest) });
        let pointer = Pointer { latest, previous };
        self.point(&pointer)?;
        let kept = [Some(&pointer.latest), pointer.previous.as_ref()];
        for old in self.folders()? {
            if !kept.iter().flatten().any(|kept| kept.name == old) {
                let path = self.dir.join(old);
                std::fs::remove_dir_all(&path).map_err(|e| CoreError::disk(&path, "remove the old checkpoint", e))?;
            }
        }
        Ok(())
    }

    /// The last one that is whole; `say` hears of those that are not. None where there has been none. From then on it is the one
    /// that is pointed at, so that what is saved next stands beside it and not beside one that is not whole.
    ///
    /// # Errors
    /// Exit 65 where there are some and none is whole.
    pub fn latest(&self, mut say: impl FnMut(&str)) -> Result<Option<Found>> {
        let by_name = || -> Result<Vec<(String, Option<ContentId>)>> {
            Ok(self.folders()?.into_iter().rev().map(|name| (name, None)).collect())
        };
        let (candidates, pointed_at) = match self.pointer() {
            Ok(Some(Pointer { latest, previous })) => {
                let both = [Some(latest.clone()), previous].into_iter().flatten();
                (both.map(|p| (p.name, Some(p.manifest))).collect(), Some(latest.name))
            }
            Ok(None) => (by_name()?, None),
            Err(e) => {
                say(&format!("{e}: looking for checkpoints by name"));
                (by_name()?, None)
            }
        };
        let mut last = None;
        for (name, manifest) in candidates {
            if let Some(e) = last.take() {
                say(&format!("{e}: taking the checkpoint before it, {name}"));
            }
            match self.open(&name, manifest.as_ref()) {
                Ok(found) => {
                    if pointed_at.as_ref() != Some(&name) {
                        let latest = Pointed { name, manifest: found.manifest.clone() };
                        self.point(&Pointer { latest, previous: None })?;
                    }
                    return Ok(Some(found));
                }
                Err(e) => last = Some(e),
            }
        }
        last.map_or(Ok(None), Err)
    }

    /// Remove them all: the run in this folder is over.
    pub fn remove(run_dir: &Path) -> Result<()> {
        let dir = folder(run_dir);
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(CoreError::disk(&dir, "remove the checkpoints", e).into())
            }
            _ => Ok(()),
        }
    }

    fn open(&self, name: &str, manifest: Option<&ContentId>) -> Result<Found> {
        let dir = self.dir.join(name);
        let path = dir.join("manifest.json");
        let check = |path: &Path, part: &str, expected: &ContentId, received: &ContentId| match expected == received {
            true => Ok(()),
            false => Err(CoreError::Mismatch {
                path: path.into(),
                part: part.into(),
                expected: expected.to_string(),
                received: received.to_string(),
            }),
        };
        let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "checkpoint", e))?;
        let id = ContentId::of(&bytes);
        if let Some(expected) = manifest {
            check(&path, "its SHA-256", expected, &id)?;
        }
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|e| CoreError::data(&path, format!("not a checkpoint's manifest: {e}")))?;
        if manifest.format != FORMAT {
            let what = format!("the format is {}: expected {FORMAT}", manifest.format);
            return Err(CoreError::data(&path, what).into());
        }
        check(&path, "the id of the run", &self.run, &manifest.run)?;
        for (file, expected) in &manifest.files {
            let path = dir.join(format!("{file}.safetensors"));
            let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "checkpoint", e))?;
            check(&path, "its SHA-256", expected, &ContentId::of(&bytes))?;
        }
        Ok(Found { state: manifest.state, dir, manifest: id })
    }

    fn point(&self, pointer: &Pointer) -> Result<()> {
        let json = serde_json::to_vec_pretty(pointer).expect("our own types have string keys and serialise");
        Ok(atomic::write(&self.dir.join("latest.json"), &json)?)
    }

    fn pointer(&self) -> Result<Option<Pointer>> {
        let path = self.dir.join("latest.json");
        match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(CoreError::disk(&path, "read the pointer", e).into()),
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| CoreError::data(&path, format!("not a pointer to a checkpoint: {e}")).into()),
        }
    }

    /// The folders of checkpoints, in order of their steps.
    fn folders(&self) -> Result<Vec<String>> {
        let entries = match self.dir.read_dir() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|e| CoreError::disk(&self.dir, "list the folder", e))?,
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| n.starts_with("step-"))
            .collect();
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use goodtwin_core::BagType;
    use goodtwin_vision::top::Activation;
    use goodtwin_vision::{Architecture, Pooling};

    use super::*;

    fn state(step: usize) -> State {
        State {
            step,
            part: 4,
            network: NetworkSpec {
                trunk: Architecture::Vgg16,
                trunk_sha256: ContentId::of("trunk"),
                pooling: Pooling::Gem,
                block5_weight: 0.5,
                crops: 1,
                dense: 2,
                activation: Activation::None,
                dropout: 0.0,
                classes: vec![BagType::new("tote")],
            },
            at_start: None,
            mask_agreement: None,
            epoch: Sums { loss: 0.1 + 0.2, family: 1.0 / 3.0, right: 3, seconds: 0.5 },
            history: vec![],
            best: Some(Best { epoch: 1, loss: 1.0 / 3.0 }),
            written: Written { lines: 17, events: 18 },
        }
    }

    fn save(checkpoints: &Checkpoints, step: usize) {
        let tensors = BTreeMap::from([("a".to_string(), Stored::from_f32(&[2], &[step as f32, 0.5]))]);
        checkpoints.save(&state(step), &BTreeMap::from([("weights".to_string(), tensors)])).unwrap();
    }

    fn latest(checkpoints: &Checkpoints) -> (Option<usize>, Vec<String>) {
        let mut said = Vec::new();
        let found = checkpoints.latest(|line| said.push(line.to_string())).unwrap();
        (found.map(|f| f.state.step), said)
    }

    /// Three checkpoints were saved, so that two are there.
    fn saved() -> (tempfile::TempDir, Checkpoints) {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::of(dir.path(), ContentId::of("run"));
        assert_eq!(latest(&checkpoints), (None, vec![]));
        for step in [5, 10, 15] {
            save(&checkpoints, step);
        }
        (dir, checkpoints)
    }

    #[test]
    fn the_last_two_are_kept_and_the_last_is_taken() {
        let (_dir, checkpoints) = saved();
        assert_eq!(checkpoints.folders().unwrap(), ["step-00000010", "step-00000015"]);
        let found = checkpoints.latest(|line| panic!("{line}")).unwrap().unwrap();
        assert_eq!(found.state, state(15));
        assert_eq!(found.tensors("weights").unwrap().stored("a").unwrap().to_f32(), [15.0, 0.5]);
        save(&checkpoints, 15);
        assert_eq!(
            checkpoints.folders().unwrap(),
            ["step-00000010", "step-00000015"],
            "saved again, the one before stays"
        );
        assert_eq!(latest(&checkpoints), (Some(15), vec![]));
    }

    #[test]
    fn a_bent_bit_anywhere_is_named_and_the_one_before_is_taken() {
        let (_dir, checkpoints) = saved();
        let pointer = checkpoints.dir.join("latest.json");
        let pointed = std::fs::read(&pointer).unwrap();
        // What is found is pointed at: as it was, for the next fault.
        let latest = |checkpoints: &Checkpoints| {
            std::fs::write(&pointer, &pointed).unwrap();
            latest(checkpoints)
        };
        for file in ["step-00000015/weights.safetensors", "step-00000015/manifest.json"] {
            let path = checkpoints.dir.join(file);
            let whole = std::fs::read(&path).unwrap();
            for at in [0, whole.len() / 2, whole.len() - 1] {
                let mut bent = whole.clone();
                bent[at] ^= 1;
                std::fs::write(&path, bent).unwrap();
                let (step, said) = latest(&checkpoints);
                assert_eq!(step, Some(10));
                assert!(said[0].contains(file) && said[0].contains("step-00000010"), "{said:?}");
            }
            std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            assert_eq!(latest(&checkpoints).0, Some(10), "half a file");
            std::fs::remove_file(&path).unwrap();
            assert_eq!(latest(&checkpoints).0, Some(10), "no file");
            std::fs::write(&path, whole).unwrap();
        }
        assert_eq!(latest(&checkpoints), (Some(15), vec![]));
    }

    #[test]
    fn without_its_pointer_the_last_is_found_by_name() {
        let (_dir, checkpoints) = saved();
        let pointer = checkpoints.dir.join("latest.json");
        let whole = std::fs::read_to_string(&pointer).unwrap();
        std::fs::write(&pointer, &whole[..20]).unwrap();
        let (step, said) = latest(&checkpoints);
        assert_eq!(step, Some(15));
        assert!(said[0].contains("latest.json"), "{said:?}");
        assert_eq!(latest(&checkpoints), (Some(15), vec![]), "it is pointed at again");
        std::fs::remove_file(&pointer).unwrap();
        assert_eq!(latest(&checkpoints), (Some(15), vec![]), "no pointer");
    }

    #[test]
    fn the_one_that_was_taken_for_a_bent_one_is_kept_until_two_later_ones_are() {
        let (_dir, checkpoints) = saved();
        let weights = |step: &str| checkpoints.dir.join(step).join("weights.safetensors");
        std::fs::write(weights("step-00000015"), "bent").unwrap();
        assert_eq!(latest(&checkpoints).0, Some(10));
        // The run comes to where it was again, and the place of the bent one is taken.
        save(&checkpoints, 15);
        std::fs::write(weights("step-00000015"), "bent again").unwrap();
        assert_eq!(latest(&checkpoints).0, Some(10));
        for step in [12, 14] {
            save(&checkpoints, step);
        }
        assert_eq!(checkpoints.folders().unwrap(), ["step-00000012", "step-00000014"]);
    }

    #[test]
    fn those_of_another_run_and_a_heap_of_damage_are_refused() {
        let (dir, checkpoints) = saved();
        let other = Checkpoints::of(dir.path(), ContentId::of("another recipe"));
        let error = other.latest(|_| {}).err().unwrap();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("the id of the run does not match"), "{error}");
        for name in checkpoints.folders().unwrap() {
            std::fs::write(checkpoints.dir.join(name).join("weights.safetensors"), "gone").unwrap();
        }
        assert_eq!(checkpoints.latest(|_| {}).err().unwrap().exit_code(), 65);
    }
}
