//! The keys of an installation: one that makes pseudonyms, those that made earlier ones, and one
//! that never changes, for suppressions and the ledger.
//!
//! No key encrypts or authenticates anything directly. Each use has its own subkey, derived by
//! HKDF-SHA-256 (RFC 5869) from the purpose, the tenant and the kind of identifier, so that two
//! tenants never share a pseudonym and a disclosure for one purpose is useless for another.

use core_model::column::IdentifierKind;
use data_encoding::HEXLOWER_PERMISSIVE;
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::PrivacyError;
use crate::pseudonym::base32;

/// The version of the key file that this program writes, and the highest it reads.
const VERSION: u32 = 1;

/// The prefix of every derivation. It must never change, because every pseudonym would change with
/// it.
const CONTEXT: &str = "nexthink-graph/1";

/// The length of a key and of a subkey, in bytes.
pub const KEY_BYTES: usize = 32;

/// The number of random bytes for a new key ring.
pub const NEW_RING_BYTES: usize = 2 * KEY_BYTES;

/// All keys of an installation. Its `Debug` shows nothing of them, and they are wiped when it is
/// dropped.
pub struct KeyRing {
    /// The key of everything that must survive each rotation: suppressions, the ledger.
    lasting: Key,
    /// The keys of pseudonyms, the oldest first. Invariant: the last one is active and has its
    /// secret.
    pseudonym: Vec<Key>,
}

/// One key.
struct Key {
    id: String,
    created: String,
    /// `None` once the key is retired.
    secret: Option<Zeroizing<[u8; KEY_BYTES]>>,
}

/// The description of a key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription<'a> {
    /// The id, which is part of every pseudonym that the key makes.
    pub id: &'a str,
    /// The time of its creation, RFC 3339, according to the caller.
    pub created: &'a str,
    /// Its state.
    pub state: KeyState,
}

/// The state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It makes the pseudonyms.
    Active,
    /// It made earlier pseudonyms, and can make them again to find a person in older data.
    Earlier,
    /// Its secret was erased, so its pseudonyms cannot be made again.
    Retired,
    /// It identifies suppressed people and seals the ledger. It is never rotated.
    Lasting,
}

impl KeyState {
    /// Its name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Earlier => "earlier",
            Self::Retired => "retired",
            Self::Lasting => "lasting",
        }
    }
}

/// The purpose of a subkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Pseudonyms of one kind of identifier.
    Pseudonym(IdentifierKind),
    /// Suppressions of one kind of identifier.
    Suppression(IdentifierKind),
    /// The ledger of what was done with the data.
    Ledger,
}

/// A key for one purpose and one tenant. Its `Debug` shows nothing, and it is wiped when it is
/// dropped.
pub struct Subkey(Zeroizing<[u8; KEY_BYTES]>);

