//! Pseudonyms: the same on every run and every machine with the key, and irreversible without it.
//!
//! A pseudonym is the HMAC-SHA-256 of the identifier's canonical form under a subkey of its kind
//! and tenant, cut to 128 bits. It is keyed because names can be guessed: anyone with a list of
//! them could reverse a plain hash. `p1-<key>-<26 letters and digits>` is a legal host name, so
//! that the pseudonym of a device name is one too.

use core_model::column::IdentifierKind;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::canonical::canonical;
use crate::error::PrivacyError;
use crate::keys::{KeyRing, Purpose, Subkey};

/// The prefix of every pseudonym: the version of its form.
pub const PREFIX: &str = "p1-";

/// The separator between the pseudonyms of a list's items.
pub const LIST_SEPARATOR: &str = "; ";

/// The number of HMAC bytes in a pseudonym. Among a thousand million people two share one with a
/// probability of one in 10^21.
const TOKEN_BYTES: usize = 16;

/// Makes the pseudonyms of one tenant with one key.
pub struct Pseudonyms {
    key_id: String,
    /// The HMAC of each kind.
    keyed: [Keyed; IdentifierKind::ALL.len()],
}

/// An HMAC that is already keyed. Its `Debug` shows nothing; it is wiped when it is dropped.
pub(crate) struct Keyed(Hmac<Sha256>);

impl Pseudonyms {
    /// Makes pseudonyms with the active key. `tenant` is the unique name of the tenant, including
    /// its region.
    pub fn new(keys: &KeyRing, tenant: &str) -> Self {
        let subkey = |identifier_kind| keys.subkey(Purpose::Pseudonym(identifier_kind), tenant);
        let keyed = IdentifierKind::ALL.map(|identifier_kind| Keyed::new(&subkey(identifier_kind)));
        Self { key_id: keys.active_id().to_owned(), keyed }
    }

    /// Makes pseudonyms with an earlier key, to find a person in older data.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::UnknownKey`], [`PrivacyError::RetiredKey`].
    pub fn earlier(keys: &KeyRing, id: &str, tenant: &str) -> Result<Self, PrivacyError> {
        let subkey = |identifier_kind| keys.earlier_subkey(id, identifier_kind, tenant);
        let keyed = IdentifierKind::ALL
            .into_iter()
            .map(|identifier_kind| Ok(Keyed::new(&subkey(identifier_kind)?)));
        let keyed: Vec<Keyed> = keyed.collect::<Result<_, PrivacyError>>()?;
        let keyed = keyed.try_into().ok().expect("one for each kind");
        Ok(Self { key_id: id.to_owned(), keyed })
    }

    /// The id of the key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the pseudonym of an identifier; `None` if the value is not an identifier.
    pub fn of(&self, identifier_kind: IdentifierKind, value: &str) -> Option<String> {
        let (identifier_kind, canonical) = canonical(identifier_kind, value)?;
        let token = self.keyed[identifier_kind as usize].token(canonical.as_bytes());
        Some([PREFIX, &self.key_id, "-", &base32(&token)].concat())
    }
}

impl Keyed {
    pub(crate) fn new(subkey: &Subkey) -> Self {
        let hmac = Hmac::new_from_slice(subkey.bytes());
        Self(hmac.expect("HMAC takes keys of any length"))
    }

    /// The first 128 bits of the HMAC.
    pub(crate) fn token(&self, message: &[u8]) -> [u8; TOKEN_BYTES] {
        let mut hmac = self.0.clone();
        hmac.update(message);
        let whole = hmac.finalize().into_bytes();
        std::array::from_fn(|index| whole[index])
    }
}

/// Returns the token of a text in the ledger, such as a query, which may name a person: its HMAC
/// under the key that never changes. Without the key, a text cannot be tested against it.
pub fn ledger_token(keys: &KeyRing, tenant: &str, text: &str) -> String {
    let keyed = Keyed::new(&keys.subkey(Purpose::Ledger, tenant));
    format!("hmac-sha256-128:{}", HEXLOWER.encode(&keyed.token(text.as_bytes())))
}

