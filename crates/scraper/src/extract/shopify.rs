//! Shopify's `products.json`: up to 250 products a page, without a currency.
//!
//! A product in several colours, each with pictures of its own, is as many items of one family, each with its colour's price.

use goodtwin_core::{Availability, ContentId};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Listing, pictures, slug, tidy};
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

/// Read a page of the feed: for each product its handle, and what is said of it; or why that cannot be read, which costs no
/// other product anything. A product in several colours has an entry a colour, `handle~colour`.
///
/// # Errors
/// What is wrong with the JSON.
pub fn products(body: &str, url: &Url) -> Result<Vec<Vec<Entry>>, String> {
    let feed: Feed = serde_json::from_str(body).map_err(|e| format!("not a products.json: {e}"))?;
    let read = |value: Value| match (value.get("handle").and_then(Value::as_str).map(String::from), value.get("id")) {
        (Some(handle), _) => match serde_json::from_value::<Product>(value) {
            Ok(product) => product.entries(&handle, url),
            Err(e) => vec![(handle, Err(format!("its entry in the feed: {e}")))],
        },
        (None, Some(Value::Number(id))) => {
            vec![(format!("id-{id}"), Err("its entry in the feed has no handle".into()))]
        }
        (None, _) => {
            let key = format!("unnamed-{}", ContentId::of_json(&value).short());
            vec![(key, Err("its entry in the feed has neither handle nor id".into()))]
        }
    };
    Ok(feed.products.into_iter().map(read).collect())
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
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Price {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Clone, Deserialize)]
struct Variant {
    id: Option<u64>,
    price: Option<Price>,
    available: Option<bool>,
    option1: Option<Value>,
    option2: Option<Value>,
    option3: Option<Value>,
    featured_image: Option<Image>,
}

impl Variant {
    /// What it is by the product's n-th choice.
    fn choice(&self, n: usize) -> Option<String> {
        tidy([&self.option1, &self.option2, &self.option3].get(n)?.as_ref()?.as_str()?)
    }
}

#[derive(Clone, Deserialize)]
struct Image {
    src: Option<String>,
    variant_ids: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct Choice {
    name: Option<String>,
    values: Option<Vec<String>>,
}

fn is_colour(name: &str) -> bool {
    let name = name.trim().to_lowercase();
    ["color", "colour", "farbe", "couleur", "färg", "kleur", "colore"].contains(&name.as_str())
}

impl Product {
    fn entries(self, handle: &str, url: &Url) -> Vec<Entry> {
        let by_colour = self.by_colour();
        if by_colour.len() < 2 {
            let colour = by_colour.into_iter().next().map(|(colour, _)| colour);
            let pictures = self.images.iter().flatten().filter_map(|i| i.src.clone()).collect();
            let all: Vec<Variant> = self.variants.iter().flatten().cloned().collect();
            return vec![(handle.into(), Ok(self.listing(&all, pictures, colour, url)))];
        }
        let entry = |(colour, variants): (String, Vec<Variant>)| {
            let pictures = self.pictures_of(&variants);
            let key = slug(&colour).unwrap_or_default();
            let address = variants.iter().find_map(|v| v.id).map(|id| format!("/products/{handle}?variant={id}"));
            let listing = Listing {
                title: self.title.as_deref().and_then(tidy).map(|title| format!("{title} - {colour}")),
                model: self.title.as_deref().and_then(tidy),
                address,
                variant: Some(key.clone()),
                ..self.listing(&variants, pictures, Some(colour), url)
            };
            (format!("{handle}~{key}"), Ok(listing))
        };
        by_colour.into_iter().map(entry).collect()
    }

    /// The variants of each colour, in the shop's order: all colours, if at least two have pictures of their own; else the one
    /// that there is, or none.
    fn by_colour(&self) -> Vec<(String, Vec<Variant>)> {
        let Some(choice) = self.options.iter().flatten().position(|o| o.name.as_deref().is_some_and(is_colour)) else {
            return vec![];
        };
        let mut colours: Vec<(String, Vec<Variant>)> = Vec::new();
        for variant in self.variants.iter().flatten() {
            let Some(colour) = variant.choice(choice) else { continue };
            match colours.iter_mut().find(|(known, _)| slug(known) == slug(&colour)) {
                Some((_, variants)) => variants.push(variant.clone()),
                None => colours.push((colour, vec![variant.clone()])),
            }
        }
        let distinct = colours.iter().filter(|(_, variants)| !self.pictures_of(variants).is_empty()).count();
        let values = self.options.iter().flatten().nth(choice).and_then(|o| o.values.as_ref());
        match (distinct, values.map(Vec::as_slice)) {
            (2.., _) if colours.iter().all(|(colour, _)| slug(colour).is_some()) => colours,
            (_, Some([only])) => tidy(only).map(|only| (only, vec![])).into_iter().collect(),
            _ => vec![],
        }
    }

    /// The pictures that show these variants and no others.
    fn pictures_of(&self, variants: &[Variant]) -> Vec<String> {
        let featured = variants.iter().filter_map(|v| v.featured_image.as_ref()?.src.clone());
        let ids: Vec<u64> = variants.iter().filter_map(|v| v.id).collect();
        let shows = |image: &&Image| image.variant_ids.iter().flatten().any(|id| ids.contains(id));
        featured.chain(self.images.iter().flatten().filter(shows).filter_map(|i| i.src.clone())).collect()
    }

    fn listing(&self, variants: &[Variant], images: Vec<String>, colour: Option<String>, url: &Url) -> Listing {
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
        let tags = match &self.tags {
            Some(Tags::List(tags)) => tags.clone(),
            Some(Tags::Text(text)) => text.split(',').map(|t| t.trim().to_string()).collect(),
            None => vec![],
        };
        let text = |text: &Option<String>| text.as_deref().and_then(tidy);
        Listing {
            title: text(&self.title),
            brand: text(&self.vendor),
            price,
            availability: said.then_some(if on_sale { Availability::InStock } else { Availability::SoldOut }),
            images: pictures(&images, url),
            colour,
            labels: text(&self.product_type).into_iter().chain(tags).collect(),
            ..Listing::default()
        }
    }
}
