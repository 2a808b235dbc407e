//! Listings: the products that they link to, and the listing after them.

use std::collections::HashSet;

use scraper::{Html, Selector};
use serde::{Deserialize, Serialize};
use url::Url;

use super::page;

/// What a listing links to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Product pages, in order, each once.
    pub items: Vec<Url>,
    /// The next listing.
    pub next: Option<Url>,
}

/// Products of one listing, at most.
const MAX_LINKS: usize = 10_000;

/// Read a listing by two selectors: of the links to products, and of the link to the next listing. A page that cannot be read
/// links to nothing.
pub fn links(html: &str, url: &Url, items: &Selector, next: &Selector) -> Links {
    let Ok(document) = page::parse(html) else { return Links::default() };
    let base = base(&document, url);
    let resolve = |href: &str| {
        let mut address = base.join(href.trim()).ok()?;
        address.set_fragment(None);
        matches!(address.scheme(), "http" | "https").then_some(address)
    };
    let mut seen = HashSet::new();
    let items = document
        .select(items)
        .filter_map(|a| resolve(a.attr("href")?))
        .filter(|address| seen.insert(address.clone()))
        .take(MAX_LINKS)
        .collect();
    let next = document.select(next).find_map(|a| resolve(a.attr("href")?));
    Links { items, next }
}

/// What relative addresses of the page are relative to.
pub(crate) fn base(document: &Html, url: &Url) -> Url {
    let selector = Selector::parse("base[href]").expect("a valid selector");
    let href = document.select(&selector).next().and_then(|b| b.attr("href"));
    href.and_then(|h| url.join(h.trim()).ok()).unwrap_or_else(|| url.clone())
}
