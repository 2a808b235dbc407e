//! The painter: a model's seed, a colour and a shot in; a JPEG out.
//!
//! - [`canvas`]: parts of a bag as paths, puffed up and lit.
//! - [`material`]: leather, canvas, quilting, stripes: what parts are made of.
//! - [`carried`], [`worn`]: the eight types of bag.
//! - [`ground`]: plain paper, or a shelf, a street, a wall, a table.

mod canvas;
mod carried;
mod ground;
mod material;
mod worn;

use image::codecs::jpeg::JpegEncoder;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiny_skia::Transform;

use crate::assortment::Shot;
use crate::words::Kind;
use canvas::{Canvas, normalise};
use material::{Material, Rgb, Texture, mix};

/// What to paint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub kind: Kind,
    /// Seeds the model: shape, material, hardware.
    pub model: u64,
    /// sRGB.
    pub colour: [u8; 3],
    pub shot: Shot,
}

/// What a bag is made of.
struct Kit {
    body: Material,
    trim: Material,
    metal: Material,
    strap: Material,
    lining: Rgb,
    thread: Rgb,
}

/// Take the photograph: 240 to 320 pixels a side.
pub(crate) fn photo(subject: &Subject) -> Vec<u8> {
    let mut shot = ChaCha8Rng::seed_from_u64(subject.shot.seed);
    let (width, height) = (shot.random_range(30..=40) * 8, shot.random_range(30..=40) * 8);
    let side = if shot.random_bool(0.7) { -1.0 } else { 1.0 };
    let light =
        normalise([side * between(&mut shot, 0.25, 0.6), -between(&mut shot, 0.35, 0.7), between(&mut shot, 0.9, 1.4)]);
    let mut canvas = Canvas::new(width, height, light);
    ground::paint(&mut canvas, subject.shot.busy, &mut shot);

    let size = between(&mut shot, 0.68, 0.96);
    let (narrow, skew) = if subject.shot.turned {
        (
            between(&mut shot, 0.76, 0.88),
            between(&mut shot, 0.06, 0.14) * if shot.random_bool(0.5) { -1.0 } else { 1.0 },
        )
    } else {
        (1.0, 0.0)
    };
    let tilt = Transform::from_row(size * narrow, size * skew, 0.0, size, 0.0, 0.0)
        .post_rotate(between(&mut shot, -7.0, 7.0))
        .post_translate(between(&mut shot, -0.05, 0.05), between(&mut shot, -0.02, 0.06));
    canvas.look(tilt);

    // The same numbers in the same order for every photograph of a model: its shape does not depend on the shot.
    let mut model = ChaCha8Rng::seed_from_u64(subject.model);
    let kit = kit(subject, &mut model);
    let foot = match subject.kind {
        Kind::Weekender | Kind::Clutch => 0.72,
        Kind::BeltBag => 0.64,
        _ => 0.78,
    };
    canvas.shadow(&canvas::oval(0.0, foot, 0.62, 0.07), (0.05, 0.02), 0.09, 0.5);
    match subject.kind {
        Kind::Backpack => worn::backpack(&mut canvas, &kit, &mut model),
        Kind::Tote => carried::tote(&mut canvas, &kit, &mut model),
        Kind::Weekender => carried::weekender(&mut canvas, &kit, &mut model),
        Kind::ShoulderBag => worn::shoulder_bag(&mut canvas, &kit, &mut model),
        Kind::Clutch => carried::clutch(&mut canvas, &kit, &mut model),
        Kind::CircleBag => worn::circle_bag(&mut canvas, &kit, &mut model),
        Kind::BucketBag => carried::bucket_bag(&mut canvas, &kit, &mut model),
        Kind::BeltBag => worn::belt_bag(&mut canvas, &kit, &mut model),
    }
    develop(canvas, &mut shot)
}

