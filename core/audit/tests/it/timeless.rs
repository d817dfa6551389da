//! Ten days of hourly runs in virtual time against a trail whose lines have no time, with failures, late lines, outages
//! and killed programs: in the end every event is there, each once.

use std::collections::BTreeSet;
use std::io;

use arrow_array::RecordBatch;
use core_audit::{
    AnswerSource, Clocks, Coverage, EventPrivacy, EventSink, EventTable, HOUR_MS, Intake, Span,
    TrailKind, Window, WindowSettings,
};
use core_ingest::values::entity_schema;
use fastrand::Rng;
use jiff::tz::TimeZone;
use step_audit::AUDIT_EVENT;

/// 2025-10-20T12:00:00Z, six days before clocks in Europe are set back.
const START_MS: i64 = 1_760_961_600_000;
const DAYS: i64 = 10;

/// The keys of the stored events.
#[derive(Default)]
struct Keys(BTreeSet<String>);

impl EventSink for &mut Keys {
    fn is_new(&mut self, _: i64, _: Option<i64>, key: &str) -> io::Result<bool> {
        Ok(self.0.insert(key.to_owned()))
    }

    fn write(&mut self, _: &str, _: &RecordBatch) -> io::Result<()> {
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// When an event happened and when it gets into the log, and its line.
struct Line(i64, i64, &'static str);

/// Four lines an hour, of three kinds; every fifth is late by up to 50 minutes.
fn trail(random: &mut Rng) -> Vec<Line> {
    let texts = [
        "[Portal|LOGIN|20101|anna] User account logged\n",
        "[Portal|LOGIN|20101|ben] User account logged\n",
        "[Portal|SYSTEM|20001|*system] Portal is starting\n",
    ];
    let first_ms = START_MS - 48 * HOUR_MS;
    let mut lines = Vec::new();
    for n in 0..(DAYS + 2) * 24 * 4 {
        let at_ms = first_ms + n * HOUR_MS / 4;
        let late_ms = if random.u8(..5) == 0 { random.i64(0..50 * 60_000) } else { 0 };
        lines.push(Line(at_ms, at_ms + late_ms, texts[random.usize(..3)]));
    }
    lines
}

/// Nexthink's answer at a time.
fn answer(lines: &[Line], window: &Window, zone: &TimeZone, now_ms: i64) -> String {
    let (before, hours) = window.parameters(zone);
    let before = before.map(|time| zone.to_ambiguous_zoned(time).unambiguous().expect("one time"));
    let to_ms = before.map_or(now_ms, |time| time.timestamp().as_millisecond());
    let span = to_ms - i64::from(hours) * HOUR_MS..to_ms;
    let lines = lines.iter().filter(|line| span.contains(&line.0) && line.1 <= now_ms);
    lines.map(|line| line.2).collect()
}

fn days_of_runs(seed: u64, zone: &TimeZone) {
    let mut random = Rng::with_seed(seed);
    let lines = trail(&mut random);
    let settings = WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() };
    let table = EventTable::new(&AUDIT_EVENT, entity_schema(&AUDIT_EVENT, &[]));
    let mut keys = Keys::default();
    let mut coverage = Coverage::default();
    let mut outage_hours = 0;
    for hour in 0..=DAYS * 24 {
        let is_last = hour == DAYS * 24;
        if hour > 0 && outage_hours == 0 && random.u8(..40) == 0 {
            outage_hours = random.i64(0..30);
        }
        if outage_hours > 0 && !is_last {
            outage_hours -= 1;
            continue;
        }
        // The last run is long enough after the last line.
        let late_ms = if is_last { 3 * HOUR_MS } else { random.i64(0..50 * 60_000) };
        let now_ms = START_MS + hour * HOUR_MS + late_ms;
        let clocks = Clocks { local_ms: now_ms, server_ms: Some(now_ms), witness_ahead_ms: None };
        coverage.begin(now_ms, &settings);
        let mut failed: Vec<Span> = Vec::new();
        while let Some(window) = coverage.next_window(now_ms, &settings, zone, &failed) {
            if !is_last && random.u8(..6) == 0 {
                failed.push(window.span);
                continue;
            }
            let text = answer(&lines, &window, zone, now_ms);
            let (kind, trail) = (TrailKind::Portal, "portal");
            let source = AnswerSource { kind, trail, window: &window, coverage: &coverage };
            let privacy = EventPrivacy::default();
            let mut intake = Intake::new(&mut keys, &table, source, zone.clone(), privacy);
            intake.start(&clocks);
            intake.take(text.as_bytes()).expect("there is room");
            let counts = intake.finish(true).expect("there is room");
            // The program is killed after the events are stored and before that is noted.
            if !is_last && random.u8(..40) == 0 {
                break;
            }
            coverage.answered_in_part(&window, counts.proof(&window, false), &clocks, &settings);
        }
        if failed.is_empty() && is_last {
            assert_eq!(coverage.gaps(now_ms), [], "{seed}");
        }
    }
    // From the first day that was asked for, which begins at midnight. Nothing happened after the trail's end.
    let from_ms = START_MS - 36 * HOUR_MS;
    let expected = lines.iter().filter(|line| line.0 >= from_ms).count();
    assert_eq!(keys.0.len(), expected, "{seed}");
}

#[test]
fn l15_every_event_without_a_time_is_there_once() {
    for seed in 0..10 {
        for zone in ["UTC", "Europe/Zurich"] {
            days_of_runs(seed, &TimeZone::get(zone).expect("a zone"));
        }
    }
}
