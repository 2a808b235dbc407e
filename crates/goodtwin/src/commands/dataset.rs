//! `goodtwin dataset`: a crawl or a folder of pictures in, a data set out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use goodtwin_core::terminal::{lines, note};
use goodtwin_core::{Dataset, DatasetReader, Split};
use goodtwin_scraper::{JOURNAL, Manifest};
use goodtwin_training::Ui;
use goodtwin_training::dataset::check::NAMED;
use goodtwin_training::dataset::{self, HoldOut, Options};

use crate::exit::{Failure, Outcome, say};

/// Without a terminal, a line is printed each time as many pictures were read.
const LINE_EVERY: usize = 1000;
/// How many pairs on both sides of a split are printed: a family on both sides may be thousands.
const PAIRS: usize = 200;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a data set of what `goodtwin scrape` collected
    Build {
        /// The journal of the crawl; its pictures lie beside it
        #[arg(long, value_name = "FILE", default_value = "datasets/crawl.sqlite")]
        crawl: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Make a data set of a folder with metadata.jsonl, or with one sub-folder a class
    ///
    /// A line of metadata.jsonl has `file_name` and `bag_type` (or `label`), and may have `family`, `split`, `brand`, `title`,
    /// `colour`, `background`, `source` and `licence`.
    Import {
        /// The folder of pictures
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        #[command(flatten)]
        target: Target,
    },
    /// Look for what is on both sides of the split (exit 65 if anything is), and write README.md and croissant.json
    Check {
        /// The data set
        #[arg(value_name = "DATASET")]
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct Target {
    /// The data set; one that stands there is replaced once the new one is whole
    #[arg(long, value_name = "DATASET")]
    out: PathBuf,
    /// Seed of the split by family
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What is held out to be tested: a fifth of the pictures by family, or by brand [default: as the source says, else family]
    #[arg(long, value_name = "family|brand", value_parser = ["family", "brand"])]
    split: Option<String>,
    /// Hold out one part of so many instead: over all parts each family or brand is tested once (`goodtwin runs pool`)
    #[arg(long, value_name = "K/N", value_parser = fold, conflicts_with = "hold_out_brands")]
    fold: Option<(usize, usize)>,
    /// Hold out these brands instead, and train on all others
    #[arg(long, value_name = "BRAND,...", value_delimiter = ',', conflicts_with = "split")]
    hold_out_brands: Vec<String>,
}

impl Target {
    fn hold_out(&self) -> Option<HoldOut> {
        let split = self.split.as_deref();
        if let Some((number, of)) = self.fold {
            return Some(HoldOut::Fold { brands: split == Some("brand"), number, of });
        }
        match split {
            Some("brand") => Some(HoldOut::Brands),
            Some(_) => Some(HoldOut::Families),
            None if self.hold_out_brands.is_empty() => None,
            None => Some(HoldOut::These(self.hold_out_brands.iter().map(|brand| brand.trim().to_string()).collect())),
        }
    }
}

/// `2/5`.
fn fold(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    numbers
        .filter(|(k, n)| (2..=100).contains(n) && (1..=*n).contains(k))
        .ok_or_else(|| "expected a part of 2 to 100 parts, such as 2/5".to_string())
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let made = match args.command {
        Command::Build { crawl, target } => {
            refuse_folder(&crawl)?;
            let Manifest { id, items, images_dir, cut_off, .. } = Manifest::read(&crawl)?;
            if let Some(cut_off) = cut_off {
                note(format_args!("{}: {cut_off}", crawl.display()));
            }
            with_progress(&target, |options| dataset::build(&items, &images_dir, &id, &target.out, options))?
        }
        Command::Import { dir, target } => {
            with_progress(&target, |options| dataset::import(&dir, &target.out, options))?
        }
        Command::Check { dir, json } => return check(&dir, json),
    };
    say(summary(&made).trim_end())?;
    for lack in dataset::lacks(&made) {
        note(lack);
    }
    Ok(())
}

/// The crawl's own folder is what people give for its journal.
fn refuse_folder(crawl: &Path) -> Outcome {
    let journal = crawl.join(JOURNAL);
    match journal.is_file() {
        true => Err(Failure::new(
            65,
            format!("{}: a folder: expected the journal in it, --crawl {}", crawl.display(), journal.display()),
        )),
        false => Ok(()),
    }
}

fn check(dir: &Path, json: bool) -> Outcome {
    let dataset = DatasetReader::open(dir)?;
    let bar = Ui::detect().bar(dataset.rows.len() as u64, "pictures");
    let checked = dataset::check(&dataset, &|| bar.inc(1))?;
    bar.finish_and_clear();
    dataset::card::write(&dataset.root, &dataset, &checked)?;
    if json {
        say(serde_json::to_string_pretty(&checked).expect("findings serialise"))?;
    } else {
        for leak in checked.leaks.iter().take(PAIRS) {
            say(lines(&leak.to_string()))?;
        }
        if checked.total() > PAIRS {
            let more = checked.total() - PAIRS;
            say(format_args!("and {more} pairs more: --json names {NAMED} of each kind at most"))?;
        }
        say(format_args!(
            "{}: {} pictures, {} on both sides of the split{}, {} pairs of near-duplicates within one (--json names them)",
            dir.display(),
            checked.pictures,
            checked.total(),
            if checked.total() > 0 { format!(" ({})", checked.kinds()) } else { String::new() },
            checked.near_within.len()
        ))?;
    }
    match checked.total() {
        0 => Ok(()),
        n => Err(Failure::new(65, format!("{}: {n} pairs are on both sides of the split", dir.display()))),
    }
}

fn with_progress<T>(target: &Target, make: impl FnOnce(&Options<'_>) -> T) -> T {
    let ui = Ui::detect();
    let bar = ui.bar(0, "pictures");
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.inc(1);
        if bar.is_hidden() && done.is_multiple_of(LINE_EVERY) {
            note(format_args!("{done} of {total} pictures read"));
        }
    };
    let made = make(&Options { seed: target.seed, hold_out: target.hold_out(), progress: &progress });
    bar.finish_and_clear();
    made
}

/// Classes by splits, what was left out by cause, and the content id. Names come from strangers and are escaped.
fn summary(made: &Dataset) -> String {
    let mut table = vec![["class", "train", "validation", "test", "total"].map(String::from)];
    let mut totals = [0; 4];
    for (class, counts) in &made.manifest.counts {
        let [train, validation, test] =
            [Split::Train, Split::Validation, Split::Test].map(|s| counts.get(&s).copied().unwrap_or(0));
        let row = [train, validation, test, train + validation + test];
        for (sum, n) in totals.iter_mut().zip(row) {
            *sum += n;
        }
        table.push(table_row(class.as_str(), row));
    }
    table.push(table_row("total", totals));
    let of_all = |n: usize| n as f64 / totals[3] as f64;
    let [train, validation, test, _] = totals.map(|n| format!("{:.2} ({n})", of_all(n)));
    let width = table.iter().map(|[class, ..]| class.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for [class, train, validation, test, total] in &table {
        text += &format!("{class:<width$}  {train:>7}  {validation:>10}  {test:>7}  {total:>7}\n");
    }
    text += &left_out(made);
    let _ = writeln!(text, "split: {}", made.manifest.split);
    let _ = writeln!(text, "  came to: train {train}, validation {validation}, test {test}");
    let _ = writeln!(text, "data set: {}", made.root.display());
    let _ = writeln!(text, "id: {}", made.id());
    lines(&text)
}

fn table_row(class: &str, counts: [usize; 4]) -> [String; 5] {
    let [train, validation, test, total] = counts.map(|n| n.to_string());
    [class.escape_debug().to_string(), train, validation, test, total]
}

fn left_out(made: &Dataset) -> String {
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in &made.manifest.left_out {
        causes.entry(&one.cause).or_default().push(&one.file_name);
    }
    let mut text = format!("left out: {}\n", made.manifest.left_out.len());
    for (cause, names) in causes {
        let more = if names.len() > 1 { ", ..." } else { "" };
        let _ = writeln!(text, "  {cause:<14}{:>6}  {}{more}", names.len(), names[0].escape_debug());
    }
    if !made.manifest.left_out.is_empty() {
        let _ = writeln!(text, "  each with its reason: {}", made.root.join("dataset.json").display());
    }
    text
}

#[cfg(test)]
mod tests {
    use goodtwin_core::dataset::{DatasetManifest, LeftOut};
    use goodtwin_core::{BagType, ContentId};

    use super::*;

    #[test]
    fn names_of_strangers_are_shown_and_not_obeyed() {
        let manifest = DatasetManifest {
            format: 1,
            id: ContentId::of("rows"),
            parents: BTreeMap::new(),
            split: "by family".into(),
            counts: BTreeMap::from([(BagType::new("to\u{1b}te"), BTreeMap::from([(Split::Train, 2)]))]),
            left_out: vec![LeftOut {
                file_name: "a\u{1b}[2J\nid: forged".into(),
                cause: "empty".into(),
                detail: "empty".into(),
            }],
        };
        let text = summary(&Dataset { root: "d\u{1b}[31m".into(), manifest, rows: vec![] });
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("came to: train 1.00 (2), validation 0.00 (0), test 0.00 (0)"), "{text}");
        assert!(text.contains("a\\u{1b}[2J\\nid: forged") && text.contains("data set: d\\u{1b}[31m"), "{text}");
    }
}
