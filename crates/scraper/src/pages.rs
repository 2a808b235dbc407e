//! Reading a page: from the journal, if this run has read it or it has not changed; else from the shop, by HTTP or in a
//! browser. What was read is in the journal before it is used.

use goodtwin_core::ContentId;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::browser::{Browser, BrowserError, Rendered};
use crate::extract::links::Links;
use crate::extract::shopify::Entry;
use crate::extract::{Listing, Reading, read_product_page, refuses_ai};
use crate::fetch::{Answer, FetchError};
use crate::journal::fetched::{PageRow, Validators};
use crate::quarantine;
use crate::store_run::StoreRun;
use crate::{Error, charset};

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Browser(BrowserError),
}

impl From<BrowserError> for ReadError {
    fn from(error: BrowserError) -> Self {
        match error {
            BrowserError::Fetch(error) => ReadError::Fetch(error),
            other => ReadError::Browser(other),
        }
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        ReadError::Fetch(error.into())
    }
}

/// What is read from a page.
pub(crate) trait FromPage: Serialize + DeserializeOwned + Send + 'static {
    /// What the page is read as. One address may be read as two things: a listing that names itself, or a product's page that
    /// became a listing. What was read as one says nothing of the other.
    const KIND: &'static str;

    /// Whether a person should look at the page.
    fn is_doubtful(&self) -> bool {
        false
    }
}

impl FromPage for Links {
    const KIND: &'static str = "listing";
}

impl FromPage for Result<Vec<Vec<Entry>>, String> {
    const KIND: &'static str = "feed";
}

impl FromPage for Result<Option<Listing>, String> {
    const KIND: &'static str = "product";

    fn is_doubtful(&self) -> bool {
        matches!(self, Ok(Some(listing)) if !listing.conflicts.is_empty())
    }
}

/// A page as its extractor gets it.
pub(crate) struct Text {
    pub body: String,
    pub url: Url,
    pub robots_tags: Vec<String>,
}

/// The product of a page, which asks machines that learn to keep away if the page's headers do.
pub(crate) fn product(text: &Text, reading: &Reading) -> Result<Option<Listing>, String> {
    let mut listing = read_product_page(&text.body, &text.url, reading)?;
    if let Some(listing) = &mut listing
        && text.robots_tags.iter().any(|tag| refuses_ai(tag, &reading.agent))
    {
        listing.no_ai = true;
        listing.others.iter_mut().for_each(|other| other.no_ai = true);
    }
    Ok(listing)
}

impl StoreRun<'_> {
    /// What a page says: from the journal if this run has read it, or if it has not changed; else from the shop.
    pub(crate) async fn page<T: FromPage>(
        &self,
        url: &Url,
        browser: Option<&mut Option<Browser>>,
        extract: impl FnOnce(&Text) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let key = url.to_string();
        let known = self.journal.look(move |journal| journal.page(&key)).await?;
        let recipe = self.recipe::<T>();
        // What cannot be read back is as good as not there: the page is asked for whole.
        let read_back = |row: PageRow| Some((serde_json::from_str::<T>(&row.extracted).ok()?, row));
        let known = match known.filter(|row| row.recipe == recipe).and_then(read_back) {
            Some((value, row)) if row.run == self.run => return Ok(value),
            known => known,
        };
        let answer = match browser {
            Some(browser) => {
                let rendered = self.render(url, browser).await?;
                Answer {
                    url: rendered.url,
                    not_modified: false,
                    body: rendered.html.into(),
                    validators: Validators::default(),
                    // What a browser hands over is text already.
                    headers: [(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))]
                        .into_iter()
                        .collect(),
                }
            }
            None => {
                let validators = known.as_ref().map(|(_, row)| row.validators.clone()).unwrap_or_default();
                let answer = self.fetcher.page(url, self.manners(), &validators).await?;
                match known {
                    Some((value, row)) if answer.not_modified => {
                        self.put_page(url, PageRow { run: self.run, ..row }).await?;
                        return Ok(value);
                    }
                    _ => answer,
                }
            }
        };
        let (value, row) = self.understand(url, answer, extract).await?;
        self.put_page(url, row).await?;
        Ok(value)
    }

    /// What a page says that a browser should have rendered, as it comes by HTTP. It may say less, so it does not go into the
    /// journal: the next run tries the browser again.
    pub(crate) async fn page_as_it_comes<T: FromPage>(
        &self,
        url: &Url,
        extract: impl FnOnce(&Text) -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let answer = self.fetcher.page(url, self.manners(), &Validators::default()).await?;
        Ok(self.understand(url, answer, extract).await?.0)
    }

    /// Off the threads that serve the network.
    async fn understand<T: FromPage>(
        &self,
        url: &Url,
        answer: Answer,
        extract: impl FnOnce(&Text) -> T + Send + 'static,
    ) -> Result<(T, PageRow), Error> {
        let recipe = self.recipe::<T>();
        let (store, run) = (self.store.file.name.clone(), self.run);
        let out = self.config.out.clone();
        tokio::task::spawn_blocking(move || {
            let (sha256, bytes) = (ContentId::of(&answer.body), Some(answer.body.len() as i64));
            let robots_tags = answer.robots_tags();
            let body = charset::decode(&answer.body, answer.content_type());
            let text = Text { body, url: answer.url, robots_tags };
            let value = extract(&text);
            // Before its row: a row that tells of a contradiction says that the page is there to be looked at.
            if value.is_doubtful() {
                quarantine::keep(&out, &sha256, &answer.body)?;
            }
            let extracted = serde_json::to_string(&value).expect("our own types have string keys and serialise");
            let row = PageRow { store, run, validators: answer.validators, sha256, bytes, recipe, extracted };
            Ok::<_, goodtwin_core::Error>((value, row))
        })
        .await
        .map_err(|e| Error::Internal(format!("reading {url}: {e}")))?
        .map_err(Error::from)
    }

    /// Names the extractor and the store's file, and what a page is read as.
    fn recipe<T: FromPage>(&self) -> String {
        format!("{}/{}", self.store.recipe, T::KIND)
    }

    async fn put_page(&self, url: &Url, row: PageRow) -> Result<(), Error> {
        let key = url.to_string();
        self.journal.with(move |journal| journal.put_page(&key, &row, Timestamp::now())).await
    }

    /// Render a page, in a second browser if the first one dies over it.
    async fn render(&self, url: &Url, browser: &mut Option<Browser>) -> Result<Rendered, ReadError> {
        // Before a browser is started: what may not be asked needs none.
        self.fetcher.check(url, self.manners()).await?;
        match self.render_once(url, browser).await {
            Err(BrowserError::Render { reason, .. }) => {
                tracing::warn!(%url, %reason, "another browser is tried");
                Ok(self.render_once(url, browser).await?)
            }
            done => Ok(done?),
        }
    }

    /// A browser that does not deliver is of no more use, and goes.
    async fn render_once(&self, url: &Url, kept: &mut Option<Browser>) -> Result<Rendered, BrowserError> {
        let host = self.store.file.base.host_str().unwrap_or_default();
        let mut browser = match kept.take() {
            Some(browser) => browser,
            None => Browser::start(&self.config.user_agent, host).await?,
        };
        let listing = &self.store.file.listing;
        let ready = listing.ready.as_deref().unwrap_or(&listing.items);
        let fetch = async |url: &Url| self.fetcher.page(url, self.manners(), &Validators::default()).await;
        let rendered = browser.render(url, ready, fetch).await;
        match &rendered {
            Ok(_) => *kept = Some(browser),
            Err(_) => browser.close().await,
        }
        rendered
    }
}
