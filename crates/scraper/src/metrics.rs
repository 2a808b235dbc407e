//! What a run leaves for Prometheus: a file for the node exporter's textfile collector.
//!
//! Counters go on from run to run, since the journal has all runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use goodtwin_core::atomic;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Config;
use crate::run::JOURNAL;
use crate::summary::Summary;
use crate::{Journal, Result, State};

/// All that is told, as of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// When the last run ended with exit 0; never, if none did.
    pub last_success: Option<Timestamp>,
    /// How this run ended.
    pub exit_code: u8,
    /// Items that ended in each state, over all runs: by store and state.
    pub ended: BTreeMap<(String, String), i64>,
    /// Items that are in each state now: by store and state.
    pub items: BTreeMap<(String, String), i64>,
    /// Fields that drifted in this run, by store; `items` for the number of items.
    pub drift: BTreeMap<(String, String), bool>,
    /// Pictures that were refused, by cause, as the journal has them now.
    pub refused_pictures: BTreeMap<String, i64>,
    /// Decoded bytes that this run fetched.
    pub fetched_bytes: u64,
    /// Seconds between two requests to each host, at the end of this run.
    pub gaps: BTreeMap<String, f64>,
    /// The day of the oldest rating that counts.
    pub oldest_rating: Option<Timestamp>,
}

impl Metrics {
    /// Read them from the journal, right after a run that came to this.
    ///
    /// # Errors
    /// As [`Journal::open_to_read`].
    pub fn gather(config: &Config, summary: &Summary) -> Result<Self> {
        let journal = Journal::open_to_read(&config.out.join(JOURNAL))?;
        let word = |store: &str, word: &str| (store.to_string(), word.to_string());
        let states = journal.states()?;
        // A store of which nothing is ok says so: no alarm sees a sample that is not there.
        let mut items: BTreeMap<_, _> = states.keys().map(|store| (word(store, State::Ok.word()), 0)).collect();
        for (store, states) in &states {
            items.extend(states.iter().map(|(state, n)| (word(store, state.word()), i64::from(*n))));
        }
        let drops = summary.stores.iter().flat_map(|s| s.drops.iter().map(move |drop| word(&s.name, drop.word())));
        let oldest = config.ratings.iter().map(|rating| rating.as_of).min();
        Ok(Metrics {
            last_success: journal.last_success()?,
            exit_code: summary.exit_code(),
            ended: journal.ended_ever()?,
            items,
            drift: drops.map(|drop| (drop, true)).collect(),
            refused_pictures: journal.refused_pictures()?,
            fetched_bytes: summary.fetched_bytes,
            gaps: summary.hosts.iter().map(|(host, pace)| (host.clone(), pace.gap.as_secs_f64())).collect(),
            oldest_rating: oldest.and_then(|day| day.to_zoned_datetime(TimeZone::UTC).ok()).map(|day| day.timestamp()),
        })
    }

    /// Write them aside and rename the file into its place, so that nobody reads half of it.
    ///
    /// # Errors
    /// Exit 74 where the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(atomic::write(path, self.to_string().as_bytes())?)
    }
}

