use super::*;

fn page(html: &str) -> Option<Listing> {
    product_page(html, &"https://shop.example/p/vale-1".parse().unwrap(), "GoodTwin")
}

fn json_ld(json: &str) -> Option<Listing> {
    page(&format!("<script type='application/ld+json'>{json}</script>"))
}

#[test]
fn json_ld_of_a_plain_product() {
    let listing = json_ld(
        r#"{"@context": "https://schema.org", "@type": "Product", "name": " Vale  Tote ", "brand": {"@type": "Brand", "name": "Kind"},
        "image": ["/a.jpg", {"@type": "ImageObject", "contentUrl": "https://cdn.example/b.jpg"}, "/a.jpg"], "color": "Moss",
        "category": "Bags > Totes", "offers": {"@type": "Offer", "price": 1249.5, "priceCurrency": "EUR",
        "availability": "http://schema.org/SoldOut", "itemCondition": "https://schema.org/UsedCondition"}}"#,
    )
    .unwrap();
    assert_eq!(listing.title.as_deref(), Some("Vale Tote"));
    assert_eq!(listing.brand.as_deref(), Some("Kind"));
    assert_eq!((listing.price.as_deref(), listing.currency.as_deref()), (Some("1249.5"), Some("EUR")));
    assert_eq!(listing.images, ["https://shop.example/a.jpg", "https://cdn.example/b.jpg"]);
    assert_eq!(listing.availability, Some(Availability::SoldOut));
    assert_eq!(listing.condition, Some(Condition::SecondHand));
    assert_eq!(listing.labels, ["Bags > Totes"]);
}

#[test]
fn references_within_a_graph_are_followed_and_circles_end() {
    let listing = json_ld(
        r##"{"@graph": [
            {"@type": "WebPage", "mainEntity": {"@id": "#p"}},
            {"@type": "Brand", "@id": "#b", "name": "Kind"},
            {"@type": ["Product", "Thing"], "@id": "#p", "name": "Vale", "brand": {"@id": "#b"}, "mainEntityOfPage": {"@id": "#p"},
             "isVariantOf": {"@id": "#g"}, "offers": [{"price": "85.00", "priceCurrency": "GBP"}]},
            {"@type": "ProductGroup", "@id": "#g", "productGroupID": "G7", "hasVariant": [{"@id": "#p"}]}]}"##,
    )
    .unwrap();
    assert_eq!((listing.brand.as_deref(), listing.group.as_deref()), (Some("Kind"), Some("G7")));
    assert_eq!(listing.price.as_deref(), Some("85.00"));
}

#[test]
fn of_a_group_the_variant_at_this_address_is_taken() {
    let listing = json_ld(
        r#"{"@type": "ProductGroup", "name": "Vale", "brand": "Kind", "productGroupID": "G7", "hasVariant": [
            {"@type": "Product", "name": "Vale, sand", "url": "/p/vale-0", "offers": {"price": "70", "priceCurrency": "EUR"}},
            {"@type": "Product", "name": "Vale, moss", "offers": {"url": "/p/vale-1/", "price": "90", "priceCurrency": "EUR"}}]}"#,
    )
    .unwrap();
    assert_eq!(listing.title.as_deref(), Some("Vale, moss"));
    assert_eq!((listing.price.as_deref(), listing.brand.as_deref()), (Some("90"), Some("Kind")));
    assert_eq!(listing.group.as_deref(), Some("G7"));
}

