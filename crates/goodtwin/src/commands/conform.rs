//! `goodtwin conform`: the scraper's judgement, one JSON line in, one JSON line out.
//!
//! Each suite is one file that takes a case apart and calls the function that the scraper itself calls; the schemas are in
//! `docs/conformance.md`. This file keeps the promises that hold for all of them: an answer for every line, in order, the same
//! in every run, whatever the line is.

mod extract;
mod image;
mod lines;
mod price;
mod robots;
mod url_guard;

use std::io::{BufWriter, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::{Failure, Outcome};
use lines::{Line, Lines};

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// What the cases are about
    suite: Suite,
}

/// What the cases are about, and the fields of a case (a `?` marks one that may be left out).
#[derive(Clone, Copy, clap::ValueEnum)]
enum Suite {
    /// {id, body_b64, agent, url} -> {id, allowed, crawl_delay?}
    Robots,
    /// {id, text, currency_hint?, decimal_separator?} -> {id, amount, currency, iso, certain}
    Price,
    /// {id, html_b64, url, syntaxes?} -> {id, items, product}
    Extract,
    /// {id, path} -> {id, ok, width, height, mean_rgb, frames, cause}
    Image,
    /// {id, url, resolves_to?} -> {id, allowed, cause}
    UrlGuard,
}

/// Run the command.
pub fn run(args: Args) -> Outcome {
    let mut lines = Lines::new(std::io::stdin().lock());
    let mut out = BufWriter::new(std::io::stdout().lock());
    // A stranger's page may be nested deeply enough to need a deep stack; what is not touched costs nothing.
    // Pictures come one after the other: the memory of one is the memory of all. Nought is a thread for each processor.
    let threads = if matches!(args.suite, Suite::Image) { 1 } else { 0 };
    let pool = rayon::ThreadPoolBuilder::new().stack_size(256 << 20).num_threads(threads).build();
    let pool = pool.map_err(|e| Failure::new(70, format!("cannot start threads: {e}")))?;
    loop {
        let batch = lines.batch().map_err(|e| Failure::new(74, format!("cannot read stdin: {e}")))?;
        if batch.is_empty() {
            return Ok(());
        }
        let answers: Vec<String> = pool.install(|| batch.par_iter().map(|line| args.suite.answer(line)).collect());
        match answers.iter().try_for_each(|a| writeln!(out, "{a}")).and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(e) => return Err(Failure::new(74, format!("cannot write to stdout: {e}"))),
            Ok(()) => {}
        }
    }
}

impl Suite {
    fn answer(self, line: &Line) -> String {
        match self {
            Suite::Robots => answer(line, robots::answer),
            Suite::Price => answer(line, price::answer),
            Suite::Extract => answer(line, extract::answer),
            Suite::Image => answer(line, image::answer),
            Suite::UrlGuard => answer(line, url_guard::answer),
        }
    }
}

/// An answer's line.
#[derive(Serialize)]
struct WithId<A> {
    id: Value,
    #[serde(flatten)]
    answer: A,
}

/// A case that could not be asked.
#[derive(Serialize)]
struct Failed {
    error: String,
}

/// The answer's line to a case's line: whatever goes wrong on the way is an answer too.
fn answer<C: DeserializeOwned, A: Serialize>(line: &Line, judge: impl Fn(C) -> Result<A, String>) -> String {
    let (id, case) = line.parse();
    let judged = case.and_then(|case| {
        let case = C::deserialize(case).map_err(|e| format!("not a case of this suite: {e}"))?;
        catch_unwind(AssertUnwindSafe(|| judge(case)))
            .unwrap_or_else(|_| Err("a panic: this is a fault of ours".into()))
    });
    let text = match judged {
        Ok(answer) => serde_json::to_string(&WithId { id: id.clone(), answer }),
        Err(error) => serde_json::to_string(&WithId { id: id.clone(), answer: Failed { error } }),
    };
    // Only a map with keys that are no strings, or a failing writer, could make this an error.
    text.unwrap_or_else(|e| serde_json::json!({ "id": id, "error": format!("the answer is no JSON: {e}") }).to_string())
}

/// The bytes of a `..._b64` field: the standard alphabet, with or without padding and line ends.
fn from_base64(field: &str, text: &str) -> Result<Vec<u8>, String> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let compact: String = text.split_ascii_whitespace().collect();
    LENIENT.decode(compact).map_err(|e| format!("`{field}` is not base64: {e}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUITES: [Suite; 5] = [Suite::Robots, Suite::Price, Suite::Extract, Suite::Image, Suite::UrlGuard];

    fn ask(suite: Suite, line: &[u8]) -> Value {
        let answer = suite.answer(&Line::Whole(line.to_vec()));
        assert!(!answer.contains('\n'));
        serde_json::from_str(&answer).unwrap()
    }

    #[test]
    fn what_is_no_case_is_an_error_with_the_id_if_it_can_be_read() {
        for suite in SUITES {
            for (line, id) in [
                (&b""[..], Value::Null),
                (b"not json", Value::Null),
                (b"[1, 2]", Value::Null),
                (b"{}", Value::Null),
                (b"{\"id\": 7}", 7.into()),
                (b"{\"id\": {\"a\": [1]}, \"url\": 3}", serde_json::json!({"a": [1]})),
                (b"{\"id\": \"cut\", \"url\": \"http://", "cut".into()),
                (b"{\"x\": \xff, \"id\": \"no utf-8\"}", "no utf-8".into()),
            ] {
                let answer = ask(suite, line);
                assert_eq!(answer["id"], id, "{}", String::from_utf8_lossy(line));
                assert!(answer["error"].is_string(), "{answer}");
            }
        }
    }

    #[test]
    fn a_panic_is_an_answer() {
        let line = Line::Whole(br#"{"id": 1}"#.to_vec());
        let text = answer(&line, |_: Value| -> Result<(), String> { panic!("by the test") });
        assert!(text.starts_with(r#"{"id":1,"error":"a panic"#), "{text}");
    }

    #[test]
    fn base64_comes_with_and_without_padding() {
        for text in ["aGk=", "aGk", "a\nGk=\n"] {
            assert_eq!(from_base64("x", text).unwrap(), b"hi");
        }
        assert!(from_base64("body_b64", "*").unwrap_err().contains("body_b64"));
    }

    proptest! {
        #[test]
        fn every_line_has_one_answer(suite in 0..SUITES.len(), a in ".{0,60}", b in ".{0,60}", c in ".{0,60}") {
            use base64::prelude::*;
            let encoded = BASE64_STANDARD.encode(&b);
            let case = serde_json::json!({
                "id": a, "text": a, "url": format!("http://{c}"), "agent": c, "body_b64": encoded, "html_b64": encoded,
                "path": a, "resolves_to": [b, c], "currency_hint": b, "decimal_separator": ",", "syntaxes": ["microdata"],
            });
            let answer = ask(SUITES[suite], case.to_string().as_bytes());
            prop_assert_eq!(&answer["id"], &case["id"]);
        }
    }
}
