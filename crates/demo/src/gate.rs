//! A gate in front of the shops, for tests: so many requests are let through, and the others wait. So a test can look at, or
//! kill, whoever asks at a moment that it chose.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Open until it is told otherwise.
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// How many more are let through; `None`: all.
    left: Option<usize>,
    /// Who waits: the paths that they asked for.
    waiting: Vec<String>,
}

impl Gate {
    pub fn new() -> Self {
        Gate { state: Mutex::default(), changed: watch::channel(()).0 }
    }

    /// Wait until it is this request's turn.
    pub async fn pass(&self, path: &str) {
        let mut changes = self.changed.subscribe();
        let mut waits = false;
        loop {
            {
                let mut state = self.state();
                match &mut state.left {
                    None => return,
                    Some(0) if waits => {}
                    Some(0) => {
                        state.waiting.push(path.into());
                        waits = true;
                        self.changed.send_replace(());
                    }
                    Some(left) => {
                        *left -= 1;
                        return;
                    }
                }
            }
            // The sender is ours, and lives as long as we do.
            let _ = changes.changed().await;
        }
    }

    pub fn set(&self, left: Option<usize>) {
        *self.state() = State { left, waiting: vec![] };
        self.changed.send_replace(());
    }

    /// Wait until so many wait here: what they asked for.
    pub async fn waiting(&self, at_least: usize) -> Vec<String> {
        let mut changes = self.changed.subscribe();
        loop {
            {
                let state = self.state();
                if state.waiting.len() >= at_least {
                    return state.waiting.clone();
                }
            }
            let _ = changes.changed().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
