//! What a run has seen: no data set may ask it about that, under whatever name.

use std::collections::BTreeSet;
use std::path::Path;

use goodtwin_core::terminal::note;
use goodtwin_core::{ContentId, Dataset, Error as CoreError, ItemId, Row, Split, atomic};
use goodtwin_imaging::Fingerprint;
use goodtwin_imaging::fingerprint::Shots;
use serde::{Deserialize, Serialize};

use super::read_noted;
use crate::dataset::check::fingerprints;
use crate::dataset::ties::{Tied, together};
use crate::{Result, Ui};

/// The file in a run's folder.
pub const NAME: &str = "seen.json";

/// The pictures of a data set that a run learns from, or chooses its epoch by.
pub struct Seen<'a> {
    dataset: &'a Dataset,
    rows: Vec<&'a Row>,
}

impl Seen<'_> {
    /// The training and validation splits.
    pub fn of(dataset: &Dataset) -> Seen<'_> {
        Seen { dataset, rows: dataset.rows.iter().filter(|r| r.split != Split::Test).collect() }
    }

    /// Write `seen.json` into a run's folder.
    ///
    /// # Errors
    /// A picture that cannot be read; a full disk.
    pub fn write(&self, run: &Path) -> Result<()> {
        let json = serde_json::to_vec(&self.noted()?).expect("our own types have string keys and serialise");
        Ok(atomic::write(&run.join(NAME), &json)?)
    }

    /// What the file would say.
    fn noted(&self) -> Result<Noted> {
        let items = || self.rows.iter().filter_map(|r| r.item.as_ref());
        let shots = fingerprints(self.dataset, self.rows.iter().copied(), &|| ())?;
        Ok(Noted {
            pictures: self.rows.iter().map(|r| r.sha256.clone()).collect(),
            families: self.rows.iter().filter_map(|r| r.family.clone()).collect(),
            items: items().map(|item| item.id.clone()).collect(),
            pages: items().map(|item| item.url.clone()).collect(),
            shots: shots.values().map(Fingerprint::to_string).collect(),
        })
    }
}

/// `seen.json`. The last three came later: a run from before has none.
#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    /// SHA-256 of pictures.
    pictures: BTreeSet<ContentId>,
    families: BTreeSet<String>,
    /// Offers.
    #[serde(default)]
    items: BTreeSet<ItemId>,
    /// Their pages.
    #[serde(default)]
    pages: BTreeSet<String>,
    /// Fingerprints of pictures: one that was resized or encoded anew is the same shot.
    #[serde(default)]
    shots: BTreeSet<String>,
}

impl Noted {
    /// A run from before shots and offers were noted.
    fn is_of_an_older_run(&self) -> bool {
        self.shots.is_empty() && !self.pictures.is_empty()
    }
}

/// Which pictures ask.
pub struct Asking {
    /// Row numbers, in order.
    pub rows: Vec<usize>,
    /// How many more would, had the run not seen them or what hangs together with them.
    pub seen: usize,
    /// Those of the rows that hang together with what is for evaluation only: no run learns from them, and all parts of a
    /// cross-validation ask with them.
    pub for_evaluation: BTreeSet<usize>,
}

impl Asking {
    /// All of these rows.
    pub fn all(dataset: &Dataset, rows: Vec<usize>) -> Asking {
        let for_evaluation = rows.iter().copied().filter(|i| dataset.rows[*i].is_for_evaluation()).collect();
        Asking { rows, seen: 0, for_evaluation }
    }

    /// Of the test split of a run's own data set, what may ask. A split that the source gave may have the shot of a training
    /// picture in test.
    ///
    /// # Errors
    /// Exit 65 for a `seen.json` that cannot be understood, and for a picture that cannot be read.
    pub fn of_own(run: &Path, dataset: &Dataset, test: &[usize], ui: &Ui) -> Result<Asking> {
        let path = run.join(NAME);
        // The data set says as well what the run has seen.
        let noted = match read_noted::<Noted>(&path)? {
            Some(noted) if !noted.is_of_an_older_run() => noted,
            _ => Seen::of(dataset).noted()?,
        };
        let asking = Asking::unseen(&path, &noted, dataset, test, ui)?;
        if asking.seen > 0 {
            note(format_args!(
                "{}: {} pictures of the test split hang together with some that the run learns from, and do not ask: \
                 `goodtwin dataset check` names them",
                dataset.root.display(),
                asking.seen
            ));
        }
        Ok(asking)
    }

