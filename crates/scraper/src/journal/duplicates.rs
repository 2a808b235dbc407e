//! Items of one store that are one item: their pictures are the same, byte for byte, or the same shot in other bytes.
//!
//! Of such items the first by id stays, but one that the listings still name goes before one that they do not; the others name
//! it. Another colour of a model is another item: fingerprints see colour, and shops say it. The order in which things were
//! fetched plays no part.

use std::collections::BTreeMap;

use goodtwin_core::{BrandName, ContentId, Item, ItemId};
use goodtwin_imaging::Fingerprint;
use goodtwin_imaging::fingerprint::Shots;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fetched::bad_text;
use super::{Journal, RunId};
use crate::Result;

/// An item that may be one with another.
struct Candidate {
    id: String,
    /// Of the hashes of all its whole pictures, in order.
    pictures: ContentId,
    /// Of its first whole picture.
    print: Option<Fingerprint>,
    brand: BrandName,
    colour: Option<BrandName>,
}

impl Candidate {
    /// Whether the same shot makes them one: a brand's models may be shot alike, and a shop may show one photograph for all
    /// colours of a model.
    fn agrees(&self, other: &Candidate) -> bool {
        let colours_differ = self.colour.as_ref().zip(other.colour.as_ref()).is_some_and(|(a, b)| a != b);
        self.brand == other.brand && !colours_differ
    }
}

/// Mark the items of a store that are one with another, and those that are not any more.
pub(super) fn mark(tx: &Connection, store: &str, run: RunId) -> rusqlite::Result<()> {
    let candidates = candidates(tx, store)?;
    let kept = kept(&candidates);
    // What is to be said of an item was written when it was looked at; only of one that was not is it out of date.
    let mut restore = tx.prepare(
        "UPDATE items SET state = 'ok', same_as = NULL, changed_run = ?2, detail = iif(seen_run = ?2, detail, '') \
         WHERE id = ?1 AND state = 'duplicate'",
    )?;
    let mut mark = tx.prepare(
        "UPDATE items SET state = 'duplicate', same_as = ?4, changed_run = iif(state = 'duplicate', changed_run, ?2), \
         detail = ?3 WHERE id = ?1 AND (state <> 'duplicate' OR detail <> ?3 OR same_as IS NOT ?4)",
    )?;
    for (candidate, kept) in candidates.iter().zip(kept) {
        match kept {
            None => restore.execute(params![candidate.id, run.0])?,
            Some((first, how)) => {
                let first = &candidates[first].id;
                mark.execute(params![candidate.id, run.0, format!("{how} as {first}"), first])?
            }
        };
    }
    tx.execute("UPDATE items SET same_as = NULL WHERE store = ?1 AND state <> 'duplicate'", [store]).map(drop)
}

/// Of each candidate, the one that it is one with, if that is another one, and what is the same.
fn kept(candidates: &[Candidate]) -> Vec<Option<(usize, &'static str)>> {
    // Near what is near is not near: only what is kept is compared with.
    let mut shots = Shots::default();
    let mut first_with: BTreeMap<&ContentId, usize> = BTreeMap::new();
    let mut kept: Vec<Option<(usize, &'static str)>> = Vec::with_capacity(candidates.len());
    for (n, candidate) in candidates.iter().enumerate() {
        let same = first_with.get(&candidate.pictures).map(|&first| (first, "the same pictures"));
        let shot = || {
            let mut near = shots.near(candidate.print.as_ref()?).into_iter();
            Some((near.find(|&first| candidates[first].agrees(candidate))?, "the same shot"))
        };
        let one_with = same.or_else(shot);
        if one_with.is_none() {
            first_with.insert(&candidate.pictures, n);
            if let Some(print) = &candidate.print {
                shots.add(n, print);
            }
        }
        kept.push(one_with);
    }
    kept
}

/// In the order in which they go before each other.
fn candidates(tx: &Connection, store: &str) -> rusqlite::Result<Vec<Candidate>> {
    // One at a time: sorted as a whole, all that is said of the items of a large store would be in memory at once.
    let mut in_order = tx.prepare(
        "SELECT id FROM items WHERE store = ?1 AND state IN ('ok', 'duplicate') AND item IS NOT NULL \
         ORDER BY seen_run DESC, id",
    )?;
    let mut look = tx.prepare(
        "SELECT group_concat(images.sha256, ' ' ORDER BY images.sha256), items.item, \
           (SELECT print FROM fingerprints WHERE sha256 = \
             (SELECT i.sha256 FROM item_images AS ii JOIN images AS i ON i.url = ii.url \
              WHERE ii.item = items.id AND i.sha256 IS NOT NULL ORDER BY ii.position LIMIT 1)) \
         FROM items JOIN item_images ON item_images.item = items.id JOIN images ON images.url = item_images.url \
         WHERE items.id = ?1 AND images.sha256 IS NOT NULL GROUP BY items.id",
    )?;
    let mut candidates = Vec::new();
    for id in in_order.query_map([store], |r| r.get::<_, String>(0))? {
        let id = id?;
        let candidate = |r: &Row<'_>| {
            let pictures: String = r.get(0)?;
            let item: Item = serde_json::from_str(&r.get::<_, String>(1)?).map_err(|e| bad_text(1, e))?;
            Ok(Candidate {
                id: id.clone(),
                pictures: ContentId::of(&pictures),
                print: r.get::<_, Option<Vec<u8>>>(2)?.and_then(|bytes| Fingerprint::from_bytes(&bytes)),
                brand: BrandName::new(&item.brand),
                colour: item.colour.as_deref().map(BrandName::new).filter(|colour| !colour.is_empty()),
            })
        };
        candidates.extend(look.query_row([&id], candidate).optional()?);
    }
    Ok(candidates)
}

