use std::path::Path;

use super::*;
use crate::testing::{Offer, colour_encoder, dataset, painted};
use crate::{CatalogReader, Encoder, build};

/// Reds that get duller: each item less like pure red than the one before.
fn shop() -> (tempfile::TempDir, Catalog, Encoder) {
    let dir = tempfile::tempdir().unwrap();
    let offers = [
        Offer { price: Some(("120", "EUR")), label: Some("great"), ..Offer::new("one", &[[255, 0, 0], [0, 0, 255]]) },
        Offer { price: Some(("115", "USD")), label: Some("we avoid"), ..Offer::new("two", &[[255, 60, 0]]) },
        Offer { price: Some(("5", "XAU")), bag_type: "clutch", ..Offer::new("three", &[[255, 120, 0]]) },
        Offer {
            condition: Condition::SecondHand,
            availability: Availability::SoldOut,
            ..Offer::new("four", &[[255, 180, 0]])
        },
    ];
    let data = dataset(&dir.path().join("data"), &offers);
    let (encoder, _) = colour_encoder("m");
    build(&encoder, Path::new("run"), &data, &dir.path().join("out"), &mut |_| {}).unwrap();
    let catalog = CatalogReader::open(&dir.path().join("out/current")).unwrap();
    (dir, catalog, encoder)
}

fn keys(catalog: &Catalog, encoder: &Encoder, filters: &Filters, k: usize) -> Vec<String> {
    let query = encoder.embed(&[painted([255, 0, 0])]).unwrap().remove(0);
    let exchange = Exchange::built_in();
    let twins = catalog.search(Look::from(&query), 0.0, filters, k, &exchange).unwrap();
    assert!(twins.is_sorted_by(|a, b| a.score >= b.score));
    assert_eq!(twins.len(), k.min(catalog.matching(filters, &exchange)));
    twins.iter().map(|t| t.id().trim_start_matches("shop/").to_string()).collect()
}

fn money(amount: &str, currency: &str) -> Option<Money> {
    Some(Money { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() })
}

#[test]
fn each_item_comes_once_by_its_best_picture() {
    let (_dir, catalog, encoder) = shop();
    assert_eq!(keys(&catalog, &encoder, &Filters::default(), 10), ["one", "two", "three", "four"]);
    assert_eq!(keys(&catalog, &encoder, &Filters::default(), 2), ["one", "two"]);
    assert!(keys(&catalog, &encoder, &Filters::default(), 0).is_empty());
    let query = encoder.embed(&[painted([0, 0, 255])]).unwrap().remove(0);
    let exchange = Exchange::built_in();
    let twins = catalog.search(Look::from(&query), 0.0, &Filters::default(), 1, &exchange).unwrap();
    assert_eq!((twins[0].id(), twins[0].score > 0.9999), ("shop/one", true));
    assert_eq!(twins[0].row.sha256, twins[0].item().unwrap().images[1].sha256);
}

#[test]
fn a_filter_leaves_out_what_does_not_say() {
    let (_dir, catalog, encoder) = shop();
    let found = |filters: Filters| keys(&catalog, &encoder, &filters, 10);
    let all = Filters::default;
    // 115 USD are 100 EUR; three's currency has no rate, four has no price.
    assert_eq!(found(Filters { max_price: money("100", "EUR"), ..all() }), ["two"]);
    assert_eq!(found(Filters { max_price: money("99.99", "EUR"), ..all() }), [""; 0]);
    assert_eq!(found(Filters { max_price: money("120", "EUR"), ..all() }), ["one", "two"]);
    assert_eq!(found(Filters { max_price: money("5", "XAU"), ..all() }), ["three"]);
    assert_eq!(found(Filters { min_rating: Some(Label::WeAvoid), ..all() }), ["one", "two"]);
    assert_eq!(found(Filters { min_rating: Some(Label::Good), ..all() }), ["one"]);
    assert_eq!(found(Filters { bag_type: Some(BagType::new("clutch")), ..all() }), ["three"]);
    assert_eq!(found(Filters { condition: Some(Condition::SecondHand), ..all() }), ["four"]);
    assert_eq!(found(Filters { hide_sold_out: true, ..all() }), ["one", "two", "three"]);
}

