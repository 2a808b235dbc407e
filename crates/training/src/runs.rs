//! The runs of a folder, and two of them side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use goodtwin_core::{ContentId, Error as CoreError};
use goodtwin_vision::{ModelCard, checkpoint};
use serde::Serialize;
use serde_json::Value;

use crate::bootstrap::{Bootstrap, Estimate};
use crate::evaluate::read_card;
use crate::evaluation::{self, Evaluation, Rung};
use crate::retrieval::{Answer, Metric, difference};
use crate::train::run_card::RunCard;
use crate::train::steps::DUMP;
use crate::train::{is_finished, log};
use crate::{Error, Result, recipe};

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is no model yet.
    Unfinished,
    /// The loss became no number, and there is no model.
    NotANumber,
    /// The model's card cannot be read.
    Broken,
    /// There is a model that was not set beside the ladder yet.
    Trained,
    /// There is an evaluation on the test split.
    Evaluated,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            State::Unfinished => "unfinished",
            State::NotANumber => "loss no number",
            State::Broken => "broken",
            State::Trained => "trained",
            State::Evaluated => "evaluated",
        })
    }
}

/// One run of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its folder's name.
    pub name: String,
    /// How far it has come.
    pub state: State,
    /// Of a run that is not finished, the epoch that it is in, or was killed in, and how many its recipe asks for.
    pub epoch: Option<[usize; 2]>,
    /// The data set's content id.
    pub dataset: Option<ContentId>,
    /// The recipe's name.
    pub recipe: Option<String>,
    /// The recipe's seed.
    pub seed: Option<u64>,
    /// When the model was written, in seconds since 1970.
    pub written: Option<u64>,
    /// Family Recall@1 on the test split: with its interval once it was evaluated, else as the run noted it.
    pub recall_1: Option<Estimate>,
    /// Minus the best untouched feature.
    pub difference: Option<Estimate>,
}

/// The runs in a folder, by name. Folders that hold neither a model nor the beginning of a run are none.
///
/// # Errors
/// Exit 65 for a folder that is not there, or that is a run itself.
pub fn list(folder: &Path) -> Result<Vec<Listed>> {
    let entries = folder.read_dir().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => CoreError::Missing {
            path: folder.into(),
            kind: "folder of runs",
            hint: ": `goodtwin train` makes one".into(),
        },
        _ => CoreError::disk(folder, "list the folder", e),
    })?;
    if ["model.json", "run.json"].iter().any(|part| folder.join(part).is_file()) {
        return Err(CoreError::data(folder, "is a run: expected the folder that it lies in").into());
    }
    let mut dirs: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    dirs.retain(|dir| !dir.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')));
    dirs.sort();
    Ok(dirs.iter().filter_map(|dir| listed(dir)).collect())
}

fn listed(dir: &Path) -> Option<Listed> {
    let name = dir.file_name()?.to_string_lossy().into_owned();
    let unfinished = Listed {
        name,
        state: State::Unfinished,
        epoch: None,
        dataset: None,
        recipe: None,
        seed: None,
        written: None,
        recall_1: None,
        difference: None,
    };
    let Some(card) = read_card(dir) else {
        if is_finished(dir) {
            return Some(Listed { state: State::Broken, ..unfinished });
        }
        let state = if dir.join(DUMP).exists() { State::NotANumber } else { State::Unfinished };
        let unfinished = Listed { state, ..unfinished };
        let Ok(RunCard { recipe, dataset, .. }) = RunCard::open(dir) else {
            let begun = ["run.json", "metrics.jsonl", "checkpoints"].iter().any(|part| dir.join(part).exists());
            return begun.then_some(unfinished);
        };
        return Some(Listed {
            epoch: log::epoch(dir).filter(|_| state == State::Unfinished).map(|epoch| [epoch, recipe.epochs]),
            dataset: Some(dataset.id),
            recipe: Some(recipe.name),
            seed: Some(recipe.seed),
            ..unfinished
        });
    };
    let evaluation = own_evaluation(dir, &card).ok();
    let noted = card.metrics.get("test_family_recall_at_1");
    let written = dir.join("model.json").metadata().and_then(|m| m.modified()).ok();
    Some(Listed {
        state: if evaluation.is_some() { State::Evaluated } else { State::Trained },
        recipe: card.recipe["name"].as_str().map(String::from),
        seed: card.recipe["seed"].as_u64(),
        written: written.and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|d| d.as_secs()),
        recall_1: match evaluation.as_ref().and_then(Evaluation::of_run).and_then(|r| r.family.as_ref()) {
            Some(figures) => Some(figures.get(Metric::Recall1)),
            None => noted.map(|value| Estimate { value: *value, interval: None }),
        },
        difference: evaluation.and_then(|e| e.comparison).map(|c| c.family[&Metric::Recall1]),
        dataset: Some(card.dataset),
        ..unfinished
    })
}

