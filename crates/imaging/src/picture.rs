//! The picture: upright, three channels, and nothing else.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::decode::MAX_SIDE;
use crate::{Refusal, decode};

/// An upright RGB picture in sRGB, eight bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of these pixels: `rgb` holds `height` rows of `width` pixels of three bytes.
    ///
    /// # Panics
    /// When a side is zero or longer than [`MAX_SIDE`], or `rgb` has another length.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        assert!((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height), "{width} x {height} pixels");
        assert_eq!(rgb.len(), width as usize * height as usize * 3, "bytes of {width} x {height} pixels");
        Picture { width, height, rgb }
    }

    /// The picture in a file's bytes, upright by its EXIF, flat on white.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        decode(bytes).map(|(_, picture)| picture)
    }

    /// Pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// `height` rows of `width` pixels of three bytes: red, green, blue.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Stretched to this size.
    ///
    /// The filter is a triangle (bilinear) that widens as the picture shrinks, so that every pixel counts: what Pillow and
    /// torchvision call bilinear with antialiasing. Unlike Catmull-Rom it cannot overshoot, and so draws no halo around a
    /// bag that was cut out on white.
    ///
    /// # Panics
    /// As [`Picture::new`] does, on the new size.
    pub fn resize(&self, width: u32, height: u32) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        self.resampled(&triangle(), width, height)
    }

    /// A part of it, given as left, top, width and height in parts of its sides, stretched to this size.
    pub(crate) fn resize_part(&self, part: (f64, f64, f64, f64), width: u32, height: u32) -> Self {
        let (w, h) = (f64::from(self.width), f64::from(self.height));
        let part =
            triangle().crop(part.0 * w, part.1 * h, (part.2 * w).min(w - part.0 * w), (part.3 * h).min(h - part.1 * h));
        self.resampled(&part, width, height)
    }

    /// The typed call, since the untyped one compiles the filter for all fifteen pixel types: minutes, for one that is used.
    fn resampled(&self, options: &ResizeOptions, width: u32, height: u32) -> Self {
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb)
            .expect("a picture has as many bytes as its size says");
        let mut rgb = vec![0; 3 * width as usize * height as usize];
        let mut target =
            TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).expect("it was made as long as this size needs");
        Resizer::new().resize_typed(&source, &mut target, options).expect("the part lies within the picture");
        Picture::new(width, height, rgb)
    }

    /// The part of the picture from `(left, top)` on.
    ///
    /// # Panics
    /// When the part is empty or reaches beyond the picture.
    pub fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Self {
        let row = self.width as usize * 3;
        let (from, to) = (left as usize * 3, (left + width) as usize * 3);
        assert!(left + width <= self.width && top + height <= self.height, "{width} x {height} at {left}, {top}");
        let rows = self.rgb.chunks_exact(row).skip(top as usize).take(height as usize);
        Picture::new(width, height, rows.flat_map(|pixels| &pixels[from..to]).copied().collect())
    }

    /// The picture in the middle of a larger one, on a ground of one colour.
    ///
    /// # Panics
    /// When the picture is larger than that.
    pub fn on(&self, width: u32, height: u32, fill: [u8; 3]) -> Self {
        assert!(self.width <= width && self.height <= height, "{} x {}", self.width, self.height);
        let (left, top) = ((width - self.width) as usize / 2, (height - self.height) as usize / 2);
        let row = width as usize * 3;
        let mut rgb = fill.repeat(width as usize * height as usize);
        for (y, pixels) in self.rgb.chunks_exact(self.width as usize * 3).enumerate() {
            let start = (top + y) * row + left * 3;
            rgb[start..start + pixels.len()].copy_from_slice(pixels);
        }
        Picture::new(width, height, rgb)
    }

    /// The picture in the middle of the smallest square that holds it, on a ground of one colour.
    ///
    /// The square has the longer side's square of pixels: shrink a stranger's panorama first.
    pub fn pad_to_square(&self, fill: [u8; 3]) -> Self {
        if self.width == self.height {
            return self.clone();
        }
        let side = self.width.max(self.height);
        self.on(side, side, fill)
    }

    /// Without its colours: Rec. 601 luma, the same in all three channels.
    pub fn grey(&self) -> Self {
        let luma = |p: &[u8]| {
            let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        let rgb = self.rgb.chunks_exact(3).flat_map(|p| [luma(p); 3]).collect();
        Picture::new(self.width, self.height, rgb)
    }

    /// Shrunk in proportion until its longer side has `longest` pixels; a smaller picture stays as it is.
    pub fn thumbnail(&self, longest: u32) -> Self {
        let now = self.width.max(self.height);
        if now <= longest {
            return self.clone();
        }
        let shrunk = |side: u32| {
            let exact = f64::from(side) * f64::from(longest) / f64::from(now);
            (exact.round() as u32).max(1)
        };
        self.resize(shrunk(self.width), shrunk(self.height))
    }

    /// As a JPEG file; `quality` from 1 to 100.
    pub fn to_jpeg(&self, quality: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, quality)
            .write_image(&self.rgb, self.width, self.height, ExtendedColorType::Rgb8)
            .expect("memory does not fail and a JPEG's sides may be four times as long as ours");
        bytes
    }

    /// As a PNG file.
    pub fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes)
            .write_image(&self.rgb, self.width, self.height, ExtendedColorType::Rgb8)
            .expect("memory does not fail and the picture has as many bytes as its size says");
        bytes
    }
}

