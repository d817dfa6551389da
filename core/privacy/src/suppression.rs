//! Who was erased, so that the next run does not bring them back: HMACs of their identifiers under a
//! key of their own, and no names.
//!
//! To keep this minimum is what an erasure needs to last. The list is a file of JSON, read and written
//! by the caller.
//! `reuse` is the rule for identifiers that change hands.

use std::collections::BTreeSet;

use core_model::column::Family;
use data_encoding::HEXLOWER;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::canonical::canonical;
use crate::error::PrivacyError;
use crate::keys::{KeyRing, Purpose};
use crate::mentions::{Position, each_mention};
use crate::pseudonym::{Keyed, PREFIX};
use crate::reuse::{Families, is_lasting, is_reusable, proves_another_owner};

/// The version of the list that this program writes, and the highest it reads.
const VERSION: u32 = 2;

/// How many mentions of each family are remembered: some megabytes.
const MAX_CACHED_MENTIONS: usize = 1 << 14;

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
    /// The families of lasting identifiers that tell the owner from a successor; none for a lasting one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner_has: Vec<FamilyName>,
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
    /// The suppressed identifiers, each with the families by which its owner is told from a successor.
    tokens: FxHashMap<(Family, [u8; 16]), Families>,
    /// The families of the tokens.
    families: Families,
}

