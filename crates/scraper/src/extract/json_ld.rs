//! JSON-LD: each script is parsed alone, so that a broken one costs no other; small faults are mended first.

use scraper::{Html, Selector};
use serde_json::Value;

use super::text::decode_entities;

/// Values of one page, at most.
const MAX_ITEMS: usize = 10_000;

/// The values of all `application/ld+json` scripts that can be read, in the page's order; a list's values one by one.
///
/// Empty values and values that are no objects are left out, as `extruct` does.
pub fn items(document: &Html) -> Vec<Value> {
    let selector = Selector::parse("script[type]").expect("a valid selector");
    document
        .select(&selector)
        .filter(|s| {
            let kind = s.attr("type").unwrap_or_default().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/ld+json")
        })
        .flat_map(|script| parse(&script.text().collect::<String>()))
        .flat_map(|value| match value {
            Value::Array(values) => values,
            Value::Object(_) => vec![value],
            _ => vec![],
        })
        .filter(|value| match value {
            Value::Object(node) => !node.is_empty(),
            Value::Array(values) => !values.is_empty(),
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::Bool(is) => *is,
            Value::Null => false,
        })
        .take(MAX_ITEMS)
        .collect()
}

/// A script's value, or its values where one follows the other.
fn parse(text: &str) -> Vec<Value> {
    let text = text.trim_start_matches('\u{feff}');
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return vec![value];
    }
    let attempt = |text: &str| {
        let read = [Comments::Whole, Comments::MarksAlone].into_iter().map(|c| several(&mend(text, c)));
        read.into_iter().find(|values| !values.is_empty()).unwrap_or_default()
    };
    let values = attempt(text);
    // Some templates escape quotes as if the script were text.
    if values.is_empty() && text.contains("&quot;") { attempt(&decode_entities(text)) } else { values }
}

/// The values that a text begins with.
fn several(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter::<Value>().map_while(Result::ok).collect()
}

/// What `<!--` and `-->` are: around a comment, or around JSON that is to be hidden from browsers of the nineties.
#[derive(Clone, Copy, PartialEq)]
enum Comments {
    Whole,
    MarksAlone,
}

/// Take out what people and templates put into JSON: comments, CDATA marks, commas before a bracket; and write raw control
/// characters, needless escapes and halves of characters in strings as JSON writes them.
fn mend(text: &str, comments: Comments) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // How many lists are open; and whether a comment may still end: else each mark would look for an end through all that follows.
    let (mut open, mut may_end) = (0usize, comments == Comments::Whole);
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '"' => string(after, &mut out),
            '<' if rest.starts_with("<![CDATA[") => &rest["<![CDATA[".len()..],
            // With two lists open it is their end, with a stray `>` behind it.
            ']' if rest.starts_with("]]>") && open < 2 => &rest["]]>".len()..],
            '<' if rest.starts_with("<!--") => {
                let end = if may_end { rest.find("-->") } else { None };
                may_end = end.is_some();
                end.map_or(&rest[4..], |end| &rest[end + 3..])
            }
            '-' if rest.starts_with("-->") => &rest[3..],
            '/' if after.starts_with('*') => after[1..].find("*/").map_or("", |end| &after[1 + end + 2..]),
            '/' if after.starts_with('/') => {
                let said = after[1..].trim_start_matches([' ', '\t', '/']);
                let marks = ["<![CDATA[", "]]>", "<!--", "-->"].iter().any(|mark| said.starts_with(mark));
                if marks { said } else { said.find(['\n', '\r']).map_or("", |end| &said[end..]) }
            }
            '}' | ']' => {
                let kept = out.trim_end().len();
                if out[..kept].ends_with(',') {
                    out.truncate(kept - 1);
                }
                open = open.saturating_sub(usize::from(c == ']'));
                out.push(c);
                after
            }
            // What JSON does not know as space, and numbers that it does not know.
            c if c.is_whitespace() || c.is_control() || c == '\u{feff}' => {
                out.push(' ');
                after
            }
            '[' => {
                open += 1;
                out.push(c);
                after
            }
            'N' if rest.starts_with("NaN") => {
                out += "null";
                &rest[3..]
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// Copy a string whose opening quote was read, and return what follows its closing one.
fn string<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('"');
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match (c, after.chars().next()) {
            ('"', _) => {
                out.push('"');
                return after;
            }
            ('\\', Some('u')) => match unicode_escape(rest) {
                Some((character, length)) => {
                    push(character, out);
                    &rest[length..]
                }
                None => after,
            },
            ('\\', Some(escaped @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't'))) => {
                out.push('\\');
                out.push(escaped);
                &after[1..]
            }
            // `\'` and its like: JSON knows no such escape.
            ('\\', _) => after,
            (c, _) => {
                push(c, out);
                after
            }
        };
    }
    ""
}

