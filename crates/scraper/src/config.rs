//! What people write in TOML: one file for a crawl, one a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goodtwin_core::{
    Aliases, BagType, Condition, ContentId, Currency, Error, Label, RatingBook, Result, Taxonomy, config,
};
use jiff::civil::Date;
use scraper::Selector;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::extract::Reading;
use crate::extract::css::{Css, CssFile};

/// A crawl, with all files that it names read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What we call ourselves, with the contact: `GoodTwin/0.1 (+mailto:...)`.
    pub user_agent: String,
    /// Where the journal and the pictures go.
    pub out: PathBuf,
    /// What Good On You says of brands.
    pub ratings: RatingBook,
    /// The file that says it.
    pub ratings_file: PathBuf,
    /// What words mean which type.
    pub taxonomy: Taxonomy,
    /// New items of brands below it are not kept.
    pub rating_floor: Label,
    /// Where Prometheus' text format is written at the end of a run, if anywhere.
    pub metrics: Option<PathBuf>,
    /// The stores, in the order of the file.
    pub stores: Vec<Store>,
}

/// A store.
#[derive(Clone, Debug)]
pub struct Store {
    /// What the file says.
    pub file: StoreFile,
    /// The time between two requests to one host: the crawl's, or the store's own if that is longer.
    pub delay: Duration,
    /// Names the extractor and all of the store's file: what was read from a page by another recipe is read anew.
    pub recipe: String,
    /// The selector of a listing's links to products.
    pub items: Selector,
    /// The selector of the link to the next listing.
    pub next: Selector,
    /// The selectors of `[css]`, for a store whose source they are.
    pub css: Option<Css>,
}

/// `configs/demo.toml` and its like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// The product token that robots.txt knows us by, and a version.
    user_agent: String,
    /// An address at which a shop reaches a person: `mailto:` or a page.
    contact: Option<String>,
    /// Where the journal and the pictures go, relative to the working folder.
    #[serde(default = "datasets")]
    out: PathBuf,
    /// JSON lines, relative to this file.
    ratings: PathBuf,
    /// Where Prometheus' text format goes, relative to the working folder.
    metrics: Option<PathBuf>,
    /// Other names of brands: TOML, relative to this file.
    aliases: Option<PathBuf>,
    /// TOML, relative to this file.
    taxonomy: PathBuf,
    #[serde(default = "its_a_start")]
    rating_floor: Label,
    /// Seconds between two requests to one host.
    #[serde(default = "one_second")]
    delay: f64,
    /// Store files, relative to this file.
    stores: Vec<PathBuf>,
}

/// `configs/stores/*.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreFile {
    /// Short, for ids and for the command line: lower-case letters, digits, `-`.
    pub name: String,
    /// What the store calls itself.
    pub title: String,
    /// What it sells: its own brand's or others' new goods (`brand`), or worn ones (`second-hand`).
    #[serde(alias = "condition")]
    pub kind: Kind,
    /// Whether its goods may be offered as twins. What a conventional store sells is for evaluation only.
    #[serde(default)]
    pub ethics: Ethics,
    /// The day on which `goodtwin stores check` found all that it needs, or `false`: nobody has tried this file on the store.
    #[serde(default)]
    pub verified: Verified,
    /// The brand of items that do not say: for a store that sells its own alone.
    pub brand: Option<String>,
    /// Its front page.
    pub base: Url,
    /// Where its listings start, relative to `base`. For a Shopify feed: the shop or a collection.
    #[serde(default = "front_page")]
    pub start: Vec<String>,
    /// How its items are found.
    pub source: Source,
    /// For `structured`: how its listings are read.
    #[serde(default)]
    pub listing: ListingFile,
    /// The currency of prices that do not say.
    pub currency: Option<Currency>,
    /// The language and country that it writes for, such as `en-US`: says what stands before decimals.
    pub locale: Option<String>,
    /// `.` or `,`: what stands before decimals, where that is not plain.
    pub decimal_separator: Option<char>,
    /// Seconds between two requests to one host; the crawl's delay counts if it is longer.
    pub delay: Option<f64>,
    /// The store's own words for types, in any language: label to type. They count before the taxonomy.
    #[serde(default)]
    pub labels: BTreeMap<String, BagType>,
    /// For `css`: the selectors of a product page's fields. What they leave open, structured data says.
    #[serde(default)]
    pub css: CssFile,
    /// For tests: the store may be on this machine.
    #[serde(default)]
    pub allow_loopback: bool,
}

