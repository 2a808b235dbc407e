//! The kernels, in CubeCL's dialect of Rust: a compiler at run time makes WGSL or SPIR-V of them.
//!
//! A thread stands for one channel of one tile; neighbours in a warp have neighbouring channels, so that what they read and write
//! lies side by side. All sums are in f32.

// The kernels' macro names its own crate.
use burn::cubecl;
use burn::cubecl::prelude::*;

/// B transposed of F(4x4, 3x3) (Lavin and Gray 2015): from six values of the input.
const INPUT: [[f32; 6]; 6] = [
    [4.0, 0.0, -5.0, 0.0, 1.0, 0.0],
    [0.0, -4.0, -4.0, 1.0, 1.0, 0.0],
    [0.0, 4.0, -4.0, -1.0, 1.0, 0.0],
    [0.0, -2.0, -1.0, 2.0, 1.0, 0.0],
    [0.0, 2.0, -1.0, -2.0, 1.0, 0.0],
    [0.0, 4.0, 0.0, -5.0, 0.0, 1.0],
];
/// A transposed of F(4x4, 3x3): to four values of the output.
const OUTPUT: [[f32; 6]; 4] = [
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    [0.0, 1.0, -1.0, 2.0, -2.0, 0.0],
    [0.0, 1.0, 1.0, 4.0, 4.0, 0.0],
    [0.0, 1.0, -1.0, 8.0, -8.0, 1.0],
];
/// Tiles are kept divided by it, which costs no digit: VGG16's maps reach 22,544, their tiles a hundred times that, and f16 65,504.
const SCALE: f32 = 64.0;
/// Outputs of a tile, a side.
pub const M: usize = 4;
/// Inputs of a tile, a side.
pub const A: usize = M + 2;

/// How many multiplications a tile and a pair of channels take.
pub const PRODUCTS: usize = A * A;

/// Tiles of a map.
pub const fn tiles(height: usize, width: usize) -> usize {
    height.div_ceil(M) * width.div_ceil(M)
}

/// Tiles of the maps of images `first` and on, each transformed: `[n, c, h, w]` with any strides to `[36, rows, c]`, of whose rows the
/// first `tiles` are written.
#[cube(launch_unchecked)]
pub fn tiles_in<E: Float>(
    maps: &Tensor<f32>,
    tiles_out: &mut [E],
    first: usize,
    tiles: usize,
    rows: usize,
    channels: usize,
    height: usize,
    width: usize,
    #[define(E)] _numbers: ElemType,
) {
    if ABSOLUTE_POS >= tiles * channels {
        terminate!();
    }
    let across = (width + comptime!(M - 1)) / M;
    let down = (height + comptime!(M - 1)) / M;
    let channel = ABSOLUTE_POS % channels;
    let tile = ABSOLUTE_POS / channels;
    let image = first + tile / (across * down);
    let top = tile / across % down * M;
    let left = tile % across * M;
    let from = image * maps.stride(0) + channel * maps.stride(1);

    let mut values = Array::<f32>::new(PRODUCTS);
    #[unroll]
    for i in 0..A {
        // With a border of one, so that no number is below nought.
        let y = top + i;
        #[unroll]
        for j in 0..A {
            let x = left + j;
            let inside = y >= 1 && y <= height && x >= 1 && x <= width;
            let at = select(inside, from + (y - 1) * maps.stride(2) + (x - 1) * maps.stride(3), 0);
            values[i * A + j] = select(inside, maps[at], 0.0);
        }
    }
    let mut half = Array::<f32>::new(PRODUCTS);
    #[unroll]
    for i in 0..A {
        #[unroll]
        for j in 0..A {
            let mut sum = f32::new(0.0);
            #[unroll]
            for k in 0..A {
                let factor = comptime!(INPUT[i][k]);
                if comptime!(factor != 0.0) {
                    sum += values[k * A + j] * factor;
                }
            }
            half[i * A + j] = sum;
        }
    }
    #[unroll]
    for i in 0..A {
        #[unroll]
        for j in 0..A {
            let mut sum = f32::new(0.0);
            #[unroll]
            for k in 0..A {
                let factor = comptime!(INPUT[j][k]);
                if comptime!(factor != 0.0) {
                    sum += half[i * A + k] * factor;
                }
            }
            tiles_out[((i * A + j) * rows + tile) * channels + channel] = E::cast_from(sum * comptime!(1.0 / SCALE));
        }
    }
}

