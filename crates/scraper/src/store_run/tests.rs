//! One store's part of a run, against a small server of the test's own.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use goodtwin_core::{Label, config};
use jiff::Timestamp;

use super::*;
use crate::clock::Clock;
use crate::fetch::Limits;
use crate::governor::Governor;
use crate::journal::fetched::PageRow;
use crate::journal::items::Tally;
use crate::stop::Stopper;
use crate::testing::{Asked, Reply, not_found, serve};
use crate::{Journal, Progress};

const CAPS: Caps = Caps { listings: 20, barren: 3, items: 100 };

/// A store of the server's, and what was written down of it so far.
struct Scraped {
    store: Store,
    config: Config,
    journal: SharedJournal,
    asked: Asked,
    _out: tempfile::TempDir,
}

impl Scraped {
    async fn new(reply: Reply, source: &str) -> Self {
        let (origin, asked) = serve(reply).await;
        let file = format!(
            "name = 's'\ntitle = 'S'\ncondition = 'second-hand'\nbase = '{origin}/'\nsource = '{source}'\n\
             start = ['/all?page=1']\ncurrency = 'EUR'\nallow_loopback = true\n[listing]\nitems = 'a.item'\nnext = 'a.next'\n"
        );
        let out = tempfile::tempdir().unwrap();
        let config = Config {
            user_agent: "GoodTwin/0.1 (+mailto:a@b.example)".into(),
            out: out.path().into(),
            ratings: [].into_iter().collect(),
            ratings_file: Default::default(),
            taxonomy: config::parse("[types.tote]\nwords = []\n").unwrap(),
            rating_floor: Label::Good,
            metrics: None,
            stores: vec![],
        };
        let journal = SharedJournal::new(Journal::open(std::path::Path::new(":memory:")).unwrap());
        let store = Store::new(config::parse(&file).unwrap(), Duration::ZERO).unwrap();
        Scraped { store, config, journal, asked, _out: out }
    }

    /// One run, without waiting; it adds up.
    async fn run(&self, caps: Caps, retry: &[State]) -> (Result<Counted, StoreEnd>, Tally) {
        let done = self.unfinished(caps, retry).await;
        let finish = |journal: &mut Journal| journal.finish_run(journal.newest_run()?.unwrap(), Timestamp::now());
        self.journal.with(finish).await.unwrap();
        done
    }

    /// [`Scraped::run`], which the next one goes on with, as if another store had stalled.
    async fn unfinished(&self, caps: Caps, retry: &[State]) -> (Result<Counted, StoreEnd>, Tally) {
        let id = self.config.id();
        let run = self.journal.with(move |journal| journal.begin_run(&id, Timestamp::now())).await.unwrap();
        let (_stopper, stop) = Stopper::new();
        let governor = Arc::new(Governor::new(Clock::test(), stop));
        let fetcher = Fetcher::new(&self.config.user_agent, governor, self.journal.clone(), Limits::default()).unwrap();
        let part = StoreRun {
            store: &self.store,
            config: &self.config,
            fetcher: &fetcher,
            journal: self.journal.clone(),
            run,
            progress: Progress::Silent.store("s"),
            pictures: &AtWork::default(),
            caps,
            feed_pages: FeedPages::default(),
            at_once: AT_ONCE,
            options: &Options { retry: retry.into(), ..Options::default() },
        };
        let end = part.run().await.map(|done| done.counted);
        let tally = self.journal.with(move |journal| journal.tally("s", run)).await.unwrap();
        tally.reconcile("s", end.as_ref().ok().copied()).unwrap();
        (end, tally)
    }

    /// The items that are in the journal, and where each ended.
    async fn states(&self) -> Vec<(String, State)> {
        let items = self.journal.look(|journal| journal.find("s/")).await.unwrap();
        let mut states: Vec<_> = items.into_iter().map(|item| (item.id, item.state)).collect();
        states.sort();
        states
    }
}

/// The first run over a store of the server's.
async fn scrape(reply: Reply, source: &str, caps: Caps) -> (Result<Counted, StoreEnd>, Tally, Asked) {
    let scraped = Scraped::new(reply, source).await;
    let (end, tally) = scraped.run(caps, &[]).await;
    (end, tally, scraped.asked)
}

