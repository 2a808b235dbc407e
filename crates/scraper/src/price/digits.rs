//! The digits of other scripts, as ASCII writes them.

use std::borrow::Cow;

/// The zeros of scripts whose ten digits follow one another: Arabic, Persian, Devanagari, Bengali, Gurmukhi, Gujarati, Odia, Tamil,
/// Telugu, Kannada, Malayalam, Thai, Lao, Tibetan, Burmese, Khmer, Mongolian, and those as wide as a Chinese character.
const ZEROS: [char; 18] = [
    '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}', '\u{ce6}',
    '\u{d66}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}', '\u{1810}', '\u{ff10}',
];
/// Arabic's own signs: before decimals, and between thousands.
const DECIMAL: char = '\u{66b}';
const THOUSANDS: char = '\u{66c}';

/// A text with ASCII digits and separators, and what stands before its decimals: Arabic's sign says so itself.
pub fn in_ascii(text: &str, decimal_separator: Option<char>) -> (Cow<'_, str>, Option<char>) {
    if text.is_ascii() {
        return (text.into(), decimal_separator);
    }
    let plain = |c: char| match c {
        DECIMAL | '\u{ff0e}' => '.',
        THOUSANDS => '\'',
        '\u{ff0c}' => ',',
        c if c.is_numeric() => {
            let digit = |zero: &char| (c as u32).checked_sub(*zero as u32).filter(|value| *value < 10);
            ZEROS.iter().find_map(digit).and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
        }
        c => c,
    };
    let separator = if text.contains(DECIMAL) { Some('.') } else { decimal_separator };
    (text.chars().map(plain).collect::<String>().into(), separator)
}
