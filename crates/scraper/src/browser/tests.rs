//! Chromium without a network, fed by hand. Skipped where there is none.

use std::cell::RefCell;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::*;
use crate::journal::fetched::Validators;

async fn browser() -> Option<Browser> {
    match Browser::start("GoodTwin/0.1", "www.shop.example").await {
        Ok(browser) => Some(browser),
        Err(BrowserError::Missing(what)) => {
            eprintln!("skipped: there is no {what} on PATH");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn answer(url: &str, kind: &'static str, body: String) -> Answer {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let url = url.parse().unwrap();
    Answer { url, not_modified: false, body: Bytes::from(body), validators: Validators::default(), headers }
}

fn page(url: &Url) -> Result<Answer, FetchError> {
    let listens_to_nobody = "http://127.0.0.1:9/beacon";
    Ok(match url.path() {
        "/old" => answer("https://shop.example/bags?page=1", "text/html", listing(listens_to_nobody)),
        "/bags" => answer(url.as_str(), "text/html", listing(listens_to_nobody)),
        "/list.js" => {
            let script = "for (const name of await (await fetch('/api')).json()) \
                          document.querySelector('ul').innerHTML += `<li>${name}</li>`;";
            answer(url.as_str(), "text/javascript", format!("(async () => {{ {script} }})()"))
        }
        "/api" => answer(url.as_str(), "application/json", "[\"Vale\", \"Brook\"]".into()),
        _ => return Err(FetchError::Status { url: url.to_string(), status: 404 }),
    })
}

fn listing(elsewhere: &str) -> String {
    format!(
        "<!doctype html><link rel=stylesheet href=/style.css><ul></ul><img src=/a.jpg><script src=/list.js></script>\
         <script src=https://tracker.example/t.js></script><script>fetch('{elsewhere}'); fetch('/order', {{method: 'POST'}})</script>"
    )
}

#[tokio::test]
async fn a_page_gets_what_renders_it_through_us_and_nothing_else() {
    let Some(mut browser) = browser().await else { return };
    let asked = RefCell::new(vec![]);
    let fetch = async |url: &Url| {
        asked.borrow_mut().push(url.path().to_string());
        page(url)
    };
    let url = "https://www.shop.example/old".parse().unwrap();
    let rendered = browser.render(&url, "li:nth-child(2)", &fetch).await.unwrap();
    assert!(rendered.html.contains("<li>Vale</li><li>Brook</li>"), "{}", rendered.html);
    assert_eq!(rendered.url.as_str(), "https://shop.example/bags?page=1");
    assert_eq!(asked.take(), ["/old", "/list.js", "/api"]);
    // The script is known by now. A page of another kind is told as what it is.
    let url = "https://shop.example/bags?page=2".parse().unwrap();
    browser.render(&url, "li:nth-child(2)", &fetch).await.unwrap();
    assert_eq!(asked.take(), ["/bags", "/api"]);
    let url = "https://shop.example/gone".parse().unwrap();
    let error = browser.render(&url, "li", &fetch).await.unwrap_err();
    assert!(matches!(error, BrowserError::Fetch(FetchError::Status { status: 404, .. })), "{error}");
    let (group, profile) = (browser.processes.group(), browser.processes.profile().to_path_buf());
    assert!(process::is_alive(group) && profile.exists());
    browser.close().await;
    assert!(!process::is_alive(group) && !profile.exists());
}

#[tokio::test]
async fn a_browser_that_dies_is_noticed_and_swept_away() {
    let Some(mut browser) = browser().await else { return };
    let group = browser.processes.group();
    let flag = format!("--user-data-dir={}", browser.processes.profile().display());
    let kill = async |_: &Url| {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            if command.split(|b| *b == 0).any(|argument| argument == flag.as_bytes()) {
                let id = process.file_name().to_str().unwrap().parse().unwrap();
                let id = rustix::process::Pid::from_raw(id).unwrap();
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
        std::future::pending().await
    };
    let url = "https://shop.example/bags".parse().unwrap();
    let error = browser.render(&url, "li", kill).await.unwrap_err();
    assert!(matches!(error, BrowserError::Render { .. }), "{error}");
    drop(browser);
    while process::is_alive(group) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn a_page_gets_nothing_of_other_hosts_and_no_more_than_a_page_needs() {
    let judged = |url: &str, kind: &str, method: &str, asked| {
        let paused = Paused { id: "1".into(), url: url.into(), method: method.into(), kind: kind.into() };
        match judge(&paused, "shop.example", asked) {
            Judged::Fetch(_) => "fetch",
            Judged::Pass => "pass",
            Judged::Refuse => "refuse",
        }
    };
    for (url, kind, method, asked, expected) in [
        ("https://shop.example/", "Document", "GET", 1, "fetch"),
        ("https://www.shop.example/a", "XHR", "GET", 100, "fetch"),
        ("https://cdn.shop.example/a.js", "Script", "GET", 1, "fetch"),
        ("https://badshop.example/a.js", "Script", "GET", 1, "refuse"),
        ("https://tracker.example/a.js", "Script", "GET", 1, "refuse"),
        ("http://127.0.0.1/", "Document", "GET", 1, "refuse"),
        ("file:///etc/passwd", "Document", "GET", 1, "refuse"),
        ("https://shop.example/a", "XHR", "POST", 1, "refuse"),
        ("https://shop.example/a.jpg", "Image", "GET", 1, "refuse"),
        ("https://shop.example/a.css", "Stylesheet", "GET", 1, "refuse"),
        ("https://shop.example/a", "Fetch", "GET", 101, "refuse"),
        ("data:text/plain,a", "Fetch", "GET", 1, "pass"),
    ] {
        assert_eq!(judged(url, kind, method, asked), expected, "{url} {kind} {method}");
    }
}

#[tokio::test]
async fn the_sandbox_stays_unless_for_root_and_nothing_resolves() {
    let Some(browser) = browser().await else { return };
    let args = |is_root| arguments(&browser.processes, "GoodTwin/0.1", is_root);
    assert!(args(true).iter().any(|a| a == "--no-sandbox"));
    assert!(!args(false).iter().any(|a| a == "--no-sandbox"));
    assert!(args(false).iter().any(|a| a == "--host-resolver-rules=MAP * ~NOTFOUND"));
    browser.close().await;
}
