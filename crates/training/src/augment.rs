//! Views of a picture: on another ground, turned, shifted, mirrored.

use goodtwin_imaging::Picture;
use goodtwin_vision::Preprocess;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::grounds;
use crate::recipe::Augment;

/// Raised when [`view`] changes, so that no cache keeps what an older one made.
pub const VERSION: u32 = 1;
/// The same for [`grounds::paste`].
pub const GROUNDS_VERSION: u32 = 2;
/// The same for the masks of pictures and views.
pub const MASK_VERSION: u32 = 1;
/// A bag is cut out of a picture with so many times the network's side, and laid on a ground of half of that.
const CUT: u32 = 4;
/// Grounds draw from streams of their own: with or without them, a view is turned and mirrored alike.
const GROUNDS_STREAM: u64 = 1 << 32;

/// All that a view depends on but the picture and the view's number; `views` says only how many there are.
pub fn settings(augment: &Augment) -> serde_json::Value {
    let Augment { views: _, grounds, rotation, shift, flip } = augment;
    let mut settings = serde_json::json!({ "version": VERSION, "rotation": rotation, "shift": shift, "flip": flip });
    if *grounds > 0.0 {
        settings["grounds"] = serde_json::json!({ "version": GROUNDS_VERSION, "share": grounds });
    }
    settings
}

/// A picture in a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What the network sees, a square for each crop.
    pub frames: Vec<Picture>,
    /// How much of each pixel of the crop [`Whole`](goodtwin_vision::preprocess::Crop::Whole) is bag, 0 to 255 in all three
    /// channels. None where nobody knows: the bag was not on a plain ground.
    pub mask: Option<Picture>,
}

/// A picture in a view; view 0 is the picture as it is.
pub fn see(picture: &Picture, preprocess: &Preprocess, augment: &Augment, seed: u64, number: usize) -> Seen {
    let kept = picture.thumbnail(CUT * preprocess.size);
    let of_plain = || grounds::mask(&kept).map(|mask| preprocess.whole_mask(&mask));
    if number == 0 {
        return Seen { frames: preprocess.frames(picture), mask: of_plain() };
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(GROUNDS_STREAM + number as u64);
    let pasted = match rng.random_bool(augment.grounds) {
        true => grounds::paste(&kept, CUT / 2 * preprocess.size, &mut rng),
        false => None,
    };
    let (frames, mask) = match pasted {
        Some(pasted) => (preprocess.frames(&pasted.picture), Some(preprocess.whole_mask(&pasted.mask))),
        None => (preprocess.frames(picture), of_plain()),
    };
    let view = |framed: &Picture| view(framed, augment, seed, number);
    Seen { frames: frames.iter().map(view).collect(), mask: mask.as_ref().map(view) }
}

/// View `number` (from 1) of a framed picture. The picture's own seed and the number fix it.
///
/// Where the moved picture leaves a gap, its edge is repeated, as Keras' `ImageDataGenerator` does by default.
pub fn view(framed: &Picture, augment: &Augment, seed: u64, number: usize) -> Picture {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number as u64);
    let mut within = |limit: f32| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
    let angle = within(augment.rotation).to_radians();
    let (width, height) = (framed.width() as f32, framed.height() as f32);
    let (dx, dy) = (within(augment.shift) * width, within(augment.shift) * height);
    let mirrored = augment.flip && rng.random();
    let (sin, cos) = angle.sin_cos();
    let (cx, cy) = ((width - 1.0) / 2.0, (height - 1.0) / 2.0);
    let mut rgb = Vec::with_capacity(framed.rgb().len());
    for y in 0..framed.height() {
        for x in 0..framed.width() {
            let (x, y) = (x as f32 - cx - dx, y as f32 - cy - dy);
            let (sx, sy) = (cos * x + sin * y, -sin * x + cos * y);
            let sx = if mirrored { -sx } else { sx };
            rgb.extend(sample(framed, sx + cx, sy + cy));
        }
    }
    Picture::new(framed.width(), framed.height(), rgb)
}