/// The tiles' products back to maps, with bias and ReLU, and with the 2x2 max pool where a block ends: `[36, rows, c]` to
/// `[n, h, w, c]`, or `[n, h / 2, w / 2, c]`, from image `first` on.
#[cube(launch_unchecked)]
pub fn tiles_back<E: Float>(
    products: &[E],
    bias: &[f32],
    maps: &mut [f32],
    first: usize,
    tiles: usize,
    rows: usize,
    channels: usize,
    height: usize,
    width: usize,
    #[comptime] pooled: bool,
    #[define(E)] _numbers: ElemType,
) {
    if ABSOLUTE_POS >= tiles * channels {
        terminate!();
    }
    let across = (width + comptime!(M - 1)) / M;
    let down = (height + comptime!(M - 1)) / M;
    let channel = ABSOLUTE_POS % channels;
    let tile = ABSOLUTE_POS / channels;
    let image = first + tile / (across * down);

    let mut half = Array::<f32>::new(M * A);
    #[unroll]
    for j in 0..A {
        let mut column = Array::<f32>::new(A);
        #[unroll]
        for k in 0..A {
            column[k] = f32::cast_from(products[((k * A + j) * rows + tile) * channels + channel]) * comptime!(SCALE);
        }
        #[unroll]
        for i in 0..M {
            let mut sum = f32::new(0.0);
            #[unroll]
            for k in 0..A {
                let factor = comptime!(OUTPUT[i][k]);
                if comptime!(factor != 0.0) {
                    sum += column[k] * factor;
                }
            }
            half[i * A + j] = sum;
        }
    }
    let mut values = Array::<f32>::new(M * M);
    #[unroll]
    for i in 0..M {
        #[unroll]
        for j in 0..M {
            let mut sum = bias[channel];
            #[unroll]
            for k in 0..A {
                let factor = comptime!(OUTPUT[j][k]);
                if comptime!(factor != 0.0) {
                    sum += half[i * A + k] * factor;
                }
            }
            values[i * M + j] = max(sum, 0.0);
        }
    }

    let cell = comptime!(if pooled { 2 } else { 1 });
    let side = comptime!(M / cell);
    let lines = height / cell;
    let columns = width / cell;
    let top = tile / across % down * side;
    let left = tile % across * side;
    #[unroll]
    for i in 0..side {
        #[unroll]
        for j in 0..side {
            let y = top + i;
            let x = left + j;
            if y < lines && x < columns {
                let at = comptime!(cell * i * M + cell * j);
                let mut value = values[at];
                if comptime!(pooled) {
                    value = max(max(value, values[at + 1]), max(values[at + M], values[at + M + 1]));
                }
                maps[((image * lines + y) * columns + x) * channels + channel] = value;
            }
        }
    }
}

/// A convolution of few channels, directly, with bias and ReLU: `[n, c_in, h, w]` with any strides and `[c_in * 9, c_out]` to
/// `[n, h, w, c_out]`, four channels a thread.
#[cube(launch_unchecked)]
pub fn direct(
    maps: &Tensor<f32>,
    weight: &[Vector<f32, Const<4>>],
    bias: &[Vector<f32, Const<4>>],
    out: &mut [Vector<f32, Const<4>>],
    pixels: usize,
    channels_in: usize,
    channels_out: usize,
    height: usize,
    width: usize,
) {
    let lines = channels_out / 4;
    if ABSOLUTE_POS >= pixels * lines {
        terminate!();
    }
    let line = ABSOLUTE_POS % lines;
    let pixel = ABSOLUTE_POS / lines;
    let x = pixel % width;
    let y = pixel / width % height;
    let from = pixel / (width * height) * maps.stride(0);
    let mut sum = bias[line];
    for c in 0..channels_in {
        #[unroll]
        for i in 0..3 {
            #[unroll]
            for j in 0..3 {
                let inside = y + i >= 1 && y + i <= height && x + j >= 1 && x + j <= width;
                let at = from + c * maps.stride(1) + (y + i - 1) * maps.stride(2) + (x + j - 1) * maps.stride(3);
                let value = select(inside, maps[select(inside, at, 0)], 0.0);
                sum += Vector::<f32, Const<4>>::new(value) * weight[(c * 9 + comptime!(i * 3 + j)) * lines + line];
            }
        }
    }
    out[ABSOLUTE_POS] = max(sum, Vector::<f32, Const<4>>::new(0.0));
}
