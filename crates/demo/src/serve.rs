//! The shops on loopback: four listeners, conditional requests, a count of what was asked, an orderly end.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gate::Gate;
use crate::site::{Resource, Site};
use crate::{Demo, Error};

/// Where a shop says what it was asked: JSON, path to [`Hits`].
pub const REQUESTS_PATH: &str = "/.demo/requests";

/// How long a client may take to send its request's head, and how long open answers may take after the end was asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a path was asked for, by what was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    /// 200: the bytes were sent.
    pub sent: u64,
    /// 304: the client had them.
    pub not_modified: u64,
    /// 404 or 405.
    pub refused: u64,
}

impl Hits {
    /// All answers.
    pub fn all(self) -> u64 {
        self.sent + self.not_modified + self.refused
    }
}

type Counts = Arc<Mutex<BTreeMap<String, Hits>>>;

#[derive(Clone)]
struct Till {
    site: Arc<Site>,
    counts: Counts,
    gate: Arc<Gate>,
}

/// The four shops, open. They close when this is dropped or [`close`](Open::close) is awaited.
pub struct Open {
    addresses: Vec<SocketAddr>,
    counts: Vec<Counts>,
    gate: Arc<Gate>,
    closing: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

impl Demo {
    /// Open the four shops at 127.0.0.1, on `first_port` and the three ports after it; with 0, on four free ports.
    ///
    /// # Errors
    /// [`Error::Port`] if a port is taken or there are no four ports from `first_port` on.
    pub async fn serve(&self, first_port: u16) -> Result<Open, Error> {
        let mut bound = Vec::new();
        for n in 0..self.shops().len() as u16 {
            let port = match first_port {
                0 => 0,
                first => first.checked_add(n).ok_or(Error::Ports { first })?,
            };
            let failed = |source| Error::Port { port, source };
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
            bound.push((listener.local_addr().map_err(failed)?, listener));
        }
        let (closing, _) = watch::channel(false);
        let gate = Arc::new(Gate::new());
        let mut open = Open {
            addresses: Vec::new(),
            counts: Vec::new(),
            gate: Arc::clone(&gate),
            closing: closing.clone(),
            listeners: JoinSet::new(),
        };
        for (shop, (address, listener)) in bound.into_iter().enumerate() {
            let counts = Counts::default();
            let site = Arc::new(self.site(shop, &format!("http://{address}")));
            let router = Router::new().route(REQUESTS_PATH, get(requests)).fallback(answer).with_state(Till {
                site,
                counts: counts.clone(),
                gate: Arc::clone(&gate),
            });
            open.addresses.push(address);
            open.counts.push(counts);
            open.listeners.spawn(accept(listener, router, closing.subscribe()));
        }
        Ok(open)
    }
}

impl Open {
    /// The shops' addresses, in the order of [`SHOPS`](crate::SHOPS).
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of a shop's front page, without a slash at the end: `http://127.0.0.1:8471`.
    pub fn origin(&self, shop: usize) -> String {
        format!("http://{}", self.addresses[shop])
    }

    /// What a shop was asked since it opened: path with query to the number of answers.
    pub fn requests(&self, shop: usize) -> BTreeMap<String, Hits> {
        lock(&self.counts[shop]).clone()
    }

    /// Answer so many more requests, of all shops together, and let the others wait; with `None`, answer all again.
    pub fn answer_only(&self, requests: Option<usize>) {
        self.gate.set(requests);
    }

    /// Wait until so many requests wait for [`Open::answer_only`] to let them through: the paths that they ask for.
    pub async fn waiting(&self, at_least: usize) -> Vec<String> {
        self.gate.waiting(at_least).await
    }

    /// Take no more connections, finish the answers under way, and return; answers that take longer than 5 s are cut.
    pub async fn close(mut self) {
        self.closing.send_replace(true);
        while self.listeners.join_next().await.is_some() {}
    }
}

pub(crate) async fn accept(listener: TcpListener, router: Router, mut closing: watch::Receiver<bool>) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = closing.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
                    connections.spawn(async move {
                        // A client that went away is its own affair.
                        let _ = connection.await;
                    });
                }
                // Out of file descriptors, most likely: others will be closed in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(PATIENCE, graceful.shutdown()).await;
}

async fn requests(State(till): State<Till>) -> Response {
    axum::Json(lock(&till.counts).clone()).into_response()
}

async fn answer(State(till): State<Till>, request: Request) -> Response {
    let address = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_string();
    let Till { site, counts, gate } = till;
    gate.pass(&address).await;
    // The first request for a photograph paints it.
    let response = tokio::task::spawn_blocking(move || respond(&site, &request)).await;
    let response = response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    let mut counts = lock(&counts);
    let hits = counts.entry(address).or_default();
    match response.status() {
        StatusCode::OK => hits.sent += 1,
        StatusCode::NOT_MODIFIED => hits.not_modified += 1,
        _ => hits.refused += 1,
    }
    response
}

fn respond(site: &Site, request: &Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let Some(resource) = site.get(request.uri().path(), request.uri().query()) else {
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_FOUND)
            .into_response();
    };
    let modified = DateTimePrinter::new().timestamp_to_rfc9110_string(&resource.modified);
    let headers = [
        (header::ETAG, resource.etag().to_string()),
        (header::LAST_MODIFIED, modified.expect("the times are of our century")),
        (header::CACHE_CONTROL, "max-age=0, must-revalidate".into()),
    ];
    if fresh(&resource, request.headers()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    // hyper sends a HEAD's Content-Length from the body and leaves the body out.
    (headers, [(header::CONTENT_TYPE, resource.content_type)], Body::from(resource.bytes())).into_response()
}

/// Whether the client has it already. An If-None-Match decides alone (RFC 9110, section 13.2.2).
fn fresh(resource: &Resource, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        return tags.split(',').map(str::trim).any(|t| t == "*" || t.trim_start_matches("W/") == resource.etag());
    }
    text(header::IF_MODIFIED_SINCE)
        .and_then(|t| DateTimeParser::new().parse_timestamp(t).ok())
        .is_some_and(|since| resource.modified.as_second() <= since.as_second())
}

fn lock(counts: &Mutex<BTreeMap<String, Hits>>) -> std::sync::MutexGuard<'_, BTreeMap<String, Hits>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

const NOT_FOUND: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not found</title></head>\
<body><h1>Not found</h1><p><a href=\"/\">To the front page</a></p></body></html>\n";
