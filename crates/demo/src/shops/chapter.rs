//! Second Chapter: microdata. Second-hand, pounds sterling.

use super::Counter;
use super::html::{escape, page, plain, pounds};
use crate::assortment::{Family, Fault, Product};
use crate::site::{Resource, SITE_MODIFIED};

const PER_PAGE: usize = 15;
const WEAR: [&str; 4] =
    ["Very good", "Good, light wear to the corners", "Like new, with dust bag", "Fair, some marks inside"];

fn path(product: &Product) -> String {
    let folder = if product.has(Fault::Disallowed) { "members" } else { "items" };
    format!("/{folder}/{}", product.handle)
}

fn title(family: &Family, product: &Product) -> String {
    let brand = family.brand.name;
    match family.noun {
        Some(noun) => format!("{brand} {} {noun} in {}", family.model, product.colour.name),
        None => format!("{brand} {} in {}", family.model, product.colour.name),
    }
}

fn price(product: &Product) -> String {
    if product.has(Fault::NoPrice) { "Price on request".into() } else { pounds(product.price) }
}

pub(super) fn pages(counter: &Counter<'_>) -> Vec<(String, Resource)> {
    let mut out = vec![
        ("/robots.txt".into(), Resource::text("text/plain; charset=utf-8", SITE_MODIFIED, ROBOTS.into())),
        (
            "/".into(),
            frame("Second Chapter", "<h1>Pre-loved bags</h1>\n<p><a href=\"/shop\">Browse the shop</a></p>\n"),
        ),
        ("/sell".into(), frame("Sell with us", "<h1>Sell with us</h1>\n")),
        ("/basket".into(), frame("Basket", "<h1>Your basket is empty</h1>\n")),
    ];
    out.extend(counter.listings("/shop", PER_PAGE, listing));
    for (family, product) in &counter.products {
        out.push((path(product), product_page(counter, family, product)));
    }
    out
}

fn listing(counter: &Counter<'_>, chunk: &[(&Family, &Product)], number: usize, pages: usize) -> Resource {
    let tiles: String = chunk
        .iter()
        .map(|(family, product)| {
            let sold = if product.has(Fault::SoldOut) { "<span class=\"badge\">Sold</span>" } else { "" };
            format!(
                "<article class=\"item\"><a class=\"item-link\" href=\"{}\"><img src=\"{}\" alt=\"\" loading=\"lazy\">{sold}\
                 <h3>{}</h3></a><p class=\"item-price\">{}</p></article>\n",
                path(product),
                counter.photo_path(product, 0),
                escape(&title(family, product)),
                price(product),
            )
        })
        .collect();
    let numbers: String = (1..=pages)
        .map(|n| {
            let rel = if n == number + 1 { " rel=\"next\"" } else { "" };
            if n == number {
                format!("<strong>{n}</strong> ")
            } else {
                format!("<a{rel} href=\"/shop?page={n}\">{n}</a> ")
            }
        })
        .collect();
    let body = format!(
        "<h1>The shop</h1>\n<div class=\"items\">\n{tiles}</div>\n<nav class=\"pages\" aria-label=\"Pages\">{numbers}</nav>\n"
    );
    frame(&format!("Pre-loved bags – page {number} – Second Chapter"), &body)
}

fn product_page(counter: &Counter<'_>, family: &Family, product: &Product) -> Resource {
    let name = escape(&title(family, product));
    let category = family.kind.category();
    let pictures: String = counter
        .photo_paths(product)
        .iter()
        .map(|p| format!("<img itemprop=\"image\" src=\"{p}\" alt=\"{name}\">\n"))
        .collect();
    let offer = if product.has(Fault::NoPrice) {
        "<p>Price on request</p>\n".to_string()
    } else {
        format!(
            "<meta itemprop=\"priceCurrency\" content=\"GBP\">\n<p class=\"price\"><span itemprop=\"price\" content=\"{}\">{}</span></p>\n",
            plain(product.price),
            pounds(product.price)
        )
    };
    let (stock, words) =
        if product.has(Fault::SoldOut) { ("SoldOut", "Sold") } else { ("InStock", "One only: add to basket") };
    let others: String = family
        .products
        .iter()
        .filter(|p| p.handle != product.handle && !p.has(Fault::Disallowed))
        .map(|p| format!("<li><a href=\"{}\">{}</a> {}</li>\n", path(p), escape(&title(family, p)), price(p)))
        .collect();
    let body = format!(
        "<ol itemscope itemtype=\"https://schema.org/BreadcrumbList\">\n\
         <li itemprop=\"itemListElement\" itemscope itemtype=\"https://schema.org/ListItem\"><a itemprop=\"item\" href=\"/shop\"><span itemprop=\"name\">Shop</span></a><meta itemprop=\"position\" content=\"1\"></li>\n\
         <li itemprop=\"itemListElement\" itemscope itemtype=\"https://schema.org/ListItem\"><span itemprop=\"name\">{category}</span><meta itemprop=\"position\" content=\"2\"></li>\n</ol>\n\
         <main itemscope itemtype=\"https://schema.org/Product\">\n<h1 itemprop=\"name\">{name}</h1>\n{pictures}\
         <p>by <span itemprop=\"brand\" itemscope itemtype=\"https://schema.org/Brand\"><span itemprop=\"name\">{}</span></span></p>\n\
         <meta itemprop=\"sku\" content=\"SC{}\">\n\
         <div itemprop=\"offers\" itemscope itemtype=\"https://schema.org/Offer\">\n{offer}\
         <link itemprop=\"availability\" href=\"https://schema.org/{stock}\"><link itemprop=\"itemCondition\" href=\"https://schema.org/UsedCondition\"><button>{words}</button>\n</div>\n\
         <dl>\n<dt>Model</dt><dd itemprop=\"model\">{}</dd>\n<dt>Colour</dt><dd itemprop=\"color\">{}</dd>\n<dt>Category</dt><dd itemprop=\"category\">{category}</dd>\n<dt>Condition</dt><dd>{}</dd>\n</dl>\n\
         <p itemprop=\"description\">A {} by {}, checked by hand.</p>\n</main>\n<aside><h2>The same model</h2><ul>\n{others}</ul></aside>\n",
        escape(family.brand.name),
        product.number,
        family.model,
        product.colour.name,
        WEAR[product.number as usize % WEAR.len()],
        family.model,
        escape(family.brand.name),
    );
    Resource::html(
        product.modified,
        page(
            "en-GB",
            &format!("{} | Second Chapter", title(family, product)),
            "",
            &(HEADER.to_string() + &body + FOOTER),
        ),
    )
}

fn frame(title: &str, body: &str) -> Resource {
    Resource::html(SITE_MODIFIED, page("en-GB", title, "", &(HEADER.to_string() + body + FOOTER)))
}

const ROBOTS: &str =
    "User-agent: *\nCrawl-delay: 0.1\nDisallow: /basket\nDisallow: /members/\n\nUser-agent: GreedyBot\nDisallow: /\n";

const HEADER: &str = "<header>\n<nav><a href=\"/\">Second Chapter</a><a href=\"/shop\">Shop</a><a href=\"/sell\">Sell</a>\
<a href=\"/basket\">Basket</a></nav>\n</header>\n";
const FOOTER: &str = "<footer><p>Cookies help us to remember your basket. <a href=\"/\">More</a></p><p>Second Chapter Ltd, Leith</p></footer>\n";
