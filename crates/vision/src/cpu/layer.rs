//! One 3x3 convolution with its bias, ReLU and perhaps a pool.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::buffer::{Buffer, Pool};
use super::compiled::Steps;
use super::shape::{SLAB, Shape};
use super::steps::COLUMN;
use super::winograd::{self, F4, F6, Winograd};

/// Reading the weights of a frequency takes as long as multiplying so many tiles by them, as measured on one machine.
const WEIGHTS_IN_TILES: usize = 12;

/// A convolution of 64, 128, ... channels.
pub struct Layer {
    channels_in: usize,
    channels_out: usize,
    /// `[out][in][3][3]`.
    weight: Vec<f32>,
    bias: Vec<f32>,
    pool: bool,
    transformed: [OnceLock<Buffer>; 2],
}

impl Layer {
    pub fn new(channels_in: usize, weight: Vec<f32>, bias: Vec<f32>, pool: bool) -> Layer {
        let channels_out = bias.len();
        assert!(channels_in.is_multiple_of(SLAB) && channels_out.is_multiple_of(SLAB));
        assert_eq!(weight.len(), channels_out * channels_in * 9);
        Layer { channels_in, channels_out, weight, bias, pool, transformed: Default::default() }
    }

    pub fn shape(&self, images: usize, height: usize, width: usize) -> Shape {
        let shape = |m| Shape { images, height, width, slabs: self.channels_in / SLAB, pool: self.pool, m };
        // Weights come from far, so that reading them costs as much as some tiles do; small maps come in large batches, which
        // share that. The batch itself has no say, as it must change no byte.
        let reading = WEIGHTS_IN_TILES.min(height * width * WEIGHTS_IN_TILES / (28 * 28));
        let cost = |s: &Shape| (s.tiles_across() * s.tiles_down() + reading) * s.frequencies();
        let (four, six) = (shape(4), shape(6));
        if cost(&six) < cost(&four) { six } else { four }
    }

    fn weights(&self, shape: &Shape, steps: &Steps) -> &[f32] {
        let place = &self.transformed[usize::from(shape.m != 4)];
        if let Some(transformed) = place.get() {
            return transformed;
        }
        // Not within the lock: a thread that waits for its share of this work may take another batch's, which asks for the same
        // weights. At worst two threads transform them, to the same bytes.
        let transformed = match shape.m {
            4 => self.transform::<F4, 6, 4>(steps.panel),
            _ => self.transform::<F6, 8, 6>(steps.panel),
        };
        place.get_or_init(|| transformed)
    }

    /// `U [slab out][frequency][panel][in][panel's width]`.
    fn transform<W: Winograd<A, M>, const A: usize, const M: usize>(&self, panel: usize) -> Buffer {
        let mut u = Buffer::new(self.channels_out * self.channels_in * A * A);
        let slab_len = SLAB * self.channels_in * A * A;
        u.par_chunks_mut(slab_len).enumerate().for_each(|(slab, u)| {
            for out in 0..SLAB {
                let (p, column) = (out / panel, out % panel);
                for channel in 0..self.channels_in {
                    let g = &self.weight[((slab * SLAB + out) * self.channels_in + channel) * 9..][..9];
                    let transformed = winograd::filter::<W, A, M>(g);
                    for y in 0..A {
                        for x in 0..A {
                            let at = ((y * A + x) * (SLAB / panel) + p) * self.channels_in + channel;
                            u[at * panel + column] = transformed[y][x] as f32;
                        }
                    }
                }
            }
        });
        u
    }

    /// Channels, height and width of the output.
    pub fn out_shape(&self, height: usize, width: usize) -> [usize; 3] {
        let shape = self.shape(1, height, width);
        [self.channels_out, shape.out_height(), shape.out_width()]
    }

    pub fn out_len(&self, shape: &Shape) -> usize {
        self.channels_out * shape.images * shape.out_height() * shape.out_width()
    }

    pub fn forward(&self, steps: &Steps, shape: &Shape, input: &[f32], out: &mut [f32], pool: &Pool) {
        assert_eq!(input.len(), shape.images * shape.height * shape.width * self.channels_in);
        assert_eq!(out.len(), self.out_len(shape));
        let u = self.weights(shape, steps);
        let plan = Plan::new(shape);
        let chunks = plan.chunks(shape);
        let outs = cut(out, shape, &chunks, self.channels_out / SLAB);
        let across = shape.tiles_across();
        let kind = usize::from(shape.m == 6);
        let patch_len = shape.frequencies() * SLAB;
        let v_len = |rows: &Range<usize>| shape.frequencies() * shape.v_strides(rows.len() * across).1;
        let m_len = |rows: &Range<usize>| shape.frequencies() * shape.m_stride(rows.len() * across);
        let u_len = u.len() / (self.channels_out / SLAB);
        let transform = |rows: &Range<usize>, v: &mut [f32]| {
            let mut patch = pool.take(patch_len);
            // SAFETY: lengths above; the steps are those of this processor.
            unsafe { (steps.input[kind])(shape, input, rows.clone(), v, &mut patch) }
        };
        let multiply = |rows: &Range<usize>, v: &[f32], slab: usize, m: &mut [f32], out: &mut [f32]| {
            let tiles = rows.len() * across;
            // SAFETY: lengths above; the steps are those of this processor.
            unsafe {
                (steps.multiply)(shape, v, &u[slab * u_len..][..u_len], tiles, m);
                (steps.output[kind])(shape, m, rows.clone(), &self.bias[slab * SLAB..][..SLAB], out);
            }
        };
        if plan.fused {
            let tasks: Vec<_> = chunks.iter().zip(outs).collect();
            tasks.into_par_iter().with_max_len(1).for_each(|(rows, outs)| {
                let (mut v, mut m) = (pool.take(v_len(rows)), pool.take(m_len(rows)));
                transform(rows, &mut v);
                for (slab, out) in outs.into_iter().enumerate() {
                    multiply(rows, &v, slab, &mut m, out);
                }
            });
        } else {
            let lens: Vec<usize> = chunks.iter().map(v_len).collect();
            let mut v = pool.take(lens.iter().sum());
            let mut parts = vec![];
            let mut rest = &mut v[..];
            for len in &lens {
                let (part, after) = rest.split_at_mut(*len);
                parts.push(part);
                rest = after;
            }
            chunks.par_iter().zip(&mut parts).with_max_len(1).for_each(|(rows, v)| transform(rows, v));
            let mut tasks: Vec<_> = chunks
                .iter()
                .zip(&parts)
                .zip(outs)
                .flat_map(|((rows, v), outs)| outs.into_iter().enumerate().map(move |(slab, out)| (slab, rows, v, out)))
                .collect();
            tasks.sort_by_key(|t| t.0);
            tasks.into_par_iter().with_max_len(1).for_each(|(slab, rows, v, out)| {
                let mut m = pool.take(m_len(rows));
                multiply(rows, v, slab, &mut m, out);
            });
        }
    }
}

