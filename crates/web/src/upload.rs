//! A multipart body in, the photo's bytes out.

use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};

use crate::Problem;

/// The form's field that holds the photo.
pub const FIELD: &str = "photo";
/// A body may be this many times as large as a photo: a browser shows our answer only if it could send all that it had.
pub const DRAINED: usize = 4;

/// The bytes of the field `photo`; other fields are read over.
///
/// # Errors
/// 415 for a body that is no multipart form, 400 for one that is broken or has no photo, 413 for a photo over the cap.
pub async fn photo(form: Result<Multipart, MultipartRejection>, cap_mib: usize) -> Result<Bytes, Problem> {
    let mut form = form.map_err(|rejection| match rejection {
        MultipartRejection::InvalidBoundary(_) => {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "That is not a form", "Expected multipart/form-data.")
        }
        other => Problem::new(other.status(), "That is not a form", other.body_text()),
    })?;
    let broken = |e: MultipartError| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(cap_mib),
        _ => Problem::new(StatusCode::BAD_REQUEST, "The photo did not arrive whole", "Please send it again."),
    };
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some(FIELD) {
            // A browser sends a form whose file was not chosen with an empty name and no bytes.
            let chosen = field.file_name().is_none_or(|name| !name.is_empty());
            return match read(field, cap_mib << 20).await.map_err(broken)? {
                Some(bytes) if bytes.is_empty() && !chosen => Err(no_photo()),
                Some(bytes) => Ok(bytes),
                None => Err(Problem::too_large(cap_mib)),
            };
        }
    }
    Err(no_photo())
}

/// All of a field, or none if it is larger than the cap; the rest is then read and dropped.
async fn read(mut field: Field<'_>, cap: usize) -> Result<Option<Bytes>, MultipartError> {
    let mut bytes = Some(BytesMut::new());
    while let Some(chunk) = field.chunk().await? {
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
