//! Which rows are trained on, choose the epoch, and are measured at the end.

use std::collections::BTreeMap;

use goodtwin_core::{BagType, Dataset, Split};

use crate::{Error, Result};

/// Row numbers by split, and the label of every row.
pub struct Splits {
    /// Trained on.
    pub train: Vec<usize>,
    /// Chooses the epoch.
    pub validation: Vec<usize>,
    /// Measured at the end.
    pub test: Vec<usize>,
    /// The class of each row, by place in the list of classes.
    pub labels: Vec<usize>,
    /// The group of each row: rows of a family share one; a picture without a family has one of its own.
    pub families: Vec<usize>,
    /// The picture of each row: offers may share one.
    pub pictures: Vec<usize>,
}

impl Splits {
    /// Sort the rows.
    ///
    /// # Errors
    /// [`Error::Dataset`] when a run would be pointless: one class only, or a class that is not in the training split.
    pub fn of(dataset: &Dataset, classes: &[BagType]) -> Result<Splits> {
        let refuse = |what: String| Err(Error::Dataset { dataset: dataset.root.clone(), what });
        if classes.len() < 2 {
            return refuse(format!("has the class `{}` only: expected at least two to tell apart", classes[0]));
        }
        let of = |split| (0..dataset.rows.len()).filter(|i| dataset.rows[*i].split == split).collect::<Vec<_>>();
        let labels: Vec<usize> = dataset
            .rows
            .iter()
            .map(|r| classes.binary_search(&r.bag_type).expect("the classes are those of the rows, sorted"))
            .collect();
        let train = of(Split::Train);
        for (number, class) in classes.iter().enumerate() {
            if train.iter().any(|i| labels[*i] == number) {
                continue;
            }
            let elsewhere: Vec<String> = [Split::Validation, Split::Test]
                .into_iter()
                .map(|split| (split, of(split).iter().filter(|i| labels[**i] == number).count()))
                .filter(|(_, count)| *count > 0)
                .map(|(split, count)| format!("{count} in the {split} split"))
                .collect();
            return refuse(format!(
                "the class `{class}` has no picture in the training split ({}): expected at least one",
                elsewhere.join(", ")
            ));
        }
        let picture = |i: usize| dataset.rows[i].sha256.as_str();
        let families = numbers(dataset.rows.iter().enumerate().map(|(i, row)| match &row.family {
            Some(family) => format!("family/{family}"),
            None => format!("picture/{}", picture(i)),
        }));
        let pictures = numbers((0..dataset.rows.len()).map(|i| picture(i).to_string()));
        Ok(Splits { train, validation: of(Split::Validation), test: of(Split::Test), labels, families, pictures })
    }

    /// The training pictures of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let classes = self.labels.iter().max().map_or(0, |last| last + 1);
        let mut counts = vec![0; classes];
        for i in &self.train {
            counts[self.labels[*i]] += 1;
        }
        counts
    }
}

/// A number for each name, in the order in which they first come.
fn numbers(names: impl Iterator<Item = String>) -> Vec<usize> {
    let mut known = BTreeMap::new();
    let number = |name| {
        let next = known.len();
        *known.entry(name).or_insert(next)
    };
    names.map(number).collect()
}
