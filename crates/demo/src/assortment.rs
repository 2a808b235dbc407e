//! What the four shops have on their shelves: families, products, photographs, and the faults planted among them.

use jiff::Timestamp;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::brands::{Brand, brand};
use crate::shops::{SHOPS, Shop};
use crate::words::{COLOURS, Colour, Kind, MODELS, slug};

/// Families in one shop.
const FAMILIES: usize = 20;
/// How many colours the families have, in turn: 3 on average, so 240 products in all.
const COLOURS_OF_FAMILY: [usize; 4] = [3, 2, 4, 3];

/// One model of one brand, in the colours in which one shop has it.
#[derive(Debug)]
pub struct Family {
    /// Its place among the families of all shops.
    pub index: usize,
    /// Index into [`SHOPS`].
    pub shop: usize,
    /// Who makes it.
    pub brand: &'static Brand,
    /// What they call it.
    pub model: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The word for its type in its titles; `None` where only the category says it.
    pub noun: Option<&'static str>,
    /// Seeds the model's shape, material and hardware.
    pub(crate) seed: u64,
    /// Its colours; no two alike.
    pub products: Vec<Product>,
}

/// One thing to buy.
#[derive(Debug)]
pub struct Product {
    /// The shop's key for it, as it stands in the address of its page.
    pub handle: String,
    /// A number, as shops have them.
    pub(crate) number: u64,
    /// Its colour.
    pub colour: &'static Colour,
    /// In hundredths of the shop's currency.
    pub price: u32,
    /// When the shop last changed it.
    pub(crate) modified: Timestamp,
    /// What was planted here.
    pub faults: Vec<Fault>,
    /// Its photographs, the main one first.
    pub(crate) shots: Vec<Shot>,
}

impl Product {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// Something that real shops do too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It cannot be bought.
    SoldOut,
    /// The page gives no price.
    NoPrice,
    /// The first photograph's address answers 404.
    MissingImage,
    /// The first photograph is a JPEG that ends half-way, with a right Content-Length.
    TruncatedImage,
    /// The first photograph is an HTML page that calls itself image/jpeg.
    HtmlImage,
    /// A listing links to the page, and robots.txt forbids it.
    Disallowed,
}

/// How a photograph is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shot {
    /// Seeds the angle, the light, the ground and the noise.
    pub seed: u64,
    /// In front of a shelf, a street or a wall, not of plain paper.
    pub busy: bool,
    /// From the side, not from the front.
    pub turned: bool,
}

/// The shelves of all four shops.
#[derive(Debug)]
pub struct Assortment {
    /// 20 families a shop, in the shops' order.
    pub families: Vec<Family>,
}

/// Who is on the shelves of each shop.
const SHELVES: [&[(&str, usize)]; 4] = [
    &[
        ("Fernhollow", 4),
        ("Tidewick", 4),
        ("Quillon & Daw", 3),
        ("Kestrelby", 3),
        ("Pelham Rook", 2),
        ("Varrengo", 2),
        ("Zaffrane", 1),
        ("Nimblewicket", 1),
    ],
    &[
        ("Ottilie Grau", 5),
        ("Bexcourt", 4),
        ("Åsmyra Läder", 4),
        ("Mossgate Supply Co.", 4),
        ("Lumisette", 2),
        ("Harroway Vane", 1),
    ],
    &[
        ("Varrengo", 4),
        ("Harroway Vane", 3),
        ("Lumisette", 3),
        ("Zaffrane", 2),
        ("Ottilie Grau", 1),
        ("Bexcourt", 1),
        ("Kestrelby", 1),
        ("Quillon & Daw", 1),
        ("Fernhollow", 1),
        ("Pelham Rook", 1),
        ("Mossgate Supply Co.", 1),
        ("Nimblewicket", 1),
    ],
    &[
        ("Åsmyra Läder", 4),
        ("Harroway Vane", 3),
        ("Varrengo", 3),
        ("Zaffrane", 2),
        ("Lumisette", 2),
        ("Tidewick", 1),
        ("Bexcourt", 1),
        ("Pelham Rook", 1),
        ("Kestrelby", 1),
        ("Nimblewicket", 1),
        ("Ottilie Grau", 1),
    ],
];

