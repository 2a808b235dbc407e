//! One store's part of a run: listings, then each item to its one state, then the passes over the whole store.

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use goodtwin_core::ItemId;
use url::Url;

use crate::assemble::assemble;
use crate::browser::Browser;
use crate::config::{Config, Source, Store};
use crate::extract::{Listing, links, product_page, refuses_ai, shopify};
use crate::fetch::{FetchError, Fetcher, Manners};
use crate::governor::NoTurn;
use crate::journal::items::ItemOutcome;
use crate::journal::{RunId, SharedJournal};
use crate::pages::{ReadError, Text};
use crate::pictures::state_without_pictures;
use crate::progress::StoreProgress;
use crate::{Error, State};

/// Items of one store that are worked on at once. Each host is still asked one thing at a time: this only lets the next
/// request leave while the last answer is looked at, and shops and their picture hosts be asked side by side.
const AT_ONCE: usize = 4;

/// Listings of one store, at most: some shops' last page links to itself with another number.
const MAX_LISTINGS: usize = 2_000;

/// Why a store's part of a run ended early.
#[derive(Debug)]
pub(crate) enum StoreEnd {
    /// The run was asked to stop.
    Stopping,
    /// The store cannot be read, or not to its end; others go on.
    Trouble(String),
    /// Nothing can go on.
    Fatal(Error),
}

impl From<Error> for StoreEnd {
    fn from(error: Error) -> Self {
        StoreEnd::Fatal(error)
    }
}

impl From<FetchError> for StoreEnd {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NoTurn(NoTurn::Stopping) => StoreEnd::Stopping,
            FetchError::Fatal(error) => StoreEnd::Fatal(error),
            other => StoreEnd::Trouble(other.to_string()),
        }
    }
}

impl From<ReadError> for StoreEnd {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fetch(error) => error.into(),
            ReadError::Browser(error) => StoreEnd::Trouble(error.to_string()),
        }
    }
}

/// A store, and all that its part of the run needs.
pub(crate) struct StoreRun<'a> {
    pub store: &'a Store,
    pub config: &'a Config,
    pub fetcher: &'a Fetcher,
    pub journal: SharedJournal,
    pub run: RunId,
    pub progress: StoreProgress,
}

/// An item that a listing names.
struct Found {
    key: String,
    url: Url,
    /// What the listing itself says of it: all, in a feed; nothing, in a page.
    listing: Option<Listing>,
}

