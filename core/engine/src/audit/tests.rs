//! Thirty days of hourly runs on a real store, with windows that fail, answers that break off, killed programs, late
//! lines and outages: in the end every event is stored exactly once.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray as _;
use core_audit::{
    AnswerSource, Clocks, Coverage, EventPrivacy, HOUR_MS, Intake, Span, TrailKind, Window,
    WindowSettings,
};
use core_simulator::{AuditSpec, SimulatedTrail};
use core_store::{Location, RunLock, Store, TenantStore};
use fastrand::Rng;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::log_sink::LogSink;
use super::{LOG, Notes, commit, declaration, event_table};

const NAME: &str = "portal";
/// 2026-03-01T00:00:00Z
const START: u64 = 1_772_323_200;
const DAYS: u64 = 30;
const DAY: u64 = 24 * 3_600;
/// The seconds between two lines.
const STEP: u64 = 600;

/// The lines of a period that are in the tenant's log at `now`: every seventh is late.
fn lines(from: u64, to: u64, now: u64) -> Vec<String> {
    let spec = AuditSpec::default();
    let first = from.div_ceil(STEP) * STEP;
    let times = (first..to).step_by(usize::try_from(STEP).expect("small"));
    let visible =
        times.filter(|at| at + if (at / STEP).is_multiple_of(7) { 2_400 } else { 0 } <= now);
    visible.flat_map(|at| spec.lines(&SimulatedTrail::Portal, at, at + 1)).collect()
}

/// An answer of Nexthink.
fn answer(window: &Window, now: u64) -> String {
    let (before, hours) = window.parameters(&TimeZone::UTC);
    let before =
        before.map(|time| time.to_zoned(TimeZone::UTC).expect("in the calendar").timestamp());
    let to = before.map_or(now + 1, |time| u64::try_from(time.as_second()).expect("after 1970"));
    let answer = lines(to - u64::from(hours) * 3_600, to, now);
    answer.iter().flat_map(|line| [line, "\n"]).collect()
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds * 1_000).expect("in the calendar")
}

/// One run at `now`, with this machine's clock ahead by some milliseconds. The last run meets no faults.
fn run(lock: &RunLock, now: u64, ahead_ms: i64, is_last: bool, random: &mut Rng) {
    let settings = WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() };
    let mut appender = lock.append_events(LOG, declaration()).expect("the log is whole");
    let mut notes = Notes::of(appender.log()).expect("what was noted");
    let mut coverage = notes.trails.remove(NAME).unwrap_or_default();
    let local_ms = ms(now) + ahead_ms;
    coverage.begin(local_ms, &settings);
    let mut failed = Vec::new();
    let clocks = Clocks { local_ms, server_ms: Some(ms(now)), witness_ahead_ms: None };
    while let Some(window) = coverage.next_window(local_ms, &settings, &TimeZone::UTC, &failed) {
        let text = answer(&window, now);
        let breaks_off = !is_last && random.u64(..6) == 0;
        let whole = if breaks_off { text.len() / 2 } else { text.len() };
        let (table, zone, privacy) = (event_table(), TimeZone::UTC, EventPrivacy::default());
        let (kind, trail) = (TrailKind::Portal, NAME);
        let source = AnswerSource { kind, trail, window: &window, coverage: &coverage };
        let mut intake = Intake::new(LogSink(&mut appender), &table, source, zone, privacy);
        intake.begin(&clocks).expect("nothing is there yet");
        for piece in text.as_bytes()[..whole].chunks(1_000) {
            intake.take(piece).expect("there is room");
        }
        if breaks_off {
            drop(intake);
            appender.discard().expect("it is ours");
            failed.push(window.span);
            continue;
        }
        intake.finish(true).expect("there is room");
        // Killed after all files were written and before anything was noted.
        if !is_last && random.u64(..20) == 0 {
            return;
        }
        coverage.answered(&window, &clocks, &settings);
        notes.trails.insert(NAME.to_owned(), coverage.clone());
        commit(&mut appender, &notes).expect("there is room");
    }
}

/// The number of times that each line is stored.
fn stored(tenant: &TenantStore) -> BTreeMap<String, i64> {
    let log = tenant.events(LOG).expect("the log is whole");
    let mut stored: BTreeMap<String, i64> = BTreeMap::new();
    for batch in log.batches_from("") {
        let batch = batch.expect("the file is whole");
        let raw = batch.column_by_name("raw").expect("it is declared");
        for line in raw.as_string::<i32>().iter().flatten() {
            *stored.entry(line.to_owned()).or_default() += 1;
        }
    }
    stored
}

