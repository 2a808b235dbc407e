//! What became of each item.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::{Item, ItemId};
use rusqlite::{Connection, OptionalExtension, params};

use super::fetched::bad_text;
use super::{Journal, RunId, duplicates};
use crate::drift::Field;
use crate::{Error, Result, State};

/// How many runs in a row an item may be out of its shop's listings before it is retired.
const RETIRED_AFTER: i64 = 3;

/// How many pictures an item asked for: those of one whose page is gone are what it was.
pub(super) const ASKED: &str =
    "(SELECT count(*) FROM item_images WHERE item = items.id AND items.state NOT IN ('gone', 'retired'))";

/// An item at the end of its way through one run.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemOutcome {
    /// `store/key`.
    pub id: ItemId,
    /// The store's name.
    pub store: String,
    /// The product page.
    pub url: String,
    /// Where it ended.
    pub state: State,
    /// Why, for a person.
    pub detail: String,
    /// What was read, where that was enough for an item.
    pub item: Option<Item>,
    /// All pictures that it asked for, whole or not, the main one first. Each has its row in the journal already.
    pub images: Vec<String>,
    /// What its page said, whatever state it ended in; nothing where no page was read.
    pub read: Option<Read>,
}

/// What was read of an item, to find it by and to tell drift by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Its title.
    pub title: Option<String>,
    /// Its brand.
    pub brand: Option<String>,
    /// The fields that it has, [`Field::Page`] not among them.
    pub fields: BTreeSet<Field>,
}

/// What a store's part of a run counted as it went, to hold the journal against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Items that its listings name, one a colour, or that there were to ask for again.
    pub items: u32,
    /// Pictures that these asked for.
    pub pictures: u32,
}

/// What one store's part of a run came to, counted from the journal alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All items that the journal knows of the store, each in one state. Equals `new + unchanged + changed + unseen`.
    pub items: u32,
    /// Seen for the first time.
    pub new: u32,
    /// Seen, and just as it was.
    pub unchanged: u32,
    /// Seen, and different from what it was.
    pub changed: u32,
    /// Known from earlier runs, and not seen in this one.
    pub unseen: u32,
    /// Items by the state that they are in.
    pub states: BTreeMap<State, u32>,
    /// Pictures that items asked for. Equals `images_ok` and the sum of `images_bad`.
    pub images: u32,
    /// Those of the items that this run read: of one whose page is gone, the journal keeps what it was.
    pub images_asked: u32,
    /// Those that are whole.
    pub images_ok: u32,
    /// The others, by cause.
    pub images_bad: BTreeMap<String, u32>,
}

impl Tally {
    /// Check that nothing was lost or counted twice; `counted` is what there must be, where the store's listings were read to
    /// their end.
    ///
    /// # Errors
    /// [`Error::Internal`] (exit 70) with the two sums that differ: a mistake of ours, and no figure of this run is to be trusted.
    pub fn reconcile(&self, store: &str, counted: Option<Counted>) -> Result<()> {
        let seen = self.new + self.unchanged + self.changed;
        let bad = self.images_bad.values().sum::<u32>();
        let counted = counted.unwrap_or(Counted { items: seen, pictures: self.images_asked });
        let equal = |what: &str, left: u32, right: u32| match left == right {
            true => Ok(()),
            false => {
                Err(Error::Internal(format!("the totals of {store} do not reconcile: {what}: {left} and {right}")))
            }
        };
        equal("items that were listed, and those that ended in a state", counted.items, seen)?;
        equal("items, and those seen and unseen", self.items, seen + self.unseen)?;
        equal("pictures that were asked for, and those written down", counted.pictures, self.images_asked)?;
        equal("pictures, and those that are whole and bad", self.images, self.images_ok + bad)
    }
}

impl Journal {
    /// Where this run has already dealt with the item: how many pictures it asked for.
    pub fn done(&self, id: &ItemId, run: RunId) -> Result<Option<u32>> {
        self.with(|db| {
            db.prepare_cached(&format!("SELECT {ASKED} FROM items WHERE id = ?1 AND seen_run = ?2"))?
                .query_row(params![id.as_str(), run.0], |r| r.get(0))
                .optional()
        })
    }

