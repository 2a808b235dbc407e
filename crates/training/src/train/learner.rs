//! What learns: the top of the network, as it is before its first step.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, TensorData};
use goodtwin_core::{BagType, Dataset};
use goodtwin_vision::embedder::rows;
use goodtwin_vision::{NetworkSpec, Top, Weights};

use super::splits::Splits;
use crate::recipe::Start;
use crate::{Error, Recipe, Result, TrunkCache, whitening};

/// The most pictures that whitening is fitted on.
const WHITENING_ROWS: usize = 3000;

/// All that a step changes. Heads that only training needs stand beside the top, and are not part of the model.
#[derive(Module, Debug)]
pub struct Learner {
    /// What becomes the model.
    pub top: Top,
}

impl Learner {
    /// A network of this shape, with a random dense layer and softmax.
    pub fn random(spec: &NetworkSpec, size: u32, imagenet: &Weights, device: &Device) -> Result<Learner> {
        Ok(Learner { top: Top::init(spec, size, imagenet, device)? })
    }

    /// The network before its first step.
    ///
    /// # Errors
    /// [`Error::Dataset`] when the training pictures do not differ, so that there is nothing to whiten.
    pub fn start(
        recipe: &Recipe,
        dataset: &Dataset,
        classes: &[BagType],
        splits: &Splits,
        cache: &TrunkCache,
        imagenet: &Weights,
        device: &Device,
    ) -> Result<(NetworkSpec, Learner)> {
        let head = &recipe.head;
        let mut spec = NetworkSpec {
            trunk: recipe.trunk,
            trunk_sha256: imagenet.id().clone(),
            pooling: head.pooling,
            crops: recipe.preprocess.crops.len(),
            dense: head.dense,
            activation: head.activation,
            dropout: head.dropout,
            classes: classes.to_vec(),
        };
        let size = recipe.preprocess.size;
        let mut top = Top::init(&spec, size, imagenet, device)?;
        if head.start == Start::Whitening {
            let still = top.valid();
            let mut pooled = Vec::with_capacity(splits.train.len());
            // Some thousands show every direction that there is, and the decomposition costs the cube of their number.
            let step = splits.train.len().div_ceil(WHITENING_ROWS);
            let sample: Vec<usize> = splits.train.iter().copied().step_by(step).collect();
            for batch in sample.chunks(recipe.batch_size) {
                let block4 = cache.batch(batch, &vec![0; batch.len()], &device.clone().inner())?;
                pooled.extend(rows(still.pooled(block4)));
            }
            let affine = whitening::fit(&pooled, head.dense).ok_or_else(|| Error::Dataset {
                dataset: dataset.root.clone(),
                what: "the pictures of the training split do not differ: expected some that do".into(),
            })?;
            spec.dense = affine.d_out;
            let shape = [spec.pooled_len(size), affine.d_out];
            top.dense = Linear {
                weight: Param::from_data(TensorData::new(affine.weight, shape), device),
                bias: Some(Param::from_data(TensorData::new(affine.bias, [affine.d_out]), device)),
            };
            top.classifier = LinearConfig::new(affine.d_out, classes.len()).init(device);
        }
        Ok((spec, Learner { top }))
    }
}
