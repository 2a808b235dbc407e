//! One shop's addresses and what is served at each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::body::Bytes;
use goodtwin_core::ContentId;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::paint::{self, Subject};

/// When the pages that are not about one product were last changed: 1 September 2026, 06:00 UTC.
pub(crate) const SITE_MODIFIED: Timestamp = Timestamp::constant(1_788_242_400, 0);

/// Something at an address.
#[derive(Debug)]
pub struct Resource {
    /// The Content-Type.
    pub content_type: &'static str,
    /// The Last-Modified.
    pub modified: Timestamp,
    source: Source,
    made: OnceLock<(Bytes, String)>,
}

#[derive(Debug)]
enum Source {
    Text(String),
    Photo(Photo),
}

/// A photograph that is painted when somebody first asks for it.
#[derive(Debug)]
pub(crate) struct Photo {
    pub subject: Subject,
    /// Whether its second half is missing.
    pub cut: bool,
}

impl Resource {
    pub(crate) fn text(content_type: &'static str, modified: Timestamp, text: String) -> Self {
        Resource { content_type, modified, source: Source::Text(text), made: OnceLock::new() }
    }

    pub(crate) fn html(modified: Timestamp, text: String) -> Self {
        Resource::text("text/html; charset=utf-8", modified, text)
    }

    pub(crate) fn photo(modified: Timestamp, photo: Photo) -> Self {
        Resource { content_type: "image/jpeg", modified, source: Source::Photo(photo), made: OnceLock::new() }
    }

    /// The bytes. Painting a photograph takes some tens of milliseconds, once.
    pub fn bytes(&self) -> Bytes {
        self.made().0.clone()
    }

    /// The strong ETag, with its quotation marks.
    pub fn etag(&self) -> &str {
        &self.made().1
    }

    fn made(&self) -> &(Bytes, String) {
        self.made.get_or_init(|| {
            let bytes: Bytes = match &self.source {
                Source::Text(text) => text.clone().into(),
                Source::Photo(photo) => {
                    let mut jpeg = paint::photo(&photo.subject);
                    if photo.cut {
                        jpeg.truncate(jpeg.len() / 2);
                    }
                    jpeg.into()
                }
            };
            let etag = format!("\"{}\"", ContentId::of(&bytes).short());
            (bytes, etag)
        })
    }
}

/// Everything that one shop serves.
#[derive(Debug)]
pub struct Site {
    resources: BTreeMap<String, Resource>,
    feed: Vec<Value>,
}

/// How many products a page of the feed has when nobody says, and at most; Shopify's own numbers.
const FEED_PAGE: usize = 30;
const FEED_PAGE_MOST: usize = 250;

impl Site {
    pub(crate) fn new(resources: Vec<(String, Resource)>, feed: Vec<Value>) -> Self {
        let mut site = Site { resources: BTreeMap::new(), feed };
        for (path, resource) in resources {
            let before = site.resources.insert(path, resource);
            debug_assert!(before.is_none(), "two resources at one address");
        }
        if !site.feed.is_empty() {
            for page in 1..=site.feed.len().div_ceil(FEED_PAGE_MOST) + 1 {
                let page_of_feed = site.page_of_feed(FEED_PAGE_MOST, page);
                site.resources.insert(format!("/products.json?limit={FEED_PAGE_MOST}&page={page}"), page_of_feed);
            }
        }
        site
    }

    /// All addresses, paths with their queries, that listings or pages lead to.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// What is at a path and a query (without its question mark). Queries that mean nothing here are ignored, but a
    /// page past the end is not there. The feed is answered for any `limit` and `page`.
    pub fn get(&self, path: &str, query: Option<&str>) -> Option<Found<'_>> {
        let pairs = || query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
        if path == "/products.json" && !self.feed.is_empty() {
            let number = |key: &str| pairs().find(|(k, _)| *k == key).and_then(|(_, v)| v.parse::<usize>().ok());
            let limit = number("limit").unwrap_or(FEED_PAGE).clamp(1, FEED_PAGE_MOST);
            let page = number("page").unwrap_or(1).max(1);
            return Some(Found::Made(Box::new(self.page_of_feed(limit, page))));
        }
        let address = match pairs().find(|(k, _)| matches!(*k, "page" | "sida")) {
            Some((key, number)) => format!("{path}?{key}={number}"),
            None => path.to_string(),
        };
        self.resources.get(&address).map(Found::Kept)
    }

    fn page_of_feed(&self, limit: usize, page: usize) -> Resource {
        let products: Vec<&Value> = self.feed.iter().skip((page - 1).saturating_mul(limit)).take(limit).collect();
        let text = json!({ "products": products }).to_string();
        Resource::text("application/json; charset=utf-8", SITE_MODIFIED, text)
    }
}

/// A resource that the site keeps, or one that was made for this request.
#[derive(Debug)]
pub enum Found<'a> {
    /// Kept.
    Kept(&'a Resource),
    /// Made.
    Made(Box<Resource>),
}

impl std::ops::Deref for Found<'_> {
    type Target = Resource;

    fn deref(&self) -> &Resource {
        match self {
            Found::Kept(resource) => resource,
            Found::Made(resource) => resource,
        }
    }
}
