//! A loss over families, beside the softmax over types and on the same penultimate layer.
//!
//! Both losses compare directions alone, as retrieval does: rows are divided by their length first.
//! - *Supervised contrastive* (Khosla et al. 2020, the loss with the sum outside the logarithm): of all pictures of a batch,
//!   those of the same group are to be the nearest.
//! - *Normalised softmax* (Zhai and Wu 2019): each family has a direction that is learned, and a picture's is to be the
//!   nearest. With a margin on the angle it is ArcFace (Deng et al. 2019).

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Tensor, TensorData};
use goodtwin_vision::pooling::unit;

use super::learner::Learner;
use super::splits::Splits;
use crate::recipe::{Family, FamilyLoss};

/// What of the families a loss needs to know; groups are those of [`Splits::families`].
#[derive(Clone, Debug, Default)]
pub struct Families {
    /// The class of a group, where families are classes: those of at least two training pictures.
    classes: BTreeMap<usize, usize>,
    /// The training rows of each row's group that show other pictures, where rows are seen in pairs.
    partners: Option<BTreeMap<usize, Vec<usize>>>,
}

impl Families {
    /// Of the training split: no row of another is looked at.
    pub fn of(recipe: &Family, splits: &Splits) -> Families {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in &splits.train {
            groups.entry(splits.families[*row]).or_default().push(*row);
        }
        let mut families = Families::default();
        match recipe.loss {
            FamilyLoss::None => {}
            FamilyLoss::NormalisedSoftmax => {
                let several = groups.iter().filter(|(_, rows)| {
                    rows.iter().map(|row| splits.pictures[*row]).collect::<BTreeSet<usize>>().len() > 1
                });
                families.classes = several.enumerate().map(|(class, (group, _))| (*group, class)).collect();
            }
            FamilyLoss::Supcon => {
                let others = |row: &usize| {
                    let group = &groups[&splits.families[*row]];
                    group.iter().copied().filter(|other| splits.pictures[*other] != splits.pictures[*row]).collect()
                };
                families.partners = Some(splits.train.iter().map(|row| (*row, others(row))).collect());
            }
        }
        families
    }

    /// How many families are classes.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }

    /// The class of a group.
    pub fn class(&self, group: usize) -> Option<usize> {
        self.classes.get(&group).copied()
    }

    /// With whom each training row may be paired, where rows are seen in pairs.
    pub fn partners(&self) -> Option<&BTreeMap<usize, Vec<usize>>> {
        self.partners.as_ref()
    }
}

/// A loss over families.
pub struct FamilyHead {
    recipe: Family,
    families: Families,
}

impl FamilyHead {
    /// None where the recipe has no such loss.
    pub fn new(recipe: &Family, families: &Families) -> Option<FamilyHead> {
        (recipe.loss != FamilyLoss::None).then(|| FamilyHead { recipe: recipe.clone(), families: families.clone() })
    }

    /// How much it counts.
    pub fn weight(&self) -> f64 {
        self.recipe.weight
    }

    /// How many pictures of these groups have something to learn from: of these the loss is the mean.
    pub fn counted(&self, groups: &[usize]) -> usize {
        match self.recipe.loss {
            FamilyLoss::NormalisedSoftmax => {
                groups.iter().filter(|group| self.families.class(**group).is_some()).count()
            }
            // Pictures are compared with each other, so that a batch has no parts.
            FamilyLoss::None | FamilyLoss::Supcon => groups.len(),
        }
    }

    /// The mean over the pictures that have something to learn from; 0 where none has.
    pub fn of(&self, penultimate: Tensor<2>, learner: &Learner, groups: &[usize]) -> Tensor<1> {
        let embedding = unit(penultimate);
        match &learner.family_classifier {
            Some(directions) => {
                let classes: Vec<Option<usize>> = groups.iter().map(|group| self.families.class(*group)).collect();
                normalised_softmax(embedding, directions.val(), &classes, self.recipe.temperature, self.recipe.margin)
            }
            // Pairs are what supervised contrastive learning sees; without families of two, nothing else is to be learned.
            None if self.recipe.loss == FamilyLoss::Supcon => supcon(embedding, groups, self.recipe.temperature),
            None => embedding.sum() * 0.0,
        }
    }
}

