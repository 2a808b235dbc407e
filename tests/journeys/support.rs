//! How the binary, the shops and the browser are run.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use goodtwin_imaging::Picture;

/// The root of the workspace: recipes, weights and store files are found from here.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").into()
}

/// `goodtwin`, to be run from the root of the workspace.
pub fn goodtwin<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(workspace()).args(args).env_remove("GOODTWIN_LOG");
    command
}

/// The demo's configs, with the ports that the system chose.
pub fn configure(dir: &Path, addresses: &[String]) -> PathBuf {
    let configs = dir.join("configs");
    let copied = Command::new("cp").arg("-r").arg(workspace().join("configs")).arg(&configs).status().unwrap();
    assert!(copied.success());
    for entry in std::fs::read_dir(configs.join("stores")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (number, address) in addresses.iter().enumerate() {
            text = text.replace(&format!("127.0.0.1:{}", 8471 + number), address);
        }
        std::fs::write(&path, text).unwrap();
    }
    configs.join("demo.toml")
}

/// The binary that stands beside this test's own.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    let binary = own.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("goodtwin");
    assert!(binary.exists(), "{} is not built: run `cargo build`", binary.display());
    binary
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Whether it found no GPU, not even one in software, so that there is nothing to test; fails the test where `scripts/test` says
    /// that there is a driver.
    pub fn has_no_gpu(&self) -> bool {
        let none = self.code == 69;
        assert!(!none || std::env::var_os("GOODTWIN_TESTS_HAVE_GPU").is_none(), "there is a driver: {}", self.stderr);
        if none {
            eprintln!("skipped: {}", self.stderr);
        }
        none
    }

    /// Fail the test unless the command ended with 0.
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Run a command to its end.
pub fn run(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("the command starts");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A server that ends with the test.
pub struct Served {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Served {
    /// Start a command that prints lines and goes on.
    pub fn start(command: &mut Command) -> Served {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the command starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Served { child, lines }
    }

    /// Wait for the next line with `pattern` in it.
    pub fn line_with(&mut self, pattern: &str) -> String {
        self.lines
            .by_ref()
            .map(|line| line.expect("lines are text"))
            .find(|line| line.contains(pattern))
            .unwrap_or_else(|| panic!("the server ended before it printed {pattern:?}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A recipe that trains in seconds.
pub fn small_recipe(dir: &Path, size: u32, epochs: u32, start: &str) -> PathBuf {
    let path = dir.join(format!("small-{size}-{start}.toml"));
    let text = format!(
        "name = 'small'\nseed = 3\nepochs = {epochs}\nbatch_size = 32\n\
         [preprocess]\nsize = {size}\ncolour = 'grey'\nfit = 'pad'\n\
         [head]\npooling = 'joint'\ndense = 64\nactivation = 'none'\ndropout = 0.2\nstart = '{start}'\n\
         [optimizer]\nrule = 'adamw'\nblock5 = 1e-5\ndense = 1e-5\nclassifier = 1e-2\nschedule = 'cosine'\nlabel_smoothing = 0.0\n\
         [augment]\nviews = 0\nrotation = 0.0\nshift = 0.0\nflip = false\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Say of what [`striped_folder`] made that each two pictures are a family; `each` is even.
pub fn families_of_two(folder: &Path, classes: &[&str], each: usize) {
    let rows = (0..classes.len() * each).map(|i| {
        let class = classes[i / each];
        let file_name = format!("{class}/{:02}.png", i % each);
        let row = serde_json::json!({ "file_name": file_name, "bag_type": class, "family": (i / 2).to_string() });
        format!("{row}\n")
    });
    std::fs::write(folder.join("metadata.jsonl"), rows.collect::<String>()).unwrap();
}

/// A folder with one sub-folder a class, `each` pictures in each: stripes of their own width and slant.
pub fn striped_folder(dir: &Path, classes: &[&str], each: u32) -> PathBuf {
    let folder = dir.join("pictures");
    for (number, class) in classes.iter().enumerate() {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for i in 0..each {
            let picture = stripes(3 + 4 * number as u32, i);
            std::fs::write(folder.join(class).join(format!("{i:02}.png")), picture.to_png()).unwrap();
        }
    }
    folder
}

/// The same picture in the middle of a white ground: it can be seen where the bag is.
pub fn on_white(picture: &Picture) -> Picture {
    let (width, height, margin) = (picture.width(), picture.height(), picture.width() / 8);
    let inside = |at: u32, side: u32| at.checked_sub(margin).filter(|at| *at < side);
    let pixel = |x: u32, y: u32| match (inside(x, width), inside(y, height)) {
        (Some(x), Some(y)) => {
            let at = 3 * (y * width + x) as usize;
            [picture.rgb()[at], picture.rgb()[at + 1], picture.rgb()[at + 2]]
        }
        _ => [255; 3],
    };
    let (across, down) = (width + 2 * margin, height + 2 * margin);
    Picture::new(across, down, (0..down).flat_map(|y| (0..across).flat_map(move |x| pixel(x, y))).collect())
}

/// A picture of stripes, `width` pixels wide.
pub fn stripes(width: u32, slant: u32) -> Picture {
    let pixel = |x: u32, y: u32| {
        if ((x + y * slant / 4) / width).is_multiple_of(2) { [30, 60, 40 + slant as u8] } else { [230, 220, 200] }
    };
    Picture::new(64, 64, (0..64).flat_map(|y| (0..64).flat_map(move |x| pixel(x, y))).collect())
}

/// A run and its catalogue, made once for all tests that only need some.
pub struct Small {
    dir: PathBuf,
}

impl Small {
    pub fn get() -> &'static Small {
        static SMALL: OnceLock<Small> = OnceLock::new();
        SMALL.get_or_init(|| {
            // Nothing drops what a static holds: a folder of a fixed name does not pile up.
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("small");
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
            let small = Small { dir };
            let folder = striped_folder(&small.dir, &["broad", "narrow"], 8);
            run(goodtwin(["dataset", "import"]).arg(folder).arg("--out").arg(small.dataset())).ok();
            let recipe = small_recipe(&small.dir, 32, 1, "random");
            train(&recipe, &small.dataset(), &small.run(), &small.cache()).ok();
            run(goodtwin(["catalog", "build", "--device", "cpu", "--model"])
                .arg(small.run())
                .arg("--dataset")
                .arg(small.dataset())
                .arg("--out")
                .arg(small.dir.join("catalogs")))
            .ok();
            small
        })
    }

    pub fn dataset(&self) -> PathBuf {
        self.dir.join("dataset")
    }

    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    pub fn catalog(&self) -> PathBuf {
        self.dir.join("catalogs/current")
    }
}

/// `goodtwin train` on the CPU.
pub fn train(recipe: &Path, dataset: &Path, out: &Path, cache: &Path) -> Ended {
    run(goodtwin(["train", "--device", "cpu", "--config"])
        .arg(recipe)
        .arg("--dataset")
        .arg(dataset)
        .arg("--out")
        .arg(out)
        .arg("--cache")
        .arg(cache))
}
