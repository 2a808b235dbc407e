//! Products of matrices and sums, and the layers that are made of them: dense layers and small convolutions.
//!
//! On a GPU Burn measures the card's peaks and tries up to 25 kernels for each shape, and the driver's compiler takes up to seconds for
//! each. Above the trunk there is little work and there are many shapes, so that trying takes far longer than the work. Where nothing
//! learns, one kernel of ours does all of them; elsewhere all is Burn's.

use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

#[cfg(feature = "gpu")]
use crate::gpu::{is_on_gpu, matmul as on_gpu};

/// `[n, rows, inner]` times `[n, inner, columns]` to `[n, rows, columns]`.
pub fn matmul(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    on_gpu(&a, &b).unwrap_or_else(|| a.matmul(b))
}

/// The sum along an axis, of which one place is left.
pub fn sum_dim<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    if !is_on_gpu(&x) {
        return x.sum_dim(axis);
    }
    let x = x.swap_dims(axis, D - 1);
    let mut dims = x.dims();
    let length = std::mem::replace(&mut dims[D - 1], 1);
    let (sums, ones) = (dims.iter().product(), Tensor::ones([1, length, 1], &x.device()));
    matmul(x.reshape([1, sums, length]), ones).reshape(dims).swap_dims(axis, D - 1)
}

/// The mean along an axis, of which one place is left.
pub fn mean_dim<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    let length = x.dims()[axis] as f64;
    match is_on_gpu(&x) {
        true => sum_dim(x, axis) / length,
        false => x.mean_dim(axis),
    }
}

/// What the layer makes of `[n, d_in]`: `[n, d_out]`.
pub fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let product = on_gpu(&x.clone().unsqueeze(), &layer.weight.val().unsqueeze());
    match (product, &layer.bias) {
        (Some(product), Some(bias)) => product.squeeze_dim::<2>(0) + bias.val().unsqueeze(),
        (Some(product), None) => product.squeeze_dim(0),
        (None, _) => layer.forward(x),
    }
}

/// What the layer makes of `[n, c_in, h, w]`: `[n, c_out, h, w]`. Its kernel is of 1x1, or of 3x3 with a border of one.
pub fn conv(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let [n, _, h, w] = x.dims();
    let weight = layer.weight.val();
    let [out, c, side, _] = weight.dims();
    if !is_on_gpu(&x) {
        return layer.forward(x);
    }
    let taps = side * side;
    let seen = match side {
        1 => x,
        _ => {
            let x = x.pad((1, 1, 1, 1), 0.0);
            let shifted = |tap: usize| {
                let (down, right) = (tap / side, tap % side);
                x.clone().slice([0..n, 0..c, down..down + h, right..right + w])
            };
            Tensor::cat((0..taps).map(shifted).collect(), 1)
        }
    };
    let weight = weight.permute([0, 2, 3, 1]).reshape([1, out, taps * c]).expand([n, out, taps * c]);
    let maps = matmul(weight, seen.reshape([n, taps * c, h * w])).reshape([n, out, h, w]);
    match &layer.bias {
        Some(bias) => maps + bias.val().reshape([1, out, 1, 1]),
        None => maps,
    }
}

#[cfg(not(feature = "gpu"))]
fn is_on_gpu<const D: usize>(_: &Tensor<D>) -> bool {
    false
}

#[cfg(not(feature = "gpu"))]
fn on_gpu(_: &Tensor<3>, _: &Tensor<3>) -> Option<Tensor<3>> {
    None
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::nn::conv::Conv2dConfig;
    use burn::nn::{LinearConfig, PaddingConfig2d};
    use burn::tensor::{Device, Distribution};

    use super::*;

    fn error<const D: usize>(received: Tensor<D>, expected: Tensor<D>) -> f32 {
        assert_eq!(received.dims(), expected.dims());
        let received = received.to_device(&Device::flex());
        let square = |x: Tensor<D>| (x.clone() * x).sum();
        (square(received - expected.clone()) / square(expected)).sqrt().into_scalar::<f32>()
    }

    #[test]
    fn a_gpu_makes_of_them_what_burn_makes_on_the_cpu() {
        let Some(gpu) = crate::device::any_gpu() else { return };
        let (cpu, gpu) = (Device::flex(), gpu.device().clone());
        cpu.seed(5);
        fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
            Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex())
        }
        for (n, rows, inner, columns) in [(1, 1, 1, 1), (3, 5, 70, 9), (2, 64, 17, 130)] {
            let (a, b) = (random([n, inner, rows]).swap_dims(1, 2), random([n, inner, columns]));
            let received = matmul(a.clone().to_device(&gpu), b.clone().to_device(&gpu));
            assert!(error(received, a.clone().matmul(b.clone())) < 1e-5, "{n} of {rows} x {inner} x {columns}");
            let one = b.narrow(0, 0, 1).expand([n, inner, columns]);
            let received = matmul(a.clone().to_device(&gpu), one.clone().to_device(&gpu));
            assert!(error(received, a.matmul(one)) < 1e-5, "one second factor for {n}");
        }
        for axis in 0..3 {
            let x = random([4, 3, 70]).swap_dims(0, 1);
            let there = x.clone().to_device(&gpu);
            assert!(error(sum_dim(there.clone(), axis), x.clone().sum_dim(axis)) < 1e-5, "axis {axis}");
            assert!(error(mean_dim(there, axis), x.mean_dim(axis)) < 1e-5, "axis {axis}");
        }
        for bias in [true, false] {
            let layer = LinearConfig::new(37, 12).with_bias(bias).init(&cpu);
            let there = Linear {
                weight: Param::from_tensor(layer.weight.val().to_device(&gpu)),
                bias: layer.bias.as_ref().map(|bias| Param::from_tensor(bias.val().to_device(&gpu))),
            };
            let x = random([4, 37]);
            assert!(error(linear(&there, x.clone().to_device(&gpu)), layer.forward(x)) < 1e-5, "bias {bias}");
            for side in [1, 3] {
                let border = side / 2;
                let config = Conv2dConfig::new([5, 7], [side, side])
                    .with_padding(PaddingConfig2d::Explicit(border, border, border, border))
                    .with_bias(bias);
                let (layer, mut there) = (config.init(&cpu), config.init(&gpu));
                there.weight = Param::from_tensor(layer.weight.val().to_device(&gpu));
                there.bias = layer.bias.as_ref().map(|bias| Param::from_tensor(bias.val().to_device(&gpu)));
                let x = random([3, 6, 4, 5]).permute([0, 3, 1, 2]);
                let received = conv(&there, x.clone().to_device(&gpu));
                assert!(error(received, layer.forward(x)) < 1e-5, "{side} x {side}, bias {bias}");
            }
        }
    }
}
