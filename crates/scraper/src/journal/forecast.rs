//! What earlier runs measured of a store, to say what the next one costs.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::ContentId;
use rusqlite::params;

use super::Journal;
use super::fetched::bad_text;
use crate::Result;
use crate::fetch::host_of;

/// What is known of a store's pages and pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Addresses of the pages that were read.
    pub pages: BTreeSet<String>,
    /// The mean of their decoded bytes.
    pub page_bytes: Option<f64>,
    /// The pictures that each item asks for, by its key.
    pub pictures: BTreeMap<String, Vec<String>>,
    /// How many that are on the mean, of items that have any.
    pub pictures_an_item: Option<f64>,
    /// Those that are whole, and where they lie below the folder of images.
    pub whole: BTreeMap<String, String>,
    /// The host that most of them come from.
    pub picture_host: Option<String>,
}

impl Journal {
    /// What is known of a store.
    pub fn measured(&self, store: &str) -> Result<Measured> {
        self.with(|db| {
            let mut measured = Measured::default();
            let mut pages = db.prepare("SELECT url FROM pages WHERE store = ?1")?;
            measured.pages = pages.query_map([store], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
            let mean = "SELECT avg(bytes) FROM pages WHERE store = ?1 AND url IN (SELECT url FROM items)";
            measured.page_bytes = db.query_row(mean, [store], |r| r.get(0))?;
            let mut rows = db.prepare(
                "SELECT items.id, images.url, images.sha256, images.extension FROM items \
                 JOIN item_images ON item_images.item = items.id JOIN images ON images.url = item_images.url \
                 WHERE items.store = ?1 ORDER BY items.id, item_images.position",
            )?;
            let mut hosts: BTreeMap<String, u32> = BTreeMap::new();
            let mut rows = rows.query(params![store])?;
            while let Some(r) = rows.next()? {
                let (id, url): (String, String) = (r.get(0)?, r.get(1)?);
                let key = id.strip_prefix(store).and_then(|key| key.strip_prefix('/')).unwrap_or(&id);
                measured.pictures.entry(key.to_string()).or_default().push(url.clone());
                if let Ok(address) = url.parse() {
                    *hosts.entry(host_of(&address)).or_default() += 1;
                }
                if let Some(sha256) = r.get::<_, Option<String>>(2)? {
                    let sha256 = ContentId::try_from(sha256).map_err(|e| bad_text(2, e))?;
                    let extension: String = r.get(3)?;
                    measured.whole.insert(url, format!("{}/{sha256}.{extension}", &sha256.as_str()[..2]));
                }
            }
            let asked: usize = measured.pictures.values().map(Vec::len).sum();
            let items = measured.pictures.len();
            measured.pictures_an_item = (items > 0).then(|| asked as f64 / items as f64);
            measured.picture_host = hosts.into_iter().max_by_key(|(_, n)| *n).map(|(host, _)| host);
            Ok(measured)
        })
    }

    /// The decoded bytes of each page that is known, by address.
    pub fn page_bytes(&self) -> Result<BTreeMap<String, u64>> {
        self.with(|db| {
            db.prepare("SELECT url, coalesce(bytes, 0) FROM pages")?
                .query_map([], |r| Ok((r.get(0)?, u64::try_from(r.get::<_, i64>(1)?).unwrap_or_default())))?
                .collect()
        })
    }
}
