//! The filter form: text in, filters out, or what is wrong with a field.

use std::collections::BTreeSet;

use goodtwin_core::{Condition, Currency, Exchange, Label, Money};
use goodtwin_inference::search::colour_weight;
use goodtwin_inference::{Catalog, Filters};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::ServeConfig;

/// The most twins that one page or one answer shows.
pub const SHOWN_AT_MOST: usize = 240;

/// The form's fields, or an address's parameters, as they were sent. Empty means no filter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterForm {
    /// A price in `currency`.
    pub max_price: String,
    /// EUR if left out.
    pub currency: String,
    /// A label such as `good`.
    pub min_rating: String,
    /// A type such as `tote`.
    #[serde(rename = "type")]
    pub bag_type: String,
    /// `new` or `second-hand`.
    pub condition: String,
    /// How much the colours count, 0 to 1.
    pub colour: String,
    /// Present when sold-out items are not wanted.
    pub hide_sold_out: String,
    /// How many twins to show.
    #[serde(alias = "k")]
    pub show: String,
}

/// What the form means.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The filters.
    pub filters: Filters,
    /// How much the colours count beside the shape, 0 to 1.
    pub colour_weight: f32,
    /// Prices are converted to this currency.
    pub currency: Currency,
    /// How many twins to show.
    pub show: usize,
    /// What is wrong with fields; such fields do not filter.
    pub wrong: Vec<Wrong>,
}

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name in the form and in the address.
    pub field: &'static str,
    /// What is wrong with it, in words.
    pub what: String,
}

impl FilterForm {
    /// Read the fields against a catalogue, and the rates and the page size of a config.
    pub fn read(&self, catalog: &Catalog, config: &ServeConfig) -> Asked {
        let mut wrong = Vec::new();
        let currency = field("currency", &self.currency, &mut wrong, |text| {
            text.parse().and_then(|currency| with_rate(currency, &config.exchange))
        });
        // A price in a currency that cannot be read is not one in euros.
        let priced = wrong.is_empty();
        let currency = currency.unwrap_or_else(euro);
        let amount = field("max_price", &self.max_price, &mut wrong, price).filter(|_| priced);
        let filters = Filters {
            max_price: amount.map(|amount| Money { amount, currency }),
            min_rating: field("min_rating", &self.min_rating, &mut wrong, str::parse::<Label>),
            bag_type: field("type", &self.bag_type, &mut wrong, |text| catalog.known_type(text)),
            condition: field("condition", &self.condition, &mut wrong, str::parse::<Condition>),
            hide_sold_out: !self.hide_sold_out.is_empty(),
        };
        let colour_weight = field("colour", &self.colour, &mut wrong, colour_weight).unwrap_or(0.0);
        let show = field("show", &self.show, &mut wrong, |text| {
            text.parse().map_err(|_| format!("`{text}` is not a number of twins: expected a number such as 24"))
        });
        Asked {
            filters,
            colour_weight,
            currency,
            show: show.unwrap_or(config.page_size).clamp(1, SHOWN_AT_MOST),
            wrong,
        }
    }
}

/// Prices are compared in euros unless somebody asks otherwise.
pub fn euro() -> Currency {
    "EUR".parse().expect("three letters")
}

/// The currencies that prices can be compared in.
pub fn currencies(exchange: &Exchange) -> BTreeSet<Currency> {
    exchange.per_euro.keys().copied().chain([euro()]).collect()
}

/// The currency, if there is a rate for it: without one, a price filter would leave out everything.
///
/// # Errors
/// Names the currencies with a rate.
pub fn with_rate(currency: Currency, exchange: &Exchange) -> Result<Currency, String> {
    let known = currencies(exchange);
    if known.contains(&currency) {
        return Ok(currency);
    }
    let known: Vec<&str> = known.iter().map(Currency::code).collect();
    Err(format!("there is no exchange rate for {currency}: expected one of {}", known.join(", ")))
}

fn field<T>(
    name: &'static str,
    text: &str,
    wrong: &mut Vec<Wrong>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    read(text).map_err(|what| wrong.push(Wrong { field: name, what })).ok()
}

/// A price as people type it: a point or a comma before the cents, the other one between thousands. Three digits after the
/// only mark are thousands, since no price here has thousandths: `1,000` and `1.000` are a thousand.
///
/// # Errors
/// For text that is no number, or one below zero, or whose marks fit neither reading; for a number with more digits than a
/// [`Decimal`] holds.
pub fn price(text: &str) -> Result<Decimal, String> {
    const EXPECTED: &str = "expected a number such as 150 or 1,234.50";
    let number = plain_number(text.trim()).ok_or_else(|| format!("`{text}` is not a price: {EXPECTED}"))?;
    number.parse().map_err(|_| format!("`{text}` is too large for a price: {EXPECTED}"))
}

