//! Loom & Latch: paginated listings and JSON-LD. New goods, euro.

use serde_json::{Value, json};

use super::Counter;
use super::html::{escape, euros, json_ld, page, plain};
use crate::assortment::{Family, Fault, Product};
use crate::site::{Resource, SITE_MODIFIED};

const PER_PAGE: usize = 18;

fn path(product: &Product) -> String {
    let folder = if product.has(Fault::Disallowed) { "preview" } else { "p" };
    format!("/{folder}/{}", product.handle)
}

fn title(family: &Family, product: &Product) -> String {
    let colour = product.colour.name;
    match family.noun {
        Some(noun) => format!("{} {} {noun}, {}", family.brand.name, family.model, colour.to_lowercase()),
        None => format!("{} {}, {}", family.brand.name, family.model, colour.to_lowercase()),
    }
}

pub(super) fn pages(counter: &Counter<'_>) -> Vec<(String, Resource)> {
    let mut out = vec![
        ("/robots.txt".into(), Resource::text("text/plain", SITE_MODIFIED, ROBOTS.into())),
        ("/".into(), frame("Loom & Latch", "", "<h1>Made slowly</h1>\n<p><a href=\"/bags\">See all bags</a></p>\n")),
        ("/account/login".into(), frame("Log in", "", "<h1>Log in</h1>\n")),
        (
            "/journal/caring-for-leather".into(),
            frame("Caring for leather", "", "<h1>Caring for leather</h1>\n<p>Keep it dry.</p>\n"),
        ),
    ];
    out.extend(counter.listings("/bags", PER_PAGE, listing));
    for (family, product) in &counter.products {
        out.push((path(product), product_page(counter, family, product)));
    }
    out
}

fn listing(counter: &Counter<'_>, chunk: &[(&Family, &Product)], number: usize, pages: usize) -> Resource {
    let tiles: String = chunk
        .iter()
        .map(|(family, product)| {
            format!(
                "<li class=\"product-card\">\n<a class=\"product-card__link\" href=\"{}\">\n<img loading=\"lazy\" width=\"280\" src=\"{}\" alt=\"{}\">\n\
                 <h2 class=\"product-card__title\">{}</h2>\n</a>\n<p class=\"product-card__price\">{}</p>\n</li>\n",
                path(product),
                counter.photo_path(product, 0),
                escape(&title(family, product)),
                escape(&title(family, product)),
                euros(product.price),
            )
        })
        .collect();
    let link = |n: usize, rel: &str, text: &str| format!("<a rel=\"{rel}\" href=\"/bags?page={n}\">{text}</a> ");
    let mut pagination = String::new();
    let mut head = String::new();
    if number > 1 {
        pagination += &link(number - 1, "prev", "Previous");
    }
    if number < pages {
        pagination += &link(number + 1, "next", "Next");
        head = format!("<link rel=\"next\" href=\"/bags?page={}\">\n", number + 1);
    }
    let body = format!(
        "<h1>Bags</h1>\n<p>{} bags · page {number} of {pages}</p>\n<ul class=\"grid\">\n{tiles}</ul>\n<nav class=\"pagination\">{pagination}</nav>\n",
        counter.products.len()
    );
    frame(&format!("Bags, page {number} | Loom & Latch"), &head, &body)
}

fn product_page(counter: &Counter<'_>, family: &Family, product: &Product) -> Resource {
    let url = format!("{}{}", counter.origin, path(product));
    let photos = counter.photo_paths(product);
    let images: Vec<Value> = photos.iter().map(|p| json!(format!("{}{p}", counter.origin))).collect();
    let stock =
        if product.has(Fault::SoldOut) { "https://schema.org/OutOfStock" } else { "https://schema.org/InStock" };
    let group = format!("LL-{}", 4_000 + family.index);
    let offer = json!({
        "@type": "Offer", "url": url, "price": plain(product.price), "priceCurrency": "EUR", "availability": stock,
        "itemCondition": "https://schema.org/NewCondition",
    });
    let data = json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "name": title(family, product),
        "sku": format!("LL-{}", product.number),
        "brand": {"@type": "Brand", "name": family.brand.name},
        "color": product.colour.name,
        "category": format!("Bags > {}", family.kind.category()),
        "image": images,
        "description": format!("The {} comes in {} colours.", family.model, family.products.len()),
        "inProductGroupWithID": group,
        "isVariantOf": {"@type": "ProductGroup", "productGroupID": group, "name": format!("{} {}", family.brand.name, family.model)},
        "offers": offer,
    });
    let crumbs = json!({
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": 1, "name": "Bags", "item": format!("{}/bags", counter.origin)},
            {"@type": "ListItem", "position": 2, "name": family.kind.category()},
            {"@type": "ListItem", "position": 3, "name": title(family, product)},
        ],
    });
    let head = format!("<link rel=\"canonical\" href=\"{url}\">\n{}{}", json_ld(&crumbs), json_ld(&data));
    let pictures: String = photos.iter().map(|p| format!("<img src=\"{p}\" alt=\"\">\n")).collect();
    let swatches: String =
        family.products.iter().map(|p| format!("<li><a href=\"{}\">{}</a></li>", path(p), p.colour.name)).collect();
    let body = format!(
        "<nav aria-label=\"Breadcrumb\"><a href=\"/bags\">Bags</a> › <span>{}</span> › <span>{}</span></nav>\n\
         <main>\n<div class=\"gallery\">\n{pictures}</div>\n<h1>{}</h1>\n<p class=\"brand\">{}</p>\n<p class=\"price\">{}</p>\n<p class=\"vat\">incl. VAT</p>\n\
         <ul class=\"colours\">{swatches}</ul>\n<p>{}</p>\n</main>\n{}",
        family.kind.category(),
        escape(&title(family, product)),
        escape(&title(family, product)),
        escape(family.brand.name),
        euros(product.price),
        if product.has(Fault::SoldOut) { "Sold out" } else { "In stock, with you in 2–4 days" },
        related(counter, family),
    );
    Resource::html(product.modified, whole(&title(family, product), &head, &body))
}

/// Two bags of other families: their prices are not this product's.
fn related(counter: &Counter<'_>, family: &Family) -> String {
    let others: String = counter
        .products
        .iter()
        .filter(|(f, p)| f.index != family.index && f.kind == family.kind && !p.has(Fault::Disallowed))
        .take(2)
        .map(|(f, p)| {
            format!(
                "<li><a href=\"{}\">{}</a> <span class=\"price\">{}</span></li>\n",
                path(p),
                escape(&title(f, p)),
                euros(p.price)
            )
        })
        .collect();
    format!("<aside><h2>You may also like</h2>\n<ul>\n{others}</ul></aside>\n")
}

fn whole(title: &str, head: &str, body: &str) -> String {
    page("en", title, head, &(HEADER.to_string() + body + FOOTER))
}

fn frame(title: &str, head: &str, body: &str) -> Resource {
    Resource::html(SITE_MODIFIED, whole(title, head, body))
}

const ROBOTS: &str = "User-agent: *\nDisallow: /account/\nDisallow: /preview/\nAllow: /\n";

const HEADER: &str = "<header>\n<nav><a href=\"/\">Loom &amp; Latch</a><a href=\"/bags\">Bags</a>\
<a href=\"/journal/caring-for-leather\">Journal</a><a href=\"/account/login\">Log in</a></nav>\n</header>\n";
const FOOTER: &str = "<footer>\n<div role=\"dialog\" aria-label=\"Cookies\"><p>We only use cookies that we need.</p><button>All right</button></div>\n\
<p>Loom &amp; Latch, Hafenstraße 12</p>\n</footer>\n";
