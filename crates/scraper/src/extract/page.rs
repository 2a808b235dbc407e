//! A page's text into a tree, at a bounded cost.
//!
//! A tree is not bounded by its text: `<b a=1><b a=2>…<p>x<p>x…` opens every `b` anew in every `p`, elements within elements are
//! walked up for each tag, and each attribute is held against all before it. So a page is looked over before it is parsed, and
//! one that would cost more than any page of a shop does is not parsed at all.

use std::borrow::Cow;

use html5ever::driver::{ParseOpts, parse_document};
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use scraper::{Html, HtmlTreeSink};

/// Elements within elements, at most; browsers stop at 512.
const MAX_DEPTH: usize = 512;
/// Attributes of one tag, at most.
const MAX_ATTRIBUTES: usize = 1_000;
/// Elements that the tree may come to, at most.
const MAX_ELEMENTS: usize = 3_000_000;

/// Elements that the parser opens anew where they were not closed in the order in which they were opened.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements that hold nothing, or close by themselves.
const CLOSED: [&str; 31] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr", "p",
    "li", "td", "th", "tr", "dt", "dd", "option", "optgroup", "thead", "tbody", "tfoot", "html", "head", "body", "rp",
    "rt",
];

/// The tree of a page, or what there is too much of in it.
///
/// What stands in `noscript` is read as a reader without scripts would.
pub fn parse(html: &str) -> Result<Html, String> {
    look_over(html)?;
    let opts = ParseOpts {
        tree_builder: TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() },
        ..ParseOpts::default()
    };
    Ok(parse_document(HtmlTreeSink::new(Html::new_document()), opts).one(html))
}

/// How far the tags of a page are open.
#[derive(Clone, Copy, Default)]
struct Opened {
    depth: usize,
    formatting: usize,
}

fn look_over(html: &str) -> Result<(), String> {
    let bytes = html.as_bytes();
    let (mut at, mut elements, mut foreign) = (0, 0usize, 0usize);
    let mut opened = Opened::default();
    let mut before_script = None;
    while let Some(found) = bytes[at..].iter().position(|b| *b == b'<') {
        at += found + 1;
        if bytes[at..].starts_with(b"!--") && before_script.is_none() {
            at += html[at..].find("-->").unwrap_or(3);
            continue;
        }
        let is_end = bytes.get(at) == Some(&b'/');
        at += usize::from(is_end);
        let length = bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        if length == 0 {
            continue;
        }
        let name: Cow<'_, str> = match &html[at..at + length] {
            name if name.bytes().any(|b| b.is_ascii_uppercase()) => name.to_ascii_lowercase().into(),
            name => name.into(),
        };
        at += length;
        let is_formatting = FORMATTING.contains(&&*name);
        if is_end {
            opened.depth = opened.depth.saturating_sub(usize::from(!CLOSED.contains(&&*name)));
            opened.formatting = opened.formatting.saturating_sub(usize::from(is_formatting));
            match &*name {
                "svg" | "math" => foreign = foreign.saturating_sub(1),
                // What looks like a tag in a script is none.
                "script" => opened = before_script.take().unwrap_or(opened),
                _ => {}
            }
            continue;
        }
        if before_script.is_none() {
            let (attributes, closed) = tag(&bytes[at..]);
            if attributes > MAX_ATTRIBUTES {
                return Err(format!("a tag has more than {MAX_ATTRIBUTES} attributes"));
            }
            foreign += usize::from(matches!(&*name, "svg" | "math") && !closed);
            if name == "script" && foreign == 0 {
                before_script = Some(opened);
            }
            opened.depth += usize::from(!CLOSED.contains(&&*name) && !closed);
        }
        opened.formatting += usize::from(is_formatting);
        elements += 1 + opened.formatting;
        if opened.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} elements within one another"));
        }
        if elements > MAX_ELEMENTS {
            return Err(format!("more than {MAX_ELEMENTS} elements"));
        }
    }
    Ok(())
}

/// About how many attributes a tag has, and whether it closes itself, as `<path/>` does.
fn tag(rest: &[u8]) -> (usize, bool) {
    let (mut attributes, mut last) = (0, b' ');
    let mut quote = None;
    for &b in rest {
        match (quote, b) {
            (Some(q), _) if b == q => quote = None,
            (Some(_), _) => continue,
            (None, b'"' | b'\'') if last == b'=' => quote = Some(b),
            (None, b'>') => return (attributes, last == b'/'),
            (None, _) => {
                let parts = |c: u8| c.is_ascii_whitespace() || c == b'/';
                attributes += usize::from(!parts(b) && (parts(last) || matches!(last, b'"' | b'\'')));
                if attributes > MAX_ATTRIBUTES {
                    return (attributes, false);
                }
            }
        }
        if !(b.is_ascii_whitespace() && last == b'=') {
            last = b;
        }
    }
    (attributes, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_costs_too_much_is_refused_and_a_long_one_is_not() {
        let many = |n: usize, text: &dyn Fn(usize) -> String| (0..n).map(text).collect::<String>();
        for (html, expected) in [
            ("<div>".repeat(600), "within one another"),
            ("<svg><script>".to_string() + &"<div>".repeat(600), "within one another"),
            (many(400, &|n| format!("<b a={n}>")) + &"<p>x".repeat(100_000), "elements"),
            (format!("<p {}>", many(2_000, &|n| format!("a{n}='1' "))), "attributes"),
            (format!("<p {}>", many(2_000, &|n| format!("a{n}/"))), "attributes"),
        ] {
            assert!(parse(&html).unwrap_err().contains(expected), "{}", &html[..60]);
        }
        let tile = "<li><a href=\"/p/1?a=b&c=d\"><img src='a.jpg' alt=\"a > b\"><p>Vale<br>Tote</a>";
        let script = "<script>for(var i=0;i<a;i++){document.write('<div><b>')}</script>";
        let page = format!("<ul>{}</ul>{}", tile.repeat(5_000), script.repeat(1_000));
        assert!(parse(&page).is_ok());
        assert!(parse(&format!("<p>{}", "<!-- <div> -->".repeat(1_000))).is_ok());
        assert!(parse(&"<path d='M0'/>".repeat(1_000)).is_ok());
    }
}
