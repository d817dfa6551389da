//! The suppression list: the erased people, so that the next run does not read them again. It has
//! HMACs of their identifiers under their own key, and no names.
//!
//! This minimum is necessary to make an erasure last. The list is a JSON file, read and written by
//! the caller. [`crate::reuse`] has the rule for reused identifiers.

use std::collections::BTreeSet;

use core_model::column::IdentifierKind;
use data_encoding::HEXLOWER;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::PrivacyError;
use crate::keys::{KeyRing, Purpose};
use crate::mentions::{Position, each_mention};
use crate::pseudonym::{Keyed, PREFIX};
use crate::reuse::{IdentifierKinds, is_lasting, is_reusable, proves_another_owner};

/// The version of the list that this program writes, and the highest it reads.
const VERSION: u32 = 2;

/// The number of cached mentions per kind: some megabytes.
const MAX_CACHED_MENTIONS: usize = 1 << 14;

/// The list of the erased people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressionList {
    key_id: String,
    entries: Vec<Suppression>,
}

/// One identifier of an erased person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// The erasure that it belongs to; an erasure has an entry for each identifier.
    pub erasure: String,
    /// The kind of the identifier.
    #[serde(rename = "family")]
    pub identifier_kind: IdentifierKindName,
    /// The HMAC of the identifier, in hexadecimal.
    pub token: String,
    /// The time of the suppression, RFC 3339.
    pub since: String,
    /// The operator's reason, in a word; it must not contain a name.
    pub reason: String,
    /// The kinds of lasting identifiers that distinguish the owner from a successor; empty for a
    /// lasting identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner_has: Vec<IdentifierKindName>,
}

/// A kind, by its name in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdentifierKindName(pub IdentifierKind);

/// The properties that all entries of an erasure share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure<'a> {
    /// The id.
    pub id: &'a str,
    /// The time of the request, RFC 3339.
    pub since: &'a str,
    /// The reason, in a word; it must not contain a name.
    pub reason: &'a str,
}

/// Recognizes erased people by their identifiers.
#[derive(Clone, Default)]
pub struct Suppressions {
    keyed: Vec<KeyedKind>,
    /// The suppressed identifiers, each with the kinds that distinguish its owner from a
    /// successor.
    tokens: FxHashMap<(IdentifierKind, [u8; 16]), IdentifierKinds>,
    /// The kinds of the tokens.
    identifier_kinds: IdentifierKinds,
}

/// A cache of mentions, each with the result: texts repeat most of theirs. It belongs to one state
/// of the suppressions.
#[derive(Default)]
pub struct MentionCache([FxHashMap<String, bool>; IdentifierKind::ALL.len()]);

