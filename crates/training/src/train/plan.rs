//! Which pictures a step sees, and in which views: fixed by the seed, the epoch and the step.

use std::collections::BTreeMap;

use rand::seq::{IndexedRandom, SliceRandom};
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
    /// The rows that each may be paired with, where rows are seen in pairs.
    pub partners: Option<BTreeMap<usize, Vec<usize>>>,
}

/// The pictures of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Row numbers.
    pub rows: Vec<usize>,
    /// The view of each.
    pub views: Vec<usize>,
}

impl Batch {
    fn push(&mut self, row: usize, view: usize) {
        self.rows.push(row);
        self.views.push(view);
    }
}

impl Plan {
    /// Steps an epoch.
    pub fn steps(&self) -> usize {
        self.train.len().div_ceil(self.rows())
    }

    /// Pictures an epoch.
    pub fn pictures(&self) -> usize {
        self.train.len() * if self.partners.is_some() { 2 } else { 1 }
    }

    /// Rows a step that are next in order.
    fn rows(&self) -> usize {
        if self.partners.is_some() { self.batch_size / 2 } else { self.batch_size }
    }

    /// The batches of an epoch, from 1: every row once, in a new order, each in one of its views or as it is. In pairs,
    /// each is followed by another of its family or, where there is none, by itself in another view.
    pub fn epoch(&self, epoch: usize) -> Vec<Batch> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        let mut order = self.train.clone();
        order.shuffle(&mut rng);
        let batch = |rows: &[usize]| {
            let mut batch = Batch { rows: vec![], views: vec![] };
            for row in rows {
                let view = rng.random_range(0..=self.views);
                batch.push(*row, view);
                let Some(partners) = &self.partners else { continue };
                match partners[row].choose(&mut rng) {
                    Some(other) => batch.push(*other, rng.random_range(0..=self.views)),
                    // Each other view is as likely; a picture without views is beside itself.
                    None => batch.push(*row, (view + rng.random_range(1..=self.views.max(1))) % (self.views + 1)),
                }
            }
            batch
        };
        order.chunks(self.rows()).map(batch).collect()
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
        let plan = Plan { seed: 7, train: (10..33).collect(), views: 2, batch_size: 5, partners: None };
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

    #[test]
    fn in_pairs_each_row_is_beside_its_family_or_itself_in_another_view() {
        let others = |row: usize| if row < 4 { (0..4).filter(|other| *other != row).collect() } else { vec![] };
        let partners = Some((0..9).map(|row| (row, others(row))).collect());
        let plan = Plan { seed: 7, train: (0..9).collect(), views: 2, batch_size: 6, partners };
        assert_eq!((plan.steps(), plan.pictures()), (3, 18));
        let mut seen = vec![];
        for epoch in 1..=20 {
            let batches = plan.epoch(epoch);
            assert_eq!(batches.iter().map(|b| b.rows.len()).collect::<Vec<_>>(), [6, 6, 6]);
            for (rows, views) in batches.iter().flat_map(|b| b.rows.chunks(2).zip(b.views.chunks(2))) {
                seen.push(rows[0]);
                match rows[0] < 4 {
                    true => assert!(rows[1] < 4 && rows[0] != rows[1]),
                    false => assert!(rows[0] == rows[1] && views[0] != views[1] && views[1] <= 2),
                }
            }
        }
        seen.sort();
        assert_eq!(seen, (0..9).flat_map(|row| [row; 20]).collect::<Vec<_>>(), "every row is first once an epoch");
        assert_eq!(plan.epoch(3), plan.epoch(3));
        let still = Plan { views: 0, ..plan };
        assert!(still.epoch(1).iter().all(|b| b.views.iter().all(|view| *view == 0)));
    }
}
