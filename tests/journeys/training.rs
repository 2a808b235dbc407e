//! What an engineer relies on: a run repeats bit for bit, goes on after a kill as if nothing had been, says why it stops, and
//! leaves nothing half done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use goodtwin_core::RunLock;
use goodtwin_imaging::Picture;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    Ended, Small, binary, families_of_two, goodtwin, on_white, run, striped_folder, train, workspace,
};

/// A data set of 24 pictures, and a recipe of 4 epochs of 4 steps in which every setting is at work.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        let folder = striped_folder(bench.dir.path(), &["broad", "narrow"], 12);
        run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(bench.path("dataset"))).ok();
        bench.recipe("recipe", |text| text);
        bench
    }

    /// The same with bags whose place is seen, so that the mask is learnt from them and from views on other grounds, and the
    /// start holds down what differs between views and within families of two.
    fn with_grounds() -> Bench {
        let bench = Bench::new();
        for picture in walk(&bench.path("pictures")) {
            let bag = on_white(&Picture::decode(&fs::read(&picture).unwrap()).unwrap());
            fs::write(picture, bag.to_png()).unwrap();
        }
        bench.import_in_pairs();
        bench.recipe("recipe", |text| {
            text.replace(
                "'whitening'",
                "'whitening'\nview_invariance = 1.0\nfamily_invariance = 0.3\nblock5_weight = 0.35",
            )
            .replace("views = 1", "views = 2\ngrounds = 1.0")
        });
        bench
    }

    /// Import the pictures anew, each two of them as a family.
    fn import_in_pairs(&self) {
        families_of_two(&self.path("pictures"), &["broad", "narrow"], 12);
        run(goodtwin(["dataset", "import"]).arg(self.path("pictures")).arg("--out").arg(self.path("dataset"))).ok();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn recipe(&self, name: &str, change: impl FnOnce(String) -> String) -> PathBuf {
        let text = "name = 'bench'\nseed = 3\nepochs = 4\nbatch_size = 4\n\
            [preprocess]\nsize = 48\ncolour = 'grey'\nfit = 'pad'\n\
            [head]\npooling = 'masked'\ndense = 16\nactivation = 'none'\ndropout = 0.3\nstart = 'whitening'\n\
            [optimizer]\nrule = 'adamw'\nblock5 = 1e-5\ndense = 1e-4\nclassifier = 1e-2\nschedule = 'cosine'\nwarm_up = 0.5\n\
            averaging = 0.9\nlabel_smoothing = 0.1\nclass_balance = 0.5\n\
            [augment]\nviews = 1\nrotation = 8.0\nshift = 0.05\nflip = true\n";
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, change(text.into())).unwrap();
        path
    }

    fn train(&self, out: &str) -> Ended {
        train(&self.path("recipe.toml"), &self.path("dataset"), &self.path(out), &self.path("cache"))
    }

    fn resume(&self, out: &str) -> Ended {
        run(goodtwin(["train", "--resume"]).arg(self.path(out)))
    }

    /// Start `goodtwin train`, and send it a signal as soon as `when` holds; it is given what stderr has. An error when it ended
    /// before.
    fn sent(&self, mut command: Command, signal: Signal, mut when: impl FnMut(&str) -> bool) -> Result<Ended, Ended> {
        let stderr = self.path("stderr");
        let written = fs::File::create(&stderr).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(written).spawn().unwrap();
        let said = || fs::read_to_string(&stderr).unwrap();
        let ended =
            |status: ExitStatus| Ended { code: status.code().unwrap_or(-1), stdout: String::new(), stderr: said() };
        while !when(&said()) {
            if let Some(status) = child.try_wait().unwrap() {
                return Err(ended(status));
            }
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        Ok(ended(child.wait().unwrap()))
    }

    /// The same with SIGKILL; false when it ended before.
    fn killed(&self, command: Command, mut when: impl FnMut() -> bool) -> bool {
        self.sent(command, Signal::KILL, |_| when()).is_ok()
    }

    /// The same with a signal that comes before the end.
    fn signalled(&self, command: Command, signal: Signal, when: impl FnMut(&str) -> bool) -> Ended {
        self.sent(command, signal, when).unwrap_or_else(|ended| panic!("it ended before: {ended:?}"))
    }

    fn begin(&self, out: &str) -> Command {
        let mut command = goodtwin(["train", "--device", "cpu", "--config"]);
        command.arg(self.path("recipe.toml")).arg("--dataset").arg(self.path("dataset"));
        command.arg("--out").arg(self.path(out)).arg("--cache").arg(self.path("cache"));
        command
    }

    /// The lines of steps, as they are written.
    fn steps(&self, out: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(out).join("metrics.jsonl")).unwrap_or_default();
        text.lines().filter(|line| line.contains(r#""kind":"step""#)).map(String::from).collect()
    }

    fn model(&self, out: &str) -> Vec<u8> {
        fs::read(self.path(out).join("model.safetensors")).unwrap()
    }

    fn checkpoints(&self, out: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path(out).join("checkpoints")).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.join("manifest.json").exists()).collect();
        found.sort();
        found
    }
}

