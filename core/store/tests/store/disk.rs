//! Everything that a run writes, on a simulated disk that fails, is killed or loses its power, as a seed decides: what was
//! said to be done is done, what is published is whole, and the next holder of the lock leaves nothing stray.
//!
//! The gate tries some seeds. `cargo xtask torture disk` tries ten thousand; each failure names its seed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use core_files::SimulatedDisk;
use core_store::{
    Draft, EventDeclaration, GenerationId, LedgerRecord, Retention, RetentionPolicy, RunLock,
    StoreError, Windows,
};
use jiff::Timestamp;
use serde_json::json;

use crate::support::{
    Place, device_batch, device_keys, devices, draft, installation_batch, installations, record,
    write,
};

/// The number of seeds that the gate tries.
const SEEDS: u64 = 150;
/// 2026-03-01T00:00:00Z.
const START_MS: u64 = 1_772_323_200_000;
const DAY_MS: u64 = 86_400_000;

/// The faults, the more likely ones several times.
const FAULTS: [&str; 10] =
    ["power", "power", "power", "power", "kill", "kill-after", "torn", "enospc", "eio", "eio"];

/// The work that a run has said to be done, by its number.
#[derive(Debug, Default, Clone)]
struct Said {
    published: Option<u64>,
    state: Option<u64>,
    events: BTreeSet<u64>,
    /// The events of the ledger.
    entries: Vec<String>,
}

/// A number that `cargo xtask torture` sets.
#[expect(clippy::disallowed_methods, reason = "a switch for this test alone")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The next random number of a seed, below a bound (`SplitMix64`).
fn next(seed: &mut u64, bound: u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) % bound
}

/// The time of a run: each is a day after the one before, so that old things go.
fn time(run: u64) -> u64 {
    START_MS + run * DAY_MS
}

fn at(run: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(time(run)).expect("a time")).expect("a time")
}

fn entry(run: u64, event: &str) -> LedgerRecord {
    LedgerRecord { at: at(run).to_string(), at_ms: time(run), ..record(event) }
}

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("_key", DataType::Utf8, false),
        Field::new("observedOn", time.clone(), false),
        Field::new("occurredOn", time, true),
    ]))
}

fn declaration() -> EventDeclaration {
    EventDeclaration {
        schema: schema(),
        personal_columns: Vec::new(),
        time_column: "observedOn",
        own_time_column: "occurredOn",
    }
}

/// Everything that a run writes, step by step; `said` has what came through.
fn run(place: &Place, run: u64, said: &mut Said) -> Result<(), StoreError> {
    let lock = place.lock()?;
    let started = format!("run {run} started");
    place.tenant.ledger().append(&entry(run, &started))?;
    said.entries.push(started);
    lock.downloads()?.set_note("devices", b"{}")?;
    let id = ulid::Ulid::from_parts(time(run), u128::from(run)).to_string();
    let staging = lock.stage(GenerationId::parse(&id)?)?;
    let key = format!("device-{run}");
    let pairs = [(key.clone(), "package".to_owned())];
    let tables = vec![
        write(&staging, devices(), &[device_batch(&["always", &key])])?,
        write(&staging, installations(), &[installation_batch(&pairs)])?,
    ];
    let draft = Draft { created_at: at(run).to_string(), ..draft(tables) };
    staging.publish(draft, &[("run.json", b"{}")])?;
    said.published = Some(run);
    lock.downloads()?.remove_note("devices")?;
    lock.set_state("quota", run.to_string().as_bytes())?;
    said.state = Some(run);
    append(&lock, run)?;
    said.events.insert(run);
    retain(&lock, run)?;
    let ended = format!("run {run} ended");
    place.tenant.ledger().append(&entry(run, &ended))?;
    said.entries.push(ended);
    Ok(())
}

/// Appends the event of this run, and that of the one before once more.
fn append(lock: &RunLock, run: u64) -> Result<(), StoreError> {
    let mut appender = lock.append_events("audit", declaration())?;
    for event in [run.saturating_sub(1), run] {
        let ms = i64::try_from(time(event)).expect("a time");
        let key = event.to_string();
        if appender.is_new(ms, Some(ms), &key)? {
            let times = || Arc::new(TimestampMillisecondArray::from(vec![ms]).with_timezone("UTC"));
            let keys = Arc::new(StringArray::from(vec![key]));
            let batch = RecordBatch::try_new(schema(), vec![keys, times(), times()]);
            appender.write(&at(event).strftime("%F").to_string(), &batch.expect("they fit"))?;
        }
    }
    appender.commit(json!({ "run": run }))?;
    appender.retain_from(i64::try_from(time(run.saturating_sub(10))).expect("a time"))?;
    Ok(())
}

fn retain(lock: &RunLock, run: u64) -> Result<(), StoreError> {
    let generations = RetentionPolicy { keep_days: 4, keep_all_days: 2 };
    let windows = Windows { generations, ledger_days: 10, ..Windows::default() };
    let retention =
        Retention { windows: &windows, pinned: &[], now_ms: time(run), accept_clock: true };
    lock.retain(retention, &entry(run, "checkpoint"))?;
    Ok(())
}

