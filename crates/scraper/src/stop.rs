//! Being asked to stop.

use std::time::Duration;

use tokio::sync::watch;

/// How long what is in flight may take once a run was asked to stop.
pub const GRACE: Duration = Duration::from_secs(10);

/// Hears that the run should stop. Clones hear the same.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// Asks the run to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// A pair: the one asks, the other hears.
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Stop(receiver))
    }

    /// Ask it to stop. More than once is the same as once.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Stops at SIGINT and at SIGTERM.
    ///
    /// # Errors
    /// When the system does not let us listen for them.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stopper, stop) = Stopper::new();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopper.stop();
            // Kept, so that the receivers do not take the end of this task for a signal that never came.
            std::future::pending::<()>().await;
        });
        Ok(stop)
    }

    /// Until it is asked to; for ever, if nobody can ask any more.
    pub async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
