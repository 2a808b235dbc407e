//! Types of bags (or shoes, or anything): data, not code.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, config};

/// The key of a type, such as `shoulder_bag`. Which keys there are is up to the taxonomy and the data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BagType(String);

impl BagType {
    /// The type with this key; spaces and hyphens become underscores.
    pub fn new(key: &str) -> Self {
        BagType(key.trim().to_lowercase().replace([' ', '-'], "_"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For people: "shoulder bag".
    pub fn title(&self) -> String {
        self.0.replace('_', " ")
    }
}

impl fmt::Display for BagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which types there are, and which words of shops mean which.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taxonomy {
    /// By key, such as `[types.shoulder_bag]`.
    pub types: BTreeMap<BagType, TypeWords>,
}

/// The words that mean one type.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeWords {
    /// Words and phrases, in lower case, singular: "shoulder bag", "hobo".
    pub words: Vec<String>,
}

impl Taxonomy {
    /// Read `configs/taxonomy.toml`.
    pub fn load(path: &Path) -> Result<Self> {
        let taxonomy: Taxonomy = config::load(path)?;
        let mut seen = BTreeMap::new();
        for (bag_type, entry) in &taxonomy.types {
            for word in &entry.words {
                if let Some(other) = seen.insert(plain(word), bag_type) {
                    return Err(Error::Usage(format!(
                        "{}: the word `{word}` stands for both `{other}` and `{bag_type}`; expected one type a word",
                        path.display()
                    )));
                }
            }
        }
        Ok(taxonomy)
    }

    /// The type that a shop's label or title means: the longest phrase in it that the taxonomy knows; of two as long, the
    /// later one, since English puts the noun last ("tote backpack" is a backpack).
    pub fn classify(&self, text: &str) -> Option<&BagType> {
        let padded = format!(" {} ", plain(text));
        self.types
            .iter()
            .flat_map(|(t, entry)| {
                let key = std::iter::once(t.title());
                key.chain(entry.words.iter().cloned()).map(move |w| (t, plain(&w)))
            })
            .filter_map(|(t, word)| {
                let singular = padded.rfind(&format!(" {word} "));
                let plural = padded.rfind(&format!(" {word}s "));
                singular.max(plural).map(|at| ((word.split(' ').count(), at), t))
            })
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, t)| t)
    }
}

fn plain(text: &str) -> String {
    let letters: String =
        text.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).flat_map(char::to_lowercase).collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taxonomy() -> Taxonomy {
        config::parse(
            "[types.shoulder_bag]\nwords = ['hobo', 'handbag']\n[types.tote]\nwords = ['shopper']\n\
             [types.backpack]\nwords = ['rucksack']\n[types.belt_bag]\nwords = ['fanny pack']\n",
        )
        .unwrap()
    }

    #[test]
    fn the_longest_phrase_wins_then_the_last() {
        let t = taxonomy();
        let classify = |text: &str| t.classify(text).map(|b| b.as_str().to_string());
        assert_eq!(classify("Women > Totes & Shoppers").as_deref(), Some("tote"));
        assert_eq!(classify("Tote Backpack, olive").as_deref(), Some("backpack"));
        assert_eq!(classify("Shoulder-bag tote").as_deref(), Some("shoulder_bag"));
        assert_eq!(classify("FANNY PACK").as_deref(), Some("belt_bag"));
        assert_eq!(classify("Totem pole"), None);
    }
}
