//! What each command says of what it cannot use: the file, the value, what was expected; and its exit code.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, Small, binary, goodtwin, run, small_recipe, striped_folder, stripes, train, workspace};

/// The command ended with `code`, and said all of `words`, without a panic.
#[track_caller]
fn refused(ended: Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, code, "stdout:\n{}\nstderr:\n{}", ended.stdout, ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[test]
fn no_config() {
    let dataset = Small::get().dataset();
    for command in ["train", "scrape"] {
        let mut command = goodtwin([command, "--config", "nowhere.toml"]);
        if command.get_args().next().is_some_and(|a| a == "train") {
            command.arg("--dataset").arg(&dataset);
        }
        refused(run(&mut command), 2, &["nowhere.toml", "no such config"]);
    }
}

#[test]
fn a_config_with_an_unknown_key() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let text = std::fs::read_to_string(&recipe).unwrap().replace("batch_size", "batch_sise");
    std::fs::write(&recipe, text).unwrap();
    let ended = train(&recipe, &Small::get().dataset(), &dir.path().join("run"), &dir.path().join("cache"));
    refused(ended, 2, &["small-32-random.toml: line 4", "`batch_sise`", "did you mean `batch_size`?"]);
    assert!(!dir.path().join("run").exists());

    let scrape = std::fs::read_to_string(workspace().join("configs/demo.toml")).unwrap();
    let config = dir.path().join("scrape.toml");
    std::fs::write(&config, format!("rating_flor = 'Good'\n{scrape}")).unwrap();
    refused(
        run(goodtwin(["scrape", "--config"]).arg(&config)),
        2,
        &["scrape.toml: line 1", "`rating_flor`", "did you mean `rating_floor`?"],
    );
}

#[test]
fn an_empty_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let out = dir.path().join("out");
    let ended = run(goodtwin(["dataset", "import"]).arg(&empty).arg("--out").arg(&out));
    refused(ended, 65, &["empty"]);
    assert!(!out.exists());
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let ended = train(&recipe, &empty, &dir.path().join("run"), &dir.path().join("cache"));
    refused(ended, 65, &["empty: no such data set", "dataset.json"]);
}

#[test]
fn a_class_with_one_image() {
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 4);
    std::fs::create_dir(folder.join("lonely")).unwrap();
    std::fs::write(folder.join("lonely/one.png"), stripes(21, 0).to_png()).unwrap();
    let ended = run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(dir.path().join("out")));
    refused(ended, 65, &["`lonely`", "expected at least 2"]);
}

/// A folder in the Hugging Face layout, whose rows are as they are given.
fn listed_folder(dir: &Path, rows: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = dir.join("listed");
    std::fs::create_dir(&folder).unwrap();
    let mut lines = String::new();
    for (i, (label, split)) in rows.iter().enumerate() {
        std::fs::write(folder.join(format!("{i}.png")), stripes(3 + i as u32, i as u32).to_png()).unwrap();
        lines += &format!("{{\"file_name\": \"{i}.png\", \"bag_type\": {label}, \"split\": \"{split}\"}}\n");
    }
    std::fs::write(folder.join("metadata.jsonl"), lines).unwrap();
    folder
}

#[test]
fn labels_that_cannot_be_learned() {
    let import = |rows: &[(&str, &str)]| {
        let dir = tempfile::tempdir().unwrap();
        let folder = listed_folder(dir.path(), rows);
        let ended = run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(dir.path().join("out")));
        assert!(!dir.path().join("out").exists());
        ended
    };
    let unreadable = [("\"tote\"", "train"), ("[1, 2]", "train"), ("\"clutch\"", "test")];
    refused(import(&unreadable), 65, &["metadata.jsonl", "line 2", "expected text, received [1,2]"]);
    let unseen = [
        ("\"tote\"", "train"),
        ("\"clutch\"", "train"),
        ("\"hobo\"", "validation"),
        ("\"hobo\"", "validation"),
        ("\"tote\"", "test"),
        ("\"clutch\"", "test"),
    ];
    refused(import(&unseen), 65, &["`hobo`", "no picture in train", "expected at least one"]);
    // An empty class is no class; where there is only one, there is nothing to tell apart.
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad"], 6);
    std::fs::create_dir(folder.join("narrow")).unwrap();
    let dataset = dir.path().join("dataset");
    let import = || run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(&dataset));
    refused(import(), 65, &["the class `narrow` is empty", "expected at least 2 images"]);
    assert!(!dataset.exists());
    std::fs::remove_dir(folder.join("narrow")).unwrap();
    import().ok();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let ended = train(&recipe, &dataset, &dir.path().join("run"), &dir.path().join("cache"));
    refused(ended, 65, &["the class `broad` only", "expected at least two"]);
    assert!(!dir.path().join("run").exists() && !dir.path().join("cache").exists());
}