/// The key file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    lasting: KeyEntry,
    pseudonym: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: String,
    created: String,
    /// In hexadecimal; null once the key is retired.
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl KeyRing {
    /// Makes a new ring from random bytes, which the caller wipes.
    pub fn new(created: &str, random: &[u8; NEW_RING_BYTES]) -> Self {
        let (lasting, pseudonym) = random.split_at(KEY_BYTES);
        let half = |bytes: &[u8]| Zeroizing::new(bytes.try_into().expect("half of the bytes"));
        Self {
            lasting: Key::new(created, half(lasting)),
            pseudonym: vec![Key::new(created, half(pseudonym))],
        }
    }

    /// Parses a key file.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::KeyFile`] if it is damaged, and [`PrivacyError::NewerVersion`].
    pub fn parse(text: &str) -> Result<Self, PrivacyError> {
        // The parser's error could show the secret at which it failed.
        let broken = |_| PrivacyError::KeyFile { reason: "it has not the form of one" };
        let Version { version } = serde_json::from_str(text).map_err(broken)?;
        if version > VERSION {
            return Err(PrivacyError::NewerVersion {
                what: "key file",
                found: version,
                known: VERSION,
            });
        }
        let file: KeyFile = serde_json::from_str(text).map_err(broken)?;
        let lasting = Key::read(file.lasting)?;
        let entries = file.pseudonym.into_iter();
        let pseudonym = entries.map(Key::read).collect::<Result<Vec<_>, _>>()?;
        let is_usable = |key: Option<&Key>| key.is_some_and(|key| key.secret.is_some());
        if !is_usable(Some(&lasting)) || !is_usable(pseudonym.last()) {
            return Err(PrivacyError::KeyFile { reason: "a key that is in use has no secret" });
        }
        Ok(Self { lasting, pseudonym })
    }

    /// Returns the text of the key file, which only its owner may be able to read.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut file = KeyFile {
            version: VERSION,
            lasting: self.lasting.entry(),
            pseudonym: self.pseudonym.iter().map(Key::entry).collect(),
        };
        let text = serde_json::to_string_pretty(&file).expect("texts and numbers are JSON");
        for entry in file.pseudonym.iter_mut().chain([&mut file.lasting]) {
            entry.secret.zeroize();
        }
        Zeroizing::new(text + "\n")
    }

    /// The id of the key that makes the pseudonyms.
    pub fn active_id(&self) -> &str {
        &self.active().id
    }

    /// The id of the key that identifies suppressed people.
    pub fn lasting_id(&self) -> &str {
        &self.lasting.id
    }

    /// All keys without their secrets, the oldest first, the lasting one last.
    pub fn describe(&self) -> Vec<KeyDescription<'_>> {
        let state = |key: &Key| match key.secret {
            None => KeyState::Retired,
            Some(_) if key.id == self.active().id => KeyState::Active,
            Some(_) => KeyState::Earlier,
        };
        let pseudonym = self.pseudonym.iter().map(|key| key.describe(state(key)));
        pseudonym.chain([self.lasting.describe(KeyState::Lasting)]).collect()
    }

    /// Makes a new key the active one. The earlier keys stay until they are retired.
    pub fn rotate(&mut self, created: &str, random: &[u8; KEY_BYTES]) -> &str {
        self.pseudonym.push(Key::new(created, Zeroizing::new(*random)));
        self.active_id()
    }

    /// Erases the secret of an earlier key: its pseudonyms cannot be made again.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::UnknownKey`], [`PrivacyError::KeyInUse`].
    pub fn retire(&mut self, id: &str) -> Result<(), PrivacyError> {
        if id == self.active().id || id == self.lasting.id {
            return Err(PrivacyError::KeyInUse { id: id.to_owned() });
        }
        let unknown = || PrivacyError::UnknownKey { id: id.to_owned() };
        let key = self.pseudonym.iter_mut().find(|key| key.id == id).ok_or_else(unknown)?;
        key.secret = None;
        Ok(())
    }

    /// Derives a subkey of the active key, or for suppressions and the ledger of the lasting key.
    /// `tenant` is the unique name of the tenant, including its region.
    pub fn subkey(&self, purpose: Purpose, tenant: &str) -> Subkey {
        let key = match purpose {
            Purpose::Pseudonym(_) => self.active(),
            Purpose::Suppression(_) | Purpose::Ledger => &self.lasting,
        };
        let secret = key.secret.as_deref().expect("a key in use has its secret");
        Subkey::derive(secret, purpose, tenant)
    }

    /// Derives a subkey for the pseudonyms of an earlier key, to find a person in older data.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::UnknownKey`], [`PrivacyError::RetiredKey`].
    pub fn earlier_subkey(
        &self,
        id: &str,
        identifier_kind: IdentifierKind,
        tenant: &str,
    ) -> Result<Subkey, PrivacyError> {
        let unknown = || PrivacyError::UnknownKey { id: id.to_owned() };
        let key = self.pseudonym.iter().find(|key| key.id == id).ok_or_else(unknown)?;
        let retired = || PrivacyError::RetiredKey { id: id.to_owned() };
        let secret = key.secret.as_deref().ok_or_else(retired)?;
        Ok(Subkey::derive(secret, Purpose::Pseudonym(identifier_kind), tenant))
    }

    fn active(&self) -> &Key {
        self.pseudonym.last().expect("a ring has an active key")
    }
}

