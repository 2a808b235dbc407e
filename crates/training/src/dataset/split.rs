//! Which family goes where.
//!
//! A model in another colour is nearly the same picture: a family in two splits would be measured on what it was trained
//! on. So families are shared out whole, class by class, in the order of a hash of seed and name: no generator's version and
//! no order of files changes a split.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::{BagType, ContentId, Split};

/// How much of the pictures each split gets, as near as whole families allow.
fn share(split: Split) -> f64 {
    match split {
        Split::Train => 0.7,
        Split::Validation => 0.1,
        Split::Test => 0.2,
    }
}

/// How [`by_family`] splits, for a person.
pub fn describe(seed: u64) -> String {
    let shares = [Split::Train, Split::Validation, Split::Test].map(|split| format!("{split} {}", share(split)));
    format!("by family, seed {seed}, aiming at {}", shares.join(", "))
}

/// One picture, as far as the split asks.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its family, or a name of its own.
    pub family: &'a str,
    /// Its class.
    pub class: &'a BagType,
}

/// The split of each member, in their order.
///
/// No family is in two splits. Every class has a family in train, and one in test where it has two or more; where families
/// that hold several classes make that impossible, train comes first.
pub fn by_family(members: &[Member<'_>], seed: u64) -> Vec<Split> {
    let mut families = Families::new(members, seed);
    let classes: BTreeSet<&BagType> = members.iter().map(|m| m.class).collect();
    for class in &classes {
        families.share_out(class);
    }
    for class in &classes {
        families.put_one_in_train(class);
    }
    for class in &classes {
        families.put_one_in_test(class);
    }
    families.put_one_in_validation();
    let split: BTreeMap<&str, Split> = families.0.iter().map(|f| (f.name, f.split)).collect();
    members.iter().map(|m| split[m.family]).collect()
}

/// Families that share a picture are one: each family, by the name that comes first of all that hang together with it.
pub fn merge<'a>(pictures: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, &'a str> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut shown_by: BTreeMap<&str, &str> = BTreeMap::new();
    let root = |first: &BTreeMap<&'a str, &'a str>, mut family: &'a str| {
        while first[family] != family {
            family = first[family];
        }
        family
    };
    for (family, picture) in pictures {
        first.entry(family).or_insert(family);
        let other = *shown_by.entry(picture).or_insert(family);
        let (a, b) = (root(&first, family), root(&first, other));
        first.insert(a.max(b), a.min(b));
    }
    first.keys().map(|family| (*family, root(&first, family))).collect()
}

struct Family<'a> {
    name: &'a str,
    /// Images a class: nearly always one class, but labels are made by people.
    images: BTreeMap<&'a BagType, usize>,
    split: Split,
}

impl<'a> Family<'a> {
    fn size(&self) -> usize {
        self.images.values().sum()
    }

    fn main_class(&self) -> Option<&'a BagType> {
        self.images.iter().rev().max_by_key(|(_, n)| **n).map(|(class, _)| *class)
    }
}

struct Families<'a>(Vec<Family<'a>>);