/// The supervised contrastive loss of rows of length 1, `[n, d]`: the mean over the rows that have another of their group.
pub fn supcon(embedding: Tensor<2>, groups: &[usize], temperature: f64) -> Tensor<1> {
    let (n, device) = (groups.len(), embedding.device());
    let others = |i: usize| (0..n).filter(move |j| *j != i && groups[*j] == groups[i]);
    let anchors = (0..n).filter(|i| others(*i).next().is_some()).count();
    let mut share = vec![0f32; n * n];
    for i in 0..n {
        let positives = others(i).count();
        for j in others(i) {
            share[i * n + j] = 1.0 / (positives * anchors) as f32;
        }
    }
    let share = Tensor::<2>::from_data(TensorData::new(share, [n, n]), &device);
    // A row is not compared with itself: out of the sum, as far as an f32 can tell.
    let itself = Tensor::<2>::eye(n, &device) * -1e9;
    let cosines = embedding.clone().matmul(embedding.transpose());
    (share * log_softmax(cosines / temperature + itself, 1)).sum().neg()
}

/// The normalised softmax of rows of length 1, `[n, d]`, over families' directions of any length, `[families, d]`: the mean
/// over the rows that have a class.
pub fn normalised_softmax(
    embedding: Tensor<2>,
    directions: Tensor<2>,
    classes: &[Option<usize>],
    temperature: f64,
    margin: f64,
) -> Tensor<1> {
    let (n, families, device) = (classes.len(), directions.dims()[0], embedding.device());
    let known = classes.iter().flatten().count().max(1);
    let mut wanted = vec![0f32; n * families];
    for (i, class) in classes.iter().enumerate() {
        if let Some(class) = class {
            wanted[i * families + class] = 1.0;
        }
    }
    let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [n, families]), &device);
    let cosines = embedding.matmul(unit(directions).transpose());
    let logits = match margin > 0.0 {
        true => cosines.clone() + wanted.clone() * (turned(cosines.clone(), margin) - cosines),
        false => cosines,
    };
    (wanted * log_softmax(logits / temperature, 1)).sum().neg() / known as f64
}

