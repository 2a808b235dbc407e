//! From a page's text to what it says: a shop's own words, not yet ours.
//!
//! - [`page`]: a page's text in; its tree out, at a bounded cost.
//! - [`links`]: a listing in; the addresses of its products and of the next listing out.
//! - [`shopify`]: Shopify's `products.json` in; [`Listing`]s out.
//! - [`json_ld`], [`microdata`], [`open_graph`]: a page in; its items out, as they stand there. [`Syntax`] names the three.
//! - [`schema_org`]: nodes of JSON-LD or microdata in; the page's product out.
//! - [`css`]: a store's own selectors for what structured data does not say.
//! - [`conflict`]: what several sources say of one product in; where they contradict each other out.
//! - [`text`], [`address`]: an element's text and an address, as the page means them.

pub mod address;
pub mod conflict;
pub mod css;
pub mod json_ld;
pub mod links;
pub mod microdata;
pub mod open_graph;
pub mod page;
pub mod schema_org;
pub mod shopify;
mod syntax;
pub mod text;

use std::collections::HashSet;

use goodtwin_core::{Availability, Condition, Currency};
use scraper::{Html, Selector};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::price::{self, PriceText};
use conflict::Conflict;
use css::Css;
pub use syntax::Syntax;

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
    /// What the cheapest of several offers asks, where the source says that of all of them together.
    pub lowest: Option<Asked>,
    /// Whether it can be bought.
    pub availability: Option<Availability>,
    /// The same in schema.org's word, such as `PreOrder`.
    pub availability_word: Option<String>,
    /// New or used.
    pub condition: Option<Condition>,
    /// The same in schema.org's word, such as `RefurbishedCondition`.
    pub condition_word: Option<String>,
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
    pub conflicts: Vec<Conflict>,
    /// The page asks machines that learn to keep away.
    pub no_ai: bool,
    /// Of a product in several colours that share one page: what tells this colour's item from the others'.
    pub variant: Option<String>,
    /// Where this very item is shown, if not at the page's address.
    pub address: Option<String>,
    /// The same product in its other colours.
    pub others: Vec<Listing>,
}

/// A price as a source asks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The price's text.
    pub price: String,
    /// The text is what people see; else the shop wrote it for machines.
    pub is_seen: bool,
    /// The currency, where it is given apart from the price.
    pub currency: Option<String>,
}

impl Listing {
    /// Read the price: one that machines wrote by schema.org's rule, one that people see by the shop's own `separator`.
    pub fn read_price(&self, separator: Option<char>) -> PriceText {
        self.read_price_in(self.currency_beside(), separator)
    }

    /// [`Listing::read_price`] in a currency that is known: whether `150.000` are thousands depends on it.
    pub fn read_price_in(&self, currency: Option<Currency>, separator: Option<char>) -> PriceText {
        let Some(text) = &self.price else { return PriceText::default() };
        match self.price_is_seen {
            true => price::parse_beside(text, separator, currency),
            false => price::parse_for_machines(text, currency),
        }
    }

    /// The currency that is given apart from the price, if it is one.
    pub fn currency_beside(&self) -> Option<Currency> {
        self.currency.as_deref()?.parse().ok()
    }

    /// Where no source says one price, a product of several sizes can be had for that of the cheapest.
    fn settle_price(&mut self, separator: Option<char>) {
        if self.read_price(separator).amount.is_none()
            && let Some(Asked { price, is_seen, currency }) = self.lowest.take()
        {
            let asked = Listing { price: Some(price), price_is_seen: is_seen, currency, ..Listing::default() };
            if asked.read_price(separator).amount.is_some() {
                (self.price, self.price_is_seen, self.currency) = (asked.price, asked.price_is_seen, asked.currency);
            }
        }
    }

    /// Fill what is missing from another source.
    fn fill(&mut self, other: Listing, separator: Option<char>) {
        // A currency belongs to the price that it stands beside. "85 / 95" is no price where somebody says which.
        let unread = |listing: &Listing| listing.read_price(separator).amount.is_none();
        if self.price.is_none() || (unread(self) && !unread(&other)) {
            (self.price, self.price_is_seen, self.currency) = (other.price, other.price_is_seen, other.currency);
        } else if self.currency.is_none() && self.price_is_seen {
            self.currency = other.currency;
        }
        self.lowest = self.lowest.take().or(other.lowest);
        self.title = self.title.take().or(other.title);
        self.brand = self.brand.take().or(other.brand);
        self.availability = self.availability.or(other.availability);
        self.availability_word = self.availability_word.take().or(other.availability_word);
        self.condition = self.condition.or(other.condition);
        self.condition_word = self.condition_word.take().or(other.condition_word);
        self.group = self.group.take().or(other.group);
        self.model = self.model.take().or(other.model);
        self.colour = self.colour.take().or(other.colour);
        if self.images.is_empty() {
            self.images = other.images;
        }
        self.labels.extend(other.labels);
    }
}

