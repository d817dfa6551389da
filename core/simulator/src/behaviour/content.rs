//! Bytes of a scenario: text, or base64 for other bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

/// Bytes that are served unchanged. As TOML `{ text = "…" }` or `{ base64 = "…" }`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Content(pub(crate) Bytes);

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Text(String),
    Base64(String),
}

impl TryFrom<Written> for Content {
    type Error = base64::DecodeError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Ok(match written {
            Written::Text(text) => text.into(),
            Written::Base64(text) => STANDARD.decode(text)?.into(),
        })
    }
}
