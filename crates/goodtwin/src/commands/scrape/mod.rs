//! `goodtwin scrape`.

mod ask;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use goodtwin_core::{atomic, config};
use goodtwin_scraper::{Config, Metrics, Options, Progress, State, Stop, Summary};

use crate::exit::{Failure, Outcome, fitted, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    question: Option<Question>,
    /// The crawl: user agent, contact, ratings, stores
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Where the journal and the pictures go, instead of the config's `out`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this store, verified or not; may be given more than once
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
    /// Take what fell since the last runs as it is: the store has changed, and is read rightly
    #[arg(long)]
    accept_drop: bool,
    /// Ask again for the items in these states alone, such as blocked,truncated
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state)]
    retry: Vec<State>,
    /// Say what a run would ask of each host, and how long that takes; only robots.txt and listings are read
    #[arg(long, conflicts_with_all = ["accept_drop", "retry", "metrics"])]
    plan: bool,
    /// Write Prometheus' text format here at the end, instead of to the config's `metrics`
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Question {
    /// Say why an item is not in the manifest; or, of all items, which are in which state, with examples
    WhyMissing {
        /// An address, an id, or words of a title or brand
        item: Option<String>,
        /// Where the journal is
        #[arg(long, value_name = "DIR", default_value = "datasets")]
        out: PathBuf,
    },
    /// Show what the last run left: states, how full each store's fields are; exit 3 if a store drifted
    Report {
        /// The items whose pages contradict themselves, with both values and the page
        #[arg(long)]
        quarantine: bool,
        /// Where the journal is
        #[arg(long, value_name = "DIR", default_value = "datasets")]
        out: PathBuf,
    },
}

fn state(word: &str) -> Result<State, String> {
    word.parse::<State>().map_err(|what| {
        let near = config::nearest(word, State::ALL.iter().map(|state| state.word()));
        near.map(|near| format!("did you mean `{near}`? {what}")).unwrap_or(what)
    })
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.question {
        Some(Question::WhyMissing { item: Some(item), out }) => ask::why_missing(&out, &item),
        Some(Question::WhyMissing { item: None, out }) => ask::states(&out),
        Some(Question::Report { quarantine: true, out }) => ask::quarantine(&out),
        Some(Question::Report { quarantine: false, out }) => ask::report(&out),
        None => scrape(args).map_err(in_the_log),
    }
}

fn scrape(args: Args) -> Outcome {
    let path = args.config.ok_or_else(|| Failure::usage("--config is missing"))?;
    let mut config = Config::load(&path, &args.store)?;
    if args.store.is_empty() {
        config.refuse_unverified()?;
    }
    config.refuse_no_ratings()?;
    if let Some(out) = args.out {
        config.out = out;
    }
    let options = Options { accept_drop: args.accept_drop, retry: args.retry };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(70, format!("the runtime does not start: {e}")))?;
    if args.plan {
        let planned = runtime.block_on(async {
            let stop = Stop::when(signals::asked_to_end()?);
            Ok::<_, Failure>(goodtwin_scraper::plan(&config, Progress::auto(), stop).await?)
        });
        let planned = planned?;
        say(fitted(&planned))?;
        return ended(planned.exit_code(), false);
    }
    let metrics = args.metrics.as_ref().or(config.metrics.as_ref());
    if let Some(path) = metrics {
        // Before anything is asked: hours of it must not end in a file that cannot be written.
        atomic::probe(path)?;
    }
    let progress = Progress::auto();
    let done = runtime.block_on(async {
        let stop = Stop::when(signals::asked_to_end()?);
        let (asked, heard) = (stop.clone(), progress.clone());
        tokio::spawn(async move {
            asked.asked().await;
            heard.say("finishing what is in flight; once more to end at once");
        });
        Ok::<_, Failure>(goodtwin_scraper::run_with(&config, &options, progress.clone(), stop).await?)
    });
    // A file that is being written is finished, or removed.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let summary = done?;
    // A disk that is too full for the metrics must not hide the table.
    let outcome = write(&config, &summary, metrics)
        .and_then(|()| ended(summary.exit_code(), summary.stores.iter().any(|store| !store.drops.is_empty())));
    progress.ended(&summary, outcome.as_ref().err().map_or(0, |failure| failure.code));
    // The table after the events: whoever reads both finds it at the end.
    say(fitted(&summary).trim_end())?;
    outcome
}

fn write(config: &Config, summary: &Summary, metrics: Option<&PathBuf>) -> Outcome {
    match metrics {
        Some(path) => Ok(Metrics::gather(config, summary)?.write(path)?),
        None => Ok(()),
    }
}

/// Where stderr has an event a line, why the scrape failed is one of them, and nothing else is said of it.
fn in_the_log(failure: Failure) -> Failure {
    match Progress::auto().failed(failure.code, &failure.message) {
        true => Failure::new(failure.code, ""),
        false => failure,
    }
}

fn ended(code: u8, drifted: bool) -> Outcome {
    match code {
        0 => Ok(()),
        3 if drifted => Err(Failure::new(3, "a store drifted: the lines above say what fell")),
        75 => Err(Failure::new(75, "a host asks to be left alone for now; the next run goes on from here")),
        69 => Err(Failure::new(69, "no store could be read; the lines below the table say why")),
        130 => Err(Failure::new(130, "stopped; the next run goes on from here")),
        code => Err(Failure::new(
            code,
            "some stores were skipped or not read to their end; the lines below the table say why",
        )),
    }
}
