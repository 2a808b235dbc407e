//! `kill -9` while it scrapes, at moments of a seed's choice; started again, it loses nothing and asks nothing twice.
//!
//! The shops answer as many requests as the seed says and let the others wait, so that each kill lands where it was meant to:
//! while a robots.txt is waited for, a listing, a product's page, a picture; or when all was answered, and pictures, rows and
//! totals are written. A crawl is killed six times, then left alone; its manifest must be that of a crawl that nobody killed.
//!
//! `GOODTWIN_KILLS` says how often (30), `GOODTWIN_SEED` where (1): `scripts/torture` takes more of both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use goodtwin_demo::{Demo, Open};
use goodtwin_scraper::journal::RunId;
use goodtwin_scraper::{JOURNAL, Journal, Manifest};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{configure, goodtwin};

/// How often one crawl is killed.
const A_CRAWL: usize = 6;

/// The shops that need no browser, in the order of their ports.
pub const STORES: [&str; 3] = ["canopy-goods", "loom-and-latch", "second-chapter"];

/// What may be looked at at once in one store: an answer that came may not stand in the journal yet.
const IN_FLIGHT: usize = 4;

/// The demo's configs for shops that are asked without delay.
pub fn hurried(dir: &Path, shops: &Open) -> PathBuf {
    let addresses: Vec<String> = shops.addresses().iter().map(|a| a.to_string()).collect();
    let config = configure(dir, &addresses);
    let text = std::fs::read_to_string(&config).unwrap().replace("delay = 0.01", "delay = 0.0");
    std::fs::write(&config, text).unwrap();
    config
}

/// `goodtwin scrape` of some stores, started.
pub fn scrape(config: &Path, out: &Path, stores: &[&str]) -> std::process::Command {
    let mut command = goodtwin(["scrape", "--config"]);
    command.arg(config).arg("--out").arg(out).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for store in stores {
        command.args(["--store", store]);
    }
    command
}

/// How a process ends, without holding up the shops, which live in this one.
pub async fn end_of(mut child: Child) -> std::process::ExitStatus {
    tokio::task::spawn_blocking(move || child.wait().expect("it was not waited for before")).await.unwrap()
}

/// How often each address was answered, whatever with.
fn answered(shops: &Open) -> BTreeMap<(usize, String), u64> {
    let of_shop = |shop| shops.requests(shop).into_iter().map(move |(path, hits)| ((shop, path), hits.all()));
    (0..STORES.len()).flat_map(of_shop).collect()
}

/// Everything that a crawl left, but for times of day.
#[derive(Debug, PartialEq)]
struct Left {
    manifest: String,
    tallies: Vec<String>,
    files: BTreeSet<PathBuf>,
}

fn left(out: &Path) -> Left {
    let manifest = Manifest::read(&out.join(JOURNAL)).unwrap();
    let journal = Journal::open_to_read(&out.join(JOURNAL)).unwrap();
    let tallies = STORES.map(|store| format!("{:?}", journal.tally(store, RunId(1)).unwrap()));
    let folders = std::fs::read_dir(out.join("images")).unwrap().map(|e| e.unwrap().path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()));
    let files = files.map(|path| path.strip_prefix(out).unwrap().to_path_buf()).collect();
    Left { manifest: manifest.id.to_string(), tallies: tallies.into(), files }
}

fn phase(path: &str) -> &'static str {
    match path {
        "/robots.txt" => "robots",
        _ if path.starts_with("/products.json") || path.starts_with("/bags") || path.starts_with("/shop") => "listing",
        _ if path.ends_with(".jpg") || path.ends_with(".jpeg") => "picture",
        _ => "page",
    }
}