/// The HMAC of a kind, kept only while the list has entries.
#[derive(Clone)]
struct KeyedKind(std::sync::Arc<Keyed>);

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
    /// Makes an empty list for the lasting key.
    pub fn new(keys: &KeyRing) -> Self {
        Self { key_id: keys.lasting_id().to_owned(), entries: Vec::new() }
    }

    /// Parses a list.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::SuppressionList`], [`PrivacyError::NewerVersion`].
    pub fn parse(text: &str) -> Result<Self, PrivacyError> {
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
        if file.entries.iter().any(|entry| token_of(&entry.token).is_none()) {
            return Err(broken("an entry has no HMAC of 128 bits"));
        }
        Ok(Self { key_id: file.key, entries: file.entries })
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

    /// Adds the identifiers of one person or device and returns the number of new ones. Identifiers
    /// that are already suppressed permanently are not new.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`].
    pub fn suppress<'a>(
        &mut self,
        keys: &KeyRing,
        tenant: &str,
        erasure: Erasure<'_>,
        identifiers: impl IntoIterator<Item = (IdentifierKind, &'a str)>,
    ) -> Result<usize, PrivacyError> {
        self.check_key(keys)?;
        let before = self.entries.len();
        let identifiers = identifiers.into_iter();
        let identifiers: Vec<_> = identifiers
            .filter_map(|(identifier_kind, text)| canonical(identifier_kind, text))
            .collect();
        let owner_has = lasting_in_clear(&identifiers);
        for (identifier_kind, canonical) in identifiers {
            let keyed = Keyed::new(&keys.subkey(Purpose::Suppression(identifier_kind), tenant));
            let token = HEXLOWER.encode(&keyed.token(canonical.as_bytes()));
            // An entry that expires is renewed. One of another erasure may be lifted with that.
            let is_known = |entry: &Suppression| {
                entry.erasure == erasure.id
                    && entry.identifier_kind.0 == identifier_kind
                    && entry.token == token
                    && entry.owner_has.is_empty()
            };
            if !self.entries.iter().any(is_known) {
                self.entries.push(Suppression {
                    erasure: erasure.id.to_owned(),
                    identifier_kind: IdentifierKindName(identifier_kind),
                    token,
                    since: erasure.since.to_owned(),
                    reason: erasure.reason.to_owned(),
                    owner_has: if is_lasting(identifier_kind) {
                        Vec::new()
                    } else {
                        owner_has.clone()
                    },
                });
            }
        }
        Ok(self.entries.len() - before)
    }

    /// Adds the missing entries of a copy, so that an older list cannot bring an erased person
    /// back, and returns their number.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`] if the copy was made under another key.
    pub fn merge(&mut self, copy: Self) -> Result<usize, PrivacyError> {
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

    /// Removes all entries of an erasure, so that the next run reads that person again, and returns
    /// their number.
    pub fn lift(&mut self, erasure: &str) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.erasure != erasure);
        before - self.entries.len()
    }

    /// Returns the entries for a search by some erasures: theirs, and the permanent ones of others.
    /// A reusable identifier of another erasure may have a new owner by now.
    #[must_use]
    pub fn of_erasures(&self, erasures: &BTreeSet<String>) -> Self {
        let belongs =
            |entry: &&Suppression| entry.owner_has.is_empty() || erasures.contains(&entry.erasure);
        let entries = self.entries.iter().filter(belongs).cloned().collect();
        Self { key_id: self.key_id.clone(), entries }
    }

    /// Makes the matcher for rows. A reusable identifier whose owner is known by a lasting one
    /// counts only if it was suppressed after `reusable_from` (RFC 3339, UTC).
    ///
    /// # Errors
    ///
    /// [`PrivacyError::OtherSuppressionKey`].
    pub fn matcher(
        &self,
        keys: &KeyRing,
        tenant: &str,
        reusable_from: &str,
    ) -> Result<Suppressions, PrivacyError> {
        self.check_key(keys)?;
        if self.entries.is_empty() {
            return Ok(Suppressions::default());
        }
        let subkey = |identifier_kind| keys.subkey(Purpose::Suppression(identifier_kind), tenant);
        let keyed = IdentifierKind::ALL
            .map(|identifier_kind| KeyedKind(Keyed::new(&subkey(identifier_kind)).into()));
        let mut suppressions = Suppressions { keyed: keyed.to_vec(), ..Suppressions::default() };
        // Times in the same form compare like texts.
        let is_in_force = |entry: &&Suppression| {
            entry.owner_has.is_empty() || entry.since.as_str() >= reusable_from
        };
        for entry in self.entries.iter().filter(is_in_force) {
            let Some(token) = token_of(&entry.token) else { continue };
            let identifier_kind = entry.identifier_kind.0;
            let owner_has = entry.owner_has.iter().map(|identifier_kind| identifier_kind.0);
            let owner_has =
                owner_has.filter(|lasting| proves_another_owner(identifier_kind, *lasting));
            suppressions.insert((identifier_kind, token), IdentifierKinds::new(owner_has));
        }
        Ok(suppressions)
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
    /// Returns true if no identifier is suppressed.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns true if an identifier, or its pseudonym, belongs to an erased person.
    pub fn has(&self, identifier_kind: IdentifierKind, value: &str) -> bool {
        self.find(identifier_kind, value).is_some()
    }

    /// Finds an identifier of an erased person. A row with it belongs to another person if it also
    /// has another identifier of one of the returned kinds; see [`crate::reuse`].
    pub fn find(&self, identifier_kind: IdentifierKind, value: &str) -> Option<IdentifierKinds> {
        if !self.may_have(identifier_kind) {
            return None;
        }
        self.tokens.get(&self.token(identifier_kind, value)?).copied()
    }

    /// Returns true if a row has an identifier of an erased person that belongs to another person
    /// now.
    pub fn has_next_owner<'a>(
        &self,
        row: impl Iterator<Item = (IdentifierKind, &'a str)> + Clone,
    ) -> bool {
        row.clone().any(|(identifier_kind, text)| self.has(identifier_kind, text))
            && !self.has_row(row)
    }

    /// Returns true if the identifiers of one row, a kind and a value each, belong to an erased
    /// person.
    pub fn has_row<'a>(
        &self,
        row: impl Iterator<Item = (IdentifierKind, &'a str)> + Clone,
    ) -> bool {
        let mut unless = row
            .clone()
            .filter_map(|(identifier_kind, text)| self.find(identifier_kind, text))
            .peekable();
        unless.peek().is_some() && {
            let is_other = |identifier: &(IdentifierKind, &str)| {
                is_lasting(identifier.0)
                    && !identifier.1.trim().is_empty()
                    && !self.has(identifier.0, identifier.1)
            };
            let others = IdentifierKinds::new(
                row.filter(is_other).map(|(identifier_kind, _)| identifier_kind),
            );
            unless.any(|identifier_kinds| !identifier_kinds.overlaps(others))
        }
    }

    /// Returns true if a text names an erased person, by the rule of [`crate::mentions`].
    pub fn are_named_in(&self, position: Position, text: &str, cache: &mut MentionCache) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut is_named = false;
        each_mention(position, text, &mut |identifier_kind, mention| {
            is_named = is_named
                || (self.may_have(identifier_kind)
                    && cache.find(identifier_kind, mention, || self.has(identifier_kind, mention)));
        });
        is_named
    }

    /// Returns true if the list has any identifier of this kind: an HMAC costs more than this
    /// check.
    fn may_have(&self, identifier_kind: IdentifierKind) -> bool {
        // A login name may have the form of an address.
        let as_address = identifier_kind == IdentifierKind::Login
            && self.identifier_kinds.has(IdentifierKind::Address);
        as_address || self.identifier_kinds.has(identifier_kind)
    }

    /// Suppresses an identifier for the rest of a run, for example the uid of a person who was
    /// known by name. Returns true if it was not suppressed before.
    pub fn add(&mut self, identifier_kind: IdentifierKind, value: &str) -> bool {
        let Some(token) = self.token(identifier_kind, value) else { return false };
        let is_new = !self.tokens.contains_key(&token);
        self.insert(token, IdentifierKinds::default());
        is_new
    }

    /// Suppresses an identifier. If several erasures have it, the cases of all of them apply.
    fn insert(&mut self, token: (IdentifierKind, [u8; 16]), owner_has: IdentifierKinds) {
        self.identifier_kinds = self.identifier_kinds.with(token.0);
        let known = self.tokens.entry(token).or_insert(owner_has);
        *known = known.common(owner_has);
    }

    fn token(
        &self,
        identifier_kind: IdentifierKind,
        value: &str,
    ) -> Option<(IdentifierKind, [u8; 16])> {
        if self.keyed.is_empty() {
            return None;
        }
        let (identifier_kind, canonical) = canonical(identifier_kind, value)?;
        let KeyedKind(keyed) = &self.keyed[identifier_kind as usize];
        Some((identifier_kind, keyed.token(canonical.as_bytes())))
    }
}

