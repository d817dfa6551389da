//! The ID of a finding: a hash of its identity. A book keys it by a secret of its own ([`Book::key_ids`]).
//!
//! [`Book::key_ids`]: crate::book::Book::key_ids

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The bytes of an id.
const BYTES: usize = 16;

/// The id of a finding. The same condition of the same thing always has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FindingId([u8; BYTES]);

/// Makes the ids of one tenant.
#[derive(Clone)]
pub struct Fingerprints {
    tenant: String,
    /// The key under a privacy profile. An identity is short, so a plain hash would reveal it to anyone who can guess
    /// it.
    key: Option<[u8; 32]>,
}

impl Fingerprints {
    /// Ids for a tenant, keyed if people are shown by pseudonyms.
    pub fn new(tenant: &str, key: Option<[u8; 32]>) -> Self {
        Self { tenant: tenant.to_owned(), key }
    }

    /// The id of the finding of a rule with an identity: the columns' values in the rule's order.
    pub fn of<'a>(&self, rule: &str, identity: impl IntoIterator<Item = &'a Value>) -> FindingId {
        let mut hasher = match &self.key {
            Some(key) => blake3::Hasher::new_keyed(key),
            None => blake3::Hasher::new(),
        };
        // Each part with its length, so that no two lists of parts have the same bytes.
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        part(&self.tenant);
        part(rule);
        for value in identity {
            part(&value.to_string());
        }
        let mut id = [0; BYTES];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..BYTES]);
        FindingId(id)
    }
}

impl FindingId {
    /// Returns the ID that this one becomes under a key.
    pub(crate) fn keyed(self, key: &[u8; 32]) -> Self {
        let mut id = [0; BYTES];
        id.copy_from_slice(&blake3::keyed_hash(key, &self.0).as_bytes()[..BYTES]);
        Self(id)
    }
}

/// The key of ids, made from a secret text.
pub fn key_from(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprints({}, keyed: {})", self.tenant, self.key.is_some())
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for FindingId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|it| it.try_into().ok());
        bytes.map(Self).ok_or("an id has 32 hexadecimal digits")
    }
}

impl TryFrom<String> for FindingId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FindingId> for String {
    fn from(id: FindingId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_of_an_identity_counts_and_so_does_the_key() {
        let plain = Fingerprints::new("acme.eu", None);
        let id =
            |fingerprints: &Fingerprints, rule, values: &[Value]| fingerprints.of(rule, values);
        let all = [
            id(&plain, "a", &[json!("x"), json!("y")]),
            id(&plain, "a", &[json!("xy"), json!("")]),
            id(&plain, "a", &[json!("x")]),
            id(&plain, "ax", &[json!("y")]),
            id(&plain, "a", &[json!(1)]),
            id(&plain, "a", &[json!("1")]),
            id(&Fingerprints::new("acme.us", None), "a", &[json!("x")]),
            id(&Fingerprints::new("acme.eu", Some([7; 32])), "a", &[json!("x")]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all[0].to_string().parse(), Ok(all[0]));
    }
}
