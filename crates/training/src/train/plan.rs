//! Which pictures a step sees, and in which views: fixed by the seed, the epoch and the step.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recipe's seed.
    pub seed: u64,
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The views that each has beside itself.
    pub views: usize,
    /// Pictures a step.
    pub batch_size: usize,
}

/// The pictures of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Row numbers.
    pub rows: Vec<usize>,
    /// The view of each.
    pub views: Vec<usize>,
}

impl Plan {
    /// Steps an epoch.
    pub fn steps(&self) -> usize {
        self.train.len().div_ceil(self.batch_size)
    }

    /// The batches of an epoch, from 1: every row once, in a new order, each in one of its views or as it is.
    pub fn epoch(&self, epoch: usize) -> Vec<Batch> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        let mut order = self.train.clone();
        order.shuffle(&mut rng);
        let mut view = || rng.random_range(0..=self.views);
        order
            .chunks(self.batch_size)
            .map(|rows| Batch { rows: rows.to_vec(), views: rows.iter().map(|_| view()).collect() })
            .collect()
    }

    /// What dropout draws from in a step (from 0, over all epochs), and in which of its parts.
    pub fn noise(&self, step: usize, part: usize) -> u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0xd209);
        rng.set_stream(step as u64);
        rng.set_word_pos(2 * part as u128);
        rng.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_seen_once_an_epoch_and_every_view_some_time() {
        let plan = Plan { seed: 7, train: (10..33).collect(), views: 2, batch_size: 5 };
        assert_eq!((plan.steps(), plan.epoch(1).len()), (5, 5));
        let mut seen: Vec<usize> = plan.epoch(1).into_iter().flat_map(|b| b.rows).collect();
        seen.sort();
        assert_eq!(seen, plan.train);
        let views: std::collections::BTreeSet<usize> = plan.epoch(1).into_iter().flat_map(|b| b.views).collect();
        assert_eq!(views.len(), 3);
        assert_eq!(plan.epoch(2), plan.epoch(2));
        assert_ne!(plan.epoch(1), plan.epoch(2));
        assert_ne!(plan.epoch(1), Plan { seed: 8, ..plan.clone() }.epoch(1));
        let noise: std::collections::BTreeSet<u64> =
            (0..50).flat_map(|step| [plan.noise(step, 0), plan.noise(step, 1)]).collect();
        assert_eq!(noise.len(), 100);
    }
}
