//! The way in: sniff, completeness, size from the header, decoding under limits, upright, flat.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use image::error::ImageError;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::{Format, Picture, Refusal, complete, jpeg, webp};

/// The shortest side that is taken, in pixels.
pub const MIN_SIDE: u32 = 16;
/// The longest side that is taken, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The most pixels that are taken: a 50-megapixel photograph.
pub const MAX_PIXELS: u64 = 50_000_000;
/// The most memory for the pixels as the decoder delivers them, in bytes: 50 megapixels of RGBA and some room.
pub const MAX_ALLOCATION: u64 = 256 << 20;
/// The most memory that decoding may take at its peak, in bytes, what the decoder keeps for itself included: 50 megapixels of a
/// progressive JPEG with colour at full resolution.
pub const MAX_PEAK: u64 = 448 << 20;

/// A file's picture, and what the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// By its bytes, whatever its name says.
    pub format: Format,
    /// Of an animation, the first frame as it is shown.
    pub picture: Picture,
    /// An animation's frames, or the views that a camera put into one file; else 1. Counted, not decoded.
    pub frames: u32,
}

/// Decode, turn upright, flatten on white; a picture that is too small to show a bag is a picture.
///
/// # Errors
/// Every [`Refusal`] but [`Refusal::TooSmall`].
pub fn decode_any_size(bytes: &[u8]) -> Result<Decoded, Refusal> {
    decode_from(bytes, 1)
}

/// The full check of a file: decode, turn upright, flatten on white. What it is, by its bytes, and its pixels.
///
/// # Errors
/// Every [`Refusal`].
pub fn decode(bytes: &[u8]) -> Result<(Format, Picture), Refusal> {
    let decoded = decode_from(bytes, MIN_SIDE)?;
    Ok((decoded.format, decoded.picture))
}

fn decode_from(bytes: &[u8], min_side: u32) -> Result<Decoded, Refusal> {
    let format = Format::of(bytes)?;
    let frames = complete::check(format, bytes)?;
    // Decoders have panicked on strangers' files before; one such file must not take a whole scrape along.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_whole(format, bytes, min_side)));
    let picture = decoded.map_err(|_| Refusal::Undecodable { format, reason: "the decoder panicked".into() })??;
    Ok(Decoded { format, picture, frames })
}

/// Large pictures are decoded one at a time, whatever number of threads asks: each may take [`MAX_ALLOCATION`] and more.
static LARGE: Mutex<()> = Mutex::new(());
/// What counts as large, in pixels.
const LARGE_PIXELS: u64 = 8_000_000;

fn decode_whole(format: Format, bytes: &[u8], min_side: u32) -> Result<Picture, Refusal> {
    let usual = match format == Format::Jpeg && jpeg::needs_care(bytes) {
        true => None,
        false => Some(decode_as_usual(format, bytes, min_side)),
    };
    let (mut image, orientation, _turn) = match usual {
        Some(Err(Refusal::Undecodable { .. } | Refusal::Unsupported { .. })) | None if format == Format::Jpeg => {
            let no_frame = || Refusal::Undecodable { format, reason: "no frame header".into() };
            let frame = jpeg::read_frame(bytes).ok_or_else(no_frame)?;
            let (width, height) = frame.size();
            check_size(width, height, u64::from(width) * u64::from(height) * 4, min_side)?;
            check_peak(frame.careful_peak())?;
            let turn = turn(width, height);
            let (image, orientation) = jpeg::decode(bytes)?;
            (image, orientation, turn)
        }
        Some(decoded) => decoded?,
        None => unreachable!("only a JPEG needs care"),
    };
    image.apply_orientation(orientation);
    Ok(flatten(image))
}

/// Held from before a large picture is decoded until it is flat.
type Turn = Option<MutexGuard<'static, ()>>;

/// The pixels as they are stored, and how they are to be turned.
fn decode_as_usual(format: Format, bytes: &[u8], min_side: u32) -> Result<(DynamicImage, Orientation, Turn), Refusal> {
    let refuse = |error| refusal(format, error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format(format));
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refuse)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, decoder.total_bytes(), min_side)?;
    let beside = match format {
        Format::Jpeg => jpeg::read_frame(bytes).map_or(0, |frame| frame.coefficients()),
        Format::WebP => webp::beside(bytes, width, height),
        Format::Png | Format::Gif => 0,
    };
    check_peak(decoder.total_bytes() + beside)?;
    let turn = turn(width, height);
    // A broken EXIF block is no reason to refuse a picture.
    let orientation = match decoder.orientation().unwrap_or(Orientation::NoTransforms) {
        Orientation::NoTransforms if format == Format::Png => {
            // The decoder looks for EXIF before the pixels alone; it may stand behind them.
            complete::png_chunk(bytes, b"eXIf")
                .and_then(Orientation::from_exif_chunk)
                .unwrap_or(Orientation::NoTransforms)
        }
        found => found,
    };
    Ok((DynamicImage::from_decoder(decoder).map_err(refuse)?, orientation, turn))
}