fn own_evaluation(dir: &Path, card: &ModelCard) -> Result<Evaluation> {
    let path = dir.join(evaluation::NAME);
    let evaluation = Evaluation::read(&path)?;
    // A run may have been trained anew in its folder since.
    match evaluation.run.as_ref().is_some_and(|run| run.model == card.id) {
        true => Ok(evaluation),
        false => Err(CoreError::data(path, "is of another model than the run: `goodtwin eval` makes it anew").into()),
    }
}

/// A figure of two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// What was measured: `family Recall@1`, `accuracy`.
    pub figure: String,
    /// Of the first.
    pub a: Estimate,
    /// Of the second.
    pub b: Estimate,
    /// The second minus the first, query by query.
    pub difference: Estimate,
}

/// Two runs on the same queries.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The first run's name.
    pub a: String,
    /// The second run's name.
    pub b: String,
    /// The data set's name and content id.
    pub dataset: String,
    /// How many queries both asked.
    pub queries: usize,
    /// Each figure that both have.
    pub figures: Vec<Pair>,
    /// Keys of the recipes that differ, as `optimizer.dense`, with both values.
    pub recipe: BTreeMap<String, [Value; 2]>,
}

/// Compare two runs by the evaluations in their folders.
///
/// # Errors
/// Exit 65 when one was not evaluated, or they are of other data or queries; all that differs is named.
pub fn compare(a: &Path, b: &Path, bootstrap: &Bootstrap) -> Result<Compared> {
    let ((a_card, a), (b_card, b)) = (evaluated(a)?, evaluated(b)?);
    let differs = what_differs(&a, &b);
    if !differs.is_empty() {
        let (a, b) = (name(&a), name(&b));
        let what = format!("{a} and {b} cannot be compared: {}", differs.join("; "));
        return Err(Error::NotComparable(what));
    }
    let (a_rung, b_rung) = match (a.of_run(), b.of_run()) {
        (Some(a), Some(b)) => (a, b),
        _ => return Err(Error::NotComparable("an evaluation has no figures of its run".into())),
    };
    Ok(Compared {
        figures: figures(&a, a_rung, &b, b_rung, bootstrap),
        dataset: format!("{} ({})", a.dataset.name, a.dataset.id.short()),
        queries: a_rung.answers.family.len(),
        recipe: recipe::differences(&a_card.recipe, &b_card.recipe),
        a: name(&a),
        b: name(&b),
    })
}

/// Several runs of one recipe as one, each with what it held out: see [`evaluation::pool`].
///
/// # Errors
/// Exit 65 when one was not evaluated, or they differ in more than what was held out; all that differs is named.
pub fn pool(runs: &[PathBuf]) -> Result<Evaluation> {
    let read: Vec<(ModelCard, Evaluation)> = runs.iter().map(|run| evaluated(run)).collect::<Result<_>>()?;
    for (run, (card, _)) in runs.iter().zip(&read) {
        let differs = recipe::differences(&read[0].0.recipe, &card.recipe);
        if !differs.is_empty() {
            let keys: Vec<String> = differs.into_keys().collect();
            let (a, b, keys) = (runs[0].display(), run.display(), keys.join(", "));
            return Err(Error::NotComparable(format!("{a} and {b} cannot be pooled: their recipes differ in {keys}")));
        }
    }
    let evaluations: Vec<Evaluation> = read.into_iter().map(|(_, evaluation)| evaluation).collect();
    evaluation::pool(&evaluations)
}

fn evaluated(dir: &Path) -> Result<(ModelCard, Evaluation)> {
    let card = read_card(dir).ok_or_else(|| checkpoint::no_model(dir))?;
    let evaluation = own_evaluation(dir, &card).map_err(|e| match e {
        Error::Core(CoreError::Missing { path, .. }) => Error::Core(CoreError::Missing {
            path,
            kind: "evaluation",
            hint: format!(": `goodtwin eval {}` makes one", dir.display()),
        }),
        other => other,
    })?;
    Ok((card, evaluation))
}

