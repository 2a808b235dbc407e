//! How far a run is: a bar a store on a terminal, an event now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use goodtwin_core::terminal::one_line;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::events;
use crate::summary::Summary;

/// Shows how far a run is, on stderr.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A bar a store.
    Bars(MultiProgress),
    /// Events, as [`crate::events`] writes them.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// Bars if stderr is a terminal, else lines.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() { Progress::Bars(MultiProgress::new()) } else { Progress::Lines }
    }

    /// The run came to this, and the process ends with this code, if it can tell people of it as well.
    pub fn ended(&self, summary: &Summary, exit_code: u8) {
        if let Progress::Lines = self {
            events::emit("scrape ended", events::summary(summary, exit_code));
        }
    }

    pub(crate) fn store(&self, name: &str) -> StoreProgress {
        let lines = matches!(self, Progress::Lines);
        let bar = match self {
            Progress::Bars(all) => {
                let bar = all.add(ProgressBar::new_spinner());
                let style = ProgressStyle::with_template("{prefix:18} {spinner} {msg}");
                bar.set_style(style.expect("a valid template"));
                bar.set_prefix(name.to_string());
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            }
            Progress::Lines | Progress::Silent => ProgressBar::hidden(),
        };
        StoreProgress { name: name.into(), lines, bar }
    }
}

/// How far one store is.
pub(crate) struct StoreProgress {
    name: String,
    lines: bool,
    bar: ProgressBar,
}

/// An event each time that so many items are done.
const LINE_EVERY: u64 = 50;

impl StoreProgress {
    fn event<const N: usize>(&self, message: &str, fields: [(&str, Value); N]) {
        let store = ("store", Value::from(self.name.as_str()));
        events::emit(message, [store].into_iter().chain(fields).map(|(key, value)| (key.into(), value)).collect());
    }

    /// A listing was read; so many items are known now.
    pub fn listing(&self, items: usize) {
        self.bar.set_message(format!("listings: {items} items so far"));
    }

    /// All listings were read.
    pub fn found(&self, items: usize) {
        if self.lines {
            self.event("listed", [("items", items.into())]);
        }
        let style = ProgressStyle::with_template("{prefix:18} {bar:30} {pos}/{len} items, {eta} left");
        self.bar.set_style(style.expect("a valid template"));
        self.bar.set_length(items as u64);
        self.bar.set_position(0);
    }

    /// An item is done.
    pub fn item(&self) {
        self.bar.inc(1);
        let done = self.bar.position();
        if self.lines && done.is_multiple_of(LINE_EVERY) {
            let items = self.bar.length().unwrap_or_default();
            self.event("items done", [("done", done.into()), ("items", items.into())]);
        }
    }

    /// The store's part ended; `trouble` says why, if it was early.
    pub fn end(&self, trouble: Option<&str>) {
        let said = trouble.map_or_else(|| "done".into(), one_line);
        self.bar.set_style(ProgressStyle::with_template("{prefix:18} {msg}").expect("a valid template"));
        self.bar.finish_with_message(said.clone());
        if self.lines {
            self.event("store ended", [("trouble", trouble.into())]);
        }
    }
}
