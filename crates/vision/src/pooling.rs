//! From a block's maps to one vector an image.

use burn::tensor::module::adaptive_avg_pool2d;
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Architecture;
use crate::layers::{matmul, mean_dim, sum_dim};

/// What the dense layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Every value of block 5, as the original recipe does.
    Flatten,
    /// The generalised mean of block 5: a value a channel, 512 of VGG16.
    Gem,
    /// Block 4 over a 3x3 grid, of length 1, beside the generalised mean of block 5, of a length of its own: 5,120 values of
    /// VGG16. Middle textures and where they lie tell models apart on plain grounds; the deepest block carries across
    /// grounds.
    Joint,
    /// The same of the bag alone, as [`MaskHead`](crate::mask::MaskHead) finds it: the grid is laid on a square around the
    /// bag, and every place counts by how much of it is bag. On which ground a bag lies, where and how large, does not matter.
    Masked,
}

impl Pooling {
    /// The number of values, for pictures of `size` pixels a side.
    pub fn len(self, trunk: Architecture, size: u32) -> usize {
        let ([block4, block5], [_, side]) = (trunk.channels(), trunk.sides(size));
        match self {
            Pooling::Flatten => block5 * side * side,
            Pooling::Gem => block5,
            Pooling::Joint | Pooling::Masked => 9 * block4 + block5,
        }
    }

    /// Floating-point operations of one picture of `size` pixels, where they are products of matrices.
    pub fn flops(self, trunk: Architecture, size: u32) -> f64 {
        let ([block4, _], [side, _]) = (trunk.channels(), trunk.sides(size));
        if self == Pooling::Masked { (2 * CELLS * CELLS * block4 * side * side) as f64 } else { 0.0 }
    }

    /// Block 4 and block 5 in, `[n, len]` out. `weight` is how much block 5 counts where both are seen, `mask`
    /// `[n, 1, h, w]` how much of each place of block 4 is bag: where nobody says, all is.
    pub fn forward(self, block4: Tensor<4>, block5: Tensor<4>, weight: f64, mask: Option<Tensor<4>>) -> Tensor<2> {
        let (middle, deep) = match (self, mask) {
            (Pooling::Flatten, _) => return block5.flatten(1, 3),
            (Pooling::Gem, _) => return gem(block5),
            (Pooling::Joint, _) | (Pooling::Masked, None) => (grid(block4), gem(block5)),
            (Pooling::Masked, Some(mask)) => {
                let mask = known(mask);
                (masked_grid(block4, mask.clone()), masked_gem(block5, mask))
            }
        };
        Tensor::cat(vec![unit(middle), unit(deep) * weight], 1)
    }
}

/// The mean over all places: `[n, c, h, w]` to `[n, c]`.
pub fn mean(x: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    mean_dim(x.reshape([n, c, h * w]), 2).reshape([n, c])
}

/// The generalised mean with p = 3 (Radenović, Tolias, Chum 2018): `[n, c, h, w]` to `[n, c]`.
pub fn gem(x: Tensor<4>) -> Tensor<2> {
    // The root's gradient is unbounded at 0, where most of a ReLU's outputs are.
    let x = x.clamp_min(1e-3);
    mean(x.clone() * x.clone() * x).powf_scalar(1.0 / 3.0)
}

/// Means over a 3x3 grid, then the square root: `[n, c, h, w]` to `[n, 9 c]`.
pub fn grid(x: Tensor<4>) -> Tensor<2> {
    adaptive_avg_pool2d(x, [3, 3]).flatten(1, 3).sqrt()
}

/// A mask that holds fewer places than this has found no bag: all of the picture is taken for it.
const SMALLEST: f64 = 2.0;
/// The square's half side, in standard deviations of where the bag's places lie; a filled square has 1.7, and handles,
/// which are thin, lie within.
const SPREAD: f64 = 2.0;
/// Cells of the grid along a side, and samples of a cell along a side.
const CELLS: usize = 3;
const SAMPLES: usize = 4;

/// A mask `[n, 1, h, w]` that holds something: where it has found no bag, all is bag.
pub(crate) fn known(mask: Tensor<4>) -> Tensor<4> {
    let [n, _, h, w] = mask.dims();
    let held = sum_dim(mask.clone().reshape([n, h * w]), 1).reshape([n, 1, 1, 1]);
    let found = held.greater_equal_elem(SMALLEST).float();
    mask * found.clone() + found.neg().add_scalar(1.0)
}

/// [`grid`] over a square on what the mask holds, each place multiplied by its share of bag: `[n, c, h, w]` to `[n, 9 c]`.
///
/// The square lies on the bag's centre of mass, and is as large as the bag is spread along its longer axis. A cell's mean is
/// that of 4x4 samples between places, as region-of-interest alignment takes them (He et al. 2017); outside the maps there is
/// nothing.
fn masked_grid(x: Tensor<4>, mask: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    let (middle, tall) = spread(sum_dim(mask.clone(), 3).reshape([n, h]));
    let (centre, wide) = spread(sum_dim(mask.clone(), 2).reshape([n, w]));
    let half = tall.max_pair(wide) * SPREAD + 0.5;
    let rows = cell_weights(middle, half.clone(), h).reshape([n, h, 1, CELLS, 1]);
    let columns = cell_weights(centre, half, w).reshape([n, 1, w, 1, CELLS]);
    let cells = CELLS * CELLS;
    let weights = (rows * columns * mask.reshape([n, h, w, 1, 1])).reshape([n, h * w, cells]);
    matmul(x.reshape([n, c, h * w]), weights).reshape([n, c * cells]).sqrt()
}

