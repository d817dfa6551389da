//! Who was erased, so that the next run does not bring them back: HMACs of their identifiers under a
//! key of their own, and no names.
//!
//! To keep this minimum is what an erasure needs to last. The list is a file of JSON, read and written
//! by the caller.

use core_model::column::Family;
use data_encoding::HEXLOWER;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::PrivacyError;
use crate::keys::{KeyRing, Purpose};
use crate::pseudonym::Keyed;
use crate::words::{phrases, readings, words};

/// The version of the list that this program writes, and the highest it reads.
const VERSION: u32 = 1;

/// How many words of texts are remembered: some megabytes.
const MAX_KNOWN_WORDS: usize = 1 << 16;

/// The list of those who were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionList {
    key_id: String,
    entries: Vec<Suppression>,
}

/// One identifier of somebody who was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// The erasure that it belongs to; one erasure has an entry for each identifier.
    pub erasure: String,
    /// What kind of identifier it is.
    pub family: FamilyName,
    /// Its HMAC, in hexadecimal.
    pub token: String,
    /// When it was suppressed, RFC 3339.
    pub since: String,
    /// Why, by the word that the operator gave; no name belongs here.
    pub reason: String,
}

/// A family, by its name in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FamilyName(pub Family);

/// What one erasure says of each of its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure<'a> {
    /// Its id.
    pub id: &'a str,
    /// When it was asked for, RFC 3339.
    pub since: &'a str,
    /// Why, in a word; no name belongs here.
    pub reason: &'a str,
}

/// Knows those who were erased by their identifiers.
#[derive(Clone, Default)]
pub struct Suppressions {
    keyed: Vec<KeyedFamily>,
    tokens: FxHashSet<(Family, [u8; 16])>,
    /// The families of the tokens, a bit each.
    families: u16,
}

/// The words that were looked at, with whether each names somebody: texts repeat most of theirs.
#[derive(Default)]
pub struct KnownWords(FxHashMap<String, bool>);

