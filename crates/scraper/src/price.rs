//! Prices from text: exact, or not at all.
//!
//! `1.249,00 €`, `£85.00`, `1 299 kr`, `12 € 99`, `CHF 1'250.–` in; a decimal and a currency out. Three digits after a lone
//! separator are thousands, unless the store says which sign is its decimal separator. What can be read in two ways gives no
//! amount: a price that is missing is seen, one that is wrong by a thousand is not.

mod currency;
mod digits;
mod first;
mod signs;

use goodtwin_core::Currency;
use rust_decimal::Decimal;

use currency::{find_currency, surest_currency};
use digits::in_ascii;
pub use first::{FirstPrice, first};

/// What was read from a price's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceText {
    /// The amount, if it can be read in one way only.
    pub amount: Option<Decimal>,
    /// The currency's code or sign, as found: "EUR", "kr".
    pub sign: Option<&'static str>,
    /// The currency, where the sign names exactly one.
    pub currency: Option<Currency>,
}

/// Currencies of a thousand parts.
const MILLS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Their signs, which name no currency for certain.
const MILL_SIGNS: [&str; 14] =
    ["KD", "BD", "JD", "DT", "LD", "ID", "د.ك", "د.ب", "د.أ", "د.ا", "د.ت", "د.ل", "د.ع", "ر.ع"];

/// The dinar in many languages: most of the currencies of that name have a thousand parts.
const DINARS: [&str; 22] = [
    "dinar",
    "dinaar",
    "dínár",
    "denar",
    "दिनार",
    "dinár",
    "dinār",
    "dínar",
    "динар",
    "دينار",
    "دینار",
    "δηνάρι",
    "דינר",
    "दीनार",
    "দিনার",
    "தினார்",
    "ดีนาร์",
    "დინარ",
    "ディナール",
    "디나르",
    "第纳尔",
    "第納爾",
];

/// Currencies that are written without decimals, since they have none or nobody counts in them, and mostly with points between
/// thousands.
const WITHOUT_DECIMALS: [&str; 36] = [
    "ALL", "AMD", "ARS", "BIF", "CLP", "COP", "CRC", "DJF", "GNF", "HUF", "IDR", "IQD", "IRR", "ISK", "JPY", "KHR",
    "KMF", "KRW", "KZT", "LAK", "LBP", "MGA", "MMK", "MNT", "PYG", "RSD", "RWF", "TWD", "TZS", "UGX", "UZS", "VND",
    "VUV", "XAF", "XOF", "XPF",
];

fn has_mills(text: &str, sign: Option<&str>, currency: Option<Currency>) -> bool {
    match currency {
        Some(currency) => MILLS.contains(&currency.code()),
        None => {
            let text = text.to_lowercase();
            sign.is_some_and(|sign| MILL_SIGNS.contains(&sign.trim_end_matches(['.', '\u{200f}'])))
                || DINARS.iter().any(|dinar| text.contains(dinar))
        }
    }
}

/// Read a price that people see. `decimal_separator` (`.` or `,`) decides what three digits after a lone one of them are; without
/// it they are thousands, but in a currency of a thousand parts they may be either.
pub fn parse(text: &str, decimal_separator: Option<char>) -> PriceText {
    parse_beside(text, decimal_separator, None)
}

/// [`parse`], where the currency stands beside the text.
pub fn parse_beside(text: &str, decimal_separator: Option<char>, beside: Option<Currency>) -> PriceText {
    let (sign, currency) = surest_currency(text);
    let has_mills = has_mills(text, sign, currency.or(beside));
    let (text, decimal_separator) = in_ascii(text, decimal_separator);
    let read = |number: &str| match decimal_separator.is_none() && has_mills && looks_grouped(number) {
        true => None,
        false => read_number(number, decimal_separator),
    };
    PriceText { amount: find_amount(&text, read), sign, currency }
}

/// Exactly three digits after a lone point or comma, and before it one to three that do not begin with a zero.
fn looks_grouped(number: &str) -> bool {
    number.split_once(['.', ',']).is_some_and(|(whole, rest)| {
        let are_digits = whole.bytes().chain(rest.bytes()).all(|b| b.is_ascii_digit());
        are_digits && rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0')
    })
}

