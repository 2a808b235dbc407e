//! The first price in a text, however doubtful.
//!
//! [`parse`](super::parse) gives nothing where a text holds two prices, or a number that is grouped in no known way. Whoever
//! shows a person what stands in a text, or compares readers of prices, wants the likeliest one and whether it is certain.

use goodtwin_core::Currency;
use rust_decimal::Decimal;

use super::{MILLS, cents_after_sign, find_currency, in_ascii, is_space, join_groups, parse_beside};

/// The likeliest price in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstPrice {
    /// The amount.
    pub amount: Option<Decimal>,
    /// It is the only one in the text and can be read in one way only: what [`parse`](super::parse) gives.
    pub is_certain: bool,
    /// The currency's code or sign, as found in the text, else in the hint.
    pub sign: Option<&'static str>,
    /// The currency, where the sign names exactly one.
    pub currency: Option<Currency>,
}

/// Read the first price that people see in a text. `hint` is a text beside it that may name the currency; `decimal_separator`
/// (`.`, `,` or `€`, as in `12€50`) is what the store is known to write before decimals.
pub fn first(text: &str, hint: Option<&str>, decimal_separator: Option<char>) -> FirstPrice {
    let (sign, currency) = find_currency(text, hint);
    let (plain, separator) = in_ascii(text, decimal_separator);
    let has_mills = currency.is_some_and(|c| MILLS.contains(&c.code()));
    let amount = first_number(&plain, sign, separator).and_then(|number| read(&number, separator, has_mills));
    let says_free = || text.to_lowercase().contains("free");
    let amount =
        amount.or_else(|| (!plain.contains(|c: char| c.is_ascii_digit()) && says_free()).then_some(Decimal::ZERO));
    let is_certain = amount.is_some() && amount == parse_beside(text, decimal_separator, currency).amount;
    FirstPrice { amount, is_certain, sign, currency }
}

/// A number in a text and where it stands, in characters.
struct Number {
    text: String,
    start: usize,
    end: usize,
}

/// The first number that the currency's sign stands beside, else the first one.
fn first_number(text: &str, sign: Option<&str>, decimal_separator: Option<char>) -> Option<String> {
    let chars: Vec<char> =
        text.split(is_space).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").chars().collect();
    let mut numbers = numbers(&chars, decimal_separator);
    let sign: Vec<char> = sign.unwrap_or_default().chars().collect();
    let chosen = match sign.is_empty() {
        true => 0,
        false => beside_sign(&chars, &numbers, &sign).unwrap_or(0),
    };
    (chosen < numbers.len()).then(|| numbers.swap_remove(chosen).text)
}

/// In "3 issues for 14.85 EUR" and "50 - $2.00" the first number is none of money; in "26 to 50 EUR" it is.
fn beside_sign(chars: &[char], numbers: &[Number], sign: &[char]) -> Option<usize> {
    let is_before = |n: &Number| trim_end(&chars[..n.start]).ends_with(sign);
    let is_after = |n: &Number| {
        chars[n.end..].iter().position(|c| *c != ' ').is_some_and(|at| chars[n.end + at..].starts_with(sign))
    };
    let at = numbers.iter().position(|n| is_before(n) || is_after(n))?;
    if is_before(&numbers[at]) || at == 0 {
        return Some(at);
    }
    let between: String = chars[numbers[at - 1].end..numbers[at].start].iter().collect();
    let is_range = matches!(between.trim(), "-" | "–" | "—" | "to" | "bis" | "a" | "à" | "/" | "до");
    Some(if is_range { at - 1 } else { at })
}

fn trim_end(chars: &[char]) -> &[char] {
    let kept = chars.iter().rposition(|c| !matches!(c, ' ' | ':')).map_or(0, |at| at + 1);
    &chars[..kept]
}

/// Runs of digits and of what may stand between digits; those before a percent sign left out.
fn numbers(chars: &[char], decimal_separator: Option<char>) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = if at > 0 && chars[at - 1] == '.' { at - 1 } else { at };
        let is_inside = |c: &char| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',' | '\'' | '’');
        let reach = at + chars[at..].iter().take_while(|c| is_inside(c)).count();
        let reach = at + before_next_number(&chars[at..reach]);
        let mut end = chars[..reach].iter().rposition(char::is_ascii_digit).map_or(reach, |last| last + 1);
        at = reach.max(end);
        if chars.get(reach) == Some(&'%') {
            match chars[start..end].iter().rposition(|c| *c == ' ') {
                Some(space) => end = start + space,
                None => continue,
            }
        }
        let mut text: String = chars[start..end].iter().filter(|c| !matches!(c, ' ' | '\'' | '’')).collect();
        if let Some((cents, after)) = cents(chars, start, end, decimal_separator) {
            text = format!("{text}€{cents}");
            (end, at) = (after, after);
        }
        found.push(Number { text, start, end });
    }
    found
}

/// How much of a run is one number: after decimals, as in `2.00 100`, a space ends it.
fn before_next_number(run: &[char]) -> usize {
    let decimals = run.windows(2).position(|w| matches!(w[0], '.' | ',') && w[1].is_ascii_digit());
    let Some(decimals) = decimals else { return run.len() };
    let ended = run[decimals..].windows(2).position(|w| w[0].is_ascii_digit() && w[1] == ' ');
    ended.map_or(run.len(), |digit| decimals + digit + 1)
}

