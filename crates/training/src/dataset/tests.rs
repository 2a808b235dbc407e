//! Whole folders in, whole data sets out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use goodtwin_core::{BagType, ContentId, Dataset, DatasetReader, Item, ItemId, Row, Split};
use goodtwin_imaging::Picture;
use proptest::prelude::*;
use tempfile::TempDir;

use super::testing::{item, png, put};
use super::{Error, HoldOut, Options, build, card, import};
use crate::Ui;
use crate::bootstrap::Bootstrap;
use crate::evaluate::Asking;
use crate::evaluation::{Evaluation, Kind, Measured, Queries, Rung, pool};
use crate::ladder;
use crate::retrieval::ask;
use crate::train::splits::Splits;

fn shoes(dir: &Path) {
    let classes = ["Ankle Boot", "sandal", "sneaker"];
    for (c, class) in classes.iter().enumerate() {
        for i in 0..6 {
            put(dir, &format!("{class}/{i}.png"), &png(100 * c + i));
        }
    }
}

fn run(dir: &Path, seed: u64) -> (TempDir, Result<Dataset, Error>) {
    let out = tempfile::tempdir().unwrap();
    let dataset = import(dir, &out.path().join("d"), &Options { seed, ..Options::default() });
    (out, dataset)
}

fn causes(dataset: &Dataset) -> BTreeMap<&str, Vec<&str>> {
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in &dataset.manifest.left_out {
        causes.entry(&one.cause).or_default().push(&one.file_name);
    }
    causes
}

fn no_family_and_no_picture_is_in_two_splits(dataset: &Dataset) {
    let mut families: BTreeMap<&str, Split> = BTreeMap::new();
    let (mut pictures, mut shown) = (BTreeMap::new(), BTreeSet::new());
    for row in &dataset.rows {
        if let Some(family) = &row.family {
            assert_eq!(*families.entry(family).or_insert(row.split), row.split, "{family}");
        }
        assert_eq!(*pictures.entry(&row.sha256).or_insert(row.split), row.split, "{}", row.file_name);
        assert!(shown.insert((&row.sha256, row.item.as_ref().map(|i| &i.id))), "{} twice", row.file_name);
    }
}

#[test]
fn a_folder_of_shoes_becomes_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    shoes(dir.path());
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let classes: Vec<_> = dataset.classes().iter().map(|c| c.as_str().to_string()).collect();
    assert_eq!(classes, ["ankle_boot", "sandal", "sneaker"]);
    assert_eq!(dataset.rows.len(), 18);
    for class in dataset.classes() {
        let splits = &dataset.manifest.counts[&class];
        assert!(splits[&Split::Train] >= 3 && splits[&Split::Test] >= 1, "{splits:?}");
    }
    let read = DatasetReader::open(&dataset.root).unwrap();
    assert_eq!(read.rows, dataset.rows);
    for row in &read.rows {
        Picture::decode(&read.read(row).unwrap()).unwrap();
    }
}

#[test]
fn the_same_folder_and_seed_make_the_same_data_set_wherever_they_lie() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    shoes(here.path());
    shoes(there.path());
    let ((_a, first), (_b, second), (_c, reseeded)) = (run(here.path(), 1), run(there.path(), 1), run(here.path(), 2));
    let (first, second, reseeded) = (first.unwrap(), second.unwrap(), reseeded.unwrap());
    assert_eq!(first.manifest, second.manifest);
    assert_ne!(first.id(), reseeded.id());
    assert_eq!(first.manifest.parents, reseeded.manifest.parents);
}

