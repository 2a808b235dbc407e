//! The words that every stage of GoodTwin shares, and the two habits that keep its artefacts whole.
//!
//! - [`item`]: what a shop offers: [`Item`], [`ItemId`], [`Condition`], [`Availability`], [`ItemImage`].
//! - [`brand`]: [`BrandName`] (matched after normalisation) and the table of [`Aliases`].
//! - [`rating`]: Good On You's five [`Label`]s, a dated [`Rating`], the [`RatingBook`] with its history, import.
//! - [`money`]: [`Money`], an exact decimal with its ISO 4217 [`Currency`], and the [`Exchange`] that compares two currencies.
//! - [`taxonomy`]: [`BagType`] is data, not an enum: `configs/taxonomy.toml` in, labels of any shop to types out.
//! - [`dataset`]: the image folder that scrape leaves and train reads: [`DatasetReader`] in, [`DatasetWriter`] out.
//! - [`content_id`]: SHA-256 of canonical bytes; what chains one artefact to the next.
//! - [`atomic`]: writers that leave a whole file or none: temporary file beside, fsync, rename, fsync the folder.
//! - [`lock`]: one run at a time in one folder.
//! - [`config`]: TOML in, a typed config out, or an error that names the nearest known key.
//! - [`terminal`], [`table`]: text of strangers in, text that commands no terminal out; aligned columns of it.
//! - [`error`]: the [`Error`] of this crate; each kind maps to one exit code.

pub mod atomic;
pub mod brand;
pub mod config;
pub mod content_id;
pub mod dataset;
pub mod error;
pub mod item;
pub mod lock;
pub mod money;
pub mod rating;
pub mod table;
pub mod taxonomy;
pub mod terminal;

pub use brand::{Aliases, BrandName};
pub use content_id::ContentId;
pub use dataset::{Dataset, DatasetReader, DatasetWriter, Row, Split};
pub use error::{Error, Result};
pub use item::{Availability, Condition, Item, ItemId, ItemImage};
pub use lock::RunLock;
pub use money::{Currency, Exchange, Money};
pub use rating::{Label, Rating, RatingBook};
pub use table::Table;
pub use taxonomy::{BagType, Taxonomy};
