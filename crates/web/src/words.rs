//! How the page says money, days and addresses.

use goodtwin_core::Money;
use jiff::civil::Date;
use rust_decimal::Decimal;
use url::Url;

/// A stranger's address, if it leads to the web: `javascript:` and the like do not.
pub(crate) fn web_address(text: &str) -> Option<String> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).map(Into::into)
}

/// "12 March 2025"
pub(crate) fn day(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// "€1,234.50", "90 SEK": a sign where it means one currency only, else the code.
pub(crate) fn money(money: Money) -> String {
    let amount = grouped(money.amount, if money.amount.fract().is_zero() { 0 } else { 2 });
    match money.currency.code() {
        "EUR" => format!("€{amount}"),
        "GBP" => format!("£{amount}"),
        "USD" => format!("US${amount}"),
        code => format!("{amount} {code}"),
    }
}

/// With a comma between thousands.
pub(crate) fn grouped(amount: Decimal, places: usize) -> String {
    let plain = format!("{amount:.places$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) && whole.as_bytes()[n - 1].is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

/// With a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// “x” for `x`, as our messages for a terminal quote what somebody wrote.
pub(crate) fn quoted(text: &str) -> String {
    let mut opens = false;
    let quote = |letter| match letter {
        '`' => {
            opens = !opens;
            if opens { '“' } else { '”' }
        }
        letter => letter,
    };
    text.chars().map(quote).collect()
}

/// "a tote", "an evening bag"
pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_as_in_a_shop() {
        for (amount, currency, text) in [
            ("129.50", "EUR", "€129.50"),
            ("1234567.8", "GBP", "£1,234,567.80"),
            ("1290", "SEK", "1,290 SEK"),
            ("100", "USD", "US$100"),
            ("0.05", "EUR", "€0.05"),
        ] {
            let amount = amount.parse().unwrap();
            assert_eq!(money(Money { amount, currency: currency.parse().unwrap() }), text);
        }
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        assert_eq!(web_address("https://shop.example/a").as_deref(), Some("https://shop.example/a"));
        for text in
            ["javascript:alert(1)", "data:text/html,x", "ratings.jsonl", "//shop.example", "JAVASCRIPT:alert(1)"]
        {
            assert_eq!(web_address(text), None, "{text}");
        }
    }
}