#[test]
fn what_cannot_be_used_is_left_out_by_cause() {
    let dir = tempfile::tempdir().unwrap();
    let whole = png(1);
    put(dir.path(), "a.png", &whole);
    put(dir.path(), "again.png", &whole);
    put(dir.path(), "b.png", &png(2));
    put(dir.path(), "c.png", &png(3));
    put(dir.path(), "d.png", &png(4));
    put(dir.path(), "e.png", &png(5));
    put(dir.path(), "cut.png", &whole[..whole.len() / 2]);
    put(dir.path(), "empty.jpg", b"");
    put(dir.path(), "error.jpg", b"<!doctype html><h1>404");
    let lines = r#"
        {"file_name": "a.png", "bag_type": "tote", "family": 12, "unknown": [1], "item": {"id": 3}}
        {"file_name": "again.png", "label": "clutch"}
        {"file_name": "b.png", "bag_type": null, "label": "Tote", "colour": "red", "background": "plain", "source": "s"}
        {"file_name": "c.png", "family": "x"}
        {"file_name": "d.png", "label": "clutch"}
        {"file_name": "e.png", "label": "clutch"}
        {"file_name": "cut.png", "bag_type": "tote"}
        {"file_name": "empty.jpg", "bag_type": "tote"}
        {"file_name": "error.jpg", "bag_type": "tote"}
        {"file_name": "gone.jpg", "bag_type": "tote"}
        {"file_name": "../../etc/passwd", "bag_type": "tote"}
    "#;
    put(dir.path(), "metadata.jsonl", lines.as_bytes());
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let expected = BTreeMap::from([
        ("bad-path", vec!["../../etc/passwd"]),
        ("duplicate", vec!["again.png"]),
        ("empty", vec!["empty.jpg"]),
        ("missing", vec!["gone.jpg"]),
        ("no-type", vec!["c.png"]),
        ("not-an-image", vec!["error.jpg"]),
        ("truncated", vec!["cut.png"]),
    ]);
    assert_eq!(causes(&dataset), expected);
    let again = dataset.manifest.left_out.iter().find(|l| l.cause == "duplicate").unwrap();
    assert_eq!(again.detail, "the same bytes as a.png, which is labelled `tote`, not `clutch`");
    let a = dataset.rows.iter().find(|r| r.sha256 == ContentId::of(&whole)).unwrap();
    assert_eq!((a.family.as_deref(), a.bag_type.as_str(), a.width), (Some("12"), "tote", 16));
    let b = dataset.rows.iter().find(|r| r.sha256 == ContentId::of(png(2))).unwrap();
    assert_eq!(
        (b.colour.as_deref(), b.background.as_deref(), b.source.as_deref()),
        (Some("red"), Some("plain"), Some("s"))
    );
}

#[test]
fn bad_folders_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |expected: &str| {
        let (out, dataset) = run(dir.path(), 1);
        let error = dataset.unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "half a data set is left behind");
    };
    refused("no metadata.jsonl and no sub-folders: expected");
    put(dir.path(), "tote/readme.txt", b"none yet");
    refused("the data set is empty: expected at least one whole picture with a type; left out: 1 not-an-image");
    put(dir.path(), "tote/1.png", &png(1));
    put(dir.path(), "tote/2.png", &png(2));
    put(dir.path(), "clutch/only.png", &png(3));
    refused(
        "the class `clutch` has 1 image (clutch/only.png): expected at least 2 images, one to train on and one to hold out",
    );
    put(dir.path(), "metadata.jsonl", b"{\"file_name\": \"tote/1.png\"}\n{\"bag_type\": \"tote\"}\n");
    refused("metadata.jsonl: line 2, column 20: missing field `file_name`");
    put(dir.path(), "metadata.jsonl", b"{\"file_name\": \"tote/1.png\", \"split\": \"dev\"}\n");
    refused("line 1, column 43: `dev` is not a split: expected train, validation or test");
    let (_out, gone) = run(&dir.path().join("gone"), 1);
    assert!(gone.unwrap_err().to_string().contains("no such folder of pictures"));
}

#[test]
fn a_class_of_which_there_is_nothing_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    shoes(dir.path());
    let read = AtomicUsize::new(0);
    let count = |_, _| _ = read.fetch_add(1, Ordering::Relaxed);
    let refused = |expected: &str| {
        let options = Options { progress: &count, ..Options::default() };
        let error = import(dir.path(), &dir.path().join("d"), &options).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains(expected), "{error}");
    };
    fs::create_dir_all(dir.path().join("clog/old")).unwrap();
    refused(
        "clog: the class `clog` is empty: expected at least 2 images, one to train on and one to hold out; no picture",
    );
    assert_eq!(read.load(Ordering::Relaxed), 0, "before a picture is read");
    put(dir.path(), "clog/1.png", b"<!doctype html>");
    put(dir.path(), "clog/old/2.png", &png(3)[..50]);
    put(dir.path(), "sandal/cut.png", &png(3)[..50]);
    refused(
        "`clog` is empty: expected at least 2 images, one to train on and one to hold out; left out: 1 not-an-image, 1 truncated",
    );
}

