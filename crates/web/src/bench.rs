//! The bench on which photos are decoded and embedded: one at a time, with a bounded queue before it.
//!
//! The network keeps every core busy with one photo, so that two at once would each take twice as long.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use goodtwin_core::ContentId;
use goodtwin_imaging::Picture;
use goodtwin_inference::answer::Guess;
use goodtwin_inference::{Encoder, Error};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Problem;
use crate::queries::Query;
use crate::upload::SILENCE;

/// Bodies that are being received at a time.
pub(crate) const RECEIVING: usize = 32;
/// How long a body waits to be received: until those that have fallen silent, or trickle, are given up.
const WAIT: Duration = SILENCE.saturating_add(Duration::from_secs(1));
/// Photos that wait or are on the bench.
pub(crate) const QUEUE: usize = 16;
/// Longest side of the preview, in pixels, and its JPEG quality.
const PREVIEW: (u32, u8) = (640, 80);

/// Where photos become queries.
pub struct Bench {
    pub(crate) encoder: Encoder,
    receiving: Semaphore,
    queue: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

impl Bench {
    /// A bench with this encoder.
    pub fn new(encoder: Encoder) -> Self {
        Bench {
            encoder,
            receiving: Semaphore::new(RECEIVING),
            queue: Arc::new(Semaphore::new(QUEUE)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether the next body has to wait.
    #[cfg(test)]
    pub(crate) fn receives_all_it_may(&self) -> bool {
        self.receiving.available_permits() == 0
    }

    /// Whether the next photo would be turned away.
    #[cfg(test)]
    pub(crate) fn is_full(&self) -> bool {
        self.queue.available_permits() == 0
    }

    /// Receive a photo and turn it into a query.
    ///
    /// # Errors
    /// 503 when too many are being received or waiting; what `receive` says; the refusal of bytes that are no picture.
    pub async fn take(&self, receive: impl Future<Output = Result<Bytes, Problem>>) -> Result<Query, Problem> {
        let bytes = {
            let waited = timeout(WAIT, self.receiving.acquire()).await.map_err(|_| Problem::busy())?;
            let _receiving = waited.map_err(Problem::internal)?;
            receive.await?
        };
        let place = self.queue.clone().try_acquire_owned().map_err(|_| Problem::busy())?;
        let turn = self.turn.clone().acquire_owned().await.map_err(Problem::internal)?;
        let encoder = self.encoder.clone();
        // Place and turn go along: a client that leaves does not make room before its photo is done with.
        let work = spawn_blocking(move || {
            let query = look(&encoder, &bytes);
            drop((place, turn));
            query
        });
        work.await.map_err(Problem::internal)?
    }
}

fn look(encoder: &Encoder, bytes: &Bytes) -> Result<Query, Problem> {
    let picture = Picture::decode(bytes).map_err(|refusal| Problem::refused(&refusal))?;
    let features = match encoder.embed(std::slice::from_ref(&picture)) {
        Ok(mut features) => features.pop().ok_or_else(|| Problem::internal("one picture, no features"))?,
        Err(Error::Embedding { what, .. }) => {
            tracing::error!("the network failed on a photo: the embedding {what}");
            let text = "The photo was read, but nothing was seen in it. Please choose another one.";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "Nothing to be seen", text));
        }
        Err(e) => return Err(Problem::internal(e)),
    };
    let (longest, quality) = PREVIEW;
    Ok(Query {
        sha256: ContentId::of(bytes),
        looks_like: Guess::all(encoder, &features),
        embedding: features.embedding,
        colour: features.colour,
        preview: picture.thumbnail(longest).to_jpeg(quality).into(),
    })
}
