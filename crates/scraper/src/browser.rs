//! A listing that JavaScript makes: headless Chromium, driven through chromedriver. One page, then its text; everything else
//! goes by HTTP.
//!
//! What a page's scripts and styles ask for while it is rendered is asked by Chromium: it is not paced, robots.txt is not asked
//! for it, and a page costs the shop as many requests as a visitor does; only pictures are left out. Such requests reach the
//! store's host, without `www.`, and what lies below it, and nothing else: every other name, and every address that is
//! written in numbers, resolves to nothing. So a page that needs scripts of another host is not rendered. Which address the
//! store's own names have is up to Chromium's resolver: unlike ours ([`crate::guard`]), it takes a private one. A store that
//! allows loopback is a test's, and has no such fence.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// How long the driver and the browser may take to start, and a page to show its items.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the browser may take to close before it is ended.
const CLOSING: Duration = Duration::from_secs(5);

/// Why there is no rendered page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// There is no browser on this machine.
    #[error("needs a browser, and there is no `{0}` on PATH (Debian: apt-get install chromium chromium-driver)")]
    Missing(&'static str),
    /// Driver or browser did not start.
    #[error("the browser does not start: {0}")]
    Start(String),
    /// The page did not come, or did not show what it should.
    #[error("{url}: the browser cannot render it: {reason}")]
    Render {
        /// The page.
        url: String,
        /// The driver's reason.
        reason: String,
    },
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
    driver: Child,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Start chromedriver on a free port, and Chromium with a new empty profile. With a `fence`, no host but that one and those
    /// below it are reached.
    pub async fn start(user_agent: &str, fence: Option<&str>) -> Result<Self, BrowserError> {
        let driver = on_path(&["chromedriver"]).ok_or(BrowserError::Missing("chromedriver"))?;
        let chromium = on_path(&["chromium", "chromium-browser", "google-chrome"]);
        let chromium = chromium.ok_or(BrowserError::Missing("chromium"))?;
        let profile = tempfile::Builder::new().prefix("goodtwin-browser-").tempdir();
        let profile = profile.map_err(|e| BrowserError::Start(format!("no folder for its profile: {e}")))?;
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| BrowserError::Start(format!("chromedriver: {e}")))?;
        let args = arguments(profile.path(), user_agent, fence, rustix::process::geteuid().is_root());
        let client = match tokio::time::timeout(PATIENCE, connect(&mut driver, &chromium, &args)).await {
            Ok(Ok(client)) => client,
            failed => {
                let _ = driver.start_kill();
                kill_browser(profile.path());
                return Err(match failed {
                    Ok(Err(reason)) => BrowserError::Start(reason),
                    _ => BrowserError::Start(format!("no answer within {} s", PATIENCE.as_secs())),
                });
            }
        };
        Ok(Browser { client, driver, profile })
    }

    /// Open a page and wait until `ready` (a CSS selector) matches.
    pub async fn render(&self, url: &Url, ready: &str) -> Result<Rendered, BrowserError> {
        let failed = |reason: String| BrowserError::Render { url: url.to_string(), reason };
        let work = async {
            self.client.goto(url.as_str()).await.map_err(|e| failed(e.to_string()))?;
            let waited = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(ready)).await;
            waited.map_err(|e| failed(format!("nothing matches `{ready}`: {e}")))?;
            let html = self.client.source().await.map_err(|e| failed(e.to_string()))?;
            let url = self.client.current_url().await.map_err(|e| failed(e.to_string()))?;
            Ok(Rendered { url, html })
        };
        // A page that never stops loading holds `goto` up.
        match tokio::time::timeout(PATIENCE * 2, work).await {
            Ok(done) => done,
            Err(_) => Err(failed(format!("not rendered within {} s", 2 * PATIENCE.as_secs()))),
        }
    }

    /// End the session, the browser and the driver.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(CLOSING, self.client.clone().close()).await;
        let _ = self.driver.start_kill();
        let _ = tokio::time::timeout(CLOSING, self.driver.wait()).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.start_kill();
        kill_browser(self.profile.path());
    }
}

fn arguments(profile: &Path, user_agent: &str, fence: Option<&str>, is_root: bool) -> Vec<String> {
    let args = [
        "--headless",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        // Pictures are fetched by us, once, and politely.
        "--blink-settings=imagesEnabled=false",
    ];
    let mut args: Vec<String> = args.map(String::from).into();
    args.push(format!("--user-data-dir={}", profile.display()));
    args.push(format!("--user-agent={user_agent}"));
    if let Some(host) = fence {
        let host = host.strip_prefix("www.").unwrap_or(host);
        args.push(format!("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {host}, EXCLUDE *.{host}"));
    }
    // Chromium's sandbox does not start for root; for everybody else it stays.
    if is_root {
        args.push("--no-sandbox".into());
    }
    args
}

async fn connect(driver: &mut Child, chromium: &Path, args: &[String]) -> Result<Client, String> {
    let stdout = driver.stdout.take().ok_or("chromedriver has no output")?;
    let mut lines = BufReader::new(stdout).lines();
    let port = loop {
        let line = lines.next_line().await.map_err(|e| format!("chromedriver: {e}"))?;
        let line = line.ok_or("chromedriver ended before it said its port")?;
        // "ChromeDriver was started successfully on port 39091."
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            break rest.trim_end_matches('.').parse::<u16>().map_err(|e| format!("chromedriver said `{line}`: {e}"))?;
        }
    };
    // Read on, or the driver stands still once the pipe is full.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let wanted = json!({"goog:chromeOptions": {"args": args, "binary": chromium}});
    let serde_json::Value::Object(wanted) = wanted else { unreachable!("written as an object") };
    let connector = hyper_util::client::legacy::connect::HttpConnector::new();
    let driver = format!("http://127.0.0.1:{port}");
    ClientBuilder::new(connector).capabilities(wanted).connect(&driver).await.map_err(|e| e.to_string())
}

/// Kill the browser if it outlived its session. It is known by its profile, which nobody else has.
fn kill_browser(profile: &Path) {
    let flag = format!("--user-data-dir={}", profile.display());
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if command.split(|b| *b == 0).any(|arg| arg == flag.as_bytes())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    }
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_stays_unless_for_root_and_a_fence_lets_nothing_through_but_the_store() {
        let args = |fence, is_root| arguments(Path::new("/profile"), "GoodTwin/0.1", fence, is_root);
        let fenced = args(Some("www.shop.example"), false);
        let rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE shop.example, EXCLUDE *.shop.example";
        assert!(fenced.iter().any(|a| a == rules), "{fenced:?}");
        assert!(fenced.iter().any(|a| a == "--no-proxy-server"));
        assert!(!fenced.iter().any(|a| a == "--no-sandbox"));
        let open = args(None, true);
        assert!(open.iter().any(|a| a == "--no-sandbox"));
        assert!(!open.iter().any(|a| a.contains("resolver")), "{open:?}");
    }

    #[tokio::test]
    async fn a_fence_holds_for_addresses_in_numbers_too() {
        if on_path(&["chromedriver"]).is_none() || on_path(&["chromium", "chromium-browser", "google-chrome"]).is_none()
        {
            eprintln!("skipped: there is no chromedriver or no chromium on PATH");
            return;
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let browser = Browser::start("GoodTwin/0.1", Some("shop.example")).await.unwrap();
        let error = browser.render(&url, "body").await.unwrap_err();
        browser.close().await;
        assert!(error.to_string().contains("ERR_NAME_NOT_RESOLVED"), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
    }
}
