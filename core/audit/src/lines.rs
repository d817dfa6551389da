//! Cuts the bytes of a trail into records: a line that begins like one, and the lines after it that
//! belong to its message.

use memchr::memchr;

use crate::header::header;
use crate::time::time_prefix;

/// Bytes of a record that are kept. A message has some hundred.
pub(crate) const RECORD_CAP: usize = 64 << 10;

/// A record as it stands in the trail, without its last line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its bytes; lines after the first are separated by one line feed.
    pub bytes: &'a [u8],
    /// Its length, which is more than there are bytes where a line was beyond the cap.
    pub length: u64,
}

/// Reads a trail piece by piece. It holds one record and one line, whatever comes.
#[derive(Debug, Default)]
pub struct LineReader {
    /// The record that may still be continued.
    record: Vec<u8>,
    record_length: u64,
    /// True if lines may be added to it: only a record that begins like an event has a message that can continue.
    is_open: bool,
    line: Vec<u8>,
    line_length: u64,
    blank_lines: u64,
}

impl LineReader {
    /// Takes the next bytes and gives every record that is known to be whole.
    pub fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(Record<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.extend_line(&bytes[..end]);
            self.end_line(&mut give);
            bytes = &bytes[end + 1..];
        }
        self.extend_line(bytes);
    }

    /// Passes on the rest when there are no more bytes, and resets the reader.
    pub fn finish(&mut self, mut give: impl FnMut(Record<'_>)) {
        if self.line_length > 0 {
            self.end_line(&mut give);
        }
        self.end_record(&mut give);
    }

    /// Passes on the whole records when there are no more bytes, and resets the reader. Returns whether something was
    /// left: a line without an end may have been cut anywhere, so neither it nor the record that it continues counts.
    pub fn finish_whole(&mut self, give: impl FnMut(Record<'_>)) -> bool {
        let is_cut = self.line_length > 0;
        if is_cut {
            if self.is_open && self.line.first().is_some_and(u8::is_ascii_whitespace) {
                self.record.clear();
                self.record_length = 0;
            }
            self.line.clear();
            self.line_length = 0;
        }
        self.finish(give);
        is_cut
    }

    /// Lines so far that have nothing but white space in them; they are no events.
    pub fn blank_lines(&self) -> u64 {
        self.blank_lines
    }

    fn extend_line(&mut self, bytes: &[u8]) {
        let room = RECORD_CAP - self.line.len();
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.line_length += bytes.len() as u64;
    }

    fn end_line(&mut self, give: &mut impl FnMut(Record<'_>)) {
        if self.line.last() == Some(&b'\r') && self.line_length == self.line.len() as u64 {
            self.line.pop();
            self.line_length -= 1;
        }
        if self.line.iter().all(u8::is_ascii_whitespace) && self.line_length <= RECORD_CAP as u64 {
            self.blank_lines += 1;
        } else if self.is_open && self.continues() {
            self.record.push(b'\n');
            self.record.extend_from_slice(&self.line);
            self.record_length += 1 + self.line_length;
        } else {
            self.end_record(give);
            std::mem::swap(&mut self.record, &mut self.line);
            self.record_length = self.line_length;
            self.is_open = header(&self.record).is_some();
        }
        self.line.clear();
        self.line_length = 0;
    }

    /// Returns whether the line belongs to the message of the open record: it begins like no event, and all
    /// of it can be kept.
    fn continues(&self) -> bool {
        let fits = self.record_length + 1 + self.line_length <= RECORD_CAP as u64;
        fits && header(&self.line).is_none() && time_prefix(&self.line).is_none()
    }

    fn end_record(&mut self, give: &mut impl FnMut(Record<'_>)) {
        if self.record_length > 0 {
            give(Record { bytes: &self.record, length: self.record_length });
        }
        self.record.clear();
        self.record_length = 0;
        self.is_open = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(trail: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let mut give =
            |record: Record<'_>| found.push(String::from_utf8_lossy(record.bytes).into_owned());
        let mut lines = LineReader::default();
        lines.push(trail, &mut give);
        lines.finish(&mut give);
        found
    }

    #[test]
    fn a_message_goes_on_until_a_line_begins_like_an_event() {
        let trail = b"[P|A|1001|x] one\n  at two\r\nthree\n\n[P|A|1001|x] four\n2026-03-01 10:00:00 five\nsix";
        assert_eq!(
            records(trail),
            [
                "[P|A|1001|x] one\n  at two\nthree",
                "[P|A|1001|x] four",
                "2026-03-01 10:00:00 five",
                "six"
            ]
        );
    }

    #[test]
    fn l5_a_line_beyond_the_cap_is_kept_up_to_it_and_the_next_is_whole() {
        let mut trail = vec![b'x'; 10 * RECORD_CAP];
        trail.extend_from_slice(b"\n[P|A|1001|x] next\n");
        let mut seen = Vec::new();
        let mut give = |record: Record<'_>| seen.push((record.bytes.len(), record.length));
        let mut lines = LineReader::default();
        lines.push(&trail, &mut give);
        lines.finish(&mut give);
        assert_eq!(seen, [(RECORD_CAP, 10 * RECORD_CAP as u64), (17, 17)]);
        assert!(
            lines.line.capacity() <= 2 * RECORD_CAP && lines.record.capacity() <= 2 * RECORD_CAP
        );
    }

    #[test]
    fn l12_a_line_without_an_end_counts_for_nothing_until_it_has_one() {
        let event = "[P|A|1001|x] one\n";
        for (trail, expected, is_cut) in [
            ("", 0, false),
            ("[P|A|1001|x] one\n", 1, false),
            ("[P|A|1001|x] one\n[P|A|1001|y] tw", 1, true),
            ("[P|A|1001|x] one\n2026-03", 1, true),
            // The message of the event may continue.
            ("[P|A|1001|x] one\n  at tw", 0, true),
            ("[P|A|1001|x] one\n[P|A|1001|y] two\n  at th", 1, true),
            ("[P|A|10", 0, true),
        ] {
            let mut n_records = 0;
            let mut lines = LineReader::default();
            lines.push(trail.as_bytes(), |_| n_records += 1);
            assert_eq!(lines.finish_whole(|_| n_records += 1), is_cut, "{trail}");
            assert_eq!(n_records, expected, "{trail}");
            lines.push(event.as_bytes(), |_| n_records += 1);
            assert!(
                !lines.finish_whole(|record| assert_eq!(record.bytes, event.trim().as_bytes()))
            );
        }
    }

    #[test]
    fn lines_that_would_not_fit_into_a_record_are_records_of_their_own() {
        let long = "y".repeat(RECORD_CAP - 4);
        let trail = format!("[P|A|1001|x] one\n{long}\n");
        assert_eq!(records(trail.as_bytes()), ["[P|A|1001|x] one", long.as_str()]);
    }

    #[test]
    fn blank_lines_are_counted_and_are_no_events() {
        let mut lines = LineReader::default();
        lines.push(b"\n  \r\n\t\n", |_| {});
        lines.finish(|line| assert_eq!(line.length, 0));
        assert_eq!(lines.blank_lines(), 3);
    }
}
