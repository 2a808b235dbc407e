//! From a shop's words to ours: a [`Listing`] in, an [`Item`] or the [`State`] in which it ends out. Nothing is asked here.

use goodtwin_core::{Availability, BagType, BrandName, Condition, Currency, Item, ItemId, Money, Rating};

use crate::State;
use crate::config::{Config, Ethics, Store};
use crate::extract::Listing;

/// An item that is fit to be kept once its pictures are, or where it ended and why.
pub type Assembled = Result<Item, (State, String)>;

/// Read title, brand, price, type, family; then ask whether the item is one to keep. Its pictures are still to be fetched.
pub fn assemble(listing: &Listing, key: &str, url: &str, store: &Store, config: &Config) -> Assembled {
    if listing.no_ai {
        return Err((State::NoAi, "its page asks machines that learn to keep away".into()));
    }
    let Some(title) = listing.title.clone() else { return Err((State::Parse, "no title".into())) };
    let Some(brand) = listing.brand.clone().or_else(|| store.file.brand.clone()) else {
        return Err((State::Parse, "no brand".into()));
    };
    if !listing.conflicts.is_empty() {
        let said: Vec<String> = listing.conflicts.iter().map(ToString::to_string).collect();
        return Err((State::Quarantined, said.join("; ")));
    }
    // A used bag in a shop of new ones is used; a shop of used ones has no new ones, whatever its template says.
    let condition = match listing.condition {
        Some(Condition::SecondHand) => Condition::SecondHand,
        _ => store.file.condition(),
    };
    let rating = rating(&brand, condition, store, config).cloned();
    let evaluation_only = store.file.ethics == Ethics::Conventional;
    if condition == Condition::New && !evaluation_only {
        let floor = config.rating_floor;
        match &rating {
            None => return Err((State::BelowRating, format!("{}; the floor is \"{floor}\"", unrated(&brand, config)))),
            Some(r) if r.label < floor => {
                return Err((State::BelowRating, format!("{brand}: {r}; the floor is \"{floor}\"")));
            }
            Some(_) => {}
        }
    }
    let Some(money) = price(listing, store) else {
        let text = listing.price.as_deref().map(|p| format!("`{p}` cannot be read without guessing"));
        return Err((State::NoPrice, text.unwrap_or_else(|| "its page has no price".into())));
    };
    Ok(Item {
        id: ItemId::new(&store.file.name, key),
        store: store.file.name.clone(),
        url: url.into(),
        bag_type: bag_type(listing, store, config),
        family: Some(family(listing, &title, &brand, store)),
        colour: listing.colour.clone(),
        price: Some(money),
        price_text: listing.price.clone(),
        condition,
        availability: listing.availability.unwrap_or(Availability::Unknown),
        rating,
        images: vec![],
        evaluation_only,
        title,
        brand,
    })
}

/// What is said of the brand. A second-hand shop that puts its own name where the brand's stands tells of no brand: what is
/// said of the shop is not said of what it sells.
fn rating<'c>(brand: &str, condition: Condition, store: &Store, config: &'c Config) -> Option<&'c Rating> {
    let is = |name: &str| BrandName::new(name) == BrandName::new(brand);
    let shop_itself = is(&store.file.title) || is(&store.file.name);
    if condition == Condition::SecondHand && shop_itself { None } else { config.ratings.get(brand) }
}

/// "Sandquist has no rating; Sandqvist, a name much like it, has: …".
fn unrated(brand: &str, config: &Config) -> String {
    let near = config.ratings.near_miss(brand);
    let near =
        near.map(|r| format!("; a name much like it, {}, has one (if it is the same brand, add an alias)", r.brand));
    format!("{brand} has no rating{}", near.unwrap_or_default())
}

/// The price, if it can be read without guessing.
pub(crate) fn price(listing: &Listing, store: &Store) -> Option<Money> {
    let currency = currency(listing, store)?;
    let read = listing.read_price_in(Some(currency), store.file.separator());
    Some(Money { amount: read.amount.filter(|a| !a.is_zero())?, currency })
}

/// The currency that stands beside the price, or in its text; else the store's, if the text has no sign of another.
pub(crate) fn currency(listing: &Listing, store: &Store) -> Option<Currency> {
    let read = listing.read_price(store.file.separator());
    listing.currency_beside().or_else(|| read.currency_or(store.file.currency))
}