/// How a store's product pages are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The name that robots tags know us by.
    pub agent: String,
    /// The sign before decimals in prices that people see.
    pub separator: Option<char>,
    /// The store's own selectors; they count before all else.
    pub css: Option<Css>,
}

/// Read a product page: by the store's selectors, then JSON-LD, microdata, Open Graph; each fills what those before it left
/// open, and what they contradict each other in is noted. Nothing, where none of them tells of a product.
///
/// # Errors
/// What there is too much of in the page.
pub fn read_product_page(html: &str, url: &Url, reading: &Reading) -> Result<Option<Listing>, String> {
    let document = page::parse(html)?;
    let mut sources = Vec::new();
    if let Some(css) = &reading.css {
        sources.push(("CSS", css.product(&document, links::base(&document, url).as_str())));
    }
    sources.extend(Syntax::ALL.map(|syntax| (syntax.title(), syntax.product(&document, url))));
    let mut listing = merge(sources, reading.separator);
    if let Some(listing) = &mut listing {
        let no_ai = meta_robots(&document, &reading.agent).iter().any(|tag| refuses_ai(tag, &reading.agent));
        finish(listing, &document, url, no_ai);
    }
    Ok(listing)
}

/// The product of a page by some of its syntaxes alone.
pub fn product_by(syntaxes: &[Syntax], document: &Html, url: &Url) -> Option<Listing> {
    let found = syntaxes.iter().map(|syntax| (syntax.title(), syntax.product(document, url))).collect();
    let mut listing = merge(found, None)?;
    finish(&mut listing, document, url, false);
    Some(listing)
}

/// [`read_product_page`] without a store's own ways.
pub fn product_page(html: &str, url: &Url, agent: &str) -> Option<Listing> {
    read_product_page(html, url, &Reading { agent: agent.into(), ..Reading::default() }).ok().flatten()
}

fn merge(sources: Vec<(&str, Option<Listing>)>, separator: Option<char>) -> Option<Listing> {
    let found: Vec<(&str, Listing)> = sources.into_iter().filter_map(|(name, found)| Some((name, found?))).collect();
    let conflicts = conflict::conflicts(&found, separator);
    let mut listings = found.into_iter().map(|(_, listing)| listing);
    let mut listing = listings.next()?;
    for other in listings {
        if listing.others.is_empty() && listing.variant.is_none() && !other.others.is_empty() {
            (listing.variant, listing.address) = (other.variant.clone(), other.address.clone());
            listing.others = other.others.clone();
            // What the page shows as its price may be another colour's.
            let own = other.read_price(separator).amount;
            if own.is_some() && own != listing.read_price(separator).amount {
                (listing.price, listing.price_is_seen) = (other.price.clone(), other.price_is_seen);
                listing.currency = other.currency.clone();
            }
        }
        for variant in &mut listing.others {
            // A colour's own price and pictures stay its own.
            variant.fill(Listing { images: vec![], ..other.clone() }, separator);
        }
        listing.fill(other, separator);
    }
    listing.conflicts = conflicts;
    listing.settle_price(separator);
    for variant in &mut listing.others {
        variant.conflicts = listing.conflicts.clone();
        variant.settle_price(separator);
    }
    Some(listing)
}

/// What belongs to the whole page: its breadcrumb, what its addresses are relative to, and whether it may be used.
fn finish(listing: &mut Listing, document: &Html, url: &Url, no_ai: bool) {
    let base = links::base(document, url);
    let crumbs: Vec<String> = [Syntax::JsonLd, Syntax::Microdata]
        .iter()
        .flat_map(|s| schema_org::breadcrumb(&s.nodes(document, url)))
        .collect();
    let mut others = std::mem::take(&mut listing.others);
    let complete = |listing: &mut Listing| {
        listing.labels.extend(crumbs.clone());
        listing.images = pictures(&listing.images, &base);
        listing.no_ai |= no_ai;
    };
    complete(listing);
    others.iter_mut().for_each(complete);
    listing.others = others;
}

/// Pictures of one item, at most. The first few tell what it looks like; some shops show a hundred.
pub const MAX_PICTURES: usize = 8;

/// The whole addresses of an item's pictures, each once, in their order.
fn pictures(images: &[String], base: &Url) -> Vec<String> {
    let mut seen = HashSet::new();
    let whole = images.iter().filter_map(|i| base.join(i.trim()).ok()).map(String::from);
    whole.filter(|i| seen.insert(i.clone())).take(MAX_PICTURES).collect()
}

/// Whether a robots tag (a header's or a meta element's value) keeps `agent` from using a page's pictures.
pub fn refuses_ai(tag: &str, agent: &str) -> bool {
    says(tag, agent, &["noai", "noimageai", "noindex", "none"])
}