fn triangle() -> ResizeOptions {
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::samples;

    #[test]
    fn shrinking_counts_every_pixel() {
        let stripes: Vec<u8> = (0..64 * 64).flat_map(|i| [if i % 2 == 0 { 255 } else { 0 }; 3]).collect();
        let small = Picture::new(64, 64, stripes).resize(8, 8);
        assert!(small.rgb().iter().all(|v| v.abs_diff(128) <= 12), "{:?}", &small.rgb()[..24]);
    }

    #[test]
    fn a_square_has_the_picture_in_its_middle() {
        let square = Picture::new(2, 5, vec![7; 30]).pad_to_square([1, 2, 3]);
        assert_eq!((square.width(), square.height()), (5, 5));
        for row in square.rgb().chunks_exact(15) {
            assert_eq!(row, [1, 2, 3, 7, 7, 7, 7, 7, 7, 1, 2, 3, 1, 2, 3]);
        }
        let wide = Picture::new(3, 1, vec![7; 9]).pad_to_square([0; 3]);
        assert_eq!(wide.rgb(), [[0; 9], [7; 9], [0; 9]].concat());
    }

    #[test]
    fn a_part_that_is_cut_out_and_put_back_is_where_it_was() {
        let picture = Picture::new(3, 3, (0..27).collect());
        let middle = picture.crop(1, 1, 1, 1);
        assert_eq!(middle.rgb(), [12, 13, 14]);
        let back = middle.on(3, 3, [9; 3]);
        assert_eq!(back.crop(1, 1, 1, 1), middle);
        assert_eq!(back.rgb().iter().filter(|v| **v == 9).count(), 24);
        assert_eq!(picture.crop(0, 1, 2, 2).rgb(), [9, 10, 11, 12, 13, 14, 18, 19, 20, 21, 22, 23]);
    }

    #[test]
    fn grey_is_rec_601() {
        let grey = Picture::new(4, 1, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]).grey();
        assert_eq!(grey.rgb(), [76, 76, 76, 150, 150, 150, 29, 29, 29, 255, 255, 255]);
    }

    #[test]
    fn a_thumbnail_keeps_the_proportions_and_never_grows() {
        let scene = samples::scene(300, 200);
        let small = scene.thumbnail(64);
        assert_eq!((small.width(), small.height()), (64, 43));
        assert_eq!(scene.thumbnail(300), scene);
        let thread = Picture::new(1000, 2, vec![0; 6000]).thumbnail(16);
        assert_eq!((thread.width(), thread.height()), (16, 1));
    }

    #[test]
    fn what_is_written_is_read() {
        let scene = samples::scene(40, 30);
        assert_eq!(Picture::decode(&scene.to_png()).unwrap(), scene);
        let jpeg = Picture::decode(&scene.to_jpeg(95)).unwrap();
        assert_eq!((jpeg.width(), jpeg.height()), (40, 30));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_plain_picture_stays_plain_at_any_size(w in 1..80u32, h in 1..80u32, to_w in 1..80u32, to_h in 1..80u32, v: u8) {
            let resized = Picture::new(w, h, vec![v; (w * h * 3) as usize]).resize(to_w, to_h);
            prop_assert_eq!((resized.width(), resized.height()), (to_w, to_h));
            prop_assert!(resized.rgb().iter().all(|x| *x == v));
        }
    }
}
