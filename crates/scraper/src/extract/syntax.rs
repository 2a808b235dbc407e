//! The three ways in which a page says what it is about.

use scraper::Html;
use serde_json::Value;
use url::Url;

use super::{Listing, json_ld, links, microdata, open_graph, schema_org};

/// A syntax of structured data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Syntax {
    /// `<script type="application/ld+json">`
    JsonLd,
    /// `itemscope`, `itemprop`
    Microdata,
    /// `<meta property="og:...">`
    OpenGraph,
}

impl Syntax {
    /// All, in the order in which they are believed.
    pub const ALL: [Syntax; 3] = [Syntax::JsonLd, Syntax::Microdata, Syntax::OpenGraph];

    /// The name by which `goodtwin conform extract` knows it.
    pub fn key(self) -> &'static str {
        match self {
            Syntax::JsonLd => "json-ld",
            Syntax::Microdata => "microdata",
            Syntax::OpenGraph => "opengraph",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Syntax::JsonLd => "JSON-LD",
            Syntax::Microdata => "microdata",
            Syntax::OpenGraph => "Open Graph",
        }
    }

    /// The syntax of this [`Syntax::key`].
    pub fn from_key(key: &str) -> Option<Self> {
        Syntax::ALL.into_iter().find(|s| s.key() == key)
    }

    /// The page's items in the form in which `extruct` writes them; relative addresses are joined to `base`.
    pub fn items(self, document: &Html, base: &str) -> Vec<Value> {
        match self {
            Syntax::JsonLd => json_ld::items(document),
            Syntax::Microdata => microdata::items(document, base),
            Syntax::OpenGraph => open_graph::items(document),
        }
    }

    /// The page's product.
    pub fn product(self, document: &Html, url: &Url) -> Option<Listing> {
        match self {
            Syntax::OpenGraph => open_graph::product(document),
            _ => schema_org::product(&self.nodes(document, url), url),
        }
    }

    /// schema.org's nodes, where the syntax has some.
    pub(super) fn nodes(self, document: &Html, url: &Url) -> Vec<Value> {
        match self {
            Syntax::JsonLd => json_ld::items(document),
            Syntax::Microdata => microdata::nodes(document, links::base(document, url).as_str()),
            Syntax::OpenGraph => vec![],
        }
    }
}
