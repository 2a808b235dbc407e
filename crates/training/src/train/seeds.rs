//! One recipe with several seeds: how far a figure is luck.
//!
//! ```text
//! GROUP-seed7/  GROUP-seed8/  GROUP-seed9/   a run each
//! GROUP.seeds.json                           which, and of each figure of their `model.json` the mean and the spread
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::{Error as CoreError, atomic};
use serde::{Deserialize, Serialize};

use super::run_card::RunCard;
use crate::Result;

const FORMAT: u32 = 1;

/// `GROUP.seeds.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seeds {
    format: u32,
    /// What the runs are made of, but for the seed.
    pub card: RunCard,
    /// In order.
    pub runs: Vec<SeedRun>,
    /// Of each figure that all finished runs have.
    pub figures: BTreeMap<String, Spread>,
}

/// One run of the group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// Its folder's name, beside the file.
    pub folder: String,
    /// The figures of its `model.json`; none while it is not finished.
    pub metrics: Option<BTreeMap<String, f64>>,
}

/// How a figure spreads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The sample's standard deviation (divided by n - 1); none for a single run.
    pub deviation: Option<f64>,
    /// Of how many runs.
    pub runs: usize,
}

impl Spread {
    /// Of some values; none where there are none.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Spread { mean, deviation: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()), runs: n })
    }
}

/// What a run of a group is called, after the group's name.
pub fn suffix(seed: u64) -> String {
    format!("-seed{seed}")
}

/// The group's file.
pub fn file(group: &Path) -> PathBuf {
    // Not the path with something behind it: it may end in a slash.
    let mut name = group.file_name().unwrap_or_default().to_owned();
    name.push(".seeds.json");
    group.with_file_name(name)
}

impl Seeds {
    /// A group of `count` runs, from the recipe's seed on; `group` is their name with its folder.
    pub fn new(group: &Path, card: RunCard, count: usize) -> Seeds {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        let run = |i| {
            let seed = card.recipe.seed.wrapping_add(i as u64);
            SeedRun { seed, folder: format!("{name}{}", suffix(seed)), metrics: None }
        };
        Seeds { format: FORMAT, runs: (0..count).map(run).collect(), card, figures: BTreeMap::new() }
    }

    /// Read a group; none where there is none of this name.
    ///
    /// # Errors
    /// Exit 65 for a file that is none.
    pub fn open(group: &Path) -> Result<Option<Seeds>> {
        let path = file(group);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(CoreError::read(&path, "group of runs", e).into()),
        };
        let seeds: Seeds =
            serde_json::from_slice(&bytes).map_err(|e| CoreError::data(&path, format!("not a group of runs: {e}")))?;
        if seeds.format != FORMAT {
            return Err(CoreError::data(&path, format!("the format is {}: expected {FORMAT}", seeds.format)).into());
        }
        Ok(Some(seeds))
    }

    /// Take the figures of a finished run in, and write the group.
    pub fn finished(&mut self, group: &Path, seed: u64, metrics: BTreeMap<String, f64>) -> Result<()> {
        for run in self.runs.iter_mut().filter(|run| run.seed == seed) {
            run.metrics = Some(metrics.clone());
        }
        let done: Vec<&BTreeMap<String, f64>> = self.runs.iter().filter_map(|run| run.metrics.as_ref()).collect();
        let spread = |key: &String| {
            let values: Option<Vec<f64>> = done.iter().map(|metrics| metrics.get(key).copied()).collect();
            Some((key.clone(), Spread::of(&values?)?))
        };
        self.figures = done.first().map(|first| first.keys().filter_map(spread).collect()).unwrap_or_default();
        self.write(group)
    }

    /// Write the group.
    pub fn write(&self, group: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("our own types have string keys and serialise");
        Ok(atomic::write(&file(group), &json)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_of_the_same_group() {
        assert_eq!(file(Path::new("runs/q/")), file(Path::new("runs/q")));
        assert_eq!(file(Path::new("runs/q")), Path::new("runs/q.seeds.json"));
    }

    #[test]
    fn a_spread_by_hand() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[0.5]), Some(Spread { mean: 0.5, deviation: None, runs: 1 }));
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.mean, spread.runs), (5.0, 8));
        assert!((spread.deviation.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
    }
}
