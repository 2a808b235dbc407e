//! `metrics.jsonl`: a line a step and a line an epoch.
//!
//! A line of a step holds nothing that depends on the machine's pace, so that two runs can be compared line by line.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use goodtwin_core::Error as CoreError;
use goodtwin_core::dataset::read_json_lines;
use serde::{Deserialize, Serialize};

use crate::Result;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// A step.
    Step(Step),
    /// An epoch.
    Epoch(Epoch),
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 1, over all epochs.
    pub step: usize,
    /// From 1.
    pub epoch: usize,
    /// The mean over the batch, before the step was taken.
    pub loss: f32,
    /// The share of the batch whose type the softmax had right.
    pub accuracy: f32,
    /// What the schedule makes of the recipe's learning rates: their factor.
    pub rate: f64,
}

/// What an epoch did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean over the pictures.
    pub train_loss: f64,
    /// Over the augmented pictures, while training.
    pub train_accuracy: f64,
    /// Absent when the split is empty.
    pub validation_loss: Option<f64>,
    /// Absent when the split is empty.
    pub validation_accuracy: Option<f64>,
    /// Wall time.
    pub seconds: f64,
}

/// The lines of a run.
///
/// # Errors
/// A file that is not there or has a line that is none (exit 65).
pub fn read(run: &Path) -> Result<Vec<Line>> {
    let path = run.join(NAME);
    let bytes = std::fs::read(&path).map_err(|e| CoreError::read(&path, "metrics", e))?;
    Ok(read_json_lines(&path, &bytes)?)
}

const NAME: &str = "metrics.jsonl";

/// Writes the lines of a run.
pub struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Log {
    /// Go on after so many bytes; what comes after them is done anew.
    pub fn open(run: &Path, bytes: u64) -> Result<Log> {
        let path = run.join(NAME);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path).and_then(|mut file| {
            file.set_len(bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        });
        let file = opened.map_err(|e| CoreError::disk(&path, "open the file", e))?;
        Ok(Log { path, file, bytes })
    }

    /// Add a line.
    pub fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line).expect("our own types have string keys and serialise");
        text.push(b'\n');
        if let Err(e) = self.file.write_all(&text) {
            let _ = self.file.set_len(self.bytes); // no half line
            return Err(CoreError::disk(&self.path, format!("write {} bytes", text.len()), e).into());
        }
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// How many bytes are on the disk, now for good.
    pub fn sync(&mut self) -> Result<u64> {
        self.file.sync_data().map_err(|e| CoreError::disk(&self.path, "fsync", e))?;
        Ok(self.bytes)
    }
}

impl Epoch {
    /// For people.
    pub fn describe(&self, epochs: usize) -> String {
        let validation = match (self.validation_loss, self.validation_accuracy) {
            (Some(loss), Some(accuracy)) => format!(", validation loss {loss:.4} accuracy {accuracy:.3}"),
            _ => String::new(),
        };
        format!(
            "epoch {}/{epochs}: loss {:.4} accuracy {:.3}{validation}, {:.1} s",
            self.epoch, self.train_loss, self.train_accuracy, self.seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_place_to_go_on_from_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let step = |step: usize| Line::Step(Step { step, epoch: 1, loss: 0.1 + step as f32, accuracy: 0.5, rate: 1.0 });
        let mut log = Log::open(dir.path(), 0).unwrap();
        log.append(&step(1)).unwrap();
        let here = log.sync().unwrap();
        log.append(&step(2)).unwrap();
        let mut log = Log::open(dir.path(), here).unwrap();
        log.append(&step(3)).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [step(1), step(3)]);
    }
}