fn trouble(end: Result<Counted, StoreEnd>) -> String {
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
    listing_with(&format!("<a class=next href='/all?page={next}'></a>"), items)
}

fn listing_with(others: &str, items: &[usize]) -> Response {
    let items: String = items.iter().map(|n| format!("<a class=item href='/p/{n}'></a>")).collect();
    Html(format!("{others}{items}")).into_response()
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
async fn a_listing_that_links_to_listings_as_to_products_costs_no_item() {
    let reply: Reply = |path, _| match path {
        "/all?page=3" => listing_with("<a class=item href='/all?page=1'></a>", &[30]),
        _ if path.starts_with("/all") => {
            let next = number_in(path) + 1;
            let pages = "<a class=item href='/all?page=1'></a><a class=item href='/all?page=2#top'></a>";
            let pages =
                format!("{pages}<a class=item href='/all?page=3'></a><a class=next href='/all?page={next}'></a>");
            listing_with(&pages, &[number_in(path)])
        }
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(tally.states, [(State::NoImage, 3)].into());
    assert_eq!(asked.paths().iter().filter(|p| p.starts_with("/all")).count(), 3);
}

#[tokio::test]
async fn a_listing_that_links_to_itself_and_names_nothing_new_is_the_last() {
    let reply: Reply = |path, _| match path {
        _ if path.starts_with("/all") => {
            let (this, next) = (number_in(path), number_in(path) + 1);
            let pages = format!("<a class=item href='/all?page={this}'></a><a class=item href='/all?page={next}'></a>");
            listing_with(&format!("{pages}<a class=next href='/all?page={next}'></a>"), &[1])
        }
        _ if path.starts_with("/p/") => product(number_in(path), ""),
        _ => not_found(),
    };
    let (end, tally, asked) = scrape(reply, "structured", CAPS).await;
    assert!(end.is_ok(), "{end:?}");
    assert_eq!((tally.items, asked.paths().iter().filter(|p| p.starts_with("/all")).count()), (1, 1 + CAPS.barren));
}

#[tokio::test]
async fn a_page_that_was_an_item_and_becomes_a_listing_is_asked_for_whole_and_so_is_one_that_cannot_be_read_back() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, headers| match (path, NIGHT.load(Relaxed)) {
        ("/all?page=1", 1) => listing_with("<a class=item href='/shelf'></a>", &[1]),
        ("/all?page=1", _) => listing_with("<a class=next href='/shelf'></a>", &[1]),
        _ if headers.contains_key("if-none-match") => StatusCode::NOT_MODIFIED.into_response(),
        ("/shelf", _) => ([("etag", "\"shelf\"")], listing_with("", &[2])).into_response(),
        _ if path.starts_with("/p/") => ([("etag", "\"p\"")], product(number_in(path), "")).into_response(),
        _ => not_found(),
    };
    let scraped = Scraped::new(reply, "structured").await;
    scraped.run(CAPS, &[]).await.0.unwrap();
    assert_eq!(scraped.states().await, states(&[("s/1", State::NoImage), ("s/shelf", State::Parse)]));

    NIGHT.store(2, Relaxed);
    let page = scraped.store.file.base.join("/p/1").unwrap().to_string();
    let spoil = move |journal: &mut Journal| {
        let row = journal.page(&page)?.unwrap();
        journal.put_page(&page, &PageRow { extracted: "{\"Ok\": 7}".into(), ..row }, Timestamp::now())
    };
    scraped.journal.with(spoil).await.unwrap();
    let (end, tally) = scraped.run(CAPS, &[]).await;
    assert_eq!(end.unwrap().items, 2);
    assert_eq!((tally.new, tally.unchanged, tally.unseen), (1, 1, 1));
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

/// A page whose product comes in these colours; the blue one has a picture that is none.
fn in_colours(colours: &[&str]) -> Response {
    let variant = |colour: &&str| {
        let image = if *colour == "blue" { "/blue.jpg" } else { "" };
        format!(r#"{{"@type": "Product", "color": "{colour}", "image": "{image}", "offers": {{"price": "85.00"}}}}"#)
    };
    let variants = colours.iter().map(variant).collect::<Vec<_>>().join(",");
    Html(format!(
        r#"<script type="application/ld+json">{{"@type": "ProductGroup", "name": "Bag", "brand": "Kind",
        "hasVariant": [{variants}]}}</script>"#
    ))
    .into_response()
}

fn states(of: &[(&str, State)]) -> Vec<(String, State)> {
    of.iter().map(|(id, state)| (id.to_string(), *state)).collect()
}

#[tokio::test]
async fn a_page_in_several_colours_that_fails_makes_no_item_of_its_own_and_comes_back() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match (path, NIGHT.load(Relaxed)) {
        ("/all?page=1", _) => Html("<a class=item href='/p/tote'></a>").into_response(),
        ("/p/tote", 2) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        ("/p/tote", 4) => in_colours(&["blue", "green", "grey"]),
        ("/p/tote", _) => in_colours(&["red", "blue"]),
        ("/blue.jpg", _) => "no picture".into_response(),
        _ => not_found(),
    };
    let scraped = Scraped::new(reply, "structured").await;
    let read = states(&[("s/tote~blue", State::NotAnImage), ("s/tote~red", State::NoImage)]);
    let (end, tally) = scraped.run(CAPS, &[]).await;
    assert_eq!((end.unwrap(), tally.new), (Counted { items: 2, pictures: 1 }, 2));
    assert_eq!(scraped.states().await, read);

    NIGHT.store(2, Relaxed);
    let (end, _) = scraped.run(CAPS, &[]).await;
    assert_eq!(end.unwrap(), Counted { items: 2, pictures: 0 });
    let blocked = states(&[("s/tote~blue", State::Blocked), ("s/tote~red", State::Blocked)]);
    assert_eq!(scraped.states().await, blocked);

    NIGHT.store(3, Relaxed);
    // As an older version left it.
    scraped.journal.with(|journal| put_blocked(journal, "tote")).await.unwrap();
    let (end, _) = scraped.run(CAPS, &[State::Blocked, State::NoImage]).await;
    assert_eq!(end.unwrap(), Counted { items: 2, pictures: 1 });
    assert_eq!(scraped.states().await, read, "its page was read, and shows colours");

    NIGHT.store(4, Relaxed);
    let (end, _) = scraped.run(CAPS, &[State::NoImage]).await;
    assert_eq!(end.unwrap(), Counted { items: 1, pictures: 0 });
    let red_left = states(&[("s/tote~blue", State::NotAnImage), ("s/tote~red", State::Gone)]);
    assert_eq!(scraped.states().await, red_left, "the other colours are a whole run's to find");
}

