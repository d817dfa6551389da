//! Answers on their way into a store that is in memory: each event once, redacted, by its day.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use core_audit::{
    AnswerSource, Clocks, Coverage, EventPrivacy, EventRedactor, EventSink, EventTable, HOUR_MS,
    Intake, IntakeCounts, Proof, Span, TableRow, TrailKind, Window, WindowSettings,
};
use core_ingest::values::entity_schema;
use core_model::column::{Column, IdentifierKind};
use core_privacy::keys::{KeyRing, NEW_RING_BYTES};
use core_privacy::profile::{Policy, Profile};
use core_privacy::pseudonym::Pseudonyms;
use core_privacy::suppression::{Erasure, SuppressionList};
use jiff::tz::TimeZone;
use step_audit::AUDIT_EVENT;

/// 2026-03-01T12:00:00Z
const NOW_MS: i64 = 1_772_366_400_000;
const TENANT: &str = "acme.eu";

/// A store in memory.
#[derive(Default)]
struct Memory {
    keys: BTreeSet<String>,
    /// The batches of each day.
    written: BTreeMap<String, Vec<RecordBatch>>,
    /// The number of answers that were forgotten.
    discarded: usize,
    is_full: bool,
}

impl EventSink for &mut Memory {
    fn is_new(&mut self, _: i64, _: Option<i64>, key: &str) -> io::Result<bool> {
        Ok(self.keys.insert(key.to_owned()))
    }

    fn write(&mut self, day: &str, events: &RecordBatch) -> io::Result<()> {
        if self.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.written.entry(day.to_owned()).or_default().push(events.clone());
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        self.written.clear();
        self.keys.clear();
        self.discarded += 1;
        Ok(())
    }
}

impl Memory {
    /// The values of a column, in the order of days.
    fn texts(&self, column: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for batch in self.written.values().flatten() {
            let values = batch.column_by_name(column).expect("it is declared").as_string::<i32>();
            texts.extend(values.iter().map(|text| text.unwrap_or("(null)").to_owned()));
        }
        texts
    }

    fn days(&self) -> Vec<&str> {
        self.written.keys().map(String::as_str).collect()
    }
}

fn window() -> Window {
    let span = Span { from_ms: NOW_MS - 24 * HOUR_MS, to_ms: NOW_MS };
    Window { span, is_newest: true, is_fixed: false }
}

fn clocks() -> Clocks {
    Clocks { local_ms: NOW_MS, server_ms: Some(NOW_MS), witness_ahead_ms: None }
}

/// Reads an answer of the web interface's trail.
fn read_with(
    memory: &mut Memory,
    answer: &str,
    coverage: &Coverage,
    privacy: EventPrivacy,
) -> io::Result<IntakeCounts> {
    read_window(memory, &window(), answer, coverage, privacy)
}

fn read_window(
    memory: &mut Memory,
    window: &Window,
    answer: &str,
    coverage: &Coverage,
    privacy: EventPrivacy,
) -> io::Result<IntakeCounts> {
    let table = EventTable::new(&AUDIT_EVENT, entity_schema(&AUDIT_EVENT, &[]));
    let source = AnswerSource { kind: TrailKind::Portal, trail: "portal", window, coverage };
    let mut intake = Intake::new(memory, &table, source, TimeZone::UTC, privacy);
    intake.start(&clocks());
    for piece in answer.as_bytes().chunks(7) {
        intake.take(piece)?;
    }
    intake.finish(true)
}

fn read(memory: &mut Memory, answer: &str) -> IntakeCounts {
    let privacy = EventPrivacy::default();
    read_with(memory, answer, &Coverage::default(), privacy).expect("there is room")
}

/// Reads an answer for a period.
fn read_from(memory: &mut Memory, window: &Window, answer: &str) -> IntakeCounts {
    let privacy = EventPrivacy::default();
    read_window(memory, window, answer, &Coverage::default(), privacy).expect("there is room")
}