/// The HMAC of a family, kept only while somebody is suppressed.
#[derive(Clone)]
struct KeyedFamily(std::sync::Arc<Keyed>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFile {
    version: u32,
    key: String,
    entries: Vec<Suppression>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

impl SuppressionList {
    /// A list without entries, for the lasting key.
    pub fn new(keys: &KeyRing) -> SuppressionList {
        SuppressionList { key_id: keys.lasting_id().to_owned(), entries: Vec::new() }
    }

    /// Reads a list.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::SuppressionList`], [`PrivacyError::NewerVersion`].
    pub fn parse(text: &str) -> Result<SuppressionList, PrivacyError> {
        let broken = |reason| PrivacyError::SuppressionList { reason };
        let no_list = |_| broken("it has not the form of one");
        let Version { version } = serde_json::from_str(text).map_err(no_list)?;
        if version > VERSION {
            return Err(PrivacyError::NewerVersion {
                what: "list of suppressions",
                found: version,
                known: VERSION,
            });
        }
        let file: ListFile = serde_json::from_str(text).map_err(no_list)?;
        if file.entries.iter().any(|it| token_of(&it.token).is_none()) {
            return Err(broken("an entry has no HMAC of 128 bits"));
        }
        Ok(SuppressionList { key_id: file.key, entries: file.entries })
    }

    /// The text of the list.
    pub fn to_text(&self) -> String {
        let (key, entries) = (self.key_id.clone(), self.entries.clone());
        let file = ListFile { version: VERSION, key, entries };
        serde_json::to_string_pretty(&file).expect("texts and numbers are JSON") + "\n"
    }

    /// All entries, the oldest first.
    pub fn entries(&self) -> &[Suppression] {
        &self.entries
    }

    /// Adds the identifiers of one person or device, each once; how many are new.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`].
    pub fn suppress<'a>(
        &mut self,
        keys: &KeyRing,
        tenant: &str,
        erasure: Erasure<'_>,
        identifiers: impl IntoIterator<Item = (Family, &'a str)>,
    ) -> Result<usize, PrivacyError> {
        self.check_key(keys)?;
        let before = self.entries.len();
        for (family, value) in identifiers {
            let Some((family, canonical)) = canonical(family, value) else { continue };
            let keyed = Keyed::new(&keys.subkey(Purpose::Suppression(family), tenant));
            let token = HEXLOWER.encode(&keyed.token(canonical.as_bytes()));
            if !self.entries.iter().any(|it| it.family.0 == family && it.token == token) {
                self.entries.push(Suppression {
                    erasure: erasure.id.to_owned(),
                    family: FamilyName(family),
                    token,
                    since: erasure.since.to_owned(),
                    reason: erasure.reason.to_owned(),
                });
            }
        }
        Ok(self.entries.len() - before)
    }

    /// Takes over the entries of a copy that are not here, so that an older list brings nobody back;
    /// how many there were.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`] when the copy was made under another key.
    pub fn merge(&mut self, copy: SuppressionList) -> Result<usize, PrivacyError> {
        if copy.key_id != self.key_id {
            let (found, expected) = (copy.key_id, self.key_id.clone());
            return Err(PrivacyError::OtherSuppressionKey { found, expected });
        }
        let before = self.entries.len();
        for entry in copy.entries {
            if !self.entries.contains(&entry) {
                self.entries.push(entry);
            }
        }
        Ok(self.entries.len() - before)
    }

    /// Lifts all entries of an erasure, so that the next run reads that person again; how many there
    /// were.
    pub fn lift(&mut self, erasure: &str) -> usize {
        let before = self.entries.len();
        self.entries.retain(|it| it.erasure != erasure);
        before - self.entries.len()
    }

    /// What knows the suppressed while rows are read.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`].
    pub fn matcher(&self, keys: &KeyRing, tenant: &str) -> Result<Suppressions, PrivacyError> {
        self.check_key(keys)?;
        if self.entries.is_empty() {
            return Ok(Suppressions::default());
        }
        let subkey = |family| keys.subkey(Purpose::Suppression(family), tenant);
        let keyed = Family::ALL.map(|it| KeyedFamily(Keyed::new(&subkey(it)).into()));
        let tokens = self.entries.iter().filter_map(|it| Some((it.family.0, token_of(&it.token)?)));
        let tokens: FxHashSet<_> = tokens.collect();
        let families = tokens.iter().fold(0, |all, (family, _)| all | bit(*family));
        Ok(Suppressions { keyed: keyed.to_vec(), tokens, families })
    }

    fn check_key(&self, keys: &KeyRing) -> Result<(), PrivacyError> {
        if self.key_id == keys.lasting_id() {
            return Ok(());
        }
        let (found, expected) = (self.key_id.clone(), keys.lasting_id().to_owned());
        Err(PrivacyError::OtherSuppressionKey { found, expected })
    }
}

impl Suppressions {
    /// Whether nobody is suppressed.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether an identifier, or the pseudonym in its place, is that of somebody who was erased.
    pub fn has(&self, family: Family, value: &str) -> bool {
        if !self.may_have(family) {
            return false;
        }
        self.token(family, value).is_some_and(|it| self.tokens.contains(&it))
    }

    /// Whether a text names somebody who was erased: an identifier is all of it or one of its words, in
    /// clear or encoded. `known` remembers the words, and belongs to these suppressions alone.
    pub fn are_named_in(&self, text: &str, known: &mut KnownWords) -> bool {
        if self.is_empty() {
            return false;
        }
        let is_suppressed = |word: &str| Family::ALL.iter().any(|it| self.has(*it, word));
        let is_named =
            |word: &str| is_suppressed(word) || readings(word).iter().any(|it| is_suppressed(it));
        is_suppressed(text)
            || phrases(text).any(is_suppressed)
            || words(text).any(|word| known.is_named(word, is_named))
    }

    /// Whether anybody is suppressed by an identifier of this family: an HMAC costs more than to look.
    fn may_have(&self, family: Family) -> bool {
        // A login name may have the form of an address.
        let as_address = family == Family::Login && self.families & bit(Family::Address) != 0;
        as_address || self.families & bit(family) != 0
    }

    /// Suppresses an identifier for the rest of a run: the uid of somebody who was known by the name.
    /// Returns whether it was not.
    pub fn add(&mut self, family: Family, value: &str) -> bool {
        let Some(token) = self.token(family, value) else { return false };
        self.families |= bit(token.0);
        self.tokens.insert(token)
    }

    fn token(&self, family: Family, value: &str) -> Option<(Family, [u8; 16])> {
        if self.keyed.is_empty() {
            return None;
        }
        let (family, canonical) = canonical(family, value)?;
        let KeyedFamily(keyed) = &self.keyed[family as usize];
        Some((family, keyed.token(canonical.as_bytes())))
    }
}

impl KnownWords {
    fn is_named(&mut self, word: &str, find_out: impl Fn(&str) -> bool) -> bool {
        if let Some(known) = self.0.get(word) {
            return *known;
        }
        if self.0.len() >= MAX_KNOWN_WORDS {
            self.0.clear();
        }
        let is_named = find_out(word);
        self.0.insert(word.to_owned(), is_named);
        is_named
    }
}

impl TryFrom<String> for FamilyName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<FamilyName, &'static str> {
        Family::of_name(&name).map(FamilyName).ok_or("no family of identifiers has this name")
    }
}

impl From<FamilyName> for String {
    fn from(family: FamilyName) -> String {
        family.0.name().to_owned()
    }
}

fn bit(family: Family) -> u16 {
    1 << family as u16
}