impl MentionCache {
    fn find(
        &mut self,
        identifier_kind: IdentifierKind,
        mention: &str,
        look_up: impl FnOnce() -> bool,
    ) -> bool {
        let cached = &mut self.0[identifier_kind as usize];
        if let Some(known) = cached.get(mention) {
            return *known;
        }
        if cached.len() >= MAX_CACHED_MENTIONS {
            cached.clear();
        }
        let is_suppressed = look_up();
        cached.insert(mention.to_owned(), is_suppressed);
        is_suppressed
    }
}

/// The kinds of the lasting identifiers that are not pseudonyms. A text that may be a reusable
/// identifier as well proves nothing, because the operator's input does not tell.
fn lasting_in_clear(identifiers: &[(IdentifierKind, String)]) -> Vec<IdentifierKindName> {
    // SIDs are compared in upper case, and so are their pseudonyms.
    let is_clear = |text: &str| !text.to_lowercase().starts_with(PREFIX);
    let is_doubtful = |text: &str| {
        let mut reusable =
            identifiers.iter().filter(|(identifier_kind, _)| is_reusable(*identifier_kind));
        reusable.any(|(_, known)| known.to_lowercase() == text.to_lowercase())
    };
    let mut identifier_kinds: Vec<IdentifierKindName> = Vec::new();
    for (identifier_kind, text) in identifiers {
        let name = IdentifierKindName(*identifier_kind);
        let is_proof = is_lasting(*identifier_kind) && is_clear(text) && !is_doubtful(text);
        if is_proof && !identifier_kinds.contains(&name) {
            identifier_kinds.push(name);
        }
    }
    identifier_kinds
}

impl TryFrom<String> for IdentifierKindName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, &'static str> {
        IdentifierKind::from_name(&name).map(Self).ok_or("no kind of identifier has this name")
    }
}

impl From<IdentifierKindName> for String {
    fn from(identifier_kind: IdentifierKindName) -> Self {
        identifier_kind.0.name().to_owned()
    }
}

fn token_of(text: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
