//! `./scripts/demo --once`, from the shops to the page.

use std::process::Command;

use crate::support::{run, workspace};

#[test]
fn the_demo_ends_with_a_page_that_answered() {
    let ended = run(Command::new("./scripts/demo").arg("--once").current_dir(workspace())).ok();
    assert!(ended.stdout.contains("twins of the photo"), "{}", ended.stdout);
    let last = ended.stdout.trim_end().lines().last().unwrap();
    assert!(last.starts_with("http://127.0.0.1:"), "{last}");
}
