//! How the server ends: told once, heard by every connection.

use std::future::Future;

use tokio::sync::watch;

use crate::{Error, Result};

/// Becomes true once, when the server is to end.
#[derive(Clone)]
pub struct Shutdown {
    told: watch::Receiver<bool>,
}

impl Shutdown {
    /// Ends when `reason` is done.
    pub fn when(reason: impl Future<Output = ()> + Send + 'static) -> Self {
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            reason.await;
            tell.send_replace(true);
        });
        Shutdown { told }
    }

    /// Ends on SIGINT (Ctrl-C) or SIGTERM (a service manager).
    ///
    /// # Errors
    /// [`Error::Signals`].
    #[cfg(unix)]
    pub fn on_signal() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        Ok(Shutdown::when(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }))
    }

    /// Wait for the end.
    pub async fn told(&mut self) {
        // The sender goes away only after it has told.
        let _ = self.told.wait_for(|told| *told).await;
    }
}
