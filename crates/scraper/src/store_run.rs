//! One store's part of a run: listings, then each item to its one state, then the passes over the whole store.

use futures::StreamExt;
use goodtwin_core::ItemId;
use url::Url;

use crate::assemble::assemble;
use crate::config::{Config, Store};
use crate::extract::{Listing, product_page, refuses_ai};
use crate::fetch::{FetchError, Fetcher, Manners};
use crate::governor::NoTurn;
use crate::journal::items::ItemOutcome;
use crate::journal::{RunId, SharedJournal};
use crate::listings::{Caps, Found};
use crate::pages::{ReadError, Text};
use crate::pictures::{AtWork, state_without_pictures};
use crate::progress::StoreProgress;
use crate::{Error, State};

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
    pub at_once: usize,
}

impl StoreRun<'_> {
    pub(crate) fn manners(&self) -> Manners {
        Manners { delay: self.store.delay, allow_loopback: self.store.file.allow_loopback }
    }

    pub(crate) fn agent(&self) -> &str {
        crate::robots::product_token(&self.config.user_agent)
    }

    /// Do the store's part of the run: how many items its listings name.
    pub(crate) async fn run(&self) -> Result<u32, StoreEnd> {
        let (found, listed) = self.listed().await;
        if let Err(end @ (StoreEnd::Stopping | StoreEnd::Fatal(_))) = listed {
            return Err(end);
        }
        self.progress.found(found.len());
        let mut stalled = None;
        let mut items = futures::stream::iter(found.iter().map(|f| self.item(f))).buffer_unordered(self.at_once);
        while let Some(done) = items.next().await {
            self.progress.item();
            match done {
                // Others may need nothing of that host.
                Err(StoreEnd::Stalled(why)) => stalled = Some(why),
                done => done?,
            }
        }
        if let Some(why) = stalled {
            return Err(StoreEnd::Stalled(why));
        }
        // What was found before the trouble is kept; but who is missing cannot be told from half a list.
        listed?;
        if found.is_empty() {
            return Err(StoreEnd::Trouble("its listings name no item: has its layout changed?".into()));
        }
        let (name, run) = (self.store.file.name.clone(), self.run);
        self.journal.with(move |journal| journal.close_store(&name, run)).await?;
        Ok(found.len() as u32)
    }

    /// Bring one item to its state, and write it down.
    async fn item(&self, found: &Found) -> Result<(), StoreEnd> {
        let id = ItemId::new(&self.store.file.name, &found.key);
        let (key, run) = (id.clone(), self.run);
        if self.journal.look(move |journal| journal.is_done(&key, run)).await? {
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
            Some(Ok(listing)) => listing.clone(),
            Some(Err(why)) => return Ok(ended(State::Parse, why.clone())),
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

#[cfg(test)]
mod tests;
