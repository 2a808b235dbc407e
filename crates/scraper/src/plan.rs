//! What a scrape would ask of each host, before it does: robots.txt and the listings are read, no item is.
//!
//! What the journal knows counts: a picture that is whole and on the disk is not asked for again, and how many pictures an item
//! has, how large they are and where they lie, earlier runs have measured. What nobody measured is said to be unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goodtwin_core::terminal::one_line;
use goodtwin_core::{ContentId, Table};
use jiff::Timestamp;
use url::Url;

use crate::clock::Clock;
use crate::config::{Config, Store};
use crate::fetch::{FetchError, Fetcher, Limits, host_of};
use crate::governor::Governor;
use crate::journal::SharedJournal;
use crate::journal::forecast::Measured;
use crate::listings::{Caps, FeedPages, Found};
use crate::pictures::AtWork;
use crate::progress::Progress;
use crate::run::{JOURNAL, Options};
use crate::stop::Stop;
use crate::store_run::{AT_ONCE, StoreEnd, StoreRun};
use crate::{Journal, QuietJournal, Result};

/// What a scrape would ask.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One a store, in the config's order.
    pub stores: Vec<StorePlan>,
}

/// What a scrape would ask of one store.
#[derive(Clone, Debug, Default)]
pub struct StorePlan {
    /// The store's name.
    pub name: String,
    /// Items that its listings name.
    pub items: usize,
    /// Of these, those whose pages robots.txt forbids.
    pub forbidden: usize,
    /// What each host would be asked.
    pub hosts: BTreeMap<String, HostPlan>,
    /// Why its listings could not be read, or not to their end.
    pub trouble: Option<String>,
    /// The host asks to be left alone for now.
    pub stalled: bool,
    /// It was asked to stop.
    pub stopped: bool,
}

impl Plan {
    /// As that of a scrape: 0; 3 if a store's listings were not read to their end; 69 if no store named an item; 75 if a host asks
    /// to be left alone for now; 130 if it was stopped.
    pub fn exit_code(&self) -> u8 {
        let nothing = |s: &StorePlan| s.trouble.is_some() && s.items == 0;
        match () {
            () if self.stores.iter().any(|s| s.stopped) => 130,
            () if self.stores.iter().any(|s| s.stalled) => 75,
            () if !self.stores.is_empty() && self.stores.iter().all(nothing) => 69,
            () if self.stores.iter().any(|s| s.trouble.is_some()) => 3,
            () => 0,
        }
    }
}

/// What one host would be asked for one store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostPlan {
    /// Requests, robots.txt and listings among them.
    pub requests: f64,
    /// Of these, pages that the journal has: they are asked for with validators, and cost little where nothing changed.
    pub known_pages: f64,
    /// What would come, at most, in bytes; `None` where nothing of the kind was ever measured.
    pub bytes: Option<f64>,
    /// The time between two requests: the store's delay, robots.txt's, or what the host's answers ask for.
    pub gap: Duration,
    /// What a request took, on the mean, while the listings were read.
    pub took: Duration,
}

impl HostPlan {
    fn ask(&mut self, requests: f64, bytes_each: Option<f64>) {
        self.bytes = match requests > 0.0 {
            true => self.bytes.zip(bytes_each).map(|(bytes, each)| bytes + requests * each),
            false => self.bytes,
        };
        self.requests += requests;
    }

    /// How long its requests take, one after the other.
    pub fn duration(&self) -> Duration {
        (self.gap + self.took).mul_f64(self.requests)
    }
}

/// Read robots.txt and listings of all stores, and say what the items would cost. Nothing is written down.
///
/// # Errors
/// Exit 75 while a run is at work in the config's output folder.
pub async fn plan(config: &Config, progress: Progress, stop: Stop) -> Result<Plan> {
    let path = config.out.join(JOURNAL);
    let known = if path.is_file() { Some(QuietJournal::open(&path)?) } else { None };
    let mut journal = Journal::open(Path::new(":memory:"))?;
    let run = journal.begin_run(&ContentId::of("plan"), Timestamp::now())?;
    let journal = SharedJournal::new(journal);
    let governor = Arc::new(Governor::new(Clock::system(), stop));
    let fetcher = Fetcher::new(&config.user_agent, governor.clone(), journal.clone(), Limits::default())?;
    let (pictures, options) = (AtWork::default(), Options::default());
    let (known, journal, governor, fetcher) = (known.as_deref(), &journal, &governor, &fetcher);
    let (progress, pictures, options) = (&progress, &pictures, &options);
    let stores = config.stores.iter().map(|store| async move {
        let part = StoreRun {
            store,
            config,
            fetcher,
            journal: journal.clone(),
            run,
            progress: progress.store(&store.file.name),
            pictures,
            caps: Caps::default(),
            feed_pages: FeedPages::default(),
            at_once: AT_ONCE,
            options,
        };
        let (found, end) = part.listed().await;
        let mut plan = StorePlan { name: store.file.name.clone(), items: found.len(), ..StorePlan::default() };
        plan.stalled = matches!(end, Err(StoreEnd::Stalled(_)));
        plan.stopped = matches!(end, Err(StoreEnd::Stopping));
        plan.trouble = match end {
            Err(StoreEnd::Fatal(error)) => return Err(error),
            Err(StoreEnd::Trouble(what) | StoreEnd::Stalled(what)) => Some(what),
            Err(StoreEnd::Stopping) => Some("stopped".into()),
            Ok(()) => None,
        };
        part.progress.planned(plan.items, plan.trouble.as_deref());
        let listings = journal.look(|journal| journal.page_bytes()).await?;
        let measured = known.map(|known| known.measured(&store.file.name)).transpose()?.unwrap_or_default();
        let (pages, pictures) = part.allowed(&found, &mut plan).await?;
        asked(&mut plan, store, &listings, &pages, pictures, &measured, &config.out);
        for (host, of_host) in &mut plan.hosts {
            let pace = governor.pace_of(host);
            (of_host.gap, of_host.took) = (pace.gap.max(store.delay), pace.took);
        }
        Ok(plan)
    });
    Ok(Plan { stores: futures::future::try_join_all(stores).await? })
}