/// How a layer's work is dealt out. It changes no byte.
struct Plan {
    /// A task transforms its tiles and makes all slabs of them; else all tiles are transformed first, and a task makes one slab,
    /// so that many weights are read once for many tiles.
    fused: bool,
    /// Rows of tiles of a task.
    rows: usize,
}

/// Tiles of a task: enough to make use of weights that were read, few enough for the second level of the cache.
const TILES: usize = 30;
/// Of a task that makes one slab.
const TILES_OF_SLAB: usize = 56;

impl Plan {
    fn new(shape: &Shape) -> Plan {
        // Two tasks a thread, as threads are seldom equally fast.
        let tasks = 2 * rayon::current_num_threads();
        let fused = shape.slabs <= 4 && shape.tile_rows() >= tasks;
        let (tiles, tasks) = if fused { (TILES, tasks) } else { (TILES_OF_SLAB, 1) };
        Plan { fused, rows: (tiles / shape.tiles_across()).min(shape.tile_rows() / tasks).max(1) }
    }

    fn chunks(&self, shape: &Shape) -> Vec<Range<usize>> {
        let count = shape.tile_rows().div_ceil(self.rows);
        (0..count).map(|i| i * shape.tile_rows() / count..(i + 1) * shape.tile_rows() / count).collect()
    }
}

/// The output cut by chunk and slab.
fn cut<'a>(out: &'a mut [f32], shape: &Shape, chunks: &[Range<usize>], slabs: usize) -> Vec<Vec<&'a mut [f32]>> {
    let mut cut: Vec<Vec<&mut [f32]>> = chunks.iter().map(|_| Vec::with_capacity(slabs)).collect();
    let slab_len = out.len() / slabs;
    for slab in out.chunks_exact_mut(slab_len.max(1)) {
        let mut rest = slab;
        for (chunk, pieces) in chunks.iter().zip(&mut cut) {
            let lines = shape.first_line(chunk.end) - shape.first_line(chunk.start);
            let (piece, after) = rest.split_at_mut(lines * shape.out_width() * SLAB);
            pieces.push(piece);
            rest = after;
        }
    }
    cut
}

/// The first convolution, of three channels: direct.
pub struct First {
    u: Buffer,
    bias: Vec<f32>,
}

impl First {
    /// `weight` is `[out][3][3][3]`.
    pub fn new(weight: &[f32], bias: Vec<f32>, steps: &Steps) -> First {
        assert_eq!((weight.len(), bias.len()), (SLAB * 27, SLAB));
        let mut u = Buffer::new(27 * SLAB);
        for out in 0..SLAB {
            let (p, column) = (out / steps.panel, out % steps.panel);
            for channel in 0..3 {
                for y in 0..3 {
                    for x in 0..3 {
                        // A column of the input holds three lines of three colours.
                        let depth = x * COLUMN + y * 3 + channel;
                        u[(p * 27 + depth) * steps.panel + column] = weight[((out * 3 + channel) * 3 + y) * 3 + x];
                    }
                }
            }
        }
        First { u, bias }
    }

    /// `planes` `[n][3][h][w]` to one slab `[n][h][w][64]`.
    pub fn forward(
        &self,
        steps: &Steps,
        (height, width): (usize, usize),
        planes: &[f32],
        out: &mut [f32],
        pool: &Pool,
    ) {
        let plane = height * width;
        out.par_chunks_mut(width * SLAB).with_min_len(4).enumerate().for_each(|(line, out)| {
            let (image, y) = (line / height, line % height);
            let mut columns = pool.take((width + 2) * COLUMN);
            columns.fill(0.0);
            for dy in 0..3 {
                let Some(from) = (y + dy).checked_sub(1).filter(|y| *y < height) else { continue };
                for channel in 0..3 {
                    let source = &planes[(image * 3 + channel) * plane + from * width..][..width];
                    for (value, column) in source.iter().zip(columns[COLUMN..].chunks_exact_mut(COLUMN)) {
                        column[dy * 3 + channel] = *value;
                    }
                }
            }
            // SAFETY: lengths above; the steps are those of this processor.
            unsafe { (steps.first)(width, &columns, &self.u, &self.bias, out) }
        });
    }
}