/// Write down an item whose page did not answer.
fn put_blocked(journal: &mut Journal, key: &str) -> crate::Result<()> {
    let run = journal.newest_run()?.unwrap();
    let (url, detail) = (journal.find("s/tote~red")?[0].url.clone(), String::new());
    let (id, store) = (ItemId::new("s", key), "s".into());
    let state = State::Blocked;
    journal.put_item(run, &ItemOutcome { id, store, url, state, detail, item: None, images: vec![], read: None })
}

#[tokio::test]
async fn a_page_that_failed_before_it_was_ever_read_is_dropped_for_its_colours() {
    static FAILS: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match path {
        "/all?page=1" => Html("<a class=item href='/p/tote'></a>").into_response(),
        "/p/tote" if FAILS.load(Relaxed) == 1 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/p/tote" => in_colours(&["red", "green"]),
        _ => not_found(),
    };
    let scraped = Scraped::new(reply, "structured").await;
    scraped.run(CAPS, &[]).await.0.unwrap();
    assert_eq!(scraped.states().await, states(&[("s/tote", State::Blocked)]));
    FAILS.store(0, Relaxed);
    scraped.run(CAPS, &[]).await.0.unwrap();
    let read = states(&[("s/tote~green", State::NoImage), ("s/tote~red", State::NoImage)]);
    assert_eq!(scraped.states().await, read);
}

