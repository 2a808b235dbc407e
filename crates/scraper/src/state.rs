//! The one state in which an item ends.

use std::fmt;
use std::str::FromStr;

macro_rules! states {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal),+ $(,)?) => {
        /// Where an item ended. Every item that a listing names is in exactly one of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum State { $($(#[doc = $doc])* $name),+ }

        impl State {
            /// All of them, in the order of the report.
            pub const ALL: &[State] = &[$(State::$name),+];

            /// The word that the journal and the report use.
            pub fn word(self) -> &'static str {
                match self { $(State::$name => $word),+ }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(State::$name => concat!($($doc),*).trim_ascii()),+ }
            }
        }
    };
}

states! {
    /// It is in the manifest.
    Ok = "ok",
    /// robots.txt does not let us ask for its page or for any of its pictures.
    Robots = "robots",
    /// The shop asks machines that learn to keep away (`noai`, `noimageai`, `noindex`).
    NoAi = "noai",
    /// Its page is not there any more (404, 410).
    Gone = "gone",
    /// The shop did not answer its page: refused, overloaded, unreachable, or too large.
    Blocked = "blocked",
    /// Its page came, but no title or brand could be read from it.
    Parse = "parse",
    /// No price could be read without guessing.
    NoPrice = "no-price",
    /// It has no picture, or none that the shop delivers.
    NoImage = "no-image",
    /// Its pictures are cut off.
    Truncated = "truncated",
    /// What the shop serves as its pictures are not pictures.
    NotAnImage = "not-an-image",
    /// Its pictures are too small to compare.
    TooSmall = "too-small",
    /// Another item of the store has the same pictures: byte for byte, or the same shot in other bytes.
    Duplicate = "duplicate",
    /// New, and its brand is rated below the floor, or not at all.
    BelowRating = "below-rating",
    /// Two sources on its page contradict each other.
    Quarantined = "quarantined",
    /// Three runs in a row did not see it.
    Retired = "retired",
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        State::ALL.iter().copied().find(|s| s.word() == word).ok_or_else(|| {
            let known: Vec<_> = State::ALL.iter().map(|s| s.word()).collect();
            format!("`{word}` is not a state: expected one of {}", known.join(", "))
        })
    }
}
