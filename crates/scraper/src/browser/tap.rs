//! What a page asks for, held back until somebody says what it gets: the `Fetch` domain of Chromium's DevTools protocol.
//! <https://chromedevtools.github.io/devtools-protocol/tot/Fetch/>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, SET_COOKIE, TRANSFER_ENCODING};
use serde_json::{Value, json};

use super::socket::Socket;
use crate::fetch::Answer;

/// Holds back what one page asks for.
pub(super) struct Tap {
    socket: Socket,
    sent: u64,
}

/// Something that the page asks for, and waits for.
#[derive(Clone, Debug)]
pub(super) struct Paused {
    pub id: String,
    pub url: String,
    pub method: String,
    /// `Document`, `Script`, `Image`, ...
    pub kind: String,
}

/// What it gets.
pub(super) enum Verdict<'a> {
    Answer(&'a Answer),
    /// It has moved to this address.
    Moved(&'a str),
    /// This status, and no body.
    Status(u16),
    /// Nothing.
    Blocked,
    /// What it would get without us.
    Pass,
}

impl Paused {
    pub fn is_document(&self) -> bool {
        self.kind == "Document"
    }

    pub fn is_script(&self) -> bool {
        self.kind == "Script"
    }

    /// Whether the text of a page may depend on it.
    pub fn renders(&self) -> bool {
        matches!(self.kind.as_str(), "Document" | "Script" | "XHR" | "Fetch")
    }
}

impl Tap {
    /// From now on, hold back all that the page (its target id) of the browser at `address` asks for.
    pub async fn open(address: &str, page: &str) -> Result<Self, String> {
        let socket =
            Socket::open(address, &format!("/devtools/page/{page}")).await.map_err(|e| format!("{address}: {e}"))?;
        let mut tap = Tap { socket, sent: 0 };
        tap.send("Network.setBypassServiceWorker", json!({"bypass": true})).await?;
        tap.send("Fetch.enable", json!({"patterns": [{"urlPattern": "*"}]})).await?;
        Ok(tap)
    }

    /// The next thing that the page asks for.
    ///
    /// Whoever stops waiting for it loses nothing.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn paused(&mut self) -> Result<Paused, String> {
        loop {
            let message = self.socket.message().await.map_err(|e| format!("the browser is gone: {e}"))?;
            let Ok(mut event) = serde_json::from_slice::<Value>(&message) else { continue };
            if event["method"] != "Fetch.requestPaused" {
                continue;
            }
            let mut text =
                |path: &str| event.pointer_mut(path).and_then(|v| v.as_str().map(String::from)).unwrap_or_default();
            return Ok(Paused {
                id: text("/params/requestId"),
                url: text("/params/request/url"),
                method: text("/params/request/method"),
                kind: text("/params/resourceType"),
            });
        }
    }

    /// Say what something that was held back gets.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn answer(&mut self, id: &str, verdict: Verdict<'_>) -> Result<(), String> {
        let (command, parameters) = match verdict {
            Verdict::Answer(answer) => {
                // The body is not packed any more, and ours are no cookies.
                let left_out = [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, SET_COOKIE];
                let headers = answer.headers.iter().filter(|(name, _)| !left_out.contains(name));
                let headers: Vec<Value> = headers
                    .filter_map(|(name, value)| Some(json!({"name": name.as_str(), "value": value.to_str().ok()?})))
                    .collect();
                let body = STANDARD.encode(&answer.body);
                ("Fetch.fulfillRequest", json!({"responseCode": 200, "responseHeaders": headers, "body": body}))
            }
            Verdict::Moved(to) => {
                let headers = json!([{"name": "Location", "value": to}]);
                ("Fetch.fulfillRequest", json!({"responseCode": 302, "responseHeaders": headers}))
            }
            Verdict::Status(status) => ("Fetch.fulfillRequest", json!({"responseCode": status})),
            Verdict::Blocked => ("Fetch.failRequest", json!({"errorReason": "BlockedByClient"})),
            Verdict::Pass => ("Fetch.continueRequest", json!({})),
        };
        let mut parameters = parameters;
        parameters["requestId"] = id.into();
        self.send(command, parameters).await
    }

    /// Whether the page still waits for it does not matter, so nobody waits for the command's own answer.
    async fn send(&mut self, method: &str, params: Value) -> Result<(), String> {
        self.sent += 1;
        let command = json!({"id": self.sent, "method": method, "params": params}).to_string();
        self.socket.send(command.as_bytes()).await.map_err(|e| format!("the browser is gone: {e}"))
    }
}
