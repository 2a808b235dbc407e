//! Omtanke Vintage: the listing is made by its script. Second-hand, Swedish kronor.

use serde_json::{Value, json};

use super::Counter;
use super::html::{escape, json_ld, kronor, page, plain};
use crate::assortment::{Family, Fault, Product};
use crate::site::{Resource, SITE_MODIFIED};

const PER_PAGE: usize = 20;

fn path(product: &Product) -> String {
    format!("/vara/{}", product.handle)
}

fn title(family: &Family, product: &Product) -> String {
    let noun = family.noun.unwrap_or("");
    format!("{} {} {noun}, {}", family.brand.name, family.model, product.colour.swedish.to_lowercase())
}

fn price(product: &Product) -> String {
    if product.has(Fault::NoPrice) { "Pris på förfrågan".into() } else { kronor(product.price) }
}

pub(super) fn pages(counter: &Counter<'_>) -> Vec<(String, Resource)> {
    let listing = "<h1>Väskor</h1>\n<p id=\"antal\"></p>\n<ul class=\"grid\" id=\"produkter\" aria-busy=\"true\"></ul>\n\
                   <noscript><p>Slå på JavaScript för att se våra väskor.</p></noscript>\n<script src=\"/static/listning.js\" defer></script>\n";
    let mut out = vec![
        ("/robots.txt".into(), Resource::text("text/plain; charset=utf-8", SITE_MODIFIED, ROBOTS.into())),
        (
            "/".into(),
            frame("Omtanke Vintage", "<h1>Väskor med historia</h1>\n<p><a href=\"/vaskor\">Alla väskor</a></p>\n"),
        ),
        ("/vaskor".into(), frame("Väskor | Omtanke Vintage", listing)),
        ("/varukorg".into(), frame("Varukorg", "<h1>Varukorgen är tom</h1>\n")),
        ("/static/listning.js".into(), Resource::text("text/javascript; charset=utf-8", SITE_MODIFIED, SCRIPT.into())),
    ];
    let pages = counter.products.len().div_ceil(PER_PAGE);
    for (n, chunk) in counter.products.chunks(PER_PAGE).enumerate() {
        let entries: Vec<Value> = chunk
            .iter()
            .map(|(family, product)| {
                json!({
                    "lank": path(product), "titel": title(family, product), "pris": price(product),
                    "bild": counter.photo_path(product, 0), "sald": product.has(Fault::SoldOut),
                })
            })
            .collect();
        let next = (n + 1 < pages).then_some(n + 2);
        let text = json!({"antal": counter.products.len(), "nasta": next, "varor": entries}).to_string();
        out.push((format!("/api/varor?sida={}", n + 1), Resource::text("application/json", SITE_MODIFIED, text)));
    }
    for (family, product) in &counter.products {
        out.push((path(product), product_page(counter, family, product)));
    }
    out
}