    /// An item ended: its row and its pictures, in one transaction.
    pub fn put_item(&mut self, run: RunId, outcome: &ItemOutcome) -> Result<()> {
        let mut json = outcome
            .item
            .as_ref()
            .map(|item| serde_json::to_string(item).expect("our own types have string keys and serialise"));
        let read = outcome.read.as_ref();
        self.transact(|tx| {
            let before = tx
                .prepare_cached("SELECT state, item, changed_run, missed, missed_run FROM items WHERE id = ?1")?
                .query_row([outcome.id.as_str()], |r| {
                    let (state, item): (String, Option<String>) = (r.get(0)?, r.get(1)?);
                    Ok((state, item, r.get::<_, i64>(2)?, r.get::<_, i64>(3)?, r.get::<_, i64>(4)?))
                })
                .optional()?;
            let mut state = outcome.state.word();
            let (mut changed_run, mut missed, mut missed_run) = (run.0, 0, 0);
            let mut detail = outcome.detail.clone();
            let mut keeps_what_it_was = false;
            if let Some((old_state, old_json, old_changed, old_missed, old_missed_run)) = before {
                // One 404 is no farewell: what was offered yesterday is kept for as long as an item that no listing names. How
                // many runs that is, the store's end counts.
                let was_offered = [State::Ok, State::Gone, State::Retired].iter().any(|s| s.word() == old_state);
                if outcome.state == State::Gone && was_offered && old_json.is_some() {
                    (missed, missed_run, keeps_what_it_was) = (old_missed, old_missed_run, true);
                    json.clone_from(&old_json);
                    if missed >= RETIRED_AFTER {
                        state = State::Retired.word();
                        detail = format!("its page was gone in {missed} runs: {detail}");
                    }
                }
                // Whether it still is a duplicate is decided when the whole store has been seen.
                if old_state == State::Duplicate.word() && outcome.state == State::Ok {
                    state = State::Duplicate.word();
                }
                if old_state == state && old_json == json {
                    changed_run = old_changed;
                }
            }
            tx.prepare_cached(
                "INSERT INTO items (id, store, url, state, detail, item, first_run, changed_run, seen_run, missed, missed_run, \
                 title, brand, fields) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7, ?9, ?10, ?11, ?12, ?13) \
                 ON CONFLICT (id) DO UPDATE SET (store, url, state, detail, item, changed_run, seen_run, missed, missed_run, \
                 title, brand, fields) = \
                 (excluded.store, excluded.url, excluded.state, excluded.detail, excluded.item, excluded.changed_run, \
                 excluded.seen_run, excluded.missed, excluded.missed_run, coalesce(excluded.title, title), \
                 coalesce(excluded.brand, brand), excluded.fields)",
            )?
            .execute(params![
                outcome.id.as_str(),
                outcome.store,
                outcome.url,
                state,
                detail,
                json,
                run.0,
                changed_run,
                missed,
                missed_run,
                read.and_then(|read| read.title.as_ref()),
                read.and_then(|read| read.brand.as_ref()),
                read.map(|read| read.fields.iter().map(|field| field.word()).collect::<Vec<_>>().join(" ")),
            ])?;
            if keeps_what_it_was {
                return Ok(());
            }
            tx.prepare_cached("DELETE FROM item_images WHERE item = ?1")?.execute([outcome.id.as_str()])?;
            let mut insert = tx.prepare_cached("INSERT INTO item_images (item, position, url) VALUES (?1, ?2, ?3)")?;
            for (position, url) in outcome.images.iter().enumerate() {
                insert.execute(params![outcome.id.as_str(), position as i64, url])?;
            }
            Ok(())
        })
    }

    /// Forget an item whose page shows several colours, each of which is an item.
    pub fn drop_item(&mut self, id: &ItemId) -> Result<()> {
        self.transact(|tx| {
            for rows in [
                "DELETE FROM item_images WHERE item = ?1",
                "DELETE FROM quarantine WHERE item = ?1",
                "DELETE FROM items WHERE id = ?1",
            ] {
                tx.prepare_cached(rows)?.execute([id.as_str()])?;
            }
            Ok(())
        })
    }

    /// A store's listings were read to their end: items that they do not name any more have missed one run more, those that
    /// missed three are retired, and items with the same pictures become one.
    pub fn close_store(&mut self, store: &str, run: RunId) -> Result<()> {
        self.transact(|tx| close(tx, store, run))
    }