/// The cosine of an angle that is larger by `margin`; beyond half a turn a line goes on with falling.
fn turned(cosines: Tensor<2>, margin: f64) -> Tensor<2> {
    // Its slope is unbounded at 0 and half a turn.
    let within = cosines.clone().clamp(-1.0 + 1e-6, 1.0 - 1e-6);
    let sines = (within.clone() * within.clone()).neg().add_scalar(1.0).sqrt();
    let turned = within * margin.cos() - sines * margin.sin();
    let beyond: Tensor<2, Bool> = cosines.clone().lower_elem(-margin.cos());
    turned.mask_where(beyond, cosines - margin * margin.sin())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Rows at these angles, in degrees.
    fn at(angles: &[f64], device: &Device) -> Tensor<2> {
        let values: Vec<f32> =
            angles.iter().map(|a| a.to_radians()).flat_map(|a| [a.cos() as f32, a.sin() as f32]).collect();
        Tensor::from_data(TensorData::new(values, [angles.len(), 2]), device)
    }

    #[test]
    fn supcon_by_hand() {
        // Cosines: 1/2 within the pair, 0 and -1/2 and -1 and sqrt(3)/2 elsewhere; row 3 has nobody of its group.
        let angles = [0.0_f64, 60.0, 90.0, 180.0];
        let cosine = |i: usize, j: usize| f64::cos((angles[i] - angles[j]).to_radians());
        let loss = |temperature: f64| -> f32 {
            supcon(at(&angles, &Device::flex()), &[7, 7, 7, 9], temperature).into_scalar()
        };
        for temperature in [1.0, 0.1] {
            let log_p = |i: usize, j: usize| {
                let all: f64 = (0..4).filter(|a| *a != i).map(|a| (cosine(i, a) / temperature).exp()).sum();
                cosine(i, j) / temperature - all.ln()
            };
            let of = |i: usize, a: usize, b: usize| -(log_p(i, a) + log_p(i, b)) / 2.0;
            let by_hand = (of(0, 1, 2) + of(1, 0, 2) + of(2, 0, 1)) / 3.0;
            assert!((f64::from(loss(temperature)) - by_hand).abs() < 1e-4, "{} {by_hand}", loss(temperature));
        }
        let alone: f32 = supcon(at(&angles, &Device::flex()), &[1, 2, 3, 4], 0.1).into_scalar();
        assert_eq!(alone, 0.0);
        // Two alone: nothing to be told apart from.
        let pair: f32 = supcon(at(&[0.0, 60.0], &Device::flex()), &[1, 1], 0.1).into_scalar();
        assert!(pair.abs() < 1e-6);
    }

    #[test]
    fn normalised_softmax_and_arcface_by_hand() {
        let device = Device::flex();
        let directions = Tensor::from_data([[3.0, 0.0], [0.0, 0.5]], &device);
        let loss = |angle: f64, margin: f64| -> f64 {
            let rows = at(&[angle, 10.0], &device);
            f64::from(normalised_softmax(rows, directions.clone(), &[Some(0), None], 0.5, margin).into_scalar::<f32>())
        };
        let by_hand =
            |right: f64, wrong: f64| -((right / 0.5).exp() / ((right / 0.5).exp() + (wrong / 0.5).exp())).ln();
        let (cos, sin) = (30f64.to_radians().cos(), 30f64.to_radians().sin());
        assert!((loss(30.0, 0.0) - by_hand(cos, sin)).abs() < 1e-5);
        assert!((loss(30.0, 0.3) - by_hand((30f64.to_radians() + 0.3).cos(), sin)).abs() < 1e-5);
        // 175 degrees and 0.3 are more than half a turn.
        let far = 175f64.to_radians();
        assert!((loss(175.0, 0.3) - by_hand(far.cos() - 0.3 * 0.3f64.sin(), far.sin())).abs() < 1e-5);
        let none: f32 = normalised_softmax(at(&[1.0], &device), directions, &[None], 0.5, 0.0).into_scalar();
        assert_eq!(none, 0.0);
    }

    #[test]
    fn gradients_are_the_slopes() {
        let device = Device::flex().autodiff();
        let rows = [[0.9f32, -0.4, 0.3], [0.2, 0.8, -0.5], [0.7, -0.1, 0.9], [-0.6, 0.5, 0.4]];
        let directions = [[0.5f32, 0.2, -0.3], [-0.4, 0.6, 0.1]];
        let contrastive = |rows: Tensor<2>| supcon(unit(rows), &[0, 1, 0, 1], 0.5);
        let softmax = |rows: Tensor<2>| {
            let directions = Tensor::from_data(directions, &rows.device());
            normalised_softmax(unit(rows), directions, &[Some(0), Some(1), None, Some(1)], 0.5, 0.2)
        };
        let losses: [&dyn Fn(Tensor<2>) -> Tensor<1>; 2] = [&contrastive, &softmax];
        for loss in losses {
            let input = Tensor::<2>::from_data(rows, &device).require_grad();
            let gradients = loss(input.clone()).backward();
            let slopes: Vec<f32> = input.grad(&gradients).unwrap().into_data().try_into_vec().unwrap();
            for (k, slope) in slopes.iter().enumerate() {
                let moved = |by: f32| -> f32 {
                    let mut rows = rows;
                    rows[k / 3][k % 3] += by;
                    loss(Tensor::from_data(rows, &Device::flex())).into_scalar()
                };
                let measured = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                assert!((slope - measured).abs() < 2e-3, "{k}: {slope} {measured}");
            }
        }
    }

    #[test]
    fn families_of_the_training_split_alone_take_part() {
        let splits = Splits {
            train: vec![0, 1, 2, 3, 4],
            validation: vec![5],
            test: vec![6, 7],
            labels: vec![0; 8],
            families: vec![10, 10, 11, 12, 12, 11, 13, 13],
            // Rows 3 and 4 are two offers of one picture.
            pictures: vec![0, 1, 2, 3, 3, 5, 6, 7],
        };
        let of = |loss| Families::of(&Family { loss, ..Family::default() }, &splits);
        let softmax = of(FamilyLoss::NormalisedSoftmax);
        assert_eq!(
            (softmax.classes(), softmax.class(10), softmax.class(11), softmax.class(13)),
            (1, Some(0), None, None)
        );
        assert!(softmax.partners().is_none());
        let pairs = of(FamilyLoss::Supcon);
        let partners: Vec<(usize, &[usize])> =
            pairs.partners().unwrap().iter().map(|(row, others)| (*row, others.as_slice())).collect();
        let none: &[usize] = &[];
        assert_eq!(partners, [(0, &[1][..]), (1, &[0][..]), (2, none), (3, none), (4, none)]);
        assert_eq!(of(FamilyLoss::None).classes(), 0);
    }
}