#[test]
fn a_folder_of_notes_is_no_class() {
    let dir = tempfile::tempdir().unwrap();
    shoes(dir.path());
    put(dir.path(), "annotations/1.xml", b"<annotation/>");
    let dataset = run(dir.path(), 1).1.unwrap();
    assert_eq!(dataset.classes().len(), 3);
    let left_out: Vec<_> = dataset.manifest.left_out.iter().map(|one| one.file_name.as_str()).collect();
    assert!(left_out.contains(&"annotations/1.xml"), "{left_out:?}");
}

#[test]
fn what_has_no_class_and_what_leads_nowhere_are_left_out_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    shoes(dir.path());
    put(dir.path(), "loose.png", &png(200));
    put(dir.path(), "notes.txt", b"of the photographer");
    #[cfg(unix)]
    std::os::unix::fs::symlink("around.png", dir.path().join("sandal/around.png")).unwrap();
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let causes = causes(&dataset);
    assert_eq!(causes["no-type"], ["loose.png"]);
    #[cfg(unix)]
    assert_eq!(causes["missing"], ["sandal/around.png"]);
    let lines: String = (0..8).map(|i| format!("{{\"file_name\": \"{i}.png\", \"label\": \"tote\"}}\n")).collect();
    (0..8).for_each(|i| put(dir.path(), &format!("named/{i}.png"), &png(i)));
    let long = format!("{}.png", "a".repeat(300));
    put(
        dir.path(),
        "named/metadata.jsonl",
        format!("{lines}{{\"file_name\": \"{long}\", \"label\": \"tote\"}}").as_bytes(),
    );
    let (_out, dataset) = run(&dir.path().join("named"), 1);
    let left_out = dataset.unwrap().manifest.left_out;
    assert!(left_out.iter().any(|one| one.cause == "missing" && one.file_name == long));
}

#[test]
fn a_split_may_lack_a_class_that_another_split_has() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["train/tote/a", "train/tote/b", "train/clutch/c", "test/clutch/d"].iter().enumerate() {
        put(dir.path(), &format!("{name}.png"), &png(n));
    }
    fs::create_dir(dir.path().join("test/tote")).unwrap();
    assert_eq!(run(dir.path(), 1).1.unwrap().rows.len(), 4);
}

#[test]
fn a_split_that_the_source_gives_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["train/tote/a", "train/tote/b", "val/tote/c", "test/tote/d", "test/tote/e"].iter().enumerate() {
        put(dir.path(), &format!("{name}.png"), &png(n));
    }
    let (_out, dataset) = run(dir.path(), 1);
    let counts = dataset.unwrap().manifest.counts;
    let expected = BTreeMap::from([(Split::Train, 2), (Split::Validation, 1), (Split::Test, 2)]);
    assert_eq!(counts, BTreeMap::from([(BagType::new("tote"), expected)]));
    put(dir.path(), "test/clutch/f.png", &png(90));
    put(dir.path(), "test/clutch/g.png", &png(91));
    let (_out, dataset) = run(dir.path(), 1);
    assert!(dataset.unwrap_err().to_string().contains("the class `clutch` has no picture in train"));
}

#[test]
fn a_train_folder_alone_holds_nothing_out_and_is_split() {
    let dir = tempfile::tempdir().unwrap();
    shoes(&dir.path().join("train"));
    let (_out, dataset) = run(dir.path(), 1);
    assert!(dataset.unwrap().rows.iter().any(|r| r.split == Split::Test));
}

