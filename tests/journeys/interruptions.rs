//! What stops a scrape from outside: signals, a second run, a full disk; and that nothing is left lying or running after it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use goodtwin_demo::{Demo, Open};
use goodtwin_scraper::stop::GRACE;
use goodtwin_scraper::{JOURNAL, Manifest};
use rustix::process::{Pid, Signal, kill_process};

use crate::kills::{STORES, end_of, hurried, scrape};
use crate::support::{goodtwin, run};

const PATIENCE: Duration = Duration::from_secs(60);

/// The shops, and a folder to work in.
struct Scene {
    dir: tempfile::TempDir,
    shops: Open,
    config: PathBuf,
}

impl Scene {
    async fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let shops = Demo::new(7).serve(0).await.unwrap();
        let config = hurried(dir.path(), &shops);
        Scene { dir, shops, config }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("crawl")
    }

    fn scrape(&self) -> Command {
        scrape(&self.config, &self.out(), &STORES)
    }

    /// Wait until so many requests wait for an answer.
    async fn waiting(&self, at_least: usize) {
        tokio::time::timeout(PATIENCE, self.shops.waiting(at_least)).await.expect("it asks");
    }
}

fn signal(child: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Wait until a scrape says that it was asked to end.
fn heard(child: &mut std::process::Child) -> bool {
    let said = BufReader::new(child.stderr.as_mut().expect("it is piped"));
    said.lines().map_while(Result::ok).any(|line| line.contains("once more to end at once"))
}

/// The names of all files under a folder that are not whole.
fn halves(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(halves(&path));
        } else if entry.file_name().to_string_lossy().starts_with(".tmp-") {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_end_it_finishes_what_is_in_flight_and_asked_twice_it_ends_at_once() {
    let scene = Scene::new().await;
    // Three requests, one a shop, are waited for; then they are answered, and nothing else is asked.
    scene.shops.answer_only(Some(30));
    let mut child = scene.scrape().stderr(Stdio::piped()).spawn().unwrap();
    scene.waiting(3).await;
    signal(&child, Signal::TERM);
    // It hears the signal before the answers come: else another request might leave.
    let child = tokio::task::spawn_blocking(move || heard(&mut child).then_some(child)).await.unwrap().unwrap();
    scene.shops.answer_only(None);
    assert_eq!(end_of(child).await.code(), Some(130));
    let asked = |shops: &Open| -> u64 { (0..3).flat_map(|s| shops.requests(s).into_values()).map(|h| h.all()).sum() };
    assert_eq!(asked(&scene.shops), 33);
    assert_eq!(halves(&scene.out()), Vec::<PathBuf>::new());
    let report = run(goodtwin(["scrape", "report", "--out"]).arg(scene.out())).stdout;
    assert!(report.contains("\nthe last run, begun ") && report.contains("was interrupted"), "{report}");
    let mut build = goodtwin(["dataset", "build", "--crawl"]);
    let said = run(build.arg(scene.out().join(JOURNAL)).arg("--out").arg(scene.out().join("bags"))).stderr;
    assert!(said.contains("crawl.sqlite: the last run, begun "), "{said}");

    // Answers that never come are not waited for by the impatient.
    scene.shops.answer_only(Some(0));
    let mut child = scene.scrape().stderr(Stdio::piped()).spawn().unwrap();
    scene.waiting(3).await;
    signal(&child, Signal::TERM);
    let child = tokio::task::spawn_blocking(move || heard(&mut child).then_some(child)).await.unwrap().unwrap();
    signal(&child, Signal::INT);
    let ended = tokio::time::timeout(GRACE / 2, end_of(child)).await.expect("it does not wait for its answers");
    assert_eq!(ended.code(), Some(130));

    scene.shops.answer_only(None);
    assert_eq!(end_of(scene.scrape().spawn().unwrap()).await.code(), Some(0));
    assert_eq!(
        asked(&scene.shops) as usize,
        (0..3).map(|s| scene.shops.requests(s).len()).sum::<usize>(),
        "nothing twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_at_once_is_told_who_is_at_work() {
    let scene = Scene::new().await;
    scene.shops.answer_only(Some(3));
    let mut first = scene.scrape().spawn().unwrap();
    scene.waiting(1).await;
    let second = scene.scrape().stderr(Stdio::piped()).output().unwrap();
    assert_eq!(second.status.code(), Some(75));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains(&format!("process {} on ", first.id())), "{said}");
    first.kill().unwrap();
    end_of(first).await;
    // The lock is the system's, not a file's: nobody has it any more.
    scene.shops.answer_only(None);
    assert_eq!(end_of(scene.scrape().spawn().unwrap()).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_files_may_not_grow_it_says_so_leaves_nothing_half_and_goes_on_later() {
    let scene = Scene::new().await;
    // In kilobytes; the shell and what it starts are told by an error instead of being ended by a signal. SQLite's log
    // meets the limit first; pictures, which are smaller, would be next.
    let mut limited = Command::new("bash");
    let whole = scene.scrape();
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$@\"", "sh"])
        .arg(whole.get_program())
        .args(whole.get_args());
    limited.current_dir(whole.get_current_dir().unwrap()).stdout(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || limited.output().unwrap()).await.unwrap();
    full_disk(&ended, JOURNAL);
    goes_on(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_it_says_so_leaves_nothing_half_and_goes_on_later() {
    let scene = Scene::new().await;
    let Some(mounted) = Mounted::new(scene.out(), "size=1500k") else { return };
    full_disk(&ended(&scene).await, "crawl");
    assert_eq!(halves(&scene.out()), Vec::<PathBuf>::new());
    mounted.again("size=64m");
    goes_on(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_folder_that_is_read_only_it_says_so_and_goes_on_later() {
    let scene = Scene::new().await;
    let Some(mounted) = Mounted::new(scene.out(), "size=64m") else { return };
    mounted.again("ro");
    let refused = ended(&scene).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(74), "{said}");
    assert!(said.contains(scene.out().to_str().unwrap()) && said.contains("Read-only"), "{said}");
    mounted.again("rw");
    goes_on(&scene).await;
}

/// How a scrape ends, and what it says.
async fn ended(scene: &Scene) -> std::process::Output {
    let mut child = scene.scrape();
    tokio::task::spawn_blocking(move || child.stderr(Stdio::piped()).output().unwrap()).await.unwrap()
}

/// A file system in memory, mounted for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    /// Nothing, and a line that says so, where nobody may mount one.
    fn new(at: PathBuf, options: &str) -> Option<Mounted> {
        std::fs::create_dir(&at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).stderr(Stdio::null());
        if !command.status().is_ok_and(|s| s.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Mounted(at))
    }

    fn again(&self, option: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.0).status();
        assert!(status.unwrap().success(), "remount,{option}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[track_caller]
fn full_disk(ended: &std::process::Output, path: &str) {
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(74), "{said}");
    assert!(said.contains(path) && said.contains(" bytes"), "{said}");
}

async fn goes_on(scene: &Scene) {
    let status = end_of(scene.scrape().spawn().unwrap()).await;
    assert_eq!(status.code(), Some(0));
    let (whole, out) = (scene.dir.path().join("whole"), scene.out());
    assert_eq!(end_of(scrape(&scene.config, &whole, &STORES).spawn().unwrap()).await.code(), Some(0));
    let manifest = |out: &Path| Manifest::read(&out.join(JOURNAL)).unwrap();
    let (resumed, whole) = (manifest(&out), manifest(&whole));
    assert_eq!(resumed.id, whole.id);
    for image in resumed.items.iter().flat_map(|item| &item.images) {
        let bytes = std::fs::read(resumed.images_dir.join(image.file_name())).unwrap();
        assert_eq!(bytes, std::fs::read(whole.images_dir.join(image.file_name())).unwrap());
    }
    assert_eq!(halves(&out), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_browser_outlives_its_run_even_if_that_is_killed() {
    let scene = Scene::new().await;
    let folder = scene.dir.path().join("tmp");
    std::fs::create_dir(&folder).unwrap();
    // robots.txt and the listing are answered, and what its script asks for is not.
    scene.shops.answer_only(Some(2));
    let mut command = scrape(&scene.config, &scene.out(), &["omtanke"]);
    let mut child = command.env("TMPDIR", &folder).process_group(0).spawn().unwrap();
    let asks = tokio::time::timeout(PATIENCE, scene.shops.waiting(1));
    tokio::select! {
        asked = asks => drop(asked.expect("the page's script is asked for")),
        // Without a browser the run ends by itself.
        status = async { loop { if let Some(s) = child.try_wait().unwrap() { break s } tokio::time::sleep(Duration::from_millis(50)).await } } => {
            eprintln!("skipped: the run ended with {status}: there is no chromedriver or no chromium on PATH");
            return;
        }
    }
    assert!(!of_folder(&folder).is_empty(), "a browser is at work");
    child.kill().unwrap();
    end_of(child).await;
    let gone = async {
        while !of_folder(&folder).is_empty() || std::fs::read_dir(&folder).unwrap().count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
    assert!(gone.is_ok(), "{:?} outlived its run", of_folder(&folder));
}

/// The processes that have this folder in their command line.
fn of_folder(folder: &Path) -> Vec<String> {
    let needle = folder.to_str().unwrap();
    let command = |process: std::fs::DirEntry| {
        let command = std::fs::read(process.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(needle).then_some(command)
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(command).collect()
}
