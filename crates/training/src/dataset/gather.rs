//! Reads every picture, leaves out what cannot be used, splits the rest, writes the data set.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use goodtwin_core::dataset::LeftOut;
use goodtwin_core::terminal::note;
use goodtwin_core::{BagType, ContentId, Dataset, DatasetWriter, Error as CoreError, Item, ItemId, Row, Split};
use goodtwin_imaging::{Fingerprint, Format, Picture, Refusal};
use rayon::prelude::*;

use super::check::Checked;
use super::folder::is_meant_as_picture;
use super::hold_out::{self, HoldOut, hold_out};
use super::ties::{Tied, together};
use super::{Error, Options, Result, card};

/// The longest file that is read, in bytes; no photograph of [`goodtwin_imaging`]'s largest size needs more.
const MAX_FILE: u64 = 128 << 20;
/// Why a folder gives nothing where nothing was left out.
pub(super) const NO_PICTURE: &str = "no picture was found";

/// A picture that somebody named, and what they said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidate {
    /// The file, as the source names it.
    pub name: String,
    /// Where it lies; none when the source names a place where it must not look.
    pub path: Option<PathBuf>,
    /// The hash that its bytes must have.
    pub sha256: Option<ContentId>,
    pub bag_type: Option<BagType>,
    pub split: Option<Split>,
    pub family: Option<String>,
    pub background: Option<String>,
    pub colour: Option<String>,
    pub brand: Option<String>,
    pub title: Option<String>,
    pub source: Option<String>,
    pub licence: Option<String>,
    pub item: Option<Item>,
}

/// Where the candidates came from.
pub(super) struct Origin<'a> {
    /// For messages.
    pub path: &'a Path,
    /// What the data set is made from, by name.
    pub parents: BTreeMap<String, ContentId>,
    /// What was left out before a picture was read.
    pub left_out: Vec<LeftOut>,
}

/// Make the data set of these candidates at `out`.
///
/// The same bytes are kept once. Of a crawl they are kept once an offer: shops show the maker's photograph of a new bag for
/// one that was worn, and each is somebody's to buy.
///
/// `name_parent` is given the hash of every file that could be read, and may name one more parent.
pub(super) fn gather(
    mut candidates: Vec<Candidate>,
    mut origin: Origin<'_>,
    out: &Path,
    options: &Options<'_>,
    name_parent: impl FnOnce(&BTreeMap<String, ContentId>) -> Option<(String, ContentId)>,
) -> Result<Dataset> {
    // Nobody waits for thousands of pictures to hear of a slip in a name.
    if let Some(what) = options.hold_out.as_ref().filter(|_| !candidates.is_empty()) {
        hold_out::check_brands(candidates.iter().filter_map(|c| c.brand.as_deref()), what, origin.path)?;
    }
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    let mut named: BTreeMap<BagType, BTreeSet<String>> = BTreeMap::new();
    for candidate in &candidates {
        // Of a crawl nobody named the classes: one of which no picture is whole is not there.
        let by_somebody = (candidate.item.is_none() || candidate.split.is_some()) && is_meant_as_picture(candidate);
        if let Some(class) = candidate.bag_type.as_ref().filter(|_| by_somebody) {
            named.entry(class.clone()).or_default().insert(candidate.name.clone());
        }
    }
    let writer = DatasetWriter::create(out)?;
    let (done, total) = (AtomicUsize::new(0), candidates.len());
    let read: Vec<Outcome> = candidates
        .into_par_iter()
        .map(|candidate| {
            let outcome = read(candidate, &writer);
            (options.progress)(1 + done.fetch_add(1, Ordering::Relaxed), total);
            outcome
        })
        .collect::<Result<_>>()?;
    let mut hashes = BTreeMap::new();
    let mut contradictory = None;
    let mut kept: BTreeMap<(ContentId, Option<ItemId>), Kept> = BTreeMap::new();
    for outcome in read {
        match outcome {
            Outcome::LeftOut(left_out, sha256) => {
                hashes.extend(sha256.map(|id| (left_out.file_name.clone(), id)));
                origin.left_out.push(left_out);
            }
            Outcome::Kept(picture) => {
                hashes.insert(picture.candidate.name.clone(), picture.sha256.clone());
                let offer = picture.candidate.item.as_ref().map(|item| item.id.clone());
                match kept.entry((picture.sha256.clone(), offer)) {
                    Entry::Vacant(place) => drop(place.insert(*picture)),
                    Entry::Occupied(first) => {
                        contradictory = contradictory.or_else(|| split_apart(&picture, first.get()));
                        origin.left_out.push(duplicate(&picture, first.get()));
                    }
                }
            }
        }
    }
    if let (None, Some(what)) = (&options.hold_out, contradictory) {
        return Err(Error::GivenSplit { path: origin.path.into(), what });
    }
    origin.parents.extend(name_parent(&hashes));
    let kept: Vec<Kept> = kept.into_values().collect();
    check(&kept, &named, &origin)?;
    let (splits, how) = splits(&kept, &origin, options)?;
    let fingerprints = kept.iter().map(|k| (k.sha256.clone(), k.fingerprint.clone())).collect();
    let rows = kept.into_iter().zip(splits).map(|(picture, split)| picture.into_row(split)).collect();
    let card = |folder: &Path, made: &Dataset| {
        let checked = Checked::of(&made.rows, &fingerprints);
        let pairs: usize = checked.pairs.values().sum();
        if pairs > 0 {
            note(format_args!(
                "{pairs} pairs are on both sides of the split that the source gives: what hangs together with pictures that are \
                 trained on will not ask; `goodtwin dataset check` names the pairs"
            ));
        }
        card::write(folder, made, &checked)
    };
    writer.finish_with(rows, origin.parents, how, origin.left_out, card)
}

