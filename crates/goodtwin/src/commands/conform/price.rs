//! What a price's text says.

use goodtwin_scraper::price;
use serde::{Deserialize, Serialize};

/// A text from a page, and what the store is known for.
#[derive(Deserialize)]
pub struct Case {
    /// It may be null; `deserialize_with` keeps it from being left out.
    #[serde(deserialize_with = "Option::deserialize")]
    text: Option<String>,
    currency_hint: Option<String>,
    decimal_separator: Option<String>,
}

/// The amount as a plain decimal without zeros at its end; the currency's sign as it was found, and its ISO 4217 code where that
/// is certain.
#[derive(Serialize)]
pub struct Answer {
    amount: Option<String>,
    currency: Option<&'static str>,
    iso: Option<String>,
    /// The scraper takes the amount: it is the only one, and can be read in one way only.
    certain: bool,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let separator = case.decimal_separator.as_deref().and_then(|s| s.chars().next());
    let text = case.text.unwrap_or_default();
    let read = price::first(&text, case.currency_hint.as_deref(), separator);
    Ok(Answer {
        amount: read.amount.map(|a| a.normalize().to_string()),
        currency: read.sign,
        iso: read.currency.map(|c| c.to_string()),
        certain: read.is_certain,
    })
}