/// The store's own words first, then the taxonomy's; the labels first, then the title.
pub(crate) fn bag_type(listing: &Listing, store: &Store, config: &Config) -> Option<BagType> {
    let texts = || listing.labels.iter().chain(&listing.title);
    let own = texts().find_map(|text| {
        let lower = text.to_lowercase();
        let parts = || lower.split(['>', '/', '|']).map(str::trim);
        let named = |label: &str| parts().any(|p| p == label.to_lowercase());
        store.file.labels.iter().find(|(label, _)| named(label)).map(|(_, t)| t.clone())
    });
    own.or_else(|| texts().find_map(|text| config.taxonomy.classify(text).cloned()))
}

/// The shop's own grouping, if it has one; else brand and model; else brand and the title before its colour.
fn family(listing: &Listing, title: &str, brand: &str, store: &Store) -> String {
    if let Some(group) = &listing.group {
        return format!("{}:{group}", store.file.name);
    }
    let model = listing.model.clone().unwrap_or_else(|| before_colour(title, listing.colour.as_deref()));
    let (brand, model) = (BrandName::new(brand), BrandName::new(&model));
    // "kin" is not the brand of a "kindle tote".
    let after_brand =
        model.as_str().strip_prefix(brand.as_str()).filter(|rest| !rest.starts_with(char::is_alphanumeric));
    let bare =
        after_brand.map(|rest| rest.trim_start_matches(|c: char| !c.is_alphanumeric())).filter(|m| !m.is_empty());
    format!("{}: {}", brand.as_str(), bare.unwrap_or(model.as_str()).trim())
}

