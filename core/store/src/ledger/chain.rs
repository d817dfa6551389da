//! The chain of a ledger, without files: the encoding of an entry as a line, and the verification
//! of a list of lines.
//!
//! A line is a JSON object whose last member is the BLAKE3 hash of everything before it. Every
//! entry repeats the hash of the previous line, so that a change, a deletion or a reordering breaks
//! the chain at that place. The hash has no key: a user who may write to the store can make a
//! completely new chain, and only a head that is kept elsewhere reveals that.

use std::collections::BTreeMap;
use std::fmt;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The bytes before the hash in a line.
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}";
/// The number of hexadecimal digits of a hash.
const HASH_LENGTH: usize = 64;
/// The previous hash in the first entry of a ledger.
const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// The event of the entry that replaces expired entries.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A position in a ledger. A copy that is kept elsewhere proves later that nothing up to it has
/// changed.
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
    /// Returns the head of the last entry of a ledger, by its bytes; `None` if there is no entry, or if the last line
    /// is damaged.
    pub fn of_last_entry(ledger: &[u8]) -> Option<Self> {
        let last = ledger.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
        unseal(last).ok().map(|entry| entry.head())
    }

    /// Returns true if the ledger has this entry, or has removed it as expired.
    pub fn is_in(&self, ledger: &[u8]) -> bool {
        let verification = verify(ledger, std::slice::from_ref(self));
        verification.known_found + verification.known_expired > 0
    }

    /// Parses the output of `Display`: a number, a colon, 64 digits. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (sequence, hash) = text.split_once(':')?;
        let sequence = sequence.parse().ok().filter(|number| *number > 0)?;
        is_hash(hash).then(|| Self { sequence, hash: hash.to_owned() })
    }
}

/// The content of a ledger entry: who did what, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRecord {
    /// The time, RFC 3339 in UTC.
    pub at: String,
    /// The same time in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// The user of the operating system.
    pub who: String,
    /// The action, in one word, for example `run`.
    pub event: String,
    /// Further facts. They contain no cell value and no name of a person.
    pub facts: Map<String, Value>,
}

/// One entry of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its number, from 1, without gaps.
    pub sequence: u64,
    /// The hash of the entry before it.
    pub previous: String,
    /// The content.
    #[serde(flatten)]
    pub record: LedgerRecord,
    /// The hash of all of the above.
    #[serde(default)]
    pub hash: String,
}

impl LedgerEntry {
    /// The position of this entry.
    pub fn head(&self) -> LedgerHead {
        LedgerHead { sequence: self.sequence, hash: self.hash.clone() }
    }
}

/// A defect of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerFinding {
    /// The line, from 1; `None` if the defect is a missing line.
    pub line: Option<usize>,
    /// The defect.
    pub reason: String,
}

/// The result of verifying a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The number of lines.
    pub entries: usize,
    /// The last entry; `None` for an empty ledger.
    pub head: Option<LedgerHead>,
    /// The number of known heads that were found.
    pub known_found: usize,
    /// The number of known heads that are older than the first kept entry.
    pub known_expired: usize,
    /// All defects; empty if the ledger is intact.
    pub findings: Vec<LedgerFinding>,
}

/// Encodes an entry as a line, with its line end.
pub(super) fn seal(after: Option<&LedgerHead>, record: &LedgerRecord) -> (Vec<u8>, LedgerHead) {
    #[derive(Serialize)]
    struct Unsealed<'a> {
        sequence: u64,
        previous: &'a str,
        #[serde(flatten)]
        record: &'a LedgerRecord,
    }
    let sequence = after.map_or(0, |head| head.sequence) + 1;
    let previous = after.map_or(NOTHING_BEFORE, |head| &head.hash);
    let unsealed = Unsealed { sequence, previous, record };
    let mut line = serde_json::to_vec(&unsealed).expect("an entry is plain data");
    line.pop();
    let hash = blake3::hash(&line).to_hex().to_string();
    line.extend_from_slice(BEFORE_HASH);
    line.extend_from_slice(hash.as_bytes());
    line.extend_from_slice(AFTER_HASH);
    line.push(b'\n');
    (line, LedgerHead { sequence, hash })
}

