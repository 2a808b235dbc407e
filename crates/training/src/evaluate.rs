//! What a run is worth: retrieval of held-out families, beside the ladder.
//!
//! - `seen`: what a run has seen, of whatever data set.

mod seen;

use std::path::{Path, PathBuf};

use goodtwin_core::terminal::note;
use goodtwin_core::{ContentId, Dataset, Error as CoreError, Split, atomic};
use goodtwin_vision::{Architecture, Compute, Embedder, ModelCard, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bootstrap::Bootstrap;
use crate::cache::decode;
use crate::evaluation::{ClassFigures, Classification, Evaluation, Kind, Measured, Mistake, Queries, RunName, Rung};
use crate::metrics::{Confusion, argmax};
use crate::retrieval::{Answers, Retrieval, ask, cluster, distinct};
use crate::seed_group::SeedGroup;
use crate::train::Epoch;
use crate::train::log::{self, Line};
use crate::train::run_card::RunCard;
use crate::{Error, Result, Ui, ladder, model_card, report};
pub use seen::{Asking, NAME as SEEN, Seen};

/// The name of the original study's recipe.
const SEED_RECIPE: &str = "seed";
/// How many mistakes are kept for people to look at.
const WORST: usize = 24;
/// The input of the untouched trunk when no run says another.
const SIZE: u32 = 128;

/// How to measure.
pub struct Settings<'a> {
    /// VGG16's ImageNet weights.
    pub imagenet: &'a Path,
    /// The trunk's cache.
    pub cache: &'a Path,
    /// Pixels of a side of the untouched trunk's input; none for the run's.
    pub size: Option<u32>,
    /// Which pictures ask.
    pub queries: Queries,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
}

/// A run that is measured: its folder and its network.
pub struct Run {
    /// The folder.
    pub dir: PathBuf,
    /// The network.
    pub embedder: Embedder,
}

impl Run {
    /// Load a run's folder.
    ///
    /// # Errors
    /// Those of [`Embedder::open`].
    pub fn open(dir: &Path, compute: &Compute) -> Result<Run> {
        Ok(Run { dir: dir.into(), embedder: Embedder::open(dir, compute)? })
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        let full = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        full.file_name().map_or("run".into(), |n| n.to_string_lossy().into_owned())
    }
}

/// `start.json`: what a run found before its first step, query by query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The data set that asked: with its test split.
    pub dataset: ContentId,
    /// What it found.
    pub answers: Answers,
}

impl Start {
    /// Write `start.json` into a run's folder.
    pub fn write(&self, run: &Path) -> Result<()> {
        let json = serde_json::to_vec(self).expect("our own types have string keys and serialise");
        Ok(atomic::write(&run.join("start.json"), &json)?)
    }
}

fn read_noted<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(CoreError::read(path, "note", e).into()),
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|e| CoreError::data(path, e.to_string()))?)),
    }
}

