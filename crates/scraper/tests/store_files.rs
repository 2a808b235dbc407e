//! The store files that ship: all are read, and their words mean types that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goodtwin_core::{Taxonomy, config};
use goodtwin_scraper::config::{Ethics, Kind, Source, Store, StoreFile, Verified};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

fn files() -> Vec<(PathBuf, StoreFile)> {
    let entries = std::fs::read_dir(configs().join("stores")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), config::load(&path).unwrap())).collect()
}

#[test]
fn every_file_is_read_and_every_label_is_a_type() {
    let taxonomy = Taxonomy::load(&configs().join("taxonomy.toml")).unwrap();
    for (path, file) in files() {
        let place = path.display();
        Store::new(file.clone(), Duration::ZERO).unwrap_or_else(|e| panic!("{place}: {e}"));
        for (label, bag_type) in &file.labels {
            assert!(taxonomy.types.contains_key(bag_type), "{place}: `{label}` means `{bag_type}`, which is no type");
        }
        if file.allow_loopback {
            continue;
        }
        assert_eq!(path.file_stem().unwrap().to_str(), Some(file.name.as_str()), "{place}");
        assert_eq!(file.base.scheme(), "https", "{place}");
        assert!(!file.labels.is_empty() && file.currency.is_some() && file.separator().is_some(), "{place}");
        // A feed of one brand may name itself in any way; where many brands are sold, the page must say which.
        let sells_many = ["thredup", "rebag", "thread-harvest", "nordstrom"].contains(&file.name.as_str());
        assert_eq!(file.brand.is_none(), sells_many, "{place}");
        assert!(!(file.listing.browser && file.source == Source::Shopify), "{place}");
    }
}

#[test]
fn the_study_has_all_its_stores_and_none_was_tried() {
    let study = std::fs::read_to_string(configs().join("study.toml")).unwrap();
    let named: BTreeSet<&str> =
        study.lines().filter_map(|l| l.trim().strip_prefix("\"stores/")?.strip_suffix(".toml\",")).collect();
    let files: Vec<StoreFile> = files().into_iter().map(|(_, f)| f).filter(|f| !f.allow_loopback).collect();
    assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<BTreeSet<_>>(), named);
    let count = |ethics| files.iter().filter(|f| f.ethics == ethics).count();
    assert_eq!((count(Ethics::Sustainable), count(Ethics::Conventional)), (24, 7));
    assert_eq!(files.iter().filter(|f| f.kind == Kind::SecondHand).count(), 2);
    assert!(files.iter().all(|f| f.verified == Verified::No), "a date is written by `goodtwin stores check` alone");
}
