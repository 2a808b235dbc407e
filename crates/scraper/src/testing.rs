//! A small server of a test's own.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// What a server answers to a path with its query, and to the request's headers.
pub(crate) type Reply = fn(&str, &HeaderMap) -> Response;

/// What a server was asked for, in order.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// All paths, with their queries.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How often this path was asked for.
    pub(crate) fn times(&self, path: &str) -> usize {
        self.paths().iter().filter(|p| *p == path).count()
    }
}

/// Serve on loopback for as long as the test goes on: the origin, and what it was asked for.
pub(crate) async fn serve(reply: Reply) -> (String, Asked) {
    let asked = Asked::default();
    let answer = async |State((asked, reply)): State<(Asked, Reply)>, request: Request| {
        let path = request.uri().path_and_query().unwrap().to_string();
        asked.0.lock().unwrap().push(path.clone());
        reply(&path, request.headers())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state((asked.clone(), reply));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (origin, asked)
}

/// 404.
pub(crate) fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
