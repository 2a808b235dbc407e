//! The steps of a layer, each written once over [`Simd`] and [`Winograd`] and compiled for each instruction set.
//!
//! Feature maps lie in slabs of 64 channels, `[slab][image][y][x][64]`: a pixel of a slab is four cache lines, and the channels
//! of a slab can be written by one thread while those of the next are written by another. Between the steps lie
//!
//! - `V [frequency][slab][tile][64]`, the transformed input,
//! - `U [slab out][frequency][panel][channel in][panel's width]`, the transformed weights,
//! - `M [frequency][tile][64]`, their products, of one slab.

use std::ops::Range;

use super::shape::{SLAB, Shape};
use super::simd::Simd;
use super::winograd::Winograd;

/// `base + i * stride`, without the check for overflow that a checked build would put into the innermost loops.
#[inline(always)]
fn at(base: usize, i: usize, stride: usize) -> usize {
    base.wrapping_add(i.wrapping_mul(stride))
}

/// Transform the tiles of some rows into `v`. `patch` has room for one tile of one slab.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, W: Winograd<A, M>, const A: usize, const M: usize>(
    shape: &Shape,
    maps: &[f32],
    rows: Range<usize>,
    v: &mut [f32],
    patch: &mut [f32],
) {
    let (height, width, across, down) = (shape.height, shape.width, shape.tiles_across(), shape.tiles_down());
    let tiles = rows.len() * across;
    let (v_slab, v_frequency) = shape.v_strides(tiles);
    let slab_len = shape.images * height * width * SLAB;
    for (i, row) in rows.enumerate() {
        let (image, tile_y) = (row / down, row % down);
        for tile_x in 0..across {
            let (x, y) = (tile_x * M, tile_y * M);
            let inside = x > 0 && y > 0 && x + M < width && y + M < height;
            for slab in 0..shape.slabs {
                let image_at = slab * slab_len + image * height * width * SLAB;
                let v_at = slab * v_slab + (i * across + tile_x) * SLAB;
                // SAFETY: a tile that is inside has all its A x A pixels within the image; `patch` has A x A pixels. `v`'s
                // length is checked by the caller.
                unsafe {
                    if inside {
                        let first = image_at + ((y - 1) * width + x - 1) * SLAB;
                        tile_in::<S, W, A, M>(maps, first, width * SLAB, v, v_at, v_frequency);
                    } else {
                        gather::<A>(&maps[image_at..image_at + height * width * SLAB], (height, width), (y, x), patch);
                        tile_in::<S, W, A, M>(patch, 0, A * SLAB, v, v_at, v_frequency);
                    }
                }
            }
        }
    }
}

/// Copy the A x A pixels whose second row and column are at (y, x), with zeros for those outside the image.
#[inline(always)]
fn gather<const A: usize>(image: &[f32], (height, width): (usize, usize), (y, x): (usize, usize), patch: &mut [f32]) {
    for (dy, line) in patch.chunks_exact_mut(A * SLAB).take(A).enumerate() {
        let from = (y + dy).wrapping_sub(1);
        if from >= height {
            line.fill(0.0);
            continue;
        }
        let (before, end) = (usize::from(x == 0), (width + 1 - x).min(A));
        line[..before * SLAB].fill(0.0);
        let first = (from * width + x + before - 1) * SLAB;
        line[before * SLAB..end * SLAB].copy_from_slice(&image[first..first + (end - before) * SLAB]);
        line[end * SLAB..].fill(0.0);
    }
}

