//! The book of ratings: one file of JSON lines, to which lines are added and from which none is taken.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::Date;
use rustix::fs::{FlockOperation, flock};

use super::{Cause, Change, Rating};
use crate::dataset::in_line;
use crate::{Aliases, BrandName, Error, Result, atomic};

/// The ratings of all brands with their history, looked up by normalised name or by alias.
#[derive(Clone, Debug, Default)]
pub struct RatingBook {
    /// Of each brand, from its first rating to the one that counts.
    by_brand: BTreeMap<BrandName, Vec<Rating>>,
    aliases: Aliases,
}

/// What adding ratings to a book came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Ratings that were not in the book. Those below are among them.
    pub new: usize,
    /// Ratings that were, to the letter.
    pub known: usize,
    /// Brands that were rated for the first time.
    pub brands: usize,
    /// Changes of label or scores in which the brand moved.
    pub moved: usize,
    /// Changes that the method made.
    pub by_method: usize,
    /// Changes of which nothing says whose they are.
    pub unexplained: usize,
}

impl RatingBook {
    /// Read JSON lines, one [`Rating`] a line. Of two for one brand, the later day counts; of one day, the later line.
    ///
    /// # Errors
    /// Exit 65, with line and expectation.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::read(path, "ratings file", e))?;
        RatingBook::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut ratings = Vec::new();
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
            let rating = serde_json::from_str(line).map_err(|e| {
                Error::data(path, format!("{}; expected brand, label, as_of, source", in_line(n + 1, &e)))
            })?;
            ratings.push(rating);
        }
        Ok(ratings.into_iter().collect())
    }

    /// Refuse a book without a rating, which is more likely cut off than meant: no brand would be good enough by it.
    ///
    /// # Errors
    /// Exit 65, with the file and what was expected.
    pub fn refuse_empty(&self, path: &Path) -> Result<()> {
        match self.is_empty() {
            true => Err(Error::data(
                path,
                "there is no rating in it: expected a line a rating, with brand, label, as_of, source, as \
                 `goodtwin ratings import FILE` writes them",
            )),
            false => Ok(()),
        }
    }

    /// Look brands up by these other names too.
    pub fn with_aliases(mut self, aliases: Aliases) -> Self {
        let all: Vec<Rating> = std::mem::take(&mut self.by_brand).into_values().flatten().collect();
        self.aliases = aliases;
        for rating in all {
            self.insert(rating);
        }
        self
    }

    /// Put a rating in its place; whether it was there already.
    fn insert(&mut self, rating: Rating) -> bool {
        let history = self.by_brand.entry(self.aliases.resolve(&rating.brand)).or_default();
        if history.contains(&rating) {
            return true;
        }
        let place = history.partition_point(|known| known.as_of <= rating.as_of);
        history.insert(place, rating);
        false
    }

    /// Append to the file at `path` what it does not have yet, all or nothing; the file is made if there is none.
    ///
    /// # Errors
    /// Exit 65 if the file holds something else, 74 where the disk refuses, 75 while somebody else adds to it.
    pub fn append(path: &Path, aliases: Aliases, ratings: &[Rating]) -> Result<Added> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        atomic::create_dir(folder)?;
        let folder_file = File::open(folder).map_err(|e| Error::disk(folder, "open the folder", e))?;
        flock(&folder_file, FlockOperation::NonBlockingLockExclusive).map_err(|e| match e {
            rustix::io::Errno::WOULDBLOCK => Error::Locked { path: path.into(), holder: "another import".into() },
            e => Error::disk(folder, "lock the folder", e.into()),
        })?;
        let mut text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::read(path, "ratings file", e)),
        };
        let mut book = RatingBook::parse(&text, path)?.with_aliases(aliases);
        let mut added = Added::default();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for rating in ratings {
            let before = book.history(&rating.brand).len();
            if book.insert(rating.clone()) {
                added.known += 1;
                continue;
            }
            added.new += 1;
            added.brands += usize::from(before == 0);
            text += &serde_json::to_string(rating).expect("our own types have string keys and serialise");
            text.push('\n');
            let causes = book.changes(&rating.brand).filter(|(after, _)| *after == rating).map(|(_, c)| c.cause());
            for cause in causes {
                match cause {
                    Cause::Same => {}
                    Cause::Brand => added.moved += 1,
                    Cause::Method => added.by_method += 1,
                    Cause::Unknown => added.unexplained += 1,
                }
            }
        }
        if added.new > 0 {
            atomic::write(path, text.as_bytes())?;
        }
        Ok(added)
    }

    /// The rating of a brand that counts, by any spelling that normalises to the same name, or by an alias.
    pub fn get(&self, brand: &str) -> Option<&Rating> {
        self.history(brand).last()
    }

    /// All ratings of a brand, from its first to the one that counts.
    pub fn history(&self, brand: &str) -> &[Rating] {
        self.by_brand.get(&self.aliases.resolve(brand)).map_or(&[], Vec::as_slice)
    }

    /// Each rating of a brand but its first, with what changed since the one before.
    pub fn changes(&self, brand: &str) -> impl Iterator<Item = (&Rating, Change<'_>)> {
        self.history(brand).windows(2).map(|pair| (&pair[1], Change::new(&pair[0], &pair[1])))
    }

    /// For a brand without a rating: the rated one whose name is most like its own, if any is. It may be another brand, so
    /// this is for a person to look at, and never a rating.
    pub fn near_miss(&self, brand: &str) -> Option<&Rating> {
        let name = self.aliases.resolve(brand);
        if self.by_brand.contains_key(&name) {
            return None;
        }
        let near = self.by_brand.iter().filter_map(|(known, history)| Some((name.nearness(known)?, history)));
        near.min_by_key(|(nearness, _)| *nearness)?.1.last()
    }

    /// The ratings that count and are older than so many months on a day, the oldest first.
    pub fn stale(&self, months: u16, on: Date) -> Vec<&Rating> {
        let limit = on.saturating_sub(i64::from(months).months());
        let mut stale: Vec<&Rating> = self.iter().filter(|rating| rating.as_of < limit).collect();
        stale.sort_by_key(|rating| rating.as_of);
        stale
    }

    /// The ratings that count, by normalised name.
    pub fn iter(&self) -> impl Iterator<Item = &Rating> {
        self.by_brand.values().filter_map(|history| history.last())
    }

    /// The other names that brands are looked up by.
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// How many brands are rated.
    pub fn len(&self) -> usize {
        self.by_brand.len()
    }

    /// Whether no brand is rated.
    pub fn is_empty(&self) -> bool {
        self.by_brand.is_empty()
    }
}

