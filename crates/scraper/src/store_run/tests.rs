//! One store's part of a run, against a small server of the test's own.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use goodtwin_core::{Label, config};
use jiff::Timestamp;

use super::*;
use crate::clock::Clock;
use crate::fetch::Limits;
use crate::governor::Governor;
use crate::journal::items::Tally;
use crate::stop::Stopper;
use crate::testing::{Asked, Reply, not_found, serve};
use crate::{Journal, Progress};

const CAPS: Caps = Caps { listings: 20, barren: 3, items: 100 };

/// Scrape one store of the server's, without waiting.
async fn scrape(reply: Reply, source: &str, caps: Caps) -> (Result<u32, StoreEnd>, Tally, Asked) {
    let (origin, asked) = serve(reply).await;
    let file = format!(
        "name = 's'\ntitle = 'S'\ncondition = 'second-hand'\nbase = '{origin}/'\nsource = '{source}'\n\
         start = ['/all?page=1']\ncurrency = 'EUR'\nallow_loopback = true\n[listing]\nitems = 'a.item'\nnext = 'a.next'\n"
    );
    let out = tempfile::tempdir().unwrap();
    let store = Store::new(config::parse(&file).unwrap(), Duration::ZERO).unwrap();
    let config = Config {
        user_agent: "GoodTwin/0.1 (+mailto:a@b.example)".into(),
        out: out.path().into(),
        ratings: [].into_iter().collect(),
        taxonomy: config::parse("[types.tote]\nwords = []\n").unwrap(),
        rating_floor: Label::Good,
        metrics: None,
        stores: vec![],
    };
    let mut journal = Journal::open(std::path::Path::new(":memory:")).unwrap();
    let run = journal.begin_run(&config.id(), Timestamp::now()).unwrap();
    let journal = SharedJournal::new(journal);
    let (_stopper, stop) = Stopper::new();
    let governor = Arc::new(Governor::new(Clock::test(), stop));
    let fetcher = Fetcher::new(&config.user_agent, governor, journal.clone(), Limits::default()).unwrap();
    let part = StoreRun {
        store: &store,
        config: &config,
        fetcher: &fetcher,
        journal: journal.clone(),
        run,
        progress: Progress::Silent.store("s"),
        pictures: &AtWork::default(),
        caps,
        feed_pages: FeedPages::default(),
        at_once: AT_ONCE,
        options: &Options::default(),
    };
    let end = part.run().await.map(|done| done.listed);
    let tally = journal.with(move |journal| journal.tally("s", run)).await.unwrap();
    assert_eq!(tally.items, tally.states.values().sum::<u32>());
    (end, tally, asked)
}

fn trouble(end: Result<u32, StoreEnd>) -> String {
    match end {
        Err(StoreEnd::Trouble(what)) => what,
        other => panic!("expected trouble, received {other:?}"),
    }
}

fn number_in(path: &str) -> usize {
    path.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// A listing that links to these items and to the next listing.
fn listing(items: &[usize], next: usize) -> Response {
    let items: String = items.iter().map(|n| format!("<a class=item href='/p/{n}'></a>")).collect();
    Html(format!("{items}<a class=next href='/all?page={next}'></a>")).into_response()
}

fn product(n: usize, images: &str) -> Response {
    Html(format!(
        r#"<script type="application/ld+json">{{"@type": "Product", "name": "Bag {n}", "brand": "Kind", "image": [{images}],
        "offers": {{"price": "85.00"}}}}</script>"#
    ))
    .into_response()
}

