//! What a step is to lower.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};

use super::families::{Families, FamilyHead};
use super::learner::Learner;
use crate::Recipe;

/// The labels of some pictures that are seen together.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The class of each, by place in the list of classes.
    pub types: &'a [usize],
    /// The group of each (see [`Families`]); not read without a loss over families.
    pub families: &'a [usize],
}

/// What a part of a batch counts of the whole: parts add up to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Of its pictures.
    pub types: f32,
    /// Of those that have something to learn about families.
    pub families: f32,
}

impl Share {
    /// A batch that is taken at once.
    pub const WHOLE: Share = Share { types: 1.0, families: 1.0 };
}

/// All losses of a recipe.
pub struct Losses {
    types: TypeLoss,
    families: Option<FamilyHead>,
}

/// What a forward pass gave.
pub struct Passed {
    /// The mean over the pictures of the batch; what is differentiated.
    pub loss: Tensor<1>,
    /// What families add to it, before it is weighed.
    pub family: Option<Tensor<1>>,
    /// `[n, classes]`.
    pub logits: Tensor<2>,
}

impl Losses {
    /// `counts` are the training pictures of each class.
    pub fn new(recipe: &Recipe, counts: &[usize], families: &Families) -> Losses {
        let optimizer = &recipe.optimizer;
        Losses {
            types: TypeLoss::new(counts, optimizer.label_smoothing, optimizer.class_balance),
            families: FamilyHead::new(&recipe.family, families),
        }
    }

    /// See pictures (block 4) and compare with their labels.
    pub fn pass(&self, learner: &Learner, block4: Tensor<4>, labels: Labels<'_>) -> Passed {
        self.pass_pooled(learner, learner.top.pooled(block4), labels, Share::WHOLE)
    }

    /// What some of a batch's pictures count, by their families and those of the whole batch.
    pub fn share(&self, part: &[usize], whole: &[usize]) -> Share {
        let of = |part: usize, whole: usize| part as f32 / whole.max(1) as f32;
        let types = of(part.len(), whole.len());
        let families = self.families.as_ref().map_or(types, |head| of(head.counted(part), head.counted(whole)));
        Share { types, families }
    }

    /// [`Losses::pass`] from what the dense layer sees, of a part of a batch.
    pub fn pass_pooled(&self, learner: &Learner, pooled: Tensor<2>, labels: Labels<'_>, share: Share) -> Passed {
        let penultimate = learner.top.dense_of(pooled);
        let logits = learner.top.logits(penultimate.clone());
        let types = self.types.of(logits.clone(), labels.types) * share.types;
        let Some(head) = &self.families else { return Passed { loss: types, family: None, logits } };
        let family = head.of(penultimate, learner, labels.families) * share.families;
        Passed { loss: types + family.clone() * head.weight(), family: Some(family), logits }
    }
}

/// The softmax's cross-entropy over types.
///
/// Label smoothing leaves a share of each label to all classes alike (Szegedy et al. 2016). Balance weighs a class by its
/// number of training pictures to the power of minus `balance`: 0 as they come, 1 every class the same.
pub struct TypeLoss {
    smoothing: f32,
    /// By class; their mean over the training pictures is 1, so that balance does not change the size of a step.
    weights: Vec<f32>,
}

impl TypeLoss {
    /// `counts` are the training pictures of each class, all above 0.
    pub fn new(counts: &[usize], smoothing: f32, balance: f64) -> TypeLoss {
        let raw: Vec<f64> = counts.iter().map(|n| (*n as f64).powf(-balance)).collect();
        let pictures: usize = counts.iter().sum();
        let sum: f64 = raw.iter().zip(counts).map(|(weight, n)| weight * *n as f64).sum();
        TypeLoss { smoothing, weights: raw.iter().map(|weight| (weight * pictures as f64 / sum) as f32).collect() }
    }

