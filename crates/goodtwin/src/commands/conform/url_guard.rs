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
    if let Err(refusal) = guard::check_url(&url, false) {
        return refused(match refusal {
            guard::Refused::Scheme { .. } => "scheme",
            guard::Refused::Credentials { .. } => "credentials",
            guard::Refused::Private { .. } => "private",
        });
    }
    let all_public = |all: &Vec<String>| all.iter().all(|a| a.parse::<IpAddr>().is_ok_and(guard::is_public));
    match &case.resolves_to {
        Some(addresses) if !all_public(addresses) => refused("private"),
        _ => Ok(Answer { allowed: true, cause: None }),
    }
}
