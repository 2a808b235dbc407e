//! The one place that decides when a host may be asked next: for pages, pictures, robots.txt and the browser alike.
//!
//! One request a host at a time, and between the end of one and the start of the next the longest of: the store's delay, the
//! host's `Crawl-delay`, what it asked for by `Retry-After` or by answering 429 or 503, and the time that it took to answer,
//! divided by [`TARGET_CONCURRENCY`], so that a shop that labours is left as long as it laboured. Hosts do not wait for each other.
//! A host that goes on refusing, or asks for more patience than [`MAX_WAIT`], gets no turns any more: it is stalled, and what
//! was to be asked of it is left to a later run.

mod retry_after;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Clock;
use crate::stop::Stop;

pub use retry_after::retry_after;

/// The longest time that a host is waited for. A `Retry-After` beyond it makes the host stalled; one with a `Crawl-delay`
/// beyond it is not asked at all.
pub const MAX_WAIT: Duration = Duration::from_secs(120);

/// How often in a row a host may refuse for now before it is stalled.
const MAX_REFUSALS: u32 = 4;

/// How often in a row a host may leave a request unanswered before it is stalled. More than refusals:
/// a slow page says nothing of the others; but a host that is silent to all costs minutes an item.
const MAX_SILENCES: u32 = 20;

/// What a host is asked to wait after a 429 or 503 that does not say; doubled each time.
const FIRST_PENALTY: Duration = Duration::from_secs(1);

/// What faults of single pages can come to: they are no plea to be left alone.
const MAX_FAULT_PENALTY: Duration = Duration::from_secs(4);

/// How many requests a host may have to work on at once, over time. With one in flight at a time, 1 means that it rests as
/// long as it works (as Scrapy's AutoThrottle has it).
pub const TARGET_CONCURRENCY: f64 = 1.0;

/// The longest rest that slow answers come to.
const MAX_REST: Duration = Duration::from_secs(60);

/// Why there is no turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    /// The run was asked to stop.
    #[error("the run was asked to stop")]
    Stopping,
    /// The host refuses for now, and goes on doing so: a later run may find it willing.
    #[error("{host} asks to be left alone for longer than a run waits ({why})")]
    Stalled {
        /// The host.
        host: String,
        /// What it said.
        why: String,
    },
    /// The host wants a delay between requests that no run can keep, today or tomorrow.
    #[error("{host} asks to be left alone for longer than a run waits ({why})")]
    TooSlow {
        /// The host.
        host: String,
        /// What it said.
        why: String,
    },
}

/// Gives each host its turns.
pub struct Governor {
    clock: Clock,
    stop: Stop,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    /// With this many at once, hosts on this machine are asked without waiting.
    unpaced: Option<usize>,
}

struct Host {
    name: String,
    clock: Clock,
    pace: Mutex<Pace>,
    in_flight: Arc<Semaphore>,
    is_paced: bool,
}

#[derive(Default)]
struct Pace {
    /// The delays that count whatever happens: the store's, then robots.txt's.
    delay: Duration,
    /// What a host that refused for now costs on top.
    penalty: Duration,
    /// What slow answers cost: up at once, down by halves.
    rest: Duration,
    /// On the clock: when the last request ended. What comes after it waits by what is known then: the answer to
    /// robots.txt may have made the delay longer.
    ended: Option<Duration>,
    refusals: u32,
    silences: u32,
    /// Requests that ended, and the time that they took.
    requests: u32,
    took: Duration,
    closed: Option<NoTurn>,
}

impl Pace {
    fn slow_down(&mut self) {
        self.penalty = (self.penalty * 2).clamp(FIRST_PENALTY, MAX_FAULT_PENALTY.max(self.penalty));
    }

    fn due(&self) -> Duration {
        self.ended.map_or(Duration::ZERO, |ended| ended + self.delay.max(self.penalty).max(self.rest))
    }
}

/// How fast a host is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostPace {
    /// The least time between two requests.
    pub gap: Duration,
    /// What a request took, on the mean; zero, if there was none.
    pub took: Duration,
}

/// The right to ask one host once. Dropped, it starts the host's delay.
pub struct Turn {
    host: Arc<Host>,
    began: Duration,
    _in_flight: OwnedSemaphorePermit,
}

impl Governor {
    /// A governor whose hosts get no turns any more once `stop` is asked.
    pub fn new(clock: Clock, stop: Stop) -> Self {
        Governor { clock, stop, hosts: Mutex::default(), unpaced: None }
    }

    /// For benchmarks: hosts on this machine, named by their address, are asked `connections` things at once and without
    /// waiting. All others are paced as ever.
    pub fn unpaced_on_loopback(clock: Clock, stop: Stop, connections: usize) -> Self {
        Governor { unpaced: Some(connections), ..Governor::new(clock, stop) }
    }

    /// From now on, wait at least this long between two requests to a host.
    pub fn at_least(&self, host: &str, delay: Duration) {
        let host = self.host(host);
        let mut pace = host.pace();
        pace.delay = pace.delay.max(delay);
    }