impl Key {
    fn new(created: &str, secret: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { id: id_of(&secret), created: created.to_owned(), secret: Some(secret) }
    }

    fn read(entry: KeyEntry) -> Result<Self, PrivacyError> {
        let KeyEntry { id, created, secret } = entry;
        let Some(secret) = secret.map(Zeroizing::new) else {
            return Ok(Self { id, created, secret: None });
        };
        let broken = |reason| PrivacyError::KeyFile { reason };
        let bytes = HEXLOWER_PERMISSIVE.decode(secret.as_bytes());
        let bytes = Zeroizing::new(bytes.map_err(|_| broken("a secret is not hexadecimal"))?);
        let bytes: [u8; KEY_BYTES] =
            bytes.as_slice().try_into().map_err(|_| broken("a secret has not 32 bytes"))?;
        let secret = Zeroizing::new(bytes);
        // The id derives from the secret, so a single changed digit is noticed before it does harm.
        if id_of(&secret) != id {
            return Err(broken("an id does not belong to its secret"));
        }
        Ok(Self { id, created, secret: Some(secret) })
    }

    fn entry(&self) -> KeyEntry {
        let secret = self.secret.as_deref().map(|secret| HEXLOWER_PERMISSIVE.encode(secret));
        KeyEntry { id: self.id.clone(), created: self.created.clone(), secret }
    }

    fn describe(&self, state: KeyState) -> KeyDescription<'_> {
        KeyDescription { id: &self.id, created: &self.created, state }
    }
}

impl Subkey {
    fn derive(secret: &[u8; KEY_BYTES], purpose: Purpose, tenant: &str) -> Self {
        let (purpose, identifier_kind) = match purpose {
            Purpose::Pseudonym(identifier_kind) => ("pseudonym", identifier_kind.name()),
            Purpose::Suppression(identifier_kind) => ("suppression", identifier_kind.name()),
            Purpose::Ledger => ("ledger", ""),
        };
        Self(expand(secret, &[CONTEXT, purpose, tenant, identifier_kind]))
    }

