//! JPEGs that the usual decoder gets wrong.
//!
//! `image` decodes by `zune-jpeg`, which is fast and right on what cameras and shops write. A sequential JPEG whose components
//! come in scans of their own, and one with unusual sampling, it decodes with shifted or wrong colours and no error. Those go to
//! `jpeg-decoder`, `image`'s decoder of earlier years, and so does what `zune-jpeg` gives up on. Neither reads arithmetic coding
//! or twelve bits.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, Error, PixelFormat};

use crate::{Format, Refusal};

/// What the frame header says.
pub struct Frame {
    width: u16,
    height: u16,
    is_sequential: bool,
    is_progressive: bool,
    /// Horizontal and vertical sampling factor of each component.
    sampling: Vec<(u8, u8)>,
    /// Components of the first scan.
    in_first_scan: usize,
}

/// Whether the usual decoder would get this file wrong.
pub fn needs_care(bytes: &[u8]) -> bool {
    let Some(frame) = read_frame(bytes) else { return false };
    let is_split = frame.is_sequential && frame.in_first_scan < frame.sampling.len();
    let usual = match frame.sampling.as_slice() {
        [_] => true,
        [luma, rest @ ..] => {
            matches!(luma, (1 | 2, 1 | 2)) && (rest.iter().all(|s| *s == (1, 1)) || rest.iter().all(|s| s == luma))
        }
        [] => true,
    };
    is_split || !usual
}

impl Frame {
    /// Pixels as they are stored.
    pub fn size(&self) -> (u32, u32) {
        (self.width.into(), self.height.into())
    }

    /// What a decoder keeps until the last scan of a progressive picture, in bytes: two for each sample.
    pub fn coefficients(&self) -> u64 {
        if self.is_progressive { 2 * self.samples() } else { 0 }
    }

    /// The most that [`decode`] holds at once, in bytes: coefficients, planes and pixels.
    pub fn careful_peak(&self) -> u64 {
        let pixels = u64::from(self.width) * u64::from(self.height);
        self.coefficients() + self.samples() + pixels * self.sampling.len() as u64
    }

    /// Samples of all components: one that is sampled at half the resolution has a quarter of them.
    fn samples(&self) -> u64 {
        let most = |side: fn(&(u8, u8)) -> u8| self.sampling.iter().map(side).max().unwrap_or(1).max(1);
        let full = u64::from(most(|s| s.0)) * u64::from(most(|s| s.1));
        let parts: u64 = self.sampling.iter().map(|(h, v)| u64::from(*h) * u64::from(*v)).sum();
        u64::from(self.width) * u64::from(self.height) * parts / full
    }
}

/// The frame header and the first scan's; nothing, where one of them is missing.
pub fn read_frame(bytes: &[u8]) -> Option<Frame> {
    let mut at = 2;
    let mut frame = None;
    loop {
        while *bytes.get(at)? != 0xff {
            at += 1;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = bytes[at];
        at += 1;
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let payload = bytes.get(at + 2..at + length)?;
        at += length;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let components = payload.get(6..)?.chunks_exact(3);
                let side = |at: usize| Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
                frame = Some(Frame {
                    width: side(3)?,
                    height: side(1)?,
                    is_sequential: matches!(marker, 0xc0 | 0xc1),
                    is_progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce),
                    sampling: components.map(|c| (c[1] >> 4, c[1] & 15)).collect(),
                    in_first_scan: 0,
                });
            }
            0xda => {
                let mut frame = frame?;
                frame.in_first_scan = usize::from(*payload.first()?);
                return Some(frame);
            }
            0xd9 => return None,
            _ => {}
        }
    }
}

/// Decode by the careful decoder, and how the camera was held. The caller has checked the size.
///
/// # Errors
/// `unsupported` or `undecodable`.
pub fn decode(bytes: &[u8]) -> Result<(DynamicImage, Orientation), Refusal> {
    let undecodable = |reason: String| Refusal::Undecodable { format: Format::Jpeg, reason };
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(super::decode::MAX_ALLOCATION as usize);
    let pixels = decoder.decode().map_err(|e| match e {
        Error::Unsupported(what) => Refusal::Unsupported { what: format!("a JPEG with {what:?}") },
        other => undecodable(other.to_string()),
    })?;
    let info = decoder.info().ok_or_else(|| undecodable("no frame".into()))?;
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let image = match info.pixel_format {
        PixelFormat::L8 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::from),
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels).map(DynamicImage::from),
        // Inks as this decoder delivers them: 0 is none.
        PixelFormat::CMYK32 => {
            let paper = |ink: u8, black: u8| (u32::from(255 - ink) * u32::from(255 - black) / 255) as u8;
            let rgb = pixels.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|c| paper(p[c], p[3]))).collect();
            RgbImage::from_raw(width, height, rgb).map(DynamicImage::from)
        }
        PixelFormat::L16 => return Err(Refusal::Unsupported { what: "a JPEG of sixteen bits".into() }),
    };
    let image = image.ok_or_else(|| undecodable("fewer pixels than its header says".into()))?;
    Ok((image, orientation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Picture, decode_any_size};

    fn golden(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/conform/images/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    /// Five encodings of one picture must come out as that picture.
    #[test]
    fn scans_and_sampling_do_not_change_the_picture() {
        let usual = Picture::decode(&golden("interleaved-420.jpg")).unwrap();
        for (name, care) in [
            ("split-420.jpg", true),
            ("split-444.jpg", true),
            ("sampling-411.jpg", true),
            ("sampling-1x2.jpg", false),
            ("progressive.jpg", false),
        ] {
            let bytes = golden(name);
            assert_eq!(needs_care(&bytes), care, "{name}");
            let picture = Picture::decode(&bytes).unwrap();
            let error: u64 = picture.rgb().iter().zip(usual.rgb()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = error as f64 / usual.rgb().len() as f64;
            // Colour at half the resolution alone costs 7.2 on this picture, decoded by Pillow as well.
            assert!(mean < 8.0, "{name}: {mean}");
        }
    }

    #[test]
    fn what_neither_decoder_reads_is_named() {
        let refusal = Picture::decode(&golden("arithmetic.jpg")).unwrap_err();
        assert_eq!(refusal.cause(), "unsupported", "{refusal}");
    }

    #[test]
    fn frames_are_counted_and_any_size_is_a_picture() {
        assert_eq!(decode_any_size(&golden("animated.gif")).unwrap().frames, 3);
        let dot = decode_any_size(&golden("one-pixel.png")).unwrap();
        assert_eq!((dot.picture.rgb(), dot.frames), (&[10, 20, 30][..], 1));
        assert_eq!(Picture::decode(&golden("one-pixel.png")).unwrap_err().cause(), "too-small");
    }
}
