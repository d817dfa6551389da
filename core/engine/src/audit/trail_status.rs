//! The state of each trail for people and programs: read, missing and lost periods.

use core_audit::{Coverage, Span};
use serde_json::{Value, json};

use super::Notes;
use super::report::Gap;

/// The state of one trail.
#[derive(Debug)]
pub struct TrailStatus {
    /// The name of the trail.
    name: String,
    /// The time of the newest event, if there is any.
    newest_event: Option<String>,
    /// The periods that are not read yet.
    not_read: Vec<String>,
    /// The periods that were never read and are lost.
    lost: Vec<String>,
    /// True if its newest lines have no time.
    has_untimed: bool,
}

impl TrailStatus {
    /// The header of a table of trails.
    pub const HEADER: [&str; 5] =
        ["trail", "newest event", "not read yet", "never read, and gone", "lines without a time"];

    /// Returns the state of every trail of some notes.
    pub fn all(notes: &Notes, now_ms: i64) -> Vec<Self> {
        let trails = notes.trails.iter();
        trails.map(|(name, coverage)| Self::new(name, coverage, now_ms)).collect()
    }

    fn new(name: &str, coverage: &Coverage, now_ms: i64) -> Self {
        let time = |ms: i64| Gap::of(&Span { from_ms: ms, to_ms: ms }).from;
        Self {
            name: name.to_owned(),
            newest_event: coverage.newest_event_ms().map(time),
            not_read: texts(&coverage.gaps(now_ms)),
            lost: texts(coverage.lost()),
            has_untimed: coverage.has_untimed(),
        }
    }

    /// Returns a row of a table for people.
    pub fn cells(&self) -> [String; 5] {
        [
            self.name.clone(),
            self.newest_event.clone().unwrap_or_default(),
            self.not_read.join("\n"),
            self.lost.join("\n"),
            if self.has_untimed { "yes, added by the hour" } else { "" }.to_owned(),
        ]
    }

    /// Returns the state for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "trail": self.name,
            "newestEvent": self.newest_event,
            "notRead": self.not_read,
            "lost": self.lost,
            "linesWithoutTime": self.has_untimed,
        })
    }
}

fn texts(spans: &[Span]) -> Vec<String> {
    let gaps = spans.iter().map(Gap::of);
    gaps.map(|gap| format!("{} to {}", gap.from, gap.to)).collect()
}

#[cfg(test)]
mod tests {
    use core_audit::{HOUR_MS, WindowSettings};

    use super::*;

    #[test]
    fn a_trail_that_was_never_read_misses_all_that_is_wanted() {
        let mut coverage = Coverage::default();
        let now_ms = 1_772_359_200_000;
        let settings = WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() };
        coverage.begin(now_ms, &settings);
        let mut notes = Notes::default();
        notes.trails.insert("portal".to_owned(), coverage);
        let all = TrailStatus::all(&notes, now_ms);
        let [status] = all.as_slice() else { panic!("there is one trail: {all:?}") };
        let [name, newest, not_read, lost, untimed] = status.cells();
        assert_eq!((name.as_str(), newest.as_str(), lost.as_str()), ("portal", "", ""));
        assert_eq!(untimed, "");
        assert!(not_read.starts_with("2026-02-28T10:00:00Z to "), "{not_read}");
        let object = status.to_json();
        assert!(object["newestEvent"].is_null());
        assert_eq!(object["notRead"][0], not_read);
    }
}