/// After how many answers the kills of one crawl come: a robots.txt, a listing, a page; anywhere, twice; and when all is answered.
fn moments(rng: &mut ChaCha8Rng, all: usize) -> [usize; A_CRAWL] {
    let mut anywhere = [rng.random_range(12..all / 2), rng.random_range(all / 2..all - 1)];
    anywhere.sort_unstable();
    [rng.random_range(0..3), rng.random_range(3..6), rng.random_range(6..12), anywhere[0], anywhere[1], all]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_that_is_killed_again_and_again_loses_nothing_and_asks_nothing_twice() {
    let number = |name: &str, default: usize| std::env::var(name).ok().map_or(default, |v| v.parse().expect(name));
    let (kills, seed) = (number("GOODTWIN_KILLS", 30), number("GOODTWIN_SEED", 1));
    let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::new(7);
    let shops = demo.serve(0).await.unwrap();
    let config = hurried(dir.path(), &shops);
    let start = |out: &Path| scrape(&config, out, &STORES).spawn().expect("goodtwin starts");

    // The shops paint their pictures at the first visit; the second is the one to compare with.
    for name in ["first", "whole"] {
        assert_eq!(end_of(start(&dir.path().join(name))).await.code(), Some(0));
    }
    let whole = left(&dir.path().join("whole"));
    assert_eq!(left(&dir.path().join("first")), whole, "two crawls of the same shops");
    let once: BTreeSet<_> = answered(&shops).into_keys().collect();
    let all = once.len();
    assert!(answered(&shops).values().all(|n| *n == 2), "an address is asked once a crawl: {:?}", answered(&shops));

    let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut killed, mut again) = (0, 0);
    for crawl in 0..kills.div_ceil(A_CRAWL) {
        let out = dir.path().join(format!("crawl-{crawl}"));
        let before = answered(&shops);
        let mut has_ended = false;
        let total = |now: &BTreeMap<_, u64>| now.values().sum::<u64>() - before.values().sum::<u64>();
        for moment in moments(&mut rng, all) {
            if killed == kills {
                break;
            }
            let so_far = total(&answered(&shops)) as usize;
            shops.answer_only(Some(moment.saturating_sub(so_far)));
            let mut child = start(&out);
            let waits = async {
                if moment < all {
                    let path = shops.waiting(1).await.remove(0);
                    // Those that were answered just before may be anywhere on their way into the journal.
                    tokio::time::sleep(Duration::from_millis(rng.random_range(0..8))).await;
                    phase(&path)
                } else {
                    // What was asked again after a kill came on top: all is answered once nobody waits and nobody asks.
                    shops.answer_only(None);
                    let all_is_answered = |now: BTreeMap<_, u64>| once.iter().all(|key| now.get(key) > before.get(key));
                    while !all_is_answered(answered(&shops)) {
                        tokio::time::sleep(Duration::from_micros(200)).await;
                    }
                    "closing"
                }
            };
            let lands = tokio::time::timeout(Duration::from_secs(60), waits).await.expect("the scrape goes on");
            child.kill().unwrap();
            let status = end_of(child).await;
            shops.answer_only(None);
            killed += 1;
            // The last one may have been quicker than its kill.
            has_ended = status.success();
            if !has_ended {
                *phases.entry(lands).or_default() += 1;
            }
        }
        if !has_ended {
            assert_eq!(end_of(start(&out)).await.code(), Some(0), "crawl {crawl} of seed {seed} ends well");
        }
        assert_eq!(left(&out), whole, "crawl {crawl} of seed {seed}");
        for (shop, name) in STORES.iter().enumerate() {
            let twice: Vec<_> = answered(&shops)
                .into_iter()
                .filter(|(key, n)| key.0 == shop && n - before.get(key).copied().unwrap_or(0) > 1)
                .collect();
            again += twice.len();
            assert!(twice.len() <= A_CRAWL * IN_FLIGHT, "crawl {crawl} of seed {seed}, {name}: {twice:?}");
        }
    }
    eprintln!("seed {seed}: {killed} kills, {phases:?}; {again} of {all} addresses asked again in all crawls together");
    for phase in ["robots", "listing", "page", "picture", "closing"] {
        assert!(phases.contains_key(phase) || kills < 30, "no kill landed in {phase}: {phases:?}");
    }
    assert!(again <= killed * 3, "{again} addresses were asked again after {killed} kills");
    shops.close().await;
}
