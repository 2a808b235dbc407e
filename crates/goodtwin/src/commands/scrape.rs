//! `goodtwin scrape`.

use std::path::PathBuf;

use goodtwin_scraper::{Config, Progress, Stop};

use crate::exit::{Failure, Outcome, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// The crawl: user agent, contact, ratings, stores
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the journal and the pictures go, instead of the config's `out`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this store; may be given more than once
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let mut config = Config::load(&args.config, &args.store)?;
    if let Some(out) = args.out {
        config.out = out;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(70, format!("the runtime does not start: {e}")))?;
    let done = runtime.block_on(async {
        let stop = Stop::when(signals::asked_to_end()?);
        Ok::<_, Failure>(goodtwin_scraper::run(&config, Progress::auto(), stop).await?)
    });
    // What is still at work on a blocking thread had its time.
    runtime.shutdown_background();
    let summary = done?;
    say(summary.to_string().trim_end())?;
    match summary.exit_code() {
        0 => Ok(()),
        75 => Err(Failure::new(75, "a host asks to be left alone for now; the next run goes on from here")),
        69 => Err(Failure::new(69, "no store could be read; the table says why")),
        130 => Err(Failure::new(130, "stopped; the next run goes on from here")),
        code => Err(Failure::new(code, "some stores were skipped or not read to their end; the table says why")),
    }
}
