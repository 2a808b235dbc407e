//! One address in, its bytes out, or the one reason why not.
//!
//! Every request goes this way: [`crate::guard`] looks at the address, robots.txt is asked ([`robots_txt`]), the
//! [`Governor`] gives the turn, the client asks with validators, redirects are followed by hand with all of that again, and
//! decoded bytes are counted against a cap while a deadline runs.

mod client;
mod robots_txt;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use url::Url;

use crate::governor::{Governor, NoTurn, Turn, retry_after};
use crate::guard;
use crate::journal::SharedJournal;
use crate::journal::fetched::Validators;
use crate::{Error, Result, robots};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 8;
/// How often one address is asked before it is given up.
const ATTEMPTS: u32 = 3;

/// What a stranger's answer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Decoded bytes of a page.
    pub page_bytes: usize,
    /// Bytes of a picture.
    pub image_bytes: usize,
    /// From the request to the last byte of the body.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { page_bytes: 32 << 20, image_bytes: 32 << 20, deadline: Duration::from_secs(60) }
    }
}

/// How one store may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The least time between two requests to one host.
    pub delay: Duration,
    /// Whether loopback addresses may be asked.
    pub allow_loopback: bool,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where the answer came from, after redirects.
    pub url: Url,
    /// 304: what was fetched before is still so; the body is empty.
    pub not_modified: bool,
    /// Decoded.
    pub body: Bytes,
    /// To ask later whether it changed.
    pub validators: Validators,
    /// All headers.
    pub headers: HeaderMap,
}

