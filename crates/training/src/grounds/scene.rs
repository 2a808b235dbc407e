//! Grounds that were made up: a tone, cloth and stone, things with edges, planks and tiles.

use std::f32::consts::{PI, TAU};

use rand::{Rng, RngExt};

/// Octaves of the noise: from the whole picture down to a sixty-fourth of it.
const OCTAVES: u32 = 6;

/// A scene, `side` rows of `side` pixels of three bytes.
pub fn paint(side: u32, rng: &mut impl Rng) -> Vec<u8> {
    let places =
        || (0..side).flat_map(move |y| (0..side).map(move |x| (x as f32 / side as f32, y as f32 / side as f32)));
    let mut tones = vec![rng.random::<f32>(); (side * side) as usize];
    // One in seven is flat.
    if rng.random_bool(0.85) {
        let texture = Texture::new(rng);
        tones = places().map(|(x, y)| texture.at(x, y)).collect();
        for _ in 0..rng.random_range(0..7) {
            let thing = Thing::new(rng);
            for (tone, (x, y)) in tones.iter_mut().zip(places()) {
                if thing.holds(x, y) {
                    *tone += (thing.tone - *tone) * thing.opacity;
                }
            }
        }
        if rng.random_bool(0.3) {
            let lines = Lines::new(rng);
            for (tone, (x, y)) in tones.iter_mut().zip(places()) {
                if lines.holds(x, y) {
                    *tone *= 0.65;
                }
            }
        }
    }
    let mut colour = |from: f32, to: f32| {
        let grey = rng.random_range(from..to);
        [0; 3].map(|_| grey + rng.random_range(-40.0..40.0))
    };
    let (dark, light) = (colour(0.0, 90.0), colour(120.0, 255.0));
    tones.iter().flat_map(|t| std::array::from_fn::<u8, 3, _>(|c| (dark[c] + (light[c] - dark[c]) * t) as u8)).collect()
}

/// Noise of many scales, drawn out along an axis as wood and cloth are.
struct Texture {
    /// For each octave, the values at the corners of its cells.
    octaves: Vec<(usize, Vec<f32>)>,
    /// How much smaller each octave is than the last.
    fall: f32,
    stretch: [f32; 2],
}

impl Texture {
    fn new(rng: &mut impl Rng) -> Texture {
        let octave = |rng: &mut dyn FnMut() -> f32, n: u32| {
            let corners = (1usize << n) + 1;
            (corners, (0..corners * corners).map(|_| rng()).collect())
        };
        let (fall, stretch) = (rng.random_range(0.4..0.9), rng.random_range(-1.2f32..1.2).exp());
        let octaves = (1..=OCTAVES).map(|n| octave(&mut || rng.random(), n)).collect();
        Texture { octaves, fall, stretch: [stretch.min(1.0), (1.0 / stretch).min(1.0)] }
    }

    /// 0 to 1.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
        for (corners, values) in &self.octaves {
            let cells = (corners - 1) as f32;
            let (u, v) = (x * self.stretch[0] * cells, y * self.stretch[1] * cells);
            let (i, j) = ((u as usize).min(corners - 2), (v as usize).min(corners - 2));
            let (fu, fv) = (smooth(u - i as f32), smooth(v - j as f32));
            let row = |j: usize| values[j * corners + i] * (1.0 - fu) + values[j * corners + i + 1] * fu;
            sum += weight * (row(j) * (1.0 - fv) + row(j + 1) * fv);
            weights += weight;
            weight *= self.fall;
        }
        // A mean of many numbers keeps to the middle: spread it out again.
        ((sum / weights - 0.5) * 2.0 + 0.5).clamp(0.0, 1.0)
    }
}

/// Without a corner where two cells meet.
fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// A box or a disc of one tone.
pub struct Thing {
    centre: [f32; 2],
    half: [f32; 2],
    turn: f32,
    round: bool,
    tone: f32,
    opacity: f32,
}

impl Thing {
    /// One anywhere.
    pub fn new(rng: &mut impl Rng) -> Thing {
        Thing {
            centre: [0; 2].map(|_| rng.random_range(-0.1..1.1)),
            half: [0; 2].map(|_| rng.random_range(0.03..0.5)),
            turn: rng.random_range(-0.5..0.5),
            round: rng.random_bool(0.4),
            tone: rng.random(),
            opacity: rng.random_range(0.4..1.0),
        }
    }

    /// Whether it lies at this point of the scene, from 0 to 1.
    pub fn holds(&self, x: f32, y: f32) -> bool {
        let (x, y) = (x - self.centre[0], y - self.centre[1]);
        let (sin, cos) = self.turn.sin_cos();
        let (u, v) = ((x * cos + y * sin) / self.half[0], (y * cos - x * sin) / self.half[1]);
        if self.round { u * u + v * v < 1.0 } else { u.abs() < 1.0 && v.abs() < 1.0 }
    }
}

/// Joints of planks, or of tiles.
struct Lines {
    turn: f32,
    apart: f32,
    shift: f32,
    crossed: bool,
}

impl Lines {
    fn new(rng: &mut impl Rng) -> Lines {
        Lines {
            turn: rng.random_range(0.0..PI),
            apart: rng.random_range(0.05..0.3),
            shift: rng.random_range(0.0..TAU),
            crossed: rng.random(),
        }
    }

    fn holds(&self, x: f32, y: f32) -> bool {
        let (sin, cos) = self.turn.sin_cos();
        let on = |t: f32| (t / self.apart + self.shift).rem_euclid(1.0) < 0.06;
        on(x * cos + y * sin) || self.crossed && on(y * cos - x * sin)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn scenes_differ_and_most_are_not_flat() {
        let scenes: Vec<Vec<u8>> = (0..60).map(|seed| paint(48, &mut ChaCha8Rng::seed_from_u64(seed))).collect();
        let spread = |scene: &[u8]| {
            let (low, high) = scene.iter().step_by(3).fold((255, 0), |(l, h), v| (l.min(*v), h.max(*v)));
            high - low
        };
        let flat = scenes.iter().filter(|scene| spread(scene) == 0).count();
        assert!((1..=20).contains(&flat), "{flat} of 60 are flat");
        assert!(scenes.iter().filter(|scene| spread(scene) > 60).count() > 30);
        assert!(scenes.iter().zip(&scenes[1..]).all(|(a, b)| a != b));
        assert_eq!(scenes[0].len(), 48 * 48 * 3);
    }
}
