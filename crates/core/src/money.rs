//! Money: exact amounts with their currency, and a dated table to compare two of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// An ISO 4217 code, such as EUR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked to be ASCII letters when made")
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        match <[u8; 3]>::try_from(upper.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Currency(code)),
            _ => Err(format!("`{text}` is not a currency: expected an ISO 4217 code of three letters, such as EUR")),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(c: Currency) -> String {
        c.code().into()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount, never a float, and its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// The amount in whole units (euros, not cents); written as a string in JSON, so that no reader rounds it.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = if self.amount.fract().is_zero() { 0 } else { 2 };
        write!(f, "{:.places$} {}", self.amount, self.currency)
    }
}

/// What one euro buys of each currency, on a day, according to a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// The day of the rates.
    pub as_of: Date,
    /// Who says so.
    pub source: String,
    /// Units of the currency for one euro. EUR itself is always 1.
    pub per_euro: BTreeMap<Currency, Decimal>,
}

impl Exchange {
    /// The table that ships with GoodTwin: round planning figures, good enough for a price filter and for nothing else.
    /// `configs/serve.toml` replaces it.
    pub fn built_in() -> Self {
        let rate = |code: &str, tenths: i64| (code.parse().expect("a currency"), Decimal::new(tenths, 2));
        Exchange {
            as_of: Date::constant(2026, 11, 1),
            source: "GoodTwin's round planning figures, not market rates".into(),
            per_euro: BTreeMap::from([
                rate("USD", 115),
                rate("GBP", 87),
                rate("SEK", 1100),
                rate("DKK", 746),
                rate("NOK", 1170),
                rate("CHF", 93),
                rate("JPY", 17500),
                rate("AUD", 176),
                rate("CAD", 161),
                rate("PLN", 425),
            ]),
        }
    }

    /// The same sum in another currency, to two places, or `None` when the table lacks one of the two. Rounded here, so that what
    /// is compared is what is shown.
    pub fn convert(&self, money: Money, to: Currency) -> Option<Money> {
        if money.currency == to {
            return Some(money);
        }
        let euros = money.amount.checked_div(self.rate(money.currency)?)?;
        Some(Money { amount: euros.checked_mul(self.rate(to)?)?.round_dp(2), currency: to })
    }

    fn rate(&self, currency: Currency) -> Option<Decimal> {
        if currency.code() == "EUR" { Some(Decimal::ONE) } else { self.per_euro.get(&currency).copied() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
    }

    #[test]
    fn json_keeps_every_digit() {
        let json = serde_json::to_string(&money("1234.50", "eur")).unwrap();
        assert_eq!(json, r#"{"amount":"1234.50","currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money("1234.50", "EUR"));
        assert_eq!(money("1234.50", "EUR").to_string(), "1234.50 EUR");
        assert_eq!(money("90", "SEK").to_string(), "90 SEK");
    }

    #[test]
    fn converts_through_the_euro_and_not_without_a_rate() {
        let table = Exchange::built_in();
        let converted = table.convert(money("115", "USD"), "EUR".parse().unwrap()).unwrap();
        assert_eq!(converted, money("100", "EUR"));
        assert_eq!(table.convert(money("114.99", "USD"), "EUR".parse().unwrap()), Some(money("99.99", "EUR")));
        assert_eq!(table.convert(money("1", "XAU"), "EUR".parse().unwrap()), None);
        assert_eq!(table.convert(money("1", "XAU"), "XAU".parse().unwrap()), Some(money("1", "XAU")));
    }

    #[test]
    fn a_currency_is_three_letters() {
        assert!("€".parse::<Currency>().unwrap_err().contains("ISO 4217"));
        assert!("EURO".parse::<Currency>().is_err());
    }
}