impl FromIterator<Rating> for RatingBook {
    fn from_iter<T: IntoIterator<Item = Rating>>(ratings: T) -> Self {
        let mut book = RatingBook::default();
        for rating in ratings {
            book.insert(rating);
        }
        book
    }
}

#[cfg(test)]
mod tests {
    use super::super::Label;
    use super::*;

    fn rating(brand: &str, label: Label, day: &str) -> Rating {
        Rating::new(brand, label, day.parse().unwrap(), "s")
    }

    #[test]
    fn the_later_rating_counts_and_the_others_are_kept() {
        let (late, early) = (rating("Able", Label::Good, "2025-01-01"), rating("ABLE", Label::WeAvoid, "2024-01-01"));
        for ratings in [[late.clone(), early.clone()], [early.clone(), late.clone()]] {
            let book = RatingBook::from_iter(ratings);
            assert_eq!(book.get("able").unwrap().label, Label::Good);
            assert_eq!(book.history("able"), [early.clone(), late.clone()]);
            assert_eq!(book.len(), 1);
        }
        let corrected = rating("Able", Label::Great, "2025-01-01");
        let book = RatingBook::from_iter([late, corrected.clone()]);
        assert_eq!(book.get("able"), Some(&corrected), "of one day, the later line");
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = "\n{\"brand\":\"A\",\"label\":\"fine\",\"as_of\":\"2025-01-01\",\"source\":\"s\"}\n";
        std::fs::write(file.path(), line).unwrap();
        let error = RatingBook::load(file.path()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains(": line 2, column 27: `fine` is not one of"), "{error}");
        assert!(!error.to_string().contains("at line 1"), "{error}");
    }

    #[test]
    fn a_book_without_a_rating_is_refused_and_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\n").unwrap();
        let error = RatingBook::load(file.path()).unwrap().refuse_empty(file.path()).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        let said = error.to_string();
        assert!(said.starts_with(file.path().to_str().unwrap()) && said.contains("expected a line a rating"), "{said}");
        RatingBook::from_iter([rating("Able", Label::Good, "2025-01-01")]).refuse_empty(file.path()).unwrap();
    }

    #[test]
    fn the_same_file_twice_changes_nothing_and_no_line_is_ever_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("book/ratings.jsonl");
        let first = [rating("Able", Label::Good, "2024-01-01"), rating("Rains", Label::Good, "2024-01-01")];
        let add = |ratings: &[Rating]| RatingBook::append(&path, Aliases::default(), ratings).unwrap();
        assert_eq!(add(&first), Added { new: 2, brands: 2, ..Added::default() });
        let before = std::fs::read_to_string(&path).unwrap();
        assert_eq!(add(&first), Added { known: 2, ..Added::default() });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);

        let second = [
            rating("Able", Label::ItsAStart, "2024-10-02"),
            rating("Able", Label::Good, "2025-10-02"),
            rating("Rains", Label::Good, "2024-10-02"),
        ];
        assert_eq!(add(&second), Added { new: 3, moved: 1, by_method: 1, ..Added::default() });
        let after = std::fs::read_to_string(&path).unwrap();
        assert!(after.starts_with(&before) && after.lines().count() == 5, "{after}");
        assert_eq!(RatingBook::load(&path).unwrap().history("able").len(), 3);
    }

    #[test]
    fn a_near_miss_is_told_and_is_no_rating() {
        let aliases = Aliases::new(&[("Herschel".into(), vec!["Herschel Supply".into()])].into()).unwrap();
        let book = [rating("Sandqvist", Label::Good, "2025-01-01"), rating("Herschel", Label::Good, "2025-01-01")]
            .into_iter()
            .collect::<RatingBook>()
            .with_aliases(aliases);
        assert_eq!(book.get("Sandquist"), None);
        assert_eq!(book.near_miss("Sandquist").unwrap().brand, "Sandqvist");
        assert_eq!(book.near_miss("SANDQVIST"), None, "that is its name");
        assert_eq!(book.near_miss("Fernhollow"), None);
        assert_eq!(book.get("Herschel Supply Co.").unwrap().brand, "Herschel");
    }

    #[test]
    fn a_rating_is_stale_after_so_many_months() {
        let book = RatingBook::from_iter([
            rating("Old", Label::Good, "2020-01-01"),
            rating("Old", Label::Good, "2024-05-22"),
            rating("Fresh", Label::Good, "2025-05-23"),
            rating("Older", Label::Good, "2024-01-01"),
        ]);
        let on = Date::constant(2026, 11, 23);
        let brands = |months| book.stale(months, on).iter().map(|r| r.brand.as_str()).collect::<Vec<_>>();
        assert_eq!(brands(18), ["Older", "Old"]);
        assert_eq!(brands(30), ["Older", "Old"]);
        assert_eq!(brands(31), ["Older"]);
        assert_eq!(brands(u16::MAX), Vec::<&str>::new());
    }
}