fn name(evaluation: &Evaluation) -> String {
    evaluation.run.as_ref().map_or("the ladder".into(), |r| r.name.clone())
}

fn what_differs(a: &Evaluation, b: &Evaluation) -> Vec<String> {
    let mut differs = Vec::new();
    if a.dataset.id != b.dataset.id {
        let named = |e: &Evaluation| format!("{} ({})", e.dataset.name, e.dataset.id.short());
        differs.push(format!("the data sets are {} and {}", named(a), named(b)));
    }
    if a.queries != b.queries {
        differs.push(format!("the queries are {:?} and {:?}", a.queries, b.queries));
    }
    if a.dataset.id == b.dataset.id && a.asked != b.asked {
        let only = |a: &Evaluation, b: &Evaluation| a.asked.iter().filter(|(q, _)| !b.asked.contains_key(q)).count();
        differs.push(format!(
            "other pictures asked: {} in the first alone, {} in the second alone",
            only(a, b),
            only(b, a)
        ));
    }
    differs
}

fn figures(a: &Evaluation, a_rung: &Rung, b: &Evaluation, b_rung: &Rung, bootstrap: &Bootstrap) -> Vec<Pair> {
    let cluster = |query: usize| a.asked.get(&query).map_or("", |asked| asked.cluster());
    let mut pairs = Vec::new();
    let questions: [(&str, _, _); 3] = [
        ("family", (&a_rung.family, &a_rung.answers.family), (&b_rung.family, &b_rung.answers.family)),
        ("across grounds", (&a_rung.across, &a_rung.answers.across), (&b_rung.across, &b_rung.answers.across)),
        ("type", (&a_rung.types, &a_rung.answers.types), (&b_rung.types, &b_rung.answers.types)),
    ];
    for (question, (a, a_answers), (b, b_answers)) in questions {
        let Some((a, b)) = a.as_ref().zip(b.as_ref()) else { continue };
        let Some(differences) = difference(b_answers, a_answers, &cluster, bootstrap) else { continue };
        pairs.extend(Metric::ALL.map(|metric| Pair {
            figure: format!("{question} {}", metric.name()),
            a: a.get(metric),
            b: b.get(metric),
            difference: differences[&metric],
        }));
    }
    if let Some((a_classes, b_classes)) = a.classification.as_ref().zip(b.classification.as_ref()) {
        let answers = |right: &[usize]| -> Vec<Answer> {
            let right: BTreeSet<usize> = right.iter().copied().collect();
            a.asked
                .keys()
                .map(|&query| Answer { query, first: if right.contains(&query) { 1 } else { 2 }, map_r: 0.0 })
                .collect()
        };
        let difference = difference(&answers(&b_classes.right), &answers(&a_classes.right), &cluster, bootstrap);
        pairs.extend(difference.map(|difference| Pair {
            figure: "accuracy".into(),
            a: a_classes.accuracy,
            b: b_classes.accuracy,
            difference: difference[&Metric::Recall1],
        }));
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_something_else_is_no_run() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("notes")).unwrap();
        std::fs::create_dir_all(dir.path().join("begun")).unwrap();
        std::fs::write(dir.path().join("begun/metrics.jsonl"), "").unwrap();
        let runs = list(dir.path()).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].name.as_str(), runs[0].state), ("begun", State::Unfinished));
        assert_eq!(list(&dir.path().join("nowhere")).unwrap_err().exit_code(), 65);
        assert_eq!(compare(dir.path(), dir.path(), &Bootstrap::default()).unwrap_err().exit_code(), 65);
        std::fs::write(dir.path().join("begun/not-a-number.json"), "").unwrap();
        assert_eq!(list(dir.path()).unwrap()[0].state, State::NotANumber);
        std::fs::write(dir.path().join("begun/model.json"), "{").unwrap();
        assert_eq!(list(dir.path()).unwrap()[0].state, State::Broken);
        std::fs::remove_file(dir.path().join("begun/model.json")).unwrap();
        std::fs::write(dir.path().join("begun/run.json"), "").unwrap();
        let error = list(&dir.path().join("begun")).unwrap_err();
        assert!(error.exit_code() == 65 && error.to_string().contains("begun: is a run"), "{error}");
        let error = compare(&dir.path().join("begun"), dir.path(), &Bootstrap::default()).unwrap_err();
        assert!(error.to_string().contains("not finished: `goodtwin train --resume"), "{error}");
    }
}
