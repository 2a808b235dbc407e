//! Where two sources on one page contradict each other.

use std::collections::BTreeSet;
use std::fmt;

use goodtwin_core::BrandName;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Listing;

/// Two sources say different things of one field. Which of them is right is for a person to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// `price`, `brand` or `name`.
    pub field: String,
    /// What the first says.
    pub value: String,
    /// Who that is: `JSON-LD`, `microdata`, `Open Graph`, `CSS`.
    pub source: String,
    /// What the other says.
    pub other_value: String,
    /// Who that is.
    pub other_source: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conflict { field, value, source, other_value, other_source } = self;
        write!(f, "{field}: {source} says `{value}`, {other_source} says `{other_value}`")
    }
}

/// The fields in which sources differ, each once: by the first two that do.
///
/// Spellings are no difference: case, accents, spaces; a brand or a shop's name around a title; `1199.00` and `1.199 kr`. Where
/// currencies are known they must be the same. Of a product in several colours, a source may say any colour's price.
pub fn conflicts(found: &[(&str, Listing)], separator: Option<char>) -> Vec<Conflict> {
    let mut conflicts: Vec<Conflict> = Vec::new();
    let in_colours = found.iter().map(|(_, listing)| listing).find(|listing| !listing.others.is_empty());
    let of_colours: Vec<Decimal> = in_colours
        .iter()
        .flat_map(|listing| std::iter::once(*listing).chain(&listing.others))
        .filter_map(|colour| colour.read_price(separator).amount)
        .collect();
    for (n, (source, one)) in found.iter().enumerate() {
        for (other_source, other) in &found[n + 1..] {
            let price = price(one, other, &of_colours, separator);
            let differ = [("price", price), ("brand", brand(one, other)), ("name", name(one, other))];
            for (field, values) in differ {
                if let Some((value, other_value)) = values.filter(|_| conflicts.iter().all(|c| c.field != field)) {
                    conflicts.push(Conflict {
                        field: field.into(),
                        value,
                        source: source.to_string(),
                        other_value,
                        other_source: other_source.to_string(),
                    });
                }
            }
        }
    }
    conflicts
}

type Differ = Option<(String, String)>;

fn price(one: &Listing, other: &Listing, of_colours: &[Decimal], separator: Option<char>) -> Differ {
    let (a, b) = (one.read_price(separator), other.read_price(separator));
    let (amount, other_amount) = (a.amount?, b.amount?);
    let currencies = (one.currency_beside().or(a.currency), other.currency_beside().or(b.currency));
    let text = |amount: Decimal, currency: Option<goodtwin_core::Currency>| match currency {
        Some(currency) => format!("{amount} {currency}"),
        None => amount.to_string(),
    };
    let agree = amount == other_amount || [amount, other_amount].iter().all(|a| of_colours.contains(a));
    let differ = !agree || matches!(currencies, (Some(c), Some(d)) if c != d);
    differ.then(|| (text(amount, currencies.0), text(other_amount, currencies.1)))
}

fn brand(one: &Listing, other: &Listing) -> Differ {
    let (a, b) = (one.brand.as_ref()?, other.brand.as_ref()?);
    (BrandName::new(a) != BrandName::new(b)).then(|| (a.clone(), b.clone()))
}

fn name(one: &Listing, other: &Listing) -> Differ {
    let (a, b) = (one.title.as_ref()?, other.title.as_ref()?);
    let brands: BTreeSet<String> =
        [&one.brand, &other.brand].into_iter().flatten().flat_map(|brand| words(brand)).collect();
    let (of_a, of_b) = (words(a), words(b));
    // A title may be adorned: "Vale Tote", "Kind Vale Tote in Moss | Shop". It is another's when each has words of its own; a
    // brand's words are nobody's own.
    let own = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
        these.iter().any(|word| !those.contains(word) && !brands.contains(word))
    };
    let differ =
        own(&of_a, &of_b) && own(&of_b, &of_a) && !is_adorned(a, &of_b, &brands) && !is_adorned(b, &of_a, &brands);
    differ.then(|| (a.clone(), b.clone()))
}

/// Whether one part of a title between its separators has the words of the other title.
fn is_adorned(title: &str, other: &BTreeSet<String>, brands: &BTreeSet<String>) -> bool {
    let spaced = title.replace(" - ", "|").replace(['–', '—', '·', '•', ':', '/'], "|");
    spaced.split('|').map(words).any(|part| {
        let own = part.difference(brands).count();
        own > 0 && part.iter().all(|word| other.contains(word) || brands.contains(word)) && own * 2 >= other.len()
    })
}

fn words(text: &str) -> BTreeSet<String> {
    BrandName::new(text).as_str().split(' ').filter(|w| !w.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(title: &str) -> Listing {
        Listing { title: Some(title.into()), brand: Some("Kind & Co".into()), ..Listing::default() }
    }

    #[test]
    fn a_name_may_be_adorned_but_not_another() {
        for (a, b) in [
            ("Vale Tote", "vale  TOTE"),
            ("Vale Tote", "Kind & Co Vale Tote"),
            ("Vale Tote", "Vale Tote | Canopy Goods"),
            ("Vale Tote, moss", "Vale Tote in Moss – Canopy Goods"),
            ("Vale Tote (recycled)", "Vale Tote | Canopy Goods"),
            ("Café Tote", "CAFE tote"),
        ] {
            assert_eq!(name(&named(a), &named(b)), None, "{a} / {b}");
            assert_eq!(name(&named(b), &named(a)), None, "{b} / {a}");
        }
        for (a, b) in
            [("Vale Tote", "Dale Tote"), ("Vale Tote", "Home | Canopy Goods"), ("Vale Tote moss", "Vale Tote sand")]
        {
            assert!(name(&named(a), &named(b)).is_some(), "{a} / {b}");
        }
    }

    #[test]
    fn each_field_is_named_once_with_both_values_and_sources() {
        let priced = |price: &str, currency: &str| Listing {
            price: Some(price.into()),
            currency: Some(currency.into()),
            ..named("Vale")
        };
        let found = [
            ("JSON-LD", priced("85.00", "GBP")),
            ("microdata", priced("85", "GBP")),
            ("Open Graph", priced("95", "GBP")),
        ];
        let said: Vec<String> = conflicts(&found, None).iter().map(Conflict::to_string).collect();
        assert_eq!(said, ["price: JSON-LD says `85.00 GBP`, Open Graph says `95 GBP`"]);
        let found = [("JSON-LD", priced("85", "GBP")), ("Open Graph", priced("85", "EUR"))];
        assert_eq!(conflicts(&found, None).len(), 1, "85 pounds are not 85 euros");
    }
}
