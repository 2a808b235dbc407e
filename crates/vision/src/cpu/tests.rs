//! Each instruction set that this processor has, against convolutions worked out directly in f64. In these tests the vectors'
//! loads and stores are checked.

use super::*;
use crate::vgg16::{CHANNELS, CONVOLUTIONS, channels};

/// Repeatable values around 0.
fn values(len: usize, seed: u64, scale: f32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * scale
    };
    (0..len).map(|_| next()).collect()
}

type Parameters = Vec<(Vec<f32>, Vec<f32>)>;

fn parameters(blocks: std::ops::RangeInclusive<usize>) -> Parameters {
    let mut all = vec![];
    for number in blocks {
        for i in 0..CONVOLUTIONS[number - 1] {
            let [channels_in, out] = channels(number, i + 1);
            let seed = (number * 10 + i) as u64;
            let weight = values(out * channels_in * 9, seed, (24.0 / (9 * channels_in) as f32).sqrt());
            all.push((weight, values(out, seed + 5, 0.2)));
        }
    }
    all
}

/// One block, directly.
fn direct(n: usize, (h, w): (usize, usize), input: Vec<f64>, parameters: &[(Vec<f32>, Vec<f32>)]) -> Vec<f64> {
    let mut maps = input;
    for (weight, bias) in parameters {
        let (c_out, c_in) = (bias.len(), weight.len() / bias.len() / 9);
        let mut out = Vec::with_capacity(n * c_out * h * w);
        for (image, o) in (0..n).flat_map(|i| (0..c_out).map(move |o| (i, o))) {
            let mut plane = vec![f64::from(bias[o]); h * w];
            for c in 0..c_in {
                let source = &maps[(image * c_in + c) * h * w..][..h * w];
                for (t, tap) in weight[(o * c_in + c) * 9..][..9].iter().enumerate() {
                    for y in (0..h).filter(|y| (1..=h).contains(&(y + t / 3))) {
                        for x in (0..w).filter(|x| (1..=w).contains(&(x + t % 3))) {
                            plane[y * w + x] += f64::from(*tap) * source[(y + t / 3 - 1) * w + x + t % 3 - 1];
                        }
                    }
                }
            }
            out.extend(plane.into_iter().map(|v| v.max(0.0)));
        }
        maps = out;
    }
    let pooled = |i: usize| {
        let (plane, y, x) = (i / (h / 2 * (w / 2)), i / (w / 2) % (h / 2), i % (w / 2));
        let at = |dy, dx| maps[plane * h * w + (2 * y + dy) * w + 2 * x + dx];
        at(0, 0).max(at(0, 1)).max(at(1, 0)).max(at(1, 1))
    };
    (0..maps.len() / (h * w) * (h / 2) * (w / 2)).map(pooled).collect()
}

fn error(received: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(received.len(), expected.len());
    let difference: f64 = received.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    (difference / expected.iter().map(|b| b * b).sum::<f64>()).sqrt()
}

/// Sides that are multiples of the tiles' and sides that are not, larger and smaller than a tile, odd and even.
#[test]
fn every_instruction_set_agrees_with_direct_convolutions() {
    for (block, sides) in
        [(1, &[(16, 16), (13, 22), (1, 2), (50, 30)][..]), (2, &[(8, 8), (7, 19)]), (5, &[(3, 3), (6, 4)])]
    {
        let parameters = parameters(block..=block);
        let c_in = if block == 1 { 3 } else { CHANNELS[block - 2] };
        for &(h, w) in sides {
            let n = 2;
            let input = values(n * c_in * h * w, 7, 2.0);
            let expected = direct(n, (h, w), input.iter().map(|v| f64::from(*v)).collect(), &parameters);
            for isa in Isa::available() {
                let ours = Convolutions::new(isa, block..=block, parameters.clone());
                let (received, shape) = ours.forward([n, c_in, h, w], &input);
                assert_eq!(shape, [n, CHANNELS[block - 1], h / 2, w / 2]);
                let error = if expected.is_empty() { 0.0 } else { error(&received, &expected) };
                assert!(error < 1e-5, "{isa}, block {block}, {h} x {w}: {error:.1e}");
            }
        }
    }
}

#[test]
fn threads_and_batch_change_no_byte() {
    let parameters = parameters(1..=4);
    let (n, side) = (5, 64);
    let input = values(n * 3 * side * side, 3, 200.0);
    for isa in Isa::available().into_iter().filter(|isa| *isa != Isa::Portable) {
        let ours = Convolutions::new(isa, 1..=4, parameters.clone());
        let alone: Vec<f32> =
            input.chunks(3 * side * side).flat_map(|one| ours.forward([1, 3, side, side], one).0).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (together, _) = pool.install(|| ours.forward([n, 3, side, side], &input));
            assert_eq!(alone, together, "{isa}, {threads} threads");
        }
    }
}

#[test]
fn a_value_that_is_no_number_is_not_rectified_away() {
    let mut parameters = parameters(5..=5);
    parameters[2].1[17] = f32::NAN;
    for isa in Isa::available() {
        let ours = Convolutions::new(isa, 5..=5, parameters.clone());
        let (received, _) = ours.forward([1, 512, 4, 4], &values(512 * 16, 1, 1.0));
        assert_eq!(received.iter().filter(|v| v.is_nan()).count(), 4, "{isa}");
    }
}
