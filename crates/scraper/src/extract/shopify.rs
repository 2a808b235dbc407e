//! Shopify's `products.json`: up to 250 products a page, without a currency.

use goodtwin_core::{Availability, ContentId};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Listing, pictures, tidy};
use crate::price;

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

/// A product's handle, and what is said of it, or why that cannot be read.
pub type Entry = (String, Result<Listing, String>);

/// Read a page of the feed: each product's handle, and what is said of it; or why that cannot be read, which costs no other
/// product anything.
///
/// # Errors
/// What is wrong with the JSON.
pub fn products(body: &str, url: &Url) -> Result<Vec<Entry>, String> {
    let feed: Feed = serde_json::from_str(body).map_err(|e| format!("not a products.json: {e}"))?;
    let one = |value: Value| match (value.get("handle").and_then(Value::as_str), value.get("id")) {
        (Some(handle), _) => {
            let read = serde_json::from_value::<Product>(value.clone());
            (handle.to_string(), read.map(|p| p.listing(url)).map_err(|e| format!("its entry in the feed: {e}")))
        }
        (None, Some(Value::Number(id))) => (format!("id-{id}"), Err("its entry in the feed has no handle".into())),
        (None, _) => {
            let key = format!("unnamed-{}", ContentId::of_json(&value).short());
            (key, Err("its entry in the feed has neither handle nor id".into()))
        }
    };
    Ok(feed.products.into_iter().map(one).collect())
}

#[derive(Deserialize)]
struct Feed {
    products: Vec<Value>,
}

/// `null` stands for what is not there, as it does in feeds that apps have written.
#[derive(Deserialize)]
struct Product {
    title: Option<String>,
    vendor: Option<String>,
    product_type: Option<String>,
    tags: Option<Tags>,
    variants: Option<Vec<Variant>>,
    images: Option<Vec<Image>>,
    options: Option<Vec<Choice>>,
}

/// A list in `products.json`, one text in older answers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

/// Text in Shopify's own feed, a number in some that imitate it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Price {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Deserialize)]
struct Variant {
    price: Option<Price>,
    available: Option<bool>,
}

#[derive(Deserialize)]
struct Image {
    src: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    name: Option<String>,
    values: Option<Vec<String>>,
}

impl Product {
    fn listing(self, url: &Url) -> Listing {
        let variants = self.variants.unwrap_or_default();
        let on_sale = variants.iter().any(|v| v.available == Some(true));
        let said = variants.iter().any(|v| v.available.is_some());
        // A product of several sizes can be had for the price of the cheapest that is there.
        let texts: Vec<String> = variants
            .iter()
            .filter(|v| !on_sale || v.available == Some(true))
            .filter_map(|v| v.price.as_ref())
            .map(|price| match price {
                Price::Text(text) => text.clone(),
                Price::Number(number) => number.to_string(),
            })
            .collect();
        let amount = |text: &String| price::parse_for_machines(text, None).amount;
        let cheapest = texts.iter().filter_map(|text| Some((amount(text)?, text))).min_by_key(|(amount, _)| *amount);
        let price = cheapest.map(|(_, text)| text).or(texts.first()).cloned();
        let is_colour =
            |name: &str| ["color", "colour", "farbe", "couleur", "färg"].contains(&name.trim().to_lowercase().as_str());
        let mut options = self.options.into_iter().flatten();
        let colours = options.find(|o| o.name.as_deref().is_some_and(is_colour)).and_then(|o| o.values);
        let tags = match self.tags {
            Some(Tags::List(tags)) => tags,
            Some(Tags::Text(text)) => text.split(',').map(|t| t.trim().to_string()).collect(),
            None => vec![],
        };
        let images: Vec<String> = self.images.into_iter().flatten().filter_map(|i| i.src).collect();
        let text = |text: Option<String>| text.as_deref().and_then(tidy);
        Listing {
            title: text(self.title),
            brand: text(self.vendor),
            price,
            availability: said.then_some(if on_sale { Availability::InStock } else { Availability::SoldOut }),
            images: pictures(&images, url),
            colour: colours.filter(|c| c.len() == 1).and_then(|c| tidy(&c[0])),
            labels: text(self.product_type).into_iter().chain(tags).collect(),
            ..Listing::default()
        }
    }
}