fn token_of(text: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pseudonym::Pseudonyms;

    const ERASURE: Erasure<'_> =
        Erasure { id: "e-1", since: "2026-11-22T10:00:00Z", reason: "request" };

    fn ring(first: u8) -> KeyRing {
        KeyRing::new("2026-11-22T10:00:00Z", &[first; 64])
    }

    fn of_jane(keys: &KeyRing) -> SuppressionList {
        let mut list = SuppressionList::new(keys);
        let jane = [
            (Family::Address, "jane.doe@acme.example"),
            (Family::UserUid, "u-1"),
            (Family::Sid, " "),
        ];
        assert_eq!(list.suppress(keys, "acme.eu", ERASURE, jane), Ok(2));
        list
    }

    #[test]
    fn somebody_who_was_erased_is_known_by_any_identifier() {
        let keys = ring(1);
        let known = of_jane(&keys).matcher(&keys, "acme.eu").expect("the same key");
        let table = [
            (Family::Address, "Jane.Doe@acme.example", true),
            (Family::Login, "JANE.DOE@acme.example", true),
            (Family::UserUid, "u-1", true),
            (Family::UserUid, "u-2", false),
            (Family::DeviceUid, "u-1", false),
            (Family::Sid, "", false),
        ];
        for (family, value, expected) in table {
            assert_eq!(known.has(family, value), expected, "{value}");
        }
        let elsewhere = of_jane(&keys).matcher(&keys, "acme.us").expect("the same key");
        assert!(!elsewhere.has(Family::UserUid, "u-1"));
    }

    #[test]
    fn a_list_is_read_as_it_was_written_and_has_no_name() {
        let keys = ring(1);
        let list = of_jane(&keys);
        let text = list.to_text();
        assert_eq!(SuppressionList::parse(&text), Ok(list));
        assert!(!text.contains("jane") && !text.contains("u-1"), "{text}");
        let pseudonym = Pseudonyms::new(&keys, "acme.eu").of(Family::UserUid, "u-1");
        let token =
            pseudonym.as_deref().and_then(|it| it.rsplit('-').next()).expect("there is one");
        assert!(!text.contains(token), "a pseudonym must not lead to the suppressed");
    }

    #[test]
    fn a_list_holds_each_identifier_once_and_survives_a_rotation() {
        let mut keys = ring(1);
        let mut list = of_jane(&keys);
        keys.rotate("2026-12-01T10:00:00Z", &[9; 32]);
        let again = [(Family::Address, "JANE.DOE@ACME.EXAMPLE"), (Family::UserUid, "u-7")];
        let erasure = Erasure { id: "e-2", ..ERASURE };
        assert_eq!(list.suppress(&keys, "acme.eu", erasure, again), Ok(1));
        assert!(list.matcher(&keys, "acme.eu").expect("lasting").has(Family::UserUid, "u-1"));
        assert_eq!((list.lift("e-1"), list.entries().len()), (2, 1));
        assert!(!list.matcher(&keys, "acme.eu").expect("lasting").has(Family::UserUid, "u-1"));
    }

    #[test]
    fn the_list_of_another_key_is_refused_rather_than_useless() {
        let list = of_jane(&ring(1));
        let other = ring(2);
        let refused = list.matcher(&other, "acme.eu").err();
        assert!(matches!(refused, Some(PrivacyError::OtherSuppressionKey { .. })));
        assert!(list.clone().suppress(&other, "acme.eu", ERASURE, []).is_err());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let text = of_jane(&ring(1)).to_text();
        let table = [
            String::new(),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("user-uid", "unknown"),
            text.replacen("\"token\": \"", "\"token\": \"00", 1),
        ];
        for text in table {
            assert!(SuppressionList::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_is_searched_word_by_word_in_clear_and_encoded() {
        let keys = ring(1);
        let mut list = of_jane(&keys);
        let login = [(Family::Login, "ACME\\jdoe")];
        list.suppress(&keys, "acme.eu", ERASURE, login).expect("the same key");
        let known = list.matcher(&keys, "acme.eu").expect("the same key");
        let table = [
            ("a call from <Jane.Doe@acme.example>.", true),
            ("{\"user\":\"ACME\\\\jdoe\"}", true),
            ("user=acme\\jdoe;host=x", true),
            ("mail%3A jane.doe%40acme.example", true),
            ("token amFuZS5kb2VAYWNtZS5leGFtcGxl was used", true),
            ("nobody@acme.example and jdoe", false),
            ("", false),
        ];
        let mut words = KnownWords::default();
        for (text, expected) in table.into_iter().chain(table) {
            assert_eq!(known.are_named_in(text, &mut words), expected, "{text}");
        }
    }

    #[test]
    fn a_uid_that_a_run_comes_upon_is_suppressed_for_the_rest_of_it() {
        let keys = ring(1);
        let mut known = of_jane(&keys).matcher(&keys, "acme.eu").expect("the same key");
        known.add(Family::UserUid, "u-99");
        assert!(known.has(Family::UserUid, "u-99"));
        let mut nobody = Suppressions::default();
        nobody.add(Family::UserUid, "u-99");
        assert!(nobody.is_empty() && !nobody.has(Family::UserUid, "u-99"));
    }
}
