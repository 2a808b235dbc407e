//! A page's text into a tree, at a bounded cost.
//!
//! A tree is not bounded by its text: `<p><b a=1><b a=2>…<p>x<p>x…` opens every `b` anew in every `p`, elements within
//! elements are walked up for each tag, and each attribute is held against all before it. What a text comes to, the parser
//! alone knows: what closes what, and what looks like a tag and is none. So it is given a page piece by piece and watched, and
//! one that comes to more than any page of a shop does is not read on.

use std::cell::RefCell;

use ego_tree::{NodeId, Tree};
use html5ever::TokenizerResult;
use html5ever::tokenizer::{BufferQueue, ParseError, TagToken, Token, TokenSink, TokenSinkResult, Tokenizer};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts, TreeSink};
use scraper::{Html, HtmlTreeSink, Node};

/// Elements within elements, at most; browsers stop at 512.
const MAX_DEPTH: usize = 512;
/// Attributes of one tag, at most.
const MAX_ATTRIBUTES: usize = 1_000;
/// Nodes and attributes of the tree, at most.
const MAX_SIZE: usize = 3_000_000;
/// What the parser is given at once, in bytes: less than the attributes of one tag take up.
const PIECE: usize = 1_024;

/// The tree of a page, or what there is too much of in it.
///
/// What stands in `noscript` is read as a reader without scripts would.
pub fn parse(html: &str) -> Result<Html, String> {
    let opts = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let builder = TreeBuilder::new(HtmlTreeSink::new(Html::new_document()), opts);
    let tokenizer = Tokenizer::new(Watched { builder, growth: RefCell::default() }, Default::default());
    let (input, mut open_tags) = (BufferQueue::default(), OpenTags::default());
    for piece in pieces(html) {
        input.push_back(piece.into());
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        let mut growth = tokenizer.sink.growth.borrow_mut();
        // A tag becomes a token when it ends: one that was open before the piece is not open any more.
        if std::mem::take(&mut growth.has_new_token) {
            open_tags.forget();
        }
        open_tags.read(piece.as_bytes());
        if open_tags.most_attributes() > MAX_ATTRIBUTES {
            return Err(too_many_attributes());
        }
        if let Some(too_much) = growth.too_much.take() {
            return Err(too_much);
        }
    }
    tokenizer.end();
    Ok(tokenizer.sink.builder.sink.finish())
}

