//! Small good files of every kind for the tests, and the parts to make bad ones of.

use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder, RgbaImage};

use crate::Picture;

/// A smooth scene without any symmetry: red grows to the right, green downwards.
pub fn scene(width: u32, height: u32) -> Picture {
    let shade = |at: u32, side: u32| (255 * at / (side - 1)) as u8;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| [shade(x, width), shade(y, height), 60]));
    Picture::new(width, height, pixels.flatten().collect())
}

/// How many [`all`] returns.
pub const COUNT: usize = 10;

/// A small good file of every kind, named by its extension and what is special about it.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let scene = scene(24, 20);
    let (width, height) = (scene.width(), scene.height());
    let rgba: Vec<u8> = scene.rgb().chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], p[0]]).collect();
    let luma: Vec<u8> = scene.rgb().chunks_exact(3).map(|p| p[0]).collect();
    let mut grey_jpeg = Vec::new();
    JpegEncoder::new(&mut grey_jpeg).write_image(&luma, width, height, ExtendedColorType::L8).unwrap();
    let mut rgba_png = Vec::new();
    PngEncoder::new(&mut rgba_png).write_image(&rgba, width, height, ExtendedColorType::Rgba8).unwrap();
    let webp = |pixels: &[u8], color| {
        let mut bytes = Vec::new();
        WebPEncoder::new_lossless(&mut bytes).write_image(pixels, width, height, color).unwrap();
        bytes
    };
    let gif = |frames: usize| {
        let mut bytes = Vec::new();
        let frame = Frame::new(RgbaImage::from_raw(width, height, rgba.clone()).unwrap());
        GifEncoder::new(&mut bytes).encode_frames(vec![frame; frames]).unwrap();
        bytes
    };
    let samples = vec![
        ("jpg rgb", scene.to_jpeg(90)),
        ("jpg grey", grey_jpeg),
        ("jpg cmyk", cmyk_jpeg([10, 200, 100, 250])),
        ("png rgb", scene.to_png()),
        ("png rgba", rgba_png),
        ("png palette", palette_png()),
        ("webp rgb", webp(scene.rgb(), ExtendedColorType::Rgb8)),
        ("webp rgba", webp(&rgba, ExtendedColorType::Rgba8)),
        ("gif", gif(1)),
        ("gif animated", gif(3)),
    ];
    assert_eq!(samples.len(), COUNT);
    samples
}

/// Small files whose headers promise more pixels than anybody has memory for.
pub fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let sample = |name: &str| all().into_iter().find(|(n, _)| *n == name).unwrap().1;
    let mut jpeg = sample("jpg rgb");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    let png = |width: u32, height: u32, depth: u8, color: u8| {
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
        png_file(&[(b"IHDR", &header), (b"IDAT", &zlib_stored(&[0; 64])), (b"IEND", &[])])
    };
    let mut webp = sample("webp rgb");
    let data = webp.windows(4).position(|w| w == b"VP8L").unwrap();
    let side = 15_000u32 - 1;
    let alpha_and_version = webp[data + 12] & 0xf0;
    webp[data + 9..data + 13].copy_from_slice(&(side | side << 14).to_le_bytes());
    webp[data + 12] |= alpha_and_version;
    let mut gif = sample("gif");
    gif[6..10].fill(0xff);
    vec![
        ("jpeg", jpeg),
        ("png, pixels", png(60_000, 60_000, 8, 2)),
        ("png, all bits", png(u32::MAX >> 1, u32::MAX >> 1, 8, 2)),
        ("png, one side", png(20_000, 20, 8, 2)),
        ("png, sixteen bits of four channels", png(7_000, 7_000, 16, 6)),
        ("webp", webp),
        ("gif", gif),
    ]
}

