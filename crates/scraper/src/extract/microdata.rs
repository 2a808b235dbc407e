//! Microdata, by the HTML standard's algorithm, in the form that JSON-LD has: `@type`, `@id`, and properties.

use std::collections::{HashMap, HashSet};

use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value, json};
use url::Url;

/// Items within items, at most. Beyond it stands nothing that a shop means.
const MAX_DEPTH: usize = 8;

/// Items of a page, at most: by `itemref`, a short page can name items over and over.
const MAX_ITEMS: usize = 1_000;

/// Elements that are looked at for properties and their text, each as often as an item or a property holds it, at most.
const MAX_LOOKS: usize = 500_000;

/// Bytes of text that cost as much as a look.
const TEXT_A_LOOK: usize = 64;

/// Names of one property, at most: its value stands under each of them.
const MAX_NAMES: usize = 3;

/// The page's top-level items.
pub fn nodes(document: &Html, base: &Url) -> Vec<Value> {
    let with_id = Selector::parse("[id]").expect("a valid selector");
    let mut by_id = HashMap::new();
    for element in document.select(&with_id) {
        by_id.entry(element.attr("id").unwrap_or_default()).or_insert(element);
    }
    let mut reader = Reader { base, by_id, items_left: MAX_ITEMS, looks_left: MAX_LOOKS };
    let roots = Selector::parse("[itemscope]:not([itemprop])").expect("a valid selector");
    document.select(&roots).map_while(|e| (reader.items_left > 0).then(|| reader.item(e, 0))).collect()
}

/// Whether a property's value is text that people see, and not one that was written for machines.
pub(super) fn is_seen(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(is_seen),
        Value::Object(node) => node.contains_key(SEEN),
        _ => false,
    }
}

/// Marks a price that was read from text: `{"@value": "1.299 €", "@seen": true}`.
const SEEN: &str = "@seen";

struct Reader<'a> {
    base: &'a Url,
    by_id: HashMap<&'a str, ElementRef<'a>>,
    items_left: usize,
    looks_left: usize,
}

impl<'a> Reader<'a> {
    fn item(&mut self, element: ElementRef<'a>, depth: usize) -> Value {
        self.items_left = self.items_left.saturating_sub(1);
        let mut node = Map::new();
        let types: Vec<&str> = element.attr("itemtype").unwrap_or_default().split_whitespace().collect();
        node.insert("@type".into(), json!(types));
        if let Some(id) = element.attr("itemid") {
            node.insert("@id".into(), json!(id.trim()));
        }
        if depth < MAX_DEPTH && self.items_left > 0 {
            for property in self.properties(element) {
                let (value, is_seen) = self.value(property, depth);
                for name in property.attr("itemprop").unwrap_or_default().split_whitespace().take(MAX_NAMES) {
                    let name = last_name(name);
                    let value = match is_seen && name.to_ascii_lowercase().contains("price") {
                        true => json!({"@value": value, SEEN: true}),
                        false => value.clone(),
                    };
                    if let Value::Array(values) = node.entry(name).or_insert_with(|| json!([])) {
                        values.push(value);
                    }
                }
            }
        }
        Value::Object(node)
    }

    /// Whether one more element may be looked at.
    fn look(&mut self) -> bool {
        self.looks_left = self.looks_left.saturating_sub(1);
        self.looks_left > 0
    }

    /// The elements that are properties of this item: those in it but not in an item within it, and those that `itemref` names.
    fn properties(&mut self, root: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        let referred = root.attr("itemref").unwrap_or_default().split_whitespace();
        let mut pending: Vec<ElementRef<'a>> = referred.filter_map(|id| self.by_id.get(id).copied()).collect();
        pending.reverse();
        let mut seen = HashSet::from([root.id()]);
        let mut found = Vec::new();
        let children = |element: ElementRef<'a>| element.child_elements().collect::<Vec<_>>().into_iter().rev();
        pending.extend(children(root));
        while let Some(element) = pending.pop() {
            if !seen.insert(element.id()) {
                continue;
            }
            if !self.look() {
                break;
            }
            if element.attr("itemprop").is_some_and(|p| !p.trim().is_empty()) {
                found.push(element);
            }
            if element.attr("itemscope").is_none() {
                pending.extend(children(element));
            }
        }
        found
    }

    /// A property's value, and whether it is text that people see.
    fn value(&mut self, element: ElementRef<'a>, depth: usize) -> (Value, bool) {
        if element.attr("itemscope").is_some() {
            return (self.item(element, depth + 1), false);
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
                (json!(self.base.join(text.trim()).map_or_else(|_| text.to_string(), String::from)), false)
            }
            Some(text) => (json!(text), false),
            None => (json!(self.text(element)), true),
        }
    }

    fn text(&mut self, element: ElementRef<'a>) -> String {
        let mut text = String::new();
        for node in element.descendants() {
            if !self.look() {
                break;
            }
            if let Some(part) = node.value().as_text() {
                text += part;
                self.looks_left = self.looks_left.saturating_sub(part.len() / TEXT_A_LOOK);
            }
        }
        text
    }
}

/// Some write `itemprop="http://schema.org/price"`.
fn last_name(name: &str) -> String {
    if name.contains("://") { super::last_part(name).into() } else { name.into() }
}
