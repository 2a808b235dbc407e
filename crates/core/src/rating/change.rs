//! What happened between two ratings of one brand: did the brand move, or the method?
//!
//! Good On You changes how it judges now and then, and then many labels change in one day with no brand changed. The one such
//! day that is known here is 2 October 2024, when some 1,045 brands were relabelled.

use std::fmt;

use jiff::civil::Date;

use super::{Rating, Score};

/// The day on which Good On You changed its method. Ratings that do not name their epoch are of the one that their day tells.
pub const METHOD_CHANGED: Date = Date::constant(2024, 10, 2);

/// What a rating says, next to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    before: &'a Rating,
    after: &'a Rating,
}

/// Why two ratings of one brand differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// They do not: label and scores are the same.
    Same,
    /// They were judged by one method: the brand moved.
    Brand,
    /// They were judged by two methods: nothing says that the brand moved.
    Method,
    /// One names its method and the other does not.
    Unknown,
}

impl<'a> Change<'a> {
    /// From one rating of a brand to a later one.
    pub fn new(before: &'a Rating, after: &'a Rating) -> Self {
        Change { before, after }
    }

    /// Why they differ, if they do.
    pub fn cause(&self) -> Cause {
        let (a, b) = (self.before, self.after);
        // A score that only one of the two gives is no change.
        let differ = |a: Option<Score>, b: Option<Score>| a.zip(b).is_some_and(|(a, b)| a != b);
        let scores = differ(a.planet, b.planet) || differ(a.people, b.people) || differ(a.animals, b.animals);
        if a.label == b.label && !scores {
            return Cause::Same;
        }
        let is_new = |rating: &Rating| rating.as_of >= METHOD_CHANGED;
        match (&a.epoch, &b.epoch) {
            (Some(a), Some(b)) if a == b => Cause::Brand,
            (Some(_), Some(_)) => Cause::Method,
            _ if is_new(a) != is_new(b) => Cause::Method,
            (None, None) => Cause::Brand,
            _ => Cause::Unknown,
        }
    }

    fn epochs(&self) -> String {
        let named = |rating: &Rating| match &rating.epoch {
            Some(epoch) => epoch.clone(),
            None if rating.as_of < METHOD_CHANGED => format!("that before {METHOD_CHANGED}"),
            None => format!("that since {METHOD_CHANGED}"),
        };
        format!("{} to {}", named(self.before), named(self.after))
    }
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = format!("\"{}\" to \"{}\"", self.before.label, self.after.label);
        let what = if self.before.label == self.after.label { "scores".into() } else { labels };
        match self.cause() {
            Cause::Same => f.write_str("the same"),
            Cause::Brand => write!(f, "{what}: the brand moved"),
            Cause::Method => write!(f, "{what}: the method changed, {}", self.epochs()),
            Cause::Unknown => write!(f, "{what}: only one of the two names its method"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Label;
    use super::*;

    #[test]
    fn a_change_is_the_brands_or_the_methods() {
        let rating = |label, (y, m, d), epoch: Option<&str>| Rating {
            epoch: epoch.map(String::from),
            ..Rating::new("Able", label, Date::constant(y, m, d), "s")
        };
        let (good, bad) = (Label::Good, Label::NotGoodEnough);
        let (old, eve, day, new) = ((2023, 1, 1), (2024, 10, 1), (2024, 10, 2), (2026, 1, 1));
        for (before, after, expected) in [
            (rating(good, old, None), rating(good, new, None), Cause::Same),
            (rating(good, old, None), rating(bad, eve, None), Cause::Brand),
            (rating(good, eve, None), rating(bad, day, None), Cause::Method),
            (rating(good, day, None), rating(bad, new, None), Cause::Brand),
            (rating(good, old, Some("1")), rating(bad, new, Some("1")), Cause::Brand),
            (rating(good, day, Some("1")), rating(bad, new, Some("2")), Cause::Method),
            (rating(good, day, Some("1")), rating(bad, new, None), Cause::Unknown),
        ] {
            assert_eq!(Change::new(&before, &after).cause(), expected, "{before:?} {after:?}");
        }
        let (before, after) = (rating(good, eve, None), rating(bad, new, Some("2024-10")));
        assert_eq!(
            Change::new(&before, &after).to_string(),
            "\"Good\" to \"Not good enough\": the method changed, that before 2024-10-02 to 2024-10"
        );
        let scored = |planet: &str| Rating { planet: planet.parse().ok(), ..before.clone() };
        assert_eq!(Change::new(&scored("4"), &scored("3")).to_string(), "scores: the brand moved");
        assert_eq!(Change::new(&before, &scored("3")).cause(), Cause::Same);
    }
}
