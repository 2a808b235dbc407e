//! Being asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a run to stop, from another thread.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    heeded: AtomicBool,
}

impl Stop {
    /// Ask. True while the run takes steps: it writes a checkpoint and ends by itself. False before and after them, where no
    /// step is lost: whoever asks may end the process.
    pub fn ask(&self) -> bool {
        self.asked.store(true, Ordering::SeqCst);
        self.heeded.load(Ordering::SeqCst)
    }

    /// Whether somebody has asked. Whoever has heeded looks once more after that is over, so that nobody is told yes in vain.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on, for as long as this is kept, somebody looks whether it was asked.
    pub(super) fn heed(&self) -> Heeding<'_> {
        self.heeded.store(true, Ordering::SeqCst);
        Heeding(self)
    }
}

/// See [`Stop::heed`].
pub(super) struct Heeding<'a>(&'a Stop);

impl Drop for Heeding<'_> {
    fn drop(&mut self) {
        self.0.heeded.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_heeded_while_somebody_looks() {
        let stop = Stop::default();
        let heeding = stop.heed();
        assert!(!stop.asked() && stop.ask() && stop.asked());
        drop(heeding);
        assert!(!stop.ask() && stop.asked());
    }
}
