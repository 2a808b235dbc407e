//! How the server ends: told once, heard by every connection.

use std::future::Future;

use tokio::sync::watch;

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

    /// Wait for the end.
    pub async fn told(&mut self) {
        // The sender goes away only after it has told.
        let _ = self.told.wait_for(|told| *told).await;
    }
}