    /// The mean over the rows of `[n, classes]`.
    pub fn of(&self, logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
        let classes = self.weights.len();
        let even = self.smoothing / classes as f32;
        let mut wanted = vec![0f32; labels.len() * classes];
        for (row, label) in wanted.chunks_mut(classes).zip(labels) {
            row.fill(even * self.weights[*label]);
            row[*label] += (1.0 - self.smoothing) * self.weights[*label];
        }
        let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [labels.len(), classes]), &logits.device());
        (wanted * log_softmax(logits, 1)).sum().neg() / labels.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::loss::CrossEntropyLossConfig;
    use burn::tensor::{Device, Int};

    use super::*;
    use crate::recipe::FamilyLoss;
    use crate::train::splits::Splits;

    const LOGITS: [[f32; 3]; 4] = [[1.0, -0.5, 0.25], [0.0, 2.0, -1.0], [0.3, 0.2, 0.1], [-2.0, 0.0, 4.0]];

    fn loss(counts: &[usize], smoothing: f32, balance: f64, labels: &[usize]) -> f32 {
        let logits = Tensor::from_data(LOGITS, &Device::flex());
        TypeLoss::new(counts, smoothing, balance).of(logits, labels).into_scalar()
    }

    #[test]
    fn it_is_burns_cross_entropy_where_that_has_it_too() {
        for smoothing in [0.0, 0.1, 0.5] {
            let device = Device::flex();
            let theirs = CrossEntropyLossConfig::new().with_smoothing(Some(smoothing)).init(&device);
            let labels = Tensor::<1, Int>::from_data([0, 1, 2, 2], &device);
            let theirs: f32 = theirs.forward(Tensor::from_data(LOGITS, &device), labels).into_scalar();
            let ours = loss(&[5, 5, 5], smoothing, 0.0, &[0, 1, 2, 2]);
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
    }

    #[test]
    fn balance_weighs_classes_by_hand() {
        let weights = |balance| TypeLoss::new(&[1, 3, 4], 0.0, balance).weights;
        assert_eq!(weights(0.0), [1.0, 1.0, 1.0]);
        let full = weights(1.0);
        for (weight, by_hand) in full.iter().zip([8.0 / 3.0, 8.0 / 9.0, 2.0 / 3.0]) {
            assert!((weight - by_hand).abs() < 1e-6, "{full:?}");
        }
        let half = weights(0.5);
        assert!(half[0] > 1.0 && half[0] < full[0]);
        assert!((half[0] + 3.0 * half[1] + 4.0 * half[2] - 8.0).abs() < 1e-5, "the mean over the pictures is 1");
    }

    #[test]
    fn halves_of_a_batch_add_up_to_the_whole() {
        let whole = loss(&[1, 3, 4], 0.1, 0.7, &[0, 1, 2, 2]);
        let logits = Tensor::<2>::from_data(LOGITS, &Device::flex());
        let types = TypeLoss::new(&[1, 3, 4], 0.1, 0.7);
        let first: f32 = types.of(logits.clone().slice([0..2, 0..3]), &[0, 1]).into_scalar();
        let second: f32 = types.of(logits.slice([2..4, 0..3]), &[2, 2]).into_scalar();
        assert!((whole - (first + second) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_part_counts_by_its_pictures_and_by_those_with_a_family() {
        let splits = Splits {
            train: (0..6).collect(),
            validation: vec![],
            test: vec![],
            labels: vec![0; 6],
            // Two families of two, and two pictures of their own.
            families: vec![10, 10, 11, 11, 12, 13],
            pictures: (0..6).collect(),
        };
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training.toml");
        let mut recipe = Recipe::load(&path).unwrap();
        let share = |recipe: &Recipe, part: &[usize]| {
            Losses::new(recipe, &[6], &Families::of(&recipe.family, &splits)).share(part, &splits.families)
        };
        assert_eq!(share(&recipe, &[10, 12]), Share { types: 1.0 / 3.0, families: 1.0 / 3.0 });
        recipe.family.loss = FamilyLoss::NormalisedSoftmax;
        assert_eq!(share(&recipe, &[10, 12]), Share { types: 1.0 / 3.0, families: 1.0 / 4.0 });
        assert_eq!(share(&recipe, &[12, 13]), Share { types: 1.0 / 3.0, families: 0.0 });
        assert_eq!(share(&recipe, &splits.families), Share::WHOLE);
    }
}
