//! `configs/serve.toml`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use goodtwin_core::{Error, Exchange, config};
use serde::Deserialize;

/// Where the config is looked for when none is named.
pub const DEFAULT_PATH: &str = "configs/serve.toml";

/// What can be set about the page. Every key may be left out.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The largest photo that is taken, in MiB.
    pub upload_mib: usize,
    /// Twins on a page, and how many more a press of "show more" adds.
    pub page_size: usize,
    /// The rates behind the price filter and the converted prices.
    pub exchange: Exchange,
}

impl Default for ServeConfig {
    fn default() -> Self {
        ServeConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8460)),
            upload_mib: 12,
            page_size: 24,
            exchange: Exchange::built_in(),
        }
    }
}

impl ServeConfig {
    /// Read a config file.
    ///
    /// # Errors
    /// Exit 2 for a file that is not there, an unknown key, or a value out of its range.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let config: ServeConfig = config::load(path)?;
        config.check().map_err(|what| Error::Usage(format!("{}: {what}", path.display())))?;
        Ok(config)
    }

    /// The config at `path` if one is named, else [`DEFAULT_PATH`] if that is there, else the defaults.
    ///
    /// # Errors
    /// Those of [`ServeConfig::load`].
    pub fn find(path: Option<&Path>) -> Result<Self, Error> {
        match path {
            Some(path) => ServeConfig::load(path),
            None if Path::new(DEFAULT_PATH).exists() => ServeConfig::load(Path::new(DEFAULT_PATH)),
            None => Ok(ServeConfig::default()),
        }
    }

    fn check(&self) -> Result<(), String> {
        let within = |key: &str, value: usize, range: std::ops::RangeInclusive<usize>| {
            let (low, high) = (range.start(), range.end());
            let wrong = || format!("`{key}` is {value}: expected {low} to {high}");
            range.contains(&value).then_some(()).ok_or_else(wrong)
        };
        within("upload_mib", self.upload_mib, 1..=64)?;
        within("page_size", self.page_size, 1..=120)?;
        match self.exchange.per_euro.iter().find(|(_, rate)| rate.is_sign_negative() || rate.is_zero()) {
            Some((currency, rate)) => Err(format!("`exchange.per_euro.{currency}` is {rate}: expected more than 0")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_that_ships_is_valid_and_says_what_the_defaults_are() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/serve.toml");
        assert_eq!(ServeConfig::load(&shipped).unwrap(), ServeConfig::default());
    }

    #[test]
    fn values_out_of_range_and_unknown_keys_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serve.toml");
        for (text, says) in [
            ("page_sise = 3", "unknown key `page_sise`; did you mean `page_size`?"),
            ("page_size = 0", "`page_size` is 0: expected 1 to 120"),
            (
                "[exchange]\nas_of = '2026-01-01'\nsource = 'x'\nper_euro = { USD = '0' }",
                "`exchange.per_euro.USD` is 0",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = ServeConfig::load(&path).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
