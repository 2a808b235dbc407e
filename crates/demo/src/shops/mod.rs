//! The four shops: what they are, and the pages of each.
//!
//! - [`canopy`]: Shopify. `/products.json?limit=N&page=N`, and a page a product.
//! - [`loom`]: `/bags?page=N` with `rel=next`, product pages with JSON-LD.
//! - [`chapter`]: `/shop?page=N`, product pages with microdata.
//! - [`omtanke`]: `/vaskor` is empty until its script has run; product pages with Open Graph and JSON-LD.
//! - [`html`]: what they share: the frame of a page, escaping, and the forms of the prices.

pub(crate) mod canopy;
pub(crate) mod chapter;
pub(crate) mod html;
pub(crate) mod loom;
pub(crate) mod omtanke;

use crate::assortment::{Assortment, Family, Fault, Product};
use crate::paint::Subject;
use crate::site::{Photo, Resource, Site};

/// One of the four.
#[derive(Debug)]
pub struct Shop {
    /// Its key, such as `canopy-goods`.
    pub key: &'static str,
    /// What it calls itself.
    pub name: &'static str,
    /// ISO 4217.
    pub currency: &'static str,
    /// Whether what it sells was worn before.
    pub second_hand: bool,
    /// Whether the addresses of its products start with a number.
    pub(crate) numbered: bool,
    /// How much of its currency a hundred euro are.
    pub(crate) per_hundred_euro: u32,
    pages: fn(&Counter<'_>) -> Vec<(String, Resource)>,
}

/// All four, in the order of their ports.
pub const SHOPS: [Shop; 4] = [
    Shop {
        key: "canopy-goods",
        name: "Canopy Goods",
        currency: "USD",
        second_hand: false,
        numbered: false,
        per_hundred_euro: 108,
        pages: canopy::pages,
    },
    Shop {
        key: "loom-and-latch",
        name: "Loom & Latch",
        currency: "EUR",
        second_hand: false,
        numbered: true,
        per_hundred_euro: 100,
        pages: loom::pages,
    },
    Shop {
        key: "second-chapter",
        name: "Second Chapter",
        currency: "GBP",
        second_hand: true,
        numbered: true,
        per_hundred_euro: 85,
        pages: chapter::pages,
    },
    Shop {
        key: "omtanke",
        name: "Omtanke Vintage",
        currency: "SEK",
        second_hand: true,
        numbered: true,
        per_hundred_euro: 1130,
        pages: omtanke::pages,
    },
];

impl Shop {
    /// The nearest price that such a shop would write.
    pub(crate) fn round(&self, hundredths: u32) -> u32 {
        match self.currency {
            "SEK" => (hundredths / 5_000).max(2) * 5_000 - 100,
            "EUR" => (hundredths / 500).max(3) * 500 - 100,
            _ => (hundredths / 500).max(3) * 500,
        }
    }
}

/// One shop at one address: what the pages are written from.
pub(crate) struct Counter<'a> {
    pub shop: &'static Shop,
    /// `http://127.0.0.1:8471`, with no slash at the end.
    pub origin: &'a str,
    /// In the order of the listing.
    pub products: Vec<(&'a Family, &'a Product)>,
}

/// Makes one page of a listing of its products, its number from 1, and how many pages there are.
type ListingPage = fn(&Counter<'_>, &[(&Family, &Product)], usize, usize) -> Resource;

impl Counter<'_> {
    /// The pages of a listing under `PATH?page=N`, the first under `PATH` too.
    pub fn listings(&self, path: &str, per_page: usize, page: ListingPage) -> Vec<(String, Resource)> {
        let pages = self.products.len().div_ceil(per_page);
        let mut out = Vec::with_capacity(pages + 1);
        for (n, chunk) in self.products.chunks(per_page).enumerate() {
            if n == 0 {
                out.push((path.to_string(), page(self, chunk, n + 1, pages)));
            }
            out.push((format!("{path}?page={}", n + 1), page(self, chunk, n + 1, pages)));
        }
        out
    }

    /// The path of one of a product's photographs.
    pub fn photo_path(&self, product: &Product, view: usize) -> String {
        match self.shop.key {
            "canopy-goods" => format!("/cdn/files/{}_{}.jpg", product.handle, view + 1),
            "loom-and-latch" => format!("/media/{}/{}.jpg", product.number, ["front", "side"][view]),
            "second-chapter" => format!("/photos/{}-{}.jpeg", product.number, view),
            _ => format!("/bilder/{}_{}.jpg", product.number, view + 1),
        }
    }

    /// The paths of all photographs of a product, the main one first.
    pub fn photo_paths(&self, product: &Product) -> Vec<String> {
        (0..product.shots.len()).map(|view| self.photo_path(product, view)).collect()
    }
}

/// Everything that a shop serves at an address such as `http://127.0.0.1:8471`.
pub(crate) fn site(assortment: &Assortment, shop: usize, origin: &str) -> Site {
    let counter = Counter { shop: &SHOPS[shop], origin, products: assortment.products(shop) };
    let mut resources = (counter.shop.pages)(&counter);
    for (family, product) in &counter.products {
        for (view, path) in counter.photo_paths(product).into_iter().enumerate() {
            if let Some(photo) = photo(family, product, view) {
                resources.push((path, photo));
            }
        }
    }
    let feed = if shop == 0 { canopy::feed(&counter) } else { Vec::new() };
    Site::new(resources, feed)
}

fn photo(family: &Family, product: &Product, view: usize) -> Option<Resource> {
    let first = view == 0;
    if first && product.has(Fault::MissingImage) {
        return None;
    }
    if first && product.has(Fault::HtmlImage) {
        let page = "<!doctype html><html><head><title>Just a moment</title></head>\
                    <body><p>This picture is being prepared.</p></body></html>\n";
        return Some(Resource::text("image/jpeg", product.modified, page.into()));
    }
    let subject =
        Subject { kind: family.kind, model: family.seed, colour: product.colour.rgb, shot: product.shots[view] };
    let cut = first && product.has(Fault::TruncatedImage);
    Some(Resource::photo(product.modified, Photo { subject, cut }))
}
