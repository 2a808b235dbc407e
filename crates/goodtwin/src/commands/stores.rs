//! `goodtwin stores`: the files in `configs/stores`, and whether they fit the stores that they are of.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use goodtwin_core::table::Table;
use goodtwin_core::terminal::one_line;
use goodtwin_core::{Error, atomic, config};
use goodtwin_scraper::check::{Report, Trouble, Visitor};
use goodtwin_scraper::config::{Ethics, Identity, Kind, Source, Store, StoreFile, Verified};
use goodtwin_scraper::fetch::Manners;
use goodtwin_scraper::{Stop, guard};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use url::Url;

use crate::exit::{Failure, Outcome, fitted, say};
use crate::signals;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the stores that there are files for
    List {
        #[command(flatten)]
        files: Files,
    },
    /// Try files on their stores: robots.txt, a listing and a product each; writes the day into a file that fits
    Check {
        /// Which stores, by `name` or by file (`able` or `demo-able`); all that are not verified, if none is named
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        who: Who,
    },
    /// Print a draft of a store's file, guessed from one of its pages
    Add {
        /// A listing of the store
        #[arg(value_name = "URL")]
        url: Url,
        /// For tests: the store may be on this machine
        #[arg(long)]
        allow_loopback: bool,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(clap::Args)]
struct Files {
    /// Where the stores' files are
    #[arg(long, value_name = "DIR", default_value = "configs/stores")]
    stores: PathBuf,
}

#[derive(clap::Args)]
struct Who {
    /// The crawl's file: user agent, contact, delay, taxonomy
    #[arg(long, value_name = "FILE", default_value = "configs/study.toml")]
    config: PathBuf,
    /// Where a shop reaches a person, instead of the config's `contact`
    #[arg(long, value_name = "ADDRESS")]
    contact: Option<String>,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::List { files } => list(&files.stores),
        Command::Check { names, files, who } => check(&names, &files.stores, &who),
        Command::Add { url, allow_loopback, who } => add(&url, allow_loopback, &who),
    }
}

/// A store's file, and where it lies.
struct Known {
    path: PathBuf,
    file: StoreFile,
}

impl Known {
    /// Whether somebody means it by this: the name that it gives itself, or that of its file.
    fn is_called(&self, name: &str) -> bool {
        self.file.name == name || self.stem() == name
    }

    fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }
}

fn all(dir: &Path) -> Result<Vec<Known>, Failure> {
    let missing =
        || Error::Usage(format!("{}: no such folder of stores' files; `--stores DIR` says where it is", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(|_| missing())?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    let read = |path: PathBuf| Ok(Known { file: config::load(&path)?, path });
    let mut known = paths.into_iter().map(read).collect::<Result<Vec<Known>, Failure>>()?;
    // By what people see.
    known.sort_by(|a, b| a.file.name.cmp(&b.file.name));
    Ok(known)
}

fn list(dir: &Path) -> Outcome {
    let mut table = Table::new(&["store", "sells", "for", "source", "verified", "address"]);
    for Known { file, .. } in all(dir)? {
        let source = match file.source {
            Source::Shopify => "shopify",
            Source::Structured => "structured",
            Source::Css => "css",
        };
        table.row(vec![
            file.name,
            if file.kind == Kind::Brand { "new" } else { "second-hand" }.into(),
            if file.ethics == Ethics::Sustainable { "twins" } else { "evaluation" }.into(),
            format!("{source}{}", if file.listing.browser { ", browser" } else { "" }),
            match file.verified {
                Verified::No => "no".into(),
                Verified::On(day) => day.to_string(),
            },
            file.base.into(),
        ]);
    }
    say(fitted(table))
}

fn check(names: &[String], dir: &Path, who: &Who) -> Outcome {
    let identity = Identity::load(&who.config, who.contact.as_deref())?;
    let mut known = all(dir)?;
    if let Some(name) = names.iter().find(|name| !known.iter().any(|k| k.is_called(name))) {
        let hint = config::nearest(name, known.iter().flat_map(|k| [k.file.name.as_str(), k.stem()]));
        let hint = hint.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        return Err(Failure::usage(format!("{}: there is no store `{name}`{hint}", dir.display())));
    }
    let untried = |k: &Known| k.file.verified == Verified::No && !k.file.allow_loopback;
    known.retain(|k| if names.is_empty() { untried(k) } else { names.iter().any(|name| k.is_called(name)) });
    if known.is_empty() {
        return say("all stores are verified");
    }
    let (mut unfit, mut unavailable) = (Vec::new(), Vec::new());
    for (n, Known { path, file }) in known.into_iter().enumerate() {
        let store =
            Store::new(file, identity.delay).map_err(|what| Failure::usage(format!("{}: {what}", path.display())))?;
        let name = store.file.name.clone();
        let report = visit(&identity.user_agent, async |visitor| visitor.check(&store, &identity.taxonomy).await)?;
        if n > 0 {
            say("")?;
        }
        say(describe(&store, &report))?;
        if report.is_good() {
            let day = TimeZone::UTC.to_datetime(Timestamp::now()).date().to_string();
            let text = std::fs::read_to_string(&path).map_err(|e| Error::read(&path, "store file", e))?;
            let edited =
                with_verified(&text, &day).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))?;
            atomic::write(&path, edited.as_bytes())?;
            say(format_args!("{name}: fits; verified = \"{day}\" in {}", path.display()))?;
            continue;
        }
        let why = match &report.trouble {
            Some(Trouble::Unavailable(why)) => {
                unavailable.push(name.clone());
                why.clone()
            }
            Some(Trouble::Unfit(why)) => {
                unfit.push(name.clone());
                why.clone()
            }
            None => {
                unfit.push(name.clone());
                format!("missing: {}", report.missing().join(", "))
            }
        };
        say(format_args!("{name}: does not fit: {}", one_line(&why)))?;
    }
    match (unfit.is_empty(), unavailable.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(Failure::new(3, format!("these files do not fit their stores: {}", unfit.join(", ")))),
        (true, false) => Err(Failure::new(69, format!("not reached: {}", unavailable.join(", ")))),
    }
}

