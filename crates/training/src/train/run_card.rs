//! `run.json`: what a run is made of, written before anything else, so that it can go on after a kill.

use std::path::{Path, PathBuf};

use goodtwin_core::{ContentId, Dataset, Error as CoreError, atomic};
use goodtwin_vision::{ModelCard, Weights};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Job;
use crate::recipe::{differences, value_shown};
use crate::{Recipe, Result};

const FORMAT: u32 = 1;
/// The file's name.
pub const NAME: &str = "run.json";

/// What a run is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCard {
    format: u32,
    /// Every setting.
    pub recipe: Recipe,
    /// The data set.
    pub dataset: Parent,
    /// ImageNet's weights.
    pub weights: Parent,
    /// The trunk's cache.
    pub cache: PathBuf,
    /// `auto`, `cpu` or `gpu`, as it was asked for.
    pub device: String,
    /// Which code does the sums.
    pub backend: String,
}

/// Something that a run is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Where it was.
    pub path: PathBuf,
    /// What it was.
    pub id: ContentId,
}

impl RunCard {
    /// The card of a run that is about to begin.
    pub fn of(job: &Job<'_>, imagenet: &Weights) -> RunCard {
        // A run may go on from another folder.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        RunCard {
            format: FORMAT,
            recipe: job.recipe.clone(),
            dataset: Parent { path: absolute(&job.dataset.root), id: job.dataset.id().clone() },
            weights: Parent { path: absolute(imagenet.path()), id: imagenet.id().clone() },
            cache: absolute(&job.places.cache),
            device: job.places.device.to_string(),
            backend: job.compute.backend().to_string(),
        }
    }

    /// Read the card of a run.
    ///
    /// # Errors
    /// Exit 65 where there is none.
    pub fn open(run: &Path) -> Result<RunCard> {
        let path = run.join(NAME);
        let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => CoreError::Missing {
                path: run.into(),
                kind: "run to go on with",
                hint: ": expected a folder with run.json; `goodtwin train` without --resume begins one".into(),
            },
            _ => CoreError::read(&path, "run", e),
        })?;
        let card: RunCard = serde_json::from_slice(&bytes)
            .map_err(|e| CoreError::data(&path, format!("not a run that this goodtwin can go on with: {e}")))?;
        if card.format != FORMAT {
            return Err(CoreError::data(&path, format!("the format is {}: expected {FORMAT}", card.format)).into());
        }
        // Somebody may have edited it.
        card.recipe.check().map_err(|what| CoreError::data(&path, format!("recipe: {what}")))?;
        Ok(card)
    }

    /// Write the card.
    ///
    /// # Errors
    /// Exit 65 where the path of data set, weights or cache is not UTF-8, exit 74 where the disk refuses.
    pub fn write(&self, run: &Path) -> Result<()> {
        let path = run.join(NAME);
        let json = serde_json::to_vec_pretty(self).map_err(|e| {
            CoreError::data(&path, format!("{e}: it names data set, weights and cache; rename the folder"))
        })?;
        Ok(atomic::write(&path, &json)?)
    }

    /// What a checkpoint of the run carries.
    pub fn id(&self) -> ContentId {
        ContentId::of_json(&(&self.recipe, &self.dataset.id, &self.weights.id))
    }

    /// Refuse to go on with anything else than the run began with.
    ///
    /// # Errors
    /// [`CoreError::Mismatch`] (exit 65) that names the first part that differs.
    pub fn check(&self, file: &Path, recipe: &Recipe, dataset: &Dataset, imagenet: &Weights) -> Result<()> {
        self.compare(file, &as_json(recipe), dataset.id(), imagenet.id())
    }

    /// The same card with another seed.
    pub fn with_seed(&self, seed: u64) -> RunCard {
        RunCard { recipe: Recipe { seed, ..self.recipe.clone() }, ..self.clone() }
    }

    /// Refuse a finished run that is made of anything else.
    ///
    /// # Errors
    /// As [`RunCard::check`].
    pub fn check_model(&self, run: &Path, model: &ModelCard) -> Result<()> {
        self.compare(&run.join("model.json"), &model.recipe, &model.dataset, &model.network.trunk_sha256)
    }

    fn compare(&self, file: &Path, recipe: &Value, dataset: &ContentId, weights: &ContentId) -> Result<()> {
        let refuse = |part: String, expected: String, received: String| {
            Err(CoreError::Mismatch { path: file.into(), part, expected, received }.into())
        };
        if let Some((key, [expected, received])) = differences(&as_json(&self.recipe), recipe).pop_first() {
            return refuse(format!("the recipe's `{key}`"), value_shown(&expected), value_shown(&received));
        }
        if *dataset != self.dataset.id {
            return refuse("the id of the data set".into(), self.dataset.id.to_string(), dataset.to_string());
        }
        if *weights != self.weights.id {
            return refuse("the SHA-256 of the weights".into(), self.weights.id.to_string(), weights.to_string());
        }
        Ok(())
    }
}

fn as_json(recipe: &Recipe) -> Value {
    serde_json::to_value(recipe).expect("a recipe serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default_recipe() -> Recipe {
        Recipe::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training.toml")).unwrap()
    }

    fn card(recipe: Recipe) -> RunCard {
        let parent = Parent { path: "somewhere".into(), id: ContentId::of("it") };
        RunCard {
            format: FORMAT,
            recipe,
            dataset: parent.clone(),
            weights: parent,
            cache: "cache".into(),
            device: "cpu".into(),
            backend: "flex".into(),
        }
    }

    #[test]
    fn numbers_of_many_digits_come_back_as_they_were() {
        let mut recipe = default_recipe();
        // As sweeps have them, on a logarithmic scale and on a linear one; a parser that is one bit off gets these wrong.
        recipe.optimizer.classifier = 0.00023713737056616554;
        recipe.head.dropout = 0.45454545454545453;
        recipe.head.block5_weight = 0.36363636363636365;
        let card = card(recipe);
        let dir = tempfile::tempdir().unwrap();
        card.write(dir.path()).unwrap();
        let read = RunCard::open(dir.path()).unwrap();
        assert_eq!(read, card);
        assert_eq!(read.id(), card.id());
    }

    #[test]
    fn a_recipe_that_somebody_edited_is_checked_as_any_other() {
        let card = card(Recipe { batch_size: 0, ..default_recipe() });
        let dir = tempfile::tempdir().unwrap();
        card.write(dir.path()).unwrap();
        let error = RunCard::open(dir.path()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().ends_with("run.json: recipe: `batch_size` is 0: expected 1 to 4096"), "{error}");
    }
}