#[test]
fn a_licence_goes_with_its_picture() {
    let dir = tempfile::tempdir().unwrap();
    let said = [r#","license":"CC BY 4.0""#, r#","licence":"CC0""#, ""];
    let lines = (0..3).map(|i| {
        put(dir.path(), &format!("{i}.png"), &png(i));
        format!("{{\"file_name\":\"{i}.png\",\"bag_type\":\"tote\"{}}}\n", said[i])
    });
    let lines: String = lines.collect();
    fs::write(dir.path().join("metadata.jsonl"), lines).unwrap();
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let licences: BTreeSet<Option<&str>> = dataset.rows.iter().map(|r| r.licence.as_deref()).collect();
    assert_eq!(licences, BTreeSet::from([None, Some("CC BY 4.0"), Some("CC0")]));
    assert_eq!(DatasetReader::open(&dataset.root).unwrap().rows, dataset.rows);
}

#[test]
fn what_lies_beside_the_splits_is_no_class() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["train/tote/a", "train/tote/b", "test/tote/c", "__MACOSX/test/._c", ".cache/d"].iter().enumerate()
    {
        put(dir.path(), &format!("{name}.png"), &png(n));
    }
    put(dir.path(), "extra/docs/readme.txt", b"How these were collected");
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    assert_eq!(dataset.classes(), [BagType::new("tote")]);
    assert_eq!((dataset.rows.len(), dataset.manifest.left_out.len()), (3, 0));
    put(dir.path(), "extra/docs/tote.jpg", &png(9));
    put(dir.path(), "clutch/1.png", &png(10));
    let (_out, dataset) = run(dir.path(), 1);
    let error = dataset.unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("pictures in `clutch`, `extra` beside folders of splits: expected"), "{error}");
}

#[test]
fn a_given_split_with_a_family_in_two_parts_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.png", &png(1));
    put(dir.path(), "b.png", &png(2));
    let lines = "{\"file_name\":\"a.png\",\"label\":\"tote\",\"family\":\"f\",\"split\":\"train\"}\n\
                 {\"file_name\":\"b.png\",\"label\":\"tote\",\"family\":\"f\",\"split\":\"test\"}\n";
    put(dir.path(), "metadata.jsonl", lines.as_bytes());
    let (_out, dataset) = run(dir.path(), 1);
    let error = dataset.unwrap_err().to_string();
    assert!(error.contains("a family is in two splits"), "{error}");
    put(dir.path(), "metadata.jsonl", lines.replace(",\"split\":\"test\"", "").as_bytes());
    let (_out, dataset) = run(dir.path(), 1);
    let error = dataset.unwrap_err().to_string();
    assert!(error.contains("b.png has no split while others have one"), "{error}");
}

#[test]
fn what_is_asked_for_goes_before_the_split_that_the_source_gives() {
    let dir = tempfile::tempdir().unwrap();
    let lines: String = (0..12)
        .map(|i| {
            put(dir.path(), &format!("{i:02}.png"), &png(i));
            let (brand, split) = (["Able", "Baker", "Cole"][i % 3], if i % 3 == 0 { "train" } else { "test" });
            format!("{{\"file_name\":\"{i:02}.png\",\"label\":\"tote\",\"brand\":\"{brand}\",\"split\":\"{split}\"}}\n")
        })
        .collect();
    put(dir.path(), "metadata.jsonl", lines.as_bytes());
    let made = |hold_out| {
        let out = tempfile::tempdir().unwrap();
        import(dir.path(), &out.path().join("d"), &Options { hold_out, ..Options::default() })
    };
    let tested = |dataset: &Dataset| -> BTreeSet<String> {
        dataset.rows.iter().filter(|r| r.split == Split::Test).filter_map(|r| r.brand.clone()).collect()
    };
    let given = made(None).unwrap();
    assert_eq!(tested(&given), BTreeSet::from(["Baker".into(), "Cole".into()]));
    assert_eq!(given.manifest.split, "as the source gives it");
    let held = made(Some(HoldOut::These(vec!["Able".into()]))).unwrap();
    assert_eq!(tested(&held), BTreeSet::from(["Able".into()]));
    assert!(held.manifest.split.ends_with("in place of the split that the source gives"), "{}", held.manifest.split);
    assert_ne!(made(Some(HoldOut::Families)).unwrap().manifest.split, given.manifest.split);
    let error = made(Some(HoldOut::These(vec!["Dora".into()]))).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().starts_with("--hold-out-brands: no picture is of the brand `Dora`: expected one of Able")
    );
}