/// Measure the ladder, and the run if there is one.
///
/// # Errors
/// [`Error::Dataset`] when nothing may ask, or when it is not known what the run has seen; a picture that cannot be read.
pub fn evaluate(
    dataset: &Dataset,
    run: Option<&Run>,
    settings: &Settings<'_>,
    compute: &Compute,
    ui: &Ui,
) -> Result<Evaluation> {
    // What can be refused without a look at the pictures is refused first.
    let card = run.map(|r| r.embedder.card());
    let imagenet = Weights::load_vgg16_imagenet(settings.imagenet)?;
    let trunk = ladder::Trunk {
        imagenet: &imagenet,
        cache: settings.cache,
        size: settings.size.or(card.map(|c| c.preprocess.size)).unwrap_or(SIZE),
        fit: card.map(|c| c.preprocess.fit).unwrap_or_default(),
    };
    trunk.preprocesses()?;
    let Asking { rows: queries, seen, for_evaluation } = asking(dataset, run, settings.queries, ui)?;
    let of = |name: &str, kind, embeddings: &[Vec<f32>]| {
        let mut answers = ask(&dataset.rows, embeddings, &queries);
        if kind != Kind::Run {
            answers.nearest.clear();
        }
        Rung::of(name, kind, answers, &dataset.rows, &settings.bootstrap)
    };
    let mut rungs = vec![
        of("random", Kind::Random, &ladder::random(dataset.rows.len())),
        of("colour histogram", Kind::Colours, &ladder::colours(dataset, ui)?),
    ];
    ladder::untouched(dataset, &trunk, compute, ui, |name, embeddings| {
        rungs.push(of(&name, Kind::Untouched, &embeddings));
    })?;
    let mut trunks = Architecture::Vgg16.to_string();
    if let Some(run) = run.filter(|run| !run.embedder.card().network.trunk.is_default()) {
        match own_trunk(run) {
            Ok(imagenet) => {
                trunks += &format!(" and {}", run.embedder.card().network.trunk);
                let trunk = ladder::Trunk { imagenet: &imagenet, ..trunk };
                ladder::untouched(dataset, &trunk, compute, ui, |name, embeddings| {
                    rungs.push(of(&name, Kind::Untouched, &embeddings));
                })?;
            }
            Err(why) => {
                let name = format!("untouched {}", run.embedder.card().network.trunk);
                rungs.push(Rung::absent(&name, Kind::Untouched, &why));
            }
        }
    }
    let mut classification = None;
    if let Some(run) = run {
        if !is_seed(run.embedder.card()) {
            rungs.push(match seed_run(&run.dir, run.embedder.dataset_id()) {
                Some(dir) => {
                    let seed = Run::open(&dir, compute)?;
                    let said = embed(dataset, &seed.embedder, "seed recipe", ui)?;
                    let mut rung = of(&format!("seed recipe ({})", seed.name()), Kind::Seed, &said.embeddings);
                    let classes = classify(dataset, &seed.embedder, &said, &queries, &settings.bootstrap);
                    rung.accuracy = classes.map(|c| c.accuracy);
                    rung
                }
                None => Rung::absent(
                    "seed recipe",
                    Kind::Seed,
                    "not trained here: `goodtwin train --config configs/recipes/seed.toml --dataset DIR` on the run's data set",
                ),
            });
        }
        rungs.extend(start(run, dataset, &queries, settings)?);
        let said = embed(dataset, &run.embedder, "this run", ui)?;
        classification = classify(dataset, &run.embedder, &said, &queries, &settings.bootstrap);
        let mut rung = of("this run", Kind::Run, &said.embeddings);
        rung.accuracy = classification.as_ref().map(|c| c.accuracy);
        rungs.push(rung);
    }
    let own = |r: &&Run| r.embedder.dataset_id() == dataset.id() && settings.queries == Queries::HeldOut;
    let seeds = run.filter(own).and_then(|r| SeedGroup::of(&r.dir));
    let run = run.map(|r| RunName {
        name: r.name(),
        model: r.embedder.model_id().clone(),
        dataset: Some(r.embedder.dataset_id().clone()),
    });
    let (queries, size, bootstrap) = (settings.queries, trunk.size, settings.bootstrap);
    Ok(Measured { dataset, run, queries, seen, for_evaluation, trunks, size, seeds, bootstrap, rungs, classification }
        .conclude())
}

/// Write the run's report anew, and its model card where it was measured on what its own data set holds out. Returns where the
/// report lies.
///
/// # Errors
/// A picture that cannot be read; a full disk.
pub fn publish(run: &Run, dataset: &Dataset, evaluation: &Evaluation) -> Result<PathBuf> {
    let card = run.embedder.card();
    let lines = match run.dir.join("metrics.jsonl").exists() {
        true => log::read(&run.dir).unwrap_or_else(|e| {
            note(format_args!("{e}: the report is without its curves"));
            vec![]
        }),
        false => vec![],
    };
    let history: Vec<Epoch> = lines
        .into_iter()
        .filter_map(|line| match line {
            Line::Epoch(epoch) => Some(epoch),
            _ => None,
        })
        .collect();
    let best_epoch = card.metrics.get("best_epoch").map(|epoch| *epoch as usize);
    let page = report::evaluated(&run.embedder, dataset, &history, best_epoch, evaluation)?;
    let path = evaluation.report(&run.dir, card);
    atomic::write(&path, page.as_bytes())?;
    if evaluation.suffix(card).is_empty() {
        let readme = model_card::markdown(&run.name(), card, Some(evaluation));
        atomic::write(&run.dir.join("README.md"), readme.as_bytes())?;
    }
    Ok(path)
}

