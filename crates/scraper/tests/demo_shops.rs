//! The demo's shops, scraped with the configs that ship: what is kept, what is not and why, and what a second run asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use goodtwin_core::{Availability, Condition, Label};
use goodtwin_demo::{Demo, Family, Fault, Hits, Open, Product, SHOPS};
use goodtwin_scraper::journal::RunId;
use goodtwin_scraper::{Config, JOURNAL, Journal, Manifest, Progress, State, Stopper, Summary, run};

const WITHOUT_BROWSER: [&str; 3] = ["canopy-goods", "loom-and-latch", "second-chapter"];

fn config(shops: &Open, out: &Path, stores: &[&str]) -> Config {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo.toml");
    let stores: Vec<String> = stores.iter().map(|s| s.to_string()).collect();
    let mut config = Config::load(&path, &stores).unwrap();
    config.out = out.into();
    for store in &mut config.stores {
        let shop = SHOPS.iter().position(|s| s.key == store.file.name).unwrap();
        store.file.base = shops.origin(shop).parse().unwrap();
    }
    config
}

async fn scrape(config: &Config) -> Summary {
    let (_stopper, stop) = Stopper::new();
    run(config, Progress::Silent, stop).await.unwrap()
}

/// What stands in a shop's listings.
fn products(demo: &Demo, shop: usize) -> Vec<(&Family, &Product)> {
    let families = demo.assortment().families.iter().filter(|f| f.shop == shop);
    families.flat_map(|f| f.products.iter().map(move |p| (f, p))).collect()
}

/// Of stores that were read to their end, none of whose pages is gone.
fn assert_sums_agree(summary: &Summary, config: &Config) {
    let manifest = Manifest::read(&config.out.join(JOURNAL)).unwrap();
    for store in &summary.stores {
        let t = &store.tally;
        assert_eq!(t.items, t.new + t.unchanged + t.changed + t.unseen, "{}", store.name);
        assert_eq!(t.images, t.images_ok + t.images_bad.values().sum::<u32>(), "{}", store.name);
        let published = manifest.items.iter().filter(|item| item.store == store.name).count() as u32;
        assert_eq!(t.states.get(&State::Ok), Some(&published), "{}", store.name);
    }
}