/// Base32 (RFC 4648) in lower case and without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(bytes);
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(first: u8) -> KeyRing {
        KeyRing::new("2026-11-22T10:00:00Z", &[first; 64])
    }

    #[test]
    fn hmac_matches_the_vectors_of_rfc_4231() {
        let table: [(&[u8], &[u8], &str); 4] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in table {
            let mut hmac: Hmac<Sha256> = Hmac::new_from_slice(key).expect("any length");
            hmac.update(message);
            assert_eq!(HEXLOWER.encode(&hmac.finalize().into_bytes()), expected);
        }
    }

    #[test]
    fn base32_matches_the_vectors_of_rfc_4648() {
        for (bytes, expected) in
            [("", ""), ("f", "my"), ("foob", "mzxw6yq"), ("foobar", "mzxw6ytboi")]
        {
            assert_eq!(base32(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn a_pseudonym_is_a_legal_host_name() {
        let pseudonym =
            Pseudonyms::new(&ring(1), "acme.eu").of(IdentifierKind::DeviceName, "LON-LT-0042");
        let pseudonym = pseudonym.expect("not empty");
        assert_eq!(pseudonym.len(), "p1-".len() + 8 + 1 + 26);
        assert!(pseudonym.len() <= 63 && !pseudonym.ends_with('-'));
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(pseudonym.bytes().all(is_legal), "{pseudonym}");
    }

    #[test]
    fn all_spellings_of_a_name_have_one_pseudonym() {
        let pseudonyms = Pseudonyms::new(&ring(1), "acme.eu");
        let upn = pseudonyms.of(IdentifierKind::Address, "jane.doe@acme.example");
        assert!(upn.is_some());
        assert_eq!(pseudonyms.of(IdentifierKind::Address, " Jane.Doe@ACME.EXAMPLE"), upn);
        assert_eq!(pseudonyms.of(IdentifierKind::Login, "JANE.DOE@acme.example"), upn);
        assert_ne!(pseudonyms.of(IdentifierKind::PersonName, "jane.doe@acme.example"), upn);
        assert_eq!(pseudonyms.of(IdentifierKind::Address, "  "), None);
    }

    #[test]
    fn tenants_keys_and_kinds_share_no_pseudonym() {
        let mut rotated = ring(1);
        let first = rotated.active_id().to_owned();
        rotated.rotate("2026-12-01T10:00:00Z", &[9; 32]);
        let makers = [
            Pseudonyms::new(&ring(1), "acme.eu"),
            Pseudonyms::new(&ring(1), "acme.us"),
            Pseudonyms::new(&ring(1), "other.eu"),
            Pseudonyms::new(&ring(2), "acme.eu"),
            Pseudonyms::new(&rotated, "acme.eu"),
        ];
        let mut all = Vec::new();
        for maker in &makers {
            for identifier_kind in IdentifierKind::ALL
                .into_iter()
                .filter(|identifier_kind| *identifier_kind != IdentifierKind::Login)
            {
                all.extend(maker.of(identifier_kind, "jane.doe@acme.example"));
            }
        }
        let tokens = |pseudonym: &String| pseudonym.rsplit('-').next().map(str::to_owned);
        let mut tokens: Vec<_> = all.iter().filter_map(tokens).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), makers.len() * (IdentifierKind::ALL.len() - 1));
        let earlier = Pseudonyms::earlier(&rotated, &first, "acme.eu").expect("not retired");
        let value = "ACME\\jdoe";
        assert_eq!(
            earlier.of(IdentifierKind::Login, value),
            makers[0].of(IdentifierKind::Login, value)
        );
    }

    #[test]
    fn a_ledger_token_survives_a_rotation_and_differs_between_tenants() {
        let mut keys = ring(1);
        let token = ledger_token(&keys, "acme.eu", "select 1");
        keys.rotate("2026-12-01T10:00:00Z", &[9; 32]);
        assert_eq!(ledger_token(&keys, "acme.eu", "select 1"), token);
        for other in [
            ledger_token(&keys, "acme.us", "select 1"),
            ledger_token(&ring(2), "acme.eu", "select 1"),
            ledger_token(&keys, "acme.eu", "select 2"),
        ] {
            assert_ne!(other, token);
        }
    }

    /// Computed by another implementation (Python's hmac and hashlib). Changing them would separate
    /// every graph from earlier published data.
    #[test]
    fn known_answers() {
        let pseudonyms = Pseudonyms::new(&ring(1), "acme.eu");
        let table = [
            (IdentifierKind::Login, "ACME\\jdoe", "p1-bnapz2lc-n7nwdz2ddkcczzuxgvfknn2tdi"),
            (
                IdentifierKind::Address,
                "jane.doe@acme.example",
                "p1-bnapz2lc-4mtemyo745llhgo2fkpymsftyi",
            ),
            (
                IdentifierKind::Sid,
                "S-1-5-21-1004336348-1177238915-682003330-1103",
                "p1-bnapz2lc-hcsa4nhn3zjomtdcchdytudtcu",
            ),
            (
                IdentifierKind::DeviceUid,
                "0f3a7c1e-9d2b-4c55-8e11-2a7d1c0b9e44",
                "p1-bnapz2lc-mmsb46zjhdx22wku7uumpxtury",
            ),
        ];
        for (identifier_kind, value, expected) in table {
            assert_eq!(pseudonyms.of(identifier_kind, value).as_deref(), Some(expected), "{value}");
        }
    }
}