/// A JPEG as a camera held that way would write it: the pixels turned, and the EXIF orientation that says how.
pub fn oriented_jpeg(upright: &Picture, orientation: u8) -> Vec<u8> {
    let (w, h) = (upright.width(), upright.height());
    let (columns, rows) = if orientation > 4 { (h, w) } else { (w, h) };
    let mut pixels = Vec::new();
    for r in 0..rows {
        for c in 0..columns {
            // The EXIF standard: which side of the scene the first row and the first column show.
            let (x, y) = match orientation {
                1 => (c, r),
                2 => (w - 1 - c, r),
                3 => (w - 1 - c, h - 1 - r),
                4 => (c, h - 1 - r),
                5 => (r, c),
                6 => (w - 1 - r, c),
                7 => (w - 1 - r, h - 1 - c),
                _ => (r, h - 1 - c),
            };
            let at = ((y * w + x) * 3) as usize;
            pixels.extend_from_slice(&upright.rgb()[at..at + 3]);
        }
    }
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    with_segment(&Picture::new(columns, rows, pixels).to_jpeg(95), 0xe1, &exif)
}

/// The scene as a JPEG with one more segment after its start.
pub fn jpeg_with_segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    with_segment(&scene(24, 20).to_jpeg(90), marker, payload)
}

fn with_segment(jpeg: &[u8], marker: u8, payload: &[u8]) -> Vec<u8> {
    [&jpeg[..2], &segment(marker, payload), &jpeg[2..]].concat()
}

fn segment(marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &length[..], payload].concat()
}

/// 16 x 16 pixels of one mix of inks, as Adobe writes them (inverted). Every block has a DC coefficient and nothing else,
/// so that the encoder fits here.
pub fn cmyk_jpeg(inks: [u8; 4]) -> Vec<u8> {
    let component = |id: u8| [id, 0x11, 0];
    let quantisation = [&[0][..], &[8; 64]].concat();
    let frame = [&[8, 0, 16, 0, 16, 4][..], &[1, 2, 3, 4].map(component).concat()].concat();
    // DC: twelve codes of four bits, for lengths 0 to 11. AC: one code of one bit, for "end of block".
    let dc = [&[0x00, 0, 0, 0, 12][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]].concat();
    let ac = [&[0x10, 1][..], &[0; 15], &[0]].concat();
    let scan = [4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0];
    let mut bits = String::new();
    for block in 0..4 {
        for ink in inks {
            let difference = if block == 0 { i32::from(ink) - 128 } else { 0 };
            let length = (32 - difference.unsigned_abs().leading_zeros()) as usize;
            bits += &format!("{length:04b}");
            if length > 0 {
                let value = if difference > 0 { difference } else { difference + (1 << length) - 1 };
                bits += &format!("{value:0length$b}");
            }
            bits.push('0');
        }
    }
    while !bits.len().is_multiple_of(8) {
        bits.push('1');
    }
    let mut data = Vec::new();
    for byte in bits.as_bytes().chunks_exact(8) {
        let byte = byte.iter().fold(0, |all, bit| all << 1 | (bit - b'0'));
        data.push(byte);
        if byte == 0xff {
            data.push(0);
        }
    }
    [
        &[0xff, 0xd8][..],
        &segment(0xee, b"Adobe\0\x64\0\0\0\0\0"),
        &segment(0xdb, &quantisation),
        &segment(0xc0, &frame),
        &segment(0xc4, &dc),
        &segment(0xc4, &ac),
        &segment(0xda, &scan),
        &data,
        &[0xff, 0xd9],
    ]
    .concat()
}

/// 16 x 16 pixels of two colours, the second of them transparent.
fn palette_png() -> Vec<u8> {
    let header = [0, 0, 0, 16, 0, 0, 0, 16, 1, 3, 0, 0, 0];
    let pixels = zlib_stored(&[0, 0b0101_0101, 0b0101_0101].repeat(16));
    png_file(&[
        (b"IHDR", &header),
        (b"PLTE", &[200, 30, 30, 0, 0, 0]),
        (b"tRNS", &[255, 0]),
        (b"IDAT", &pixels),
        (b"IEND", &[]),
    ])
}

fn png_file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        let body = [&kind[..], data].concat();
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&crc32(&body).to_be_bytes());
    }
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    let mut bytes = vec![0x78, 0x01, 0x01];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(!length).to_le_bytes());
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&(b << 16 | a).to_be_bytes());
    bytes
}