enum Outcome {
    Kept(Box<Kept>),
    LeftOut(LeftOut, Option<ContentId>),
}

struct Kept {
    candidate: Candidate,
    class: BagType,
    file_name: String,
    sha256: ContentId,
    width: u32,
    height: u32,
    fingerprint: Fingerprint,
}

impl Kept {
    fn tied(&self) -> Tied<'_> {
        Tied {
            family: self.candidate.family.as_deref(),
            sha256: &self.sha256,
            item: self.candidate.item.as_ref(),
            fingerprint: &self.fingerprint,
        }
    }

    fn into_row(self, split: Split) -> Row {
        let c = self.candidate;
        Row {
            file_name: self.file_name,
            sha256: self.sha256,
            width: self.width,
            height: self.height,
            bag_type: self.class,
            split,
            family: c.family,
            background: c.background,
            colour: c.colour,
            brand: c.brand,
            title: c.title,
            source: c.source,
            licence: c.licence,
            item: c.item,
        }
    }
}

fn read(mut candidate: Candidate, writer: &DatasetWriter) -> Result<Outcome> {
    let left_out = |candidate: Candidate, sha256: Option<ContentId>, cause: &str, detail: String| {
        Ok(Outcome::LeftOut(LeftOut { file_name: candidate.name, cause: cause.into(), detail }, sha256))
    };
    let Some(path) = candidate.path.take() else {
        return left_out(candidate, None, "bad-path", "expected a path inside of the folder".into());
    };
    let missing = "no such file: the source names it".to_string();
    let length = match std::fs::metadata(&path) {
        Ok(file) if file.is_file() => file.len(),
        Ok(_) => return left_out(candidate, None, "missing", "not a file".into()),
        Err(e) if e.kind() == ErrorKind::NotFound => return left_out(candidate, None, "missing", missing),
        // A link that leads to itself, or a name that no file system has.
        Err(e) if e.kind() == ErrorKind::InvalidFilename || path.is_symlink() => {
            return left_out(candidate, None, "missing", e.to_string());
        }
        Err(e) => return Err(CoreError::disk(path, "look at the picture", e).into()),
    };
    if length > MAX_FILE {
        let detail = format!("{length} bytes, expected at most {MAX_FILE}");
        return left_out(candidate, None, "too-large", detail);
    }
    let bytes = std::fs::read(&path).map_err(|e| CoreError::disk(&path, "read the picture", e))?;
    let sha256 = ContentId::of(&bytes);
    if let Some(expected) = candidate.sha256.take().filter(|expected| *expected != sha256) {
        let detail = format!("SHA-256: expected {expected}, received {sha256}");
        return left_out(candidate, Some(sha256), "hash-mismatch", detail);
    }
    let Some(class) = candidate.bag_type.take() else {
        return left_out(
            candidate,
            Some(sha256),
            "no-type",
            "expected `bag_type` or `label`, or a folder of its class".into(),
        );
    };
    let look = || -> Result<(Format, Picture), Refusal> { Ok((Format::of(&bytes)?, Picture::decode(&bytes)?)) };
    match look() {
        Err(refusal) => left_out(candidate, Some(sha256), refusal.cause(), refusal.to_string()),
        Ok((format, picture)) => {
            let file_name = writer.add_image(&bytes, &sha256, format.extension())?;
            let (width, height, fingerprint) = (picture.width(), picture.height(), Fingerprint::of(&picture));
            Ok(Outcome::Kept(Box::new(Kept { candidate, class, file_name, sha256, width, height, fingerprint })))
        }
    }
}

