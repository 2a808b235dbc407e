//! The files of stores: listed, tried on the demo's shops, and drafted from one of their pages.

use std::path::Path;
use std::process::Stdio;

use crate::support::{Served, configure, goodtwin, run};

fn on_path(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
}

#[test]
fn a_file_is_tried_on_its_store_and_the_day_is_written_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut shops = Served::start(goodtwin(["demo", "serve", "--first-port", "0"]).stderr(Stdio::null()));
    let addresses: Vec<String> =
        (0..4).map(|_| shops.line_with("http://").trim().trim_start_matches("http://").to_string()).collect();
    let config = configure(dir.path(), &addresses);
    let stores = config.parent().unwrap().join("stores");
    let check = |names: &[&str]| {
        run(goodtwin(["stores", "check"])
            .args(names)
            .arg("--stores")
            .arg(&stores)
            .arg("--config")
            .arg(&config)
            .env("TMPDIR", dir.path()))
    };

    let mut names = vec!["canopy-goods", "loom-and-latch", "second-chapter"];
    if on_path(&["chromedriver"]) && on_path(&["chromium", "chromium-browser", "google-chrome"]) {
        names.push("omtanke");
    } else {
        eprintln!("omtanke is skipped: there is no chromedriver or no chromium on PATH");
    }
    let before = std::fs::read_to_string(stores.join("demo-loom-and-latch.toml")).unwrap();
    // A store goes by its name, and by its file's.
    let called: Vec<&str> = names.iter().map(|n| if *n == "canopy-goods" { "demo-canopy-goods" } else { n }).collect();
    let checked = check(&called).ok();
    for name in &names {
        assert!(checked.stdout.contains(&format!("{name}: fits; verified = \"")), "{}", checked.stdout);
    }
    assert!(checked.stdout.contains("robots.txt allows"), "{}", checked.stdout);
    let gaps = checked.stdout.matches("\n\n").count();
    assert!(gaps == names.len() - 1 && !checked.stdout.ends_with("\n\n"), "between them alone:\n{}", checked.stdout);
    let price = checked.stdout.lines().find(|line| line.trim_start().starts_with("price")).unwrap();
    assert!(price.contains("100 %") && price.contains("needed"), "{price}");
    let after = std::fs::read_to_string(stores.join("demo-loom-and-latch.toml")).unwrap();
    let kept: Vec<&str> = after.lines().filter(|line| !line.starts_with("verified = \"")).collect();
    assert_eq!(kept, before.lines().collect::<Vec<_>>(), "nothing else is changed, comments stay");
    assert_eq!(after.lines().count(), kept.len() + 1);
    let day = after.lines().find_map(|line| line.strip_prefix("verified = \"")?.strip_suffix('"')).unwrap().to_string();
    let listed = run(goodtwin(["stores", "list", "--stores"]).arg(&stores)).ok();
    let line = |name: &str| listed.stdout.lines().find(|l| l.starts_with(name)).unwrap_or_default().to_string();
    let columns = |name: &str| line(name).split_whitespace().map(String::from).collect::<Vec<_>>();
    assert!(columns("loom-and-latch")[3..=4] == ["structured".to_string(), day], "{}", listed.stdout);
    assert!(line("zara").contains("evaluation"), "{}", listed.stdout);
    let shown: Vec<&str> = listed.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(shown.len() > 4 && shown.is_sorted(), "{}", listed.stdout);

    does_not_fit(&stores, &addresses, &check);
    drafts(&config, &stores, &addresses, &check);
}

