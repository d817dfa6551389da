//! The ledger of a tenant: who did what with its data and when, one line an entry, only ever added to.
//! Here are its file and its lock; `chain` is what its lines mean.

mod chain;

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use core_files::{File, FileLock};
use serde_json::{Map, Value, json};

pub use self::chain::{Deed, LedgerEntry, LedgerFinding, LedgerHead, Verification};
use crate::error::StoreError;
use crate::tenant::TenantStore;

/// The file of the entries, and the one that is locked while something is added.
const ENTRIES: &str = "entries.ndjson";
const LOCK: &str = "lock";
/// The longest line that is written.
const MAX_LINE: usize = 64 * 1024;

/// The ledger of one tenant. Reading needs no lock; adding takes it for as long as a write takes.
#[derive(Debug, Clone)]
pub struct Ledger {
    tenant: TenantStore,
    folder: PathBuf,
}

/// What the oldest entries were removed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trimmed {
    /// How many were removed.
    pub removed: usize,
    /// The entry that accounts for them.
    pub head: LedgerHead,
}

impl TenantStore {
    /// The ledger of this tenant, whether or not anything is in it yet.
    pub fn ledger(&self) -> Ledger {
        Ledger { tenant: self.clone(), folder: self.folder().join("ledger") }
    }

    /// The heads that the kept generations name: what the ledger must hold still.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the generations cannot be listed.
    pub fn known_ledger_heads(&self) -> Result<Vec<LedgerHead>, StoreError> {
        let manifests = self.history()?.into_iter().filter_map(|entry| entry.manifest.ok());
        Ok(manifests.filter_map(|manifest| manifest.ledger).collect())
    }
}

impl Ledger {
    /// Adds an entry, durably, and returns its place. What a crash has left of a line is repaired
    /// first, and the repair is an entry too.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::LedgerEntryTooLong`].
    pub fn append(&self, deed: &Deed) -> Result<LedgerHead, StoreError> {
        let _lock = self.lock()?;
        self.append_locked(deed)
    }

    /// All entries that can be read, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn entries(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        let bytes = self.read()?;
        Ok(bytes.split(|it| *it == b'\n').filter_map(|line| chain::unseal(line).ok()).collect())
    }

    /// The last entry's place; none if there is no entry, or if the last line is damaged.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn head(&self) -> Result<Option<LedgerHead>, StoreError> {
        let bytes = self.read()?;
        let last = bytes.strip_suffix(b"\n").and_then(|it| it.rsplit(|it| *it == b'\n').next());
        Ok(last.and_then(|line| chain::unseal(line).ok()).map(|entry| entry.head()))
    }

    /// Verifies every line, and that the heads that are known from elsewhere are in the ledger.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what is wrong with the ledger is no error but a finding.
    pub fn verify(&self, known: &[LedgerHead]) -> Result<Verification, StoreError> {
        Ok(chain::verify(&self.read()?, known))
    }

    /// Removes the entries up to this number, and adds one that accounts for them, so that what is left
    /// can be verified still. None if no such entry is there any more, or if the ledger is damaged:
    /// then everything is kept until somebody has looked.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn trim(&self, through: u64, deed: &Deed) -> Result<Option<Trimmed>, StoreError> {
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
        let deed = Deed { event, facts: Map::from_iter(facts), ..deed.clone() };
        let head = self.append_locked(&deed)?;
        let bytes = self.read()?;
        let lines = bytes.split_inclusive(|it| *it == b'\n');
        let kept: Vec<u8> = lines.skip(removed).flatten().copied().collect();
        core_files::replace_file(&self.path(), &kept)?;
        Ok(Some(Trimmed { removed, head }))
    }

    fn append_locked(&self, deed: &Deed) -> Result<LedgerHead, StoreError> {
        let path = self.path();
        let mut file = File::open_or_create(&path)?;
        let (last, torn) = self.tail(&mut file)?;
        let mut after = last;
        if !torn.is_empty() {
            after = Some(repair(&mut file, &path, after.as_ref(), &torn, deed)?);
        }
        let (line, head) = chain::seal(after.as_ref(), deed);
        if line.len() > MAX_LINE {
            return Err(StoreError::LedgerEntryTooLong { bytes: line.len() });
        }
        write_durably(&mut file, &path, &line)?;
        core_files::sync_folder(&self.folder)?;
        Ok(head)
    }

    /// The place of the last whole line, and what stands after its line end.
    fn tail(&self, file: &mut File) -> Result<(Option<LedgerHead>, Vec<u8>), StoreError> {
        let path = self.path();
        let failed = || StoreError::io("read", &path);
        let length = file.seek(SeekFrom::End(0)).map_err(failed())?;
        // A torn line, and the whole one before it.
        let start = length.saturating_sub(2 * MAX_LINE as u64 + 2);
        file.seek(SeekFrom::Start(start)).map_err(failed())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed())?;
        let torn_from = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let torn = bytes.split_off(torn_from);
        let Some(whole) = bytes.strip_suffix(b"\n") else { return Ok((None, torn)) };
        let last = whole.rsplit(|it| *it == b'\n').next().unwrap_or_default();
        let (head, is_whole) = chain::head_of(last, 0);
        if is_whole {
            return Ok((Some(head), torn));
        }
        tracing::error!(
            "the last entry of the ledger is damaged: `privacy ledger verify` tells more"
        );
        let verification = self.verify(&[])?;
        let sequence = verification.head.map_or(0, |it| it.sequence);
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

/// Mends a line that a crash has cut off: one that lacks nothing but its end gets that, any other is
/// taken away. Either way an entry says so.
fn repair(
    file: &mut File,
    path: &Path,
    after: Option<&LedgerHead>,
    torn: &[u8],
    deed: &Deed,
) -> Result<LedgerHead, StoreError> {
    let follows = |entry: &LedgerEntry| entry.sequence == after.map_or(0, |it| it.sequence) + 1;
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
    let deed = Deed { event, facts: Map::from_iter(facts), ..deed.clone() };
    let (line, head) = chain::seal(whole.as_ref().or(after), &deed);
    write_durably(file, path, &line)?;
    Ok(head)
}

fn write_durably(file: &mut File, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    file.seek(SeekFrom::End(0)).map_err(StoreError::io("write", path))?;
    file.write_bytes(bytes)?;
    Ok(file.sync()?)
}
