//! Fields by the selectors of a store's file, for pages without structured data, or with some that is wrong.

use scraper::{ElementRef, Html, Selector};
use serde::{Deserialize, Serialize};

use super::address::join;
use super::text::{decode_entities, text_of};
use super::{Listing, tidy};

/// What may be looked at for one field's text.
const MAX_LOOKS: usize = 100_000;

/// `[css]` in a store's file: a selector a field, each of which may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CssFile {
    /// The title.
    pub name: Option<String>,
    /// The price, as people see it.
    pub price: Option<String>,
    /// The brand.
    pub brand: Option<String>,
    /// Pictures, the main one first.
    pub image: Option<String>,
    /// Words that say the type, such as those of a breadcrumb.
    pub label: Option<String>,
    /// The colour.
    pub colour: Option<String>,
}

/// The same, checked.
#[derive(Clone, Debug, Default)]
pub struct Css {
    name: Option<Selector>,
    price: Option<Selector>,
    brand: Option<Selector>,
    image: Option<Selector>,
    label: Option<Selector>,
    colour: Option<Selector>,
}

impl Css {
    /// Check what the file says.
    ///
    /// # Errors
    /// The key, its value, and what was expected.
    pub fn new(file: &CssFile) -> Result<Self, String> {
        let checked = |key: &str, css: &Option<String>| {
            css.as_deref().map(|css| super::selector(&format!("css.{key}"), css)).transpose()
        };
        Ok(Css {
            name: checked("name", &file.name)?,
            price: checked("price", &file.price)?,
            brand: checked("brand", &file.brand)?,
            image: checked("image", &file.image)?,
            label: checked("label", &file.label)?,
            colour: checked("colour", &file.colour)?,
        })
    }

    /// What the selectors match; nothing, if none matches.
    pub fn product(&self, document: &Html, base: &str) -> Option<Listing> {
        let first = |selector: &Option<Selector>| {
            let found = selector.as_ref().map(|s| document.select(s).filter_map(words).next());
            found.flatten()
        };
        let all = |selector: &Option<Selector>| selector.iter().flat_map(|s| document.select(s)).collect::<Vec<_>>();
        let listing = Listing {
            title: first(&self.name),
            price: first(&self.price),
            price_is_seen: true,
            brand: first(&self.brand),
            colour: first(&self.colour),
            images: all(&self.image).into_iter().filter_map(|e| picture(e, base)).collect(),
            labels: all(&self.label).into_iter().filter_map(words).rev().collect(),
            ..Listing::default()
        };
        let is_empty = listing == Listing { price_is_seen: true, ..Listing::default() };
        (!is_empty).then_some(listing)
    }
}

/// An element's words: its text, or what a `meta` or an `input` holds.
fn words(element: ElementRef<'_>) -> Option<String> {
    let given = match element.value().name() {
        "meta" => element.attr("content"),
        "input" | "data" => element.attr("value"),
        _ => None,
    };
    match given {
        Some(text) => tidy(&decode_entities(text)),
        None => tidy(&text_of(element, &mut MAX_LOOKS.clone())),
    }
}

/// A picture's address: the largest that it names.
fn picture(element: ElementRef<'_>, base: &str) -> Option<String> {
    let set = ["srcset", "data-srcset"].iter().find_map(|name| element.attr(name));
    let largest = set.and_then(|set| {
        let candidates = set.split(", ").filter_map(|candidate| {
            let mut parts = candidate.split_whitespace();
            let address = parts.next()?.trim_end_matches(',');
            let size: f64 = parts.next().and_then(|s| s.trim_end_matches(['w', 'x', ',']).parse().ok()).unwrap_or(1.0);
            Some((size, address))
        });
        candidates.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, address)| address)
    });
    let plain = ["data-src", "src", "href", "content"].iter().find_map(|name| element.attr(name));
    let address = largest.or(plain).map(str::trim).filter(|a| !a.is_empty() && !a.starts_with("data:"))?;
    Some(join(base, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_read_where_its_selector_matches() {
        let file = CssFile {
            name: Some("h1".into()),
            price: Some(".price".into()),
            brand: Some("meta[name=brand]".into()),
            image: Some(".gallery img".into()),
            label: Some(".crumbs a".into()),
            colour: Some(".nowhere".into()),
        };
        let html = "<meta name=brand content='Fj&auml;ll'><p class=crumbs><a>Bags</a><a>Totes</a></p><h1>Vale<br>Tote</h1>\
            <p class=price><b>1.299</b> <i>€</i></p><p class=gallery><img src=a.jpg><img data-src='/b.jpg' src='data:x'>\
            <img src=s.jpg srcset='s.jpg 200w, l.jpg 900w'></p>";
        let document = Html::parse_document(html);
        let listing = Css::new(&file).unwrap().product(&document, "https://s.example/p/1").unwrap();
        assert_eq!((listing.title.as_deref(), listing.price.as_deref()), (Some("Vale Tote"), Some("1.299 €")));
        assert_eq!(listing.brand.as_deref(), Some("Fjäll"));
        assert_eq!(
            listing.images,
            ["https://s.example/p/a.jpg", "https://s.example/b.jpg", "https://s.example/p/l.jpg"]
        );
        assert_eq!((listing.labels, listing.colour), (vec!["Totes".to_string(), "Bags".to_string()], None));
        assert_eq!(Css::new(&CssFile::default()).unwrap().product(&document, ""), None);
        let wrong = CssFile { name: Some("h1[".into()), ..CssFile::default() };
        assert!(Css::new(&wrong).unwrap_err().contains("css.name = \"h1[\": expected a CSS selector"));
    }
}
