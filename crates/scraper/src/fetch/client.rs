//! The HTTP clients: they follow nothing by themselves, use no proxy, and connect to no address that the guard refuses.

use std::sync::Arc;
use std::time::Duration;

use crate::guard::PublicResolver;
use crate::{Error, Result};

/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// One client for the public network, one that may also connect to loopback.
pub(super) struct Clients {
    public: reqwest::Client,
    loopback: reqwest::Client,
}

impl Clients {
    pub fn new(user_agent: &str) -> Result<Self> {
        // The first to install one wins; all of us want the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |allow_loopback| {
            reqwest::Client::builder()
                .user_agent(user_agent)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .dns_resolver(Arc::new(PublicResolver { allow_loopback }))
                .connect_timeout(CONNECT)
                .build()
                .map_err(Error::Client)
        };
        Ok(Clients { public: build(false)?, loopback: build(true)? })
    }

    pub fn get(&self, allow_loopback: bool) -> &reqwest::Client {
        if allow_loopback { &self.loopback } else { &self.public }
    }
}
