//! What bytes are, by their first ones; a name or a `Content-Type` is a claim and is not asked.

use std::fmt;

use crate::Refusal;

/// A format that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF; of an animation, the first frame.
    Gif,
}

impl Format {
    /// The ending of a file name: `jpg`, `png`, `webp`, `gif`.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jpeg => "jpg",
            Format::Png => "png",
            Format::WebP => "webp",
            Format::Gif => "gif",
        }
    }

    /// The format of these bytes.
    ///
    /// # Errors
    /// `empty`, `not-an-image` or `unsupported`.
    pub fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            return Ok(Format::Jpeg);
        }
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Ok(Format::Png);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Ok(Format::WebP);
        }
        if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
            return Ok(Format::Gif);
        }
        if let Some(format) = started(bytes) {
            return Err(Refusal::Truncated { format, received: bytes.len(), missing: "not even its first bytes" });
        }
        if let Some(what) = other_image(bytes) {
            return Err(Refusal::Unsupported { what: what.into() });
        }
        Err(Refusal::NotAnImage { looks_like: looks_like(bytes) })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Gif => "GIF",
        })
    }
}

/// The format whose signature these few bytes are the start of.
fn started(bytes: &[u8]) -> Option<Format> {
    let is_start_of =
        |signature: &[u8]| bytes.len() >= 2 && bytes.len() < signature.len() && signature.starts_with(bytes);
    let is_riff =
        bytes.len() < 12 && bytes.starts_with(b"RIFF") && b"WEBP".starts_with(bytes.get(8..).unwrap_or_default());
    match () {
        () if is_start_of(&[0xff, 0xd8, 0xff]) => Some(Format::Jpeg),
        () if is_start_of(b"\x89PNG\r\n\x1a\n") => Some(Format::Png),
        () if is_riff || is_start_of(b"RIFF") => Some(Format::WebP),
        () if is_start_of(b"GIF87a") || is_start_of(b"GIF89a") => Some(Format::Gif),
        () => None,
    }
}

/// Pictures that are not read here: each is one more parser that strangers can feed.
fn other_image(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"\0\0\x01\0", "ICO"),
        (b"8BPS", "Photoshop"),
        (b"\xff\x0a", "JPEG XL"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"qoif", "QOI"),
    ];
    let by_magic = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what);
    by_magic.or_else(|| match bytes.get(4..12)? {
        // Two letters alone would make a BMP of any text about a "BMW".
        [_, _, 0, 0, 0, 0, ..] if bytes.starts_with(b"BM") => Some("BMP"),
        b"ftypavif" | b"ftypavis" => Some("AVIF"),
        b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftypmsf1" => Some("HEIC"),
        _ => text_start(bytes).contains("<svg").then_some("SVG"),
    })
}

fn looks_like(bytes: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 6] = [
        (b"%PDF", "a PDF"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\x7fELF", "a program"),
        (b"OggS", "a sound or a video"),
        (b"\x1aE\xdf\xa3", "a video"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return what;
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "a video";
    }
    let text = text_start(bytes);
    let start = text.trim_start();
    match start.chars().next() {
        _ if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| start.starts_with(tag)) => "an HTML page",
        Some('<') => "XML or HTML",
        Some(_) if starts_like_json(start) => "JSON",
        Some(c)
            if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) && c != char::REPLACEMENT_CHARACTER =>
        {
            "text"
        }
        _ if bytes.iter().all(|b| *b == 0) => "nothing but zeros",
        _ => "binary data of no known kind",
    }
}

/// A brace or bracket alone says little: TOML, templates and notes open with one too.
fn starts_like_json(text: &str) -> bool {
    if let Some(inside) = text.strip_prefix('{') {
        return inside.trim_start().starts_with(['"', '}']);
    }
    let Some(inside) = text.strip_prefix('[') else { return false };
    let inside = inside.trim_start();
    let scalar = inside.split([',', ']']).next().unwrap_or_default().trim_end();
    inside.starts_with(['"', ']'])
        || matches!(scalar, "true" | "false" | "null")
        || scalar.parse::<f64>().is_ok()
        || starts_like_json(inside)
}

/// The first kilobyte as lower-case text, without a byte order mark.
fn text_start(bytes: &[u8]) -> String {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    String::from_utf8_lossy(&start[..start.len().min(1024)]).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_bytes_look_like() {
        for (bytes, cause, words) in [
            (&b""[..], "empty", "empty"),
            (b"\xef\xbb\xbf\n <!DOCTYPE HTML><title>404", "not-an-image", "an HTML page"),
            (b"<?xml version='1.0'?><error/>", "not-an-image", "XML or HTML"),
            (b"%PDF-1.7", "not-an-image", "a PDF"),
            (b"{\"error\": 403}", "not-an-image", "JSON"),
            (b" [\n  [1.5, 2], [3]]", "not-an-image", "JSON"),
            (b"[null]", "not-an-image", "JSON"),
            (b"[store]\nname = 'x'", "not-an-image", "text"),
            (b"[[true-north.store]]", "not-an-image", "text"),
            (b"{% block title %}", "not-an-image", "text"),
            (b"Not found", "not-an-image", "text"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0", "not-an-image", "nothing but zeros"),
            (b"\x01\x02\x03", "not-an-image", "no known kind"),
            (b"\0\0\0\x18ftypmp42", "not-an-image", "a video"),
            (b"\0\0\0\x1cftypavif", "unsupported", "AVIF"),
            (b"II*\0\x08\0\0\0", "unsupported", "TIFF"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported", "SVG"),
        ] {
            let refusal = Format::of(bytes).unwrap_err();
            assert_eq!(refusal.cause(), cause, "{refusal}");
            assert!(refusal.to_string().contains(words), "{refusal}");
        }
    }

    #[test]
    fn a_riff_file_of_sound_is_no_webp() {
        assert_eq!(Format::of(b"RIFF\x24\0\0\0WAVEfmt ").unwrap_err().cause(), "not-an-image");
        assert_eq!(Format::of(b"RIFF\x24\0\0\0WEBPVP8 ").unwrap(), Format::WebP);
    }
}