#[test]
fn a_data_set_without_offers_answers_by_file_and_not_to_filters_on_offers() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = dataset(&dir.path().join("data"), &[Offer::new("a", &[[255, 0, 0], [0, 255, 0]])]);
    data.rows.iter_mut().for_each(|row| row.item = None);
    let (encoder, _) = colour_encoder("m");
    build(&encoder, Path::new("run"), &data, &dir.path().join("out"), &mut |_| {}).unwrap();
    let catalog = CatalogReader::open(&dir.path().join("out/current")).unwrap();
    assert_eq!(catalog.manifest.items, 2);
    let found = keys(&catalog, &encoder, &Filters::default(), 10);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("images/"), "{found:?}");
    assert!(
        keys(&catalog, &encoder, &Filters { max_price: money("1000", "EUR"), ..Filters::default() }, 10).is_empty()
    );
}

#[test]
fn a_query_that_is_no_embedding_of_this_catalogue_is_refused() {
    let (_dir, catalog, _) = shop();
    let exchange = Exchange::built_in();
    for (query, says) in [
        (vec![1.0, 0.0], "expected 4 values, received 2"),
        (vec![f32::NAN, 0.0, 0.0, 0.0], "holds NaN"),
        (vec![0.0; 4], "L2 norm of 0"),
    ] {
        let look = Look { embedding: &query, ..catalog.look(0) };
        let error = catalog.search(look, 0.0, &Filters::default(), 3, &exchange).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let look = Look { colour: &[1.0], ..catalog.look(0) };
    let error = catalog.search(look, 0.5, &Filters::default(), 3, &exchange).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the embedding of the picture's colours has the wrong length: expected 196 values, received 1"),
        "{error}"
    );
}

#[test]
fn colours_count_as_much_as_they_are_told_to() {
    let (_dir, catalog, encoder) = shop();
    // In shape like "one", in colour like "four".
    let (shape, colour) = (painted([255, 0, 0]), painted([255, 180, 0]));
    let [shape, colour] = [shape, colour].map(|picture| encoder.embed(&[picture]).unwrap().remove(0));
    let look = Look { embedding: &shape.embedding, colour: &colour.colour };
    let exchange = Exchange::built_in();
    let best = |weight: f32| {
        let twins = catalog.search(look, weight, &Filters::default(), 4, &exchange).unwrap();
        (twins[0].id().to_owned(), twins[0].score)
    };
    let (id, score) = best(0.0);
    assert_eq!((id.as_str(), score > 0.9999), ("shop/one", true));
    let (id, score) = best(1.0);
    assert_eq!((id.as_str(), score > 0.9999), ("shop/four", true));
    let (id, score) = best(0.5);
    assert_eq!((id.as_str(), score < 0.9999), ("shop/four", true));
    for (text, weight) in [
        ("0", Some(0.0)),
        ("0.25", Some(0.25)),
        ("1", Some(1.0)),
        ("1.01", None),
        ("-0.1", None),
        ("NaN", None),
        ("red", None),
    ] {
        assert_eq!(colour_weight(text).ok(), weight, "{text}");
    }
}

#[test]
fn an_unknown_type_is_answered_with_the_nearest() {
    let (_dir, catalog, _) = shop();
    assert_eq!(catalog.known_type("Tote").unwrap(), BagType::new("tote"));
    let says = catalog.known_type("tot").unwrap_err();
    assert_eq!(says, "`tot` is not a type in this catalogue; did you mean `tote`? Known types: clutch, tote");
}

#[test]
fn prices_are_converted_only_where_that_says_something() {
    let (_dir, catalog, encoder) = shop();
    let exchange = Exchange::built_in();
    let query = encoder.embed(&[painted([255, 0, 0])]).unwrap().remove(0);
    let twins = catalog.search(Look::from(&query), 0.0, &Filters::default(), 10, &exchange).unwrap();
    let converted: Vec<_> =
        twins.iter().map(|t| t.converted("EUR".parse().unwrap(), &exchange).map(|m| m.to_string())).collect();
    assert_eq!(converted, [None, Some("100 EUR".to_string()), None, None]);
}