#[test]
fn a_crawl_becomes_a_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let mut items: Vec<Item> = (0..10)
        .map(|i| {
            item(&images, &format!("tote-{i}"), Some("tote"), Some(&format!("family {}", i / 2)), &[2 * i, 2 * i + 1])
        })
        .collect();
    items.push(item(&images, "loner", Some("tote"), None, &[50, 51, 52]));
    items.push(item(&images, "untyped", None, None, &[60]));
    items.push(item(&images, "unseen", Some("tote"), None, &[]));
    items.push(item(&images, "changed", Some("tote"), None, &[70]));
    put(&images, &items[13].images[0].file_name(), &png(71));
    items.push(item(&images, "twice", Some("tote"), None, &[80, 80]));
    let crawl = ContentId::of("crawl");
    let out = dir.path().join("d");
    let dataset = build(&items, &images, &crawl, &out, &Options::default()).unwrap();
    assert_eq!(dataset.rows.len(), 24);
    assert_eq!(dataset.manifest.parents["crawl"], crawl);
    no_family_and_no_picture_is_in_two_splits(&dataset);
    let loner: Vec<_> = dataset.rows.iter().filter(|r| r.family.as_deref() == Some("shop/loner")).collect();
    assert_eq!(loner.len(), 3);
    let row = loner[0];
    assert_eq!((row.brand.as_deref(), row.colour.as_deref()), (Some("Able"), Some("olive")));
    assert_eq!(row.item.as_ref().unwrap().title, "The loner");
    let causes = causes(&dataset);
    assert_eq!(causes["no-type"], ["shop/untyped"]);
    assert_eq!(causes["no-image"], ["shop/unseen"]);
    assert_eq!(causes["hash-mismatch"].len(), 1);
    assert_eq!(causes["duplicate"].len(), 1);
    assert_eq!(causes.len(), 4);
}

#[test]
fn what_is_for_evaluation_only_is_in_the_test_split() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let mut items: Vec<Item> =
        (0..8).map(|i| item(&images, &format!("kind-{i}"), Some("tote"), None, &[2 * i, 2 * i + 1])).collect();
    let evaluation = |key: &str, numbers: &[usize]| Item {
        evaluation_only: true,
        ..item(&images, key, Some("tote"), None, numbers)
    };
    items.extend((0..8).map(|i| evaluation(&format!("zara-{i}"), &[100 + 2 * i, 101 + 2 * i])));
    let dataset = build(&items, &images, &ContentId::of("crawl"), &dir.path().join("d"), &Options::default()).unwrap();
    let splits = |evaluation: bool| -> BTreeSet<Split> {
        let of = |r: &&Row| r.item.as_ref().unwrap().evaluation_only == evaluation;
        dataset.rows.iter().filter(of).map(|r| r.split).collect()
    };
    assert_eq!(splits(true), [Split::Test].into());
    assert!(splits(false).contains(&Split::Train));
    assert!(dataset.manifest.split.contains("for evaluation only"), "{}", dataset.manifest.split);
    no_family_and_no_picture_is_in_two_splits(&dataset);
}

