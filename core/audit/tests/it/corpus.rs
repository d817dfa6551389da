//! Lines as they are documented, as they may come, and as they should never be; each with what is
//! to be made of it.

use std::collections::BTreeSet;

use core_audit::{LineReader, TimeReader, parse};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One line each, `code|action|account|time|duration ⇥ line`; `-` for what it does not have, and
/// `unparsed` for a line that is none. `\e`, `\0` and `\x` stand for the bytes of these names.
const CORPUS: &str = include_str!("corpus.txt");

fn bytes(line: &str) -> Vec<u8> {
    let line = line.replace("\\e", "\u{1b}").replace("\\0", "\0");
    let mut bytes = Vec::new();
    for (i, part) in line.split("\\xFF").enumerate() {
        if i > 0 {
            bytes.push(0xff);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

fn found(line: &str) -> String {
    let read_ms = "2026-03-02T00:00:00Z".parse::<Timestamp>().expect("a time").as_millisecond();
    let times = TimeReader::new(TimeZone::UTC, read_ms);
    let mut events = Vec::new();
    let mut lines = LineReader::default();
    lines.push(&bytes(line), |record| events.push(parse(&record, &times)));
    lines.finish(|record| events.push(parse(&record, &times)));
    let [event] = &events[..] else { return format!("{} events", events.len()) };
    let time = event
        .occurred_ms
        .map(|milliseconds| Timestamp::from_millisecond(milliseconds).expect("a time"));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    if !event.is_parsed() {
        return format!("unparsed|{}", or_none(time.map(|time| time.to_string())));
    }
    [
        or_none(event.code.map(|code| code.to_string())),
        or_none(event.known().map(|known| known.action.name().to_owned())),
        or_none(event.account.clone()),
        or_none(time.map(|time| time.to_string())),
        or_none(event.duration_ms.map(|duration| duration.to_string())),
    ]
    .join("|")
}

#[test]
fn l5_l7_every_line_of_the_corpus_is_read_as_it_says() {
    let lines: BTreeSet<&str> =
        CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() >= 200, "{} lines", lines.len());
    for entry in lines {
        let (expected, line) = entry.split_once('\t').expect("what is expected, a tab, the line");
        assert_eq!(found(line), expected, "{line}");
    }
}
