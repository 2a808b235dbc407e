//! The text of an element as a reader sees it: one space between words, a new line where a new block begins.
//!
//! After `html-text`, which the structured-data extractor `extruct` uses: the same page gives the same text there and here.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Html, Node};

/// Elements that begin and end a line.
const LINE: [&str; 19] = [
    "article",
    "aside",
    "br",
    "dd",
    "details",
    "div",
    "dt",
    "fieldset",
    "figcaption",
    "footer",
    "form",
    "header",
    "hr",
    "legend",
    "li",
    "main",
    "nav",
    "table",
    "tr",
];
/// Elements with an empty line before and after them.
const PARAGRAPH: [&str; 14] =
    ["blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "title", "ul"];

/// What stood last in the text.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Line,
    Paragraph,
    Text { ends_with_space: bool, ends_with_bracket: bool },
}

struct Writer {
    out: String,
    /// Text that goes on, since nothing but what is left out stood between its parts.
    pending: String,
    last: Last,
}

/// The element's text. `looks` is what may still be looked at, in nodes and in pieces of text.
pub fn text_of(element: ElementRef<'_>, looks: &mut usize) -> String {
    let mut writer = Writer { out: String::new(), pending: String::new(), last: Last::Paragraph };
    let mut left_out = 0usize;
    for edge in element.traverse() {
        *looks = looks.saturating_sub(1);
        if *looks == 0 {
            break;
        }
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Element(e) if left_out > 0 || is_left_out(e.name()) => left_out += 1,
                Node::Element(e) => writer.begin(e.name()),
                Node::Text(text) if left_out == 0 => {
                    *looks = looks.saturating_sub(text.len() / 64);
                    writer.pending.push_str(text);
                }
                _ => {}
            },
            Edge::Close(node) => match node.value() {
                Node::Element(_) if left_out > 0 => left_out -= 1,
                Node::Element(e) => writer.begin(e.name()),
                _ => {}
            },
        }
    }
    writer.flush();
    writer.out.trim_matches(is_space).to_string()
}

fn is_left_out(name: &str) -> bool {
    matches!(name, "script" | "style" | "link" | "meta")
}

/// As Python's `str.isspace`, which `html-text` goes by.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

impl Writer {
    /// A tag: of an element that begins, or of one that ends.
    fn begin(&mut self, name: &str) {
        self.flush();
        if self.last == Last::Paragraph {
            return;
        }
        if PARAGRAPH.contains(&name) {
            self.out += if self.last == Last::Line { "\n" } else { "\n\n" };
            self.last = Last::Paragraph;
        } else if LINE.contains(&name) {
            if self.last != Last::Line {
                self.out.push('\n');
            }
            self.last = Last::Line;
        }
    }

    fn flush(&mut self) {
        let raw = std::mem::take(&mut self.pending);
        let words: Vec<&str> = raw.split(is_space).filter(|w| !w.is_empty()).collect();
        let Some(first) = words.first() else { return };
        if let Last::Text { ends_with_space, ends_with_bracket } = self.last {
            let goes_on = first.starts_with([',', ':', ';', '.', '!', '?', '"', ')']);
            if ends_with_space || !(goes_on || ends_with_bracket) {
                self.out.push(' ');
            }
        }
        self.out += &words.join(" ");
        self.last = Last::Text { ends_with_space: raw.ends_with(is_space), ends_with_bracket: raw.ends_with('(') };
    }
}

/// `Fj&auml;ll` to `Fjäll`: some write the text of a page into attributes and scripts, where it stays as it is.
pub fn decode_entities(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('&') || text.len() > 1 << 20 {
        return text.into();
    }
    let fragment = Html::parse_fragment(&text.replace('<', "&lt;"));
    let decoded: String = fragment.root_element().text().collect();
    decoded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_words_stay_apart() {
        let text = |html: &str| {
            let document = Html::parse_document(&format!("<div id=x>{html}</div>"));
            let element = document.select(&scraper::Selector::parse("#x").unwrap()).next().unwrap();
            text_of(element, &mut 10_000)
        };
        assert_eq!(text(" Vale \n Tote "), "Vale Tote");
        assert_eq!(text("<b>Vale</b><i>Tote</i>, moss (<u>new</u>)"), "Vale Tote, moss (new)");
        assert_eq!(text("<b>a</b> <i>, b</i>"), "a, b");
        assert_eq!(text("one<br>two<p>three</p><p>four</p>"), "one\ntwo\n\nthree\n\nfour");
        assert_eq!(text("a <script>x()</script>b<!-- c -->c"), "a bc");
        assert_eq!(text("<ul><li>a<li>b</ul>"), "a\nb");
    }

    #[test]
    fn entities_are_decoded_where_they_stand() {
        assert_eq!(
            decode_entities("Fj&auml;llr&#228;ven &amp; <b> &quot;x&quot; &nope;"),
            "Fjällräven & <b> \"x\" &nope;"
        );
    }
}