/// The cents of `12 € 99`; where the store writes so, as many digits as follow the sign at once.
fn cents(chars: &[char], start: usize, end: usize, decimal_separator: Option<char>) -> Option<(String, usize)> {
    let has_one_sign = chars.iter().filter(|c| **c == '€').count() == 1;
    if has_one_sign && decimal_separator == Some('€') && chars.get(end) == Some(&'€') {
        let digits: String = chars[end + 1..].iter().take_while(|c| c.is_ascii_digit()).collect();
        let after = end + 1 + digits.len();
        return (!digits.is_empty()).then_some((digits, after)).or_else(|| cents_after_sign(chars, start, end));
    }
    cents_after_sign(chars, start, end)
}

/// A run of digits and separators as a number: the last separator stands before decimals, unless exactly three digits follow a lone
/// one. In a currency of a thousand parts they too are decimals.
fn read(number: &str, decimal_separator: Option<char>, has_mills: bool) -> Option<Decimal> {
    let number = number.trim_end_matches([',', '.']);
    let number = if number.matches('.').count() == 1 { number } else { number.trim_start_matches([',', '.']) };
    // After a zero, after another separator, and after more digits than a group has, nothing but decimals can follow.
    let looks_decimal = |at: usize, c: char| {
        let before = &number[..at];
        match number.len() - at - c.len_utf8() {
            0 => false,
            3 if before.contains(c) => false,
            3 if before.bytes().all(|b| b.is_ascii_digit()) => before == "0" || before.len() > 3 || has_mills,
            3 => join_groups(before).is_some(),
            _ => true,
        }
    };
    let last = number.char_indices().rfind(|(_, c)| !c.is_ascii_digit());
    let point = decimal_separator.or_else(|| last.filter(|(at, c)| looks_decimal(*at, *c)).map(|(_, c)| c));
    let mut plain = String::with_capacity(number.len());
    for c in number.chars() {
        match c {
            c if c.is_ascii_digit() => plain.push(c),
            c if Some(c) == point => plain.push('.'),
            '€' => return None,
            _ => {}
        }
    }
    // Two points are no number: a date, or the number of a version.
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_number_that_the_sign_stands_beside_goes_first() {
        for (text, amount, sign, is_certain) in [
            ("3 Ausgaben für nur 14,85 EUR", Some("14.85"), Some("EUR"), false),
            ("From 26 to 50 €", Some("26"), Some("€"), false),
            ("50 - $2.00 100 - $2.75", Some("2.00"), Some("$"), false),
            ("Was: $124.95 Now: $99.00", Some("124.95"), Some("$"), false),
            ("399 167.00 руб 420 176.16 руб", Some("399167.00"), Some("руб"), false),
            ("559. 99 undefined", Some("559.99"), None, false),
            ("-20 % 1.198,- Kr", Some("1198"), Some("Kr"), true),
            ("SGD$ 85", Some("85"), Some("SGD"), true),
            ("12€99 TTC", Some("12.99"), Some("€"), true),
            ("12€99 12€99", Some("12.99"), Some("€"), true),
            ("95 € 85 €", Some("95"), Some("€"), false),
            ("140,000€33", Some("140000.33"), Some("€"), false),
            ("Free", Some("0"), None, false),
            ("50% off", None, None, true),
            ("См. цену в прайсе", None, None, true),
            ("15.08.2017", None, None, true),
            ("KWD 12.500", Some("12.500"), Some("KWD"), false),
            ("1,234.500 KWD", Some("1234.500"), Some("KWD"), true),
            ("1.234.567 €", Some("1234567"), Some("€"), true),
            ("0.125 €", Some("0.125"), Some("€"), true),
            ("₹1,23,456.70", Some("123456.70"), Some("₹"), true),
        ] {
            let read = first(text, None, None);
            assert_eq!(read.amount.map(|a| a.to_string()).as_deref(), amount, "{text}");
            assert_eq!(read.sign, sign, "{text}");
            assert_eq!(read.is_certain, is_certain && amount.is_some(), "{text}");
        }
    }

    #[test]
    fn the_hint_speaks_where_the_text_is_silent() {
        let read = |text, hint| first(text, Some(hint), None).sign;
        assert_eq!(read("85.00", "Preis in EUR"), Some("EUR"));
        assert_eq!(read("£85.00", "EUR"), Some("£"));
        assert_eq!(read("$85.00", "NZD"), Some("$"));
        assert_eq!(read("$85.00", "NZD $"), Some("NZD"));
    }

    #[test]
    fn the_store_says_what_stands_before_decimals() {
        let read = |text, separator| first(text, None, Some(separator)).amount.map(|a| a.normalize().to_string());
        assert_eq!(read("140.000", '.').as_deref(), Some("140"));
        assert_eq!(read("140.000", ',').as_deref(), Some("140000"));
        assert_eq!(read("1250€600", '€').as_deref(), Some("1250.6"));
        assert_eq!(read("$..75,333", ',').as_deref(), Some("75.333"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_certain_is_what_parse_says(
            text in "[a-zA-Z$€£ ]{0,8}[0-9., €%'–-]{0,24}.{0,8}", hint in "(.{0,12})?", separator in "[.,€]?",
        ) {
            let separator = separator.chars().next();
            let read = first(&text, Some(&hint), separator);
            if read.is_certain {
                prop_assert_eq!(read.amount, parse_beside(&text, separator, read.currency).amount);
            }
        }
    }
}