#[test]
fn a_split_for_some_pictures_alone_is_refused_and_bytes_in_two_splits_are() {
    let line = |number: usize, split: &str| {
        let split = if split.is_empty() { String::new() } else { format!(r#","split":"{split}""#) };
        format!(r#"{{"file_name":"{number}.png","label":"tote"{split}}}"#) + "\n"
    };
    let refused = |splits: &[&str], same: bool, what: &str| {
        let dir = tempfile::tempdir().unwrap();
        let mut lines = String::new();
        for (number, split) in splits.iter().enumerate() {
            put(dir.path(), &format!("{number}.png"), &png(if same { number / 2 } else { number }));
            lines += &line(number, split);
        }
        put(dir.path(), "metadata.jsonl", lines.as_bytes());
        let error = run(dir.path(), 1).1.unwrap_err();
        assert!(error.exit_code() == 65 && error.to_string().contains(what), "{error}");
    };
    refused(&["test", "test", "", "", "", ""], false, "has no split while others have one");
    refused(&["train", "test", "train", "train"], true, "0.png is in train, and 1.png of the same bytes in test");
    let dir = tempfile::tempdir().unwrap();
    let lines: String = (0..10).map(|number| line(number, "train")).collect();
    (0..10).for_each(|number| put(dir.path(), &format!("{number}.png"), &png(number)));
    put(dir.path(), "metadata.jsonl", lines.as_bytes());
    let (_out, dataset) = run(dir.path(), 1);
    let split = dataset.unwrap().manifest.split;
    assert!(split.contains("the source has all in train"), "{split}");
}

#[test]
fn a_data_set_that_is_imported_keeps_its_offers() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let mut items: Vec<Item> =
        (0..8).map(|i| item(&images, &format!("kind-{i}"), Some("tote"), None, &[2 * i, 2 * i + 1])).collect();
    // The same picture by another offer, and one that is for evaluation only.
    items.push(item(&images, "worn", Some("tote"), None, &[4]));
    items.push(Item { evaluation_only: true, ..item(&images, "zara", Some("tote"), None, &[100, 101]) });
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    let built = build(&items, &images, &ContentId::of("crawl"), &one, &Options::default()).unwrap();
    let options = Options { hold_out: Some(HoldOut::Families), seed: 3, ..Options::default() };
    let imported = import(&one, &other, &options).unwrap();
    let offers = |dataset: &Dataset| -> BTreeSet<(ContentId, String)> {
        dataset.rows.iter().map(|r| (r.sha256.clone(), serde_json::to_string(&r.item).unwrap())).collect()
    };
    assert_eq!(offers(&built), offers(&imported));
    assert_eq!(imported.rows.len(), 19);
    let asked: Vec<Split> =
        imported.rows.iter().filter(|r| r.item.as_ref().unwrap().evaluation_only).map(|r| r.split).collect();
    assert_eq!(asked, [Split::Test; 2]);
}

#[test]
fn whoever_offers_what_is_for_evaluation_only_is_asked_about_too() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let mut items: Vec<Item> =
        (0..8).map(|i| item(&images, &format!("worn-{i}"), Some("tote"), None, &[2 * i, 2 * i + 1])).collect();
    let evaluation = |key: &str, class: &str, numbers: &[usize]| Item {
        evaluation_only: true,
        ..item(&images, key, Some(class), None, numbers)
    };
    // The maker's pictures, which second-hand shops show of two bags; and a class that nobody else has.
    items.extend([evaluation("new-0", "tote", &[0, 100]), evaluation("new-1", "tote", &[2])]);
    items.extend((0..4).map(|i| evaluation(&format!("only-{i}"), "clutch", &[200 + i])));
    for seed in 0..8 {
        let out = dir.path().join(format!("d{seed}"));
        let options = Options { seed, ..Options::default() };
        let dataset = build(&items, &images, &ContentId::of("crawl"), &out, &options).unwrap();
        no_family_and_no_picture_is_in_two_splits(&dataset);
        let splits = |key: &str| -> BTreeSet<Split> {
            let id = ItemId::new("shop", key);
            dataset.rows.iter().filter(|r| r.item.as_ref().unwrap().id == id).map(|r| r.split).collect()
        };
        for key in ["new-0", "new-1", "worn-0", "worn-1"] {
            assert_eq!(splits(key), [Split::Test].into(), "{key}");
        }
        let of = |class: &str| {
            dataset.rows.iter().filter(|r| r.bag_type.as_str() == class && r.split == Split::Train).count()
        };
        assert!(of("tote") > 0 && of("clutch") > 0, "a class has something to be learnt from");
    }
}

#[test]
fn offers_that_show_the_same_picture_are_all_there_and_in_one_split() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let mut items: Vec<Item> = (0..20)
        .map(|i| item(&images, &format!("new-{i}"), Some("tote"), Some(&format!("family {i}")), &[2 * i, 2 * i + 1]))
        .collect();
    // Second-hand, with the maker's photograph: of one family's, and of two families' at once.
    items.extend((0..8).map(|i| item(&images, &format!("worn-{i}"), Some("tote"), None, &[2 * i])));
    items.push(item(&images, "lot", Some("tote"), None, &[30, 34]));
    for seed in 0..8 {
        let out = dir.path().join(format!("d{seed}"));
        let options = Options { seed, ..Options::default() };
        let dataset = build(&items, &images, &ContentId::of("crawl"), &out, &options).unwrap();
        assert_eq!(dataset.manifest.left_out, []);
        assert_eq!(dataset.rows.len(), 50);
        no_family_and_no_picture_is_in_two_splits(&dataset);
        let of = |key: &str| {
            let id = ItemId::new("shop", key);
            dataset.rows.iter().find(|r| r.item.as_ref().unwrap().id == id).unwrap()
        };
        let shown_by = dataset.rows.iter().filter(|r| r.file_name == of("worn-3").file_name);
        let shown_by: Vec<_> = shown_by.map(|r| r.item.as_ref().unwrap().id.as_str()).collect();
        assert_eq!(shown_by, ["shop/new-3", "shop/worn-3"]);
        assert_eq!(of("worn-3").family, None, "families are merged for the split alone");
        assert_eq!(of("new-15").split, of("new-17").split, "the lot shows both");
        assert_eq!(DatasetReader::open(&out).unwrap().rows, dataset.rows);
    }
    items.push(item(&images, "clutch", Some("clutch"), None, &[90]));
    items.push(item(&images, "clutch-worn", Some("clutch"), None, &[90]));
    let error =
        build(&items, &images, &ContentId::of("crawl"), &dir.path().join("e"), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("the class `clutch` has 1 image"), "{error}");
}

