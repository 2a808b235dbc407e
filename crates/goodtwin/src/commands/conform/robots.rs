//! Whether a robots.txt lets a crawler ask for an address. The address is matched as it is given, as Google's parser does.

use goodtwin_scraper::robots::Rules;
use serde::{Deserialize, Serialize};

/// A robots.txt, and who asks it for what. `agent` is compared as it is, as Google's parser does: cutting the product token out of
/// a `User-Agent` is the caller's.
#[derive(Deserialize)]
pub struct Case {
    body_b64: String,
    agent: String,
    url: String,
}

/// The decision, and the longest `Crawl-delay` of the groups that made it, in seconds.
#[derive(Serialize)]
pub struct Answer {
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    crawl_delay: Option<f64>,
}

pub fn answer(case: Case) -> Result<Answer, String> {
    let body = super::from_base64("body_b64", &case.body_b64)?;
    let rules = Rules::parse(&body, &case.agent);
    let crawl_delay = rules.crawl_delay().map(|d| d.as_secs_f64());
    Ok(Answer { allowed: rules.decide_as_given(&case.url).allowed, crawl_delay })
}
