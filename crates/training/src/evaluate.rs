//! What a run is worth: retrieval of held-out families, beside the same trunk untouched.

use std::path::Path;

use goodtwin_core::{Dataset, Split};
use goodtwin_vision::embedder::{batch_size, input_tensor};
use goodtwin_vision::preprocess::{Colour, Fit};
use goodtwin_vision::untouched::{NAMES, Untouched};
use goodtwin_vision::{Compute, Embedder, Preprocess, Weights};
use rayon::prelude::*;
use serde::Serialize;

use crate::cache::decode;
use crate::metrics::{Confusion, argmax};
use crate::retrieval::{Retrieval, measure};
use crate::{Error, Result, Ui};

/// Which pictures ask. The gallery is always every other picture of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Those of the test split, whose families the run has not seen.
    HeldOut,
    /// All: for features that were trained on none of them.
    All,
}

impl std::str::FromStr for Queries {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "held-out" => Ok(Queries::HeldOut),
            "all" => Ok(Queries::All),
            _ => Err(format!("`{text}` is not a set of queries: expected held-out or all")),
        }
    }
}

/// What the last line of the comparison is called.
pub const THIS_RUN: &str = "this run";

/// One line of the comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Rung {
    /// What was compared: "this run", "grey, block 4 grid".
    pub features: String,
    /// What it found; none when no query has another picture of its family in the set.
    pub retrieval: Option<Retrieval>,
    /// The softmax's accuracy on the test split; none for features without a softmax.
    pub accuracy: Option<f64>,
}

/// Measure the untouched trunk, in colour and in grey, on pictures of this size and fit.
pub fn untouched(
    dataset: &Dataset,
    imagenet: &Path,
    (size, fit): (u32, Fit),
    queries: Queries,
    compute: &Compute,
    ui: &Ui,
) -> Result<Vec<Rung>> {
    let network = Untouched::load(&Weights::load_vgg16_imagenet(imagenet)?, compute.device())?;
    let which = which(dataset, queries)?;
    let mut rungs = Vec::new();
    let bar = ui.bar(2 * dataset.rows.len() as u64, "untouched VGG16");
    for (prefix, colour) in [("", Colour::Full), ("grey, ", Colour::Grey)] {
        let preprocess = Preprocess { size, colour, fit };
        preprocess.check()?;
        let mut features: [Vec<Vec<f32>>; NAMES.len()] = Default::default();
        for batch in dataset.rows.chunks(batch_size(&preprocess)) {
            let planes =
                batch.par_iter().map(|row| Ok(preprocess.apply(&decode(dataset, row)?))).collect::<Result<Vec<_>>>()?;
            let found = network.features(input_tensor(&planes, &preprocess, compute.device()));
            for (all, new) in features.iter_mut().zip(found) {
                all.extend(new);
            }
            bar.inc(batch.len() as u64);
        }
        for (name, embeddings) in NAMES.iter().zip(&features) {
            let retrieval = measure(&dataset.rows, embeddings, &which);
            rungs.push(Rung { features: format!("{prefix}{name}"), retrieval, accuracy: None });
        }
    }
    bar.finish_and_clear();
    Ok(rungs)
}

/// What the run found before its first step, as it noted at the time: what fine-tuning is to be measured against.
pub fn start(embedder: &Embedder, dataset: &Dataset, queries: Queries) -> Option<Rung> {
    if queries != Queries::HeldOut || embedder.dataset_id() != dataset.id() {
        return None;
    }
    let noted = |key: &str| embedder.card().metrics.get(&format!("start_family_{key}")).copied();
    let retrieval = Retrieval {
        queries: noted("queries")? as usize,
        recall_1: noted("recall_at_1")?,
        recall_5: noted("recall_at_5")?,
        type_1: noted("type_at_1")?,
    };
    Some(Rung { features: "this run, at its start".into(), retrieval: Some(retrieval), accuracy: None })
}

/// Measure a run by the very code that embeds a catalogue.
pub fn run(dataset: &Dataset, embedder: &Embedder, queries: Queries, ui: &Ui) -> Result<Rung> {
    let which = which(dataset, queries)?;
    let mut embeddings = Vec::with_capacity(dataset.rows.len());
    let mut predictions = Vec::new();
    let bar = ui.bar(dataset.rows.len() as u64, "this run");
    for batch in dataset.rows.chunks(64) {
        // Framed at once, so that no batch holds pictures at full size.
        let frame = |row| Ok(embedder.card().preprocess.frame(&decode(dataset, row)?));
        let pictures = batch.par_iter().map(frame).collect::<Result<Vec<_>>>()?;
        for (row, features) in batch.iter().zip(embedder.embed(&pictures)?) {
            if row.split == Split::Test {
                // A class that the run does not know is always a mistake.
                let known = embedder.classes().iter().position(|c| *c == row.bag_type);
                predictions.push((known, argmax(&features.class_probabilities)));
            }
            embeddings.push(features.embedding);
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let known = predictions.iter().filter_map(|(actual, predicted)| actual.map(|a| (a, *predicted)));
    let confusion = Confusion::count(embedder.classes(), known);
    let tested = predictions.len();
    Ok(Rung {
        features: THIS_RUN.into(),
        retrieval: measure(&dataset.rows, &embeddings, &which),
        accuracy: (tested > 0).then(|| confusion.right() as f64 / tested as f64),
    })
}

fn which(dataset: &Dataset, queries: Queries) -> Result<Vec<usize>> {
    let which: Vec<usize> =
        (0..dataset.rows.len()).filter(|i| queries == Queries::All || dataset.rows[*i].split == Split::Test).collect();
    if which.is_empty() {
        let what = "has no picture in the test split: expected some to measure with".to_string();
        return Err(Error::Dataset { dataset: dataset.root.clone(), what });
    }
    Ok(which)
}