/// A fixed window, some days ago.
fn fixed(days: i64) -> Window {
    let from_ms = NOW_MS - 12 * HOUR_MS - days * 24 * HOUR_MS;
    let span = Span { from_ms, to_ms: from_ms + 24 * HOUR_MS };
    Window { span, is_newest: false, is_fixed: true }
}

const LOGIN: &str = "2026-03-01 10:00:00 [Portal|LOGIN|20101|ACME\\anna] User account logged in\n";

#[test]
fn a_line_becomes_a_row_of_the_declared_columns() {
    let mut memory = Memory::default();
    let counts = read(&mut memory, LOGIN);
    assert_eq!((counts.records, counts.added, counts.unparsed), (1, 1, 0));
    assert_eq!(memory.days(), ["2026-03-01"]);
    for (column, expected) in [
        ("account", "ACME\\anna"),
        ("trail", "portal"),
        ("format", "parsed"),
        ("raw", LOGIN.trim_end()),
    ] {
        assert_eq!(memory.texts(column), [expected], "{column}");
    }
    assert!(memory.texts("_key")[0].starts_with("nexthink_audit_event:"));
}

#[test]
fn an_answer_that_is_read_again_adds_nothing_and_what_happened_twice_is_there_twice() {
    let mut memory = Memory::default();
    let answer = LOGIN.repeat(2);
    assert_eq!(read(&mut memory, &answer).added, 2);
    let again = read(&mut memory, &answer);
    assert_eq!((again.records, again.added), (2, 0));
    assert_eq!(memory.texts("raw").len(), 2);
}

#[test]
fn each_day_is_written_by_itself() {
    let mut memory = Memory::default();
    let before = LOGIN.replace("2026-03-01 10", "2026-02-28 20");
    read(&mut memory, &[LOGIN, &before, LOGIN].concat());
    assert_eq!(memory.days(), ["2026-02-28", "2026-03-01"]);
    assert_eq!(
        memory.written["2026-03-01"].len(),
        2,
        "what follows another day is a batch of its own"
    );
}

#[test]
fn a_line_without_a_time_has_that_of_the_line_before_it() {
    let mut memory = Memory::default();
    let before = LOGIN.replace("2026-03-01 10", "2026-02-28 20");
    let without = "[Portal|SYSTEM|20001|*system] Portal is starting\n";
    assert_eq!(read_from(&mut memory, &fixed(1), &[&before, without].concat()).added, 2);
    assert_eq!(memory.days(), ["2026-02-28"]);
    assert_eq!(memory.texts("raw").len(), 2);
}

#[test]
fn l15_lines_without_a_time_are_stored_by_fixed_windows_and_each_once() {
    let without = "[Portal|SYSTEM|20001|*system] Portal is starting\n";
    let mut memory = Memory::default();
    let counts = read(&mut memory, &[LOGIN, without].concat());
    assert_eq!((counts.added, counts.untimed), (1, 1));
    assert_eq!(counts.proof(&window(), false), Proof::Nothing);
    for (days, answer, added) in [
        (1, without.repeat(2), 2),
        (0, without.to_owned(), 1),
        // The same day again, of which more has passed.
        (0, without.repeat(3), 2),
        (1, without.repeat(2), 0),
    ] {
        let counts = read_from(&mut memory, &fixed(days), &answer);
        assert_eq!(counts.added, added, "{days}: {answer}");
        assert_eq!(counts.proof(&fixed(days), false), Proof::Whole);
    }
    assert_eq!(memory.days(), ["2026-02-28", "2026-03-01"]);
}

#[test]
fn l16_a_time_from_before_the_window_is_believed_if_nexthink_may_have_kept_it() {
    let old = LOGIN.replace("2026-03-01", "2025-09-03");
    for window in [window(), fixed(150), fixed(0)] {
        let mut memory = Memory::default();
        let counts = read_from(&mut memory, &window, &[&old, LOGIN].concat());
        assert_eq!((counts.added, counts.implausible), (2, 0), "{window:?}");
        assert_eq!(memory.days(), ["2025-09-03", "2026-03-01"]);
    }
}

