//! Where the bag is, where the ground is plain enough to say.

use goodtwin_imaging::Picture;

/// How far a channel may lie from the ground's, of 255: JPEG's noise and a soft shadow stay within.
pub const TOLERANCE: u8 = 14;
/// The share of the border that must be of one colour for the ground to be plain.
const PLAIN: f64 = 0.8;
/// The share of a row or column that must differ from the ground for the bag to be in it: specks do not count.
const SHARE: f64 = 0.01;
/// The smallest share of the picture that is taken for a bag.
const SMALLEST: f64 = 0.02;

/// A bag on a plain ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bag {
    /// Pixels from the left edge.
    pub left: u32,
    /// Pixels from the upper edge.
    pub top: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The ground's colour: the median of the picture's border.
    pub ground: [u8; 3],
}

impl Bag {
    /// The smallest box that holds all that differs from a plain ground. None where the border has many colours, where
    /// nothing differs, or too little to be a bag.
    pub fn find(picture: &Picture) -> Option<Bag> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let pixels: Vec<[u8; 3]> = picture.rgb().chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        let band = (width.min(height) / 50).max(1);
        let on_border = |i: usize| {
            let (x, y) = (i % width, i / width);
            x < band || y < band || x >= width - band || y >= height - band
        };
        let border: Vec<[u8; 3]> = (0..pixels.len()).filter(|i| on_border(*i)).map(|i| pixels[i]).collect();
        let ground: [u8; 3] = std::array::from_fn(|c| {
            let mut values: Vec<u8> = border.iter().map(|p| p[c]).collect();
            let middle = values.len() / 2;
            *values.select_nth_unstable(middle).1
        });
        let off = |p: &[u8; 3]| (0..3).map(|c| p[c].abs_diff(ground[c])).max().unwrap_or(0);
        let alike = border.iter().filter(|p| off(p) <= TOLERANCE / 2 * 3).count();
        if (alike as f64) < PLAIN * border.len() as f64 {
            return None;
        }
        let (mut in_column, mut in_row) = (vec![0usize; width], vec![0usize; height]);
        for (i, pixel) in pixels.iter().enumerate() {
            if off(pixel) > TOLERANCE {
                in_column[i % width] += 1;
                in_row[i / width] += 1;
            }
        }
        let (left, right) = extent(&in_column, height)?;
        let (top, bottom) = extent(&in_row, width)?;
        let (across, down) = (right - left + 1, bottom - top + 1);
        ((across * down) as f64 >= SMALLEST * pixels.len() as f64).then_some(Bag {
            left: left as u32,
            top: top as u32,
            width: across as u32,
            height: down as u32,
            ground,
        })
    }
}

/// The first and the last line with enough pixels that differ, of `length` each.
fn extent(counts: &[usize], length: usize) -> Option<(usize, usize)> {
    let enough = |count: &usize| *count as f64 >= (SHARE * length as f64).max(1.0);
    Some((counts.iter().position(enough)?, counts.iter().rposition(enough)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 60 x 80, grey ground, and a box on it.
    fn product(left: u32, top: u32, width: u32, height: u32) -> Picture {
        let mut rgb = [200, 201, 202].repeat(60 * 80);
        for y in top..top + height {
            for x in left..left + width {
                let at = (y * 60 + x) as usize * 3;
                rgb[at..at + 3].copy_from_slice(&[30, 60, 90]);
            }
        }
        Picture::new(60, 80, rgb)
    }

    #[test]
    fn the_box_is_that_of_the_bag() {
        let bag = Bag::find(&product(12, 30, 31, 22)).unwrap();
        assert_eq!(bag, Bag { left: 12, top: 30, width: 31, height: 22, ground: [200, 201, 202] });
        let large = product(12, 30, 31, 22).resize(600, 800);
        let mut rgb = large.rgb().to_vec();
        rgb[3 * (600 * 3 + 3)] = 0;
        let bag = Bag::find(&Picture::new(600, 800, rgb)).expect("a speck is no bag");
        assert!(bag.left.abs_diff(120) <= 6 && bag.top.abs_diff(300) <= 6, "{bag:?}");
        assert!(bag.width.abs_diff(310) <= 12 && bag.height.abs_diff(220) <= 12, "{bag:?}");
    }

    #[test]
    fn no_bag_is_found_where_there_is_no_plain_ground_or_nothing_on_it() {
        let stripes = (0..60 * 80).flat_map(|i| [if i / 7 % 2 == 0 { 20 } else { 230 }; 3]).collect();
        assert_eq!(Bag::find(&Picture::new(60, 80, stripes)), None);
        assert_eq!(Bag::find(&Picture::new(60, 80, vec![255; 60 * 80 * 3])), None);
        assert_eq!(Bag::find(&product(3, 3, 8, 8)), None, "64 pixels of 4,800");
        assert!(Bag::find(&Picture::new(1, 1, vec![7; 3])).is_none());
    }
}
