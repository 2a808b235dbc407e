//! The filter form: text in, filters out, or what is wrong with a field.

use goodtwin_core::{Condition, Currency, Label, Money};
use goodtwin_inference::{Catalog, Filters};
use rust_decimal::Decimal;
use serde::Deserialize;

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
    /// Prices are converted to this currency.
    pub currency: Currency,
    /// How many twins to show.
    pub show: usize,
    /// What is wrong with fields, in words; such fields do not filter.
    pub wrong: Vec<String>,
}

impl FilterForm {
    /// Read the fields against a catalogue.
    pub fn read(&self, catalog: &Catalog, page_size: usize) -> Asked {
        let mut wrong = Vec::new();
        let currency = field(&self.currency, &mut wrong, str::parse).unwrap_or_else(euro);
        let filters = Filters {
            max_price: field(&self.max_price, &mut wrong, price).map(|amount| Money { amount, currency }),
            min_rating: field(&self.min_rating, &mut wrong, str::parse::<Label>),
            bag_type: field(&self.bag_type, &mut wrong, |text| catalog.known_type(text)),
            condition: field(&self.condition, &mut wrong, str::parse::<Condition>),
            hide_sold_out: !self.hide_sold_out.is_empty(),
        };
        let show = field(&self.show, &mut wrong, |text| {
            text.parse().map_err(|_| format!("`{text}` is not a number of twins: expected a number such as 24"))
        });
        Asked { filters, currency, show: show.unwrap_or(page_size).clamp(1, SHOWN_AT_MOST), wrong }
    }
}

/// Prices are compared in euros unless somebody asks otherwise.
pub fn euro() -> Currency {
    "EUR".parse().expect("three letters")
}

fn field<T>(text: &str, wrong: &mut Vec<String>, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    read(text).map_err(|what| wrong.push(what)).ok()
}

/// A price as people type it, with a point or a comma before the cents.
///
/// # Errors
/// For text that is no number, or one below zero.
pub fn price(text: &str) -> Result<Decimal, String> {
    let amount = text.replace(',', ".").parse::<Decimal>().ok().filter(|a| !a.is_sign_negative());
    amount.ok_or_else(|| format!("`{text}` is not a price: expected a number such as 150"))
}

#[cfg(test)]
mod tests {
    use goodtwin_core::BagType;

    use super::*;
    use crate::testing::catalog;

    #[test]
    fn empty_fields_filter_nothing() {
        let (_dir, catalog) = catalog();
        let asked = FilterForm::default().read(&catalog, 24);
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
            hide_sold_out: "on".into(),
            show: "100000".into(),
        };
        let asked = form.read(&catalog, 24);
        assert!(asked.wrong.is_empty(), "{:?}", asked.wrong);
        assert_eq!(asked.filters.max_price.unwrap().to_string(), "99.50 GBP");
        assert_eq!(asked.filters.min_rating, Some(Label::ItsAStart));
        assert_eq!(asked.filters.bag_type, Some(BagType::new("shoulder_bag")));
        assert_eq!(asked.filters.condition, Some(Condition::SecondHand));
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
            show: "many".into(),
            ..FilterForm::default()
        };
        let asked = form.read(&catalog, 24);
        assert_eq!(asked.filters, Filters::default());
        let says = asked.wrong.join("\n");
        for expected in [
            "`-3` is not a price",
            "ISO 4217",
            "Good On You's labels",
            "did you mean `tote`?",
            "expected `new`",
            "`many`",
        ] {
            assert!(says.contains(expected), "{expected} in {says}");
        }
    }
}
