//! `goodtwin runs`: what was trained, two runs side by side, several as one.

use std::path::PathBuf;

use clap::Subcommand;
use goodtwin_core::terminal::{lines, note};
use goodtwin_training::bootstrap::{Bootstrap, Estimate};
use goodtwin_training::recipe::value_shown;
use goodtwin_training::runs::{Compared, Listed, State, compare, list, pool};
use goodtwin_training::seed_group::SeedGroup;

use crate::exit::{Outcome, say};

/// List runs, compare two, or pool those of a cross-validation.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A line a run: data set, recipe, seed, date, what it finds, how far it has come; mean and spread of those that differ in
    /// their seed alone
    List {
        /// The folder of runs
        #[arg(value_name = "DIR", default_value = "checkpoints/runs")]
        dir: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Several runs as one, each with the brands that it held out: the parts of a cross-validation
    Pool {
        /// Runs of one recipe that `goodtwin eval` has measured, which held out different pictures
        #[arg(value_name = "RUN", num_args = 2.., required = true)]
        runs: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Two runs that `goodtwin eval` has measured on the same queries, query by query
    Compare {
        /// The first run
        a: PathBuf,
        /// The second run
        b: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    match args.command {
        Command::List { dir, json } => {
            let runs = list(&dir)?;
            if runs.is_empty() {
                note(format_args!("{}: no runs in this folder", dir.display()));
            }
            match json {
                true => say(serde_json::to_string_pretty(&runs).expect("figures serialise")),
                false if runs.is_empty() => Ok(()),
                false => {
                    let groups: String = SeedGroup::all(&dir).iter().map(seeds).collect();
                    say(lines((table(&runs) + &groups).trim_end()))
                }
            }
        }
        Command::Pool { runs, json } => {
            let pooled = pool(&runs)?;
            match json {
                true => say(serde_json::to_string_pretty(&pooled).expect("figures serialise")),
                false => say(lines(super::eval::describe(&pooled).trim_end())),
            }
        }
        Command::Compare { a, b, json } => {
            let compared = compare(&a, &b, &Bootstrap::default())?;
            match json {
                true => say(serde_json::to_string_pretty(&compared).expect("figures serialise")),
                false => say(lines(describe(&compared).trim_end())),
            }
        }
    }
}

fn table(runs: &[Listed]) -> String {
    let width = runs.iter().map(|r| r.name.chars().count()).max().unwrap_or(0).max(3);
    let mut text = format!(
        "{:<width$}  {:<12}  {:<12}  {:>5}  {:<10}  {:<14}  {:<21}  {}\n",
        "run", "data set", "recipe", "seed", "date", "state", "family Recall@1", "minus the best untouched"
    );
    for run in runs {
        // What a run noted of itself has no interval.
        let found = |found: Estimate| match run.state {
            State::Evaluated => found.to_string(),
            _ => format!("{:.3}", found.value),
        };
        text += &format!(
            "{:<width$}  {:<12}  {:<12}  {:>5}  {:<10}  {:<14}  {:<21}  {}\n",
            run.name,
            run.dataset.as_ref().map_or("-", |id| id.short()),
            run.recipe.as_deref().unwrap_or("-"),
            run.seed.map_or("-".into(), |s| s.to_string()),
            run.written.map_or("-".into(), date),
            run.epoch.map_or(run.state.to_string(), |[epoch, of]| format!("epoch {epoch} of {of}")),
            run.recall_1.map_or("-".into(), found),
            run.difference.map_or("-".into(), |difference| format!("{difference:+}")),
        );
    }
    text
}

/// How the figures of runs spread that differ in their seed alone.
pub fn seeds(group: &SeedGroup) -> String {
    let names: Vec<&str> = group.runs.values().map(String::as_str).collect();
    let mut text = format!("\n{}: {}\n", group.title(), names.join(", "));
    text += &format!("{:<28} {:>8} {:>8}\n", "figure", "mean", "spread");
    for (figure, spread) in &group.figures {
        let deviation = spread.deviation.map_or("-".into(), |d| format!("{d:.4}"));
        text += &format!("{figure:<28} {:>8.4} {deviation:>8}\n", spread.mean);
    }
    text
}

fn figure(estimate: Estimate) -> String {
    format!("{:.3} {}", estimate.value, interval(&estimate))
}

fn interval(estimate: &Estimate) -> String {
    estimate.interval.map_or(String::new(), |[low, high]| format!("[{low:.3}, {high:.3}]"))
}

/// The day in UTC.
fn date(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds as i64).map_or("-".into(), |t| t.strftime("%Y-%m-%d").to_string())
}

fn describe(compared: &Compared) -> String {
    let Compared { a, b, .. } = compared;
    let headline = &compared.figures[0];
    let verdict = match headline.difference.interval {
        Some([low, _]) if low > 0.0 => format!("{b} finds more than {a}"),
        Some([_, high]) if high < 0.0 => format!("{b} finds less than {a}"),
        _ => format!("{a} and {b} cannot be told apart by these queries"),
    };
    let mut text = format!(
        "{verdict}: {} {:+.3} {}\n\n",
        headline.figure,
        headline.difference.value,
        interval(&headline.difference)
    );
    text += &format!("{}: {} queries with a relative\n\n", compared.dataset, compared.queries);
    text += &format!("{:<24} {:<21} {:<21} second minus first\n", "", a, b);
    for pair in &compared.figures {
        let difference = format!("{:+.3} {}", pair.difference.value, interval(&pair.difference));
        text += &format!("{:<24} {:<21} {:<21} {difference}\n", pair.figure, figure(pair.a), figure(pair.b));
    }
    if compared.recipe.is_empty() {
        return text + "\nthe recipes are the same\n";
    }
    text += "\nthe recipes differ in\n";
    for (key, [a, b]) in &compared.recipe {
        text += &format!("{key:<24} {:<21} {}\n", value_shown(a), value_shown(b));
    }
    text
}