    /// What the stores give to the manifest, sorted by id: what each published last, or, of one that never did, its items in
    /// state `ok`.
    pub fn ok_items(&self) -> Result<Vec<Item>> {
        self.with(|db| {
            db.prepare(
                "SELECT item FROM (SELECT id, item FROM published UNION ALL SELECT id, item FROM items \
                 WHERE state = 'ok' AND store NOT IN (SELECT store FROM publications)) ORDER BY id",
            )?
            .query_map([], |r| serde_json::from_str(&r.get::<_, String>(0)?).map_err(|e| bad_text(0, e)))?
            .collect()
        })
    }

    /// Count a store's items and pictures.
    pub fn tally(&self, store: &str, run: RunId) -> Result<Tally> {
        self.with(|db| {
            let mut tally = db.query_row(
                "SELECT count(*), \
                 count(*) FILTER (WHERE seen_run = ?2 AND first_run = ?2), \
                 count(*) FILTER (WHERE seen_run = ?2 AND changed_run < ?2), \
                 count(*) FILTER (WHERE seen_run = ?2 AND changed_run = ?2 AND first_run < ?2), \
                 count(*) FILTER (WHERE seen_run < ?2) \
                 FROM items WHERE store = ?1",
                params![store, run.0],
                |r| {
                    Ok(Tally {
                        items: r.get(0)?,
                        new: r.get(1)?,
                        unchanged: r.get(2)?,
                        changed: r.get(3)?,
                        unseen: r.get(4)?,
                        ..Tally::default()
                    })
                },
            )?;
            let mut by_state = db.prepare("SELECT state, count(*) FROM items WHERE store = ?1 GROUP BY state")?;
            let states = by_state.query_map([store], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))?;
            for row in states {
                let (word, count) = row?;
                tally.states.insert(word.parse().map_err(|e: String| bad_text(0, e))?, count);
            }
            tally.images = db.query_row(
                "SELECT count(*) FROM item_images JOIN items ON items.id = item_images.item WHERE items.store = ?1",
                [store],
                |r| r.get(0),
            )?;
            tally.images_asked = db.query_row(
                &format!("SELECT coalesce(sum({ASKED}), 0) FROM items WHERE store = ?1 AND seen_run = ?2"),
                params![store, run.0],
                |r| r.get(0),
            )?;
            let mut by_cause = db.prepare(
                "SELECT images.cause, count(*) FROM item_images JOIN items ON items.id = item_images.item \
                 JOIN images ON images.url = item_images.url WHERE items.store = ?1 GROUP BY images.cause",
            )?;
            let causes = by_cause.query_map([store], |r| Ok((r.get::<_, Option<String>>(0)?, r.get::<_, u32>(1)?)))?;
            for row in causes {
                let (cause, count) = row?;
                match cause {
                    None => tally.images_ok = count,
                    Some(cause) => {
                        tally.images_bad.insert(cause, count);
                    }
                }
            }
            Ok(tally)
        })
    }
}

/// Items whose pages were gone in this run have missed one run more, and those that missed three are retired. Doing it twice is
/// doing it once.
pub(super) fn miss_gone(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE items SET missed = missed + 1, missed_run = ?2 \
         WHERE store = ?1 AND state = 'gone' AND item IS NOT NULL AND seen_run = ?2 AND missed_run < ?2",
        params![store, run.0],
    )?;
    tx.execute(
        "UPDATE items SET state = 'retired', changed_run = ?2, detail = 'its page was gone in ' || missed || ' runs: ' || detail \
         WHERE store = ?1 AND state = 'gone' AND missed >= ?3",
        params![store, run.0, RETIRED_AFTER],
    )
    .map(drop)
}

