//! The ledger of a tenant: who did what with its data and when, one line per entry, append-only.
//! This module handles its file and its lock; `chain` handles the content of its lines.

mod chain;

use std::collections::HashSet;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use core_files::{File, FileLock};
use serde_json::{Map, Value, json};

pub use self::chain::{LedgerEntry, LedgerFinding, LedgerHead, LedgerRecord, Verification};
use crate::error::StoreError;
use crate::tenant::TenantStore;
use crate::transfer::Fingerprint;

/// The file of the entries, which is locked during an append.
pub(crate) const ENTRIES: &str = "entries.ndjson";
const LOCK: &str = "lock";
/// The event of the end of a run. Its fact `generation` names what the run has published.
pub const RUN_ENDED: &str = "run_ended";

/// The longest line.
const MAX_LINE: usize = 64 * 1024;
/// The end of the file that is read for the last entries: enough for a torn line and the complete one before it, and
/// for a few hundred entries of reads.
const TAIL: u64 = 2 * MAX_LINE as u64 + 2;

/// The ledger of one tenant. Reading needs no lock; an append takes it for the duration of a write.
#[derive(Debug, Clone)]
pub struct Ledger {
    tenant: TenantStore,
    folder: PathBuf,
}

/// A ledger as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerContent {
    /// The bytes of its file; None if there is no file.
    file: Option<Vec<u8>>,
}

impl LedgerContent {
    /// The content of a ledger that was read from another place.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { file: Some(bytes.to_vec()) }
    }

    /// Returns true if another ledger has a readable entry of this one: both are of the same store.
    pub fn has_common_entry(&self, other: &Self) -> bool {
        let own: HashSet<String> = self.entries().into_iter().map(|entry| entry.hash).collect();
        other.entries().iter().any(|entry| own.contains(&entry.hash))
    }

    /// Returns all readable entries, the oldest first.
    pub fn entries(&self) -> Vec<LedgerEntry> {
        chain::entries(self.bytes()).collect()
    }

    /// Returns the readable entries with a higher number, the oldest first.
    pub fn entries_after(&self, sequence: u64) -> Vec<LedgerEntry> {
        let newest_first = chain::newest_first(self.bytes());
        let mut entries: Vec<_> =
            newest_first.take_while(|entry| entry.sequence > sequence).collect();
        entries.reverse();
        entries
    }

    /// Returns so many of the last readable entries, the newest first.
    pub fn newest(&self, limit: usize) -> Vec<LedgerEntry> {
        chain::newest_first(self.bytes()).take(limit).collect()
    }

    /// Returns the number of lines.
    pub fn lines(&self) -> usize {
        self.bytes().split_inclusive(|byte| *byte == b'\n').count()
    }

    /// Returns the head of the last entry; None if there is no entry, or if the last line is damaged.
    pub fn head(&self) -> Option<LedgerHead> {
        LedgerHead::of_last_entry(self.bytes())
    }

    /// Returns the head of the last entry that can be read, also if a damaged line follows, which the next append repairs;
    /// None if there is none.
    pub fn last_readable(&self) -> Option<LedgerHead> {
        chain::newest_first(self.bytes()).next().map(|entry| entry.head())
    }

    /// Returns the fingerprint of the file; None if there is no file.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.file.as_deref().map(Fingerprint::of)
    }

    fn bytes(&self) -> &[u8] {
        self.file.as_deref().unwrap_or_default()
    }
}

/// The result of a trim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trimmed {
    /// The number of removed entries.
    pub removed: usize,
    /// The entry that accounts for them.
    pub head: LedgerHead,
}

impl TenantStore {
    /// The ledger of this tenant, which may be empty.
    pub fn ledger(&self) -> Ledger {
        Ledger { tenant: self.clone(), folder: self.folder().join("ledger") }
    }

    /// The heads that the kept generations name, which the ledger must still have.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the generations cannot be listed.
    pub fn known_ledger_heads(&self) -> Result<Vec<LedgerHead>, StoreError> {
        let manifests = self.history()?.into_iter().filter_map(|entry| entry.manifest.ok());
        Ok(manifests.filter_map(|manifest| manifest.ledger).collect())
    }
}