/// The number with a point before the decimals and no other mark.
fn plain_number(text: &str) -> Option<String> {
    const MARKS: [char; 2] = [',', '.'];
    let (whole, decimals) = match text.rsplit_once(MARKS) {
        Some((before, after)) => {
            let mark = &text[before.len()..][..1];
            let groups = before.contains(mark) || (after.len() == 3 && !before.contains(MARKS));
            if groups { (text, "") } else { (before, after) }
        }
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mark = whole.chars().find(|c| MARKS.contains(c)).unwrap_or(',');
    let groups: Vec<&str> = whole.split(mark).collect();
    let grouped = match groups.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => {
            (1..=3).contains(&first.len()) && !first.starts_with('0') && rest.iter().all(|group| group.len() == 3)
        }
        _ => true,
    };
    let some = text.bytes().any(|b| b.is_ascii_digit());
    let right = some && grouped && digits(decimals) && groups.iter().all(|group| digits(group));
    right.then(|| format!("{}.{decimals}", groups.concat()))
}

#[cfg(test)]
mod tests {
    use goodtwin_core::BagType;

    use super::*;
    use crate::testing::catalog;

    #[test]
    fn empty_fields_filter_nothing() {
        let (_dir, catalog) = catalog();
        let asked = FilterForm::default().read(&catalog, &ServeConfig::default());
        assert_eq!(asked.filters, Filters::default());
        assert_eq!((asked.currency, asked.show, asked.wrong.len()), (euro(), 24, 0));
    }

    #[test]
    fn fields_are_read_as_people_type_them() {
        let (_dir, catalog) = catalog();
        let form = FilterForm {
            max_price: " 99,50 ".into(),
            currency: "gbp".into(),
            min_rating: "its-a-start".into(),
            bag_type: "shoulder bag".into(),
            condition: "second-hand".into(),
            colour: "0.25".into(),
            hide_sold_out: "on".into(),
            show: "100000".into(),
        };
        let asked = form.read(&catalog, &ServeConfig::default());
        assert!(asked.wrong.is_empty(), "{:?}", asked.wrong);
        assert_eq!(asked.filters.max_price.unwrap().to_string(), "99.50 GBP");
        assert_eq!(asked.filters.min_rating, Some(Label::ItsAStart));
        assert_eq!(asked.filters.bag_type, Some(BagType::new("shoulder_bag")));
        assert_eq!(asked.filters.condition, Some(Condition::SecondHand));
        assert_eq!(asked.colour_weight, 0.25);
        assert_eq!(asked.show, SHOWN_AT_MOST);
    }

    #[test]
    fn each_wrong_field_is_named_with_what_was_expected() {
        let (_dir, catalog) = catalog();
        let form = FilterForm {
            max_price: "-3".into(),
            currency: "euros".into(),
            min_rating: "superb".into(),
            bag_type: "tot".into(),
            condition: "used".into(),
            colour: "1.5".into(),
            show: "many".into(),
            ..FilterForm::default()
        };
        let asked = form.read(&catalog, &ServeConfig::default());
        assert_eq!(asked.filters, Filters::default());
        for (field, expected) in [
            ("max_price", "`-3` is not a price"),
            ("currency", "ISO 4217"),
            ("min_rating", "Good On You's labels"),
            ("type", "did you mean `tote`?"),
            ("condition", "expected `new`"),
            ("colour", "`1.5` is not a weight for the colours"),
            ("show", "`many`"),
        ] {
            let wrong = asked.wrong.iter().find(|wrong| wrong.field == field);
            assert!(wrong.is_some_and(|wrong| wrong.what.contains(expected)), "{field}: {expected} in {wrong:?}");
        }
    }

    #[test]
    fn a_currency_without_a_rate_is_named_with_those_that_have_one() {
        let (_dir, catalog) = catalog();
        let form = FilterForm { max_price: "500".into(), currency: "brl".into(), ..FilterForm::default() };
        let asked = form.read(&catalog, &ServeConfig::default());
        let expected =
            "there is no exchange rate for BRL: expected one of AUD, CAD, CHF, DKK, EUR, GBP, JPY, NOK, PLN, SEK, USD";
        assert_eq!(asked.wrong, [Wrong { field: "currency", what: expected.into() }]);
        assert_eq!(asked.filters.max_price, None, "500 of what is not known");
        let rates = Exchange { per_euro: [("BRL".parse().unwrap(), 6.into())].into(), ..Exchange::built_in() };
        let config = ServeConfig { exchange: rates, ..ServeConfig::default() };
        assert_eq!(form.read(&catalog, &config).filters.max_price.unwrap().to_string(), "500 BRL");
    }

    #[test]
    fn a_price_is_read_by_where_its_marks_are() {
        for (text, amount) in [
            ("150", "150"),
            ("1,000", "1000"),
            ("1.000", "1000"),
            ("12,500", "12500"),
            ("1,234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("1,234,567", "1234567"),
            ("1.234.567,8", "1234567.8"),
            ("1,5", "1.5"),
            ("1.50", "1.50"),
            ("1234,56", "1234.56"),
            ("0,99", "0.99"),
            (".5", "0.5"),
        ] {
            assert_eq!(price(text), Ok(amount.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            ".",
            "-3",
            "1,2,3",
            "1,23.50",
            "1234,567",
            "0.125",
            "1,234.567.8",
            "1.234,567,890",
            ",000",
            "12a",
            "1 000",
            "1e3",
        ] {
            let says = price(text).unwrap_err();
            assert!(says.contains("is not a price"), "{says}");
        }
        for text in ["9".repeat(40), format!("1{}", ",000".repeat(12)), format!("{}.50", "8".repeat(30))] {
            let says = price(&text).unwrap_err();
            assert!(says.contains("is too large for a price"), "{says}");
        }
    }
}
