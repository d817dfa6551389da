//! Events: appended completely or not at all, each once, by day, and removed when they expire.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{BooleanArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use core_files::SimulatedDisk;
use core_store::{EventAppender, EventDeclaration, Location, RunLock, Store, StoreError};
use serde_json::json;
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;
/// 2026-01-01.
const START_MS: i64 = 1_767_225_600_000;

struct Place {
    folder: TempDir,
    lock: RunLock,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().to_owned())).expect("a folder");
        let lock =
            store.tenant("acme").and_then(|tenant| tenant.lock("a test")).expect("it is free");
        Self { folder, lock }
    }

    fn appender(&self) -> EventAppender {
        let declaration = EventDeclaration {
            schema: schema(),
            personal_columns: Vec::new(),
            time_column: "observedOn",
            own_time_column: "occurredOn",
        };
        self.lock.append_events("audit", declaration).expect("the columns are right")
    }

    fn log_folder(&self) -> PathBuf {
        self.folder.path().join("acme/events/audit")
    }

    /// The key and time of every event in the listed files.
    fn events(&self) -> Vec<(String, i64)> {
        let log = self.lock.tenant().events("audit").expect("the log is whole");
        let mut events = Vec::new();
        for batch in log.batches_from("") {
            let batch = batch.expect("the file is whole");
            let keys = batch.column(0).as_string::<i32>().iter().flatten();
            let times = batch.column(1).as_primitive::<TimestampMillisecondType>().values();
            events.extend(keys.map(str::to_owned).zip(times.iter().copied()));
        }
        assert_eq!(events.len() as u64, log.rows());
        events
    }
}

/// The day of a time within the months of these tests.
fn day(ms: i64) -> String {
    let month_lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut day = (ms - START_MS) / DAY_MS;
    for (month, length) in month_lengths.into_iter().enumerate() {
        if day < length {
            return format!("2026-{:02}-{:02}", month + 1, day + 1);
        }
        day -= length;
    }
    unreachable!("not within a year")
}

/// Appends events with their own times.
fn append(appender: &mut EventAppender, events: &[(&str, i64)]) {
    for (key, ms) in events {
        append_one(appender, key, *ms, Some(*ms));
    }
}

fn append_one(appender: &mut EventAppender, key: &str, kept_ms: i64, own_ms: Option<i64>) {
    if appender.is_new(kept_ms, own_ms, key).expect("the files can be read") {
        let time = |ms| Arc::new(TimestampMillisecondArray::from(vec![ms]).with_timezone("UTC"));
        let keys = Arc::new(StringArray::from(vec![key]));
        let batch = RecordBatch::try_new(schema(), vec![keys, time(Some(kept_ms)), time(own_ms)]);
        appender.write(&day(kept_ms), &batch.expect("the columns fit")).expect("it is written");
    }
}

fn schema() -> Arc<Schema> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("_key", DataType::Utf8, false),
        Field::new("observedOn", time.clone(), true),
        Field::new("occurredOn", time, true),
    ]))
}

fn parquet_files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.insert(path);
        }
    }
    files
}

#[test]
fn an_event_is_stored_once_however_often_it_comes() {
    let place = Place::new();
    for run in 0..3 {
        let mut appender = place.appender();
        append(&mut appender, &[("a", START_MS), ("b", START_MS + DAY_MS), ("a", START_MS)]);
        append(&mut appender, &[("b", START_MS + DAY_MS)]);
        appender.commit(json!({ "run": run })).expect("it is committed");
    }
    let expected = [("a".to_owned(), START_MS), ("b".to_owned(), START_MS + DAY_MS)];
    assert_eq!(place.events(), expected);
    let log = place.lock.tenant().events("audit").expect("the log is whole");
    assert_eq!(log.notes(), &json!({ "run": 2 }));
}

#[test]
fn uncommitted_events_do_not_count_and_are_removed() {
    let place = Place::new();
    let mut appender = place.appender();
    append(&mut appender, &[("a", START_MS)]);
    appender.commit(json!(1)).expect("it is committed");
    append(&mut appender, &[("b", START_MS)]);
    // Killed during a commit: one file is in its place, and the state does not list it.
    drop(appender);
    let stray = place.log_folder().join("date=2026-01-01/part-00000099.parquet");
    fs::copy(parquet_files(&place.log_folder()).first().expect("a file"), &stray).expect("copied");
    assert_eq!(place.events().len(), 1);

    let mut appender = place.appender();
    assert_eq!(parquet_files(&place.log_folder()).len(), 1);
    append(&mut appender, &[("b", START_MS)]);
    appender.discard().expect("its files are removed");
    appender.commit(json!(2)).expect("there is nothing to commit but notes");
    assert_eq!(place.events().len(), 1);
    append(&mut appender, &[("b", START_MS)]);
    appender.commit(json!(3)).expect("it is committed");
    assert_eq!(place.events().len(), 2);
}

