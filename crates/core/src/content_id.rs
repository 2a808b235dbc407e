//! Content ids: what an artefact is, worked out from its bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of some canonical bytes, as 64 lower-case hexadecimal digits.
///
/// JSON made by `serde_json` from structs (fields in order of declaration) and `BTreeMap`s is canonical here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentId(String);

impl ContentId {
    /// The id of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        ContentId(hex(&Sha256::digest(bytes.as_ref())))
    }

    /// The id of a value, by its JSON.
    pub fn of_json<T: Serialize>(value: &T) -> Self {
        ContentId::of(serde_json::to_vec(value).expect("our own types have string keys and serialise"))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits: enough for a person to tell two apart.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl TryFrom<String> for ContentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(ContentId(text))
        } else {
            Err(format!("`{text}` is not a content id: expected 64 lower-case hexadecimal digits"))
        }
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> String {
        id.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_sha256_of_the_bytes() {
        let id = ContentId::of(b"abc");
        assert_eq!(id.as_str(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn refuses_what_is_not_one() {
        assert!(serde_json::from_str::<ContentId>("\"abc\"").unwrap_err().to_string().contains("64"));
    }
}