/// What is wrong, where the source has two files of the same bytes in two splits.
fn split_apart(picture: &Kept, first: &Kept) -> Option<String> {
    let (one, other) = (first.candidate.split?, picture.candidate.split?);
    (one != other).then(|| {
        format!(
            "{} is in {one}, and {} of the same bytes in {other}: expected one split for a picture",
            first.candidate.name.escape_debug(),
            picture.candidate.name.escape_debug()
        )
    })
}

fn duplicate(picture: &Kept, first: &Kept) -> LeftOut {
    let detail = if picture.class == first.class {
        format!("the same bytes as {}", first.candidate.name)
    } else {
        format!(
            "the same bytes as {}, which is labelled `{}`, not `{}`",
            first.candidate.name, first.class, picture.class
        )
    };
    LeftOut { file_name: picture.candidate.name.clone(), cause: "duplicate".into(), detail }
}

/// `named` has the candidates' names, by class.
fn check(kept: &[Kept], named: &BTreeMap<BagType, BTreeSet<String>>, origin: &Origin<'_>) -> Result<()> {
    if kept.is_empty() {
        return Err(Error::Empty { path: origin.path.into(), left_out: by_cause(origin.left_out.iter()) });
    }
    let mut classes: BTreeMap<&BagType, BTreeMap<&ContentId, &str>> = BTreeMap::new();
    for picture in kept {
        classes.entry(&picture.class).or_default().entry(&picture.sha256).or_insert(&picture.candidate.name);
    }
    if let Some((class, names)) = named.iter().find(|(class, _)| !classes.contains_key(class)) {
        let left_out = by_cause(origin.left_out.iter().filter(|one| names.contains(&one.file_name)));
        return Err(Error::EmptyClass { path: origin.path.into(), class: class.clone(), left_out });
    }
    for (class, pictures) in classes {
        if let (1, Some(only)) = (pictures.len(), pictures.into_values().next()) {
            return Err(Error::TooFewImages { path: origin.path.into(), class: class.clone(), file_name: only.into() });
        }
    }
    Ok(())
}

fn by_cause<'a>(left_out: impl Iterator<Item = &'a LeftOut>) -> String {
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for one in left_out {
        *causes.entry(&one.cause).or_default() += 1;
    }
    if causes.is_empty() {
        return NO_PICTURE.into();
    }
    let counts: Vec<_> = causes.iter().map(|(cause, n)| format!("{n} {cause}")).collect();
    format!("left out: {}", counts.join(", "))
}