/// The mentions that were looked up, with whether each is suppressed: texts repeat most of theirs.
/// Belongs to one state of the suppressions.
#[derive(Default)]
pub struct MentionCache([FxHashMap<String, bool>; Family::ALL.len()]);

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

    /// Adds the identifiers of one person or device; returns how many are new. Those that are suppressed
    /// for good already are not.
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
        let identifiers = identifiers.into_iter();
        let identifiers: Vec<_> =
            identifiers.filter_map(|(it, text)| canonical(it, text)).collect();
        let owner_has = lasting_in_clear(&identifiers);
        for (family, canonical) in identifiers {
            let keyed = Keyed::new(&keys.subkey(Purpose::Suppression(family), tenant));
            let token = HEXLOWER.encode(&keyed.token(canonical.as_bytes()));
            // One that expires is suppressed anew.
            let is_known = |it: &Suppression| {
                it.family.0 == family && it.token == token && it.owner_has.is_empty()
            };
            if !self.entries.iter().any(is_known) {
                self.entries.push(Suppression {
                    erasure: erasure.id.to_owned(),
                    family: FamilyName(family),
                    token,
                    since: erasure.since.to_owned(),
                    reason: erasure.reason.to_owned(),
                    owner_has: if is_lasting(family) { Vec::new() } else { owner_has.clone() },
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

    /// The entries by which some erasures are searched for: theirs, and those of others that count for good.
    /// A reusable identifier of another erasure may have a new owner by now.
    #[must_use]
    pub fn of_erasures(&self, erasures: &BTreeSet<String>) -> SuppressionList {
        let belongs = |it: &&Suppression| it.owner_has.is_empty() || erasures.contains(&it.erasure);
        let entries = self.entries.iter().filter(belongs).cloned().collect();
        SuppressionList { key_id: self.key_id.clone(), entries }
    }

    /// Returns what knows the suppressed while rows are read. Reusable identifiers whose owner is known
    /// by a lasting one count only if they were suppressed after `reusable_from` (RFC 3339, UTC).
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
        let subkey = |family| keys.subkey(Purpose::Suppression(family), tenant);
        let keyed = Family::ALL.map(|it| KeyedFamily(Keyed::new(&subkey(it)).into()));
        let mut suppressions = Suppressions { keyed: keyed.to_vec(), ..Suppressions::default() };
        // Times of one form compare as texts do.
        let is_in_force =
            |it: &&Suppression| it.owner_has.is_empty() || it.since.as_str() >= reusable_from;
        for entry in self.entries.iter().filter(is_in_force) {
            let Some(token) = token_of(&entry.token) else { continue };
            let family = entry.family.0;
            let owner_has = entry.owner_has.iter().map(|it| it.0);
            let owner_has = owner_has.filter(|lasting| proves_another_owner(family, *lasting));
            suppressions.insert((family, token), Families::new(owner_has));
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
    /// Whether nobody is suppressed.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether an identifier, or the pseudonym in its place, is that of somebody who was erased.
    pub fn has(&self, family: Family, value: &str) -> bool {
        self.find(family, value).is_some()
    }

    /// Finds an identifier of somebody who was erased. A row that has it is not theirs if it also has
    /// another identifier of one of the returned families; see the module.
    pub fn find(&self, family: Family, value: &str) -> Option<Families> {
        if !self.may_have(family) {
            return None;
        }
        self.tokens.get(&self.token(family, value)?).copied()
    }

    /// Returns whether a row has an identifier that belonged to somebody who was erased and is another
    /// one's now.
    pub fn has_next_owner<'a>(&self, row: impl Iterator<Item = (Family, &'a str)> + Clone) -> bool {
        row.clone().any(|(family, text)| self.has(family, text)) && !self.has_row(row)
    }

    /// Whether the identifiers of one row, a family and a value each, are those of somebody who was
    /// erased.
    pub fn has_row<'a>(&self, row: impl Iterator<Item = (Family, &'a str)> + Clone) -> bool {
        let mut unless =
            row.clone().filter_map(|(family, text)| self.find(family, text)).peekable();
        unless.peek().is_some() && {
            let is_other = |it: &(Family, &str)| {
                is_lasting(it.0) && !it.1.trim().is_empty() && !self.has(it.0, it.1)
            };
            let others = Families::new(row.filter(is_other).map(|(family, _)| family));
            unless.any(|it| !it.overlaps(others))
        }
    }

    /// Whether a text names somebody who was erased, by the rule of [`crate::mentions`].
    pub fn are_named_in(&self, position: Position, text: &str, cache: &mut MentionCache) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut is_named = false;
        each_mention(position, text, &mut |family, mention| {
            is_named = is_named
                || (self.may_have(family)
                    && cache.find(family, mention, || self.has(family, mention)));
        });
        is_named
    }

    /// Whether anybody is suppressed by an identifier of this family: an HMAC costs more than to look.
    fn may_have(&self, family: Family) -> bool {
        // A login name may have the form of an address.
        let as_address = family == Family::Login && self.families.has(Family::Address);
        as_address || self.families.has(family)
    }

    /// Suppresses an identifier for the rest of a run: the uid of somebody who was known by the name.
    /// Returns whether it was not.
    pub fn add(&mut self, family: Family, value: &str) -> bool {
        let Some(token) = self.token(family, value) else { return false };
        let is_new = !self.tokens.contains_key(&token);
        self.insert(token, Families::default());
        is_new
    }

    /// Suppresses an identifier. One that several erasures have counts in every case that one of them says.
    fn insert(&mut self, token: (Family, [u8; 16]), owner_has: Families) {
        self.families = self.families.with(token.0);
        let known = self.tokens.entry(token).or_insert(owner_has);
        *known = known.common(owner_has);
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

impl MentionCache {
    fn find(&mut self, family: Family, mention: &str, look_up: impl FnOnce() -> bool) -> bool {
        let cached = &mut self.0[family as usize];
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

/// The families of the lasting identifiers that are no pseudonyms. A text that may be a reusable one just
/// as well, because nothing stored tells what the operator typed, is no proof.
fn lasting_in_clear(identifiers: &[(Family, String)]) -> Vec<FamilyName> {
    // SIDs are compared in upper case, and so are their pseudonyms.
    let is_clear = |text: &str| !text.to_lowercase().starts_with(PREFIX);
    let is_doubtful = |text: &str| {
        let mut reusable = identifiers.iter().filter(|(family, _)| is_reusable(*family));
        reusable.any(|(_, it)| it.to_lowercase() == text.to_lowercase())
    };
    let mut families: Vec<FamilyName> = Vec::new();
    for (family, text) in identifiers {
        let name = FamilyName(*family);
        let is_proof = is_lasting(*family) && is_clear(text) && !is_doubtful(text);
        if is_proof && !families.contains(&name) {
            families.push(name);
        }
    }
    families
}

impl TryFrom<String> for FamilyName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<FamilyName, &'static str> {
        Family::from_name(&name).map(FamilyName).ok_or("no family of identifiers has this name")
    }
}

impl From<FamilyName> for String {
    fn from(family: FamilyName) -> String {
        family.0.name().to_owned()
    }
}

fn token_of(text: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
