//! The end of a store's part of a run: does what was found look like what was found before, and what of it is published?

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::fetched::bad_text;
use super::{Journal, RunId, items};
use crate::drift::{self, Drop, Fall, Field, Fill, Health};
use crate::{Result, State};

/// How a store's part of a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// Its listings were read to their end, so that who is missing can be told.
    pub whole: bool,
    /// Only items in some states were asked for, again.
    pub retry: bool,
    /// A person looked at what fell, and takes it as it is.
    pub accept_drop: bool,
}

/// What the last run saw of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How full the fields were.
    pub now: Health,
    /// What had fallen.
    pub drops: Vec<Drop>,
}

impl Journal {
    /// A store's items of this run are all in the journal. If they look like those of its last runs, who is missing is told,
    /// twins become one, and the store's part of the manifest is theirs; else the manifest keeps what it had, and the drops
    /// are returned.
    ///
    /// Items that are asked for again are those that lack something: it is the whole store that looks like before or does not. And
    /// whoever asks again for what is gone makes it miss no run.
    pub fn end_store(&mut self, store: &str, run: RunId, ending: Ending) -> Result<Vec<Drop>> {
        self.transact(|tx| {
            if !ending.retry {
                items::miss_gone(tx, store, run)?;
            }
            let now = health(tx, store, (!ending.retry).then_some(run))?;
            let drops = drift::drops(&last_healths(tx, store, run)?, &now, ending.whole);
            if !drops.is_empty() && !ending.accept_drop {
                count_ended(tx, store, run)?;
                return Ok(drops);
            }
            // What a whole run is accepted with, the next ones are held against.
            if ending.whole {
                if !drops.is_empty() {
                    tx.execute("DELETE FROM health WHERE store = ?1", [store])?;
                }
                items::close(tx, store, run)?;
                put_health(tx, store, run, &now)?;
            }
            publish(tx, store, run)?;
            // Once twins are one: else they are `ok` in the run that finds them, and in no later one.
            count_ended(tx, store, run)?;
            Ok(vec![])
        })
    }

    /// Whether far fewer items of a store are `ok` in this run than in the one before. Only runs that drift is told by are
    /// compared: they saw all of the store, and were taken as they are.
    pub fn fall(&self, store: &str, run: RunId) -> Result<Option<Fall>> {
        self.with(|db| {
            let mut runs =
                db.prepare("SELECT DISTINCT run FROM health WHERE store = ?1 AND run <= ?2 ORDER BY run DESC LIMIT 2")?;
            let runs: Vec<i64> =
                runs.query_map(params![store, run.0], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            match runs[..] {
                [now, before] if now == run.0 => {
                    Ok(Fall::between(ended_in(db, store, before)?, ended_in(db, store, now)?))
                }
                _ => Ok(None),
            }
        })
    }

    /// The last run that saw anything of a store, and what had fallen by then; nothing, if none did.
    pub fn last_look(&self, store: &str) -> Result<Option<Look>> {
        self.with(|db| {
            let run = "SELECT max(seen_run) FROM items WHERE store = ?1";
            let Some(run) = db.query_row(run, [store], |r| r.get::<_, Option<i64>>(0))?.map(RunId) else {
                return Ok(None);
            };
            let now = health(db, store, None)?;
            // A run whose fields were written down was taken as it is.
            let taken =
                db.prepare("SELECT 1 FROM health WHERE store = ?1 AND run = ?2")?.exists(params![store, run.0])?;
            let drops = if taken { vec![] } else { drift::drops(&last_healths(db, store, run)?, &now, false) };
            Ok(Some(Look { now, drops }))
        })
    }

    /// How many pictures of items are none, by cause.
    pub fn refused_pictures(&self) -> Result<BTreeMap<String, i64>> {
        self.with(|db| {
            db.prepare(
                "SELECT cause, count(*) FROM images WHERE cause IS NOT NULL AND url IN (SELECT url FROM item_images) GROUP BY cause",
            )?
            .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
        })
    }

    /// How many items of each store ended in each state, over all runs.
    pub fn ended_ever(&self) -> Result<BTreeMap<(String, String), i64>> {
        self.with(|db| {
            db.prepare("SELECT store, state, sum(items) FROM ended GROUP BY store, state")?
                .query_map([], |r| Ok(((r.get(0)?, r.get(1)?), r.get(2)?)))?
                .collect()
        })
    }
}

fn count_ended(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM ended WHERE run = ?1 AND store = ?2", params![run.0, store])?;
    tx.execute(
        "INSERT INTO ended (run, store, state, items) \
         SELECT ?1, store, state, count(*) FROM items WHERE store = ?2 AND seen_run = ?1 GROUP BY state",
        params![run.0, store],
    )
    .map(drop)
}

/// How many items of a store ended in each state in a run.
fn ended_in(db: &Connection, store: &str, run: i64) -> rusqlite::Result<BTreeMap<State, u32>> {
    db.prepare("SELECT state, items FROM ended WHERE store = ?1 AND run = ?2")?
        .query_map(params![store, run], |r| {
            let state = r.get::<_, String>(0)?.parse().map_err(|e: String| bad_text(0, e))?;
            Ok((state, r.get(1)?))
        })?
        .collect()
}

/// How full the fields are of the items that a run saw; without one, of all that the listings still name.
fn health(db: &Connection, store: &str, run: Option<RunId>) -> rusqlite::Result<Health> {
    let mut rows = db.prepare(
        "SELECT fields, count(*) FROM items \
         WHERE store = ?1 AND iif(?2 IS NULL, missed = 0, seen_run = ?2) GROUP BY fields",
    )?;
    let rows = rows.query_map(params![store, run.map(|run| run.0)], |r| {
        Ok((r.get::<_, Option<String>>(0)?, r.get::<_, u32>(1)?))
    })?;
    let mut health = Health::default();
    let mut read = 0;
    let mut filled: BTreeMap<Field, u32> = BTreeMap::new();
    for row in rows {
        let (fields, items) = row?;
        health.items += items;
        let Some(fields) = fields else { continue };
        read += items;
        for field in Field::ALL.into_iter().filter(|field| fields.split(' ').any(|word| word == field.word())) {
            *filled.entry(field).or_default() += items;
        }
    }
    for field in Field::ALL {
        let fill = match field {
            Field::Page => Fill { filled: read, total: health.items },
            _ => Fill { filled: filled.get(&field).copied().unwrap_or_default(), total: read },
        };
        health.fills.insert(field, fill);
    }
    Ok(health)
}

/// The word under which the number of items is kept beside the fields.
const ITEMS: &str = "items";

fn put_health(tx: &Connection, store: &str, run: RunId, health: &Health) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO health (store, run, field, filled, total) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![store, run.0, ITEMS, health.items, health.items])?;
    for (field, fill) in &health.fills {
        insert.execute(params![store, run.0, field.word(), fill.filled, fill.total])?;
    }
    Ok(())
}

