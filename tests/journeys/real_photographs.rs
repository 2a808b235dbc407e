//! Real pictures of bags, from import to search. They are not ours to ship: the test is skipped where they are not.

use serde_json::Value;

use crate::support::{goodtwin, run, small_recipe, train, workspace};

#[test]
fn a_held_out_photograph_finds_its_family() {
    let photographs = workspace().join("../shared/realbags");
    if !photographs.exists() {
        eprintln!("skipped: {} is absent", photographs.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (dataset, model) = (dir.path().join("dataset"), dir.path().join("run"));
    let imported = run(goodtwin(["dataset", "import"]).arg(&photographs).arg("--out").arg(&dataset)).ok();
    assert!(imported.stdout.contains("271"), "all 271 photographs decode:\n{}", imported.stdout);

    let recipe = small_recipe(dir.path(), 64, 3, "whitening");
    train(&recipe, &dataset, &model, &dir.path().join("cache")).ok();
    let metrics = std::fs::read_to_string(model.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().filter(|line| line.contains(r#""kind":"epoch""#)).count(), 3);
    let report = std::fs::read_to_string(model.join("report.html")).unwrap();
    assert!(report.contains("<svg") && report.contains("Confusion matrix"));

    let catalogs = dir.path().join("catalogs");
    run(goodtwin(["catalog", "build", "--device", "cpu", "--model"])
        .arg(&model)
        .arg("--dataset")
        .arg(&dataset)
        .arg("--out")
        .arg(&catalogs))
    .ok();

    // A photograph of the catalogue comes back first; what follows it is of its family more often than chance allows.
    let rows: Vec<Value> = std::fs::read_to_string(dataset.join("metadata.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let family_size = |family: &Value| rows.iter().filter(|r| &r["family"] == family).count();
    let held_out: Vec<&Value> = rows
        .iter()
        .filter(|r| r["split"] == "test" && !r["family"].is_null() && family_size(&r["family"]) > 1)
        .take(8)
        .collect();
    assert_eq!(held_out.len(), 8, "the test split has families");
    let mut found = 0;
    for row in &held_out {
        let photo = dataset.join(row["file_name"].as_str().unwrap());
        let answer = run(goodtwin(["search", "--json", "--k", "6", "--device", "cpu", "--catalog"])
            .arg(catalogs.join("current"))
            .arg(&photo))
        .ok();
        let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
        let twins = answer["twins"].as_array().unwrap();
        assert_eq!(twins[0]["picture"]["sha256"], row["sha256"], "the nearest to a photograph is itself");
        assert!(twins[0]["score"].as_f64().unwrap() > 0.999);
        found += usize::from(twins[1..].iter().any(|t| t["family"] == row["family"]));
    }
    assert!(found >= 5, "{found} of 8 held-out photographs have one of their family among the nearest five");

    let evaluated = run(goodtwin(["eval", "--device", "cpu", "--json", "--dataset"]).arg(&dataset).arg(&model)).ok();
    let rungs: Vec<Value> = serde_json::from_str(&evaluated.stdout).unwrap();
    assert_eq!(rungs.len(), 14, "twelve untouched features, the run before its first step, and the run");
    let recall = |r: &Value| r["retrieval"]["recall_1"].as_f64().unwrap();
    assert!(rungs.iter().all(|r| recall(r) > 0.3), "real families are found far above chance: {rungs:#?}");
}
