//! Items whose pages contradict themselves: what is said, by whom, and where the page is kept.

use goodtwin_core::{ContentId, ItemId};
use rusqlite::params;

use super::fetched::content_id;
use super::{Journal, RunId};
use crate::Result;
use crate::extract::conflict::Conflict;

/// Why an item is in quarantine, and the page to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The item.
    pub item: ItemId,
    /// Where its page was fetched.
    pub page_url: String,
    /// The SHA-256 of its page: [`crate::quarantine::path`] says where it is kept.
    pub page: ContentId,
    /// The run that read it.
    pub run: RunId,
    /// What is said in it, and by whom.
    pub conflict: Conflict,
}

impl Journal {
    /// Write down why an item is in quarantine, in place of what stood there; with no conflicts, that it is not any more.
    pub fn put_quarantined(&mut self, item: &ItemId, rows: &[Quarantined]) -> Result<()> {
        self.transact(|tx| {
            tx.prepare_cached("DELETE FROM quarantine WHERE item = ?1")?.execute([item.as_str()])?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO quarantine (item, field, value, source, other_value, other_source, page_url, page_sha256, run) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for row in rows {
                let Conflict { field, value, source, other_value, other_source } = &row.conflict;
                insert.execute(params![
                    row.item.as_str(),
                    field,
                    value,
                    source,
                    other_value,
                    other_source,
                    row.page_url,
                    row.page.as_str(),
                    row.run.0
                ])?;
            }
            Ok(())
        })
    }

    /// Why items are in quarantine that still are, by item and field; of one store, or of all.
    pub fn quarantined(&self, store: Option<&str>) -> Result<Vec<Quarantined>> {
        self.with(|db| {
            let mut rows = db.prepare(
                "SELECT items.store, quarantine.item, field, value, source, other_value, other_source, page_url, page_sha256, run \
                 FROM quarantine JOIN items ON items.id = quarantine.item \
                 WHERE items.state = 'quarantined' AND (?1 IS NULL OR items.store = ?1) ORDER BY quarantine.item, field",
            )?;
            rows.query_map([store], |r| {
                let (store, id): (String, String) = (r.get(0)?, r.get(1)?);
                Ok(Quarantined {
                    item: ItemId::new(&store, id.strip_prefix(&format!("{store}/")).unwrap_or(&id)),
                    conflict: Conflict {
                        field: r.get(2)?,
                        value: r.get(3)?,
                        source: r.get(4)?,
                        other_value: r.get(5)?,
                        other_source: r.get(6)?,
                    },
                    page_url: r.get(7)?,
                    page: content_id(r, 8)?,
                    run: RunId(r.get(9)?),
                })
            })?
            .collect()
        })
    }
}