    /// The bytes of the key, for an HMAC.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

/// The id of a key: it reveals nothing of the key, and no other key has it.
fn id_of(secret: &[u8; KEY_BYTES]) -> String {
    let id = expand(secret, &[CONTEXT, "id"]);
    base32(&id[..5])
}

/// HKDF-SHA-256 without salt, since the keys are random. Each part of the context ends with a NUL,
/// which none of them contains.
fn expand(secret: &[u8; KEY_BYTES], context: &[&str]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut info = String::new();
    for part in context {
        debug_assert!(!part.contains('\0'));
        info.push_str(part);
        info.push('\0');
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(info.as_bytes(), key.as_mut_slice());
    expanded.expect("32 bytes are fewer than HKDF can give");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new("2026-11-22T10:00:00Z", &std::array::from_fn(|index| index.to_le_bytes()[0]))
    }

    #[test]
    fn hkdf_matches_the_first_vector_of_rfc_5869() {
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let mut key = [0; 42];
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22]);
        hkdf.expand(&info, &mut key).expect("42 bytes");
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b\
                        887185865";
        assert_eq!(HEXLOWER_PERMISSIVE.encode(&key), expected);
    }

    #[test]
    fn hkdf_matches_the_third_vector_of_rfc_5869_without_salt_or_context() {
        let mut key = [0; 42];
        let hkdf = Hkdf::<Sha256>::new(None, &[0x0b; 22]);
        hkdf.expand(&[], &mut key).expect("42 bytes");
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa\
                        4b61a96c8";
        assert_eq!(HEXLOWER_PERMISSIVE.encode(&key), expected);
    }

    #[test]
    fn a_key_file_round_trips() {
        let mut ring = ring();
        let first = ring.active_id().to_owned();
        ring.rotate("2026-12-01T10:00:00Z", &[7; KEY_BYTES]);
        ring.retire(&first).expect("it is not active any more");
        let again = KeyRing::parse(&ring.to_text()).expect("it was written just now");
        assert_eq!(again.describe(), ring.describe());
        let states: Vec<KeyState> = again.describe().iter().map(|key| key.state).collect();
        assert_eq!(states, [KeyState::Retired, KeyState::Active, KeyState::Lasting]);
        let purpose = Purpose::Pseudonym(IdentifierKind::Sid);
        assert_eq!(
            again.subkey(purpose, "acme.eu").bytes(),
            ring.subkey(purpose, "acme.eu").bytes()
        );
    }

    #[test]
    fn every_purpose_kind_tenant_and_key_has_its_own_subkey() {
        let mut ring = ring();
        let mut subkeys = Vec::new();
        for _ in 0..2 {
            for tenant in ["acme.eu", "acme.us"] {
                for identifier_kind in IdentifierKind::ALL {
                    subkeys.push(*ring.subkey(Purpose::Pseudonym(identifier_kind), tenant).bytes());
                }
            }
            ring.rotate("2026-12-01T10:00:00Z", &[7; KEY_BYTES]);
        }
        for tenant in ["acme.eu", "acme.us"] {
            subkeys.push(*ring.subkey(Purpose::Ledger, tenant).bytes());
            for identifier_kind in IdentifierKind::ALL {
                subkeys.push(*ring.subkey(Purpose::Suppression(identifier_kind), tenant).bytes());
            }
        }
        let all = subkeys.len();
        subkeys.sort_unstable();
        subkeys.dedup();
        assert_eq!((subkeys.len(), all), (all, 4 * 10 + 2 * 11));
    }

    #[test]
    fn a_rotation_does_not_change_the_suppressions() {
        let mut ring = ring();
        let purpose = Purpose::Suppression(IdentifierKind::UserUid);
        let before = *ring.subkey(purpose, "acme.eu").bytes();
        ring.rotate("2026-12-01T10:00:00Z", &[7; KEY_BYTES]);
        assert_eq!(*ring.subkey(purpose, "acme.eu").bytes(), before);
    }

    #[test]
    fn an_earlier_key_makes_its_pseudonyms_until_it_is_retired() {
        let mut ring = ring();
        let first = ring.active_id().to_owned();
        let before = *ring.subkey(Purpose::Pseudonym(IdentifierKind::Sid), "acme.eu").bytes();
        assert_eq!(ring.retire(&first), Err(PrivacyError::KeyInUse { id: first.clone() }));
        ring.rotate("2026-12-01T10:00:00Z", &[7; KEY_BYTES]);
        let earlier =
            ring.earlier_subkey(&first, IdentifierKind::Sid, "acme.eu").expect("not retired");
        assert_eq!(*earlier.bytes(), before);
        ring.retire(&first).expect("another one is active");
        let gone = ring.earlier_subkey(&first, IdentifierKind::Sid, "acme.eu").err();
        assert_eq!(gone, Some(PrivacyError::RetiredKey { id: first.clone() }));
        assert!(!ring.to_text().contains("20212223"), "the secret is in the file no more");
    }

    #[test]
    fn a_damaged_key_file_is_rejected_without_showing_its_content() {
        let text = ring().to_text();
        let secret =
            HEXLOWER_PERMISSIVE.encode(&ring().pseudonym[0].secret.as_deref().expect("new")[..]);
        let damaged = [
            text.replace(&secret[..2], "ff"),
            text.replace(&secret, &secret[2..]),
            text.replace(&secret, "no hexadecimal"),
            text.replace(&format!("\"{secret}\""), "null"),
            text.replace("\"version\": 1", "\"version\": 2"),
            text[..text.len() / 2].to_owned(),
            String::new(),
        ];
        for damaged in damaged {
            let error = KeyRing::parse(&damaged).err().expect("it is damaged").to_string();
            assert!(!error.contains(&secret[..8]), "{error}");
        }
    }
}