#[test]
fn days_in_any_order_are_each_stored_once() {
    let place = Place::new();
    let mut appender = place.appender();
    let key = |i: i64| format!("key-{i}");
    for round in 0..2 {
        for i in 0..40_i64 {
            let ms = START_MS + (i * 7 % 10) * DAY_MS + i;
            append(&mut appender, &[(&key(i), ms)]);
        }
        if round == 1 {
            appender.commit(json!(null)).expect("it is committed");
        }
    }
    let keys: BTreeSet<String> = place.events().into_iter().map(|(key, _)| key).collect();
    assert_eq!((keys.len(), place.events().len()), (40, 40));
}

#[test]
fn an_event_with_a_guessed_time_is_recognized_a_day_off_and_no_further() {
    let place = Place::new();
    let days = [5, 4, 6, 9];
    for is_again in [false, true] {
        for own_ms in [None, Some(START_MS + 300 * DAY_MS)] {
            let key = format!("guessed-{own_ms:?}");
            for day in days {
                let mut appender = place.appender();
                append_one(&mut appender, &key, START_MS + day * DAY_MS, own_ms);
                appender.commit(json!(is_again)).expect("it is committed");
            }
        }
    }
    let days: Vec<i64> = place.events().iter().map(|(_, ms)| (ms - START_MS) / DAY_MS).collect();
    assert_eq!(days, [5, 5, 9, 9]);
}

#[test]
fn events_of_many_hours_are_recognized_before_and_after_their_commit() {
    let place = Place::new();
    let mut appender = place.appender();
    let keys: Vec<String> = (0..100).map(|i| format!("key-{i}")).collect();
    // Engines one after the other: each covers all the hours again.
    let all = |appender: &mut EventAppender| {
        for (i, key) in (0_i64..).zip(&keys) {
            append(appender, &[(key, START_MS + i * 17 % 100 * 1_700_000)]);
        }
    };
    for round in 0..3 {
        all(&mut appender);
        all(&mut appender);
        appender.commit(json!(round)).expect("it is committed");
        let left = fs::read_dir(place.log_folder().join("staging")).expect("a folder").count();
        assert_eq!((place.events().len(), left), (100, 0), "in round {round}");
    }
    all(&mut appender);
    appender.discard().expect("its files are removed");
    all(&mut appender);
    appender.commit(json!("again")).expect("it is committed");
    assert_eq!(place.events().len(), 100);
}

#[test]
fn after_181_days_nothing_older_than_180_days_is_in_any_file() {
    let place = Place::new();
    let mut stored_hours = 0;
    // One run a day, and on the last day one an hour, which makes a day of many files.
    let hours = (1..=181 * 24_i64).filter(|hour| hour % 24 == 0 || *hour > 180 * 24);
    for hour in hours {
        let mut appender = place.appender();
        for half in stored_hours * 2..hour * 2 {
            append(&mut appender, &[(&format!("key-{half}"), START_MS + half * 1_800_000)]);
        }
        stored_hours = hour;
        appender.commit(json!(null)).expect("it is committed");
        let oldest_ms = START_MS + hour * 3_600_000 - 180 * DAY_MS;
        appender.retain_from(oldest_ms).expect("the files can be rewritten");
    }
    let now_ms = START_MS + 181 * DAY_MS;
    let events = place.events();
    let oldest = events.iter().map(|(_, ms)| *ms).min().expect("there are events");
    assert_eq!(oldest, now_ms - 180 * DAY_MS);
    // Nothing was removed too early either, and only listed files exist.
    assert_eq!(events.len(), 180 * 48);
    let log = place.lock.tenant().events("audit").expect("the log is whole");
    let listed: BTreeSet<PathBuf> =
        log.files().iter().map(|file| place.log_folder().join(&file.path)).collect();
    assert_eq!(parquet_files(&place.log_folder()), listed);
    assert!(log.files().iter().all(|file| file.from_ms >= now_ms - 180 * DAY_MS));
    assert!(!place.log_folder().join("date=2026-01-01").exists());
}

