//! schema.org's vocabulary: from nodes, wherever they stood on the page, to its one product.

use std::collections::{HashMap, HashSet};

use goodtwin_core::Availability;
use serde_json::{Map, Value};
use url::Url;

use super::text::decode_entities;
use super::{AVAILABILITY, Asked, CONDITION, Listing, availability, condition, last_part, microdata, tidy, word};

type Node = Map<String, Value>;

/// Nodes within nodes, at most.
const MAX_DEPTH: usize = 12;

/// Variants of one group, at most.
const MAX_VARIANTS: usize = 200;

/// What is a product by schema.org's own words.
const PRODUCTS: [&str; 10] = [
    "Product",
    "IndividualProduct",
    "ProductModel",
    "SomeProducts",
    "ProductCollection",
    "DietarySupplement",
    "Vehicle",
    "Car",
    "Motorcycle",
    "MotorizedBicycle",
];

/// The properties through which a page's own product is reached. Others lead to related products, whose prices are not its own.
const WAYS: [&str; 5] = ["@graph", "mainEntity", "mainEntityOfPage", "hasVariant", "itemOffered"];

/// The product that the page is about: the one with the page's address, or else the first.
pub fn product(roots: &[Value], page: &Url) -> Option<Listing> {
    let graph = Graph::new(roots);
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for root in roots {
        graph.collect(root, None, &mut found, &mut seen, 0);
    }
    if found.is_empty() {
        // Somebody sells one thing: whoever sells is the page's root.
        let offers: Vec<_> =
            roots.iter().flat_map(|r| graph.nodes(Some(r))).filter_map(|n| n.get("makesOffer")).collect();
        offers.into_iter().for_each(|offer| graph.collect(offer, None, &mut found, &mut seen, 1));
    }
    let here = |node: &Node| {
        let addresses = ["url", "@id"].iter().filter_map(|k| graph.text(node.get(*k)?));
        let offered = graph.nodes(node.get("offers")).into_iter().filter_map(|o| graph.text(o.get("url")?));
        addresses.chain(offered).any(|a| page.join(&a).is_ok_and(|a| same_page(&a, page)))
    };
    let (node, group) = found.iter().find(|(node, _)| here(node)).or(found.first()).copied()?;
    let group = if is(node, &["ProductGroup"]) { Some(node) } else { group };
    let Some(group) = group else { return Some(graph.listing(node, page)) };
    let variants = graph.nodes(group.get("hasVariant"));
    let colours = graph.colours(&variants, page);
    if colours.len() > 1 {
        // All colours share the page: each is an item.
        let mut listings: Vec<Listing> = colours
            .into_iter()
            .map(|(key, variant)| Listing {
                variant: Some(key),
                address: graph.address(variant).and_then(|a| Some(page.join(&a).ok()?.into())),
                ..graph.variant(variant, group, page)
            })
            .collect();
        let mut first = listings.remove(0);
        first.others = listings;
        return Some(first);
    }
    // A group is told by its variant; what the variant leaves out, the group says.
    match variants.first() {
        Some(variant) if std::ptr::eq(node, group) => Some(graph.variant(variant, group, page)),
        _ => Some(graph.variant(node, group, page)),
    }
}

/// The names of a `BreadcrumbList`, the deepest first: it is the most telling.
pub fn breadcrumb(roots: &[Value]) -> Vec<String> {
    let graph = Graph::new(roots);
    let mut names = Vec::new();
    for node in graph.all.iter().filter(|n| is(n, &["BreadcrumbList"])) {
        for entry in graph.nodes(node.get("itemListElement")) {
            let name = entry.get("name").and_then(|n| graph.text(n));
            names.extend(name.or_else(|| graph.text(entry.get("item")?)));
        }
    }
    names.reverse();
    names
}

/// What a product's offers ask for it.
#[derive(Default)]
struct Offered {
    price: Option<String>,
    /// At least one of the prices is text that people see.
    is_seen: bool,
    currency: Option<String>,
    /// What the cheapest of an aggregate's offers asks.
    lowest: Option<Asked>,
}

/// All nodes of a page, and those that have a name by it.
struct Graph<'a> {
    all: Vec<&'a Node>,
    by_id: HashMap<&'a str, &'a Node>,
    /// Offers that name what they offer, by its node: for a product that does not name its offers.
    offering: HashMap<*const Node, Vec<&'a Node>>,
}

impl<'a> Graph<'a> {
    fn new(roots: &'a [Value]) -> Self {
        let mut graph = Graph { all: Vec::new(), by_id: HashMap::new(), offering: HashMap::new() };
        let mut pending: Vec<&Value> = roots.iter().rev().collect();
        while let Some(value) = pending.pop() {
            match value {
                Value::Array(values) => pending.extend(values.iter().rev()),
                Value::Object(node) => {
                    graph.all.push(node);
                    if let Some(id) = node.get("@id").and_then(Value::as_str)
                        && node.len() > 1
                    {
                        graph.by_id.entry(id).or_insert(node);
                    }
                    pending.extend(node.values().rev());
                }
                _ => {}
            }
        }
        for offer in graph.all.iter().filter(|node| node.contains_key("itemOffered")).take(MAX_VARIANTS) {
            for product in graph.nodes(offer.get("itemOffered")) {
                graph.offering.entry(std::ptr::from_ref(product)).or_default().push(offer);
            }
        }
        graph
    }

