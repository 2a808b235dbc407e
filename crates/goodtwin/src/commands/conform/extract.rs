//! What a page says in its structured data.

use goodtwin_scraper::extract::product_page;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

/// A page. `syntaxes` are those whose items are asked for; one that is unknown gives nothing.
#[derive(Deserialize)]
pub struct Case {
    html_b64: String,
    url: String,
    #[serde(default)]
    syntaxes: Vec<String>,
}

/// The items by syntax, and the product that the scraper makes of them.
#[derive(Serialize)]
pub struct Answer {
    items: Value,
    product: Value,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let html = super::from_base64("html_b64", &case.html_b64)?;
    let url: Url = case.url.parse().map_err(|e| format!("`url` is no address: {e}"))?;
    let listing = product_page(&String::from_utf8_lossy(&html), &url, "GoodTwin");
    let items = case.syntaxes.into_iter().map(|syntax| (syntax, json!([]))).collect();
    let product = listing.map(|l| {
        json!({
            "name": l.title, "brand": l.brand, "price": l.price, "currency": l.currency,
            "availability": l.availability, "condition": l.condition, "images": l.images,
        })
    });
    Ok(Answer { items, product: product.unwrap_or_default() })
}
