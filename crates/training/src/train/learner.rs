//! What learns: the top of the network, as it is before its first step.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use goodtwin_core::Dataset;
use goodtwin_vision::embedder::rows;
use goodtwin_vision::{NetworkSpec, Top, Weights};

use super::families::Families;
use super::mask;
use super::splits::Splits;
use crate::recipe::Start;
use crate::whitening::{self, Differences};
use crate::{Error, Recipe, Result, TrunkCache, discriminants};

/// The most pictures that whitening is fitted on: some thousands show every direction that there is, and the decomposition
/// costs the cube of their number.
pub const WHITENING_ROWS: usize = 2000;
/// The most differences of a kind beside them.
pub const DIFFERENCES: usize = 500;

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

    /// The network before its first step; `part` pictures fit into memory at once.
    ///
    /// # Errors
    /// [`Error::Dataset`] when the training pictures do not differ, so that there is nothing to whiten.
    pub fn start(
        recipe: &Recipe,
        dataset: &Dataset,
        splits: &Splits,
        cache: &TrunkCache,
        imagenet: &Weights,
        part: usize,
        device: &Device,
    ) -> Result<Begun> {
        let (head, classes) = (&recipe.head, dataset.classes());
        let mut spec = NetworkSpec {
            trunk: recipe.trunk,
            trunk_sha256: imagenet.id().clone(),
            pooling: head.pooling,
            block5_weight: head.block5_weight,
            crops: recipe.preprocess.crops.len(),
            dense: head.dense,
            activation: head.activation,
            dropout: head.dropout,
            classes: classes.clone(),
        };
        let size = recipe.preprocess.size;
        let mut top = Top::init(&spec, size, imagenet, device)?;
        let mut agreement = None;
        if top.mask.is_some() {
            let (mask, found) = mask::learn(recipe, splits, cache, &top.block5, device)?;
            (top.mask, agreement) = (Some(mask), found);
        }
        if head.start == Start::Whitening {
            let seen = Seen { recipe, splits, cache, still: top.valid().fix(), part, device };
            let sample = every(&splits.train, WHITENING_ROWS);
            let pooled = seen.pooled(&sample, &vec![0; sample.len()])?;
            let dense = whitening::fit(&pooled, &seen.unwanted(&sample, &pooled)?, head.dense, recipe.seed)
                .ok_or_else(|| Error::Dataset {
                    dataset: dataset.root.clone(),
                    what: "the pictures of the training split do not differ: expected some that do".into(),
                })?;
            spec.dense = dense.d_out;
            top.dense = dense.layer(device);
            let seen = Seen { still: top.valid().fix(), ..seen };
            let labels = |rows: &[usize]| rows.iter().map(|row| splits.labels[*row]).collect::<Vec<usize>>();
            let softmax = discriminants::fit(&seen.penultimate(pooled), &labels(&sample), classes.len());
            let unseen = every(&splits.validation, WHITENING_ROWS);
            let told = seen.penultimate(seen.pooled(&unseen, &vec![0; unseen.len()])?);
            top.classifier = discriminants::soften(softmax, &told, &labels(&unseen)).layer(device);
        }
        let directions = family_means(recipe, &top, splits, cache, part, device)?;
        let learner = Learner { top, family_classifier: directions };
        Ok(Begun { network: spec, learner, mask_agreement: agreement })
    }
}

/// A network before its first step.
pub struct Begun {
    /// Its shape.
    pub network: NetworkSpec,
    /// What learns.
    pub learner: Learner,
    /// See [`mask::learn`].
    pub mask_agreement: Option<f64>,
}

/// What the dense layer sees of the training split before the first step.
struct Seen<'a> {
    recipe: &'a Recipe,
    splits: &'a Splits,
    cache: &'a TrunkCache,
    still: Top,
    part: usize,
    device: &'a Device,
}

