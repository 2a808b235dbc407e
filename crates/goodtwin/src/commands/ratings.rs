//! `goodtwin ratings`: what Good On You says of brands, kept with its history.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use goodtwin_core::rating::{Change, RatingBook, import};
use goodtwin_core::{Aliases, Rating, Table};
use jiff::civil::Date;

use crate::exit::{Failure, Outcome, fitted, say};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// The book: JSON lines, to which lines are added and from which none is taken. A crawl's config names it as `ratings`
    #[arg(long, global = true, value_name = "FILE", default_value = "configs/ratings.jsonl")]
    book: PathBuf,
    /// Other names of brands; left out, brands.toml beside the book or in configs/, if it is there
    #[arg(long, global = true, value_name = "FILE")]
    aliases: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Add a file of ratings to the book: all of it, or nothing if anything in it is wrong
    #[command(
        after_help = "FILE is CSV with a header line, or JSON lines, with: brand, label, as_of (a day, such as 2026-03-17), source; \
                      and where they are given: epoch (the methodology), planet, people, animals (1 to 5)."
    )]
    Import {
        /// CSV or JSON lines
        file: PathBuf,
    },
    /// Show each brand's rating, or all that a brand ever had
    List {
        /// Only this brand
        #[arg(long, value_name = "NAME")]
        brand: Option<String>,
        /// Every rating, and whether the brand moved or the method
        #[arg(long)]
        history: bool,
    },
    /// Show the ratings that are older than so many months; exit 3 if there are any
    Stale {
        /// How old a rating may be
        #[arg(long, value_name = "N", default_value_t = 18)]
        months: u16,
        /// On which day; left out, today
        #[arg(long, value_name = "DAY")]
        on: Option<Date>,
    },
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let aliases = aliases(args.aliases.as_deref(), &args.book)?;
    let today = jiff::ZonedDateTime::now().date();
    if let Command::Import { file } = &args.command {
        return add(file, &args.book, aliases, today);
    }
    let book = RatingBook::load(&args.book)
        .map_err(|e| match e {
            goodtwin_core::Error::Missing { path, kind, .. } => {
                let hint = ": `goodtwin ratings import` makes one, --book names another".into();
                goodtwin_core::Error::Missing { path, kind, hint }
            }
            e => e,
        })?
        .with_aliases(aliases);
    book.refuse_empty(&args.book)?;
    match args.command {
        Command::Import { .. } => unreachable!("done above"),
        Command::List { brand, history } => list(&book, brand.as_deref(), history),
        Command::Stale { months, on } => stale(&book, months, on.unwrap_or(today)),
    }
}

fn aliases(given: Option<&Path>, book: &Path) -> Result<Aliases, Failure> {
    let usual = [book.with_file_name("brands.toml"), "configs/brands.toml".into()];
    let path = given.or_else(|| usual.iter().map(PathBuf::as_path).find(|path| path.is_file()));
    Ok(path.map(Aliases::load).transpose()?.unwrap_or_default())
}

fn add(file: &Path, book: &Path, aliases: Aliases, today: Date) -> Outcome {
    let ratings = import::read(file, today)?;
    let added = RatingBook::append(book, aliases, &ratings)?;
    say(format_args!(
        "{}: {} added, {} known already; {} new, {} moved, {} changed with the method{}",
        book.display(),
        counted(added.new, "rating", "ratings"),
        added.known,
        counted(added.brands, "brand is", "brands are"),
        added.moved,
        added.by_method,
        match added.unexplained {
            0 => String::new(),
            n => format!(", {n} for a reason that their epochs do not tell"),
        }
    ))
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn list(book: &RatingBook, brand: Option<&str>, history: bool) -> Outcome {
    let heads = ["BRAND", "LABEL", "AS OF", "PLANET", "PEOPLE", "ANIMALS", "METHOD", "CHANGE", "SOURCE"];
    let mut table = Table::new(&heads);
    let brands: Vec<&Rating> = match brand {
        Some(name) => vec![book.get(name).ok_or_else(|| unknown(book, name))?],
        None => book.iter().collect(),
    };
    for current in brands {
        let all = book.history(&current.brand);
        let shown = if history { all } else { std::slice::from_ref(current) };
        for (n, rating) in shown.iter().enumerate() {
            let change = (history && n > 0).then(|| Change::new(&all[n - 1], rating).to_string());
            table.row(row(rating, change.unwrap_or_default()));
        }
    }
    say(fitted(table))?;
    say("Ratings are Good On You's, in their words; each is the brand's, whoever sells it.")
}

fn row(rating: &Rating, change: String) -> Vec<String> {
    let score = |score: Option<goodtwin_core::rating::Score>| score.map(|s| s.to_string()).unwrap_or_default();
    vec![
        rating.brand.clone(),
        rating.label.to_string(),
        rating.as_of.to_string(),
        score(rating.planet),
        score(rating.people),
        score(rating.animals),
        rating.epoch.clone().unwrap_or_default(),
        change,
        rating.source.clone(),
    ]
}

fn unknown(book: &RatingBook, name: &str) -> Failure {
    let near = book.near_miss(name).map(|rating| {
        format!("; a name much like it, {}, has one (if it is the same brand, add an alias)", rating.brand)
    });
    Failure::usage(format!("--brand: `{name}` has no rating{}", near.unwrap_or_default()))
}

fn stale(book: &RatingBook, months: u16, on: Date) -> Outcome {
    let stale = book.stale(months, on);
    if stale.is_empty() {
        return say(format_args!("all {} ratings are of the {months} months before {on}", book.len()));
    }
    let mut table = Table::new(&["BRAND", "LABEL", "AS OF", "MONTHS", "SOURCE"]);
    for rating in &stale {
        let age = rating.as_of.until((jiff::Unit::Month, on)).map(|span| span.get_months()).unwrap_or_default();
        let label = rating.label.to_string();
        let (as_of, source) = (rating.as_of.to_string(), rating.source.clone());
        table.row(vec![rating.brand.clone(), label, as_of, age.to_string(), source]);
    }
    say(fitted(table))?;
    let message = format!("{} of {} ratings are older than {months} months on {on}", stale.len(), book.len());
    Err(Failure::new(3, message))
}
