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

/// The amount as a plain decimal without zeros at its end, and the currency: its ISO 4217 code where that is certain, else the
/// sign as it was found.
#[derive(Serialize)]
pub struct Answer {
    amount: Option<String>,
    currency: Option<String>,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let separator = case.decimal_separator.as_deref().and_then(|s| s.chars().next());
    let text = case.text.unwrap_or_default();
    let mut read = price::parse(&text, separator);
    if let Some(hint) = &case.currency_hint
        && read.sign.is_none()
    {
        let amount = read.amount;
        read = price::PriceText { amount, ..price::parse(hint, separator) };
    }
    let currency = read.currency.map(|c| c.to_string()).or(read.sign.map(String::from));
    Ok(Answer { amount: read.amount.map(|a| a.normalize().to_string()), currency })
}
