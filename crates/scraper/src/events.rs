//! What a run tells a machine that listens: one JSON object a line on stderr, in the shape of the other logs, where stderr is
//! no terminal. A run ends with one event, `scrape ended`, that has all its totals; after it comes, if it failed, one that says why.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::summary::{StoreSummary, Summary};

/// How much an event matters, as the other logs say it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Info,
    Error,
}

/// Write an event. A stderr that is closed stops nothing.
pub(crate) fn emit(level: Level, message: &str, fields: Map<String, Value>) {
    let line = line(Timestamp::now(), level, message, fields);
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn line(now: Timestamp, level: Level, message: &str, fields: Map<String, Value>) -> Value {
    let level = match level {
        Level::Info => "INFO",
        Level::Error => "ERROR",
    };
    let mut all = Map::from_iter([("message".to_string(), Value::from(message))]);
    all.extend(fields);
    json!({"timestamp": now.to_string(), "level": level, "fields": all, "target": "goodtwin_scraper"})
}

/// All that a run came to.
pub(crate) fn summary(summary: &Summary, exit_code: u8) -> Map<String, Value> {
    let stores: Vec<Value> = summary.stores.iter().map(store).collect();
    let mut fields = totals(&summary.total());
    fields.insert("exit_code".into(), exit_code.into());
    fields.insert("fetched_bytes".into(), summary.fetched_bytes.into());
    fields.insert("interrupted".into(), summary.interrupted.into());
    fields.insert("stores".into(), stores.into());
    let near: Vec<Value> =
        summary.near_misses.iter().map(|(brand, like)| json!({"brand": brand, "like": like})).collect();
    fields.insert("brands_much_like_rated_ones".into(), near.into());
    fields
}

fn store(store: &StoreSummary) -> Value {
    let mut fields = totals(&store.tally);
    fields.insert("store".into(), store.name.as_str().into());
    fields.insert("trouble".into(), store.trouble.clone().into());
    fields.insert("stalled".into(), store.stalled.into());
    fields.insert("fall".into(), store.fall.as_ref().map(ToString::to_string).into());
    fields.insert("drift".into(), store.drops.iter().map(|drop| Value::from(drop.to_string())).collect());
    fields.into()
}

fn totals(tally: &crate::journal::items::Tally) -> Map<String, Value> {
    let counts = json!({
        "items": tally.items, "new": tally.new, "unchanged": tally.unchanged, "changed": tally.changed,
        "unseen": tally.unseen, "images": tally.images, "images_ok": tally.images_ok, "images_bad": tally.images_bad,
        "states": tally.states.iter().map(|(state, n)| (state.word(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
    });
    match counts {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;
    use crate::drift::Fall;
    use crate::journal::items::Tally;

    #[test]
    fn an_event_is_one_line_whatever_strangers_wrote() {
        let tally = Tally { items: 2, new: 2, states: [(State::Ok, 1), (State::Gone, 1)].into(), ..Tally::default() };
        let store = |name: &str| StoreSummary {
            name: name.into(),
            tally: tally.clone(),
            trouble: Some("two\nlines \u{1b}[2J".into()),
            stalled: false,
            drops: vec![],
            fall: Fall::between([(State::Ok, 7)].into(), [(State::Ok, 1)].into()),
        };
        let ended = Summary { stores: vec![store("a"), store("b")], ..Summary::default() };
        let line = line(Timestamp::UNIX_EPOCH, Level::Info, "scrape ended", summary(&ended, 74)).to_string();
        assert!(!line.chars().any(char::is_control), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["fields"]["message"], "scrape ended");
        assert_eq!(value["fields"]["items"], 4);
        assert_eq!(value["fields"]["states"], json!({"ok": 2, "gone": 2}));
        assert_eq!(value["fields"]["stores"][1]["trouble"], "two\nlines \u{1b}[2J");
        assert_eq!(value["fields"]["stores"][0]["fall"], "7 -> 1 items ok");
        assert_eq!(value["fields"]["exit_code"], 74);
    }
}
