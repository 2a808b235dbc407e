//! `goodtwin bench embed` and `bench train`: what they print is whole, adds up, and says on what it was measured.

use serde_json::Value;

use crate::support::{goodtwin, run, small_recipe, striped_folder};

/// Every figure of a stage is one, and the shares are those of the whole.
fn check(stages: &Value, expected: &[&str]) {
    let stages = stages.as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, expected);
    let figure = |stage: &Value, key: &str| stage[key].as_f64().unwrap_or_else(|| panic!("`{key}` of {stage}"));
    let whole: f64 = stages.iter().map(|stage| figure(stage, "ms")).sum();
    for stage in stages {
        assert!((figure(stage, "share") - figure(stage, "ms") / whole).abs() < 1e-9, "{stage}");
        assert!((0.0..=1.0).contains(&figure(stage, "explained")), "{stage}");
        assert!(["compute", "memory", "decoder", "files"].contains(&stage["bound"].as_str().unwrap()), "{stage}");
    }
}

#[test]
fn embedding_stage_by_stage() {
    let bench = ["bench", "embed", "--device", "cpu", "--size", "48", "--batch", "1,2"];
    let report: Value = serde_json::from_str(&run(goodtwin(bench).arg("--json")).ok().stdout).unwrap();
    for peak in ["matmul_gflops", "copy_gbytes", "host_copy_gbytes"] {
        assert!(report[peak].as_f64().unwrap() > 0.0, "{peak}");
    }
    let batches = report["batches"].as_array().unwrap();
    assert_eq!(batches.iter().map(|b| b["batch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    for batch in batches {
        check(&batch["stages"], &["disk", "decode", "resize", "input", "trunk", "block 5", "head", "colours"]);
        assert!(batch["network_images_per_second"].as_f64().unwrap() > 0.0);
        assert!((0.0..1.0).contains(&batch["waiting"].as_f64().unwrap()), "{batch}");
        assert_eq!(batch["error"], 0.0, "on the CPU there is nothing to be off from");
    }
    let table = run(&mut goodtwin(bench)).ok().stdout;
    for part in ["cpu (", "batch 1 ", "batch 2 ", "trunk ", "files, here in the system's cache", "images/s"] {
        assert!(table.contains(part), "{part:?} in {table}");
    }
}

#[test]
fn a_training_step_stage_by_stage() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = dir.path().join("dataset");
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 4);
    run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(&dataset)).ok();
    let recipe = small_recipe(dir.path(), 48, 1, "random");
    let mut bench = goodtwin(["bench", "train", "--device", "cpu", "--json", "--dataset"]);
    let report: Value =
        serde_json::from_str(&run(bench.arg(&dataset).arg("--config").arg(recipe)).ok().stdout).unwrap();
    let stages = ["read", "decode", "resize", "trunk", "cache", "head forward", "head backward", "optimiser"];
    check(&report["stages"], &stages);
    let once = report["stages"].as_array().unwrap().iter().filter(|stage| stage["every_epoch"] == false).count();
    assert_eq!(once, 4, "what an epoch from the cache need not do");
    let epoch = |which: &str| report["epochs"][which].as_f64().unwrap();
    assert!(epoch("uncached") > epoch("cached") && epoch("full") > 0.0 && epoch("uncached_same_code") > 0.0);
}
