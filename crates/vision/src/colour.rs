//! The colours of what a picture shows, whatever its shape: the embedding is made from luma, and this is what it leaves out.
//!
//! A histogram over Ottosson's Oklab (2020), in which steps that look alike are alike; each pixel is shared among the cells
//! around it, so that a little more light does not make another colour. Square roots make of the dot product of two such
//! histograms the Bhattacharyya coefficient: 1 for the same colours in the same shares, 0 for none in common.

use std::sync::LazyLock;

use goodtwin_imaging::Picture;

use crate::activation::Activation;

/// Cells along lightness, from green to red, from blue to yellow.
const CELLS: [usize; 3] = [4, 7, 7];
/// The least and the greatest value along each; what is beyond counts as the last cell.
const RANGE: [(f32, f32); 3] = [(0.0, 1.0), (-0.24, 0.24), (-0.24, 0.24)];
/// Which histogram this is: histograms of different ones are not compared. It goes up with whatever changes a value of one, here or
/// in what the mask's places are to a pixel.
pub const VERSION: u32 = 2;
/// Values of a histogram.
pub const LEN: usize = CELLS[0] * CELLS[1] * CELLS[2];

/// Colours of the places that are bag, or of the whole picture where that is not known; of length 1 (Euclidean), none below 0.
pub fn histogram(picture: &Picture, bag: Option<&Activation>) -> Vec<f32> {
    Colours::of(picture).histogram(bag)
}

/// Each pixel's place among the cells. Finding it is most of the work and asks nothing of the mask, so that it can be done while a
/// card works out where the bag is.
pub struct Colours {
    width: usize,
    height: usize,
    pixels: Vec<Place>,
}

impl Colours {
    /// Of every pixel of a picture.
    pub fn of(picture: &Picture) -> Colours {
        let pixels = picture.rgb().chunks_exact(3).map(|rgb| Place::of([rgb[0], rgb[1], rgb[2]])).collect();
        Colours { width: picture.width() as usize, height: picture.height() as usize, pixels }
    }

    /// [`histogram`] of the picture.
    pub fn histogram(&self, bag: Option<&Activation>) -> Vec<f32> {
        let mut cells = vec![0f32; LEN];
        for (n, pixel) in self.pixels.iter().enumerate() {
            // Squared, or the ground would seep in wherever the mask is in doubt, and there is more ground than bag.
            let weight = bag.map_or(1.0, |bag| bag.at_cell(n, self.width, self.height).clamp(0.0, 1.0).powi(2));
            if weight > 0.0 {
                pixel.share(weight, &mut cells);
            }
        }
        let length = cells.iter().sum::<f32>().sqrt();
        // A mask that sees no bag at all says nothing of its colours.
        if length == 0.0 && bag.is_some() {
            return self.histogram(None);
        }
        cells.iter_mut().for_each(|cell| *cell = cell.sqrt() / length);
        cells
    }
}

/// Where a colour falls: the cell before it along each axis, and how far it is on the way to the next.
struct Place([(u8, f32); 3]);

impl Place {
    fn of(rgb: [u8; 3]) -> Place {
        let values = oklab(rgb);
        Place(std::array::from_fn(|axis| {
            let (least, greatest) = RANGE[axis];
            let last = (CELLS[axis] - 1) as f32;
            let at = ((values[axis] - least) / (greatest - least) * last).clamp(0.0, last);
            let cell = (at as usize).min(CELLS[axis] - 2);
            (cell as u8, at - cell as f32)
        }))
    }

    /// Add a weight to the two cells around it along each axis.
    fn share(&self, weight: f32, cells: &mut [f32]) {
        for corner in 0..8 {
            let side = |axis: usize| corner >> axis & 1;
            let part = |axis: usize| if side(axis) == 1 { self.0[axis].1 } else { 1.0 - self.0[axis].1 };
            let at = |axis: usize| usize::from(self.0[axis].0) + side(axis);
            cells[(at(0) * CELLS[1] + at(1)) * CELLS[2] + at(2)] += weight * part(0) * part(1) * part(2);
        }
    }
}

/// The light of each value of sRGB: worked out once, as a picture has thousands of pixels.
static LIGHT: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|v| {
        let v = v as f32 / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    })
});

/// sRGB to lightness, green to red, blue to yellow.
fn oklab(rgb: [u8; 3]) -> [f32; 3] {
    let [r, g, b] = rgb.map(|v| LIGHT[usize::from(v)]);
    let l = (0.412_221_47 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rgb: [u8; 3]) -> Picture {
        Picture::new(8, 4, rgb.repeat(32))
    }

    fn alike(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn oklab_is_as_published() {
        // Ottosson's table of test values is in XYZ; these are his sRGB primaries, to three digits.
        for (rgb, expected) in [
            ([255, 255, 255], [1.0, 0.0, 0.0]),
            ([255, 0, 0], [0.628, 0.225, 0.126]),
            ([0, 255, 0], [0.866, -0.234, 0.179]),
            ([0, 0, 255], [0.452, -0.032, -0.312]),
            ([0, 0, 0], [0.0, 0.0, 0.0]),
        ] {
            for (value, expected) in oklab(rgb).iter().zip(expected) {
                assert!((value - expected).abs() < 1e-3, "{rgb:?}: {value}, expected {expected}");
            }
        }
    }

    #[test]
    fn another_histogram_has_another_version() {
        let rgb: Vec<u8> = (0..24 * 24 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let bag = Activation { height: 2, width: 2, values: vec![1.0, 0.5, 0.25, 0.0] };
        let found = histogram(&Picture::new(24, 24, rgb), Some(&bag));
        let expected = [(109, 0.453), (134, 0.374), (131, 0.360), (85, 0.288)];
        assert!(
            VERSION == 2 && expected.iter().all(|(cell, value)| (found[*cell] - value).abs() < 2e-3),
            "a new histogram wants a new version: {VERSION}, {:?}",
            expected.map(|(cell, _)| found[cell])
        );
    }

    #[test]
    fn near_colours_are_more_alike_than_far_ones() {
        let of = |rgb: [u8; 3]| histogram(&plain(rgb), None);
        let red = of([200, 30, 30]);
        assert!((alike(&red, &red) - 1.0).abs() < 1e-5);
        let (near, far) = (alike(&red, &of([180, 40, 35])), alike(&red, &of([30, 60, 190])));
        assert!(near > 0.8 && far < 0.1, "{near} {far}");
        let brighter = alike(&of([90, 60, 30]), &of([110, 75, 40]));
        assert!(brighter > 0.8, "{brighter}");
    }

    #[test]
    fn the_mask_says_whose_colours_count() {
        // Red on the left, white on the right.
        let rgb = (0..32).flat_map(|n| if n % 8 < 4 { [200, 30, 30] } else { [255; 3] }).collect();
        let picture = Picture::new(8, 4, rgb);
        let mask = |values: [f32; 4]| Activation { height: 1, width: 4, values: values.to_vec() };
        let red = histogram(&plain([200, 30, 30]), None);
        let on_bag = histogram(&picture, Some(&mask([1.0, 1.0, 0.0, 0.0])));
        assert!(alike(&red, &on_bag) > 0.95);
        assert!(alike(&red, &histogram(&picture, None)) < 0.8);
        assert_eq!(histogram(&picture, Some(&mask([0.0; 4]))), histogram(&picture, None));
        assert_eq!(on_bag.len(), LEN);
    }
}
