//! What was fetched: pages, pictures and robots.txt, each with what it takes to ask whether it changed.

use goodtwin_core::{ContentId, ItemImage};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::{Journal, RunId};
use crate::Result;

/// What a server gave to ask it later whether something changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRow {
    /// The store that it belongs to.
    pub store: String,
    /// The run that last asked for it.
    pub run: RunId,
    /// To ask whether it changed.
    pub validators: Validators,
    /// The SHA-256 of its decoded body.
    pub sha256: ContentId,
    /// How many bytes that has, if it was written down.
    pub bytes: Option<i64>,
    /// The extractor and store file that read it, and as what.
    pub recipe: String,
    /// What was read from it, as JSON.
    pub extracted: String,
}

/// A picture that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    /// The run that last asked for it.
    pub run: RunId,
    /// To ask whether it changed.
    pub validators: Validators,
    /// The picture, or why there is none: a word and a sentence.
    pub outcome: Result<ItemImage, (String, String)>,
}

/// What a host's robots.txt was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotsRow {
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// `rules`, `allow-all` or `disallow-all`.
    pub outcome: String,
    /// The file, where there are rules.
    pub body: Vec<u8>,
}

impl Journal {
    /// The page at this address, if it was ever read.
    pub fn page(&self, url: &str) -> Result<Option<PageRow>> {
        self.with(|db| {
            db.prepare_cached(
                "SELECT store, run, etag, last_modified, sha256, recipe, extracted, bytes FROM pages WHERE url = ?1",
            )?
            .query_row([url], |r| {
                Ok(PageRow {
                    store: r.get(0)?,
                    run: RunId(r.get(1)?),
                    validators: Validators { etag: r.get(2)?, last_modified: r.get(3)? },
                    sha256: content_id(r, 4)?,
                    bytes: r.get(7)?,
                    recipe: r.get(5)?,
                    extracted: r.get(6)?,
                })
            })
            .optional()
        })
    }

    /// A page was read, or found unchanged.
    pub fn put_page(&mut self, url: &str, page: &PageRow, now: Timestamp) -> Result<()> {
        self.transact(|tx| {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO pages \
                 (url, store, run, fetched_at, etag, last_modified, sha256, recipe, extracted, bytes) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                url,
                page.store,
                page.run.0,
                now.to_string(),
                page.validators.etag,
                page.validators.last_modified,
                page.sha256.as_str(),
                page.recipe,
                page.extracted,
                page.bytes
            ])
            .map(drop)
        })
    }

    /// The picture at this address, if it was ever asked for.
    pub fn image(&self, url: &str) -> Result<Option<ImageRow>> {
        self.with(|db| {
            db.prepare_cached(
                "SELECT run, etag, last_modified, sha256, extension, width, height, cause, detail FROM images WHERE url = ?1",
            )?
            .query_row([url], |r| {
                let outcome = match r.get::<_, Option<String>>(7)? {
                    Some(cause) => Err((cause, r.get(8)?)),
                    None => Ok(ItemImage {
                        sha256: content_id(r, 3)?,
                        url: url.into(),
                        extension: r.get(4)?,
                        width: r.get(5)?,
                        height: r.get(6)?,
                    }),
                };
                Ok(ImageRow {
                    run: RunId(r.get(0)?),
                    validators: Validators { etag: r.get(1)?, last_modified: r.get(2)? },
                    outcome,
                })
            })
            .optional()
        })
    }

    /// A picture was fetched and lies on the disk, or was refused.
    pub fn put_image(&mut self, url: &str, image: &ImageRow, now: Timestamp) -> Result<()> {
        let (whole, bad) = match &image.outcome {
            Ok(whole) => (Some(whole), None),
            Err(bad) => (None, Some(bad)),
        };
        self.transact(|tx| {
            // Not `INSERT OR REPLACE`: items refer to this row.
            tx.prepare_cached(
                "INSERT INTO images (url, run, fetched_at, etag, last_modified, sha256, extension, width, height, cause, detail) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
                 ON CONFLICT (url) DO UPDATE SET (run, fetched_at, etag, last_modified, sha256, extension, width, height, \
                 cause, detail) = (excluded.run, excluded.fetched_at, excluded.etag, excluded.last_modified, \
                 excluded.sha256, excluded.extension, excluded.width, excluded.height, excluded.cause, excluded.detail)",
            )?
            .execute(params![
                url,
                image.run.0,
                now.to_string(),
                image.validators.etag,
                image.validators.last_modified,
                whole.map(|w| w.sha256.as_str()),
                whole.map(|w| &w.extension),
                whole.map(|w| w.width),
                whole.map(|w| w.height),
                bad.map(|b| &b.0),
                bad.map(|b| &b.1)
            ])
            .map(drop)
        })
    }

    /// What this origin's robots.txt was, if it was ever asked.
    pub fn robots(&self, origin: &str) -> Result<Option<RobotsRow>> {
        self.with(|db| {
            db.query_row("SELECT fetched_at, outcome, body FROM robots WHERE origin = ?1", [origin], |r| {
                Ok(RobotsRow {
                    fetched_at: r.get::<_, String>(0)?.parse().map_err(|e| bad_text(0, e))?,
                    outcome: r.get(1)?,
                    body: r.get(2)?,
                })
            })
            .optional()
        })
    }

    /// An origin's robots.txt was asked for.
    pub fn put_robots(&mut self, origin: &str, robots: &RobotsRow) -> Result<()> {
        self.transact(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO robots (origin, fetched_at, outcome, body) VALUES (?1, ?2, ?3, ?4)",
                params![origin, robots.fetched_at.to_string(), robots.outcome, robots.body],
            )
            .map(drop)
        })
    }
}

pub(super) fn content_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ContentId> {
    ContentId::try_from(row.get::<_, String>(column)?).map_err(|e| bad_text(column, e))
}

pub(super) fn bad_text(
    column: usize,
    source: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, source.into())
}