/// The runs whose events are stored.
fn events(place: &Place) -> BTreeSet<u64> {
    let log = place.tenant.events("audit").expect("the log is whole");
    let mut events = BTreeSet::new();
    for batch in log.batches_from("") {
        let batch = batch.expect("the file is whole");
        for key in batch.column(0).as_string::<i32>().iter().flatten() {
            assert!(events.insert(key.parse().expect("a number")), "event {key} is there twice");
        }
    }
    events
}

/// Fails unless everything that was said is done, and nothing is half done.
fn assert_kept(place: &Place, case: &str, said: &Said, run: u64) {
    let current = place.tenant.current().unwrap_or_else(|error| panic!("{case}: {error}"));
    let current = current.unwrap_or_else(|| panic!("{case}: nothing is published any more"));
    current.verify().unwrap_or_else(|error| panic!("{case}: {error}"));
    let keys = device_keys(&current).expect("it is whole");
    let possible = [said.published, Some(run)].map(|run| format!("device-{}", run.unwrap_or(0)));
    assert!(possible.contains(&keys[1]), "{case}: {keys:?} and not one of {possible:?}");
    let state = place.tenant.state("quota").expect("it can be read").expect("it was written");
    let state: u64 = String::from_utf8(state).expect("text").parse().expect("a number");
    assert!([said.state, Some(run)].contains(&Some(state)), "{case}: state {state}");
    let events = events(place);
    let since = run.saturating_sub(9);
    let lost: Vec<_> = said.events.range(since..).filter(|run| !events.contains(run)).collect();
    assert!(lost.is_empty(), "{case}: events {lost:?} are lost");
    let entries = place.tenant.ledger().entries().expect("it can be read");
    let told = said.entries.last().expect("a run has said something");
    let has_told = entries.iter().any(|entry| entry.record.event == *told);
    assert!(has_told, "{case}: the ledger has lost `{told}`");
}

/// Fails if a file is there that nothing names.
fn assert_tidy(place: &Place, case: &str) {
    let mut named: BTreeSet<PathBuf> = BTreeSet::new();
    for entry in place.tenant.history().expect("it can be listed") {
        let base = place.path(&format!("generations/{}", entry.id));
        let manifest = entry.manifest.unwrap_or_else(|error| panic!("{case}: {error}"));
        named.extend(manifest.files().map(|file| base.join(&file.path)));
        named.insert(base.join("manifest.json"));
    }
    let log = place.tenant.events("audit").expect("it can be read");
    named.extend(log.files().iter().map(|file| place.path("events/audit").join(&file.path)));
    named.insert(place.path("events/audit/state.json"));
    let held = ["generations", "events", "staging"].map(|name| place.path(name));
    let stray = files(&place.path("")).into_iter().filter(|path| {
        let is_held = held.iter().any(|folder| path.starts_with(folder));
        (is_held && !named.contains(path)) || path.to_string_lossy().contains(".new")
    });
    let stray: Vec<_> = stray.collect();
    assert!(stray.is_empty(), "{case}: nothing names {stray:?}");
    assert!(named.len() < 60, "{case}: {} files are kept", named.len());
    let heads = place.tenant.known_ledger_heads().expect("it can be listed");
    let verified = place.tenant.ledger().verify(&heads).expect("it can be read");
    assert!(verified.findings.is_empty(), "{case}: {:?}", verified.findings);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn n1_n2_n13_what_a_run_said_to_be_done_survives_a_disk_that_fails_anywhere() {
    let place = Place::new().expect("a folder can be made");
    let disk = SimulatedDisk::new(&place.path(""));
    let mut said = Said::default();
    run(&place, 0, &mut said).expect("there is no fault");
    disk.start();
    run(&place, 1, &mut said).expect("there is no fault");
    let operations = disk.operations() as u64;
    assert!(operations > 40, "{operations} operations");
    let first = number("TORTURE_SEED").unwrap_or(0);
    for (step, seed) in (first..first + number("TORTURE_SEEDS").unwrap_or(SEEDS)).enumerate() {
        let mut random = seed;
        let kind = FAULTS[usize::try_from(next(&mut random, 10)).unwrap_or(0)];
        let lasts = if kind.starts_with('e') && next(&mut random, 2) == 0 { "+" } else { "" };
        // Some faults come after the last operation, and hit nothing.
        let place_of_fault = next(&mut random, operations + 8) + 1;
        let fault = match kind {
            "power" if place_of_fault > operations => format!("power@end:{seed}"),
            "power" => format!("power@{place_of_fault}:{seed}"),
            _ => format!("{kind}@{place_of_fault}{lasts}"),
        };
        let case = format!("seed {seed}, {fault} of {operations}");
        let number = 2 * step as u64 + 2;
        disk.start_with_fault(&fault);
        // What it says is in `said`; how it ends does not matter.
        let _ = run(&place, number, &mut said);
        disk.end_of_operations();
        disk.start();
        assert_kept(&place, &case, &said, number);
        // A run starts with the lock, which removes what is left.
        run(&place, number + 1, &mut said)
            .unwrap_or_else(|error| panic!("{case}: the next run: {error}"));
        assert_kept(&place, &case, &said, number + 1);
        assert_tidy(&place, &case);
    }
}
