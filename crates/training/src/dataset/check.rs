//! Whether anything of a data set is on both sides of its split: what was learned by heart must not ask.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Bound::{Excluded, Unbounded};

use goodtwin_core::{ContentId, Dataset, Error as CoreError, Row, Split};
use goodtwin_imaging::{Fingerprint, Picture, fingerprint};
use rayon::prelude::*;
use serde::Serialize;

use super::Result;

/// How many pairs of a kind are named: where somebody took a label for a family, there are millions.
pub const NAMED: usize = 10_000;

/// What two rows have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Common {
    /// The same bytes.
    Bytes,
    /// The same shot in another file: another size, encoding or margin.
    Shot,
    /// A family.
    Family,
    /// A shop's offer.
    Product,
    /// A page of a shop.
    Page,
}

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Common::Bytes => "same bytes",
            Common::Shot => "near-duplicate",
            Common::Family => "family",
            Common::Product => "product",
            Common::Page => "store page",
        })
    }
}

/// Two pictures of two splits that have something in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leak {
    /// What it is.
    pub common: Common,
    /// Its name: the family's, the offer's id, the page's address, the picture's hash.
    pub name: String,
    /// The files.
    pub pictures: [String; 2],
    /// Their splits.
    pub splits: [Split; 2],
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([a, b], [in_a, in_b]) = (&self.pictures, self.splits);
        write!(f, "{:<14}  {a} ({in_a})  {b} ({in_b})  {}", self.common, self.name)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// How many pairs are on both sides of the split, by what they have in common; empty for a sound data set.
    pub pairs: BTreeMap<Common, usize>,
    /// These pairs: the first [`NAMED`] of each kind.
    pub leaks: Vec<Leak>,
    /// Pairs of near-duplicates within one split, by file: harmless, but they count twice.
    pub near_within: Vec<[String; 2]>,
    /// Pictures by file, each read and decoded.
    pub pictures: usize,
}

/// Read every picture, and look for what two splits have in common, pair by pair.
///
/// # Errors
/// Exit 65 for a picture that is not the one that its row names, or that cannot be decoded.
pub fn check(dataset: &Dataset, progress: &(dyn Fn() + Sync)) -> Result<Checked> {
    Ok(Checked::of(&dataset.rows, &fingerprints(dataset, dataset.rows.iter(), progress)?))
}

/// The fingerprints of these rows' pictures: each picture is read once.
///
/// # Errors
/// Those of [`check`].
pub fn fingerprints<'a>(
    dataset: &Dataset,
    rows: impl Iterator<Item = &'a Row>,
    progress: &(dyn Fn() + Sync),
) -> goodtwin_core::Result<BTreeMap<ContentId, Fingerprint>> {
    let pictures: BTreeMap<&ContentId, &Row> = rows.map(|row| (&row.sha256, row)).collect();
    pictures
        .into_par_iter()
        .map(|(sha256, row)| {
            let bytes = dataset.read(row)?;
            let picture = Picture::decode(&bytes).map_err(|e| CoreError::data(dataset.path(row), e.to_string()))?;
            progress();
            Ok((sha256.clone(), Fingerprint::of(&picture)))
        })
        .collect()
}

impl Checked {
    /// What the splits of these rows have in common; `fingerprints` has every picture of theirs.
    pub fn of(rows: &[Row], fingerprints: &BTreeMap<ContentId, Fingerprint>) -> Checked {
        let mut checked = Checked { pictures: fingerprints.len(), ..Checked::default() };
        checked.near(rows, fingerprints);
        let item = |row: &Row| row.item.clone();
        checked.shared(Common::Bytes, rows, |row| Some(row.sha256.to_string()));
        checked.shared(Common::Family, rows, |row| row.family.clone());
        checked.shared(Common::Product, rows, |row| Some(item(row)?.id.to_string()));
        checked.shared(Common::Page, rows, |row| Some(item(row)?.url));
        checked.leaks.sort();
        checked
    }

    /// How many pairs are on both sides of the split.
    pub fn total(&self) -> usize {
        self.pairs.values().sum()
    }

    /// "3 near-duplicate, 1 family".
    pub fn kinds(&self) -> String {
        let kinds: Vec<String> = self.pairs.iter().map(|(common, n)| format!("{n} {common}")).collect();
        kinds.join(", ")
    }

    fn near(&mut self, rows: &[Row], fingerprints: &BTreeMap<ContentId, Fingerprint>) {
        let by_picture: BTreeMap<&ContentId, &Row> = rows.iter().rev().map(|row| (&row.sha256, row)).collect();
        let (pictures, prints): (Vec<&Row>, Vec<Fingerprint>) =
            fingerprints.iter().filter_map(|(sha256, print)| Some((*by_picture.get(sha256)?, print.clone()))).unzip();
        for (a, b) in fingerprint::near_pairs(&prints) {
            let [(a, in_a), (b, in_b)] = [pictures[a], pictures[b]].map(|row| (row.file_name.as_str(), row.split));
            match in_a == in_b {
                true => self.near_within.push([a.into(), b.into()]),
                false => self.add(Common::Shot, "", [in_a, in_b], 1, [(a, b)].into_iter()),
            }
        }
    }