#[test]
fn the_same_shot_in_two_files_is_in_one_split_and_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..30 {
        let picture = Picture::decode(&png(number)).unwrap().resize(64, 64);
        put(dir.path(), &format!("tote/{number:02}-large.png"), &picture.to_png());
        put(dir.path(), &format!("tote/{number:02}-small.jpg"), &picture.resize(48, 48).to_jpeg(90));
    }
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let checked = super::check(&dataset, &|| ()).unwrap();
    assert_eq!((checked.leaks.len(), checked.near_within.len(), checked.pictures), (0, 30, 60), "{:?}", checked.leaks);
    assert!(dataset.rows.iter().any(|r| r.split == Split::Test));
    assert!(dataset.root.join("README.md").exists() && dataset.root.join("croissant.json").exists());
}

#[test]
fn the_card_says_what_is_on_both_sides_of_a_given_split() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..6 {
        let picture = Picture::decode(&png(number)).unwrap().resize(64, 64);
        let split = if number < 4 { "train" } else { "test" };
        put(dir.path(), &format!("{split}/tote/{number}.png"), &picture.to_png());
    }
    put(dir.path(), "test/tote/again.jpg", &Picture::decode(&png(0)).unwrap().resize(48, 48).to_jpeg(90));
    let (_out, dataset) = run(dir.path(), 1);
    let dataset = dataset.unwrap();
    let card = || fs::read_to_string(dataset.root.join("README.md")).unwrap();
    let says = "Split as the source gives it. **On both sides of the split: 1 pairs (1 near-duplicate).**";
    assert!(card().contains(says) && !card().contains("No family"), "{}", card());
    let checked = super::check(&dataset, &|| ()).unwrap();
    card::write(&dataset.root, &dataset, &checked).unwrap();
    assert!(card().contains(says) && !card().contains("No family"), "{}", card());
    let other = tempfile::tempdir().unwrap();
    shoes(other.path());
    let (_out, sound) = run(other.path(), 1);
    let card = fs::read_to_string(sound.unwrap().root.join("README.md")).unwrap();
    assert!(card.contains("No family, offer, page or shot is in two splits"), "{card}");
}

/// What a run on this data set and an untouched feature find of its test split, as if both had drawn at random.
fn evaluated(dataset: &Dataset) -> Evaluation {
    let test: Vec<usize> = (0..dataset.rows.len()).filter(|i| dataset.rows[*i].split == Split::Test).collect();
    let Asking { rows: asked, seen, for_evaluation } =
        Asking::of_own(Path::new("no run"), dataset, &test, &Ui::detect()).unwrap();
    let bootstrap = Bootstrap::default();
    let rungs = [Kind::Untouched, Kind::Run].map(|kind| {
        let answers = ask(&dataset.rows, &ladder::random(dataset.rows.len()), &asked);
        Rung::of("drawn", kind, answers, &dataset.rows, &bootstrap)
    });
    let (queries, trunks, rungs) = (Queries::HeldOut, "VGG16".into(), rungs.into());
    Measured {
        dataset,
        run: None,
        queries,
        seen,
        for_evaluation,
        trunks,
        size: 32,
        seeds: None,
        bootstrap,
        rungs,
        classification: None,
    }
    .conclude()
}

