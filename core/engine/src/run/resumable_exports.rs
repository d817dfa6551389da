//! Notes on exports for the next run: an export is paid for once, so the next run resumes the exports that a killed
//! run has started.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use core_nexthink::{ExportJournal, ExportOrder, ExportRecord, NexthinkError, QueryId};
use core_store::{Downloads, StoreError, TenantStore};
use serde::{Deserialize, Serialize};

use super::encrypted_downloads::Files;
use super::quota::{QuotaClock, QuotaReservation};
use crate::failure::journal_error;
use core_terminal::bytes;

/// The least age up to which an export is resumable. The rows of an older one would be mixed with newer ones of the other
/// exports.
const RESUMABLE: Duration = Duration::from_hours(2);

/// The time that the next run has for an export that the run before it has waited for until the deadline.
const AFTER_DEADLINE: Duration = Duration::from_hours(1);

/// The time by which the start of an export may be in the future, in milliseconds, since readings of Nexthink's clock
/// differ by as much. An export further ahead was dated by a wrong clock, so its age is unknown.
const CLOCK_ERROR_MS: u64 = 2 * 60 * 1000;

/// The note on a download.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Note {
    started_ms: u64,
    /// The ID of the system's start in which it was downloaded, if the system has one.
    #[serde(default)]
    boot_id: Option<String>,
    record: ExportRecord,
}

/// The exports that earlier runs have left, by the name of their download.
#[derive(Debug)]
pub(super) struct ResumableExports(BTreeMap<String, Note>);

/// Keeps one export's record, and counts its starts.
#[derive(Debug)]
pub(super) struct Journal {
    downloads: Downloads,
    name: String,
    /// True if a later run can resume the download, which is impossible for an encrypted one.
    keeps: bool,
    /// The reservation for its start, and for a second start if the first export is lost.
    reservation: QuotaReservation,
    started_ms: Option<u64>,
}

impl ResumableExports {
    /// Selects the resumable exports from the notes on downloads, by the clock that dated them. By a wrong clock, an
    /// export would be paid for twice, or old rows would be mixed with new ones. A run waits for an export until
    /// `deadline`.
    pub(super) fn of(
        notes: Vec<(String, Vec<u8>)>,
        deadline: Duration,
        clock: QuotaClock,
    ) -> ResumableExports {
        let now = clock.now().0;
        let longest = RESUMABLE.max(deadline.saturating_add(AFTER_DEADLINE));
        let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let is_fresh = |note: &Note| {
            note.started_ms <= now.saturating_add(CLOCK_ERROR_MS)
                && now.saturating_sub(note.started_ms) <= longest_ms
        };
        let read = notes.into_iter().filter_map(|(name, note)| {
            let note = serde_json::from_slice::<Note>(&note).ok().filter(is_fresh)?;
            Some((name, note))
        });
        ResumableExports(read.collect())
    }

    /// Selects the resumable exports of a tenant. There are none if its downloads are encrypted: each run has a key of its
    /// own.
    pub(super) fn of_tenant(
        tenant: &TenantStore,
        is_encrypted: bool,
        deadline: Duration,
        clock: QuotaClock,
    ) -> Result<ResumableExports, StoreError> {
        let notes = if is_encrypted { Vec::new() } else { tenant.download_notes()? };
        Ok(Self::of(notes, deadline, clock))
    }

    /// Removes downloads that an earlier run has held back.
    pub(super) fn drop_held(&mut self, held: &BTreeSet<String>) {
        self.0.retain(|name, _| !held.contains(name));
    }

    /// Returns true if this download can be resumed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns true if an export with this order is already paid for.
    pub(super) fn is_paid(&self, name: &str, order: &ExportOrder) -> bool {
        self.paid_at(name, order).is_some()
    }

    /// Returns the time of its start, in milliseconds since 1970-01-01 UTC by the clock of the quota.
    pub(super) fn paid_at(&self, name: &str, order: &ExportOrder) -> Option<u64> {
        self.0.get(name).filter(|note| note.record.fits(order)).map(|note| note.started_ms)
    }

    /// Returns the number of exports whose downloads have names with this prefix.
    pub(super) fn count(&self, prefix: &str, query: &QueryId) -> u32 {
        let notes = self.0.iter().filter(|(name, _)| name.starts_with(prefix));
        let paid = notes.filter(|(_, note)| note.record.query_id == *query).count();
        u32::try_from(paid).unwrap_or(u32::MAX)
    }

