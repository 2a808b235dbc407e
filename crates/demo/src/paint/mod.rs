//! The painter.

use crate::assortment::Shot;
use crate::words::Kind;

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

/// A JPEG.
pub(crate) fn photo(subject: &Subject) -> Vec<u8> {
    let mut pixels = image::RgbImage::from_pixel(240, 240, image::Rgb([240, 240, 240]));
    for (x, y, p) in pixels.enumerate_pixels_mut() {
        if (60..180).contains(&x) && (80 + subject.kind as u32 * 5..190).contains(&y) {
            *p = image::Rgb(subject.colour);
        }
    }
    pixels.put_pixel(subject.shot.seed as u32 % 240, subject.model as u32 % 240, image::Rgb([0, 0, 0]));
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 85).encode_image(&pixels).expect("memory takes all");
    out
}
