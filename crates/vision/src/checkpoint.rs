//! A trained network on disk.
//!
//! ```text
//! RUN/
//!   model.json          ModelCard: network, preprocessing, classes, parents, metrics
//!   model.safetensors   the frozen part's tensors as they came (block{1..4}_conv{i}, f16; stem and stage{1..3}, f32),
//!                       block 5's (block5_conv{i}, or stage4), the mask head's (mask.*), dense and classifier (f32)
//! ```
//! The folder is complete by itself: nothing else is needed to embed a picture with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::{BagType, ContentId, Error as CoreError, atomic};
use serde::{Deserialize, Serialize};

use crate::mask::MaskHead;
use crate::top::Activation;
use crate::weights::{Stored, serialize};
use crate::{Architecture, Error, Pooling, Preprocess, Result, Top, Weights};

const FORMAT: u32 = 1;

/// The network above and below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The trunk's network.
    pub trunk: Architecture,
    /// The SHA-256 of the ImageNet weights that it started from.
    pub trunk_sha256: ContentId,
    /// What the dense layer sees.
    pub pooling: Pooling,
    /// How much block 5 counts beside block 4, where the dense layer sees both.
    #[serde(default = "even", skip_serializing_if = "is_even")]
    pub block5_weight: f64,
    /// How many crops of a picture it sees together, one after the other.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub crops: usize,
    /// Units of the dense layer: the length of an embedding.
    pub dense: usize,
    /// What follows the dense layer.
    pub activation: Activation,
    /// The share of the dense layer's outputs that is dropped in training.
    pub dropout: f64,
    /// The classes, in the order of the softmax.
    pub classes: Vec<BagType>,
}

impl NetworkSpec {
    /// The number of values that the dense layer sees of a picture, whose crops have `size` pixels a side.
    pub fn pooled_len(&self, size: u32) -> usize {
        self.crops * self.pooling.len(self.trunk, size)
    }
}

fn even() -> f64 {
    1.0
}

// Left out where it is one, so that models from before there was a weight keep their ids.
fn is_even(weight: &f64) -> bool {
    *weight == 1.0
}

fn one() -> usize {
    1
}

// Left out where it is one, so that models from before there were crops keep their ids.
fn is_one(crops: &usize) -> bool {
    *crops == 1
}

/// `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The version of this layout.
    pub format: u32,
    /// The content id of network, preprocessing and weights: what a catalogue was made by.
    pub id: ContentId,
    /// The SHA-256 of `model.safetensors`.
    pub weights: ContentId,
    /// The network.
    pub network: NetworkSpec,
    /// The preprocessing.
    pub preprocess: Preprocess,
    /// The content id of [`ModelCard::preprocess`].
    pub preprocess_id: ContentId,
    /// The data set that it was trained on.
    pub dataset: ContentId,
    /// The device that it was trained on, for people.
    pub device: String,
    /// The recipe as it was read.
    pub recipe: serde_json::Value,
    /// What was measured at the end.
    pub metrics: BTreeMap<String, f64>,
}

/// A run folder that was read and found whole.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The folder.
    pub dir: PathBuf,
    /// What `model.json` says.
    pub card: ModelCard,
    /// All tensors.
    pub weights: Weights,
}

/// What to say of a folder without a model: it is no run, or one that is not finished.
pub fn no_model(dir: &Path) -> CoreError {
    if dir.join("run.json").exists() && !dir.join("model.json").exists() {
        let run = dir.display();
        let what = format!("the run is not finished: `goodtwin train --resume {run}` goes on with it");
        return CoreError::data(dir, what);
    }
    let hint = ": expected a folder with model.json; `goodtwin train` makes one".into();
    CoreError::Missing { path: dir.into(), kind: "run", hint }
}

impl Checkpoint {
    /// Read a run folder.
    ///
    /// # Errors
    /// Exit 65 when the folder is no run, or weights or preprocessing are not those that `model.json` names.
    pub fn open(dir: &Path) -> Result<Checkpoint> {
        let path = dir.join("model.json");
        let text = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => no_model(dir),
            _ => CoreError::disk(&path, "read the model", e),
        })?;
        let card: ModelCard = serde_json::from_slice(&text)
            .map_err(|e| CoreError::data(&path, format!("not a model's description: {e}")))?;
        let weights = Weights::load(&dir.join("model.safetensors"))?;
        let check = |part: &str, expected: &str, received: &str| match expected == received {
            true => Ok(()),
            false => Err(Error::Core(CoreError::Mismatch {
                path: path.clone(),
                part: part.into(),
                expected: expected.into(),
                received: received.into(),
            })),
        };
        check("format", &FORMAT.to_string(), &card.format.to_string())?;
        check("the SHA-256 of model.safetensors", card.weights.as_str(), weights.id().as_str())?;
        check("the id of the preprocessing", card.preprocess_id.as_str(), card.preprocess.id().as_str())?;
        check("the id of the model", card.id.as_str(), model_id(&card).as_str())?;
        let crops = card.preprocess.crops.len();
        check("the number of crops", &crops.to_string(), &card.network.crops.to_string())?;
        let trunk = card.network.trunk;
        check("the network of model.safetensors", &trunk.to_string(), &Architecture::of(&weights)?.to_string())?;
        let (values, received) = (format!("{:?}", trunk.values()), format!("{:?}", card.preprocess.values));
        check("what the preprocessing gives the trunk", &values, &received)?;
        card.preprocess.check()?;
        Ok(Checkpoint { dir: dir.into(), card, weights })
    }

    /// Write `model.json` and `model.safetensors` into a folder: weights first, so that a `model.json` is never alone.
    pub fn write(
        dir: &Path,
        top: &Top,
        imagenet: &Weights,
        network: NetworkSpec,
        preprocess: Preprocess,
        provenance: Provenance,
    ) -> Result<ModelCard> {
        let mut tensors = BTreeMap::new();
        for key in network.trunk.frozen_tensors() {
            let stored = imagenet.stored(&key).expect("the trunk was loaded from these weights");
            tensors.insert(key, stored.clone());
        }
        tensors.extend(top.block5.tensors());
        tensors.extend(top.mask.iter().flat_map(MaskHead::tensors));
        for (key, linear) in [("dense", &top.dense), ("classifier", &top.classifier)] {
            tensors.insert(format!("{key}.weight"), Stored::of(linear.weight.val()));
            let bias = linear.bias.as_ref().expect("our linear layers have biases");
            tensors.insert(format!("{key}.bias"), Stored::of(bias.val()));
        }
        let bytes = serialize(&tensors);
        let mut card = ModelCard {
            format: FORMAT,
            id: ContentId::of(b""),
            weights: ContentId::of(&bytes),
            network,
            preprocess_id: preprocess.id(),
            preprocess,
            dataset: provenance.dataset,
            device: provenance.device,
            recipe: provenance.recipe,
            metrics: provenance.metrics,
        };
        card.id = model_id(&card);
        atomic::write(&dir.join("model.safetensors"), &bytes)?;
        let json = serde_json::to_vec_pretty(&card).expect("our own types have string keys and serialise");
        atomic::write(&dir.join("model.json"), &json)?;
        Ok(card)
    }
}

/// Where a model came from and what it is worth.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// The data set's content id.
    pub dataset: ContentId,
    /// The device, for people.
    pub device: String,
    /// The recipe as it was read.
    pub recipe: serde_json::Value,
    /// What was measured.
    pub metrics: BTreeMap<String, f64>,
}

fn model_id(card: &ModelCard) -> ContentId {
    ContentId::of_json(&(&card.network, &card.preprocess_id, &card.weights))
}
