//! Trying a store's file on the store: robots.txt, one listing and one product, by the fetcher and the extractor that a scrape
//! uses; what was found of each field.

use std::sync::Arc;

use goodtwin_core::{Item, Taxonomy};
use url::Url;

use crate::assemble::assemble;
use crate::browser::{Browser, BrowserError};
use crate::clock::Clock;
use crate::config::{Config, Source, Store};
use crate::extract::{Listing, links, shopify};
use crate::fetch::{Answer, FetchError, Fetcher, Limits, Manners};
use crate::governor::Governor;
use crate::journal::SharedJournal;
use crate::journal::fetched::Validators;
use crate::listings::feed_products;
use crate::pages::{Text, product};
use crate::stop::Stop;
use crate::{Journal, Result, charset};

/// A field, and how many of the items that were looked at say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `name`, `brand`, `price`, ...
    pub name: &'static str,
    /// No item is kept without it.
    pub is_needed: bool,
    /// Items that say it.
    pub filled: usize,
    /// What the first of them says.
    pub example: Option<String>,
}

/// What a try found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was done, in order, and what came of it.
    pub steps: Vec<String>,
    /// Items that were looked at: all of a feed's page, or the one of a product page.
    pub items: usize,
    /// The fields, the needed ones first.
    pub fields: Vec<Field>,
    /// The first item that a scrape would keep, without its pictures; or why the first one would not be kept.
    pub example: Option<std::result::Result<Item, String>>,
    /// What stopped the try.
    pub trouble: Option<Trouble>,
}

/// What stopped a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The store was not reached, or asks to be left alone.
    Unavailable(String),
    /// The store was reached, and the file does not fit it.
    Unfit(String),
}

impl Report {
    /// Needed fields that fewer than half of the items say.
    pub fn missing(&self) -> Vec<&'static str> {
        self.fields.iter().filter(|f| f.is_needed && f.filled * 2 < self.items.max(1)).map(|f| f.name).collect()
    }

    /// The file fits the store: all that is needed was found.
    pub fn is_good(&self) -> bool {
        self.trouble.is_none() && self.items > 0 && self.missing().is_empty()
    }
}

/// Asks stores that are not being scraped.
pub struct Visitor {
    fetcher: Fetcher,
    user_agent: String,
}

impl Visitor {
    /// A visitor that calls itself `user_agent`. What it fetches is forgotten.
    pub fn new(user_agent: &str, stop: Stop) -> Result<Self> {
        let journal = SharedJournal::new(Journal::open(std::path::Path::new(":memory:"))?);
        let governor = Arc::new(Governor::new(Clock::system(), stop));
        let fetcher = Fetcher::new(user_agent, governor, journal, Limits::default())?;
        Ok(Visitor { fetcher, user_agent: user_agent.into() })
    }

    fn agent(&self) -> &str {
        crate::robots::product_token(&self.user_agent)
    }

    /// Fetch a page, asking robots.txt first.
    pub(crate) async fn page(&self, url: &Url, manners: Manners) -> std::result::Result<Answer, FetchError> {
        self.fetcher.page(url, manners, &Validators::default()).await
    }

    /// Try a store's file on the store.
    pub async fn check(&self, store: &Store, taxonomy: &Taxonomy) -> Report {
        let mut report = Report::default();
        let found = match store.file.source {
            Source::Shopify => self.feed(store, &mut report).await,
            Source::Structured | Source::Css => self.product(store, &mut report).await,
        };
        match found {
            Err(trouble) => report.trouble = Some(trouble),
            Ok(listings) => look_at(&listings, store, taxonomy, &self.user_agent, &mut report),
        }
        report
    }

    async fn feed(&self, store: &Store, report: &mut Report) -> std::result::Result<Vec<(Url, Listing)>, Trouble> {
        let url = shopify::feed_url(&start(store), 1);
        let answer = self.asked(&url, store, report).await?;
        let text = text_of(answer, report);
        let products = feed_products(&text, self.agent());
        let products = products.map_err(|e| Trouble::Unfit(format!("{url}: {e}")))?;
        let entries: Vec<_> = products.into_iter().flatten().collect();
        let unread = entries.iter().filter(|(_, listing)| listing.is_err()).count();
        report.steps.push(format!("feed: {} items, {unread} of them cannot be read", entries.len()));
        if entries.is_empty() {
            return Err(Trouble::Unfit(format!("{url}: the feed has no products")));
        }
        Ok(entries.into_iter().map(|(_, listing)| (url.clone(), listing.unwrap_or_default())).collect())
    }

