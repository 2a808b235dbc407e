//! The JSON that `goodtwin search --json` and `POST /api/twins` give alike.
//!
//! ```json
//! {"format": 1,
//!  "catalog": {"id": "…", "model": "…", "preprocess": "…", "dataset": "…"},
//!  "photo": {"sha256": "…"},
//!  "filters": {"max_price": {"amount": "150", "currency": "EUR"}, "min_rating": "Good", "bag_type": "tote",
//!              "condition": "new", "hide_sold_out": false},
//!  "colour_weight": 0.25,
//!  "looks_like": [{"bag_type": "tote", "probability": 0.93}, …],
//!  "exchange": {"as_of": "2026-11-01", "source": "…"},
//!  "twins": [{"rank": 1, "score": 0.917, "id": "store/key", "title": "…", "brand": "…", "store": "…",
//!             "url": "https://…",
//!             "bag_type": "tote", "family": "…", "colour": "…",
//!             "price": {"amount": "129.00", "currency": "GBP"}, "converted": {"amount": "148.28", "currency": "EUR"},
//!             "rating": {"brand": "…", "label": "Good", "as_of": "2025-03-12", "source": "…"},
//!             "condition": "new", "availability": "in-stock",
//!             "picture": {"sha256": "…", "file_name": "images/ab/ab….jpg"}}, …]}
//! ```
//! Every key is always there; what is not known is `null`. Fields may be added within one `format`.

use goodtwin_core::{Availability, BagType, Condition, ContentId, Currency, Exchange, Money, Rating};
use goodtwin_vision::Features;
use jiff::civil::Date;
use serde::Serialize;

use crate::{Catalog, Encoder, Filters, Twin};

/// Twins of one photo, with all that is needed to ask again and get the same.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The version of this layout.
    pub format: u32,
    /// Which catalogue answered.
    pub catalog: Source,
    /// The photo that was asked about.
    pub photo: Photo,
    /// The filters in force.
    pub filters: Filters,
    /// How much of the score was the colours', 0 to 1.
    pub colour_weight: f32,
    /// What the network takes the photo for, the likeliest type first.
    pub looks_like: Vec<Guess>,
    /// The table behind every `converted`.
    pub exchange: Rates,
    /// Best first.
    pub twins: Vec<TwinJson>,
}

/// The ids of a catalogue and of its parents.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Source {
    pub id: ContentId,
    pub model: ContentId,
    pub preprocess: ContentId,
    pub dataset: ContentId,
}

/// A photo, by the hash of its bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Photo {
    /// SHA-256 of the bytes that were given.
    pub sha256: ContentId,
}

/// A type and how likely the network holds it to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The type.
    pub bag_type: BagType,
    /// 0 to 1; all of them add up to 1.
    pub probability: f32,
}

/// Day and source of the exchange rates.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Rates {
    pub as_of: Date,
    pub source: String,
}

/// One twin.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct TwinJson {
    pub rank: usize,
    pub score: f32,
    pub id: String,
    pub title: String,
    pub brand: Option<String>,
    pub store: Option<String>,
    pub url: Option<String>,
    pub bag_type: BagType,
    pub family: Option<String>,
    pub colour: Option<String>,
    pub price: Option<Money>,
    pub converted: Option<Money>,
    pub rating: Option<Rating>,
    pub condition: Option<Condition>,
    pub availability: Option<Availability>,
    pub picture: PictureRef,
}

/// The picture of the twin that is most like the photo.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct PictureRef {
    pub sha256: ContentId,
    pub file_name: String,
}

impl Answer {
    /// Put together what was asked and what was found; prices are converted to `currency`.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        catalog: &Catalog,
        photo: ContentId,
        looks_like: Vec<Guess>,
        filters: &Filters,
        colour_weight: f32,
        currency: Currency,
        exchange: &Exchange,
        twins: &[Twin<'_>],
    ) -> Self {
        let parents = catalog.manifest.parents.clone();
        Answer {
            format: 1,
            catalog: Source {
                id: catalog.id().clone(),
                model: parents.model,
                preprocess: parents.preprocess,
                dataset: parents.dataset,
            },
            photo: Photo { sha256: photo },
            filters: filters.clone(),
            colour_weight,
            looks_like,
            exchange: Rates { as_of: exchange.as_of, source: exchange.source.clone() },
            twins: twins.iter().enumerate().map(|(n, t)| TwinJson::new(n + 1, t, currency, exchange)).collect(),
        }
    }
}

impl TwinJson {
    fn new(rank: usize, twin: &Twin<'_>, currency: Currency, exchange: &Exchange) -> Self {
        let (row, item) = (twin.row, twin.item());
        TwinJson {
            rank,
            score: twin.score,
            id: twin.id().into(),
            title: twin.title(),
            brand: twin.brand().map(Into::into),
            store: item.map(|i| i.store.clone()),
            url: item.map(|i| i.url.clone()),
            bag_type: row.bag_type.clone(),
            family: row.family.clone(),
            colour: item.and_then(|i| i.colour.clone()).or_else(|| row.colour.clone()),
            price: item.and_then(|i| i.price),
            converted: twin.converted(currency, exchange),
            rating: item.and_then(|i| i.rating.clone()),
            condition: item.map(|i| i.condition),
            availability: item.map(|i| i.availability),
            picture: PictureRef { sha256: row.sha256.clone(), file_name: row.file_name.clone() },
        }
    }
}

impl Guess {
    /// What the network takes a photo for, the likeliest type first.
    pub fn all(encoder: &Encoder, features: &Features) -> Vec<Guess> {
        let mut guesses: Vec<_> = encoder
            .classes
            .iter()
            .zip(&features.class_probabilities)
            .map(|(bag_type, &probability)| Guess { bag_type: bag_type.clone(), probability })
            .collect();
        guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        guesses
    }
}