#[test]
fn settings_that_no_run_can_use() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let text = std::fs::read_to_string(&recipe).unwrap();
    for (from, to, words) in [
        ("\nsize = 32", "\nsize = 50", ["`size` is 50", "a multiple of 16"]),
        ("block5 = 1e-5", "block5 = 0.0", ["`optimizer.block5` is 0", "a learning rate above 0"]),
        ("classifier = 1e-2", "classifier = -0.1", ["`optimizer.classifier` is -0.1", "a learning rate above 0"]),
        ("epochs = 1", "epochs = 0", ["`epochs` is 0", "expected 1 to"]),
        ("batch_size = 32", "batch_size = 0", ["`batch_size` is 0", "expected 1 to"]),
        ("dropout = 0.2", "dropout = 1.0", ["`head.dropout` is 1", "not including, 1"]),
    ] {
        assert!(text.contains(from));
        std::fs::write(&recipe, text.replacen(from, to, 1)).unwrap();
        let (out, cache) = (dir.path().join("run"), dir.path().join("cache"));
        refused(train(&recipe, &small.dataset(), &out, &cache), 2, &words);
        assert!(!out.exists() && !cache.exists(), "nothing long has begun");
    }
}

#[test]
fn images_that_are_none_are_listed_by_cause_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 6);
    let whole = std::fs::read(folder.join("broad/00.png")).unwrap();
    std::fs::write(folder.join("broad/page.jpg"), "<!doctype html><p>Not found").unwrap();
    std::fs::write(folder.join("broad/cut.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.join("narrow/nothing.png"), "").unwrap();
    let out = dir.path().join("out");
    let ended = run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(&out)).ok();
    for cause in ["not-an-image", "truncated", "empty"] {
        assert!(ended.stdout.contains(cause), "{cause} is not in:\n{}", ended.stdout);
    }
    let rows = std::fs::read_to_string(out.join("metadata.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 12);
}

#[test]
fn a_photo_that_is_not_an_image_is_empty_or_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let search =
        |photo: &Path| run(goodtwin(["search", "--device", "cpu", "--catalog"]).arg(Small::get().catalog()).arg(photo));
    let photo = dir.path().join("photo.jpg");
    std::fs::write(&photo, "<html>this is a page</html>").unwrap();
    refused(search(&photo), 65, &["photo.jpg", "HTML"]);
    std::fs::write(&photo, "").unwrap();
    refused(search(&photo), 65, &["photo.jpg", "the file is empty"]);
    refused(search(&dir.path().join("nowhere.jpg")), 65, &["nowhere.jpg"]);
}

#[test]
fn a_catalogue_whose_vectors_were_truncated() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("catalog");
    let status = Command::new("cp").arg("-rL").arg(Small::get().catalog()).arg(&copy).status().unwrap();
    assert!(status.success());
    let vectors = copy.join("embeddings.safetensors");
    let bytes = std::fs::read(&vectors).unwrap();
    std::fs::write(&vectors, &bytes[..bytes.len() - 100]).unwrap();
    let photo = dir.path().join("photo.png");
    std::fs::write(&photo, stripes(5, 1).to_png()).unwrap();
    let ended = run(goodtwin(["search", "--device", "cpu", "--catalog"]).arg(&copy).arg(&photo));
    refused(ended, 65, &["embeddings.safetensors", "expected", "received"]);
}

#[test]
fn a_catalogue_of_another_model() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other");
    let recipe = small_recipe(dir.path(), 48, 1, "random");
    train(&recipe, &small.dataset(), &other, &dir.path().join("cache")).ok();
    let photo = dir.path().join("photo.png");
    std::fs::write(&photo, stripes(5, 1).to_png()).unwrap();
    let ended = run(goodtwin(["search", "--device", "cpu", "--catalog"])
        .arg(small.catalog())
        .arg("--model")
        .arg(&other)
        .arg(&photo));
    refused(ended, 65, &["preprocessing", "expected", "received"]);
}

#[test]
fn a_run_with_another_picture_than_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("dataset");
    let status = Command::new("cp").arg("-r").arg(Small::get().dataset()).arg(&copy).status().unwrap();
    assert!(status.success());
    let rows = std::fs::read_to_string(copy.join("metadata.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    let name = first["file_name"].as_str().unwrap();
    std::fs::write(copy.join(name), stripes(9, 9).to_png()).unwrap();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let ended = train(&recipe, &copy, &dir.path().join("run"), &dir.path().join("cache"));
    refused(ended, 65, &[name, "SHA-256", "expected", "received"]);
}

#[test]
fn a_run_folder_that_is_taken() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    refused(train(&recipe, &small.dataset(), &small.run(), &small.cache()), 73, &["already holds a run"]);
    // Weights that are not there come first: another folder would not help.
    let text = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, text.replace("seed = 3", "seed = 3\ntrunk = 'resnet50'")).unwrap();
    let mut again = goodtwin(["train", "--config"]);
    again.arg(&recipe).arg("--dataset").arg(small.dataset()).arg("--out").arg(small.run());
    refused(run(again.arg("--weights").arg(dir.path().join("none"))), 65, &["goodtwin weights import"]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let read_only = dir.path().join("read-only");
    std::fs::create_dir(&read_only).unwrap();
    std::fs::set_permissions(&read_only, std::fs::Permissions::from_mode(0o555)).unwrap();
    // Root writes where it must not; the kernel's own file system refuses root too.
    let read_only = if std::fs::write(read_only.join("probe"), "").is_ok() { "/sys".into() } else { read_only };
    // Where a file is in the way no folder can be made; where the disk takes nothing it refuses.
    for (folder, code) in [(file, 73), (read_only, 74)] {
        every_writer_refuses(small, dir.path(), &folder, code);
    }
}

