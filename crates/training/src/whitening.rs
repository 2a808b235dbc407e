//! A dense layer that starts from what is already good.
//!
//! Principal components of the training split's pooled features, each divided by its standard deviation to a power below
//! one: directions in which all bags differ count less, directions in which few do count more, and noise is not blown up
//! (Jégou and Chum 2012; the power is the "attenuated" whitening of later retrieval work).
//!
//! What should not matter is held down as well: differences between two views of a picture, or two pictures of a family,
//! count as spread too, and so what lies along them is divided by more (the idea of linear discriminants, and of learned
//! whitening: Mikolajczyk and Matas 2007).
//!
//! Few pictures have few directions, and pictures of other bags differ along others too. Where there is room, directions drawn
//! at random from all that is left stand for them (Johnson and Lindenstrauss 1984): they keep distances, nearly.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use faer::{Mat, Side};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The power: 1 would be full whitening, 0 none. 0.75 did best on product photographs.
const POWER: f64 = 0.75;
/// No direction is divided by less than what one is whose standard deviation is this share of the largest one's: of those
/// below, and of those that no row has, the rows say too little.
const FLOOR: f64 = 0.03;
/// So many directions are the rows' own at most: those after them are as much chance as the random ones.
pub const OWN: usize = 1024;

/// The affine map `x W + b` of a dense layer, row-major.
#[derive(Debug)]
pub struct Affine {
    /// `[d_in, d_out]`.
    pub weight: Vec<f32>,
    /// `[d_out]`.
    pub bias: Vec<f32>,
    /// How many outputs.
    pub d_out: usize,
}

impl Affine {
    /// What it makes of a row.
    pub fn of(&self, row: &[f32]) -> Vec<f64> {
        let mut out: Vec<f64> = self.bias.iter().map(|b| f64::from(*b)).collect();
        for (x, weights) in row.iter().zip(self.weight.chunks_exact(self.d_out)) {
            for (out, weight) in out.iter_mut().zip(weights) {
                *out += f64::from(*x) * f64::from(*weight);
            }
        }
        out
    }

    /// As a layer of the network.
    pub fn layer(self, device: &Device) -> Linear {
        let shape = [self.weight.len() / self.d_out, self.d_out];
        Linear {
            weight: Param::from_data(TensorData::new(self.weight, shape), device),
            bias: Some(Param::from_data(TensorData::new(self.bias, [self.d_out]), device)),
        }
    }
}

/// What an embedding should not see.
#[derive(Debug)]
pub struct Differences {
    /// Between two rows that should be one.
    pub rows: Vec<Vec<f32>>,
    /// How much their spread counts, where that of the rows counts 1.
    pub weight: f64,
}