/// A grey picture, another one for each brightness: the smallest that is one.
fn picture(brightness: u8) -> Response {
    const SIDE: u32 = 16;
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        png.extend([&(data.len() as u32).to_be_bytes()[..], &body, &crc.sum().to_be_bytes()].concat());
    };
    chunk(b"IHDR", &[&SIDE.to_be_bytes()[..], &SIDE.to_be_bytes(), &[8, 0, 0, 0, 0]].concat());
    let row = [&[0][..], &[brightness; SIDE as usize]].concat();
    let mut packed = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &row.repeat(SIDE as usize)).unwrap();
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    ([("content-type", "image/png")], png).into_response()
}

/// A page in these colours, each with a picture.
fn pictured(colours: &[&str]) -> Response {
    let variant = |colour: &&str| {
        format!(
            r#"{{"@type": "Product", "color": "{colour}", "image": "/{colour}.png", "offers": {{"price": "85.00"}}}}"#
        )
    };
    let variants = colours.iter().map(variant).collect::<Vec<_>>().join(",");
    Html(format!(
        r#"<script type="application/ld+json">{{"@type": "ProductGroup", "name": "Bag", "brand": "Kind",
        "hasVariant": [{variants}]}}</script>"#
    ))
    .into_response()
}

/// What a server has beside its pages of products: a listing of one, and pictures.
fn one_product(path: &str) -> Response {
    match path {
        "/all?page=1" => Html("<a class=item href='/p/tote'></a>").into_response(),
        "/red.png" => picture(10),
        "/blue.png" => picture(250),
        _ => not_found(),
    }
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_leaves_colours_that_it_retired() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match (path, NIGHT.load(Relaxed)) {
        ("/p/tote", 1) => pictured(&["red", "blue"]),
        _ => one_product(path),
    };
    let scraped = Scraped::new(reply, "structured").await;
    scraped.run(CAPS, &[]).await.0.unwrap();
    assert_eq!(scraped.states().await, states(&[("s/tote~blue", State::Ok), ("s/tote~red", State::Ok)]));
    NIGHT.store(2, Relaxed);
    scraped.run(CAPS, &[]).await.0.unwrap();
    scraped.run(CAPS, &[]).await.0.unwrap();
    assert_eq!(scraped.states().await, states(&[("s/tote~blue", State::Gone), ("s/tote~red", State::Gone)]));

    let retired = states(&[("s/tote~blue", State::Retired), ("s/tote~red", State::Retired)]);
    for _ in 0..2 {
        let (end, _) = scraped.unfinished(CAPS, &[]).await;
        assert_eq!(end.unwrap(), Counted { items: 2, pictures: 0 });
        assert_eq!(scraped.states().await, retired);
    }
    assert_eq!(scraped.asked.times("/p/tote"), 4, "once a run");
}

#[tokio::test]
async fn a_run_that_is_gone_on_with_leaves_colours_whose_page_did_not_answer() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match (path, NIGHT.load(Relaxed)) {
        ("/p/tote", 1) => pictured(&["red", "blue"]),
        ("/p/tote", 2) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        ("/p/tote", 3) => pictured(&["red", "green"]),
        ("/p/tote", _) => pictured(&["red"]),
        _ => one_product(path),
    };
    for after in [3, 4] {
        NIGHT.store(1, Relaxed);
        let scraped = Scraped::new(reply, "structured").await;
        scraped.run(CAPS, &[]).await.0.unwrap();
        for night in [2, after] {
            NIGHT.store(night, Relaxed);
            assert_eq!(scraped.unfinished(CAPS, &[]).await.0.unwrap(), Counted { items: 2, pictures: 0 });
            let blocked = states(&[("s/tote~blue", State::Blocked), ("s/tote~red", State::Blocked)]);
            assert_eq!(scraped.states().await, blocked);
        }
    }
}