fn every_writer_refuses(small: &Small, dir: &Path, folder: &Path, code: i32) {
    let below = folder.join("goodtwin-out");
    let name = folder.file_name().unwrap().to_str().unwrap();
    let pictures = striped_folder(dir, &["broad", "narrow"], 4);
    refused(run(goodtwin(["dataset", "import"]).arg(&pictures).arg("--out").arg(&below)), code, &[name]);
    let recipe = small_recipe(dir, 32, 1, "random");
    refused(train(&recipe, &small.dataset(), &below, &small.cache()), code, &[name]);
    let ended = run(goodtwin(["catalog", "build", "--device", "cpu", "--model"])
        .arg(small.run())
        .arg("--dataset")
        .arg(small.dataset())
        .arg("--out")
        .arg(&below));
    refused(ended, code, &[name]);
    let ratings = dir.join("ratings.csv");
    std::fs::write(&ratings, "brand,label,as_of,source\nRains,Good,2025-01-01,s\n").unwrap();
    let import = |file: &Path| run(goodtwin(["ratings", "import"]).arg(file).arg("--book").arg(below.join("b.jsonl")));
    refused(import(&ratings), code, &[name]);
    refused(import(dir), 65, &["a folder: expected the ratings file"]);
    let crawl = |option: &str| {
        let mut scrape = goodtwin(["scrape", "--config", "configs/demo.toml"]);
        scrape.arg("--out").arg(dir.join("crawl")).arg(option).arg(&below).env("GOODTWIN_LOG", "info");
        run(&mut scrape)
    };
    let metrics = crawl("--metrics");
    assert!(!metrics.stderr.contains("scrape ended"), "nothing was asked: {}", metrics.stderr);
    refused(metrics, code, &[name]);
}

#[test]
fn a_port_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended =
        run(goodtwin(["serve", "--device", "cpu", "--listen", &address, "--catalog"]).arg(Small::get().catalog()));
    refused(ended, 69, &[&address]);
    // Without a catalogue there is nothing to serve at any port.
    let ended = run(&mut goodtwin(["serve", "--device", "cpu", "--listen", &address, "--catalog", "nowhere"]));
    refused(ended, 65, &["nowhere"]);
}

#[test]
fn a_bench_of_nothing() {
    refused(run(&mut goodtwin(["bench", "scrape", "--items", "100", "--connections", "0"])), 2, &["--connections"]);
    refused(run(&mut goodtwin(["bench", "scrape", "--items", "100,0"])), 2, &["--items"]);
}

#[test]
fn a_full_disk() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let recipe = small_recipe(dir.path(), 32, 1, "random");
    let run_dir = dir.path().join("run");
    let cache = dir.path().join("cache");
    // A limit on the size of files stands in for a full disk: writes beyond it fail in the same places.
    let mut train = Command::new("bash");
    train.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "bash"]).arg(binary());
    train.args(["train", "--device", "cpu", "--config"]).arg(&recipe).arg("--dataset").arg(small.dataset());
    train.arg("--out").arg(&run_dir).arg("--cache").arg(&cache).current_dir(workspace());
    refused(run(&mut train), 74, &["cannot write"]);
    assert!(!run_dir.join("model.json").exists());
    for path in walk(&cache) {
        let half = path.contains(".tmp-") || (path.ends_with(".f16") && std::fs::metadata(&path).unwrap().len() > 0);
        assert!(!half, "half a file was left: {path}");
    }
}

fn walk(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(walk(&path));
        } else {
            all.push(path.display().to_string());
        }
    }
    all
}

#[test]
fn a_device_a_type_and_a_rating_that_are_none() {
    let small = Small::get();
    let photo = small.cache().with_file_name("query.png");
    std::fs::write(&photo, stripes(5, 1).to_png()).unwrap();
    let search = |extra: &[&str]| {
        run(goodtwin(["search", "--device", "cpu", "--catalog"]).arg(small.catalog()).arg(&photo).args(extra))
    };
    refused(search(&["--type", "brod"]), 2, &["brod", "broad"]);
    refused(search(&["--min-rating", "superb"]), 2, &["superb", "not-good-enough, its-a-start"]);
    refused(search(&["--min-rating", "god"]), 2, &["did you mean `good`?"]);
    refused(search(&["--max-price", "cheap"]), 2, &["cheap"]);
    refused(search(&["--colour", "1.5"]), 2, &["`1.5` is not a weight for the colours: expected a number from 0 to 1"]);
    refused(search(&["--currency", "euros"]), 2, &["euros"]);
    let mut device = goodtwin(["search", "--device", "tpu", "--catalog"]);
    refused(run(device.arg(small.catalog()).arg(&photo)), 2, &["tpu", "auto, cpu or gpu"]);
}
