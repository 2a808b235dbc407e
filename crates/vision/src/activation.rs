//! Where in a picture the softmax's answer comes from: Grad-CAM (Selvaraju et al. 2017, "Visual Explanations from Deep Networks
//! via Gradient-based Localization").
//!
//! A channel of block 5's last maps counts by the mean over all places of the gradient of a class's logit; the weighted sum of
//! the maps, where it is above 0, says which places speak for the class. Zhou et al.'s class activation mapping (2016) is the
//! same for a network that has a plain mean and one layer between maps and softmax; ours has more. Where only the bag counts, a
//! place's sum is multiplied by how much of it does: a channel's mean gradient comes from the bag, its map has values beside it too.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::Top;

/// How far each place of the maps speaks for a class, from 0 to 1, one for each crop; 1 is the place of all crops that speaks
/// for it most.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// Rows of places.
    pub height: usize,
    /// Places of a row.
    pub width: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Activation {
    /// The value at the middle of the `n`th cell, row by row, of a grid of `width` by `height` cells on the crop.
    pub fn at_cell(&self, n: usize, width: usize, height: usize) -> f32 {
        let middle = |at: usize, of: usize| (at as f32 + 0.5) / of as f32;
        self.at(middle(n % width, width), middle(n / width, height))
    }

    /// The value at a point of the crop, both from 0 to 1, between the middles of the places around it.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let place = |part: f32, count: usize| {
            let at = (part * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
            (at as usize, (at as usize + 1).min(count - 1), at.fract())
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (place(x, self.width), place(y, self.height));
        let row = |y: usize| self.values[y * self.width + x0] * (1.0 - fx) + self.values[y * self.width + x1] * fx;
        row(y0) * (1.0 - fy) + row(y1) * fy
    }
}

/// Of one picture's crops, `block4` `[crops, channels, h, w]`, for the class at this place of the softmax. `bags` is how much of
/// each place counts, of each crop; none where all places count alike.
pub fn activations(top: &Top, block4: Tensor<4>, bags: &[Activation], class: usize) -> Vec<Activation> {
    let last = top.block5.last_maps(block4.clone());
    let [crops, channels, height, width] = last.dims();
    let maps = Tensor::<4>::from_inner(last.clone()).require_grad();
    let logit = top.logit_of(Tensor::from_inner(block4), top.block5.pool(maps.clone()), class);
    let weights = channel_weights(&maps, &logit);
    let speaks = relu((last.reshape([crops, channels, height * width]) * weights).sum_dim(1));
    let mut values: Vec<f32> = speaks.into_data().try_into_vec().expect("the network's tensors are f32");
    for (values, counts) in values.chunks_mut(height * width).zip(bags) {
        weigh(values, width, counts);
    }
    let most = values.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let crop = |values: &[f32]| Activation { height, width, values: values.iter().map(|v| v / most).collect() };
    values.chunks(height * width).map(crop).collect()
}

/// Multiply each place's value, in rows of `width`, by how much it counts.
fn weigh(values: &mut [f32], width: usize, counts: &Activation) {
    let height = values.len() / width;
    for (n, value) in values.iter_mut().enumerate() {
        *value *= counts.at_cell(n, width, height);
    }
}

/// A number for each place, one for each crop, of `[n, 1, h, w]`.
pub(crate) fn places(maps: Tensor<4>) -> Vec<Activation> {
    let [_, _, height, width] = maps.dims();
    let values: Vec<f32> = maps.into_data().try_into_vec().expect("the network's tensors are f32");
    values.chunks(height * width).map(|values| Activation { height, width, values: values.to_vec() }).collect()
}

/// How far each channel counts: `[crops, channels, 1]`.
fn channel_weights(maps: &Tensor<4>, logit: &Tensor<1>) -> Tensor<3> {
    let [crops, channels, height, width] = maps.dims();
    let gradient = maps.grad(&logit.backward()).expect("the logit was worked out from the maps");
    gradient.reshape([crops, channels, height * width]).mean_dim(2)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::{Device, Distribution};
    use goodtwin_core::BagType;

    use super::*;
    use crate::top::Activation as After;
    use crate::{Architecture, NetworkSpec, Pooling};

    #[test]
    fn a_channel_counts_by_what_a_little_more_of_it_does_to_the_logit() {
        let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(Architecture::Vgg16.weights_file());
        let weights = Architecture::Vgg16.load(&weights).unwrap();
        let spec = NetworkSpec {
            trunk: Architecture::Vgg16,
            trunk_sha256: weights.id().clone(),
            pooling: Pooling::Joint,
            block5_weight: 0.5,
            crops: 2,
            dense: 8,
            activation: After::None,
            dropout: 0.5,
            classes: vec![BagType::new("clutch"), BagType::new("tote")],
        };
        let device = Device::flex();
        device.seed(5);
        let top = Top::init(&spec, 64, &weights, &device).unwrap().fix();
        let block4 = Tensor::<4>::random([2, 512, 4, 4], Distribution::Uniform(0.0, 40.0), &device);
        let last = top.block5.last_maps(block4.clone());
        let lifted = |maps: Tensor<4>| {
            let maps = Tensor::<4>::from_inner(maps).require_grad();
            let logit = top.logit_of(Tensor::from_inner(block4.clone()), top.block5.pool(maps.clone()), 1);
            (maps, logit)
        };
        let (maps, logit) = lifted(last.clone());
        let counts: Vec<f32> = channel_weights(&maps, &logit).into_data().try_into_vec().unwrap();
        // The channel of the second crop that counts most, raised everywhere.
        let (channel, count) =
            counts[512..].iter().copied().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap();
        let step = 0.05;
        let raised = |by: f32| {
            let bump = Tensor::<4>::zeros(last.dims(), &device)
                .slice_assign([1..2, channel..channel + 1, 0..4, 0..4], Tensor::full([1, 1, 4, 4], by, &device));
            lifted(last.clone() + bump).1.into_scalar::<f32>()
        };
        let slope = (raised(step) - raised(-step)) / (2.0 * step * 16.0);
        assert!((slope - count).abs() < 0.1 * count.abs(), "{slope} {count}");
        let both = activations(&top, block4, &[], 1);
        assert_eq!(both.len(), 2);
        assert!(both.iter().all(|a| (a.height, a.width, a.values.len()) == (4, 4, 16)));
        let values = || both.iter().flat_map(|a| &a.values);
        assert!(values().all(|v| (0.0..=1.0).contains(v)) && values().any(|v| *v == 1.0), "{both:?}");
    }

    #[test]
    fn what_does_not_count_does_not_speak() {
        let mut values = vec![1.0, 2.0, 3.0, 4.0];
        weigh(&mut values, 2, &Activation { height: 2, width: 2, values: vec![1.0, 0.0, 0.5, 0.0] });
        assert_eq!(values, [1.0, 0.0, 1.5, 0.0]);
        let mut values = vec![8.0];
        weigh(&mut values, 1, &Activation { height: 2, width: 2, values: vec![1.0, 0.0, 1.0, 0.0] });
        assert_eq!(values, [4.0], "of maps of another size, what lies between places");
    }

    #[test]
    fn between_places_values_are_mixed() {
        let activation = Activation { height: 2, width: 2, values: vec![0.0, 1.0, 0.0, 0.5] };
        assert_eq!([activation.at(0.0, 0.0), activation.at(1.0, 0.0), activation.at(1.0, 1.0)], [0.0, 1.0, 0.5]);
        assert!((activation.at(0.5, 0.25) - 0.5).abs() < 1e-6 && (activation.at(0.5, 0.5) - 0.375).abs() < 1e-6);
    }
}