fn turn(width: u32, height: u32) -> Turn {
    let is_large = u64::from(width) * u64::from(height) > LARGE_PIXELS;
    is_large.then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn check_size(width: u32, height: u32, allocation: u64, min_side: u32) -> Result<(), Refusal> {
    if width.min(height) < min_side {
        return Err(Refusal::TooSmall { width, height });
    }
    let too_large = |limit: String| Err(Refusal::TooLarge { what: format!("{width} x {height} pixels; {limit}") });
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return too_large(format!("expected at most {} million", MAX_PIXELS / 1_000_000));
    }
    if width.max(height) > MAX_SIDE {
        return too_large(format!("expected at most {MAX_SIDE} on a side"));
    }
    if allocation > MAX_ALLOCATION {
        return too_large(format!("{allocation} bytes decoded, expected at most {MAX_ALLOCATION}"));
    }
    Ok(())
}

fn check_peak(peak: u64) -> Result<(), Refusal> {
    match peak > MAX_PEAK {
        true => Err(Refusal::TooLarge { what: format!("{peak} bytes to decode it, expected at most {MAX_PEAK}") }),
        false => Ok(()),
    }
}

/// Three channels of eight bits; what shines through is white, as on a shop's page.
fn flatten(image: DynamicImage) -> Picture {
    let (width, height) = (image.width(), image.height());
    let rgb = if image.color().has_alpha() {
        without_alpha(image.into_rgba8().into_raw())
    } else {
        image.into_rgb8().into_raw()
    };
    Picture::new(width, height, rgb)
}

/// In the place of the pixels with alpha: both at once would be the most memory that decoding takes.
fn without_alpha(mut pixels: Vec<u8>) -> Vec<u8> {
    const BLOCK: usize = 1024;
    let count = pixels.len() / 4;
    let mut block = [0; 4 * BLOCK];
    for first in (0..count).step_by(BLOCK) {
        let length = BLOCK.min(count - first);
        let block = &mut block[..4 * length];
        block.copy_from_slice(&pixels[4 * first..4 * (first + length)]);
        let flat = pixels[3 * first..3 * (first + length)].as_chunks_mut::<3>().0;
        for (flat, &[r, g, b, alpha]) in flat.iter_mut().zip(block.as_chunks::<4>().0) {
            *flat = if alpha == 255 { [r, g, b] } else { [r, g, b].map(|value| on_white(value, alpha)) };
        }
    }
    pixels.truncate(3 * count);
    pixels
}

fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn image_format(format: Format) -> ImageFormat {
    match format {
        Format::Jpeg => ImageFormat::Jpeg,
        Format::Png => ImageFormat::Png,
        Format::WebP => ImageFormat::WebP,
        Format::Gif => ImageFormat::Gif,
    }
}

