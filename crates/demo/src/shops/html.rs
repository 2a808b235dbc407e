//! What the shops' pages have in common.

use serde_json::Value;

/// Text as it may stand between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

/// JSON in a script element: no `</script>` can hide in it.
pub(crate) fn json_ld(value: &Value) -> String {
    format!("<script type=\"application/ld+json\">{}</script>\n", value.to_string().replace('<', "\\u003c"))
}

/// A whole page.
pub(crate) fn page(language: &str, title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>body{{font-family:system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}}\
         nav a{{margin-right:1rem}}ul.grid{{display:grid;grid-template-columns:repeat(auto-fill,minmax(12rem,1fr));\
         gap:1rem;list-style:none;padding:0}}img{{max-width:100%;height:auto}}</style>\n{head}</head>\n\
         <body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

/// `1249.00`: the form of feeds and structured data.
pub(crate) fn plain(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// `$1,249.00`.
pub(crate) fn dollars(hundredths: u32) -> String {
    format!("${}.{:02}", grouped(hundredths / 100, ","), hundredths % 100)
}

/// `1.249,00 €`.
pub(crate) fn euros(hundredths: u32) -> String {
    format!("{},{:02} €", grouped(hundredths / 100, "."), hundredths % 100)
}

/// `£1,249.00`.
pub(crate) fn pounds(hundredths: u32) -> String {
    format!("£{}.{:02}", grouped(hundredths / 100, ","), hundredths % 100)
}

/// `1 299 kr`, with no-break spaces.
pub(crate) fn kronor(hundredths: u32) -> String {
    format!("{}\u{a0}kr", grouped(hundredths / 100, "\u{a0}"))
}

fn grouped(whole: u32, separator: &str) -> String {
    let digits = whole.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out += separator;
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_take_the_form_of_their_country() {
        assert_eq!(plain(12_800), "128.00");
        assert_eq!(dollars(124_900), "$1,249.00");
        assert_eq!(euros(124_900), "1.249,00 €");
        assert_eq!(euros(9_590), "95,90 €");
        assert_eq!(pounds(8_500), "£85.00");
        assert_eq!(kronor(129_900), "1\u{a0}299\u{a0}kr");
    }

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<b a='1'>\"&"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;");
        assert_eq!(json_ld(&serde_json::json!("</script>")).matches("</script>").count(), 1);
    }
}
