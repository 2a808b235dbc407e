//! The measures of what queries found, and their means with intervals.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::Row;
use serde::{Deserialize, Serialize};

use super::{Answer, Answers};
use crate::bootstrap::{Bootstrap, Estimate};

/// A measure of an answer; its mean over the queries is the figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The nearest is right.
    #[serde(rename = "recall_1")]
    Recall1,
    /// One of the nearest five is right.
    #[serde(rename = "recall_5")]
    Recall5,
    /// One of the nearest ten is right.
    #[serde(rename = "recall_10")]
    Recall10,
    /// Mean average precision at R.
    MapR,
    /// Mean reciprocal rank.
    Mrr,
}

impl Metric {
    /// All, in the order of reports.
    pub const ALL: [Metric; 5] = [Metric::Recall1, Metric::Recall5, Metric::Recall10, Metric::MapR, Metric::Mrr];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Recall1 => "Recall@1",
            Metric::Recall5 => "Recall@5",
            Metric::Recall10 => "Recall@10",
            Metric::MapR => "mAP@R",
            Metric::Mrr => "MRR",
        }
    }

    /// Its value for one answer, 0 to 1.
    pub fn of(self, answer: &Answer) -> f64 {
        let within = |k: usize| f64::from(u8::from(answer.first <= k));
        match self {
            Metric::Recall1 => within(1),
            Metric::Recall5 => within(5),
            Metric::Recall10 => within(10),
            Metric::MapR => answer.map_r,
            Metric::Mrr => 1.0 / answer.first as f64,
        }
    }
}

/// Means over the queries, with intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// How many pictures asked.
    pub queries: usize,
    /// Of how many families; a picture without one counts as a family of its own.
    pub families: usize,
    /// Each measure.
    #[serde(flatten)]
    pub metrics: BTreeMap<Metric, Estimate>,
}

impl Figures {
    /// The means of these answers; none when nobody asked.
    pub fn of<'a>(answers: &[Answer], cluster: Cluster<'_, 'a>, bootstrap: &Bootstrap) -> Option<Figures> {
        let metrics = Metric::ALL.map(|metric| {
            let values = answers.iter().map(|a| (cluster(a.query), metric.of(a)));
            bootstrap.mean(values).map(|estimate| (metric, estimate))
        });
        let families: BTreeSet<&str> = answers.iter().map(|a| cluster(a.query)).collect();
        let metrics: Option<BTreeMap<_, _>> = metrics.into_iter().collect();
        Some(Figures { queries: answers.len(), families: families.len(), metrics: metrics? })
    }

    /// One measure.
    pub fn get(&self, metric: Metric) -> Estimate {
        self.metrics[&metric]
    }
}

/// From a query's row number to what is drawn together in a bootstrap: see [`cluster`].
pub type Cluster<'f, 'a> = &'f dyn Fn(usize) -> &'a str;

/// What is drawn together in a bootstrap: pictures of one family are nearly one picture.
pub fn cluster(row: &Row) -> &str {
    row.family.as_deref().unwrap_or(row.sha256.as_str())
}

/// By measure, the mean of `ours` minus `theirs` over the queries of both, with the interval of the paired difference.
pub fn difference<'a>(
    ours: &[Answer],
    theirs: &[Answer],
    cluster: Cluster<'_, 'a>,
    bootstrap: &Bootstrap,
) -> Option<BTreeMap<Metric, Estimate>> {
    let theirs: BTreeMap<usize, &Answer> = theirs.iter().map(|a| (a.query, a)).collect();
    let pairs: Vec<(&Answer, &Answer)> = ours.iter().filter_map(|a| Some((a, *theirs.get(&a.query)?))).collect();
    let of = |metric: Metric| {
        let values = pairs.iter().map(|(a, b)| (cluster(a.query), metric.of(a) - metric.of(b)));
        Some((metric, bootstrap.mean(values)?))
    };
    Metric::ALL.into_iter().map(of).collect()
}

/// The short form: what a run notes of itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// How many pictures asked: those with another picture of their family in the gallery.
    pub queries: usize,
    /// The share of queries whose nearest picture is of their family.
    pub recall_1: f64,
    /// The share of queries with one of their family among the nearest five.
    pub recall_5: f64,
    /// The share of queries whose nearest picture is of their type.
    pub type_1: f64,
}

impl Retrieval {
    /// The short form of some answers; none when no query has another picture of its family in the set.
    pub fn of(answers: &Answers) -> Option<Retrieval> {
        let queries = answers.family.len();
        let types: BTreeMap<usize, &Answer> = answers.types.iter().map(|a| (a.query, a)).collect();
        let mean = |value: &dyn Fn(&Answer) -> f64| answers.family.iter().map(value).sum::<f64>() / queries as f64;
        (queries > 0).then(|| Retrieval {
            queries,
            recall_1: mean(&|a| Metric::Recall1.of(a)),
            recall_5: mean(&|a| Metric::Recall5.of(a)),
            type_1: mean(&|a| types.get(&a.query).map_or(0.0, |a| Metric::Recall1.of(a))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_by_hand() {
        let answers = [(1, 1.0), (2, 0.5), (6, 0.0), (20, 0.0)];
        let answers: Vec<Answer> =
            answers.iter().enumerate().map(|(query, &(first, map_r))| Answer { query, first, map_r }).collect();
        let figures = Figures::of(&answers, &|i| ["f0", "f0", "f1", "f1"][i], &Bootstrap::default()).unwrap();
        let values = Metric::ALL.map(|m| figures.get(m).value);
        assert_eq!((figures.queries, figures.families), (4, 2));
        assert_eq!(values[..4], [0.25, 0.5, 0.75, 0.375]);
        assert!((values[4] - (1.0 + 0.5 + 1.0 / 6.0 + 0.05) / 4.0).abs() < 1e-12);
        assert!(Figures::of(&[], &|_| "", &Bootstrap::default()).is_none());
    }
}