/// What the assortment says must become of a shop's products: state to how many.
fn expected(demo: &Demo, shop: usize) -> BTreeMap<State, u32> {
    let mut states = BTreeMap::new();
    for (family, product) in products(demo, shop) {
        let kept = SHOPS[shop].second_hand || family.brand.label.is_some_and(|l| l.0 >= Label::ItsAStart);
        let has = |fault| product.faults.contains(&fault);
        let state = match () {
            () if has(Fault::Disallowed) => State::Robots,
            () if !kept => State::BelowRating,
            () if has(Fault::NoPrice) => State::NoPrice,
            () => State::Ok,
        };
        *states.entry(state).or_default() += 1;
    }
    states
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shops_are_scraped_and_a_second_run_fetches_nothing_again() {
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let config = config(&shops, out.path(), &WITHOUT_BROWSER);

    let summary = scrape(&config).await;
    println!("{summary}");
    assert_eq!(summary.exit_code(), 0, "{summary}");
    assert_sums_agree(&summary, &config);
    for (shop, store) in summary.stores.iter().enumerate() {
        let listed = products(&demo, shop).len() as u32;
        assert_eq!((store.tally.items, store.tally.new), (listed, listed), "{}", store.name);
        let mut found = store.tally.states.clone();
        // Whether a product whose main picture is bad still has another is up to the painter's dice.
        for bad in [State::NoImage, State::Truncated, State::NotAnImage] {
            if let Some(n) = found.remove(&bad) {
                *found.entry(State::Ok).or_default() += n;
            }
        }
        assert_eq!(found, expected(&demo, shop), "{}", store.name);
    }
    let bad: BTreeMap<_, _> = summary.stores.iter().flat_map(|s| s.tally.images_bad.clone()).collect();
    assert!(["gone", "not-an-image", "truncated"].iter().all(|cause| bad.contains_key(*cause)), "{bad:?}");

    // What robots.txt forbids was not asked for.
    for shop in 0..WITHOUT_BROWSER.len() {
        for path in shops.requests(shop).keys() {
            assert!(!["/preview/", "/members/", "/cart", "/account"].iter().any(|p| path.starts_with(p)), "{path}");
        }
    }

    let first = Manifest::read(&out.path().join(JOURNAL)).unwrap();
    assert_items_are_true(&demo, &first);

    let before: Vec<BTreeMap<String, Hits>> = (0..3).map(|shop| shops.requests(shop)).collect();
    let again = scrape(&config).await;
    assert_sums_agree(&again, &config);
    for (shop, store) in again.stores.iter().enumerate() {
        assert_eq!(store.tally.unchanged, store.tally.items, "{}\n{again}", store.name);
        for (path, hits) in shops.requests(shop) {
            let sent_before = before[shop].get(&path).map_or(0, |h| h.sent);
            assert_eq!(hits.sent, sent_before, "{path} was sent again");
        }
    }
    assert_eq!(Manifest::read(&out.path().join(JOURNAL)).unwrap().id, first.id);
    shops.close().await;
}

fn assert_items_are_true(demo: &Demo, manifest: &Manifest) {
    let mut families = BTreeMap::new();
    for item in &manifest.items {
        let (store, key) = item.id.as_str().split_once('/').unwrap();
        let shop = SHOPS.iter().position(|s| s.key == store).unwrap();
        let (family, product) =
            products(demo, shop).into_iter().find(|(_, p)| p.handle == key).expect("a product of the shop");
        assert_eq!(item.brand, family.brand.name);
        assert_eq!(item.bag_type.as_ref().map(|t| t.as_str()), Some(family.kind.key()), "{}", item.title);
        let price = item.price.unwrap();
        assert_eq!(price.amount * rust_decimal::Decimal::from(100), product.price.into(), "{}", item.id);
        assert_eq!(price.currency.code(), SHOPS[shop].currency);
        assert_eq!(item.condition == Condition::SecondHand, SHOPS[shop].second_hand);
        assert_eq!(item.availability == Availability::SoldOut, product.faults.contains(&Fault::SoldOut), "{}", item.id);
        assert_eq!(item.rating.as_ref().map(|r| r.label), family.brand.label.map(|l| l.0));
        let same = families.entry(item.family.clone().unwrap()).or_insert((shop, family.index));
        assert_eq!(*same, (shop, family.index), "{:?} is one family", item.family);
        for image in &item.images {
            let bytes = std::fs::read(manifest.images_dir.join(image.file_name())).unwrap();
            assert_eq!(goodtwin_core::ContentId::of(bytes), image.sha256);
        }
    }
    let models: std::collections::BTreeSet<_> = families.values().collect();
    assert_eq!(models.len(), families.len(), "one model has one family");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_cut_off_is_gone_on_with_and_ends_the_same() {
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let config = config(&shops, out.path(), &["loom-and-latch"]);
    // Dropped at some await, as a process that is killed is; then asked to stop in good order; then let be.
    let seen = |at_least: usize| {
        let shops = &shops;
        async move {
            while shops.requests(1).len() < at_least {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    };
    let (_stopper, stop) = Stopper::new();
    tokio::select! {
        _ = run(&config, Progress::Silent, stop) => panic!("it cannot be done yet"),
        () = seen(30) => {}
    }
    let (stopper, stop) = Stopper::new();
    let (summary, ()) = tokio::join!(run(&config, Progress::Silent, stop), async {
        seen(60).await;
        stopper.stop();
    });
    let summary = summary.unwrap();
    assert_eq!(summary.exit_code(), 130);
    let summary = scrape(&config).await;
    assert_eq!(summary.exit_code(), 0, "{summary}");
    assert_sums_agree(&summary, &config);
    assert_eq!(summary.stores[0].tally.new, summary.stores[0].tally.items, "it is still the first run");
    for (path, hits) in shops.requests(1) {
        // Only what was in flight when it was dropped may have been sent twice; and robots.txt is kept for a day.
        assert!(hits.sent <= 2, "{path}: {hits:?}");
    }
    let twice = shops.requests(1).values().filter(|h| h.sent == 2).count();
    assert!(twice <= 2, "{twice} addresses were sent twice");

    let whole = tempfile::tempdir().unwrap();
    let uninterrupted = self::config(&shops, whole.path(), &["loom-and-latch"]);
    scrape(&uninterrupted).await;
    let id = |out: &Path| Manifest::read(&out.join(JOURNAL)).unwrap().id;
    assert_eq!(id(out.path()), id(whole.path()));
    let journal = Journal::open(&out.path().join(JOURNAL)).unwrap();
    assert_eq!(journal.tally("loom-and-latch", RunId(1)).unwrap(), summary.stores[0].tally);
    shops.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listing_that_javascript_makes_is_read_in_a_browser() {
    let on_path = |name: &str| {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(name).is_file())
    };
    if !on_path("chromedriver") || !["chromium", "chromium-browser", "google-chrome"].iter().any(|n| on_path(n)) {
        eprintln!("skipped: there is no chromedriver or no chromium on PATH");
        return;
    }
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let config = config(&shops, out.path(), &["omtanke"]);
    let summary = scrape(&config).await;
    println!("{summary}");
    assert_eq!(summary.exit_code(), 0, "{summary}");
    assert_sums_agree(&summary, &config);
    assert_eq!(summary.stores[0].tally.items as usize, products(&demo, 3).len());
    assert_items_are_true(&demo, &Manifest::read(&out.path().join(JOURNAL)).unwrap());
    shops.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_read_is_told_of_and_the_others_go_on() {
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let out = tempfile::tempdir().unwrap();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let mut config = config(&shops, out.path(), &["canopy-goods", "loom-and-latch"]);
    config.stores[1].file.base = closed.parse().unwrap();
    let summary = scrape(&config).await;
    assert_eq!(summary.exit_code(), 3);
    assert_eq!(summary.stores[0].trouble, None);
    assert_eq!(summary.stores[0].tally.items, 60);
    let trouble = summary.stores[1].trouble.as_deref().unwrap();
    assert!(trouble.contains(&format!("{closed}robots.txt: Connection refused")), "{trouble}");

    // Alone, it leaves nothing to go on with. What was kept before stays.
    config.stores.remove(0);
    let summary = scrape(&config).await;
    assert_eq!(summary.exit_code(), 69, "{summary}");
    assert!(summary.to_string().contains("loom-and-latch: not read to its end: "), "{summary}");
    assert!(!Manifest::read(&out.path().join(JOURNAL)).unwrap().items.is_empty());
    shops.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_folder_that_cannot_be_made_is_named_before_anything_is_asked() {
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let config = config(&shops, &file.join("out"), &["canopy-goods"]);
    let (_stopper, stop) = Stopper::new();
    let error = run(&config, Progress::Silent, stop).await.unwrap_err();
    assert_eq!(error.exit_code(), 73, "{error}");
    assert!(error.to_string().contains("out"), "{error}");
    assert!(shops.requests(0).is_empty());
}
