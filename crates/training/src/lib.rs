//! From a data set to a trained network, and what it is worth.
//!
//! - [`dataset`]: a scrape or a folder of pictures in, a data set split by family out.
//! - [`recipe`]: [`Recipe`]: `configs/training.toml` in, every setting of a run out.
//! - [`augment`]: a framed picture and a seed in, the same bag turned, shifted and mirrored out.
//! - [`bench`]: where the time of training goes.
//! - [`cache`]: [`TrunkCache`]: the trunk's output for every picture and view, on disk in f16, so that an epoch pays for block 5 only.
//! - [`whitening`]: pooled features in, a dense layer that starts from what is already good out.
//! - [`memory`]: a recipe in, how many pictures fit at once out.
//! - [`train`]: the loop: a data set and a recipe in, a run folder out.
//! - [`events`]: scalars in, TensorBoard's event files out.
//! - [`retrieval`]: embeddings and families in, Recall@k, mAP@R and MRR out.
//! - [`bootstrap`]: values in, their mean with its 95 % interval out, drawn by family.
//! - [`ladder`]: what every run is measured against: random, colours, the untouched trunk.
//! - [`evaluate`]: a run beside the ladder, on held-out families.
//! - [`evaluation`]: what was measured, as people read it and as it is kept in the run's folder.
//! - [`seed_group`]: a folder of runs in, mean and spread of those that differ in their seed alone out.
//! - [`runs`]: a folder of runs in, a list of them, or two side by side out.
//! - [`metrics`]: predictions and labels in, accuracy and a [`Confusion`](metrics::Confusion) matrix out.
//! - [`model_card`]: what a run wrote of itself in, its `README.md` out.
//! - [`report`]: metrics in, one HTML file with curves and matrix as pictures out.
//! - [`ui`]: a bar with the time left on a terminal, plain lines elsewhere.
//! - [`error`]: the [`Error`] of this crate.

pub mod augment;
pub mod bench;
pub mod bootstrap;
pub mod cache;
pub mod dataset;
pub mod discriminants;
pub mod error;
pub mod evaluate;
pub mod evaluation;
pub mod events;
pub mod grounds;
pub mod ladder;
pub mod memory;
pub mod metrics;
pub mod model_card;
pub mod recipe;
pub mod report;
pub mod retrieval;
pub mod runs;
pub mod seed_group;
pub mod train;
pub mod ui;
pub mod whitening;

pub use cache::TrunkCache;
pub use error::{Error, Result};
pub use recipe::Recipe;
pub use ui::Ui;
