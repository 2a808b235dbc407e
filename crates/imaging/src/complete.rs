//! Whether a file has its end.
//!
//! Decoders are kind to half a file: `image` decodes 20 of 25 JPEGs cut at half of their bytes without an error, and the
//! lower half of the bag is grey. So the file's frame is walked first, by each format's own rules, without decoding.
//! Bytes after the end are tolerated: cameras and shops append things.

use crate::{Format, Refusal};

/// Walk the file's frame to its end; how many pictures are in it, an animation's frames or a camera's views.
///
/// # Errors
/// `truncated` when the bytes stop before it, `undecodable` when the frame holds no picture or makes no sense.
pub fn check(format: Format, bytes: &[u8]) -> Result<u32, Refusal> {
    let walked = match format {
        Format::Jpeg => jpeg(bytes),
        Format::Png => png(bytes),
        Format::WebP => webp(bytes),
        Format::Gif => gif(bytes),
    };
    walked.map_err(|fault| match fault {
        Ends(missing) => Refusal::Truncated { format, received: bytes.len(), missing },
        Senseless(reason) => Refusal::Undecodable { format, reason: reason.into() },
    })
}

enum Fault {
    /// The bytes stop where this should follow.
    Ends(&'static str),
    /// No decoder could make sense of it.
    Senseless(&'static str),
}

use Fault::{Ends, Senseless};

/// Reads forward; every read past the end says what is missing.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    missing: &'static str,
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8], at: usize, missing: &'static str) -> Self {
        Cursor { bytes, at, missing }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let end = self.at.checked_add(n).ok_or(Ends(self.missing))?;
        let taken = self.bytes.get(self.at..end).ok_or(Ends(self.missing))?;
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    fn skip_past(&mut self, byte: u8) -> Result<(), Fault> {
        let found = self.bytes[self.at..].iter().position(|b| *b == byte).ok_or(Ends(self.missing))?;
        self.at += found + 1;
        Ok(())
    }

    fn four(&mut self) -> Result<[u8; 4], Fault> {
        Ok(self.take(4)?.try_into().expect("four were taken"))
    }
}

/// Markers up to the end of the image. A thumbnail's end lies inside of an APP segment, which its length skips.
fn jpeg(bytes: &[u8]) -> Result<u32, Fault> {
    let mut file = Cursor::new(bytes, 2, "no end-of-image marker");
    let (mut scans, mut pictures) = (0, 1);
    loop {
        // Between segments, 0xff may be repeated as a filler; after a scan, this skips its entropy-coded data.
        file.skip_past(0xff)?;
        let mut marker = file.byte()?;
        while marker == 0xff {
            marker = file.byte()?;
        }
        match marker {
            0xd9 if scans == 0 => return Err(Senseless("the image ends before any picture data")),
            0xd9 => return Ok(pictures),
            // A stuffed zero and restart markers belong to the scan; 0x01 stands alone.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = usize::from(u16::from_be_bytes([file.byte()?, file.byte()?]));
                if length < 2 {
                    return Err(Senseless("a segment is shorter than its own length field"));
                }
                let start = file.at;
                let payload = file.take(length - 2)?;
                scans += usize::from(marker == 0xda);
                if marker == 0xe2 && payload.starts_with(b"MPF\0") {
                    pictures = further_pictures(bytes, start + 4)?;
                }
            }
        }
    }
}