/// The faults: shop, place of the product in the shop, what.
const FAULTS: [(usize, usize, Fault); 16] = [
    (0, 4, Fault::SoldOut),
    (0, 17, Fault::TruncatedImage),
    (0, 31, Fault::SoldOut),
    (0, 44, Fault::MissingImage),
    (1, 7, Fault::MissingImage),
    (1, 22, Fault::SoldOut),
    (1, 35, Fault::Disallowed),
    (1, 51, Fault::HtmlImage),
    (2, 3, Fault::SoldOut),
    (2, 12, Fault::HtmlImage),
    (2, 29, Fault::NoPrice),
    (2, 40, Fault::Disallowed),
    (2, 55, Fault::TruncatedImage),
    (3, 9, Fault::NoPrice),
    (3, 26, Fault::SoldOut),
    (3, 48, Fault::MissingImage),
];

impl Assortment {
    /// The same for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut models = MODELS;
        models.shuffle(&mut rng);
        let mut families = Vec::new();
        for (s, shop) in SHOPS.iter().enumerate() {
            let mut brands: Vec<&str> = SHELVES[s].iter().flat_map(|(b, n)| std::iter::repeat_n(*b, *n)).collect();
            brands.shuffle(&mut rng);
            let mut place = 0;
            for (j, name) in brands.into_iter().enumerate() {
                let kind = Kind::ALL[(j + 4 * s) % 8];
                let mut family = Family {
                    index: families.len(),
                    shop: s,
                    brand: brand(name),
                    model: models[families.len()],
                    kind,
                    // The Swedish shop's categories are in Swedish, so there the title always says what it is.
                    noun: (s == 3 || j % 3 != 2)
                        .then(|| *kind.nouns().choose(&mut rng).expect("every type has a noun")),
                    seed: rng.random(),
                    products: Vec::new(),
                };
                let price = price_of(&family, shop, &mut rng);
                let number_of_colours = COLOURS_OF_FAMILY[j % 4];
                let colours: Vec<&Colour> = COLOURS.sample(&mut rng, number_of_colours).collect();
                for colour in colours {
                    let product = product(&family, shop, place, colour, price, &mut rng);
                    family.products.push(product);
                    place += 1;
                }
                families.push(family);
            }
        }
        Assortment { families }
    }

    /// The families of one shop.
    pub(crate) fn of_shop(&self, shop: usize) -> &[Family] {
        &self.families[shop * FAMILIES..(shop + 1) * FAMILIES]
    }

    /// Take the price from three in five of a shop's products.
    pub(crate) fn lose_prices(&mut self, shop: usize) {
        let families = &mut self.families[shop * FAMILIES..(shop + 1) * FAMILIES];
        for (n, product) in families.iter_mut().flat_map(|f| &mut f.products).enumerate() {
            if n % 5 < 3 && !product.has(Fault::NoPrice) {
                product.faults.push(Fault::NoPrice);
            }
        }
    }

    /// All products of one shop, each with its family, in the order of its listing.
    pub(crate) fn products(&self, shop: usize) -> Vec<(&Family, &Product)> {
        self.of_shop(shop).iter().flat_map(|f| f.products.iter().map(move |p| (f, p))).collect()
    }
}

