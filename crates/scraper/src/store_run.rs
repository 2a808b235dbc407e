//! One store's part of a run: listings, then each item to its one state, then the passes over the whole store.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use futures::StreamExt;
use goodtwin_core::ItemId;
use url::Url;

use crate::assemble::{assemble, price};
use crate::config::{Config, Source, Store};
use crate::drift::{Drop, Field};
use crate::extract::Listing;
use crate::extract::conflict::Conflict;
use crate::fetch::{FetchError, Fetcher, Manners};
use crate::governor::NoTurn;
use crate::journal::health::Ending;
use crate::journal::items::{Counted, ItemOutcome, Read};
use crate::journal::quarantined::Quarantined;
use crate::journal::{RunId, SharedJournal};
use crate::listings::{Caps, FeedPages, Found, colour_in};
use crate::pages::{ReadError, product};
use crate::pictures::{AtWork, state_without_pictures};
use crate::progress::StoreProgress;
use crate::run::Options;
use crate::{Error, Journal, State};

/// Items of one store that are worked on at once. Each host is still asked one thing at a time: this only lets the next
/// request leave while the last answer is looked at, and shops and their picture hosts be asked side by side.
pub(crate) const AT_ONCE: usize = 4;

/// Why a store's part of a run ended early.
#[derive(Debug)]
pub(crate) enum StoreEnd {
    /// The run was asked to stop.
    Stopping,
    /// A host asks to be left alone for now. What was to be asked of it stays to be asked, by the run that goes on with this one.
    Stalled(String),
    /// The store cannot be read, or not to its end; others go on.
    Trouble(String),
    /// Nothing can go on.
    Fatal(Error),
}

impl StoreEnd {
    /// The same, with what fell until then.
    fn and(self, drops: &[Drop]) -> Self {
        let with = |what: String| drops.iter().fold(what, |what, drop| format!("{what}; drift: {drop}"));
        match self {
            StoreEnd::Stalled(what) => StoreEnd::Stalled(with(what)),
            StoreEnd::Trouble(what) => StoreEnd::Trouble(with(what)),
            other => other,
        }
    }
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
            FetchError::NoTurn(why @ NoTurn::Stalled { .. }) => StoreEnd::Stalled(why.to_string()),
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
    pub pictures: &'a AtWork,
    pub caps: Caps,
    pub feed_pages: FeedPages,
    pub at_once: usize,
    pub options: &'a Options,
}

/// What a store's part of a run came to.
#[derive(Debug)]
pub(crate) struct Done {
    /// What the journal must have of it.
    pub counted: Counted,
    /// What fell since the last runs.
    pub drops: Vec<Drop>,
}

