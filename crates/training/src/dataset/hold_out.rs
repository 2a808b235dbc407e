//! What is held out: families, or whole brands.
//!
//! A split by family says how well a model's other colours are found among brands that the run knows. Whether it finds bags
//! of brands that it never saw is the harder question, and a shop's catalogue asks it: so brands can be held out whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goodtwin_core::{BagType, BrandName, Split, config};

use super::split::{Member, by_family, describe, merge};
use super::{Error, Result};

/// What goes into the test split whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldOut {
    /// A fifth of the pictures, by family.
    Families,
    /// A fifth of the pictures, by brand.
    Brands,
    /// These brands; of the others nothing is tested.
    These(Vec<String>),
    /// A part of a cross-validation: over all its parts each picture is tested once. What is for evaluation only is tested in
    /// each part, and counts in one when they are pooled.
    Fold {
        /// Whether brands are held out whole, or families.
        brands: bool,
        /// Which part, from 1.
        number: usize,
        /// Of how many.
        of: usize,
    },
}

impl HoldOut {
    /// The option of `goodtwin dataset` that asks for it.
    fn option(&self) -> &'static str {
        match self {
            HoldOut::Families => "--split family",
            HoldOut::Brands => "--split brand",
            HoldOut::These(_) => "--hold-out-brands",
            HoldOut::Fold { .. } => "--fold",
        }
    }

    fn is_by_brand(&self) -> bool {
        !matches!(self, HoldOut::Families | HoldOut::Fold { brands: false, .. })
    }

    fn refused(&self, source: &Path, why: String) -> Error {
        Error::Brands { option: self.option(), path: source.into(), what: why }
    }
}

/// One picture, as far as this asks.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Its family, with all that must go with it.
    pub family: &'a str,
    /// Its class.
    pub class: &'a BagType,
    /// Its brand, as somebody wrote it.
    pub brand: Option<&'a str>,
}

/// Whether pictures of these brands can be split so, as far as that is seen without reading a picture.
///
/// # Errors
/// [`Error::Brands`] where brands are to be held out and there is none, or for one that no picture has.
pub fn check_brands<'a>(brands: impl Iterator<Item = &'a str>, what: &HoldOut, source: &Path) -> Result<()> {
    if !what.is_by_brand() {
        return Ok(());
    }
    let known: BTreeMap<BrandName, &str> = brands.map(|brand| (BrandName::new(brand), brand)).collect();
    if known.is_empty() {
        return Err(what.refused(source, "no picture has a brand: expected some to hold out".into()));
    }
    let HoldOut::These(names) = what else { return Ok(()) };
    let Some(name) = names.iter().find(|name| !known.contains_key(&BrandName::new(name))) else { return Ok(()) };
    let near = config::nearest(name, known.values().copied());
    let near = near.map_or(": e".into(), |near| format!("; did you mean `{near}`? E"));
    let expected: Vec<&str> = known.into_values().take(20).collect();
    Err(what
        .refused(source, format!("no picture is of the brand `{name}`{near}xpected one of {}", expected.join(", "))))
}

