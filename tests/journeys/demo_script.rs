//! `./scripts/demo --once`, from the shops to the page; and two of `./scripts/demo` at once.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{run, workspace};

#[test]
fn the_demo_ends_with_a_page_that_answered() {
    let ended = run(Command::new("./scripts/demo").arg("--once").current_dir(workspace())).ok();
    assert!(ended.stdout.contains("twins of the photo"), "{}", ended.stdout);
    let last = ended.stdout.trim_end().lines().last().unwrap();
    assert!(last.starts_with("http://127.0.0.1:"), "{last}");
}

#[test]
fn a_demo_beside_another_one_empties_nothing_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let shops = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = shops.local_addr().unwrap().port().to_string();
    let script = std::fs::read_to_string(workspace().join("scripts/demo")).unwrap().replace("8471", &port);
    let log = dir.path().join("datasets/demo/shops.log");
    for folder in ["scripts", "bin", "target/debug", "datasets/demo"] {
        std::fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for (file, text) in [("scripts/demo", script.as_str()), ("scripts/system-packages", ""), ("bin/cargo", "")] {
        let (file, text) = (dir.path().join(file), if text.is_empty() { "#!/bin/bash\n" } else { text });
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(&log, "of the other one\n").unwrap();
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut second = Command::new(dir.path().join("scripts/demo"));
    let ended = run(second.env("PATH", path).env("CARGO_TARGET_DIR", dir.path().join("target")));
    assert_eq!(ended.code, 69, "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("port {port} of 127.0.0.1 is taken: is another ./scripts/demo")),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("Stop it"), "{}", ended.stderr);
    assert_eq!(std::fs::read_to_string(log).unwrap(), "of the other one\n");
}