/// Read a price that was written for machines, in a currency if one stands beside it: by schema.org's rule, `.` stands before
/// decimals, so that `89.000` is 89. But `1.290` in a currency of cents is no amount of money: its writer meant 1,290, or
/// something else; that is not read. In a currency that is written without decimals, `89.000` is thousands, and so may `12.99`
/// be: a number in JSON loses the zero at its end.
pub fn parse_for_machines(text: &str, beside: Option<Currency>) -> PriceText {
    let (sign, found) = surest_currency(text);
    let currency = beside.or(found);
    let has_mills = has_mills(text, sign, currency);
    let has_decimals = !currency.is_some_and(|c| WITHOUT_DECIMALS.contains(&c.code()));
    let read = |number: &str| {
        let amount = read_number(number, Some('.'))?;
        let lone_point = number.split_once('.').filter(|(_, rest)| !rest.contains('.'));
        let may_be_thousands = lone_point.is_some_and(|(whole, rest)| {
            let (is_group, is_zero) = (rest.len() == 3, rest.bytes().all(|b| b == b'0'));
            let doubtful = if has_decimals { is_group && !is_zero && !has_mills } else { is_group || !is_zero };
            doubtful && (1..=3).contains(&whole.len()) && whole != "0"
        });
        (!may_be_thousands).then_some(amount)
    };
    PriceText { amount: find_amount(text, read), sign, currency: found }
}

fn find_amount(text: &str, read: impl Fn(&str) -> Option<Decimal>) -> Option<Decimal> {
    let numbers = numbers(text);
    let mut amounts = numbers.iter().map(|n| read(n));
    let first = amounts.next()??;
    // "€85 (was €120)" or "85–120": which of them the item costs is anybody's guess.
    amounts.all(|a| a == Some(first)).then_some(first)
}

/// The runs of digits and separators in a text, percentages left out, and `12 € 99` and `12€99` made `12.99` first.
fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().map(|c| if is_space(c) { ' ' } else { c }).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = if at > 0 && matches!(chars[at - 1], '.' | ',') && (at < 2 || !chars[at - 2].is_alphanumeric()) {
            at - 1
        } else {
            at
        };
        let mut end = at;
        while end < chars.len() && (chars[end].is_ascii_digit() || separates(&chars, end)) {
            end += 1;
        }
        let mut number: String = chars[start..end].iter().collect();
        at = end;
        if let Some((cents, after)) = cents_after_sign(&chars, start, end)
            && !number.contains(['.', ','])
        {
            number = format!("{number}.{cents}");
            at = after;
        }
        let mut rest = chars[at..].iter().skip_while(|c| **c == ' ');
        let negative = start > 0 && matches!(chars[start - 1], '-' | '−') && (start < 2 || chars[start - 2] == ' ');
        if rest.next() != Some(&'%') && !negative {
            found.push(number);
        }
    }
    found
}

/// Whether the sign at `at` stands between two digits as a separator does. A space does so only before exactly three digits.
fn separates(chars: &[char], at: usize) -> bool {
    let digits_after = chars[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
    at > 0
        && chars[at - 1].is_ascii_digit()
        && match chars[at] {
            '.' | ',' => digits_after > 0,
            ' ' | '\'' | '’' => digits_after == 3,
            _ => false,
        }
}

/// What may follow cents without their being of something else.
const TAXES: [&str; 4] = ["ttc", "inkl", "incl", "inc"];

/// The cents of `12€99` and `12 € 99`, whose whole part lies from `start` to `end`: exactly two digits after the sign, and nothing
/// that they are a part of. With spaces they may be something else: the next price where there is another sign, as in
/// `95 € 85 €`, or a number of what follows, as in `85 € 24 Monate`.
fn cents_after_sign(chars: &[char], start: usize, end: usize) -> Option<(String, usize)> {
    let space = |c: &&char| **c == ' ';
    let spaces_before = chars[end..].iter().take_while(space).count();
    let sign = end + spaces_before;
    if chars.get(sign) != Some(&'€') {
        return None;
    }
    let spaces_after = chars[sign + 1..].iter().take_while(space).count();
    let at = sign + 1 + spaces_after;
    let cents: String = chars[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
    let after = at + cents.len();
    let continues = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ',' | '€' | '%'));
    let ends = if spaces_before + spaces_after == 0 {
        // `€95€85` is two prices.
        chars[..start].iter().rfind(|c| **c != ' ') != Some(&'€') && !continues(chars.get(after))
    } else {
        let rest: String = chars[after..].iter().skip_while(space).collect();
        let word = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default().to_lowercase();
        let has_one_sign = chars.iter().filter(|c| **c == '€').count() == 1;
        has_one_sign && (TAXES.contains(&&*word) || !continues(rest.chars().next().as_ref()))
    };
    (cents.len() == 2 && ends).then_some((cents, after))
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{200a}')
}