#[test]
fn l16_a_time_without_a_year_is_read_by_the_time_of_the_answer() {
    let mut memory = Memory::default();
    let line = LOGIN.replace("2026-03-01 10:00:00", "Mar  1 10:00:00 host nxaudit[17]:");
    assert_eq!(read_from(&mut memory, &fixed(30), &line).implausible, 0);
    assert_eq!(memory.days(), ["2026-03-01"]);
}

#[test]
fn a_time_that_is_not_believed_is_that_of_the_end_of_the_window() {
    let mut memory = Memory::default();
    let answer = LOGIN.replace("2026-03-01", "1999-03-01");
    assert_eq!(read(&mut memory, &answer).implausible, 1);
    assert_eq!(memory.days(), ["2026-03-01"]);
}

#[test]
fn an_event_of_a_period_that_was_read_before_is_late() {
    let mut coverage = Coverage::default();
    let settings = WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() };
    coverage.begin(NOW_MS, &settings);
    coverage.answered(&window(), &clocks(), &settings);
    let mut memory = Memory::default();
    let early = LOGIN.replace("2026-03-01 10", "2026-02-28 20");
    let counts = read_with(&mut memory, &early, &coverage, EventPrivacy::default());
    assert_eq!(counts.expect("there is room").late, 1);
    let unread = read(&mut Memory::default(), &early);
    assert_eq!(unread.late, 0);
}

#[test]
fn l17_a_last_line_without_an_end_is_left_out_of_the_newest_window_alone() {
    let answer = [LOGIN, "2026-03-01 10:00:01 [Portal|LOG"].concat();
    let counts = read(&mut Memory::default(), &answer);
    assert!(counts.is_cut && counts.lacking(true).is_none());
    assert_eq!(
        (counts.added, counts.proof(&window(), false)),
        (1, Proof::Before(NOW_MS - 2 * HOUR_MS))
    );
    // The lines before it may be of another Engine, and later.
    assert_eq!(counts.proof(&window(), true), Proof::Before(window().span.from_ms));
    let counts = read(&mut Memory::default(), "2026-03-01 10:00:01 [Portal|LOG");
    assert_eq!(counts.proof(&window(), false), Proof::Before(window().span.from_ms));

    let named = Window { is_newest: false, ..window() };
    let counts = read_from(&mut Memory::default(), &named, &answer);
    assert!(!counts.is_cut);
    assert_eq!((counts.added, counts.proof(&named, false)), (2, Proof::Whole));
}

fn keys() -> KeyRing {
    KeyRing::new("2026-01-01T00:00:00Z", &[7; NEW_RING_BYTES])
}

fn erased(identifiers: &[(IdentifierKind, &str)]) -> EventPrivacy {
    let mut list = SuppressionList::new(&keys());
    let erasure = Erasure { id: "e-1", since: "2026-01-01T00:00:00Z", reason: "gdpr" };
    list.suppress(&keys(), TENANT, erasure, identifiers.iter().copied()).expect("the key is right");
    let suppressions = list.matcher(&keys(), TENANT, "").expect("the key is right");
    EventPrivacy { redactor: None, suppressions: Arc::new(suppressions) }
}

#[test]
fn an_event_that_names_an_erased_person_is_counted_and_not_stored() {
    let mentioned = "2026-03-01 10:00:01 [Portal|USER|91012|ACME\\eve] created anna@acme.example\n";
    let other = "2026-03-01 10:00:02 [Portal|USER|91012|ACME\\eve] created ben@acme.example\n";
    let privacy = erased(&[
        (IdentifierKind::Login, "ACME\\anna"),
        (IdentifierKind::Address, "anna@acme.example"),
    ]);
    let mut memory = Memory::default();
    let answer = [LOGIN, mentioned, other].concat();
    let counts =
        read_with(&mut memory, &answer, &Coverage::default(), privacy).expect("there is room");
    assert_eq!((counts.records, counts.suppressed, counts.added), (3, 2, 1));
    assert_eq!(memory.texts("raw"), [other.trim_end()]);
}

