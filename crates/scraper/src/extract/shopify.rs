//! Shopify's `products.json`: up to 250 products a page, without a currency.

use goodtwin_core::Availability;
use serde::Deserialize;
use url::Url;

use super::{Listing, tidy};

/// Products on a page of the feed. Shopify gives no more.
pub const PER_PAGE: usize = 250;

/// The last page of the feed: Shopify refuses what lies beyond 25,000 products.
pub const LAST_PAGE: usize = 25_000 / PER_PAGE;

/// The address of a page of the feed, counted from 1, below a shop's or a collection's address.
pub fn feed_url(start: &Url, page: usize) -> Url {
    let mut url = start.clone();
    url.set_query(None);
    let path = url.path().trim_end_matches('/').trim_end_matches("/products.json").to_string();
    url.set_path(&format!("{path}/products.json"));
    url.query_pairs_mut().append_pair("limit", &PER_PAGE.to_string()).append_pair("page", &page.to_string());
    url
}

/// Read a page of the feed: each product's handle, and what is said of it.
///
/// # Errors
/// What is wrong with the JSON.
pub fn products(body: &str) -> Result<Vec<(String, Listing)>, String> {
    let feed: Feed = serde_json::from_str(body).map_err(|e| format!("not a products.json: {e}"))?;
    Ok(feed.products.into_iter().map(|p| (p.handle.clone(), p.listing())).collect())
}

#[derive(Deserialize)]
struct Feed {
    products: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    handle: String,
    title: String,
    #[serde(default)]
    vendor: String,
    #[serde(default)]
    product_type: String,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    variants: Vec<Variant>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    options: Vec<Choice>,
}

/// A list in `products.json`, one text in older answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

impl Default for Tags {
    fn default() -> Self {
        Tags::List(Vec::new())
    }
}

#[derive(Deserialize)]
struct Variant {
    price: Option<String>,
    available: Option<bool>,
}

#[derive(Deserialize)]
struct Image {
    src: String,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Product {
    fn listing(self) -> Listing {
        let on_sale = self.variants.iter().any(|v| v.available == Some(true));
        let said = self.variants.iter().any(|v| v.available.is_some());
        // A product of several sizes can be had for the price of the cheapest that is there.
        let price = self
            .variants
            .iter()
            .filter(|v| !on_sale || v.available == Some(true))
            .filter_map(|v| v.price.as_deref())
            .filter_map(|text| Some((crate::price::parse(text, Some('.')).amount?, text)))
            .min_by_key(|(amount, _)| *amount)
            .map(|(_, text)| text.to_string());
        let colour = self
            .options
            .iter()
            .find(|o| ["color", "colour", "farbe", "couleur", "färg"].contains(&o.name.trim().to_lowercase().as_str()));
        let tags = match self.tags {
            Tags::List(tags) => tags,
            Tags::Text(text) => text.split(',').map(|t| t.trim().to_string()).collect(),
        };
        Listing {
            title: tidy(&self.title),
            brand: tidy(&self.vendor),
            price,
            availability: said.then_some(if on_sale { Availability::InStock } else { Availability::SoldOut }),
            images: self.images.into_iter().map(|i| i.src).collect(),
            colour: colour.filter(|c| c.values.len() == 1).and_then(|c| tidy(&c.values[0])),
            labels: tidy(&self.product_type).into_iter().chain(tags).collect(),
            ..Listing::default()
        }
    }
}