impl Ledger {
    /// Appends an entry, durably, and returns its head. A line that a crash has torn is repaired
    /// first, and the repair is an entry too.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; [`StoreError::LedgerEntryTooLong`].
    pub fn append(&self, record: &LedgerRecord) -> Result<LedgerHead, StoreError> {
        let _lock = self.lock()?;
        self.append_locked(record)
    }

    /// Appends an entry as [`append`](Self::append) does, unless one of the last few hundred entries is equal but for its
    /// time, which is at most so many milliseconds ago. So a dashboard that asks the same questions every minute neither
    /// fills the ledger nor waits for the disk each time. Returns the head of the entry of either kind.
    ///
    /// # Errors
    ///
    /// Those of `append`.
    pub fn append_unless_repeated(
        &self,
        record: &LedgerRecord,
        within_ms: u64,
    ) -> Result<LedgerHead, StoreError> {
        let _lock = self.lock()?;
        let is_equal = |entry: &LedgerEntry| {
            let LedgerRecord { at: _, at_ms, who, event, facts } = &entry.record;
            let age = record.at_ms.checked_sub(*at_ms);
            (who, event, facts) == (&record.who, &record.event, &record.facts)
                && age.is_some_and(|age| age <= within_ms)
        };
        let tail = self.read_tail()?.unwrap_or_default();
        match chain::newest_first(&tail).find(is_equal) {
            // A torn line after it is repaired with the next entry.
            Some(entry) => Ok(entry.head()),
            None => self.append_locked(record),
        }
    }