impl<'a> Families<'a> {
    fn new(members: &[Member<'a>], seed: u64) -> Self {
        let mut images: BTreeMap<&str, BTreeMap<&BagType, usize>> = BTreeMap::new();
        for m in members {
            *images.entry(m.family).or_default().entry(m.class).or_default() += 1;
        }
        let family = |(name, images)| Family { name, images, split: Split::Train };
        let mut families: Vec<Family<'a>> = images.into_iter().map(family).collect();
        families.sort_by_cached_key(|f| ContentId::of(format!("{seed}/{}", f.name)));
        Families(families)
    }

    /// Each family goes where most images are missing. Families of several images come first, so that each split gets its
    /// share of them: only they can be asked for a twin.
    fn share_out(&mut self, class: &BagType) {
        let mut missing = [(Split::Validation, 0.0), (Split::Test, 0.0), (Split::Train, 0.0)];
        for several in [true, false] {
            let mut part: Vec<_> =
                self.0.iter_mut().filter(|f| f.main_class() == Some(class) && (f.size() > 1) == several).collect();
            let images: usize = part.iter().map(|f| f.size()).sum();
            // Those too big to be held out come first, the biggest first: met late, they would overfill any split.
            let room = share(Split::Test) * images as f64;
            part.sort_by_key(|f| Reverse(if f.size() as f64 > room { f.size() } else { 0 }));
            for (split, missing) in &mut missing {
                *missing += share(*split) * images as f64;
            }
            for family in &mut part {
                let most = missing.iter_mut().max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are three splits");
                family.split = most.0;
                most.1 -= family.size() as f64;
            }
        }
    }

    fn put_one_in_train(&mut self, class: &BagType) {
        if self.holders(class, Split::Train) == 0 {
            let holders = self.0.iter_mut().filter(|f| f.images.contains_key(class));
            if let Some(smallest) = holders.min_by_key(|f| f.size()) {
                smallest.split = Split::Train;
            }
        }
    }

    fn put_one_in_test(&mut self, class: &BagType) {
        let holds = |f: &Family| f.images.contains_key(class);
        if self.holders(class, Split::Test) > 0 || self.0.iter().filter(|f| holds(f)).count() < 2 {
            return;
        }
        let free = (0..self.0.len()).filter(|i| holds(&self.0[*i]) && self.train_can_spare(&self.0[*i]));
        if let Some(i) = free.min_by_key(|i| (self.0[*i].split == Split::Train, self.0[*i].size())) {
            self.0[i].split = Split::Test;
        }
    }

    /// In small data sets each class may round to no validation at all; the epoch must be chosen by something.
    fn put_one_in_validation(&mut self) {
        if self.0.iter().any(|f| f.split == Split::Validation) {
            return;
        }
        let free = (0..self.0.len()).filter(|i| self.0[*i].split == Split::Train && self.train_can_spare(&self.0[*i]));
        let rest = |i: usize| self.0[i].images.keys().map(|class| self.holders(class, Split::Train)).min();
        if let Some(i) = free.max_by_key(|i| (rest(*i), Reverse(self.0[*i].size()))) {
            self.0[i].split = Split::Validation;
        }
    }

    fn holders(&self, class: &BagType, split: Split) -> usize {
        self.0.iter().filter(|f| f.split == split && f.images.contains_key(class)).count()
    }

    fn train_can_spare(&self, family: &Family<'_>) -> bool {
        family.split != Split::Train || family.images.keys().all(|class| self.holders(class, Split::Train) > 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pictures: &[(String, BagType)], seed: u64) -> Vec<Split> {
        let members: Vec<_> = pictures.iter().map(|(family, class)| Member { family, class }).collect();
        by_family(&members, seed)
    }

    fn families(sizes: &[usize]) -> Vec<(String, BagType)> {
        let tote = BagType::new("tote");
        sizes.iter().enumerate().flat_map(|(i, n)| vec![(format!("family {i}"), tote.clone()); *n]).collect()
    }

    fn received(splits: &[Split], of: Split) -> f64 {
        splits.iter().filter(|s| **s == of).count() as f64 / splits.len() as f64
    }

    #[test]
    fn the_shares_are_as_asked() {
        for (sizes, tolerance) in
            [(vec![1; 100], 0.001), (vec![3; 40], 0.03), ([vec![1; 60], vec![4; 20]].concat(), 0.03)]
        {
            let splits = split(&families(&sizes), 7);
            for of in [Split::Train, Split::Validation, Split::Test] {
                assert!((received(&splits, of) - share(of)).abs() <= tolerance, "{of}: {}", received(&splits, of));
            }
        }
    }

    #[test]
    fn the_smallest_classes_are_trained_on_then_measured_then_validated() {
        let counts = |n| {
            let splits = split(&families(&vec![1; n]), 3);
            [Split::Train, Split::Validation, Split::Test].map(|s| splits.iter().filter(|x| **x == s).count())
        };
        assert_eq!(counts(1), [1, 0, 0]);
        assert_eq!(counts(2), [1, 0, 1]);
        assert_eq!(counts(3), [1, 1, 1]);
        assert_eq!(counts(4), [2, 1, 1]);
    }

    #[test]
    fn the_order_of_the_pictures_does_not_matter_and_the_seed_does() {
        let pictures = families(&[1; 200]);
        let reversed: Vec<_> = pictures.iter().rev().cloned().collect();
        let once = split(&pictures, 1);
        assert!(once.iter().eq(split(&reversed, 1).iter().rev()));
        assert_ne!(once, split(&pictures, 2));
    }

    #[test]
    fn families_that_share_a_picture_hang_together() {
        let shown = [("c", "1"), ("a", "2"), ("b", "1"), ("b", "3"), ("a", "3"), ("d", "4"), ("d", "5")];
        let expected = BTreeMap::from([("a", "a"), ("b", "a"), ("c", "a"), ("d", "d")]);
        assert_eq!(merge(shown.into_iter()), expected);
        assert_eq!(merge(shown.into_iter().rev()), expected);
    }

    proptest! {
        #[test]
        fn no_family_is_in_two_splits_whatever_the_sizes(
            pictures in prop::collection::vec((0..40u8, 0..5u8), 1..150),
            seed: u64,
        ) {
            let pictures: Vec<_> =
                pictures.iter().map(|(f, c)| (format!("f{f}"), BagType::new(&format!("class {c}")))).collect();
            let splits = split(&pictures, seed);
            let mut seen: BTreeMap<&str, Split> = BTreeMap::new();
            for ((family, _), s) in pictures.iter().zip(&splits) {
                prop_assert_eq!(seen.entry(family).or_insert(*s), s);
            }
            for (_, class) in &pictures {
                let in_train = pictures.iter().zip(&splits).any(|((_, c), s)| c == class && *s == Split::Train);
                prop_assert!(in_train, "{} has nothing in train", class);
            }
        }

        #[test]
        fn classes_of_two_families_are_trained_and_held_out(
            sizes in prop::collection::vec(prop::collection::vec(1..12usize, 1..9), 1..6),
            seed: u64,
        ) {
            let mut pictures = Vec::new();
            for (c, families) in sizes.iter().enumerate() {
                for (f, n) in families.iter().enumerate() {
                    pictures.extend(vec![(format!("{c}/{f}"), BagType::new(&format!("class {c}"))); *n]);
                }
            }
            let splits = split(&pictures, seed);
            for (c, families) in sizes.iter().enumerate() {
                let class = BagType::new(&format!("class {c}"));
                let has = |split| pictures.iter().zip(&splits).any(|((_, k), s)| *k == class && *s == split);
                prop_assert!(has(Split::Train));
                prop_assert_eq!(has(Split::Test), families.len() > 1);
            }
        }
    }
}
