//! Config files: TOML in, a typed value out, or an error that a person can act on.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Read a TOML file whose type denies unknown fields.
///
/// # Errors
/// [`Error::Usage`] with file, line, key and, for an unknown key, the nearest known one.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::Usage(format!("{}: no such config; `configs/` has examples to copy", path.display()))
        }
        std::io::ErrorKind::IsADirectory => Error::Usage(format!("{}: a folder: expected the config", path.display())),
        _ => Error::Usage(format!("{}: cannot read the config: {e}", path.display())),
    })?;
    parse(&text).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))
}

/// A value as TOML.
///
/// # Errors
/// What TOML has no place for, such as a number above `i64::MAX`.
pub fn to_toml<T: Serialize>(value: &T) -> Result<String, String> {
    toml::to_string(value).map_err(|e| e.to_string())
}

/// Read TOML from text; the error has the line and the nearest known key, but no file name.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|e| {
        let message = match e.message().trim() {
            "duplicate key" => {
                let key = e.span().and_then(|span| text.get(span)).unwrap_or_default();
                format!("`{key}` is there twice: expected once")
            }
            message => message.to_string(),
        };
        let line = e.span().map(|s| 1 + text[..s.start.min(text.len())].matches('\n').count());
        let place = line.map(|l| format!("line {l}: ")).unwrap_or_default();
        let key = e.span().and_then(|s| key_before(text.get(..s.start)?));
        format!("{place}{}", explain(&message, key.as_deref()))
    })
}

/// The key whose value begins where `before` ends, with its table: `optimizer.block5`.
fn key_before(before: &str) -> Option<String> {
    let line = before.rsplit('\n').next()?;
    let (left, list) = line.rsplit_once('=')?;
    // Between them is nothing, or the values before it in a list.
    if !list.trim().is_empty() && !list.trim().starts_with('[') {
        return None;
    }
    let key = match left.split_once('=') {
        None => left.trim().to_string(),
        // In braces: the key that the braces are of, and the one in them.
        Some((outer, inner)) => format!("{}.{}", outer.trim(), inner.rsplit(['{', ',']).next()?.trim()),
    };
    let table = before.lines().rev().skip(1).find_map(|l| Some(l.trim().strip_prefix('[')?.split(']').next()?.trim()));
    let table = table.map(|t| t.trim_start_matches('[').to_string() + ".").unwrap_or_default();
    Some(format!("{table}{key}").replace(['"', '\''], "")).filter(|key| !key.is_empty())
}

/// serde's words are for programmers: "invalid type: string "a", expected f64" is "`delay` is "a": expected a number".
fn explain(message: &str, key: Option<&str>) -> String {
    let key = key.map(|key| format!("`{key}` is ")).unwrap_or_default();
    if let Some((received, expected)) = wrong_value(message) {
        return format!("{key}{received}: expected {}", in_words(expected));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut quoted = rest.split('`').skip(1).step_by(2);
        let unknown = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let hint =
            nearest(unknown, known.iter().copied()).map(|n| format!("; did you mean `{n}`? E")).unwrap_or(": e".into());
        return format!("{key}`{unknown}`{hint}xpected one of {}", known.join(", "));
    }
    unknown_key(message)
}

/// What was received, and what was expected, as serde has them.
fn wrong_value(message: &str) -> Option<(&str, &str)> {
    let rest = ["invalid type: ", "invalid value: "].iter().find_map(|start| message.strip_prefix(start))?;
    let (received, expected) = rest.rsplit_once(", expected ")?;
    let kinds = ["string ", "integer ", "floating point ", "boolean "];
    let plain = kinds.iter().find_map(|kind| received.strip_prefix(kind)).unwrap_or(received);
    Some((plain.trim_matches('`'), expected))
}

/// A type of Rust's as people know it.
fn in_words(expected: &str) -> &str {
    match expected {
        "f32" | "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "a string" | "string" | "str" | "path string" => "text in quotes",
        "a boolean" | "bool" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// serde says "unknown field `learning_rat`, expected one of `a`, `b`"; we put the nearest one first.
fn unknown_key(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else { return message.to_string() };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next() else { return message.to_string() };
    let known: Vec<&str> = quoted.collect();
    let nearest = nearest(unknown, known.iter().copied());
    let mut text = format!("unknown key `{unknown}`");
    text += &nearest.map_or(".".into(), |n| format!("; did you mean `{n}`?"));
    if !known.is_empty() {
        text += &format!(" Known keys: {}", known.join(", "));
    }
    text
}

/// The known word that is most like this one, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(word, known, 0.7)
}

/// The known word that this one was most likely meant to be, where other words are as good: `colour` of `color`, none of `price`.
pub fn misspelt<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    most_like(word, known, 0.85)
}

fn most_like<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(score, _)| *score > least)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Recipe {
        epochs: u32,
        #[serde(default)]
        learning_rate: f64,
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let error = parse::<Recipe>("epochs = 3\nlearning_rat = 0.1\n").unwrap_err();
        assert_eq!(
            error,
            "line 2: unknown key `learning_rat`; did you mean `learning_rate`? Known keys: epochs, learning_rate"
        );
    }

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        let error = parse::<Recipe>("epochs = 3\nepochs = 4\n").unwrap_err();
        assert_eq!(error, "line 2: `epochs` is there twice: expected once");
        let error = parse::<toml::Table>("[a]\nb = 1\n[a]\n").unwrap_err();
        assert_eq!(error, "line 3: `a` is there twice: expected once");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Loss {
        SupCon,
        NormalisedSoftmax,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Whole {
        delay: Option<f64>,
        seed: Option<u64>,
        stores: Option<Vec<String>>,
        family: Option<Family>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Family {
        loss: Loss,
        on: Option<bool>,
    }

    #[test]
    fn a_wrong_value_is_named_with_its_key_and_what_was_expected_in_words() {
        for (text, expected) in [
            ("delay = \"a\"\n", "line 1: `delay` is \"a\": expected a number"),
            ("# ...\nseed = -1 # less\n", "line 2: `seed` is -1: expected a whole number, 0 or more"),
            ("seed = 1.5", "line 1: `seed` is 1.5: expected a whole number, 0 or more"),
            ("stores = ['a', 7]", "line 1: `stores` is 7: expected text in quotes"),
            ("stores = 'a'", "line 1: `stores` is \"a\": expected a list"),
            ("family = 'a'", "line 1: `family` is \"a\": expected a table"),
            ("[family]\nloss = 'sup-con'\non = 'yes'", "line 3: `family.on` is \"yes\": expected true or false"),
            ("family = { on = 1, loss = 'sup-con' }", "line 1: `family.on` is 1: expected true or false"),
            (
                "[family]\nloss = 'sup-cn'",
                "line 2: `family.loss` is `sup-cn`; did you mean `sup-con`? Expected one of sup-con, normalised-softmax",
            ),
            ("[family]\nloss = 'none'", "line 2: `family.loss` is `none`: expected one of sup-con, normalised-softmax"),
        ] {
            assert_eq!(parse::<Whole>(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_missing_config_is_a_usage_error() {
        let error = load::<Recipe>(Path::new("/nowhere/a.toml")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/nowhere/a.toml: no such config"));
    }
}
