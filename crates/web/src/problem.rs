//! An answer that says what went wrong, in words for a shopper: as a page, or as JSON under `/api/`.

use askama::Template;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use goodtwin_imaging::Refusal;
use serde_json::json;

use crate::words::{capital, quoted};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A headline.
    pub title: String,
    /// What to do about it.
    pub text: String,
    /// The cause as a programmer says it, where that says more.
    pub cause: Option<String>,
    /// Its page has a form for another photo, of so many MB at most.
    pub upload_mib: Option<usize>,
}

/// Seconds after which a client that found the queue full may come back.
const RETRY_AFTER: &str = "5";

impl Problem {
    /// A problem in plain words.
    pub fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Problem { status, title: title.into(), text: text.into(), cause: None, upload_mib: None }
    }

    /// With a form for another photo on its page.
    #[must_use]
    pub fn with_upload(self, cap_mib: usize) -> Self {
        Problem { upload_mib: Some(cap_mib), ..self }
    }

    /// Something is wrong on this side; the log says what.
    pub fn internal(why: impl std::fmt::Display) -> Self {
        tracing::error!("a request failed: {why}");
        let text = "That was our fault, not yours. Please try again; if it happens again, the log says why.";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong here", text)
    }

    /// More photos are waiting than can be looked at soon.
    pub fn busy() -> Self {
        let text = "Many photos are being looked at right now. Please try again in a few seconds.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Busy just now", text)
    }

    /// There is nothing at this address.
    pub fn not_found() -> Self {
        Problem::new(StatusCode::NOT_FOUND, "There is nothing here", "The address may be mistyped, or out of date.")
    }

    /// The photo is larger than the cap.
    pub fn too_large(mib: usize) -> Self {
        let text = format!("Photos may have up to {mib} MB. A smaller copy of yours finds the same twins.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "This photo is too large", text)
    }

    /// The bytes are no picture that is taken here.
    pub fn refused(refusal: &Refusal) -> Self {
        let (status, title, text) = match refusal {
            Refusal::Empty => {
                (StatusCode::BAD_REQUEST, "This file is empty", "There is nothing in it. Please choose another photo.")
            }
            Refusal::NotAnImage { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "This file is not a photo",
                "Please choose one that is: JPEG, PNG, WebP or GIF.",
            ),
            Refusal::Unsupported { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "This kind of photo cannot be read here",
                "Please choose a photo that is a JPEG, PNG, WebP or GIF; most programs that show yours can save it as one.",
            ),
            Refusal::Truncated { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "This photo is cut off",
                "Its end is missing. Please save or copy it anew, or choose another one.",
            ),
            Refusal::TooLarge { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "This photo has too many pixels",
                "It is larger than can be looked at here. A smaller copy of it finds the same twins.",
            ),
            Refusal::TooSmall { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "This photo is too small",
                "It has too few pixels to see a bag in. Please choose a larger one.",
            ),
            Refusal::Undecodable { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "This photo is damaged",
                "Something in its file is broken, so that it cannot be shown. Please choose another photo.",
            ),
        };
        Problem { cause: Some(refusal.to_string()), ..Problem::new(status, title, text) }
    }

    /// As JSON. A program is told the cause as well.
    pub fn into_json(self) -> Response {
        let detail = match &self.cause {
            Some(cause) => format!("{} ({cause})", self.text),
            None => self.text.clone(),
        };
        let body = json!({"error": {"status": self.status.as_u16(), "title": self.title, "detail": detail}});
        self.with_status(Json(body))
    }

    fn with_status(&self, body: impl IntoResponse) -> Response {
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    title: &'a str,
    text: &'a str,
    cause: Option<String>,
    upload_mib: Option<usize>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = Page {
            title: &self.title,
            text: &quoted(&self.text),
            cause: self.cause.as_deref().map(|cause| capital(&quoted(cause))),
            upload_mib: self.upload_mib,
        };
        match page.render() {
            Ok(html) => self.with_status(Html(html)),
            Err(_) => self.with_status(self.text.clone()),
        }
    }
}
