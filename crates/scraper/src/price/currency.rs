//! Which currency a text speaks of.

use goodtwin_core::Currency;

use super::PriceText;
use super::signs::{BESIDE_NUMBERS, CODES, PLAIN, SHARED};

impl PriceText {
    /// The currency, in a shop that asks `usual` where it says no other. A sign that cannot stand for that one says another:
    /// "$85" in a shop of euros is not 85 euros, and which dollars it means is anybody's guess. But what may be a word says
    /// nothing: "Nu 49,95" is no price in Bhutan.
    pub fn currency_or(&self, usual: Option<Currency>) -> Option<Currency> {
        let may_be = |usual: &Currency| self.sign.is_none_or(|sign| !is_certain(sign) || may_mean(sign, *usual));
        self.currency.or_else(|| usual.filter(may_be))
    }
}

/// The sign as it is written, and the currency where the sign names exactly one. What the text says goes before what the hint
/// says, and what is certain before what is less so.
pub fn find_currency(text: &str, hint: Option<&str>) -> (Option<&'static str>, Option<Currency>) {
    let sources = [Some(text), hint];
    let sources = || sources.iter().copied().flatten();
    let found = sources()
        .filter(|source| source.contains('$'))
        .find_map(dollar_code)
        .or_else(|| sources().find_map(|source| leftmost(source, PLAIN, |_, _, _| true)))
        .or_else(|| sources().find_map(|source| leftmost(source, CODES, |_, _, _| true)))
        .or_else(|| sources().find_map(|source| leftmost(source, BESIDE_NUMBERS, is_beside_number)));
    match found {
        Some((sign, "")) => (Some(sign), None),
        Some((sign, code)) => (Some(sign), Some(code.parse().expect("the tables hold ISO 4217 codes"))),
        None => (None, None),
    }
}

/// [`find_currency`], where a code goes before what may be a word: "fr. 499 SEK" and "Le sac 85 USD".
pub fn surest_currency(text: &str) -> (Option<&'static str>, Option<Currency>) {
    let found = find_currency(text, None);
    if found.1.is_some() || found.0.is_none_or(is_certain) {
        return found;
    }
    let is_sure = |_: &str, start: usize, end: usize| {
        let sign = &text[start..end];
        is_certain(sign) || CODES.iter().any(|(known, code)| *known == sign && !code.is_empty())
    };
    match leftmost(text, CODES, is_sure) {
        Some((sign, code)) => (Some(sign), code.parse().ok()),
        None => found,
    }
}

/// Whether a sign is one of money whatever language the text is in. Of letters, but for the krona, there is a word for each.
fn is_certain(sign: &str) -> bool {
    PLAIN.iter().any(|(plain, _)| *plain == sign) || sign.contains(['¢', '₵']) || bare(sign) == "kr"
}

/// Whether a sign that several currencies share may stand for this one.
fn may_mean(sign: &str, currency: Currency) -> bool {
    let bare = bare(sign);
    SHARED.iter().any(|(signs, codes)| signs.contains(&&*bare) && codes.contains(&currency.code()))
}

/// A sign as [`SHARED`] has it.
fn bare(sign: &str) -> String {
    sign.trim_matches(['.', '\u{200f}']).to_lowercase()
}

type Sign = &'static (&'static str, &'static str);

/// The sign that stands furthest to the left; of two at one place, the one that the table has first.
fn leftmost(
    text: &str,
    signs: &'static [(&'static str, &'static str)],
    fits: impl Fn(&str, usize, usize) -> bool,
) -> Option<(&'static str, &'static str)> {
    let at = |start: usize| {
        let fitting = |(sign, _): &Sign| {
            let end = start + sign.len();
            text[start..].starts_with(sign) && is_whole_word(text, start, end) && fits(text, start, end)
        };
        signs.iter().find(fitting)
    };
    text.char_indices().find_map(|(start, _)| at(start)).copied()
}