fn kit(subject: &Subject, model: &mut ChaCha8Rng) -> Kit {
    let colour = subject.colour.map(|c| f32::from(c) / 255.0);
    let bright = (colour[0] + colour[1] + colour[2]) / 3.0;
    let pattern =
        if bright > 0.45 { mix(colour, [0.12, 0.1, 0.12], 0.62) } else { mix(colour, [0.94, 0.91, 0.85], 0.72) };
    let scale = between(model, 0.8, 1.3);
    let (texture, gloss, bump) = *[
        (Texture::Grain(0.022 * scale), 0.16, 0.55),
        (Texture::Grain(0.034 * scale), 0.1, 0.7),
        (Texture::Smooth, 0.32, 0.1),
        (Texture::Smooth, 0.16, 0.1),
        (Texture::Weave(0.022 * scale), 0.02, 0.6),
        (Texture::Weave(0.036 * scale), 0.02, 0.7),
        (Texture::Quilt(0.2 * scale), 0.14, 1.4),
        (Texture::Quilt(0.3 * scale), 0.24, 1.6),
        (Texture::Ribs(0.1 * scale), 0.08, 1.0),
        (Texture::Stripes(0.15 * scale), 0.03, 0.3),
        (Texture::Checks(0.2 * scale), 0.02, 0.3),
        (Texture::Basket(0.085 * scale), 0.08, 1.0),
        (Texture::Dots(0.15 * scale), 0.03, 0.3),
    ]
    .choose(model)
    .expect("there are materials");
    let seed = model.random();
    let body = Material { colour, second: pattern, texture, gloss, bump, seed };
    let leather = |colour: Rgb| Material {
        colour,
        second: colour,
        texture: Texture::Grain(0.02),
        gloss: 0.18,
        bump: 0.3,
        seed: seed ^ 1,
    };
    let trim = match model.random_range(0..6) {
        0 => leather([0.60, 0.38, 0.20]),
        1 => leather([0.15, 0.13, 0.13]),
        2 => leather([0.36, 0.22, 0.15]),
        3 => leather(mix(colour, [0.0; 3], 0.4)),
        4 => leather(mix(colour, [1.0; 3], 0.25)),
        _ => leather(mix(colour, [0.0; 3], 0.15)),
    };
    let strap = if model.random_bool(0.6) { trim.clone() } else { leather(mix(colour, [0.0; 3], 0.18)) };
    let metal = [[0.83, 0.68, 0.36], [0.78, 0.78, 0.80], [0.25, 0.25, 0.27], [0.72, 0.52, 0.38]];
    let thread = if model.random_bool(0.5) { mix(colour, [1.0, 0.96, 0.88], 0.7) } else { mix(colour, [0.0; 3], 0.5) };
    Kit {
        body,
        trim,
        strap,
        metal: Material::plain(*metal.choose(model).expect("there are metals"), 0.8),
        lining: mix([0.2, 0.16, 0.14], colour, model.random_range(0..3) as f32 * 0.15),
        thread,
    }
}

/// White balance, vignette, grain, and a JPEG of some quality.
fn develop(mut canvas: Canvas, shot: &mut ChaCha8Rng) -> Vec<u8> {
    let warmth = between(shot, -0.05, 0.05);
    let exposure = between(shot, 0.88, 1.1);
    let corner = between(shot, 0.0, 0.12);
    let gain = [exposure * (1.0 + warmth), exposure, exposure * (1.0 - warmth)];
    canvas.every_pixel(|x, y, p| {
        let fall = 1.0 - corner * (x * x + y * y) * 0.5;
        std::array::from_fn(|c| p[c] * gain[c] * fall)
    });
    let (width, height) = (canvas.width, canvas.height);
    let strength = between(shot, 1.0, 5.0);
    let mut bytes = canvas.into_bytes();
    for pixel in bytes.chunks_exact_mut(3) {
        let noise = (shot.random::<f32>() + shot.random::<f32>() - 1.0) * strength;
        pixel.iter_mut().for_each(|v| *v = (f32::from(*v) + noise).round() as u8);
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, shot.random_range(68..=93))
        .encode(&bytes, width, height, image::ExtendedColorType::Rgb8)
        .expect("three bytes a pixel, and memory takes them all");
    jpeg
}

fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: Kind, model: u64, seed: u64) -> Subject {
        Subject { kind, model, colour: [158, 90, 48], shot: Shot { seed, busy: seed % 2 == 1, turned: false } }
    }

    #[test]
    fn a_photograph_is_a_jpeg_of_the_promised_size_and_repeats() {
        for kind in Kind::ALL {
            let jpeg = photo(&subject(kind, 3, 4));
            assert_eq!(jpeg, photo(&subject(kind, 3, 4)), "{kind:?}");
            let picture = image::load_from_memory(&jpeg).unwrap();
            assert!((240..=320).contains(&picture.width()) && (240..=320).contains(&picture.height()), "{kind:?}");
        }
    }

    #[test]
    fn types_models_colours_and_shots_all_show() {
        let base = photo(&subject(Kind::Tote, 3, 4));
        assert_ne!(base, photo(&subject(Kind::Clutch, 3, 4)));
        assert_ne!(base, photo(&subject(Kind::Tote, 5, 4)));
        assert_ne!(base, photo(&subject(Kind::Tote, 3, 6)));
        assert_ne!(base, photo(&Subject { colour: [38, 48, 82], ..subject(Kind::Tote, 3, 4) }));
    }

    #[test]
    fn every_model_of_every_type_can_be_painted() {
        for kind in Kind::ALL {
            for model in 0..12 {
                let turned = Shot { seed: 31 * model + 1, busy: model % 3 == 0, turned: model % 2 == 0 };
                assert!(photo(&Subject { shot: turned, ..subject(kind, model, 0) }).len() > 2_000);
            }
        }
    }
}