/// The same of a feed's tag. A feed is nothing that a search engine should show, and shops keep theirs out with `noindex`: that
/// says nothing of its products' pictures.
pub fn feed_refuses_ai(tag: &str, agent: &str) -> bool {
    says(tag, agent, &["noai", "noimageai", "none"])
}

/// Whether a robots tag has one of these words for `agent`. A header can be meant for one crawler: `otherbot: noindex`.
fn says(tag: &str, agent: &str, words: &[&str]) -> bool {
    // Directives with a value, not names of crawlers.
    const VALUED: [&str; 4] = ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];
    let is_valued = |name: &str| VALUED.iter().any(|word| name.trim().eq_ignore_ascii_case(word));
    let directives = match tag.split_once(':') {
        Some((name, rest)) if !name.contains(',') && !is_valued(name) => {
            if !name.trim().eq_ignore_ascii_case(agent) {
                return false;
            }
            rest
        }
        _ => tag,
    };
    directives.split(',').any(|d| words.iter().any(|word| d.trim().eq_ignore_ascii_case(word)))
}

fn meta_robots(document: &Html, agent: &str) -> Vec<String> {
    let selector = Selector::parse("meta[name][content]").expect("a valid selector");
    document
        .select(&selector)
        .filter(|m| m.attr("name").is_some_and(|n| n.eq_ignore_ascii_case("robots") || n.eq_ignore_ascii_case(agent)))
        .filter_map(|m| m.attr("content").map(String::from))
        .collect()
}

/// schema.org's words for whether a thing can be bought, and what they mean to us.
const AVAILABILITY: [(&str, &[&str], Option<Availability>); 12] = {
    use Availability::{InStock, SoldOut};
    [
        ("InStock", &["available", "availablefororder", "true"], Some(InStock)),
        ("LimitedAvailability", &["lowstock"], Some(InStock)),
        ("OnlineOnly", &[], Some(InStock)),
        ("InStoreOnly", &[], Some(InStock)),
        ("PreOrder", &[], Some(InStock)),
        ("PreSale", &[], Some(InStock)),
        ("BackOrder", &[], Some(InStock)),
        ("MadeToOrder", &[], Some(InStock)),
        ("OutOfStock", &["oos", "unavailable", "false"], Some(SoldOut)),
        ("SoldOut", &["sold"], Some(SoldOut)),
        ("Discontinued", &[], Some(SoldOut)),
        ("Reserved", &["pending"], Some(SoldOut)),
    ]
};

/// schema.org's words for the condition of a thing.
const CONDITION: [(&str, &[&str], Option<Condition>); 4] = {
    use Condition::{New, SecondHand};
    let used: &[&str] = &["used", "preowned", "preloved", "secondhand", "vintage"];
    [
        ("NewCondition", &["new"], Some(New)),
        ("UsedCondition", used, Some(SecondHand)),
        ("RefurbishedCondition", &["refurbished"], Some(SecondHand)),
        ("DamagedCondition", &["damaged"], Some(SecondHand)),
    ]
};

/// "https://schema.org/InStock", "in stock" and their like.
pub(crate) fn availability(text: &str) -> Option<Availability> {
    meaning(text, &AVAILABILITY)
}

/// "https://schema.org/UsedCondition", "used" and their like.
pub(crate) fn condition(text: &str) -> Option<Condition> {
    meaning(text, &CONDITION)
}

fn letters(text: &str) -> String {
    last_part(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

fn entry<'t, T>(text: &str, table: &'t [(&'t str, &'t [&'t str], T)]) -> Option<&'t (&'t str, &'t [&'t str], T)> {
    let said = letters(text);
    table.iter().find(|(word, others, _)| word.to_lowercase() == said || others.contains(&said.as_str()))
}

fn meaning<T: Copy>(text: &str, table: &[(&str, &[&str], Option<T>)]) -> Option<T> {
    entry(text, table)?.2
}

/// schema.org's word for what is said; what it has no word for, as it is said.
fn word<T>(text: &str, table: &[(&str, &[&str], T)]) -> Option<String> {
    entry(text, table).map(|e| e.0.to_string()).or_else(|| tidy(last_part(text)))
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

/// `Light Moss` to `light-moss`, for keys.
fn slug(text: &str) -> Option<String> {
    let plain: String = text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let slug = plain.to_lowercase().split_whitespace().collect::<Vec<_>>().join("-");
    (!slug.is_empty()).then_some(slug)
}

pub(crate) fn selector(key: &str, css: &str) -> Result<Selector, String> {
    Selector::parse(css).map_err(|e| format!("{key} = \"{css}\": expected a CSS selector: {e}"))
}

#[cfg(test)]
mod tests;