    /// Returns the record of an export with this order, if it can be resumed, and the journal for it.
    pub(super) fn take_up(
        &self,
        files: &Files,
        name: &str,
        order: &ExportOrder,
        reservation: QuotaReservation,
    ) -> (Option<ExportRecord>, Journal) {
        let note = self.0.get(name).filter(|note| note.record.fits(order));
        let journal = Journal {
            downloads: files.downloads().clone(),
            name: name.to_owned(),
            keeps: !files.are_encrypted(),
            reservation,
            started_ms: note.map(|note| note.started_ms),
        };
        (note.map(Note::usable_record), journal)
    }
}

impl Note {
    /// Returns the record, without its file if that was written before the system was restarted: downloads are not
    /// fsynced, so after a loss of power a file of the right length may contain zeros. The export itself is paid for,
    /// and its file can be downloaded again.
    fn usable_record(&self) -> ExportRecord {
        let mut record = self.record.clone();
        if self.boot_id.is_none() || self.boot_id != core_files::boot_id() {
            record.file = None;
        }
        record
    }
}

impl ExportJournal for Journal {
    fn starting(&mut self) -> Result<(), NexthinkError> {
        self.started_ms = Some(self.reservation.start()?.0);
        Ok(())
    }

    fn not_started(&mut self) {
        self.reservation.take_back();
    }

    fn record(&mut self, record: &ExportRecord) -> io::Result<()> {
        self.check_room(record)?;
        if !self.keeps {
            return Ok(());
        }
        // A record without a start is that of an earlier run, and has its time.
        let started_ms = self.started_ms.unwrap_or_default();
        let note = serde_json::to_vec(&Note {
            started_ms,
            boot_id: core_files::boot_id(),
            record: record.clone(),
        })?;
        self.downloads.set_note(&self.name, &note).map_err(journal_error)
    }

    fn forget(&mut self) -> io::Result<()> {
        // The file stays: it is open, and is truncated before it is written again.
        self.downloads.remove_note(&self.name).map_err(journal_error)
    }
}

