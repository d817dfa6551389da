//! Records of reads, from machines that hold no lease.
//!
//! The ledger is a chain, so only the holder of the lease can add to it. A reader writes its records as a separate
//! object; the next holder adds them to the ledger and dooms the object in the same publication. So a read is
//! recorded once, whichever process dies in between. The object is named after the last record in the reader's own
//! copy of the ledger, so that records that are sent again after a lost answer are not recorded twice.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use core_files::FileError;
use core_store::{LedgerContent, LedgerHead, LedgerRecord};
use object_store::{ObjectStoreExt as _, PutMode, PutOptions};

use crate::error::{BucketError, RequestErrorKind, kind};
use crate::folder::BucketFolder;

/// The folder of the objects, below the tenant's.
const FOLDER: &str = "reads";

/// The text for "every entry".
const ALL: &str = "all";

/// Returns true if a key is that of reader records.
pub(crate) fn is_key(key: &str) -> bool {
    key.split_once('/').is_some_and(|(folder, _)| folder == FOLDER)
}

/// The last entry of a working copy's ledger that the bucket has, stored in a file beside the tenant's folder.
#[derive(Debug, Clone)]
pub(crate) struct KnownEntry {
    path: PathBuf,
}

impl KnownEntry {
    pub(crate) fn in_folder(store: &Path, tenant: &str) -> Self {
        Self { path: store.join(format!("{tenant}.known-entry")) }
    }

    /// Notes that the bucket has this entry and all before it.
    pub(crate) fn set(&self, head: Option<&LedgerHead>) -> Result<(), FileError> {
        let text = head.map_or_else(String::new, ToString::to_string);
        core_files::replace_file(&self.path, text.as_bytes())
    }

    /// Notes that the bucket has every entry, before the ledger is replaced. If this process is then killed, it does
    /// not send entries of other machines as its own.
    pub(crate) fn set_all(&self) -> Result<(), FileError> {
        core_files::replace_file(&self.path, ALL.as_bytes())
    }

    /// The records that were added to a ledger since. Empty for a folder that was never brought up to date.
    fn records_after(&self, ledger: &LedgerContent) -> Result<Vec<LedgerRecord>, BucketError> {
        let Some(known) = core_files::read_if_present(&self.path)? else { return Ok(Vec::new()) };
        let known = match LedgerHead::parse(&String::from_utf8_lossy(&known)) {
            Some(head) => head.sequence,
            None if known.is_empty() => 0,
            None => return Ok(Vec::new()),
        };
        let entries = ledger.entries_after(known).into_iter();
        Ok(entries.map(|entry| entry.record).collect())
    }
}

/// Sends the records of a working copy's ledger that the bucket does not have yet.
pub(crate) async fn send(
    folder: &BucketFolder,
    ledger: &LedgerContent,
    known: &KnownEntry,
) -> Result<(), BucketError> {
    let records = known.records_after(ledger)?;
    let Some(last) = ledger.last_readable().filter(|_| !records.is_empty()) else { return Ok(()) };
    let mut lines = Vec::new();
    for record in &records {
        lines.extend(serde_json::to_vec(record).expect("a record is plain data"));
        lines.push(b'\n');
    }
    let key = format!("{FOLDER}/{}.ndjson", last.hash);
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let (place, lines) = (folder.path(&key), Bytes::from(lines));
    let send =
        async || match folder.store.put_opts(&place, lines.clone().into(), options.clone()).await {
            Ok(_) => Ok(()),
            // An earlier attempt, whose answer was lost.
            Err(error) if kind(&error) == RequestErrorKind::Conflict => Ok(()),
            Err(error) => Err(BucketError::request("write", &key)(error)),
        };
    folder.patience.retry(send).await?;
    Ok(known.set(Some(&last))?)
}

/// Reads the records of an object. An invalid line is skipped, with a warning in the log.
pub(crate) async fn read(
    folder: &BucketFolder,
    key: &str,
) -> Result<Vec<LedgerRecord>, BucketError> {
    let failed = || BucketError::request("read", key);
    let read = async || {
        let answer = folder.store.get(&folder.path(key)).await.map_err(failed())?;
        answer.bytes().await.map_err(failed())
    };
    let bytes = folder.patience.retry(read).await?;
    let mut records = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Ok(record) = serde_json::from_slice(line) {
            records.push(record);
        } else {
            tracing::error!(key, "a record of a read is damaged and was left out");
        }
    }
    Ok(records)
}