/// How a store's items are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Shopify's `products.json`.
    Shopify,
    /// Listings that link to product pages with JSON-LD, microdata or Open Graph.
    Structured,
    /// Listings that link to product pages, read by the selectors of `[css]` first.
    Css,
}

/// What a store sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// New goods.
    #[serde(alias = "new")]
    Brand,
    /// Worn goods, of any brand.
    SecondHand,
}

/// Whether a store is one that GoodTwin sends people to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ethics {
    /// Its goods may be twins, if their brand's rating allows.
    #[default]
    Sustainable,
    /// Its goods are asked about in evaluations and are never offered.
    Conventional,
}

/// Whether a store's file was tried on the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenVerified", into = "WrittenVerified")]
pub enum Verified {
    /// `false`: no.
    #[default]
    No,
    /// On this day, as far as `goodtwin stores check` sees.
    On(Date),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenVerified {
    Is(bool),
    On(String),
}

impl TryFrom<WrittenVerified> for Verified {
    type Error = String;

    fn try_from(written: WrittenVerified) -> Result<Self, String> {
        match written {
            WrittenVerified::Is(false) => Ok(Verified::No),
            WrittenVerified::Is(true) => {
                Err("verified = true: expected `false`, or the day, such as \"2026-11-01\"".into())
            }
            WrittenVerified::On(day) => {
                let date =
                    day.parse().map_err(|_| format!("verified = \"{day}\": expected a day such as \"2026-11-01\""));
                date.map(Verified::On)
            }
        }
    }
}

impl From<Verified> for WrittenVerified {
    fn from(verified: Verified) -> Self {
        match verified {
            Verified::No => WrittenVerified::Is(false),
            Verified::On(day) => WrittenVerified::On(day.to_string()),
        }
    }
}

impl StoreFile {
    /// New or second-hand, as far as an item does not say otherwise.
    pub fn condition(&self) -> Condition {
        match self.kind {
            Kind::Brand => Condition::New,
            Kind::SecondHand => Condition::SecondHand,
        }
    }

    /// What stands before decimals in prices that people see, if the file says.
    pub fn separator(&self) -> Option<char> {
        self.decimal_separator.or_else(|| self.locale.as_deref().and_then(decimal_separator))
    }
}

/// What stands before decimals where a locale is written, such as `sv-SE`; nothing for a language that is not known.
fn decimal_separator(locale: &str) -> Option<char> {
    let (language, country) = locale.split_once(['-', '_']).unwrap_or((locale, ""));
    match (language.to_ascii_lowercase().as_str(), country.to_ascii_uppercase().as_str()) {
        ("de" | "fr" | "it", "CH" | "LI") | ("es", "MX" | "US") => Some('.'),
        ("en", "ZA") => Some(','),
        ("en" | "ja" | "ko" | "zh" | "he" | "th" | "hi", _) => Some('.'),
        (
            "de" | "fr" | "it" | "es" | "sv" | "da" | "nb" | "nn" | "no" | "nl" | "pt" | "pl" | "fi" | "cs" | "sk"
            | "hu" | "ro" | "bg" | "el" | "ru" | "uk" | "tr" | "lt" | "lv" | "et" | "hr" | "sl" | "is",
            _,
        ) => Some(','),
        _ => None,
    }
}

/// How a store's listings are read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListingFile {
    /// CSS selector of the links to products.
    pub items: String,
    /// CSS selector of the link to the next listing.
    pub next: String,
    /// The listing is made by JavaScript: render it in a browser, which reaches the store's host and those below it alone.
    pub browser: bool,
    /// CSS selector that matches once the browser has rendered everything; that of the items, if there is none.
    pub ready: Option<String>,
}

impl Default for ListingFile {
    fn default() -> Self {
        ListingFile {
            items: "a[href*='/product']".into(),
            next: "link[rel~='next'], a[rel~='next']".into(),
            browser: false,
            ready: None,
        }
    }
}