fn refusal(format: Format, error: ImageError) -> Refusal {
    match error {
        ImageError::Limits(limit) => Refusal::TooLarge { what: limit.to_string() },
        ImageError::Unsupported(what) => Refusal::Unsupported { what: what.to_string() },
        other => Refusal::Undecodable { format, reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::samples;

    fn png(color: ExtendedColorType, width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(pixels, width, height, color).unwrap();
        bytes
    }

    fn near(a: &[u8], b: &[u8], tolerance: u8) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= tolerance)
    }

    #[test]
    fn every_sample_decodes_and_is_what_it_is_named() {
        for (name, bytes) in samples::all() {
            let (format, picture) = decode(&bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
            assert!(name.starts_with(format.extension()), "{name}");
            assert_eq!(Picture::decode(&bytes).unwrap(), picture, "{name}");
        }
    }

    /// Eight files as a camera turned eight ways would write them must all come out as the one upright scene.
    #[test]
    fn all_eight_orientations_come_out_upright() {
        let upright = samples::scene(48, 32);
        for orientation in 1..=8u8 {
            let bytes = samples::oriented_jpeg(&upright, orientation);
            let stored = ImageReader::with_format(Cursor::new(&bytes), ImageFormat::Jpeg).decode().unwrap();
            let stored_size = (stored.width(), stored.height());
            assert_eq!(stored_size, if orientation > 4 { (32, 48) } else { (48, 32) });
            let picture = Picture::decode(&bytes).unwrap();
            assert_eq!((picture.width(), picture.height()), (48, 32), "orientation {orientation}");
            assert!(near(picture.rgb(), upright.rgb(), 40), "orientation {orientation}");
        }
    }

    #[test]
    fn a_png_may_say_behind_its_pixels_how_it_was_held() {
        let mut bytes = png(ExtendedColorType::L8, 16, 20, &[0; 320]);
        let end = bytes.len() - 12;
        let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let chunk = [&(exif.len() as u32).to_be_bytes()[..], b"eXIf", exif, &[0; 4]].concat();
        bytes.splice(end..end, chunk);
        let picture = Picture::decode(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (20, 16));
    }

    #[test]
    fn what_shines_through_is_white() {
        let mut pixels = [200, 100, 0, 255].repeat(16 * 16);
        pixels[..4].copy_from_slice(&[200, 100, 0, 0]);
        pixels[4..8].copy_from_slice(&[200, 100, 0, 128]);
        let picture = Picture::decode(&png(ExtendedColorType::Rgba8, 16, 16, &pixels)).unwrap();
        assert_eq!(picture.rgb()[..9], [255, 255, 255, 227, 177, 127, 200, 100, 0]);
        let grey = Picture::decode(&png(ExtendedColorType::La8, 16, 16, &[90, 0].repeat(256))).unwrap();
        assert!(grey.rgb().iter().all(|v| *v == 255));
    }

    #[test]
    fn grey_and_sixteen_bits_come_out_as_rgb() {
        let grey = Picture::decode(&png(ExtendedColorType::L8, 16, 16, &[90; 256])).unwrap();
        assert!(grey.rgb().iter().all(|v| *v == 90) && grey.rgb().len() == 768);
        let deep: Vec<u8> = [0x80_80u16, 0xffff, 0].repeat(256).into_iter().flat_map(u16::to_ne_bytes).collect();
        let deep = Picture::decode(&png(ExtendedColorType::Rgb16, 16, 16, &deep)).unwrap();
        assert_eq!(deep.rgb()[..3], [0x80, 0xff, 0]);
    }

    #[test]
    fn cmyk_of_a_print_shop_comes_out_as_rgb() {
        // Adobe writes inks inverted: 255 is no ink. So this is white paper, then cyan, then black.
        for (inks, rgb) in
            [([255, 255, 255, 255], [255, 255, 255]), ([0, 255, 255, 255], [0, 255, 255]), ([255, 255, 255, 0], [0; 3])]
        {
            let picture = Picture::decode(&samples::cmyk_jpeg(inks)).unwrap();
            assert!(near(&picture.rgb()[..3], &rgb, 3), "{inks:?} became {:?}", &picture.rgb()[..3]);
        }
    }

    #[test]
    fn sizes_are_judged_by_the_header() {
        let small = png(ExtendedColorType::L8, 15, 40, &[0; 600]);
        assert_eq!(Picture::decode(&small).unwrap_err(), Refusal::TooSmall { width: 15, height: 40 });
        // A few hundred bytes that promise gigapixels, in each format that can.
        for (name, bytes) in samples::bombs() {
            let refusal = Picture::decode(&bytes).unwrap_err();
            assert_eq!(refusal.cause(), "too-large", "{name}: {refusal}");
        }
    }

    #[test]
    fn a_whole_frame_around_rubbish_is_undecodable() {
        let (_, mut bytes) = samples::all().into_iter().find(|(n, _)| *n == "png rgb").unwrap();
        let data = bytes.windows(4).position(|w| w == b"IDAT").unwrap() + 4;
        bytes[data..data + 8].fill(0xaa);
        assert_eq!(Picture::decode(&bytes).unwrap_err().cause(), "undecodable");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), magic in 0..5usize) {
            let magics: [&[u8]; 5] = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x40\0\0\0WEBPVP8 "];
            let _ = Picture::decode(&[magics[magic], &bytes].concat());
        }

        #[test]
        fn no_mutation_of_a_good_file_makes_it_panic(
            sample in 0..samples::COUNT,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        ) {
            let (_, mut bytes) = samples::all().swap_remove(sample);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Ok(picture) = Picture::decode(&bytes) {
                prop_assert_eq!(picture.rgb().len() as u64, u64::from(picture.width()) * u64::from(picture.height()) * 3);
            }
        }
    }
}