/// [`Journal::close_store`] within a transaction.
pub(super) fn close(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<()> {
    tx.execute(
        "UPDATE items SET missed = missed + 1, missed_run = ?2 WHERE store = ?1 AND seen_run < ?2 AND missed_run < ?2",
        params![store, run.0],
    )?;
    tx.execute(
        "UPDATE items SET state = 'retired', changed_run = ?2, detail = 'not in the listings of ' || missed || ' runs' \
         WHERE store = ?1 AND missed >= ?3 AND state <> 'retired'",
        params![store, run.0, RETIRED_AFTER],
    )?;
    duplicates::mark(tx, store, run)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goodtwin_core::ItemImage;
    use jiff::Timestamp;

    use super::*;
    use crate::journal::fetched::{ImageRow, Validators};

    fn outcome(key: &str, image: &str, state: State) -> ItemOutcome {
        let id = ItemId::new("s", key);
        let item = Item {
            evaluation_only: false,
            id: id.clone(),
            store: "s".into(),
            url: format!("http://s/{key}"),
            title: key.into(),
            brand: "B".into(),
            bag_type: None,
            family: None,
            colour: None,
            price: None,
            price_text: None,
            condition: goodtwin_core::Condition::New,
            availability: goodtwin_core::Availability::Unknown,
            rating: None,
            images: vec![],
        };
        let (url, detail) = (item.url.clone(), String::new());
        let images = vec![image.into()];
        ItemOutcome { id, store: "s".into(), url, state, detail, item: Some(item), images, read: None }
    }

    fn image(journal: &mut Journal, run: RunId, url: &str, bytes: Option<&str>) {
        let outcome = match bytes {
            Some(bytes) => Ok(ItemImage {
                sha256: goodtwin_core::ContentId::of(bytes),
                url: url.into(),
                extension: "jpg".into(),
                width: 64,
                height: 64,
            }),
            None => Err(("truncated".into(), "cut off".into())),
        };
        journal
            .put_image(url, &ImageRow { run, validators: Validators::default(), outcome }, Timestamp::UNIX_EPOCH)
            .unwrap();
    }

    fn next_run(journal: &mut Journal, last: RunId) -> RunId {
        journal.finish_run(last, Timestamp::UNIX_EPOCH).unwrap();
        journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn a_tally_adds_up_through_new_unchanged_changed_and_retired() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let mut run = journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        image(&mut journal, run, "a.jpg", Some("a"));
        image(&mut journal, run, "b.jpg", Some("b"));
        image(&mut journal, run, "c.jpg", None);
        for (key, picture, state) in
            [("a", "a.jpg", State::Ok), ("b", "b.jpg", State::Ok), ("c", "c.jpg", State::Truncated)]
        {
            journal.put_item(run, &outcome(key, picture, state)).unwrap();
        }
        journal.close_store("s", run).unwrap();
        let tally = journal.tally("s", run).unwrap();
        assert_eq!((tally.items, tally.new, tally.images, tally.images_ok), (3, 3, 3, 2));
        tally.reconcile("s", Some(Counted { items: 3, pictures: 3 })).unwrap();
        let error = tally.reconcile("s", Some(Counted { items: 4, pictures: 3 })).unwrap_err();
        assert_eq!(error.exit_code(), 70);
        assert!(error.to_string().contains("ended in a state: 4 and 3"), "{error}");
        assert_eq!(tally.images_bad, BTreeMap::from([("truncated".into(), 1)]));

        run = next_run(&mut journal, run);
        journal.put_item(run, &outcome("a", "a.jpg", State::Ok)).unwrap();
        let mut cheaper = outcome("b", "b.jpg", State::Ok);
        cheaper.item.as_mut().unwrap().price_text = Some("1 kr".into());
        journal.put_item(run, &cheaper).unwrap();
        // Closing twice, as a run that is gone on with does, counts a missing item once.
        journal.close_store("s", run).unwrap();
        journal.close_store("s", run).unwrap();
        let tally = journal.tally("s", run).unwrap();
        assert_eq!((tally.items, tally.new, tally.unchanged, tally.changed, tally.unseen), (3, 0, 1, 1, 1));
        assert_eq!(tally.states.get(&State::Truncated), Some(&1));

        for _ in 0..2 {
            run = next_run(&mut journal, run);
            journal.close_store("s", run).unwrap();
        }
        let tally = journal.tally("s", run).unwrap();
        assert_eq!(tally.states, BTreeMap::from([(State::Ok, 2), (State::Retired, 1)]));
        assert_eq!(journal.done(&ItemId::new("s", "a"), RunId(2)).unwrap(), Some(1));
        assert_eq!(journal.done(&ItemId::new("s", "a"), run).unwrap(), None);
    }

    #[test]
    fn a_picture_that_the_journal_lost_does_not_reconcile() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let run = journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        image(&mut journal, run, "a.jpg", Some("a"));
        image(&mut journal, run, "b.jpg", None);
        let images = vec!["a.jpg".into(), "b.jpg".into()];
        journal.put_item(run, &ItemOutcome { images, ..outcome("a", "a.jpg", State::Ok) }).unwrap();
        let counted = Some(Counted { items: 1, pictures: 2 });
        let said =
            |journal: &Journal| journal.tally("s", run).unwrap().reconcile("s", counted).unwrap_err().to_string();
        journal.tally("s", run).unwrap().reconcile("s", counted).unwrap();

        let lose = "PRAGMA foreign_keys = OFF; DELETE FROM images WHERE url = 'b.jpg'";
        journal.with(|db| db.execute_batch(lose)).unwrap();
        assert!(said(&journal).contains("whole and bad: 2 and 1"), "{}", said(&journal));
        journal.with(|db| db.execute_batch("DELETE FROM item_images WHERE url = 'b.jpg'")).unwrap();
        assert!(said(&journal).contains("written down: 2 and 1"), "{}", said(&journal));
    }

    #[test]
    fn the_pictures_that_an_item_had_before_its_page_was_gone_were_not_asked_for() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let run = journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        image(&mut journal, run, "a.jpg", Some("a"));
        journal.put_item(run, &outcome("a", "a.jpg", State::Ok)).unwrap();
        let run = next_run(&mut journal, run);
        let gone = ItemOutcome { item: None, images: vec![], ..outcome("a", "", State::Gone) };
        journal.put_item(run, &gone).unwrap();
        let tally = journal.tally("s", run).unwrap();
        assert_eq!((tally.images, tally.images_asked), (1, 0));
        tally.reconcile("s", Some(Counted { items: 1, pictures: 0 })).unwrap();
        assert_eq!(journal.done(&gone.id, run).unwrap(), Some(0));
    }

    #[test]
    fn of_items_with_the_same_pictures_one_that_is_still_listed_stays_and_keeps_its_detail() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let run = journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        image(&mut journal, run, "1.jpg", Some("same"));
        image(&mut journal, run, "2.jpg", Some("same"));
        let mut b = outcome("b", "2.jpg", State::Ok);
        b.detail = "one picture is gone".into();
        journal.put_item(run, &outcome("a", "1.jpg", State::Ok)).unwrap();
        journal.put_item(run, &b).unwrap();
        journal.close_store("s", run).unwrap();
        let run = next_run(&mut journal, run);
        journal.put_item(run, &b).unwrap();
        journal.close_store("s", run).unwrap();
        let ids: Vec<_> = journal.ok_items().unwrap().into_iter().map(|i| i.id.to_string()).collect();
        assert_eq!(ids, ["s/b"], "a is not in the listings any more");
        let said = |journal: &Journal, id: &str| {
            journal
                .with(|db| db.query_row("SELECT detail FROM items WHERE id = ?1", [id], |r| r.get::<_, String>(0)))
                .unwrap()
        };
        assert_eq!(said(&journal, "s/b"), "one picture is gone");
        assert_eq!(said(&journal, "s/a"), "the same pictures as s/b");
        assert_eq!(journal.tally("s", run).unwrap().changed, 1);
    }

    #[test]
    fn items_with_the_same_pictures_become_one_and_stay_so() {
        let mut journal = Journal::open(Path::new(":memory:")).unwrap();
        let mut run = journal.begin_run(&goodtwin_core::ContentId::of("config"), Timestamp::UNIX_EPOCH).unwrap();
        image(&mut journal, run, "1.jpg", Some("same"));
        image(&mut journal, run, "2.jpg", Some("same"));
        for round in 0..2 {
            journal.put_item(run, &outcome("b", "1.jpg", State::Ok)).unwrap();
            journal.put_item(run, &outcome("a", "2.jpg", State::Ok)).unwrap();
            journal.close_store("s", run).unwrap();
            let ids: Vec<_> = journal.ok_items().unwrap().into_iter().map(|i| i.id.to_string()).collect();
            assert_eq!(ids, ["s/a"]);
            let tally = journal.tally("s", run).unwrap();
            assert_eq!(tally.unchanged, if round == 0 { 0 } else { 2 });
            run = next_run(&mut journal, run);
        }
    }
}