impl std::fmt::Display for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |time: Timestamp| time.as_second();
        let stage = [("stage", "scrape")];
        let success: Vec<String> = self.last_success.iter().map(|time| sample(&stage, seconds(*time))).collect();
        family(
            f,
            "goodtwin_last_success_timestamp_seconds",
            "gauge",
            "When a stage last ended with exit 0.",
            &success,
        )?;
        let code = [sample(&stage, self.exit_code)];
        family(f, "goodtwin_last_exit_code", "gauge", "How a stage last ended.", &code)?;
        let by_state = |counts: &BTreeMap<(String, String), i64>| -> Vec<String> {
            counts.iter().map(|((store, state), n)| sample(&[("store", store), ("state", state)], *n)).collect()
        };
        let help = "Items that ended in a state, over all runs.";
        family(f, "goodtwin_scrape_items_total", "counter", help, &by_state(&self.ended))?;
        family(f, "goodtwin_scrape_items", "gauge", "Items that are in a state now.", &by_state(&self.items))?;
        let drift: Vec<String> = self
            .drift
            .iter()
            .map(|((store, field), on)| sample(&[("store", store), ("field", field)], i64::from(*on)))
            .collect();
        family(f, "goodtwin_scrape_drift", "gauge", "1 for a field that fell since the store's last runs.", &drift)?;
        let refused: Vec<String> =
            self.refused_pictures.iter().map(|(cause, n)| sample(&[("reason", cause)], *n)).collect();
        let help = "Pictures of items that are none, by reason, now.";
        family(f, "goodtwin_scrape_pictures_refused", "gauge", help, &refused)?;
        let fetched = [sample(&[], self.fetched_bytes)];
        let help = "Decoded bytes that were fetched since the last run began.";
        family(f, "goodtwin_fetch_bytes_total", "counter", help, &fetched)?;
        let gaps: Vec<String> = self.gaps.iter().map(|(host, gap)| sample(&[("host", host)], *gap)).collect();
        let help = "Time between two requests to a host at the end of the last run.";
        family(f, "goodtwin_host_gap_seconds", "gauge", help, &gaps)?;
        let oldest: Vec<String> = self.oldest_rating.iter().map(|time| sample(&[], seconds(*time))).collect();
        let help = "The day of the oldest rating that counts.";
        family(f, "goodtwin_oldest_rating_timestamp_seconds", "gauge", help, &oldest)
    }
}

/// One metric with all its samples; nothing where it has none.
fn family(f: &mut impl Write, name: &str, kind: &str, help: &str, samples: &[String]) -> std::fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    samples.iter().try_for_each(|sample| writeln!(f, "{name}{sample}"))
}

/// `{store="a",state="ok"} 7`
fn sample(labels: &[(&str, &str)], value: impl std::fmt::Display) -> String {
    let escape = |text: &str| text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    if labels.is_empty() { format!(" {value}") } else { format!("{{{}}} {value}", labels.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_prometheus_text_format() {
        let count = |words: [&str; 2], n| ((words[0].to_string(), words[1].to_string()), n);
        let metrics = Metrics {
            last_success: Some("2026-11-23T12:00:00.5Z".parse().unwrap()),
            exit_code: 3,
            ended: [count(["a", "ok"], 120), count(["a", "no-price"], 2)].into(),
            items: [count(["o\"dd\\\n", "ok"], 60)].into(),
            fetched_bytes: 4096,
            gaps: [("shop.example".to_string(), 1.5)].into(),
            oldest_rating: Some(Timestamp::UNIX_EPOCH),
            ..Metrics::default()
        };
        let expected = "\
# HELP goodtwin_last_success_timestamp_seconds When a stage last ended with exit 0.
# TYPE goodtwin_last_success_timestamp_seconds gauge
goodtwin_last_success_timestamp_seconds{stage=\"scrape\"} 1795435200
# HELP goodtwin_last_exit_code How a stage last ended.
# TYPE goodtwin_last_exit_code gauge
goodtwin_last_exit_code{stage=\"scrape\"} 3
# HELP goodtwin_scrape_items_total Items that ended in a state, over all runs.
# TYPE goodtwin_scrape_items_total counter
goodtwin_scrape_items_total{store=\"a\",state=\"no-price\"} 2
goodtwin_scrape_items_total{store=\"a\",state=\"ok\"} 120
# HELP goodtwin_scrape_items Items that are in a state now.
# TYPE goodtwin_scrape_items gauge
goodtwin_scrape_items{store=\"o\\\"dd\\\\\\n\",state=\"ok\"} 60
# HELP goodtwin_fetch_bytes_total Decoded bytes that were fetched since the last run began.
# TYPE goodtwin_fetch_bytes_total counter
goodtwin_fetch_bytes_total 4096
# HELP goodtwin_host_gap_seconds Time between two requests to a host at the end of the last run.
# TYPE goodtwin_host_gap_seconds gauge
goodtwin_host_gap_seconds{host=\"shop.example\"} 1.5
# HELP goodtwin_oldest_rating_timestamp_seconds The day of the oldest rating that counts.
# TYPE goodtwin_oldest_rating_timestamp_seconds gauge
goodtwin_oldest_rating_timestamp_seconds 0
";
        assert_eq!(metrics.to_string(), expected);
    }
}
