//! Runs of one folder that differ in their seed alone: how far a figure is luck.

use std::collections::BTreeMap;
use std::path::Path;

use goodtwin_vision::ModelCard;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evaluate::read_card;
use crate::train::seeds::{self, Spread};

/// The figures of a run that people compare, and what they call them.
const FIGURES: [(&str, &str); 5] = [
    ("test_accuracy", "accuracy"),
    ("test_family_recall_at_1", "family Recall@1"),
    ("test_family_recall_at_5", "family Recall@5"),
    ("test_family_type_at_1", "type Recall@1"),
    ("start_family_recall_at_1", "family Recall@1 at the start"),
];

/// Two finished runs or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedGroup {
    /// The runs' names, by seed.
    pub runs: BTreeMap<u64, String>,
    /// Mean and spread of each figure that all of them have, in the order of reports.
    pub figures: Vec<(String, Spread)>,
}

impl SeedGroup {
    /// The runs beside this one that have its recipe, data set and weights, and the run itself; none where it stands alone.
    pub fn of(run: &Path) -> Option<SeedGroup> {
        let own = run.canonicalize().ok()?;
        let name = own.file_name()?.to_string_lossy().into_owned();
        among(&cards(own.parent()?), Some(&name)).into_iter().find(|group| group.runs.values().any(|run| *run == name))
    }

    /// The groups among the runs of a folder, by the name of their first run.
    pub fn all(folder: &Path) -> Vec<SeedGroup> {
        among(&cards(folder), None)
    }

    /// "3 runs that differ in their seed alone (7, 8, 9)".
    pub fn title(&self) -> String {
        let seeds: Vec<String> = self.runs.keys().map(u64::to_string).collect();
        format!("{} runs that differ in their seed alone ({})", seeds.len(), seeds.join(", "))
    }
}

/// The finished runs of a folder, by name.
fn cards(folder: &Path) -> Vec<(String, ModelCard)> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut runs: Vec<(String, ModelCard)> = entries
        .filter_map(|e| Some((e.file_name().to_string_lossy().into_owned(), read_card(&e.path())?)))
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    runs
}

/// The same recipe with the same seed is the same run: of two of them, the group names `own`, else one that
/// `goodtwin train --seeds` has named, else the first.
fn among(runs: &[(String, ModelCard)], own: Option<&str>) -> Vec<SeedGroup> {
    let rank = |name: &str, seed: u64| (own == Some(name), name.ends_with(&seeds::suffix(seed)));
    let mut alike: BTreeMap<String, BTreeMap<u64, &(String, ModelCard)>> = BTreeMap::new();
    let mut order = Vec::new();
    for run in runs {
        let mut recipe = run.1.recipe.clone();
        let seed = recipe.as_object_mut().and_then(|recipe| recipe.remove("seed"));
        let Some(seed) = seed.as_ref().and_then(Value::as_u64) else { continue };
        let key = format!("{} {} {recipe}", run.1.dataset, run.1.network.trunk_sha256);
        if !alike.contains_key(&key) {
            order.push(key.clone());
        }
        let chosen = alike.entry(key).or_default().entry(seed).or_insert(run);
        if rank(&run.0, seed) > rank(&chosen.0, seed) {
            *chosen = run;
        }
    }
    let group = |key: &String| {
        let runs = &alike[key];
        let spread = |metric: &str| {
            let values: Option<Vec<f64>> = runs.values().map(|(_, card)| card.metrics.get(metric).copied()).collect();
            Spread::of(&values?)
        };
        (runs.len() > 1).then(|| SeedGroup {
            runs: runs.iter().map(|(seed, (name, _))| (*seed, name.clone())).collect(),
            figures: FIGURES.iter().filter_map(|(key, name)| Some((name.to_string(), spread(key)?))).collect(),
        })
    };
    order.iter().filter_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_card::testing::card;

    fn run(name: &str, dense: usize, seed: u64, accuracy: f64) -> (String, ModelCard) {
        let mut card = card(serde_json::json!({ "name": "default", "seed": seed, "head": { "dense": dense } }));
        card.network.dense = dense;
        card.metrics = BTreeMap::from([("test_accuracy".into(), accuracy)]);
        (name.into(), card)
    }

    #[test]
    fn runs_that_differ_in_more_than_the_seed_are_no_group() {
        let runs = [run("a7", 64, 7, 0.5), run("a8", 64, 8, 0.7), run("a8 again", 64, 8, 0.9), run("b7", 32, 7, 0.1)];
        let groups = among(&runs, None);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].runs, BTreeMap::from([(7, "a7".to_string()), (8, "a8".to_string())]));
        assert_eq!(groups[0].title(), "2 runs that differ in their seed alone (7, 8)");
        let [(figure, spread)] = &groups[0].figures[..] else { panic!("{:?}", groups[0]) };
        assert_eq!((figure.as_str(), spread.runs), ("accuracy", 2));
        assert!((spread.mean - 0.6).abs() < 1e-12 && (spread.deviation.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn of_two_runs_with_one_seed_the_group_names_the_one_that_is_asked_about_else_its_own() {
        let runs = [run("k", 64, 7, 0.5), run("q-seed7", 64, 7, 0.5), run("q-seed8", 64, 8, 0.7)];
        for (asked, first) in
            [(None, "q-seed7"), (Some("q-seed7"), "q-seed7"), (Some("k"), "k"), (Some("q-seed8"), "q-seed7")]
        {
            let groups = among(&runs, asked);
            assert_eq!(
                groups[0].runs,
                BTreeMap::from([(7, first.to_string()), (8, "q-seed8".to_string())]),
                "{asked:?}"
            );
        }
    }
}
