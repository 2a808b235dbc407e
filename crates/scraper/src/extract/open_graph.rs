//! Open Graph: `og:` and `product:` tags, as they are written and as they are miswritten (`name` for `property`).

use scraper::{Html, Selector};

use super::{Listing, availability, condition, tidy};

/// The product that the page's tags tell of; nothing, if they do not say that it is one.
pub fn product(document: &Html) -> Option<Listing> {
    let selector = Selector::parse("meta[content]").expect("a valid selector");
    let tags: Vec<(String, &str)> = document
        .select(&selector)
        .filter_map(|m| {
            let key = m.attr("property").or_else(|| m.attr("name"))?;
            Some((key.trim().to_ascii_lowercase(), m.attr("content")?))
        })
        .collect();
    let all = |key: &str| tags.iter().filter(move |(k, _)| k == key).map(|(_, v)| *v).collect::<Vec<_>>();
    let first = |keys: &[&str]| keys.iter().find_map(|key| all(key).into_iter().find_map(tidy));
    let is_product = first(&["og:type"]).is_some_and(|t| t.to_lowercase().ends_with("product"))
        || tags.iter().any(|(k, _)| k.starts_with("product:") || k.starts_with("og:price:"));
    if !is_product {
        return None;
    }
    Some(Listing {
        title: first(&["og:title"]),
        brand: first(&["product:brand", "og:brand"]),
        price: first(&["product:price:amount", "og:price:amount", "product:sale_price:amount"]),
        currency: first(&["product:price:currency", "og:price:currency", "product:sale_price:currency"]),
        availability: first(&["product:availability", "og:availability"]).and_then(|t| availability(&t)),
        condition: first(&["product:condition", "og:condition"]).and_then(|t| condition(&t)),
        images: ["og:image", "og:image:url"].iter().flat_map(|k| all(k)).map(String::from).collect(),
        group: first(&["product:item_group_id"]),
        colour: first(&["product:color", "product:colour"]),
        labels: first(&["product:category"]).into_iter().collect(),
        ..Listing::default()
    })
}
