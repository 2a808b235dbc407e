//! `goodtwin conform`: the golden cases of each suite, and what is no case.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::{Ended, goodtwin, workspace};

/// Whether two answers say the same, with numbers that are `off` by so much at most.
fn is_same(a: &Value, b: &Value, off: f64) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= off,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b, off)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b, off)))
        }
        _ => a == b,
    }
}

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
    // A mean of colours that was worked out on another processor may differ in its last digits.
    for (suite, off) in [("robots", 0.0), ("price", 0.0), ("extract", 0.0), ("image", 0.1), ("url-guard", 0.0)] {
        let cases = golden.join(format!("{suite}.jsonl"));
        let answered = conform(suite, File::open(&cases).unwrap()).ok().stdout;
        let expected = std::fs::read_to_string(golden.join(format!("{suite}.answers.jsonl"))).unwrap();
        for (n, (got, want)) in answered.lines().zip(expected.lines()).enumerate() {
            let [got, want]: [Value; 2] = [got, want].map(|line| serde_json::from_str(line).unwrap());
            let place = format!("{} line {}: {got}", cases.display(), n + 1);
            match want.get("error") {
                // How an error is worded is not what is tested.
                Some(_) => assert!(got["id"] == want["id"] && got["error"].is_string(), "{place}"),
                None => assert!(is_same(&got, &want, off), "{place}, expected {want}"),
            }
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
        let answer: Value = serde_json::from_str(line).unwrap();
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
