//! The proof that windows give, by right clocks and by wrong ones.

mod jumps;

use super::*;
use crate::window::HOUR_MS;

const DAY: i64 = 24 * HOUR_MS;
const NOW: i64 = 1_772_366_400_000;

fn span(from_ms: i64, to_ms: i64) -> Span {
    Span { from_ms, to_ms }
}

/// The readings of clocks that agree.
fn right(now_ms: i64) -> Clocks {
    skewed(now_ms, 0)
}

/// The readings where this machine's clock is wrong, and the login host confirms it.
fn skewed(local_ms: i64, skew_ms: i64) -> Clocks {
    let server_ms = Some(local_ms + skew_ms);
    Clocks { local_ms, server_ms, witness_ahead_ms: Some(skew_ms) }
}

/// Reads all there is to read; gives the windows.
fn run(coverage: &mut Coverage, now_ms: i64, settings: &WindowSettings) -> Vec<Window> {
    let mut windows = Vec::new();
    coverage.begin(now_ms, settings);
    while let Some(window) = coverage.next_window(now_ms, settings, &TimeZone::UTC, &[]) {
        coverage.answered(&window, &right(now_ms), settings);
        windows.push(window);
        assert!(windows.len() < 1_000, "it does not get done");
    }
    windows
}

#[test]
fn the_first_run_goes_backwards_in_slices_that_overlap() {
    let settings = WindowSettings { since_ms: 3 * DAY, ..WindowSettings::default() };
    let mut coverage = Coverage::default();
    let windows = run(&mut coverage, NOW, &settings);
    assert!(windows[0].is_newest && windows[1..].iter().all(|window| !window.is_newest));
    assert_eq!(windows[0].span, span(NOW - DAY, NOW));
    assert_eq!(windows[1].span.to_ms, NOW - DAY + HOUR_MS);
    for pair in windows.windows(2) {
        assert_eq!(pair[1].span.to_ms - pair[0].span.from_ms, HOUR_MS);
    }
    assert!(windows.last().expect("some").span.from_ms <= NOW - 3 * DAY);
    assert_eq!(coverage.gaps(NOW), []);
}

#[test]
fn l2_the_next_run_overlaps_the_last_and_asks_for_no_more() {
    let settings = WindowSettings::default();
    let mut coverage = Coverage::default();
    run(&mut coverage, NOW, &settings);
    let windows = run(&mut coverage, NOW + HOUR_MS, &settings);
    assert_eq!(windows.len(), 1);
    assert_eq!(windows[0].span, span(NOW - HOUR_MS, NOW + HOUR_MS));
    assert_eq!(windows[0].elapsed_hours(), 2);
}

#[test]
fn l2_a_window_that_failed_is_a_gap_until_a_later_run_reads_it() {
    let settings = WindowSettings { since_ms: 3 * DAY, ..WindowSettings::default() };
    let mut coverage = Coverage::default();
    coverage.begin(NOW, &settings);
    let mut failed = Vec::new();
    while let Some(window) = coverage.next_window(NOW, &settings, &TimeZone::UTC, &failed) {
        if (NOW - 2 * DAY..NOW - DAY).contains(&window.span.from_ms) {
            failed.push(window.span);
        } else {
            coverage.answered(&window, &right(NOW), &settings);
        }
    }
    assert_eq!(failed.len(), 1);
    let gaps = coverage.gaps(NOW);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].to_ms - gaps[0].from_ms < DAY);
    let later = run(&mut coverage, NOW + HOUR_MS, &settings);
    assert_eq!(later.len(), 2, "{later:?}");
    assert!(later[1].span.from_ms < gaps[0].from_ms && gaps[0].to_ms < later[1].span.to_ms);
}

#[test]
fn l4_an_outage_beyond_the_retention_of_nexthink_is_a_gap_for_good() {
    let settings = WindowSettings { since_ms: DAY, ..WindowSettings::default() };
    let mut coverage = Coverage::default();
    run(&mut coverage, NOW, &settings);
    let later = NOW + 200 * DAY;
    run(&mut coverage, later, &settings);
    assert_eq!(coverage.lost(), [span(NOW, later - 180 * DAY)]);
    assert_eq!(coverage.gaps(later), []);
    run(&mut coverage, later + 300 * DAY, &settings);
    assert_eq!(coverage.lost().len(), 2);
}

#[test]
fn l8_the_clock_of_nexthink_decides_what_is_now() {
    let settings = WindowSettings { since_ms: 2 * DAY, ..WindowSettings::default() };
    for skew in [-7 * HOUR_MS, -90_000, 0, 90_000, 7 * HOUR_MS] {
        let mut coverage = Coverage::default();
        for run in 0..5 {
            let now = NOW + run * HOUR_MS;
            coverage.begin(now, &settings);
            let mut n_windows = 0;
            while let Some(window) = coverage.next_window(now, &settings, &TimeZone::UTC, &[]) {
                coverage.answered(&window, &skewed(now, skew), &settings);
                n_windows += 1;
            }
            assert!(n_windows <= 6, "{skew}: {n_windows}");
            assert_eq!(coverage.gaps(now), [], "{skew}");
            let server = now + skew;
            assert!(coverage.has_read(server - 1) && coverage.has_read(server - DAY), "{skew}");
        }
    }
}

#[test]
fn what_is_wanted_again_is_asked_for_again() {
    let settings = WindowSettings { since_ms: DAY, ..WindowSettings::default() };
    let mut coverage = Coverage::default();
    run(&mut coverage, NOW, &settings);
    coverage.want(span(NOW - 20 * DAY, NOW - 19 * DAY));
    coverage.want(span(NOW - 2 * HOUR_MS, NOW - HOUR_MS));
    let windows = run(&mut coverage, NOW, &settings);
    // A corrected clock must not keep a run from requesting new events.
    assert!(windows[0].is_newest);
    assert_eq!(windows[1].span, span(NOW - 3 * HOUR_MS, NOW));
    assert!(!windows[1].is_newest);
    assert!(windows[2..].iter().all(|window| window.span.to_ms <= NOW - 18 * DAY));
    assert!(windows.iter().any(|window| window.span.from_ms <= NOW - 20 * DAY));
}

#[test]
fn l8_what_is_wanted_up_to_now_is_read_though_the_clock_of_nexthink_is_behind() {
    let settings = WindowSettings { since_ms: DAY, ..WindowSettings::default() };
    for skew in [-7 * HOUR_MS, -900, 0, 900] {
        let mut coverage = Coverage::default();
        coverage.want(span(NOW - 2 * DAY, NOW));
        coverage.begin(NOW, &settings);
        let mut n_windows = 0;
        while let Some(window) = coverage.next_window(NOW, &settings, &TimeZone::UTC, &[]) {
            coverage.answered(&window, &skewed(NOW, skew), &settings);
            n_windows += 1;
            assert!(n_windows <= 6, "{skew}: it does not get done");
        }
        assert_eq!(coverage.gaps(NOW), [], "{skew}");
    }
}
