//! What is kept of an export for the next run: an export is paid for once, so one that a killed run
//! has started is gone on with.

use std::collections::BTreeMap;
use std::io;

use core_nexthink::{ExportJournal, ExportOrder, ExportRecord, NexthinkError};
use core_store::Downloads;
use serde::{Deserialize, Serialize};

use super::quota::Quota;
use super::report::bytes;
use crate::system::Moment;

/// How old an export may be to be gone on with, in milliseconds: an hour. Older rows would be mixed
/// with newer ones of the other exports.
const RESUMABLE_MS: u64 = 60 * 60 * 1000;

/// The note on a download.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    started_ms: u64,
    record: ExportRecord,
}

/// The exports that earlier runs have left, by the name of their download.
#[derive(Debug)]
pub(super) struct Leftovers {
    downloads: Downloads,
    notes: BTreeMap<String, Note>,
}

/// Keeps one export's record, and counts its starts.
#[derive(Debug)]
pub(super) struct Journal {
    downloads: Downloads,
    name: String,
    quota: Quota,
    /// Whether the next start is promised by the quota.
    is_promised: bool,
    started_ms: Option<u64>,
}

impl Leftovers {
    /// Reads what is there, and removes what is too old or cannot be read.
    pub(super) fn open(downloads: Downloads) -> Result<Leftovers, core_store::StoreError> {
        let now = Moment::now().0;
        let mut notes = BTreeMap::new();
        for name in downloads.names()? {
            let note = downloads.note(&name)?;
            let note = note.and_then(|bytes| serde_json::from_slice::<Note>(&bytes).ok());
            // One from the future has no age that could be trusted.
            let fresh = |note: &Note| {
                now.checked_sub(note.started_ms).is_some_and(|age| age <= RESUMABLE_MS)
            };
            if let Some(note) = note.filter(fresh) {
                notes.insert(name, note);
            }
        }
        downloads.clear_except(|name| notes.contains_key(name))?;
        Ok(Leftovers { downloads, notes })
    }

    /// Whether an export that was asked for like this need not be started.
    pub(super) fn has(&self, name: &str, order: &ExportOrder) -> bool {
        self.notes.get(name).is_some_and(|note| note.record.fits(order))
    }

    /// The record of an export that was asked for like this, and the journal to go on with.
    pub(super) fn take_up(
        &self,
        name: &str,
        order: &ExportOrder,
        quota: &Quota,
        is_promised: bool,
    ) -> (Option<ExportRecord>, Journal) {
        let note = self.notes.get(name).filter(|note| note.record.fits(order));
        let journal = Journal {
            downloads: self.downloads.clone(),
            name: name.to_owned(),
            quota: quota.clone(),
            is_promised,
            started_ms: note.map(|it| it.started_ms),
        };
        (note.map(|it| it.record.clone()), journal)
    }

    /// The downloads.
    pub(super) fn downloads(&self) -> &Downloads {
        &self.downloads
    }
}

impl ExportJournal for Journal {
    fn starting(&mut self) -> Result<(), NexthinkError> {
        let is_promised = std::mem::take(&mut self.is_promised);
        self.quota.starting(is_promised)?;
        self.started_ms = Some(Moment::now().0);
        Ok(())
    }

    fn not_started(&mut self) {
        self.quota.not_started();
    }

    fn record(&mut self, record: &ExportRecord) -> io::Result<()> {
        self.check_room(record)?;
        let started_ms = self.started_ms.unwrap_or_else(|| Moment::now().0);
        let note = serde_json::to_vec(&Note { started_ms, record: record.clone() })?;
        self.downloads.set_note(&self.name, &note).map_err(io::Error::other)
    }

    fn forget(&mut self) -> io::Result<()> {
        // The file stays: it is open, and emptied before it is written to again.
        self.downloads.remove_note(&self.name).map_err(io::Error::other)
    }
}

impl Journal {
    /// Fails before a download fills the disk. The generation needs room too, but less than that.
    fn check_room(&self, record: &ExportRecord) -> io::Result<()> {
        let announced =
            record.file.as_ref().filter(|it| it.whole.is_none()).and_then(|it| it.total);
        let (Some(announced), Some(free)) = (announced, self.downloads.free_bytes()) else {
            return Ok(());
        };
        if announced <= free {
            return Ok(());
        }
        let message = format!(
            "a download has {}, and the disk of the store has {} left",
            bytes(announced),
            bytes(free)
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, message))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A promise that was not needed is for others: the export was there already.
        if self.is_promised {
            self.quota.release(1);
        }
        // A download that nobody can go on with is in the way only.
        if let Ok(None) = self.downloads.note(&self.name)
            && let Err(error) = self.downloads.remove(&self.name)
        {
            tracing::warn!(%error, "a download that is of no use was left behind");
        }
    }
}
