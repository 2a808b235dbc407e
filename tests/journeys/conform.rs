//! `goodtwin conform`: the golden cases of each suite, and what is no case.

use std::fs::File;
use std::process::{Command, Stdio};

use super::support::{Ended, goodtwin, workspace};

/// Run a suite on a file as its input.
fn conform(suite: &str, input: File) -> Ended {
    let mut command: Command = goodtwin(["conform", suite]);
    let output = command.stdin(Stdio::from(input)).output().expect("the command starts");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn every_suite_answers_its_golden_cases() {
    let golden = workspace().join("tests/golden/conform");
    for suite in ["robots", "price", "url-guard", "image"] {
        let cases = golden.join(format!("{suite}.jsonl"));
        let answered = conform(suite, File::open(&cases).unwrap()).ok().stdout;
        let expected = std::fs::read_to_string(golden.join(format!("{suite}.answers.jsonl"))).unwrap();
        for (n, (got, want)) in answered.lines().zip(expected.lines()).enumerate() {
            assert_eq!(got, want, "{} line {}", cases.display(), n + 1);
        }
        assert_eq!(answered.lines().count(), expected.lines().count(), "{suite}");
    }
}

#[test]
fn lines_that_are_no_cases_are_answered_in_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.jsonl");
    let case = |id: usize| format!("{{\"id\": {id}, \"text\": \"{id} EUR\"}}\n");
    let lines: String =
        (0..2000).map(|n| if n % 7 == 3 { format!("{{\"id\": {n}, broken\n") } else { case(n) }).collect();
    std::fs::write(&path, lines).unwrap();
    let answered = conform("price", File::open(&path).unwrap()).ok().stdout;
    assert_eq!(answered.lines().count(), 2000);
    for (n, line) in answered.lines().enumerate() {
        let answer: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["id"], n, "{line}");
        assert_eq!(answer["error"].is_string(), n % 7 == 3, "{line}");
    }
}

#[test]
fn an_unknown_suite_and_an_unreadable_input_have_their_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let unknown = conform("recipes", File::open("/dev/null").unwrap());
    assert_eq!(unknown.code, 2, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("url-guard"), "{}", unknown.stderr);
    let folder = conform("price", File::open(dir.path()).unwrap());
    assert_eq!(folder.code, 74, "{}", folder.stderr);
    assert!(folder.stderr.contains("cannot read stdin"), "{}", folder.stderr);
}