fn datasets() -> PathBuf {
    "datasets".into()
}

fn its_a_start() -> Label {
    Label::ItsAStart
}

fn one_second() -> f64 {
    1.0
}

fn front_page() -> Vec<String> {
    vec!["/".into()]
}

/// Who asks: what of a crawl's file is needed to look at a store without scraping it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What we call ourselves, with the contact.
    pub user_agent: String,
    /// The least time between two requests to one host.
    pub delay: Duration,
    /// What words mean which type.
    pub taxonomy: Taxonomy,
}

impl Identity {
    /// Read it from a crawl's file; `contact` counts before the file's.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(path: &Path, contact: Option<&str>) -> Result<Self> {
        let mut file: ConfigFile = config::load(path)?;
        file.contact = contact.map(String::from).or(file.contact);
        let (user_agent, delay) = file
            .who("; or give it by --contact")
            .map_err(|what| Error::Usage(format!("{}: {what}", path.display())))?;
        Ok(Identity {
            user_agent,
            delay,
            taxonomy: Taxonomy::load(&path.parent().unwrap_or(Path::new("")).join(&file.taxonomy))?,
        })
    }
}

impl ConfigFile {
    /// The whole user agent, and the delay; `or_else` is how a contact may be given that the file lacks.
    fn who(&self, or_else: &str) -> Result<(String, Duration), String> {
        let contact = self.contact.as_deref().unwrap_or_default().trim();
        if contact.is_empty() {
            return Err(format!(
                "no `contact`: expected an address at which a shop reaches a person, such as \"mailto:crawl@example.org\"{or_else}"
            ));
        }
        if crate::robots::product_token(&self.user_agent).is_empty() {
            return Err(format!(
                "user_agent = \"{}\": expected a name of letters, such as \"GoodTwin/0.1\"",
                self.user_agent
            ));
        }
        let delay = seconds(self.delay).map_err(|e| format!("delay = {}: {e}", self.delay))?;
        Ok((format!("{} (+{contact})", self.user_agent.trim()), delay))
    }
}

impl Config {
    /// Refuse stores whose files nobody has tried on them: a scrape that was not asked for them by name would come back with
    /// nothing, or with nonsense. A store on this machine is a test's.
    ///
    /// # Errors
    /// [`Error::Usage`] that names them, and what to do.
    pub fn refuse_unverified(&self) -> Result<()> {
        let untried = |s: &&Store| s.file.verified == Verified::No && !s.file.allow_loopback;
        let names: Vec<&str> = self.stores.iter().filter(untried).map(|s| s.file.name.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "not verified: {}. Try a file on its store by `goodtwin stores check NAME`, which writes the day into it; or ask for a \
             store by its name, `--store NAME`",
            names.join(", ")
        )))
    }

    /// Refuse a book of ratings without a rating where a store sells what is rated, new goods that may be offered: a scrape would
    /// find none of them good enough, and empty the manifest of them.
    ///
    /// # Errors
    /// As [`RatingBook::refuse_empty`].
    pub fn refuse_no_ratings(&self) -> Result<()> {
        let is_rated = |file: &StoreFile| file.condition() == Condition::New && file.ethics != Ethics::Conventional;
        match self.stores.iter().any(|store| is_rated(&store.file)) {
            true => self.ratings.refuse_empty(&self.ratings_file),
            false => Ok(()),
        }
    }

    /// Read a crawl's file and all that it names. Of the stores, only those in `only`, if there are any.
    ///
    /// # Errors
    /// Exit 2 for what a person wrote, with file, key and what was expected; exit 65 for ratings that cannot be read.
    pub fn load(path: &Path, only: &[String]) -> Result<Self> {
        let file: ConfigFile = config::load(path)?;
        let wrong = |what: String| Error::Usage(format!("{}: {what}", path.display()));
        let (user_agent, delay) = file.who("").map_err(wrong)?;
        if file.stores.is_empty() {
            return Err(wrong("stores = []: expected at least one store's file".into()));
        }
        let beside = |p: &PathBuf| path.parent().unwrap_or(Path::new("")).join(p);
        let mut stores: Vec<Store> = Vec::new();
        for store in &file.stores {
            let store_path = beside(store);
            if !store_path.is_file() {
                let near = near_file(&store_path).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(wrong(format!("`stores` names {}: no such file{near}", store_path.display())));
            }
            let store = Store::load(&store_path, delay)?;
            if stores.iter().any(|s| s.file.name == store.file.name) {
                return Err(wrong(format!(
                    "two stores are called `{}`: expected a name for one each",
                    store.file.name
                )));
            }
            stores.push(store);
        }
        for name in only {
            if !stores.iter().any(|s| &s.file.name == name) {
                let names: Vec<&str> = stores.iter().map(|s| s.file.name.as_str()).collect();
                let hint = config::nearest(name, names.iter().copied());
                let hint = hint.map_or_else(|| ".".into(), |n| format!("; did you mean `{n}`?"));
                return Err(wrong(format!("there is no store `{name}`{hint} Stores: {}", names.join(", "))));
            }
        }
        if !only.is_empty() {
            stores.retain(|s| only.contains(&s.file.name));
        }
        let ratings_file = beside(&file.ratings);
        let aliases = file.aliases.as_ref().map(|path| Aliases::load(&beside(path))).transpose()?.unwrap_or_default();
        Ok(Config {
            user_agent,
            out: file.out,
            ratings: RatingBook::load(&ratings_file)?.with_aliases(aliases),
            ratings_file,
            taxonomy: Taxonomy::load(&beside(&file.taxonomy))?,
            rating_floor: file.rating_floor,
            metrics: file.metrics,
            stores,
        })
    }
}

