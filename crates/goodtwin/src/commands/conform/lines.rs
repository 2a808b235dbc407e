//! Lines in: some at a time, none of them too long to hold.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;

/// The longest line that is read, in bytes: a page of tens of megabytes, in base64.
const MAX_LINE: usize = 64 << 20;
/// A batch ends after this many bytes or lines.
const MAX_BATCH: (usize, usize) = (8 << 20, 512);

/// A line of the input.
pub enum Line {
    /// All of it, without its end.
    Whole(Vec<u8>),
    /// The start of one that is longer than [`MAX_LINE`]; the rest was passed over.
    TooLong(Vec<u8>),
}

/// Reads lines in batches.
pub struct Lines<R> {
    input: BufReader<R>,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Self {
        Lines { input: BufReader::with_capacity(1 << 20, input) }
    }

    /// The lines that can be had without waiting, at least one of them; none at the end of the input. So whoever waits for the
    /// answer to one line before they write the next gets it.
    pub fn batch(&mut self) -> io::Result<Vec<Line>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(line) = self.line()? {
            bytes += match &line {
                Line::Whole(text) | Line::TooLong(text) => text.len(),
            };
            batch.push(line);
            if bytes >= MAX_BATCH.0 || batch.len() >= MAX_BATCH.1 || !self.input.buffer().contains(&b'\n') {
                break;
            }
        }
        Ok(batch)
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        (&mut self.input).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(None);
        }
        if text.last() == Some(&b'\n') {
            text.pop();
            return Ok(Some(Line::Whole(text)));
        }
        if text.len() <= MAX_LINE {
            return Ok(Some(Line::Whole(text)));
        }
        self.input.skip_until(b'\n')?;
        // Enough to find an id in.
        text.truncate(1024);
        text.shrink_to_fit();
        Ok(Some(Line::TooLong(text)))
    }
}

impl Line {
    /// The case's id (null where none can be read) and the case.
    pub fn parse(&self) -> (Value, Result<Value, String>) {
        let text = match self {
            Line::Whole(text) => text,
            Line::TooLong(start) => {
                return (find_id(start), Err(format!("the line is longer than {MAX_LINE} bytes")));
            }
        };
        match serde_json::from_slice::<Value>(text) {
            Ok(case @ Value::Object(_)) => (case["id"].clone(), Ok(case)),
            Ok(_) => (Value::Null, Err("not a JSON object".into())),
            Err(e) => match serde_json::from_str::<Value>(&mend_surrogates(text)) {
                Ok(case @ Value::Object(_)) => (case["id"].clone(), Ok(case)),
                _ => (find_id(text), Err(format!("not JSON: {e}"))),
            },
        }
    }
}

/// Python writes half a surrogate pair as `\ud800`, which no Rust string can hold: U+FFFD stands in for it.
fn mend_surrogates(text: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(text) else { return String::new() };
    let unit = |at: usize| {
        let code = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(code, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find('\\').map(|n| at + n) {
        out.push_str(&text[at..found]);
        let (length, replacement) = match (unit(found), unit(found + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
            (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd")),
            // The sign and what it escapes, so that the second of two backslashes starts nothing.
            _ => (1 + text[found + 1..].chars().next().map_or(0, char::len_utf8), None),
        };
        out.push_str(replacement.unwrap_or(&text[found..found + length]));
        at = found + length;
    }
    out + &text[at..]
}

/// The id of a line that is no JSON as a whole.
fn find_id(text: &[u8]) -> Value {
    let text = String::from_utf8_lossy(text);
    let value = text.split_once("\"id\"").and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    let mut read = serde_json::Deserializer::from_str(value.unwrap_or_default()).into_iter::<Value>();
    read.next().and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one piece a read, as a pipe does.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            into[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn texts(batch: &[Line]) -> Vec<&[u8]> {
        batch
            .iter()
            .map(|l| match l {
                Line::Whole(t) | Line::TooLong(t) => t.as_slice(),
            })
            .collect()
    }

    #[test]
    fn a_line_is_not_held_back_until_the_next_one_comes() {
        let mut lines = Lines::new(Pieces(vec![b"a\nb\nc", b"d\n", b"\n", b"last"]));
        for expected in [&[&b"a"[..], b"b"][..], &[b"cd"], &[b""], &[b"last"], &[]] {
            assert_eq!(texts(&lines.batch().unwrap()), expected);
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let long = io::repeat(b'x').take(MAX_LINE as u64 * 2);
        let input = io::Cursor::new(b"{\"id\": 5, \"text\": \"").chain(long).chain(&b"\nnext"[..]);
        let mut lines = Lines::new(input);
        let batch = [lines.batch().unwrap(), lines.batch().unwrap()].concat_lines();
        assert!(matches!(&batch[0], Line::TooLong(start) if start.len() == 1024));
        let (id, case) = batch[0].parse();
        assert_eq!(id, 5);
        assert!(case.unwrap_err().contains("longer than"));
        assert_eq!(texts(&batch[1..]), [b"next"]);
    }

    trait ConcatLines {
        fn concat_lines(self) -> Vec<Line>;
    }

    impl ConcatLines for [Vec<Line>; 2] {
        fn concat_lines(self) -> Vec<Line> {
            self.into_iter().flatten().collect()
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        let case = |text: &str| Line::Whole(text.into()).parse().1.unwrap()["text"].clone();
        assert_eq!(case(r#"{"text": "a\ud800b"}"#), "a\u{fffd}b");
        assert_eq!(case(r#"{"text": "\udc00\ud83d\ude00\\ud800"}"#), "\u{fffd}😀\\ud800");
    }
}