/// A run such as `1.249,00`: groups of three make thousands, one last separator makes decimals.
fn read_number(number: &str, decimal_separator: Option<char>) -> Option<Decimal> {
    let separators: Vec<(usize, char)> = number.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let Some(&(last_at, last)) = separators.last() else { return number.parse().ok() };
    let others: Vec<char> = separators[..separators.len() - 1].iter().map(|(_, c)| *c).collect();
    let last_is_decimal = match last {
        // A separator that occurs twice groups; so does one that never stands before decimals.
        ' ' | '\'' | '’' => false,
        _ if others.contains(&last) => false,
        _ if !others.is_empty() => true,
        _ if looks_grouped(number) => decimal_separator == Some(last),
        _ => true,
    };
    let (whole, fraction) =
        if last_is_decimal { (&number[..last_at], &number[last_at + last.len_utf8()..]) } else { (number, "") };
    let digits = join_groups(whole)?;
    let text = if fraction.is_empty() { digits } else { format!("{digits}.{fraction}") };
    text.parse().ok()
}

/// `1.249` to `1249`; nothing if the groups are not all of three digits, or their separators differ. `12,34,567` is how India
/// groups.
fn join_groups(whole: &str) -> Option<String> {
    if whole.is_empty() {
        return Some("0".into());
    }
    let mut separators = whole.chars().filter(|c| !c.is_ascii_digit());
    let Some(separator) = separators.next() else { return Some(whole.into()) };
    if separators.any(|s| s != separator) {
        return None;
    }
    let groups: Vec<&str> = whole.split(separator).collect();
    let (first, rest) = groups.split_first()?;
    let (last, middle) = rest.split_last()?;
    let regular = (1..=3).contains(&first.len()) && rest.iter().all(|g| g.len() == 3);
    let indian = separator == ',' && !middle.is_empty() && middle.iter().all(|g| g.len() == 2);
    let indian = indian && (1..=2).contains(&first.len()) && last.len() == 3;
    (regular || indian).then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amount(text: &str) -> Option<String> {
        parse(text, None).amount.map(|a| a.to_string())
    }

    #[test]
    fn prices_of_many_places() {
        for (text, expected, code) in [
            ("1.249,00 €", "1249.00", Some("EUR")),
            ("£85.00", "85.00", Some("GBP")),
            ("£1,249.00", "1249.00", Some("GBP")),
            ("1\u{a0}299 kr", "1299", None),
            ("1\u{202f}299,50\u{a0}SEK", "1299.50", Some("SEK")),
            ("12 € 99", "12.99", Some("EUR")),
            ("12€99", "12.99", Some("EUR")),
            ("12€99 TTC", "12.99", Some("EUR")),
            ("12 € 99 TTC", "12.99", Some("EUR")),
            ("129 € 95 inkl. MwSt.", "129.95", Some("EUR")),
            ("12€99 le sac", "12.99", Some("EUR")),
            ("12€99 12€99", "12.99", Some("EUR")),
            ("12€99 (soit 12,99 €)", "12.99", Some("EUR")),
            ("CHF 1'250.–", "1250", Some("CHF")),
            ("$1,299", "1299", None),
            ("US$ 1,299.9", "1299.9", Some("USD")),
            ("1.234.567 Ft", "1234567", Some("HUF")),
            ("1,234,567.89", "1234567.89", None),
            ("Now 15% off: £ 40", "40", Some("GBP")),
            ("from 99,- kr.", "99", None),
            ("0.125 EUR", "0.125", Some("EUR")),
            (".99", "0.99", None),
            ("€ 85 (incl. VAT)", "85", Some("EUR")),
            ("128.00", "128.00", None),
            ("₹12,34,567.50", "1234567.50", Some("INR")),
            ("١٬٢٩٩٫٥٠ SAR", "1299.50", Some("SAR")),
            ("۱٫۲۹۹ EUR", "1.299", Some("EUR")),
            ("￥１，２９９", "1299", None),
            ("KWD 1,234.500", "1234.500", Some("KWD")),
            ("KWD 12", "12", Some("KWD")),
            ("IDR 150.000", "150000", Some("IDR")),
        ] {
            let read = parse(text, None);
            assert_eq!(read.amount.map(|a| a.to_string()).as_deref(), Some(expected), "{text}");
            assert_eq!(read.currency.map(|c| c.code().to_string()).as_deref(), code, "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_read() {
        for text in [
            "",
            "Price on request",
            "85 – 120 €",
            "£85 was £120",
            "1.23.4",
            "1,2,3",
            "1 23 456",
            "50%",
            "1,2,345",
            "KWD 12.500",
            "1,250 KD",
            "95 € 85 €",
            "120 € 95 €",
            "€ 95 € 85",
            "95 €\u{a0} 85,00 €",
            "12€99 15€99",
            "95€ 85€",
            "95€85€",
            "€95€85",
            "€ 95€85",
            "12€99x",
            "85 € 24 Monate",
            "85 € 24 x 3,54",
        ] {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn the_store_says_what_three_digits_after_a_lone_separator_are() {
        assert_eq!(amount("1.299"), Some("1299".into()));
        assert_eq!(parse("1.299", Some('.')).amount, Some("1.299".parse().unwrap()));
        assert_eq!(parse("1.299", Some(',')).amount, Some("1299".parse().unwrap()));
        assert_eq!(parse("1249.00", Some(',')).amount, Some("1249.00".parse().unwrap()));
        assert_eq!(parse("1,299", Some(',')).amount, Some("1.299".parse().unwrap()));
        assert_eq!(parse("KWD 12.500", Some('.')).amount, Some("12.500".parse().unwrap()));
        assert_eq!(parse_beside("12.500", None, Some("KWD".parse().unwrap())).amount, None);
    }

    #[test]
    fn machines_write_a_point_before_decimals() {
        let amount = |text: &str, currency: Option<&str>| {
            let read = parse_for_machines(text, currency.map(|c| c.parse().unwrap()));
            read.amount.map(|a| a.normalize().to_string())
        };
        for (text, expected) in [
            ("89.000", Some("89")),
            ("89.00", Some("89")),
            ("89", Some("89")),
            ("89,00", Some("89")),
            ("1,299", Some("1299")),
            ("1299.955", Some("1299.955")),
            ("1.299,00", Some("1299")),
            ("1.299", None),
            ("85 / 95", None),
            ("89.000 / 89.00", Some("89")),
            ("95 € 85 €", None),
        ] {
            assert_eq!(amount(text, None).as_deref(), expected, "{text}");
        }
        for (text, currency, expected) in [
            ("1.299", "KWD", Some("1.299")),
            ("1.290", "KWD", Some("1.29")),
            ("1.299", "EUR", None),
            ("1.290", "EUR", None),
            ("129.900", "EUR", None),
            ("89.000", "EUR", Some("89")),
            ("1290.000", "EUR", Some("1290")),
            ("0.990", "EUR", Some("0.99")),
            ("12.990", "CLP", None),
            ("12.99", "CLP", None),
            ("150.000", "IDR", None),
            ("150.000", "IQD", None),
            ("150.00", "JPY", Some("150")),
            ("12990.00", "CLP", Some("12990")),
            ("150000", "IDR", Some("150000")),
            ("1.150.000", "IDR", Some("1150000")),
        ] {
            assert_eq!(amount(text, Some(currency)).as_deref(), expected, "{text} {currency}");
        }
        assert_eq!(amount("IDR 150.000", None), None);
    }

    fn grouped(whole: u64, separator: &str) -> String {
        let digits = whole.to_string();
        let mut out = String::new();
        for (n, c) in digits.chars().enumerate() {
            if n > 0 && (digits.len() - n).is_multiple_of(3) {
                out += separator;
            }
            out.push(c);
        }
        out
    }

    proptest! {
        #[test]
        fn every_written_price_is_read_back(whole in 0u64..1_000_000_000, cents in 0u32..100, style in 0usize..6) {
            let (group, decimal, before, after) = [
                (".", ",", "", " €"), (",", ".", "£", ""), ("\u{a0}", ",", "", "\u{a0}kr"),
                ("'", ".", "CHF ", ""), ("", ".", "USD ", ""), ("\u{202f}", ",", "", " EUR"),
            ][style];
            let text = format!("{before}{}{decimal}{cents:02}{after}", grouped(whole, group));
            let expected: Decimal = format!("{whole}.{cents:02}").parse().unwrap();
            prop_assert_eq!(parse(&text, None).amount, Some(expected), "{}", text);
        }

        #[test]
        fn whole_prices_are_never_wrong_by_a_thousand(whole in 1u64..1_000_000_000, style in 0usize..4) {
            let text = grouped(whole, [".", ",", " ", "\u{a0}"][style]);
            prop_assert_eq!(parse(&text, None).amount, Some(whole.into()), "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", sign in "[0-9., €$'%–-]{0,40}") {
            parse(&text, Some(','));
            parse(&sign, None);
        }
    }
}
