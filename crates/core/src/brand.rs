//! Brands and what Good On You says of them.
//!
//! A rating belongs to a brand, never to the shop that sells the bag.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result};

/// Good On You's five labels, from worst to best, in their words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Label {
    /// "We avoid"
    WeAvoid,
    /// "Not good enough"
    NotGoodEnough,
    /// "It's a start"
    ItsAStart,
    /// "Good"
    Good,
    /// "Great"
    Great,
}

impl Label {
    /// All five, from worst to best.
    pub const ALL: [Label; 5] = [Label::WeAvoid, Label::NotGoodEnough, Label::ItsAStart, Label::Good, Label::Great];

    /// Good On You's own words.
    pub fn words(self) -> &'static str {
        match self {
            Label::WeAvoid => "We avoid",
            Label::NotGoodEnough => "Not good enough",
            Label::ItsAStart => "It's a start",
            Label::Good => "Good",
            Label::Great => "Great",
        }
    }

    /// The form that is easy to type in a shell or an address: `we-avoid`, `its-a-start`.
    pub fn slug(self) -> &'static str {
        match self {
            Label::WeAvoid => "we-avoid",
            Label::NotGoodEnough => "not-good-enough",
            Label::ItsAStart => "its-a-start",
            Label::Good => "good",
            Label::Great => "great",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl FromStr for Label {
    type Err = String;

    /// Case, spaces, hyphens and apostrophes do not matter.
    fn from_str(text: &str) -> Result<Self, String> {
        let letters =
            |t: &str| -> String { t.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
        Label::ALL.into_iter().find(|l| letters(l.slug()) == letters(text)).ok_or_else(|| {
            let known: Vec<_> = Label::ALL.iter().map(|l| format!("\"{l}\"")).collect();
            format!("`{text}` is not one of Good On You's labels: expected {}", known.join(", "))
        })
    }
}

impl TryFrom<String> for Label {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        label.words().into()
    }
}

/// A brand's name in a form in which "Elvis & Kresse Ltd." and "elvis and kresse" are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrandName(String);

impl BrandName {
    /// Case, accents, punctuation, "&"/"and" and a legal form at the end are taken out.
    pub fn new(name: &str) -> Self {
        let plain: String = name
            .replace(['&', '+'], " and ")
            .nfkd()
            .filter(|c| !unicode_normalization::char::is_combining_mark(*c) && !matches!(c, '\'' | '’' | '.'))
            .map(|c| match c {
                'ø' | 'Ø' => 'o',
                'ł' | 'Ł' => 'l',
                c if c.is_alphanumeric() => c,
                _ => ' ',
            })
            .flat_map(char::to_lowercase)
            .collect();
        let mut words: Vec<&str> = plain.split_whitespace().collect();
        while words.len() > 1
            && matches!(
                *words.last().expect("not empty"),
                "inc" | "ltd" | "llc" | "gmbh" | "ab" | "co" | "corp" | "plc" | "sa"
            )
        {
            words.pop();
        }
        BrandName(words.join(" "))
    }

    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What Good On You said of a brand on a day, and where that can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// The brand, as the source writes it.
    pub brand: String,
    /// Their label.
    pub label: Label,
    /// The day on which the label was so.
    pub as_of: Date,
    /// Where it can be read: the address of a page, or the name of a file.
    pub source: String,
}

/// The ratings of all brands, looked up by normalised name.
#[derive(Clone, Debug, Default)]
pub struct RatingBook {
    by_brand: BTreeMap<BrandName, Rating>,
}

impl RatingBook {
    /// Read JSON lines, one [`Rating`] a line. Of two for one brand, the later date counts.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, "ratings file", e))?;
        let mut ratings = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let rating = serde_json::from_str(line)
                .map_err(|e| Error::data(path, format!("line {}: {e}; expected brand, label, as_of, source", n + 1)))?;
            ratings.push(rating);
        }
        Ok(ratings.into_iter().collect())
    }

    /// The rating of a brand, by any spelling that normalises to the same name.
    pub fn get(&self, brand: &str) -> Option<&Rating> {
        self.by_brand.get(&BrandName::new(brand))
    }

    /// All ratings, by normalised name.
    pub fn iter(&self) -> impl Iterator<Item = &Rating> {
        self.by_brand.values()
    }

    /// How many brands are rated.
    pub fn len(&self) -> usize {
        self.by_brand.len()
    }

    /// Whether no brand is rated.
    pub fn is_empty(&self) -> bool {
        self.by_brand.is_empty()
    }
}

impl FromIterator<Rating> for RatingBook {
    fn from_iter<T: IntoIterator<Item = Rating>>(ratings: T) -> Self {
        let mut book = RatingBook::default();
        for rating in ratings {
            let name = BrandName::new(&rating.brand);
            match book.by_brand.get(&name) {
                Some(known) if known.as_of > rating.as_of => {}
                _ => {
                    book.by_brand.insert(name, rating);
                }
            }
        }
        book
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_brand_are_one_name() {
        for (a, b) in [
            ("Elvis & Kresse Ltd.", "elvis and kresse"),
            ("Fjällräven", "FJALLRAVEN"),
            ("O My Bag", "o my  bag"),
            ("Whimsy + Row", "Whimsy & Row"),
            ("Amour Vert, Inc.", "amour-vert"),
            ("Søstrene", "sostrene"),
        ] {
            assert_eq!(BrandName::new(a), BrandName::new(b));
        }
        assert_ne!(BrandName::new("Able"), BrandName::new("Abel"));
        assert_eq!(BrandName::new("Co").as_str(), "co");
    }

    #[test]
    fn labels_are_ordered_and_read_leniently() {
        assert!(Label::Great > Label::Good && Label::Good > Label::ItsAStart);
        for text in ["It's a start", "its-a-start", "IT’S A START"] {
            assert_eq!(text.parse::<Label>().unwrap(), Label::ItsAStart);
        }
        let error = "superb".parse::<Label>().unwrap_err();
        assert!(error.contains("`superb`") && error.contains("\"Not good enough\""), "{error}");
    }

    #[test]
    fn the_later_rating_counts() {
        let rating = |label, day| Rating { brand: "Able".into(), label, as_of: day, source: "s".into() };
        let (early, late) = (Date::constant(2024, 1, 1), Date::constant(2025, 1, 1));
        for ratings in [
            [rating(Label::Good, late), rating(Label::WeAvoid, early)],
            [rating(Label::WeAvoid, early), rating(Label::Good, late)],
        ] {
            assert_eq!(RatingBook::from_iter(ratings).get("ABLE").unwrap().label, Label::Good);
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "\n{\"brand\":\"A\",\"label\":\"fine\",\"as_of\":\"2025-01-01\",\"source\":\"s\"}\n",
        )
        .unwrap();
        let error = RatingBook::load(file.path()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("line 2: `fine` is not one of"), "{error}");
    }
}
