//! A crawl that runs from a timer: what it says to machines, what it says of one item, and what it does when a shop changes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Ended, Served, configure, goodtwin, run};

const STORE: &str = "second-chapter";

/// The demo's shops, and a config for them.
struct Shops {
    _served: Served,
    config: PathBuf,
    /// The store's host and port.
    address: String,
}

fn open(dir: &Path, name: &str, extra: &[&str]) -> Shops {
    let mut served = Served::start(goodtwin(["demo", "serve", "--first-port", "0"]).args(extra).stderr(Stdio::null()));
    let addresses: Vec<String> = (0..4)
        .map(|_| served.line_with("http://").trim().trim_start_matches("http://").trim_end_matches('/').to_string())
        .collect();
    let folder = dir.join(name);
    std::fs::create_dir(&folder).unwrap();
    Shops { config: configure(&folder, &addresses), address: addresses[2].clone(), _served: served }
}

struct Crawl {
    out: PathBuf,
    metrics: PathBuf,
}

impl Crawl {
    fn scrape(&self, shops: &Shops, extra: &[&str]) -> Ended {
        run(&mut self.command(shops, extra))
    }

    fn command(&self, shops: &Shops, extra: &[&str]) -> Command {
        let mut command = goodtwin(["scrape", "--store", STORE, "--config"]);
        command.arg(&shops.config).arg("--out").arg(&self.out).arg("--metrics").arg(&self.metrics).args(extra);
        command
    }

    fn ask(&self, words: &[&str]) -> Ended {
        run(goodtwin(["scrape"]).args(words).arg("--out").arg(&self.out))
    }

    /// The pictures and offers that a data set has of it.
    fn rows(&self) -> String {
        let dataset = self.out.join("bags");
        run(goodtwin(["dataset", "build", "--crawl"]).arg(self.out.join("crawl.sqlite")).arg("--out").arg(&dataset))
            .ok();
        std::fs::read_to_string(dataset.join("metadata.jsonl")).unwrap()
    }

    /// Each sample of the metrics, by name and labels.
    fn samples(&self) -> BTreeMap<String, f64> {
        let text = std::fs::read_to_string(&self.metrics).unwrap();
        let mut typed = Vec::new();
        let mut samples = BTreeMap::new();
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                typed.push(kind.split(' ').next().unwrap().to_string());
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                let family = name.split('{').next().unwrap();
                assert_eq!(typed.last().map(String::as_str), Some(family), "samples follow their type:\n{text}");
                assert!(samples.insert(name.to_string(), value.parse().unwrap()).is_none(), "twice: {line}");
            }
        }
        samples
    }
}

/// All that it wrote on stderr: events, of which the last is what the run came to, or why it failed.
fn events(ended: &Ended) -> Vec<Value> {
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    ended.stderr.lines().map(line).collect()
}

#[test]
fn a_shop_whose_prices_vanish_is_an_alarm_and_keeps_its_items_until_somebody_looks() {
    let dir = tempfile::tempdir().unwrap();
    let crawl = Crawl { out: dir.path().join("crawl"), metrics: dir.path().join("metrics/goodtwin.prom") };
    let before = open(dir.path(), "before", &[]);
    let first = crawl.scrape(&before, &[]).ok();
    told_to_machines(&crawl, &first);
    asked_by_people(&crawl);
    asked_again(&crawl, &before);
    planned(&crawl, &before);
    rated_down(&crawl, &before, dir.path());

    let rows = crawl.rows();
    let success = "goodtwin_last_success_timestamp_seconds{stage=\"scrape\"}";
    let succeeded_at = crawl.samples()[success];
    drop(before);
    let after = open(dir.path(), "after", &["--lose-prices", STORE]);
    for _ in 0..2 {
        let drifted = crawl.scrape(&after, &[]);
        assert_eq!(drifted.code, 3, "{}\n{}", drifted.stdout, drifted.stderr);
        assert!(drifted.stdout.contains("second-chapter: drift: price: "), "{}", drifted.stdout);
        assert!(drifted.stdout.contains("--accept-drop"), "{}", drifted.stdout);
        let said = events(&drifted).pop().unwrap();
        assert_eq!((&said["level"], &said["fields"]["exit_code"]), (&"ERROR".into(), &3.into()), "{said}");
        assert!(said["fields"]["message"].as_str().unwrap().starts_with("a store drifted: "), "{said}");
        assert_eq!(crawl.rows(), rows, "yesterday's items are kept");
    }
    let samples = crawl.samples();
    assert_eq!(samples["goodtwin_last_exit_code{stage=\"scrape\"}"], 3.0);
    assert_eq!(samples["goodtwin_scrape_drift{store=\"second-chapter\",field=\"price\"}"], 1.0);
    assert_eq!(samples[success], succeeded_at, "an alarm is no success");
    let report = crawl.ask(&["report"]);
    assert_eq!(report.code, 3, "{}", report.stdout);
    assert!(report.stdout.contains("100 %") && report.stdout.contains("price: "), "{}", report.stdout);

    crawl.scrape(&after, &["--accept-drop"]).ok();
    let kept = "goodtwin_scrape_items{store=\"second-chapter\",state=\"ok\"}";
    let kept = crawl.samples()[kept];
    assert!(kept > 0.0 && kept < 40.0, "two in five have a price: {kept}");
    crawl.scrape(&after, &[]).ok();
    crawl.ask(&["report"]).ok();
    assert!(!crawl.samples().keys().any(|name| name.contains("drift")));
}

