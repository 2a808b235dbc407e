//! What a person sees while it runs: a bar with the time left on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where progress goes.
pub struct Ui {
    bars: bool,
}

impl Ui {
    /// Bars when stderr is a terminal, lines when it is not.
    pub fn detect() -> Ui {
        Ui { bars: std::io::stderr().is_terminal() }
    }

    /// A bar of `len` steps with a label; invisible where there is no terminal.
    pub fn bar(&self, len: u64, label: &str) -> ProgressBar {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{msg:<22} {wide_bar} {pos}/{len} {per_sec} {eta} left")
            .expect("the template is a constant");
        ProgressBar::with_draw_target(Some(len), target).with_style(style).with_message(label.to_string())
    }

    /// A line that stays, above the bar if there is one.
    pub fn line(&self, bar: &ProgressBar, text: &str) {
        if self.bars { bar.println(text) } else { goodtwin_core::terminal::note(text) }
    }
}
