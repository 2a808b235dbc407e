//! What a shop offers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{BagType, ContentId, Money, Rating};

/// Names one item for as long as its shop offers it: `store/key`, where the key is the shop's own (a handle, a SKU).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(String);

impl ItemId {
    /// The id of the item that `store` calls `key`.
    pub fn new(store: &str, key: &str) -> Self {
        ItemId(format!("{store}/{key}"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// New, or worn by somebody before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Never sold before.
    New,
    /// Sold before.
    SecondHand,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::New => "new",
            Condition::SecondHand => "second-hand",
        })
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "new" => Ok(Condition::New),
            "second-hand" => Ok(Condition::SecondHand),
            _ => Err(format!("`{text}` is not a condition: expected `new` or `second-hand`")),
        }
    }
}

/// Whether the item can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Availability {
    /// It can be bought.
    InStock,
    /// It cannot, at present.
    SoldOut,
    /// The shop does not say.
    Unknown,
}

/// One offer of one shop, as scraped and joined with its brand's rating.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `store/key`.
    pub id: ItemId,
    /// The store's name as its config gives it.
    pub store: String,
    /// The address of the product page.
    pub url: String,
    /// The title, as the shop writes it.
    pub title: String,
    /// The brand, as the shop writes it.
    pub brand: String,
    /// The type, if the store's labels say it.
    pub bag_type: Option<BagType>,
    /// The product family: the same model in other colours and views.
    pub family: Option<String>,
    /// The colour, as the shop writes it.
    pub colour: Option<String>,
    /// The price, if it could be read without guessing.
    pub price: Option<Money>,
    /// The price as it stood on the page.
    pub price_text: Option<String>,
    /// New or second-hand.
    pub condition: Condition,
    /// Whether it can be bought.
    pub availability: Availability,
    /// What Good On You says of the brand, if they say anything.
    pub rating: Option<Rating>,
    /// Its pictures, the main one first. Only those that were fetched and found whole.
    pub images: Vec<ItemImage>,
    /// It comes from a conventional store: it may be asked about in an evaluation, and is never offered as a twin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evaluation_only: bool,
}

/// A picture of an item: bytes that were checked, kept under their content id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemImage {
    /// The SHA-256 of the original bytes.
    pub sha256: ContentId,
    /// Where it was fetched.
    pub url: String,
    /// The file name's ending for its format: `jpg`, `png`, `webp`, `gif`.
    pub extension: String,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
}

impl ItemImage {
    /// Where the bytes lie below a folder of images: two hexadecimal digits, then the whole hash.
    pub fn file_name(&self) -> String {
        format!("{}/{}.{}", &self.sha256.as_str()[..2], self.sha256, self.extension)
    }
}
