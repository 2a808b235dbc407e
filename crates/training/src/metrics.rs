//! What a classifier's predictions are worth.

use goodtwin_core::BagType;
use serde::{Deserialize, Serialize};

/// How often each class was taken for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// In the order of rows and columns.
    pub classes: Vec<BagType>,
    /// `counts[actual][predicted]`.
    pub counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Count predictions `(actual, predicted)`.
    pub fn count(classes: &[BagType], predictions: impl IntoIterator<Item = (usize, usize)>) -> Confusion {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (actual, predicted) in predictions {
            counts[actual][predicted] += 1;
        }
        Confusion { classes: classes.to_vec(), counts }
    }

    /// How many predictions were counted.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// How many were right.
    pub fn right(&self) -> usize {
        (0..self.classes.len()).map(|i| self.counts[i][i]).sum()
    }

    /// The share of right predictions; none of none.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.right(), self.total())
    }

    /// Of those that are `class`, the share that was found; none where there are none.
    pub fn recall(&self, class: usize) -> Option<f64> {
        share(self.counts[class][class], self.counts[class].iter().sum())
    }

    /// Of those that were taken for `class`, the share that are; none where none were.
    pub fn precision(&self, class: usize) -> Option<f64> {
        share(self.counts[class][class], self.counts.iter().map(|row| row[class]).sum())
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The place of the largest value; the first of several.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        let classes = [BagType::new("tote"), BagType::new("clutch")];
        let c = Confusion::count(&classes, [(0, 0), (0, 0), (0, 1), (1, 1)]);
        assert_eq!(c.counts, [[2, 1], [0, 1]]);
        assert_eq!(c.accuracy(), Some(0.75));
        assert_eq!((c.recall(0), c.precision(0), c.precision(1)), (Some(2.0 / 3.0), Some(1.0), Some(0.5)));
        assert_eq!(argmax(&[0.1, 0.7, 0.7]), 1);
    }
}
