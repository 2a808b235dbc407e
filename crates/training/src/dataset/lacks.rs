//! What a data set lacks that a run has use for.

use std::collections::{BTreeMap, BTreeSet};

use goodtwin_core::{ContentId, Dataset, Split};

/// What a run on it does without, a line each; most have all that is needed.
pub fn lacks(dataset: &Dataset) -> Vec<&'static str> {
    let has = |split| dataset.rows.iter().any(|row| row.split == split);
    let mut families: BTreeMap<&str, BTreeSet<&ContentId>> = BTreeMap::new();
    for (family, picture) in dataset.rows.iter().filter_map(|row| Some((row.family.as_deref()?, &row.sha256))) {
        families.entry(family).or_default().insert(picture);
    }
    let has_relative = |family: &String| families[family.as_str()].len() > 1;
    let mut tested = dataset.rows.iter().filter(|row| row.split == Split::Test);
    let mut lines = vec![];
    if !has(Split::Validation) {
        lines.push("no validation picture: nothing chooses an epoch, and the last one will be kept");
    }
    if !has(Split::Test) {
        lines.push("no test picture: nothing will be measured at the end");
    } else if !tested.any(|row| row.family.as_ref().is_some_and(has_relative)) {
        lines.push("no test picture has another of its family: family Recall cannot be measured");
    }
    lines
}

#[cfg(test)]
mod tests {
    use goodtwin_core::{BagType, DatasetWriter, Row};

    use super::*;

    #[test]
    fn what_chooses_the_epoch_and_what_asks_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let lacks = |rows: &[(Split, Option<&str>, u8)]| {
            let row = |(split, family, picture): &(Split, Option<&str>, u8)| {
                let sha256 = ContentId::of([*picture]);
                let row = Row::new(format!("{picture}.png"), sha256, [1, 1], BagType::new("tote"), *split);
                Row { family: family.map(String::from), ..row }
            };
            let writer = DatasetWriter::create(&dir.path().join("d")).unwrap();
            let rows = rows.iter().map(row).collect();
            lacks(&writer.finish(rows, Default::default(), "by hand".into(), vec![]).unwrap())
        };
        let (train, chooses) = ((Split::Train, None, 1), (Split::Validation, None, 2));
        let (asks, other) = ((Split::Test, Some("f"), 3), (Split::Test, Some("f"), 4));
        assert!(lacks(&[train, chooses, asks, other]).is_empty());
        let without = lacks(&[train, asks, other]);
        assert!(without.len() == 1 && without[0].contains("the last one will be kept"), "{without:?}");
        // Two offers of one picture are no relatives, and neither are two without a family.
        for alone in [vec![asks], vec![asks, asks], vec![(Split::Test, None, 5), (Split::Test, None, 6)]] {
            let without = lacks(&[vec![train, chooses], alone].concat());
            assert!(without.len() == 1 && without[0].contains("family Recall cannot be measured"), "{without:?}");
        }
        let without = lacks(&[train, chooses]);
        assert!(without.len() == 1 && without[0].contains("nothing will be measured"), "{without:?}");
    }
}
