//! What a run came to, as a table whose sums agree.

use std::collections::BTreeMap;
use std::fmt;

use goodtwin_core::Table;
use goodtwin_core::terminal::one_line;

use crate::State;
use crate::drift::{Drop, Fall};
use crate::governor::HostPace;
use crate::journal::items::Tally;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// One a store, in the config's order.
    pub stores: Vec<StoreSummary>,
    /// The run was asked to stop before it was done; the next one goes on with it.
    pub interrupted: bool,
    /// Only items in some states were asked for: the others were not to be seen.
    pub is_retry: bool,
    /// Brands of items that have no rating, each with a rated brand whose name is much like its own.
    pub near_misses: Vec<(String, String)>,
    /// Decoded bytes that were fetched.
    pub fetched_bytes: u64,
    /// How fast each host was asked at the end.
    pub hosts: BTreeMap<String, HostPace>,
}

/// What one store came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSummary {
    /// The store's name.
    pub name: String,
    /// Its items and pictures, counted from the journal.
    pub tally: Tally,
    /// Why it was skipped, or not read to its end.
    pub trouble: Option<String>,
    /// One of its hosts asks to be left alone for now: `trouble` says which. The next run goes on with the rest.
    pub stalled: bool,
    /// What fell since its last runs. While there is any, the manifest keeps what the store had before.
    pub drops: Vec<Drop>,
    /// Far fewer of its items are `ok` than in its last run, and the manifest has no others.
    pub fall: Option<Fall>,
}

impl Summary {
    /// All stores together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.stores.iter().for_each(|store| total.add(&store.tally));
        total
    }

    /// 0; 3 if a store was skipped, not read to its end, or drifted; 69 if not one item of any store could be looked at; 75 if a host
    /// asks to be left alone for now; 130 if the run was interrupted.
    pub fn exit_code(&self) -> u8 {
        let nothing = |s: &StoreSummary| s.trouble.is_some() && s.tally.items == s.tally.unseen;
        match () {
            () if self.interrupted => 130,
            () if self.stores.iter().any(|s| s.stalled) => 75,
            () if !self.stores.is_empty() && self.stores.iter().all(nothing) => 69,
            () if self.stores.iter().any(|s| s.trouble.is_some() || !s.drops.is_empty()) => 3,
            () => 0,
        }
    }
}

/// Numbers alone, so that a row is a line of a terminal; the causes stand below.
const HEADS: [&str; 11] =
    ["store", "items", "new", "unchanged", "changed", "unseen", "ok", "rejected", "images", "ok", "bad"];

fn row(name: &str, tally: &Tally) -> Vec<String> {
    vec![
        name.into(),
        tally.items.to_string(),
        tally.new.to_string(),
        tally.unchanged.to_string(),
        tally.changed.to_string(),
        tally.unseen.to_string(),
        tally.states.get(&State::Ok).copied().unwrap_or_default().to_string(),
        rejected(tally).map(|(_, n)| n).sum::<u32>().to_string(),
        tally.images.to_string(),
        tally.images_ok.to_string(),
        tally.images_bad.values().sum::<u32>().to_string(),
    ]
}

fn rejected(tally: &Tally) -> impl Iterator<Item = (&str, u32)> {
    tally.states.iter().filter(|(state, _)| **state != State::Ok).map(|(state, n)| (state.word(), *n))
}

/// `rejected: 2 robots, 1 no-price; bad images: 1 gone`; empty where there is neither.
fn causes(tally: &Tally) -> String {
    let each = |what: &str, counts: Vec<(&str, u32)>| {
        let counts: Vec<String> = counts.iter().map(|(cause, n)| format!("{n} {cause}")).collect();
        (!counts.is_empty()).then(|| format!("{what}: {}", counts.join(", ")))
    };
    let bad = tally.images_bad.iter().map(|(cause, n)| (cause.as_str(), *n)).collect();
    let both = [each("rejected", rejected(tally).collect()), each("bad images", bad)];
    both.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = HEADS.map(|head| if self.is_retry && head == "unseen" { "not asked" } else { head });
        let mut table = Table::new(&heads);
        for store in &self.stores {
            table.row(row(&store.name, &store.tally));
        }
        table.row(row("total", &self.total()));
        // At the width that was asked for, if one was.
        table.fmt(f)?;
        writeln!(f)?;
        for store in &self.stores {
            let causes = causes(&store.tally);
            if !causes.is_empty() {
                writeln!(f, "{}: {causes}", store.name)?;
            }
            if let Some(fall) = &store.fall {
                writeln!(f, "{}: {fall}", store.name)?;
            }
            if let Some(trouble) = &store.trouble {
                writeln!(f, "{}: not read to its end: {}", store.name, one_line(trouble))?;
            }
            for drop in &store.drops {
                writeln!(f, "{}: drift: {drop}", store.name)?;
            }
            if !store.drops.is_empty() {
                let kept =
                    "the manifest keeps what it had; if that is how the store is now, scrape again with --accept-drop";
                writeln!(f, "{}: {kept}", store.name)?;
            }
        }
        if self.interrupted {
            writeln!(f, "interrupted: these are the items that were done by then; the next run does the rest")?;
        }
        for (brand, like) in &self.near_misses {
            let (brand, like) = (one_line(brand), one_line(like));
            writeln!(f, "{brand} has no rating; {like} has: if they are one brand, add an alias")?;
        }
        Ok(())
    }
}

