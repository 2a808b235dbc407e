//! What a page says in its structured data.

use std::collections::BTreeMap;

use goodtwin_scraper::extract::{Listing, Syntax, page, product_by};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// A page. `syntaxes` are those that are read, all if there is no such field; one that is unknown gives nothing.
#[derive(Deserialize)]
pub struct Case {
    html_b64: String,
    #[serde(default)]
    url: String,
    syntaxes: Option<Vec<String>>,
}

/// The items by syntax, and the product that the scraper makes of them.
#[derive(Serialize)]
pub struct Answer {
    items: BTreeMap<&'static str, Vec<Value>>,
    product: Option<Product>,
}

#[derive(Serialize)]
struct Product {
    name: Option<String>,
    brand: Option<String>,
    price: Option<String>,
    currency: Option<String>,
    availability: Option<String>,
    condition: Option<String>,
    images: Vec<String>,
}

impl From<Listing> for Product {
    fn from(listing: Listing) -> Self {
        let read = listing.read_price(None);
        let currency = listing.currency_beside().or(read.currency).map(|c| c.to_string());
        Product {
            price: read.amount.map(|amount| amount.to_string()),
            currency: currency.or(listing.currency).or(read.sign.map(String::from)),
            name: listing.title,
            brand: listing.brand,
            availability: listing.availability_word,
            condition: listing.condition_word,
            images: listing.images,
        }
    }
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let html = super::from_base64("html_b64", &case.html_b64)?;
    let document = page::parse(&goodtwin_scraper::charset::decode(&html, None))?;
    let mut syntaxes: Vec<Syntax> = match &case.syntaxes {
        None => Syntax::ALL.into(),
        Some(keys) => keys.iter().filter_map(|key| Syntax::from_key(key)).collect(),
    };
    syntaxes.sort();
    syntaxes.dedup();
    let items = syntaxes.iter().map(|s| (s.key(), s.items(&document, &case.url))).collect();
    // Without an address of its own, a page's relative addresses lead nowhere; what it says else holds all the same.
    let url: Option<Url> = case.url.parse().ok();
    let nowhere = || Url::parse("http://page.invalid/").map_err(|e| e.to_string());
    let product = product_by(&syntaxes, &document, &url.clone().map_or_else(nowhere, Ok)?);
    let product = product.map(Product::from).map(|mut product| {
        if url.is_none() {
            product.images.retain(|image| !image.starts_with("http://page.invalid/"));
        }
        product
    });
    Ok(Answer { items, product })
}