/// The pictures that ask.
fn asking(dataset: &Dataset, run: Option<&Run>, which: Queries, ui: &Ui) -> Result<Asking> {
    let refuse = |what: String| Err(Error::Dataset { dataset: dataset.root.clone(), what });
    let all = 0..dataset.rows.len();
    let test: Vec<usize> = all.clone().filter(|i| dataset.rows[*i].split == Split::Test).collect();
    let is_own = run.is_none_or(|r| r.embedder.dataset_id() == dataset.id());
    let asking = match (which, run) {
        (Queries::All, _) => Asking::all(dataset, all.collect()),
        (Queries::HeldOut, None) => Asking::all(dataset, test),
        (Queries::HeldOut, Some(run)) if is_own => Asking::of_own(&run.dir, dataset, &test, ui)?,
        (Queries::HeldOut, Some(run)) => match Asking::of_other(&run.dir, dataset, ui)? {
            Some(asking) => asking,
            None => {
                return refuse(format!(
                    "the run was trained on data set {}, this is {}: which families it has not seen is not known, as the \
                     run has no seen.json; --queries all measures it as it is",
                    run.embedder.dataset_id().short(),
                    dataset.id().short()
                ));
            }
        },
    };
    match asking.rows.is_empty() {
        true if !is_own => refuse("has no picture that the run has not seen".into()),
        true if asking.seen > 0 => refuse(
            "has no picture in the test split that does not hang together with some that the run has learnt from: \
             `goodtwin dataset check` names them"
                .into(),
        ),
        true => refuse("has no picture in the test split: expected some to measure with".into()),
        false => Ok(asking),
    }
}

fn is_seed(card: &ModelCard) -> bool {
    card.recipe["name"] == SEED_RECIPE
}

/// A run of the original study's recipe on the same data set, beside this run's folder.
fn seed_run(run: &Path, dataset: &ContentId) -> Option<PathBuf> {
    let runs = run.canonicalize().ok()?.parent()?.to_path_buf();
    let mut dirs: Vec<PathBuf> = runs.read_dir().ok()?.flatten().map(|entry| entry.path()).collect();
    dirs.sort();
    dirs.into_iter().find(|dir| read_card(dir).is_some_and(|card| is_seed(&card) && card.dataset == *dataset))
}

/// `model.json` of a run's folder; none when there is none that can be read.
pub fn read_card(run: &Path) -> Option<ModelCard> {
    serde_json::from_slice(&std::fs::read(run.join("model.json")).ok()?).ok()
}

/// The weights that a run's trunk started from, where they lay when it began; or why they are not to be had.
fn own_trunk(run: &Run) -> Result<Weights, String> {
    let network = &run.embedder.card().network;
    let path = RunCard::open(&run.dir).map_err(|e| e.to_string())?.weights.path;
    let weights = network.trunk.load(&path).map_err(|e| e.to_string())?;
    match *weights.id() == network.trunk_sha256 {
        true => Ok(weights),
        false => Err(format!(
            "{}: the SHA-256 does not match: expected {}, received {}",
            path.display(),
            network.trunk_sha256,
            weights.id()
        )),
    }
}

