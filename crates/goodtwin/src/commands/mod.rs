//! One file a subcommand: its options, and the call into the crate that does the work.

pub mod bench;
pub mod catalog;
pub mod conform;
pub mod dataset;
pub mod demo;
pub mod eval;
pub mod ratings;
pub mod runs;
pub mod scrape;
pub mod search;
pub mod serve;
pub mod stores;
pub mod train;
pub mod weights;
