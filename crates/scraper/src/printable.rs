//! Strangers' text, as it may be shown on a terminal.

/// The text in one line that moves no cursor, colours nothing and reads from left to right: each control character, and
/// each mark that turns the direction of text, is shown as U+FFFD; white space as a space.
pub fn printable(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || turns(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_commands_a_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\nc\u{9b}31m \u{202e}d väska"),
            "a\u{fffd}[2Jb  c\u{fffd}31m \u{fffd}d väska"
        );
    }
}
