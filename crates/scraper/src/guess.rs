//! A store's file from one of its pages: a first draft for a person to go on with.

use std::collections::BTreeMap;

use scraper::{Html, Selector};
use url::Url;

use crate::check::Visitor;
use crate::extract::{Listing, Syntax, links, page, shopify};
use crate::fetch::{FetchError, Manners};
use crate::{Error, charset};

/// Links to products that a listing has, at least.
const FEW: usize = 4;

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum GuessError {
    /// The page did not come.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The page came and says nothing that a draft could be made of.
    #[error("{url}: {what}")]
    Nothing {
        /// The page.
        url: String,
        /// What was looked for.
        what: String,
    },
}

impl GuessError {
    /// 69 where the shop was not reached, 3 where its page is not one to go on from.
    pub fn exit_code(&self) -> u8 {
        match self {
            GuessError::Fetch(FetchError::Fatal(e)) => Error::exit_code(e),
            GuessError::Fetch(FetchError::Refused(_)) => 2,
            GuessError::Fetch(e) if e.is_refusal() => 3,
            GuessError::Nothing { .. } => 3,
            GuessError::Fetch(_) => 69,
        }
    }
}

/// What a page of a shop let be guessed.
struct Guess {
    found: Vec<String>,
    source: &'static str,
    start: String,
    items: Option<String>,
    next: bool,
    example: Option<Listing>,
}

impl Visitor {
    /// Look at a listing of a shop (or at one of its products) and write a draft of a store's file: a feed, if there is one;
    /// else the links to products, and the structured data in the first of them.
    ///
    /// # Errors
    /// Exit 69 where the shop cannot be reached; 3 where robots.txt refuses, or no product was found.
    pub async fn guess(&self, url: &Url, manners: Manners) -> Result<String, GuessError> {
        let answer = self.page(url, manners).await?;
        let html = charset::decode(&answer.body, answer.content_type());
        let nothing = |what: String| GuessError::Nothing { url: url.to_string(), what };
        // A tree is not to be held while the network is waited for.
        let (own, groups, next) = {
            let document = page::parse(&html).map_err(nothing)?;
            let next = Selector::parse("link[rel~='next'], a[rel~='next']").expect("a valid selector");
            (
                products(&document, &answer.url),
                link_groups(&document, &answer.url),
                document.select(&next).next().is_some(),
            )
        };
        let mut guess = Guess {
            found: vec![format!("{url}: {} bytes", answer.body.len())],
            source: "structured",
            start: path_of(&answer.url),
            items: None,
            next,
            example: None,
        };
        if let Some(feed) = self.feed_beside(&answer.url, manners, &mut guess).await? {
            return Ok(draft(&feed, &answer.url, &guess, manners.allow_loopback));
        }
        if let Some((syntaxes, listing)) = own {
            guess.found.push(format!(
                "the page itself is a product's, by {syntaxes}; write into `start` where the listing is"
            ));
            guess.example = Some(listing);
            return Ok(draft(&answer.url, &answer.url, &guess, manners.allow_loopback));
        }
        for (selector, links) in groups.into_iter().take(3) {
            guess.found.push(format!("{} links by `{selector}`", links.len()));
            let product = match self.page(&links[0], manners).await {
                Ok(answer) => answer,
                Err(FetchError::Robots { .. } | FetchError::NoRobots { .. } | FetchError::Status { .. }) => continue,
                Err(e) => return Err(e.into()),
            };
            let html = charset::decode(&product.body, product.content_type());
            let document = page::parse(&html).map_err(nothing)?;
            if let Some((syntaxes, listing)) = products(&document, &product.url) {
                guess.found.push(format!("{}: a product by {syntaxes}", links[0]));
                (guess.items, guess.example) = (Some(selector), Some(listing));
                return Ok(draft(&answer.url, &answer.url, &guess, manners.allow_loopback));
            }
            guess.found.push(format!("{}: no structured data", links[0]));
        }
        let what = "found no Shopify feed, no structured data, and no links to pages with some; a listing that scripts fill needs \
                    `browser = true`, and one without structured data `source = \"css\"` with selectors: see configs/README.md";
        Err(nothing(what.into()))
    }

