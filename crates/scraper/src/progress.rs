//! How far a run is: bars on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use goodtwin_core::terminal::{note, one_line};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows how far a run is, on stderr.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A bar a store.
    Bars(MultiProgress),
    /// Plain lines.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// Bars if stderr is a terminal, else lines.
    pub fn auto() -> Self {
        if std::io::stderr().is_terminal() { Progress::Bars(MultiProgress::new()) } else { Progress::Lines }
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

/// A plain line each time that so many items are done.
const LINE_EVERY: u64 = 50;

impl StoreProgress {
    /// A listing was read; so many items are known now.
    pub fn listing(&self, items: usize) {
        self.bar.set_message(format!("listings: {items} items so far"));
    }

    /// All listings were read.
    pub fn found(&self, items: usize) {
        if self.lines {
            note(format_args!("{}: {items} items listed", self.name));
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
            note(format_args!("{}: {done} of {} items", self.name, self.bar.length().unwrap_or_default()));
        }
    }

    /// The store's part ended; `trouble` says why, if it was early.
    pub fn end(&self, trouble: Option<&str>) {
        let said = trouble.map_or_else(|| "done".into(), one_line);
        self.bar.set_style(ProgressStyle::with_template("{prefix:18} {msg}").expect("a valid template"));
        self.bar.finish_with_message(said.clone());
        if self.lines {
            note(format_args!("{}: {said}", self.name));
        }
    }
}