/// One JSON object a line on stderr, one event that has all totals, and metrics that add up to it.
fn told_to_machines(crawl: &Crawl, ended: &Ended) {
    let events = events(ended);
    let last: Vec<&Value> = events.iter().filter(|e| e["fields"]["message"] == "scrape ended").collect();
    assert_eq!(last.len(), 1, "{}", ended.stderr);
    let totals = &last[0]["fields"];
    assert_eq!((&totals["items"], &totals["exit_code"]), (&60.into(), &0.into()));
    let states = totals["states"].as_object().unwrap();
    assert_eq!(states.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 60);
    checked_by_prometheus(&crawl.metrics);
    let samples = crawl.samples();
    for name in ["goodtwin_scrape_items", "goodtwin_scrape_items_total"] {
        let of_name = samples.iter().filter(|(sample, _)| sample.starts_with(&format!("{name}{{")));
        assert_eq!(of_name.map(|(_, n)| n).sum::<f64>(), 60.0, "{name}: {samples:?}");
    }
    assert!(samples.contains_key("goodtwin_oldest_rating_timestamp_seconds"));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let success = samples["goodtwin_last_success_timestamp_seconds{stage=\"scrape\"}"];
    assert!(success <= now && now - success < 3600.0, "{success} {now}");
}

/// Prometheus' own check, where it is installed; [`Crawl::samples`] reads the file in any case.
fn checked_by_prometheus(metrics: &Path) {
    let file = std::fs::File::open(metrics).unwrap();
    match Command::new("promtool").args(["check", "metrics"]).stdin(file).output() {
        Ok(said) => {
            let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
            assert!(said.status.success() && text.trim().is_empty(), "promtool: {text}");
        }
        Err(_) => eprintln!("promtool did not check the metrics: it is not installed"),
    }
}

fn asked_by_people(crawl: &Crawl) {
    let table = crawl.ask(&["why-missing"]).ok().stdout;
    let row = |name: &str| -> Vec<u32> {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}:\n{table}"));
        line.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect()
    };
    for name in [STORE, "total"] {
        let counts = row(name);
        assert_eq!(counts[0], counts[1..].iter().sum::<u32>(), "{table}");
    }
    for words in ["no-price: No price could be read", "robots: "] {
        assert!(table.contains(words), "{words:?} is not in:\n{table}");
    }
    let example = table.lines().skip_while(|line| !line.starts_with("no-price: ")).nth(1).unwrap();
    let id = example.trim().split(": ").next().unwrap();
    let one = crawl.ask(&["why-missing", id]).ok().stdout;
    for words in [id, "no-price", "\n  manifest it is not in\n", "No price could be read"] {
        assert!(one.contains(words), "{words:?} is not in:\n{one}");
    }
    let address = one.lines().find_map(|line| line.trim().strip_prefix("address")).unwrap().trim();
    assert_eq!(crawl.ask(&["why-missing", address]).ok().stdout, one, "an address is as good as an id");
    assert!(crawl.ask(&["why-missing", "LUMISETTE"]).ok().stdout.contains("second-chapter/"));
    let nothing = crawl.ask(&["why-missing", "second-chapter/nothing-such"]);
    assert_eq!(nothing.code, 2);
    assert!(nothing.stderr.contains("no listing ever named"), "{}", nothing.stderr);
    assert!(crawl.ask(&["report", "--quarantine"]).ok().stdout.contains("no item is in quarantine"));
}