#[test]
fn under_a_strict_profile_nothing_names_a_person() {
    let pseudonyms = Pseudonyms::new(&keys(), TENANT);
    let policy = Policy::new(Profile::Pseudonymous, &Column::all(), &["audit.id"], &[]);
    let policy = policy.expect("nothing is overridden");
    let redactor = EventRedactor::new(policy, Pseudonyms::new(&keys(), TENANT));
    let privacy = EventPrivacy { redactor: Some(Arc::new(redactor)), ..EventPrivacy::default() };
    let mut memory = Memory::default();
    read_with(&mut memory, LOGIN, &Coverage::default(), privacy).expect("there is room");
    let pseudonym =
        pseudonyms.of(IdentifierKind::Login, "ACME\\anna").expect("it is an identifier");
    assert_eq!(memory.texts("account"), [pseudonym]);
    assert_eq!(memory.texts("raw"), ["(null)"]);
    let plain = {
        let mut memory = Memory::default();
        read(&mut memory, LOGIN);
        memory.texts("id")
    };
    assert_ne!(
        memory.texts("id"),
        plain,
        "a plain hash would tell the record to whoever guesses it"
    );
}

#[test]
fn a_row_of_the_table_is_an_event_too() {
    let mut memory = Memory::default();
    let (window, table) =
        (window(), EventTable::new(&AUDIT_EVENT, entity_schema(&AUDIT_EVENT, &[])));
    let coverage = Coverage::default();
    let source = AnswerSource {
        kind: TrailKind::Table,
        trail: "table",
        window: &window,
        coverage: &coverage,
    };
    let mut intake =
        Intake::new(&mut memory, &table, source, TimeZone::UTC, EventPrivacy::default());
    intake.start(&clocks());
    let row = TableRow {
        time: "2026-03-01T10:00:00Z",
        account: "anna@acme.example",
        code: "91012",
        message: "User created, name=ben",
    };
    intake.row(&row).expect("there is room");
    let counts = intake.finish(true).expect("there is room");
    assert_eq!((counts.added, counts.unparsed), (1, 0));
    assert_eq!(memory.texts("account"), ["anna@acme.example"]);
    assert_eq!(memory.texts("details"), ["{\"name\":\"ben\"}"]);
}

#[test]
fn a_store_that_is_full_is_an_error_and_a_new_answer_begins_afresh() {
    let mut memory = Memory { is_full: true, ..Memory::default() };
    let failed = read_with(&mut memory, LOGIN, &Coverage::default(), EventPrivacy::default());
    assert_eq!(failed.expect_err("it is full").kind(), io::ErrorKind::StorageFull);
    memory.is_full = false;
    let (window, table) =
        (window(), EventTable::new(&AUDIT_EVENT, entity_schema(&AUDIT_EVENT, &[])));
    let coverage = Coverage::default();
    let source = AnswerSource {
        kind: TrailKind::Portal,
        trail: "portal",
        window: &window,
        coverage: &coverage,
    };
    let mut intake =
        Intake::new(&mut memory, &table, source, TimeZone::UTC, EventPrivacy::default());
    intake.take(LOGIN.as_bytes()).expect("nothing is written yet");
    intake.begin(&clocks()).expect("there is room");
    intake.take(LOGIN.as_bytes()).expect("there is room");
    assert_eq!(
        intake.finish(true).expect("there is room").added,
        1,
        "the first answer is forgotten"
    );
    assert_eq!(memory.discarded, 1);
}
