//! Which pictures hang together: those that must not be on both sides of a split, since who has seen one has seen the others.

use std::collections::BTreeSet;

use goodtwin_core::{ContentId, Item, Row};
use goodtwin_imaging::{Fingerprint, fingerprint};

use super::split::merge;

/// What ties a picture to others.
pub struct Tied<'a> {
    /// Its family, where somebody named one.
    pub family: Option<&'a str>,
    /// Its bytes.
    pub sha256: &'a ContentId,
    /// The offer that shows it.
    pub item: Option<&'a Item>,
    /// The shot, whatever file it came in.
    pub fingerprint: &'a Fingerprint,
}

impl<'a> Tied<'a> {
    /// Those of a row.
    pub fn of(row: &'a Row, fingerprint: &'a Fingerprint) -> Tied<'a> {
        Tied { family: row.family.as_deref(), sha256: &row.sha256, item: row.item.as_ref(), fingerprint }
    }

    /// What must not be in two splits. A picture without a family is a family of its own; one of a shop's offer belongs to
    /// the other pictures of that offer.
    pub fn own_family(&self) -> String {
        match (self.family, self.item) {
            (Some(family), _) => format!("family/{family}"),
            (None, Some(item)) => format!("item/{}", item.id),
            (None, None) => format!("picture/{}", self.sha256),
        }
    }
}

/// The family of each picture, in their order. Families that share a picture, the same shot in another file, an offer or a page
/// go by one name.
pub fn together(pictures: &[Tied<'_>]) -> Vec<String> {
    let families: Vec<String> = pictures.iter().map(Tied::own_family).collect();
    let mut shared: Vec<(&str, &str)> = Vec::new();
    for (family, picture) in families.iter().zip(pictures) {
        shared.push((family, picture.sha256.as_str()));
        if let Some(item) = picture.item {
            shared.push((family, item.id.as_str()));
            shared.push((family, &item.url));
        }
    }
    // Of the same bytes one is looked at: they are tied already, and a picture that every offer of a shop shows, such as a table of
    // sizes, would make as many pairs as the square of the offers.
    let mut known = BTreeSet::new();
    let firsts: Vec<usize> = (0..pictures.len()).filter(|i| known.insert(pictures[*i].sha256)).collect();
    let fingerprints: Vec<Fingerprint> = firsts.iter().map(|i| pictures[*i].fingerprint.clone()).collect();
    for (one, other) in fingerprint::near_pairs(&fingerprints) {
        shared.push((&families[firsts[other]], pictures[firsts[one]].sha256.as_str()));
    }
    let names = merge(shared.into_iter());
    families.iter().map(|family| names[family.as_str()].to_string()).collect()
}
