//! The four shops as a client sees them.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_demo::{Demo, Fault, Kind, Open, SHOPS, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ORIGIN: &str = "http://127.0.0.1:8471";

fn sites(seed: u64) -> Vec<Site> {
    let demo = Demo::new(seed);
    (0..4).map(|shop| demo.site(shop, ORIGIN)).collect()
}

fn text(site: &Site, path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
    let found = site.get(path, query).unwrap_or_else(|| panic!("{path} is not there"));
    String::from_utf8(found.bytes().to_vec()).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_every_address() {
    let (once, again) = (sites(7), sites(7));
    let mut photos = 0;
    for (a, b) in once.iter().zip(&again) {
        assert!(a.paths().eq(b.paths()));
        for path in a.paths() {
            let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
            let (x, y) = (a.get(path, query).unwrap(), b.get(path, query).unwrap());
            assert_eq!((x.content_type, x.modified, x.etag()), (y.content_type, y.modified, y.etag()), "{path}");
            assert!(x.bytes() == y.bytes(), "{path}");
            photos += usize::from(x.content_type == "image/jpeg");
        }
    }
    assert!(photos >= 290, "{photos}");
    assert_ne!(text(&sites(8)[0], "/products.json"), text(&once[0], "/products.json"));
}

#[test]
fn the_feed_is_shopifys() {
    let site = &sites(7)[0];
    let products = |path: &str| -> Vec<serde_json::Value> {
        serde_json::from_str::<serde_json::Value>(&text(site, path)).unwrap()["products"].as_array().unwrap().clone()
    };
    assert_eq!(products("/products.json").len(), 30);
    assert_eq!(products("/products.json?limit=250&page=1").len(), 60);
    assert_eq!(products("/products.json?limit=250&page=2").len(), 0);
    let in_pages: Vec<_> = (1..=3).flat_map(|n| products(&format!("/products.json?limit=25&page={n}"))).collect();
    assert_eq!(in_pages, products("/products.json?limit=250"));
    for product in &in_pages {
        assert!(product["variants"][0]["price"].as_str().unwrap().ends_with(".00"));
        assert!(product["images"][0]["src"].as_str().unwrap().starts_with("http://127.0.0.1:8471/cdn/"));
        assert!(site.get(&format!("/products/{}", product["handle"].as_str().unwrap()), None).is_some());
    }
    assert!(in_pages.iter().any(|p| p["variants"][0]["available"] == false));
}

#[test]
fn listings_lead_to_every_product_and_end() {
    for (shop, folder) in [(1, "/bags"), (2, "/shop")] {
        let site = &sites(7)[shop];
        let mut links = BTreeSet::new();
        let mut next = Some(folder.to_string());
        while let Some(path) = next {
            let page = text(site, &path);
            links.extend(
                page.split("href=\"").skip(1).map(|l| l.split('"').next().unwrap().to_string()).filter(|l| {
                    ["/p/", "/preview/", "/items/", "/members/"].iter().any(|folder| l.starts_with(folder))
                }),
            );
            next = page
                .split("<a ")
                .find(|a| a.contains("rel=\"next\""))
                .map(|a| a.split("href=\"").nth(1).unwrap().split('"').next().unwrap().to_string());
        }
        assert_eq!(links.len(), 60, "{folder}");
        assert!(links.iter().all(|l| site.get(l, None).is_some()));
        assert!(site.get(folder, Some("page=99")).is_none());
        let robots = text(site, "/robots.txt");
        let forbidden = |l: &&String| {
            robots.lines().filter_map(|r| r.strip_prefix("Disallow: ")).any(|r| l.starts_with(r) && r != "/")
        };
        assert_eq!(links.iter().filter(forbidden).count(), 1, "{folder}");
    }
    assert!(text(&sites(7)[2], "/robots.txt").contains("Crawl-delay: "));
}

#[test]
fn the_swedish_listing_has_no_items_until_its_script_has_run() {
    let site = &sites(7)[3];
    let listing = text(site, "/vaskor");
    assert!(!listing.contains("/vara/") && !listing.contains("/bilder/") && listing.contains("listning.js"));
    assert!(text(site, "/static/listning.js").contains("/api/varor?sida="));
    let mut links = Vec::new();
    let mut page = Some(1);
    while let Some(n) = page {
        let answer: serde_json::Value = serde_json::from_str(&text(site, &format!("/api/varor?sida={n}"))).unwrap();
        links.extend(answer["varor"].as_array().unwrap().iter().map(|v| v["lank"].as_str().unwrap().to_string()));
        page = answer["nasta"].as_u64();
    }
    assert_eq!(links.len(), 60);
    assert!(links.iter().all(|l| text(site, l).contains("property=\"product:brand\"")));
}

#[test]
fn prices_are_written_as_in_their_countries() {
    let sites = sites(7);
    let any = |shop: usize, needle: &str| {
        let site: &Site = &sites[shop];
        let pages =
            site.paths().filter(|p| ["/p/", "/items/", "/vara/", "/products/"].iter().any(|f| p.starts_with(f)));
        pages.map(|p| text(site, p)).any(|t| t.contains(needle))
    };
    assert!(any(0, "<p class=\"price\">$"));
    assert!(any(1, ",00 €</p>"));
    assert!((1..5).any(|n| any(1, &format!("<p class=\"price\">{n}."))), "no price of a thousand euro or more");
    assert!(any(2, ">£") && any(2, "Price on request"));
    assert!(any(3, "\u{a0}kr</p>") && any(3, "Pris på förfrågan"));
    assert!(any(3, "<p class=\"pris\">1\u{a0}"), "no price of a thousand kronor or more");
}

#[test]
fn the_faults_are_where_they_were_planted() {
    let demo = Demo::new(7);
    let mut kinds = BTreeSet::<Kind>::new();
    let mut faults = BTreeMap::<Fault, usize>::new();
    for family in &demo.assortment().families {
        kinds.insert(family.kind);
        for product in &family.products {
            product.faults.iter().for_each(|f| *faults.entry(*f).or_default() += 1);
        }
    }
    assert_eq!(kinds.len(), 8);
    assert_eq!(faults.len(), 6, "{faults:?}");

    let (mut cut, mut html) = (0, 0);
    for (shop, site) in sites(7).iter().enumerate() {
        for path in site.paths().filter(|p| p.contains(".jp")) {
            let bytes = site.get(path, None).unwrap().bytes();
            if bytes.starts_with(b"<!doctype") {
                html += 1;
            } else if bytes.starts_with(&[0xff, 0xd8]) && !bytes.ends_with(&[0xff, 0xd9]) {
                cut += 1;
            } else {
                assert!(image::load_from_memory(&bytes).is_ok(), "{path}");
            }
        }
        let mut missing = BTreeSet::new();
        for path in site.paths().filter(|p| !p.contains(".jp") && !p.contains("products.json")) {
            let page = text(site, path);
            let sources = page.split(" src=\"").skip(1).map(|s| s.split('"').next().unwrap());
            missing.extend(sources.filter(|s| s.contains(".jp") && site.get(s, None).is_none()).map(String::from));
        }
        let families = demo.assortment().families.iter().filter(|f| f.shop == shop);
        let planted = families.flat_map(|f| &f.products).filter(|p| p.faults.contains(&Fault::MissingImage));
        assert_eq!(missing.len(), planted.count(), "{}: {missing:?}", SHOPS[shop].key);
    }
    assert_eq!((cut, html), (faults[&Fault::TruncatedImage], faults[&Fault::HtmlImage]));
}

#[test]
fn query_photos_are_of_families_in_the_shops_but_of_no_colour_there() {
    let demo = Demo::new(7);
    let mut kinds = BTreeSet::new();
    for number in 0..16 {
        let photo = demo.query_photo(number);
        kinds.insert(photo.kind);
        let families = &demo.assortment().families;
        let family = families.iter().find(|f| f.model == photo.model && f.brand.name == photo.brand).unwrap();
        assert_eq!((family.kind, SHOPS[family.shop].key), (photo.kind, photo.shop));
        assert!(family.products.iter().all(|p| p.colour.name != photo.colour));
        assert!(image::load_from_memory(&photo.jpeg).is_ok());
    }
    assert!(kinds.len() >= 5, "{kinds:?}");
    assert_eq!(demo.query_photo(3).jpeg, Demo::new(7).query_photo(3).jpeg);
    assert_ne!(demo.query_photo(3).jpeg, demo.query_photo(4).jpeg);
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

async fn ask(open: &Open, shop: usize, method: &str, path: &str, extra: &str) -> Answer {
    let mut stream = TcpStream::connect(open.addresses()[shop]).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{extra}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        head.lines().skip(1).filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.to_lowercase(), v.to_string()));
    Answer { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
}

#[tokio::test]
async fn conditional_requests_are_answered_304_and_counted() {
    let open = Demo::new(7).serve(0).await.unwrap();
    let page = ask(&open, 1, "GET", "/bags", "").await;
    assert_eq!(page.status, 200);
    let photo = String::from_utf8(page.body.clone()).unwrap();
    let photo = photo.split(" src=\"").nth(1).unwrap().split('"').next().unwrap().to_string();
    for path in ["/bags", &photo, "/robots.txt"] {
        let first = ask(&open, 1, "GET", path, "").await;
        let (tag, day) = (&first.headers["etag"], &first.headers["last-modified"]);
        let conditions = [
            (format!("If-None-Match: {tag}\r\n"), 304),
            (format!("If-None-Match: \"other\", W/{tag}\r\n"), 304),
            (format!("If-Modified-Since: {day}\r\n"), 304),
            ("If-None-Match: \"other\"\r\n".into(), 200),
            (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {day}\r\n"), 200),
            ("If-Modified-Since: Mon, 05 Jan 2015 06:00:00 GMT\r\n".into(), 200),
            ("If-Modified-Since: yesterday\r\n".into(), 200),
        ];
        for (condition, expected) in &conditions {
            let answer = ask(&open, 1, "GET", path, condition).await;
            assert_eq!(answer.status, *expected, "{path} {condition}");
            assert_eq!(answer.headers["etag"], *tag);
            assert_eq!(answer.body.is_empty(), *expected == 304);
        }
    }
    let head = ask(&open, 1, "HEAD", "/bags", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], page.body.len().to_string());
    assert_eq!(ask(&open, 1, "POST", "/bags", "Content-Length: 0\r\n").await.status, 405);
    assert_eq!(ask(&open, 1, "GET", "/nothing", "").await.status, 404);

    let robots = open.requests(1)["/robots.txt"];
    assert_eq!((robots.sent, robots.not_modified, robots.refused), (5, 3, 0));
    assert_eq!(open.requests(1)["/nothing"].refused, 1);
    assert!(open.requests(0).is_empty());
    let counted = ask(&open, 1, "GET", goodtwin_demo::serve::REQUESTS_PATH, "").await;
    let counted: serde_json::Value = serde_json::from_slice(&counted.body).unwrap();
    assert_eq!(counted["/robots.txt"]["not_modified"], 3);
    open.close().await;
}

#[tokio::test]
async fn closing_frees_the_ports_and_a_taken_port_is_named() {
    let open = Demo::new(7).serve(0).await.unwrap();
    let addresses = open.addresses().to_vec();
    // A connection that says nothing does not hold up the end.
    let idle = TcpStream::connect(addresses[0]).await.unwrap();
    open.close().await;
    drop(idle);
    assert!(TcpStream::connect(addresses[0]).await.is_err());

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Demo::new(7).serve(port).await.err().unwrap();
    assert!(error.to_string().contains(&format!("port {port} of 127.0.0.1")), "{error}");
    let error = Demo::new(7).serve(65_534).await.err();
    assert!(error.is_some());
}
