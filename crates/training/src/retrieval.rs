//! Whether the nearest embeddings are of the same family: the figure that GoodTwin is about.
//!
//! A picture asks; the gallery is every other picture of the set, nearest first. What counts as right is the [`Question`].
//! The measures are those of the metric-learning literature:
//!
//! - Recall@k: whether one of the nearest k is right (Jégou, Douze, Schmid 2011).
//! - mAP@R: with R right pictures in the gallery, the precisions at each right one among the nearest R, summed and divided
//!   by R (Musgrave, Belongie, Lim 2020). Unlike Recall@1 it sees the whole family.
//! - MRR: one divided by the place of the first right one.
//!
//! `measures` has them; here is who asks, and what is found.

mod measures;

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::Row;
use goodtwin_vision::embedder::cosine;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use measures::{Cluster, Figures, Metric, Retrieval, cluster, difference};

/// How many of the nearest pictures are kept for people to look at.
const KEPT: usize = 8;

/// What counts as right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Another picture of the query's family.
    Family,
    /// Another picture of its family, in a gallery of pictures on other grounds only: plain asks for scene, scene for plain.
    FamilyAcrossGrounds,
    /// Another picture of its type.
    Type,
}

impl Question {
    fn in_gallery(self, query: &Row, other: &Row) -> bool {
        match self {
            Question::FamilyAcrossGrounds => {
                query.background.is_some() && other.background.is_some() && query.background != other.background
            }
            _ => true,
        }
    }

    fn is_right(self, query: &Row, other: &Row) -> bool {
        match self {
            Question::Type => query.bag_type == other.bag_type,
            _ => query.family.is_some() && query.family == other.family,
        }
    }
}

/// What one query found: all measures follow from these two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The query's row number.
    pub query: usize,
    /// The place of the first right picture, from 1.
    pub first: usize,
    /// mAP@R of this query.
    pub map_r: f64,
}

/// What a set of queries found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// By those with another picture of their family in the gallery.
    pub family: Vec<Answer>,
    /// By those with another picture of their family on another ground.
    pub across: Vec<Answer>,
    /// By those with another picture of their family among the pictures that ask, which alone are the gallery: where a run
    /// has learned from all others, it is asked about nothing that it knows.
    #[serde(default)]
    pub unseen: Vec<Answer>,
    /// By those with another picture of their type.
    pub types: Vec<Answer>,
    /// For people: of each query with a family, the row numbers of the nearest pictures. Of several offers that show one, an
    /// offer of the family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nearest: Vec<(usize, Vec<usize>)>,
}

/// The rows in `queries` that ask something of their own: offers that show one picture and say the same of it ask once.
pub fn distinct(rows: &[Row], queries: &[usize]) -> Vec<usize> {
    let mut asked = BTreeSet::new();
    let is_new = |q: &usize| asked.insert((&rows[*q].sha256, &rows[*q].family, &rows[*q].bag_type));
    queries.iter().copied().filter(is_new).collect()
}

