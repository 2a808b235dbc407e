//! Open Graph: a page in; its tags as they stand there ([`items`]), or the product that they tell of ([`product`]), out.

use std::collections::BTreeMap;

use scraper::{ElementRef, Html, Selector};
use serde_json::{Value, json};

use super::text::decode_entities;
use super::{AVAILABILITY, CONDITION, Listing, availability, condition, tidy, word};

/// Prefixes that need not be declared.
const KNOWN: [(&str, &str); 7] = [
    ("og", "http://ogp.me/ns#"),
    ("music", "http://ogp.me/ns/music#"),
    ("video", "http://ogp.me/ns/video#"),
    ("article", "http://ogp.me/ns/article#"),
    ("book", "http://ogp.me/ns/book#"),
    ("profile", "http://ogp.me/ns/profile#"),
    ("product", "http://ogp.me/ns/product#"),
];

/// Tags of one page, at most.
const MAX_TAGS: usize = 10_000;

/// The tags in the page's head, as `extruct` writes them: `{namespace: {prefix: address}, properties: [[name, value], ...]}`;
/// nothing, if there are none.
pub fn items(document: &Html) -> Vec<Value> {
    let selector = Selector::parse("head > meta[property][content]").expect("a valid selector");
    let mut namespace = declared(document);
    let mut properties = Vec::new();
    for tag in document.select(&selector).take(MAX_TAGS) {
        let (name, value) = (tag.attr("property").unwrap_or_default(), tag.attr("content").unwrap_or_default());
        let prefix = name.split(':').next().unwrap_or_default();
        if let Some((_, address)) = KNOWN.iter().find(|(known, _)| *known == prefix) {
            namespace.insert(prefix.into(), (*address).into());
        }
        if namespace.contains_key(prefix) {
            properties.push(json!([name, value]));
        }
    }
    if properties.is_empty() { vec![] } else { vec![json!({"namespace": namespace, "properties": properties})] }
}

/// What `prefix="og: http://ogp.me/ns# shop: http://..."` on `html` and `head` declares.
fn declared(document: &Html) -> BTreeMap<String, String> {
    let selector = Selector::parse("html[prefix], head[prefix]").expect("a valid selector");
    let mut namespace = BTreeMap::new();
    for element in document.select(&selector) {
        let mut words = element.attr("prefix").unwrap_or_default().split_whitespace();
        while let Some(word) = words.next() {
            let Some((prefix, glued)) = word.split_once(':') else { continue };
            let address = if glued.is_empty() { words.next() } else { Some(glued) };
            if let Some(address) = address.filter(|_| !prefix.is_empty()) {
                namespace.insert(prefix.to_string(), address.to_string());
            }
        }
    }
    namespace
}

/// The product that the page's tags tell of, wherever they stand and as they are miswritten too (`name` for `property`);
/// nothing, if they do not say that it is one.
pub fn product(document: &Html) -> Option<Listing> {
    let declared = declared(document);
    let selector = Selector::parse("meta[content]").expect("a valid selector");
    let key = |tag: &ElementRef<'_>| {
        let name = tag.attr("property").or_else(|| tag.attr("name")).or_else(|| tag.attr("itemprop"))?;
        let name = name.trim().to_ascii_lowercase();
        // A prefix of the page's own may stand for a namespace that we know by another.
        let (prefix, rest) = name.split_once(':')?;
        let same = |a: &str, b: &str| a.trim_end_matches(['#', '/']) == b.trim_end_matches(['#', '/']);
        let address = declared.get(prefix).map(|a| a.replacen("https:", "http:", 1));
        let known = address.and_then(|address| KNOWN.iter().find(|(_, known)| same(known, &address)));
        Some(match known {
            Some((known, _)) => format!("{known}:{rest}"),
            None => name,
        })
    };
    let tags: Vec<(String, &str)> =
        document.select(&selector).filter_map(|m| Some((key(&m)?, m.attr("content")?))).take(MAX_TAGS).collect();
    let all = |key: &str| tags.iter().filter(move |(k, _)| k == key).map(|(_, v)| *v).collect::<Vec<_>>();
    let first =
        |keys: &[&str]| keys.iter().find_map(|key| all(key).into_iter().find_map(|text| tidy(&decode_entities(text))));
    let is_product = first(&["og:type"]).is_some_and(|t| t.to_lowercase().ends_with("product"))
        || tags.iter().any(|(k, _)| k.starts_with("product:") || k.starts_with("og:price:"));
    if !is_product {
        return None;
    }
    // A sale's price is the one that is asked; it counts with the currency that stands beside it.
    let beside = |name: &str| {
        let price = first(&[&format!("{name}:amount"), name])?;
        Some((price, first(&[&format!("{name}:currency"), &format!("{name}_currency")])))
    };
    let prices = ["product:sale_price", "product:price", "og:price", "product:original_price"];
    let (price, currency) = prices.iter().find_map(|name| beside(name)).unzip();
    let stock = first(&["product:availability", "og:availability"]);
    let worn = first(&["product:condition", "og:condition"]);
    Some(Listing {
        title: first(&["og:title"]),
        brand: first(&["product:brand", "og:brand"]),
        price,
        currency: currency.flatten().or_else(|| first(&["product:price:currency", "og:price:currency"])),
        availability: stock.as_deref().and_then(availability),
        availability_word: stock.as_deref().and_then(|text| word(text, &AVAILABILITY)),
        condition: worn.as_deref().and_then(condition),
        condition_word: worn.as_deref().and_then(|text| word(text, &CONDITION)),
        images: ["og:image:secure_url", "og:image", "og:image:url"]
            .iter()
            .map(|k| all(k).into_iter().map(String::from).collect::<Vec<_>>())
            .find(|images| !images.is_empty())
            .unwrap_or_default(),
        group: first(&["product:item_group_id"]),
        colour: first(&["product:color", "product:colour"]),
        labels: first(&["product:category"]).into_iter().collect(),
        ..Listing::default()
    })
}
