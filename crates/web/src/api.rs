//! The JSON API: `POST /api/twins` and `GET /healthz`.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Multipart, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use goodtwin_inference::Answer;
use serde_json::json;

use crate::filters::{Asked, FilterForm};
use crate::words::capital;
use crate::{App, Problem, upload};

/// `POST /api/twins`: a multipart form with the field `photo`; the page's filters as parameters of the address, and `k`.
pub async fn twins(
    State(app): State<Arc<App>>,
    form: Result<Query<FilterForm>, QueryRejection>,
    body: Result<Multipart, MultipartRejection>,
) -> Response {
    match answer(&app, form, body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_json(),
    }
}

async fn answer(
    app: &App,
    form: Result<Query<FilterForm>, QueryRejection>,
    body: Result<Multipart, MultipartRejection>,
) -> Result<Answer, Problem> {
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, "These filters cannot be read", what);
    let Query(form) = form.map_err(|rejection| bad(rejection.body_text()))?;
    let asked = form.read(&app.catalog, &app.config);
    if !asked.wrong.is_empty() {
        let what: Vec<String> = asked.wrong.into_iter().map(|wrong| wrong.what).collect();
        return Err(bad(capital(&what.join("; "))));
    }
    let query = app.bench.take(upload::photo(body, app.config.upload_mib)).await?;
    let (catalog, exchange) = (&app.catalog, &app.config.exchange);
    let Asked { filters, colour_weight, currency, show, .. } = asked;
    let twins = catalog.search(query.look(), colour_weight, &filters, show, exchange).map_err(Problem::internal)?;
    let (photo, looks_like) = (query.sha256, query.looks_like);
    Ok(Answer::new(catalog, photo, looks_like, &filters, colour_weight, currency, exchange, &twins))
}

/// `GET /healthz`: which catalogue answers.
pub async fn health(State(app): State<Arc<App>>) -> Json<serde_json::Value> {
    let manifest = &app.catalog.manifest;
    Json(json!({"status": "ok", "catalog": manifest.id, "model": manifest.parents.model, "items": manifest.items}))
}
