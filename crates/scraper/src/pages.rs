//! Reading a page: from the journal, if this run has read it or it has not changed; else from the shop, by HTTP or in a
//! browser. What was read is in the journal before it is used.

use goodtwin_core::ContentId;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::Error;
use crate::browser::{Browser, BrowserError, Rendered};
use crate::fetch::{Answer, FetchError};
use crate::journal::fetched::{PageRow, Validators};
use crate::store_run::StoreRun;

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Browser(#[from] BrowserError),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        ReadError::Fetch(error.into())
    }
}

/// A page as its extractor gets it.
pub(crate) struct Text {
    pub body: String,
    pub url: Url,
    pub robots_tags: Vec<String>,
}

/// UTF-8, or else what was written before it: Latin-1, near enough for the names of bags.
fn decode(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => text.trim_start_matches('\u{feff}').into(),
        Err(_) => body.iter().map(|b| char::from(*b)).collect(),
    }
}

impl StoreRun<'_> {
    /// What a page says: from the journal if this run has read it, or if it has not changed; else from the shop.
    pub(crate) async fn page<T: Serialize + DeserializeOwned + Send + 'static>(
        &self,
        url: &Url,
        browser: Option<&mut Option<Browser>>,
        extract: impl FnOnce(&Text) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let key = url.to_string();
        let known = self.journal.look(move |journal| journal.page(&key)).await?;
        let known = known.filter(|p| p.recipe == self.store.recipe);
        let read = |row: &PageRow| {
            serde_json::from_str::<T>(&row.extracted)
                .map_err(|e| Error::Internal(format!("the journal's {url} cannot be read back: {e}")))
        };
        if let Some(row) = known.as_ref().filter(|p| p.run == self.run) {
            return Ok(read(row)?);
        }
        let answer = match browser {
            Some(browser) => {
                let rendered = self.render(url, browser).await?;
                Answer {
                    url: rendered.url,
                    not_modified: false,
                    body: rendered.html.into(),
                    validators: Validators::default(),
                    headers: Default::default(),
                }
            }
            None => {
                let validators = known.as_ref().map(|p| p.validators.clone()).unwrap_or_default();
                let answer = self.fetcher.page(url, self.manners(), &validators).await?;
                match known {
                    Some(row) if answer.not_modified => {
                        let value = read(&row)?;
                        self.put_page(url, PageRow { run: self.run, ..row }).await?;
                        return Ok(value);
                    }
                    _ => answer,
                }
            }
        };
        let recipe = self.store.recipe.clone();
        let (store, run) = (self.store.file.name.clone(), self.run);
        let (value, row) = tokio::task::spawn_blocking(move || {
            let (sha256, bytes) = (ContentId::of(&answer.body), Some(answer.body.len() as i64));
            let robots_tags = answer.robots_tags();
            let text = Text { body: decode(&answer.body), url: answer.url, robots_tags };
            let value = extract(&text);
            let extracted = serde_json::to_string(&value).expect("our own types have string keys and serialise");
            (value, PageRow { store, run, validators: answer.validators, sha256, bytes, recipe, extracted })
        })
        .await
        .map_err(|e| Error::Internal(format!("reading {url}: {e}")))?;
        self.put_page(url, row).await?;
        Ok(value)
    }

    async fn put_page(&self, url: &Url, row: PageRow) -> Result<(), Error> {
        let key = url.to_string();
        self.journal.with(move |journal| journal.put_page(&key, &row, Timestamp::now())).await
    }

    /// Render a page under the host's turn; where the browser ended is checked as every address is.
    async fn render(&self, url: &Url, browser: &mut Option<Browser>) -> Result<Rendered, ReadError> {
        let turn = self.fetcher.browser_turn(url, self.manners()).await?;
        let browser = match browser {
            Some(browser) => browser,
            None => {
                let fence = self.store.file.base.host_str().filter(|_| !self.store.file.allow_loopback);
                browser.insert(Browser::start(&self.config.user_agent, fence).await?)
            }
        };
        let listing = &self.store.file.listing;
        let rendered = browser.render(url, listing.ready.as_deref().unwrap_or(&listing.items)).await;
        match &rendered {
            Ok(_) => turn.answered(),
            Err(_) => turn.faulted(),
        }
        drop(turn);
        let rendered = rendered?;
        self.fetcher.check(&rendered.url, self.manners()).await?;
        Ok(rendered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf_8_is_read_as_latin_1() {
        assert_eq!(decode(b"\xef\xbb\xbfv\xc3\xa4ska"), "väska");
        assert_eq!(decode(b"v\xe4ska"), "väska");
    }
}
