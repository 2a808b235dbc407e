//! What a run says on the way: `metrics.jsonl`, a line a step and a line an epoch, and the same for TensorBoard.
//!
//! A line of a step holds nothing that depends on the machine's pace, so that two runs can be compared line by line.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use goodtwin_core::Error as CoreError;
use goodtwin_core::dataset::read_json_lines;
use goodtwin_core::terminal::note;
use serde::{Deserialize, Serialize};

use crate::{Result, events};

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
    /// What families add to it, before it is weighed; none without a loss over families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_loss: Option<f32>,
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
    /// Steps taken by its end, over all epochs.
    #[serde(default)]
    pub step: usize,
    /// Mean over the pictures.
    pub train_loss: f64,
    /// What families add to it, before it is weighed; none without a loss over families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_family_loss: Option<f64>,
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

/// The epoch that a run is in, or was killed in, from 1; none before its first step. Its last line may be half a line.
pub fn epoch(run: &Path) -> Option<usize> {
    let bytes = std::fs::read(run.join(NAME)).ok()?;
    let last = bytes.rsplit(|b| *b == b'\n').find_map(|line| serde_json::from_slice(line).ok())?;
    Some(match last {
        Line::Step(step) => step.epoch,
        Line::Epoch(epoch) => epoch.epoch,
    })
}

const NAME: &str = "metrics.jsonl";

/// Writes what a run says.
pub struct Log {
    lines: Tail,
    events: Tail,
}

/// How much is on the disk for good: where a run goes on writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Bytes of `metrics.jsonl`.
    pub lines: u64,
    /// Bytes of TensorBoard's file.
    pub events: u64,
}

impl Log {
    /// Go on after so much; what comes after it is done anew. `now` is in seconds since 1970.
    pub fn open(run: &Path, written: Written, now: f64) -> Result<Log> {
        let whole_lines = |bytes: &[u8]| bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at as u64 + 1);
        let lines = Tail::open(run.join(NAME), written.lines, whole_lines)?;
        // TensorBoard reads no further than a record that is cut: its file begins anew.
        let mut events = Tail::open(run.join(events::NAME), written.events, |_| 0)?;
        if events.bytes == 0 {
            events.append(&events::version(now))?;
        }
        Ok(Log { lines, events })
    }

    /// Add a line.
    pub fn append(&mut self, line: &Line, now: f64) -> Result<()> {
        let mut text = serde_json::to_vec(line).expect("our own types have string keys and serialise");
        text.push(b'\n');
        self.lines.append(&text)?;
        match line {
            Line::Step(s) => {
                let mut values = vec![("train/loss", s.loss), ("train/accuracy", s.accuracy)];
                values.extend(s.family_loss.map(|loss| ("train/family_loss", loss)));
                self.scalars(s.step, &values, now)
            }
            Line::Epoch(e) => {
                let validation =
                    [("validation/loss", e.validation_loss), ("validation/accuracy", e.validation_accuracy)];
                let values: Vec<(&str, f32)> =
                    validation.iter().filter_map(|(tag, value)| Some((*tag, (*value)? as f32))).collect();
                self.scalars(e.step, &values, now)
            }
        }
    }

    /// Add scalars for TensorBoard alone.
    pub fn scalars(&mut self, step: usize, values: &[(&str, f32)], now: f64) -> Result<()> {
        self.events.append(&events::scalars(now, step as u64, values))
    }

    /// How much is on the disk, now for good.
    pub fn sync(&mut self) -> Result<Written> {
        Ok(Written { lines: self.lines.sync()?, events: self.events.sync()? })
    }
}

/// A file that grows at its end by whole pieces.
struct Tail {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Tail {
    /// Go on after so many bytes; where there are fewer, after the pieces that are `whole`, in bytes.
    fn open(path: PathBuf, bytes: u64, whole: fn(&[u8]) -> u64) -> Result<Tail> {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path).and_then(|mut file| {
            let there = file.metadata()?.len();
            // The end of what is left may be half a piece, to which the next must not be glued.
            let kept = if there < bytes { whole(&std::fs::read(&path)?) } else { bytes };
            file.set_len(kept)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, there, kept))
        });
        let (file, there, kept) = opened.map_err(|e| CoreError::disk(&path, "open the file", e))?;
        if there < bytes {
            let path = path.display();
            note(format_args!("{path}: has {there} bytes, and {bytes} were written: what is lost stays lost"));
        }
        Ok(Tail { path, file, bytes: kept })
    }

    fn append(&mut self, piece: &[u8]) -> Result<()> {
        if let Err(e) = self.file.write_all(piece) {
            let _ = self.file.set_len(self.bytes); // no half piece
            return Err(CoreError::disk(&self.path, format!("write {} bytes", piece.len()), e).into());
        }
        self.bytes += piece.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<u64> {
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
        let family = self.train_family_loss.map_or(String::new(), |loss| format!(" (families {loss:.4})"));
        format!(
            "epoch {}/{epochs}: loss {:.4}{family} accuracy {:.3}{validation}, {:.1} s",
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
        let step = |step: usize| {
            let family_loss = (step > 1).then_some(0.5);
            Line::Step(Step { step, epoch: 1, loss: 0.1 + step as f32, family_loss, accuracy: 0.5, rate: 1.0 })
        };
        let mut log = Log::open(dir.path(), Written::default(), 1.0).unwrap();
        log.append(&step(1), 2.0).unwrap();
        let here = log.sync().unwrap();
        log.append(&step(2), 3.0).unwrap();
        let mut log = Log::open(dir.path(), here, 4.0).unwrap();
        log.append(&step(3), 5.0).unwrap();
        let events = events::reader::read(&std::fs::read(dir.path().join(events::NAME)).unwrap());
        assert_eq!(events.iter().map(|e| (e.seconds, e.step)).collect::<Vec<_>>(), [(1.0, 0), (2.0, 1), (5.0, 3)]);
        assert_eq!(events[2].scalars[0], ("train/loss".to_string(), 3.1));
        assert_eq!(events[2].scalars[2], ("train/family_loss".to_string(), 0.5));
        assert_eq!(events[1].scalars.len(), 2);
        assert_eq!(read(dir.path()).unwrap(), [step(1), step(3)]);
    }

    #[test]
    fn what_was_lost_is_not_made_up_of_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let step = |step| Line::Step(Step { step, epoch: 1, loss: 0.5, family_loss: None, accuracy: 0.5, rate: 1.0 });
        let mut log = Log::open(dir.path(), Written::default(), 1.0).unwrap();
        log.append(&step(1), 2.0).unwrap();
        let here = log.sync().unwrap();
        for name in [NAME, events::NAME] {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        let mut log = Log::open(dir.path(), here, 4.0).unwrap();
        log.append(&step(2), 5.0).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [step(2)]);
        log.append(&step(3), 6.0).unwrap();
        let longer = log.sync().unwrap();
        for name in [NAME, events::NAME] {
            let file = OpenOptions::new().write(true).open(dir.path().join(name)).unwrap();
            file.set_len(file.metadata().unwrap().len() - 3).unwrap();
        }
        let mut log = Log::open(dir.path(), longer, 7.0).unwrap();
        log.append(&step(4), 8.0).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [step(2), step(4)], "half a line is none");
        let events = events::reader::read(&std::fs::read(dir.path().join(events::NAME)).unwrap());
        assert_eq!(events.iter().map(|e| e.step).collect::<Vec<_>>(), [0, 4], "the version, and the step");
    }
}