fn product(
    family: &Family,
    shop: &Shop,
    place: usize,
    colour: &'static Colour,
    price: u32,
    rng: &mut ChaCha8Rng,
) -> Product {
    let number = 100_000 + 20_011 * family.shop as u64 + 137 * place as u64 + rng.random_range(0..100);
    let words = format!("{} {} {}", family.model, family.noun.unwrap_or(""), colour.name);
    let handle = if shop.numbered { format!("{number}-{}", slug(&words)) } else { slug(&words) };
    // Second-hand things are worn differently, so they are not priced alike.
    let price = if shop.second_hand { price * rng.random_range(80..=115) / 100 } else { price };
    let views = if rng.random_bool(0.27) { 2 } else { 1 };
    let shots = (0..views)
        .map(|view| Shot { seed: rng.random(), busy: rng.random_bool(0.34), turned: view == 1 || rng.random_bool(0.2) })
        .collect();
    let start: Timestamp = "2026-02-01T06:00:00Z".parse().expect("a well-formed time");
    let modified = start + jiff::SignedDuration::from_secs(rng.random_range(0..200 * 86_400));
    let faults = FAULTS.iter().filter(|f| f.0 == family.shop && f.1 == place).map(|f| f.2).collect();
    Product { handle, number, colour, price: shop.round(price), modified, faults, shots }
}

/// In hundredths of the shop's currency, before rounding to what shops like to write.
fn price_of(family: &Family, shop: &Shop, rng: &mut ChaCha8Rng) -> u32 {
    let euro = family.kind.ordinary_price() * family.brand.price_level / 100;
    let spread = rng.random_range(70..=150);
    let worn = if shop.second_hand { 45 } else { 100 };
    euro * spread * worn / 100 * shop.per_hundred_euro / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use goodtwin_core::Label;
    use std::collections::BTreeSet;

    #[test]
    fn it_is_of_the_promised_size_and_every_type_occurs_in_every_shop() {
        let all = Assortment::new(7);
        assert_eq!(all.families.len(), 80);
        assert_eq!(all.families.iter().map(|f| f.products.len()).sum::<usize>(), 240);
        for shop in 0..4 {
            let kinds: BTreeSet<Kind> = all.of_shop(shop).iter().map(|f| f.kind).collect();
            assert_eq!(kinds.len(), 8, "shop {shop}");
            let handles: BTreeSet<&str> = all.products(shop).iter().map(|(_, p)| p.handle.as_str()).collect();
            assert_eq!(handles.len(), 60, "shop {shop}");
        }
        let shots: usize = all.families.iter().flat_map(|f| &f.products).map(|p| p.shots.len()).sum();
        let busy = all.families.iter().flat_map(|f| &f.products).flat_map(|p| &p.shots).filter(|s| s.busy).count();
        assert!((290..=325).contains(&shots), "{shots} photographs");
        assert!((0.25..0.42).contains(&(busy as f64 / shots as f64)), "{busy} of {shots} busy");
    }

    #[test]
    fn a_family_is_one_brand_and_model_in_different_colours() {
        let all = Assortment::new(3);
        let names: BTreeSet<_> = all.families.iter().map(|f| (f.brand.name, f.model)).collect();
        assert_eq!(names.len(), all.families.len());
        for family in &all.families {
            let colours: BTreeSet<_> = family.products.iter().map(|p| p.colour.name).collect();
            assert_eq!(colours.len(), family.products.len());
            assert!((2..=4).contains(&colours.len()));
        }
    }

    #[test]
    fn the_faults_and_the_ratings_that_matter_are_there() {
        let all = Assortment::new(7);
        let planted: BTreeSet<Fault> =
            all.families.iter().flat_map(|f| &f.products).flat_map(|p| p.faults.clone()).collect();
        assert_eq!(planted.len(), 6);
        let new_goods = || all.families.iter().filter(|f| !SHOPS[f.shop].second_hand);
        assert!(new_goods().any(|f| f.brand.label.is_some_and(|l| l.0 < Label::ItsAStart)));
        assert!(new_goods().any(|f| f.brand.label.is_none()));
        assert!(
            all.families
                .iter()
                .any(|f| SHOPS[f.shop].second_hand && f.brand.label.is_some_and(|l| l.0 == Label::WeAvoid))
        );
    }

    #[test]
    fn another_seed_is_another_assortment() {
        let names = |seed| Assortment::new(seed).families.iter().map(|f| f.model).collect::<Vec<_>>();
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
    }
}
