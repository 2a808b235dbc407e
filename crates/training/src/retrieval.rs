//! Whether the nearest embeddings are of the same family: the figure that GoodTwin is about.

use goodtwin_core::Row;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What a set of queries found.
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

/// Ask with each picture in `queries`; the gallery is every other picture of the set, without the same bytes that another
/// offer shows: those would be found by any network.
///
/// None when no query has another picture of its family in the set. Embeddings are of length 1, so the dot product is the cosine. Of two as near, the earlier row counts as nearer.
pub fn measure(rows: &[Row], embeddings: &[Vec<f32>], queries: &[usize]) -> Option<Retrieval> {
    let answers: Vec<(bool, bool, bool)> = queries
        .par_iter()
        .filter(|q| has_relatives(rows, **q))
        .map(|q| {
            let mut scored: Vec<(f32, usize)> = (0..rows.len())
                .filter(|i| rows[*i].sha256 != rows[*q].sha256)
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
    let Row { family, sha256, .. } = &rows[query];
    family.is_some() && rows.iter().any(|r| r.sha256 != *sha256 && r.family == *family)
}

#[cfg(test)]
mod tests {
    use goodtwin_core::{BagType, ContentId, Split};

    use super::*;

    fn row(picture: &str, family: Option<&str>) -> Row {
        Row {
            file_name: picture.into(),
            sha256: ContentId::of(picture),
            width: 1,
            height: 1,
            bag_type: BagType::new("tote"),
            split: Split::Test,
            family: family.map(String::from),
            background: None,
            colour: None,
            brand: None,
            title: None,
            source: None,
            item: None,
        }
    }

    #[test]
    fn the_same_picture_of_another_offer_is_no_answer() {
        let rows = [row("a", Some("f")), row("a", None), row("b", Some("f")), row("c", Some("g")), row("c", Some("g"))];
        let embeddings: Vec<Vec<f32>> =
            [[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.0, 1.0]].map(Vec::from).into();
        let found = measure(&rows, &embeddings, &[0, 1, 3, 4]).unwrap();
        assert_eq!((found.queries, found.recall_1), (1, 1.0));
    }
}
