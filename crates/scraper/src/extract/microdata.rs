//! Microdata, by the HTML standard's algorithm, in the form that JSON-LD has: `@type`, `@id`, and properties.

use std::collections::HashSet;

use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value, json};
use url::Url;

/// Items within items, at most. Beyond it stands nothing that a shop means.
const MAX_DEPTH: usize = 16;

/// Items of a page, at most: by `itemref`, a short page can name items over and over.
const MAX_ITEMS: usize = 10_000;

/// The page's top-level items.
pub fn nodes(document: &Html, base: &Url) -> Vec<Value> {
    let selector = Selector::parse("[itemscope]:not([itemprop])").expect("a valid selector");
    let mut left = MAX_ITEMS;
    document.select(&selector).map(|e| item(document, e, base, 0, &mut left)).collect()
}

fn item(document: &Html, element: ElementRef<'_>, base: &Url, depth: usize, left: &mut usize) -> Value {
    *left = left.saturating_sub(1);
    let mut node = Map::new();
    let types: Vec<&str> = element.attr("itemtype").unwrap_or_default().split_whitespace().collect();
    node.insert("@type".into(), json!(types));
    if let Some(id) = element.attr("itemid") {
        node.insert("@id".into(), json!(id.trim()));
    }
    if depth < MAX_DEPTH && *left > 0 {
        for property in properties(document, element) {
            let value = value(document, property, base, depth, left);
            for name in property.attr("itemprop").unwrap_or_default().split_whitespace() {
                let values = node.entry(last_name(name)).or_insert_with(|| json!([]));
                if let Value::Array(values) = values {
                    values.push(value.clone());
                }
            }
        }
    }
    Value::Object(node)
}

/// Some write `itemprop="http://schema.org/price"`.
fn last_name(name: &str) -> String {
    if name.contains("://") { super::last_part(name).into() } else { name.into() }
}

/// The elements that are properties of this item: those in it but not in an item within it, and those that `itemref` names.
fn properties<'a>(document: &'a Html, root: ElementRef<'a>) -> Vec<ElementRef<'a>> {
    let mut pending: Vec<ElementRef<'a>> = Vec::new();
    let referred = root.attr("itemref").unwrap_or_default();
    if !referred.trim().is_empty() {
        let wanted: HashSet<&str> = referred.split_whitespace().collect();
        let with_id = Selector::parse("[id]").expect("a valid selector");
        pending.extend(document.select(&with_id).filter(|e| e.attr("id").is_some_and(|id| wanted.contains(id))));
        pending.reverse();
    }
    pending.extend(root.child_elements().collect::<Vec<_>>().into_iter().rev());
    let mut seen = HashSet::from([root.id()]);
    let mut found = Vec::new();
    while let Some(element) = pending.pop() {
        if !seen.insert(element.id()) {
            continue;
        }
        if element.attr("itemprop").is_some_and(|p| !p.trim().is_empty()) {
            found.push(element);
        }
        if element.attr("itemscope").is_none() {
            pending.extend(element.child_elements().collect::<Vec<_>>().into_iter().rev());
        }
    }
    found
}

fn value(document: &Html, element: ElementRef<'_>, base: &Url, depth: usize, left: &mut usize) -> Value {
    if element.attr("itemscope").is_some() {
        return item(document, element, base, depth + 1, left);
    }
    let attribute = match element.value().name() {
        "meta" => "content",
        "audio" | "embed" | "iframe" | "img" | "source" | "track" | "video" => "src",
        "a" | "area" | "link" => "href",
        "object" => "data",
        "data" | "meter" => "value",
        "time" => "datetime",
        // Not in the standard, but many shops write `<span itemprop="price" content="85.00">£85</span>`.
        _ => "content",
    };
    match element.attr(attribute) {
        Some(text) if matches!(attribute, "src" | "href" | "data") => {
            json!(base.join(text.trim()).map_or_else(|_| text.to_string(), String::from))
        }
        Some(text) => json!(text),
        None => json!(element.text().collect::<String>()),
    }
}
