//! The commands in `scripts/`: usage comes before any work, and what one started ends with it. Programs that they call are made up.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{binary, families_of_two, run, striped_folder, workspace};

fn program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/bash\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A script that finds these programs before all others.
fn script(name: &str, programs: &Path) -> Command {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths(std::iter::once(programs.into()).chain(std::env::split_paths(&paths)));
    let mut command = Command::new(workspace().join("scripts").join(name));
    command.env("PATH", paths.unwrap());
    command
}

#[test]
fn each_says_how_it_is_used_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let (programs, worked) = (dir.path().join("bin"), dir.path().join("worked"));
    for name in ["cargo", "apt-get"] {
        program(&programs.join(name), &format!("echo \"{name} $*\" >>'{}'; exit 1", worked.display()));
    }
    let mut tried = 0;
    for entry in std::fs::read_dir(workspace().join("scripts")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if !entry.file_type().unwrap().is_file() || name.contains('.') {
            continue;
        }
        let ended = run(script(&name, &programs).arg("--help")).ok();
        assert!(ended.stdout.contains("usage: "), "{name}: {}", ended.stdout);
        tried += 1;
    }
    assert!(tried >= 8, "{tried} scripts");
    assert_eq!(run(script("bench-trunk", &programs).arg("--sise=64")).code, 2);
    assert!(!worked.exists(), "{}", std::fs::read_to_string(&worked).unwrap());
}

#[test]
fn a_benchmark_that_is_ended_ends_what_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let (programs, told) = (dir.path().join("bin"), dir.path().join("told"));
    program(&programs.join("cargo"), "");
    program(&programs.join("curl"), "");
    program(&programs.join("python3"), "mkdir -p \"$3/bin\"; ln -s \"$(type -P true)\" \"$3/bin/pip\"");
    // A step with a process of its own, as img2dataset has them.
    let goodtwin = "[ \"$1\" = demo ] && { echo http://127.0.0.1:9; exec sleep 600; }\n\
                    sleep 600 & echo \"$! ${@: -1}\" >TOLD.new; mv TOLD.new TOLD; wait";
    let goodtwin = goodtwin.replace("TOLD", told.to_str().unwrap());
    program(&dir.path().join("target/debug/goodtwin"), &goodtwin);

    let mut bench = script("bench-img2dataset", &programs);
    bench.env("CARGO_TARGET_DIR", dir.path().join("target")).current_dir(workspace());
    let mut bench = bench.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !told.exists() {
        assert!(Instant::now() < until && bench.try_wait().unwrap().is_none(), "it comes to its first step");
        std::thread::sleep(Duration::from_millis(20));
    }
    let told = std::fs::read_to_string(told).unwrap();
    let (process, scratch) = told.trim().split_once(' ').unwrap();
    let (process, scratch) = (Path::new("/proc").join(process), workspace().join(scratch));
    // Of one that nobody waited for yet, the entry is there and the command line is not.
    let runs = || std::fs::read(process.join("cmdline")).is_ok_and(|line| !line.is_empty());
    assert!(runs() && scratch.is_dir(), "{told}");
    kill_process(Pid::from_child(&bench), Signal::TERM).unwrap();
    assert!(!bench.wait().unwrap().success());
    assert!(!runs() && !scratch.exists(), "{told}");
}

#[test]
fn the_ablation_table_is_made_of_pooled_runs_and_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let (programs, out) = (dir.path().join("bin"), dir.path().join("out"));
    program(&programs.join("cargo"), "exit 0");
    let folder = striped_folder(dir.path(), &["broad", "narrow"], 12);
    families_of_two(&folder, &["broad", "narrow"], 12);
    let ablate = |row: &str| {
        let mut ablate = script("ablate", &programs);
        ablate.env("CARGO_TARGET_DIR", binary().parent().unwrap().parent().unwrap());
        run(ablate.arg(&folder).args(["--parts", "2", "--rows", row, "--out"]).arg(&out))
    };
    let table = ablate("size = 48").ok().stdout;
    let row: Vec<&str> = table.lines().last().unwrap().trim_matches('|').split(" | ").map(str::trim).collect();
    assert_eq!((row.len(), row[0]), (6, "`size = 48`"), "{table}");
    let recall: f64 = row[1].parse().unwrap();
    assert!((0.0..=1.0).contains(&recall), "{table}");
    assert_eq!(row[3..], ["–"; 3], "there are no other grounds, and nothing was trained: {table}");
    let evaluated =
        || std::fs::read_dir(out.join("runs")).unwrap().map(|run| run.unwrap().path().join("evaluation.json"));
    let written = || evaluated().map(|file| file.metadata().unwrap().modified().unwrap()).collect::<Vec<_>>();
    let first = written();
    assert_eq!(first.len(), 2);
    assert_eq!(ablate("size = 48").ok().stdout, table);
    assert_eq!(written(), first, "what is done is not done again");
    assert_eq!(ablate("no such row").ok().stdout, "");
}