/// Where an item was offered too, under another id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The other id.
    pub id: ItemId,
    /// The other page.
    pub url: String,
}

impl Journal {
    /// Of each item that others are one with: where it comes from beside its own page, by id.
    pub fn sources(&self) -> Result<BTreeMap<String, Vec<Source>>> {
        self.with(|db| {
            let mut sources: BTreeMap<String, Vec<Source>> = BTreeMap::new();
            let sql = "SELECT same_as, store, id, url FROM items WHERE state = 'duplicate' AND same_as IS NOT NULL ORDER BY id";
            let mut rows = db.prepare(sql)?;
            for row in rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))? {
                let (first, store, id, url): (String, String, String, String) = row?;
                let key = id.strip_prefix(&store).and_then(|key| key.strip_prefix('/')).unwrap_or(&id);
                sources.entry(first).or_default().push(Source { id: ItemId::new(&store, key), url });
            }
            Ok(sources)
        })
    }

    /// The first whole picture of each item of a store whose fingerprint nobody took yet: hash and file ending.
    pub fn without_fingerprints(&self, store: &str) -> Result<Vec<(String, String)>> {
        self.with(|db| {
            db.prepare(
                "SELECT DISTINCT images.sha256, images.extension FROM items JOIN images ON images.url = \
                   (SELECT i.url FROM item_images AS ii JOIN images AS i ON i.url = ii.url \
                    WHERE ii.item = items.id AND i.sha256 IS NOT NULL ORDER BY ii.position LIMIT 1) \
                 WHERE items.store = ?1 AND items.state IN ('ok', 'duplicate') \
                 AND images.sha256 NOT IN (SELECT sha256 FROM fingerprints) ORDER BY images.sha256",
            )?
            .query_map([store], |r| Ok((r.get(0)?, r.get(1)?)))?
            .collect()
        })
    }

    /// Keep fingerprints, by the hash of the picture.
    pub fn put_fingerprints(&mut self, prints: &[(String, Fingerprint)]) -> Result<()> {
        self.transact(|tx| {
            let mut insert =
                tx.prepare_cached("INSERT OR REPLACE INTO fingerprints (sha256, print) VALUES (?1, ?2)")?;
            prints
                .iter()
                .try_for_each(|(sha256, print)| insert.execute(params![sha256, print.to_bytes().as_slice()]).map(drop))
        })
    }
}

#[cfg(test)]
mod tests {
    use goodtwin_imaging::Picture;

    use super::*;

    /// A bag of this colour on white, in this size.
    fn shot(size: u32, colour: [u8; 3]) -> Option<Fingerprint> {
        let pixel = |x: u32, y: u32| {
            let (x, y) = (100 * x / size, 100 * y / size);
            let body = (20..80).contains(&x) && (40..90).contains(&y);
            let handle = (35..65).contains(&x) && (15..45).contains(&y) && !(42..58).contains(&x);
            if body || handle { colour.map(|c| c - (x / 4) as u8) } else { [255; 3] }
        };
        let pixels = (0..size).flat_map(|y| (0..size).flat_map(move |x| pixel(x, y))).collect();
        Some(Fingerprint::of(&Picture::new(size, size, pixels)))
    }

    fn candidate(id: &str, print: Option<Fingerprint>, colour: Option<&str>) -> Candidate {
        let colour = colour.map(BrandName::new);
        Candidate { id: id.into(), pictures: ContentId::of(id), print, brand: BrandName::new("Kind"), colour }
    }

    #[test]
    fn the_same_shot_in_other_bytes_is_one_item_and_another_colour_is_another() {
        let (brown, green) = ([120, 80, 60], [60, 120, 60]);
        let all = [
            candidate("a", shot(200, brown), None),
            candidate("b", shot(160, brown), Some("Brown")),
            candidate("c", shot(200, green), None),
            candidate("d", shot(180, brown), Some("Green")),
            candidate("e", None, None),
        ];
        let one_with = |n: usize| kept(&all)[n].map(|(first, _)| first);
        assert_eq!([one_with(0), one_with(1), one_with(2), one_with(4)], [None, Some(0), None, None]);
        // `a` says no colour, so `d` agrees with it.
        assert_eq!(one_with(3), Some(0));
        let said = [candidate("b", shot(160, brown), Some("Brown")), candidate("d", shot(180, brown), Some("Green"))];
        assert_eq!(kept(&said)[1], None, "a photograph for all colours of a model");
    }

    #[test]
    fn the_same_bytes_are_one_item_whatever_is_said() {
        let mut all = [candidate("a", None, Some("Brown")), candidate("b", None, Some("Green"))];
        all[1].pictures = all[0].pictures.clone();
        assert_eq!(kept(&all)[1], Some((0, "the same pictures")));
    }
}