    /// The page's products, with the group through which each was reached.
    fn collect(
        &self,
        value: &'a Value,
        group: Option<&'a Node>,
        found: &mut Vec<(&'a Node, Option<&'a Node>)>,
        seen: &mut HashSet<*const Node>,
        depth: usize,
    ) {
        if depth > MAX_DEPTH {
            return;
        }
        for node in self.nodes(Some(value)) {
            // References can go in circles, and each node is looked at once.
            if !seen.insert(std::ptr::from_ref(node)) {
                continue;
            }
            let is_group = is(node, &["ProductGroup"]);
            if is_group || is(node, &PRODUCTS) {
                found.push((node, group));
            }
            for way in WAYS.iter().filter_map(|w| node.get(*w)) {
                self.collect(way, if is_group { Some(node) } else { group }, found, seen, depth + 1);
            }
        }
    }

    /// The nodes that a value holds: itself, those of a list, and those that are only named here.
    fn nodes(&self, value: Option<&'a Value>) -> Vec<&'a Node> {
        match value {
            Some(Value::Array(values)) => values.iter().flat_map(|v| self.nodes(Some(v))).collect(),
            Some(Value::Object(node)) => {
                let id = node.get("@id").and_then(Value::as_str).filter(|_| node.len() == 1);
                vec![id.and_then(|id| self.by_id.get(id).copied()).unwrap_or(node)]
            }
            _ => vec![],
        }
    }

    /// A value's text: itself, a number's digits, a thing's name, the first of a list.
    fn text(&self, value: &'a Value) -> Option<String> {
        match value {
            Value::String(text) => tidy(&decode_entities(text)),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(values) => values.iter().find_map(|v| self.text(v)),
            Value::Object(_) => {
                let node = self.nodes(Some(value)).into_iter().next()?;
                // Plain text only: a name that refers to a thing that is named by the first would never end.
                ["name", "@value"].iter().find_map(|k| match node.get(*k)? {
                    Value::String(text) => tidy(&decode_entities(text)),
                    Value::Number(number) => Some(number.to_string()),
                    Value::Array(values) => values.iter().find_map(|v| tidy(v.as_str()?)),
                    _ => None,
                })
            }
            _ => None,
        }
    }

    /// A variant, with what its group says of all.
    fn variant(&self, node: &'a Node, group: &'a Node, page: &Url) -> Listing {
        let mut listing = self.listing(node, page);
        if std::ptr::eq(node, group) {
            return listing;
        }
        let id = group.get("productGroupID").and_then(|v| self.text(v));
        listing.group = listing.group.or(id);
        let mut said = self.listing(group, page);
        if listing.price.is_some() {
            (said.price, said.lowest) = (None, None);
        }
        listing.fill(said, Some('.'));
        listing
    }

    /// One variant a colour, where all share one page: that one which can be bought, or else the first. Each with a key that
    /// stays: the colour.
    fn colours(&self, variants: &[&'a Node], page: &Url) -> Vec<(String, &'a Node)> {
        let mut colours: Vec<(String, &'a Node)> = Vec::new();
        for variant in variants.iter().take(MAX_VARIANTS) {
            let elsewhere =
                self.address(variant).and_then(|a| page.join(&a).ok()).is_some_and(|a| a.path() != page.path());
            let colour = variant.get("color").and_then(|c| self.text(c));
            let Some(key) = colour.as_deref().and_then(super::slug).filter(|_| !elsewhere) else { return vec![] };
            let on_sale = |v: &'a Node| self.listing(v, page).availability == Some(Availability::InStock);
            match colours.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) if !on_sale(known) && on_sale(variant) => *known = variant,
                Some(_) => {}
                None => colours.push((key, variant)),
            }
        }
        colours
    }

    /// Where a product or its offer is shown.
    fn address(&self, node: &'a Node) -> Option<String> {
        let offered = self.offers(node);
        let own = node.get("url").and_then(|u| self.text(u));
        own.or_else(|| offered.into_iter().find_map(|o| self.text(o.get("url")?)))
    }

    fn listing(&self, node: &'a Node, page: &Url) -> Listing {
        let text = |key: &str| node.get(key).and_then(|v| self.text(v));
        let offers = self.offers(node);
        let offered = |key: &str| offers.iter().find_map(|o| self.text(o.get(key)?));
        let stock = offered("availability").or_else(|| text("availability"));
        let worn = offered("itemCondition").or_else(|| text("itemCondition"));
        let Offered { price, is_seen: price_is_seen, currency, lowest } = self.price(&offers, page);
        let groups = self.nodes(node.get("isVariantOf"));
        let group =
            groups.iter().find_map(|g| ["productGroupID", "@id", "name"].iter().find_map(|k| self.text(g.get(*k)?)));
        let labels = |key: &str| match node.get(key) {
            Some(Value::Array(values)) => values.iter().filter_map(|v| self.text(v)).collect(),
            Some(value) => self.text(value).into_iter().collect::<Vec<_>>(),
            None => vec![],
        };
        Listing {
            title: text("name"),
            brand: text("brand").or_else(|| text("manufacturer")),
            price,
            price_is_seen,
            currency,
            lowest,
            availability: stock.as_deref().and_then(availability),
            availability_word: stock.as_deref().and_then(|text| word(text, &AVAILABILITY)),
            condition: worn.as_deref().and_then(condition),
            condition_word: worn.as_deref().and_then(|text| word(text, &CONDITION)),
            images: self.images(node.get("image")),
            group: text("inProductGroupWithID").or(group),
            model: text("model"),
            colour: text("color"),
            labels: labels("category"),
            ..Listing::default()
        }
    }

    /// A product's offers, those within an aggregate too.
    fn offers(&self, node: &'a Node) -> Vec<&'a Node> {
        let mut offers = Vec::new();
        for offer in self.nodes(node.get("offers")) {
            offers.push(offer);
            offers.extend(self.nodes(offer.get("offers")));
        }
        if offers.is_empty() {
            offers.extend(self.offering.get(&std::ptr::from_ref(node)).into_iter().flatten().copied());
        }
        offers
    }

    /// The one price of all offers; of several, that of the offer at the page's address; or else none, but their texts.
    fn price(&self, offers: &[&'a Node], page: &Url) -> Offered {
        let mut prices: Vec<(String, Option<String>, bool)> = Vec::new();
        let (mut is_seen, mut lowest) = (false, None);
        for offer in offers {
            // Of several, the one that is not what it cost before, or elsewhere.
            let is_asked = |spec: &&Node| {
                let kind = spec.get("priceType").and_then(|t| self.text(t)).unwrap_or_default();
                !["ListPrice", "StrikethroughPrice", "SRP", "MSRP", "MinimumAdvertisedPrice"]
                    .contains(&last_part(&kind))
            };
            let specified = self.nodes(offer.get("priceSpecification")).into_iter().find(is_asked);
            let get = |key: &str| {
                let direct = offer.get(key).and_then(|v| self.text(v));
                direct.or_else(|| self.text(specified?.get(key)?))
            };
            let seen = |key: &str| offer.get(key).is_some_and(microdata::is_seen);
            is_seen |= ["price", "lowPrice", "highPrice"].into_iter().any(seen);
            if let Some(price) = get("lowPrice") {
                let asked = Asked { price, is_seen: seen("lowPrice"), currency: get("priceCurrency") };
                lowest = lowest.or(Some(asked));
            }
            let same = |(low, high): (String, String)| (low == high).then_some(low);
            let Some(price) = get("price").or_else(|| same((get("lowPrice")?, get("highPrice")?))) else { continue };
            let here = get("url").is_some_and(|u| page.join(&u).is_ok_and(|u| same_page(&u, page)));
            prices.push((price, get("priceCurrency"), here));
        }
        let Some((first, first_currency, _)) = prices.first() else {
            return Offered { lowest, ..Offered::default() };
        };
        let mut here = prices.iter().filter(|p| p.2);
        let (price, currency) = match (here.next(), here.next()) {
            _ if prices.iter().all(|p| p.0 == *first) => (first.clone(), first_currency.clone()),
            (Some((price, currency, _)), None) => (price.clone(), currency.clone()),
            // Two amounts in one text are read as none, and the text is kept.
            _ => (prices.iter().map(|p| p.0.as_str()).collect::<Vec<_>>().join(" / "), first_currency.clone()),
        };
        Offered { price: Some(price), is_seen, currency, lowest }
    }

    fn images(&self, value: Option<&'a Value>) -> Vec<String> {
        match value {
            Some(Value::Array(values)) => values.iter().flat_map(|v| self.images(Some(v))).collect(),
            Some(Value::String(address)) => tidy(address).into_iter().collect(),
            Some(Value::Object(_)) => self
                .nodes(value)
                .into_iter()
                .filter_map(|n| ["contentUrl", "url", "@id"].iter().find_map(|k| self.text(n.get(*k)?)))
                .collect(),
            _ => vec![],
        }
    }
}

/// The same page, whatever fragment and slash stand at the end.
fn same_page(a: &Url, b: &Url) -> bool {
    a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
        && a.path().trim_end_matches('/') == b.path().trim_end_matches('/')
        && a.query() == b.query()
        && (!a.path().trim_matches('/').is_empty() || a.query().is_some())
}

fn is(node: &Node, types: &[&str]) -> bool {
    let named =
        |value: &Value| value.as_str().is_some_and(|t| types.contains(&last_part(t).trim_start_matches("schema:")));
    match node.get("@type") {
        Some(Value::Array(values)) => values.iter().any(named),
        Some(value) => named(value),
        None => false,
    }
}