/// Ask with each row in `queries`.
///
/// The gallery holds every picture once, however many offers show it, and never the query's own bytes under another
/// offer's name: any network would find those. Embeddings are of length 1, so the dot product is the cosine. Of two as
/// near, the earlier row is nearer.
pub fn ask(rows: &[Row], embeddings: &[Vec<f32>], queries: &[usize]) -> Answers {
    let mut shown_by: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        shown_by.entry(row.sha256.as_str()).or_default().push(i);
    }
    let mut pictures: Vec<Vec<usize>> = shown_by.into_values().collect();
    pictures.sort();
    let queries = distinct(rows, queries);
    let asks: BTreeSet<&str> = queries.iter().map(|q| rows[*q].sha256.as_str()).collect();
    let found: Vec<([Option<Answer>; 4], Vec<usize>)> = queries
        .par_iter()
        .map(|q| {
            let order = nearest_first(rows, embeddings, &pictures, *q);
            let questions = [Question::Family, Question::FamilyAcrossGrounds, Question::Type];
            let [family, across, types] = questions.map(|question| answer(rows, &order, *q, question));
            let unseen: Vec<&Vec<usize>> =
                order.iter().copied().filter(|picture| asks.contains(rows[picture[0]].sha256.as_str())).collect();
            let unseen = answer(rows, &unseen, *q, Question::Family);
            let shown = |picture: &&Vec<usize>| {
                let of_family = picture.iter().find(|i| Question::Family.is_right(&rows[*q], &rows[**i]));
                *of_family.unwrap_or(&picture[0])
            };
            ([family, across, types, unseen], order.iter().take(KEPT).map(shown).collect())
        })
        .collect();
    let mut all = Answers::default();
    for (answers, nearest) in found {
        if let Some(family) = answers[0] {
            all.nearest.push((family.query, nearest));
        }
        all.family.extend(answers[0]);
        all.across.extend(answers[1]);
        all.types.extend(answers[2]);
        all.unseen.extend(answers[3]);
    }
    all
}

fn nearest_first<'a>(
    rows: &[Row],
    embeddings: &[Vec<f32>],
    pictures: &'a [Vec<usize>],
    query: usize,
) -> Vec<&'a Vec<usize>> {
    let mut scored: Vec<(f32, &Vec<usize>)> = pictures
        .iter()
        .filter(|picture| rows[picture[0]].sha256 != rows[query].sha256)
        .map(|picture| (cosine(&embeddings[query], &embeddings[picture[0]]), picture))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().map(|(_, picture)| picture).collect()
}

/// None when nothing in the gallery is right.
fn answer(rows: &[Row], order: &[&Vec<usize>], query: usize, question: Question) -> Option<Answer> {
    let asks = &rows[query];
    // A picture is right when one of the offers that show it is.
    let right: Vec<bool> = order
        .iter()
        .filter(|picture| picture.iter().any(|i| question.in_gallery(asks, &rows[*i])))
        .map(|picture| picture.iter().any(|i| question.is_right(asks, &rows[*i])))
        .collect();
    let first = 1 + right.iter().position(|right| *right)?;
    Some(Answer { query, first, map_r: map_at_r(&right) })
}

/// mAP@R of a whole gallery, nearest first.
fn map_at_r(right: &[bool]) -> f64 {
    let r = right.iter().filter(|right| **right).count();
    let (mut hits, mut sum) = (0, 0.0);
    for (place, _) in right.iter().take(r).enumerate().filter(|(_, right)| **right) {
        hits += 1;
        sum += f64::from(hits) / (place + 1) as f64;
    }
    sum / r.max(1) as f64
}

/// [`ask`] and [`Retrieval::of`].
pub fn measure(rows: &[Row], embeddings: &[Vec<f32>], queries: &[usize]) -> Option<Retrieval> {
    Retrieval::of(&ask(rows, embeddings, queries))
}

#[cfg(test)]
mod tests {
    use goodtwin_core::{BagType, ContentId, Split};

    use super::*;
    use crate::bootstrap::Bootstrap;

    fn row(picture: &str, family: Option<&str>, bag_type: &str, background: Option<&str>) -> Row {
        Row {
            family: family.map(String::from),
            background: background.map(String::from),
            ..Row::new(picture.into(), ContentId::of(picture), [1, 1], BagType::new(bag_type), Split::Test)
        }
    }

    /// Embeddings on a circle: the smaller the angle between two, the nearer.
    fn at(degrees: &[f32]) -> Vec<Vec<f32>> {
        degrees.iter().map(|d| vec![d.to_radians().cos(), d.to_radians().sin()]).collect()
    }