/// `NZD` of "NZD$12" and "12 $ NZD": beside a dollar sign, a code of three letters says which dollar it is.
fn dollar_code(text: &str) -> Option<(&'static str, &'static str)> {
    let is_dollar = |(sign, _): &Sign| sign.len() == 3 && sign.ends_with('D');
    let at = |start: usize| {
        let rest = &text[start..];
        let follows = |sign: &str| rest[sign.len()..].trim_start_matches('$').chars().next();
        CODES.iter().filter(is_dollar).find(|(sign, _)| {
            rest.starts_with(sign) && !ends_in_letter(&text[..start]) && !follows(sign).is_some_and(char::is_alphabetic)
        })
    };
    text.char_indices().find_map(|(start, _)| at(start)).copied()
}

/// Whether what lies from `start` to `end` is no part of a longer word. A Cyrillic sign is often the start of the word that it
/// stands for, in one of its cases.
fn is_whole_word(text: &str, start: usize, end: usize) -> bool {
    let sign = &text[start..end];
    let starts = !sign.starts_with(char::is_alphabetic) || !ends_in_letter(&text[..start]);
    let next = text[end..].chars().next();
    let ends = !sign.ends_with(char::is_alphabetic)
        || !next.is_some_and(char::is_alphabetic)
        || (sign.chars().count() > 1 && !sign.is_ascii());
    starts && ends
}

fn ends_in_letter(text: &str) -> bool {
    text.chars().next_back().is_some_and(char::is_alphabetic)
}

fn is_beside_number(text: &str, start: usize, end: usize) -> bool {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let before = text[..start].trim_end_matches([' ', '\u{a0}', '.', ',', '-', '–']);
    is_digit(before.chars().next_back()) || is_digit(text[end..].trim_start().chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::parse;

    #[test]
    fn a_shops_currency_counts_where_no_sign_is_against_it() {
        let currency = |text: &str, usual: &str| {
            let currency = parse(text, None).currency_or(usual.parse().ok());
            currency.map(|c| c.to_string())
        };
        for (text, usual, expected) in [
            ("85", "EUR", Some("EUR")),
            ("$85", "EUR", None),
            ("$85", "USD", Some("USD")),
            ("$85", "NZD", Some("NZD")),
            ("US$ 85", "EUR", Some("USD")),
            ("1 299 kr", "SEK", Some("SEK")),
            ("1 299 Kr.", "DKK", Some("DKK")),
            ("1 299 kr", "EUR", None),
            ("¥12,000", "JPY", Some("JPY")),
            ("¥12,000", "USD", None),
            ("Fr. 85", "CHF", Some("CHF")),
            ("85 €", "SEK", Some("EUR")),
            ("R 1,299", "ZAR", Some("ZAR")),
            ("Nu 499:-", "SEK", Some("SEK")),
            ("Nu 49,95", "EUR", Some("EUR")),
            ("fr. 499 kr", "SEK", Some("SEK")),
            ("fr. 499:-", "SEK", Some("SEK")),
            ("Le sac 85,00", "EUR", Some("EUR")),
            ("fr. 499 kr", "EUR", None),
            ("Nu 499 kr", "EUR", None),
            ("fr. 499 SEK", "EUR", Some("SEK")),
            ("Le sac 85 USD", "EUR", Some("USD")),
            ("₵85", "EUR", None),
        ] {
            assert_eq!(currency(text, usual).as_deref(), expected, "{text} in a shop of {usual}");
        }
        assert_eq!(parse("85", None).currency_or(None), None);
    }

    #[test]
    fn each_shared_sign_is_one_that_is_found_and_means_currencies() {
        let unsure: Vec<String> = [PLAIN, CODES, BESIDE_NUMBERS]
            .into_iter()
            .flatten()
            .filter(|(_, code)| code.is_empty())
            .map(|(sign, _)| bare(sign))
            .collect();
        for (signs, codes) in SHARED {
            assert!(signs.iter().all(|sign| unsure.iter().any(|s| s == sign)), "{signs:?}");
            let known = |code: &&&str| CODES.iter().chain(PLAIN).any(|(_, known)| known == *code);
            assert!(codes.iter().all(|code| known(&code)), "{codes:?}");
        }
    }
}