#[test]
fn over_all_parts_of_a_crawl_each_picture_is_asked_once_also_those_for_evaluation_only() {
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("images");
    let offer = |i: usize| Item {
        evaluation_only: i >= 12,
        ..item(&images, &i.to_string(), Some("tote"), None, &[2 * i, 2 * i + 1])
    };
    let mut items: Vec<Item> = (0..24).map(offer).collect();
    // Second-hand, with the picture of one that is for evaluation only, and one of its own.
    items.push(item(&images, "worn", Some("tote"), None, &[24, 50]));
    let parts = [1, 2, 3].map(|number| {
        let options = Options { hold_out: Some(HoldOut::Fold { brands: false, number, of: 3 }), ..Options::default() };
        let out = dir.path().join(format!("part{number}"));
        evaluated(&build(&items, &images, &ContentId::of("crawl"), &out, &options).unwrap())
    });
    // The picture that two offers show asks for each.
    let asked = parts.each_ref().map(|part| part.asked.len());
    assert_eq!(
        asked,
        [26 + 24 / 3; 3],
        "those for evaluation only, and what hangs together with them, ask in every part"
    );
    let pooled = pool(&parts).unwrap();
    let pictures: BTreeSet<&ContentId> = pooled.asked.values().map(|asked| &asked.picture).collect();
    assert_eq!((pooled.asked.len(), pictures.len()), (50, 49));
    assert_eq!(pooled.of_run().unwrap().family.as_ref().unwrap().queries, 50);
}

#[test]
fn a_class_that_is_not_trained_on_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    shoes(dir.path());
    let (_out, dataset) = run(dir.path(), 1);
    let mut dataset = dataset.unwrap();
    assert!(Splits::of(&dataset, &dataset.classes()).is_ok());
    for row in dataset.rows.iter_mut().filter(|r| r.bag_type == BagType::new("sandal")) {
        row.split = Split::Validation;
    }
    let refused = |dataset: &Dataset, expected: &str| {
        let error = Splits::of(dataset, &dataset.classes()).err().unwrap();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(
        &dataset,
        "the class `sandal` has no picture in the training split (6 in the validation split): expected at",
    );
    dataset.rows.retain(|r| r.bag_type == BagType::new("sneaker"));
    refused(&dataset, "has the class `sneaker` only: expected at least two to tell apart");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whichever offers show it, under whatever family and label, the same bytes end in one split.
    #[test]
    fn the_same_bytes_are_never_in_two_splits(
        offers in prop::collection::vec((prop::collection::vec(0..12usize, 1..3), prop::option::of(0..6u8), 0..2u8), 4..24),
        seed: u64,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images");
        let offer = |(i, (pictures, family, class)): (usize, &(Vec<usize>, Option<u8>, u8))| {
            let (class, family) = (format!("c{class}"), family.map(|f| format!("f{f}")));
            item(&images, &i.to_string(), Some(&class), family.as_deref(), pictures)
        };
        let items: Vec<Item> = offers.iter().enumerate().map(offer).collect();
        let options = Options { seed, ..Options::default() };
        match build(&items, &images, &ContentId::of("crawl"), &dir.path().join("d"), &options) {
            Ok(dataset) => {
                no_family_and_no_picture_is_in_two_splits(&dataset);
                let pictures: usize = offers.iter().map(|(pictures, ..)| pictures.len()).sum();
                prop_assert_eq!(dataset.rows.len() + dataset.manifest.left_out.len(), pictures);
            }
            Err(e) => prop_assert!(matches!(e, Error::TooFewImages { .. }), "{}", e),
        }
    }
}

fn shared(name: &str) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    if !dir.exists() {
        eprintln!("skipped: no {}", dir.display());
    }
    dir.exists().then_some(dir)
}

#[test]
fn real_folders_are_imported_whole() {
    for (name, images, classes) in [("realbags", 271, 5), ("bags60", 2017, 8)] {
        let Some(dir) = shared(name) else { continue };
        let (_out, dataset) = run(&dir, 0);
        let dataset = dataset.unwrap();
        assert_eq!((dataset.rows.len(), dataset.classes().len()), (images, classes), "{name}");
        assert_eq!(dataset.manifest.left_out, []);
        no_family_and_no_picture_is_in_two_splits(&dataset);
        for (class, splits) in &dataset.manifest.counts {
            let total: usize = splits.values().sum();
            let share = |split| *splits.get(&split).unwrap_or(&0) as f64 / total as f64;
            eprintln!("{name} {class}: {splits:?}");
            assert!(
                (share(Split::Train) - 0.7).abs() < 0.1 && (share(Split::Test) - 0.2).abs() < 0.1,
                "{class} {splits:?}"
            );
        }
    }
}
