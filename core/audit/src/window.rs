//! What to ask for next: the newest time that was not read yet, in windows that overlap what was
//! read before, since lines may be late and a clock may be wrong.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Unit};
use serde::{Deserialize, Serialize};

/// An hour in milliseconds: the unit in which a window's length is asked for.
pub const HOUR_MS: i64 = 3_600_000;

/// From one point in time to another, in milliseconds since 1970-01-01 UTC; the end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The first millisecond.
    pub from_ms: i64,
    /// The first millisecond after it.
    pub to_ms: i64,
}

/// How a trail is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSettings {
    /// How much of what was read is asked for again. Milliseconds.
    pub overlap_ms: i64,
    /// The longest window, but for its overlaps; more than twice the overlap. Milliseconds.
    pub slice_ms: i64,
    /// How far back the first run asks. Milliseconds.
    pub since_ms: i64,
    /// How long Nexthink keeps events. What is older cannot be asked for. Milliseconds.
    pub source_retention_ms: i64,
}

impl Default for WindowSettings {
    /// An hour of overlap, a day at most, 180 days back.
    fn default() -> Self {
        let days = 24 * HOUR_MS;
        Self {
            overlap_ms: HOUR_MS,
            slice_ms: days,
            since_ms: 180 * days,
            source_retention_ms: 180 * days,
        }
    }
}

/// A window to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// What the answer should hold.
    pub span: Span,
    /// Whether it ends now, by Nexthink's own clock: then no end is asked for.
    pub is_newest: bool,
}

impl Window {
    /// The value of `elapsed_hours`.
    pub fn elapsed_hours(&self) -> u32 {
        let hours = (self.span.to_ms - self.span.from_ms + HOUR_MS - 1) / HOUR_MS;
        u32::try_from(hours.max(1)).unwrap_or(u32::MAX)
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
        // To the second, and not less than what is wanted.
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

/// What of one trail was read, and what must still be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// From when on everything is wanted; set by the first run.
    #[serde(default)]
    wanted_from_ms: Option<i64>,
    /// What is wanted besides. Sorted, apart from each other.
    #[serde(default)]
    wanted: Vec<Span>,
    /// What was read. Sorted, apart from each other.
    covered: Vec<Span>,
    /// What was never read and cannot be any more. Sorted, apart from each other.
    #[serde(default)]
    lost: Vec<Span>,
    /// By how much Nexthink's clock was ahead of ours. Milliseconds.
    #[serde(default)]
    skew_ms: i64,
    /// The time of the newest event.
    #[serde(default)]
    newest_event_ms: Option<i64>,
}

impl Coverage {
    /// Begins a run at `now_ms` by our clock: the first says how far back is wanted, and what was not
    /// read in time is given up, on record.
    pub fn begin(&mut self, now_ms: i64, settings: &WindowSettings) {
        let now_ms = self.server_ms(now_ms);
        let oldest = now_ms - settings.source_retention_ms;
        let first = (now_ms - settings.since_ms).max(oldest);
        self.wanted_from_ms.get_or_insert(first);
        for gap in self.gaps_at(now_ms) {
            let lost = Span { from_ms: gap.from_ms, to_ms: gap.to_ms.min(oldest) };
            add(&mut self.lost, lost);
        }
    }

    /// Wants a time to be read, again if it was before.
    pub fn want(&mut self, span: Span) {
        subtract(&mut self.covered, span);
        subtract(&mut self.lost, span);
        add(&mut self.wanted, span);
    }

