//! Thirty days of runs every hour in virtual time against a model of Nexthink, with failures, late
//! lines, skewed clocks, restarts and outages: in the end every event is there, each once.

use std::collections::BTreeMap;

use core_audit::{
    Clocks, Coverage, EventId, HOUR_MS, Identifier, LineReader, Span, TrailKind, WindowSettings,
};
use fastrand::Rng;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

const START_MS: i64 = 1_772_323_200_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A line of the model, and when it gets into the log.
struct Line {
    occurred_ms: i64,
    visible_ms: i64,
    text: String,
}

/// Nexthink's side: a log that is asked for with the documented parameters.
struct Model {
    lines: Vec<Line>,
    zone: TimeZone,
}

impl Model {
    /// Two lines an hour, some of them twice in a second, some late by up to 50 minutes.
    fn new(zone: TimeZone, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut lines = Vec::new();
        for i in 0..(32 * 24 * 2_i64) {
            let occurred_ms = START_MS - DAY_MS + i * 1_800_000 + random.i64(0..1_800) * 1_000;
            let late = if random.i64(0..10) == 0 { random.i64(0..50 * 60) * 1_000 } else { 0 };
            let at = Timestamp::from_millisecond(occurred_ms).expect("in the calendar");
            let local = at.to_zoned(zone.clone());
            let (time, account) = (local.strftime("%Y-%m-%dT%H:%M:%S%:z"), random.i64(0..20));
            let text = format!("{time} [Portal|LOGIN|20101|user{account}] User account logged\n");
            let times = if random.i64(0..8) == 0 { 2 } else { 1 };
            for _ in 0..times {
                let visible_ms = occurred_ms + late;
                lines.push(Line { occurred_ms, visible_ms, text: text.clone() });
            }
        }
        lines.sort_by_key(|line| line.occurred_ms);
        Self { lines, zone }
    }

    fn answer(&self, parameters: (Option<jiff::civil::DateTime>, u32), now_ms: i64) -> String {
        let (before, hours) = parameters;
        let before = before.and_then(|civil| civil.to_zoned(self.zone.clone()).ok());
        let to_ms = before.map_or(now_ms, |zoned| zoned.timestamp().as_millisecond());
        let from_ms = to_ms - i64::from(hours) * HOUR_MS;
        let first = self.lines.partition_point(|line| line.occurred_ms < from_ms);
        let lines = self.lines[first..].iter().take_while(|line| line.occurred_ms < to_ms);
        lines.filter(|line| line.visible_ms <= now_ms).map(|line| line.text.as_str()).collect()
    }
}

/// The kept events by identity, with the number of times that each was added.
#[derive(Default)]
struct Kept(BTreeMap<EventId, (String, u32)>);

impl Kept {
    fn take(&mut self, answer: &str) {
        let mut identifier = Identifier::new(TrailKind::Portal);
        let mut lines = LineReader::default();
        let mut give = |record: core_audit::Record<'_>| {
            let id = identifier.next(&record);
            let text = String::from_utf8_lossy(record.bytes).into_owned() + "\n";
            self.0.entry(id).or_insert((text, 0)).1 += 1;
        };
        lines.push(answer.as_bytes(), &mut give);
        lines.finish(give);
    }
}

/// A month of runs. Each schedule fails, waits and restarts in its own way.
fn month(seed: u64, skew_ms: i64, is_confirmed: bool) {
    let zone = TimeZone::get("Europe/Zurich").expect("a zone");
    let model = Model::new(zone, seed);
    let mut random = Rng::with_seed(seed ^ 0xabcd);
    let settings = WindowSettings { since_ms: DAY_MS, ..WindowSettings::default() };
    let mut kept = Kept::default();
    let mut saved = serde_json::to_string(&Coverage::default()).expect("plain data");
    let mut first_saved_ms = None;
    let mut outage_hours = 0;
    for hour in 0..=30 * 24 {
        let server_ms = START_MS + hour * HOUR_MS + random.i64(0..300) * 1_000;
        let now_ms = server_ms - skew_ms;
        if outage_hours == 0 && random.i64(0..60) == 0 {
            outage_hours = random.i64(0..30);
        }
        if outage_hours > 0 && hour < 30 * 24 {
            outage_hours -= 1;
            continue;
        }
        // Every run starts from what the one before has saved.
        let mut coverage: Coverage = serde_json::from_str(&saved).expect("what was saved");
        coverage.begin(now_ms, &settings);
        let mut failed: Vec<Span> = Vec::new();
        while let Some(window) = coverage.next_window(now_ms, &settings, &model.zone, &failed) {
            if hour < 30 * 24 && random.i64(0..5) == 0 {
                failed.push(window.span);
                continue;
            }
            kept.take(&model.answer(window.parameters(&model.zone), server_ms));
            // The program is killed after the events are stored and before that is noted.
            if hour < 30 * 24 && random.i64(0..40) == 0 {
                break;
            }
            let header_ms = server_ms / 1_000 * 1_000;
            let witness_ahead_ms = is_confirmed.then_some(header_ms - now_ms);
            let clocks = Clocks { local_ms: now_ms, server_ms: Some(header_ms), witness_ahead_ms };
            coverage.answered(&window, &clocks, &settings);
            saved = serde_json::to_string(&coverage).expect("plain data");
            // A day ago counts by Nexthink's clock where that is confirmed.
            let counts_ms = if is_confirmed { header_ms.max(now_ms) } else { now_ms };
            first_saved_ms.get_or_insert(counts_ms);
        }
    }
    // The first run whose beginning is on record says from when on everything is wanted.
    let from_ms = START_MS.max(first_saved_ms.expect("the last run reads") - DAY_MS);
    let end_ms = START_MS + 30 * DAY_MS;
    let expected: Vec<&str> = model
        .lines
        .iter()
        .filter(|line| line.occurred_ms >= from_ms && line.visible_ms < end_ms)
        .map(|line| line.text.as_str())
        .collect();
    let mut stored: Vec<&str> = kept.0.values().map(|(text, _)| text.as_str()).collect();
    let mut wanted = expected.clone();
    wanted.sort_unstable();
    stored.sort_unstable();
    // What was before the first run asked, or came after the last, may be there besides.
    let mut stored = stored.into_iter().peekable();
    for text in wanted {
        while stored.peek().is_some_and(|next| *next < text) {
            let extra = stored.next().expect("it was peeked at");
            let is_outside = !expected.contains(&extra);
            assert!(is_outside, "{extra} is stored more often than it happened");
        }
        assert_eq!(stored.next(), Some(text), "it is missing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn l2_l3_l8_after_thirty_days_of_hourly_runs_every_event_is_there_once(
        seed in any::<u64>(),
        skew in -100_000_i64..100_000,
        is_confirmed in any::<bool>(),
    ) {
        month(seed, skew * 100, is_confirmed);
    }
}
