//! Whether the nearest embeddings are of the same family: the figure that GoodTwin is about.

use goodtwin_core::Row;
use rayon::prelude::*;
use serde::Serialize;

/// What a set of queries found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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

/// Ask with each picture in `queries`; the gallery is every other picture of the set.
///
/// None when no query has another picture of its family in the set. Embeddings are of length 1, so the dot product is the cosine. Of two as near, the earlier row counts as nearer.
pub fn measure(rows: &[Row], embeddings: &[Vec<f32>], queries: &[usize]) -> Option<Retrieval> {
    let answers: Vec<(bool, bool, bool)> = queries
        .par_iter()
        .filter(|q| has_relatives(rows, **q))
        .map(|q| {
            let mut scored: Vec<(f32, usize)> = (0..rows.len())
                .filter(|i| i != q)
                .map(|i| (embeddings[*q].iter().zip(&embeddings[i]).map(|(a, b)| a * b).sum(), i))
                .collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let related = |(_, i): &(f32, usize)| rows[*i].family == rows[*q].family;
            (
                scored.first().is_some_and(related),
                scored.iter().take(5).any(related),
                scored.first().is_some_and(|(_, i)| rows[*i].bag_type == rows[*q].bag_type),
            )
        })
        .collect();
    if answers.is_empty() {
        return None;
    }
    let share =
        |f: fn(&(bool, bool, bool)) -> bool| answers.iter().filter(|a| f(a)).count() as f64 / answers.len() as f64;
    Some(Retrieval {
        queries: answers.len(),
        recall_1: share(|a| a.0),
        recall_5: share(|a| a.1),
        type_1: share(|a| a.2),
    })
}

fn has_relatives(rows: &[Row], query: usize) -> bool {
    rows[query].family.is_some() && rows.iter().enumerate().any(|(i, r)| i != query && r.family == rows[query].family)
}
