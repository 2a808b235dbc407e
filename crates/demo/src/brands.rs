//! The invented brands, and what is said of them in `configs/demo/ratings.jsonl`.

use goodtwin_core::{Label, Rating};
use jiff::civil::Date;

/// An invented maker of bags.
#[derive(Debug, PartialEq, Eq)]
pub struct Brand {
    /// As the shops write it.
    pub name: &'static str,
    /// The label and the day on which it was so; `None` for the brand that nobody rated.
    pub label: Option<(Label, Date)>,
    /// Its prices, as a percentage of an ordinary brand's.
    pub(crate) price_level: u32,
}

const fn rated(name: &'static str, label: Label, day: (i16, i8, i8), price_level: u32) -> Brand {
    Brand { name, label: Some((label, Date::constant(day.0, day.1, day.2))), price_level }
}

/// All of them. Every label occurs; one brand has none.
pub const BRANDS: [Brand; 14] = [
    rated("Fernhollow", Label::Great, (2025, 11, 4), 130),
    rated("Tidewick", Label::Great, (2026, 3, 17), 110),
    rated("Ottilie Grau", Label::Good, (2025, 6, 23), 840),
    rated("Quillon & Daw", Label::Good, (2024, 10, 9), 160),
    rated("Kestrelby", Label::Good, (2026, 1, 28), 120),
    rated("Åsmyra Läder", Label::Good, (2025, 9, 1), 190),
    rated("Pelham Rook", Label::ItsAStart, (2025, 2, 12), 95),
    rated("Bexcourt", Label::ItsAStart, (2026, 5, 6), 210),
    rated("Mossgate Supply Co.", Label::ItsAStart, (2024, 8, 20), 85),
    rated("Varrengo", Label::NotGoodEnough, (2025, 4, 30), 330),
    rated("Lumisette", Label::NotGoodEnough, (2024, 12, 2), 70),
    rated("Zaffrane", Label::WeAvoid, (2025, 7, 15), 40),
    rated("Harroway Vane", Label::WeAvoid, (2026, 2, 19), 410),
    Brand { name: "Nimblewicket", label: None, price_level: 90 },
];

pub(crate) fn brand(name: &str) -> &'static Brand {
    BRANDS.iter().find(|b| b.name == name).expect("the shops name brands of the list only")
}

/// The ratings of all rated brands: what `configs/demo/ratings.jsonl` holds, a line each.
pub fn ratings() -> Vec<Rating> {
    BRANDS
        .iter()
        .filter_map(|b| {
            let (label, as_of) = b.label?;
            let source = format!("https://ratings.example/brand/{}", crate::words::slug(b.name));
            Some(Rating::new(b.name, label, as_of, source))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use goodtwin_core::RatingBook;
    use std::path::Path;

    #[test]
    fn the_ratings_file_is_the_brand_list() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/demo/ratings.jsonl");
        let lines: Vec<String> = ratings().iter().map(|r| serde_json::to_string(r).unwrap()).collect();
        let expected = lines.join("\n") + "\n";
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{} must hold exactly these lines:\n{expected}", path.display());

        let book = RatingBook::load(&path).unwrap();
        for brand in &BRANDS {
            assert_eq!(book.get(brand.name).map(|r| r.label), brand.label.map(|l| l.0), "{}", brand.name);
        }
    }

    #[test]
    fn every_label_occurs_and_one_brand_has_none() {
        for label in Label::ALL {
            assert!(BRANDS.iter().any(|b| b.label.is_some_and(|l| l.0 == label)), "{label}");
        }
        assert_eq!(BRANDS.iter().filter(|b| b.label.is_none()).count(), 1);
    }
}
