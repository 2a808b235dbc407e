//! Stores in, items and images out: politely, and never losing what was fetched.

mod error;
pub mod journal;
mod manifest;
mod state;

pub use error::{Error, Result};
pub use journal::Journal;
pub use manifest::Manifest;
pub use state::State;
