//! The removal of the table's download: an export is paid for once.

use std::io::Write as _;
use std::path::Path;

use core_nexthink::{ClockOffset, FinishedExport};
use core_store::{Downloads, Location, Store};
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::*;
use crate::audit::appender;
use crate::failure::StopReason;
use crate::run::Files;
use crate::settings::AuditSource;

const DOWNLOAD: &str = "fetch-audit";
const ROWS: &str = "time,account,code,message\n2026-03-01T10:00:00Z,anna,90211,User logged in\n";
const NOW_MS: i64 = 1_772_366_400_000;

fn table() -> AuditTable {
    let [time, account, code, message] = ["time", "account", "code", "message"].map(str::to_owned);
    AuditTable {
        query: "#j1_audit".parse().expect("a query ID"),
        time,
        account,
        code,
        message,
        hours: 168,
    }
}

/// Reads a download. Returns the number of stored events, if any, and whether the download still
/// exists.
async fn read(
    text: &str,
    cancellation: &Cancellation,
    spoil: impl FnOnce(&Path),
) -> (Option<u64>, bool) {
    let folder = TempDir::new().expect("a folder can be made");
    let location = Location::Folder(folder.path().to_owned());
    let tenant =
        Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
    let lock = tenant.lock("a test").expect("it is free");
    let downloads = lock.downloads().expect("there is room");
    let mut file = downloads.resume(DOWNLOAD).expect("it can be made");
    file.write_all(text.as_bytes()).expect("there is room");
    let audit = Audit {
        source: AuditSource::Table(table()),
        time_zone: TimeZone::UTC,
        clear_names: false,
        windows: WindowSettings::default(),
    };
    let appender = appender(&lock).expect("the log is whole");
    spoil(&folder.path().join("acme/events/audit"));
    let reading = Reading {
        audit: &audit,
        table: &table(),
        cancellation,
        again: None,
        people: EventPrivacy::default(),
    };
    let fetched = fetched(downloads.clone(), text.len() as u64);
    let read = reading.read(fetched, appender, Notes::default()).await;
    let rows = read.ok().map(|(appender, _)| appender.log().rows());
    (rows, downloads.read(DOWNLOAD).is_ok())
}

fn fetched(downloads: Downloads, bytes: u64) -> FetchedTable {
    let export_id = "d3c8b1a0-7f51-4a53-9d0e-3f0f6f1f6a11".parse().expect("an export ID");
    FetchedTable {
        result: Ok(FinishedExport {
            export_id,
            truncated: false,
            bytes,
            length_proven: true,
            prepared: None,
        }),
        files: Files::new(downloads, false, &crate::testing::host()),
        name: DOWNLOAD,
        started_ms: NOW_MS,
        ended_ms: NOW_MS + 60_000,
        clock_offset: ClockOffset::between(NOW_MS, NOW_MS.unsigned_abs()),
    }
}

#[tokio::test]
async fn a_download_goes_once_its_events_count() {
    assert_eq!(read(ROWS, &Cancellation::default(), |_| ()).await, (Some(1), false));
}

#[tokio::test]
async fn a_download_whose_events_cannot_be_noted_stays_for_the_next_run() {
    let in_the_way = |log: &Path| {
        std::fs::create_dir_all(log.join("state.json/full")).expect("there is room");
    };
    assert_eq!(read(ROWS, &Cancellation::default(), in_the_way).await, (None, true));
}

#[tokio::test]
async fn a_download_that_is_refused_goes_since_it_would_be_refused_again() {
    let other = ROWS.replace("account", "who");
    assert_eq!(read(&other, &Cancellation::default(), |_| ()).await, (Some(0), false));
}

#[tokio::test]
async fn a_download_stays_when_the_run_is_stopped() {
    let cancellation = Cancellation::default();
    cancellation.request(StopReason::Interrupted);
    assert_eq!(read(ROWS, &cancellation, |_| ()).await, (Some(0), true));
}

#[cfg(unix)]
#[tokio::test]
async fn a_download_stays_when_it_is_this_machine_that_fails() {
    let nowhere = |log: &Path| {
        let file = log.join("staging/part-00000000.parquet");
        std::os::unix::fs::symlink("/nowhere/at/all", file).expect("nothing is there");
    };
    assert_eq!(read(ROWS, &Cancellation::default(), nowhere).await, (Some(0), true));
}