fn push(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push(c),
    }
}

/// `\u00e4`, or `\ud83d\ude00`, and how many bytes it takes; half of such a pair is U+FFFD.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |text: &str| {
        let digits = text.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(text)?;
    match unit(&text[6..]) {
        Some(second) if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) => {
            let pair = char::decode_utf16([first, second]).next()?.ok()?;
            Some((pair, 12))
        }
        _ => Some((char::from_u32(first.into()).unwrap_or('\u{fffd}'), 6)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn script(text: &str) -> Vec<Value> {
        items(&Html::parse_document(&format!("<script type='application/ld+json'>{text}</script>")))
    }

    #[test]
    fn a_broken_script_costs_no_other_and_small_faults_are_mended() {
        let html = r#"<script type="application/ld+json">{"a": </script>
            <script type="text/javascript">{"b": 1}</script>
            <script type="application/LD+JSON; charset=utf-8">//<![CDATA[
              {"url": "http://a//b", /* why not */ "list": [1, 2,],
               "text": "two
lines", "end": true,};
            //]]></script>"#;
        let found = items(&Html::parse_document(html));
        assert_eq!(found, [json!({"url": "http://a//b", "list": [1, 2], "text": "two\nlines", "end": true})]);
    }

    #[test]
    fn what_people_and_templates_write_is_read() {
        let one = [json!({"a": "b"})];
        for text in [
            r#"{"a": "b"}"#,
            r#"[{"a": "b"}, {}, null, []]"#,
            r#"// a product
               {"a": "b"}"#,
            r#"<!-- a product --> {"a": "b"}"#,
            r#"<!-- {"a": "b"} -->"#,
            r#"<!--
               {"a": "b"}
               //-->"#,
            r#"/*<![CDATA[*/{"a": "b"}/*]]>*/"#,
            r#"//<![CDATA[ {"a": "b"} //]]>"#,
            r#"{"a": "b",}"#,
            r#"{"a": "b"};"#,
            r#"{"a": /* " */ "b" // "
            }"#,
            r#"{&quot;a&quot;: &quot;b&quot;}"#,
            "\u{feff}\u{a0}{\"a\":\u{a0}\"b\"}",
            r#"{"a": "\b"}x"#.replace("\\b", "\\u0062").as_str(),
        ] {
            assert_eq!(script(text), one, "{text}");
        }
        assert_eq!(script(r#"{"a": 1}{"a": 2}"#), [json!({"a": 1}), json!({"a": 2})]);
        assert_eq!(
            script(r#"{"a": "it\'s \ud83d\ude00 \ud83d", "b": NaN}"#),
            [json!({"a": "it's 😀 \u{fffd}", "b": null})]
        );
        assert_eq!(script("{\"a\": \"one\ttwo\n\"}"), [json!({"a": "one\ttwo\n"})]);
        assert!(script(&"[".repeat(100_000)).is_empty());
        assert!(script("\"text\"").is_empty() && script("7").is_empty() && script("").is_empty());
        assert_eq!(script(r#"{"a": [["b"]]}>"#), [json!({"a": [["b"]]})]);
        assert_eq!(script(r#"[["]", "["]]>"#), [json!(["]", "["])]);
    }

    #[test]
    fn a_long_script_is_read_in_one_pass() {
        const MIB: usize = 1 << 20;
        for text in [
            "<!--".repeat(2 * MIB),
            "<!--".repeat(2 * MIB) + "-->",
            format!("[{}{}", "1,".repeat(MIB), "]]>".repeat(2 * MIB)),
            format!("{}{}", "[ ".repeat(MIB), "]]>".repeat(2 * MIB)),
        ] {
            assert!(parse(&text).is_empty(), "{}", &text[..9]);
        }
    }

    proptest! {
        #[test]
        fn mending_keeps_what_is_whole(text in "[a-z,/*<>!\\[\\]}\"\\\\\u{1}\n é-]{0,20}", number in any::<i32>()) {
            let value = json!({"text": text, "list": [number, {"inner": text}]});
            for comments in [Comments::Whole, Comments::MarksAlone] {
                prop_assert_eq!(several(&mend(&value.to_string(), comments)), [value.clone()]);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:/*<>!u\\\\0-9a-f \n-]{0,60}") {
            parse(&text);
        }
    }
}
