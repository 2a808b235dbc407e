//! `goodtwin bench scrape`: all of the scraper but its manners, against one shop on this machine.
//!
//! The shop is a process of its own, so that its time and memory are not counted; so is the scrape of each size, so that the
//! memory of one is not that of another. All share the cores.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use goodtwin_scraper::{Config, Progress, Stop};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Outcome, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// Items of the shop, with one picture each; each size is measured in a process of its own
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1000,20000",
          value_parser = clap::value_parser!(u32).range(1..))]
    items: Vec<u32>,
    /// Requests at once
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Where journal and pictures go while it is measured: on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    scratch: PathBuf,
    /// A shop that is open already, instead of one of this command's own
    #[arg(long, value_name = "URL")]
    shop: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// What one size came to.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    items: usize,
    seconds: f64,
    items_per_second: f64,
    images_per_second: f64,
    megabytes_per_second: f64,
    processor_ms_per_image: f64,
    /// The most memory that the process ever had.
    peak_rss_mib: f64,
    connections: usize,
    cores: usize,
}

/// Run the command.
pub fn run(args: &Args) -> Outcome {
    let measured = match &args.items[..] {
        [items] => vec![measure(*items as usize, args)?],
        many => many.iter().map(|items| apart(*items, args)).collect::<Result<_, _>>()?,
    };
    if args.json {
        return say(serde_json::to_string(&measured).expect("numbers serialise"));
    }
    say("   items  seconds  items/s  images/s    MB/s  processor ms/image  peak MiB")?;
    for m in &measured {
        say(format_args!(
            "{:>8}  {:>7.1}  {:>7.0}  {:>8.0}  {:>6.1}  {:>18.2}  {:>8.0}",
            m.items,
            m.seconds,
            m.items_per_second,
            m.images_per_second,
            m.megabytes_per_second,
            m.processor_ms_per_image,
            m.peak_rss_mib
        ))?;
    }
    Ok(())
}

/// One size, by this command in a process of its own.
fn apart(items: u32, args: &Args) -> Result<Measured, Failure> {
    let mut command = Command::new(own_path()?);
    command.args(["bench", "scrape", "--json", "--items", &items.to_string()]);
    command.args(["--connections", &args.connections.to_string(), "--scratch"]).arg(&args.scratch);
    if let Some(shop) = &args.shop {
        command.args(["--shop", shop]);
    }
    let output = command.stderr(Stdio::inherit()).output().map_err(internal)?;
    if !output.status.success() {
        return Err(Failure::new(output.status.code().map_or(70, |c| c as u8), ""));
    }
    let measured: Vec<Measured> = serde_json::from_slice(&output.stdout).map_err(|e| internal(e.into()))?;
    measured.into_iter().next().ok_or_else(|| Failure::new(70, "a bench of one size measured none"))
}

fn measure(items: usize, args: &Args) -> Result<Measured, Failure> {
    let shop = match &args.shop {
        Some(_) => None,
        None => Some(Shop::open(items)?),
    };
    let origin = args.shop.as_deref().or(shop.as_ref().map(|s| s.origin.as_str())).unwrap_or_default();
    let dir = tempfile::tempdir_in(&args.scratch)
        .map_err(|e| Failure::new(73, format!("{}: cannot make a folder there: {e}", args.scratch.display())))?;
    let config = config(dir.path(), origin)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(internal)?;
    let (busy_before, began) = (processor_seconds(), Instant::now());
    let summary = runtime.block_on(async {
        let stop = Stop::when(signals::asked_to_end()?);
        Ok::<_, Failure>(goodtwin_scraper::run_unpaced(&config, Progress::Silent, stop, args.connections.into()).await?)
    })?;
    let (seconds, busy) = (began.elapsed().as_secs_f64(), processor_seconds() - busy_before);
    if summary.exit_code() != 0 {
        return Err(Failure::new(summary.exit_code(), summary.to_string()));
    }
    let tally = &summary.stores[0].tally;
    if (tally.images_ok as usize, tally.items as usize) != (items, items) {
        return Err(Failure::new(70, format!("{items} items were to be scraped:\n{summary}")));
    }
    let bytes = bytes_under(&dir.path().join("out/images"));
    Ok(Measured {
        items,
        seconds,
        items_per_second: items as f64 / seconds,
        images_per_second: f64::from(tally.images_ok) / seconds,
        megabytes_per_second: bytes as f64 / 1e6 / seconds,
        processor_ms_per_image: busy * 1000.0 / items as f64,
        peak_rss_mib: status_kib("VmHWM:") / 1024.0,
        connections: args.connections.into(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

/// `goodtwin demo warehouse`, ended with this.
struct Shop {
    child: Child,
    origin: String,
}

impl Shop {
    fn open(items: usize) -> Result<Shop, Failure> {
        let mut command = Command::new(own_path()?);
        command.args(["demo", "warehouse", "--items", &items.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(internal)?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut shop = Shop { child, origin: String::new() };
        BufReader::new(stdout).read_line(&mut shop.origin).map_err(internal)?;
        shop.origin = shop.origin.trim().into();
        match shop.origin.is_empty() {
            true => Err(Failure::new(69, "the warehouse does not open")),
            false => Ok(shop),
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(dir: &Path, origin: &str) -> Result<Config, Failure> {
    let files = [
        ("ratings.jsonl", String::new()),
        ("taxonomy.toml", "[types.tote]\nwords = ['tote bags']\n".into()),
        (
            "warehouse.toml",
            format!(
                "name = 'warehouse'\ntitle = 'Warehouse'\ncondition = 'second-hand'\nbase = '{origin}/'\nsource = 'shopify'\n\
                 currency = 'USD'\nallow_loopback = true\n"
            ),
        ),
        (
            "crawl.toml",
            "user_agent = 'GoodTwin/0.1'\ncontact = 'mailto:bench@goodtwin.example'\nratings = 'ratings.jsonl'\n\
             taxonomy = 'taxonomy.toml'\nstores = ['warehouse.toml']\n"
                .into(),
        ),
    ];
    for (name, text) in files {
        goodtwin_core::atomic::write(&dir.join(name), text.as_bytes())?;
    }
    let mut config = Config::load(&dir.join("crawl.toml"), &[])?;
    config.out = dir.join("out");
    Ok(config)
}

fn own_path() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(internal)
}

fn internal(e: std::io::Error) -> Failure {
    Failure::new(70, format!("the bench cannot be run: {e}"))
}

/// Processor time of this process so far, in its own code and the system's. 0 where there is no `/proc`.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, which may hold anything: state, parent, ..., and as 12th and 13th the times, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    fields.iter().skip(11).take(2).filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// A line of `/proc/self/status`, in KiB.
fn status_kib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

fn bytes_under(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| if e.path().is_dir() { bytes_under(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}
