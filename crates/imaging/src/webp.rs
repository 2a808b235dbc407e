//! What decoding a WebP takes beside its pixels.
//!
//! `image-webp` keeps the whole frame in its own colours while it writes the pixels, and reads a compressed alpha channel as a
//! picture of four channels of which one is used; of an animation it keeps a canvas as well.

/// Bytes that the decoder holds at its peak beside the pixels that it delivers, at most.
pub fn beside(bytes: &[u8], width: u32, height: u32) -> u64 {
    let pixels = u64::from(width) * u64::from(height);
    // Luma, and two channels of colour at half the resolution.
    let frame = pixels * 3 / 2;
    let (mut alpha, mut is_animated, mut is_lossless) = (0, false, false);
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let [a, b, c, d, s0, s1, s2, s3, data @ ..] = rest {
        let length = u32::from_le_bytes([*s0, *s1, *s2, *s3]) as usize;
        match &[*a, *b, *c, *d] {
            b"ALPH" => alpha = if data.first().is_some_and(|flags| flags & 3 == 1) { 5 * pixels } else { pixels },
            b"ANIM" => is_animated = true,
            b"VP8L" => is_lossless = true,
            _ => {}
        }
        rest = length.checked_add(length % 2).and_then(|length| data.get(length..)).unwrap_or_default();
    }
    match (is_animated, is_lossless) {
        (true, _) => frame + 9 * pixels,
        (false, true) => 4 * pixels,
        (false, false) => frame + alpha,
    }
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn alpha_and_animation_cost_more() {
        let file = |chunks: &[(&[u8; 4], &[u8])]| {
            let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
            for (kind, data) in chunks {
                bytes.extend_from_slice(*kind);
                bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
                bytes.extend_from_slice(data);
                bytes.resize(bytes.len() + data.len() % 2, 0);
            }
            beside(&bytes, 10, 10)
        };
        assert_eq!(file(&[(b"VP8 ", b"x")]), 150);
        assert_eq!(file(&[(b"VP8X", b"x"), (b"ALPH", b"\x00"), (b"VP8 ", b"x")]), 250);
        assert_eq!(file(&[(b"VP8X", b"x"), (b"ALPH", b"\x01"), (b"VP8 ", b"x")]), 650);
        assert_eq!(file(&[(b"VP8L", b"x")]), 400);
        assert_eq!(file(&[(b"VP8X", b"x"), (b"ANIM", b"x"), (b"ANMF", b"x")]), 1050);
        assert_eq!(beside(b"RIFF\0\0\0\0WEBPVP8 \xff\xff\xff\xff", 10, 10), 150);
    }
}
