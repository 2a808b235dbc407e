//! What learns: the top of the network, as it is before its first step.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::{BagType, Dataset};
use goodtwin_vision::embedder::rows;
use goodtwin_vision::{NetworkSpec, Top, Weights};

use super::families::Families;
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
    /// The directions of the families in the embedding, `[families, dense]`, where a softmax over families learns; by its
    /// name it learns at the classifier's rate.
    pub family_classifier: Option<Param<Tensor<2>>>,
}

impl Learner {
    /// A network of this shape, with a random dense layer and softmax, and with so many families.
    pub fn random(
        spec: &NetworkSpec,
        size: u32,
        families: usize,
        imagenet: &Weights,
        device: &Device,
    ) -> Result<Learner> {
        let directions = || Param::from_tensor(Tensor::zeros([families, spec.dense], device));
        Ok(Learner {
            top: Top::init(spec, size, imagenet, device)?,
            family_classifier: (families > 0).then(directions),
        })
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
            block5_weight: head.block5_weight,
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
        let directions = family_means(recipe, &top, splits, cache, device)?;
        Ok((spec, Learner { top, family_classifier: directions }))
    }
}

/// Where a softmax over families starts: the mean of each family's pictures, as the network sees them before its first step.
fn family_means(
    recipe: &Recipe,
    top: &Top,
    splits: &Splits,
    cache: &TrunkCache,
    device: &Device,
) -> Result<Option<Param<Tensor<2>>>> {
    let families = Families::of(&recipe.family, splits);
    let still = top.valid();
    let mut rows_of: Vec<Vec<usize>> = vec![vec![]; families.classes()];
    for row in &splits.train {
        if let Some(class) = families.class(splits.families[*row]) {
            rows_of[class].push(*row);
        }
    }
    let mut means = Vec::new();
    for members in &rows_of {
        let block4 = cache.batch(members, &vec![0; members.len()], &device.clone().inner())?;
        means.extend(rows(still.penultimate(block4).mean_dim(0)).remove(0));
    }
    let shape = [families.classes(), means.len() / families.classes().max(1)];
    Ok((families.classes() > 0).then(|| Param::from_data(TensorData::new(means, shape), device)))
}
