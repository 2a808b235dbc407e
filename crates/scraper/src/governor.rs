//! The one place that decides when a host may be asked next: for pages, pictures, robots.txt and the browser alike.
//!
//! One request a host at a time, and between the end of one and the start of the next the longest of: the store's delay, the
//! host's `Crawl-delay`, and what it asked for by `Retry-After` or by answering 429 or 503. Hosts do not wait for each other.
//! A host that goes on refusing, or asks for more patience than [`MAX_WAIT`], gets no turns any more: it is stalled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;

use crate::clock::Clock;
use crate::stop::Stop;

/// The longest time that a host is waited for. A `Retry-After` or a `Crawl-delay` beyond it makes the host stalled.
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

/// Why there is no turn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    /// The run was asked to stop.
    #[error("the run was asked to stop")]
    Stopping,
    /// The host asks for more patience than a run has.
    #[error("{host} asks to be left alone for longer than a run waits ({why})")]
    Stalled {
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
}

struct Host {
    name: String,
    clock: Clock,
    pace: Mutex<Pace>,
    in_flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Pace {
    /// The delays that count whatever happens: the store's, then robots.txt's.
    delay: Duration,
    /// What a host that refused for now costs on top.
    penalty: Duration,
    /// On the clock: when the last request ended. What comes after it waits by what is known then: the answer to
    /// robots.txt may have made the delay longer.
    ended: Option<Duration>,
    refusals: u32,
    silences: u32,
    stalled: Option<String>,
}

impl Pace {
    fn slow_down(&mut self) {
        self.penalty = (self.penalty * 2).clamp(FIRST_PENALTY, MAX_FAULT_PENALTY.max(self.penalty));
    }

    fn due(&self) -> Duration {
        self.ended.map_or(Duration::ZERO, |ended| ended + self.delay.max(self.penalty))
    }
}

/// The right to ask one host once. Dropped, it starts the host's delay.
pub struct Turn {
    host: Arc<Host>,
    _in_flight: OwnedMutexGuard<()>,
}

impl Governor {
    /// A governor whose hosts get no turns any more once `stop` is asked.
    pub fn new(clock: Clock, stop: Stop) -> Self {
        Governor { clock, stop, hosts: Mutex::default() }
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
            self.host(host).pace().stalled = Some(format!("Crawl-delay: {} s", delay.as_secs()));
        } else {
            self.at_least(host, delay);
        }
    }

    /// Wait for the host's next turn.
    pub async fn turn(&self, host: &str) -> Result<Turn, NoTurn> {
        let host = self.host(host);
        let wait = async {
            let in_flight = Arc::clone(&host.in_flight).lock_owned().await;
            let due = Some(host.pace()).filter(|pace| pace.stalled.is_none()).map(|pace| pace.due());
            if let Some(due) = due {
                self.clock.until(due).await;
            }
            in_flight
        };
        let in_flight = tokio::select! {
            biased;
            () = self.stop.asked() => return Err(NoTurn::Stopping),
            in_flight = wait => in_flight,
        };
        let stalled = host.pace().stalled.clone();
        if let Some(why) = stalled {
            return Err(NoTurn::Stalled { host: host.name.clone(), why });
        }
        Ok(Turn { host, _in_flight: in_flight })
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            Arc::new(Host {
                name: name.into(),
                clock: self.clock.clone(),
                pace: Mutex::default(),
                in_flight: Arc::new(tokio::sync::Mutex::new(())),
            })
        };
        Arc::clone(hosts.entry(name.into()).or_insert_with(new))
    }
}

impl Turn {
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
            pace.stalled = Some(format!("{} requests in a row without an answer", pace.silences));
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
            pace.stalled = Some(format!("Retry-After: {} s", asked.as_secs()));
        } else if pace.refusals > MAX_REFUSALS {
            pace.stalled = Some(format!("{} refusals in a row", pace.refusals));
        }
        pace.penalty = asked.min(MAX_WAIT);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let ended = self.host.clock.elapsed();
        self.host.pace().ended = Some(ended);
    }
}

impl Host {
    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `Retry-After` in seconds or as a date. One in the past is no wait; garbage is none at all.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Stopper;