impl StoreRun<'_> {
    /// The items whose pages may be asked for; and the pictures of a feed's items, which need no page.
    async fn allowed<'f>(
        &self,
        found: &'f [Found],
        plan: &mut StorePlan,
    ) -> Result<(Vec<&'f Found>, BTreeSet<String>)> {
        let (mut pages, mut pictures) = (Vec::new(), BTreeSet::new());
        for item in found {
            match &item.feed {
                Some(place) => match self.entry(place).await {
                    Ok(Ok(listing)) if !listing.no_ai => pictures.extend(listing.images),
                    Err(StoreEnd::Fatal(error)) => return Err(error),
                    // It has no pictures that anyone could ask for.
                    Ok(_) | Err(_) => {}
                },
                None => match self.fetcher.check(&item.url, self.manners()).await {
                    Ok(()) => pages.push(item),
                    Err(FetchError::Fatal(error)) => return Err(error),
                    Err(_) => plan.forbidden += 1,
                },
            }
        }
        Ok((pages, pictures))
    }
}

/// Add up what listings, pages and pictures are asked of which host.
fn asked(
    plan: &mut StorePlan,
    store: &Store,
    listings: &BTreeMap<String, u64>,
    pages: &[&Found],
    mut pictures: BTreeSet<String>,
    measured: &Measured,
    out: &Path,
) {
    let own = host_of(&store.file.base);
    let mut ask = |host: String, requests: f64, bytes: Option<f64>| {
        let start = HostPlan { bytes: Some(0.0), ..HostPlan::default() };
        plan.hosts.entry(host).or_insert(start).ask(requests, bytes);
    };
    // robots.txt; then its listings, which have just been read.
    ask(own.clone(), 1.0, Some(0.0));
    let of_store = |url: &str| url.parse::<Url>().is_ok_and(|url| host_of(&url) == own);
    for bytes in listings.iter().filter(|(url, _)| of_store(url)).map(|(_, bytes)| *bytes) {
        ask(own.clone(), 1.0, Some(bytes as f64));
    }
    let on_disk = |file: &String| std::fs::metadata(out.join("images").join(file)).ok().map(|m| m.len() as f64);
    let sizes: Vec<f64> = measured.whole.values().filter_map(on_disk).collect();
    let picture_bytes = (!sizes.is_empty()).then(|| sizes.iter().sum::<f64>() / sizes.len() as f64);
    let mut known_pages = 0.0;
    let mut of_unknown_items = 0.0;
    for item in pages {
        ask(host_of(&item.url), 1.0, measured.page_bytes);
        let is_known = measured.pages.contains(item.url.as_str());
        known_pages += f64::from(u8::from(is_known));
        match measured.pictures.get(&item.key) {
            Some(known) => pictures.extend(known.iter().cloned()),
            // It was read, and is none whose pictures are asked for: below the rating, without a price.
            None if is_known => {}
            None => of_unknown_items += 1.0,
        }
    }
    for url in &pictures {
        let there = measured.whole.get(url).and_then(on_disk).is_some();
        if let (false, Ok(url)) = (there, url.parse::<Url>()) {
            ask(host_of(&url), 1.0, picture_bytes);
        }
    }
    // Of items that nobody read, as many pictures as the others have, where most of theirs are.
    if of_unknown_items > 0.0 {
        let host = measured.picture_host.clone().unwrap_or_else(|| own.clone());
        match measured.pictures_an_item {
            Some(each) => ask(host, of_unknown_items * each, picture_bytes),
            None => ask(host, 0.0, None),
        }
    }
    if let Some(of_own) = plan.hosts.get_mut(&own) {
        of_own.known_pages = known_pages;
        if of_unknown_items > 0.0 && measured.pictures_an_item.is_none() {
            of_own.bytes = None;
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads =
            ["store", "items", "forbidden", "host", "requests", "of known pages", "MB at most", "gap s", "minutes"];
        let mut table = Table::new(&heads);
        for store in &self.stores {
            for (host, asked) in &store.hosts {
                table.row(vec![
                    store.name.clone(),
                    store.items.to_string(),
                    store.forbidden.to_string(),
                    host.clone(),
                    format!("{:.0}", asked.requests),
                    format!("{:.0}", asked.known_pages),
                    asked.bytes.map_or("unknown".into(), |bytes| format!("{:.1}", bytes / 1e6)),
                    format!("{:.2}", asked.gap.as_secs_f64()),
                    format!("{:.1}", asked.duration().as_secs_f64() / 60.0),
                ]);
            }
        }
        table.fmt(f)?;
        for store in &self.stores {
            if let Some(trouble) = &store.trouble {
                write!(f, "\n{}: not read to its end: {}", store.name, one_line(trouble))?;
            }
        }
        let unknown = self.stores.iter().flat_map(|s| s.hosts.values()).any(|host| host.bytes.is_none());
        if unknown {
            write!(f, "\nWhat is unknown, and the pictures of a store that was never read, the first run measures.")?;
        }
        Ok(())
    }
}