    /// Returns all readable entries, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn entries(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(self.content()?.entries())
    }

    /// Returns the readable entries of these events, the oldest first. Entries of other events are not decoded: most are
    /// of reads.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn entries_of(&self, events: &[&str]) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(chain::entries_of(&self.read()?, events).collect())
    }

    /// Returns the head of the last entry; `None` if there is no entry, or if the last line is
    /// damaged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn head(&self) -> Result<Option<LedgerHead>, StoreError> {
        Ok(self.read_tail()?.and_then(|tail| LedgerHead::of_last_entry(&tail)))
    }

    /// Verifies every line, and that the ledger has the heads that are known from elsewhere.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`]; damage of the ledger is not an error but a finding.
    pub fn verify(&self, known: &[LedgerHead]) -> Result<Verification, StoreError> {
        Ok(chain::verify(&self.read()?, known))
    }

    /// Removes the entries up to this number, and adds one that accounts for them, so that the rest
    /// can still be verified. `None` if the entry no longer exists, or if the ledger is damaged, in
    /// which case everything is kept for an investigation.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn trim(&self, through: u64, record: &LedgerRecord) -> Result<Option<Trimmed>, StoreError> {
        let _lock = self.lock()?;
        if !self.verify(&[])?.findings.is_empty() {
            tracing::warn!("the ledger is damaged, so none of its entries is removed");
            return Ok(None);
        }
        let entries = self.entries()?;
        let removed = entries.iter().take_while(|entry| entry.sequence <= through).count();
        let Some(last) = removed.checked_sub(1).map(|last| entries[last].head()) else {
            return Ok(None);
        };
        let facts = [("through".to_owned(), json!(last)), ("removed".to_owned(), json!(removed))];
        let event = chain::CHECKPOINT.to_owned();
        let record = LedgerRecord { event, facts: Map::from_iter(facts), ..record.clone() };
        let head = self.append_locked(&record)?;
        let bytes = self.read()?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let kept: Vec<u8> = lines.skip(removed).flatten().copied().collect();
        core_files::replace_file(&self.path(), &kept)?;
        Ok(Some(Trimmed { removed, head }))
    }

    /// Reads the ledger as it is at this moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`].
    pub fn content(&self) -> Result<LedgerContent, StoreError> {
        Ok(LedgerContent { file: core_files::read_if_present(&self.path())? })
    }

    /// Replaces the ledger while nothing is appended to it, and returns what it is then.
    ///
    /// # Errors
    ///
    /// [`StoreError::LedgerChanged`] if it is not what the caller has seen; the errors of `replace`.
    pub(crate) fn replace_with(
        &self,
        seen: &LedgerContent,
        replace: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<LedgerContent, StoreError> {
        let _lock = self.lock()?;
        if self.content()? != *seen {
            return Err(StoreError::LedgerChanged);
        }
        replace()?;
        self.content()
    }

    fn append_locked(&self, record: &LedgerRecord) -> Result<LedgerHead, StoreError> {
        let path = self.path();
        let mut file = File::open_or_create(&path)?;
        let (last, torn) = self.last_line(&mut file)?;
        let mut after = last;
        if !torn.is_empty() {
            after = Some(repair(&mut file, &path, after.as_ref(), &torn, record)?);
        }
        let (line, head) = chain::seal(after.as_ref(), record);
        if line.len() > MAX_LINE {
            return Err(StoreError::LedgerEntryTooLong { bytes: line.len() });
        }
        write_durably(&mut file, &path, &line)?;
        core_files::sync_folder(&self.folder)?;
        Ok(head)
    }

    /// The last bytes of the file; `None` if there is no file.
    fn read_tail(&self) -> Result<Option<Vec<u8>>, StoreError> {
        match File::open(&self.path()) {
            Ok(mut file) => Ok(Some(self.tail_of(&mut file)?)),
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn tail_of(&self, file: &mut File) -> Result<Vec<u8>, StoreError> {
        let path = self.path();
        let failed = || StoreError::io("read", &path);
        let length = file.seek(SeekFrom::End(0)).map_err(failed())?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(failed())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed())?;
        Ok(bytes)
    }

    /// The head of the last complete line, and the bytes after its line end.
    fn last_line(&self, file: &mut File) -> Result<(Option<LedgerHead>, Vec<u8>), StoreError> {
        let mut bytes = self.tail_of(file)?;
        let torn_from = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        let torn = bytes.split_off(torn_from);
        let Some(whole) = bytes.strip_suffix(b"\n") else { return Ok((None, torn)) };
        let last = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let (head, is_whole) = chain::head_after(last, 0);
        if is_whole {
            return Ok((Some(head), torn));
        }
        tracing::error!(
            "the last entry of the ledger is damaged: `privacy ledger verify` tells more"
        );
        let verification = self.verify(&[])?;
        let sequence = verification.head.map_or(0, |head| head.sequence);
        let sequence = if torn.is_empty() { sequence } else { sequence.saturating_sub(1) };
        Ok((Some(LedgerHead { sequence, ..head }), torn))
    }

    fn lock(&self) -> Result<FileLock, StoreError> {
        self.tenant.check_place()?;
        core_files::create_folder_durably(&self.folder)?;
        Ok(FileLock::acquire(&self.folder.join(LOCK))?)
    }

    fn read(&self) -> Result<Vec<u8>, StoreError> {
        Ok(core_files::read_if_present(&self.path())?.unwrap_or_default())
    }

    /// Removes the temporary files of killed processes.
    pub(crate) fn remove_leftovers(&self) {
        core_files::remove_leftovers(&self.path());
    }

    fn path(&self) -> PathBuf {
        self.folder.join(ENTRIES)
    }
}

/// Repairs a line that a crash has truncated: a line that lacks only its end gets it, any other is
/// removed. Either way an entry records the repair.
fn repair(
    file: &mut File,
    path: &Path,
    after: Option<&LedgerHead>,
    torn: &[u8],
    record: &LedgerRecord,
) -> Result<LedgerHead, StoreError> {
    let follows = |entry: &LedgerEntry| entry.sequence == after.map_or(0, |head| head.sequence) + 1;
    let whole = chain::unseal(torn).ok().filter(follows).map(|entry| entry.head());
    let lost = if whole.is_some() { 0 } else { torn.len() };
    if whole.is_some() {
        write_durably(file, path, b"\n")?;
    } else {
        let length = file.seek(SeekFrom::End(0)).map_err(StoreError::io("read", path))?;
        file.set_len(length - torn.len() as u64)?;
    }
    tracing::warn!(lost, "a torn entry of the ledger was repaired");
    let facts = [
        ("lostBytes".to_owned(), json!(lost)),
        ("lostHash".to_owned(), Value::from(blake3::hash(torn).to_hex().to_string())),
    ];
    let event = "repair".to_owned();
    let record = LedgerRecord { event, facts: Map::from_iter(facts), ..record.clone() };
    let (line, head) = chain::seal(whole.as_ref().or(after), &record);
    write_durably(file, path, &line)?;
    Ok(head)
}

fn write_durably(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file.seek(SeekFrom::End(0)).map_err(StoreError::io("write", path))?;
    file.write_bytes(bytes)?;
    Ok(file.sync()?)
}