#[tokio::test]
async fn a_run_that_goes_on_with_a_retry_finds_the_colours_that_were_not_asked_for() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match (path, NIGHT.load(Relaxed)) {
        ("/p/tote", 1) => pictured(&["red", "blue", "green"]),
        ("/p/tote", 2) => not_found(),
        ("/p/tote", _) => pictured(&["red", "blue"]),
        _ => one_product(path),
    };
    let scraped = Scraped::new(reply, "structured").await;
    scraped.run(CAPS, &[]).await.0.unwrap();
    NIGHT.store(2, Relaxed);
    let (end, _) = scraped.unfinished(CAPS, &[State::NoImage]).await;
    assert_eq!(end.unwrap().items, 1, "green has no picture");
    NIGHT.store(3, Relaxed);
    let (end, tally) = scraped.unfinished(CAPS, &[]).await;
    assert_eq!((end.unwrap(), tally.unseen), (Counted { items: 3, pictures: 2 }, 0));
}

#[tokio::test]
async fn a_page_that_shows_one_colour_now_is_kept_as_one_item_when_it_fails() {
    static NIGHT: AtomicUsize = AtomicUsize::new(1);
    let reply: Reply = |path, _| match (path, NIGHT.load(Relaxed)) {
        ("/p/tote", 1 | 4) => pictured(&["red", "blue"]),
        ("/p/tote", 2) => product(1, "\"/red.png\""),
        ("/p/tote", 5) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => one_product(path),
    };
    let scraped = Scraped::new(reply, "structured").await;
    let ids =
        || scraped.journal.look(|journal| Ok(journal.ok_items()?.into_iter().map(|i| i.id.to_string()).collect()));
    scraped.run(CAPS, &[]).await.0.unwrap();
    NIGHT.store(2, Relaxed);
    scraped.run(CAPS, &[]).await.0.unwrap();
    NIGHT.store(3, Relaxed);
    scraped.run(CAPS, &[]).await.0.unwrap();
    let one = states(&[("s/tote", State::Gone), ("s/tote~blue", State::Ok), ("s/tote~red", State::Ok)]);
    assert_eq!(scraped.states().await, one);
    let offered: Vec<String> = ids().await.unwrap();
    assert!(offered.contains(&"s/tote".into()), "{offered:?}");

    NIGHT.store(4, Relaxed);
    scraped.run(CAPS, &[]).await.0.unwrap();
    let several = states(&[("s/tote~blue", State::Ok), ("s/tote~red", State::Ok)]);
    assert_eq!(scraped.states().await, several, "its page was read, and shows colours");

    // As an older version left it, after the colours and in the same run.
    scraped.journal.with(|journal| put_blocked(journal, "tote")).await.unwrap();
    NIGHT.store(5, Relaxed);
    let (end, _) = scraped.run(CAPS, &[]).await;
    assert_eq!(end.unwrap().items, 2);
    let blocked = [("s/tote", State::Blocked), ("s/tote~blue", State::Blocked), ("s/tote~red", State::Blocked)];
    assert_eq!(scraped.states().await, states(&blocked));
}

/// A feed of one product under this `X-Robots-Tag`.
fn feed(path: &str, tag: &'static str) -> Response {
    if !path.contains("/products.json") {
        return not_found();
    }
    let product = r#"{"products": [{"handle": "a", "title": "A", "vendor": "Kind", "variants": [{"price": 85}],
        "images": [{"src": "/a.jpg"}]}]}"#;
    ([("x-robots-tag", tag)], product).into_response()
}

#[tokio::test]
async fn pictures_of_a_feed_that_asks_machines_to_keep_away_are_not_taken() {
    let replies: [(Reply, State, usize); 3] = [
        (|path, _| feed(path, "noai"), State::NoAi, 0),
        (|path, _| feed(path, "goodtwin: noimageai"), State::NoAi, 0),
        // Shops keep their feeds out of search engines; of pictures that says nothing.
        (|path, _| feed(path, "noindex"), State::NoImage, 1),
    ];
    for (reply, state, times) in replies {
        let (end, tally, asked) = scrape(reply, "shopify", CAPS).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!((tally.states, asked.times("/a.jpg")), ([(state, 1)].into(), times));
    }
}
