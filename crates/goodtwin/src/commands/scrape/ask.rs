//! `goodtwin scrape why-missing` and `report`: what the journal says.

use std::collections::BTreeMap;
use std::path::Path;

use goodtwin_core::terminal::{one_line, one_line_within};
use goodtwin_core::{Table, config};
use goodtwin_scraper::drift::Field;
use goodtwin_scraper::journal::ask::Known;
use goodtwin_scraper::{Error, JOURNAL, QuietJournal, State};
use jiff::Timestamp;

use crate::exit::{Failure, Outcome, fitted, say};

/// Examples of each state.
const EXAMPLES: u32 = 3;

/// Items that are told of at length; of more, each has a line.
const AT_LENGTH: usize = 3;

fn open(out: &Path) -> Result<QuietJournal, Failure> {
    // The journal is what people give for the crawl's folder.
    if out.is_file() {
        let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let what = format!("{}: a file: expected the crawl's folder, --out {}", out.display(), folder.display());
        return Err(Failure::new(65, what));
    }
    Ok(QuietJournal::open(&out.join(JOURNAL)).map_err(|e| match e {
        Error::Core(goodtwin_core::Error::Missing { path, kind, .. }) => {
            let hint = ": `goodtwin scrape` makes one, --out names another folder".into();
            goodtwin_core::Error::Missing { path, kind, hint }.into()
        }
        e => e,
    })?)
}

/// Why is this item missing?
pub fn why_missing(out: &Path, words: &str) -> Outcome {
    let journal = open(out)?;
    let found = journal.find(words)?;
    if found.is_empty() {
        let all = journal.find("")?;
        let near = config::nearest(words, all.iter().flat_map(|item| [item.id.as_str(), item.url.as_str()]));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Failure::usage(format!("no listing ever named `{words}`{near}")));
    }
    if found.len() > AT_LENGTH {
        let mut table = Table::new(&["ITEM", "STATE", "IN THE MANIFEST", "TITLE", "WHY"]);
        for item in &found {
            let published = if item.published { "yes" } else { "no" };
            let title = one_line_within(item.title.as_deref().unwrap_or_default(), 40);
            table.row(vec![
                item.id.clone(),
                item.state.to_string(),
                published.into(),
                title,
                one_line_within(&item.detail, 80),
            ]);
        }
        return say(fitted(table));
    }
    for item in &found {
        at_length(&journal, item)?;
    }
    Ok(())
}

fn at_length(journal: &QuietJournal, item: &Known) -> Outcome {
    let line = |name: &str, text: &str| say(format_args!("  {name:<8} {}", one_line(text)));
    say(one_line(&item.id))?;
    line("address", &item.url)?;
    for (name, text) in [("title", &item.title), ("brand", &item.brand)] {
        if let Some(text) = text {
            line(name, text)?;
        }
    }
    line("state", item.state.word())?;
    line("means", item.state.meaning())?;
    if !item.detail.is_empty() {
        line("why", &item.detail)?;
    }
    for (_, why) in journal.bad_pictures(&item.id)? {
        line("picture", &why)?;
    }
    line("seen", &format!("first {}, last {}", to_the_second(&item.seen.0), to_the_second(&item.seen.1)))?;
    if item.missed > 0 {
        line("missed", &format!("in {} runs in a row; it is retired after 3", item.missed))?;
    }
    line("manifest", if item.published { "it is in" } else { "it is not in" })
}

/// A time as the journal has it, without what no person asks for.
fn to_the_second(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(|_| time.into(), |time| format!("{time:.0}"))
}

/// Which items are in which state, and some of each.
pub fn states(out: &Path) -> Outcome {
    let journal = open(out)?;
    say(fitted(table_of_states(&journal)?))?;
    for state in State::ALL.iter().copied().filter(|state| *state != State::Ok) {
        let examples = journal.examples(state, EXAMPLES)?;
        if examples.is_empty() {
            continue;
        }
        say(format_args!("\n{state}: {}", state.meaning()))?;
        for item in examples {
            say(format_args!("  {}: {}", one_line(&item.id), one_line(&item.detail)))?;
        }
    }
    Ok(())
}

