//! `Retry-After`, read by these rules:
//!
//! - Seconds, or a date in one of the three forms of RFC 9110: the wait that it says.
//! - More than [`BELIEVED`], a date that has passed, and everything else say nothing: the host is waited for as one that gave
//!   no `Retry-After`. No shop means thirty years, and clocks that are wrong are no plea to hurry.
//! - What is believed, and longer than [`super::MAX_WAIT`], is not cut short: the host is stalled, and left to a later run.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt};

/// The longest wait that is taken for meant.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);

/// The wait that a `Retry-After` asks for, or `None` where it says nothing.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().ok()?)
    } else {
        // Negative for what has passed, which is no `Duration`.
        Duration::try_from(date(value)?.duration_since(now)).ok()?
    };
    (wait <= BELIEVED).then_some(wait)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, and the two forms that RFC 9110 calls obsolete and wants understood.
fn date(value: &str) -> Option<Timestamp> {
    if let Ok(date) = fmt::rfc2822::DateTimeParser::new().parse_timestamp(value) {
        return Some(date);
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = obsolete.iter().find_map(|form| DateTime::strptime(form, value).ok())?;
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_all_its_forms() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let seconds = |s| Some(Duration::from_secs(s));
        for (value, expected) in [
            ("120", seconds(120)),
            (" 0 ", seconds(0)),
            ("86400", seconds(86_400)),
            ("86401", None),
            ("1000000000", None),
            ("99999999999999999999999", None),
            ("Mon, 23 Nov 2026 12:01:00 GMT", seconds(60)),
            ("Monday, 23-Nov-26 12:01:00 GMT", seconds(60)),
            ("Mon Nov 23 12:01:00 2026", seconds(60)),
            ("Mon, 23 Nov 2020 12:01:00 GMT", None),
            ("Mon, 23 Nov 2066 12:01:00 GMT", None),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}