#[inline(always)]
unsafe fn tile_in<S: Simd, W: Winograd<A, M>, const A: usize, const M: usize>(
    from: &[f32],
    first: usize,
    line: usize,
    v: &mut [f32],
    v_at: usize,
    v_frequency: usize,
) {
    for lane in (0..SLAB).step_by(S::LANES) {
        // SAFETY: of all loads and stores: `input`'s caller checked the lengths.
        unsafe {
            let zero = S::splat(0.0);
            let mut columns = [[zero; A]; A];
            for x in 0..A {
                let mut d = [zero; A];
                for y in 0..A {
                    d[y] = S::load(from, at(at(first, y, line), x, SLAB).wrapping_add(lane));
                }
                let d = W::input::<S>(d);
                for y in 0..A {
                    columns[y][x] = d[y];
                }
            }
            for y in 0..A {
                let d = W::input::<S>(columns[y]);
                for x in 0..A {
                    let to = at(v_at.wrapping_add(lane), y.wrapping_mul(A).wrapping_add(x), v_frequency);
                    S::store(v, to, d[x]);
                }
            }
        }
    }
}

/// `M = V U` for each frequency, of one slab of the output.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd, const ROWS: usize, const WIDE: usize>(
    kernels: &[Kernel],
    shape: &Shape,
    v: &[f32],
    u: &[f32],
    tiles: usize,
    m: &mut [f32],
) {
    let (v_slab, v_frequency) = shape.v_strides(tiles);
    let (panel, m_stride) = (S::LANES * WIDE, shape.m_stride(tiles));
    let panel_len = shape.slabs * SLAB * panel;
    let groups = tiles.div_ceil(ROWS);
    for frequency in 0..shape.frequencies() {
        for p in 0..SLAB / panel {
            let u_at = (frequency * (SLAB / panel) + p) * panel_len;
            let mut done = 0;
            for group in 0..groups {
                // Rows are dealt out evenly: a last group of one row would cost nearly as much as one of fourteen.
                let rows = (tiles - done).div_ceil(groups - group);
                let (v_at, m_at) =
                    (frequency * v_frequency + done * SLAB, frequency * m_stride + done * SLAB + p * panel);
                // SAFETY: `rows` is at most ROWS, and the caller checked the lengths.
                unsafe { kernels[rows](shape.slabs, &v[v_at..], v_slab, &u[u_at..u_at + panel_len], &mut m[m_at..]) };
                done += rows;
            }
        }
    }
}

/// `slabs`, A, the values from one slab of A to the next, B, C.
pub type Kernel = unsafe fn(usize, &[f32], usize, &[f32], &mut [f32]);

/// `C [ROWS][panel] = A [ROWS][slabs * DEPTH] B [slabs * DEPTH][panel]`, held in registers. A's rows are STRIDE apart, C's a slab.
#[inline(always)]
pub unsafe fn kernel<S: Simd, const ROWS: usize, const WIDE: usize, const STRIDE: usize, const DEPTH: usize>(
    slabs: usize,
    a: &[f32],
    a_slab: usize,
    b: &[f32],
    c: &mut [f32],
) {
    // SAFETY: of all loads and stores: `multiply` and `first` give A from its first row on and C from its first value, `layer` has
    // made both long enough for all rows, and B is cut to measure.
    unsafe {
        let mut sums = [[S::splat(0.0); WIDE]; ROWS];
        let mut b_at = 0usize;
        for slab in 0..slabs {
            let a_at = slab.wrapping_mul(a_slab);
            for depth in 0..DEPTH {
                let mut weights = [S::splat(0.0); WIDE];
                for w in 0..WIDE {
                    weights[w] = S::load(b, at(b_at, w, S::LANES));
                }
                b_at = b_at.wrapping_add(S::LANES * WIDE);
                for r in 0..ROWS {
                    let value = S::broadcast(a, at(a_at.wrapping_add(depth), r, STRIDE));
                    for w in 0..WIDE {
                        sums[r][w] = S::fma(value, weights[w], sums[r][w]);
                    }
                }
            }
        }
        for r in 0..ROWS {
            for w in 0..WIDE {
                S::store(c, at(r.wrapping_mul(SLAB), w, S::LANES), sums[r][w]);
            }
        }
    }
}

