//! Config files: TOML in, a typed value out, or an error that a person can act on.

use std::path::Path;

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
        _ => Error::Usage(format!("{}: cannot read the config: {e}", path.display())),
    })?;
    parse(&text).map_err(|what| Error::Usage(format!("{}: {what}", path.display())))
}

/// Read TOML from text; the error has the line and the nearest known key, but no file name.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map(|s| 1 + text[..s.start.min(text.len())].matches('\n').count());
        let place = line.map(|l| format!("line {l}: ")).unwrap_or_default();
        format!("{place}{}", explain(e.message()))
    })
}

/// serde says "unknown field `learning_rat`, expected one of `a`, `b`"; we put the nearest one first.
fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else { return message.trim().to_string() };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let Some(unknown) = quoted.next() else { return message.to_string() };
    let known: Vec<&str> = quoted.collect();
    let nearest = nearest(unknown, known.iter().copied());
    let mut text = format!("unknown key `{unknown}`");
    if let Some(n) = nearest {
        text += &format!("; did you mean `{n}`?");
    }
    if !known.is_empty() {
        text += &format!(" Known keys: {}", known.join(", "));
    }
    text
}

/// The known word that is most like this one, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(score, _)| *score > 0.7)
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
    fn a_missing_config_is_a_usage_error() {
        let error = load::<Recipe>(Path::new("/nowhere/a.toml")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/nowhere/a.toml: no such config"));
    }
}