/// Mean and standard deviation of where the mass lies along an axis of places `[n, length]`, both `[n, 1]`, in places.
fn spread(mass: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let places = numbers(0..mass.dims()[1], &mass.device()) + 0.5;
    let share = mass.clone() / sum_dim(mass, 1);
    let mean = sum_dim(share.clone() * places.clone(), 1);
    let off = places - mean.clone();
    (mean, sum_dim(share * off.clone() * off, 1).sqrt())
}

/// How much each of `length` places counts in each cell of a square around `centre`: `[n, length, CELLS]`.
fn cell_weights(centre: Tensor<2>, half: Tensor<2>, length: usize) -> Tensor<3> {
    let (n, device) = (centre.dims()[0], centre.device());
    let samples = CELLS * SAMPLES;
    let along = (numbers(0..samples, &device) + 0.5) * (2.0 / samples as f64) - 1.0;
    let at = (centre + half * along - 0.5).reshape([n, 1, CELLS, SAMPLES]);
    let near = (at - numbers(0..length, &device).reshape([1, length, 1, 1])).abs().neg().add_scalar(1.0).clamp_min(0.0);
    mean_dim(near, 3).reshape([n, length, CELLS])
}

/// `[1, n]`.
fn numbers(range: std::ops::Range<usize>, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = range.map(|i| i as f32).collect();
    let shape = [1, values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// [`gem`] in which each place counts by how much of it is bag: `[n, c, h, w]` and a mask of block 4's size to `[n, c]`.
fn masked_gem(x: Tensor<4>, mask: Tensor<4>) -> Tensor<2> {
    let [n, c, h, w] = x.dims();
    // Of a pool to one place Burn makes a sum of its own, and tunes it on a GPU.
    let weights = match [h, w] {
        [1, 1] => mean(mask),
        _ => adaptive_avg_pool2d(mask, [h, w]).flatten(1, 3),
    };
    let weights = weights.reshape([n, h * w, 1]);
    let sum = sum_dim(weights.clone(), 1).clamp_min(1e-6);
    let x = x.clamp_min(1e-3).reshape([n, c, h * w]);
    let cubes = x.clone() * x.clone() * x;
    (matmul(cubes, weights) / sum).reshape([n, c]).powf_scalar(1.0 / 3.0)
}

/// Each row divided by its length.
pub fn unit(x: Tensor<2>) -> Tensor<2> {
    let length = sum_dim(x.clone() * x.clone(), 1).sqrt().clamp_min(1e-9);
    x / length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of 12 x 12 places.
    fn maps(value: impl Fn(usize, usize) -> f32) -> Tensor<4> {
        let values: Vec<f32> = (0..144).map(|i| value(i % 12, i / 12)).collect();
        Tensor::from_data(TensorData::new(values, [1, 1, 12, 12]), &Device::flex())
    }

    fn values(x: Tensor<2>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn where_a_bag_lies_and_on_what_does_not_matter() {
        // A bag of 6 x 6 places, darker to the right, on grounds of 0 and of 9.
        let at = |left: usize, top: usize, ground: f32| {
            let inside = move |x: usize, y: usize| (left..left + 6).contains(&x) && (top..top + 6).contains(&y);
            let bag = maps(move |x, y| if inside(x, y) { (x - left) as f32 + 1.0 } else { ground });
            (bag, maps(move |x, y| if inside(x, y) { 1.0 } else { 0.0 }))
        };
        let seen = |(bag, mask): (Tensor<4>, Tensor<4>)| {
            let gem = masked_gem(bag.clone(), mask.clone());
            [values(masked_grid(bag, mask)), values(gem)].concat()
        };
        let first = seen(at(3, 3, 0.0));
        assert!(first[0] < first[1] && first[1] < first[2], "{first:?}");
        // The square reaches 3.9 places from its centre, the bag 3: outer cells hold less of it, by hand 1.3 of 2.6 samples.
        assert!((first[4].powi(2) - 3.5).abs() < 1e-4, "the middle cell sees the middle of 1 to 6: {}", first[4]);
        let by_hand = ((1..=6).map(|v| f32::powi(v as f32, 3)).sum::<f32>() / 6.0).cbrt();
        assert!((first[9] - by_hand).abs() < 1e-3, "{} {by_hand}", first[9]);
        for (left, top, ground) in [(3, 3, 9.0), (0, 5, 9.0), (6, 6, 2.0)] {
            let other = seen(at(left, top, ground));
            assert!(first.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-4), "{first:?} {other:?}");
        }
    }

    #[test]
    fn where_there_is_no_bag_all_of_the_picture_is_seen() {
        let x = maps(|x, y| (x * y) as f32);
        let pooled = |mask: f32| Pooling::Masked.forward(x.clone(), x.clone(), 0.5, Some(maps(move |_, _| mask)));
        assert_eq!(values(pooled(0.01)), values(pooled(1.0)));
        assert!(values(pooled(0.01)).iter().all(|v| v.is_finite()));
        let gem = values(masked_gem(x.clone(), maps(|_, _| 1.0)))[0];
        assert!((gem - values(super::gem(x))[0]).abs() < 1e-2, "{gem}");
    }
}
