//! Whether the scraper would ask an address, and those that its name resolves to.

use std::net::IpAddr;

use goodtwin_scraper::guard;
use serde::{Deserialize, Serialize};
use url::Url;

/// An address, and what its name resolves to.
#[derive(Deserialize)]
pub struct Case {
    url: String,
    #[serde(default)]
    resolves_to: Option<Vec<String>>,
}

/// The decision, and the word for why not.
#[derive(Serialize)]
pub struct Answer {
    allowed: bool,
    cause: Option<&'static str>,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let refused = |cause| Ok(Answer { allowed: false, cause: Some(cause) });
    let Ok(url) = case.url.parse::<Url>() else { return refused("not-an-address") };
    let judged = match case.resolves_to {
        None => guard::check_url(&url, false),
        // A host that is itself an address resolves to nothing else; what the list says is checked all the same.
        Some(addresses) => match addresses.iter().map(|a| address(a)).collect::<Option<Vec<IpAddr>>>() {
            Some(addresses) => guard::check_resolved(&url, &addresses),
            None => return refused("not-an-address"),
        },
    };
    match judged {
        Ok(()) => Ok(Answer { allowed: true, cause: None }),
        Err(refusal) => refused(refusal.cause()),
    }
}

/// An address as resolvers print it: without brackets, perhaps with a zone, which only local addresses have.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    text.split('%').next()?.parse().ok()
}