    /// The host's robots.txt asks for this delay: it is obeyed, or the host not asked at all.
    pub fn crawl_delay(&self, host: &str, delay: Duration) {
        if delay > MAX_WAIT {
            let why = format!("Crawl-delay: {} s", delay.as_secs());
            self.host(host).pace().closed = Some(NoTurn::TooSlow { host: host.into(), why });
        } else {
            self.at_least(host, delay);
        }
    }

    /// How fast a host is asked now, and how long it took to answer so far.
    pub fn pace_of(&self, host: &str) -> HostPace {
        let host = self.host(host);
        let pace = host.pace();
        let gap = pace.delay.max(pace.penalty).max(pace.rest);
        HostPace { gap, took: pace.took.checked_div(pace.requests).unwrap_or_default() }
    }

    /// [`Governor::pace_of`] all hosts that were asked.
    pub fn paces(&self) -> BTreeMap<String, HostPace> {
        let hosts: Vec<String> = {
            let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.values().filter(|host| host.pace().requests > 0).map(|host| host.name.clone()).collect()
        };
        hosts.into_iter().map(|host| (host.clone(), self.pace_of(&host))).collect()
    }

    /// Wait for the host's next turn.
    pub async fn turn(&self, host: &str) -> Result<Turn, NoTurn> {
        let host = self.host(host);
        let wait = async {
            let permit = Arc::clone(&host.in_flight).acquire_owned().await.expect("no host's semaphore is ever closed");
            let due = Some(host.pace()).filter(|pace| host.is_paced && pace.closed.is_none()).map(|pace| pace.due());
            if let Some(due) = due {
                self.clock.until(due).await;
            }
            permit
        };
        let permit = tokio::select! {
            biased;
            () = self.stop.asked() => return Err(NoTurn::Stopping),
            permit = wait => permit,
        };
        let closed = host.pace().closed.clone();
        match closed {
            Some(why) => Err(why),
            None => Ok(Turn { host, began: self.clock.elapsed(), _in_flight: permit }),
        }
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let unpaced = self.unpaced.filter(|_| name.parse().is_ok_and(|a: SocketAddr| a.ip().is_loopback()));
            Arc::new(Host {
                name: name.into(),
                clock: self.clock.clone(),
                pace: Mutex::default(),
                in_flight: Arc::new(Semaphore::new(unpaced.unwrap_or(1))),
                is_paced: unpaced.is_none(),
            })
        };
        Arc::clone(hosts.entry(name.into()).or_insert_with(new))
    }
}

impl Turn {
    /// The first bytes of the answer are there, whatever they say: how long they took is how hard the host worked.
    pub fn heard(&self) {
        let took = self.host.clock.elapsed().saturating_sub(self.began);
        let rest = took.div_f64(TARGET_CONCURRENCY).min(MAX_REST);
        let mut pace = self.host.pace();
        pace.rest = rest.max((pace.rest + rest) / 2);
    }

    /// The host answered as hosts do.
    pub fn answered(&self) {
        let mut pace = self.host.pace();
        (pace.refusals, pace.silences) = (0, 0);
        // Not at once back to full speed: what was too fast a moment ago is too fast now.
        pace.penalty /= 2;
    }

    /// This one request went wrong: another 5xx, or a body that was cut off. The host is given a little more time, but it
    /// has not asked to be left alone.
    pub fn faulted(&self) {
        let mut pace = self.host.pace();
        pace.silences = 0;
        pace.slow_down();
    }

    /// There was no answer within the deadline, or the connection ended before there was one.
    pub fn silent(&self) {
        let mut pace = self.host.pace();
        pace.silences += 1;
        if pace.silences > MAX_SILENCES {
            pace.closed = Some(self.host.stalled(format!("{} requests in a row without an answer", pace.silences)));
        }
        pace.slow_down();
    }

    /// The host answered 429 or 503, perhaps with a `Retry-After`; or no connection could be made.
    pub fn refused(&self, retry_after: Option<Duration>) {
        let mut pace = self.host.pace();
        pace.refusals += 1;
        let doubled = (pace.penalty * 2).max(FIRST_PENALTY);
        let asked = retry_after.unwrap_or(doubled).max(FIRST_PENALTY);
        if asked > MAX_WAIT {
            pace.closed = Some(self.host.stalled(format!("Retry-After: {} s", asked.as_secs())));
        } else if pace.refusals > MAX_REFUSALS {
            pace.closed = Some(self.host.stalled(format!("{} refusals in a row", pace.refusals)));
        }
        pace.penalty = asked.min(MAX_WAIT);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let ended = self.host.clock.elapsed();
        let mut pace = self.host.pace();
        pace.ended = Some(ended);
        pace.requests += 1;
        pace.took += ended.saturating_sub(self.began);
    }
}

impl Host {
    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stalled(&self, why: String) -> NoTurn {
        NoTurn::Stalled { host: self.name.clone(), why }
    }
}

#[cfg(test)]
mod tests;
