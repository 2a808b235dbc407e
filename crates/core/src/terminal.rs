//! Text for terminals. Names and pages of strangers may hold characters that move the cursor, colour what follows, or turn
//! the direction of a line, so that it shows something else than it says.

use std::fmt::Display;
use std::io::Write;

/// Whether a terminal would obey it rather than show it.
fn commands(c: char) -> bool {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The text in one line, for a table or a sentence: white space is a space, and what a terminal would obey is U+FFFD.
pub fn one_line(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if commands(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// [`one_line`], cut to so many characters, of which the last is then `…`.
pub fn one_line_within(text: &str, width: usize) -> String {
    let text = one_line(text);
    match text.char_indices().nth(width) {
        None => text,
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The text in its own lines, for a message of several: what a terminal would obey is shown as it is written in Rust,
/// `\u{1b}`, so that a bug report has it.
pub fn lines(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if commands(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Write a line to stderr, of which every word may be a stranger's. A stderr that is closed or full is nobody's fault and
/// stops nothing; `eprintln!` would panic.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", lines(&text.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2Jb\r\nc\u{9b}31m \u{202e}d väska";

    #[test]
    fn nothing_in_it_commands_a_terminal() {
        assert_eq!(one_line(HOSTILE), "a\u{fffd}[2Jb  c\u{fffd}31m \u{fffd}d väska");
        assert_eq!(lines(HOSTILE), "a\\u{1b}[2Jb\\r\nc\\u{9b}31m \\u{202e}d väska");
        for shown in [one_line(HOSTILE), lines(HOSTILE).replace('\n', "")] {
            assert!(!shown.chars().any(commands), "{shown:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_at_its_width() {
        assert_eq!(one_line_within("väska", 5), "väska");
        assert_eq!(one_line_within("väskor", 5), "väsk…");
        assert_eq!(one_line_within("väska", 0), "…");
    }
}
