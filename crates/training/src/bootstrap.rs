//! How far a figure could be off by the choice of queries.
//!
//! Pictures of one family are nearly one picture: a network that finds one finds the others. So families are drawn, not
//! pictures: each resample takes as many families as there are, with replacement, and all queries of each (the cluster
//! bootstrap; Field and Welsh 2007). Drawing pictures would give intervals that are too narrow. The interval is from the
//! 2.5th to the 97.5th percentile. A figure of exactly 0 or 1 has an interval without width, which says nothing about
//! pictures that were not asked.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How intervals are made. The same seed draws the same families for every measure and every rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// How often families are drawn anew.
    pub resamples: usize,
    /// Of the generator.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { resamples: 2000, seed: 0 }
    }
}

/// A mean and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over all.
    pub value: f64,
    /// None where all queries are of one family, of which nothing can be drawn.
    pub interval: Option<[f64; 2]>,
}

impl Estimate {
    /// Whether the whole interval is above zero.
    pub fn is_above_zero(&self) -> bool {
        self.interval.is_some_and(|[low, _]| low > 0.0)
    }
}

/// `0.736 [0.611, 0.847]`; by `{:+}`, `+0.058 [0.019, 0.106]`.
impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match f.sign_plus() {
            true => write!(f, "{:+.3}", self.value)?,
            false => write!(f, "{:.3}", self.value)?,
        }
        match self.interval {
            Some([low, high]) => write!(f, " [{low:.3}, {high:.3}]"),
            None => f.write_str(" [one family only]"),
        }
    }
}

impl Bootstrap {
    /// The mean of values that come in clusters; none of no values.
    pub fn mean<'a>(&self, values: impl Iterator<Item = (&'a str, f64)>) -> Option<Estimate> {
        let mut clusters: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        for (cluster, value) in values {
            let (sum, n) = clusters.entry(cluster).or_default();
            *sum += value;
            *n += 1;
        }
        let clusters: Vec<(f64, usize)> = clusters.into_values().collect();
        let value = mean(clusters.iter())?;
        let interval = (clusters.len() > 1).then(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            let mut means: Vec<f64> = (0..self.resamples)
                .filter_map(|_| mean((0..clusters.len()).map(|_| &clusters[rng.random_range(0..clusters.len())])))
                .collect();
            means.sort_by(f64::total_cmp);
            [0.025, 0.975].map(|share| percentile(&means, share))
        });
        Some(Estimate { value, interval })
    }
}

fn mean<'a>(clusters: impl Iterator<Item = &'a (f64, usize)>) -> Option<f64> {
    let (sum, n) = clusters.fold((0.0, 0), |(sum, n), (s, m)| (sum + s, n + m));
    (n > 0).then(|| sum / n as f64)
}

/// Between the two nearest places, in proportion (Hyndman and Fan's seventh, the usual one).
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn a_coin_has_the_interval_that_the_books_give() {
        // 400 throws, half heads: 0.5 plus or minus 1.96 * sqrt(0.25 / 400) = 0.049.
        let names = names(400);
        let estimate = Bootstrap::default().mean(names.iter().enumerate().map(|(i, n)| (n.as_str(), (i % 2) as f64)));
        let Estimate { value, interval: Some([low, high]) } = estimate.unwrap() else { panic!() };
        assert_eq!(value, 0.5);
        assert!((low - 0.451).abs() < 0.004 && (high - 0.549).abs() < 0.004, "{low} {high}");
    }

    #[test]
    fn pictures_of_one_family_count_as_one_draw() {
        let names = names(20);
        let of = |each: usize| {
            let values = names.iter().enumerate().flat_map(|(i, n)| vec![(n.as_str(), (i % 2) as f64); each]);
            Bootstrap::default().mean(values).unwrap()
        };
        assert_eq!(of(1), of(50), "fifty views of each bag are no fifty bags");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_one_family_none() {
        let names = names(10);
        let of = |seed, n: usize| {
            let values = names[..n].iter().enumerate().map(|(i, n)| (n.as_str(), i as f64));
            Bootstrap { seed, ..Bootstrap::default() }.mean(values)
        };
        assert_eq!(of(1, 10), of(1, 10));
        assert_ne!(of(1, 10), of(2, 10));
        assert_eq!(of(1, 1), Some(Estimate { value: 0.0, interval: None }));
        assert_eq!(of(1, 0), None);
    }

    #[test]
    fn only_a_whole_interval_is_above_zero() {
        let of = |low, high| Estimate { value: 0.1, interval: Some([low, high]) }.is_above_zero();
        assert_eq!([of(0.01, 0.2), of(0.0, 0.2), of(-0.1, 0.3)], [true, false, false]);
    }
}