    const TENTH: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_host_waits_its_longest_delay_and_others_do_not_wait_for_it() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        governor.at_least("a:80", TENTH);
        governor.at_least("a:80", TENTH * 3);
        governor.at_least("a:80", TENTH * 2);
        for n in 0..3 {
            let turn = governor.turn("a:80").await.unwrap();
            assert_eq!(clock.elapsed(), TENTH * 3 * n);
            turn.answered();
        }
        governor.turn("b:80").await.unwrap();
        assert_eq!(clock.elapsed(), TENTH * 6, "another host is not held up");
    }

    #[tokio::test]
    async fn a_host_is_asked_one_thing_at_a_time() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        let first = governor.turn("a:80").await.unwrap();
        let mut second = Box::pin(governor.turn("a:80"));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..3 {
            assert!(second.as_mut().poll(&mut context).is_pending());
        }
        drop(first);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_waited_for_then_forgiven_by_halves() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        governor.turn("a:80").await.unwrap().refused(Some(Duration::from_secs(8)));
        let turn = governor.turn("a:80").await.unwrap();
        assert_eq!(clock.elapsed(), Duration::from_secs(8));
        turn.answered();
        drop(turn);
        governor.turn("a:80").await.unwrap().answered();
        assert_eq!(clock.elapsed(), Duration::from_secs(12));
    }

    #[tokio::test]
    async fn a_host_that_goes_on_refusing_is_stalled() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        for _ in 0..=MAX_REFUSALS {
            governor.turn("a:80").await.unwrap().refused(None);
        }
        assert!(matches!(governor.turn("a:80").await, Err(NoTurn::Stalled { .. })));
        governor.turn("b:80").await.unwrap().refused(Some(Duration::from_secs(1_000_000_000)));
        let error = governor.turn("b:80").await.err().unwrap();
        assert!(error.to_string().contains("Retry-After: 1000000000 s"), "{error}");
    }

    #[tokio::test]
    async fn faults_of_pages_slow_a_host_down_within_bounds_and_do_not_stall_it() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        for _ in 0..100 {
            governor.turn("a").await.unwrap().faulted();
        }
        let before = clock.elapsed();
        governor.turn("a").await.unwrap().answered();
        assert_eq!(clock.elapsed() - before, MAX_FAULT_PENALTY);
        // What a host asked for itself is not made shorter by a fault.
        governor.turn("b").await.unwrap().refused(Some(Duration::from_secs(60)));
        governor.turn("b").await.unwrap().faulted();
        let before = clock.elapsed();
        governor.turn("b").await.unwrap().answered();
        assert_eq!(clock.elapsed() - before, Duration::from_secs(60));
        for _ in 0..=MAX_SILENCES {
            governor.turn("c").await.unwrap().silent();
        }
        assert!(matches!(governor.turn("c").await, Err(NoTurn::Stalled { .. })));
    }

    #[tokio::test]
    async fn a_crawl_delay_is_obeyed_up_to_the_longest_wait_and_beyond_it_the_host_is_not_asked() {
        let (_stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        governor.crawl_delay("a", MAX_WAIT);
        drop(governor.turn("a").await.unwrap());
        drop(governor.turn("a").await.unwrap());
        assert_eq!(clock.elapsed(), MAX_WAIT);
        governor.crawl_delay("b", MAX_WAIT + Duration::from_secs(1));
        let error = governor.turn("b").await.err().unwrap();
        assert!(error.to_string().contains("Crawl-delay: 121 s"), "{error}");
    }

    #[tokio::test]
    async fn nobody_gets_a_turn_once_the_run_stops() {
        let (stopper, stop) = Stopper::new();
        let clock = Clock::test();
        let governor = Governor::new(clock.clone(), stop);
        governor.at_least("a:80", Duration::from_secs(3600));
        drop(governor.turn("a:80").await.unwrap());
        let (turn, ()) = tokio::join!(governor.turn("a:80"), async { stopper.stop() });
        assert_eq!(turn.err(), Some(NoTurn::Stopping));
    }

    #[test]
    fn retry_after_in_all_its_forms() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        for (value, expected) in [
            ("120", Some(Duration::from_secs(120))),
            (" 0 ", Some(Duration::ZERO)),
            ("1000000000", Some(Duration::from_secs(1_000_000_000))),
            ("99999999999999999999999", Some(Duration::MAX)),
            ("Mon, 23 Nov 2026 12:01:00 GMT", Some(Duration::from_secs(60))),
            ("Mon, 23 Nov 2020 12:01:00 GMT", Some(Duration::ZERO)),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
