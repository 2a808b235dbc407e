//! A store of the demo's, scraped night after night: what is asked for and what was planned, what is asked again, and what
//! happens when the store changes.

use std::path::{Path, PathBuf};

use goodtwin_demo::{Demo, Open, SHOPS};
use goodtwin_scraper::{
    Config, JOURNAL, Manifest, Metrics, Options, Progress, QuietJournal, State, Stopper, Summary, plan, run_with,
};

const STORE: &str = "second-chapter";
/// Its place among the shops.
const PLACE: usize = 2;

fn config(shops: &Open, out: &Path) -> Config {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo.toml");
    let mut config = Config::load(&path, &[STORE.into()]).unwrap();
    config.out = out.into();
    assert_eq!(SHOPS[PLACE].key, STORE);
    config.stores[0].file.base = shops.origin(PLACE).parse().unwrap();
    config
}

async fn scrape(config: &Config, options: Options) -> Summary {
    let (_stopper, stop) = Stopper::new();
    run_with(config, &options, Progress::Silent, stop).await.unwrap()
}

fn answered(shops: &Open) -> u64 {
    shops.requests(PLACE).values().map(|hits| hits.sent + hits.not_modified + hits.refused).sum()
}

fn manifest(config: &Config) -> Manifest {
    Manifest::read(&config.out.join(JOURNAL)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_loses_its_prices_keeps_its_items_until_somebody_accepts() {
    let out = tempfile::tempdir().unwrap();
    let shops = Demo::new(7).serve(0).await.unwrap();
    let healthy = config(&shops, out.path());
    assert_eq!(scrape(&healthy, Options::default()).await.exit_code(), 0);
    let first = manifest(&healthy);
    shops.close().await;

    let shops = Demo::losing_prices(7, STORE).unwrap().serve(0).await.unwrap();
    let changed = config(&shops, out.path());
    for night in 0..2 {
        let drifted = scrape(&changed, Options::default()).await;
        assert_eq!(drifted.exit_code(), 3, "{drifted}");
        let fell: Vec<&str> = drifted.stores[0].drops.iter().map(|drop| drop.word()).collect();
        assert_eq!(fell, ["price"], "{drifted}");
        assert!(drifted.to_string().contains("--accept-drop"), "{drifted}");
        assert_eq!(manifest(&changed).id, first.id, "yesterday's items are kept");
        let metrics = Metrics::gather(&changed, &drifted).unwrap();
        assert_eq!(metrics.exit_code, 3);
        assert_eq!(metrics.drift.len(), 1);
        assert!(metrics.last_success.is_some() && !metrics.gaps.is_empty(), "{metrics}");
        // The second time, nothing has changed since the first.
        assert_eq!(metrics.fetched_bytes > 0, night == 0, "{metrics}");
        let seen: i64 = metrics.items.values().sum();
        assert_eq!(seen, 60, "{metrics}");
    }
    let accepted = scrape(&changed, Options { accept_drop: true, ..Options::default() }).await;
    assert_eq!(accepted.exit_code(), 0, "{accepted}");
    assert!(manifest(&changed).items.len() < first.items.len());
    assert_eq!(scrape(&changed, Options::default()).await.exit_code(), 0);
    shops.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_a_run_asks_for_and_asks_for_no_item() {
    let out = tempfile::tempdir().unwrap();
    let shops = Demo::new(7).serve(0).await.unwrap();
    let config = config(&shops, out.path());
    scrape(&config, Options::default()).await;

    let before = answered(&shops);
    let (_stopper, stop) = Stopper::new();
    let planned = plan(&config, Progress::Silent, stop).await.unwrap();
    let asked_by_plan = answered(&shops) - before;
    assert!(asked_by_plan <= 6, "robots.txt and the listings: {asked_by_plan}");
    assert_eq!(planned.stores[0].items, 60, "{planned}");
    let hosts: Vec<_> = planned.stores[0].hosts.values().collect();
    assert!(hosts.len() == 1 && hosts[0].bytes.is_some_and(|bytes| bytes > 0.0), "{planned}");

    let before = answered(&shops);
    scrape(&config, Options::default()).await;
    let asked = (answered(&shops) - before) as f64;
    // robots.txt is kept for a day, so a run of today asks for one thing less.
    assert!((hosts[0].requests - asked).abs() <= 1.0, "planned {}, asked {asked}:\n{planned}", hosts[0].requests);
    assert_eq!(planned.exit_code(), 0);
    shops.close().await;
    let (_stopper, stop) = Stopper::new();
    let empty = plan(&config, Progress::Silent, stop).await.unwrap();
    assert_eq!(empty.exit_code(), 69, "{empty}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_asks_for_the_items_in_these_states_alone() {
    let out = tempfile::tempdir().unwrap();
    // Most of its items have no price, and none of those that are asked for again.
    let shops = Demo::losing_prices(7, STORE).unwrap().serve(0).await.unwrap();
    let config = config(&shops, out.path());
    let first = scrape(&config, Options::default()).await;
    let unpriced = first.stores[0].tally.states[&State::NoPrice];
    let before = (answered(&shops), manifest(&config).id);
    // One was blocked that night.
    let db = rusqlite::Connection::open(config.out.join(JOURNAL)).unwrap();
    let blocked: String = db.query_row("SELECT id FROM published LIMIT 1", [], |r| r.get(0)).unwrap();
    db.execute("UPDATE items SET state = 'blocked', item = NULL, fields = NULL WHERE id = ?1", [&blocked]).unwrap();
    db.execute("DELETE FROM published WHERE id = ?1", [&blocked]).unwrap();
    drop(db);
    assert_ne!(manifest(&config).id, before.1);

    let retry = vec![State::NoPrice, State::Truncated, State::Blocked];
    let again = scrape(&config, Options { retry, ..Options::default() }).await;
    assert_eq!(again.exit_code(), 0, "{again}");
    let tally = &again.stores[0].tally;
    let truncated = first.stores[0].tally.states.get(&State::Truncated).copied().unwrap_or_default();
    assert_eq!(tally.unchanged + tally.changed, unpriced + truncated + 1, "{again}");
    assert!(again.to_string().contains("not asked") && !again.to_string().contains("unseen"), "{again}");
    // A page for each, and the pictures of those that have some.
    assert!(answered(&shops) - before.0 <= u64::from(unpriced + 3 * truncated + 1), "{again}");
    assert_eq!(manifest(&config).id, before.1, "what was blocked is back");

    let journal = QuietJournal::open(&config.out.join(JOURNAL)).unwrap();
    let states = journal.states().unwrap();
    assert_eq!(states[STORE].values().sum::<u32>(), 60);
    let known = journal.all_in(State::NoPrice).unwrap();
    assert_eq!(journal.find(&known[0].url).unwrap()[0].id, known[0].id);
    assert!(!journal.find(&known[0].brand.as_ref().unwrap().to_uppercase()).unwrap().is_empty());
    drop(journal);
    // The next whole run is a run as ever, and nobody was missed.
    let whole = scrape(&config, Options::default()).await;
    assert_eq!((whole.exit_code(), whole.stores[0].tally.unseen), (0, 0), "{whole}");
    shops.close().await;
}
