//! What every run is measured against, on the same pictures, queries and gallery: chance, colours, and ImageNet's VGG16
//! as it came. A run on another trunk is measured against that one as well.

use std::path::Path;

use goodtwin_core::Dataset;
use goodtwin_imaging::Picture;
use goodtwin_vision::preprocess::{Colour, Crop, Fit};
use goodtwin_vision::untouched::{NAMES, Untouched};
use goodtwin_vision::{Architecture, Compute, Preprocess, Weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::cache::{Source, decode};
use crate::recipe::Augment;
use crate::{Result, TrunkCache, Ui};

/// Pictures through block 5 at once.
const BATCH: usize = 32;

/// Directions drawn at random: what chance finds.
pub fn random(pictures: usize) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let values = |_| unit((0..64).map(|_| rng.random_range(-1.0..1.0f32)).collect());
    (0..pictures).map(values).collect()
}

/// Colours alone: eight levels a channel, 512 bins (Swain and Ballard 1991), compared by Hellinger's distance.
pub fn colours(dataset: &Dataset, ui: &Ui) -> Result<Vec<Vec<f32>>> {
    let bar = ui.bar(dataset.rows.len() as u64, "colours");
    let found = dataset.rows.par_iter().map(|row| {
        bar.inc(1);
        Ok(histogram(&decode(dataset, row)?.thumbnail(256)))
    });
    let found = found.collect();
    bar.finish_and_clear();
    found
}

fn histogram(picture: &Picture) -> Vec<f32> {
    let mut bins = vec![0f32; 512];
    for pixel in picture.rgb().chunks_exact(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(|v| usize::from(v >> 5));
        bins[r << 6 | g << 3 | b] += 1.0;
    }
    unit(bins.into_iter().map(f32::sqrt).collect())
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    values.iter_mut().for_each(|v| *v /= length);
    values
}

/// How the untouched trunk sees pictures, and where its outputs are kept.
pub struct Trunk<'a> {
    /// ImageNet's weights: of which network they are, they say.
    pub imagenet: &'a Weights,
    /// The trunk's cache: each picture goes through the frozen part once, in colour and in grey.
    pub cache: &'a Path,
    /// Pixels of a side.
    pub size: u32,
    /// How a picture becomes square.
    pub fit: Fit,
}

impl Trunk<'_> {
    /// How it sees pictures, in colour and in grey, and what its features' names begin with.
    ///
    /// # Errors
    /// A size that the trunk cannot take.
    pub fn preprocesses(&self) -> Result<[(&'static str, Preprocess); 2]> {
        let values = Architecture::of(self.imagenet)?.values();
        let seen = |colour| Preprocess { size: self.size, colour, fit: self.fit, crops: vec![Crop::Whole], values };
        let both = [("", seen(Colour::Full)), ("grey, ", seen(Colour::Grey))];
        for (_, preprocess) in &both {
            preprocess.check()?;
        }
        Ok(both)
    }
}

/// Tell what each untouched feature says of every picture: names and rows of length 1, one feature after the other, so
/// that memory holds one colour's features at a time.
pub fn untouched(
    dataset: &Dataset,
    trunk: &Trunk<'_>,
    compute: &Compute,
    ui: &Ui,
    mut tell: impl FnMut(String, Vec<Vec<f32>>),
) -> Result<()> {
    let network = Untouched::load(trunk.imagenet, compute.device())?;
    let architecture = Architecture::of(trunk.imagenet)?;
    let of = if architecture.is_default() { String::new() } else { format!("{architecture}, ") };
    let alone = Augment::default();
    for (prefix, preprocess) in trunk.preprocesses()? {
        let source =
            Source { dataset, preprocess: &preprocess, augment: &alone, imagenet: trunk.imagenet, compute, ui };
        let cache = TrunkCache::open(trunk.cache, &source)?;
        let mut features: [Vec<Vec<f32>>; NAMES.len()] = Default::default();
        let bar = ui.bar(dataset.rows.len() as u64, "untouched block 5");
        let rows: Vec<usize> = (0..dataset.rows.len()).collect();
        for batch in rows.chunks(BATCH) {
            let block4 = cache.batch(batch, &vec![0; batch.len()], compute.device())?;
            for (all, new) in features.iter_mut().zip(network.features_of(block4)) {
                all.extend(new);
            }
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        for (name, rows) in NAMES.iter().zip(features) {
            tell(format!("{of}{prefix}{name}"), rows);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_sees_colours_and_not_places() {
        let half = |left: [u8; 3], right: [u8; 3]| Picture::new(4, 1, [left, left, right, right].concat());
        let (red, blue) = ([250, 0, 0], [0, 0, 250]);
        let dot = |a: &Picture, b: &Picture| -> f32 { histogram(a).iter().zip(histogram(b)).map(|(a, b)| a * b).sum() };
        assert!((dot(&half(red, blue), &half(blue, red)) - 1.0).abs() < 1e-6);
        assert!((dot(&half(red, red), &half(blue, red)) - 0.5f32.sqrt()).abs() < 1e-6);
        assert_eq!(dot(&half(red, red), &half(blue, blue)), 0.0);
    }

    #[test]
    fn chance_is_the_same_each_time() {
        assert_eq!(random(3), random(3));
        assert_ne!(random(2)[0], random(2)[1]);
    }
}