fn add(url: &Url, allow_loopback: bool, who: &Who) -> Outcome {
    let identity = Identity::load(&who.config, who.contact.as_deref())?;
    guard::check_url(url, allow_loopback).map_err(|e| {
        let would_help = guard::check_url(url, true).is_ok();
        Failure::usage(format!(
            "{e}{}",
            if would_help { "; --allow-loopback asks a store on this machine" } else { "" }
        ))
    })?;
    let manners = Manners { delay: identity.delay, allow_loopback };
    let draft = visit(&identity.user_agent, async |visitor| visitor.guess(url, manners).await)?;
    say(draft.map_err(|e| Failure::new(e.exit_code(), e.to_string()))?.trim_end())
}

fn visit<T>(user_agent: &str, ask: impl AsyncFnOnce(Visitor) -> T) -> Result<T, Failure> {
    let internal = |what: String| Failure::new(70, what);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| internal(format!("the runtime does not start: {e}")))?;
    let done = runtime.block_on(async {
        let stop = Stop::when(signals::asked_to_end()?);
        let visitor = Visitor::new(user_agent, stop.clone())?;
        tokio::select! {
            done = ask(visitor) => Ok(done),
            () = async { stop.asked().await } => Err(Failure::new(130, "stopped")),
        }
    });
    runtime.shutdown_background();
    done
}

/// The report as people read it.
fn describe(store: &Store, report: &Report) -> String {
    let mut out = format!("{} ({})\n", store.file.title, store.file.base);
    for step in &report.steps {
        out += &format!("  {}\n", one_line(step));
    }
    for field in &report.fields {
        let share = 100 * field.filled / report.items.max(1);
        let needed = if field.is_needed { "needed" } else { "" };
        let example: String = field.example.as_deref().unwrap_or("-").chars().take(80).collect();
        out += &format!(
            "  {:<13} {:>5} of {:<5} {share:>3} %  {needed:<6}  {}\n",
            field.name,
            field.filled,
            report.items,
            one_line(&example)
        );
    }
    match &report.example {
        Some(Ok(item)) => {
            let price = item.price.map(|p| p.to_string()).unwrap_or_default();
            let bag_type = item.bag_type.as_ref().map_or("no type".into(), |t| t.title());
            let line = format!("{}, {}, {price}, {bag_type}, {}", item.title, item.brand, item.condition);
            out += &format!("  an item: {}\n", one_line(&line));
        }
        Some(Err(why)) => out += &format!("  no item: {}\n", one_line(why)),
        None => {}
    }
    out.trim_end().into()
}

/// The file's text with the day in it; every other character stays.
fn with_verified(text: &str, day: &str) -> Result<String, String> {
    let line_is = |line: &str, key: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let mut lines: Vec<String> = text.split('\n').map(String::from).collect();
    let top = lines.iter().position(|line| line.trim_start().starts_with('[')).unwrap_or(lines.len());
    let value = format!("verified = \"{day}\"");
    if let Some(line) = lines[..top].iter_mut().find(|line| line_is(line, "verified")) {
        let comment = line.find('#').map(|at| format!(" {}", &line[at..])).unwrap_or_default();
        *line = value + &comment;
    } else {
        let name = lines[..top].iter().position(|line| line_is(line, "name")).ok_or("expected a line `name = ...`")?;
        lines.insert(name + 1, value);
    }
    let edited = lines.join("\n");
    let file: StoreFile = config::parse(&edited)?;
    match file.verified {
        Verified::On(written) if written.to_string() == day => Ok(edited),
        _ => Err(format!("cannot write verified = \"{day}\" into it: expected the key on a line of its own")),
    }
}

#[cfg(test)]
mod tests {
    use super::with_verified;

    #[test]
    fn the_day_is_written_and_all_else_stays() {
        let rest = "title = 'A' # a title\nkind = 'brand'\nbase = 'https://a.example/'\nsource = 'shopify'\n\n[labels]\n# bags\n\"verified\" = \"tote\"\n";
        let edit = |head: &str| with_verified(&format!("{head}{rest}"), "2026-11-01").unwrap();
        let expected = format!("# A\nname = 'a'\nverified = \"2026-11-01\" # by hand\n{rest}");
        assert_eq!(edit("# A\nname = 'a'\nverified = false  # by hand\n"), expected);
        assert_eq!(edit("# A\nname = 'a'\n"), expected.replace(" # by hand", ""));
        assert!(with_verified("name = 'a'\n", "2026-11-01").is_err());
    }
}