/// All that a killed run may leave beside whole files is what its next write removes.
fn nothing_is_left_of_it(run: &Path) {
    let names: Vec<String> =
        fs::read_dir(run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(
        names.iter().all(|name| !name.starts_with(".tmp-") && !["checkpoints", "run.lock"].contains(&name.as_str())),
        "{names:?}"
    );
}

#[test]
fn a_run_repeats_byte_for_byte_on_any_number_of_threads_and_through_kills() {
    let bench = Bench::with_grounds();
    let ended = bench.train("whole").ok();
    assert!(ended.stderr.contains("mask: learnt from"), "{}", ended.stderr);
    let (steps, model) = (bench.steps("whole"), bench.model("whole"));
    assert_eq!(steps.len(), 20);
    bench.train("again").ok();
    assert_eq!(bench.steps("again"), steps);
    assert_eq!(bench.model("again"), model);
    run(bench.begin("one-thread").env("RAYON_NUM_THREADS", "1")).ok();
    assert_eq!(bench.model("one-thread"), model, "the number of threads changes no sum");

    // Killed while the cache is filled, asked to stop before the first step and between two, and killed after some steps more
    // each time; the numbers are any.
    fs::remove_dir_all(bench.path("cache")).unwrap();
    let filling = || {
        let folders = fs::read_dir(bench.path("cache")).into_iter().flatten().flatten();
        folders.filter_map(|f| f.path().join("index.jsonl").metadata().ok()).any(|index| index.len() > 0)
    };
    assert!(bench.killed(bench.begin("killed"), filling));
    assert!(bench.steps("killed").is_empty());
    let go_on = || {
        let mut command = goodtwin(["train", "--resume"]);
        command.arg(bench.path("killed"));
        command
    };
    let ended = bench.signalled(go_on(), Signal::TERM, |said| said.contains("\nrun: "));
    let says = format!("goodtwin train --resume {}` goes on with it", bench.path("killed").display());
    assert!(ended.code == 130 && ended.stderr.contains(&format!("stopped; `{says}")), "{ended:?}");
    assert!(bench.checkpoints("killed").is_empty());
    let ended = bench.signalled(go_on(), Signal::INT, |_| bench.steps("killed").len() >= 3);
    let taken = bench.steps("killed").len();
    assert!(ended.code == 130 && ended.stderr.contains("once more to end at once"), "{ended:?}");
    assert!(ended.stderr.contains(&format!("stopped after step {taken}; `{says}")), "{taken}: {ended:?}");
    assert!(bench.checkpoints("killed").last().unwrap().ends_with(format!("step-{taken:08}")));
    for step in [4, 9, 13] {
        bench.killed(go_on(), || bench.steps("killed").len() >= step);
        // Lines up to the kill are those of the whole run; half a line may be the last.
        let so_far = bench.steps("killed");
        let lines = so_far.iter().filter(|line| line.ends_with('}'));
        assert!(lines.zip(&steps).all(|(line, whole)| line == whole));
    }
    bench.resume("killed").ok();
    assert_eq!(bench.steps("killed"), steps);
    assert_eq!(bench.model("killed"), model, "the kills have changed nothing");
    nothing_is_left_of_it(&bench.path("killed"));

    let ended = run(go_on().args(["--device", "cpu", "--config", "nowhere"])).ok();
    assert!(ended.stdout.contains("the run is finished"), "{}", ended.stdout);
    assert!(ended.stderr.contains("not looked at, since the run is finished: --config, --device"), "{}", ended.stderr);
    let ended = bench.train("killed");
    assert_eq!(ended.code, 73, "{}", ended.stderr);
}

#[test]
fn a_loss_over_families_goes_on_through_kills_as_well() {
    let bench = Bench::new();
    bench.import_in_pairs();
    for (name, family, from) in
        [("pairs", "loss = 'supcon'", "block5"), ("classes", "loss = 'normalised-softmax'\nmargin = 0.2", "dense")]
    {
        bench.recipe("recipe", |text| {
            let rule = format!("rule = 'adamw'\nfine_tune_from = '{from}'");
            text.replace("epochs = 4", "epochs = 2").replace("rule = 'adamw'", &rule) + "[family]\n" + family + "\n"
        });
        let (whole, killed) = (format!("whole-{name}"), format!("killed-{name}"));
        bench.train(&whole).ok();
        let steps = bench.steps(&whole);
        assert!(steps.iter().all(|line| line.contains("family_loss")), "{steps:?}");
        assert!(bench.killed(bench.begin(&killed), || !bench.checkpoints(&killed).is_empty()));
        let mut again = goodtwin(["train", "--resume"]);
        again.arg(bench.path(&killed));
        bench.killed(again, || bench.steps(&killed).len() >= 3);
        bench.resume(&killed).ok();
        assert_eq!(bench.steps(&killed), steps);
        assert_eq!(bench.model(&killed), bench.model(&whole), "the kills have changed nothing");
    }
    bench.recipe("recipe", |text| text + "[family]\nloss = 'arcface'\n");
    let ended = bench.train("unknown");
    assert!(ended.code == 2 && ended.stderr.contains("normalised-softmax"), "{}", ended.stderr);
}

/// On Mesa's software Vulkan where there is no GPU: the steps are those of the CPU, back through block 5 as well.
#[test]
fn a_gpu_trains_as_the_cpu_does() {
    let bench = Bench::new();
    // Without a mask to learn, in one shape: a software GPU takes its time to choose kernels, for each shape anew. Dropout draws
    // from the device.
    bench.recipe("recipe", |text| {
        text.replace("batch_size = 4", "batch_size = 32")
            .replace("epochs = 4", "epochs = 2")
            .replace("'masked'", "'joint'")
            .replace("dropout = 0.3", "dropout = 0.0")
            .replace("views = 1", "views = 0")
    });
    let mut command = goodtwin(["train", "--device", "gpu", "--config"]);
    command.arg(bench.path("recipe.toml")).arg("--dataset").arg(bench.path("dataset"));
    command.arg("--out").arg(bench.path("gpu")).arg("--cache").arg(bench.path("cache"));
    let ended = run(command.env("CUBECL_AUTOTUNE_LEVEL", "minimal"));
    if ended.has_no_gpu() {
        return;
    }
    ended.ok();
    bench.train("cpu").ok();
    let losses = |out: &str| -> Vec<f64> {
        let loss = |line: &String| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64().unwrap();
        bench.steps(out).iter().map(loss).collect()
    };
    let (gpu, cpu) = (losses("gpu"), losses("cpu"));
    assert_eq!(gpu.len(), 2);
    assert!(cpu[1] < cpu[0], "a step lowers the loss: {cpu:?}");
    assert!(gpu.iter().zip(&cpu).all(|(gpu, cpu)| (gpu - cpu).abs() < 1e-3 * cpu), "{gpu:?} {cpu:?}");
}

#[test]
fn a_bent_bit_in_a_checkpoint_is_named_and_the_one_before_is_taken() {
    let bench = Bench::new();
    bench.train("whole").ok();
    // A run writes its first checkpoint before the first step it takes, and a resumed one after its first. A checkpoint that
    // nothing points to yet is none.
    assert!(bench.killed(bench.begin("bent"), || bench.path("bent/checkpoints/latest.json").exists()));
    let mut again = goodtwin(["train", "--resume"]);
    again.arg(bench.path("bent"));
    assert!(bench.killed(again, || {
        let pointer = fs::read_to_string(bench.path("bent/checkpoints/latest.json")).unwrap_or_default();
        serde_json::from_str::<Value>(&pointer).is_ok_and(|pointer| !pointer["previous"].is_null())
    }));
    let ended = bench.train("bent");
    assert_eq!(ended.code, 73, "{}", ended.stderr);
    assert!(ended.stderr.contains("--resume"), "{}", ended.stderr);
    let mut build = goodtwin(["catalog", "build", "--device", "cpu", "--model"]);
    build.arg(bench.path("bent")).arg("--dataset").arg(bench.path("dataset")).arg("--out").arg(bench.path("catalogs"));
    for command in [goodtwin(["eval"]).arg(bench.path("bent")), &mut build] {
        let ended = run(command);
        assert_eq!(ended.code, 65, "{}", ended.stderr);
        assert!(ended.stderr.contains("not finished: `goodtwin train --resume"), "{}", ended.stderr);
    }
    let listed = run(goodtwin(["runs", "list"]).arg(bench.dir.path())).ok();
    let bent = listed.stdout.lines().find(|line| line.starts_with("bent ")).unwrap();
    assert!(["epoch", "of 4", "  bench  "].iter().all(|word| bent.contains(word)), "{bent}");

    let pointer = fs::read_to_string(bench.path("bent/checkpoints/latest.json")).unwrap();
    let pointer: Value = serde_json::from_str(&pointer).unwrap();
    let latest = bench.path("bent/checkpoints").join(pointer["latest"]["name"].as_str().unwrap());
    let weights = latest.join("weights.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    fs::write(&weights, bytes).unwrap();
    refuses_what_it_did_not_begin_with(&bench);
    let ended = bench.resume("bent").ok();
    let named =
        [latest.file_name().unwrap().to_str().unwrap(), "weights.safetensors", "taking the checkpoint before it"];
    assert!(named.iter().all(|word| ended.stderr.contains(word)), "{}", ended.stderr);
    assert_eq!(bench.steps("bent"), bench.steps("whole"));
    assert_eq!(bench.model("bent"), bench.model("whole"));
}

fn refuses_what_it_did_not_begin_with(bench: &Bench) {
    let other = bench.recipe("other", |text| text.replace("dropout = 0.3", "dropout = 0.2"));
    let ended = run(goodtwin(["train", "--resume"]).arg(bench.path("bent")).arg("--config").arg(&other));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("`head.dropout` does not match: expected 0.3, received 0.2"), "{}", ended.stderr);

    let folder = striped_folder(&bench.path("others"), &["broad", "narrow"], 6);
    run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(bench.path("other-data"))).ok();
    let ended =
        run(goodtwin(["train", "--resume"]).arg(bench.path("bent")).arg("--dataset").arg(bench.path("other-data")));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("the id of the data set does not match"), "{}", ended.stderr);

    let ended = run(goodtwin(["train", "--resume"]).arg(bench.path("nowhere")));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere: no such run"), "{}", ended.stderr);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_names_the_pictures() {
    let bench = Bench::new();
    bench.recipe("recipe", |text| {
        text.replace("rule = 'adamw'", "rule = 'rmsprop'")
            .replace("block5 = 1e-5", "block5 = 1.0")
            .replace("dense = 1e-4", "dense = 1.0")
            .replace("classifier = 1e-2", "classifier = 1.0")
    });
    let ended = bench.train("run");
    assert_eq!(ended.code, 70, "{}", ended.stderr);
    assert!(ended.stderr.contains("not-a-number.json") && ended.stderr.contains("in a new run"), "{}", ended.stderr);
    let dump: Value = serde_json::from_str(&fs::read_to_string(bench.path("run/not-a-number.json")).unwrap()).unwrap();
    let pictures = dump["batch"].as_array().unwrap();
    assert!(!pictures.is_empty() && pictures.iter().all(|p| p["sha256"].as_str().unwrap().len() == 64), "{dump:#}");
    let steps = bench.steps("run");
    assert_eq!(dump["step"].as_u64().unwrap() as usize, steps.len() + 1, "it stopped within a step");
    assert!(
        !bench.checkpoints("run").is_empty() && !bench.path("run/model.json").exists(),
        "the last good one is kept"
    );
}

