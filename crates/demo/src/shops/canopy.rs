//! Canopy Goods: a Shopify shop. New goods, US dollars, which the feed does not say.

use serde_json::{Value, json};

use super::Counter;
use super::html::{dollars, escape, page, plain};
use crate::assortment::{Family, Fault, Product};
use crate::site::{Resource, SITE_MODIFIED};

const PER_PAGE: usize = 24;

fn title(family: &Family, product: &Product) -> String {
    match family.noun {
        Some(noun) => format!("{} {} - {}", family.model, noun, product.colour.name),
        None => format!("{} - {}", family.model, product.colour.name),
    }
}

/// The elements of `products`, as `/products.json` hands them out.
pub(super) fn feed(counter: &Counter<'_>) -> Vec<Value> {
    counter.products.iter().map(|(family, product)| entry(counter, family, product)).collect()
}

fn entry(counter: &Counter<'_>, family: &Family, product: &Product) -> Value {
    let id = 7_300_000_000_000 + product.number;
    let at = product.modified.to_string();
    let images: Vec<Value> = counter
        .photo_paths(product)
        .iter()
        .enumerate()
        .map(|(n, path)| {
            json!({
                "id": 34_000_000_000_000 + product.number * 10 + n as u64, "created_at": at, "updated_at": at,
                "position": n + 1, "product_id": id, "variant_ids": [], "src": format!("{}{path}", counter.origin),
            })
        })
        .collect();
    json!({
        "id": id,
        "title": title(family, product),
        "handle": product.handle,
        "body_html": format!("<p>The {} by {}, in {}.</p>", family.model, escape(family.brand.name), product.colour.name.to_lowercase()),
        "published_at": at, "created_at": at, "updated_at": at,
        "vendor": family.brand.name,
        "product_type": family.kind.category(),
        "tags": ["all-bags", product.colour.name.to_lowercase(), "new-in"],
        "variants": [{
            "id": 41_000_000_000_000 + product.number, "title": product.colour.name,
            "option1": product.colour.name, "option2": null, "option3": null,
            "sku": format!("CG-{}", product.number), "requires_shipping": true, "taxable": true, "featured_image": null,
            "available": !product.has(Fault::SoldOut),
            "price": plain(product.price), "grams": 640, "compare_at_price": null,
            "position": 1, "product_id": id, "created_at": at, "updated_at": at,
        }],
        "images": images,
        "options": [{"name": "Color", "position": 1, "values": [product.colour.name]}],
    })
}

pub(super) fn pages(counter: &Counter<'_>) -> Vec<(String, Resource)> {
    let mut out = vec![
        ("/robots.txt".into(), Resource::text("text/plain; charset=utf-8", SITE_MODIFIED, ROBOTS.into())),
        (
            "/".into(),
            frame("Canopy Goods", "<h1>Bags for the long run</h1>\n<p><a href=\"/collections/all\">All bags</a></p>\n"),
        ),
        ("/cart".into(), frame("Your cart", "<h1>Your cart is empty</h1>\n")),
        ("/search".into(), frame("Search", "<h1>Search</h1>\n<p>Nothing found.</p>\n")),
    ];
    let pages = counter.products.chunks(PER_PAGE).count();
    for (n, chunk) in counter.products.chunks(PER_PAGE).enumerate() {
        let tiles: String = chunk.iter().map(|(f, p)| tile(counter, f, p)).collect();
        let next = if n + 1 < pages {
            format!("<a rel=\"next\" href=\"/collections/all?page={}\">Next</a>", n + 2)
        } else {
            String::new()
        };
        let body = format!(
            "<h1>All bags</h1>\n<p><a href=\"/collections/all?sort_by=price-ascending\">Sort by price</a></p>\n\
             <ul class=\"grid\">\n{tiles}</ul>\n<p class=\"pagination\">{next}</p>\n"
        );
        let listing = || frame("All bags – Canopy Goods", &body);
        if n == 0 {
            out.push(("/collections/all".into(), listing()));
        }
        out.push((format!("/collections/all?page={}", n + 1), listing()));
    }
    for (family, product) in &counter.products {
        out.push((format!("/products/{}", product.handle), product_page(counter, family, product)));
    }
    out
}

fn tile(counter: &Counter<'_>, family: &Family, product: &Product) -> String {
    format!(
        "<li class=\"card\"><a href=\"/products/{}\"><img loading=\"lazy\" src=\"{}\" alt=\"\"><span>{}</span></a> \
         <span class=\"price\">{}</span></li>\n",
        product.handle,
        counter.photo_path(product, 0),
        escape(&title(family, product)),
        dollars(product.price)
    )
}

fn product_page(counter: &Counter<'_>, family: &Family, product: &Product) -> Resource {
    let title = escape(&title(family, product));
    let photos: String =
        counter.photo_paths(product).iter().map(|p| format!("<img src=\"{p}\" alt=\"{title}\">\n")).collect();
    let swatches: String = family
        .products
        .iter()
        .map(|p| format!("<li><a href=\"/products/{}\">{}</a></li>", p.handle, p.colour.name))
        .collect();
    let head = format!(
        "<link rel=\"canonical\" href=\"{0}/products/{1}\">\n<meta property=\"og:type\" content=\"product\">\n\
         <meta property=\"og:title\" content=\"{title}\">\n<meta property=\"og:price:amount\" content=\"{2}\">\n\
         <meta property=\"og:price:currency\" content=\"USD\">\n",
        counter.origin,
        product.handle,
        plain(product.price),
    );
    let body = format!(
        "<nav class=\"breadcrumbs\"><a href=\"/\">Home</a> / <a href=\"/collections/all\">{}</a></nav>\n\
         <main>\n{photos}<p class=\"vendor\">{}</p>\n<h1>{title}</h1>\n<p class=\"price\">{}</p>\n<ul class=\"swatches\">{swatches}</ul>\n\
         <button{}>{}</button>\n<p>The {} in {}.</p>\n</main>\n",
        family.kind.category(),
        escape(family.brand.name),
        dollars(product.price),
        if product.has(Fault::SoldOut) { " disabled" } else { "" },
        if product.has(Fault::SoldOut) { "Sold out" } else { "Add to cart" },
        family.model,
        product.colour.name.to_lowercase(),
    );
    let text = page("en-US", &format!("{title} – Canopy Goods"), &head, &(HEADER.to_string() + &body + FOOTER));
    Resource::html(product.modified, text)
}

fn frame(title: &str, body: &str) -> Resource {
    Resource::html(SITE_MODIFIED, page("en-US", title, "", &(HEADER.to_string() + body + FOOTER)))
}

const ROBOTS: &str = "# we use Shopify as our ecommerce platform\n\
User-agent: *\nDisallow: /cart\nDisallow: /checkout\nDisallow: /search\nDisallow: /collections/*sort_by*\n\n\
User-agent: Nutch\nDisallow: /\n";

const HEADER: &str = "<header>\n<p>Free shipping over $75</p>\n<nav><a href=\"/\">Canopy Goods</a><a href=\"/collections/all\">Bags</a>\
<a href=\"/search\">Search</a><a href=\"/cart\">Cart (0)</a></nav>\n</header>\n";
const FOOTER: &str =
    "<footer><p>We use cookies to keep your cart. <button>Accept</button></p><p>© Canopy Goods</p></footer>\n";
