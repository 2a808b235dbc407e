//! All that a request can reach, and the routes to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use goodtwin_imaging::Picture;
use goodtwin_inference::{Catalog, Encoder};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::bench::Bench;
use crate::queries::{QueryId, QueryStore};
use crate::upload::DRAINED;
use crate::{Problem, Result, ServeConfig, api, assets, headers, pages};

/// From the end of a request's header to the answer: the upload, the wait in the queue, and the network.
const REQUEST: Duration = Duration::from_secs(30);

/// What comes from outside: the time, and randomness.
#[derive(Clone)]
pub struct Surroundings {
    /// Now.
    pub now: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// 128 bits that nobody can guess, if the system has any.
    pub random: Arc<dyn Fn() -> Option<u128> + Send + Sync>,
}

impl Surroundings {
    /// The system's clock and randomness.
    pub fn system() -> Self {
        let random = || {
            let mut bits = [0; 16];
            SysRng.try_fill_bytes(&mut bits).ok().map(|()| u128::from_le_bytes(bits))
        };
        Surroundings { now: Arc::new(Instant::now), random: Arc::new(random) }
    }
}

/// One catalogue, served.
pub struct App {
    pub(crate) catalog: Catalog,
    pub(crate) config: ServeConfig,
    pub(crate) bench: Bench,
    pub(crate) queries: QueryStore,
    surroundings: Surroundings,
}

impl App {
    /// Serve a catalogue with the network that made it.
    ///
    /// # Errors
    /// Exit 65 when another network, or another preprocessing, made the catalogue; what a first embedding says.
    pub fn new(catalog: Catalog, encoder: Encoder, config: ServeConfig, surroundings: Surroundings) -> Result<Self> {
        catalog.check_model(&encoder)?;
        let app = App { catalog, config, bench: Bench::new(encoder), queries: QueryStore::default(), surroundings };
        app.warm_up()?;
        Ok(app)
    }

    /// Embed one picture, so that a GPU chooses its kernels now, and not while the first shopper waits. It is made up, since one
    /// of the catalogue may be too thin to be a photo; and so it does not matter what the network sees in it.
    fn warm_up(&self) -> Result<()> {
        let picture = Picture::new(64, 64, (0..64 * 64 * 3).map(|n| n as u8).collect());
        (self.bench.encoder.embed)(&[picture]).map_err(goodtwin_inference::Error::from)?;
        Ok(())
    }

    /// The routes.
    pub fn router(self) -> Router {
        routes(Arc::new(self))
    }

    pub(crate) fn now(&self) -> Instant {
        (self.surroundings.now)()
    }

    pub(crate) fn fresh_id(&self) -> std::result::Result<QueryId, Problem> {
        (self.surroundings.random)().map(QueryId).ok_or_else(|| Problem::internal("the system has no randomness"))
    }
}

fn routes(app: Arc<App>) -> Router {
    let body_cap = app.config.upload_mib.saturating_mul(DRAINED << 20);
    Router::new()
        .route("/", get(pages::home))
        .route("/about", get(pages::about))
        .route("/twins", get(pages::start_again).post(pages::upload))
        .route("/twins/{id}", get(pages::twins_of_photo))
        .route("/twins/{id}/photo.jpg", get(pages::preview))
        .route("/like/{picture}", get(pages::twins_of_picture))
        .route("/like/{picture}/{item}", get(pages::twins_of_offer))
        .route("/pictures/{name}", get(pages::picture))
        .route("/assets/{version}/{name}", get(assets::asset))
        .route("/api/twins", post(api::twins))
        .route("/healthz", get(api::health))
        .fallback(async |request: Request| problem_for(request.uri().path(), Problem::not_found()))
        .method_not_allowed_fallback(async |request: Request| {
            let (method, path) = (request.method(), request.uri().path());
            // axum adds the header `Allow`, but only to what this gives back.
            let expected = if path.ends_with("/twins") { "POST" } else { "GET" };
            let text = format!("{method} is not possible at this address: expected {expected}.");
            problem_for(path, Problem::new(StatusCode::METHOD_NOT_ALLOWED, "That does not work here", text))
        })
        .layer(DefaultBodyLimit::max(body_cap))
        .layer(from_fn(in_time))
        .layer(from_fn(headers::strict))
        .with_state(app)
}

fn problem_for(path: &str, problem: Problem) -> Response {
    if path.starts_with("/api/") { problem.into_json() } else { problem.into_response() }
}

async fn in_time(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // Whoever knows the address of a photo's twins sees the photo, so that the log names the route.
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let (method, started) = (request.method().clone(), Instant::now());
    let response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = "The photo did not arrive, or was not done with, in half a minute. Please try again.";
            problem_for(&path, Problem::new(StatusCode::REQUEST_TIMEOUT, "That took too long", text))
        }
    };
    let status = response.status().as_u16();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    tracing::info!(%method, route, status, ms = started.elapsed().as_millis() as u64, "answered");
    response
}

#[cfg(test)]
mod tests;
