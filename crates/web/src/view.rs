//! What the templates show: plain strings, worked out here; askama escapes every one of them.

use std::collections::BTreeSet;

use askama::Template;
use goodtwin_core::{Availability, BagType, Condition, ContentId, Exchange, Item, Label, Rating, Row};
use goodtwin_inference::Twin;
use rust_decimal::Decimal;
use url::Url;

use crate::App;
use crate::filters::{Asked, FilterForm, Wrong, currencies};
use crate::queries::Query;
use crate::words::{capital, day, grouped, money, quoted, web_address, with_article};

/// `GET /`
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home {
    upload_mib: usize,
    items: String,
    stores: usize,
    samples: Vec<Picture>,
}

/// Pictures of the catalogue on the home page.
const SAMPLES: usize = 12;

impl Home {
    /// The home page, with pictures from all over the catalogue.
    pub fn new(app: &App) -> Self {
        let items: Vec<&Row> = app.catalog.items().collect();
        let stores: BTreeSet<_> = items.iter().filter_map(|row| row.item.as_ref()).map(|item| &item.store).collect();
        let every = items.len().div_ceil(SAMPLES).max(1);
        Home {
            upload_mib: app.config.upload_mib,
            items: grouped(Decimal::from(items.len()), 0),
            stores: stores.len(),
            samples: items.iter().step_by(every).map(|row| Picture::new(row, &FilterForm::default())).collect(),
        }
    }
}

/// `GET /about`
#[derive(Template)]
#[template(path = "about.html")]
pub struct About {
    labels: Vec<Stars>,
    rates_as_of: String,
    rates_source: String,
    catalog: String,
    model: String,
}

impl About {
    /// What the rating and the similarity mean, and what happens to photos.
    pub fn new(app: &App) -> Self {
        let manifest = &app.catalog.manifest;
        About {
            labels: Label::ALL.into_iter().rev().map(Stars::new).collect(),
            rates_as_of: day(app.config.exchange.as_of),
            rates_source: app.config.exchange.source.clone(),
            catalog: manifest.id.short().into(),
            model: manifest.parents.model.short().into(),
        }
    }
}

/// What twins are shown of.
pub struct Subject {
    /// The address of its page, without filters.
    path: String,
    /// The address of its picture.
    picture: String,
    /// What the picture shows, for those who do not see it.
    alt: String,
    /// A headline.
    title: String,
    /// What the network takes it for, when it is fairly sure.
    looks_like: Option<BagType>,
}

/// From this probability on the page says what it takes a photo for.
const FAIRLY_SURE: f32 = 0.6;

impl Subject {
    /// A shopper's photo.
    pub fn photo(id: &str, query: &Query) -> Self {
        let likely = query.looks_like.first().filter(|guess| guess.probability >= FAIRLY_SURE);
        Subject {
            path: format!("/twins/{id}"),
            picture: format!("/twins/{id}/photo.jpg"),
            alt: "Your photo".into(),
            title: "Twins of your photo".into(),
            looks_like: likely.map(|guess| guess.bag_type.clone()),
        }
    }

    /// A picture of the catalogue.
    pub fn picture(row: &Row) -> Self {
        let title = Twin { score: 1.0, row }.title();
        Subject {
            path: like(row),
            picture: thumbnail(&row.sha256),
            alt: title.clone(),
            title: format!("Twins of {title}"),
            looks_like: None,
        }
    }
}

/// `GET /twins/{id}`, `GET /like/{picture}` and `GET /like/{picture}/{item}`
#[derive(Template)]
#[template(path = "results.html")]
pub struct Results {
    subject: Subject,
    looks_like: Option<LooksLike>,
    form: FilterForm,
    currencies: Vec<Choice>,
    types: Vec<Choice>,
    ratings: Vec<Choice>,
    conditions: Vec<Choice>,
    colours: Vec<Choice>,
    offers: bool,
    wrong: Vec<Wrong>,
    twins: Vec<Card>,
    more: Option<String>,
    without: Option<Without>,
    rates_as_of: String,
}

/// How many twins there would be without the price filter, and without any.
pub struct Without {
    /// Without the price filter.
    pub price: usize,
    /// Without any.
    pub filters: usize,
}

/// What the network takes a photo for, and the address of those twins alone.
struct LooksLike {
    noun: String,
    only: String,
}

/// An option of a form's list.
struct Choice {
    value: String,
    text: String,
    chosen: bool,
}