/// "Vale Tote" of "Vale Tote - Moss", "Vale Tote, moss", "Vale Tote in Moss", "Vale Tote (Moss)".
fn before_colour(title: &str, colour: Option<&str>) -> String {
    let lower = title.to_lowercase();
    let named = colour.map(str::to_lowercase).filter(|c| !c.is_empty());
    // `to_lowercase` can change a text's length; then places in one are not places in the other.
    if let Some(colour) = named
        && lower.len() == title.len()
        && let Some(at) = lower.rfind(&colour)
        && lower[at + colour.len()..].chars().all(|c| !c.is_alphanumeric())
        && title.is_char_boundary(at)
    {
        let before = title[..at].trim_end_matches(|c: char| !c.is_alphanumeric());
        let before = before.strip_suffix(" in").unwrap_or(before).trim();
        if !before.is_empty() {
            return before.into();
        }
    }
    [" - ", " – ", " | ", " / "].iter().find_map(|s| title.rsplit_once(s)).map_or(title, |(model, _)| model).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use goodtwin_core::{Label, Rating, config};

    use super::*;

    fn store(condition: &str) -> Store {
        let file = format!(
            "name = 's'\ntitle = 'S'\ncondition = '{condition}'\nbase = 'https://s.example/'\nsource = 'structured'\n\
             currency = 'SEK'\n[labels]\n'Ryggsäckar' = 'backpack'\n"
        );
        Store::new(config::parse(&file).unwrap(), Duration::ZERO).unwrap()
    }

    fn crawl() -> Config {
        let rating = |brand: &str, label| Rating::new(brand, label, jiff::civil::date(2026, 1, 1), "s");
        Config {
            user_agent: "GoodTwin".into(),
            out: "out".into(),
            ratings: [rating("Kind", Label::Good), rating("Unkind", Label::WeAvoid)].into_iter().collect(),
            ratings_file: Default::default(),
            taxonomy: config::parse("[types.tote]\nwords = ['shopper']\n[types.backpack]\nwords = []\n").unwrap(),
            rating_floor: Label::ItsAStart,
            metrics: None,
            stores: vec![],
        }
    }

    fn listing() -> Listing {
        Listing {
            title: Some("Vale Shopper - Moss".into()),
            brand: Some("KIND".into()),
            price: Some("1\u{a0}299 kr".into()),
            ..Listing::default()
        }
    }

    fn state(listing: &Listing, condition: &str) -> Option<State> {
        assemble(listing, "k", "u", &store(condition), &crawl()).err().map(|e| e.0)
    }

    #[test]
    fn a_whole_listing_becomes_an_item() {
        let item = assemble(&listing(), "k", "u", &store("new"), &crawl()).unwrap();
        assert_eq!(item.id.as_str(), "s/k");
        assert_eq!(item.price.unwrap().to_string(), "1299 SEK");
        assert_eq!(item.bag_type.unwrap().as_str(), "tote");
        assert_eq!(item.family.as_deref(), Some("kind: vale shopper"));
        assert_eq!(item.rating.unwrap().label, Label::Good);
    }

    #[test]
    fn a_brand_is_taken_from_a_models_name_only_as_a_word() {
        let family = |brand: &str, title: &str| family(&Listing::default(), title, brand, &store("new"));
        assert_eq!(family("Kin", "Kindle Tote"), "kin: kindle tote");
        assert_eq!(family("Kin", "Kin Tote"), family("Kin", "Tote"));
        assert_eq!(family("Kin", "Kin: Tote"), family("Kin", "Tote"));
    }

    #[test]
    fn a_price_for_machines_is_read_by_their_rule_whatever_the_stores_separator() {
        let comma = "name = 's'\ntitle = 'S'\ncondition = 'second-hand'\nbase = 'https://s.example/'\nsource = 'structured'\n\
                     currency = 'EUR'\ndecimal_separator = ','\n";
        let store = Store::new(config::parse(comma).unwrap(), Duration::ZERO).unwrap();
        let amount = |price: &str, price_is_seen| {
            let listing = Listing { price: Some(price.into()), price_is_seen, ..listing() };
            assemble(&listing, "k", "u", &store, &crawl())
                .map(|item| item.price.unwrap().amount.normalize().to_string())
        };
        assert_eq!(amount("89.000", false), Ok("89".into()));
        assert_eq!(amount("89.000", true), Ok("89000".into()));
        assert_eq!(amount("1.299", true), Ok("1299".into()));
        assert_eq!(amount("1.299", false).unwrap_err().0, State::NoPrice);
    }

    #[test]
    fn the_stores_currency_says_what_three_digits_after_a_point_are() {
        let amount = |currency: &str, text: &str, price_is_seen| {
            let mut store = store("new");
            store.file.currency = currency.parse().ok();
            let listing = Listing { price: Some(text.into()), price_is_seen, ..listing() };
            price(&listing, &store).map(|money| money.amount.normalize().to_string())
        };
        assert_eq!(amount("IDR", "150.000", false), None);
        assert_eq!(amount("IDR", "150.000", true).as_deref(), Some("150000"));
        assert_eq!(amount("SEK", "150.000", false).as_deref(), Some("150"));
        assert_eq!(amount("KWD", "12.500", true), None);
    }

    #[test]
    fn a_sign_of_another_currency_than_the_stores_is_no_price_in_the_stores() {
        let listing = |price: &str| Listing { price: Some(price.into()), price_is_seen: true, ..listing() };
        let (state, why) = assemble(&listing("$85"), "k", "u", &store("new"), &crawl()).unwrap_err();
        assert_eq!((state, why.as_str()), (State::NoPrice, "`$85` cannot be read without guessing"));
        let told = Listing { currency: Some("USD".into()), ..listing("$85") };
        assert_eq!(price(&told, &store("new")).unwrap().to_string(), "85 USD");
        assert_eq!(price(&listing("85:-"), &store("new")).unwrap().to_string(), "85 SEK");
    }

    #[test]
    fn each_lack_has_its_state() {
        let change = |f: &dyn Fn(&mut Listing)| {
            let mut listing = listing();
            f(&mut listing);
            state(&listing, "new")
        };
        let [field, value, other_value] = ["price", "85", "95"].map(String::from);
        let [source, other_source] = ["JSON-LD", "microdata"].map(String::from);
        let conflict = crate::extract::conflict::Conflict { field, value, source, other_value, other_source };
        assert_eq!(change(&|_| {}), None);
        assert_eq!(change(&|l| l.title = None), Some(State::Parse));
        assert_eq!(change(&|l| l.brand = None), Some(State::Parse));
        assert_eq!(change(&|l| l.price = None), Some(State::NoPrice));
        assert_eq!(change(&|l| l.price = Some("0".into())), Some(State::NoPrice));
        assert_eq!(change(&|l| l.price = Some("85 / 120".into())), Some(State::NoPrice));
        assert_eq!(change(&|l| l.brand = Some("Unkind".into())), Some(State::BelowRating));
        assert_eq!(change(&|l| l.brand = Some("Nobody".into())), Some(State::BelowRating));
        assert_eq!(change(&|l| l.no_ai = true), Some(State::NoAi));
        assert_eq!(change(&|l| l.conflicts = vec![conflict.clone()]), Some(State::Quarantined));
    }

    #[test]
    fn second_hand_keeps_its_brands_rating_whatever_it_is() {
        let mut listing = listing();
        listing.brand = Some("Unkind".into());
        let item = assemble(&listing, "k", "u", &store("second-hand"), &crawl()).unwrap();
        assert_eq!(item.rating.unwrap().label, Label::WeAvoid);
        listing.condition = Some(Condition::New);
        assert_eq!(state(&listing, "second-hand"), None);
        listing.condition = Some(Condition::SecondHand);
        assert_eq!(state(&listing, "new"), None);
    }

    #[test]
    fn the_rating_of_a_second_hand_shop_is_not_that_of_what_it_sells() {
        let store = store("second-hand");
        let mut config = crawl();
        let day = jiff::civil::date(2026, 1, 1);
        config.ratings = [Rating::new(&store.file.title, Label::Great, day, "s")].into_iter().collect();
        let listing = Listing { brand: Some(store.file.title.to_uppercase()), ..listing() };
        assert_eq!(assemble(&listing, "k", "u", &store, &config).unwrap().rating, None);
    }

    #[test]
    fn why_an_item_is_below_the_floor_is_said_in_their_words_with_day_and_source() {
        let said = |brand: &str| {
            let listing = Listing { brand: Some(brand.into()), ..listing() };
            assemble(&listing, "k", "u", &store("new"), &crawl()).unwrap_err().1
        };
        assert_eq!(
            said("Unkind"),
            "Unkind: Good On You: \"We avoid\", as of 2026-01-01 (s); the floor is \"It's a start\""
        );
        assert_eq!(said("Nobody"), "Nobody has no rating; the floor is \"It's a start\"");
        assert!(said("Un-Kinds").contains("a name much like it, Unkind, has one"), "{}", said("Un-Kinds"));
    }

    #[test]
    fn a_conventional_stores_items_are_kept_whatever_their_rating_and_are_for_evaluation_only() {
        let mut listing = listing();
        listing.brand = Some("Unkind".into());
        let mut store = store("new");
        store.file.ethics = Ethics::Conventional;
        let item = assemble(&listing, "k", "u", &store, &crawl()).unwrap();
        assert!(item.evaluation_only);
        assert_eq!(item.rating.unwrap().label, Label::WeAvoid);
        assert!(!assemble(&self::listing(), "k", "u", &self::store("new"), &crawl()).unwrap().evaluation_only);
    }

    #[test]
    fn a_store_of_one_brand_says_it_where_its_pages_do_not() {
        let mut store = store("new");
        store.file.brand = Some("Kind".into());
        let listing = Listing { brand: None, ..listing() };
        assert_eq!(assemble(&listing, "k", "u", &store, &crawl()).unwrap().brand, "Kind");
    }

    #[test]
    fn the_stores_own_words_count_first() {
        let mut listing = listing();
        listing.labels = vec!["Väskor > Ryggsäckar".into()];
        let item = assemble(&listing, "k", "u", &store("new"), &crawl()).unwrap();
        assert_eq!(item.bag_type.unwrap().as_str(), "backpack");
    }

    #[test]
    fn the_model_is_the_title_before_the_colour() {
        for (title, colour, expected) in [
            ("Vale Tote - Moss", None, "Vale Tote"),
            ("Vale Tote, moss", Some("Moss"), "Vale Tote"),
            ("Vale Tote in Moss", Some("Moss"), "Vale Tote"),
            ("Vale Tote (Moss)", Some("moss"), "Vale Tote"),
            ("Moss Tote", Some("Moss"), "Moss Tote"),
            ("Vale Tote", None, "Vale Tote"),
            ("İ Tote, moss", Some("Moss"), "İ Tote, moss"),
        ] {
            assert_eq!(before_colour(title, colour), expected, "{title}");
        }
    }
}