/// Transform the products of some rows of tiles back, add the bias, rectify, pool. `out` are the lines that these rows make of
/// one slab.
#[inline(always)]
pub(super) unsafe fn output<S: Simd, W: Winograd<A, M>, const A: usize, const M: usize>(
    shape: &Shape,
    m: &[f32],
    rows: Range<usize>,
    bias: &[f32],
    out: &mut [f32],
) {
    let across = shape.tiles_across();
    let m_stride = shape.m_stride(rows.len() * across);
    let (out_width, first_line) = (shape.out_width(), shape.first_line(rows.start));
    let step = if shape.pool { M / 2 } else { M };
    for (i, row) in rows.enumerate() {
        let line = shape.first_line(row) - first_line;
        let lines = shape.first_line(row + 1) - first_line - line;
        for tile_x in 0..across {
            let x = tile_x * step;
            let columns = out_width.saturating_sub(x).min(step);
            if columns == 0 || lines == 0 {
                continue;
            }
            let to = (line * out_width + x) * SLAB;
            let from = (i * across + tile_x) * SLAB;
            for lane in (0..SLAB).step_by(S::LANES) {
                // SAFETY: of all loads and stores: `m` and `out` have the lengths that the caller checked, and `lines` and
                // `columns` end where the image does.
                unsafe {
                    let zero = S::splat(0.0);
                    let mut half = [[zero; A]; M];
                    for x in 0..A {
                        let mut d = [zero; A];
                        for y in 0..A {
                            let frequency = y.wrapping_mul(A).wrapping_add(x);
                            d[y] = S::load(m, at(from.wrapping_add(lane), frequency, m_stride));
                        }
                        let d = W::output::<S>(d);
                        for y in 0..M {
                            half[y][x] = d[y];
                        }
                    }
                    let bias = S::load(bias, lane);
                    let out_at = to.wrapping_add(lane);
                    if shape.pool {
                        for y in 0..M / 2 {
                            let (above, below) = (W::output::<S>(half[2 * y]), W::output::<S>(half[2 * y + 1]));
                            for x in 0..M / 2 {
                                if y < lines && x < columns {
                                    let most = S::max(
                                        S::max(above[2 * x], above[2 * x + 1]),
                                        S::max(below[2 * x], below[2 * x + 1]),
                                    );
                                    let value = S::max(zero, S::add(most, bias));
                                    S::store(out, at(out_at, at(x, y, out_width), SLAB), value);
                                }
                            }
                        }
                    } else {
                        for y in 0..M {
                            let d = W::output::<S>(half[y]);
                            for x in 0..M {
                                if y < lines && x < columns {
                                    let value = S::max(zero, S::add(d[x], bias));
                                    S::store(out, at(out_at, at(x, y, out_width), SLAB), value);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Values of a column of the first layer's input: three lines, three colours.
pub const COLUMN: usize = 9;

/// The first layer, of three channels, without Winograd: one line of the output. `columns` is `[x][9]` from one column before
/// the first pixel to one behind the last.
#[inline(always)]
pub(super) unsafe fn first<S: Simd, const ROWS: usize, const WIDE: usize>(
    kernels: &[Kernel],
    width: usize,
    columns: &[f32],
    u: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    let panel = S::LANES * WIDE;
    let groups = width.div_ceil(ROWS);
    let mut done = 0;
    for group in 0..groups {
        let rows = (width - done).div_ceil(groups - group);
        // SAFETY: `rows` is at most ROWS; the slices hold `rows` pixels.
        unsafe {
            for (p, u) in u.chunks_exact(3 * COLUMN * panel).enumerate() {
                kernels[rows](
                    1,
                    &columns[done * COLUMN..(done + rows + 2) * COLUMN],
                    0,
                    u,
                    &mut out[done * SLAB + p * panel..],
                );
            }
            for pixel in out[done * SLAB..(done + rows) * SLAB].chunks_exact_mut(SLAB) {
                for lane in (0..SLAB).step_by(S::LANES) {
                    let value = S::max(S::splat(0.0), S::add(S::load(pixel, lane), S::load(bias, lane)));
                    S::store(pixel, lane, value);
                }
            }
        }
        done += rows;
    }
}