    #[test]
    fn the_same_picture_of_another_offer_is_no_answer() {
        let family = |picture, family| row(picture, family, "tote", None);
        let rows = [
            family("a", Some("f")),
            family("a", None),
            family("b", Some("f")),
            family("c", Some("g")),
            family("c", Some("g")),
        ];
        let found = measure(&rows, &at(&[0.0, 0.0, 37.0, 90.0, 90.0]), &[0, 1, 3, 4]).unwrap();
        assert_eq!((found.queries, found.recall_1), (1, 1.0));
    }

    #[test]
    fn a_picture_that_two_offers_show_is_in_the_gallery_once() {
        let rows = [
            row("q", Some("f"), "tote", None),
            row("x", Some("g"), "tote", None),
            row("x", None, "tote", None),
            row("y", None, "tote", None),
            row("y", Some("f"), "tote", None),
            row("z", Some("f"), "tote", None),
        ];
        // x, y, z: of two right ones, one is among the nearest two, at the second place.
        let found = ask(&rows, &at(&[0.0, 1.0, 1.0, 2.0, 2.0, 3.0]), &[0]);
        assert_eq!(found.family, [Answer { query: 0, first: 2, map_r: 0.25 }]);
        assert_eq!(found.nearest, [(0, vec![1, 4, 5])], "the offer of `y` that is of the family");
    }

    #[test]
    fn map_at_r_by_hand() {
        let (r, w) = (true, false);
        // R = 3: right at places 1 and 3 of the nearest three: (1/1 + 2/3) / 3.
        assert!((map_at_r(&[r, w, r, w, r]) - 5.0 / 9.0).abs() < 1e-12);
        assert_eq!(map_at_r(&[r, r, w, w]), 1.0);
        // R = 2, and none among the nearest two: Musgrave's measure gives nothing for the fourth place.
        assert_eq!(map_at_r(&[w, w, r, r]), 0.0);
        assert_eq!(map_at_r(&[w, w]), 0.0);
    }

    #[test]
    fn across_grounds_only_other_grounds_are_in_the_gallery() {
        let rows = [
            row("a", Some("f"), "tote", Some("plain")),
            row("b", Some("f"), "tote", Some("plain")),
            row("c", Some("g"), "clutch", Some("plain")),
            row("d", Some("g"), "tote", Some("scene")),
            row("e", Some("f"), "tote", Some("scene")),
            row("f", Some("f"), "tote", None),
        ];
        let found = ask(&rows, &at(&[0.0, 10.0, 20.0, 30.0, 40.0, 50.0]), &[0, 2, 5]);
        let first = |answers: &[Answer]| answers.iter().map(|a| (a.query, a.first)).collect::<Vec<_>>();
        assert_eq!(first(&found.family), [(0, 1), (2, 2), (5, 1)]);
        // `a` sees d and e alone, and finds e second; `c` sees them too, and finds d; `f` is on no known ground.
        assert_eq!(first(&found.across), [(0, 2), (2, 1)]);
        assert_eq!(first(&found.types), [(0, 1), (5, 1)], "nobody else is a clutch");
        // Only a, c and f are in the gallery.
        assert_eq!(first(&found.unseen), [(0, 2), (5, 2)]);
    }

    #[test]
    fn a_difference_is_paired_by_query() {
        let rows: Vec<Row> = (0..3).map(|i| row(&i.to_string(), Some(&i.to_string()), "tote", None)).collect();
        let of = |firsts: [usize; 3]| -> Vec<Answer> {
            firsts.iter().enumerate().map(|(query, &first)| Answer { query, first, map_r: 0.0 }).collect()
        };
        let (ours, mut theirs) = (of([1, 1, 2]), of([1, 3, 1]));
        let bootstrap = Bootstrap::default();
        assert_eq!(
            difference(&ours, &theirs, &|i| cluster(&rows[i]), &bootstrap).unwrap()[&Metric::Recall1].value,
            0.0
        );
        theirs.pop();
        assert_eq!(
            difference(&ours, &theirs, &|i| cluster(&rows[i]), &bootstrap).unwrap()[&Metric::Recall1].value,
            0.5
        );
    }
}