    /// The next window of a run that began at `now_ms` by our clock; none when all is read but what
    /// has failed in this run.
    pub fn next_window(
        &self,
        now_ms: i64,
        settings: &WindowSettings,
        failed: &[Span],
    ) -> Option<Window> {
        let now_ms = self.server_ms(now_ms);
        let oldest = now_ms - settings.source_retention_ms;
        let mut gaps = self.gaps_at(now_ms);
        for span in failed {
            subtract(&mut gaps, *span);
        }
        subtract(&mut gaps, Span { from_ms: i64::MIN, to_ms: oldest });
        let gap = gaps.last()?;
        let is_newest = gap.to_ms == now_ms;
        // An answer that ends in the midst of what was read shows that nothing is between them.
        let to_ms = if is_newest { now_ms } else { (gap.to_ms + settings.overlap_ms).min(now_ms) };
        let sliced = to_ms - settings.slice_ms;
        // The last window down to what was read overlaps it in full, so it may be longer.
        let is_last = sliced <= gap.from_ms;
        let from_ms =
            if is_last { (gap.from_ms - settings.overlap_ms).max(oldest) } else { sliced };
        Some(Window { span: Span { from_ms, to_ms }, is_newest })
    }

    /// Notes that a window was read whole. `server_ms` is Nexthink's clock when it answered, and
    /// `now_ms` ours.
    pub fn answered(&mut self, window: &Window, server_ms: Option<i64>, now_ms: i64) {
        if let Some(server_ms) = server_ms {
            self.skew_ms = server_ms - now_ms;
        }
        let to_ms = if window.is_newest { self.server_ms(now_ms) } else { window.span.to_ms };
        let length = window.span.to_ms - window.span.from_ms;
        // What is asked for is whole hours, but more than was wanted is not relied on.
        add(&mut self.covered, Span { from_ms: to_ms - length, to_ms });
    }

    /// Notes the time of an event.
    pub fn saw_event(&mut self, occurred_ms: i64) {
        self.newest_event_ms = self.newest_event_ms.max(Some(occurred_ms));
    }

    /// The time of the newest event, in milliseconds since 1970-01-01 UTC.
    pub fn newest_event_ms(&self) -> Option<i64> {
        self.newest_event_ms
    }

    /// Whether a time lies within what had been read: an event of it that is new came late.
    pub fn has_read(&self, occurred_ms: i64) -> bool {
        self.covered.iter().any(|it| (it.from_ms..it.to_ms).contains(&occurred_ms))
    }

    /// What is wanted and was not read at `now_ms` by our clock, and may still be.
    pub fn gaps(&self, now_ms: i64) -> Vec<Span> {
        self.gaps_at(self.server_ms(now_ms))
    }

    /// What was never read and cannot be any more.
    pub fn lost(&self) -> &[Span] {
        &self.lost
    }

    /// Nexthink's clock when ours says `now_ms`, by the last answer. Both in milliseconds since
    /// 1970-01-01 UTC.
    pub fn server_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.skew_ms)
    }

    fn gaps_at(&self, server_ms: i64) -> Vec<Span> {
        let mut gaps = self.wanted.clone();
        if let Some(from_ms) = self.wanted_from_ms {
            add(&mut gaps, Span { from_ms, to_ms: server_ms });
        }
        for span in self.covered.iter().chain(&self.lost) {
            subtract(&mut gaps, *span);
        }
        // What our clock says is over is not, where Nexthink's is behind it: no answer shows it yet.
        subtract(&mut gaps, Span { from_ms: server_ms, to_ms: i64::MAX });
        gaps
    }
}

/// Adds a span to spans that are sorted and apart from each other.
fn add(spans: &mut Vec<Span>, new: Span) {
    if new.from_ms >= new.to_ms {
        return;
    }
    let mut new = new;
    spans.retain(|it| {
        let touches = it.from_ms <= new.to_ms && new.from_ms <= it.to_ms;
        if touches {
            new.from_ms = new.from_ms.min(it.from_ms);
            new.to_ms = new.to_ms.max(it.to_ms);
        }
        !touches
    });
    let place = spans.partition_point(|it| it.from_ms < new.from_ms);
    spans.insert(place, new);
}