/// The labels that may be asked for, best first. One of the others, from an address, is kept as it is.
fn ratings(asked: Option<Label>) -> Vec<Choice> {
    let mut offered = vec![Label::Great, Label::Good, Label::ItsAStart];
    offered.extend(asked.filter(|label| !offered.contains(label)));
    let text = |label: Label| if label == Label::Great { label.to_string() } else { format!("{label} or better") };
    let choice = |label: Label| Choice { value: label.slug().into(), text: text(label), chosen: asked == Some(label) };
    offered.into_iter().map(choice).collect()
}

/// Whether a score says that it is the same picture: the embeddings' cosine is 1 but for rounding. The colours' part of a score
/// does not say so, since many bags have the same colours. Lesser scores only order the twins: how alike two bags are whose
/// embeddings have a cosine of 0.3 depends on what the network learnt from, and in per cent it would read as a poor match.
fn same_picture(score: f32, colour_weight: f32) -> bool {
    const ROUNDING: f32 = 1e-4;
    let shape = 1.0 - colour_weight;
    shape > 0.0 && 1.0 - score <= ROUNDING * shape
}

/// How much colours may count, and in words. A weight of somebody's own, from an address, is kept as it is.
fn colours(given: &str, weight: f32) -> Vec<Choice> {
    let offered = [("", "Any", 0.0), ("0.25", "Alike", 0.25), ("0.5", "Very alike", 0.5)];
    let choice =
        |(value, text, of): (&str, &str, f32)| Choice { value: value.into(), text: text.into(), chosen: of == weight };
    let mut choices: Vec<Choice> = offered.map(choice).into();
    if !choices.iter().any(|choice| choice.chosen) {
        let text = format!("Counts {:.0} %", 100.0 * weight);
        choices.push(Choice { value: given.trim().into(), text, chosen: true });
    }
    choices
}

