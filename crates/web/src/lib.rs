//! The web page and the JSON API: a photo in, twins out. It works without JavaScript and asks nothing of other hosts.
//!
//! ```text
//! POST /twins ──[upload]──► bytes ──[bench]──► embedding ──[queries]──► 303 to /twins/ID
//! GET /twins/ID?max_price=… ──[filters]──► Filters ──► Catalog::search ──[view]──► page
//! POST /api/twins?max_price=… ──[upload], [bench], Catalog::search──► JSON
//! ```
//! - [`config`]: `configs/serve.toml`: where to listen, the exchange table, the caps.
//! - [`app`]: [`App`], all that a request can reach, and the routes to it.
//! - [`pages`]: the pages: home, twins of a photo or of a picture of the catalogue, about.
//! - [`api`]: `POST /api/twins` and `GET /healthz`.
//! - [`upload`]: a multipart body in, the photo's bytes out, or a [`Problem`] in plain words.
//! - [`bench`]: the bounded bench on which photos are decoded and embedded, one after the other.
//! - [`queries`]: recent queries, in memory only, each for an hour at most after it was last looked at.
//! - [`filters`]: the filter form's text in, [`goodtwin_inference::Filters`] out, or what is wrong with a field.
//! - [`segments`]: the parts of an address in, as a handler wants them, or a [`Problem`].
//! - [`view`]: twins as the page's templates show them; all text of strangers is escaped there.
//! - `words`: how the page says money, days and addresses.
//! - [`problem`]: [`Problem`], an answer that says what went wrong, as a page or as JSON.
//! - [`assets`]: style, script and icon, compiled in.
//! - [`headers`]: the headers that keep browsers strict.
//! - [`server`]: [`Server`], the accept loop with its limits, and [`shutdown`], how it ends.
//! - [`error`]: the [`Error`] of this crate; each kind maps to one exit code.

pub mod api;
pub mod app;
pub mod assets;
pub mod bench;
pub mod config;
pub mod error;
pub mod filters;
pub mod headers;
pub mod pages;
pub mod problem;
pub mod queries;
pub mod segments;
pub mod server;
pub mod shutdown;
#[cfg(test)]
mod testing;
pub mod upload;
pub mod view;
mod words;

pub use app::{App, Surroundings};
pub use config::ServeConfig;
pub use error::{Error, Result};
pub use problem::Problem;
pub use server::Server;
pub use shutdown::Shutdown;
