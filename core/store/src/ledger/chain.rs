//! The chain of a ledger, without files: how an entry becomes a line, what a line must look like, and
//! what is wrong with a list of lines.
//!
//! A line is a JSON object whose last member is the BLAKE3 hash of everything before it. Every entry
//! repeats the hash of the line before it, so that a change, a cut or another order breaks the chain
//! at that place. The hash has no key: who may write to the store can make a whole new chain, and only
//! a head that is kept elsewhere shows that.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What stands before the hash in a line, and after it.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}";
/// Digits of a hash in hexadecimal.
const HASH_LENGTH: usize = 64;
/// What the first entry of a ledger names as the hash before it.
const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The event of the entry that takes the place of entries that are too old to be kept.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A place in a ledger. Whoever keeps it elsewhere can tell later that nothing up to it has changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LedgerHead {
    /// The number of the entry, from 1.
    pub sequence: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

impl fmt::Display for LedgerHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl LedgerHead {
    /// Reads what `Display` writes: a number, a colon, 64 digits. None if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, hash) = text.split_once(':')?;
        let sequence = sequence.parse().ok().filter(|it| *it > 0)?;
        is_hash(hash).then(|| Self { sequence, hash: hash.to_owned() })
    }
}

/// What is written to a ledger, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The time, RFC 3339 in UTC.
    pub at: String,
    /// The same in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// The user of the operating system.
    pub who: String,
    /// What was done, one word, for example `run`.
    pub event: String,
    /// What else is known of it. No cell value and no name of a person.
    pub facts: Map<String, Value>,
}

/// One entry of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// The hash of the entry before it.
    pub previous: String,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
    /// The hash of all this.
    #[serde(default)]
    pub hash: String,
}

impl LedgerEntry {
    /// Its place.
    pub fn head(&self) -> LedgerHead {
        LedgerHead { sequence: self.sequence, hash: self.hash.clone() }
    }
}

/// Something that is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerFinding {
    /// The line, from 1; none if it is about what is not there.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

/// What came of verifying a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Lines.
    pub entries: usize,
    /// The last entry; none of an empty ledger.
    pub head: Option<LedgerHead>,
    /// How many of the known heads were found.
    pub known_found: usize,
    /// How many of them are older than the first entry that is kept.
    pub known_expired: usize,
    /// Everything that is wrong; nothing if the ledger is whole.
    pub findings: Vec<LedgerFinding>,
}

/// Makes the line of an entry, with its line end.
pub(super) fn seal(after: Option<&LedgerHead>, deed: &Deed) -> (Vec<u8>, LedgerHead) {
    #[derive(Serialize)]
    struct Unsealed<'a> {
        sequence: u64,
        previous: &'a str,
        #[serde(flatten)]
        deed: &'a Deed,
    }
    let sequence = after.map_or(0, |it| it.sequence) + 1;
    let previous = after.map_or(NOTHING_BEFORE, |it| &it.hash);
    let unsealed = Unsealed { sequence, previous, deed };
    let mut line = serde_json::to_vec(&unsealed).expect("an entry is plain data");
    line.pop();
    let hash = blake3::hash(&line).to_hex().to_string();
    line.extend_from_slice(BEFORE_HASH);
    line.extend_from_slice(hash.as_bytes());
    line.extend_from_slice(AFTER_HASH);
    line.push(b'\n');
    (line, LedgerHead { sequence, hash })
}

/// Reads a line without its line end; an error says why it is not one that this module has made.
pub(super) fn unseal(line: &[u8]) -> Result<LedgerEntry, &'static str> {
    const SEAL: usize = BEFORE_HASH.len() + HASH_LENGTH + AFTER_HASH.len();
    let not_sealed = "is not an entry";
    let split = line.len().checked_sub(SEAL).ok_or(not_sealed)?;
    let (content, seal) = line.split_at(split);
    let hash = seal.strip_prefix(BEFORE_HASH).and_then(|it| it.strip_suffix(AFTER_HASH));
    let hash = hash.ok_or(not_sealed)?;
    if blake3::hash(content).to_hex().as_bytes() != hash {
        return Err("was changed after it was written");
    }
    serde_json::from_slice(line).map_err(|_| not_sealed)
}