#[test]
fn an_inconsistent_state_is_rejected() {
    for (text, expected) in [
        ("{", "is not the state of a log of events"),
        ("{\"format_version\": 2}", "have format version 2"),
        (
            "{\"format_version\": 1, \"next_part\": 0, \"notes\": null, \"files\": [{\"day\": \
             \"2026-01-01\", \"path\": \"../../lock\", \"rows\": 1, \"bytes\": 1, \"blake3\": \"\", \
             \"from_ms\": 0, \"to_ms\": 0}]}",
            "outside its folder",
        ),
    ] {
        let place = Place::new();
        fs::create_dir_all(place.log_folder()).expect("a folder can be made");
        fs::write(place.log_folder().join("state.json"), text).expect("a file can be written");
        let error: StoreError = place.lock.tenant().events("audit").expect_err(text);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn events_that_have_not_been_through_an_erasure_are_not_opened() {
    let place = Place::new();
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<String>>();
    let open = || place.lock.tenant().events("audit");
    place.lock.set_erasures(&ids(&["e-1"])).expect("there is room");
    assert!(open().is_ok(), "a log without events shows no person");
    let mut appender = place.appender();
    append(&mut appender, &[("a", START_MS)]);
    appender.commit(json!({})).expect("there is room");
    assert!(open().is_ok(), "whoever appends to an empty log leaves out those who were erased");

    place.lock.set_erasures(&ids(&["e-1", "e-2"])).expect("there is room");
    assert!(matches!(open(), Err(StoreError::EventsNotCleansed { .. })));
    let mut appender = place.appender();
    append(&mut appender, &[("b", START_MS + 1)]);
    appender.commit(json!({})).expect("there is room");
    assert!(open().is_err(), "an append does not cleanse the events that are there");
    let keep_all = |batch: &RecordBatch| BooleanArray::from(vec![true; batch.num_rows()]);
    assert_eq!(place.appender().retain_where(&keep_all).expect("the files are whole"), 0);
    assert_eq!(place.events().len(), 2);
    place.lock.set_erasures(&ids(&["e-2"])).expect("there is room");
    assert!(open().is_ok(), "an erasure that was lifted asks for nothing");
}

#[test]
fn j7_a_damaged_file_of_events_is_not_read_even_for_its_keys() {
    let place = Place::new();
    let mut appender = place.appender();
    append(&mut appender, &[("a", START_MS)]);
    appender.commit(json!({})).expect("it is committed");
    let file = parquet_files(&place.log_folder()).pop_first().expect("there is one");
    let mut bytes = fs::read(&file).expect("it can be read");
    bytes[20] ^= 1;
    fs::write(&file, bytes).expect("it can be written");

    let log = place.lock.tenant().events("audit").expect("the state is whole");
    let is_damaged = |error: &StoreError| matches!(error, StoreError::Damaged { .. });
    assert!(log.check().is_err_and(|error| is_damaged(&error)));
    let first = log.batches_from("").next().expect("there is an error");
    assert!(first.is_err_and(|error| is_damaged(&error)));
    let mut appender = place.appender();
    let known = appender.is_new(START_MS, Some(START_MS), "a");
    assert!(known.is_err_and(|error| is_damaged(&error)));
    let removed = appender.retain_from(START_MS + 1);
    assert!(removed.is_ok_and(|rows| rows == 1), "a file that goes as a whole is not read");
}

#[test]
fn n2_a_commit_that_fails_anywhere_and_is_discarded_leaves_a_log_that_is_whole() {
    let place = Place::new();
    let disk = SimulatedDisk::new(place.folder.path());
    append(&mut place.appender(), &[("before", START_MS)]);
    let mut number = 0;
    loop {
        number += 1;
        let mut appender = place.appender();
        let key = number.to_string();
        append(&mut appender, &[(&key, START_MS)]);
        disk.start_with_fault(&format!("eio@{number}"));
        let committed = appender.commit(json!({ "number": number }));
        disk.start();
        if committed.is_ok() {
            break;
        }
        appender.discard().expect("the disk works again");
        place.lock.tenant().events("audit").expect("it can be read").verify().expect(&key);
        // The caller writes again what was discarded.
        append(&mut appender, &[(&key, START_MS)]);
        appender.commit(json!({ "number": number })).expect("the disk works again");
        let events: BTreeSet<String> = place.events().into_iter().map(|(key, _)| key).collect();
        assert!(events.contains(&key), "{key} of {events:?}");
        assert_eq!(events.len(), place.events().len(), "each is there once");
    }
    assert!(number > 8, "a commit has {number} operations");
}