/// Decodes a line without its line end; the error is the reason why this module has not written it.
pub(super) fn unseal(line: &[u8]) -> Result<LedgerEntry, &'static str> {
    const SEAL: usize = BEFORE_HASH.len() + HASH_LENGTH + AFTER_HASH.len();
    let not_sealed = "is not an entry";
    let split = line.len().checked_sub(SEAL).ok_or(not_sealed)?;
    let (content, seal) = line.split_at(split);
    let hash = seal.strip_prefix(BEFORE_HASH).and_then(|rest| rest.strip_suffix(AFTER_HASH));
    let hash = hash.ok_or(not_sealed)?;
    if blake3::hash(content).to_hex().as_bytes() != hash {
        return Err("was changed after it was written");
    }
    serde_json::from_slice(line).map_err(|_| not_sealed)
}

/// Decodes the readable lines of a ledger, the oldest first.
pub(super) fn entries(ledger: &[u8]) -> impl Iterator<Item = LedgerEntry> {
    ledger.split(|byte| *byte == b'\n').filter_map(|line| unseal(line).ok())
}

/// Decodes the readable lines of a ledger or of its end, the newest first.
pub(super) fn newest_first(ledger: &[u8]) -> impl Iterator<Item = LedgerEntry> {
    ledger.rsplit(|byte| *byte == b'\n').filter_map(|line| unseal(line).ok())
}

/// Decodes the readable lines of these events, the oldest first.
pub(super) fn entries_of(ledger: &[u8], events: &[&str]) -> impl Iterator<Item = LedgerEntry> {
    // As `seal` writes it; a quotation mark within a text has a backslash before it.
    let members: Vec<_> = events.iter().map(|event| format!("\"event\":\"{event}\"")).collect();
    let finders: Vec<_> = members.iter().map(|member| Finder::new(member).into_owned()).collect();
    let lines = ledger.split(|byte| *byte == b'\n');
    let candidates =
        lines.filter(move |line| finders.iter().any(|finder| finder.find(line).is_some()));
    let entries = candidates.filter_map(|line| unseal(line).ok());
    entries.filter(|entry| events.contains(&entry.record.event.as_str()))
}

/// The head after which the next entry follows, by the last line and the number that it has if it
/// cannot be read: the chain continues from its bytes, so that the damage stays visible and appends
/// still work.
pub(super) fn head_after(line: &[u8], number_if_broken: u64) -> (LedgerHead, bool) {
    match unseal(line) {
        Ok(entry) => (entry.head(), true),
        Err(_) => (broken_head(line, number_if_broken), false),
    }
}

fn broken_head(line: &[u8], sequence: u64) -> LedgerHead {
    LedgerHead { sequence, hash: blake3::hash(line).to_hex().to_string() }
}

/// Verifies the bytes of a ledger, and that it has the heads that are known from elsewhere.
pub(super) fn verify(bytes: &[u8], known: &[LedgerHead]) -> Verification {
    let mut findings = Vec::new();
    let whole = bytes.strip_suffix(b"\n");
    let lines: Vec<&[u8]> = match (whole, bytes.is_empty()) {
        (_, true) => Vec::new(),
        (Some(whole), _) => whole.split(|byte| *byte == b'\n').collect(),
        (None, _) => bytes.split(|byte| *byte == b'\n').collect(),
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
                let sequence = before.as_ref().map_or(0, |head| head.sequence) + 1;
                before = Some(broken_head(line, sequence));
                continue;
            }
        };
        match &before {
            None if index == 0 => first = entry_before(&entry),
            Some(head) if head.sequence + 1 == entry.sequence && head.hash == entry.previous => {}
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
            None if first.as_ref().is_some_and(|head| sequence < head.sequence) => {
                known_expired += 1;
            }
            None => note(None, format!("entry {sequence} is known and not there")),
        }
    }
    Verification { entries: lines.len(), head: before, known_found, known_expired, findings }
}

/// The missing entry before the first one in the file; `None` if it is the first of all.
fn entry_before(entry: &LedgerEntry) -> Option<LedgerHead> {
    let is_first_of_all = entry.sequence == 1 && entry.previous == NOTHING_BEFORE;
    let sequence = entry.sequence.saturating_sub(1);
    (!is_first_of_all).then(|| LedgerHead { sequence, hash: entry.previous.clone() })
}

/// The last entry that a checkpoint has removed.
fn removed_by(entry: &LedgerEntry) -> Option<LedgerHead> {
    if entry.record.event != CHECKPOINT {
        return None;
    }
    serde_json::from_value(entry.record.facts.get("through")?.clone()).ok()
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