impl StoreRun<'_> {
    pub(crate) fn manners(&self) -> Manners {
        Manners { delay: self.store.delay, allow_loopback: self.store.file.allow_loopback }
    }

    pub(crate) fn agent(&self) -> &str {
        crate::robots::product_token(&self.config.user_agent)
    }

    /// Do the store's part of the run.
    pub(crate) async fn run(&self) -> Result<(), StoreEnd> {
        let mut found = Vec::new();
        let listed = match self.store.file.source {
            Source::Shopify => self.read_feed(&mut found).await,
            Source::Structured => self.read_listings(&mut found).await,
        };
        if let Err(end @ (StoreEnd::Stopping | StoreEnd::Fatal(_))) = listed {
            return Err(end);
        }
        self.progress.found(found.len());
        let mut items = futures::stream::iter(found.iter().map(|f| self.item(f))).buffer_unordered(AT_ONCE);
        while let Some(done) = items.next().await {
            self.progress.item();
            done?;
        }
        // What was found before the trouble is kept; but who is missing cannot be told from half a list.
        listed?;
        if found.is_empty() {
            return Err(StoreEnd::Trouble("its listings name no item: has its layout changed?".into()));
        }
        let (name, run) = (self.store.file.name.clone(), self.run);
        Ok(self.journal.with(move |journal| journal.close_store(&name, run)).await?)
    }

    fn starts(&self) -> impl Iterator<Item = Url> {
        let file = &self.store.file;
        file.start.iter().map(|s| file.base.join(s).expect("checked when the file was read"))
    }

    async fn read_feed(&self, found: &mut Vec<Found>) -> Result<(), StoreEnd> {
        let mut seen = HashSet::new();
        for start in self.starts() {
            for page in 1..=shopify::LAST_PAGE {
                let url = shopify::feed_url(&start, page);
                let products = self.page(&url, None, |text| shopify::products(&text.body)).await?;
                let products = products.map_err(|e| StoreEnd::Trouble(format!("{url}: {e}")))?;
                let last = products.len() < shopify::PER_PAGE;
                for (handle, listing) in products {
                    let url = self.store.file.base.join("/products/").and_then(|b| b.join(&handle));
                    let Ok(url) = url else { continue };
                    if seen.insert(handle.clone()) {
                        found.push(Found { key: handle, url, listing: Some(listing) });
                    }
                }
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn read_listings(&self, found: &mut Vec<Found>) -> Result<(), StoreEnd> {
        let mut browser = None;
        let listed = self.follow_listings(&mut browser).await;
        if let Some(browser) = browser {
            browser.close().await;
        }
        let (addresses, end) = listed;
        let keys = keys(&addresses);
        found.extend(addresses.into_iter().zip(keys).map(|(url, key)| Found { key, url, listing: None }));
        end
    }

    /// The addresses of products, as far as the listings could be read.
    async fn follow_listings(&self, browser: &mut Option<Browser>) -> (Vec<Url>, Result<(), StoreEnd>) {
        let mut addresses = Vec::new();
        let mut seen = HashSet::new();
        let mut listings: HashSet<Url> = HashSet::new();
        let mut pending: Vec<Url> = self.starts().collect();
        pending.reverse();
        while let Some(url) = pending.pop() {
            if !listings.insert(url.clone()) || listings.len() > MAX_LISTINGS {
                continue;
            }
            let (items, next) = (self.store.items.clone(), self.store.next.clone());
            let read = move |text: &Text| links::links(&text.body, &text.url, &items, &next);
            let browser = self.store.file.listing.browser.then_some(&mut *browser);
            match self.page(&url, browser, read).await {
                Ok(links) => {
                    addresses.extend(links.items.into_iter().filter(|a| seen.insert(a.clone())));
                    pending.extend(links.next);
                    self.progress.listing(addresses.len());
                }
                Err(end) => return (addresses, Err(end.into())),
            }
        }
        (addresses, Ok(()))
    }

    /// Bring one item to its state, and write it down.
    async fn item(&self, found: &Found) -> Result<(), StoreEnd> {
        let id = ItemId::new(&self.store.file.name, &found.key);
        let (key, run) = (id.clone(), self.run);
        if self.journal.with(move |journal| journal.is_done(&key, run)).await? {
            return Ok(());
        }
        let outcome = self.outcome(id, found).await?;
        Ok(self.journal.with(move |journal| journal.put_item(run, &outcome)).await?)
    }

    async fn outcome(&self, id: ItemId, found: &Found) -> Result<ItemOutcome, StoreEnd> {
        let ended = |state, detail: String| ItemOutcome {
            id: id.clone(),
            store: self.store.file.name.clone(),
            url: found.url.to_string(),
            state,
            detail,
            item: None,
            images: vec![],
        };
        let listing = match &found.listing {
            Some(listing) => listing.clone(),
            None => match self.product_page(&found.url).await {
                Ok(Some(listing)) => listing,
                Ok(None) => return Ok(ended(State::Parse, "its page tells of no product".into())),
                Err(e) => {
                    let state = match &e {
                        FetchError::Robots { .. } => State::Robots,
                        FetchError::Status { status: 404 | 410, .. } => State::Gone,
                        FetchError::NoTurn(_) | FetchError::Fatal(_) => return Err(e.into()),
                        _ => State::Blocked,
                    };
                    return Ok(ended(state, e.to_string()));
                }
            },
        };
        let mut item = match assemble(&listing, &found.key, found.url.as_str(), self.store, self.config) {
            Ok(item) => item,
            Err((state, detail)) => return Ok(ended(state, detail)),
        };
        let mut first_bad = None;
        for url in &listing.images {
            match self.picture(url).await? {
                Ok(image) => item.images.push(image),
                Err(bad) => first_bad = first_bad.or(Some(bad)),
            }
        }
        let (state, detail) = match (item.images.is_empty(), first_bad) {
            (false, None) => (State::Ok, String::new()),
            (false, Some((_, detail))) => (State::Ok, detail),
            (true, Some((cause, detail))) => (state_without_pictures(&cause), detail),
            (true, None) => (State::NoImage, "its page names no picture".into()),
        };
        Ok(ItemOutcome { item: Some(item), images: listing.images, ..ended(state, detail) })
    }

    async fn product_page(&self, url: &Url) -> Result<Option<Listing>, FetchError> {
        let agent = self.agent().to_string();
        let read = move |text: &Text| {
            let mut listing = product_page(&text.body, &text.url, &agent)?;
            listing.no_ai |= text.robots_tags.iter().any(|tag| refuses_ai(tag, &agent));
            Some(listing)
        };
        match self.page(url, None, read).await {
            Ok(listing) => Ok(listing),
            Err(ReadError::Fetch(e)) => Err(e),
            Err(ReadError::Browser(e)) => unreachable!("no browser was given, and yet: {e}"),
        }
    }
}

/// A key an address: its last part, which shops keep when they move their shelves; the whole path where two end alike.
fn keys(addresses: &[Url]) -> Vec<String> {
    let last = |url: &Url| {
        let part = url.path_segments().and_then(|mut s| s.rfind(|p| !p.is_empty()).map(String::from));
        let part = part.unwrap_or_else(|| "index".into());
        url.query().map(|q| format!("{part}?{q}")).unwrap_or(part)
    };
    let mut counts: HashMap<String, usize> = HashMap::new();
    for url in addresses {
        *counts.entry(last(url)).or_default() += 1;
    }
    let whole = |url: &Url| {
        let path = url.path().trim_matches('/').replace('/', ".");
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        format!("{}{path}{query}", if url.path().ends_with('/') { "." } else { "" })
    };
    addresses.iter().map(|url| if counts[&last(url)] == 1 { last(url) } else { whole(url) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_last_part_of_the_address_unless_two_are_alike() {
        let urls = ["http://s/p/vale-1", "http://s/p/vale-2/", "http://s/a/x?c=1", "http://s/a/y", "http://s/b/y"];
        let urls: Vec<Url> = urls.iter().map(|u| u.parse().unwrap()).collect();
        assert_eq!(keys(&urls), ["vale-1", "vale-2", "x?c=1", "a.y", "b.y"]);
    }
}
