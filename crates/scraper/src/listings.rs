//! What a store has: its feed or its listings, followed to their end, or to a cap where they have none.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use goodtwin_core::ContentId;
use tokio::sync::Mutex;
use url::Url;

use crate::Error;
use crate::browser::Browser;
use crate::config::Source;
use crate::extract::shopify::Entry;
use crate::extract::{Listing, feed_refuses_ai, links, shopify};
use crate::pages::{ReadError, Text};
use crate::store_run::{StoreEnd, StoreRun};

/// How far a store's listings are followed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Listings of one store. Beyond them, who is missing cannot be told.
    pub listings: usize,
    /// Listings in a row that name nothing that the ones before them did not: the last page of some shops links to itself
    /// with another number.
    pub barren: usize,
    /// Items of one store.
    pub items: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { listings: 2_000, barren: 5, items: 50_000 }
    }
}

/// An item that a listing names.
pub(crate) struct Found {
    pub key: String,
    pub url: Url,
    /// Where all of it is said, in a feed; a listing in a page says nothing of it.
    pub feed: Option<FeedPlace>,
}

/// An entry of a feed's page. The page stands in the journal, so that memory need not hold the whole feed.
pub(crate) struct FeedPlace {
    page: Arc<Url>,
    product: usize,
    entry: usize,
}

/// The pages of a feed that were read last. Items are worked on in the feed's order, a few at once: two pages at most.
#[derive(Default)]
pub(crate) struct FeedPages(Mutex<VecDeque<FeedPage>>);

type FeedPage = (Arc<Url>, Arc<Vec<Vec<Entry>>>);

/// Listings that follow one another from one start.
struct Chain<T> {
    named: HashSet<T>,
    barren: usize,
}

impl<T: Clone + Eq + std::hash::Hash> Chain<T> {
    fn new() -> Self {
        Chain { named: HashSet::new(), barren: 0 }
    }

    /// Whether the chain seems to go on: it does not where listing after listing names nothing new. Two chains may well name
    /// the same.
    fn goes_on<'t>(&mut self, items: impl Iterator<Item = &'t T>, caps: &Caps) -> bool
    where
        T: 't,
    {
        let before = self.named.len();
        self.named.extend(items.cloned());
        self.barren = if self.named.len() > before { 0 } else { self.barren + 1 };
        self.barren < caps.barren
    }
}