impl Answer {
    /// What the body is, as the server says: `text/html; charset=utf-8`.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(reqwest::header::CONTENT_TYPE)?.to_str().ok()
    }

    /// All `X-Robots-Tag` headers.
    pub fn robots_tags(&self) -> Vec<String> {
        let tags = self.headers.get_all("x-robots-tag");
        tags.iter().map(|tag| String::from_utf8_lossy(tag.as_bytes()).into_owned()).collect()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is not one to ask.
    #[error(transparent)]
    Refused(#[from] guard::Refused),
    /// robots.txt says no.
    #[error("robots.txt of {origin}: {rule}")]
    Robots {
        /// Whose file.
        origin: String,
        /// The line that decided.
        rule: String,
    },
    /// robots.txt did not come, so nothing may be asked.
    #[error("{reason}; a host whose robots.txt cannot be read is asked nothing")]
    NoRobots {
        /// What came instead, with the address.
        reason: String,
    },
    /// The run stops, or the host asks to be left alone.
    #[error(transparent)]
    NoTurn(#[from] NoTurn),
    /// The server answered with an error.
    #[error("{url}: answered {status}")]
    Status {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// There are more bytes than anything of its kind has.
    #[error("{url}: more than {limit} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The cap.
        limit: usize,
    },
    /// The body ended before its end.
    #[error("{url}: the answer was cut off: {reason}")]
    Cut {
        /// What was asked.
        url: String,
        /// The client's reason.
        reason: String,
    },
    /// No connection: refused, no such name, no trust.
    #[error("{url}: {reason}")]
    NoConnection {
        /// What was asked.
        url: String,
        /// The client's reason.
        reason: String,
    },
    /// No answer: reset, not HTTP, or too slow.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The client's reason.
        reason: String,
    },
    /// One redirect after the other.
    #[error("{url}: more than {MAX_REDIRECTS} redirects")]
    Redirects {
        /// What was asked first.
        url: String,
    },
    /// A redirect to something that is no address.
    #[error("{url}: redirects to `{to}`, which is no address")]
    Astray {
        /// What was asked.
        url: String,
        /// What it was redirected to.
        to: String,
    },
    /// The journal cannot be used: this ends the run.
    #[error(transparent)]
    Fatal(#[from] Error),
}

impl FetchError {
    /// The host said no: by its robots.txt, or by an answer that will be the same tomorrow. Else nobody was there to ask.
    pub fn is_refusal(&self) -> bool {
        match self {
            FetchError::Status { status, .. } => (400..500).contains(status) && *status != 429,
            FetchError::Robots { .. } | FetchError::Refused(_) => true,
            _ => false,
        }
    }
}

/// Asks servers.
pub struct Fetcher {
    clients: client::Clients,
    governor: Arc<Governor>,
    journal: SharedJournal,
    token: String,
    limits: Limits,
    robots: robots_txt::Cache,
    received: AtomicU64,
}

/// One answer to one request, before redirects are followed.
enum Hop {
    Answer(Answer),
    Redirect(Url),
}

/// What becomes of a body that is larger than its cap.
#[derive(Clone, Copy)]
enum Oversize {
    Refuse,
    Cut,
}

impl Fetcher {
    /// A fetcher that calls itself `user_agent`.
    pub fn new(user_agent: &str, governor: Arc<Governor>, journal: SharedJournal, limits: Limits) -> Result<Self> {
        Ok(Fetcher {
            clients: client::Clients::new(user_agent)?,
            governor,
            journal,
            token: robots::product_token(user_agent).into(),
            limits,
            robots: robots_txt::Cache::default(),
            received: AtomicU64::new(0),
        })
    }

    /// How many decoded bytes came so far, those of answers that were refused among them.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Fetch a page.
    pub async fn page(&self, url: &Url, manners: Manners, known: &Validators) -> Result<Answer, FetchError> {
        self.get(url, manners, known, self.limits.page_bytes).await
    }

    /// Fetch a picture.
    pub async fn image(&self, url: &Url, manners: Manners, known: &Validators) -> Result<Answer, FetchError> {
        self.get(url, manners, known, self.limits.image_bytes).await
    }

    /// The guard, then robots.txt.
    pub async fn check(&self, url: &Url, manners: Manners) -> Result<(), FetchError> {
        guard::check_url(url, manners.allow_loopback)?;
        self.governor.at_least(&host_of(url), manners.delay);
        self.robots_allow(url, manners).await
    }

    async fn get(&self, first: &Url, manners: Manners, known: &Validators, cap: usize) -> Result<Answer, FetchError> {
        let mut url = first.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url, manners).await?;
            match self.ask(&url, manners, known, cap, Oversize::Refuse).await? {
                Hop::Answer(answer) => return Ok(answer),
                Hop::Redirect(next) => url = next,
            }
        }
        Err(FetchError::Redirects { url: first.to_string() })
    }

    /// Ask one address, up to [`ATTEMPTS`] times while the trouble may pass.
    async fn ask(
        &self,
        url: &Url,
        manners: Manners,
        known: &Validators,
        cap: usize,
        oversize: Oversize,
    ) -> Result<Hop, FetchError> {
        let mut attempt = 1;
        loop {
            let turn = self.governor.turn(&host_of(url)).await?;
            let mut wait = None;
            let asked = self.ask_once(url, manners, known, cap, oversize, &turn, &mut wait);
            let done = match tokio::time::timeout(self.limits.deadline, asked).await {
                Ok(done) => done,
                Err(_) => Err(FetchError::Unreachable {
                    url: url.to_string(),
                    reason: format!("no whole answer within {} s", self.limits.deadline.as_secs_f64()),
                }),
            };
            match &done {
                Err(FetchError::Status { status: 429 | 503, .. } | FetchError::NoConnection { .. }) => {
                    turn.refused(wait)
                }
                Err(FetchError::Status { status: 500.., .. } | FetchError::Cut { .. }) => turn.faulted(),
                Err(FetchError::Unreachable { .. }) => turn.silent(),
                _ => {
                    turn.answered();
                    return done;
                }
            }
            // Asked to wait, we wait, and hold it against no page: the host answers some time, or it is stalled.
            let is_plea = matches!(done, Err(FetchError::Status { status: 429, .. })) || wait.is_some();
            if is_plea {
                continue;
            }
            if attempt == ATTEMPTS {
                return done;
            }
            attempt += 1;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one request, with all that it depends on")]
    async fn ask_once(
        &self,
        url: &Url,
        manners: Manners,
        known: &Validators,
        cap: usize,
        oversize: Oversize,
        turn: &Turn,
        wait: &mut Option<Duration>,
    ) -> Result<Hop, FetchError> {
        let unreachable = |e: reqwest::Error| {
            let (url, mut reason) = (url.to_string(), whole_reason(&e));
            if e.is_connect() && e.is_timeout() {
                reason = format!("no connection within {} s", client::CONNECT.as_secs());
            }
            if e.is_connect() {
                FetchError::NoConnection { url, reason }
            } else {
                FetchError::Unreachable { url, reason }
            }
        };
        let mut request = self.clients.get(manners.allow_loopback).get(url.clone());
        if let Some(etag) = &known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let mut response = request.send().await.map_err(unreachable)?;
        turn.heard();
        let status = response.status().as_u16();
        if let (300..=303 | 307 | 308, Some(to)) = (status, text(response.headers(), LOCATION)) {
            let to = url.join(&to).map_err(|_| FetchError::Astray { url: url.to_string(), to })?;
            return Ok(Hop::Redirect(to));
        }
        if !matches!(status, 200..=299 | 304) {
            if matches!(status, 429 | 503) {
                *wait = text(response.headers(), RETRY_AFTER).and_then(|v| retry_after(&v, Timestamp::now()));
            }
            return Err(FetchError::Status { url: url.to_string(), status });
        }
        let headers = std::mem::take(response.headers_mut());
        let validators = Validators {
            etag: text(&headers, reqwest::header::ETAG),
            last_modified: text(&headers, reqwest::header::LAST_MODIFIED),
        };
        let mut body = BytesMut::new();
        let cut = |e: reqwest::Error| FetchError::Cut { url: url.to_string(), reason: whole_reason(&e) };
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            self.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            body.extend_from_slice(&chunk);
            if body.len() > cap {
                match oversize {
                    Oversize::Refuse => return Err(FetchError::TooLarge { url: url.to_string(), limit: cap }),
                    Oversize::Cut => {
                        body.truncate(cap);
                        break;
                    }
                }
            }
        }
        Ok(Hop::Answer(Answer {
            url: url.clone(),
            not_modified: status == 304,
            body: body.freeze(),
            validators,
            headers,
        }))
    }
}

/// What the governor paces: the host, whatever its port; but on this machine each port is a host of its own.
pub fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match (guard::is_loopback(url), url.port_or_known_default()) {
        (true, Some(port)) => format!("{host}:{port}"),
        _ => host.into(),
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(String::from)
}

/// reqwest's message and what lies under it, without the address, which our own message names.
fn whole_reason(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut reason = None;
    while let Some(inner) = source {
        reason = Some(inner.to_string());
        source = inner.source();
    }
    reason.unwrap_or_else(|| error.to_string())
}