    async fn product(&self, store: &Store, report: &mut Report) -> std::result::Result<Vec<(Url, Listing)>, Trouble> {
        let start = start(store);
        let (html, at) = if store.file.listing.browser {
            self.rendered(&start, store, report).await?
        } else {
            let answer = self.asked(&start, store, report).await?;
            (charset::decode(&answer.body, answer.content_type()), answer.url)
        };
        let links = links::links(&html, &at, &store.items, &store.next);
        let next = links.next.as_ref().map_or("no next listing".into(), |next| format!("the next listing is {next}"));
        report.steps.push(format!("listing: {} items by `{}`; {next}", links.items.len(), store.file.listing.items));
        // robots.txt may keep some of them for itself; a shop's first shelf is not all of it.
        let mut refused = None;
        for url in links.items.iter().take(5) {
            match self.asked(url, store, report).await {
                Err(trouble @ Trouble::Unfit(_)) => refused = Some(trouble),
                Err(trouble) => return Err(trouble),
                Ok(answer) => {
                    let read = product(&text_of(answer, report), &store.reading(self.agent()));
                    let listing = read.map_err(|e| Trouble::Unfit(format!("{url}: {e}")))?;
                    let nothing = || Trouble::Unfit(format!("{url}: the page tells of no product"));
                    return Ok(vec![(url.clone(), listing.ok_or_else(nothing)?)]);
                }
            }
        }
        let nothing = || Trouble::Unfit(format!("{start}: nothing matches `{}`", store.file.listing.items));
        Err(refused.unwrap_or_else(nothing))
    }

    async fn asked(&self, url: &Url, store: &Store, report: &mut Report) -> std::result::Result<Answer, Trouble> {
        let done = self.page(url, manners(store)).await;
        let answer = done.map_err(|e| trouble(&e))?;
        report.steps.push(format!("robots.txt allows {url}; it answered with {} bytes", answer.body.len()));
        Ok(answer)
    }

    async fn rendered(
        &self,
        url: &Url,
        store: &Store,
        report: &mut Report,
    ) -> std::result::Result<(String, Url), Trouble> {
        self.fetcher.check(url, manners(store)).await.map_err(|e| trouble(&e))?;
        let unavailable = |e: BrowserError| Trouble::Unavailable(e.to_string());
        let host = store.file.base.host_str().unwrap_or_default();
        let mut browser = Browser::start(&self.user_agent, host).await.map_err(unavailable)?;
        let listing = &store.file.listing;
        let fetch = async |url: &Url| self.page(url, manners(store)).await;
        let rendered = browser.render(url, listing.ready.as_deref().unwrap_or(&listing.items), fetch).await;
        browser.close().await;
        let rendered = rendered.map_err(|e| match e {
            BrowserError::Fetch(e) => trouble(&e),
            other => Trouble::Unfit(other.to_string()),
        })?;
        report.steps.push(format!("robots.txt allows {url}; the browser rendered {} bytes", rendered.html.len()));
        Ok((rendered.html, rendered.url))
    }
}

/// A page of products as its extractor gets it.
fn text_of(answer: Answer, report: &mut Report) -> Text {
    let robots_tags = answer.robots_tags();
    if !robots_tags.is_empty() {
        report.steps.push(format!("X-Robots-Tag: {}", robots_tags.join(", ")));
    }
    Text { body: charset::decode(&answer.body, answer.content_type()), robots_tags, url: answer.url }
}

fn start(store: &Store) -> Url {
    let first = store.file.start.first().map_or("/", String::as_str);
    store.file.base.join(first).expect("checked when the file was read")
}

pub(crate) fn manners(store: &Store) -> Manners {
    Manners { delay: store.delay, allow_loopback: store.file.allow_loopback }
}

/// What the store refuses, or answers with an error, is a fault of the file; else nobody is there to ask.
fn trouble(error: &FetchError) -> Trouble {
    if error.is_refusal() { Trouble::Unfit(error.to_string()) } else { Trouble::Unavailable(error.to_string()) }
}