/// The TOML file in the same folder whose name is most like this one's.
fn near_file(path: &Path) -> Option<String> {
    let entries = std::fs::read_dir(path.parent()?).ok()?;
    let mut names: Vec<String> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".toml"));
    names.sort();
    config::nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str)).map(String::from)
}

impl Config {
    /// Names all that decides what becomes of an item: with another id, items are looked at anew.
    pub fn id(&self) -> ContentId {
        let stores: Vec<&str> = self.stores.iter().map(|s| s.recipe.as_str()).collect();
        let ratings: (Vec<_>, Vec<_>) = (self.ratings.iter().collect(), self.ratings.aliases().iter().collect());
        ContentId::of_json(&(stores, ratings, self.rating_floor, format!("{:?}", self.taxonomy)))
    }
}

impl Store {
    /// How its product pages are read, by a crawler of this name.
    pub fn reading(&self, agent: &str) -> Reading {
        Reading { agent: agent.into(), separator: self.file.separator(), css: self.css.clone() }
    }

    /// Read a store's file.
    pub fn load(path: &Path, least_delay: Duration) -> Result<Self> {
        let file: StoreFile = config::load(path)?;
        Store::new(file, least_delay).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))
    }

    /// Check what a store's file says.
    ///
    /// # Errors
    /// The key, its value, and what was expected.
    pub fn new(file: StoreFile, least_delay: Duration) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if file.name.is_empty() || !file.name.chars().all(plain) {
            return Err(format!("name = \"{}\": expected lower-case letters, digits and `-`", file.name));
        }
        crate::guard::check_url(&file.base, file.allow_loopback)
            .map_err(|e| format!("base = \"{}\": {e}", file.base))?;
        if let Some(sign) = file.decimal_separator.filter(|s| !matches!(s, '.' | ',')) {
            return Err(format!("decimal_separator = \"{sign}\": expected \".\" or \",\""));
        }
        if let Some(locale) = file.locale.as_deref().filter(|l| decimal_separator(l).is_none()) {
            return Err(format!("locale = \"{locale}\": expected a language and a country, such as \"en-US\""));
        }
        for start in &file.start {
            file.base.join(start).map_err(|e| format!("start = \"{start}\": {e}"))?;
        }
        let own = file.delay.map(seconds).transpose().map_err(|e| format!("delay: {e}"))?;
        let selector = crate::extract::selector;
        if let Some(ready) = &file.listing.ready {
            selector("ready", ready)?;
        }
        let css = (file.source == Source::Css).then(|| Css::new(&file.css)).transpose()?;
        // That somebody looked at it changes nothing about how a store is read.
        let json = serde_json::to_vec(&StoreFile { verified: Verified::No, ..file.clone() })
            .expect("our own types have string keys and serialise");
        Ok(Store {
            delay: own.unwrap_or_default().max(least_delay),
            recipe: format!("{EXTRACTOR}-{}", ContentId::of(json).short()),
            items: selector("items", &file.listing.items)?,
            next: selector("next", &file.listing.next)?,
            css,
            file,
        })
    }
}

