//! The parts of an address in, as a handler wants them; an address that cannot be read is one where nothing is.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::Problem;

/// What an address says in the places that its route leaves open: axum's [`Path`], but that it answers what cannot be read,
/// such as `%ff`, with a [`Problem`].
pub struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segments) = Path::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        Ok(Segments(segments))
    }
}
