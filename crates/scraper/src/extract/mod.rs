//! From a page's text to what it says: a shop's own words, not yet ours.
//!
//! - [`links`]: a listing in; the addresses of its products and of the next listing out.
//! - [`shopify`]: Shopify's `products.json` in; [`Listing`]s out.
//! - [`json_ld`], [`microdata`]: a page in; schema.org's nodes out, in one form.
//! - [`schema_org`]: such nodes in; the page's product out.
//! - [`open_graph`]: a page in; what its `og:` and `product:` tags say out.

pub mod json_ld;
pub mod links;
pub mod microdata;
pub mod open_graph;
pub mod schema_org;
pub mod shopify;

use std::collections::HashSet;

use goodtwin_core::{Availability, BrandName, Condition, Currency};
use scraper::{Html, Selector};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::price::{self, PriceText};

/// What a shop says of one product, as it says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The title.
    pub title: Option<String>,
    /// Who made it.
    pub brand: Option<String>,
    /// The price's text.
    pub price: Option<String>,
    /// The price's text is what people see; else the shop wrote it for machines.
    pub price_is_seen: bool,
    /// The currency, where it is given apart from the price.
    pub currency: Option<String>,
    /// Whether it can be bought.
    pub availability: Option<Availability>,
    /// New or used.
    pub condition: Option<Condition>,
    /// Addresses of pictures, the main one first.
    pub images: Vec<String>,
    /// The shop's own id of the product's group.
    pub group: Option<String>,
    /// The model's name.
    pub model: Option<String>,
    /// The colour.
    pub colour: Option<String>,
    /// Product type, category and breadcrumb, the most telling first.
    pub labels: Vec<String>,
    /// Where two sources on the page contradict each other, and how.
    pub conflicts: Vec<String>,
    /// The page asks machines that learn to keep away.
    pub no_ai: bool,
}

impl Listing {
    /// Read the price: one that machines wrote by schema.org's rule, one that people see by the shop's own `separator`.
    pub fn read_price(&self, separator: Option<char>) -> PriceText {
        let Some(text) = &self.price else { return PriceText::default() };
        match self.price_is_seen {
            true => price::parse(text, separator),
            false => price::parse_for_machines(text, self.currency_beside()),
        }
    }

    /// The currency that is given apart from the price, if it is one.
    pub fn currency_beside(&self) -> Option<Currency> {
        self.currency.as_deref()?.parse().ok()
    }

    /// Fill what is missing from another source on the same page, and note where the two contradict each other.
    fn merge(&mut self, other: Listing, source: &str) {
        let (ours, theirs) = (self.read_price(None), other.read_price(None));
        if let (Some(a), Some(b)) = (ours.amount, theirs.amount) {
            match (self.currency_beside().or(ours.currency), other.currency_beside().or(theirs.currency)) {
                (Some(c), Some(d)) if c != d => {
                    self.conflicts.push(format!("price {a} {c}, but {source} says {b} {d}"));
                }
                _ if a != b => self.conflicts.push(format!("price {a}, but {source} says {b}")),
                _ => {}
            }
        }
        if let (Some(a), Some(b)) = (&self.brand, &other.brand)
            && BrandName::new(a) != BrandName::new(b)
        {
            self.conflicts.push(format!("brand `{a}`, but {source} says `{b}`"));
        }
        // A currency belongs to the price that it stands beside.
        if self.price.is_none() {
            (self.price, self.price_is_seen, self.currency) = (other.price, other.price_is_seen, other.currency);
        }
        self.title = self.title.take().or(other.title);
        self.brand = self.brand.take().or(other.brand);
        self.availability = self.availability.or(other.availability);
        self.condition = self.condition.or(other.condition);
        self.group = self.group.take().or(other.group);
        self.model = self.model.take().or(other.model);
        self.colour = self.colour.take().or(other.colour);
        if self.images.is_empty() {
            self.images = other.images;
        }
        self.labels.extend(other.labels);
    }
}

