//! Any product of matrices: a thread works out one value, and no more is asked of the shapes. Neighbours in a warp have neighbouring
//! columns, so that what they read of the second factor lies side by side.

// The kernels' macro names its own crate.
use burn::cubecl;
use burn::cubecl::prelude::*;

/// `[n, rows, inner]` times `[n, inner, columns]`, with any strides, to `[n, rows, columns]`: `values` in all.
#[cube(launch_unchecked)]
pub fn multiply(
    a: &Tensor<f32>,
    b: &Tensor<f32>,
    out: &mut [f32],
    values: usize,
    rows: usize,
    inner: usize,
    columns: usize,
) {
    if ABSOLUTE_POS >= values {
        terminate!();
    }
    let column = ABSOLUTE_POS % columns;
    let row = ABSOLUTE_POS / columns % rows;
    let matrix = ABSOLUTE_POS / (columns * rows);
    let a_from = matrix * a.stride(0) + row * a.stride(1);
    let b_from = matrix * b.stride(0) + column * b.stride(2);
    let mut sum = 0.0f32;
    for k in 0..inner {
        sum = fma(a[a_from + k * a.stride(2)], b[b_from + k * b.stride(1)], sum);
    }
    out[ABSOLUTE_POS] = sum;
}
