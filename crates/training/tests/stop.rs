//! A run that was stopped goes on as if nothing had been. In a process of its own, since Burn's random numbers are the process's: other
//! tests would draw from them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use goodtwin_core::{BagType, ContentId, Dataset, DatasetWriter, Row, Split};
use goodtwin_imaging::Picture;
use goodtwin_training::recipe::{FineTune, Start};
use goodtwin_training::train::{Job, Places, Stop, Summary, resume, train};
use goodtwin_training::{Error, Recipe, Result, Ui};
use goodtwin_vision::{Compute, DeviceChoice, Pooling};

fn dataset(root: &Path) -> Dataset {
    let writer = DatasetWriter::create(root).unwrap();
    let row = |i: u32| {
        let pixel = |at: u32| [(at * (3 + i % 4)) as u8, (at / 32 * 8) as u8, (i * 20) as u8];
        let bytes = Picture::new(32, 32, (0..1024).flat_map(pixel).collect()).to_png();
        let sha256 = ContentId::of(&bytes);
        let class = BagType::new(if i.is_multiple_of(2) { "tote" } else { "clutch" });
        let split = [Split::Train, Split::Train, Split::Train, Split::Validation, Split::Test][i as usize / 2];
        Row::new(writer.add_image(&bytes, &sha256, "png").unwrap(), sha256, [32, 32], class, split)
    };
    let rows = (0..10).map(row).collect();
    writer.finish(rows, BTreeMap::new(), "by number".into(), vec![]).unwrap()
}

#[test]
fn stopped_after_any_step_a_run_goes_on_as_if_nothing_had_been() {
    let dir = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut recipe = Recipe::load(&workspace.join("configs/training.toml")).unwrap();
    (recipe.epochs, recipe.batch_size, recipe.preprocess.size, recipe.augment.views) = (2, 4, 32, 0);
    (recipe.head.pooling, recipe.head.dense, recipe.head.start) = (Pooling::Gem, 8, Start::Random);
    recipe.head.view_invariance = 0.0;
    (recipe.optimizer.fine_tune_from, recipe.optimizer.averaging) = (FineTune::Dense, 0.9);
    let (dataset, compute, ui) = (dataset(&dir.path().join("data")), Compute::cpu(), Ui::detect());
    let out = |name: &str| dir.path().join(name);
    // The clock asks once so many steps are written: between two steps, and after the last one.
    let run = |name: &str, go: fn(&Job<'_>) -> Result<Summary>, after: Option<usize>| {
        let (stop, started) = (Stop::default(), Instant::now());
        let now = || {
            let lines = std::fs::read_to_string(out(name).join("metrics.jsonl")).unwrap_or_default();
            if after.is_some_and(|after| lines.matches("\"step\",").count() == after) {
                stop.ask();
            }
            Duration::from_secs(1) + started.elapsed()
        };
        let places = Places {
            imagenet: workspace.join("checkpoints/vgg16-imagenet-f16.safetensors"),
            out: out(name),
            cache: out("cache"),
            device: DeviceChoice::Cpu,
        };
        let (recipe, dataset, places) = (&recipe, &dataset, &places);
        go(&Job { recipe, dataset, places, compute: &compute, ui: &ui, memory: None, now: &now, stop: &stop })
    };
    let model = |name: &str| std::fs::read(out(name).join("model.safetensors")).unwrap();
    run("whole", train, None).unwrap();
    for after in 0..=4 {
        let name = format!("stopped-{after}");
        let error = run(&name, train, Some(after)).unwrap_err();
        assert_eq!(error.exit_code(), 130);
        let says = format!("stopped after step {after}; `goodtwin train --resume {}` goes on", out(&name).display());
        assert!(error.to_string().starts_with(&says), "{error}");
        assert!(matches!(error, Error::Stopped { step, .. } if step == after));
        run(&name, resume, None).unwrap();
        assert_eq!(model(&name), model("whole"), "stopped after step {after}");
    }
}
