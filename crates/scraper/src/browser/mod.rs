//! A listing that JavaScript makes: headless Chromium, driven through chromedriver. One page, then its text; everything else
//! goes by HTTP.
//!
//! Chromium has no network. Every name and every address resolves to nothing for it; what its pages ask for is held back over
//! the DevTools protocol ([`tap`], over a [`socket`]), handed to the caller to fetch, and handed in again. So robots.txt, the pace of each host,
//! the guard and the caps are those of every other request, and a browser that misbehaves reaches nobody. Of what a page asks
//! for it gets what renders it: itself, scripts, and what those ask for, by GET, from the store's host, without `www.`, and
//! what lies below it. Pictures, styles, fonts, media, beacons and other hosts are refused. So a page that needs scripts of
//! another host is not rendered. A script is fetched once for all pages that one browser renders.
//!
//! The two processes and their profile's folder go when the browser is closed or dropped, and when we are killed ([`process`]).

mod process;
mod socket;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use crate::fetch::{Answer, FetchError};
use process::Processes;
use tap::{Paused, Tap, Verdict};

/// How long the driver and the browser may take to start, and a page to show its items when it waits for nothing of ours.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the browser may take to close before it is ended.
const CLOSING: Duration = Duration::from_secs(5);
/// The longest that a render may take in all; a host's pace counts in it.
const RENDERING: Duration = Duration::from_secs(3600);
/// The most that one page may ask for.
const MAX_REQUESTS: usize = 100;

/// Why there is no rendered page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// There is no browser on this machine.
    #[error("needs a browser, and there is no `{0}` on PATH (Debian: apt-get install chromium chromium-driver)")]
    Missing(&'static str),
    /// Driver or browser did not start.
    #[error("the browser does not start: {0}")]
    Start(String),
    /// The page did not come, or did not show what it should; or the browser is gone.
    #[error("{url}: the browser cannot render it: {reason}")]
    Render {
        /// The page.
        url: String,
        /// The driver's reason.
        reason: String,
    },
    /// What the page needs cannot be fetched, and that is not the browser's fault.
    #[error(transparent)]
    Fetch(FetchError),
}

/// A page as a person would see it.
#[derive(Debug)]
pub struct Rendered {
    /// Where the browser ended.
    pub url: Url,
    /// The document as it stands after its scripts.
    pub html: String,
}

/// A running browser. [`Browser::close`] ends it in good order; dropped, it is killed.
pub struct Browser {
    client: Client,
    tap: Tap,
    processes: Processes,
    /// The store's host, without `www.`; others, but for those below it, are not asked.
    host: String,
    /// Scripts, and what redirects led to.
    kept: HashMap<String, Answer>,
}

impl Browser {
    /// Start chromedriver on a free port, and Chromium with a new empty profile, for pages of one host.
    ///
    /// # Errors
    /// [`BrowserError::Missing`] and [`BrowserError::Start`].
    pub async fn start(user_agent: &str, host: &str) -> Result<Self, BrowserError> {
        let mut processes = Processes::start()?;
        let args = arguments(&processes, user_agent, rustix::process::geteuid().is_root());
        let (client, tap) = match tokio::time::timeout(PATIENCE, connect(&mut processes, &args)).await {
            Ok(connected) => connected.map_err(BrowserError::Start)?,
            Err(_) => return Err(BrowserError::Start(format!("no answer within {} s", PATIENCE.as_secs()))),
        };
        let host = host.strip_prefix("www.").unwrap_or(host).into();
        Ok(Browser { client, tap, processes, host, kept: HashMap::new() })
    }