/// Fit on rows of one width; keep at most `dense` directions, those of the rows first, and no more than the rows are wide.
///
/// The outputs have mean 0 and, without differences and on average over the directions of the rows, variance 1 at most. None
/// when the rows do not differ.
pub fn fit(rows: &[Vec<f32>], unwanted: &[Differences], dense: usize, seed: u64) -> Option<Affine> {
    let (n, width) = (rows.len(), rows.first()?.len());
    let mean: Vec<f64> = (0..width).map(|j| rows.iter().map(|r| f64::from(r[j])).sum::<f64>() / n as f64).collect();
    let differences = unwanted.iter().filter(|d| d.weight > 0.0).flat_map(|d| {
        let share = (d.weight * n as f64 / d.rows.len() as f64).sqrt();
        d.rows.iter().map(move |row| (row, share))
    });
    let differences: Vec<(&Vec<f32>, f64)> = differences.collect();
    let centred = Mat::from_fn(n + differences.len(), width, |i, j| match i.checked_sub(n) {
        None => f64::from(rows[i][j]) - mean[j],
        Some(i) => f64::from(differences[i].0[j]) * differences[i].1,
    });
    // Covariance and Gram matrix have the same components: the smaller one is cheaper by far.
    let by_rows = centred.nrows() < width;
    let small = if by_rows { &centred * centred.transpose() } else { centred.transpose() * &centred };
    let eigen = small.self_adjoint_eigen(Side::Lower).ok()?;
    // They come in rising order.
    let values: Vec<f64> = eigen.S().column_vector().iter().rev().copied().collect();
    let floor = (1e-9 * values.first()?).max(1e-12);
    let found = values.iter().take(dense.min(OWN)).take_while(|value| **value > floor).count();
    if found == 0 {
        return None;
    }
    let vectors = eigen.U().reverse_cols().subcols(0, found);
    let mut directions = if by_rows { centred.transpose() * vectors } else { vectors.to_owned() };
    for direction in directions.col_iter_mut() {
        // The sign of an eigenvector is arbitrary: fix it, so that a run repeats on any machine.
        let length = direction.norm_l2() * direction.sum().signum();
        direction.iter_mut().for_each(|value| *value /= length);
    }
    let deviations: Vec<f64> = values[..found].iter().map(|value| (value / n as f64).sqrt()).collect();
    let smallest = FLOOR * deviations[0];
    // Output k has the deviation deviations[k]^(1 - POWER); the scale makes the mean of their squares 1.
    let squares: f64 = deviations.iter().map(|d| d.powf(2.0 * (1.0 - POWER))).sum();
    let scale = (found as f64 / squares).sqrt();
    let left = left_over(&directions, dense.min(width) - found, seed);
    // Few directions stand for all that are left: each counts for several.
    let several = ((width - found) as f64 / left.ncols().max(1) as f64).sqrt();
    let own = directions.col_iter().zip(deviations.iter().map(|d| scale / d.max(smallest).powf(POWER)));
    let others = left.col_iter().map(|direction| (direction, several * scale / smallest.powf(POWER)));
    let d_out = found + left.ncols();
    let mut weight = vec![0f32; width * d_out];
    let mut bias = vec![0f32; d_out];
    for (k, (direction, factor)) in own.chain(others).enumerate() {
        let mut offset = 0.0;
        for j in 0..width {
            let w = direction[j] * factor;
            weight[j * d_out + k] = w as f32;
            offset -= w * mean[j];
        }
        bias[k] = offset as f32;
    }
    Some(Affine { weight, bias, d_out })
}

