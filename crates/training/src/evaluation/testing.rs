//! Evaluations of pictures that nobody took.

use std::collections::BTreeMap;

use goodtwin_core::{BagType, ContentId, Dataset, Split};

use super::conclude::Measured;
use super::*;
use crate::bootstrap::Bootstrap;
use crate::retrieval::Answer;

/// Pictures of families of two; the first half are totes.
fn rows(from: usize, n: usize) -> Vec<Row> {
    let row = |i: usize| Row {
        family: Some(format!("f{}", i / 2)),
        ..Row::new(
            i.to_string(),
            ContentId::of(i.to_string()),
            [1, 1],
            BagType::new(if i < from + n / 2 { "tote" } else { "clutch" }),
            Split::Test,
        )
    };
    (from..from + n).map(row).collect()
}

/// The evaluation of a run whose queries found their family at these places, beside an untouched feature.
pub fn conclude(ours: &[usize], theirs: &[usize]) -> Evaluation {
    part(0, ours, theirs)
}

/// The same, of pictures from this number on.
pub fn part(from: usize, ours: &[usize], theirs: &[usize]) -> Evaluation {
    let rows = rows(from, ours.len());
    let bootstrap = Bootstrap::default();
    let rung = |name: &str, kind, firsts: &[usize]| {
        let family: Vec<Answer> =
            firsts.iter().enumerate().map(|(query, &first)| Answer { query, first, map_r: 0.5 }).collect();
        Rung::of(name, kind, Answers { family, ..Answers::default() }, &rows, &bootstrap)
    };
    let rungs = vec![
        rung("worse", Kind::Untouched, &vec![9; ours.len()]),
        rung("good", Kind::Untouched, theirs),
        rung("this run", Kind::Run, ours),
    ];
    let manifest = goodtwin_core::dataset::DatasetManifest {
        format: 1,
        id: ContentId::of("d"),
        parents: BTreeMap::new(),
        split: String::new(),
        counts: BTreeMap::new(),
        left_out: vec![],
    };
    let dataset = Dataset { root: "datasets/d".into(), manifest, rows: rows.clone() };
    let run = Some(RunName { name: "r".into(), model: ContentId::of("m"), dataset: Some(ContentId::of("d")) });
    let made = Measured {
        dataset: &dataset,
        run,
        queries: Queries::HeldOut,
        seen: 0,
        for_evaluation: Default::default(),
        trunks: "VGG16".into(),
        size: 32,
        seeds: None,
        bootstrap,
        rungs,
        classification: None,
    }
    .conclude();
    // As if all parts were of one set, of which each looks at its own pictures.
    Evaluation { dataset: DatasetName { content: None, ..made.dataset.clone() }, ..made }
}