/// What the options ask for; else the split that the source gives, if it gives one that holds pictures out; else one by
/// family.
fn splits(kept: &[Kept], origin: &Origin<'_>, options: &Options<'_>) -> Result<(Vec<Split>, String)> {
    let given: Vec<Split> = kept.iter().filter_map(|k| k.candidate.split).collect();
    // Whoever says of all pictures that they are to be trained on holds nothing out.
    let nothing_held_out = given.len() == kept.len() && given.iter().all(|split| *split == Split::Train);
    let gives_one = !given.is_empty() && !nothing_held_out;
    if gives_one && options.hold_out.is_none() {
        check_given(kept, origin)?;
        return Ok((given, "as the source gives it".into()));
    }
    let what = options.hold_out.as_ref().unwrap_or(&HoldOut::Families);
    let families = together(&kept.iter().map(Kept::tied).collect::<Vec<_>>());
    let pictures = families.iter().zip(kept);
    let members: Vec<hold_out::Picture<'_>> = pictures
        .map(|(family, k)| hold_out::Picture { family, class: &k.class, brand: k.candidate.brand.as_deref() })
        .collect();
    // A conventional store's offer is asked about and not trained on, and with it whoever offers the same bag. Only of a class
    // that has nothing else are some trained on.
    let is_asked = |k: &Kept| k.candidate.item.as_ref().is_some_and(|item| item.evaluation_only);
    let asked: BTreeSet<&str> = members.iter().zip(kept).filter(|(_, k)| is_asked(k)).map(|(m, _)| m.family).collect();
    let others = members.iter().filter(|m| !asked.contains(m.family));
    let classes: BTreeSet<&BagType> = others.map(|m| m.class).collect();
    // A family may be of several classes: it is in one split.
    let needed: BTreeSet<&str> = members.iter().filter(|m| !classes.contains(m.class)).map(|m| m.family).collect();
    let is_split = |i: &usize| !asked.contains(members[*i].family) || needed.contains(members[*i].family);
    let (split, asked): (Vec<usize>, Vec<usize>) = (0..members.len()).partition(is_split);
    let picture = |i: &usize| {
        let hold_out::Picture { family, class, brand } = members[*i];
        hold_out::Picture { family, class, brand }
    };
    let to_split: Vec<hold_out::Picture<'_>> = split.iter().map(picture).collect();
    let (by_family, told) = hold_out(&to_split, what, options.seed, origin.path)?;
    let mut splits = vec![Split::Test; members.len()];
    for (i, by_family) in split.into_iter().zip(by_family) {
        splits[i] = by_family;
    }
    let asked = if asked.is_empty() { "" } else { "; test: what is for evaluation only" };
    let instead = match (gives_one, nothing_held_out) {
        (true, _) => "; in place of the split that the source gives",
        (_, true) => "; the source has all in train, and holds nothing out",
        _ => "",
    };
    Ok((splits, told + asked + instead))
}

fn check_given(kept: &[Kept], origin: &Origin<'_>) -> Result<()> {
    let refuse = |what: String| Err(Error::GivenSplit { path: origin.path.into(), what });
    let mut of_family: BTreeMap<String, (Split, &str)> = BTreeMap::new();
    let mut trained = BTreeSet::new();
    for picture in kept {
        let name = picture.candidate.name.escape_debug();
        let Some(split) = picture.candidate.split else {
            return refuse(format!(
                "{name} has no split while others have one: expected one for each picture, or for none"
            ));
        };
        let (first, other) = *of_family.entry(picture.tied().own_family()).or_insert((split, &picture.candidate.name));
        if first != split {
            return refuse(format!(
                "a family is in two splits: {} is in {first}, {name} of the same family in {split}; expected one split a \
                 family, or no split at all",
                other.escape_debug()
            ));
        }
        if split == Split::Train {
            trained.insert(&picture.class);
        }
    }
    match kept.iter().find(|k| !trained.contains(&k.class)) {
        Some(k) => refuse(format!("the class `{}` has no picture in train: expected at least one", k.class)),
        None => Ok(()),
    }
}
