//! A whole run: the lock, the journal, all stores side by side, the summary.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use goodtwin_core::{RunLock, atomic};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::config::Config;
use crate::fetch::{Fetcher, Limits};
use crate::governor::Governor;
use crate::journal::{RunId, SharedJournal};
use crate::listings::{Caps, FeedPages};
use crate::pictures::AtWork;
use crate::progress::Progress;
use crate::stop::{GRACE, Stop};
use crate::store_run::{AT_ONCE, Done, StoreEnd, StoreRun};
use crate::summary::{StoreSummary, Summary};
use crate::{Journal, Result, State};

/// The journal's name in the output folder.
pub const JOURNAL: &str = "crawl.sqlite";

/// The lock's name in the output folder.
pub(crate) const LOCK: &str = "crawl.lock";

/// Scrape all stores of the config into its output folder.
///
/// A store that cannot be read is told of in the [`Summary`]; the others go on.
///
/// # Errors
/// Exit 75 if another run is at work there, 74 if the disk refuses.
pub async fn run(config: &Config, progress: Progress, stop: Stop) -> Result<Summary> {
    run_with(config, &Options::default(), progress, stop).await
}

/// What is unlike an ordinary run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What fell since the last runs is taken as it is.
    pub accept_drop: bool,
    /// If there are any: only items in these states are asked for, again.
    pub retry: Vec<State>,
}

/// [`run()`] with options.
///
/// # Errors
/// As [`run()`]; exit 2 for a retry while the last run can be gone on with.
pub async fn run_with(config: &Config, options: &Options, progress: Progress, stop: Stop) -> Result<Summary> {
    let governor = Governor::new(Clock::system(), stop.clone());
    run_at(config, options, progress, stop, governor, AT_ONCE).await
}

/// [`run()`] without manners, for benchmarks: so many requests at once, and no pause between them.
///
/// # Errors
/// Exit 2 for a store that is not on this machine; else as [`run()`].
pub async fn run_unpaced(config: &Config, progress: Progress, stop: Stop, connections: usize) -> Result<Summary> {
    if let Some(store) = config.stores.iter().find(|s| !crate::guard::is_loopback(&s.file.base)) {
        let what = format!("{}: expected a store on this machine: others are asked politely", store.file.base);
        return Err(goodtwin_core::Error::Usage(what).into());
    }
    let governor = Governor::unpaced_on_loopback(Clock::system(), stop.clone(), connections);
    // More than that, so that one is asked while another is looked at and written down.
    run_at(config, &Options::default(), progress, stop, governor, connections * 4).await
}

async fn run_at(
    config: &Config,
    options: &Options,
    progress: Progress,
    stop: Stop,
    governor: Governor,
    at_once: usize,
) -> Result<Summary> {
    atomic::create_dir(&config.out)?;
    let _lock = RunLock::take(&config.out.join(LOCK))?;
    let mut journal = Journal::open(&config.out.join(JOURNAL))?;
    let run = match options.retry.is_empty() {
        true => journal.begin_run(&config.id(), Timestamp::now())?,
        false => journal.begin_retry(&config.id(), Timestamp::now())?,
    };
    let journal = SharedJournal::new(journal);
    let governor = Arc::new(governor);
    let fetcher = Fetcher::new(&config.user_agent, governor.clone(), journal.clone(), Limits::default())?;

    let pictures = AtWork::default();
    let mut ends: Vec<Option<Result<Done, StoreEnd>>> = config.stores.iter().map(|_| None).collect();
    let mut interrupted = false;
    let mut at_work: FuturesUnordered<_> = config
        .stores
        .iter()
        .enumerate()
        .map(|(n, store)| {
            let progress = progress.store(&store.file.name);
            let part = StoreRun {
                store,
                config,
                fetcher: &fetcher,
                journal: journal.clone(),
                run,
                progress,
                pictures: &pictures,
                caps: Caps::default(),
                feed_pages: FeedPages::default(),
                at_once,
                options,
            };
            async move {
                let end = part.run().await;
                let said = match &end {
                    Ok(_) => None,
                    Err(StoreEnd::Stopping) => Some("stopped".to_string()),
                    Err(StoreEnd::Stalled(what) | StoreEnd::Trouble(what)) => Some(what.clone()),
                    Err(StoreEnd::Fatal(e)) => Some(e.to_string()),
                };
                part.progress.ended(said.as_deref());
                (n, end)
            }
        })
        .collect();
    let grace_over = async {
        stop.asked().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::pin!(grace_over);
    loop {
        let ended = tokio::select! {
            ended = at_work.next() => ended,
            // What is in flight had its time; the journal has what was finished.
            () = &mut grace_over => { interrupted = true; None }
        };
        match ended {
            None => break,
            Some((_, Err(StoreEnd::Stopping))) => interrupted = true,
            Some((_, Err(StoreEnd::Fatal(error)))) => return Err(error),
            Some((n, end)) => ends[n] = Some(end),
        }
    }
    drop(at_work);
    let mut summary = summarize(config, &journal, run, ends, interrupted).await?;
    (summary.fetched_bytes, summary.hosts) = (fetcher.received(), governor.paces());
    summary.is_retry = !options.retry.is_empty();
    // Some items asked for again are no scrape that went well.
    if options.retry.is_empty() {
        let code = summary.exit_code();
        journal.with(move |journal| journal.put_exit_code(run, code)).await?;
    }
    // A host that is stalled is asked again by the run that goes on with this one; nobody else is.
    if !interrupted && !summary.stores.iter().any(|s| s.stalled) {
        journal.with(move |journal| journal.finish_run(run, Timestamp::now())).await?;
    }
    Ok(summary)
}

async fn summarize(
    config: &Config,
    journal: &SharedJournal,
    run: RunId,
    ends: Vec<Option<Result<Done, StoreEnd>>>,
    interrupted: bool,
) -> Result<Summary> {
    let names: Vec<String> = config.stores.iter().map(|s| s.file.name.clone()).collect();
    let stores = journal
        .look(move |journal| {
            let summarize_store = |(name, end): (String, Option<Result<Done, StoreEnd>>)| {
                let tally = journal.tally(&name, run)?;
                tally.reconcile(&name, end.as_ref().and_then(|end| end.as_ref().ok()).map(|done| done.counted))?;
                let stalled = matches!(end, Some(Err(StoreEnd::Stalled(_))));
                let fall = journal.fall(&name, run)?;
                let (trouble, drops) = match end {
                    Some(Err(StoreEnd::Stalled(what) | StoreEnd::Trouble(what))) => (Some(what), vec![]),
                    Some(Ok(done)) => (None, done.drops),
                    _ => (None, vec![]),
                };
                Ok(StoreSummary { name, tally, trouble, stalled, drops, fall })
            };
            names.into_iter().zip(ends).map(summarize_store).collect()
        })
        .await?;
    let brands = journal.look(move |journal| journal.brands_of(run)).await?;
    let near = |brand: String| Some((config.ratings.near_miss(&brand)?.brand.clone(), brand));
    let near_misses = brands.into_iter().filter_map(near).map(|(like, brand)| (brand, like)).collect();
    Ok(Summary { stores, interrupted, near_misses, ..Summary::default() })
}
