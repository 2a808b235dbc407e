//! Pictures: fetched, checked whole, kept under their hash, written down.
//!
//! A picture that is whole and on the disk is never asked for again under the same address: shops give a changed picture a
//! new address. One that was bad is asked for again in each run, by its validators if it has any.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use goodtwin_core::{ContentId, ItemImage, atomic};
use goodtwin_imaging::Fingerprint;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use url::Url;

use crate::State;
use crate::extract::refuses_ai;
use crate::fetch::{Answer, FetchError};
use crate::governor::NoTurn;
use crate::journal::fetched::{ImageRow, Validators};
use crate::store_run::{StoreEnd, StoreRun};

/// Pictures that are in memory at once while they are looked at.
const FINGERPRINTS_AT_ONCE: usize = 16;

/// A picture, or why there is none: a word to count by and a sentence.
pub type Picture = Result<ItemImage, (String, String)>;

/// A picture's row, and how it looks from far away.
type Checked = (ImageRow, Option<Fingerprint>);

/// The pictures that are being fetched now, by address: who needs one of them waits for it instead of fetching it too. What
/// was fetched before stands in the journal.
#[derive(Default)]
pub(crate) struct AtWork(Mutex<HashMap<String, Arc<OnceCell<Picture>>>>);

impl AtWork {
    fn pictures(&self) -> MutexGuard<'_, HashMap<String, Arc<OnceCell<Picture>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoreRun<'_> {
    /// The picture at an address, from the journal or from the shop; one that is `first` with its fingerprint. Its row is in
    /// the journal when this returns.
    pub(crate) async fn picture(&self, url: &str, first: bool) -> Result<Picture, StoreEnd> {
        let cell = Arc::clone(self.pictures.pictures().entry(url.into()).or_default());
        let picture = cell.get_or_try_init(|| self.fetch_picture(url, first)).await?.clone();
        self.pictures.pictures().remove(url);
        Ok(picture)
    }

    async fn fetch_picture(&self, url: &str, first: bool) -> Result<Picture, StoreEnd> {
        let key = url.to_string();
        let known = self.journal.look(move |journal| journal.image(&key)).await?;
        let images_dir = self.config.out.join("images");
        let mut validators = Validators::default();
        if let Some(known) = &known {
            match &known.outcome {
                Ok(image) if images_dir.join(image.file_name()).is_file() => return Ok(known.outcome.clone()),
                Ok(_) => {} // the file was taken away: fetch it anew
                Err(_) if known.run == self.run => return Ok(known.outcome.clone()),
                Err(_) => validators = known.validators.clone(),
            }
        }
        let (row, print) = match self.ask_for_picture(url, &validators).await {
            Ok(answer) if answer.not_modified => match known {
                Some(known) => (ImageRow { run: self.run, ..known }, None),
                None => self.bad(Validators::default(), "blocked", format!("{url}: answered 304 to a first request")),
            },
            Ok(answer) => self.check_and_keep(url, answer, &images_dir, first).await?,
            Err(e) => {
                let (cause, detail) = cause_of(e)?;
                self.bad(Validators::default(), cause, detail)
            }
        };
        let (key, kept) = (url.to_string(), row.clone());
        self.journal
            .with(move |journal| {
                if kept.outcome.is_ok() {
                    journal.tells_of_files_under(&images_dir)?;
                }
                if let (Ok(image), Some(print)) = (&kept.outcome, print) {
                    journal.put_fingerprints(&[(image.sha256.to_string(), print)])?;
                }
                journal.put_image(&key, &kept, Timestamp::now())
            })
            .await?;
        Ok(row.outcome)
    }

    async fn ask_for_picture(&self, url: &str, validators: &Validators) -> Result<Answer, FetchError> {
        let address: Url = url
            .parse()
            .map_err(|e: url::ParseError| FetchError::Unreachable { url: url.into(), reason: e.to_string() })?;
        self.fetcher.image(&address, self.manners(), validators).await
    }

    async fn check_and_keep(
        &self,
        url: &str,
        answer: Answer,
        images_dir: &Path,
        first: bool,
    ) -> Result<Checked, StoreEnd> {
        let robots_tags = answer.robots_tags();
        let Answer { body, validators, .. } = answer;
        if robots_tags.iter().any(|tag| refuses_ai(tag, self.agent())) {
            let detail = format!("{url}: X-Robots-Tag: {}", robots_tags.join(", "));
            return Ok(self.bad(validators, "noai", detail));
        }
        let (url, images_dir) = (url.to_string(), images_dir.to_path_buf());
        let checked = tokio::task::spawn_blocking(move || {
            let (format, picture) = match goodtwin_imaging::decode(&body) {
                Ok(decoded) => decoded,
                Err(refusal) => return Ok((Err((refusal.cause().to_string(), format!("{url}: {refusal}"))), None)),
            };
            let image = ItemImage {
                sha256: ContentId::of(&body),
                url,
                extension: format.extension().into(),
                width: picture.width(),
                height: picture.height(),
            };
            // Before its row: a row says that the file is there. One that is there already may be what a loss of power left.
            let path = images_dir.join(image.file_name());
            if !std::fs::read(&path).is_ok_and(|there| there == body) {
                atomic::write_unsynced(&path, &body)?;
            }
            Ok::<_, goodtwin_core::Error>((Ok(image), first.then(|| Fingerprint::of(&picture))))
        });
        let checked = checked.await.map_err(|e| crate::Error::Internal(format!("checking a picture: {e}")))?;
        let (outcome, print) = checked.map_err(crate::Error::Core)?;
        Ok((ImageRow { run: self.run, validators, outcome }, print))
    }

    /// Look at pictures from far away that nobody looked at yet, so that the same shot in other bytes is known: those that
    /// were fetched for another item, which had others before them.
    pub(crate) async fn take_fingerprints(&self) -> Result<(), StoreEnd> {
        let store = self.store.file.name.clone();
        let pictures = self.journal.look(move |journal| journal.without_fingerprints(&store)).await?;
        for some in pictures.chunks(FINGERPRINTS_AT_ONCE) {
            let images_dir = self.config.out.join("images");
            let look = |(sha256, extension): &(String, String)| {
                let path = images_dir.join(&sha256[..2]).join(format!("{sha256}.{extension}"));
                let sha256 = sha256.clone();
                tokio::task::spawn_blocking(move || {
                    // A file that was taken away since is fetched anew by the next run.
                    let picture = goodtwin_imaging::Picture::decode(&std::fs::read(path).ok()?).ok()?;
                    Some((sha256, Fingerprint::of(&picture)))
                })
            };
            let looked = futures::future::join_all(some.iter().map(look)).await;
            let prints: Vec<_> = looked.into_iter().filter_map(|done| done.ok().flatten()).collect();
            self.journal.with(move |journal| journal.put_fingerprints(&prints)).await?;
        }
        Ok(())
    }

    fn bad(&self, validators: Validators, cause: &str, detail: String) -> Checked {
        (ImageRow { run: self.run, validators, outcome: Err((cause.into(), detail)) }, None)
    }
}

/// The word for a picture that could not be fetched; what is no fault of the picture's ends the store's part of the run.
fn cause_of(error: FetchError) -> Result<(&'static str, String), StoreEnd> {
    let cause = match &error {
        FetchError::Robots { .. } => "robots",
        FetchError::Status { status: 404 | 410, .. } => "gone",
        FetchError::Cut { .. } => "truncated",
        FetchError::TooLarge { .. } => "too-large",
        // The picture's host may be another one than the shop's, and that one is never asked.
        FetchError::NoTurn(NoTurn::TooSlow { .. }) => "blocked",
        FetchError::NoTurn(NoTurn::Stopping | NoTurn::Stalled { .. }) | FetchError::Fatal(_) => {
            return Err(error.into());
        }
        _ => "blocked",
    };
    Ok((cause, error.to_string()))
}

/// The state of an item none of whose pictures is whole, by the cause of its main one.
pub(crate) fn state_without_pictures(cause: &str) -> State {
    match cause {
        "truncated" => State::Truncated,
        "not-an-image" => State::NotAnImage,
        "too-small" => State::TooSmall,
        "robots" => State::Robots,
        "noai" => State::NoAi,
        _ => State::NoImage,
    }
}
