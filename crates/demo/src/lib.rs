//! Four bag shops on loopback, made from one seed: 240 painted bags of eight types, in 80 families, to try GoodTwin on
//! where there is no network. The same seed gives the same bytes at every address.
//!
//! | shop | its items are found | what each says | money, condition |
//! |---|---|---|---|
//! | Canopy Goods | `/products.json?limit=250&page=N`, Shopify's feed | `vendor`, `product_type`, the title "Model Noun - Colour" | `"128.00"`, US dollars by config; new |
//! | Loom & Latch | `/bags?page=N` with `rel=next` | JSON-LD: `brand`, `category`, `color`, `inProductGroupWithID`, `isVariantOf` | `1.249,00 €`; new |
//! | Second Chapter | `/shop?page=N` with `rel=next` | microdata: `brand`, `model`, `color`, `category` | `£85.00`; second-hand |
//! | Omtanke Vintage | `/vaskor`, once its script has run | Open Graph `product:*` and JSON-LD | `1 299 kr`; second-hand |
//!
//! A *family* is one model of one brand in two to four colours. Canopy Goods tells it by vendor and the title before
//! " - "; Loom & Latch by `inProductGroupWithID`; Second Chapter by brand and `model`; Omtanke by `inProductGroupWithID`,
//! `product:item_group_id`, and brand and `model`. In a third of the families only the category names the type.
//!
//! What real shops do, these do: items sold out or without a price, a photograph that is not there (404), one that is cut
//! off, a web page that calls itself image/jpeg ([`Fault`]), pages that a listing links to and robots.txt forbids,
//! brands that are badly rated or not at all, prices of related items beside the item's own.
//!
//! - [`brands`]: 14 invented brands, and [`ratings`](brands::ratings): what `configs/demo/ratings.jsonl` holds.
//! - [`words`]: the types, the colours, the names of models.
//! - [`assortment`]: a seed in; families, products, photographs to take and faults out.
//! - [`shops`]: an assortment and an address in; pages, listings and feeds out.
//! - [`site`]: one shop's addresses, and what is at each.
//! - [`gate`]: lets tests choose how many requests are answered, and when.
//! - [`serve`]: [`Demo::serve`] opens the four on loopback and answers; [`Open`] counts requests and closes them.
//! - [`warehouse`]: a shop of any size, for benchmarks.
//! - [`paint`]: a type, a model's seed, a colour and a shot in; a JPEG out.

pub mod assortment;
pub mod brands;
mod gate;
mod paint;
pub mod serve;
mod shops;
pub mod site;
pub mod warehouse;
mod words;

use std::sync::Arc;

pub use assortment::{Assortment, Family, Fault, Product};
pub use brands::{BRANDS, Brand, ratings};
pub use serve::{Hits, Open};
pub use shops::{SHOPS, Shop};
pub use site::{Resource, Site};
pub use warehouse::Warehouse;
pub use words::{Colour, Kind};

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Why the shops do not open.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port is taken, or the system does not give it.
    #[error("port {port} of 127.0.0.1: {source}")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Ports end at 65535.
    #[error("there are no four ports from {first} on: expected at most 65532")]
    Ports {
        /// The port that was asked for.
        first: u16,
    },
}

/// The four shops of one seed.
#[derive(Clone, Debug)]
pub struct Demo {
    assortment: Arc<Assortment>,
    seed: u64,
}

/// A photograph of a bag that no shop has, in a colour or place of its own, of a model that one shop has.
#[derive(Clone, Debug)]
pub struct QueryPhoto {
    /// The JPEG.
    pub jpeg: Vec<u8>,
    /// The type of the bag, as a key of the taxonomy.
    pub kind: Kind,
    /// Its brand.
    pub brand: &'static str,
    /// Its model: the family that it belongs to.
    pub model: &'static str,
    /// The key of the shop that has others of the family.
    pub shop: &'static str,
    /// Its own colour, which is none of theirs.
    pub colour: &'static str,
}

impl Demo {
    /// Stock the shelves. Photographs are painted when they are asked for.
    pub fn new(seed: u64) -> Self {
        Demo { assortment: Arc::new(Assortment::new(seed)), seed }
    }

    /// The same shelves after a shop changed its layout, so that three in five of its pages give no price. Only
    /// `second-chapter` and `omtanke` do such things; nothing for another key.
    pub fn losing_prices(seed: u64, shop: &str) -> Option<Self> {
        let place = SHOPS.iter().position(|s| s.key == shop && s.second_hand)?;
        let mut assortment = Assortment::new(seed);
        assortment.lose_prices(place);
        Some(Demo { assortment: Arc::new(assortment), seed })
    }

    /// The shops, in the order of their ports.
    pub fn shops(&self) -> &'static [Shop] {
        &SHOPS
    }

    /// What is on the shelves.
    pub fn assortment(&self) -> &Assortment {
        &self.assortment
    }

    /// All that a shop serves when its front page is at `origin`, such as `http://127.0.0.1:8471`.
    ///
    /// # Panics
    /// If there is no such shop: `shop` is an index into [`SHOPS`].
    pub fn site(&self, shop: usize, origin: &str) -> Site {
        shops::site(&self.assortment, shop, origin)
    }

    /// The `number`th query photo: one a second-hand or well-rated family, in turn, then again in other colours.
    pub fn query_photo(&self, number: u64) -> QueryPhoto {
        query_photo(&self.assortment, self.seed, number)
    }
}

/// The `number`th photograph of a bag that is not in the shops but whose family is: [`Demo::query_photo`].
fn query_photo(assortment: &Assortment, seed: u64, number: u64) -> QueryPhoto {
    let kept: Vec<&Family> = assortment
        .families
        .iter()
        .filter(|f| SHOPS[f.shop].second_hand || f.brand.label.is_some_and(|l| l.0 >= goodtwin_core::Label::ItsAStart))
        .collect();
    // A step that shares no factor with the number of families visits all, and neighbours in the list are of unlike types.
    let family = kept[(number as usize).wrapping_mul(37) % kept.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0070_686f_746f);
    let free: Vec<&Colour> = words::COLOURS.iter().filter(|c| family.products.iter().all(|p| p.colour != *c)).collect();
    let colour = free.choose(&mut rng).expect("a family has 4 of the 20 colours at most");
    let shot = assortment::Shot { seed: rng.random(), busy: rng.random_bool(0.7), turned: rng.random_bool(0.3) };
    let subject = paint::Subject { kind: family.kind, model: family.seed, colour: colour.rgb, shot };
    QueryPhoto {
        jpeg: paint::photo(&subject),
        kind: family.kind,
        brand: family.brand.name,
        model: family.model,
        shop: SHOPS[family.shop].key,
        colour: colour.name,
    }
}