/// Takes a span out of spans that are sorted and apart from each other.
fn subtract(spans: &mut Vec<Span>, out: Span) {
    let rests = |it: &Span| {
        let before = Span { from_ms: it.from_ms, to_ms: it.to_ms.min(out.from_ms) };
        let after = Span { from_ms: it.from_ms.max(out.to_ms), to_ms: it.to_ms };
        let is_there = |it: &Span| it.from_ms < it.to_ms;
        if out.from_ms >= out.to_ms {
            [Some(*it), None]
        } else {
            [Some(before).filter(is_there), Some(after).filter(is_there)]
        }
    };
    *spans = spans.iter().flat_map(rests).flatten().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * HOUR_MS;
    const NOW: i64 = 1_772_366_400_000;

    fn span(from_ms: i64, to_ms: i64) -> Span {
        Span { from_ms, to_ms }
    }

    /// Reads all there is to read; gives the windows.
    fn run(coverage: &mut Coverage, now_ms: i64, settings: &WindowSettings) -> Vec<Window> {
        let mut windows = Vec::new();
        coverage.begin(now_ms, settings);
        while let Some(window) = coverage.next_window(now_ms, settings, &[]) {
            coverage.answered(&window, Some(now_ms), now_ms);
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
        assert!(windows[0].is_newest && windows[1..].iter().all(|it| !it.is_newest));
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
        while let Some(window) = coverage.next_window(NOW, &settings, &failed) {
            if (NOW - 2 * DAY..NOW - DAY).contains(&window.span.from_ms) {
                failed.push(window.span);
            } else {
                coverage.answered(&window, Some(NOW), NOW);
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
                while let Some(window) = coverage.next_window(now, &settings, &[]) {
                    coverage.answered(&window, Some(now + skew), now);
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
        assert_eq!(windows[0].span, span(NOW - 3 * HOUR_MS, NOW));
        assert!(!windows[0].is_newest);
        assert!(windows[1..].iter().all(|it| it.span.to_ms <= NOW - 18 * DAY));
        assert!(windows.iter().any(|it| it.span.from_ms <= NOW - 20 * DAY));
    }

    #[test]
    fn l8_what_is_wanted_up_to_now_is_read_though_the_clock_of_nexthink_is_behind() {
        let settings = WindowSettings { since_ms: DAY, ..WindowSettings::default() };
        for skew in [-7 * HOUR_MS, -900, 0, 900] {
            let mut coverage = Coverage::default();
            coverage.want(span(NOW - 2 * DAY, NOW));
            coverage.begin(NOW, &settings);
            let mut n_windows = 0;
            while let Some(window) = coverage.next_window(NOW, &settings, &[]) {
                coverage.answered(&window, Some(NOW + skew), NOW);
                n_windows += 1;
                assert!(n_windows <= 6, "{skew}: it does not get done");
            }
            assert_eq!(coverage.gaps(NOW), [], "{skew}");
        }
    }

    #[test]
    fn a_date_is_never_one_that_a_clock_shows_twice() {
        let zone = TimeZone::get("Europe/Zurich").expect("a zone");
        let parameters = |to: &str| {
            let to_ms = to.parse::<Timestamp>().expect("a time").as_millisecond();
            let window = Window { span: span(to_ms - 3 * HOUR_MS, to_ms), is_newest: false };
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
        let newest = Window { span: span(NOW - HOUR_MS - 1, NOW), is_newest: true };
        assert_eq!(newest.parameters(&zone), (None, 2));
    }

    #[test]
    fn spans_are_merged_and_cut() {
        let mut spans = Vec::new();
        for (from, to) in [(10, 20), (30, 40), (20, 25), (5, 5), (0, 1)] {
            add(&mut spans, span(from, to));
        }
        assert_eq!(spans, [span(0, 1), span(10, 25), span(30, 40)]);
        subtract(&mut spans, span(12, 35));
        assert_eq!(spans, [span(0, 1), span(10, 12), span(35, 40)]);
        subtract(&mut spans, span(50, 45));
        assert_eq!(spans.len(), 3);
    }
}