impl StoreRun<'_> {
    /// The store's items as far as they could be read, and why not further.
    pub(crate) async fn listed(&self) -> (Vec<Found>, Result<(), StoreEnd>) {
        let mut found = Vec::new();
        let mut end = match self.store.file.source {
            Source::Shopify => self.read_feed(&mut found).await,
            Source::Structured | Source::Css => self.read_listings(&mut found).await,
        };
        if found.len() > self.caps.items {
            found.truncate(self.caps.items);
            end = end.and(Err(StoreEnd::Trouble(format!("has more than {} items", self.caps.items))));
        }
        (found, end)
    }

    fn starts(&self) -> impl Iterator<Item = Url> {
        let file = &self.store.file;
        file.start.iter().map(|s| file.base.join(s).expect("checked when the file was read"))
    }

    async fn read_feed(&self, found: &mut Vec<Found>) -> Result<(), StoreEnd> {
        let mut seen = HashSet::new();
        let last_page = shopify::LAST_PAGE.min(self.caps.listings);
        for start in self.starts() {
            let mut chain = Chain::new();
            for page in 1.. {
                if page > last_page {
                    return Err(StoreEnd::Trouble(format!("{start}: its feed goes on after {last_page} pages")));
                }
                let url = shopify::feed_url(&start, page);
                let agent = self.agent().to_string();
                let products = self.page(&url, None, move |text| feed_products(text, &agent)).await?;
                let products = products.map_err(|e| StoreEnd::Trouble(format!("{url}: {e}")))?;
                let goes_on = chain.goes_on(products.iter().flatten().map(|(key, _)| key), &self.caps);
                let is_last = products.len() < shopify::PER_PAGE || !goes_on;
                let page = Arc::new(url);
                for (product, entries) in products.into_iter().enumerate() {
                    for (entry, (key, listing)) in entries.into_iter().enumerate() {
                        if seen.insert(key.clone()) {
                            let address =
                                listing.ok().and_then(|l| self.store.file.base.join(l.address.as_deref()?).ok());
                            let url = address.unwrap_or_else(|| self.product_address(&key));
                            let place = FeedPlace { page: Arc::clone(&page), product, entry };
                            found.push(Found { url, key, feed: Some(place) });
                        }
                    }
                }
                self.progress.listing(found.len());
                if is_last || found.len() > self.caps.items {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What a feed says of an item, or why that cannot be read.
    pub(crate) async fn entry(&self, place: &FeedPlace) -> Result<Result<Listing, String>, StoreEnd> {
        let mut pages = self.feed_pages.0.lock().await;
        let products = match pages.iter().find(|(url, _)| *url == place.page) {
            Some((_, products)) => Arc::clone(products),
            None => {
                let agent = self.agent().to_string();
                let products = self.page(&place.page, None, move |text| feed_products(text, &agent)).await?;
                let products = Arc::new(products.map_err(|e| StoreEnd::Trouble(format!("{}: {e}", place.page)))?);
                pages.truncate(1);
                pages.push_front((Arc::clone(&place.page), Arc::clone(&products)));
                products
            }
        };
        drop(pages);
        let entry = products.get(place.product).and_then(|entries| entries.get(place.entry));
        let (_, listing) = entry.ok_or_else(|| {
            StoreEnd::Fatal(Error::Internal(format!("{}: the journal has less of it than was read", place.page)))
        })?;
        Ok(listing.clone())
    }

    /// Where a Shopify shop shows a product.
    fn product_address(&self, handle: &str) -> Url {
        let mut url = self.store.file.base.join("/products").expect("an absolute path joins to every http address");
        url.path_segments_mut().expect("http addresses have a path").push(handle);
        url
    }

    async fn read_listings(&self, found: &mut Vec<Found>) -> Result<(), StoreEnd> {
        let mut browser = None;
        let mut addresses = Vec::new();
        let end = self.follow_listings(&mut browser, &mut addresses).await;
        if let Some(browser) = browser {
            browser.close().await;
        }
        let keys = keys(&addresses);
        found.extend(addresses.into_iter().zip(keys).map(|(url, key)| Found { key, url, feed: None }));
        end
    }

    /// The addresses of products, as far as the listings could be read.
    async fn follow_listings(&self, browser: &mut Option<Browser>, addresses: &mut Vec<Url>) -> Result<(), StoreEnd> {
        let mut seen = HashSet::new();
        let mut listings = HashSet::new();
        let mut no_browser = None;
        for start in self.starts() {
            let mut chain = Chain::new();
            let mut next = Some(start);
            while let Some(url) = next.take().filter(|url| listings.insert(url.clone())) {
                if seen.contains(&url) {
                    // A listing before it links to it as it does to products.
                    addresses.retain(|address| *address != url);
                }
                if listings.len() > self.caps.listings {
                    return Err(StoreEnd::Trouble(format!("its listings go on after {}", self.caps.listings)));
                }
                let (items, next_one) = (self.store.items.clone(), self.store.next.clone());
                let read = move |text: &Text| links::links(&text.body, &text.url, &items, &next_one);
                let by = self.store.file.listing.browser.then_some(&mut *browser);
                let rendered = match no_browser {
                    Some(_) => None,
                    None => match self.page(&url, by, read.clone()).await {
                        Err(ReadError::Browser(why)) => {
                            tracing::warn!(store = self.store.file.name, %why, "listings are read without a browser");
                            no_browser = Some(why.to_string());
                            None
                        }
                        read => Some(read?),
                    },
                };
                let mut links = match rendered {
                    Some(links) => links,
                    None => self.page_as_it_comes(&url, read).await?,
                };
                links.items.retain(|address| !listings.contains(address) && links.next.as_ref() != Some(address));
                if chain.goes_on(links.items.iter(), &self.caps) {
                    next = links.next;
                }
                addresses.extend(links.items.into_iter().filter(|a| seen.insert(a.clone())));
                self.progress.listing(addresses.len());
                if addresses.len() > self.caps.items {
                    return Ok(());
                }
            }
        }
        // What a listing names before its scripts have run may not be all.
        match no_browser {
            None => Ok(()),
            Some(why) => Err(StoreEnd::Trouble(format!("{why}; by HTTP its listings name {} items", addresses.len()))),
        }
    }
}

/// The products on a page of a feed, each of which asks machines that learn to keep away if the page does.
pub(crate) fn feed_products(text: &Text, agent: &str) -> Result<Vec<Vec<Entry>>, String> {
    let mut products = shopify::products(&text.body, &text.url)?;
    if text.robots_tags.iter().any(|tag| feed_refuses_ai(tag, agent)) {
        let listings = products.iter_mut().flatten().filter_map(|(_, listing)| listing.as_mut().ok());
        listings.for_each(|listing| listing.no_ai = true);
    }
    Ok(products)
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
    let mut taken = HashSet::new();
    let key = |url: &Url| {
        let key = if counts[&last(url)] == 1 { last(url) } else { whole(url) };
        // `/a/b` and `/a.b` would be one item, and one of them lost.
        let key = if taken.contains(&key) { format!("{key}~{}", ContentId::of(url.as_str()).short()) } else { key };
        taken.insert(key.clone());
        key
    };
    addresses.iter().map(key).collect()
}

/// The colour of an item's key, `tote~red`, of which the page's key is the part before it. Some addresses have a `~` of their
/// own, and [`keys`] tells addresses that are alike apart by one.
pub(crate) fn colour_in<'k>(key: &'k str, url: &str) -> Option<&'k str> {
    let (_, colour) = key.rsplit_once('~')?;
    // As keys have it, which may be of more than the address's last part.
    let (address, end) = (url.replace("/?", "?"), format!("~{}", colour.replace('/', ".")));
    let of_address = address.trim_end_matches('/').replace('/', ".").ends_with(&end);
    (!of_address && ContentId::of(url).short() != colour).then_some(colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_told_from_what_an_address_ends_in() {
        assert_eq!(colour_in("vale-1~light-moss", "http://s/p/vale-1?c=1"), Some("light-moss"));
        assert_eq!(colour_in("vale~1~moss", "http://s/p/vale~1"), Some("moss"));
        assert_eq!(colour_in("vale~1", "http://s/p/vale~1/"), None);
        assert_eq!(colour_in("vale", "http://s/p/vale"), None);
        for url in
            ["http://s/~anna/tote", "http://s/~anna/tote/?c=1", "http://s/p/vale~1/?c=2", "http://s/p/vale?c=~1/2"]
        {
            let elsewhere = url.replace("/~anna", "/b").replace("/p/", "/b/");
            let urls: Vec<Url> = [url, &elsewhere].map(|u| u.parse().unwrap()).into();
            for key in [&keys(&urls)[0], &keys(&urls[..1])[0]] {
                assert_eq!(colour_in(key, url), None, "{key}");
                assert_eq!(colour_in(&format!("{key}~moss"), url), Some("moss"), "{key}");
            }
        }
        let alike: Vec<Url> = ["http://s/a/y", "http://s/y", "http://s/a.y"].map(|u| u.parse().unwrap()).into();
        assert_eq!(colour_in(&keys(&alike)[2], alike[2].as_str()), None);
    }

    #[test]
    fn a_key_is_the_last_part_of_the_address_unless_two_are_alike() {
        let urls = ["http://s/p/vale-1", "http://s/p/vale-2/", "http://s/a/x?c=1", "http://s/a/y", "http://s/b/y"];
        let urls: Vec<Url> = urls.iter().map(|u| u.parse().unwrap()).collect();
        assert_eq!(keys(&urls), ["vale-1", "vale-2", "x?c=1", "a.y", "b.y"]);
        let alike: Vec<Url> = ["http://s/a/y", "http://s/y", "http://s/a.y"].map(|u| u.parse().unwrap()).into();
        let keys = keys(&alike);
        assert_eq!(keys[..2], ["a.y", "y"]);
        assert!(keys[2].starts_with("a.y~"), "{keys:?}");
    }
}
