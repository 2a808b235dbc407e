//! Shops in, items and images out: politely, and never losing what was fetched.
//!
//! ```text
//! start pages ─┐                                    ┌─ images/ab/abcd….jpg
//!              ├─► page ─► listing ─► item ─► pictures ─┤
//! feed ────────┘     all by one Fetcher             └─ crawl.sqlite ─► Manifest
//! ```
//! - [`config`]: `configs/demo.toml` and the stores' files in; a checked [`Config`] out.
//! - [`run()`]: a config in; all stores are scraped side by side; a [`Summary`] out.
//! - [`extract`]: a page's text in; what the shop says there, as a [`extract::Listing`], out.
//! - [`price`]: a price's text in; an exact amount and a currency out, or nothing.
//! - [`quarantine`]: pages that contradict themselves, kept for a person to look at.
//! - [`mod@assemble`]: a listing in; an item, or the [`State`] in which it ends, out.
//! - [`fetch`]: an address in; its bytes out. The only way to the network.
//! - [`browser`]: a listing that JavaScript makes in; the rendered page out. What it needs is fetched the same way.
//! - [`governor`]: when a host may be asked next; one for pages, pictures, robots.txt and browser.
//! - [`check`]: a store's file in; what it finds at the store, field by field, out. [`guess`]: a page in; such a file out.
//! - [`charset`]: a page's bytes in; its text out.
//! - [`robots`]: a robots.txt in; whether an address may be asked for, and by which line, out.
//! - [`guard`]: an address in; whether it lies on the public network out.
//! - [`pictures`]: a picture's address in; checked bytes under their hash on the disk.
//! - [`journal`]: SQLite; every fetch and every item is written down before the next request leaves.
//! - [`drift`]: how full the fields of a store's items are, now and before, in; what fell out.
//! - [`Manifest`]: a journal in; the items that are fit to use out.
//! - [`plan`]: what a run would ask of each host.
//! - [`metrics`]: what a run leaves for Prometheus.
//! - `events`: what a run tells a machine: one JSON object a line.
//! - [`progress`], [`stop`], [`clock`]: what a person sees meanwhile, how they end it, and the time it takes.

pub mod assemble;
pub mod browser;
pub mod charset;
pub mod check;
pub mod clock;
pub mod config;
pub mod drift;
mod error;
mod events;
pub mod extract;
pub mod fetch;
pub mod governor;
pub mod guard;
pub mod guess;
pub mod journal;
mod listings;
mod manifest;
pub mod metrics;
mod pages;
pub mod pictures;
pub mod plan;
pub mod price;
pub mod progress;
pub mod quarantine;
mod quiet;
pub mod robots;
mod run;
mod state;
pub mod stop;
mod store_run;
mod summary;
#[cfg(test)]
mod testing;

pub use config::Config;
pub use error::{Error, Result};
pub use journal::Journal;
pub use manifest::Manifest;
pub use metrics::Metrics;
pub use plan::plan;
pub use progress::Progress;
pub use quiet::QuietJournal;
pub use run::{JOURNAL, Options, run, run_unpaced, run_with};
pub use state::State;
pub use stop::{Stop, Stopper};
pub use summary::{StoreSummary, Summary};
