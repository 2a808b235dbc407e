//! Grounds with a bag's own stuff: pieces of it, enlarged, turned and in other colours, as cloth and as things.
//!
//! Made-up textures are of another kind than photographs, and a network that tells the two apart has not learnt what a bag
//! is. A piece of the photograph has the bag's own grain, edges and light without its shape; and a view still depends on its
//! own picture and on no other.

use goodtwin_imaging::Picture;
use rand::{Rng, RngExt};

use super::scene::{self, Thing};

/// The side of a piece that is all of the ground, as a share of the bag's shorter side; and of one that is a thing on it.
const CLOTH: std::ops::Range<f32> = 0.15..0.7;
const THING: std::ops::Range<f32> = 0.2..0.9;

/// A ground, `side` rows of `side` pixels of three bytes: half are made of numbers alone (see [`scene`]), half of pieces too.
pub fn paint(bag: &Picture, side: u32, rng: &mut impl Rng) -> Vec<u8> {
    if rng.random() {
        return scene::paint(side, rng);
    }
    let mut rgb = match rng.random_bool(0.6) {
        true => piece(bag, side, CLOTH, rng),
        false => scene::paint(side, rng),
    };
    for _ in 0..rng.random_range(0..5) {
        let (thing, stuff) = (Thing::new(rng), piece(bag, side, THING, rng));
        for (i, (pixel, stuff)) in rgb.chunks_exact_mut(3).zip(stuff.chunks_exact(3)).enumerate() {
            let [x, y] = [i as u32 % side, i as u32 / side].map(|at| at as f32 / side as f32);
            if thing.holds(x, y) {
                pixel.copy_from_slice(stuff);
            }
        }
    }
    rgb
}

/// A square cut out of the bag somewhere, made as large as the ground, and no longer as it was.
fn piece(bag: &Picture, side: u32, share: std::ops::Range<f32>, rng: &mut impl Rng) -> Vec<u8> {
    let shorter = bag.width().min(bag.height());
    let cut = ((shorter as f32 * rng.random_range(share)) as u32).clamp(4.min(shorter), shorter);
    let (left, top) = (rng.random_range(0..=bag.width() - cut), rng.random_range(0..=bag.height() - cut));
    let large = bag.crop(left, top, cut, cut).resize(side, side);
    let turns = rng.random_range(1..4);
    let mut channels = [0, 1, 2];
    if rng.random() {
        channels.rotate_left(rng.random_range(1..3));
    }
    let (contrast, lift) = (rng.random_range(0.5..1.2f32), rng.random_range(-40.0..40.0f32));
    let last = side - 1;
    let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    let from = places.map(|(x, y)| match turns {
        1 => (y, last - x),
        2 => (last - x, last - y),
        _ => (last - y, x),
    });
    let pixel = |(x, y): (u32, u32)| {
        let at = (y * side + x) as usize * 3;
        channels.map(|c| ((f32::from(large.rgb()[at + c]) - 128.0) * contrast + 128.0 + lift) as u8)
    };
    from.flat_map(pixel).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_piece_is_turned_stuff_of_the_bag() {
        // Columns from black to white: turned by a quarter they are rows, by a half they run the other way.
        let bag = Picture::new(60, 40, (0..40).flat_map(|_| (0..60u8).flat_map(|x| [x * 4; 3])).collect());
        let pieces = |seed| piece(&bag, 32, 0.5..0.6, &mut ChaCha8Rng::seed_from_u64(seed));
        let mut quarter = 0;
        for seed in 0..40 {
            let piece = pieces(seed);
            let at = |x: usize, y: usize| i32::from(piece[(y * 32 + x) * 3]);
            let (across, down) = (at(31, 16) - at(0, 16), at(16, 31) - at(16, 0));
            assert!(across < -10 || across.abs() <= 2, "seed {seed}: not as it was, {across}");
            assert!(across.abs() <= 2 || down.abs() <= 2, "seed {seed}: {across} {down}");
            quarter += usize::from(across.abs() <= 2);
        }
        assert!((15..=38).contains(&quarter), "{quarter} of 40 are turned by a quarter");
    }

    #[test]
    fn the_smallest_bag_has_pieces() {
        for (width, height) in [(1, 1), (2, 90), (5, 3)] {
            let bag = Picture::new(width, height, vec![90; (width * height * 3) as usize]);
            for seed in 0..20 {
                assert_eq!(paint(&bag, 16, &mut ChaCha8Rng::seed_from_u64(seed)).len(), 16 * 16 * 3);
            }
        }
    }
}
