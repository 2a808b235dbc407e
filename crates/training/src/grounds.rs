//! The same bag on another ground: cut out of a plain one, and laid on a scene that was made up.
//!
//! A shopper's photograph has a floor, a street or an arm behind the bag, and a shop's has white. What differs between a
//! picture and the same bag on a made-up ground is what an embedding should not see, and [`crate::whitening`] holds it down.
//! Grounds are made of numbers (see [`scene`]) and of the bag's own stuff (see [`pieces`]): a view depends on its own picture
//! and on no other.
//!
//! Where the bag lies is known of such views, and of pictures with a plain ground: the network's mask learns from it.

mod pieces;
mod scene;

use goodtwin_imaging::Picture;
use goodtwin_vision::ground::{Bag, TOLERANCE};
use rand::{Rng, RngExt};

/// A pixel that differs from the ground by less than this, of 255, is ground; by [`SOLID`] or more, bag; between them both.
const CLEAR: u8 = 8;
const SOLID: u8 = 32;
/// The longer side of the bag, as a share of the new picture's.
const INNER: std::ops::Range<f32> = 0.4..0.97;
/// The share of views on which what the bag encloses is taken for bag: a white pocket is, what is seen through the handles is
/// not, and colour cannot tell them apart.
const FILLED: f64 = 0.7;

/// A bag on another ground.
#[derive(Clone, Debug, PartialEq)]
pub struct Pasted {
    /// Both.
    pub picture: Picture,
    /// How much of each pixel is bag, 0 to 255 in all three channels.
    pub mask: Picture,
}

/// The bag of a picture on a made-up ground, a square of `side` pixels. None where the picture's own ground is not plain.
pub fn paste(picture: &Picture, side: u32, rng: &mut impl Rng) -> Option<Pasted> {
    let bag = Bag::find(picture)?;
    let cut = picture.crop(bag.left, bag.top, bag.width, bag.height);
    let share = matte(&cut, bag.ground, rng.random_bool(FILLED));
    let longer = bag.width.max(bag.height) as f32;
    let scale = rng.random_range(INNER) * side as f32 / longer;
    let [width, height] = [bag.width, bag.height].map(|pixels| ((pixels as f32 * scale) as u32).clamp(1, side));
    let (cut, share) = (cut.resize(width, height), share.resize(width, height));
    let (left, top) = (rng.random_range(0..=side - width), rng.random_range(0..=side - height));
    let mut rgb = pieces::paint(&cut, side, rng);
    let mut mask = vec![0; rgb.len()];
    for (i, (bag, share)) in cut.rgb().chunks_exact(3).zip(share.rgb().chunks_exact(3)).enumerate() {
        let (x, y) = (left + i as u32 % width, top + i as u32 / width);
        let at = (y * side + x) as usize * 3;
        mask[at..at + 3].copy_from_slice(share);
        for c in 0..3 {
            let share = u32::from(share[c]);
            let mixed = u32::from(bag[c]) * share + u32::from(rgb[at + c]) * (255 - share);
            rgb[at + c] = ((mixed + 127) / 255) as u8;
        }
    }
    Some(Pasted { picture: Picture::new(side, side, rgb), mask: Picture::new(side, side, mask) })
}

/// How much of each pixel of a picture is bag, 0 to 255 in all three channels. None where its ground is not plain. What the
/// bag encloses is taken for ground where it has the ground's colour.
pub fn mask(picture: &Picture) -> Option<Picture> {
    let bag = Bag::find(picture)?;
    let share = matte(&picture.crop(bag.left, bag.top, bag.width, bag.height), bag.ground, false);
    let mut mask = vec![0; picture.rgb().len()];
    for (row, share) in share.rgb().chunks_exact(3 * bag.width as usize).enumerate() {
        let at = ((bag.top as usize + row) * picture.width() as usize + bag.left as usize) * 3;
        mask[at..at + share.len()].copy_from_slice(share);
    }
    Some(Picture::new(picture.width(), picture.height(), mask))
}

/// How much of each pixel is bag, 0 to 255 in all three channels.
fn matte(cut: &Picture, ground: [u8; 3], filled: bool) -> Picture {
    let off: Vec<u8> = cut
        .rgb()
        .chunks_exact(3)
        .map(|pixel| (0..3).map(|c| pixel[c].abs_diff(ground[c])).max().unwrap_or(0))
        .collect();
    let enclosed = if filled { enclosed(&off, cut.width() as usize) } else { vec![false; off.len()] };
    let share = |off: u8| u32::from(off.saturating_sub(CLEAR)) * 255 / u32::from(SOLID - CLEAR);
    let pixels = off.iter().zip(enclosed).flat_map(|(off, inside)| match inside {
        true => [255; 3],
        false => [share(*off).min(255) as u8; 3],
    });
    Picture::new(cut.width(), cut.height(), pixels.collect())
}