#[test]
fn related_products_are_not_the_product() {
    let listing = json_ld(
        r#"{"@type": "Product", "name": "Vale", "isRelatedTo": {"@type": "Product", "name": "Other", "offers": {"price": "1"}},
            "isSimilarTo": [{"@type": "Product", "name": "Another", "offers": {"price": "2"}}]}"#,
    )
    .unwrap();
    assert_eq!((listing.title.as_deref(), listing.price), (Some("Vale"), None));
    assert_eq!(json_ld(r#"{"@type": "ItemList", "itemListElement": [{"@type": "Product", "name": "Other"}]}"#), None);
}

#[test]
fn several_prices_are_none_unless_one_is_for_this_address() {
    let price = |offers: &str| {
        json_ld(&format!(r#"{{"@type": "Product", "name": "Vale", "offers": {offers}}}"#)).unwrap().price
    };
    assert_eq!(price(r#"[{"price": "85"}, {"price": "85"}]"#).as_deref(), Some("85"));
    assert_eq!(price(r#"[{"price": "85"}, {"price": "95", "url": "/p/vale-1"}]"#).as_deref(), Some("95"));
    let several = price(r#"[{"price": "85"}, {"price": "95"}]"#).unwrap();
    assert_eq!(several, "85 / 95");
    assert_eq!(price::parse(&several, None).amount, None);
    let aggregate = r#"{"@type": "AggregateOffer", "lowPrice": "85", "highPrice": "85", "priceCurrency": "EUR"}"#;
    assert_eq!(price(aggregate).as_deref(), Some("85"));
    let range = r#"{"@type": "AggregateOffer", "lowPrice": "85", "highPrice": "95", "offers": [{"price": "95"}, {"price": "85"}]}"#;
    assert_eq!(price(range).as_deref(), Some("85"), "it can be had for the price of the cheapest");
    assert_eq!(price(r#"{"priceSpecification": {"price": "85"}}"#).as_deref(), Some("85"));
}

#[test]
fn microdata_with_items_within_items_and_itemref() {
    let listing = page(
        "<base href='/shop/'><ol itemscope itemtype='https://schema.org/BreadcrumbList'>\
         <li itemprop=itemListElement itemscope itemtype='https://schema.org/ListItem'><span itemprop=name>Shop</span></li>\
         <li itemprop=itemListElement itemscope itemtype='https://schema.org/ListItem'><span itemprop=name>Clutches</span></li></ol>\
         <div itemscope itemtype='http://schema.org/Product' itemref='more nowhere'><h1 itemprop=name>Vale</h1>\
         <p itemprop=brand itemscope itemtype='https://schema.org/Brand'><b itemprop=name>Kind</b></p>\
         <div itemprop=offers itemscope itemtype='https://schema.org/Offer'><span itemprop=price content='85.00'>£85</span>\
         <meta itemprop=priceCurrency content=GBP><link itemprop=availability href='https://schema.org/InStock'></div></div>\
         <p id=more><img itemprop=image src='a.jpg'><span itemprop='color material'>Moss</span></p>",
    )
    .unwrap();
    assert_eq!((listing.title.as_deref(), listing.brand.as_deref()), (Some("Vale"), Some("Kind")));
    assert_eq!((listing.price.as_deref(), listing.currency.as_deref()), (Some("85.00"), Some("GBP")));
    assert_eq!(listing.images, ["https://shop.example/shop/a.jpg"]);
    assert_eq!(listing.colour.as_deref(), Some("Moss"));
    assert_eq!(listing.availability, Some(Availability::InStock));
    assert_eq!(listing.labels, ["Clutches", "Shop"]);
}

const OPEN_GRAPH: &str = "<meta property='og:type' content='product'><meta property='og:title' content='Vale'>\
    <meta property='product:brand' content='KIND'><meta property='product:price:amount' content='1299'>\
    <meta property='product:price:currency' content='SEK'><meta property='og:image' content='/a.jpg'>";

#[test]
fn open_graph_alone_and_beside_json_ld() {
    let listing = page(OPEN_GRAPH).unwrap();
    assert_eq!((listing.price.as_deref(), listing.currency.as_deref()), (Some("1299"), Some("SEK")));
    let both = |price: &str, brand: &str| {
        page(&format!(
            r#"{OPEN_GRAPH}<script type="application/ld+json">{{"@type": "Product", "name": "Vale", "brand": "{brand}",
            "offers": {{"price": "{price}", "priceCurrency": "SEK"}}}}</script>"#
        ))
        .unwrap()
    };
    let agreed = both("1299.00", "Kind");
    assert!(agreed.conflicts.is_empty(), "{:?}", agreed.conflicts);
    assert_eq!(agreed.images, ["https://shop.example/a.jpg"]);
    let said = |listing: Listing| listing.conflicts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said(both("1199", "Kind")), ["price: JSON-LD says `1199 SEK`, Open Graph says `1299 SEK`"]);
    assert_eq!(both("1299", "Unkind").conflicts.len(), 1);
    assert_eq!(page("<meta property='og:title' content='About us'>"), None);
}

#[test]
fn prices_for_machines_and_for_people_are_read_each_by_its_rule_and_compared_with_their_currency() {
    let conflicts = |json_ld: &str, currency: &str, microdata: &str| {
        page(&format!(
            r#"<script type="application/ld+json">{{"@type": "Product", "name": "Vale",
            "offers": {{"price": "{json_ld}", "priceCurrency": "{currency}"}}}}</script>
            <div itemscope itemtype="http://schema.org/Product"><b itemprop=name>Vale</b>
            <p itemprop=offers itemscope itemtype="http://schema.org/Offer">{microdata}</p></div>"#
        ))
        .unwrap()
        .conflicts
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(conflicts("89.000", "EUR", "<b itemprop=price>89,00 €</b>"), none);
    assert_eq!(conflicts("1299.00", "EUR", "<b itemprop=price>1.299 €</b>"), none);
    assert_eq!(conflicts("89.00", "EUR", "<b itemprop=price content='89.000'>89 €</b>"), none);
    assert_eq!(
        conflicts("89.00", "EUR", "<b itemprop=price>89.00 USD</b>"),
        ["price: JSON-LD says `89.00 EUR`, microdata says `89.00 USD`"]
    );
    let seen = page(
        "<div itemscope itemtype='http://schema.org/Product'><b itemprop=name>Vale</b>\
         <p itemprop=offers itemscope><b itemprop=price>1.299 €</b></p></div>",
    );
    let seen = seen.unwrap();
    assert!(seen.price_is_seen);
    assert_eq!(seen.read_price(Some(',')).amount, Some(1299.into()));
}

#[test]
fn an_item_has_eight_pictures_at_most_each_once() {
    let images: Vec<String> = (0..20).map(|n| format!("\"/{}.jpg\"", n / 2)).collect();
    let listing = json_ld(&format!(r#"{{"@type": "Product", "name": "Vale", "image": [{}]}}"#, images.join(",")));
    let expected: Vec<String> = (0..8).map(|n| format!("https://shop.example/{n}.jpg")).collect();
    assert_eq!(listing.unwrap().images, expected);
    let images: Vec<String> = (0..20).map(|n| format!(r#"{{"src": "//shop.example/{}.jpg"}}"#, n / 2)).collect();
    let feed = format!(r#"{{"products": [{{"handle": "a", "title": "A", "images": [{}]}}]}}"#, images.join(","));
    assert_eq!(feed_products(&feed)[0].1.as_ref().unwrap().images, expected);
}

#[test]
fn machines_that_are_asked_to_keep_away_keep_away() {
    for (tag, refused) in [
        ("noai", true),
        ("index, NoImageAI", true),
        ("noindex", true),
        ("none", true),
        ("goodtwin: noindex", true),
        ("otherbot: noindex, noai", false),
        ("unavailable_after: 25 Jun 2027 15:00:00 PST", false),
        ("all, max-image-preview: large", false),
        ("nofollow", false),
    ] {
        assert_eq!(refuses_ai(tag, "GoodTwin"), refused, "{tag}");
    }
    assert!(page(&format!("<meta name=Robots content='noai'>{OPEN_GRAPH}")).unwrap().no_ai);
    assert!(!page(&format!("<meta name=googlebot content='noindex'>{OPEN_GRAPH}")).unwrap().no_ai);
}

#[test]
fn listings_link_to_products_once_and_to_the_next() {
    let (items, next) = (Selector::parse("a.p").unwrap(), Selector::parse("a[rel~=next]").unwrap());
    let html = "<a class=p href='/p/1#top'>1</a><a class=p href='/p/1'>1</a><a class=p href='2'>2</a><a class=p href='mailto:a@b'>x</a>\
                <a rel='nofollow next' href='?page=2'>next</a>";
    let links = links::links(html, &"http://s.example/bags/?page=1".parse().unwrap(), &items, &next);
    let items: Vec<_> = links.items.iter().map(|u| u.as_str()).collect();
    assert_eq!(items, ["http://s.example/p/1", "http://s.example/bags/2"]);
    assert_eq!(links.next.unwrap().as_str(), "http://s.example/bags/?page=2");
}

fn feed_products(feed: &str) -> Vec<shopify::Entry> {
    let products = shopify::products(feed, &"https://shop.example/products.json".parse().unwrap()).unwrap();
    products.into_iter().flatten().collect()
}

#[test]
fn one_odd_product_costs_the_feed_no_other() {
    let products = feed_products(
        r#"{"products": [{"handle": "odd", "title": "Odd", "vendor": null, "product_type": null, "tags": null, "images": null,
        "options": null, "variants": [{"price": 90.5, "available": null}, {"price": null}]},
        {"handle": "broken", "title": ["no", "text"]}, {"id": 7, "title": "No handle"}, 42,
        {"handle": "vale", "title": "Vale", "variants": [{"price": "1.299"}]}]}"#,
    );
    let handles: Vec<_> = products.iter().map(|(handle, _)| handle.as_str()).collect();
    assert_eq!(handles[..3], ["odd", "broken", "id-7"]);
    assert!(handles[3].starts_with("unnamed-") && handles[4] == "vale", "{handles:?}");
    let odd = products[0].1.as_ref().unwrap();
    assert_eq!((odd.brand.as_deref(), odd.price.as_deref()), (None, Some("90.5")));
    assert!(products[1].1.as_ref().unwrap_err().contains("expected a string"), "{:?}", products[1]);
    assert!(products[2].1.is_err() && products[3].1.is_err());
    assert_eq!(products[4].1.as_ref().unwrap().price.as_deref(), Some("1.299"), "the raw text is kept");
}

#[test]
fn shopifys_feed_gives_the_price_of_what_can_be_bought() {
    let products = feed_products(
        r#"{"products": [{"handle": "vale", "title": "Vale", "vendor": "Kind", "product_type": "Totes", "tags": "a, b",
        "variants": [{"price": "90.00", "available": false}, {"price": "120.00", "available": true}, {"price": "110.00", "available": true}],
        "images": [{"src": "https://cdn.example/a.jpg"}], "options": [{"name": "Colour", "values": ["Moss"]}]},
        {"handle": "bare", "title": "Bare"}]}"#,
    );
    let (handle, vale) = (products[0].0.as_str(), products[0].1.as_ref().unwrap());
    assert_eq!((handle, vale.price.as_deref()), ("vale", Some("110.00")));
    assert_eq!((vale.colour.as_deref(), vale.availability), (Some("Moss"), Some(Availability::InStock)));
    assert_eq!(vale.labels, ["Totes", "a", "b"]);
    let bare = products[1].1.as_ref().unwrap();
    assert_eq!((bare.brand.as_deref(), bare.price.as_deref()), (None, None));
    let url = "https://shop.example/products.json".parse().unwrap();
    assert!(shopify::products("<html>", &url).unwrap_err().contains("not a products.json"));
    let url = shopify::feed_url(&"https://s.example/collections/bags/?a=b".parse().unwrap(), 2);
    assert_eq!(url.as_str(), "https://s.example/collections/bags/products.json?limit=250&page=2");
}

#[test]
fn short_pages_that_refer_to_themselves_over_and_over_are_read_in_no_time() {
    let ids: Vec<String> = (0..12).map(|n| format!("n{n}")).collect();
    let items = ids.iter().map(|id| format!("<p itemscope itemprop=a id={id} itemref='{}'></p>", ids.join(" ")));
    assert_eq!(page(&format!("<div itemscope itemref='{}'></div>{}", ids.join(" "), items.collect::<String>())), None);
    let named =
        json_ld(r##"[{"@id": "#a", "@type": "Product", "name": [{"@id": "#a"}], "brand": {"@id": "#a"}}]"##).unwrap();
    assert_eq!((named.title, named.brand), (None, None));
    let refs = ids.iter().map(|id| format!(r#"{{"@id": "{id}"}}"#)).collect::<Vec<_>>().join(",");
    let nodes = ids.iter().map(|id| format!(r#"{{"@id": "{id}", "@type": "Thing", "mainEntity": [{refs}]}}"#));
    assert_eq!(json_ld(&format!("[{}]", nodes.collect::<Vec<_>>().join(","))), None);

    // Thousands of items, each of which is said to hold a thousand elements; names within names; text within text.
    let filler = "<b></b>".repeat(2_000);
    let items: String = (0..5_000).map(|n| format!("<i itemscope itemref='all x{n}'></i>")).collect();
    assert_eq!(page(&format!("<div id=all>{filler}</div>{items}")), None);
    let names = "a b c d e f g h";
    assert_eq!(page(&format!("<p itemscope>{}", format!("<b itemprop='{names}' itemscope>").repeat(20))), None);
    assert_eq!(page(&format!("<p itemscope>{}", "<b itemprop=a>text".repeat(20_000))), None);
}

#[test]
fn a_product_in_several_colours_is_an_item_a_colour() {
    let products = feed_products(
        r#"{"products": [{"handle": "vale", "title": "Vale", "vendor": "Kind",
        "options": [{"name": "Size", "values": ["S", "L"]}, {"name": "Colour", "values": ["Moss", "Sand"]}],
        "variants": [
          {"id": 1, "option1": "S", "option2": "Moss", "price": "90.00", "available": false, "featured_image": {"src": "//c.example/m.jpg"}},
          {"id": 2, "option1": "L", "option2": "Moss", "price": "95.00", "available": true, "featured_image": null},
          {"id": 3, "option1": "S", "option2": "Sand", "price": "70.00", "available": false}],
        "images": [{"src": "//c.example/m.jpg", "variant_ids": [1]}, {"src": "//c.example/m2.jpg", "variant_ids": [2]},
          {"src": "//c.example/s.jpg", "variant_ids": [3]}, {"src": "//c.example/table.jpg", "variant_ids": []}]}]}"#,
    );
    let [(moss_key, Ok(moss)), (sand_key, Ok(sand))] = &products[..] else { panic!("{products:?}") };
    assert_eq!((moss_key.as_str(), sand_key.as_str()), ("vale~moss", "vale~sand"));
    assert_eq!((moss.price.as_deref(), moss.availability), (Some("95.00"), Some(Availability::InStock)));
    assert_eq!((sand.price.as_deref(), sand.availability), (Some("70.00"), Some(Availability::SoldOut)));
    assert_eq!(moss.images, ["https://c.example/m.jpg", "https://c.example/m2.jpg"]);
    assert_eq!(
        (sand.images.as_slice(), sand.colour.as_deref()),
        (&["https://c.example/s.jpg".to_string()][..], Some("Sand"))
    );
    assert_eq!((moss.model.as_deref(), moss.title.as_deref()), (Some("Vale"), Some("Vale - Moss")));
    assert_eq!(moss.address.as_deref(), Some("/products/vale?variant=1"));
}

#[test]
fn colours_that_have_no_pictures_of_their_own_are_one_item() {
    let products = feed_products(
        r#"{"products": [{"handle": "vale", "title": "Vale", "options": [{"name": "Color", "values": ["Moss", "Sand"]}],
        "variants": [{"id": 1, "option1": "Moss", "price": "90"}, {"id": 2, "option1": "Sand", "price": "70"}],
        "images": [{"src": "//c.example/both.jpg"}]}]}"#,
    );
    let [(key, Ok(vale))] = &products[..] else { panic!("{products:?}") };
    assert_eq!((key.as_str(), vale.price.as_deref(), &vale.colour), ("vale", Some("70"), &None));
}

#[test]
fn colours_that_share_a_page_are_items_of_one_family() {
    let group = |moss: &str| {
        json_ld(&format!(
            r#"{{"@type": "ProductGroup", "name": "Vale", "brand": "Kind", "productGroupID": "G7", "image": "/g.jpg", "hasVariant": [
            {{"@type": "Product", "name": "Vale, sand", "color": "Sand", "image": "/s.jpg", "offers": {{"url": "/p/vale-1?c=1", "price": "70", "priceCurrency": "EUR"}}}},
            {{"@type": "Product", "name": "Vale, moss", "color": "Moss", "url": "{moss}", "offers": {{"price": "90", "priceCurrency": "EUR"}}}}]}}"#
        ))
        .unwrap()
    };
    let sand = group("/p/vale-1?c=2");
    let moss = &sand.others[0];
    assert_eq!((sand.variant.as_deref(), moss.variant.as_deref()), (Some("sand"), Some("moss")));
    assert_eq!((sand.price.as_deref(), moss.price.as_deref()), (Some("70"), Some("90")));
    assert_eq!((&sand.group, &sand.brand), (&moss.group, &moss.brand));
    assert_eq!(sand.images, ["https://shop.example/s.jpg"]);
    assert_eq!(moss.images, ["https://shop.example/g.jpg"], "what a variant leaves out, its group says");
    assert_eq!(moss.address.as_deref(), Some("https://shop.example/p/vale-1?c=2"));
    // Where each colour has a page of its own, this page is about one of them.
    let alone = group("/p/vale-2");
    assert!(alone.others.is_empty() && alone.variant.is_none());
    assert_eq!(alone.title.as_deref(), Some("Vale, sand"));
}

#[test]
fn a_source_without_colours_may_say_any_colours_price_and_no_other() {
    let read = |sand: &str, moss: &str, seen: &str, open_graph: &str| {
        let css = css::CssFile { price: Some("b".into()), ..css::CssFile::default() };
        let html = format!(
            r#"<meta property="product:price:amount" content="{open_graph}"><meta property="product:price:currency" content="EUR">
            <b>{seen}</b><script type="application/ld+json">{{"@type": "ProductGroup", "name": "Vale", "hasVariant": [
            {{"@type": "Product", "color": "Sand", "offers": {{"price": "{sand}", "priceCurrency": "EUR"}}}},
            {{"@type": "Product", "color": "Moss", "offers": {{"price": "{moss}", "priceCurrency": "EUR"}}}}]}}</script>"#
        );
        let reading = Reading { css: Some(Css::new(&css).unwrap()), ..Reading::default() };
        read_product_page(&html, &"https://shop.example/p/vale-1".parse().unwrap(), &reading).unwrap().unwrap()
    };
    let said = |listing: &Listing| listing.conflicts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let none: [&str; 0] = [];
    assert_eq!(said(&read("95.00", "85.00", "", "85")), none);
    assert_eq!(said(&read("95", "85", "", "850")), ["price: JSON-LD says `95 EUR`, Open Graph says `850 EUR`"]);
    assert_eq!(said(&read("95", "85", "", "9")), ["price: JSON-LD says `95 EUR`, Open Graph says `9 EUR`"]);
    // What agrees with a colour hides nothing that another source says.
    assert_eq!(said(&read("95", "85", "85 €", "850")), ["price: CSS says `85 EUR`, Open Graph says `850 EUR`"]);
    assert_eq!(said(&read("95", "85", "100 €", "95")), ["price: CSS says `100 EUR`, JSON-LD says `95 EUR`"]);
    assert_eq!(said(&read("95", "85", "$85", "85")), none, "no currency is certain");
    assert_eq!(said(&read("95", "85", "85 USD", "85")).len(), 1);
    let sand = read("95.00", "85.00", "85 €", "95");
    assert_eq!(said(&sand), none);
    assert_eq!((sand.price.as_deref(), sand.others[0].price.as_deref()), (Some("95.00"), Some("85.00")));
    assert_eq!(
        read("95.00", "85.00", "95 €", "95").price.as_deref(),
        Some("95 €"),
        "the store's selectors count first"
    );
}

#[test]
fn a_price_that_is_no_one_price_is_taken_from_whom_it_is() {
    let both = |price: &str| {
        page(&format!(
            r#"{OPEN_GRAPH}<script type="application/ld+json">{{"@type": "Product", "name": "Vale", "offers": {price}}}</script>"#
        ))
        .unwrap()
    };
    let range = both(r#"[{"price": "1299", "priceCurrency": "SEK"}, {"price": "1399", "priceCurrency": "SEK"}]"#);
    assert_eq!((range.price.as_deref(), range.conflicts.len()), (Some("1299"), 0));
}

#[test]
fn names_that_are_another_products_are_a_contradiction() {
    let named = |name: &str| {
        let html = format!(
            r#"{OPEN_GRAPH}<script type="application/ld+json">{{"@type": "Product", "name": "{name}"}}</script>"#
        );
        page(&html).unwrap().conflicts.len()
    };
    assert_eq!((named("KIND Vale"), named("Vale &amp; strap"), named("Dale")), (0, 0, 1));
}

#[test]
fn a_prefix_of_the_pages_own_stands_for_a_known_one() {
    let listing = page(
        "<html prefix='og: http://ogp.me/ns# p: http://ogp.me/ns/product#'><head><meta property='og:title' content='Fj&amp;auml;ll'>         <meta property='p:price:amount' content='85'><meta property='p:price:currency' content='EUR'>",
    )
    .unwrap();
    assert_eq!((listing.title.as_deref(), listing.price.as_deref()), (Some("Fjäll"), Some("85")));
}

#[test]
fn an_offer_that_names_its_product_is_the_products_offer() {
    let listing = json_ld(
        r#"{"@type": "Offer", "price": "85.00", "priceCurrency": "GBP", "itemOffered": {"@type": "Product", "name": "Vale"}}"#,
    )
    .unwrap();
    assert_eq!((listing.title.as_deref(), listing.price.as_deref()), (Some("Vale"), Some("85.00")));
    let specified = json_ld(
        r#"{"@type": "Product", "name": "Vale", "offers": {"@type": "Offer", "priceSpecification": [
            {"@type": "UnitPriceSpecification", "priceType": "https://schema.org/ListPrice", "price": 120, "priceCurrency": "EUR"},
            {"@type": "UnitPriceSpecification", "price": 85, "priceCurrency": "EUR"}]}}"#,
    )
    .unwrap();
    assert_eq!((specified.price.as_deref(), specified.currency.as_deref()), (Some("85"), Some("EUR")));
}
