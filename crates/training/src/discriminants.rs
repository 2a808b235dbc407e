//! A softmax that starts from what the classes' pictures already say: linear discriminants (Fisher 1936; with the prior, the
//! logits of Gaussians of one covariance).
//!
//! A random softmax has to turn whitened features into types by steps that are large beside those of the layers below it, on
//! few pictures, and what it is at any of them is much chance. This start needs none.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use crate::whitening::Affine;

/// How much of the mean variance is added to every direction's: of few pictures, covariances are mostly noise.
const SHRINKAGE: f64 = 1.0;
/// What logits may be multiplied by: Gaussians of many directions are far too sure of themselves.
const SCALES: [f64; 7] = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625];

/// Fit on rows of one width with their classes. A class without a row has the mean 0, where whitening has put the mean of
/// all, and the prior of one row.
pub fn fit(rows: &[Vec<f32>], labels: &[usize], classes: usize) -> Affine {
    let (n, width) = (rows.len(), rows[0].len());
    let mut counts = vec![0usize; classes];
    let mut means = Mat::<f64>::zeros(width, classes);
    for (row, label) in rows.iter().zip(labels) {
        counts[*label] += 1;
        for (mean, value) in means.col_mut(*label).iter_mut().zip(row) {
            *mean += f64::from(*value);
        }
    }
    for (mean, count) in means.col_iter_mut().zip(&counts) {
        mean.iter_mut().for_each(|value| *value /= (*count).max(1) as f64);
    }
    let within = Mat::from_fn(n, width, |i, j| f64::from(rows[i][j]) - means[(j, labels[i])]);
    let spread = within.transpose() * &within;
    // Where no class has two pictures that differ, all directions are alike.
    let trace: f64 = (0..width).map(|j| spread[(j, j)] / n as f64).sum();
    let shrink = (SHRINKAGE * trace / width as f64).max(1e-12);
    let covariance = Mat::from_fn(width, width, |i, j| spread[(i, j)] / n as f64 + if i == j { shrink } else { 0.0 });
    let directions = covariance
        .llt(Side::Lower)
        .expect("a covariance with something added to every direction is positive definite")
        .solve(&means);
    let bias = (0..classes).map(|c| {
        let prior = (counts[c].max(1) as f64 / n as f64).ln();
        (prior - directions.col(c).transpose() * means.col(c) / 2.0) as f32
    });
    Affine {
        weight: (0..width).flat_map(|j| (0..classes).map(move |c| (j, c))).map(|at| directions[at] as f32).collect(),
        bias: bias.collect(),
        d_out: classes,
    }
}

/// The affine map with its logits multiplied by what makes the cross-entropy least on rows that it was not fitted on; as it
/// is without any.
pub fn soften(mut affine: Affine, rows: &[Vec<f32>], labels: &[usize]) -> Affine {
    let logits: Vec<Vec<f64>> = rows.iter().map(|row| affine.of(row)).collect();
    let loss = |scale: f64| -> f64 { logits.iter().zip(labels).map(|(row, label)| surprise(row, *label, scale)).sum() };
    let best = SCALES.into_iter().min_by(|a, b| loss(*a).total_cmp(&loss(*b))).expect("there are scales");
    for value in affine.weight.iter_mut().chain(&mut affine.bias) {
        *value *= best as f32;
    }
    affine
}

/// The cross-entropy of one row.
fn surprise(logits: &[f64], label: usize, scale: f64) -> f64 {
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = logits.iter().map(|l| ((l - largest) * scale).exp()).sum();
    sum.ln() - (logits[label] - largest) * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes around (-1, 0) and (1, 0), wide along the second axis; three of four are of the first.
    fn rows(from: usize) -> (Vec<Vec<f32>>, Vec<usize>) {
        let row = |i: usize| {
            let (label, t) = (usize::from(i.is_multiple_of(4)), i as f32);
            (vec![(if label == 0 { -1.0 } else { 1.0 }) + (t * 1.7).sin() * 0.9, (t * 0.9).cos() * 2.0], label)
        };
        (from..from + 200).map(row).unzip()
    }

    #[test]
    fn what_tells_classes_apart_counts_and_what_is_wide_does_not() {
        let (rows, labels) = rows(0);
        let affine = fit(&rows, &labels, 2);
        let right = rows.iter().zip(&labels).filter(|(row, label)| {
            let logits = affine.of(row);
            (logits[1] > logits[0]) == (**label == 1)
        });
        assert!(right.count() > 170);
        let [first, second] = [0, 1].map(|j| (affine.weight[j * 2 + 1] - affine.weight[j * 2]).abs());
        assert!(first > 10.0 * second, "{first} {second}");
        let middle = affine.of(&[0.0, 0.0]);
        assert!(middle[0] > middle[1], "in the middle, the class of more pictures");
    }

    #[test]
    fn logits_are_softened_until_they_are_as_sure_as_they_are_right() {
        let (rows, mut labels) = rows(0);
        let sure = soften(fit(&rows, &labels, 2), &rows, &labels);
        assert_eq!(sure.weight, fit(&rows, &labels, 2).weight, "these are right");
        for label in labels.iter_mut().step_by(3) {
            *label = 1 - *label;
        }
        let sides: Vec<usize> = rows.iter().map(|row| usize::from(row[0] > 0.0)).collect();
        let unsure = soften(fit(&rows, &sides, 2), &rows, &labels);
        assert!(unsure.weight[0].abs() < fit(&rows, &sides, 2).weight[0].abs(), "a third of the labels say otherwise");
        assert_eq!(soften(fit(&rows, &sides, 2), &[], &[]).weight, fit(&rows, &sides, 2).weight, "nobody says");
    }

    #[test]
    fn the_cross_entropy_is_that_of_a_softmax() {
        let by_hand = -(1f64.exp() / (1f64.exp() + 3f64.exp() + 1.0)).ln();
        assert!((surprise(&[0.5, 1.5, 0.0], 0, 2.0) - by_hand).abs() < 1e-12);
    }

    #[test]
    fn a_picture_a_class_is_enough_and_none_gives_numbers() {
        let affine = fit(&[vec![1.0, 0.0], vec![0.0, 1.0]], &[0, 1], 3);
        assert!(affine.of(&[1.0, 0.0])[0] > affine.of(&[1.0, 0.0])[1]);
        assert!(affine.of(&[1.0, 0.0]).iter().all(|logit| logit.is_finite()));
    }
}
