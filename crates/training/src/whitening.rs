//! A dense layer that starts from what is already good.
//!
//! Principal components of the training split's pooled features, each divided by its standard deviation to a power below
//! one: directions in which all bags differ count less, directions in which few do count more, and noise is not blown up
//! (Jégou and Chum 2012; the power is the "attenuated" whitening of later retrieval work).
//!
//! What should not matter is held down as well: differences between two views of a picture, or two pictures of a family,
//! count as spread too, and so what lies along them is divided by more (the idea of linear discriminants, and of learned
//! whitening: Mikolajczyk and Matas 2007).

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, TensorData};
use faer::{Mat, Side};

/// The power: 1 would be full whitening, 0 none. 0.75 did best on product photographs.
const POWER: f64 = 0.75;

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

/// Fit on rows of one width; keep at most `dense` directions, and no more than the rows have.
///
/// The outputs have mean 0 and, without differences and on average, variance 1. None when the rows do not differ.
pub fn fit(rows: &[Vec<f32>], unwanted: &[Differences], dense: usize) -> Option<Affine> {
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
    let d_out = values.iter().take(dense).take_while(|value| **value > floor).count();
    if d_out == 0 {
        return None;
    }
    let vectors = eigen.U().reverse_cols().subcols(0, d_out);
    let directions = if by_rows { centred.transpose() * vectors } else { vectors.to_owned() };
    let deviations: Vec<f64> = values[..d_out].iter().map(|value| (value / n as f64).sqrt()).collect();
    // Output k has the deviation deviations[k]^(1 - POWER); the scale makes the mean of their squares 1.
    let squares: f64 = deviations.iter().map(|d| d.powf(2.0 * (1.0 - POWER))).sum();
    let scale = (d_out as f64 / squares).sqrt();
    let mut weight = vec![0f32; width * d_out];
    let mut bias = vec![0f32; d_out];
    for (k, direction) in directions.col_iter().enumerate() {
        // The sign of an eigenvector is arbitrary: fix it, so that a run repeats on any machine.
        let sign = direction.sum().signum();
        let factor = sign * scale / (direction.norm_l2() * deviations[k].powf(POWER));
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
        let affine = fit(&rows, &[], 64).unwrap();
        assert_eq!(affine.d_out, 2, "the rows have two directions");
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
        let affine = fit(&rows, &[], 8).unwrap();
        assert_eq!(affine.d_out, 2);
        let out = |r: &[f32], k: usize| affine.bias[k] + (0..3).map(|j| r[j] * affine.weight[j * 2 + k]).sum::<f32>();
        let mean: f32 = rows.iter().map(|r| out(r, 0)).sum::<f32>() / 40.0;
        let product: f32 = rows.iter().map(|r| out(r, 0) * out(r, 1)).sum::<f32>() / 40.0;
        assert!(mean.abs() < 1e-4 && product.abs() < 1e-4, "{mean} {product}");
    }

    #[test]
    fn rows_that_do_not_differ_have_no_directions() {
        assert!(fit(&vec![vec![0.25; 6]; 9], &[], 4).is_none());
    }

    #[test]
    fn what_should_not_matter_is_held_down() {
        let rows: Vec<Vec<f32>> = (0..60).map(|i| vec![(i as f32).sin(), (i as f32 * 0.37).cos()]).collect();
        let along = |weight| Differences { rows: vec![vec![0.7, 0.0], vec![-0.7, 0.0]], weight };
        let spread = |unwanted: &[Differences], j: usize| {
            let affine = fit(&rows, unwanted, 2).unwrap();
            (0..2).map(|k| f64::from(affine.weight[j * 2 + k]).powi(2)).sum::<f64>().sqrt()
        };
        let ratio = |weight| spread(&[along(weight)], 0) / spread(&[along(weight)], 1);
        assert_eq!(ratio(0.0), spread(&[], 0) / spread(&[], 1));
        // Variances of about 0.5, and weight times 0.49 beside the first: to the power of 0.75 / 2 each.
        let by_hand = ((0.5 + 10.0 * 0.49) / 0.5f64).powf(-0.375);
        assert!((ratio(10.0) / ratio(0.0) - by_hand).abs() < 0.05, "{} {by_hand}", ratio(10.0) / ratio(0.0));
    }
}
