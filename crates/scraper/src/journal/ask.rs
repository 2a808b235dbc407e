//! Questions to the journal: why is this item missing, and what is in which state?

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::fetched::bad_text;
use super::items::ASKED;
use super::{Journal, RunId};
use crate::{Result, State};

/// What the journal knows of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `store/key`.
    pub id: String,
    /// The product page.
    pub url: String,
    /// The title, if one was ever read.
    pub title: Option<String>,
    /// The brand, if one was ever read.
    pub brand: Option<String>,
    /// Where it ended.
    pub state: State,
    /// Why, for a person.
    pub detail: String,
    /// When a listing first named it, and when one last did.
    pub seen: (String, String),
    /// How many runs in a row have missed it.
    pub missed: u32,
    /// Whether the manifest has it, which it may while the store drifts, or for some runs after its page went.
    pub published: bool,
}

const COLUMNS: &str = "items.id, items.url, items.title, items.brand, items.state, items.detail, first.started_at, \
    last.started_at, items.missed, CASE WHEN publications.store IS NULL THEN items.state = 'ok' ELSE published.id IS NOT NULL END \
    FROM items JOIN runs AS first ON first.id = items.first_run JOIN runs AS last ON last.id = items.seen_run \
    LEFT JOIN published ON published.id = items.id LEFT JOIN publications ON publications.store = items.store";

fn known(r: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        id: r.get(0)?,
        url: r.get(1)?,
        title: r.get(2)?,
        brand: r.get(3)?,
        state: r.get::<_, String>(4)?.parse().map_err(|e: String| bad_text(4, e))?,
        detail: r.get(5)?,
        seen: (r.get(6)?, r.get(7)?),
        missed: r.get(8)?,
        published: r.get(9)?,
    })
}

fn key_of(store: &str, id: &str) -> String {
    id.strip_prefix(store).and_then(|key| key.strip_prefix('/')).unwrap_or(id).into()
}

impl Journal {
    /// The items that a person may mean: by address or id, or else all with these words in their id, title or brand.
    pub fn find(&self, words: &str) -> Result<Vec<Known>> {
        let exact = self.select("WHERE items.id = ?1 OR items.url = ?1", &[&words])?;
        if !exact.is_empty() {
            return Ok(exact);
        }
        // SQLite's own `lower` knows ASCII alone.
        let words = words.to_lowercase();
        let mut all = self.select("", &[])?;
        all.retain(|item| {
            let texts = [Some(&item.id), item.title.as_ref(), item.brand.as_ref()];
            texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&words))
        });
        Ok(all)
    }

    /// Some items in this state, those that were listed last before others.
    pub fn examples(&self, state: State, most: u32) -> Result<Vec<Known>> {
        let sql = "WHERE items.state = ?1 ORDER BY items.seen_run DESC, items.id LIMIT ?2";
        self.select(sql, &[&state.word(), &most])
    }

    /// All items in this state, by id.
    pub fn all_in(&self, state: State) -> Result<Vec<Known>> {
        self.select("WHERE items.state = ?1 ORDER BY items.id", &[&state.word()])
    }

    fn select(&self, rest: &str, with: &[&dyn ToSql]) -> Result<Vec<Known>> {
        self.with(|db| db.prepare(&format!("SELECT {COLUMNS} {rest}"))?.query_map(with, known)?.collect())
    }

    /// How many items of each store are in each state.
    pub fn states(&self) -> Result<BTreeMap<String, BTreeMap<State, u32>>> {
        self.with(|db| {
            let mut stores: BTreeMap<String, BTreeMap<State, u32>> = BTreeMap::new();
            let mut rows = db.prepare("SELECT store, state, count(*) FROM items GROUP BY store, state")?;
            for row in rows.query_map([], |r| Ok((r.get(0)?, r.get::<_, String>(1)?, r.get(2)?)))? {
                let (store, state, items): (String, String, u32) = row?;
                let state = state.parse().map_err(|e: String| bad_text(1, e))?;
                stores.entry(store).or_default().insert(state, items);
            }
            Ok(stores)
        })
    }

    /// Why an item's pictures are none: address and sentence, the main one first.
    pub fn bad_pictures(&self, id: &str) -> Result<Vec<(String, String)>> {
        self.with(|db| {
            db.prepare(
                "SELECT images.url, images.detail FROM item_images JOIN images ON images.url = item_images.url \
                 WHERE item_images.item = ?1 AND images.cause IS NOT NULL ORDER BY item_images.position",
            )?
            .query_map([id], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
        })
    }

    /// What was read from a page, as JSON, and the SHA-256 of its bytes.
    pub fn extracted(&self, url: &str) -> Result<Option<(String, String)>> {
        self.with(|db| {
            db.query_row("SELECT extracted, sha256 FROM pages WHERE url = ?1", [url], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()
        })
    }

    /// A store's items in these states: key and address.
    pub fn in_states(&self, store: &str, states: &[State]) -> Result<Vec<(String, String)>> {
        self.with(|db| {
            let mut found = Vec::new();
            let mut rows = db.prepare("SELECT id, url FROM items WHERE store = ?1 AND state = ?2 ORDER BY id")?;
            for state in states {
                for row in rows.query_map(params![store, state.word()], |r| Ok((r.get(0)?, r.get(1)?)))? {
                    let (id, url): (String, String) = row?;
                    found.push((key_of(store, &id), url));
                }
            }
            Ok(found)
        })
    }

    /// A store's items whose key is this one and `~` and something, as those of a page's colours are, but for the retired ones:
    /// key and address. Those that were last seen before the item of this very key was are none of its colours any more: its
    /// page shows one item now. (Or it failed for a version that made an item of such a page: that one goes when it is read.)
    pub fn keyed_after(&self, store: &str, key: &str) -> Result<Vec<(String, String)>> {
        self.with(|db| {
            let mut rows = db.prepare_cached(
                "SELECT id, url FROM items WHERE id > ?1 || '~' AND id < ?1 || char(127) AND state <> 'retired' \
                 AND seen_run >= coalesce((SELECT seen_run FROM items WHERE id = ?1), 0) ORDER BY id",
            )?;
            let item = |r: &Row<'_>| Ok((key_of(store, &r.get::<_, String>(0)?), r.get(1)?));
            rows.query_map([format!("{store}/{key}")], item)?.collect()
        })
    }

    /// Those of a store's items whose key is this one and `~` and something that this run has already dealt with, the retired
    /// ones too: key, address, and how many pictures each asked for.
    pub fn done_after(&self, store: &str, key: &str, run: RunId) -> Result<Vec<(String, String, u32)>> {
        self.with(|db| {
            let mut rows = db.prepare_cached(&format!(
                "SELECT id, url, {ASKED} FROM items WHERE id > ?1 || '~' AND id < ?1 || char(127) AND seen_run = ?2 ORDER BY id"
            ))?;
            let item = |r: &Row<'_>| Ok((key_of(store, &r.get::<_, String>(0)?), r.get(1)?, r.get(2)?));
            rows.query_map(params![format!("{store}/{key}"), run.0], item)?.collect()
        })
    }

    /// The brands of all items that this run saw.
    pub fn brands_of(&self, run: RunId) -> Result<Vec<String>> {
        self.with(|db| {
            db.prepare("SELECT DISTINCT brand FROM items WHERE seen_run = ?1 AND brand IS NOT NULL ORDER BY brand")?
                .query_map([run.0], |r| r.get(0))?
                .collect()
        })
    }
}