/// The place after which the next entry goes, by the last line and the number that it has if it cannot
/// be read: the chain goes on from its bytes, so that the damage stays visible and the work goes on.
pub(super) fn head_of(line: &[u8], number_if_broken: u64) -> (LedgerHead, bool) {
    match unseal(line) {
        Ok(entry) => (entry.head(), true),
        Err(_) => (broken_head(line, number_if_broken), false),
    }
}

fn broken_head(line: &[u8], sequence: u64) -> LedgerHead {
    LedgerHead { sequence, hash: blake3::hash(line).to_hex().to_string() }
}

/// Verifies the bytes of a ledger, and that the heads that are known from elsewhere are in it.
pub(super) fn verify(bytes: &[u8], known: &[LedgerHead]) -> Verification {
    let mut findings = Vec::new();
    let whole = bytes.strip_suffix(b"\n");
    let lines: Vec<&[u8]> = match (whole, bytes.is_empty()) {
        (_, true) => Vec::new(),
        (Some(whole), _) => whole.split(|it| *it == b'\n').collect(),
        (None, _) => bytes.split(|it| *it == b'\n').collect(),
    };
    let mut note = |line: Option<usize>, reason: String| {
        findings.push(LedgerFinding { line, reason });
    };
    if whole.is_none() && !bytes.is_empty() {
        note(Some(lines.len()), "is cut off; the next entry repairs that".to_owned());
    }
    let mut checkpoints: Vec<LedgerHead> = Vec::new();
    let mut hashes: BTreeMap<u64, String> = BTreeMap::new();
    let mut before: Option<LedgerHead> = None;
    let mut first: Option<LedgerHead> = None;
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        let entry = match unseal(line) {
            Ok(entry) => entry,
            Err(reason) => {
                note(Some(number), reason.to_owned());
                let sequence = before.as_ref().map_or(0, |it| it.sequence) + 1;
                before = Some(broken_head(line, sequence));
                continue;
            }
        };
        match &before {
            None if index == 0 => first = start_of(&entry),
            Some(it) if it.sequence + 1 == entry.sequence && it.hash == entry.previous => {}
            _ => note(
                Some(number),
                "does not follow the entry before it: one was removed, added or moved".to_owned(),
            ),
        }
        if let Some(head) = removed_by(&entry) {
            checkpoints.push(head);
        }
        hashes.insert(entry.sequence, entry.hash.clone());
        before = Some(entry.head());
    }
    if let Some(first) = &first
        && !checkpoints.contains(first)
    {
        let reason = "entries before it were removed, and no later entry accounts for them";
        note(Some(1), reason.to_owned());
    }
    let (mut known_found, mut known_expired) = (0, 0);
    for head in known {
        let sequence = head.sequence;
        match hashes.get(&sequence) {
            Some(hash) if *hash == head.hash => known_found += 1,
            Some(_) => note(None, format!("entry {sequence} is not the one that is known")),
            None if first.as_ref() == Some(head) => known_found += 1,
            None if first.as_ref().is_some_and(|it| sequence < it.sequence) => known_expired += 1,
            None => note(None, format!("entry {sequence} is known and not there")),
        }
    }
    Verification { entries: lines.len(), head: before, known_found, known_expired, findings }
}

/// What is missing before an entry that is the first in its file; none if it is the first of all.
fn start_of(entry: &LedgerEntry) -> Option<LedgerHead> {
    let is_first_of_all = entry.sequence == 1 && entry.previous == NOTHING_BEFORE;
    let sequence = entry.sequence.saturating_sub(1);
    (!is_first_of_all).then(|| LedgerHead { sequence, hash: entry.previous.clone() })
}

/// The last entry that a checkpoint has removed.
fn removed_by(entry: &LedgerEntry) -> Option<LedgerHead> {
    if entry.deed.event != CHECKPOINT {
        return None;
    }
    serde_json::from_value(entry.deed.facts.get("through")?.clone()).ok()
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
