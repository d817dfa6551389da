//! The fixed windows: the days of UTC.
//!
//! An event without a time has no identity but the period that it was requested for, so that period must be the same
//! in every run. An answer may end earlier, at a whole hour: it is the beginning of that of the whole day, so the
//! positions of its events are the same.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::span::Span;
use crate::window::HOUR_MS;

const DAY_MS: i64 = 24 * HOUR_MS;

/// Returns the last whole hour at or before a time whose date names one point in time.
pub(crate) fn last_edge(ms: i64, zone: &TimeZone) -> i64 {
    let mut edge_ms = ms - ms.rem_euclid(HOUR_MS);
    while is_ambiguous(edge_ms, zone) {
        edge_ms -= HOUR_MS;
    }
    edge_ms
}

/// Returns the fixed window with a time, which is before `end_ms`, an edge. It ends there at the latest.
pub(crate) fn window_with(ms: i64, end_ms: i64, zone: &TimeZone) -> Span {
    let begin_of = |day: i64| {
        let mut begin_ms = day * DAY_MS;
        while is_ambiguous(begin_ms, zone) {
            begin_ms += HOUR_MS;
        }
        begin_ms
    };
    let mut day = ms.div_euclid(DAY_MS);
    if ms < begin_of(day) {
        day -= 1;
    }
    Span { from_ms: begin_of(day), to_ms: begin_of(day + 1).min(end_ms) }
}

/// Returns true if the clock of the zone shows this time twice: it is not documented which of the two Nexthink takes
/// it for.
fn is_ambiguous(ms: i64, zone: &TimeZone) -> bool {
    Timestamp::from_millisecond(ms).is_ok_and(|time| {
        let local = time.to_zoned(zone.clone()).datetime();
        zone.to_ambiguous_zoned(local).is_ambiguous()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_millisecond()
    }

    #[test]
    fn l15_every_time_is_in_one_fixed_window_whatever_the_zone() {
        for zone in
            ["UTC", "Europe/Zurich", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe"]
        {
            let zone = TimeZone::get(zone).expect("a zone");
            let (from_ms, to_ms) = (ms("2025-01-01T00:00:00Z"), ms("2026-01-02T00:00:00Z"));
            let mut end_ms = from_ms;
            while end_ms < to_ms {
                let window = window_with(end_ms, i64::MAX, &zone);
                assert_eq!(window.from_ms, end_ms, "they follow each other");
                for edge_ms in [window.from_ms, window.to_ms] {
                    assert!(!is_ambiguous(edge_ms, &zone));
                }
                for at_ms in (window.from_ms..window.to_ms).step_by(1_800_000) {
                    assert_eq!(window_with(at_ms, i64::MAX, &zone), window);
                }
                assert!((22 * HOUR_MS..=26 * HOUR_MS).contains(&window.length_ms()), "{window:?}");
                end_ms = window.to_ms;
            }
        }
    }

    #[test]
    fn l15_a_fixed_window_ends_at_an_hour_that_a_clock_shows_once() {
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        for (now, edge, from) in [
            ("2025-10-25T10:20:00Z", "2025-10-25T10:00:00Z", "2025-10-25T00:00:00Z"),
            // From 00:00 to 02:00 UTC, the clock shows the hour after two twice.
            ("2025-10-26T01:20:00Z", "2025-10-25T23:00:00Z", "2025-10-25T00:00:00Z"),
            ("2025-10-26T03:20:00Z", "2025-10-26T03:00:00Z", "2025-10-26T02:00:00Z"),
        ] {
            let edge_ms = last_edge(ms(now), &zone);
            assert_eq!(edge_ms, ms(edge), "{now}");
            let window = window_with(edge_ms - 1, edge_ms, &zone);
            assert_eq!(window, Span { from_ms: ms(from), to_ms: edge_ms }, "{now}");
        }
    }
}
