//! The exact scan: every item's best cosine, and the k best of those.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

use goodtwin_vision::embedder::cosine;
use rayon::prelude::*;

/// An item's best score, ordered so that a greater one comes first in an answer: by score, then by the earlier item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hit {
    /// The cosine.
    pub(crate) score: f32,
    /// Which item.
    pub(crate) group: usize,
    /// Its best picture.
    pub(crate) row: usize,
}

impl Eq for Hit {}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.group.cmp(&self.group)).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Vectors of `query.len()` values, one after the other, and the rows that belong to each item.
pub(crate) struct Space<'a> {
    pub(crate) vectors: &'a [f32],
    pub(crate) groups: &'a [Range<usize>],
}

/// Items a task: at 1,024 dimensions some 256 KiB of vectors, far more work than handing it out.
const CHUNK: usize = 64;

impl Space<'_> {
    /// The `k` items with the greatest dot product, best first; of two alike, the one with the lesser index.
    pub(crate) fn nearest(&self, query: &[f32], k: usize, keep: impl Fn(usize) -> bool + Sync) -> Vec<Hit> {
        let mut best = (0..self.groups.len())
            .into_par_iter()
            .with_min_len(CHUNK)
            .filter(|&group| keep(group))
            .filter_map(|group| self.best_of(query, group))
            .fold(BinaryHeap::new, |heap, hit| offer(heap, hit, k))
            .reduce(BinaryHeap::new, |a, b| b.into_iter().fold(a, |heap, Reverse(hit)| offer(heap, hit, k)))
            .into_iter()
            .map(|Reverse(hit)| hit)
            .collect::<Vec<_>>();
        best.sort_unstable_by(|a, b| b.cmp(a));
        best
    }

    fn best_of(&self, query: &[f32], group: usize) -> Option<Hit> {
        let hit =
            |row: usize| Hit { score: cosine(query, &self.vectors[row * query.len()..][..query.len()]), group, row };
        self.groups[group].clone().map(hit).max()
    }
}

/// Keep the `k` greatest: the least of them is on top, ready to go.
fn offer(mut heap: BinaryHeap<Reverse<Hit>>, hit: Hit, k: usize) -> BinaryHeap<Reverse<Hit>> {
    if heap.len() < k {
        heap.push(Reverse(hit));
    } else if heap.peek().is_some_and(|Reverse(least)| hit > *least) {
        heap.pop();
        heap.push(Reverse(hit));
    }
    heap
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Case {
        dim: usize,
        vectors: Vec<f32>,
        groups: Vec<Range<usize>>,
        query: Vec<f32>,
        keep: Vec<bool>,
        k: usize,
    }

    /// Values that are small multiples of 1/4: products and sums are exact in f32 whatever the order, and ties abound.
    fn cases() -> impl Strategy<Value = Case> {
        (1usize..40, prop::collection::vec(1usize..4, 0..300), 0usize..20).prop_flat_map(|(dim, sizes, k)| {
            let mut end = 0;
            let groups: Vec<_> = sizes
                .iter()
                .map(|n| {
                    end += n;
                    end - n..end
                })
                .collect();
            let values = |n: usize| prop::collection::vec((-4i8..=4).prop_map(|v| f32::from(v) / 4.0), n);
            let keep = prop::collection::vec(any::<bool>(), groups.len());
            (values(end * dim), values(dim), keep).prop_map(move |(vectors, query, keep)| Case {
                dim,
                vectors,
                groups: groups.clone(),
                query,
                keep,
                k,
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn finds_what_a_naive_scan_finds(Case { dim, vectors, groups, query, keep, k } in cases()) {
            let mut naive: Vec<(f32, usize, usize)> = Vec::new();
            for (group, rows) in groups.iter().enumerate().filter(|(g, _)| keep[*g]) {
                let mut best = (f32::NEG_INFINITY, 0);
                for row in rows.clone() {
                    let score = (0..dim).fold(0.0, |sum, i| sum + query[i] * vectors[row * dim + i]);
                    if score > best.0 {
                        best = (score, row);
                    }
                }
                naive.push((best.0, group, best.1));
            }
            naive.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            naive.truncate(k);
            let found = Space { vectors: &vectors, groups: &groups }.nearest(&query, k, |g| keep[g]);
            let found: Vec<_> = found.into_iter().map(|h| (h.score, h.group, h.row)).collect();
            prop_assert_eq!(found, naive);
        }
    }
}