    /// The feed of this collection, or of the shop.
    async fn feed_beside(&self, url: &Url, manners: Manners, guess: &mut Guess) -> Result<Option<Url>, GuessError> {
        let is_collection = url.path().starts_with("/collections/");
        let shop = url.join("/").expect("an absolute path joins to every http address");
        for start in is_collection.then(|| url.clone()).into_iter().chain([shop]) {
            let feed = shopify::feed_url(&start, 1);
            let answer = match self.page(&feed, manners).await {
                Ok(answer) => answer,
                Err(e @ (FetchError::Robots { .. } | FetchError::Status { .. } | FetchError::TooLarge { .. })) => {
                    if is_collection {
                        guess.found.push(e.to_string());
                    }
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let text = charset::decode(&answer.body, answer.content_type());
            let Ok(products) = shopify::products(&text, &answer.url) else { continue };
            if products.is_empty() {
                continue;
            }
            guess.found.push(format!("{feed}: Shopify's feed, {} products on its first page", products.len()));
            guess.source = "shopify";
            guess.start = path_of(&start);
            guess.example = products.into_iter().flatten().find_map(|(_, listing)| listing.ok());
            return Ok(Some(start));
        }
        Ok(None)
    }
}

/// The page's product, and by which syntaxes.
fn products(document: &Html, url: &Url) -> Option<(String, Listing)> {
    let found: Vec<Syntax> = Syntax::ALL.into_iter().filter(|s| s.product(document, url).is_some()).collect();
    let listing = crate::extract::product_by(&found, document, url)?;
    Some((found.iter().map(|s| s.title()).collect::<Vec<_>>().join(", "), listing))
}

/// Links with a picture in them, by the way their addresses begin: those to products are the many that begin alike. The most
/// first.
fn link_groups(document: &Html, url: &Url) -> Vec<(String, Vec<Url>)> {
    let all = Selector::parse("a[href]:has(img), li a[href], article a[href]").expect("a valid selector");
    let base = links::base(document, url);
    let mut groups: BTreeMap<String, Vec<Url>> = BTreeMap::new();
    for link in document.select(&all).take(10_000) {
        let Some(mut address) = link.attr("href").and_then(|h| base.join(h.trim()).ok()) else { continue };
        address.set_fragment(None);
        let folder = address.path().rfind('/').map(|at| address.path()[..=at].to_string()).unwrap_or_default();
        let is_own = address.origin() == url.origin() && address.path() != url.path();
        // A quote would end the selector.
        if !is_own || folder.len() < 2 || folder.contains(['\'', '\\', '"']) {
            continue;
        }
        let group = groups.entry(format!("a[href*='{folder}']")).or_default();
        if !group.contains(&address) {
            group.push(address);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().filter(|(_, links)| links.len() >= FEW).collect();
    groups.sort_by_key(|(_, links)| std::cmp::Reverse(links.len()));
    groups
}

fn path_of(url: &Url) -> String {
    url.query().map_or_else(|| url.path().into(), |query| format!("{}?{query}", url.path()))
}

/// The file's text, with what was found as comments.
fn draft(start: &Url, page: &Url, guess: &Guess, allow_loopback: bool) -> String {
    let host = start.host_str().unwrap_or_default();
    let name = host.trim_start_matches("www.").trim_start_matches("shop.");
    let is_number = start.host().is_some_and(|h| !matches!(h, url::Host::Domain(_)));
    let name = if is_number { name } else { name.split('.').next().unwrap_or(name) };
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let mut out = String::new();
    let mut line = |text: String| {
        out += &text;
        out.push('\n');
    };
    let quoted = |text: &str| toml_string(text);
    line("# A draft by `goodtwin stores add`: look through it, then `goodtwin stores check`. What was found:".into());
    for found in &guess.found {
        line(format!("# - {}", one_line(found)));
    }
    line(format!("name = {}", quoted(&name)));
    line(format!("title = {}", quoted(host)));
    line("# `brand` for new goods, `second-hand` for worn ones.".into());
    let worn = guess.example.as_ref().and_then(|l| l.condition) == Some(goodtwin_core::Condition::SecondHand);
    line(format!("kind = \"{}\"", if worn { "second-hand" } else { "brand" }));
    line("verified = false".into());
    line(format!("base = {}", quoted(page.join("/").map(String::from).unwrap_or_default().as_str())));
    line(format!("start = [{}]", quoted(&guess.start)));
    line(format!("source = \"{}\"", guess.source));
    let example = guess.example.as_ref();
    let currency = example.and_then(|l| l.currency_beside().or(l.read_price(None).currency));
    match currency {
        Some(currency) => line(format!("currency = \"{currency}\"")),
        None => line("# Prices do not say their currency: write it here.\n# currency = \"EUR\"".into()),
    }
    if allow_loopback {
        line("allow_loopback = true".into());
    }
    if let Some(items) = &guess.items {
        line(String::new());
        line("[listing]".into());
        line(format!("items = {}", quoted(items)));
        if !guess.next {
            line(
                "# No link to a next listing was found (`rel=next`): if there is one, its selector.\n# next = \"\""
                    .into(),
            );
        }
    }
    if let Some(listing) = example {
        line(String::new());
        line("# The first product says:".into());
        let say = |what: &str, text: Option<&str>| text.map(|t| format!("#   {what}: {}", one_line(t)));
        let labels = (!listing.labels.is_empty()).then(|| listing.labels.join(" | "));
        let said = [
            say("name", listing.title.as_deref()),
            say("brand", listing.brand.as_deref()),
            say("price", listing.price.as_deref()),
            say("currency", listing.currency.as_deref()),
            say("picture", listing.images.first().map(String::as_str)),
            say("labels", labels.as_deref()),
        ];
        said.into_iter().flatten().for_each(line);
    }
    out
}

/// A stranger's text in a comment stays in it.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

fn toml_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => vec![' '],
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}
