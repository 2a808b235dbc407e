//! The demo's shops, scraped, trained on, searched, and looked at in a browser.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::{Ended, Served, configure, goodtwin, run, small_recipe, train};

#[test]
fn from_the_shops_to_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut shops = Served::start(goodtwin(["demo", "serve", "--first-port", "0"]).stderr(Stdio::null()));
    let addresses: Vec<String> = (0..4)
        .map(|_| {
            let line = shops.line_with("http://");
            let at = line.find("http://").expect("line_with found it");
            line[at + "http://".len()..].split(['/', ' ']).next().expect("split gives at least one").to_string()
        })
        .collect();
    let config = configure(dir.path(), &addresses);

    let crawl = dir.path().join("crawl");
    let scrape = || run(goodtwin(["scrape", "--config"]).arg(&config).arg("--out").arg(&crawl)).ok();
    let first = scrape();
    for store in ["canopy-goods", "loom-and-latch", "second-chapter", "omtanke"] {
        assert!(first.stdout.contains(store), "{store} is not in the table:\n{}", first.stdout);
    }
    without_a_browser(&config, dir.path());
    let manifest = items(&crawl, dir.path());
    let again = scrape();
    assert_eq!(items(&crawl, dir.path()), manifest, "a second run changes nothing:\n{}", again.stdout);

    let (dataset, model, catalogs) = (dir.path().join("bags"), dir.path().join("run"), dir.path().join("catalogs"));
    let recipe = small_recipe(dir.path(), 48, 2, "whitening");
    masked(&recipe);
    let trained = train(&recipe, &dataset, &model, &dir.path().join("cache")).ok();
    assert!(trained.stderr.contains("mask: learnt from"), "{}", trained.stderr);
    let build = || {
        run(goodtwin(["catalog", "build", "--device", "cpu", "--model"])
            .arg(&model)
            .arg("--dataset")
            .arg(&dataset)
            .arg("--out")
            .arg(&catalogs))
        .ok()
    };
    build();
    let catalog = catalogs.join("current");

    let photo = dir.path().join("photo.jpg");
    run(goodtwin(["demo", "photo", "--out"]).arg(&photo)).ok();
    filters_hold(&catalog, &photo);
    a_gpu_answers_alike_and_tries_nothing(&catalog, &photo, dir.path());

    let mut page = Served::start(
        goodtwin(["serve", "--device", "cpu", "--listen", "127.0.0.1:0", "--catalog"])
            .arg(&catalog)
            .stderr(Stdio::null()),
    );
    let address = page.line_with("http://");
    tokio::runtime::Runtime::new().unwrap().block_on(look_at_the_page(address.trim(), &photo));
}

/// The same recipe, as the default one sees pictures: bags alone, and views on other grounds to learn where they are.
fn masked(recipe: &Path) {
    let text = std::fs::read_to_string(recipe).unwrap();
    let text = text.replace("pooling = 'joint'", "pooling = 'masked'\nview_invariance = 1.0");
    std::fs::write(recipe, text.replace("views = 0", "views = 1\ngrounds = 1.0")).unwrap();
}

/// The store that needs a browser is reported and skipped; the others go on.
fn without_a_browser(config: &Path, dir: &Path) {
    let ended = run(goodtwin(["scrape", "--store", "omtanke", "--store", "canopy-goods", "--config"])
        .arg(config)
        .arg("--out")
        .arg(dir.join("no-browser"))
        .env("PATH", dir));
    assert_eq!(ended.code, 3, "{}\n{}", ended.stdout, ended.stderr);
    let line = |store: &str| ended.stdout.lines().find(|l| l.starts_with(store)).unwrap_or_default().to_string();
    assert!(line("canopy-goods").contains("60"), "{}", ended.stdout);
    assert!((ended.stdout.clone() + &ended.stderr).contains("browser"), "{}\n{}", ended.stdout, ended.stderr);
}

