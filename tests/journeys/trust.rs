//! Whether a figure can be trusted: what is on both sides of a split is found, and runs that cannot be compared are not.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Small, goodtwin, run, small_recipe, striped_folder, stripes, train};

#[test]
fn a_data_set_passes_its_check_and_has_a_card() {
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 6);
    // The same shot once more, in another size: it must follow its twin.
    std::fs::write(folder.join("broad/again.png"), stripes(3, 0).resize(80, 80).to_png()).unwrap();
    let dataset = dir.path().join("dataset");
    run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(&dataset)).ok();
    let checked = run(goodtwin(["dataset", "check"]).arg(&dataset)).ok();
    assert!(checked.stdout.contains("13 pictures, 0 on both sides of the split"), "{}", checked.stdout);
    let card = std::fs::read_to_string(dataset.join("README.md")).unwrap();
    assert!(card.starts_with("---\n") && card.contains("| broad |"), "{card}");
    let croissant = std::fs::read(dataset.join("croissant.json")).unwrap();
    let croissant: serde_json::Value = serde_json::from_slice(&croissant).unwrap();
    assert_eq!(croissant["conformsTo"], "http://mlcommons.org/croissant/1.0");
    read_by_mlcroissant(&dataset.join("croissant.json"), 13);
}

/// The stock reader, where Python has it (`pip install mlcroissant`; `GOODTWIN_PYTHON` names another Python).
fn read_by_mlcroissant(file: &Path, rows: usize) {
    let python = std::env::var_os("GOODTWIN_PYTHON").unwrap_or_else(|| "python3".into());
    let imported = Command::new(&python).args(["-c", "import mlcroissant"]).stderr(Stdio::null()).status();
    if !imported.is_ok_and(|status| status.success()) {
        eprintln!("skipped: Python has no mlcroissant");
        return;
    }
    let script = "import sys, mlcroissant\n\
        found = mlcroissant.Dataset(sys.argv[1])\n\
        assert not found.metadata.ctx.issues.errors, found.metadata.ctx.issues.report()\n\
        print(sum(1 for _ in found.records('pictures')))";
    let ended = run(Command::new(&python).args(["-c", script]).arg(file)).ok();
    assert_eq!(ended.stdout.trim(), rows.to_string(), "{}", ended.stderr);
}

#[test]
fn what_is_on_both_sides_of_a_given_split_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("pictures");
    std::fs::create_dir(&folder).unwrap();
    let mut lines = String::new();
    let mut put = |name: &str, picture: &goodtwin_imaging::Picture, split: &str| {
        std::fs::write(folder.join(name), picture.to_png()).unwrap();
        lines += &format!("{}\n", json!({"file_name": name, "bag_type": "tote", "split": split}));
    };
    for slant in 0..6 {
        put(&format!("{slant}.png"), &stripes(9, slant), if slant < 4 { "train" } else { "test" });
    }
    put("again.png", &stripes(9, 0).resize(80, 80), "test");
    std::fs::write(folder.join("metadata.jsonl"), lines).unwrap();
    let dataset = dir.path().join("dataset");
    run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(&dataset)).ok();
    let checked = run(goodtwin(["dataset", "check"]).arg(&dataset));
    assert_eq!(checked.code, 65, "{}\n{}", checked.stdout, checked.stderr);
    let pair = checked.stdout.lines().next().unwrap();
    assert!(pair.starts_with("near-duplicate") && pair.contains("(train)") && pair.contains("(test)"), "{pair}");
    assert!(checked.stderr.contains("1 pairs are on both sides"), "{}", checked.stderr);
}

#[test]
fn a_brand_that_nobody_has_cannot_be_held_out() {
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 4);
    let import = goodtwin(["dataset", "import", "--hold-out-brands", "Able", "--out"])
        .arg(dir.path().join("dataset"))
        .arg(&folder)
        .output()
        .unwrap();
    assert_eq!(import.status.code(), Some(2));
    let says = String::from_utf8_lossy(&import.stderr);
    assert!(says.starts_with("goodtwin: --hold-out-brands: no picture has a brand"), "{says}");
}

#[test]
fn runs_that_were_not_measured_are_not_compared() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other");
    train(&small_recipe(dir.path(), 32, 1, "random"), &small.dataset(), &other, &small.cache()).ok();
    let compared = run(goodtwin(["runs", "compare"]).arg(small.run()).arg(&other));
    assert_eq!(compared.code, 65, "{}", compared.stdout);
    assert!(compared.stderr.contains("goodtwin eval"), "{}", compared.stderr);
    let listed = run(goodtwin(["runs", "list"]).arg(dir.path())).ok();
    assert!(listed.stdout.lines().any(|l| l.starts_with("other") && l.contains("trained")), "{}", listed.stdout);
    let listed = run(goodtwin(["runs", "list"]).arg(&other));
    assert_eq!(listed.code, 65, "{}", listed.stdout);
    assert!(listed.stderr.contains("is a run: expected the folder that it lies in"), "{}", listed.stderr);
    let listed = run(goodtwin(["runs", "list"]).arg(small.dataset())).ok();
    assert!(listed.stdout.is_empty() && listed.stderr.contains("no runs in this folder"), "{}", listed.stderr);
    has_a_model_card(&other);
}

fn has_a_model_card(run: &Path) {
    let card = std::fs::read_to_string(run.join("README.md")).unwrap();
    assert!(card.starts_with("---\nlibrary_name: goodtwin\n") && card.contains("CC BY 4.0"), "{card}");
    assert!(card.contains("Input: 32 px, grey, padded to a square, as a whole.\n"), "{card}");
}
