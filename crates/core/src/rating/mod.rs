//! What Good On You says of brands, in their words, with day and source.
//!
//! A rating belongs to a brand, never to the shop that sells the bag.
//!
//! - [`book`]: all ratings and their history, one file that is appended to; the brand of a shop's spelling in, its rating out.
//! - [`change`]: two ratings of a brand in; whether the brand moved, or the method by which it is judged, out.
//! - [`import`]: somebody's CSV or JSON lines in; ratings, or every place that is wrong, out.

pub mod book;
pub mod change;
pub mod import;

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::config;

pub use book::{Added, RatingBook};
pub use change::{Cause, Change};

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
            let near = config::nearest(&text.to_lowercase().replace(' ', "-"), Label::ALL.map(Label::slug));
            let near = near.and_then(|near| Label::ALL.into_iter().find(|l| l.slug() == near));
            let hint = near.map_or(": e".into(), |near| format!("; did you mean \"{near}\"? E"));
            format!("`{text}` is not one of Good On You's labels{hint}xpected {}", known.join(", "))
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

/// Good On You's score for planet, people or animals: 1 to 5, of which 5 is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Score(u8);

impl TryFrom<u64> for Score {
    type Error = String;

    fn try_from(score: u64) -> Result<Self, String> {
        match u8::try_from(score) {
            Ok(score @ 1..=5) => Ok(Score(score)),
            _ => Err(format!("`{score}` is no score: expected a whole number from 1 to 5")),
        }
    }
}

impl From<Score> for u64 {
    fn from(score: Score) -> u64 {
        score.0.into()
    }
}

impl FromStr for Score {
    type Err = String;

    /// `4`, or `4/5` and `4 out of 5` as their pages have it.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is no score: expected a whole number from 1 to 5");
        let number = text.trim().strip_suffix('5').map_or(text, |rest| {
            let rest = rest.trim_end();
            rest.strip_suffix('/').or_else(|| rest.strip_suffix("out of")).unwrap_or(text)
        });
        number.trim().parse::<u64>().map_err(|_| expected())?.try_into().map_err(|_| expected())
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/5", self.0)
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
    /// The method that they judged by, such as "2024-10", where the source says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// Their score for the planet, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planet: Option<Score>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Score>,
    /// For animals. Brands that use nothing of animals have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub animals: Option<Score>,
}

impl Rating {
    /// A rating without what is not always given: epoch and scores.
    pub fn new(brand: impl Into<String>, label: Label, as_of: Date, source: impl Into<String>) -> Self {
        Rating {
            brand: brand.into(),
            label,
            as_of,
            source: source.into(),
            epoch: None,
            planet: None,
            people: None,
            animals: None,
        }
    }
}

/// `Good On You: "It's a start", as of 2025-02-12 (https://…)`.
impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Good On You: \"{}\", as of {} ({})", self.label, self.as_of, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ordered_and_read_leniently() {
        assert!(Label::Great > Label::Good && Label::Good > Label::ItsAStart);
        for text in ["It's a start", "its-a-start", "IT’S A START"] {
            assert_eq!(text.parse::<Label>().unwrap(), Label::ItsAStart);
        }
        assert!("god".parse::<Label>().unwrap_err().contains("did you mean \"Good\"? Expected"));
        let error = "superb".parse::<Label>().unwrap_err();
        assert!(error.contains("`superb`") && error.contains("\"Not good enough\""), "{error}");
    }

    #[test]
    fn a_score_is_one_to_five() {
        for text in ["4", " 4 ", "4/5", "4 / 5", "4 out of 5"] {
            assert_eq!(text.parse::<Score>().unwrap().to_string(), "4/5", "{text}");
        }
        assert_eq!("5".parse::<Score>().unwrap().to_string(), "5/5");
        for text in ["0", "6", "15", "4.5", "", "/5", "n/a"] {
            assert!(text.parse::<Score>().unwrap_err().contains("expected a whole number from 1 to 5"), "{text}");
        }
    }

    #[test]
    fn what_is_not_given_is_not_written() {
        let rating = Rating::new("Able", Label::Good, Date::constant(2025, 1, 1), "s");
        let json = serde_json::to_string(&rating).unwrap();
        assert_eq!(json, r#"{"brand":"Able","label":"Good","as_of":"2025-01-01","source":"s"}"#);
        let scored = Rating { planet: "3".parse().ok(), epoch: Some("2024-10".into()), ..rating };
        let json = serde_json::to_string(&scored).unwrap();
        assert!(json.ends_with(r#""epoch":"2024-10","planet":3}"#), "{json}");
        assert_eq!(serde_json::from_str::<Rating>(&json).unwrap(), scored);
    }
}