/// What `dataset build` makes of a crawl, as its rows.
fn items(crawl: &Path, dir: &Path) -> String {
    let dataset = dir.join("bags");
    run(goodtwin(["dataset", "build", "--crawl"]).arg(crawl.join("crawl.sqlite")).arg("--out").arg(&dataset)).ok();
    let rows = std::fs::read_to_string(dataset.join("metadata.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(rows.len() > 150, "{} pictures", rows.len());
    for row in &rows {
        let item = &row["item"];
        assert!(!item["price"].is_null(), "an item without a price is no offer: {item}");
        let label = item["rating"]["label"].as_str();
        let good_enough = matches!(label, Some("It's a start" | "Good" | "Great"));
        assert!(good_enough || item["condition"] == "second-hand", "below the floor: {item}");
        if let Some(rating) = item.get("rating").filter(|r| !r.is_null()) {
            assert!(!rating["as_of"].is_null() && !rating["source"].is_null(), "{rating}");
        }
    }
    let currencies: std::collections::BTreeSet<&str> =
        rows.iter().filter_map(|r| r["item"]["price"]["currency"].as_str()).collect();
    assert_eq!(currencies.into_iter().collect::<Vec<_>>(), ["EUR", "GBP", "SEK", "USD"]);
    rows.iter().map(|r| format!("{r}\n")).collect()
}

fn filters_hold(catalog: &Path, photo: &Path) {
    let search = |extra: &[&str]| -> Vec<Value> {
        let ended = run(goodtwin(["search", "--json", "--device", "cpu", "--k", "20", "--catalog"])
            .arg(catalog)
            .arg(photo)
            .args(extra))
        .ok();
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["twins"].as_array().unwrap().clone()
    };
    let all = search(&[]);
    assert_eq!(all.len(), 20);
    let scores: Vec<f64> = all.iter().map(|t| t["score"].as_f64().unwrap()).collect();
    assert!(scores.windows(2).all(|w| w[0] >= w[1]), "{scores:?}");

    let cheap = search(&["--max-price", "100", "--currency", "EUR"]);
    assert!(!cheap.is_empty());
    for twin in cheap {
        let euros: f64 = match &twin["converted"] {
            Value::Null => twin["price"]["amount"].as_str().unwrap().parse().unwrap(),
            converted => converted["amount"].as_str().unwrap().parse().unwrap(),
        };
        assert!(euros <= 100.0, "{twin}");
    }
    let good = search(&["--min-rating", "good"]);
    assert!(
        !good.is_empty() && good.iter().all(|t| ["Good", "Great"].contains(&t["rating"]["label"].as_str().unwrap()))
    );
    let worn = search(&["--condition", "second-hand"]);
    assert!(!worn.is_empty() && worn.iter().all(|t| t["condition"] == "second-hand"));
    // By colour alone the first ten are of fewer colours than by shape alone.
    let colours = |twins: &[Value]| {
        twins[..10].iter().map(|t| t["colour"].to_string()).collect::<std::collections::BTreeSet<String>>()
    };
    let (by_colour, by_shape) = (colours(&search(&["--colour", "1"])), colours(&all));
    assert!(by_colour.len() < by_shape.len(), "{by_colour:?} {by_shape:?}");
    let totes = search(&["--type", "tote"]);
    assert!(!totes.is_empty() && totes.iter().all(|t| t["bag_type"] == "tote"));
}

/// A search on a GPU, or on Mesa's software Vulkan: the same twins, and no kernel is chosen by trying, which takes longer than the
/// search.
fn a_gpu_answers_alike_and_tries_nothing(catalog: &Path, photo: &Path, dir: &Path) {
    let log = dir.join("kernels.log");
    let search = |device: &str| {
        run(goodtwin(["search", "--json", "--device", device, "--k", "5", "--catalog"])
            .arg(catalog)
            .arg(photo)
            .env("CUBECL_DEBUG_LOG", &log))
    };
    let gpu = search("gpu");
    if gpu.has_no_gpu() {
        return;
    }
    let twins = |ended: Ended| {
        let answer: Value = serde_json::from_str(&ended.ok().stdout).unwrap();
        answer["twins"].as_array().unwrap().iter().map(|twin| twin["id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(twins(gpu), twins(search("cpu")));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("goodtwin_vision::gpu::winograd"), "the log names the kernels: {} bytes", log.len());
    for trying in ["Tuning", "throughput"] {
        assert!(!log.contains(trying), "{:?}", log.lines().find(|line| line.contains(trying)));
    }
}

/// Upload a photo, see twins, filter by price: as a shopper does, and without JavaScript being needed for any of it.
async fn look_at_the_page(address: &str, photo: &Path) {
    let mut driver = Served::start(Command::new("chromedriver").arg("--port=0").stderr(Stdio::null()));
    let line = driver.line_with("started successfully on port");
    let port = line.trim_end_matches('.').rsplit(' ').next().unwrap();
    for script in [true, false] {
        let profile = tempfile::tempdir().unwrap();
        let browser = browse(port, profile.path(), script).await;
        let looked = shop(&browser, script, address, photo).await;
        browser.close().await.unwrap();
        looked.unwrap_or_else(|e| panic!("with JavaScript {script}: {e}"));
    }
}

async fn browse(port: &str, profile: &Path, script: bool) -> Client {
    let mut capabilities = serde_json::Map::new();
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1000",
        &format!("--user-data-dir={}", profile.display()),
    ];
    let javascript = if script { 1 } else { 2 };
    capabilities.insert(
        "goog:chromeOptions".into(),
        json!({"args": arguments, "prefs": {"profile.managed_default_content_settings.javascript": javascript}}),
    );
    ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .expect("the browser starts")
}

async fn shop(browser: &Client, script: bool, address: &str, photo: &Path) -> Result<(), fantoccini::error::CmdError> {
    let wait = || browser.wait().at_most(Duration::from_secs(30));
    browser.goto(address).await?;
    // The page's script says that it ran.
    assert_eq!(browser.find_all(Locator::Css("html.script")).await?.len(), usize::from(script));
    // What is no photo is told before it is sent, or else with the form for another one.
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, told) in [("note.txt", "Not a bag.", "not a photo"), ("empty.jpg", "", "empty")] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        wait().for_element(Locator::Id("photo")).await?.send_keys(path.to_str().unwrap()).await?;
        browser.find(Locator::Id("find")).await?.click().await?;
        let says = wait().for_element(Locator::Css(if script { "#status" } else { "#problem" })).await?.text().await?;
        assert!(says.contains(told), "{told:?} is not in {says:?}");
    }
    let chooser = wait().for_element(Locator::Id("photo")).await?;
    chooser.send_keys(photo.to_str().unwrap()).await?;
    browser.find(Locator::Id("find")).await?.click().await?;

    wait().for_element(Locator::Css(".twin")).await?;
    let twins = browser.find_all(Locator::Css(".twin")).await?;
    assert!(twins.len() >= 8, "{} twins", twins.len());
    for twin in &twins {
        assert!(twin.is_displayed().await?);
        let text = twin.text().await?;
        for part in ["Good On You", "as of", "source"] {
            assert!(text.contains(part) || text.contains("no rating yet"), "{part:?} is not in:\n{text}");
        }
        assert!(twin.find(Locator::Css(".shop")).await?.text().await?.starts_with("at "), "no shop is in:\n{text}");
        let picture = twin.find(Locator::Css("img")).await?;
        let alt = picture.attr("alt").await?.unwrap_or_default();
        assert!(!alt.is_empty(), "a picture has words for those who cannot see it");
        if script && picture.attr("loading").await?.is_none() {
            // A picture that did not load has no size of its own.
            let ask = browser.execute("return arguments[0].naturalWidth", vec![serde_json::to_value(&picture)?]);
            assert!(ask.await?.as_u64() > Some(0), "the picture of {text:?} did not load");
        }
    }
    let unfiltered = browser.find_all(Locator::Css(".twin .price")).await?.len();
    assert!(unfiltered >= 8);

    browser.find(Locator::Id("max-price")).await?.send_keys("90").await?;
    browser.find(Locator::Id("apply")).await?.click().await?;
    wait().for_element(Locator::Css("#max-price[value='90']")).await?;
    let prices = browser.find_all(Locator::Css(".twin .price")).await?;
    assert!(!prices.is_empty(), "some bags cost less than 90 euros");
    for price in prices {
        let text = price.text().await?;
        let amount: f64 = price.attr("data-amount").await?.unwrap_or_default().parse().unwrap_or(f64::NAN);
        assert!(amount <= 90.0, "{text} has the amount {amount} in euros");
    }

    let mut photo_page = browser.current_url().await?;
    assert!(photo_page.query().is_some_and(|q| q.contains("max_price=90")), "{photo_page}: the answer can be kept");
    browser.find(Locator::Id("max-price")).await?.clear().await?;
    browser.find(Locator::Id("max-price")).await?.send_keys("0.01").await?;
    browser.find(Locator::Id("apply")).await?.click().await?;
    let none = wait().for_element(Locator::Id("none")).await?;
    assert!(none.text().await?.contains("No twins under this price"));

    // Where there is little room, the filters are folded away unless one is in use.
    browser.set_window_size(600, 1000).await?;
    for (query, open) in [(None, !script), (Some("colour=0.25"), true)] {
        photo_page.set_query(query);
        browser.goto(photo_page.as_str()).await?;
        let filters = wait().for_element(Locator::Id("filter-box")).await?;
        assert_eq!(filters.attr("open").await?.is_some(), open, "{photo_page}");
    }
    Ok(())
}
