//! robots.txt, fetched once a day for each origin, and asked before every request.
//!
//! 4xx means that there are no rules; 5xx, 429 and no answer at all mean that nothing may be asked. What was found stands in
//! the journal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use goodtwin_core::terminal::one_line;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;
use url::Url;

use super::{FetchError, Fetcher, Hop, Manners, Oversize, host_of};
use crate::guard;
use crate::journal::fetched::{RobotsRow, Validators};
use crate::robots::{MAX_BYTES, Rules};

/// RFC 9309: at least five redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// RFC 9309: not used for longer than this.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

const RULES: &str = "rules";
const ALLOW_ALL: &str = "allow-all";
const DISALLOW_ALL: &str = "disallow-all";

/// What the hosts of this run said.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Arc<OnceCell<Policy>>>>);

struct Policy {
    fetched_at: Timestamp,
    /// Or why there are none, and nothing may be asked.
    rules: Result<Rules, String>,
}

impl Policy {
    fn is_old(&self) -> bool {
        Timestamp::now().duration_since(self.fetched_at) >= KEPT
    }
}

impl Fetcher {
    pub(super) async fn robots_allow(&self, url: &Url, manners: Manners) -> Result<(), FetchError> {
        let origin = url.origin().ascii_serialization();
        let cell = {
            let mut known = self.robots.0.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = known.entry(origin.clone()).or_default();
            // A run may take longer than what a host said may be kept.
            if cell.get().is_some_and(Policy::is_old) {
                *cell = Arc::default();
            }
            Arc::clone(cell)
        };
        let policy = cell.get_or_try_init(|| self.policy(&origin, url, manners)).await?;
        let rules = policy.rules.as_ref().map_err(|why| FetchError::NoRobots { reason: why.clone() })?;
        let decision = rules.decide(url.as_str());
        match decision.rule {
            Some((rule, line)) if !decision.allowed => {
                Err(FetchError::Robots { origin, rule: format!("line {line}: {rule}") })
            }
            _ => Ok(()),
        }
    }

    async fn policy(&self, origin: &str, url: &Url, manners: Manners) -> Result<Policy, FetchError> {
        let key = origin.to_string();
        let known = self.journal.look(move |journal| journal.robots(&key)).await?;
        let row = match known {
            // What was not answered may be answered now.
            Some(row) if row.outcome != DISALLOW_ALL && Timestamp::now().duration_since(row.fetched_at) < KEPT => row,
            _ => {
                let (row, unread) = match self.fetch_robots(url, manners).await? {
                    Ok(row) => (row, None),
                    Err(why) => (row(DISALLOW_ALL, vec![]), Some(why)),
                };
                let (key, kept) = (origin.to_string(), row.clone());
                self.journal.with(move |journal| journal.put_robots(&key, &kept)).await?;
                if let Some(why) = unread {
                    return Ok(Policy { fetched_at: row.fetched_at, rules: Err(why) });
                }
                row
            }
        };
        let fetched_at = row.fetched_at;
        let rules = Rules::parse(&row.body, &self.token);
        if let Some(delay) = rules.crawl_delay() {
            self.governor.crawl_delay(&host_of(url), delay);
        }
        Ok(Policy { fetched_at, rules: Ok(rules) })
    }

    /// The file, or why it cannot be read.
    async fn fetch_robots(&self, site: &Url, manners: Manners) -> Result<Result<RobotsRow, String>, FetchError> {
        let mut url = site.join("/robots.txt").expect("an absolute path joins to every http address");
        for _ in 0..=MAX_REDIRECTS {
            if let Err(refused) = guard::check_url(&url, manners.allow_loopback) {
                return Ok(Err(refused.to_string()));
            }
            self.governor.at_least(&host_of(&url), manners.delay);
            // One byte more than is read shows that the last line may be half a line.
            let asked = self.ask(&url, manners, &Validators::default(), MAX_BYTES + 1, Oversize::Cut).await;
            match asked {
                Ok(Hop::Answer(answer)) => return Ok(Ok(row(RULES, answer.body.to_vec()))),
                Ok(Hop::Redirect(next)) => url = next,
                Err(FetchError::Status { status, .. }) if (400..500).contains(&status) && status != 429 => {
                    return Ok(Ok(row(ALLOW_ALL, vec![])));
                }
                // Not an answer, and not to be kept as one.
                Err(e @ (FetchError::Fatal(_) | FetchError::NoTurn(_))) => return Err(e),
                Err(e) => {
                    tracing::warn!(%url, error = %one_line(&e.to_string()), "robots.txt cannot be read: nothing of this host is asked");
                    return Ok(Err(e.to_string()));
                }
            }
        }
        // More redirects than that are taken for a file that is not there.
        Ok(Ok(row(ALLOW_ALL, vec![])))
    }
}

fn row(outcome: &str, body: Vec<u8>) -> RobotsRow {
    RobotsRow { fetched_at: Timestamp::now(), outcome: outcome.into(), body }
}