impl Seen<'_> {
    /// What is not to matter of some rows, of which `pooled` was seen as they are.
    fn unwanted(&self, sample: &[usize], pooled: &[Vec<f32>]) -> Result<Vec<Differences>> {
        let head = &self.recipe.head;
        let place: BTreeMap<usize, usize> = sample.iter().enumerate().map(|(at, row)| (*row, at)).collect();
        let mut unwanted = vec![];
        if head.view_invariance > 0.0 {
            let (sample, views): (Vec<usize>, Vec<usize>) =
                every(&self.views(sample)?, DIFFERENCES).into_iter().unzip();
            let seen = self.pooled(&sample, &views)?;
            let rows = sample.iter().zip(&seen).map(|(row, seen)| minus(seen, &pooled[place[row]])).collect();
            unwanted.push(Differences { rows, weight: head.view_invariance });
        }
        if head.family_invariance > 0.0 {
            let pairs = every(&pairs(sample, self.splits), DIFFERENCES);
            let rows = pairs.iter().map(|[a, b]| minus(&pooled[place[a]], &pooled[place[b]])).collect();
            unwanted.push(Differences { rows, weight: head.family_invariance });
        }
        unwanted.retain(|differences| !differences.rows.is_empty());
        Ok(unwanted)
    }

    /// Rows and their views: those that show the bag on another ground, or all where none does.
    fn views(&self, sample: &[usize]) -> Result<Vec<(usize, usize)>> {
        let views = 1..=self.cache.views();
        let all: Vec<(usize, usize)> = sample.iter().flat_map(|row| views.clone().map(move |v| (*row, v))).collect();
        let mut elsewhere = vec![];
        for (row, view) in &all {
            if self.cache.mask(*row, *view)?.is_some() {
                elsewhere.push((*row, *view));
            }
        }
        Ok(if elsewhere.is_empty() { all } else { elsewhere })
    }

    fn pooled(&self, sample: &[usize], views: &[usize]) -> Result<Vec<Vec<f32>>> {
        let mut pooled = Vec::with_capacity(sample.len());
        for (batch, views) in sample.chunks(self.part).zip(views.chunks(self.part)) {
            let block4 = self.cache.batch(batch, views, &self.device.clone().inner())?;
            pooled.extend(rows(self.still.pooled(block4)));
        }
        Ok(pooled)
    }

    /// What the dense layer makes of what it sees.
    fn penultimate(&self, pooled: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let batch = |batch: &[Vec<f32>]| {
            let shape = [batch.len(), batch[0].len()];
            rows(
                self.still
                    .dense_of(Tensor::from_data(TensorData::new(batch.concat(), shape), &self.device.clone().inner())),
            )
        };
        pooled.chunks(self.part).flat_map(batch).collect()
    }
}

/// At most `limit` of them, evenly spread.
pub fn every<T: Copy>(all: &[T], limit: usize) -> Vec<T> {
    all.iter().copied().step_by(all.len().div_ceil(limit).max(1)).collect()
}

fn minus(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Each picture beside the next of its family, and the last beside the first: a family of many colours has as many pairs as
/// pictures.
fn pairs(sample: &[usize], splits: &Splits) -> Vec<[usize; 2]> {
    let mut families: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    for row in sample {
        families.entry(splits.families[*row]).or_default().insert(splits.pictures[*row], *row);
    }
    let around = |rows: Vec<usize>| {
        let (n, links) = (rows.len(), if rows.len() > 2 { rows.len() } else { rows.len() - 1 });
        (0..links).map(move |i| [rows[i], rows[(i + 1) % n]])
    };
    families.into_values().flat_map(|rows| around(rows.into_values().collect())).collect()
}

/// Where a softmax over families starts: the mean of each family's pictures, as the network sees them before its first step.
fn family_means(
    recipe: &Recipe,
    top: &Top,
    splits: &Splits,
    cache: &TrunkCache,
    part: usize,
    device: &Device,
) -> Result<Option<Param<Tensor<2>>>> {
    let families = Families::of(&recipe.family, splits);
    let still = top.valid().fix();
    let mut rows_of: Vec<Vec<usize>> = vec![vec![]; families.classes()];
    for row in &splits.train {
        if let Some(class) = families.class(splits.families[*row]) {
            rows_of[class].push(*row);
        }
    }
    let mut means = Vec::new();
    for members in &rows_of {
        let mut sum = vec![0f32; top.dense.weight.dims()[1]];
        for part in members.chunks(part) {
            let block4 = cache.batch(part, &vec![0; part.len()], &device.clone().inner())?;
            for row in rows(still.penultimate(block4)) {
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
        }
        means.extend(sum.iter().map(|sum| sum / members.len() as f32));
    }
    let shape = [families.classes(), means.len() / families.classes().max(1)];
    Ok((families.classes() > 0).then(|| Param::from_data(TensorData::new(means, shape), device)))
}
