//! The kernels, in CubeCL's dialect of Rust: a compiler at run time makes WGSL of them.
//!
//! A thread stands for one channel of one tile; neighbours in a warp have neighbouring channels, so that what they read and write
//! lies side by side. All sums are in f32.

// Loops over rows and columns of tiles read as the formulas do, and unroll.
#![allow(clippy::needless_range_loop)]

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

/// What a thread works on.
#[derive(CubeType)]
struct Place {
    channel: usize,
    tile: usize,
    image: usize,
    /// The tile's row and column among those of its map.
    row: usize,
    column: usize,
}

/// The place of this thread, among the tiles of images `first` and on.
#[cube]
fn place_of_thread(first: usize, channels: usize, height: usize, width: usize) -> Place {
    let across = (width + comptime!(M - 1)) / M;
    let down = (height + comptime!(M - 1)) / M;
    let tile = ABSOLUTE_POS / channels;
    Place {
        channel: ABSOLUTE_POS % channels,
        tile,
        image: first + tile / (across * down),
        row: tile / across % down,
        column: tile % across,
    }
}

/// A value of a map that begins at `from`, with a border of one so that no number is below nought: 0 on the border and beyond.
#[cube]
fn bordered(maps: &Tensor<f32>, from: usize, y: usize, x: usize, height: usize, width: usize) -> f32 {
    let inside = y >= 1 && y <= height && x >= 1 && x <= width;
    // What is not wanted is read from the beginning of the buffer, which is always there.
    let at = select(inside, from + (y - 1) * maps.stride(2) + (x - 1) * maps.stride(3), 0);
    select(inside, maps[at], 0.0)
}

/// A row of a transform: the values from `from` on, `step` apart, times the factors that are not 0, added to `start`.
#[cube]
fn combined(
    start: f32,
    values: &Array<f32>,
    #[comptime] from: usize,
    #[comptime] step: usize,
    #[comptime] factors: [f32; 6],
) -> f32 {
    let mut sum = start;
    #[unroll]
    for k in 0..A {
        let factor = comptime!(factors[k]);
        if comptime!(factor != 0.0) {
            sum += values[comptime!(from + k * step)] * factor;
        }
    }
    sum
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
    let place = place_of_thread(first, channels, height, width);
    let from = place.image * maps.stride(0) + place.channel * maps.stride(1);

    let mut values = Array::<f32>::new(PRODUCTS);
    #[unroll]
    for i in 0..A {
        #[unroll]
        for j in 0..A {
            values[i * A + j] = bordered(maps, from, place.row * M + i, place.column * M + j, height, width);
        }
    }
    let mut half = Array::<f32>::new(PRODUCTS);
    #[unroll]
    for i in 0..A {
        #[unroll]
        for j in 0..A {
            half[i * A + j] = combined(f32::new(0.0), &values, j, A, comptime!(INPUT[i]));
        }
    }
    #[unroll]
    for i in 0..A {
        #[unroll]
        for j in 0..A {
            let value = combined(f32::new(0.0), &half, comptime!(i * A), 1usize, comptime!(INPUT[j]));
            let to = ((i * A + j) * rows + place.tile) * channels + place.channel;
            tiles_out[to] = E::cast_from(value * comptime!(1.0 / SCALE));
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
    let place = place_of_thread(first, channels, height, width);

    let mut half = Array::<f32>::new(M * A);
    #[unroll]
    for j in 0..A {
        let mut column = Array::<f32>::new(A);
        #[unroll]
        for k in 0..A {
            let from = ((k * A + j) * rows + place.tile) * channels + place.channel;
            column[k] = f32::cast_from(products[from]) * comptime!(SCALE);
        }
        #[unroll]
        for i in 0..M {
            half[i * A + j] = combined(f32::new(0.0), &column, 0usize, 1usize, comptime!(OUTPUT[i]));
        }
    }
    let mut values = Array::<f32>::new(M * M);
    #[unroll]
    for i in 0..M {
        #[unroll]
        for j in 0..M {
            let value = combined(bias[place.channel], &half, comptime!(i * A), 1usize, comptime!(OUTPUT[j]));
            values[i * M + j] = max(value, 0.0);
        }
    }

    let cell = comptime!(if pooled { 2 } else { 1 });
    let side = comptime!(M / cell);
    let lines = height / cell;
    let columns = width / cell;
    #[unroll]
    for i in 0..side {
        #[unroll]
        for j in 0..side {
            let y = place.row * side + i;
            let x = place.column * side + j;
            if y < lines && x < columns {
                let at = comptime!(cell * i * M + cell * j);
                let mut value = values[at];
                if comptime!(pooled) {
                    value = max(max(value, values[at + 1]), max(values[at + M], values[at + M + 1]));
                }
                maps[((place.image * lines + y) * columns + x) * channels + place.channel] = value;
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
                let value = bordered(maps, from + c * maps.stride(1), y + i, x + j, height, width);
                sum += Vector::<f32, Const<4>>::new(value) * weight[(c * 9 + comptime!(i * 3 + j)) * lines + line];
            }
        }
    }
    out[ABSOLUTE_POS] = max(sum, Vector::<f32, Const<4>>::new(0.0));
}