/// The split of each picture, in their order, and how it was made.
///
/// A family that two brands share goes with both, so that no family is in two splits.
///
/// # Errors
/// [`Error::Brands`] for a brand that no picture has, brands that leave nothing to train on, no brands at all, or a part of
/// which no picture would be tested.
pub fn hold_out(pictures: &[Picture<'_>], what: &HoldOut, seed: u64, source: &Path) -> Result<(Vec<Split>, String)> {
    let members = |group: &dyn Fn(usize) -> String| -> Vec<String> { (0..pictures.len()).map(group).collect() };
    let refuse = |why: String| Err(what.refused(source, why));
    let by_group = |groups: &[String]| {
        let members: Vec<Member<'_>> =
            groups.iter().zip(pictures).map(|(family, p)| Member { family, class: p.class }).collect();
        by_family(&members, seed)
    };
    if *what == HoldOut::Families {
        return Ok((by_group(&members(&|i| pictures[i].family.to_string())), describe(seed)));
    }
    check_brands(pictures.iter().filter_map(|p| p.brand), what, source)?;
    let brands: Vec<Option<BrandName>> = pictures.iter().map(|p| p.brand.map(BrandName::new)).collect();
    let whole_brands = what.is_by_brand();
    let by_brand = || {
        let names: Vec<String> = (0..pictures.len())
            .map(|i| {
                brands[i].as_ref().map_or(format!("family/{}", pictures[i].family), |b| format!("brand/{}", b.as_str()))
            })
            .collect();
        let together = merge(names.iter().map(String::as_str).zip(pictures.iter().map(|p| p.family)));
        members(&|i| together[names[i].as_str()].to_string())
    };
    let names = match what {
        HoldOut::These(names) => names,
        HoldOut::Fold { number, of, .. } => {
            let groups = if whole_brands { by_brand() } else { members(&|i| pictures[i].family.to_string()) };
            let parts = parts(pictures, &groups, *of);
            let mut held: BTreeSet<usize> = (0..pictures.len()).filter(|i| parts[*i] == number - 1).collect();
            let mut kept = vec![];
            let splits = loop {
                match rest_by_family(pictures, &|i| held.contains(&i), seed) {
                    Ok(splits) => break splits,
                    // A class of no other part: the smallest group that has it is trained on, in this part and in no other.
                    Err(class) => {
                        let size = |group: &str| groups.iter().filter(|g| *g == group).count();
                        let having = held.iter().filter(|i| pictures[**i].class == class).map(|i| groups[*i].as_str());
                        let Some(group) = having.min_by_key(|group| (size(group), *group)) else {
                            return refuse(format!("the class `{class}` has no picture to train on"));
                        };
                        kept.push(class.as_str());
                        held.retain(|i| groups[*i] != group);
                    }
                }
            };
            let by = if whole_brands { "brand" } else { "family" };
            if held.is_empty() {
                let several = if whole_brands { "brands" } else { "families" };
                return refuse(format!(
                    "part {number} of {of} would test no picture: expected fewer parts, of so few {several}"
                ));
            }
            let kept = match kept.is_empty() {
                true => String::new(),
                false => format!(", without the smallest {by} that has {}", kept.join(" and ")),
            };
            return Ok((splits, format!("by {by}, seed {seed}: test part {number} of {of}{kept}; the rest by family")));
        }
        _ => return Ok((by_group(&by_brand()), describe(seed).replace("by family", "by brand"))),
    };
    let held: BTreeSet<BrandName> = names.iter().map(|name| BrandName::new(name)).collect();
    let families: BTreeSet<&str> = pictures
        .iter()
        .zip(&brands)
        .filter(|(_, brand)| brand.as_ref().is_some_and(|b| held.contains(b)))
        .map(|(p, _)| p.family)
        .collect();
    match rest_by_family(pictures, &|i| families.contains(pictures[i].family), seed) {
        Err(class) => refuse(format!("without the held-out brands the class `{class}` has no picture to train on")),
        Ok(splits) => Ok((splits, format!("by brand, seed {seed}: test {}; the rest by family", names.join(", ")))),
    }
}

/// What is held out is tested. Of the others a tenth chooses the epoch, by family, and all else is trained on. The error is a
/// class that nothing would be trained on.
fn rest_by_family<'a>(
    pictures: &[Picture<'a>],
    is_held: &dyn Fn(usize) -> bool,
    seed: u64,
) -> std::result::Result<Vec<Split>, &'a BagType> {
    let others: Vec<usize> = (0..pictures.len()).filter(|i| !is_held(*i)).collect();
    let rest: Vec<Member<'_>> =
        others.iter().map(|i| Member { family: pictures[*i].family, class: pictures[*i].class }).collect();
    let mut splits = vec![Split::Test; pictures.len()];
    for (i, split) in others.iter().zip(by_family(&rest, seed)) {
        splits[*i] = if split == Split::Validation { Split::Validation } else { Split::Train };
    }
    let mut trained: BTreeMap<&BagType, bool> = BTreeMap::new();
    for (p, split) in pictures.iter().zip(&splits) {
        *trained.entry(p.class).or_default() |= *split == Split::Train;
    }
    match trained.into_iter().find(|(_, trained)| !trained) {
        Some((class, _)) => Err(class),
        None => Ok(splits),
    }
}

