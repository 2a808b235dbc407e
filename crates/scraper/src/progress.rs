//! How far a run is: a bar a store on a terminal, an event now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use goodtwin_core::terminal::{note, one_line};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::events::{self, Level};
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
            events::emit(Level::Info, "scrape ended", events::summary(summary, exit_code));
        }
    }

    /// Say something that cannot wait for the end of the run.
    pub fn say(&self, message: &str) {
        match self {
            Progress::Bars(_) => note(format_args!("goodtwin: {message}")),
            Progress::Lines => events::emit(Level::Info, message, Default::default()),
            Progress::Silent => {}
        }
    }

    /// Write down why the process ends with this code, where events are written: a machine reads no other lines. Whether they are.
    pub fn failed(&self, exit_code: u8, message: &str) -> bool {
        let writes = matches!(self, Progress::Lines);
        if writes {
            events::emit(Level::Error, message, [("exit_code".to_string(), exit_code.into())].into_iter().collect());
        }
        writes
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
        let fields = [store].into_iter().chain(fields).map(|(key, value)| (key.into(), value));
        events::emit(Level::Info, message, fields.collect());
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
    pub fn ended(&self, trouble: Option<&str>) {
        self.end("store ended", "done", trouble);
    }

    /// Its listings, which are all that was to be read, named so many items; `trouble` says why not all, if so.
    pub fn planned(&self, items: usize, trouble: Option<&str>) {
        self.end("listings read", &format!("listings read: {items} items"), trouble);
    }

    fn end(&self, event: &str, done: &str, trouble: Option<&str>) {
        self.bar.set_style(ProgressStyle::with_template("{prefix:18} {msg}").expect("a valid template"));
        self.bar.finish_with_message(trouble.map_or_else(|| done.to_string(), one_line));
        if self.lines {
            self.event(event, [("trouble", trouble.into())]);
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn a_store_whose_listings_alone_were_read_is_not_said_to_be_done() {
        let bars = Progress::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        let said = |end: &dyn Fn(&StoreProgress)| {
            let store = bars.store("a");
            end(&store);
            store.bar.message()
        };
        assert_eq!(said(&|store| store.ended(None)), "done");
        assert_eq!(said(&|store| store.planned(60, None)), "listings read: 60 items");
        assert_eq!(said(&|store| store.planned(60, Some("it does\nnot answer"))), "it does not answer");
    }
}