/// The pixels from which no way leads to the edge over ground alone.
fn enclosed(off: &[u8], width: usize) -> Vec<bool> {
    let height = off.len() / width;
    let is_ground = |i: usize| off[i] <= TOLERANCE;
    let on_edge = |i: usize| [0, width - 1].contains(&(i % width)) || [0, height - 1].contains(&(i / width));
    let mut inside = vec![true; off.len()];
    let mut open: Vec<usize> = (0..off.len()).filter(|i| on_edge(*i) && is_ground(*i)).collect();
    for i in &open {
        inside[*i] = false;
    }
    while let Some(i) = open.pop() {
        let (x, y) = (i % width, i / width);
        let beside = [
            (x > 0).then(|| i - 1),
            (x + 1 < width).then_some(i + 1),
            (y > 0).then(|| i - width),
            (y + 1 < height).then_some(i + width),
        ];
        for next in beside.into_iter().flatten() {
            if inside[next] && is_ground(next) {
                inside[next] = false;
                open.push(next);
            }
        }
    }
    // What is not ground has a share of its own: a soft edge stays soft.
    (0..off.len()).map(|i| inside[i] && is_ground(i)).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A dark ring, 40 pixels across with a hole of 10, on white.
    fn ring() -> Picture {
        let at = |x: i32, y: i32| {
            let far = f64::from((x - 50).pow(2) + (y - 50).pow(2)).sqrt();
            if (10.0..40.0).contains(&far) { 20 } else { 255 }
        };
        Picture::new(100, 100, (0..100).flat_map(|y| (0..100).flat_map(move |x| [at(x, y); 3])).collect())
    }

    #[test]
    fn the_bag_is_kept_and_its_ground_is_not() {
        for seed in 0..20 {
            let Pasted { picture, mask } = paste(&ring(), 128, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
            assert_eq!([picture.width(), picture.height(), mask.width(), mask.height()], [128; 4]);
            let bag = mask.rgb().chunks_exact(3).filter(|m| *m == [255; 3]).count() as f64;
            let ring = picture.rgb().chunks_exact(3).zip(mask.rgb().chunks_exact(3));
            let ring = ring.filter(|(p, m)| *m == [255; 3] && *p == [20; 3]).count() as f64;
            let area = |across: f64| std::f64::consts::PI * (across / 2.0).powi(2) * 15.0 / 16.0;
            assert!(ring > 0.8 * area(0.4 * 128.0) && ring < area(128.0), "seed {seed}: {ring}");
            assert!(
                bag < 1.2 * ring,
                "seed {seed}: {bag} of which {ring} are the ring, and a hole that is a fifteenth of it"
            );
        }
    }

    #[test]
    fn the_mask_of_a_plain_picture_is_the_bag() {
        let mask = mask(&ring()).unwrap();
        let share = |x: usize, y: usize| mask.rgb()[(y * 100 + x) * 3];
        assert_eq!([share(50, 25), share(50, 50), share(2, 2), share(89, 50), share(91, 50)], [255, 0, 0, 255, 0]);
        assert_eq!((mask.width(), mask.height()), (100, 100));
    }

    #[test]
    fn what_is_enclosed_is_bag_if_it_is_filled() {
        let hole = |filled| matte(&ring(), [255; 3], filled).rgb()[(50 * 100 + 50) * 3];
        assert_eq!((hole(true), hole(false)), (255, 0));
        let corner = |filled| matte(&ring(), [255; 3], filled).rgb()[0];
        assert_eq!((corner(true), corner(false)), (0, 0));
    }

    #[test]
    fn a_picture_without_a_plain_ground_stays_as_it_is() {
        let busy = (0..64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(paste(&Picture::new(64, 64, busy), 32, &mut ChaCha8Rng::seed_from_u64(1)), None);
    }

    #[test]
    fn a_seed_fixes_the_view() {
        let view = |seed| paste(&ring(), 64, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        assert_eq!(view(3), view(3));
        assert_ne!(view(3), view(4));
    }
}
