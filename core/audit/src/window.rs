//! One request for a part of a trail, and the settings that requests are made by.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Unit};

use crate::clocks::Clocks;
use crate::span::Span;

/// An hour in milliseconds: the unit in which a window's length is asked for.
pub const HOUR_MS: i64 = 3_600_000;

/// The time for which Nexthink keeps events. Milliseconds.
const SOURCE_RETENTION_MS: i64 = 180 * 24 * HOUR_MS;

/// The distance from the period that Nexthink keeps up to which an event's time is believed. Milliseconds.
const PLAUSIBLE_MARGIN_MS: i64 = 48 * HOUR_MS;

/// The windows in which a trail is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// The time that two windows overlap, which is asked for again. Milliseconds.
    pub overlap_ms: i64,
    /// The longest window, but for its overlaps; more than twice the overlap. Milliseconds.
    pub slice_ms: i64,
    /// The time that the first run looks back. Milliseconds.
    pub since_ms: i64,
    /// The time for which Nexthink keeps events. Older ones cannot be asked for. Milliseconds.
    pub source_retention_ms: i64,
}

impl Default for WindowSettings {
    /// An hour of overlap, a day at most, 180 days back.
    fn default() -> Self {
        let days = 24 * HOUR_MS;
        Self {
            overlap_ms: HOUR_MS,
            slice_ms: days,
            since_ms: SOURCE_RETENTION_MS,
            source_retention_ms: SOURCE_RETENTION_MS,
        }
    }
}

/// A window to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The period that the answer should hold.
    pub span: Span,
    /// True if it ends now, by Nexthink's own clock: then no end is asked for.
    pub is_newest: bool,
    /// True if it is a fixed window, which tells events without a time apart: exactly this period is asked for.
    pub is_fixed: bool,
}

impl Window {
    /// The value of `elapsed_hours`.
    pub fn elapsed_hours(&self) -> u32 {
        let hours = (self.span.to_ms - self.span.from_ms + HOUR_MS - 1) / HOUR_MS;
        u32::try_from(hours.max(1)).unwrap_or(u32::MAX)
    }

    /// Returns the times that an event of the answer may have: the period that Nexthink keeps, give or take two days.
    /// An answer may have more than was asked for, and an event that is believed by one window and not by another
    /// would be kept by two times, so twice. For the same reason every clock's now counts, whichever is wrong.
    pub fn plausible(&self, clocks: &Clocks) -> Span {
        let server_ms = clocks.server_ms.unwrap_or(clocks.local_ms);
        let end_ms = if self.is_newest { self.span.to_ms } else { server_ms };
        let earliest_ms = end_ms.min(clocks.local_ms).min(server_ms);
        let latest_ms = end_ms.max(clocks.local_ms).max(server_ms);
        Span {
            from_ms: earliest_ms.saturating_sub(SOURCE_RETENTION_MS + PLAUSIBLE_MARGIN_MS),
            to_ms: latest_ms.saturating_add(PLAUSIBLE_MARGIN_MS),
        }
    }

    /// The values of `before_date` and `elapsed_hours`, by the clock of a zone: whether Nexthink
    /// takes a time that this clock shows twice for the earlier or the later one is not documented,
    /// so such a time is never named. No date of a window that ends now.
    pub fn parameters(&self, zone: &TimeZone) -> (Option<DateTime>, u32) {
        if self.is_newest {
            return (None, self.elapsed_hours());
        }
        let mut before = Timestamp::from_millisecond(self.span.to_ms).unwrap_or(Timestamp::MAX);
        let mut hours = self.elapsed_hours();
        if self.is_fixed {
            return (Some(before.to_zoned(zone.clone()).datetime()), hours);
        }
        // Rounded up to the second, so that nothing wanted is left out.
        before = before.round(Unit::Second).unwrap_or(before);
        if before.as_millisecond() < self.span.to_ms {
            before = before.checked_add(1.second()).unwrap_or(before);
        }
        let mut local = before.to_zoned(zone.clone()).datetime();
        while zone.to_ambiguous_zoned(local).is_ambiguous() {
            let Ok(later) = before.checked_add(1.hour()) else { break };
            (before, hours) = (later, hours + 1);
            local = before.to_zoned(zone.clone()).datetime();
        }
        // The part of a second that was added may be the part of an hour that is missing.
        (Some(local), hours.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_366_400_000;

    fn span(from_ms: i64, to_ms: i64) -> Span {
        Span { from_ms, to_ms }
    }

    #[test]
    fn a_date_is_never_one_that_a_clock_shows_twice() {
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        let parameters = |to: &str| {
            let to_ms = to.parse::<Timestamp>().expect("a time").as_millisecond();
            let span = span(to_ms - 3 * HOUR_MS, to_ms);
            let window = Window { span, is_newest: false, is_fixed: false };
            let (before, hours) = window.parameters(&zone);
            (before.expect("it has an end").to_string(), hours)
        };
        for (to, before, hours) in [
            ("2025-07-01T00:00:00Z", "2025-07-01T02:00:00", 4),
            ("2025-07-01T00:00:00.4Z", "2025-07-01T02:00:01", 4),
            ("2025-10-25T23:59:59Z", "2025-10-26T01:59:59", 4),
            ("2025-10-26T00:30:00Z", "2025-10-26T03:30:00", 6),
            ("2025-10-26T01:30:00Z", "2025-10-26T03:30:00", 5),
        ] {
            assert_eq!(parameters(to), (before.to_owned(), hours), "{to}");
        }
        let newest =
            Window { span: span(NOW - HOUR_MS - 1, NOW), is_newest: true, is_fixed: false };
        assert_eq!(newest.parameters(&zone), (None, 2));
        let fixed = Window { is_newest: false, is_fixed: true, ..newest };
        let (before, hours) = fixed.parameters(&zone);
        assert_eq!(
            (before.expect("it has an end").to_string(), hours),
            ("2026-03-01T13:00:00".to_owned(), 2)
        );
    }
}