/// Its sums agree: each row's, each column's, and those with the number of items.
fn table_of_states(journal: &QuietJournal) -> Result<Table, Failure> {
    let stores = journal.states()?;
    let mut total: BTreeMap<State, u32> = BTreeMap::new();
    for (state, items) in stores.values().flatten() {
        *total.entry(*state).or_default() += items;
    }
    let used: Vec<State> = State::ALL.iter().copied().filter(|state| total.contains_key(state)).collect();
    let heads: Vec<&str> = ["store", "items"].into_iter().chain(used.iter().map(|state| state.word())).collect();
    let mut table = Table::new(&heads);
    let row = |name: &str, states: &BTreeMap<State, u32>| {
        let counts = used.iter().map(|state| states.get(state).copied().unwrap_or_default().to_string());
        [name.to_string(), states.values().sum::<u32>().to_string()].into_iter().chain(counts).collect()
    };
    for (store, states) in &stores {
        table.row(row(store, states));
    }
    table.row(row("total", &total));
    Ok(table)
}

/// States, and how full the fields are.
pub fn report(out: &Path) -> Outcome {
    let journal = open(out)?;
    say(fitted(table_of_states(&journal)?))?;
    let heads: Vec<&str> =
        ["store", "listed"].into_iter().chain(Field::ALL.iter().map(|field| field.word())).chain(["drift"]).collect();
    let mut table = Table::new(&heads);
    let mut drifted = 0;
    for store in journal.states()?.into_keys() {
        let Some(looked) = journal.last_look(&store)? else { continue };
        let percent = |field| looked.now.fills.get(field).filter(|fill| fill.total > 0);
        let fills = Field::ALL
            .iter()
            .map(|field| percent(field).map(|fill| format!("{} %", (100.0 * fill.rate()).round())).unwrap_or_default());
        let drops: Vec<String> = looked.drops.iter().map(ToString::to_string).collect();
        drifted += usize::from(!drops.is_empty());
        let row = [store.clone(), looked.now.items.to_string()].into_iter().chain(fills).chain([drops.join("; ")]);
        table.row(row.collect());
    }
    say(format_args!("\n{}", fitted(table)))?;
    let quarantined = journal.all_in(State::Quarantined)?.len();
    if quarantined > 0 {
        say(format_args!("\n{quarantined} items are in quarantine: `goodtwin scrape report --quarantine` lists them"))?;
    }
    if let Some(cut_off) = journal.cut_off()? {
        say(format_args!("\n{cut_off}"))?;
    }
    match drifted {
        0 => Ok(()),
        n => Err(Failure::new(3, format!("{n} stores drifted; the manifest keeps what they had"))),
    }
}

/// The items whose pages contradict themselves: both values, who says them, and where the page lies.
pub fn quarantine(out: &Path) -> Outcome {
    let journal = open(out)?;
    let items = journal.all_in(State::Quarantined)?;
    if items.is_empty() {
        return say("no item is in quarantine");
    }
    let conflicts = journal.quarantined(None)?;
    for item in &items {
        say(format_args!("{}\n  {}", one_line(&item.id), one_line(&item.url)))?;
        let of_item: Vec<_> = conflicts.iter().filter(|row| row.item.as_str() == item.id).collect();
        if of_item.is_empty() {
            say(format_args!("  {}", one_line(&item.detail)))?;
        }
        for row in &of_item {
            say(format_args!("  {}", one_line(&row.conflict.to_string())))?;
        }
        if let Some(row) = of_item.first() {
            say(format_args!("  page: {}", goodtwin_scraper::quarantine::path(out, &row.page).display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_the_journal_or_a_folder_without_one_is_told_of_the_option() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |out: &Path| open(out).err().unwrap();
        let none = refused(dir.path());
        assert_eq!(none.code, 65);
        assert!(none.message.ends_with("`goodtwin scrape` makes one, --out names another folder"), "{}", none.message);
        let journal = dir.path().join(JOURNAL);
        std::fs::write(&journal, "").unwrap();
        let file = refused(&journal);
        assert_eq!(file.code, 65);
        let folder = dir.path().display();
        let expected = format!("{folder}/{JOURNAL}: a file: expected the crawl's folder, --out {folder}");
        assert_eq!(file.message, expected);
    }

    #[test]
    fn times_are_told_to_the_second() {
        assert_eq!(to_the_second("2026-11-23T12:00:01.123456789Z"), "2026-11-23T12:00:01Z");
        assert_eq!(to_the_second("2026-11-23T12:00:01Z"), "2026-11-23T12:00:01Z");
        assert_eq!(to_the_second("once"), "once");
    }
}
