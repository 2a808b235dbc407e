//! A page's bytes into text, by the rules of the Encoding and HTML standards: a byte order mark, then what the server says, then
//! what the page says of itself; else UTF-8 where it is valid, else Windows-1252. A page that says UTF-8 and has not one letter
//! of it beyond ASCII says nothing.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How far a page is looked into for its `meta` element.
const PRESCAN: usize = 1024 * 4;

/// Decode a page.
pub fn decode(body: &[u8], content_type: Option<&str>) -> String {
    if let Some((encoding, length)) = Encoding::for_bom(body) {
        return encoding.decode_without_bom_handling(&body[length..]).0.into_owned();
    }
    let said = content_type.and_then(charset_of).or_else(|| prescan(&body[..body.len().min(PRESCAN)]));
    // A page that could be read far enough to find UTF-16 in it is not in UTF-16.
    let said = said.map(|e| if [UTF_16BE, UTF_16LE].contains(&e) { UTF_8 } else { e });
    let encoding = match said {
        Some(said) if said != UTF_8 => said,
        // Many say UTF-8 and mean what was there before it. But where letters of UTF-8 are, one bad byte is only one bad byte.
        Some(_) if body.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) => UTF_8,
        _ if std::str::from_utf8(body).is_ok() => UTF_8,
        _ => WINDOWS_1252,
    };
    encoding.decode_without_bom_handling(body).0.into_owned()
}

/// The encoding that `text/html; charset="latin1"` names.
fn charset_of(content_type: &str) -> Option<&'static Encoding> {
    let lower = content_type.to_ascii_lowercase();
    let mut rest = lower.as_str();
    while let Some(at) = rest.find("charset") {
        rest = &rest[at + "charset".len()..];
        if let Some(value) = rest.trim_start().strip_prefix('=') {
            let value = value.trim_start();
            let label = match value.chars().next()? {
                quote @ ('"' | '\'') => value[1..].split(quote).next()?,
                _ => value.split(|c: char| c.is_whitespace() || c == ';').next()?,
            };
            return Encoding::for_label(label.trim().as_bytes());
        }
    }
    None
}

/// The encoding that a `meta` element near the page's beginning names.
fn prescan(head: &[u8]) -> Option<&'static Encoding> {
    let text: String = head.iter().map(|b| char::from(*b).to_ascii_lowercase()).collect();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
            continue;
        }
        let Some(meta) = rest.strip_prefix("meta").filter(|m| m.starts_with([' ', '\t', '\n', '\r', '/', '\u{c}']))
        else {
            continue;
        };
        let tag = &meta[..meta.find('>').unwrap_or(meta.len())];
        // `charset=` alone, or within `content="text/html; charset=…"`: the first is a label either way.
        let found = charset_of(tag).or_else(|| {
            let (_, after) = tag.split_once("charset")?;
            charset_of(&format!("charset{}", after.replace(['"', '\''], " ")))
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_says_or_as_it_is() {
        let (utf8, latin) = ("<p>väska".as_bytes(), b"<p>v\xe4ska".as_slice());
        for (body, content_type, expected) in [
            (utf8, None, "<p>väska"),
            (latin, None, "<p>väska"),
            (utf8, Some("text/html; charset=utf-8"), "<p>väska"),
            (latin, Some("text/html; charset=UTF-8"), "<p>väska"),
            (
                b"<meta charset=utf-8>Fj\xc3\xa4llr\xc3\xa4ven, 1\xc2\xa0299 kr, caf\xe9, 5\x80",
                None,
                "<meta charset=utf-8>Fjällräven, 1\u{a0}299 kr, caf\u{fffd}, 5\u{fffd}",
            ),
            (latin, Some("text/html; charset=\"ISO-8859-1\""), "<p>väska"),
            (b"\xef\xbb\xbfv\xc3\xa4ska", Some("text/html; charset=latin1"), "väska"),
            (b"\xff\xfev\0\xe4\0", None, "vä"),
            (b"\xfe\xff\0v\0\xe4", None, "vä"),
            (b"\x83o\x83b\x83O", Some("text/html;charset=Shift_JIS"), "バッグ"),
            (
                b"<!-- <meta charset=big5> --><meta charset='shift_jis'>\x83o",
                None,
                "<!-- <meta charset=big5> --><meta charset='shift_jis'>バ",
            ),
            (
                b"<META http-equiv=content-type content='text/html; charset=windows-1251'>\xf1",
                None,
                "<META http-equiv=content-type content='text/html; charset=windows-1251'>с",
            ),
            (b"<meta charset=utf-16>v\xc3\xa4", None, "<meta charset=utf-16>vä"),
            (b"<meta charset=nonsense>v\xe4", None, "<meta charset=nonsense>vä"),
            (b"\x80 85", Some("text/html; charset=iso-8859-1"), "€ 85"),
        ] {
            assert_eq!(decode(body, content_type), expected);
        }
    }
}