#[tokio::test]
async fn listings_without_an_end_are_trouble_and_what_they_named_is_kept() {
    let reply: Reply = |path, _| match path {
        _ if path.starts_with("/all") => listing(&[number_in(path)], number_in(path) + 1),
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(trouble(end).contains("go on after 20"));
    assert_eq!((tally.items, asked.paths().iter().filter(|p| p.starts_with("/all")).count()), (20, 20));
}

#[tokio::test]
async fn a_last_listing_that_links_to_itself_by_other_numbers_is_the_last() {
    let reply: Reply = |path, _| match path {
        _ if path.starts_with("/all") => listing(&[number_in(path).min(2)], number_in(path) + 1),
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!((tally.items, asked.paths().iter().filter(|p| p.starts_with("/all")).count()), (2, 2 + CAPS.barren));
}

#[tokio::test]
async fn more_items_than_any_store_has_are_trouble() {
    let reply: Reply = |path, _| match path {
        _ if path.starts_with("/all") => listing(&(0..50).collect::<Vec<_>>(), 1),
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, _) = scrape(reply, "structured", Caps { items: 7, ..CAPS }).await;
    assert_eq!(trouble(end), "has more than 7 items");
    assert_eq!(tally.items, 7);
}

#[tokio::test]
async fn broken_product_pages_are_blocked_and_cost_no_other_item() {
    let reply: Reply = |path, _| match path {
        "/all?page=1" => listing(&(0..12).collect::<Vec<_>>(), 1),
        _ if path.starts_with("/p/") && number_in(path) < 8 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, _) = scrape(reply, "structured", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(tally.states, [(State::Blocked, 8), (State::NoImage, 4)].into());
}

#[tokio::test]
async fn a_picture_that_items_share_is_asked_for_once_a_run() {
    let reply: Reply = |path, _| match path {
        "/all?page=1" => listing(&(0..8).collect::<Vec<_>>(), 1),
        "/shared.jpg" => "no picture".into_response(),
        _ if path.starts_with("/p/") => product(number_in(path), "\"/shared.jpg\""),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(tally.states, [(State::NotAnImage, 8)].into());
    assert_eq!(asked.times("/shared.jpg"), 1);
}

#[tokio::test]
async fn an_odd_product_of_a_feed_ends_as_an_item_that_cannot_be_read() {
    let reply: Reply = |path, _| match path {
        _ if path.contains("/products.json") => {
            r#"{"products": [{"handle": "a", "title": "A", "vendor": "Kind", "variants": [{"price": 85}]},
            {"handle": "../b", "title": 7}, {"handle": "c", "title": "C", "vendor": null, "tags": null}]}"#
                .into_response()
        }
        _ => not_found(),
    };
    let (end, tally, _) = scrape(reply, "shopify", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(tally.states, [(State::NoImage, 1), (State::Parse, 2)].into());
}

#[tokio::test]
async fn a_crawl_delay_beyond_the_longest_wait_is_trouble() {
    let reply: Reply = |path, _| match path {
        "/robots.txt" => "User-agent: *\nCrawl-delay: 600\n".into_response(),
        _ => not_found(),
    };
    let (end, _, asked) = scrape(reply, "structured", CAPS).await;
    assert!(trouble(end).contains("Crawl-delay: 600 s"));
    assert_eq!(asked.paths(), ["/robots.txt"]);
}

#[tokio::test]
async fn a_host_that_stalls_ends_the_stores_part_with_its_items_still_to_do() {
    let reply: Reply = |path, _| match path {
        "/all?page=1" => listing(&(0..8).collect::<Vec<_>>(), 1),
        _ if path.starts_with("/p/") && number_in(path) < 4 => product(number_in(path), ""),
        _ if path.starts_with("/p/") => StatusCode::TOO_MANY_REQUESTS.into_response(),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(matches!(&end, Err(StoreEnd::Stalled(why)) if why.contains("5 refusals in a row")), "{end:?}");
    assert_eq!(tally.states, [(State::NoImage, 4)].into(), "nothing is held against the others");
    assert_eq!(asked.paths().iter().filter(|p| p.starts_with("/p/")).count(), 4 + 5);
}

#[tokio::test]
async fn an_item_whose_pictures_host_stalls_is_still_to_do_and_the_others_are_done() {
    let reply: Reply = |path, _| match path {
        "/all?page=1" => listing(&(0..8).collect::<Vec<_>>(), 1),
        "/p/3" => product(3, "\"/busy.jpg\""),
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        "/busy.jpg" => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")]).into_response(),
        _ => not_found(),
    };
    let (end, tally, _) = scrape(reply, "structured", CAPS).await;
    assert!(matches!(&end, Err(StoreEnd::Stalled(why)) if why.contains("Retry-After: 3600 s")), "{end:?}");
    assert!(tally.items < 8, "{tally:?}");
    assert!(!tally.states.contains_key(&State::Blocked), "{tally:?}");
}