fn pieces(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn too_many_attributes() -> String {
    format!("a tag has more than {MAX_ATTRIBUTES} attributes")
}

/// Gets the parser's tokens and builds the tree of them, until that is too large.
struct Watched {
    builder: TreeBuilder<NodeId, HtmlTreeSink>,
    growth: RefCell<Growth>,
}

impl TokenSink for Watched {
    type Handle = NodeId;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<NodeId> {
        let mut growth = self.growth.borrow_mut();
        // An error may lie within a tag that is still open.
        growth.has_new_token |= !matches!(token, ParseError(_));
        if growth.too_much.is_some() {
            return TokenSinkResult::Continue;
        }
        growth.take_root(&token);
        let result = self.builder.process_token(token, line);
        growth.take_new(&self.builder.sink.0.borrow().tree);
        result
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

/// What a tree came to so far.
#[derive(Default)]
struct Growth {
    nodes: usize,
    size: usize,
    /// Of `html` and `body`, to which every tag of that name adds.
    root_attributes: usize,
    has_new_token: bool,
    too_much: Option<String>,
}

impl Growth {
    fn take_root(&mut self, token: &Token) {
        if let TagToken(tag) = token
            && matches!(&*tag.name, "html" | "body")
        {
            self.root_attributes += tag.attrs.len();
            if self.root_attributes > MAX_ATTRIBUTES {
                self.too_much = Some(too_many_attributes());
            }
        }
    }

    /// Take the nodes into account that there were not before. Of these, the last one lies deepest.
    fn take_new(&mut self, tree: &Tree<Node>) {
        let nodes = tree.values();
        let new = nodes.len() - self.nodes;
        self.nodes += new;
        self.size += nodes.rev().take(new).map(|n| 1 + n.as_element().map_or(0, |e| e.attrs.len())).sum::<usize>();
        let newest = tree.nodes().next_back().filter(|_| new > 0);
        if newest.is_some_and(|newest| newest.ancestors().nth(MAX_DEPTH).is_some()) {
            self.too_much = Some(format!("more than {MAX_DEPTH} elements within one another"));
        } else if self.size > MAX_SIZE {
            self.too_much = Some(format!("more than {MAX_SIZE} elements, texts and attributes"));
        }
    }
}

/// Tags that may be open where the text was read to, and how many attributes each has so far. What looks like a tag may be
/// none, or stand in an attribute of another, so all are followed; of those that are at the same place within, the one that
/// has most.
#[derive(Default)]
struct OpenTags {
    open: Vec<(Within, usize)>,
    last: [u8; 2],
}

impl OpenTags {
    fn forget(&mut self) {
        self.open.clear();
    }

    fn read(&mut self, piece: &[u8]) {
        for &b in piece {
            self.open.retain_mut(|(within, attributes)| {
                let before = *within;
                let Some(after) = before.after(b) else { return false };
                *attributes += usize::from(after == Within::Attribute && before != after);
                *within = after;
                true
            });
            if b.is_ascii_alphabetic() && matches!(self.last, [_, b'<'] | [b'<', b'/']) {
                self.open.push((Within::Name, 0));
                self.open.sort_unstable_by(|a, b| b.cmp(a));
                self.open.dedup_by_key(|(within, _)| *within);
            }
            self.last = [self.last[1], b];
        }
    }

    fn most_attributes(&self) -> usize {
        self.open.iter().map(|(_, attributes)| *attributes).max().unwrap_or_default()
    }
}

/// A place within a tag.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Within {
    Name,
    Between,
    Attribute,
    AfterAttribute,
    AfterEquals,
    Value,
    Quoted(u8),
}

impl Within {
    /// Where one is after the next byte, as the HTML standard has it; nowhere, if that ends the tag.
    fn after(self, b: u8) -> Option<Self> {
        use Within::*;
        let space = b.is_ascii_whitespace();
        Some(match self {
            Quoted(quote) if b == quote => Between,
            Quoted(_) => self,
            _ if b == b'>' => return None,
            AfterEquals if space => AfterEquals,
            AfterEquals if matches!(b, b'"' | b'\'') => Quoted(b),
            Value if space => Between,
            AfterEquals | Value => Value,
            _ if b == b'/' => Between,
            Name | Between if space => Between,
            Name => Name,
            Attribute | AfterAttribute if b == b'=' => AfterEquals,
            Attribute | AfterAttribute if space => AfterAttribute,
            Between | Attribute | AfterAttribute => Attribute,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(n: usize, text: impl Fn(usize) -> String) -> String {
        (0..n).map(text).collect()
    }

    fn attributes(n: usize) -> String {
        many(n, |n| format!("a{n}='1' "))
    }

    fn refused(html: &str) -> String {
        parse(html).err().unwrap_or_else(|| panic!("not refused: {}", &html[..60]))
    }

    #[test]
    fn a_page_that_costs_too_much_is_refused() {
        for (html, expected) in [
            ("<div>".repeat(600), "within one another"),
            ("<svg><script>".to_string() + &"<div>".repeat(600), "within one another"),
            (format!("<p>{}{}", many(400, |n| format!("<b a={n}>")), "<p>x".repeat(100_000)), "elements, texts"),
            (format!("<p><b {}>{}", attributes(900), "<p>x".repeat(10_000)), "elements, texts and attributes"),
            (format!("<p {}>", attributes(2_000)), "a tag has"),
            (format!("<p {}>", many(2_000, |n| format!("a{n}/"))), "a tag has"),
            (format!("</p {}", attributes(2_000)), "a tag has"),
            (many(2_000, |n| format!("<body a{n}>")), "a tag has"),
        ] {
            assert!(refused(&html).contains(expected), "{}", &html[..60]);
        }
    }

    #[test]
    fn nothing_that_looks_like_something_else_to_the_parser_hides_a_deep_page() {
        let bomb = "<div>".repeat(600);
        for html in [
            format!("<!-- --!>{bomb}<!-- -->"),
            format!("<!-->{bomb}-->"),
            format!("<!--->{bomb}-->"),
            format!("<title><script></title>{bomb}"),
            format!("<textarea><!--</textarea>{bomb}"),
            format!("<style><script></style>{bomb}"),
            format!("<script><!-- <script> </script> --></script>{bomb}"),
            "<div a='</div>'>".repeat(600),
            "<div><? </div>".repeat(600),
            "<div></1></>".repeat(600),
            "<div></span>".repeat(600),
            "<div/>".repeat(600),
            "<p-x>".repeat(600),
            format!("<svg>{}", "<td>".repeat(600)),
        ] {
            assert!(refused(&html).contains("within one another"), "{}", &html[..60]);
        }
    }

    #[test]
    fn nothing_hides_the_attributes_of_a_tag() {
        let bomb = attributes(2_000);
        for html in [
            format!("<x =\"><p {bomb}>"),
            format!("<x a=b=\"><p {bomb}>"),
            format!("<x a='<y b=\"'><p {bomb}>"),
            format!("<script>a<b c=\"</script {bomb}"),
            format!("<!-- <x a=\" --><p {bomb}>"),
            format!("&am<p {bomb}>"),
            format!("{}<p {bomb}>", " ".repeat(PIECE - 1)),
        ] {
            assert!(refused(&html).contains("a tag has"), "{}", &html[..60]);
        }
    }

    #[test]
    fn a_long_page_is_not_refused() {
        let tile = "<li><a href=\"/p/1?a=b&c=d\"><img src='a.jpg' alt=\"a > b\"><p>Vale<br>Tote</a>";
        let script = "<script>for(var i=0;i<a;i++){document.write('<div><b>')}</script>";
        for html in [
            format!("<ul>{}</ul>{}", tile.repeat(5_000), script.repeat(1_000)),
            format!("<p>{}", "<!-- <div> -->".repeat(1_000)),
            format!("<svg>{}", "<path d='M0'/>".repeat(1_000)),
            "<div><span></div>".repeat(1_000),
            format!("<p data-all='{}'>", many(5_000, |n| format!("\"{n}\" : [ {n} ], "))),
            format!("<script>if (a<b) {{ {} }}</script>", many(5_000, |n| format!("c = {n} / 2; "))),
        ] {
            assert_eq!(parse(&html).err(), None, "{}", &html[..60]);
        }
    }

    #[test]
    fn a_long_page_is_read_in_one_pass() {
        const MIB: usize = 1 << 20;
        for text in ["<!--", "<!--<a b='", "<a", "<a\"='", "</", "<!", "<?", "&", "<title>", "<script><!--", "]]>"] {
            // It ends, whatever comes of it.
            let _ = parse(&text.repeat(8 * MIB / text.len()));
        }
    }

    #[test]
    fn a_page_in_pieces_is_the_page() {
        let page = format!("<title>é</title>{}<p class='a b'>é &amp; <b>c</b>\r\n<!-- d -->", "é".repeat(PIECE));
        for shift in 0..PIECE {
            let html = format!("{}{page}", " ".repeat(shift));
            assert_eq!(parse(&html).unwrap().html(), Html::parse_document(&html).html());
        }
    }
}
