//! The products of tiles and weights: for each of 36 frequencies, `[rows, c_in]` times `[c_in, c_out]`.
//!
//! 256 threads work out a piece of one frequency, 32 or 128 rows by 64 or 128 columns; what they read of both factors they keep in shared
//! memory, some channels at a time. Rows are padded to a whole number of pieces, so that nothing is asked where maps end. Sums are
//! in f32, whatever the numbers of the factors, and their order is fixed: the same input gives the same bits.

// The kernels' macro names its own crate.
use burn::cubecl;
use burn::cubecl::prelude::*;

use super::winograd::PRODUCTS;

/// Threads of a piece.
pub const THREADS: usize = 256;
/// Threads side by side; each has 4 columns, or twice 4.
const ACROSS: usize = 16;
const DOWN: usize = THREADS / ACROSS;
/// Channels in shared memory at a time.
const DEPTH: usize = 16;
/// Values read at once.
const LINE: usize = 4;

/// Whether channels fill whole pieces.
pub fn fits(channels_in: usize, channels_out: usize) -> bool {
    channels_in.is_multiple_of(DEPTH) && channels_out.is_multiple_of(64)
}

/// How a product is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The tiles, and what fills the last piece.
    pub rows: usize,
    /// Rows of each thread.
    pub rows_of_thread: usize,
    /// Columns of a piece.
    pub columns: usize,
}

impl Cut {
    /// For so many tiles. Where they are few a piece has few rows, as the rest of it would be work for nothing.
    pub fn of(tiles: usize, channels_out: usize) -> Cut {
        let rows_of_thread = if tiles < 256 { 2 } else { 8 };
        let columns = if channels_out.is_multiple_of(128) { 128 } else { 64 };
        Cut { rows: tiles.next_multiple_of(DOWN * rows_of_thread), rows_of_thread, columns }
    }

    /// Its pieces: down, across, and a layer of them for each frequency.
    pub fn count(&self, channels_out: usize) -> CubeCount {
        let down = self.rows / (DOWN * self.rows_of_thread);
        CubeCount::Static(down as u32, (channels_out / self.columns) as u32, PRODUCTS as u32)
    }
}

/// `[36, rows, c_in]` times `[36, c_in, c_out]` to `[36, rows, c_out]`.
#[cube(launch_unchecked)]
pub fn multiply<E: Float>(
    tiles: &[Vector<E, Const<4>>],
    weight: &[Vector<E, Const<4>>],
    products: &mut [Vector<E, Const<4>>],
    rows: usize,
    channels_in: usize,
    channels_out: usize,
    #[comptime] of_thread: usize,
    #[comptime] columns: usize,
    #[define(E)] _numbers: ElemType,
) {
    let height = comptime!(DOWN * of_thread);
    let quads = comptime!(columns / (ACROSS * LINE));
    // One more than a row has, so that neighbouring rows lie in other banks.
    let tiles_stride = comptime!(DEPTH / LINE + 1);
    let weight_stride = comptime!(columns / LINE);
    let mut shared_tiles = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(height * tiles_stride));
    let mut shared_weight = Shared::<[Vector<f32, Const<4>>]>::new_slice(comptime!(DEPTH * weight_stride));

    let thread = UNIT_POS as usize;
    let x = thread % ACROSS;
    let y = thread / ACROSS;
    let first_row = CUBE_POS_X as usize * height;
    let first_column = CUBE_POS_Y as usize * columns;
    let frequency = CUBE_POS_Z as usize;
    let tiles_from = (frequency * rows + first_row) * (channels_in / LINE);
    let weight_from = (frequency * channels_in * channels_out + first_column) / LINE;

    let mut sums = Array::<Vector<f32, Const<4>>>::new(comptime!(of_thread * quads));
    #[unroll]
    for i in 0..comptime!(of_thread * quads) {
        sums[i] = Vector::new(0.0);
    }
    for step in 0..channels_in / DEPTH {
        #[unroll]
        for i in 0..comptime!((height * DEPTH / LINE).div_ceil(THREADS)) {
            let at = thread + comptime!(i * THREADS);
            if comptime!(height * DEPTH / LINE >= THREADS) || at < comptime!(height * DEPTH / LINE) {
                let row = at / comptime!(DEPTH / LINE);
                let line = at % comptime!(DEPTH / LINE);
                let from = tiles_from + row * (channels_in / LINE) + step * comptime!(DEPTH / LINE) + line;
                shared_tiles[row * tiles_stride + line] = Vector::cast_from(tiles[from]);
            }
        }
        #[unroll]
        for i in 0..comptime!(DEPTH * columns / LINE / THREADS) {
            let at = thread + comptime!(i * THREADS);
            let channel = at / weight_stride;
            let line = at % weight_stride;
            let from = weight_from + (step * DEPTH + channel) * (channels_out / LINE) + line;
            shared_weight[at] = Vector::cast_from(weight[from]);
        }
        sync_cube();
        #[unroll]
        for line in 0..comptime!(DEPTH / LINE) {
            let mut values = Array::<Vector<f32, Const<4>>>::new(of_thread);
            #[unroll]
            for i in 0..of_thread {
                values[i] = shared_tiles[(comptime!(i * DOWN) + y) * tiles_stride + line];
            }
            #[unroll]
            for k in 0..LINE {
                #[unroll]
                for j in 0..quads {
                    let factor = shared_weight[comptime!((line * LINE + k) * weight_stride + j * ACROSS) + x];
                    #[unroll]
                    for i in 0..of_thread {
                        let value = Vector::<f32, Const<4>>::new(values[i].extract(k));
                        sums[comptime!(i * quads + j)] = fma(value, factor, sums[comptime!(i * quads + j)]);
                    }
                }
            }
        }
        sync_cube();
    }
    let products_from = ((frequency * rows + first_row) * channels_out + first_column) / LINE;
    #[unroll]
    for i in 0..of_thread {
        #[unroll]
        for j in 0..quads {
            let to = products_from + (comptime!(i * DOWN) + y) * (channels_out / LINE) + comptime!(j * ACROSS) + x;
            products[to] = Vector::cast_from(sums[comptime!(i * quads + j)]);
        }
    }
}