/// The part, from 0, of each picture: groups stay whole, and parts have about as many pictures that can ask for their family,
/// and about as many pictures.
fn parts(pictures: &[Picture<'_>], groups: &[String], of: usize) -> Vec<usize> {
    let mut relatives: BTreeMap<&str, usize> = BTreeMap::new();
    for picture in pictures {
        *relatives.entry(picture.family).or_default() += 1;
    }
    // Pictures that can ask, and pictures.
    let mut sizes: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (picture, group) in pictures.iter().zip(groups) {
        let [ask, all] = sizes.entry(group).or_default();
        *ask += usize::from(relatives[picture.family] > 1);
        *all += 1;
    }
    let mut largest_first: Vec<(&str, [usize; 2])> = sizes.into_iter().collect();
    largest_first.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let mut full = vec![[0usize; 2]; of];
    let mut part_of = BTreeMap::new();
    for (group, [ask, all]) in largest_first {
        let rank = |part: &usize| if ask > 0 { full[*part] } else { [full[*part][1], 0] };
        let part = (0..of).min_by_key(rank).expect("a cross-validation has parts");
        part_of.insert(group, part);
        full[part] = [full[part][0] + ask, full[part][1] + all];
    }
    groups.iter().map(|group| part_of[group.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Brand, family, class.
    fn split(pictures: &[(&str, &str, &str)], what: HoldOut) -> Result<Vec<Split>> {
        let classes: Vec<BagType> = pictures.iter().map(|p| BagType::new(p.2)).collect();
        let pictures: Vec<Picture<'_>> = pictures
            .iter()
            .zip(&classes)
            .map(|((brand, family, _), class)| Picture {
                family,
                class,
                brand: Some(brand).filter(|b| !b.is_empty()).copied(),
            })
            .collect();
        hold_out(&pictures, &what, 1, Path::new("source")).map(|(splits, _)| splits)
    }

    #[test]
    fn the_brands_that_are_named_are_tested_and_no_other() {
        let pictures = [
            ("Able", "a", "tote"),
            ("Able Ltd.", "b", "tote"),
            ("Baker", "c", "tote"),
            ("Cole", "d", "tote"),
            ("", "e", "tote"),
        ];
        let splits = split(&pictures, HoldOut::These(vec!["ABLE".into()])).unwrap();
        assert_eq!(splits[..2], [Split::Test, Split::Test]);
        assert!(splits[2..].iter().all(|s| *s != Split::Test) && splits[2..].contains(&Split::Train), "{splits:?}");
    }

    #[test]
    fn what_cannot_be_held_out_is_named() {
        let pictures = [("Able", "a", "tote"), ("Baker", "b", "clutch"), ("Cole", "c", "clutch")];
        let refused = |pictures: &[_], names: &[&str]| {
            let names = names.iter().map(|n| n.to_string()).collect();
            split(pictures, HoldOut::These(names)).unwrap_err().to_string()
        };
        assert!(
            refused(&pictures, &["Abel"])
                .contains("no picture is of the brand `Abel`; did you mean `Able`? Expected one of Able, Baker")
        );
        assert!(refused(&pictures, &["Zulu"]).contains("of the brand `Zulu`: expected one of Able, Baker"));
        assert!(refused(&pictures, &["Able"]).contains("the class `tote` has no picture to train on"));
        assert!(refused(&[("", "a", "tote")], &["Able"]).contains("no picture has a brand"));
    }

    #[test]
    fn a_brand_and_what_shares_its_families_is_in_one_split() {
        let brands: Vec<String> = (0..30).map(|i| format!("brand {i}")).collect();
        let families: Vec<String> = (0..120).map(|i| format!("f{}", i / 2)).collect();
        let pictures: Vec<(&str, &str, &str)> =
            (0..120).map(|i| (brands[i / 4].as_str(), families[i].as_str(), "tote")).collect();
        let mut shared = pictures.clone();
        shared[0].1 = families[118].as_str();
        for pictures in [pictures, shared.clone()] {
            let splits = split(&pictures, HoldOut::Brands).unwrap();
            let tested = splits.iter().filter(|s| **s == Split::Test).count();
            assert!((16..=32).contains(&tested), "{tested}");
            let mut seen = BTreeMap::new();
            for ((brand, family, _), split) in pictures.iter().zip(&splits) {
                assert_eq!(seen.entry(*brand).or_insert(*split), split);
                assert_eq!(seen.entry(*family).or_insert(*split), split);
            }
        }
        assert_eq!(split(&shared, HoldOut::Brands).unwrap()[0], split(&shared, HoldOut::Brands).unwrap()[119]);
    }

    #[test]
    fn over_all_parts_each_picture_is_tested_once_and_brands_stay_whole() {
        let brands: Vec<String> = (0..23).map(|i| format!("brand {i}")).collect();
        let families: Vec<String> = (0..200).map(|i| format!("f{}", i / 3)).collect();
        // Brands of many sizes.
        let brand = |i: usize| brands[(i / 3) * (i / 3) % 23].as_str();
        let pictures: Vec<(&str, &str, &str)> =
            (0..200).map(|i| (brand(i), families[i].as_str(), ["tote", "clutch"][i % 2])).collect();
        let of = |brand: &str| pictures.iter().filter(|p| p.0 == brand).count();
        for whole in [true, false] {
            let mut tested = vec![0; 200];
            for number in 1..=4 {
                let splits = split(&pictures, HoldOut::Fold { brands: whole, number, of: 4 }).unwrap();
                let mut held: BTreeMap<&str, Split> = BTreeMap::new();
                for (i, (brand, family, _)) in pictures.iter().enumerate() {
                    tested[i] += usize::from(splits[i] == Split::Test);
                    assert_eq!(held.entry(family).or_insert(splits[i]), &splits[i], "a family is in one split");
                    let of_brand = |j: &usize| pictures[*j].0 == *brand && splits[*j] == Split::Test;
                    let tested_of_brand = (0..200).filter(of_brand).count();
                    assert!(!whole || splits[i] != Split::Test || tested_of_brand == of(brand), "{brand}");
                }
            }
            assert!(tested.iter().all(|n| *n == 1), "{tested:?}");
        }
    }

    #[test]
    fn parts_have_about_as_many_that_can_ask() {
        let class = BagType::new("tote");
        let families: Vec<String> =
            (0..60).map(|i| if i < 30 { format!("f{}", i / 2) } else { format!("alone {i}") }).collect();
        let pictures: Vec<Picture<'_>> =
            families.iter().map(|family| Picture { family, class: &class, brand: None }).collect();
        let parts = parts(&pictures, &families, 5);
        for part in 0..5 {
            let of = |from: usize, to: usize| (from..to).filter(|i| parts[*i] == part).count();
            assert_eq!((of(0, 30), of(30, 60)), (6, 6));
        }
    }

    #[test]
    fn a_part_without_a_picture_is_refused() {
        let pictures: Vec<(&str, String, &str)> =
            (0..12).map(|i| (["able", "baker", "charlie"][i % 3], format!("f{i}"), "tote")).collect();
        let pictures: Vec<(&str, &str, &str)> = pictures.iter().map(|(b, f, c)| (*b, f.as_str(), *c)).collect();
        let part = |number| split(&pictures, HoldOut::Fold { brands: true, number, of: 5 });
        let refused: Vec<String> = (1..=5).filter_map(|number| part(number).err()).map(|e| e.to_string()).collect();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(refused.iter().all(|e| e.contains("would test no picture: expected fewer parts")), "{refused:?}");
    }

    #[test]
    fn a_class_of_one_brand_is_trained_on_in_every_part() {
        let pictures: Vec<(&str, String, &str)> = (0..40)
            .map(|i| {
                (["Able", "Baker", "Cole", "Only"][i % 4], format!("f{i}"), if i % 4 == 3 { "rare" } else { "tote" })
            })
            .collect();
        let pictures: Vec<(&str, &str, &str)> = pictures.iter().map(|(b, f, c)| (*b, f.as_str(), *c)).collect();
        let mut tested = [0; 40];
        for number in 1..=2 {
            let splits = split(&pictures, HoldOut::Fold { brands: true, number, of: 2 }).unwrap();
            for (i, split) in splits.iter().enumerate() {
                tested[i] += usize::from(*split == Split::Test);
            }
        }
        assert!((0..40).all(|i| tested[i] == usize::from(i % 4 != 3)), "{tested:?}");
    }
}