/// Only the items in the states that were named are asked for, and what they are is said.
fn asked_again(crawl: &Crawl, shops: &Shops) {
    let unknown = crawl.scrape(shops, &["--retry", "no-prise"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `no-price`?"), "{}", unknown.stderr);
    let again = crawl.scrape(shops, &["--retry", "no-price,not-an-image"]).ok();
    let totals = events(&again).pop().unwrap()["fields"].clone();
    let asked = totals["unchanged"].as_u64().unwrap() + totals["changed"].as_u64().unwrap();
    let states = &totals["states"];
    let in_state = |state: &str| states.get(state).and_then(Value::as_u64).unwrap_or_default();
    assert_eq!(asked, in_state("no-price") + in_state("not-an-image"), "{totals}");
    assert!(asked > 0 && totals["items"] == 60, "{totals}");
}

impl Shops {
    /// How many requests the store has answered.
    fn answered(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /.demo/requests HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let hits: Value = serde_json::from_str(body).unwrap();
        let all = hits.as_object().unwrap().values().flat_map(|hits| hits.as_object().unwrap().values());
        all.map(|n| n.as_u64().unwrap()).sum()
    }
}

/// What a plan says that a run asks for is what a run asks for; and a plan asks for no item.
fn planned(crawl: &Crawl, shops: &Shops) {
    let before = shops.answered();
    let plan = run(goodtwin(["scrape", "--plan", "--store", STORE, "--config"])
        .arg(&shops.config)
        .arg("--out")
        .arg(&crawl.out))
    .ok();
    let said: Vec<Value> = events(&plan).into_iter().map(|event| event["fields"]["message"].clone()).collect();
    assert_eq!(said.last(), Some(&"listings read".into()), "no item of it is done: {said:?}");
    let asked_by_plan = shops.answered() - before;
    assert!(asked_by_plan <= 6, "robots.txt and the listings: {asked_by_plan}");
    let row: Vec<&str> = plan.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..2], [STORE, "60"], "{}", plan.stdout);
    let planned: u64 = row[4].parse().unwrap();
    let before = shops.answered();
    let both = crawl.out.join("both.log");
    let log = std::fs::File::create(&both).unwrap();
    let status = crawl.command(shops, &[]).stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
    let asked = shops.answered() - before;
    let both = std::fs::read_to_string(both).unwrap();
    let ends = |what: &str| both.find(what).unwrap_or_else(|| panic!("{what}:\n{both}"));
    assert!(status.success() && ends("scrape ended") < ends("\ntotal "), "the table stands at the end:\n{both}");
    assert!(planned.abs_diff(asked) <= 1, "planned {planned}, asked {asked}:\n{}", plan.stdout);
}

/// A book of ratings that lost its lines: without any nothing is asked; with too few it is said what that did to which store.
fn rated_down(crawl: &Crawl, shops: &Shops, dir: &Path) {
    let book = shops.config.with_file_name("demo").join("ratings.jsonl");
    let whole = std::fs::read_to_string(&book).unwrap();
    let crawl = Crawl { out: dir.join("rated"), metrics: crawl.metrics.with_file_name("rated.prom") };
    let scrape = || {
        let mut command = goodtwin(["scrape", "--store", "canopy-goods", "--config"]);
        command.arg(&shops.config).arg("--out").arg(&crawl.out).arg("--metrics").arg(&crawl.metrics);
        run(&mut command)
    };
    let ok = || crawl.samples()["goodtwin_scrape_items{store=\"canopy-goods\",state=\"ok\"}"];
    scrape().ok();
    let before = ok();
    assert!(before > 20.0, "{before}");

    std::fs::write(&book, "").unwrap();
    let refused = scrape();
    assert_eq!(refused.code, 65, "{}", refused.stderr);
    let said = events(&refused);
    assert_eq!(said.len(), 1, "nothing was asked: {said:?}");
    let message = said[0]["fields"]["message"].as_str().unwrap();
    assert!(message.contains("demo/ratings.jsonl: there is no rating in it: expected "), "{message}");
    assert_eq!(ok(), before);

    std::fs::write(&book, "{\"brand\":\"Nobody\",\"label\":\"Good\",\"as_of\":\"2026-01-01\",\"source\":\"s\"}\n")
        .unwrap();
    let fell = scrape().ok();
    let line = format!("\ncanopy-goods: {before} -> 0 items ok; below-rating ");
    assert!(fell.stdout.contains(&line), "{line:?} is not in:\n{}", fell.stdout);
    let store = &events(&fell).pop().unwrap()["fields"]["stores"][0];
    assert!(store["fall"].as_str().unwrap().starts_with(&format!("{before} -> 0 items ok")), "{store}");
    assert_eq!(ok(), 0.0, "an alarm sees it");
    std::fs::write(&book, whole).unwrap();
}