/// A store whose pages lack what is needed, and one that is not there.
fn does_not_fit(stores: &Path, addresses: &[String], check: &dyn Fn(&[&str]) -> crate::support::Ended) {
    let file = |name: &str, address: &str, items: &str| {
        let text = format!(
            "name = '{name}'\ntitle = 'T'\nkind = 'brand'\nbase = 'http://{address}/'\nstart = ['/bags?page=1']\n\
             source = 'css'\ncurrency = 'EUR'\nallow_loopback = true\n[listing]\nitems = '{items}'\n"
        );
        std::fs::write(stores.join(format!("{name}.toml")), text).unwrap();
    };
    file("odd", &addresses[1], "nav a[href*=journal]");
    let odd = check(&["odd"]);
    assert_eq!(odd.code, 3, "{}\n{}", odd.stdout, odd.stderr);
    assert!(odd.stdout.contains("odd: does not fit: "), "{}", odd.stdout);
    assert!(!std::fs::read_to_string(stores.join("odd.toml")).unwrap().contains("verified"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    file("gone", &closed.to_string(), "a");
    assert_eq!(check(&["gone"]).code, 69);
    let unknown = check(&["loom-and-lach"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `loom-and-latch`?"), "{}", unknown.stderr);
}

/// A draft from a shop's own page is a file that fits the shop.
fn drafts(config: &Path, stores: &Path, addresses: &[String], check: &dyn Fn(&[&str]) -> crate::support::Ended) {
    for (n, (page, source)) in
        [("/collections/all", "shopify"), ("/bags?page=1", "structured"), ("/shop?page=1", "structured")]
            .into_iter()
            .enumerate()
    {
        let url = format!("http://{}{page}", addresses[n]);
        let added = run(goodtwin(["stores", "add", "--allow-loopback", &url, "--config"]).arg(config)).ok();
        assert!(added.stdout.contains(&format!("source = \"{source}\"")), "{}", added.stdout);
        let refused = run(goodtwin(["stores", "add", &url, "--config"]).arg(config));
        assert!(refused.code == 2 && refused.stderr.contains("; --allow-loopback asks"), "{}", refused.stderr);
        if source == "shopify" {
            // It has one feed for all of the shop, so that the listing that was named is not where it starts.
            assert!(added.stdout.contains("start = [\"/\"]"), "{}", added.stdout);
            assert!(
                added.stdout.contains("/collections/all/products.json?limit=250&page=1: answered 404"),
                "{}",
                added.stdout
            );
        }
        let name = format!("draft-{n}");
        let text = added.stdout.lines().map(|line| match line.starts_with("name = ") {
            true => format!("name = \"{name}\"\n"),
            // Shopify's feed does not say it: a person does.
            false if line.starts_with("# currency = ") => "currency = \"USD\"\n".into(),
            false => format!("{line}\n"),
        });
        std::fs::write(stores.join(format!("{name}.toml")), text.collect::<String>()).unwrap();
        let checked = check(&[&name]);
        assert_eq!(checked.code, 0, "{}\n{}\n{}", added.stdout, checked.stdout, checked.stderr);
    }
}

#[test]
fn a_store_that_nobody_has_tried_is_not_scraped_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("crawl.toml");
    let store = "name = 'shop'\ntitle = 'Shop'\nkind = 'brand'\nbase = 'https://shop.example/'\nsource = 'shopify'\n";
    std::fs::write(dir.path().join("shop.toml"), format!("{store}verified = false\n")).unwrap();
    std::fs::write(dir.path().join("ratings.jsonl"), "").unwrap();
    std::fs::write(dir.path().join("taxonomy.toml"), "[types.tote]\nwords = []\n").unwrap();
    let text = "user_agent = 'GoodTwin/0.1'\ncontact = 'mailto:a@b.example'\nratings = 'ratings.jsonl'\n\
                taxonomy = 'taxonomy.toml'\nstores = ['shop.toml']\n";
    std::fs::write(&config, text).unwrap();
    let refused = run(goodtwin(["scrape", "--config"]).arg(&config).arg("--out").arg(dir.path().join("out")));
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("not verified: shop.") && refused.stderr.contains("goodtwin stores check"),
        "{}",
        refused.stderr
    );
    assert!(!dir.path().join("out").exists());
    let wrong = std::fs::read_to_string(dir.path().join("shop.toml")).unwrap().replace("false", "true");
    std::fs::write(dir.path().join("shop.toml"), wrong).unwrap();
    let refused = run(goodtwin(["scrape", "--config"]).arg(&config));
    assert!(refused.stderr.contains("verified = true: expected `false`, or the day"), "{}", refused.stderr);
}