/// Raised when pages are read differently than before.
const EXTRACTOR: u32 = 4;

fn seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|d| *d <= Duration::from_secs(3600))
        .ok_or_else(|| "expected seconds between 0 and 3600".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "name = 'a'\ntitle = 'A'\ncondition = 'new'\nbase = 'https://a.example/'\nsource = 'shopify'\n";

    fn load(crawl: &str, store: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.toml"), store).unwrap();
        std::fs::write(dir.path().join("ratings.jsonl"), "").unwrap();
        std::fs::write(dir.path().join("taxonomy.toml"), "[types.tote]\nwords = ['shopper']\n").unwrap();
        let path = dir.path().join("crawl.toml");
        std::fs::write(&path, crawl).unwrap();
        Config::load(&path, &[])
    }

    fn crawl(change: &str) -> String {
        format!(
            "user_agent = 'GoodTwin/0.1'\nratings = 'ratings.jsonl'\ntaxonomy = 'taxonomy.toml'\nstores = ['a.toml']\n{change}"
        )
    }

    #[test]
    fn a_whole_config_is_read() {
        let config = load(&crawl("contact = 'mailto:a@example.org'\ndelay = 2.5"), STORE).unwrap();
        assert_eq!(config.user_agent, "GoodTwin/0.1 (+mailto:a@example.org)");
        assert_eq!(config.rating_floor, Label::ItsAStart);
        assert_eq!(config.stores[0].delay, Duration::from_millis(2500));
        let said = config.refuse_no_ratings().unwrap_err().to_string();
        assert!(said.contains("ratings.jsonl: there is no rating in it"), "{said}");
    }

    #[test]
    fn who_looks_at_a_store_may_give_a_contact_that_the_crawls_file_lacks() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("taxonomy.toml"), "[types.tote]\nwords = ['shopper']\n").unwrap();
        let path = dir.path().join("crawl.toml");
        std::fs::write(&path, crawl("")).unwrap();
        let said = Identity::load(&path, None).unwrap_err().to_string();
        assert!(said.contains("no `contact`: ") && said.ends_with("; or give it by --contact"), "{said}");
        assert!(Identity::load(&path, Some("mailto:a@example.org")).unwrap().user_agent.contains("a@example.org"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        let contact = "contact = 'mailto:a@example.org'\n";
        for (change, store, expected) in [
            ("", STORE.to_string(), "no `contact`: expected an address"),
            (&format!("{contact}delay = -1"), STORE.into(), "delay = -1: expected seconds"),
            (&format!("{contact}delay = 'a'"), STORE.into(), "crawl.toml: line 6: `delay` is \"a\": expected a number"),
            (&format!("{contact}rating_flor = 'Good'"), STORE.into(), "did you mean `rating_floor`?"),
            (contact, format!("{STORE}shelf = 1"), "line 6: unknown key `shelf`"),
            (contact, STORE.replace("https://a.example/", "http://127.0.0.1:8471/"), "loopback, private"),
            (contact, STORE.replace("'a'", "'A b'"), "name = \"A b\": expected lower-case"),
            (contact, format!("{STORE}decimal_separator = ';'"), "expected \".\" or \",\""),
            (contact, format!("{STORE}[listing]\nitems = 'a['"), "expected a CSS selector"),
        ] {
            let error = load(&crawl(change), &store).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_stores_file_that_is_missing_is_named_with_the_crawl_that_names_it() {
        let text = crawl("contact = 'mailto:a@example.org'\n").replace("a.toml", "aa.toml");
        let error = load(&text, STORE).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        assert!(
            said.contains("crawl.toml: `stores` names ") && said.contains("aa.toml: no such file; did you"),
            "{said}"
        );
        assert!(said.ends_with("did you mean `a.toml`?"), "{said}");
    }
}
