//! Being asked to stop.

use std::time::Duration;

use tokio::sync::watch;

/// How long what is in flight may take once a run was asked to stop: all of it, down to the last file, within ten seconds.
pub const GRACE: Duration = Duration::from_secs(9);

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
    /// Stops when `reason` is done.
    pub fn when(reason: impl Future<Output = ()> + Send + 'static) -> Self {
        let (stopper, stop) = Stopper::new();
        tokio::spawn(async move {
            reason.await;
            stopper.stop();
        });
        stop
    }

    /// Until it is asked to; for ever, if nobody can ask any more.
    pub async fn asked(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