#[test]
fn a_disk_that_fills_up_leaves_whole_files_and_the_run_goes_on_when_there_is_room() {
    let bench = Bench::new();
    bench.train("whole").ok();
    // A limit on the size of files stands in for a full disk: it lets the cache through, and no checkpoint.
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "bash"]).arg(binary()).current_dir(workspace());
    limited.args(bench.begin("run").get_args());
    let ended = run(&mut limited);
    assert_eq!(ended.code, 74, "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot write"), "{}", ended.stderr);
    assert!(!bench.path("run").exists(), "without a checkpoint there is nothing to keep");

    assert!(
        bench.killed(bench.begin("run"), || !bench.checkpoints("run").is_empty() && !bench.steps("run").is_empty())
    );
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "bash"]).arg(binary()).current_dir(workspace());
    let ended = run(limited.args(["train", "--resume"]).arg(bench.path("run")));
    assert_eq!(ended.code, 74, "{}", ended.stderr);
    bench.resume("run").ok();
    assert_eq!(bench.model("run"), bench.model("whole"));
    nothing_is_left_of_it(&bench.path("run"));
}

#[test]
fn a_disk_that_fills_up_at_the_card_leaves_the_data_set_that_stood_there() {
    let bench = Bench::new();
    let before = fs::read(bench.path("dataset/dataset.json")).unwrap();
    // In the card a `<` takes four times as much room as in the rows, so that only the card is over the limit.
    let rows = (0..24).map(|i| {
        let class = ["broad", "narrow"][i / 12];
        let brand = format!("{i}{}", "<".repeat(500));
        format!("{}\n", json!({ "file_name": format!("{class}/{:02}.png", i % 12), "bag_type": class, "brand": brand }))
    });
    fs::write(bench.path("pictures/metadata.jsonl"), rows.collect::<String>()).unwrap();
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 32; exec \"$@\"", "bash"]).arg(binary()).args(["dataset", "import"]);
    let ended = run(limited.arg(bench.path("pictures")).arg("--out").arg(bench.path("dataset")));
    assert_eq!(ended.code, 74, "{}", ended.stderr);
    assert!(ended.stderr.contains("README.md"), "{}", ended.stderr);
    assert_eq!(fs::read(bench.path("dataset/dataset.json")).unwrap(), before);
    nothing_is_left_of_it(bench.dir.path());
    run(goodtwin(["dataset", "import"]).arg(bench.path("pictures")).arg("--out").arg(bench.path("dataset"))).ok();
    assert_ne!(fs::read(bench.path("dataset/dataset.json")).unwrap(), before);
    nothing_is_left_of_it(&bench.path("dataset"));
}