/// How many pictures a camera has put into one file, by its Multi-Picture Format index, a TIFF directory at `base`. The first
/// of them is whole without the others, but the file is not. An index that makes no sense is passed over.
fn further_pictures(bytes: &[u8], base: usize) -> Result<u32, Fault> {
    let little = bytes.get(base..base + 2) == Some(b"II");
    let number = |at: usize, length: usize| {
        let field = bytes.get(base.checked_add(at)?..)?.get(..length)?;
        let digit = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if little { field.iter().rev().fold(0, digit) } else { field.iter().fold(0, digit) } as usize)
    };
    let mut pictures = 1;
    let Some(directory) = number(4, 4) else { return Ok(1) };
    for entry in 0..number(directory, 2).unwrap_or(0).min(16) {
        let at = directory + 2 + 12 * entry;
        let (Some(tag), Some(count), Some(value)) = (number(at, 2), number(at + 4, 4), number(at + 8, 4)) else {
            break;
        };
        match tag {
            0xb001 => pictures = (value as u32).clamp(1, 1000),
            0xb002 => {
                for picture in 0..(count / 16).min(1000) {
                    let row = value.saturating_add(16 * picture);
                    let (Some(size), Some(offset)) = (number(row + 4, 4), number(row + 8, 4)) else { break };
                    // The first one's offset is zero, and counts from the file's start.
                    if offset > 0 && base + offset < bytes.len() + size && base + offset + size > bytes.len() {
                        return Err(Ends("the index promises a further picture"));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(pictures)
}

/// Chunks up to IEND.
fn png(bytes: &[u8]) -> Result<u32, Fault> {
    let mut file = Cursor::new(bytes, 8, "no IEND chunk");
    let (mut has_data, mut frames) = (false, 1);
    loop {
        let length = u32::from_be_bytes(file.four()?) as usize;
        let kind = file.four()?;
        let data = file.take(length)?;
        file.four()?;
        match (&kind, data) {
            (b"IDAT", _) => has_data = true,
            (b"acTL", [a, b, c, d, ..]) if !has_data => frames = u32::from_be_bytes([*a, *b, *c, *d]).max(1),
            (b"IEND", _) if has_data => return Ok(frames),
            (b"IEND", _) => return Err(Senseless("no IDAT chunk")),
            _ => {}
        }
    }
}

/// The contents of the first chunk of this kind.
pub(crate) fn png_chunk<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    let mut file = Cursor::new(bytes, 8, "the chunk");
    loop {
        let length = u32::from_be_bytes(file.four().ok()?) as usize;
        let kind = file.four().ok()?;
        let data = file.take(length).ok()?;
        if &kind == wanted {
            return Some(data);
        }
        file.four().ok()?;
    }
}

/// All the bytes that the RIFF header promises, and in them a whole chunk with a picture.
fn webp(bytes: &[u8]) -> Result<u32, Fault> {
    let mut header = Cursor::new(bytes, 4, "the RIFF header promises more");
    let size = u32::from_le_bytes(header.four()?) as usize;
    let body = header.take(size)?;
    let mut chunks = Cursor::new(body, 4, "a chunk promises more");
    let (mut has_picture, mut frames) = (false, 0);
    while chunks.at < body.len() {
        let kind = chunks.four()?;
        let length = u32::from_le_bytes(chunks.four()?) as usize;
        chunks.take(length)?;
        chunks.at += length % 2;
        has_picture |= matches!(&kind, b"VP8 " | b"VP8L" | b"ANMF");
        frames += u32::from(&kind == b"ANMF");
    }
    if has_picture { Ok(frames.max(1)) } else { Err(Senseless("no chunk holds a picture")) }
}

/// Blocks up to the trailer.
fn gif(bytes: &[u8]) -> Result<u32, Fault> {
    let mut file = Cursor::new(bytes, 6, "no trailer");
    let screen = file.take(7)?;
    colour_table(&mut file, screen[4])?;
    let mut frames = 0;
    loop {
        match file.byte()? {
            0x3b if frames > 0 => return Ok(frames),
            0x3b => return Err(Senseless("no frame before the trailer")),
            0x21 => {
                file.byte()?;
                sub_blocks(&mut file)?;
            }
            0x2c => {
                let frame = file.take(9)?;
                colour_table(&mut file, frame[8])?;
                file.byte()?;
                sub_blocks(&mut file)?;
                frames += 1;
            }
            0x00 => {} // some encoders pad
            _ => return Err(Senseless("a block of no known kind")),
        }
    }
}

fn colour_table(file: &mut Cursor<'_>, packed: u8) -> Result<(), Fault> {
    if packed & 0x80 != 0 {
        file.take(3 << ((packed & 7) + 1))?;
    }
    Ok(())
}

fn sub_blocks(file: &mut Cursor<'_>) -> Result<(), Fault> {
    loop {
        match file.byte()? {
            0 => return Ok(()),
            length => file.take(length.into())?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Picture, samples};

    #[test]
    fn every_prefix_of_every_sample_is_refused() {
        for (name, bytes) in samples::all() {
            let format = Format::of(&bytes).unwrap();
            check(format, &bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
            for end in 0..bytes.len() {
                assert!(Picture::decode(&bytes[..end]).is_err(), "{name}: the first {end} of {}", bytes.len());
            }
            for percent in [10, 50, 90] {
                let refusal = Picture::decode(&bytes[..bytes.len() * percent / 100]).unwrap_err();
                assert_eq!(refusal.cause(), "truncated", "{name} at {percent} %: {refusal}");
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_tolerated() {
        for (name, mut bytes) in samples::all() {
            bytes.extend_from_slice(b"\xff\xd9 appended by a camera");
            Picture::decode(&bytes).unwrap_or_else(|r| panic!("{name}: {r}"));
        }
    }

    #[test]
    fn a_thumbnail_that_ends_does_not_end_the_picture() {
        let bytes = samples::jpeg_with_segment(0xe1, b"Exif\0\0\xff\xd8\xff\xda\0\x02\xff\xd9");
        Picture::decode(&bytes).unwrap();
        assert_eq!(Picture::decode(&bytes[..bytes.len() - 2]).unwrap_err().cause(), "truncated");
    }

    #[test]
    fn a_frame_without_a_picture_is_undecodable() {
        for (format, bytes) in [
            (Format::Jpeg, &b"\xff\xd8\xff\xd9"[..]),
            (Format::Jpeg, b"\xff\xd8\xff\xe0\0\x01"),
            (Format::Png, b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\xae\x42\x60\x82"),
            (Format::WebP, b"RIFF\x04\0\0\0WEBP"),
            (Format::Gif, b"GIF89a\x10\0\x10\0\0\0\0\x3b"),
        ] {
            assert_eq!(Picture::decode(bytes).unwrap_err().cause(), "undecodable", "{format}");
        }
    }
}