impl Results {
    /// The page of twins.
    pub fn new(
        app: &App,
        subject: Subject,
        form: &FilterForm,
        asked: &Asked,
        twins: &[Twin<'_>],
        more: bool,
        without: Option<Without>,
    ) -> Self {
        let exchange = &app.config.exchange;
        let choice = |value: &str, text: String, chosen: bool| Choice { value: value.into(), text, chosen };
        let filters = &asked.filters;
        let looks_like = subject.looks_like.as_ref().filter(|_| filters.bag_type.is_none());
        Results {
            looks_like: looks_like.map(|bag_type| LooksLike {
                noun: with_article(&bag_type.title()),
                only: filtered(&subject.path, &FilterForm { bag_type: bag_type.to_string(), ..from_the_first(form) }),
            }),
            form: form.clone(),
            currencies: (currencies(exchange).iter())
                .map(|c| choice(c.code(), c.to_string(), *c == asked.currency))
                .collect(),
            types: (app.catalog.types().into_iter())
                .map(|(t, n)| {
                    choice(t.as_str(), format!("{} ({n})", capital(&t.title())), filters.bag_type.as_ref() == Some(t))
                })
                .collect(),
            ratings: ratings(filters.min_rating),
            conditions: [Condition::New, Condition::SecondHand]
                .map(|c| choice(&c.to_string(), capital(&c.to_string()), filters.condition == Some(c)))
                .into(),
            colours: colours(&form.colour, asked.colour_weight),
            offers: app.catalog.items().any(|row| row.item.is_some()),
            wrong: (asked.wrong.iter())
                .map(|wrong| Wrong { field: wrong.field, what: capital(&quoted(&wrong.what)) })
                .collect(),
            twins: twins.iter().map(|twin| Card::new(twin, form, asked, exchange)).collect(),
            more: more.then(|| more_address(&subject.path, form, asked.show, app.config.page_size)),
            without,
            rates_as_of: day(exchange.as_of),
            subject,
        }
    }

    /// Marks a field that is wrong, and says by what it is explained.
    fn mark(&self, field: &str) -> String {
        let is_wrong = self.wrong.iter().any(|wrong| wrong.field == field);
        if is_wrong { format!(" aria-invalid=\"true\" aria-describedby=\"wrong-{field}\"") } else { String::new() }
    }

    /// The same filters but for the price.
    fn without_price(&self) -> String {
        filtered(&self.subject.path, &FilterForm { max_price: String::new(), ..self.form.clone() })
    }
}

/// One twin on the page.
struct Card {
    picture: Picture,
    title: String,
    href: Option<String>,
    brand: Option<String>,
    kind: String,
    family: Option<String>,
    shop: Option<String>,
    price: Option<String>,
    converted: Option<String>,
    /// The amount in the currency of the form, for scripts and tests.
    amount: Option<String>,
    rating: Option<RatingView>,
    offer: bool,
    second_hand: bool,
    sold_out: bool,
    same_picture: bool,
    score: String,
}

struct Picture {
    src: String,
    like: String,
    alt: String,
}

struct RatingView {
    stars: Stars,
    as_of: String,
    as_of_iso: String,
    source: String,
    href: Option<String>,
}

/// One of the five labels, with as many dots of five as it is worth.
struct Stars {
    words: &'static str,
    slug: &'static str,
    full: &'static str,
    empty: &'static str,
}

impl Stars {
    fn new(label: Label) -> Self {
        let worth = 1 + Label::ALL.iter().position(|l| *l == label).expect("ALL has all labels");
        const DOTS: &str = "●●●●●";
        let (full, empty) = DOTS.split_at(worth * '●'.len_utf8());
        Stars { words: label.words(), slug: label.slug(), full, empty }
    }
}

impl Picture {
    /// A picture that leads to its own twins, under the filters that are set.
    fn new(row: &Row, form: &FilterForm) -> Self {
        let twin = Twin { score: 1.0, row };
        let title = twin.title();
        let colour = row.item.as_ref().and_then(|i| i.colour.as_deref()).or(row.colour.as_deref());
        let brand = twin.brand().filter(|brand| !begins_with(&title, brand));
        let by = brand.map(|b| format!(" by {b}")).unwrap_or_default();
        let colour = colour.map(|c| format!(", {c}")).unwrap_or_default();
        Picture {
            src: thumbnail(&row.sha256),
            like: filtered(&like(row), &from_the_first(form)),
            alt: format!("{title}{by}{colour}"),
        }
    }
}

/// Whether a title begins with a brand's name.
fn begins_with(title: &str, brand: &str) -> bool {
    let (title, brand) = (title.to_lowercase(), brand.to_lowercase());
    title.strip_prefix(&brand).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// The shop that sells an item, as shoppers know it: by its web address, or else by our name for it.
fn shop(item: &Item) -> String {
    let url = Url::parse(&item.url).ok();
    let domain = url.as_ref().and_then(Url::domain);
    domain.map_or(item.store.as_str(), |domain| domain.trim_start_matches("www.")).into()
}

impl Card {
    fn new(twin: &Twin<'_>, form: &FilterForm, asked: &Asked, exchange: &Exchange) -> Self {
        let (item, currency) = (twin.item(), asked.currency);
        let price = item.and_then(|i| i.price);
        let converted = twin.converted(currency, exchange);
        Card {
            picture: Picture::new(twin.row, form),
            title: capital(&twin.title()),
            href: item.and_then(|i| web_address(&i.url)),
            brand: twin.brand().map(Into::into),
            kind: twin.row.bag_type.title(),
            family: twin.row.family.clone().filter(|_| item.is_none()),
            shop: item.map(shop),
            price: price.map(money),
            converted: converted.map(money),
            amount: converted.or(price.filter(|p| p.currency == currency)).map(|m| m.amount.to_string()),
            rating: item.and_then(|i| i.rating.as_ref()).map(RatingView::new),
            offer: item.is_some(),
            second_hand: item.is_some_and(|i| i.condition == Condition::SecondHand),
            sold_out: item.is_some_and(|i| i.availability == Availability::SoldOut),
            same_picture: same_picture(twin.score, asked.colour_weight),
            score: format!("{:.4}", twin.score),
        }
    }
}

impl RatingView {
    fn new(rating: &Rating) -> Self {
        RatingView {
            stars: Stars::new(rating.label),
            as_of: day(rating.as_of),
            as_of_iso: rating.as_of.to_string(),
            source: rating.source.clone(),
            href: web_address(&rating.source),
        }
    }
}

fn thumbnail(picture: &ContentId) -> String {
    format!("/pictures/{picture}.jpg")
}

/// The address of the twins of a row: of its offer, where it has one.
fn like(row: &Row) -> String {
    let picture = &row.sha256;
    match &row.item {
        // As in a form, but that a space in a path is no plus.
        Some(item) => {
            let id: String = url::form_urlencoded::byte_serialize(item.id.as_str().as_bytes()).collect();
            format!("/like/{picture}/{}", id.replace('+', "%20"))
        }
        None => format!("/like/{picture}"),
    }
}

/// The address of a page of twins with these filters.
fn filtered(path: &str, form: &FilterForm) -> String {
    let fields = [
        ("max_price", &form.max_price),
        ("currency", &form.currency),
        ("min_rating", &form.min_rating),
        ("type", &form.bag_type),
        ("condition", &form.condition),
        ("colour", &form.colour),
        ("hide_sold_out", &form.hide_sold_out),
        ("show", &form.show),
    ];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields.into_iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}

/// The same filters, but as many twins as a page begins with.
fn from_the_first(form: &FilterForm) -> FilterForm {
    FilterForm { show: String::new(), ..form.clone() }
}

/// The next page's address; it opens where this page ends.
fn more_address(path: &str, form: &FilterForm, shown: usize, page_size: usize) -> String {
    let form = FilterForm { show: (shown + page_size).to_string(), ..form.clone() };
    format!("{}#twin-{}", filtered(path, &form), shown + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_offered_in_three_steps_and_any_other_is_kept() {
        let chosen = |given: &str, weight: f32| {
            let choice = colours(given, weight).into_iter().find(|choice| choice.chosen).unwrap();
            (choice.value, choice.text, choice.chosen)
        };
        assert_eq!(
            (chosen("", 0.0).1, chosen("0.25", 0.25).1, chosen("0.50", 0.5).1),
            ("Any".into(), "Alike".into(), "Very alike".into())
        );
        assert_eq!(chosen("0.3", 0.3), ("0.3".into(), "Counts 30 %".into(), true));
        assert_eq!(colours("0.3", 0.3).len(), 4);
    }

    #[test]
    fn a_label_that_is_not_offered_is_kept() {
        let shown = |asked| -> Vec<(String, bool)> {
            ratings(asked).into_iter().map(|choice| (choice.text, choice.chosen)).collect()
        };
        let offered = [("Great", false), ("Good or better", false), ("It's a start or better", false)];
        let offered: Vec<_> = offered.map(|(text, chosen)| (text.to_string(), chosen)).into();
        assert_eq!(shown(None), offered);
        let kept = [offered, vec![("Not good enough or better".into(), true)]].concat();
        assert_eq!(shown(Some(Label::NotGoodEnough)), kept);
        let good: Vec<_> = ratings(Some(Label::Good)).into_iter().filter(|choice| choice.chosen).collect();
        assert_eq!((good.len(), good[0].value.as_str()), (1, "good"));
    }

    #[test]
    fn only_the_same_shape_is_the_same_picture_however_much_colours_count() {
        for (score, colour_weight, same) in [
            (1.0, 0.0, true),
            (0.99995, 0.0, true),
            (0.9995, 0.0, false),
            (-0.2, 0.0, false),
            (1.0, 0.5, true),
            (0.99998, 0.5, true),
            // The cosine is 0.9998.
            (0.9999, 0.5, false),
            // The same colours, and a cosine of 0.991.
            (0.99991, 0.99, false),
            (1.0, 1.0, false),
        ] {
            assert_eq!(same_picture(score, colour_weight), same, "{score} with {colour_weight}");
        }
    }

    #[test]
    fn a_title_that_begins_with_the_brand_s_name_says_it() {
        for (title, brand, begins) in [
            ("Lumisette Freya Rucksack", "Lumisette", true),
            ("LUMISETTE: Freya", "lumisette", true),
            ("Lumisette", "Lumisette", true),
            ("Freya Rucksack by Lumisette", "Lumisette", false),
            ("Ablest Tote", "Able", false),
        ] {
            assert_eq!(begins_with(title, brand), begins, "{title} by {brand}");
        }
    }

    #[test]
    fn a_shop_is_named_by_its_address_or_else_by_its_name() {
        let (_dir, catalog) = crate::testing::catalog();
        let mut item = catalog.rows[0].item.clone().unwrap();
        for (url, named) in [
            ("https://www.shop.example/products/1", "shop.example"),
            ("http://bags.shop.example:8080/1", "bags.shop.example"),
            ("http://127.0.0.1:8471/products/1", "shop"),
            ("javascript:alert(1)", "shop"),
            ("1", "shop"),
        ] {
            item.url = url.into();
            assert_eq!(shop(&item), named, "{url}");
        }
    }

    #[test]
    fn an_address_keeps_the_filters_and_escapes_them() {
        let form = FilterForm { max_price: "1&0".into(), bag_type: "tote".into(), ..FilterForm::default() };
        assert_eq!(filtered("/twins/x", &form), "/twins/x?max_price=1%260&type=tote");
        assert_eq!(filtered("/twins/x", &FilterForm::default()), "/twins/x");
        assert_eq!(more_address("/twins/x", &FilterForm::default(), 24, 24), "/twins/x?show=48#twin-25");
    }
}
