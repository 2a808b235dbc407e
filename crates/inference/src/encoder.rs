//! The one step from picture to vector, and the ids of the network that takes it.

use std::path::Path;
use std::sync::Arc;

use goodtwin_core::{BagType, ContentId};
use goodtwin_imaging::Picture;
use goodtwin_vision::{Compute, Embedder, Features};

use crate::{Error, Look, Result};

type Frame = dyn Fn(&Picture) -> Picture + Send + Sync;
type Embed = dyn Fn(&[Picture]) -> Result<Vec<Features>, goodtwin_vision::Error> + Send + Sync;

/// Turns pictures into embeddings. Made from an [`Embedder`]; the steps are function values, so that catalogue, search and
/// page can be tested without a network.
#[derive(Clone)]
pub struct Encoder {
    /// The content id of network, preprocessing and weights.
    pub model: ContentId,
    /// What is done to a picture before the network sees it.
    pub preprocess: ContentId,
    /// Length of an embedding.
    pub dim: usize,
    /// The types that the network tells apart, in the order of [`Features::class_probabilities`].
    pub classes: Vec<BagType>,
    /// What is left of a picture once it is as small as the network sees it: whoever waits with many pictures holds these.
    /// It changes no embedding.
    pub frame: Arc<Frame>,
    /// The step itself.
    pub embed: Arc<Embed>,
}

impl Encoder {
    /// The network of a run folder, on a device.
    ///
    /// # Errors
    /// Those of [`Embedder::open`].
    pub fn open(run: &Path, compute: &Compute) -> Result<Self> {
        Ok(Embedder::open(run, compute)?.into())
    }

    /// The embeddings of some pictures, in their order.
    ///
    /// # Errors
    /// Those of the network, and [`Error::Embedding`] for a vector that is not of length 1 or holds a number that is none.
    pub fn embed(&self, pictures: &[Picture]) -> Result<Vec<Features>> {
        let features = (self.embed)(pictures)?;
        if features.len() != pictures.len() {
            let what = format!("count is wrong: expected {}, received {}", pictures.len(), features.len());
            return Err(Error::Embedding { at: 0, what });
        }
        for (at, features) in features.iter().enumerate() {
            Look::from(features).check(self.dim).map_err(|what| Error::Embedding { at, what })?;
        }
        Ok(features)
    }
}

impl From<Embedder> for Encoder {
    fn from(embedder: Embedder) -> Self {
        let preprocess = embedder.card().preprocess.clone();
        Encoder {
            model: embedder.model_id().clone(),
            preprocess: embedder.preprocess_id().clone(),
            dim: embedder.dim(),
            classes: embedder.classes().to_vec(),
            frame: Arc::new(move |picture| preprocess.frame(picture)),
            embed: Arc::new(move |pictures| embedder.embed(pictures)),
        }
    }
}

/// How far from 1 the length of an embedding may be: rounding in f32 over some thousand values stays well below.
const NORM_TOLERANCE: f32 = 1e-3;

/// Say what is wrong with a vector that ought to have `dim` finite values and length 1.
pub(crate) fn check_unit(vector: &[f32], dim: usize) -> Result<(), String> {
    if vector.len() != dim {
        return Err(format!("has the wrong length: expected {dim} values, received {}", vector.len()));
    }
    if let Some(at) = vector.iter().position(|v| !v.is_finite()) {
        return Err(format!("holds {} at position {at}: expected finite numbers", vector[at]));
    }
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if (norm - 1.0).abs() > NORM_TOLERANCE {
        return Err(format!("has an L2 norm of {norm}: expected 1"));
    }
    Ok(())
}
