//! Small pictures inside of a page.

use std::collections::BTreeMap;

use goodtwin_core::Dataset;
use goodtwin_imaging::Picture;

use super::escape;
use crate::Result;
use crate::cache::decode;

/// Pixels of a thumbnail's longer side.
const SIDE: u32 = 112;
/// JPEG quality of a thumbnail.
const QUALITY: u8 = 75;
/// Bytes that all thumbnails of a page take at most; what comes after them is a grey field with its words.
const BUDGET: usize = 4_000_000;

/// How a picture is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It asks.
    Query,
    /// It is of the query's family.
    Right,
    /// It is not.
    Other,
}

/// The pictures of a data set, as they go into a page: each is made small and encoded once, however often it is shown.
pub struct Gallery<'a> {
    dataset: &'a Dataset,
    embedded: BTreeMap<usize, String>,
    bytes: usize,
}

impl<'a> Gallery<'a> {
    /// Nothing was shown yet.
    pub fn new(dataset: &'a Dataset) -> Gallery<'a> {
        Gallery { dataset, embedded: BTreeMap::new(), bytes: 0 }
    }

    /// A row's picture with some words below it.
    pub fn figure(&mut self, row: usize, shown: Shown, words: &str) -> Result<String> {
        let class = match shown {
            Shown::Query => "query",
            Shown::Right => "right",
            Shown::Other => "other",
        };
        let words = escape(&words.replace('_', " "));
        let picture = match self.source(row)? {
            Some(source) => format!("<img class={class} alt='{words}' src='{source}'>"),
            None => format!("<span class={class}></span>"),
        };
        Ok(format!("<figure>{picture}<figcaption>{words}</figcaption></figure>"))
    }

    fn source(&mut self, row: usize) -> Result<Option<String>> {
        if let Some(known) = self.embedded.get(&row) {
            self.bytes += known.len();
            return Ok((self.bytes <= BUDGET).then(|| known.clone()));
        }
        if self.bytes > BUDGET {
            return Ok(None);
        }
        let source = embedded(&decode(self.dataset, &self.dataset.rows[row])?.thumbnail(SIDE));
        self.bytes += source.len();
        self.embedded.insert(row, source.clone());
        Ok(Some(source))
    }
}

/// A picture as the source of an `img`.
pub fn embedded(picture: &Picture) -> String {
    format!("data:image/jpeg;base64,{}", base64(&picture.to_jpeg(QUALITY)))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().enumerate().fold(0, |bits, (i, b)| bits | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]);
            text.push(if i <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_rfc_has_it() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[255, 254, 253]), "//79");
    }
}
