//! Microdata: a page in; its items out, as they stand there ([`items`]), or as nodes in the form that JSON-LD has ([`nodes`]).
//!
//! By the HTML standard's algorithm, and where shops and schema.org's own examples go beyond it (`content` on any element), as
//! they do. [`items`] writes what the extractor `extruct` writes, value for value; [`nodes`] follows every `itemref`, and leaves
//! out what is not there (a picture without an address is none).

use std::collections::{HashMap, HashSet};

use scraper::{ElementRef, Html, Selector};
use serde_json::{Map, Value, json};

use super::address::join;
use super::text::text_of;

/// Items within items, at most. Beyond it stands nothing that a shop means.
const MAX_DEPTH: usize = 32;
/// Items of a page, at most: by `itemref`, a short page can name items over and over.
const MAX_ITEMS: usize = 10_000;
/// Elements that are looked at for properties and their text, each as often as an item or a property holds it, at most.
const MAX_LOOKS: usize = 1_000_000;
/// Names of one property, at most: its value stands under each of them.
const MAX_NAMES: usize = 8;

/// The page's items: `{type, id, properties}`, where one value stands alone and several in a list.
///
/// Every item that is not a property of one before it is listed, in the page's order. An item that was listed before an
/// `itemref` names it is `null` there.
pub fn items(document: &Html, base: &str) -> Vec<Value> {
    let mut reader = Reader::new(document, base, Form::AsWritten);
    let all = Selector::parse("[itemscope]").expect("a valid selector");
    let mut found = Vec::new();
    for element in document.select(&all) {
        if reader.is_spent() {
            break;
        }
        if let Some((item, _)) = reader.item(element, 0) {
            found.push(item);
        }
    }
    found
}

/// The page's top-level items as nodes: `@type`, `@id`, and each property as a list.
pub fn nodes(document: &Html, base: &str) -> Vec<Value> {
    let mut reader = Reader::new(document, base, Form::Nodes);
    let roots = Selector::parse("[itemscope]:not([itemprop])").expect("a valid selector");
    document
        .select(&roots)
        .map_while(|e| (!reader.is_spent()).then(|| reader.item(e, 0)))
        .flatten()
        .map(|(item, _)| item)
        .collect()
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

#[derive(Clone, Copy, PartialEq)]
enum Form {
    AsWritten,
    Nodes,
}

struct Reader<'a> {
    base: &'a str,
    form: Form,
    by_id: HashMap<&'a str, ElementRef<'a>>,
    listed: HashSet<ego_tree::NodeId>,
    within: Vec<ego_tree::NodeId>,
    items_left: usize,
    looks_left: usize,
}

/// A property's value.
struct Read {
    value: Value,
    is_seen: bool,
    /// What a copy of it costs, in looks.
    size: usize,
}

impl Read {
    fn of(text: &str, is_seen: bool) -> Self {
        Read { value: text.into(), is_seen, size: 1 + text.len() / 64 }
    }
}

impl<'a> Reader<'a> {
    fn new(document: &'a Html, base: &'a str, form: Form) -> Self {
        let with_id = Selector::parse("[id]").expect("a valid selector");
        let mut by_id = HashMap::new();
        for element in document.select(&with_id) {
            by_id.entry(element.attr("id").unwrap_or_default()).or_insert(element);
        }
        let (listed, within) = (HashSet::new(), Vec::new());
        Reader { base, form, by_id, listed, within, items_left: MAX_ITEMS, looks_left: MAX_LOOKS }
    }

    fn is_spent(&self) -> bool {
        self.items_left == 0 || self.looks_left == 0
    }

    fn item(&mut self, element: ElementRef<'a>, depth: usize) -> Option<(Value, usize)> {
        let again = match self.form {
            Form::AsWritten => !self.listed.insert(element.id()),
            // A reference to an item that is being read leads in a circle.
            Form::Nodes => self.within.contains(&element.id()),
        };
        if again || self.is_spent() || depth > MAX_DEPTH {
            return None;
        }
        self.items_left -= 1;
        self.within.push(element.id());
        let mut properties: Vec<(String, Vec<Value>)> = Vec::new();
        let mut place: HashMap<String, usize> = HashMap::new();
        let mut size = 1;
        for property in self.properties(element) {
            let read = self.value(property, depth);
            for name in property.attr("itemprop").unwrap_or_default().split_whitespace().take(MAX_NAMES) {
                // Names within names would be copied over and over.
                if self.looks_left <= read.size {
                    self.looks_left = 0;
                    break;
                }
                self.looks_left -= read.size;
                size += read.size;
                let Some(value) = self.named(name, &read) else { continue };
                let name = if self.form == Form::Nodes { last_name(name) } else { name };
                let at = *place.entry(name.into()).or_insert_with(|| {
                    properties.push((name.into(), Vec::new()));
                    properties.len() - 1
                });
                properties[at].1.push(value);
            }
        }
        self.within.pop();
        let types: Vec<&str> = element.attr("itemtype").unwrap_or_default().split_whitespace().collect();
        let id = element.attr("itemid").map(str::trim).filter(|id| !id.is_empty());
        let item = match self.form {
            Form::AsWritten => self.as_written(element, &types, id, properties),
            Form::Nodes => {
                let mut node: Map<String, Value> =
                    properties.into_iter().map(|(name, values)| (name, values.into())).collect();
                node.insert("@type".into(), json!(types));
                if let Some(id) = id {
                    node.insert("@id".into(), join(self.base, id).into());
                }
                node.into()
            }
        };
        Some((item, size))
    }