/// Count what the items say, and take one all the way to an item.
fn look_at(listings: &[(Url, Listing)], store: &Store, taxonomy: &Taxonomy, user_agent: &str, report: &mut Report) {
    // As a scrape would, but that no brand is refused: whether it is rated is no matter of the store's file.
    let config = Config {
        user_agent: user_agent.into(),
        out: Default::default(),
        ratings: [].into_iter().collect(),
        ratings_file: Default::default(),
        taxonomy: taxonomy.clone(),
        rating_floor: goodtwin_core::Label::WeAvoid,
        metrics: None,
        stores: vec![],
    };
    let mut unrated = store.clone();
    unrated.file.ethics = crate::config::Ethics::Conventional;
    let assembled: Vec<_> =
        listings.iter().map(|(url, listing)| assemble(listing, "example", url.as_str(), &unrated, &config)).collect();
    report.items = listings.len();
    report.example =
        assembled.iter().find_map(|a| a.as_ref().ok()).map(|item| Ok(item.clone())).or_else(|| {
            assembled.iter().find_map(|a| a.as_ref().err()).map(|(state, why)| Err(format!("{state}: {why}")))
        });
    if let Some(Ok(item)) = &mut report.example {
        item.evaluation_only = store.file.ethics == unrated.file.ethics;
    }
    let separator = store.file.separator();
    let bag_type = |l: &Listing| crate::assemble::bag_type(l, store, &config).map(|t| t.to_string());
    type Says<'a> = Box<dyn Fn(&Listing) -> Option<String> + 'a>;
    let fields: [(&'static str, bool, Says<'_>); 9] = [
        ("name", true, Box::new(|l| l.title.clone())),
        ("brand", true, Box::new(|l| l.brand.clone().or_else(|| store.file.brand.clone()))),
        ("price", true, Box::new(|l| l.read_price(separator).amount.map(|a| a.to_string()))),
        ("currency", true, Box::new(|l| crate::assemble::currency(l, store).map(|c| c.to_string()))),
        ("picture", true, Box::new(|l| l.images.first().cloned())),
        ("type", false, Box::new(bag_type)),
        ("colour", false, Box::new(|l| l.colour.clone())),
        ("availability", false, Box::new(|l| l.availability.map(|a| format!("{a:?}")))),
        ("labels", false, Box::new(|l| (!l.labels.is_empty()).then(|| l.labels.join(" | ")))),
    ];
    report.fields = fields
        .iter()
        .map(|(name, is_needed, says)| {
            let said: Vec<String> = listings.iter().filter_map(|(_, listing)| says(listing)).collect();
            Field { name, is_needed: *is_needed, filled: said.len(), example: said.into_iter().next() }
        })
        .collect();
    if listings.iter().all(|(_, listing)| listing.no_ai) {
        report.trouble = Some(Trouble::Unfit("its pages ask machines that learn to keep away".into()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::response::{Html, IntoResponse, Response};
    use goodtwin_core::config;

    use super::*;
    use crate::stop::Stopper;
    use crate::testing::{Reply, not_found, serve};

    async fn checked(reply: Reply) -> Report {
        let (origin, _) = serve(reply).await;
        let file = format!(
            "name = 's'\ntitle = 'S'\nkind = 'brand'\nbase = '{origin}/'\nsource = 'structured'\nstart = ['/all']\n\
             currency = 'EUR'\nallow_loopback = true\n[listing]\nitems = 'a.item'\n"
        );
        let store = Store::new(config::parse(&file).unwrap(), Duration::ZERO).unwrap();
        let (_stopper, stop) = Stopper::new();
        let visitor = Visitor::new("GoodTwin/0.1 (+mailto:a@b.example)", stop).unwrap();
        visitor.check(&store, &config::parse("[types.tote]\nwords = []\n").unwrap()).await
    }

    fn answer(path: &str, tag: &'static str) -> Response {
        let product = r#"<script type="application/ld+json">{"@type": "Product", "name": "Bag", "brand": "Kind",
            "image": "/1.jpg", "offers": {"price": "85.00"}}</script>"#;
        match path {
            "/all" => Html("<a class=item href='/p/1'></a>").into_response(),
            "/p/1" => ([("x-robots-tag", tag)], Html(product)).into_response(),
            _ => not_found(),
        }
    }

    #[tokio::test]
    async fn a_header_that_asks_to_keep_away_is_found_as_a_scrape_finds_it() {
        let open = checked(|path, _| answer(path, "otherbot: noai")).await;
        assert!(open.is_good(), "{open:?}");
        let closed = checked(|path, _| answer(path, "noai")).await;
        assert!(!closed.is_good() && matches!(closed.trouble, Some(Trouble::Unfit(_))), "{closed:?}");
        assert!(closed.steps.contains(&"X-Robots-Tag: noai".into()), "{closed:?}");
    }
}
