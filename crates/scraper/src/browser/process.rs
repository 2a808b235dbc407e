//! chromedriver and Chromium, and that none of them is left behind: not when we end, and not when we are killed.
//!
//! Both run in a process group of their own under a shell that waits for the end of its input. That input is a pipe of ours,
//! and the system closes it however we end. Then the shell, from a new session, kills the group and removes the profile, which what is dying may still write to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::BrowserError;

/// `$0`: the profile. The rest: the driver's command.
const KEEPER: &str = r#"
"$@" 2>/dev/null &
exec >/dev/null
cat
exec setsid sh -c 'kill -s KILL -- "-$1"; for try in 1 2 3 4 5 6 7 8; do rm -rf -- "$2" && break; sleep 0.2; done' sh "$$" "$0"
"#;

/// A driver, its browser once it has one, and their profile.
pub(super) struct Processes {
    keeper: Child,
    /// Open for as long as they may live.
    lifeline: Option<ChildStdin>,
    group: u32,
    profile: PathBuf,
    chromium: PathBuf,
}

impl Processes {
    /// Start chromedriver on a free port.
    pub fn start() -> Result<Self, BrowserError> {
        let driver = on_path(&["chromedriver"]).ok_or(BrowserError::Missing("chromedriver"))?;
        let chromium = on_path(&["chromium", "chromium-browser", "google-chrome"]);
        let chromium = chromium.ok_or(BrowserError::Missing("chromium"))?;
        let start = |what: &str, e: std::io::Error| BrowserError::Start(format!("{what}: {e}"));
        let profile = tempfile::Builder::new().prefix("goodtwin-").tempdir();
        let profile = profile.map_err(|e| start("no folder for its profile", e))?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(profile.path())
            .arg(driver)
            .arg("--port=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Chromium's own temporary folders go with the profile.
            .env("TMPDIR", profile.path())
            .process_group(0)
            .spawn()
            .map_err(|e| start("sh", e))?;
        let lifeline = keeper.stdin.take();
        let group = keeper.id().expect("it has not been waited for");
        Ok(Processes { keeper, lifeline, group, profile: profile.keep(), chromium })
    }

    pub fn profile(&self) -> &Path {
        &self.profile
    }

    pub fn chromium(&self) -> &Path {
        &self.chromium
    }

    #[cfg(test)]
    pub fn group(&self) -> u32 {
        self.group
    }

    /// The port that the driver chose.
    pub async fn port(&mut self) -> Result<u16, String> {
        let stdout = self.keeper.stdout.take().ok_or("chromedriver has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = loop {
            let line = lines.next_line().await.map_err(|e| format!("chromedriver: {e}"))?;
            let line = line.ok_or("chromedriver ended before it said its port")?;
            // "ChromeDriver was started successfully on port 39091."
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest
                    .trim_end_matches('.')
                    .parse::<u16>()
                    .map_err(|e| format!("chromedriver said `{line}`: {e}"))?;
            }
        };
        // Read on, or the driver stands still once the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(port)
    }

    /// End them, and wait until they are gone.
    pub async fn end(mut self, patience: Duration) {
        drop(self.lifeline.take());
        let _ = tokio::time::timeout(patience, self.keeper.wait()).await;
        let gone = async {
            while self.profile.exists() || is_alive(self.group) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(patience, gone).await.is_err() {
            tracing::warn!(group = self.group, "the browser's processes do not end");
        }
    }
}

/// Whether a process of this group runs. One that has ended and that nobody has asked for its end yet does not.
pub(super) fn is_alive(group: u32) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| {
        // "41 (name) S 1 41 ...": the state, the parent, the group. The name may hold anything, even a bracket.
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, its_group) = (fields.next(), fields.nth(1));
        state.is_some_and(|s| s != "Z" && s != "X") && its_group.and_then(|g| g.parse().ok()) == Some(group)
    })
}

pub(super) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|p| p.is_file())
}