/// So many directions of length 1, at right angles to each other and to all of `taken`, which are so too.
fn left_over(taken: &Mat<f64>, count: usize, seed: u64) -> Mat<f64> {
    if count == 0 {
        return Mat::zeros(taken.nrows(), 0);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = Mat::from_fn(taken.nrows(), count, |_, _| {
        // A sum of uniform numbers is as good as a normal one here: what counts is that no direction is preferred.
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    });
    // Twice: once leaves what rounding leaves.
    for _ in 0..2 {
        let along = taken.transpose() * &drawn;
        drawn -= taken * along;
    }
    drawn.qr().compute_thin_Q()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_centred_uncorrelated_and_flatter_than_they_were() {
        let rows: Vec<Vec<f32>> = (0..12)
            .map(|i| {
                let (a, b) = ((i as f32 * 1.3).sin() * 10.0, (i as f32 * 0.7).cos());
                (0..20).map(|j| a * (j as f32 * 0.5).sin() + b * (j as f32 * 0.9).cos() + 3.0).collect()
            })
            .collect();
        let affine = fit(&rows, &[], 2, 0).unwrap();
        assert_eq!(affine.d_out, 2);
        let out: Vec<Vec<f64>> = rows
            .iter()
            .map(|r| {
                (0..2)
                    .map(|k| {
                        f64::from(affine.bias[k])
                            + r.iter().enumerate().map(|(j, x)| f64::from(*x * affine.weight[j * 2 + k])).sum::<f64>()
                    })
                    .collect()
            })
            .collect();
        let moment = |f: &dyn Fn(&[f64]) -> f64| out.iter().map(|o| f(o)).sum::<f64>() / 12.0;
        assert!(moment(&|o| o[0]).abs() < 1e-4 && moment(&|o| o[1]).abs() < 1e-4);
        let (va, vb) = (moment(&|o| o[0] * o[0]), moment(&|o| o[1] * o[1]));
        assert!((va + vb - 2.0).abs() < 1e-3, "{va} {vb}");
        assert!(moment(&|o| o[0] * o[1]).abs() < 1e-3);
        assert!(va / vb < 6.0, "a power of 0.75 leaves the fourth root of the ratio: {}", va / vb);
    }

    #[test]
    fn more_rows_than_columns_give_the_same_map_as_the_covariance_does() {
        let row = |i: usize| vec![(i as f32).sin(), (i as f32 * 0.3).cos() * 2.0, 0.5];
        let rows: Vec<Vec<f32>> = (0..40).map(row).collect();
        let affine = fit(&rows, &[], 2, 0).unwrap();
        assert_eq!(affine.d_out, 2);
        let out = |r: &[f32], k: usize| affine.bias[k] + (0..3).map(|j| r[j] * affine.weight[j * 2 + k]).sum::<f32>();
        let mean: f32 = rows.iter().map(|r| out(r, 0)).sum::<f32>() / 40.0;
        let product: f32 = rows.iter().map(|r| out(r, 0) * out(r, 1)).sum::<f32>() / 40.0;
        assert!(mean.abs() < 1e-4 && product.abs() < 1e-4, "{mean} {product}");
    }

    #[test]
    fn rows_that_do_not_differ_have_no_directions() {
        assert!(fit(&vec![vec![0.25; 6]; 9], &[], 4, 0).is_none());
    }

    #[test]
    fn directions_that_no_row_has_are_kept_where_there_is_room() {
        // Along the first axis alone, the second hardly at all; the others are unknown.
        let rows: Vec<Vec<f32>> = (0..30)
            .map(|i| {
                let t = i as f32;
                let mut row = vec![0.0; 40];
                (row[0], row[1]) = (t.sin(), (t * 0.7).cos() * 1e-3);
                row
            })
            .collect();
        let length = |affine: &Affine, x: &[f32]| -> f64 {
            let zero = affine.of(&[0.0; 40]);
            affine.of(x).iter().zip(&zero).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let axis = |k: usize| (0..40).map(|j| if j == k { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
        let all = fit(&rows, &[], 64, 7).unwrap();
        assert_eq!(all.d_out, 40, "as many as the rows are wide");
        let unknown = length(&all, &axis(20));
        assert!((length(&all, &axis(1)) / unknown - 1.0).abs() < 1e-3, "below the floor all are alike");
        let by_hand = FLOOR.powf(-POWER);
        assert!((unknown / length(&all, &axis(0)) / by_hand - 1.0).abs() < 1e-3);
        let few = fit(&rows, &[], 12, 7).unwrap();
        assert_eq!(few.d_out, 12);
        let mean: f64 = (2..40).map(|k| length(&few, &axis(k)).powi(2)).sum::<f64>() / 38.0;
        assert!(
            (mean.sqrt() / unknown - 1.0).abs() < 1e-3,
            "together they weigh as much as all: {} {unknown}",
            mean.sqrt()
        );
        assert_eq!(fit(&rows, &[], 12, 7).unwrap().weight, few.weight);
        assert_ne!(fit(&rows, &[], 12, 8).unwrap().weight, few.weight);
    }

    #[test]
    fn what_should_not_matter_is_held_down() {
        let rows: Vec<Vec<f32>> = (0..60).map(|i| vec![(i as f32).sin(), (i as f32 * 0.37).cos()]).collect();
        let along = |weight| Differences { rows: vec![vec![0.7, 0.0], vec![-0.7, 0.0]], weight };
        let spread = |unwanted: &[Differences], j: usize| {
            let affine = fit(&rows, unwanted, 2, 0).unwrap();
            (0..2).map(|k| f64::from(affine.weight[j * 2 + k]).powi(2)).sum::<f64>().sqrt()
        };
        let ratio = |weight| spread(&[along(weight)], 0) / spread(&[along(weight)], 1);
        assert_eq!(ratio(0.0), spread(&[], 0) / spread(&[], 1));
        // Variances of about 0.5, and weight times 0.49 beside the first: to the power of 0.75 / 2 each.
        let by_hand = ((0.5 + 10.0 * 0.49) / 0.5f64).powf(-0.375);
        assert!((ratio(10.0) / ratio(0.0) - by_hand).abs() < 0.05, "{} {by_hand}", ratio(10.0) / ratio(0.0));
    }
}
