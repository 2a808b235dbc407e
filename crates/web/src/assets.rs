//! Style, script and icon, compiled in; their addresses change with their bytes, so that browsers may keep them for good.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use goodtwin_core::ContentId;

use crate::Problem;
use crate::segments::Segments;

/// A browser may keep what never changes under its address.
pub const FOREVER: &str = "public, max-age=31536000, immutable";

const ALL: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("../assets/page.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
];

static VERSION: LazyLock<String> =
    LazyLock::new(|| ContentId::of(ALL.map(|(_, _, text)| text).concat()).short().to_string());

/// Where an asset lies now.
pub fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// `GET /assets/{version}/{name}`
pub async fn asset(Segments((version, name)): Segments<(String, String)>) -> Result<Response, Problem> {
    let (_, kind, text) =
        ALL.into_iter().find(|(known, ..)| *known == name && version == *VERSION).ok_or_else(Problem::not_found)?;
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, FOREVER)], text).into_response())
}