#[test]
fn l10_a_line_is_one_event_whatever_the_clock_of_this_machine_says() {
    const DAY_MS: i64 = 24 * HOUR_MS;
    let jumps = [-7_305, -200, -5, 5, 200, 365].map(|days| days * DAY_MS);
    for ahead_ms in jumps.into_iter().chain([-HOUR_MS, HOUR_MS]) {
        let folder = TempDir::new().expect("a folder can be made");
        let location = Location::Folder(folder.path().to_owned());
        let tenant =
            Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
        let lock = tenant.lock("a test").expect("it is free");
        let mut random = Rng::with_seed(1);
        let now = START + 2 * DAY;
        for (hour, ahead_ms) in [(0, ahead_ms), (1, 0), (2, ahead_ms), (3, 0)] {
            run(&lock, now + hour * 3_600, ahead_ms, true, &mut random);
        }
        let stored = stored(&tenant);
        for line in lines(now - DAY + 7_200, now + 3 * 3_600, now + 3 * 3_600) {
            assert!(stored.contains_key(&line), "{ahead_ms}: {line} is missing");
        }
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for line in lines(START - 30 * DAY, now + DAY, now + DAY) {
            *expected.entry(line).or_default() += 1;
        }
        // A run whose clock was behind may have read older lines too.
        for (line, times) in &stored {
            let expected = expected.get(line).unwrap_or(times);
            assert_eq!(times, expected, "{ahead_ms}: {line}");
        }
    }
}

#[test]
fn l13_lines_of_many_days_share_one_place_and_are_counted() {
    let folder = TempDir::new().expect("a folder can be made");
    let location = Location::Folder(folder.path().to_owned());
    let tenant =
        Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
    let lock = tenant.lock("a test").expect("it is free");
    let now_ms = ms(START);
    let span = Span { from_ms: now_ms - 24 * HOUR_MS, to_ms: now_ms };
    let window = Window { span, is_newest: true, is_fixed: false };
    let clocks = Clocks { local_ms: now_ms, server_ms: Some(now_ms), witness_ahead_ms: None };
    let lines: Vec<String> = (0..3_000)
        .map(|n| {
            let (year, month, day) = (1986 + n * 7 % 40, 1 + n % 12, 1 + n % 28);
            format!("{year}-{month:02}-{day:02} 10:00:00 [P|A|1001|x] number {n}\n")
        })
        .collect();
    let text = lines.concat();
    for added in [3_000, 0] {
        let mut appender = lock.append_events(LOG, declaration()).expect("the log is whole");
        let (coverage, table) = (Coverage::default(), event_table());
        let (kind, trail) = (TrailKind::Portal, NAME);
        let source = AnswerSource { kind, trail, window: &window, coverage: &coverage };
        let (zone, privacy) = (TimeZone::UTC, EventPrivacy::default());
        let mut intake = Intake::new(LogSink(&mut appender), &table, source, zone, privacy);
        intake.begin(&clocks).expect("nothing is there yet");
        intake.take(text.as_bytes()).expect("there is room");
        let counts = intake.finish(true).expect("there is room");
        assert_eq!((counts.records, counts.added), (3_000, added));
        // Some of them happen to fall into the days that Nexthink keeps.
        assert!(counts.implausible > 2_900, "{}", counts.implausible);
        commit(&mut appender, &Notes::default()).expect("there is room");
        assert!(appender.log().files().len() < 40, "{}", appender.log().files().len());
    }
}

#[test]
fn l2_l3_l9_the_store_has_every_event_once_after_thirty_days_of_hourly_runs() {
    for seed in [1] {
        let folder = TempDir::new().expect("a folder can be made");
        let location = Location::Folder(folder.path().to_owned());
        let tenant =
            Store::open(location).and_then(|store| store.tenant("acme")).expect("a valid name");
        let lock = tenant.lock("a test").expect("it is free");
        let mut random = Rng::with_seed(seed);
        let mut outage = 0;
        for hour in 0..=DAYS * 24 {
            let is_last = hour == DAYS * 24;
            if outage == 0 && random.u64(..60) == 0 {
                outage = random.u64(..30);
            }
            if outage > 0 && !is_last {
                outage -= 1;
                continue;
            }
            run(&lock, START + hour * 3_600 + random.u64(..300), 0, is_last, &mut random);
        }
        let stored = stored(&tenant);
        // Lines from before the reach of the first run, and after the last run, may or may not be there.
        let end = START + DAYS * DAY;
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for line in lines(START, end - 3_600, end) {
            *expected.entry(line).or_default() += 1;
        }
        assert!(expected.len() > 4_000 && expected.values().any(|count| *count == 2));
        for (line, times) in expected {
            assert_eq!(stored.get(&line), Some(&times), "{line}");
        }
    }
}