    fn as_written(
        &mut self,
        element: ElementRef<'a>,
        types: &[&str],
        id: Option<&str>,
        properties: Vec<(String, Vec<Value>)>,
    ) -> Value {
        let alone = |mut values: Vec<Value>| if values.len() == 1 { values.remove(0) } else { values.into() };
        let mut item = Map::new();
        if !types.is_empty() {
            item.insert("type".into(), alone(types.iter().map(|t| json!(t)).collect()));
            if let Some(id) = id {
                item.insert("id".into(), id.into());
            }
        }
        match properties.is_empty() {
            true => item.insert("value".into(), self.plain_value(element).value),
            false => {
                let properties: Map<String, Value> =
                    properties.into_iter().map(|(name, values)| (name, alone(values))).collect();
                item.insert("properties".into(), properties.into())
            }
        };
        item.into()
    }

    /// The value as it stands under a name; in a node, a price that people see is marked, and what is not there is left out.
    fn named(&self, name: &str, read: &Read) -> Option<Value> {
        match self.form {
            Form::AsWritten => Some(read.value.clone()),
            Form::Nodes if read.value.is_null() => None,
            Form::Nodes if read.is_seen && name.to_ascii_lowercase().contains("price") => {
                Some(json!({"@value": read.value, SEEN: true}))
            }
            Form::Nodes => Some(read.value.clone()),
        }
    }

    /// The elements that are properties of this item: those in it but not in an item within it, then those that `itemref` names.
    fn properties(&mut self, root: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        let mut found = Vec::new();
        self.within(root, &mut found);
        let mut seen: HashSet<_> = found.iter().map(|e| e.id()).chain([root.id()]).collect();
        let referred: Vec<_> = root.attr("itemref").unwrap_or_default().split_whitespace().collect();
        for id in referred {
            let Some(element) = self.by_id.get(id).copied() else { continue };
            let mut more = Vec::new();
            if element.attr("itemprop").is_some() {
                more.push(element);
            }
            // An item that is a property is read as one; one that is none lends its own properties.
            if element.attr("itemprop").is_none() || element.attr("itemscope").is_none() {
                self.within(element, &mut more);
            }
            let form = self.form;
            found.extend(more.into_iter().filter(|e| seen.insert(e.id()) || form == Form::AsWritten));
        }
        found
    }

    /// The properties below an element, without those of items within it.
    fn within(&mut self, root: ElementRef<'a>, found: &mut Vec<ElementRef<'a>>) {
        let children = |element: ElementRef<'a>| element.child_elements().collect::<Vec<_>>().into_iter().rev();
        let mut pending: Vec<ElementRef<'a>> = children(root).collect();
        while let Some(element) = pending.pop() {
            self.looks_left = self.looks_left.saturating_sub(1);
            if self.looks_left == 0 {
                return;
            }
            // One without a name is no property; but an item in it is none of the page's own either, as `extruct` has it.
            if element.attr("itemprop").is_some_and(|p| self.form == Form::AsWritten || !p.trim().is_empty()) {
                found.push(element);
            }
            if element.attr("itemscope").is_none() {
                pending.extend(children(element));
            }
        }
    }

    fn value(&mut self, element: ElementRef<'a>, depth: usize) -> Read {
        if element.attr("itemscope").is_some() {
            let (value, size) = self.item(element, depth + 1).unwrap_or((Value::Null, 1));
            return Read { value, is_seen: false, size };
        }
        self.plain_value(element)
    }

    fn plain_value(&mut self, element: ElementRef<'a>) -> Read {
        let written = |text: Option<&str>| Read::of(text.unwrap_or_default(), false);
        let attribute = match element.value().name() {
            "meta" => "content",
            "audio" | "embed" | "iframe" | "img" | "source" | "track" | "video" => "src",
            "a" | "area" | "link" => "href",
            "object" => "data",
            "data" | "meter" => "value",
            "time" => "datetime",
            _ => return self.content_or_text(element),
        };
        let is_address = matches!(attribute, "src" | "href" | "data");
        match self.form {
            Form::AsWritten if is_address => {
                written(Some(&join(self.base, element.attr(attribute).unwrap_or_default())))
            }
            Form::AsWritten => written(element.attr(attribute)),
            Form::Nodes => {
                // Some keep a picture's address aside until it is scrolled to; some write `<link content>`.
                let kept = [attribute, "data-src", "data-original", "content"];
                let given = kept.iter().find_map(|name| element.attr(name).filter(|text| !text.trim().is_empty()));
                match given {
                    Some(text) if is_address => written(Some(&join(self.base, text))),
                    Some(text) => written(Some(text)),
                    None if matches!(attribute, "value" | "datetime") => self.content_or_text(element),
                    None => Read { value: Value::Null, is_seen: false, size: 1 },
                }
            }
        }
    }

    fn content_or_text(&mut self, element: ElementRef<'a>) -> Read {
        if let Some(text) = element.attr("content").filter(|text| !text.is_empty()) {
            return Read::of(text, false);
        }
        // schema.org's actions: what a person is to fill in (https://schema.org/docs/actions.html#part-4).
        let name = element.attr("itemprop").unwrap_or_default();
        if name.ends_with("-input") || name.ends_with("-output") {
            let mut input = Map::new();
            if element.attr("required").is_some() {
                input.insert("valueRequired".into(), true.into());
            }
            if let Some(name) = element.attr("name").filter(|n| !n.is_empty()) {
                input.insert("valueName".into(), name.into());
            }
            return Read { value: input.into(), is_seen: false, size: 1 };
        }
        Read::of(&text_of(element, &mut self.looks_left), true)
    }
}

/// Some write `itemprop="http://schema.org/price"`.
fn last_name(name: &str) -> &str {
    if name.contains("://") { super::last_part(name) } else { name }
}
