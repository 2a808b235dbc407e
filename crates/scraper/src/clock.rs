//! The time that delays are measured in: the system's, or a test's own.

use std::time::Duration;

use tokio::time::Instant;

/// Tells how long it has been, and waits.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's, since some moment.
    System(Instant),
    /// A test's: it stands still, and waiting moves it on at once.
    #[cfg(test)]
    Test(std::sync::Arc<std::sync::Mutex<Duration>>),
}

impl Clock {
    /// The system's, from now on.
    pub fn system() -> Self {
        Clock::System(Instant::now())
    }

    #[cfg(test)]
    pub(crate) fn test() -> Self {
        Clock::Test(Default::default())
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        match self {
            Clock::System(start) => start.elapsed(),
            #[cfg(test)]
            Clock::Test(now) => *now.lock().unwrap(),
        }
    }

    /// Wait until it has been so long.
    pub async fn until(&self, elapsed: Duration) {
        match self {
            Clock::System(start) => tokio::time::sleep_until(*start + elapsed).await,
            #[cfg(test)]
            Clock::Test(now) => {
                tokio::task::yield_now().await;
                let mut now = now.lock().unwrap();
                *now = elapsed.max(*now);
            }
        }
    }
}
