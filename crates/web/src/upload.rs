//! A multipart body in, the photo's bytes out.

use std::time::Duration;

use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use crate::Problem;

/// The form's field that holds the photo.
pub const FIELD: &str = "photo";
/// A body may be this many times as large as a photo: a browser shows our answer only if it could send all that it had.
pub const DRAINED: usize = 4;
/// A body that brings nothing for so long is given up: only so many are received at a time, and it keeps another one out.
pub const SILENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// So is one that after that time has brought fewer bytes a second than this on the mean: in the half minute that a request has, it
/// would come to 120 kB.
pub const PACE: usize = 4 << 10;

/// The bytes of the field `photo`; other fields are read over.
///
/// # Errors
/// 415 for a body that is no multipart form, 400 for one that is broken or has no photo, 408 for one that falls silent or trickles,
/// 413 for a photo over the cap.
pub async fn photo(form: Result<Multipart, MultipartRejection>, cap_mib: usize) -> Result<Bytes, Problem> {
    let mut form = form.map_err(|rejection| match rejection {
        MultipartRejection::InvalidBoundary(_) => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "That is not a form", "Expected multipart/form-data.")
        }
        other => Problem::new(other.status(), "That is not a form", other.body_text()),
    })?;
    let mut pace = Pace { begun: Instant::now(), received: 0 };
    while let Some(field) = pace.soon(form.next_field(), cap_mib).await? {
        let is_photo = field.name() == Some(FIELD);
        // A browser sends a form whose file was not chosen with an empty name and no bytes.
        let chosen = field.file_name().is_none_or(|name| !name.is_empty());
        let bytes = read(field, &mut pace, cap_mib).await?;
        if is_photo {
            return match bytes {
                Some(bytes) if bytes.is_empty() && !chosen => Err(no_photo()),
                Some(bytes) => Ok(bytes),
                None => Err(Problem::too_large(cap_mib)),
            };
        }
    }
    Err(no_photo())
}

/// How fast a body comes.
struct Pace {
    begun: Instant,
    received: usize,
}

impl Pace {
    /// What the body brings next.
    async fn soon<T>(
        &self,
        next: impl Future<Output = Result<T, MultipartError>>,
        cap_mib: usize,
    ) -> Result<T, Problem> {
        let now = Instant::now();
        let slow = self.begun + SILENCE.max(Duration::from_secs_f64(self.received as f64 / PACE as f64));
        let until = slow.min(now + SILENCE);
        let late = |_| {
            let (title, text) = if until - now > SILENCE / 2 {
                ("The photo stopped arriving", "Nothing more of the photo arrived for a while. Please send it again.")
            } else {
                (
                    "The photo took too long",
                    "It came too slowly to wait for. A smaller copy of it finds the same twins.",
                )
            };
            Problem::new(StatusCode::REQUEST_TIMEOUT, title, text)
        };
        timeout_at(until, next).await.map_err(late)?.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(cap_mib),
            _ => Problem::new(StatusCode::BAD_REQUEST, "The photo did not arrive whole", "Please send it again."),
        })
    }
}

/// All of a field, or none if it is larger than the cap; the rest is then read and dropped.
async fn read(mut field: Field<'_>, pace: &mut Pace, cap_mib: usize) -> Result<Option<Bytes>, Problem> {
    let cap = cap_mib << 20;
    let mut bytes = Some(BytesMut::new());
    while let Some(chunk) = pace.soon(field.chunk(), cap_mib).await? {
        pace.received += chunk.len();
        bytes = bytes.filter(|b| b.len() + chunk.len() <= cap);
        if let Some(bytes) = &mut bytes {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes.map(BytesMut::freeze))
}

fn no_photo() -> Problem {
    let text = "Choose a photo of a bag first, then press the button.";
    Problem::new(StatusCode::BAD_REQUEST, "No photo yet", text)
}