fn product_page(counter: &Counter<'_>, family: &Family, product: &Product) -> Resource {
    let name = title(family, product);
    let url = format!("{}{}", counter.origin, path(product));
    let photos: Vec<String> = counter.photo_paths(product).iter().map(|p| format!("{}{p}", counter.origin)).collect();
    let sold = product.has(Fault::SoldOut);
    let group = format!("OV{}", 700 + family.index);
    let mut properties = vec![
        ("og:type", "product".to_string()),
        ("og:site_name", "Omtanke Vintage".into()),
        ("og:title", name.clone()),
        ("og:url", url.clone()),
        ("product:brand", family.brand.name.into()),
        ("product:color", product.colour.swedish.into()),
        ("product:category", family.kind.category_in_swedish().into()),
        ("product:condition", "used".into()),
        ("product:availability", if sold { "out of stock" } else { "in stock" }.into()),
        ("product:item_group_id", group.clone()),
        ("product:retailer_item_id", product.number.to_string()),
    ];
    properties.extend(photos.iter().map(|p| ("og:image", p.clone())));
    let mut offer = json!({
        "@type": "Offer", "url": url, "itemCondition": "https://schema.org/UsedCondition",
        "availability": if sold { "https://schema.org/SoldOut" } else { "https://schema.org/InStock" },
    });
    if !product.has(Fault::NoPrice) {
        properties.push(("product:price:amount", plain(product.price)));
        properties.push(("product:price:currency", "SEK".into()));
        offer["price"] = json!(product.price / 100);
        offer["priceCurrency"] = json!("SEK");
    }
    let data = json!({
        "@context": "https://schema.org",
        "@graph": [
            {"@type": "Organization", "name": "Omtanke Vintage", "url": counter.origin},
            {
                "@type": "Product", "name": name, "sku": product.number.to_string(), "brand": family.brand.name,
                "color": product.colour.swedish, "category": family.kind.category_in_swedish(), "image": photos,
                "model": family.model, "inProductGroupWithID": group, "offers": [offer],
            },
        ],
    });
    let mut head: String = properties
        .iter()
        .map(|(key, value)| format!("<meta property=\"{key}\" content=\"{}\">\n", escape(value)))
        .collect();
    head += &json_ld(&data);
    let pictures: String =
        counter.photo_paths(product).iter().map(|p| format!("<img src=\"{p}\" alt=\"{}\">\n", escape(&name))).collect();
    let siblings: String = family
        .products
        .iter()
        .filter(|p| p.handle != product.handle)
        .map(|p| format!("<li><a href=\"{}\">{}</a></li>", path(p), p.colour.swedish))
        .collect();
    let body = format!(
        "<nav aria-label=\"Brödsmulor\"><a href=\"/vaskor\">Väskor</a> / <span>{}</span></nav>\n<main>\n<h1>{}</h1>\n{pictures}\
         <p class=\"pris\">{}</p>\n<dl><dt>Märke</dt><dd>{}</dd><dt>Modell</dt><dd>{}</dd><dt>Färg</dt><dd>{}</dd><dt>Skick</dt><dd>Begagnad, gott skick</dd></dl>\n\
         <p>{}</p>\n<ul class=\"farger\">{siblings}</ul>\n</main>\n",
        family.kind.category_in_swedish(),
        escape(&name),
        price(product),
        escape(family.brand.name),
        family.model,
        product.colour.swedish,
        if sold { "Såld" } else { "I lager" },
    );
    Resource::html(product.modified, whole(&format!("{name} | Omtanke Vintage"), &head, &body))
}

fn whole(title: &str, head: &str, body: &str) -> String {
    page("sv", title, head, &(HEADER.to_string() + body + FOOTER))
}

fn frame(title: &str, body: &str) -> Resource {
    Resource::html(SITE_MODIFIED, whole(title, "", body))
}

const ROBOTS: &str = "User-agent: *\nDisallow: /varukorg\nDisallow: /kassa\n";

/// Fetches page after page and appends; `aria-busy` goes when all are there.
const SCRIPT: &str = r#"(async () => {
  const list = document.getElementById("produkter");
  for (let sida = 1; sida; ) {
    const answer = await fetch(`/api/varor?sida=${sida}`);
    if (!answer.ok) break;
    const { antal, nasta, varor } = await answer.json();
    document.getElementById("antal").textContent = `${antal} väskor`;
    for (const vara of varor) {
      const li = document.createElement("li");
      li.className = "produkt";
      const a = document.createElement("a");
      a.href = vara.lank;
      const img = document.createElement("img");
      img.loading = "lazy";
      img.src = vara.bild;
      img.alt = "";
      const namn = document.createElement("h2");
      namn.textContent = vara.titel;
      a.append(img, namn);
      const pris = document.createElement("p");
      pris.className = "pris";
      pris.textContent = vara.sald ? "Såld" : vara.pris;
      li.append(a, pris);
      list.append(li);
    }
    sida = nasta;
  }
  list.removeAttribute("aria-busy");
})();
"#;

const HEADER: &str = "<header>\n<nav><a href=\"/\">Omtanke Vintage</a><a href=\"/vaskor\">Väskor</a><a href=\"/varukorg\">Varukorg</a></nav>\n</header>\n";
const FOOTER: &str = "<footer><p>Vi använder kakor för din varukorg. <button>Okej</button></p><p>Omtanke Vintage AB, Malmö</p></footer>\n";
