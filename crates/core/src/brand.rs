//! Brands: one name for all spellings, by rule; and, where no rule can know it, by a table of aliases.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::{Error, Result, config};

/// A brand's name in a form in which "Elvis & Kresse Ltd." and "elvis and kresse" are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BrandName(String);

/// What companies are by law, at the end of a name: "Inc.", "GmbH & Co. KG".
const LEGAL_FORMS: [&str; 32] = [
    "ab",
    "ag",
    "aps",
    "asa",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "limited",
    "llc",
    "llp",
    "ltd",
    "nv",
    "oy",
    "oyj",
    "plc",
    "pte",
    "pty",
    "pvt",
    "sa",
    "sarl",
    "sas",
    "sl",
    "spa",
    "srl",
    "ug",
    "and", // of "& Co."
];

impl BrandName {
    /// Case, accents, punctuation, "&"/"and", trade marks' signs and a legal form at the end are taken out.
    pub fn new(name: &str) -> Self {
        let plain: String = name
            .replace(['™', '®', '©', '℠'], "")
            .replace(['&', '+', '＆'], " and ")
            .nfkd()
            .filter(|c| !is_combining_mark(*c) && !matches!(c, '\'' | '’' | '.'))
            .flat_map(char::to_lowercase)
            .map(|c| match c {
                'ø' => "o".into(),
                'ł' => "l".into(),
                'đ' => "d".into(),
                'ı' => "i".into(),
                'æ' => "ae".into(),
                'œ' => "oe".into(),
                'ß' => "ss".into(),
                c if c.is_alphanumeric() => c.to_string(),
                _ => " ".to_string(),
            })
            .collect();
        let mut words: Vec<&str> = plain.split_whitespace().collect();
        while words.len() > 1 && words.last().is_some_and(|word| LEGAL_FORMS.contains(word)) {
            words.pop();
        }
        BrandName(words.join(" "))
    }

    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing of the name was left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How near another name is: 0 for the same letters in other words, then the letters to change; `None` if it is no near
    /// miss. Names of four letters and fewer have none, since every other such name would be one.
    pub fn nearness(&self, other: &BrandName) -> Option<usize> {
        let letters = |name: &BrandName| name.0.replace(' ', "");
        let (a, b) = (letters(self), letters(other));
        let shorter = a.chars().count().min(b.chars().count());
        if shorter <= 4 {
            return None;
        }
        let distance = strsim::osa_distance(&a, &b);
        let begins = |long: &BrandName, short: &BrandName| {
            long.0.strip_prefix(short.0.as_str()).is_some_and(|rest| rest.starts_with(' '))
        };
        if distance <= (shorter / 6).max(1) {
            Some(distance)
        } else {
            (begins(self, other) || begins(other, self)).then_some(distance)
        }
    }
}

/// Other names that a brand goes by, which no rule makes the same: "Herschel Supply" for "Herschel".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    brand_of: BTreeMap<BrandName, BrandName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasFile {
    /// The name that a brand is rated by, to its other names.
    aliases: BTreeMap<String, Vec<String>>,
}

impl Aliases {
    /// Read `configs/brands.toml` or its like.
    ///
    /// # Errors
    /// Exit 2, with file and name, where a name is said to be of two brands, or is a brand with aliases of its own.
    pub fn load(path: &Path) -> Result<Self> {
        let file: AliasFile = config::load(path)?;
        Aliases::new(&file.aliases).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))
    }

    /// Check a table of brands and their other names.
    ///
    /// # Errors
    /// The name that cannot be told apart.
    pub fn new(table: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let brands: Vec<BrandName> = table.keys().map(|brand| BrandName::new(brand)).collect();
        let mut brand_of: BTreeMap<BrandName, BrandName> = BTreeMap::new();
        for (brand, others) in table {
            for other in others {
                let (name, of) = (BrandName::new(other), BrandName::new(brand));
                if name.is_empty() || of.is_empty() {
                    return Err(format!("\"{brand}\" = [\"{other}\"]: expected names with letters or digits"));
                }
                if name == of {
                    continue; // the rule knows it already
                }
                if brands.contains(&name) {
                    return Err(format!("\"{other}\" is an alias of \"{brand}\" and has aliases itself"));
                }
                if brand_of.insert(name, of.clone()).is_some_and(|before| before != of) {
                    return Err(format!("\"{other}\" is an alias of \"{brand}\" and of another brand"));
                }
            }
        }
        Ok(Aliases { brand_of })
    }

    /// The name that a brand is rated by.
    pub fn resolve(&self, name: &str) -> BrandName {
        let name = BrandName::new(name);
        self.brand_of.get(&name).cloned().unwrap_or(name)
    }

    /// Alias and brand, both normalised, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&BrandName, &BrandName)> {
        self.brand_of.iter()
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
            ("ABLE™", "Able"),
            ("Able®", "Able"),
            ("Weiß GmbH & Co. KG", "weiss"),
            ("H＆M", "H&M"),
            ("& Other Stories", "and other stories"),
        ] {
            assert_eq!(BrandName::new(a), BrandName::new(b), "{a} {b}");
        }
        assert_ne!(BrandName::new("Able"), BrandName::new("Abel"));
        assert_eq!(BrandName::new("Co").as_str(), "co");
        assert!(BrandName::new(" ™ - ").is_empty());
    }

    #[test]
    fn near_names_are_near_and_others_are_not() {
        let near = |a: &str, b: &str| BrandName::new(a).nearness(&BrandName::new(b));
        assert_eq!(near("Bee Keeper Parade", "Beekeeper Parade"), Some(0));
        assert_eq!(near("Sandquist", "Sandqvist"), Some(1));
        assert_eq!(near("Stella Mc Cartny", "Stella McCartney"), Some(1));
        assert!(near("Herschel Supply", "Herschel").is_some());
        for (a, b) in [("Able", "Abel"), ("Zara", "Zaraz"), ("Rains", "Graine"), ("Kindle", "Kin"), ("Mango", "Mimco")]
        {
            assert_eq!(near(a, b), None, "{a} {b}");
        }
    }

    #[test]
    fn an_alias_is_of_one_brand() {
        let table = |rows: &[(&str, &[&str])]| {
            rows.iter().map(|(b, o)| (b.to_string(), o.iter().map(|s| s.to_string()).collect())).collect()
        };
        let aliases = Aliases::new(&table(&[("Herschel", &["Herschel Supply", "HERSCHEL"])])).unwrap();
        assert_eq!(aliases.resolve("Herschel Supply Co.").as_str(), "herschel");
        assert_eq!(aliases.resolve("Rains").as_str(), "rains");
        assert_eq!(aliases.iter().count(), 1);
        for (rows, expected) in [
            (table(&[("A1", &["C1"]), ("B1", &["c1"])]), "\"c1\" is an alias of \"B1\" and of another brand"),
            (table(&[("A1", &["B1"]), ("B1", &["C1"])]), "\"B1\" is an alias of \"A1\" and has aliases itself"),
            (table(&[("A1", &["-"])]), "expected names"),
        ] {
            assert!(Aliases::new(&rows).unwrap_err().contains(expected), "{expected}");
        }
    }
}
