//! One event, read from one record of a trail.

use std::fmt::Write as _;

use crate::codes::KnownCode;
use crate::header::header;
use crate::lines::Record;
use crate::pairs::pairs;
use crate::time::TimeReader;

/// An event of the audit trail, or a record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When, in milliseconds since 1970-01-01 UTC, where the record says so.
    pub occurred_ms: Option<i64>,
    /// The part of the product that wrote it, such as `Portal` or the name of an Engine. None of a
    /// record that cannot be read.
    pub source: Option<String>,
    /// The category as it is written, such as `LOGIN`.
    pub category: Option<String>,
    /// The code.
    pub code: Option<u32>,
    /// Who did it, with the `*` of an account of the system.
    pub account: Option<String>,
    /// The text after the header, all of it.
    pub message: String,
    /// The pairs of the message, in their order.
    pub details: Vec<(String, String)>,
    /// The milliseconds of a `:[ms]` beside the message.
    pub duration_ms: Option<u64>,
    /// The record as it stands; bytes that are no text as `\xNN`.
    pub raw: String,
    /// The length of the record in bytes; more than `raw` has where a line was beyond the cap.
    pub raw_length: u64,
}

impl AuditEvent {
    /// Returns whether the record has the documented form.
    pub fn is_parsed(&self) -> bool {
        self.code.is_some()
    }

    /// The documentation of its code.
    pub fn known(&self) -> Option<&'static KnownCode> {
        self.code.and_then(KnownCode::find)
    }
}

/// Reads a record. Whatever it is, it becomes an event.
pub fn parse(record: &Record<'_>, times: &TimeReader) -> AuditEvent {
    let bytes = record.bytes;
    let occurred_ms = times.read(bytes);
    let raw = readable(bytes);
    let mut event = AuditEvent {
        occurred_ms,
        source: None,
        category: None,
        code: None,
        account: None,
        message: String::new(),
        details: Vec::new(),
        duration_ms: None,
        raw,
        raw_length: record.length,
    };
    let Some(header) = header(bytes) else {
        event.message.clone_from(&event.raw);
        return event;
    };
    let text = |range| Some(readable(&bytes[range])).filter(|text| !text.is_empty());
    event.source = text(header.source);
    event.category = text(header.category);
    event.account = text(header.account);
    event.code = Some(header.code);
    let message = readable(&bytes[header.end..]);
    let (message, duration_ms) = without_duration(message.trim());
    event.duration_ms = duration_ms;
    event.details = pairs(message).1;
    message.clone_into(&mut event.message);
    event
}

/// Takes `:[123]` off either end of a message.
pub(crate) fn without_duration(message: &str) -> (&str, Option<u64>) {
    if let Some((digits, rest)) = message.strip_prefix(":[").and_then(|rest| rest.split_once(']'))
        && let Ok(duration) = digits.parse()
    {
        return (rest.trim_start(), Some(duration));
    }
    let end = message.strip_suffix(']').and_then(|rest| rest.rsplit_once(":["));
    match end.and_then(|(rest, digits)| Some((rest, digits.parse().ok()?))) {
        Some((rest, duration)) => (rest, Some(duration)),
        None => (message, None),
    }
}

/// The text, with bytes that are not UTF-8 as `\xNN`.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn event(line: &[u8]) -> AuditEvent {
        let record = Record { bytes: line, length: line.len() as u64 };
        parse(&record, &TimeReader::new(TimeZone::UTC, 1_772_366_400_000))
    }

    #[test]
    fn the_documented_form_is_read_into_its_parts() {
        let it = event(
            b"Mar  1 10:00:00 host [Engine-01|Communication|10006|anna] Finder user logged in:[42]",
        );
        assert_eq!(it.occurred_ms, Some(1_772_359_200_000));
        assert_eq!(it.source.as_deref(), Some("Engine-01"));
        assert_eq!(it.category.as_deref(), Some("Communication"));
        assert_eq!((it.code, it.duration_ms), (Some(10006), Some(42)));
        assert_eq!(it.account.as_deref(), Some("anna"));
        assert_eq!(it.message, "Finder user logged in");
        assert_eq!(it.known().map(|known| known.sentence), Some("A Finder user logged in"));
        assert!(it.is_parsed());
    }

    #[test]
    fn the_duration_may_follow_the_bracket() {
        let it = event(b"[Portal|SYSTEM|20001|*system]:[7] Portal is starting");
        assert_eq!((it.duration_ms, it.message.as_str()), (Some(7), "Portal is starting"));
    }

    #[test]
    fn l5_what_cannot_be_read_is_kept_as_it_is() {
        let it = event(b"2026-03-01 10:00:00 cut \xff\xfe[Portal|LOG");
        assert!(!it.is_parsed());
        assert_eq!(it.raw, "2026-03-01 10:00:00 cut \\xFF\\xFE[Portal|LOG");
        assert_eq!(it.message, it.raw);
        assert_eq!(it.occurred_ms, Some(1_772_359_200_000));
    }
}
