//! An answer that says what went wrong, in words for a shopper: as a page, or as JSON under `/api/`.

use askama::Template;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use goodtwin_imaging::Refusal;
use serde_json::json;

use crate::words::quoted;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A headline.
    pub title: String,
    /// What to do about it.
    pub text: String,
}

/// Seconds after which a client that found the queue full may come back.
const RETRY_AFTER: &str = "5";

impl Problem {
    /// A problem in plain words.
    pub fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Self {
        Problem { status, title: title.into(), text: text.into() }
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
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "That photo is too large", text)
    }

    /// The bytes are no picture that is taken here.
    pub fn refused(refusal: &Refusal) -> Self {
        let (status, title) = match refusal {
            Refusal::Empty => (StatusCode::BAD_REQUEST, "That file is empty"),
            Refusal::NotAnImage { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "That is not a photo"),
            Refusal::Unsupported { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "That kind of photo cannot be read here")
            }
            Refusal::Truncated { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "That photo is cut off"),
            Refusal::TooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "That photo has too many pixels"),
            Refusal::TooSmall { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "That photo is too small"),
            Refusal::Undecodable { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "That photo is damaged"),
        };
        let mut reason = refusal.to_string();
        if let Some(first) = reason.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Problem::new(status, title, format!("{reason}. Please choose another photo."))
    }

    /// As JSON.
    pub fn into_json(self) -> Response {
        let body = json!({"error": {"status": self.status.as_u16(), "title": self.title, "detail": self.text}});
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
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match (Page { title: &self.title, text: &quoted(&self.text) }).render() {
            Ok(html) => self.with_status(Html(html)),
            Err(_) => self.with_status(self.text.clone()),
        }
    }
}
