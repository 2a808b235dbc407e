//! Recent queries: what the page needs to filter again without a second upload. In memory only.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use goodtwin_core::ContentId;
use goodtwin_inference::Look;
use goodtwin_inference::answer::Guess;

/// How long a query is kept after it was last looked at. The about page promises an hour.
pub const KEPT_FOR: Duration = Duration::from_secs(3600);
/// How many are kept at most: with 40 KB each, some 20 MB.
pub const KEPT_AT_MOST: usize = 500;

/// What is left of a photo once it was embedded.
#[derive(Debug)]
pub struct Query {
    /// SHA-256 of the photo's bytes.
    pub sha256: ContentId,
    /// Its embedding, of L2 norm 1.
    pub embedding: Vec<f32>,
    /// Its colours, of L2 norm 1.
    pub colour: Vec<f32>,
    /// What the network takes it for, the likeliest type first.
    pub looks_like: Vec<Guess>,
    /// A small JPEG of it.
    pub preview: Bytes,
}

impl Query {
    /// What is searched for.
    pub fn look(&self) -> Look<'_> {
        Look { embedding: &self.embedding, colour: &self.colour }
    }
}

/// Names a query in an address; 128 random bits, so that nobody finds somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryId(pub u128);

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for QueryId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let canonical = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        canonical.then(|| u128::from_str_radix(text, 16).map(QueryId).map_err(|_| ())).ok_or(())?
    }
}

/// A bounded store; full, it forgets the query that was looked at longest ago.
#[derive(Default)]
pub struct QueryStore {
    kept: Mutex<HashMap<QueryId, Kept>>,
}

struct Kept {
    until: Instant,
    query: Arc<Query>,
}

impl QueryStore {
    /// Keep a query.
    pub fn insert(&self, id: QueryId, query: Query, now: Instant) {
        let mut kept = self.lock();
        kept.retain(|_, k| k.until > now);
        if kept.len() >= KEPT_AT_MOST
            && let Some(oldest) = kept.iter().min_by_key(|(_, k)| k.until).map(|(id, _)| *id)
        {
            kept.remove(&oldest);
        }
        kept.insert(id, Kept { until: now + KEPT_FOR, query: Arc::new(query) });
    }

    /// A query that is still kept; looking at it keeps it for another hour.
    pub fn get(&self, id: QueryId, now: Instant) -> Option<Arc<Query>> {
        let mut kept = self.lock();
        kept.retain(|_, k| k.until > now);
        let found = kept.get_mut(&id)?;
        found.until = now + KEPT_FOR;
        Some(found.query.clone())
    }

    // A panic elsewhere cannot leave the map half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<QueryId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query() -> Query {
        Query {
            sha256: ContentId::of(b"photo"),
            embedding: vec![1.0],
            colour: vec![1.0],
            looks_like: vec![],
            preview: Bytes::new(),
        }
    }

    #[test]
    fn a_query_is_forgotten_an_hour_after_the_last_look() {
        let (store, start) = (QueryStore::default(), Instant::now());
        store.insert(QueryId(1), query(), start);
        let almost = start + KEPT_FOR - Duration::from_secs(1);
        assert!(store.get(QueryId(1), almost).is_some());
        assert!(store.get(QueryId(1), almost + KEPT_FOR - Duration::from_secs(1)).is_some());
        assert!(store.get(QueryId(1), almost + KEPT_FOR * 2).is_none());
        assert!(store.lock().is_empty());
    }

    #[test]
    fn a_full_store_forgets_what_was_not_looked_at_longest() {
        let (store, start) = (QueryStore::default(), Instant::now());
        let at = |n: usize| start + Duration::from_millis(n as u64);
        for n in 0..KEPT_AT_MOST {
            store.insert(QueryId(n as u128), query(), at(n));
        }
        assert!(store.get(QueryId(0), at(KEPT_AT_MOST)).is_some());
        store.insert(QueryId(u128::MAX), query(), at(KEPT_AT_MOST + 1));
        assert_eq!(store.lock().len(), KEPT_AT_MOST);
        assert!(store.get(QueryId(1), at(KEPT_AT_MOST + 2)).is_none());
        assert!(store.get(QueryId(0), at(KEPT_AT_MOST + 2)).is_some());
    }

    #[test]
    fn only_the_canonical_form_of_an_id_is_read() {
        let id = QueryId(0xabc);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in
            ["", "abc", "+0000000000000000000000000000abc", "00000000000000000000000000000ABC", "../../etc/passwd"]
        {
            assert_eq!(text.parse::<QueryId>(), Err(()), "{text}");
        }
    }
}