/// What the run found before its first step: what fine-tuning is to be measured against.
fn start(run: &Run, dataset: &Dataset, queries: &[usize], settings: &Settings<'_>) -> Result<Option<Rung>> {
    let (name, rows) = ("this run, at its start", &dataset.rows);
    if settings.queries != Queries::HeldOut || run.embedder.dataset_id() != dataset.id() {
        return Ok(None);
    }
    if let Some(mut start) = read_noted::<Start>(&run.dir.join("start.json"))? {
        if start.dataset != *dataset.id() {
            let what = "is of another data set than the run".to_string();
            return Err(CoreError::data(run.dir.join("start.json"), what).into());
        }
        let Answers { family, across, unseen, types, nearest } = &mut start.answers;
        let before = family.len();
        for answers in [&mut *family, across, types] {
            // In order: row numbers.
            answers.retain(|answer| queries.binary_search(&answer.query).is_ok());
        }
        // They were found among pictures that do not ask any more.
        if family.len() < before {
            unseen.clear();
        }
        // For people, who look at those of the run.
        nearest.clear();
        return Ok(Some(Rung::of(name, Kind::Start, start.answers, rows, &settings.bootstrap)));
    }
    // A run that noted means only.
    let noted = |key: &str| run.embedder.card().metrics.get(&format!("start_family_{key}")).copied();
    let retrieval = noted("queries").zip(noted("recall_at_1")).zip(noted("recall_at_5")).zip(noted("type_at_1"));
    Ok(retrieval.map(|(((queries, recall_1), recall_5), type_1)| {
        let mut rung = Rung::absent(name, Kind::Start, "as noted at the time, without intervals");
        rung.retrieval = Some(Retrieval { queries: queries as usize, recall_1, recall_5, type_1 });
        rung
    }))
}

/// What a network says of every picture.
struct Said {
    embeddings: Vec<Vec<f32>>,
    probabilities: Vec<Vec<f32>>,
}

/// By the very code that embeds a catalogue.
fn embed(dataset: &Dataset, embedder: &Embedder, label: &str, ui: &Ui) -> Result<Said> {
    let mut said = Said { embeddings: Vec::with_capacity(dataset.rows.len()), probabilities: Vec::new() };
    let bar = ui.bar(dataset.rows.len() as u64, label);
    for batch in dataset.rows.chunks(64) {
        // Framed at once, so that no batch holds pictures at full size.
        let frame = |row| Ok(embedder.card().preprocess.frame(&decode(dataset, row)?));
        let pictures = batch.par_iter().map(frame).collect::<Result<Vec<_>>>()?;
        for features in embedder.embed(&pictures)? {
            said.embeddings.push(features.embedding);
            said.probabilities.push(features.class_probabilities);
        }
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    Ok(said)
}

fn classify(
    dataset: &Dataset,
    embedder: &Embedder,
    said: &Said,
    queries: &[usize],
    bootstrap: &Bootstrap,
) -> Option<Classification> {
    let classes = embedder.classes();
    let actual = |row: usize| classes.iter().position(|c| *c == dataset.rows[row].bag_type);
    let predicted = |row: usize| argmax(&said.probabilities[row]);
    let right = |row: usize| actual(row) == Some(predicted(row));
    let queries = distinct(&dataset.rows, queries);
    let known = queries.iter().filter_map(|q| Some((actual(*q)?, predicted(*q))));
    let confusion = Confusion::count(classes, known);
    let mut taken_for = vec![0usize; classes.len()];
    queries.iter().for_each(|q| taken_for[predicted(*q)] += 1);
    // A type that the run does not know is always a mistake.
    let values = queries.iter().map(|q| (cluster(&dataset.rows[*q]), f64::from(u8::from(right(*q)))));
    let figures = |(i, class): (usize, &goodtwin_core::BagType)| {
        let pictures = confusion.counts[i].iter().sum();
        ClassFigures {
            class: class.clone(),
            pictures,
            // Of all that was taken for it: of types that the run does not know as well.
            precision: (taken_for[i] > 0).then(|| confusion.counts[i][i] as f64 / taken_for[i] as f64),
            recall: confusion.recall(i),
        }
    };
    let mut worst: Vec<Mistake> = queries
        .iter()
        .filter(|q| !right(**q))
        .map(|q| Mistake {
            row: *q,
            predicted: classes[predicted(*q)].clone(),
            probability: said.probabilities[*q][predicted(*q)],
        })
        .collect();
    worst.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
    worst.truncate(WORST);
    Some(Classification {
        pictures: queries.len(),
        accuracy: bootstrap.mean(values)?,
        classes: classes.iter().enumerate().map(figures).collect(),
        confusion,
        right: queries.iter().copied().filter(|q| right(*q)).collect(),
        worst,
    })
}