    /// Open a page and wait until `ready` (a CSS selector) matches. `fetch` is asked for the page and for all that it needs.
    ///
    /// # Errors
    /// [`BrowserError::Fetch`] when the page itself cannot be had, or the run cannot go on. After [`BrowserError::Render`] the
    /// browser may be dead, or of no use: start another one.
    pub async fn render(
        &mut self,
        url: &Url,
        ready: &str,
        fetch: impl AsyncFn(&Url) -> Result<Answer, FetchError>,
    ) -> Result<Rendered, BrowserError> {
        let failed = |reason: String| BrowserError::Render { url: url.to_string(), reason };
        let Browser { client, tap, host, kept, .. } = self;
        let work = async {
            client.goto(url.as_str()).await.map_err(|e| failed(e.to_string()))?;
            let waited = client.wait().at_most(RENDERING).for_element(Locator::Css(ready)).await;
            waited.map_err(|e| failed(format!("nothing matches `{ready}`: {e}")))?;
            let html = client.source().await.map_err(|e| failed(e.to_string()))?;
            let url = client.current_url().await.map_err(|e| failed(e.to_string()))?;
            Ok(Rendered { url, html })
        };
        tokio::pin!(work);
        let mut fetching = FuturesUnordered::new();
        let (mut asked, mut progress) = (0, Instant::now());
        // The page's own failure is told once the browser has heard of it, too, or not at all.
        let mut document_failed = None;
        let rendered = loop {
            tokio::select! {
                done = &mut work => break done,
                event = tap.paused() => {
                    let paused = event.map_err(|e| failed(e.clone()))?;
                    asked += 1;
                    match judge(&paused, host, asked) {
                        Judged::Refuse => tap.answer(&paused.id, Verdict::Blocked).await,
                        Judged::Pass => tap.answer(&paused.id, Verdict::Pass).await,
                        Judged::Fetch(url) => match kept.get(url.as_str()) {
                            Some(answer) => tap.answer(&paused.id, Verdict::Answer(answer)).await,
                            None => {
                                let fetch = &fetch;
                                fetching.push(async move { (fetch(&url).await, url, paused) });
                                Ok(())
                            }
                        },
                    }
                    .map_err(failed)?;
                }
                Some((answer, url, paused)) = fetching.next() => {
                    progress = Instant::now();
                    match answer {
                        Ok(answer) => {
                            let moved = (answer.url != url).then(|| answer.url.to_string());
                            if moved.is_some() || paused.is_script() {
                                kept.insert(answer.url.to_string(), answer.clone());
                            }
                            let verdict = moved.as_deref().map_or(Verdict::Answer(&answer), Verdict::Moved);
                            tap.answer(&paused.id, verdict).await.map_err(failed)?;
                        }
                        Err(error @ (FetchError::Fatal(_) | FetchError::NoTurn(_))) => {
                            return Err(BrowserError::Fetch(error));
                        }
                        Err(error) => {
                            let status = match &error {
                                FetchError::Status { status, .. } => Verdict::Status(*status),
                                _ => Verdict::Blocked,
                            };
                            tap.answer(&paused.id, status).await.map_err(failed)?;
                            if paused.is_document() {
                                document_failed.get_or_insert(error);
                                break Err(failed(String::new()));
                            }
                        }
                    }
                }
                () = tokio::time::sleep_until(progress + PATIENCE), if fetching.is_empty() => {
                    break Err(failed(format!("nothing matches `{ready}` within {} s", PATIENCE.as_secs())));
                }
            }
        };
        if let Some(error) = document_failed {
            return Err(BrowserError::Fetch(error));
        }
        rendered
    }

    /// End the session, the browser and the driver.
    pub async fn close(self) {
        let _ = tokio::time::timeout(CLOSING, self.client.close()).await;
        self.processes.end(CLOSING).await;
    }
}

/// What becomes of something that a page asks for.
enum Judged {
    Fetch(Url),
    /// It lies in the page itself.
    Pass,
    Refuse,
}

fn judge(paused: &Paused, host: &str, asked: usize) -> Judged {
    let Ok(url) = paused.url.parse::<Url>() else { return Judged::Refuse };
    if matches!(url.scheme(), "data" | "blob" | "about") {
        return Judged::Pass;
    }
    let is_below = |name: &str| name == host || name.strip_suffix(host).is_some_and(|rest| rest.ends_with('.'));
    let is_ours = url.host_str().is_some_and(is_below);
    if is_ours && paused.method == "GET" && paused.renders() && asked <= MAX_REQUESTS {
        Judged::Fetch(url)
    } else {
        tracing::debug!(url = paused.url, kind = paused.kind, "the browser asked for this, and does not get it");
        Judged::Refuse
    }
}

fn arguments(processes: &Processes, user_agent: &str, is_root: bool) -> Vec<String> {
    let args = [
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-breakpad",
        "--disable-component-update",
        "--disable-sync",
        "--blink-settings=imagesEnabled=false",
        // What the tap does not hold back, such as a service worker's requests, goes nowhere.
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ];
    let mut args: Vec<String> = args.map(String::from).into();
    args.push(format!("--user-data-dir={}", processes.profile().display()));
    args.push(format!("--user-agent={user_agent}"));
    // Chromium's sandbox does not start for root; for everybody else it stays.
    if is_root {
        args.push("--no-sandbox".into());
    }
    args
}

async fn connect(processes: &mut Processes, args: &[String]) -> Result<(Client, Tap), String> {
    let port = processes.port().await?;
    let wanted = json!({
        "goog:chromeOptions": {"args": args, "binary": processes.chromium()},
        "pageLoadStrategy": "eager",
        "timeouts": {"pageLoad": RENDERING.as_millis() as u64},
    });
    let serde_json::Value::Object(wanted) = wanted else { unreachable!("written as an object") };
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    let driver = format!("http://127.0.0.1:{port}");
    let client =
        ClientBuilder::new(connector).capabilities(wanted).connect(&driver).await.map_err(|e| e.to_string())?;
    let told = client.capabilities().and_then(|c| c.get("goog:chromeOptions")?.get("debuggerAddress")?.as_str());
    let address = told.ok_or("chromedriver does not say where its browser listens")?.to_string();
    let page = client.window().await.map_err(|e| e.to_string())?;
    let tap = Tap::open(&address, &String::from(page)).await?;
    Ok((client, tap))
}
