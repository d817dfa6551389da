//! The line reader against a plain one that splits a whole text, over random trails cut anywhere.

use core_audit::{LineReader, Record, TimeReader, parse};
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn records(trail: &[u8], pieces: &[usize]) -> (Vec<String>, u64) {
    let mut found = Vec::new();
    let mut give =
        |record: Record<'_>| found.push(String::from_utf8_lossy(record.bytes).into_owned());
    let mut lines = LineReader::default();
    let mut rest = trail;
    for piece in pieces {
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        lines.push(now, &mut give);
        rest = later;
    }
    lines.push(rest, &mut give);
    lines.finish(&mut give);
    (found, lines.blank_lines())
}

/// Returns whether a line begins an event, said with the plainest means: it parses as one, or has a time.
fn begins(line: &str) -> (bool, bool) {
    let record = Record { bytes: line.as_bytes(), length: line.len() as u64 };
    let event = parse(&record, &TimeReader::new(TimeZone::UTC, 1_772_366_400_000));
    (event.is_parsed(), event.occurred_ms.is_some())
}

fn plain_records(trail: &str) -> (Vec<String>, u64) {
    let mut records: Vec<String> = Vec::new();
    let (mut is_open, mut blank) = (false, 0);
    let mut lines: Vec<&str> = trail.split('\n').collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    for line in lines {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (is_event, has_time) = begins(line);
        match records.last_mut() {
            _ if line.trim_matches(|c: char| c.is_ascii_whitespace()).is_empty() => blank += 1,
            Some(last) if is_open && !is_event && !has_time => {
                last.push('\n');
                last.push_str(line);
            }
            _ => {
                records.push(line.to_owned());
                is_open = is_event;
            }
        }
    }
    (records, blank)
}

fn line() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "2026-03-01 10:00:00 ",
        "Mar  1 10:00:00 host ",
        "1772359200 ",
        "[",
        "]",
        "|",
        "Portal",
        "LOGIN",
        "20101",
        "anna",
        "*system",
        " text",
        "key=\"a, b\"",
        ":[5]",
        "\t",
        " ",
        "é",
        "\r",
        "[Portal|LOGIN|20101|anna] ",
        "\u{1b}[2J",
    ]);
    prop::collection::vec(parts, 0..6).prop_map(|parts| parts.concat())
}

/// Some thousand cases, or as many more as `PROPTEST_CASES` says.
fn enough() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(4_096), failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(enough())]

    #[test]
    fn the_reader_does_what_its_plain_twin_does_however_the_bytes_are_cut(
        lines in prop::collection::vec(line(), 0..12),
        pieces in prop::collection::vec(0_usize..40, 0..12),
        ends in any::<bool>(),
    ) {
        let trail = lines.join("\n") + if ends { "\n" } else { "" };
        prop_assert_eq!(records(trail.as_bytes(), &pieces), plain_records(&trail));
    }

    #[test]
    fn l5_any_bytes_become_events_and_every_byte_of_them_is_kept(
        trail in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        let times = TimeReader::new(TimeZone::UTC, 1_772_366_400_000);
        let mut kept: u64 = 0;
        let mut lines = LineReader::default();
        let mut give = |record: Record<'_>| {
            let event = parse(&record, &times);
            assert!(event.raw.len() as u64 >= record.length);
            kept += record.bytes.iter().filter(|byte| !byte.is_ascii_whitespace()).count() as u64;
        };
        lines.push(&trail, &mut give);
        lines.finish(&mut give);
        let solid = trail.iter().filter(|byte| !byte.is_ascii_whitespace()).count() as u64;
        prop_assert_eq!(kept, solid);
    }
}