/// Those of the last runs that are in the journal, the newest first.
fn last_healths(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<Vec<Health>> {
    let mut rows = tx.prepare(
        "SELECT run, field, filled, total FROM health WHERE store = ?1 AND run IN \
         (SELECT DISTINCT run FROM health WHERE store = ?1 AND run < ?2 ORDER BY run DESC LIMIT ?3)",
    )?;
    let rows = rows.query_map(params![store, run.0, drift::RUNS as i64], |r| {
        Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, Fill { filled: r.get(2)?, total: r.get(3)? }))
    })?;
    let mut healths: BTreeMap<i64, Health> = BTreeMap::new();
    for row in rows {
        let (run, word, fill) = row?;
        let health = healths.entry(run).or_default();
        match Field::ALL.into_iter().find(|field| field.word() == word) {
            Some(field) => drop(health.fills.insert(field, fill)),
            None => health.items = fill.total,
        }
    }
    Ok(healths.into_values().rev().collect())
}

/// An item whose page was there yesterday and is not today is not gone yet.
fn publish(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM published WHERE store = ?1", [store])?;
    tx.execute(
        "INSERT INTO published (id, store, item) SELECT id, store, item FROM items \
         WHERE store = ?1 AND item IS NOT NULL AND state IN (?2, ?3)",
        params![store, State::Ok.word(), State::Gone.word()],
    )?;
    tx.execute("INSERT OR REPLACE INTO publications (store, run) VALUES (?1, ?2)", params![store, run.0]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goodtwin_core::{ContentId, Item, ItemId};
    use jiff::Timestamp;

    use super::*;
    use crate::journal::items::{ItemOutcome, Read};

    const WHOLE: Ending = Ending { whole: true, retry: false, accept_drop: false };
    const NONE: [&str; 0] = [];
    const RETRY: Ending = Ending { whole: false, retry: true, accept_drop: false };

    fn outcome(n: usize, priced: bool) -> ItemOutcome {
        let id = ItemId::new("s", &format!("{n:03}"));
        let mut fields = Field::ALL[1..].to_vec();
        if !priced {
            fields.retain(|field| *field != Field::Price);
        }
        let json = format!(
            r#"{{"id":"{id}","store":"s","url":"u","title":"t","brand":"b","bag_type":null,"family":null,"colour":null,
            "price":null,"price_text":null,"condition":"new","availability":"unknown","rating":null,"images":[]}}"#
        );
        ItemOutcome {
            store: "s".into(),
            url: format!("http://s/{id}"),
            state: if priced { State::Ok } else { State::NoPrice },
            detail: String::new(),
            item: priced.then(|| serde_json::from_str::<Item>(&json).unwrap()),
            images: vec![],
            read: Some(Read { fields: fields.into_iter().collect(), ..Read::default() }),
            id,
        }
    }

    /// One run over these items.
    fn run(journal: &mut Journal, outcomes: &[ItemOutcome], ending: Ending) -> Vec<&'static str> {
        let run = journal.begin_run(&ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        for outcome in outcomes {
            journal.put_item(run, outcome).unwrap();
        }
        let drops = journal.end_store("s", run, ending).unwrap();
        journal.finish_run(run, Timestamp::UNIX_EPOCH).unwrap();
        drops.iter().map(Drop::word).collect()
    }

    /// One run over so many items, so many of which have a price.
    fn scrape(journal: &mut Journal, items: usize, priced: usize, ending: Ending) -> Vec<&'static str> {
        let outcomes: Vec<_> = (0..items).map(|n| outcome(n, n < priced)).collect();
        run(journal, &outcomes, ending)
    }

    #[test]
    fn a_store_that_drifts_keeps_its_items_until_somebody_accepts() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let offered = |journal: &Journal| journal.ok_items().unwrap().len();
        assert_eq!(scrape(&mut journal, 60, 59, WHOLE), Vec::<&str>::new());
        assert_eq!(offered(&journal), 59);
        for _ in 0..4 {
            assert_eq!(scrape(&mut journal, 60, 24, WHOLE), ["price"], "it does not get used to it");
            assert_eq!(offered(&journal), 59);
        }
        assert_eq!(journal.last_look("s").unwrap().unwrap().drops.len(), 1);
        let accepting = Ending { accept_drop: true, ..WHOLE };
        assert_eq!(scrape(&mut journal, 60, 24, accepting), Vec::<&str>::new());
        assert_eq!(offered(&journal), 24);
        assert_eq!(scrape(&mut journal, 60, 24, WHOLE), Vec::<&str>::new(), "that is how it is now");
        assert_eq!(journal.last_look("s").unwrap().unwrap().drops, []);
    }

    #[test]
    fn a_store_with_most_items_gone_drifts_and_retires_none_of_them() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 60, 60, WHOLE);
        for _ in 0..4 {
            assert_eq!(scrape(&mut journal, 20, 20, WHOLE), ["items"]);
        }
        assert_eq!(journal.ok_items().unwrap().len(), 60);
        assert_eq!(journal.all_in(State::Retired).unwrap(), []);
        let partly = Ending { whole: false, ..WHOLE };
        assert_eq!(scrape(&mut journal, 20, 20, partly), Vec::<&str>::new(), "half a list says nothing of the rest");
        assert_eq!(journal.ok_items().unwrap().len(), 60);
    }

    #[test]
    fn one_404_is_no_farewell_and_three_are() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 3, 3, WHOLE);
        let gone = ItemOutcome { state: State::Gone, detail: "404".into(), item: None, read: None, ..outcome(1, true) };
        let states = [State::Gone, State::Gone, State::Retired, State::Retired];
        for (state, offered) in states.into_iter().zip([3, 3, 2, 2]) {
            let run = journal.begin_run(&ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
            for outcome in [outcome(0, true), gone.clone(), outcome(2, true)] {
                journal.put_item(run, &outcome).unwrap();
            }
            assert_eq!(journal.end_store("s", run, WHOLE).unwrap(), []);
            journal.finish_run(run, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(journal.find("s/001").unwrap()[0].state, state);
            assert_eq!(journal.ok_items().unwrap().len(), offered);
        }
        scrape(&mut journal, 3, 3, WHOLE);
        assert_eq!(journal.ok_items().unwrap().len(), 3, "back again");
    }

    #[test]
    fn a_retry_is_no_drift_and_what_it_finds_is_published() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 60, 50, WHOLE);
        let again: Vec<_> = (50..60).map(|n| outcome(n, n == 59)).collect();
        assert_eq!(run(&mut journal, &again, RETRY), NONE, "that nine of ten have no price is why they are asked for");
        assert_eq!(journal.ok_items().unwrap().len(), 51);
        assert_eq!(scrape(&mut journal, 60, 20, WHOLE), ["price"], "the whole store is held against whole runs");
    }

    #[test]
    fn a_retry_publishes_nothing_of_a_store_that_drifted_and_takes_no_measure() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 60, 59, WHOLE);
        scrape(&mut journal, 60, 24, WHOLE);
        assert_eq!(run(&mut journal, &[outcome(24, true)], RETRY), ["price"]);
        assert_eq!(journal.ok_items().unwrap().len(), 59);
        let accepting = Ending { accept_drop: true, ..RETRY };
        assert_eq!(run(&mut journal, &[outcome(25, true)], accepting), NONE);
        assert_eq!(journal.ok_items().unwrap().len(), 26);
        assert_eq!(scrape(&mut journal, 60, 26, WHOLE), ["price"], "a retry is no run that others are held against");
    }

    #[test]
    fn asking_again_for_what_is_gone_makes_it_miss_no_run() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 3, 3, WHOLE);
        let gone = ItemOutcome { state: State::Gone, detail: "404".into(), item: None, read: None, ..outcome(1, true) };
        for _ in 0..4 {
            assert_eq!(run(&mut journal, std::slice::from_ref(&gone), RETRY), NONE);
            let known = &journal.find("s/001").unwrap()[0];
            assert_eq!((known.state, known.missed, known.published), (State::Gone, 0, true));
        }
    }

    #[test]
    fn an_item_that_was_not_offered_is_not_offered_when_its_page_is_gone() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        for state in [State::Duplicate, State::NoImage, State::Truncated, State::TooSmall] {
            run(&mut journal, &[ItemOutcome { state, ..outcome(1, true) }], WHOLE);
            assert_eq!(journal.ok_items().unwrap().len(), 0, "{state}");
            run(&mut journal, &[ItemOutcome { state: State::Gone, item: None, read: None, ..outcome(1, true) }], WHOLE);
            assert_eq!(journal.find("s/001").unwrap()[0].state, State::Gone);
            assert_eq!(journal.ok_items().unwrap().len(), 0, "{state}");
        }
    }

    #[test]
    fn what_ended_is_counted_over_all_runs_and_once_a_run() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        scrape(&mut journal, 10, 9, WHOLE);
        scrape(&mut journal, 10, 9, WHOLE);
        let run = journal.newest_run().unwrap().unwrap();
        journal.end_store("s", run, WHOLE).unwrap();
        let ever = journal.ended_ever().unwrap();
        let count = |state: &str| ever[&("s".to_string(), state.to_string())];
        assert_eq!((count("ok"), count("no-price")), (18, 2));
    }

    #[test]
    fn a_store_whose_brands_are_not_good_enough_any_more_publishes_none_of_them_and_it_is_said() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let fall = |journal: &Journal| {
            let fall = journal.fall("s", journal.newest_run().unwrap().unwrap()).unwrap();
            fall.map(|fall| fall.to_string())
        };
        let below = |n| ItemOutcome { state: State::BelowRating, item: None, ..outcome(n, true) };
        scrape(&mut journal, 20, 20, WHOLE);
        assert_eq!(fall(&journal), None, "a first run fell from nothing");
        // Half a list, or what was asked for again, is held against nothing, and nothing is held against it.
        for ending in [RETRY, Ending { whole: false, ..WHOLE }] {
            run(&mut journal, &[below(0), below(1)], ending);
            assert_eq!(fall(&journal), None);
        }
        let rated_down: Vec<_> = (0..20).map(|n| if n < 18 { below(n) } else { outcome(n, true) }).collect();
        assert_eq!(run(&mut journal, &rated_down, WHOLE), NONE, "its pages are as full as before");
        assert_eq!(fall(&journal).as_deref(), Some("20 -> 2 items ok; below-rating 0 -> 18"));
        assert_eq!(journal.ok_items().unwrap().len(), 2, "what was rated down does not stay");
        run(&mut journal, &rated_down, WHOLE);
        assert_eq!(fall(&journal), None, "that is how it was");
    }

    #[test]
    fn an_older_journal_is_brought_up_to_date_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crawl.sqlite");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        db.execute_batch(
            "INSERT INTO runs VALUES (1, 'c', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z');
             INSERT INTO items VALUES ('s/a', 's', 'u', 'no-price', 'why', NULL, 1, 1, 1, 0, 0);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(db);
        let error = Journal::open_to_read(&path).err().unwrap();
        assert!(error.to_string().contains("the next `goodtwin scrape` brings it up to date"), "{error}");
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.find("s/a").unwrap()[0].detail, "why");
    }
}
