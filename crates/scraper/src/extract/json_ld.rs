//! JSON-LD: each script is parsed alone, so that a broken one costs no other; small faults are mended first.

use scraper::{Html, Selector};
use serde_json::Value;

/// The values of all `application/ld+json` scripts that can be read, in the page's order.
pub fn nodes(document: &Html) -> Vec<Value> {
    let selector = Selector::parse("script[type]").expect("a valid selector");
    document
        .select(&selector)
        .filter(|s| {
            let kind = s.attr("type").unwrap_or_default().split(';').next().unwrap_or_default();
            kind.trim().eq_ignore_ascii_case("application/ld+json")
        })
        .filter_map(|script| parse(&script.text().collect::<String>()))
        .collect()
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok().or_else(|| serde_json::from_str(&mend(text)).ok())
}

/// Take out what people and templates put into JSON: comments, CDATA marks, commas before a bracket, raw control characters
/// in strings, a semicolon at the end.
fn mend(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').replace("<![CDATA[", " ").replace("]]>", " ");
    let text = text.replace("<!--", " ").replace("-->", " ");
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                in_string = !in_string;
                out.push(c);
            }
            '\\' if in_string => {
                out.push(c);
                out.extend(chars.next());
            }
            c if in_string && (c as u32) < 0x20 => out.push(' '),
            _ if in_string => out.push(c),
            '/' if chars.peek() == Some(&'/') => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                chars.next();
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            '}' | ']' => {
                let kept = out.trim_end().len();
                if out[..kept].ends_with(',') {
                    out.truncate(kept - 1);
                }
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.trim().trim_end_matches(';').to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_broken_script_costs_no_other_and_small_faults_are_mended() {
        let html = r#"<script type="application/ld+json">{"a": </script>
            <script type="text/javascript">{"b": 1}</script>
            <script type="application/LD+JSON; charset=utf-8">//<![CDATA[
              {"url": "http://a//b", /* why not */ "list": [1, 2,],
               "text": "two
lines", "end": true,};
            //]]></script>"#;
        let found = nodes(&Html::parse_document(html));
        assert_eq!(found, [json!({"url": "http://a//b", "list": [1, 2], "text": "two lines", "end": true})]);
    }

    proptest! {
        #[test]
        fn mending_keeps_what_is_whole(text in "[a-z,/*\\]}\"\\\\ ]{0,20}", number in any::<i32>()) {
            let value = json!({"text": text, "list": [number, {"inner": text}]});
            let written = value.to_string();
            // These marks are taken out wherever they stand.
            prop_assume!(!written.contains("]]>"));
            prop_assert_eq!(serde_json::from_str::<Value>(&mend(&written)).unwrap(), value);
        }
    }
}
