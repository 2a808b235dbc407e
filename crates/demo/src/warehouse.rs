//! A shop of any size, for benchmarks: a Shopify feed of bags with one picture each, and no two pictures with the same bytes.
//!
//! A few pictures are painted before it opens; each item has one of them with its number in a comment of the JPEG. So serving
//! costs next to nothing, and fetching, checking, hashing and writing cost what they cost for pictures of a shop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::serve::accept;
use crate::{Demo, Error};

/// How many pictures are painted.
const PAINTED: u64 = 64;
/// Items of one page of the feed; Shopify's own number.
const PER_PAGE: usize = 250;

/// An open warehouse. It closes when this is dropped.
pub struct Warehouse {
    address: SocketAddr,
    _closing: watch::Sender<bool>,
    _listeners: JoinSet<()>,
}

struct Stock {
    items: usize,
    origin: String,
    pictures: Vec<Vec<u8>>,
}

impl Warehouse {
    /// Paint, and open at 127.0.0.1; port 0 takes any free one.
    ///
    /// # Errors
    /// [`Error::Port`] if the port is taken.
    pub async fn open(items: usize, port: u16) -> Result<Self, Error> {
        let failed = |source| Error::Port { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let demo = Demo::new(7);
        let pictures = (0..PAINTED).map(|n| demo.query_photo(n).jpeg).collect();
        let stock = Arc::new(Stock { items, origin: format!("http://{address}"), pictures });
        let router = Router::new()
            .route("/products.json", get(feed))
            .route("/images/{name}", get(picture))
            .route("/urls.txt", get(urls))
            .with_state(stock);
        let (closing, heard) = watch::channel(false);
        let mut listeners = JoinSet::new();
        listeners.spawn(accept(listener, router, heard));
        Ok(Warehouse { address, _closing: closing, _listeners: listeners })
    }

    /// Its address, without a slash at the end.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Stock {
    fn image_url(&self, item: usize) -> String {
        format!("{}/images/{item}.jpg", self.origin)
    }

    fn product(&self, item: usize) -> Value {
        json!({
            "id": item, "title": format!("Bag {item} - Moss"), "handle": format!("bag-{item}"), "vendor": "Fernhollow",
            "product_type": "Tote Bags", "tags": ["all-bags"],
            "variants": [{"id": item, "title": "Moss", "available": true, "price": "85.00"}],
            "images": [{"id": item, "position": 1, "src": self.image_url(item)}],
        })
    }
}

#[derive(Deserialize)]
struct Page {
    page: Option<usize>,
}

async fn feed(State(stock): State<Arc<Stock>>, Query(page): Query<Page>) -> Response {
    let first = page.page.unwrap_or(1).saturating_sub(1).saturating_mul(PER_PAGE);
    let products: Vec<Value> = (first..stock.items).take(PER_PAGE).map(|item| stock.product(item)).collect();
    axum::Json(json!({ "products": products })).into_response()
}

async fn picture(State(stock): State<Arc<Stock>>, Path(name): Path<String>) -> Response {
    let item = name.strip_suffix(".jpg").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n < stock.items);
    let Some(item) = item else { return StatusCode::NOT_FOUND.into_response() };
    let painted = &stock.pictures[item % stock.pictures.len()];
    ([(header::CONTENT_TYPE, "image/jpeg")], numbered(painted, item)).into_response()
}

/// The JPEG with a comment after its start marker.
fn numbered(jpeg: &[u8], item: usize) -> Bytes {
    let comment = item.to_string();
    let mut bytes = Vec::with_capacity(jpeg.len() + comment.len() + 4);
    bytes.extend(&jpeg[..2]);
    bytes.extend([0xff, 0xfe, 0, comment.len() as u8 + 2]);
    bytes.extend(comment.as_bytes());
    bytes.extend(&jpeg[2..]);
    bytes.into()
}

/// Every picture's address, a line each, for other downloaders.
async fn urls(State(stock): State<Arc<Stock>>) -> String {
    (0..stock.items).map(|item| stock.image_url(item) + "\n").collect()
}