    /// Pairs of pictures of two splits to which `name` gives the same.
    fn shared(&mut self, common: Common, rows: &[Row], name: impl Fn(&Row) -> Option<String>) {
        let mut groups: BTreeMap<String, BTreeMap<Split, BTreeSet<&str>>> = BTreeMap::new();
        for row in rows {
            if let Some(name) = name(row) {
                groups.entry(name).or_default().entry(row.split).or_default().insert(&row.file_name);
            }
        }
        for (name, splits) in groups {
            for (in_a, a) in &splits {
                for (in_b, b) in splits.range((Excluded(in_a), Unbounded)) {
                    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (*a, *b)));
                    self.add(common, &name, [*in_a, *in_b], a.len() * b.len(), pairs);
                }
            }
        }
    }

    fn add<'a>(
        &mut self,
        common: Common,
        name: &str,
        splits: [Split; 2],
        n: usize,
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let counted = self.pairs.entry(common).or_default();
        let room = NAMED.saturating_sub(*counted);
        *counted += n;
        self.leaks.extend(pairs.take(room).map(|(a, b)| Leak {
            common,
            name: name.into(),
            pictures: [a.into(), b.into()],
            splits,
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goodtwin_core::{BagType, DatasetWriter, Item};

    use super::*;
    use crate::dataset::testing;

    /// Four bags, of which the last was saved twice: as it is and smaller. All are in train.
    fn sound(root: &Path) -> Dataset {
        let writer = DatasetWriter::create(root).unwrap();
        let row = |number: u32| {
            let shown = number.min(3);
            let pixel = |x: u32, y: u32| {
                if (x / (6 + 5 * shown) + y / 9).is_multiple_of(2) { [200, 90, 30 * shown as u8] } else { [20, 40, 80] }
            };
            let large: Vec<u8> = (0..120u32).flat_map(|y| (0..120).flat_map(move |x| pixel(x, y))).collect();
            let picture = Picture::new(120, 120, large);
            let picture = if number == 4 { picture.resize(90, 90) } else { picture };
            let bytes = picture.to_png();
            let sha256 = ContentId::of(&bytes);
            let file_name = writer.add_image(&bytes, &sha256, "png").unwrap();
            let size = [picture.width(), picture.height()];
            Row {
                title: Some(number.to_string()),
                ..Row::new(file_name, sha256, size, BagType::new("tote"), Split::Train)
            }
        };
        let rows = (0..5).map(row).collect();
        let mut made = writer.finish(rows, BTreeMap::new(), "by hand".into(), vec![]).unwrap();
        made.rows.sort_by(|a, b| a.title.cmp(&b.title));
        made
    }

    fn found(made: &Dataset) -> Vec<Common> {
        check(made, &|| ()).unwrap().leaks.iter().map(|l| l.common).collect()
    }

    fn offer(dir: &Path, key: &str) -> Option<Item> {
        Some(testing::item(dir, key, Some("tote"), None, &[]))
    }

    #[test]
    fn the_same_shot_in_another_size_on_both_sides_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = sound(&dir.path().join("d"));
        assert_eq!(found(&made), []);
        made.rows[4].split = Split::Test;
        assert_eq!(found(&made), [Common::Shot]);
    }

    #[test]
    fn the_same_bytes_on_both_sides_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = sound(&dir.path().join("d"));
        made.rows.push(made.rows[0].clone());
        assert_eq!(found(&made), [], "two rows of one picture in one split");
        made.rows[5].split = Split::Validation;
        assert_eq!(found(&made), [Common::Bytes]);
    }

    #[test]
    fn an_offer_or_a_page_on_both_sides_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = sound(&dir.path().join("d"));
        made.rows[0].item = offer(dir.path(), "a");
        made.rows[1].item = offer(dir.path(), "b");
        made.rows[1].split = Split::Test;
        assert_eq!(found(&made), []);
        made.rows[1].item.as_mut().unwrap().id = made.rows[0].item.as_ref().unwrap().id.clone();
        assert_eq!(found(&made), [Common::Product]);
        made.rows[1].item = offer(dir.path(), "b");
        made.rows[1].item.as_mut().unwrap().url = made.rows[0].item.as_ref().unwrap().url.clone();
        assert_eq!(found(&made), [Common::Page]);
    }

    #[test]
    fn every_pair_of_a_family_on_both_sides_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut made = sound(&dir.path().join("d"));
        for (row, split) in made.rows.iter_mut().zip([Split::Train, Split::Test, Split::Test]) {
            (row.family, row.split) = (Some("bowl".into()), split);
        }
        let checked = check(&made, &|| ()).unwrap();
        let named: BTreeSet<&[String; 2]> = checked.leaks.iter().map(|l| &l.pictures).collect();
        let [a, b, c] = [0, 1, 2].map(|i| made.rows[i].file_name.clone());
        assert_eq!(named, BTreeSet::from([&[a.clone(), b], &[a, c]]));
        assert!(checked.leaks.iter().all(|l| (l.common, l.name.as_str()) == (Common::Family, "bowl")), "{checked:?}");
        assert!(checked.leaks.iter().all(|l| l.splits == [Split::Train, Split::Test]), "{checked:?}");
        assert_eq!((checked.total(), checked.kinds().as_str()), (2, "2 family"));
        assert_eq!((checked.near_within.len(), checked.pictures), (1, 5));
    }

    #[test]
    fn pairs_beyond_those_that_are_named_are_counted() {
        let row = |i: usize| Row {
            family: Some("tote".into()),
            ..Row::new(
                i.to_string(),
                ContentId::of(i.to_string()),
                [1, 1],
                BagType::new("tote"),
                [Split::Train, Split::Test][i % 2],
            )
        };
        let rows: Vec<Row> = (0..400).map(row).collect();
        let checked = Checked::of(&rows, &BTreeMap::new());
        assert_eq!((checked.total(), checked.leaks.len()), (200 * 200, NAMED));
    }

    #[test]
    fn a_picture_that_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = sound(&dir.path().join("d"));
        std::fs::write(made.path(&made.rows[0]), "not the picture").unwrap();
        assert_eq!(check(&made, &|| ()).unwrap_err().exit_code(), 65);
    }
}