impl Journal {
    /// Fails before a download fills the disk. The generation needs space too, but less.
    fn check_room(&self, record: &ExportRecord) -> io::Result<()> {
        let announced =
            record.file.as_ref().filter(|file| file.whole.is_none()).and_then(|file| file.total);
        let (Some(announced), Some(free)) = (announced, self.downloads.free_bytes()) else {
            return Ok(());
        };
        let here = self.downloads.read(&self.name).ok().and_then(|file| file.metadata().ok());
        let missing = announced.saturating_sub(here.map_or(0, |metadata| metadata.len()));
        if missing <= free {
            return Ok(());
        }
        let message = format!(
            "a download has {} more, and {} are left: make room, or move the store",
            bytes(missing),
            bytes(free)
        );
        Err(io::Error::new(io::ErrorKind::StorageFull, message))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // A download that cannot be resumed is useless; an encrypted one is read by this run.
        if self.keeps
            && let Ok(None) = self.downloads.note(&self.name)
            && let Err(error) = self.downloads.remove(&self.name)
        {
            tracing::warn!(%error, "a download that is of no use was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use core_nexthink::Compression;

    use super::*;
    use crate::testing::{Place, host};

    fn order(query: &str) -> ExportOrder {
        ExportOrder::new(query.parse().expect("a query ID"), Compression::Zstd)
    }

    /// The note of an export that was started some minutes ago.
    fn note(name: &str, query: &str, minutes_ago: i64) -> (String, Vec<u8>) {
        let now = i64::try_from(host().now().0).expect("in the calendar");
        let started_ms = u64::try_from(now - minutes_ago * 60_000).expect("after 1970");
        let record = ExportRecord {
            query_id: query.parse().expect("a query ID"),
            parameters: BTreeMap::new(),
            compression: Compression::Zstd,
            export_id: "d3c8b1a0-7f51-4a53-9d0e-3f0f6f1f6a11".parse().expect("an export ID"),
            truncated: false,
            file: None,
        };
        (
            name.to_owned(),
            serde_json::to_vec(&Note { started_ms, boot_id: None, record }).expect("plain data"),
        )
    }

    fn read(notes: Vec<(String, Vec<u8>)>) -> ResumableExports {
        within(Duration::from_hours(1), notes)
    }

    /// The same for runs that wait for an export until `deadline`.
    fn within(deadline: Duration, notes: Vec<(String, Vec<u8>)>) -> ResumableExports {
        ResumableExports::of(notes, deadline, QuotaClock::read(&host(), None))
    }

    #[test]
    fn an_export_is_resumed_within_two_hours_and_not_from_the_future() {
        let table =
            [(0, true), (119, true), (121, false), (100_000, false), (-1, true), (-5, false)];
        for (minutes_ago, is_there) in table {
            let resumable = read(vec![note("devices", "#devices", minutes_ago)]);
            assert_eq!(resumable.has("devices"), is_there, "{minutes_ago}");
        }
    }

    #[test]
    fn an_export_that_is_waited_for_for_hours_is_resumed_after_them() {
        for (deadline_minutes, minutes_ago, is_there) in
            [(1, 119, true), (180, 239, true), (180, 241, false), (1_440, 1_499, true)]
        {
            let deadline = Duration::from_mins(deadline_minutes);
            let resumable = within(deadline, vec![note("devices", "#devices", minutes_ago)]);
            assert_eq!(resumable.has("devices"), is_there, "{deadline_minutes} {minutes_ago}");
        }
    }

    #[test]
    fn an_encrypted_download_is_not_resumed() {
        let place = Place::new();
        let (name, note) = note("devices", "#devices", 10);
        place.lock.downloads().expect("they can be made").set_note(&name, &note).expect("noted");
        for is_encrypted in [false, true] {
            let clock = QuotaClock::read(&host(), None);
            let (tenant, deadline) = (place.lock.tenant(), Duration::from_hours(1));
            let resumable = ResumableExports::of_tenant(tenant, is_encrypted, deadline, clock);
            assert_eq!(resumable.expect("it can be read").has("devices"), !is_encrypted);
        }
    }

    #[test]
    fn an_export_is_resumed_only_for_the_same_order() {
        let resumable = read(vec![note("devices", "#devices", 10)]);
        assert!(resumable.is_paid("devices", &order("#devices")));
        assert!(!resumable.is_paid("devices", &order("#others")));
        assert!(!resumable.is_paid("users", &order("#devices")));
        let mut part = order("#devices");
        part.parameters.insert("part".to_owned(), "0*".to_owned());
        assert!(!resumable.is_paid("devices", &part));
        let mut plain = order("#devices");
        plain.compression = Compression::None;
        assert!(!resumable.is_paid("devices", &plain));
    }

    #[test]
    fn parts_are_counted_by_their_prefix_and_query() {
        let resumable = read(vec![
            note("devices.0", "#part", 10),
            note("devices.1", "#part", 10),
            note("devices.2", "#other", 10),
            note("users.0", "#part", 10),
        ]);
        let query = "#part".parse().expect("a query ID");
        assert_eq!(resumable.count("devices.", &query), 2);
    }

    #[test]
    fn a_note_that_cannot_be_read_is_none() {
        let resumable = read(vec![("devices".to_owned(), b"{}".to_vec())]);
        assert!(!resumable.has("devices"));
    }

    #[test]
    fn what_a_shrink_has_held_back_is_not_taken_up_without_consent() {
        let mut resumable =
            read(vec![note("devices", "#devices", 10), note("users", "#users", 10)]);
        resumable.drop_held(&BTreeSet::from(["devices".to_owned()]));
        assert!(!resumable.has("devices") && resumable.has("users"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn n13_a_file_from_before_another_start_of_the_system_is_not_trusted() {
        let this = core_files::boot_id();
        for (boot_id, trusted) in [(this, true), (Some("other".to_owned()), false), (None, false)] {
            let note = serde_json::json!({
                "startedMs": 1,
                "bootId": boot_id,
                "record": {
                    "query_id": "#j1_users",
                    "parameters": {},
                    "compression": "ZSTD",
                    "export_id": "e-1",
                    "truncated": false,
                    "file": { "total": 7, "validator": null, "whole": 7 },
                },
            });
            let note: Note = serde_json::from_value(note).expect("it is a note");
            let record = note.usable_record();
            assert_eq!(record.file.is_some(), trusted, "{boot_id:?}");
        }
    }
}