impl Tally {
    /// Add another store's counts.
    pub fn add(&mut self, other: &Tally) {
        self.items += other.items;
        self.new += other.new;
        self.unchanged += other.unchanged;
        self.changed += other.changed;
        self.unseen += other.unseen;
        self.images += other.images;
        self.images_asked += other.images_asked;
        self.images_ok += other.images_ok;
        add_each(&mut self.states, &other.states);
        add_each(&mut self.images_bad, &other.images_bad);
    }
}

fn add_each<K: Ord + Clone>(to: &mut BTreeMap<K, u32>, from: &BTreeMap<K, u32>) {
    for (key, count) in from {
        *to.entry(key.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_a_terminal_and_a_fall_is_said() {
        let states = [(State::Ok, 1), (State::NoPrice, 1234), (State::BelowRating, 4321), (State::Quarantined, 9)];
        let tally = Tally {
            items: 5565,
            new: 5565,
            states: states.into(),
            images: 9876,
            images_ok: 9875,
            images_bad: [("not-an-image".to_string(), 1)].into(),
            ..Tally::default()
        };
        let store = StoreSummary {
            name: "a-shop-with-a-name".into(),
            tally,
            trouble: None,
            stalled: false,
            drops: vec![],
            fall: Fall::between([(State::Ok, 5555)].into(), states.into()),
        };
        let text = Summary { stores: vec![store], ..Summary::default() }.to_string();
        assert!(text.lines().take(3).all(|line| line.len() <= 100), "{text}");
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[6..], ["1", "5564", "9876", "9875", "1"], "{text}");
        assert!(text.contains("\na-shop-with-a-name: 5555 -> 1 items ok; no-price 0 -> 1234, "), "{text}");
    }

    #[test]
    fn the_table_counts_by_cause_and_names_what_was_skipped() {
        let tally = Tally {
            items: 5,
            new: 3,
            unchanged: 2,
            states: [(State::Ok, 2), (State::NoPrice, 1), (State::Robots, 2)].into(),
            images: 4,
            images_ok: 3,
            images_bad: [("gone".to_string(), 1)].into(),
            ..Tally::default()
        };
        let store = |name: &str, tally: &Tally, trouble: Option<&str>| StoreSummary {
            name: name.into(),
            tally: tally.clone(),
            trouble: trouble.map(String::from),
            stalled: false,
            drops: vec![],
            fall: None,
        };
        let mut summary = Summary {
            stores: vec![store("a", &tally, None), store("b", &Tally::default(), Some("needs a\u{1b}[2Jbrowser"))],
            ..Summary::default()
        };
        let text = summary.to_string();
        assert!(text.contains("\na: rejected: 2 robots, 1 no-price; bad images: 1 gone\nb: not read"), "{text}");
        assert!(text.contains("  unseen  ") && format!("{summary:60}").lines().all(|line| line.len() <= 60), "{text}");
        let again = Summary { is_retry: true, ..summary.clone() }.to_string();
        assert!(again.contains("  not asked  ") && !again.contains("unseen"), "{again}");
        assert!(text.ends_with("b: not read to its end: needs a\u{fffd}[2Jbrowser\n"), "{text}");
        assert_eq!(summary.exit_code(), 3);
        summary.stores.remove(0);
        assert_eq!(summary.exit_code(), 69);
        summary.stores[0].stalled = true;
        assert_eq!(summary.exit_code(), 75);
        assert!(!summary.to_string().contains("interrupted"), "{summary}");
        summary.interrupted = true;
        assert_eq!(summary.exit_code(), 130);
        assert!(summary.to_string().contains("\ninterrupted: these are the items"), "{summary}");
    }
}
