//! Real pictures of bags, from import to search. They are not ours to ship: the test is skipped where they are not.

use std::path::Path;

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

    measured_beside_the_ladder(&dataset, &model, &dir.path().join("cache"));
}

/// The ladder, the run's start and the run; then the run beside itself.
fn measured_beside_the_ladder(dataset: &Path, model: &Path, cache: &Path) {
    let evaluated = run(goodtwin(["eval", "--device", "cpu", "--json", "--dataset"])
        .arg(dataset)
        .arg("--cache")
        .arg(cache)
        .arg(model))
    .ok();
    let evaluation: Value = serde_json::from_str(&evaluated.stdout).unwrap();
    let rungs = evaluation["rungs"].as_array().unwrap();
    let of_kind = |kind: &str| rungs.iter().filter(|r| r["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(of_kind("untouched").len(), 12);
    let recall = |r: &Value| r["family"]["recall_1"]["value"].as_f64().unwrap();
    let chance = recall(of_kind("random")[0]);
    assert!(chance < 0.2, "directions drawn at random find nothing: {chance}");
    for rung in of_kind("untouched").into_iter().chain(of_kind("start")).chain(of_kind("run")) {
        assert!(recall(rung) > 0.3, "real families are found far above chance: {}", rung["features"]);
        let interval = rung["family"]["recall_1"]["interval"].as_array().unwrap();
        assert!(interval[0].as_f64() <= Some(recall(rung)) && interval[1].as_f64() >= Some(recall(rung)));
    }
    assert!(of_kind("seed")[0]["note"].as_str().unwrap().contains("not trained here"));
    let grounds: Vec<&str> =
        evaluation["by_background"].as_array().unwrap().iter().filter_map(|g| g["name"].as_str()).collect();
    assert!(grounds.contains(&"plain"), "{grounds:?}");
    let headline = evaluation["headline"].as_str().unwrap();
    assert!(headline.contains("untouched VGG16: family Recall@1 0."), "{headline}");

    let listed = run(goodtwin(["runs", "list"]).arg(model.parent().unwrap())).ok();
    assert!(listed.stdout.lines().any(|l| l.starts_with("run ") && l.contains("evaluated")), "{}", listed.stdout);
    let compared = run(goodtwin(["runs", "compare"]).arg(model).arg(model)).ok();
    assert!(compared.stdout.contains("cannot be told apart"), "{}", compared.stdout);
    assert!(compared.stdout.contains("family Recall@1") && compared.stdout.contains("the recipes are the same"));
}