#[test]
fn settings_that_no_evaluation_can_use_are_said_before_a_picture_is_read() {
    let bench = Bench::new();
    let picture = walk(&bench.path("dataset/images")).remove(0);
    fs::write(picture, "whoever reads this picture says so").unwrap();
    let eval = |setting: [&str; 2]| {
        let mut command = goodtwin(["eval", "--device", "cpu", "--dataset"]);
        command.arg(bench.path("dataset")).arg("--cache").arg(bench.path("cache")).args(setting);
        run(&mut command)
    };
    let ended = eval(["--size", "50"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("`size` is 50: expected a multiple of 16"), "{}", ended.stderr);
    let ended = eval(["--weights", "nowhere"]);
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere: no such"), "{}", ended.stderr);
    let ended = eval(["--size", "48"]);
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("the SHA-256 of the picture does not match"), "{}", ended.stderr);
}

#[test]
fn an_import_says_what_it_came_to_and_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 4);
    let rows = (0..8).map(|i| {
        let (class, split) = (["broad", "narrow"][i / 4], if i % 4 == 3 { "test" } else { "train" });
        let file = format!("{class}/{:02}.png", i % 4);
        format!("{}\n", json!({ "file_name": file, "label": class, "split": split, "famly": i / 2, "width": 64 }))
    });
    fs::write(folder.join("metadata.jsonl"), rows.collect::<String>()).unwrap();
    let ended = run(goodtwin(["dataset", "import"]).arg(&folder).arg("--out").arg(dir.path().join("out"))).ok();
    assert!(ended.stdout.contains("came to: train 0.75 (6), validation 0.00 (0), test 0.25 (2)"), "{}", ended.stdout);
    for says in [
        "metadata.jsonl: unknown key `famly` in 8 lines, which is not used; did you mean `family`?",
        "no validation picture: nothing chooses an epoch, and the last one will be kept",
        "no test picture has another of its family",
    ] {
        assert!(ended.stderr.contains(says), "{says} is not in:\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("width"), "{}", ended.stderr);

    // A crawl's folder in place of the journal in it.
    fs::write(dir.path().join("crawl.sqlite"), "").unwrap();
    let mut build = goodtwin(["dataset", "build", "--crawl"]);
    let ended = run(build.arg(dir.path()).arg("--out").arg(dir.path().join("built")));
    let says = format!("a folder: expected the journal in it, --crawl {}", dir.path().join("crawl.sqlite").display());
    assert!(ended.code == 65 && ended.stderr.contains(&says), "{}", ended.stderr);
}

/// All files below a folder.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_report_says_who_asked_and_the_command_names_its_file() {
    let small = Small::get();
    let dir = tempfile::tempdir().unwrap();
    let run_dir = dir.path().join("run");
    assert!(Command::new("cp").arg("-r").arg(small.run()).arg(&run_dir).status().unwrap().success());
    // Of three classes the run knows the pictures of two.
    let folder = striped_folder(dir.path(), &["broad", "narrow", "wide"], 8);
    let other = dir.path().join("other");
    run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(&other)).ok();
    let eval = |dataset: &Path, queries: &str| {
        let mut command = goodtwin(["eval", "--device", "cpu", "--queries", queries, "--dataset"]);
        run(command.arg(dataset).arg("--cache").arg(small.cache()).arg(&run_dir)).ok()
    };
    let page = |ended: &Ended| {
        let named = ended.stderr.lines().find_map(|line| line.strip_prefix("report: ")).unwrap().to_string();
        (Path::new(&named).file_name().unwrap().to_str().unwrap().to_string(), fs::read_to_string(&named).unwrap())
    };
    let own = |page: &str| page.contains("are held out with all of their families and ask");
    let (name, held_out) = page(&eval(&small.dataset(), "held-out"));
    assert!(name == "report.html" && own(&held_out), "{name}: {held_out}");
    let shown =
        ["label_smoothing = 0.0\n", "<code>goodtwin train --config configs/recipes/seed.toml --dataset DIR</code>"];
    assert!(shown.iter().all(|words| held_out.contains(words)), "{held_out}");
    let (name, all) = page(&eval(&small.dataset(), "all"));
    assert!(name == "report-all.html" && !own(&all), "{name}: {all}");
    assert!(all.contains("does not say what the run finds of bags that it has not seen"), "{all}");
    let ended = eval(&other, "held-out");
    let (name, others) = page(&ended);
    let manifest: Value = serde_json::from_str(&fs::read_to_string(other.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(name, format!("report-{}.html", &manifest["id"].as_str().unwrap()[..12]));
    assert!(others.contains("the run was trained on another set.") && !own(&others), "{others}");
    // What the run has tested alone, and what is new to it.
    let rows = fs::read_to_string(small.dataset().join("metadata.jsonl")).unwrap();
    let seen = rows.lines().filter(|row| !row.contains(r#""split":"test""#)).count();
    let says = format!("pictures that the run has not seen ask, {seen} do not");
    assert!(ended.stdout.contains(&says), "{says} is not in:\n{}", ended.stdout);
}

#[test]
fn several_seeds_have_a_mean_and_a_spread() {
    let bench = Bench::new();
    bench.recipe("recipe", |text| text.replace("epochs = 4", "epochs = 1"));
    let mut command = bench.begin("group");
    command.args(["--seeds", "2"]);
    let ended = bench.signalled(command, Signal::INT, |_| !bench.steps("group-seed3").is_empty());
    let says = format!("`goodtwin train --resume {}` goes on with it", bench.path("group").display());
    assert!(ended.code == 130 && ended.stderr.contains(&says), "{ended:?}");
    assert!(ended.stderr.contains("no test picture has another of its family"), "{}", ended.stderr);
    assert!(!bench.path("group-seed4").exists(), "it stops as a whole");
    let ended = run(goodtwin(["train", "--resume"]).arg(bench.path("group"))).ok();
    assert!(ended.stdout.contains("mean") && ended.stdout.contains("test_accuracy"), "{}", ended.stdout);
    let group: Value = serde_json::from_str(&fs::read_to_string(bench.path("group.seeds.json")).unwrap()).unwrap();
    let accuracy: Vec<f64> = ["group-seed3", "group-seed4"]
        .iter()
        .map(|run| {
            let card = fs::read_to_string(bench.path(run).join("model.json")).unwrap();
            serde_json::from_str::<Value>(&card).unwrap()["metrics"]["test_accuracy"].as_f64().unwrap()
        })
        .collect();
    let figure = &group["figures"]["test_accuracy"];
    assert!((figure["mean"].as_f64().unwrap() - (accuracy[0] + accuracy[1]) / 2.0).abs() < 1e-12);
    let deviation = (accuracy[0] - accuracy[1]).abs() / 2f64.sqrt();
    assert!((figure["deviation"].as_f64().unwrap() - deviation).abs() < 1e-12);
    assert_ne!(bench.model("group-seed3"), bench.model("group-seed4"));

    // Whoever looks at one of them sees the group.
    let alike = "2 runs that differ in their seed alone (3, 4)";
    let mut eval = goodtwin(["eval", "--device", "cpu"]);
    eval.arg(bench.path("group-seed3")).arg("--dataset").arg(bench.path("dataset"));
    let ended = run(eval.arg("--cache").arg(bench.path("cache"))).ok();
    assert!(ended.stdout.contains(alike), "{}", ended.stdout);
    for file in ["report.html", "README.md"] {
        let text = fs::read_to_string(bench.path("group-seed3").join(file)).unwrap();
        assert!(text.contains(alike), "{file}: {text}");
        // In HTML a slash after a value without quotes is a part of the value, and the element stays open.
        assert!(text.match_indices("/>").all(|(at, _)| text[..at].ends_with('\'')), "{file}");
    }
    let listed = run(goodtwin(["runs", "list"]).arg(bench.dir.path())).ok();
    assert!(listed.stdout.contains(alike) && listed.stdout.contains("group-seed3, group-seed4"), "{}", listed.stdout);

    // A group goes on where it was: one run is gone, the other is left as it is.
    fs::remove_dir_all(bench.path("group-seed4")).unwrap();
    let ended = run(goodtwin(["train", "--resume"]).arg(bench.path("group"))).ok();
    assert!(ended.stderr.contains("group-seed4") && !ended.stderr.contains("group-seed3"), "{}", ended.stderr);
    let again: Value = serde_json::from_str(&fs::read_to_string(bench.path("group.seeds.json")).unwrap()).unwrap();
    assert_eq!(again["figures"], group["figures"]);

    // With another recipe it does not, and a run of another recipe is none of it.
    let other = bench.recipe("other", |text| text.replace("epochs = 4", "epochs = 2"));
    let ended = run(goodtwin(["train", "--resume"]).arg(bench.path("group")).arg("--config").arg(other));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("the recipe's `epochs` does not match: expected 1, received 2"), "{}", ended.stderr);
    fs::rename(bench.path("group-seed4"), bench.path("pair-seed3")).unwrap();
    let ended = run(bench.begin("pair").args(["--seeds", "2"]));
    assert_eq!(ended.code, 65, "{}", ended.stderr);
    assert!(ended.stderr.contains("the recipe's `seed` does not match: expected 3, received 4"), "{}", ended.stderr);
    assert!(!bench.path("pair.seeds.json").exists() && !bench.path("pair-seed4").exists());
}

#[test]
fn one_process_at_a_time_is_at_work_on_a_run() {
    let bench = Bench::new();
    assert!(bench.killed(bench.begin("run"), || !bench.checkpoints("run").is_empty()));
    let lock = RunLock::take(&bench.path("run/run.lock")).unwrap();
    let ended = bench.resume("run");
    assert_eq!(ended.code, 75, "{}", ended.stderr);
    let holder = format!("locked by another run: process {}", std::process::id());
    assert!(ended.stderr.contains(&holder), "{}", ended.stderr);
    drop(lock);
    bench.resume("run").ok();
    // One that was killed between its model and the end is tidied up, whoever asks.
    fs::create_dir_all(bench.path("run/checkpoints/step-00000016")).unwrap();
    bench.resume("run").ok();
    nothing_is_left_of_it(&bench.path("run"));
}

#[test]
fn too_little_memory_is_said_before_anything_long() {
    let bench = Bench::new();
    bench.recipe("recipe", |text| text.replace("size = 48", "size = 512"));
    let mut limited = Command::new("bash");
    limited.args(["-c", "ulimit -v 600000; exec \"$@\"", "bash"]).arg(binary()).current_dir(workspace());
    let ended = run(limited.args(bench.begin("run").get_args()));
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(ended.stderr.contains("not enough memory: one picture of 512 px needs"), "{}", ended.stderr);
    assert!(!bench.path("cache").exists() && !bench.path("run").exists());
}

/// TensorBoard's own reader, where Python has it (`pip install tensorboard`; `GOODTWIN_PYTHON` names another Python).
#[test]
fn the_stock_tensorboard_reads_what_a_run_says() {
    let python = std::env::var_os("GOODTWIN_PYTHON").unwrap_or_else(|| "python3".into());
    let has = |module: &str| {
        let imported = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        imported.is_ok_and(|status| status.success())
    };
    if !has("tensorboard.backend.event_processing.event_accumulator") {
        eprintln!("skipped: Python has no tensorboard");
        return;
    }
    let script = "import json, sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        found = EventAccumulator(sys.argv[1])\n\
        found.Reload()\n\
        print(json.dumps({tag: [[s.step, s.value] for s in found.Scalars(tag)] for tag in found.Tags()['scalars']}))";
    let run_dir = Small::get().run();
    let ended = run(Command::new(&python).args(["-c", script]).arg(&run_dir)).ok();
    let scalars: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    let lines = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "step").collect();
    let losses = scalars["train/loss"].as_array().unwrap();
    assert_eq!(losses.len(), steps.len());
    for (point, step) in losses.iter().zip(steps) {
        assert_eq!(point[0], step["step"]);
        assert_eq!(point[1].as_f64().unwrap() as f32, step["loss"].as_f64().unwrap() as f32);
    }
    for tag in ["train/accuracy", "validation/loss", "validation/accuracy", "learning_rate/block5"] {
        assert!(scalars[tag].as_array().is_some_and(|points| !points.is_empty()), "{tag} is not in {scalars}");
    }
}