/// Bilinear, with the edge repeated outside.
fn sample(picture: &Picture, x: f32, y: f32) -> [u8; 3] {
    let (right, bottom) = (picture.width() as usize - 1, picture.height() as usize - 1);
    let (x, y) = (x.clamp(0.0, right as f32), y.clamp(0.0, bottom as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(right), (y0 + 1).min(bottom));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let rgb = picture.rgb();
    let at = |x: usize, y: usize, c: usize| f32::from(rgb[(y * (right + 1) + x) * 3 + c]);
    std::array::from_fn(|c| {
        let top = at(x0, y0, c) * (1.0 - fx) + at(x1, y0, c) * fx;
        let low = at(x0, y1, c) * (1.0 - fx) + at(x1, y1, c) * fx;
        (top * (1.0 - fy) + low * fy).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> Picture {
        let rgb = (0..32u32).flat_map(|y| (0..32u32).flat_map(move |x| [(x * 8) as u8, (y * 8) as u8, 7])).collect();
        Picture::new(32, 32, rgb)
    }

    #[test]
    fn a_view_is_fixed_by_seed_and_number() {
        let augment = Augment { views: 4, grounds: 0.0, rotation: 20.0, shift: 0.2, flip: true };
        let views: Vec<_> = (1..=4).map(|n| view(&gradient(), &augment, 1, n)).collect();
        assert_eq!(views[2].rgb(), view(&gradient(), &augment, 1, 3).rgb());
        assert_ne!(views[0].rgb(), views[2].rgb());
        assert_ne!(views[0].rgb(), view(&gradient(), &augment, 2, 1).rgb());
    }

    #[test]
    fn nothing_to_do_changes_nothing_but_mirrors_half() {
        let still = Augment { views: 40, grounds: 0.0, rotation: 0.0, shift: 0.0, flip: true };
        let mut mirrored = 0;
        for number in 1..=40 {
            let seen = view(&gradient(), &still, 1, number);
            if seen.rgb() != gradient().rgb() {
                assert_eq!((seen.rgb()[0], seen.rgb()[31 * 3]), (31 * 8, 0));
                mirrored += 1;
            }
        }
        assert!((10..=30).contains(&mirrored), "{mirrored} of 40 are mirrored");
        let never = Augment { flip: false, ..still };
        assert!((1..=40).all(|n| view(&gradient(), &never, 1, n).rgb() == gradient().rgb()));
    }

    #[test]
    fn a_mask_moves_with_its_picture() {
        // A dark bag on white, and how far mask and darkness agree in each view.
        let dark = |x: u32, y: u32| (20..60).contains(&x) && (10..80).contains(&y);
        let at = |x, y| if dark(x, y) { [15u8; 3] } else { [255; 3] };
        let picture = Picture::new(90, 90, (0..90).flat_map(|y| (0..90).flat_map(move |x| at(x, y))).collect());
        let preprocess = Preprocess {
            size: 64,
            colour: goodtwin_vision::preprocess::Colour::Full,
            fit: goodtwin_vision::preprocess::Fit::Pad,
            crops: vec![goodtwin_vision::preprocess::Crop::Whole],
            values: Default::default(),
        };
        for grounds in [0.0, 1.0] {
            let augment = Augment { views: 9, grounds, rotation: 20.0, shift: 0.1, flip: true };
            let seen: Vec<Seen> = (0..=9).map(|number| see(&picture, &preprocess, &augment, 5, number)).collect();
            for Seen { frames, mask } in &seen {
                let mask = mask.as_ref().unwrap();
                let pixels = || frames[0].rgb().chunks_exact(3).zip(mask.rgb().chunks_exact(3));
                let bag = pixels().filter(|(_, m)| m[0] == 255).count();
                assert!(bag > 100, "{bag}");
                assert!(pixels().all(|(p, m)| m[0] < 255 || p.iter().all(|v| v.abs_diff(15) < 40)), "bag is dark");
                if grounds == 0.0 {
                    assert!(pixels().all(|(p, m)| m[0] > 0 || p[0] > 200), "and all else is white");
                }
            }
            assert_ne!(seen[1], seen[2]);
        }
        let busy = (0..64 * 64 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let busy = Picture::new(64, 64, busy);
        let augment = Augment { views: 1, grounds: 1.0, rotation: 0.0, shift: 0.0, flip: false };
        assert!((0..2).all(|number| see(&busy, &preprocess, &augment, 1, number).mask.is_none()));
    }
}
