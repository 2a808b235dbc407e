//! The accept loop, with a limit on everything that a slow or greedy client could hold.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::{Error, Result, Shutdown};

/// What clients may hold, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; further ones wait in the system's queue.
    pub connections: usize,
    /// From the first byte that is awaited of a request to the end of its header.
    pub header: Duration,
    /// A connection is asked to close after this long, however busy it is.
    pub connection: Duration,
    /// What a connection that was asked to close still gets, for the request that is under way.
    pub grace: Duration,
    /// How long a client that was answered may go on sending; what it sends is dropped.
    pub linger: Duration,
    /// How much that may be, in bytes.
    pub linger_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 256,
            header: Duration::from_secs(10),
            connection: Duration::from_secs(300),
            grace: Duration::from_secs(8),
            linger: Duration::from_secs(5),
            linger_bytes: 64 << 20,
        }
    }
}

/// A server that listens, and answers once it [`run`](Server::run)s.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    /// Listen at an address.
    ///
    /// # Errors
    /// [`Error::Listen`] naming the address, when it is taken or not ours.
    pub async fn bind(address: SocketAddr, limits: Limits) -> Result<Self> {
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, address, limits })
    }

    /// Where it listens; with the port that was taken when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answer until told to end, then let requests that are under way finish within the grace.
    pub async fn run(self, router: Router, mut shutdown: Shutdown) {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        loop {
            let place = tokio::select! {
                place = places.clone().acquire_owned() => place.expect("the semaphore is never closed"),
                () = shutdown.told() => break,
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.told() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    // Out of file descriptors, most likely: they come back when connections end.
                    tracing::warn!("cannot accept a connection: {e}");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (router, shutdown) = (router.clone(), shutdown.clone());
            connections.spawn(async move {
                answer(stream, router, self.limits, shutdown).await;
                drop(place);
            });
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(self.limits.grace, all).await.is_err() {
            tracing::warn!("{} connections were cut off", connections.len());
        }
    }
}

/// What a client that was answered still gets once the server is to end.
const LAST: Duration = Duration::from_millis(500);

async fn answer(stream: TcpStream, router: Router, limits: Limits, mut shutdown: Shutdown) {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = shutdown.told() => None,
        () = sleep(limits.connection) => None,
    };
    if ended.is_none() {
        Pin::new(&mut connection).graceful_shutdown();
        // One that is idle ends at once, and its client has nothing under way.
        if timeout(Duration::ZERO, &mut connection).await.is_ok() {
            return;
        }
        ended = timeout(limits.grace, &mut connection).await.ok();
    }
    match ended {
        // It never ended, or its client says nothing.
        None => {}
        Some(Err(e)) if e.is_timeout() => {}
        Some(_) => {
            let linger = linger(connection.into_parts().io.into_inner(), limits);
            tokio::select! {
                () = linger => {}
                // Whoever was answered and only keeps its end open holds up no end of ours.
                () = async { shutdown.told().await; sleep(LAST).await } => {}
            }
        }
    }
}

/// Read on until the client ends. It may have been answered before all of its photo was read, and the system resets a connection
/// that is closed with bytes unread: the answer would be lost with it (RFC 9112, section 9.6).
async fn linger(mut stream: TcpStream, limits: Limits) {
    let _ = stream.shutdown().await;
    let mut rest = stream.take(limits.linger_bytes);
    let _ = timeout(limits.linger, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

#[cfg(test)]
mod tests;
