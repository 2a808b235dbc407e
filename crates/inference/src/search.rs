//! Twins of an embedding: the filters, and the answer in order.

use goodtwin_core::{Availability, BagType, Condition, Currency, Exchange, Item, Label, Money, Row, config};
use serde::Serialize;

use crate::reader::{Catalog, Look, item_key};
use crate::scan::Space;
use crate::{Error, Result};

/// Which items may be twins. An item that does not say what a filter asks about is left out; one of a conventional store is
/// no twin whatever is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Filters {
    /// The price, compared in this currency; leaves out items without a price, or in a currency without a rate.
    pub max_price: Option<Money>,
    /// The least label of the brand; leaves out brands without a rating.
    pub min_rating: Option<Label>,
    /// The type.
    pub bag_type: Option<BagType>,
    /// New or second-hand.
    pub condition: Option<Condition>,
    /// Leave out what is known to be sold out.
    pub hide_sold_out: bool,
}

impl Filters {
    /// Whether this row's item may be a twin.
    pub fn keep(&self, row: &Row, exchange: &Exchange) -> bool {
        let item = row.item.as_ref();
        if item.is_some_and(|i| i.evaluation_only) {
            return false;
        }
        let price_fits = |max: Money| {
            let price = item.and_then(|i| i.price).and_then(|p| exchange.convert(p, max.currency));
            price.is_some_and(|p| p.amount <= max.amount)
        };
        let label = item.and_then(|i| i.rating.as_ref()).map(|r| r.label);
        self.bag_type.as_ref().is_none_or(|t| *t == row.bag_type)
            && self.condition.is_none_or(|c| item.is_some_and(|i| i.condition == c))
            && self.min_rating.is_none_or(|least| label.is_some_and(|l| l >= least))
            && !(self.hide_sold_out && item.is_some_and(|i| i.availability == Availability::SoldOut))
            && self.max_price.is_none_or(price_fits)
    }
}

/// An item that looks like the query.
#[derive(Clone, Copy, Debug)]
pub struct Twin<'a> {
    /// How alike, by [`Catalog::search`]; 1 for the same picture.
    pub score: f32,
    /// The picture of the item that is most like the query, and all that is known of it.
    pub row: &'a Row,
}

impl<'a> Twin<'a> {
    /// What names the item: `store/key`, or the picture's file name in a data set without offers.
    pub fn id(&self) -> &'a str {
        item_key(self.row)
    }

    /// The shop's offer, if the picture came from a shop.
    pub fn item(&self) -> Option<&'a Item> {
        self.row.item.as_ref()
    }

    /// What to call it: the shop's title, the data set's, or the type.
    pub fn title(&self) -> String {
        let given = self.item().map(|i| &i.title).or(self.row.title.as_ref()).filter(|t| !t.trim().is_empty());
        given.cloned().unwrap_or_else(|| self.row.bag_type.title())
    }

    /// The brand, where it is known.
    pub fn brand(&self) -> Option<&'a str> {
        let brand = self.item().map(|i| &i.brand).or(self.row.brand.as_ref());
        brand.map(String::as_str).filter(|b| !b.is_empty())
    }

    /// The price in another currency; none if there is no price, or it is in that currency already, or there is no rate.
    pub fn converted(&self, to: Currency, exchange: &Exchange) -> Option<Money> {
        let price = self.item()?.price.filter(|p| p.currency != to)?;
        exchange.convert(price, to)
    }
}

/// How much the colours count, as people write it: a number from 0 to 1.
///
/// # Errors
/// Says what was expected.
pub fn colour_weight(text: &str) -> Result<f32, String> {
    let weight = text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    weight.ok_or_else(|| format!("`{text}` is not a weight for the colours: expected a number from 0 to 1"))
}

impl Catalog {
    /// The `k` items that look most like this among those that the filters keep, best first; of two alike, the one whose id
    /// is less. Each item comes once, with its best picture. Its score is `1 - colour_weight` times the cosine of the
    /// embeddings, and `colour_weight` (0 to 1) times how alike the colours are.
    ///
    /// # Errors
    /// [`Error::Embedding`](crate::Error::Embedding) for a query of another length, or that is not of unit vectors.
    pub fn search(
        &self,
        query: Look<'_>,
        colour_weight: f32,
        filters: &Filters,
        k: usize,
        exchange: &Exchange,
    ) -> Result<Vec<Twin<'_>>> {
        query.check(self.manifest.dim).map_err(|what| Error::Embedding { at: 0, what })?;
        let shape = query.embedding.iter().map(|v| v * (1.0 - colour_weight));
        let both: Vec<f32> = shape.chain(query.colour.iter().map(|v| v * colour_weight)).collect();
        let space = Space { vectors: &self.vectors, groups: &self.groups };
        let keep = |group: usize| filters.keep(&self.rows[self.groups[group].start], exchange);
        let hits = space.nearest(&both, k, keep);
        Ok(hits.into_iter().map(|hit| Twin { score: hit.score, row: &self.rows[hit.row] }).collect())
    }

    /// How many items the filters keep.
    pub fn matching(&self, filters: &Filters, exchange: &Exchange) -> usize {
        self.items().filter(|row| filters.keep(row, exchange)).count()
    }

    /// The catalogue's type of this name; spaces and hyphens count as underscores.
    ///
    /// # Errors
    /// Names the nearest type that the catalogue has, and all of them.
    pub fn known_type(&self, name: &str) -> Result<BagType, String> {
        let wanted = BagType::new(name);
        let types = self.types();
        if types.contains_key(&wanted) {
            return Ok(wanted);
        }
        let names: Vec<&str> = types.keys().map(|t| t.as_str()).collect();
        let hint = config::nearest(wanted.as_str(), names.iter().copied());
        let hint = hint.map(|n| format!("did you mean `{n}`? ")).unwrap_or_default();
        Err(format!("`{name}` is not a type in this catalogue; {hint}Known types: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests;