/// Read a product page: JSON-LD, then microdata, then Open Graph; each fills what those before it left open.
///
/// Nothing, where none of the three tells of a product.
pub fn product_page(html: &str, url: &Url, agent: &str) -> Option<Listing> {
    let document = Html::parse_document(html);
    let base = links::base(&document, url);
    let json_ld = json_ld::nodes(&document);
    let microdata = microdata::nodes(&document, &base);
    let sources = [
        ("JSON-LD", schema_org::product(&json_ld, url)),
        ("microdata", schema_org::product(&microdata, url)),
        ("Open Graph", open_graph::product(&document)),
    ];
    let mut listing: Option<Listing> = None;
    for (source, found) in sources {
        match (&mut listing, found) {
            (Some(listing), Some(found)) => listing.merge(found, source),
            (None, found) => listing = found,
            (Some(_), None) => {}
        }
    }
    let mut listing = listing?;
    for crumbs in [schema_org::breadcrumb(&json_ld), schema_org::breadcrumb(&microdata)] {
        listing.labels.extend(crumbs);
    }
    listing.images = pictures(&listing.images, &base);
    listing.no_ai = meta_robots(&document, agent).iter().any(|tag| refuses_ai(tag, agent));
    Some(listing)
}

/// Pictures of one item, at most. The first few tell what it looks like; some shops show a hundred.
pub const MAX_PICTURES: usize = 8;

/// The whole addresses of an item's pictures, each once, in their order.
fn pictures(images: &[String], base: &Url) -> Vec<String> {
    let mut seen = HashSet::new();
    let whole = images.iter().filter_map(|i| base.join(i.trim()).ok()).map(String::from);
    whole.filter(|i| seen.insert(i.clone())).take(MAX_PICTURES).collect()
}

/// Whether a robots tag (a header's or a meta element's value) keeps `agent` from using a page's pictures. A header can be
/// meant for one crawler: `otherbot: noindex`.
pub fn refuses_ai(tag: &str, agent: &str) -> bool {
    let directives = match tag.split_once(':') {
        // `unavailable_after: 25 Jun 2027` and its like are directives with a value, not names of crawlers.
        Some((name, rest)) if !name.contains(',') && !name.trim().eq_ignore_ascii_case("unavailable_after") => {
            if !name.trim().eq_ignore_ascii_case(agent) {
                return false;
            }
            rest
        }
        _ => tag,
    };
    directives
        .split(',')
        .any(|d| ["noai", "noimageai", "noindex", "none"].iter().any(|word| d.trim().eq_ignore_ascii_case(word)))
}

fn meta_robots(document: &Html, agent: &str) -> Vec<String> {
    let selector = Selector::parse("meta[name][content]").expect("a valid selector");
    document
        .select(&selector)
        .filter(|m| m.attr("name").is_some_and(|n| n.eq_ignore_ascii_case("robots") || n.eq_ignore_ascii_case(agent)))
        .filter_map(|m| m.attr("content").map(String::from))
        .collect()
}

/// "https://schema.org/InStock", "in stock" and their like.
pub(crate) fn availability(text: &str) -> Option<Availability> {
    let word: String = last_part(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    match word.as_str() {
        "instock"
        | "limitedavailability"
        | "onlineonly"
        | "instoreonly"
        | "preorder"
        | "presale"
        | "backorder"
        | "available"
        | "availablefororder"
        | "madetoorder" => Some(Availability::InStock),
        "outofstock" | "soldout" | "discontinued" | "oos" | "reserved" => Some(Availability::SoldOut),
        _ => None,
    }
}

/// "https://schema.org/UsedCondition", "used" and their like.
pub(crate) fn condition(text: &str) -> Option<Condition> {
    let word = last_part(text).to_lowercase();
    match word.trim_end_matches("condition") {
        "new" => Some(Condition::New),
        "used" | "refurbished" | "damaged" | "pre-owned" | "preowned" | "second-hand" => Some(Condition::SecondHand),
        _ => None,
    }
}

/// What follows the last slash or hash of an address; other text as it is.
pub(crate) fn last_part(text: &str) -> &str {
    text.trim().trim_end_matches('/').rsplit(['/', '#']).next().unwrap_or_default()
}

/// One line: white space in a row is one space. Nothing, if nothing is left.
pub(crate) fn tidy(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests;
