//! Whether anything of a data set is on both sides of its split: what was learned by heart must not ask.

use std::collections::BTreeMap;
use std::fmt;

use goodtwin_core::{Dataset, Error as CoreError, Row, Split};
use goodtwin_imaging::{Fingerprint, Picture, fingerprint};
use rayon::prelude::*;
use serde::Serialize;

use super::Result;

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
    /// On both sides of the split; empty for a sound data set.
    pub leaks: Vec<Leak>,
    /// Pairs of near-duplicates within one split, by file: harmless, but they count twice.
    pub near_within: Vec<[String; 2]>,
    /// Pictures by file, each read and decoded.
    pub pictures: usize,
}

/// Read every picture, and look for what two splits have in common.
///
/// Of a family, an offer or a page one pair is named for each two splits; of near-duplicates every pair.
///
/// # Errors
/// Exit 65 for a picture that is not the one that its row names, or that cannot be decoded.
pub fn check(dataset: &Dataset, progress: &(dyn Fn() + Sync)) -> Result<Checked> {
    let mut by_picture: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in &dataset.rows {
        by_picture.entry(row.sha256.as_str()).or_insert(row);
    }
    let pictures: Vec<&Row> = by_picture.into_values().collect();
    let fingerprints: Vec<Fingerprint> = pictures
        .par_iter()
        .map(|row| {
            let bytes = dataset.read(row)?;
            let picture = Picture::decode(&bytes).map_err(|e| CoreError::data(dataset.path(row), e.to_string()))?;
            progress();
            Ok(Fingerprint::of(&picture))
        })
        .collect::<Result<_>>()?;
    let mut checked = Checked { pictures: pictures.len(), ..Checked::default() };
    for (a, b) in fingerprint::near_pairs(&fingerprints) {
        match leak(Common::Shot, "", pictures[a], pictures[b]) {
            Some(leak) => checked.leaks.push(leak),
            None => checked.near_within.push([a, b].map(|i| pictures[i].file_name.clone())),
        }
    }
    let item = |row: &'_ Row| row.item.clone();
    let rows = &dataset.rows;
    checked.leaks.extend(leaks(Common::Bytes, rows, |row| Some(row.sha256.to_string())));
    checked.leaks.extend(leaks(Common::Family, rows, |row| row.family.clone()));
    checked.leaks.extend(leaks(Common::Product, rows, |row| Some(item(row)?.id.to_string())));
    checked.leaks.extend(leaks(Common::Page, rows, |row| Some(item(row)?.url)));
    checked.leaks.sort();
    Ok(checked)
}

fn leaks(common: Common, rows: &[Row], name: impl Fn(&Row) -> Option<String>) -> Vec<Leak> {
    let mut groups: BTreeMap<String, BTreeMap<Split, &Row>> = BTreeMap::new();
    for row in rows {
        if let Some(name) = name(row) {
            groups.entry(name).or_default().entry(row.split).or_insert(row);
        }
    }
    let mut found = Vec::new();
    for (name, splits) in groups {
        let rows: Vec<&Row> = splits.into_values().collect();
        for (i, a) in rows.iter().enumerate() {
            found.extend(rows[i + 1..].iter().filter_map(|b| leak(common, &name, a, b)));
        }
    }
    found
}

fn leak(common: Common, name: &str, a: &Row, b: &Row) -> Option<Leak> {
    (a.split != b.split).then(|| Leak {
        common,
        name: name.into(),
        pictures: [a.file_name.clone(), b.file_name.clone()],
        splits: [a.split, b.split],
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goodtwin_core::{BagType, ContentId, DatasetWriter};

    use super::*;

    /// Four bags, of which one was saved twice: as it is and smaller.
    fn dataset(root: &Path, change: impl Fn(usize, &mut Row)) -> Dataset {
        let writer = DatasetWriter::create(root).unwrap();
        let mut rows = Vec::new();
        for number in 0..5 {
            let shown = number.min(3) as u32;
            let pixel = |x: u32, y: u32| {
                if (x / (6 + 5 * shown) + y / 9).is_multiple_of(2) { [200, 90, 30 * shown as u8] } else { [20, 40, 80] }
            };
            let large: Vec<u8> = (0..120u32).flat_map(|y| (0..120).flat_map(move |x| pixel(x, y))).collect();
            let picture = Picture::new(120, 120, large);
            let picture = if number == 4 { picture.resize(90, 90) } else { picture };
            let bytes = picture.to_png();
            let sha256 = ContentId::of(&bytes);
            let mut row = Row::new(
                writer.add_image(&bytes, &sha256, "png").unwrap(),
                sha256,
                [picture.width(), picture.height()],
                BagType::new("tote"),
                if number % 2 == 0 { Split::Train } else { Split::Test },
            );
            change(number, &mut row);
            rows.push(row);
        }
        writer.finish(rows, BTreeMap::new(), "by hand".into(), vec![]).unwrap()
    }

    fn found(change: impl Fn(usize, &mut Row)) -> Vec<Common> {
        let dir = tempfile::tempdir().unwrap();
        let checked = check(&dataset(&dir.path().join("d"), change), &|| ()).unwrap();
        checked.leaks.iter().map(|l| l.common).collect()
    }

    #[test]
    fn the_same_shot_in_another_size_on_both_sides_is_found() {
        assert_eq!(found(|_, _| ()), [Common::Shot]);
        let mended = |number: usize, row: &mut Row| {
            if number == 4 {
                row.split = Split::Test;
            }
        };
        assert_eq!(found(mended), []);
    }

    #[test]
    fn a_family_on_both_sides_is_named_with_a_pair() {
        let dir = tempfile::tempdir().unwrap();
        let made = dataset(&dir.path().join("d"), |number, row| {
            row.family = (number < 2).then(|| "bowl".into());
            row.split = if number == 1 { Split::Test } else { Split::Train };
        });
        let checked = check(&made, &|| ()).unwrap();
        assert_eq!(checked.leaks.len(), 1, "{:?}", checked.leaks);
        assert_eq!((checked.leaks[0].common, checked.leaks[0].name.as_str()), (Common::Family, "bowl"));
        assert_eq!((checked.near_within.len(), checked.pictures), (1, 5));
    }

    #[test]
    fn a_picture_that_was_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = dataset(&dir.path().join("d"), |_, _| ());
        std::fs::write(made.path(&made.rows[0]), "not the picture").unwrap();
        assert_eq!(check(&made, &|| ()).unwrap_err().exit_code(), 65);
    }
}