    /// Of another data set, what is new to a run; none where the run has noted nothing.
    ///
    /// # Errors
    /// Those of [`Asking::of_own`].
    pub fn of_other(run: &Path, dataset: &Dataset, ui: &Ui) -> Result<Option<Asking>> {
        let path = run.join(NAME);
        let Some(noted) = read_noted::<Noted>(&path)? else { return Ok(None) };
        if noted.is_of_an_older_run() {
            note(format_args!(
                "{}: is of an older version and names neither offers nor shots: what the run has seen may ask in another size \
                 or under another family's name",
                path.display()
            ));
        }
        let all: Vec<usize> = (0..dataset.rows.len()).collect();
        Asking::unseen(&path, &noted, dataset, &all, ui).map(Some)
    }

    fn unseen(path: &Path, noted: &Noted, dataset: &Dataset, rows: &[usize], ui: &Ui) -> Result<Asking> {
        let read = |text: &String| text.parse().map_err(|what: String| CoreError::data(path, what));
        let prints: Vec<Fingerprint> = noted.shots.iter().map(read).collect::<Result<_, CoreError>>()?;
        let mut shots = Shots::default();
        for (number, print) in prints.iter().enumerate() {
            shots.add(number, print);
        }
        let bar = ui.bar(rows.len() as u64, "seen by the run");
        let of = |i: &usize| &dataset.rows[*i];
        let theirs = fingerprints(dataset, rows.iter().map(of), &|| bar.inc(1))?;
        bar.finish_and_clear();
        let is_seen = |row: &Row| {
            noted.pictures.contains(&row.sha256)
                || row.family.as_ref().is_some_and(|family| noted.families.contains(family))
                || row.item.as_ref().is_some_and(|i| noted.items.contains(&i.id) || noted.pages.contains(&i.url))
                || !shots.near(&theirs[&row.sha256]).is_empty()
        };
        let tied: Vec<Tied<'_>> = rows.iter().map(of).map(|row| Tied::of(row, &theirs[&row.sha256])).collect();
        let families = together(&tied);
        let which = |holds: &dyn Fn(&Row) -> bool| -> BTreeSet<&String> {
            rows.iter().zip(&families).filter(|(i, _)| holds(of(i))).map(|(_, family)| family).collect()
        };
        let (seen, asked) = (which(&is_seen), which(&Row::is_for_evaluation));
        let new = || rows.iter().zip(&families).filter(|(_, family)| !seen.contains(family));
        Ok(Asking {
            rows: new().map(|(i, _)| *i).collect(),
            seen: rows.len() - new().count(),
            for_evaluation: new().filter(|(_, family)| asked.contains(family)).map(|(i, _)| *i).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use goodtwin_core::Item;
    use goodtwin_imaging::Picture;

    use super::*;
    use crate::dataset::testing::{item, png, put};
    use crate::dataset::{Options, build, import};

    /// A crawl as a data set of which all was learned from.
    fn learned(dir: &Path, name: &str, items: &[Item]) -> Dataset {
        let (images, crawl) = (dir.join("images"), ContentId::of(name));
        let mut dataset = build(items, &images, &crawl, &dir.join(name), &Options::default()).unwrap();
        dataset.rows.iter_mut().for_each(|row| row.split = Split::Train);
        dataset
    }

    /// The offers, or the files, of what may ask a run that has noted `trained`.
    fn ask(dir: &Path, trained: &Dataset, other: &Dataset) -> Vec<String> {
        Seen::of(trained).write(dir).unwrap();
        let asking = Asking::of_other(dir, other, &Ui::detect()).unwrap().unwrap();
        let name = |row: &Row| row.item.as_ref().map_or(row.title.clone().unwrap_or_default(), |i| i.id.to_string());
        let mut names: Vec<String> = asking.rows.iter().map(|i| name(&other.rows[*i])).collect();
        names.sort();
        names
    }

    #[test]
    fn an_offer_that_was_learned_from_does_not_ask_with_a_new_photograph() {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images");
        let offer = |key: &str, family, pictures: &[usize]| item(&images, key, Some("tote"), family, pictures);
        let monday = [("x", 1), ("y", 2), ("sold out", 3)].map(|(key, picture)| offer(key, None, &[picture]));
        // `x` has a second photograph now, and so its own name for a family; the shop has found a word for `y` and its like;
        // and what was sold out is back under another key.
        let mut items = vec![
            offer("x", None, &[1, 10]),
            offer("y", Some("bowl"), &[11]),
            offer("y-in-red", Some("bowl"), &[12]),
            offer("z", None, &[13, 14]),
            offer("back", None, &[15]),
        ];
        items[4].url = monday[2].url.clone();
        let monday = learned(dir.path(), "monday", &monday);
        let tuesday = learned(dir.path(), "tuesday", &items);
        assert_eq!(ask(dir.path(), &monday, &tuesday), ["shop/z", "shop/z"]);
    }

    #[test]
    fn a_shot_that_was_learned_from_does_not_ask_in_another_size_under_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str, numbers: std::ops::Range<usize>, bytes: &dyn Fn(Picture) -> Vec<u8>| {
            let mut lines = String::new();
            for number in numbers {
                put(&dir.path().join(name), &number.to_string(), &bytes(Picture::decode(&png(number)).unwrap()));
                lines += &format!(
                    "{{\"file_name\":\"{number}\",\"title\":\"{number}\",\"label\":\"tote\",\"family\":\"{name} {number}\"}}\n"
                );
            }
            put(&dir.path().join(name), "metadata.jsonl", lines.as_bytes());
            import(&dir.path().join(name), &dir.path().join(format!("{name} set")), &Options::default()).unwrap()
        };
        let mut large = folder("large", 0..4, &|picture| picture.resize(64, 64).to_png());
        for row in &mut large.rows {
            row.split = match row.title.as_deref() {
                Some("0" | "1") => Split::Train,
                Some("2") => Split::Validation,
                _ => Split::Test,
            };
        }
        let small = folder("small", 0..6, &|picture| picture.resize(48, 48).to_jpeg(90));
        assert_eq!(ask(dir.path(), &large, &small), ["3", "4", "5"], "what was tested alone may ask again");
    }

    #[test]
    fn the_shot_of_a_training_picture_in_the_own_test_split_does_not_ask() {
        let dir = tempfile::tempdir().unwrap();
        let picture = |number| Picture::decode(&png(number)).unwrap();
        let mut lines = String::new();
        let files = [
            ("train", 0, picture(0).resize(64, 64).to_png()),
            ("train", 1, picture(1).to_png()),
            ("test", 2, picture(0).resize(48, 48).to_jpeg(90)),
            ("test", 3, picture(2).to_png()),
        ];
        for (split, name, bytes) in files {
            put(&dir.path().join("folder"), &name.to_string(), &bytes);
            lines += &format!(
                "{{\"file_name\":\"{name}\",\"title\":\"{name}\",\"label\":\"tote\",\"split\":\"{split}\"}}\n"
            );
        }
        put(&dir.path().join("folder"), "metadata.jsonl", lines.as_bytes());
        let set = import(&dir.path().join("folder"), &dir.path().join("set"), &Options::default()).unwrap();
        Seen::of(&set).write(dir.path()).unwrap();
        let test: Vec<usize> = (0..set.rows.len()).filter(|i| set.rows[*i].split == Split::Test).collect();
        let asks = || {
            let asking = Asking::of_own(dir.path(), &set, &test, &Ui::detect()).unwrap();
            let titles: Vec<_> = asking.rows.iter().map(|i| set.rows[*i].title.clone().unwrap()).collect();
            (titles, asking.seen)
        };
        assert_eq!(asks(), (vec!["3".to_string()], 1));
        // The run is from before shots were noted, or has noted nothing.
        let old = format!(r#"{{"pictures":["{}"],"families":[]}}"#, ContentId::of("it"));
        fs::write(dir.path().join("seen.json"), old).unwrap();
        assert_eq!(asks(), (vec!["3".to_string()], 1));
        fs::remove_file(dir.path().join("seen.json")).unwrap();
        assert_eq!(asks(), (vec!["3".to_string()], 1));
    }

    #[test]
    fn what_an_older_version_noted_is_read_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images");
        let offer = |key: &str, number| item(&images, key, Some("tote"), None, &[number]);
        let set = learned(dir.path(), "set", &[offer("x", 1), offer("y", 2)]);
        let unseen = || Asking::of_other(dir.path(), &set, &Ui::detect());
        assert!(unseen().unwrap().is_none());
        let old = format!(r#"{{"pictures":["{}"],"families":["f"]}}"#, ContentId::of(png(1)));
        fs::write(dir.path().join("seen.json"), old).unwrap();
        assert_eq!(unseen().unwrap().unwrap().rows.len(), 1);
        fs::write(dir.path().join("seen.json"), r#"{"pictures":[],"families":[],"shots":["00"]}"#).unwrap();
        let error = unseen().err().unwrap();
        assert!(error.exit_code() == 65 && error.to_string().contains("expected a fingerprint of version"), "{error}");
    }
}