impl StoreRun<'_> {
    pub(crate) fn manners(&self) -> Manners {
        Manners { delay: self.store.delay, allow_loopback: self.store.file.allow_loopback }
    }

    pub(crate) fn agent(&self) -> &str {
        crate::robots::product_token(&self.config.user_agent)
    }

    /// Do the store's part of the run.
    pub(crate) async fn run(&self) -> Result<Done, StoreEnd> {
        let (found, listed) = match self.options.retry.as_slice() {
            [] => self.listed().await,
            states => self.to_ask_again(states).await?,
        };
        if let Err(end @ (StoreEnd::Stopping | StoreEnd::Fatal(_))) = listed {
            return Err(end);
        }
        self.progress.found(found.len());
        let mut stalled = None;
        // Each item once: two that are asked for again may turn out to be one page's colours.
        let mut ended = HashMap::new();
        // Those that wait for a turn hear at once that there is none; whoever had one is waited for all the same.
        let stopping = AtomicBool::new(false);
        let begun = found.iter().take_while(|_| !stopping.load(Relaxed)).map(|f| self.item(f));
        let mut items = futures::stream::iter(begun).buffer_unordered(self.at_once);
        while let Some(done) = items.next().await {
            self.progress.item();
            match done {
                // Others may need nothing of that host.
                Err(StoreEnd::Stalled(why)) => stalled = Some(why),
                Err(StoreEnd::Stopping) => stopping.store(true, Relaxed),
                done => ended.extend(done?),
            }
        }
        drop(items);
        if stopping.into_inner() {
            return Err(StoreEnd::Stopping);
        }
        let is_retry = !self.options.retry.is_empty();
        if found.is_empty() && !is_retry {
            listed?;
            return Err(StoreEnd::Trouble("its listings name no item: has its layout changed?".into()));
        }
        // What was found before the trouble is kept; but who is missing cannot be told from half a list.
        let end = stalled.map_or(listed, |why| Err(StoreEnd::Stalled(why)));
        let accept_drop = self.options.accept_drop;
        let ending = Ending { whole: end.is_ok() && !is_retry, retry: is_retry, accept_drop };
        self.take_fingerprints().await?;
        let (name, run) = (self.store.file.name.clone(), self.run);
        let drops = self.journal.with(move |journal| journal.end_store(&name, run, ending)).await?;
        match end {
            Ok(()) => {
                let counted = Counted { items: ended.len() as u32, pictures: ended.values().sum() };
                Ok(Done { counted, drops })
            }
            Err(end) => Err(end.and(&drops)),
        }
    }

    /// The items that are in one of these states.
    async fn to_ask_again(&self, states: &[State]) -> Result<(Vec<Found>, Result<(), StoreEnd>), StoreEnd> {
        let (name, states) = (self.store.file.name.clone(), states.to_vec());
        let known = self.journal.look(move |journal| journal.in_states(&name, &states)).await?;
        if known.is_empty() {
            return Ok((vec![], Ok(())));
        }
        // A feed says all of an item, so there is no page of one item to ask for.
        if self.store.file.source == Source::Shopify {
            let (mut found, listed) = self.listed().await;
            found.retain(|found| known.iter().any(|(key, _)| *key == found.key));
            return Ok((found, listed));
        }
        let found = |(key, url): (String, String)| Some(Found { key, url: url.parse().ok()?, feed: None });
        Ok((known.into_iter().filter_map(found).collect(), Ok(())))
    }

    /// Bring what a listing names to its state, and write it down: the items that it is, one or one a colour, and how many
    /// pictures each asked for.
    async fn item(&self, found: &Found) -> Result<Vec<(ItemId, u32)>, StoreEnd> {
        let id = ItemId::new(&self.store.file.name, &found.key);
        let (key, run) = (id.clone(), self.run);
        if let Some(pictures) = self.journal.look(move |journal| journal.done(&key, run)).await? {
            return Ok(vec![(id, pictures)]);
        }
        let done = self.colours_done(found).await?;
        let is_done = |(colour, _): &(ItemId, String)| done.iter().any(|(id, _)| id == colour);
        // A retry that was cut off may have left some.
        if !done.is_empty() && self.colours_known(found).await?.iter().all(is_done) {
            return Ok(done);
        }
        let mut ended = Vec::new();
        for (outcome, conflicts) in self.outcomes(id.clone(), found).await? {
            let rows = self.quarantined(&outcome, found, conflicts).await?;
            ended.push((outcome, rows));
        }
        let items: Vec<_> = ended.iter().map(|(o, _)| (o.id.clone(), o.images.len() as u32)).collect();
        let in_colours = ended.iter().all(|(o, _)| o.id != id && o.read.is_some());
        let write = move |journal: &mut Journal| {
            if in_colours {
                // It was one item while its page said no colours, or could not be read. A page that cannot be read says nothing.
                journal.drop_item(&id)?;
            }
            for (outcome, rows) in &ended {
                journal.put_quarantined(&outcome.id, rows)?;
                journal.put_item(run, outcome)?;
            }
            Ok(())
        };
        self.journal.with(write).await?;
        // A colour that this run dealt with and its page does not show any more has ended in this run all the same.
        Ok(done.into_iter().chain(items).collect())
    }

    /// The colours of a page that this run has already dealt with before it was cut off. A retry asks for each by its own key.
    async fn colours_done(&self, found: &Found) -> Result<Vec<(ItemId, u32)>, StoreEnd> {
        if !self.options.retry.is_empty() {
            return Ok(vec![]);
        }
        let (store, page, run) = (self.store.file.name.clone(), found.key.clone(), self.run);
        let mut done = self.journal.look(move |journal| journal.done_after(&store, &page, run)).await?;
        done.retain(|(key, url, _)| is_colour_of(&found.key, key, url));
        Ok(done.into_iter().map(|(key, _, pictures)| (ItemId::new(&self.store.file.name, &key), pictures)).collect())
    }

    /// The colours in which a page is known, and their addresses; none, if it showed one item since.
    async fn colours_known(&self, found: &Found) -> Result<Vec<(ItemId, String)>, StoreEnd> {
        let (store, page) = (self.store.file.name.clone(), found.key.clone());
        let mut known = self.journal.look(move |journal| journal.keyed_after(&store, &page)).await?;
        known.retain(|(key, url)| is_colour_of(&found.key, key, url));
        Ok(known.into_iter().map(|(key, url)| (ItemId::new(&self.store.file.name, &key), url)).collect())
    }

    /// Where what a listing names ended: one item, or one a colour where all colours share a page.
    async fn outcomes(&self, id: ItemId, found: &Found) -> Result<Vec<(ItemOutcome, Vec<Conflict>)>, StoreEnd> {
        let url = found.url.as_str();
        let listing = match &found.feed {
            Some(place) => match self.entry(place).await? {
                Ok(listing) => return Ok(vec![(self.outcome(id, url, &listing).await?, vec![])]),
                Err(why) => return self.unread(id, found, State::Parse, why).await,
            },
            None => match self.product_page(&found.url).await {
                Ok(Ok(Some(listing))) => listing,
                Ok(Ok(None)) => {
                    return self.unread(id, found, State::Parse, "its page tells of no product".into()).await;
                }
                Ok(Err(why)) => return self.unread(id, found, State::Parse, why).await,
                Err(e) => {
                    let state = match &e {
                        FetchError::Robots { .. } => State::Robots,
                        FetchError::Status { status: 404 | 410, .. } => State::Gone,
                        FetchError::NoTurn(_) | FetchError::Fatal(_) => return Err(e.into()),
                        _ => State::Blocked,
                    };
                    return self.unread(id, found, state, e.to_string()).await;
                }
            },
        };
        let colours = || std::iter::once(&listing).chain(&listing.others);
        // Listings name pages. Only a retry asks for a colour by its own key, and then it comes alone.
        let is_retry = !self.options.retry.is_empty();
        if let Some(key) = colour_in(&found.key, url).filter(|_| is_retry) {
            let own = colours().find(|colour| colour.variant.as_deref() == Some(key));
            return Ok(vec![match own {
                Some(colour) => (self.outcome(id, url, colour).await?, colour.conflicts.clone()),
                None => (self.ended(id, url, State::Gone, format!("its page has no colour `{key}`")), vec![]),
            }]);
        }
        let mut outcomes = Vec::new();
        for colour in colours() {
            let id = match &colour.variant {
                Some(variant) => ItemId::new(&self.store.file.name, &format!("{}~{variant}", found.key)),
                None => id.clone(),
            };
            let url = colour.address.as_deref().unwrap_or(url);
            outcomes.push((self.outcome(id, url, colour).await?, colour.conflicts.clone()));
        }
        Ok(outcomes)
    }

    /// Where what a listing names ended if it could not be read: each of the colours in which it is known, or else one item.
    async fn unread(
        &self,
        id: ItemId,
        found: &Found,
        state: State,
        why: String,
    ) -> Result<Vec<(ItemOutcome, Vec<Conflict>)>, StoreEnd> {
        let mut items = self.colours_known(found).await?;
        if items.is_empty() {
            items.push((id, found.url.to_string()));
        }
        Ok(items.into_iter().map(|(id, url)| (self.ended(id, &url, state, why.clone()), vec![])).collect())
    }

    fn ended(&self, id: ItemId, url: &str, state: State, detail: String) -> ItemOutcome {
        let store = self.store.file.name.clone();
        ItemOutcome { id, store, url: url.into(), state, detail, item: None, images: vec![], read: None }
    }

    /// From what is said of an item to its pictures and its state.
    async fn outcome(&self, id: ItemId, url: &str, listing: &Listing) -> Result<ItemOutcome, StoreEnd> {
        let key = id.as_str().split_once('/').map_or(id.as_str(), |(_, key)| key);
        let mut item = match assemble(listing, key, url, self.store, self.config) {
            Ok(item) => item,
            Err((state, detail)) => {
                let read = Some(self.read(listing, !listing.images.is_empty()));
                return Ok(ItemOutcome { read, ..self.ended(id, url, state, detail) });
            }
        };
        let mut first_bad = None;
        for url in &listing.images {
            // The first whole one tells items apart.
            match self.picture(url, item.images.is_empty()).await? {
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
        let read = Some(self.read(listing, !item.images.is_empty()));
        Ok(ItemOutcome { item: Some(item), images: listing.images.clone(), read, ..self.ended(id, url, state, detail) })
    }

    /// What a page said, for the drift alarm.
    fn read(&self, listing: &Listing, images: bool) -> Read {
        let brand = listing.brand.as_ref().or(self.store.file.brand.as_ref());
        let has = |field: &Field| match field {
            Field::Page => false, // said by there being any
            Field::Name => listing.title.is_some(),
            Field::Price => price(listing, self.store).is_some(),
            Field::Brand => listing.brand.is_some(),
            Field::Images => images,
            Field::Label => !listing.labels.is_empty(),
        };
        let fields = Field::ALL.into_iter().filter(has).collect();
        Read { title: listing.title.clone(), brand: brand.cloned(), fields }
    }

    /// What the journal says of an item in quarantine.
    async fn quarantined(
        &self,
        item: &ItemOutcome,
        found: &Found,
        conflicts: Vec<Conflict>,
    ) -> crate::Result<Vec<Quarantined>> {
        if item.state != State::Quarantined {
            return Ok(vec![]);
        }
        let page_url = found.url.to_string();
        let key = page_url.clone();
        let page = self.journal.look(move |journal| journal.page(&key)).await?;
        let page =
            page.ok_or_else(|| Error::Internal(format!("{page_url} was read and is not in the journal")))?.sha256;
        let row = |conflict| {
            let (item, page_url) = (item.id.clone(), page_url.clone());
            Quarantined { item, page_url, page: page.clone(), run: self.run, conflict }
        };
        Ok(conflicts.into_iter().map(row).collect())
    }

    async fn product_page(&self, url: &Url) -> Result<Result<Option<Listing>, String>, FetchError> {
        let reading = self.store.reading(self.agent());
        match self.page(url, None, move |text| product(text, &reading)).await {
            Ok(listing) => Ok(listing),
            Err(ReadError::Fetch(e)) => Err(e),
            Err(ReadError::Browser(e)) => unreachable!("no browser was given, and yet: {e}"),
        }
    }
}

/// Whether an item with this key and address is a colour of the page with the key `page`.
fn is_colour_of(page: &str, key: &str, url: &str) -> bool {
    colour_in(key, url).is_some_and(|colour| key.strip_suffix(colour) == Some(&format!("{page}~")))
}

#[cfg(test)]
mod tests;
