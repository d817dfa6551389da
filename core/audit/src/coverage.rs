//! The periods of a trail that were read, and the next window to request: the newest events first, then missing ones,
//! in windows that overlap read periods, since lines may be late.
//!
//! Clocks are not trusted. A window that names its end proves the time before that end, whatever a clock says. The
//! newest window names none, so it proves only the time that is over at every possible time of Nexthink
//! ([`Clocks::bounds`]). Periods that an earlier clock claimed beyond that are dropped and read again.
//!
//! If a trail has lines without a time, it is read in fixed windows (`crate::fixed`), newest first. The newest window is
//! still requested before them, for the events with a time and for Nexthink's clock.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use core_clock::ClockOffset;

use crate::clocks::Clocks;
use crate::fixed::{last_edge, window_with};
use crate::span::{Span, add, subtract};
use crate::window::{HOUR_MS, Window, WindowSettings};

/// The number of runs that are remembered to find the last one with a right clock: some weeks of hourly runs. If
/// none of them is left, everything is read again, which costs requests and no events.
const REMEMBERED_RUNS: usize = 512;

/// The time after which the last line of a trail is no longer being written. Milliseconds.
const WRITING_MS: i64 = 60_000;

/// The time up to the last whole hour that can be named, at most: a clock may show the two hours before twice.
const OPEN_HOURS_MS: i64 = 3 * HOUR_MS + WRITING_MS;

/// The part of a window that its answer proves to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// All of it.
    Whole,
    /// The part before this time, in milliseconds since 1970-01-01 UTC: the last line had no end and was left out.
    Before(i64),
    /// Nothing: it has lines without a time, which only fixed windows tell apart.
    Nothing,
}

/// The periods of one trail that were read, and those that are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// From when on everything is wanted; set by the first run.
    #[serde(default)]
    wanted_from_ms: Option<i64>,
    /// The clocks disagreed when that was set.
    #[serde(default)]
    is_wanted_unsettled: bool,
    /// The periods that are wanted besides. Sorted, apart from each other.
    #[serde(default)]
    wanted: Vec<Span>,
    /// The periods that were read. Sorted, apart from each other.
    covered: Vec<Span>,
    /// The periods that were never read and cannot be any more. Sorted, apart from each other.
    #[serde(default)]
    lost: Vec<Span>,
    /// By how much Nexthink's clock was ahead of this machine's, at least. Milliseconds.
    #[serde(default)]
    skew_ms: i64,
    /// By how much more it may have been ahead. Milliseconds.
    #[serde(default)]
    spread_ms: i64,
    /// The time of the newest event.
    #[serde(default)]
    newest_event_ms: Option<i64>,
    /// True if the newest events have lines without a time.
    #[serde(default)]
    has_untimed: bool,
    /// The length of the newest period that is not read yet, and is no gap, since its events are not final.
    /// Milliseconds.
    #[serde(default)]
    open_ms: i64,
    /// When runs have read the newest events, by Nexthink's clock. Ascending.
    #[serde(default)]
    read_at_ms: Vec<i64>,
    /// This machine's clock at the last of them.
    #[serde(default)]
    read_at_local_ms: Option<i64>,
    /// The work of the present run.
    #[serde(skip)]
    run: RunProgress,
}

/// The work of a run so far with a trail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RunProgress {
    /// It is the first that wants anything.
    is_first: bool,
    /// The newest events were read. Every run reads them, also if its clock says that it is too early.
    newest_is_read: bool,
    /// The start of the last fixed window that was answered. Those after it are not requested twice.
    fixed_from_ms: Option<i64>,
}

impl Coverage {
    /// Begins a run at `now_ms` by this machine's clock: the first says how far back is wanted.
    pub fn begin(&mut self, now_ms: i64, settings: &WindowSettings) {
        let is_first = self.wanted_from_ms.is_none();
        self.run = RunProgress { is_first, ..RunProgress::default() };
        let first = first_wanted(self.server_ms(now_ms), settings);
        self.wanted_from_ms.get_or_insert(first);
    }

    /// Wants a time to be read, again if it was before.
    pub fn want(&mut self, span: Span) {
        subtract(&mut self.covered, span);
        subtract(&mut self.lost, span);
        add(&mut self.wanted, span);
    }

    /// Returns the next window of a run that began at `now_ms` by this machine's clock; none when only windows that
    /// failed in this run are missing. `zone` is that of the dates of requests.
    pub fn next_window(
        &self,
        now_ms: i64,
        settings: &WindowSettings,
        zone: &TimeZone,
        failed: &[Span],
    ) -> Option<Window> {
        let now_ms = self.server_ms(now_ms);
        let newest_failed = failed.iter().any(|span| span.to_ms >= now_ms);
        if !self.run.newest_is_read && !newest_failed {
            return Some(self.newest_window(now_ms, settings));
        }
        let oldest = now_ms - settings.source_retention_ms;
        let mut gaps = self.gaps_at(now_ms);
        for span in failed {
            subtract(&mut gaps, *span);
        }
        subtract(&mut gaps, Span { from_ms: i64::MIN, to_ms: oldest });
        let end_ms = if self.has_untimed {
            let edge_ms = last_edge(now_ms - WRITING_MS, zone);
            self.run.fixed_from_ms.map_or(edge_ms, |from_ms| from_ms.min(edge_ms))
        } else {
            now_ms - self.open_ms
        };
        subtract(&mut gaps, Span { from_ms: end_ms, to_ms: i64::MAX });
        let gap = gaps.last()?;
        let span = if self.has_untimed {
            window_with(gap.to_ms - 1, end_ms, zone)
        } else {
            // An answer that ends within a read period shows that nothing is missing between them.
            let to_ms = (gap.to_ms + settings.overlap_ms).min(end_ms);
            slice(gap.from_ms, to_ms, oldest, settings)
        };
        Some(Window { span, is_newest: false, is_fixed: self.has_untimed })
    }

    /// The window of the newest events. It reaches back over the possible difference of the clocks, by one slice at
    /// most, so that it meets the period that was read before.
    fn newest_window(&self, now_ms: i64, settings: &WindowSettings) -> Window {
        let oldest = now_ms - settings.source_retention_ms;
        let gaps = self.gaps_at(now_ms);
        let unread = gaps.last().filter(|gap| gap.to_ms == now_ms);
        let from_ms = unread.map_or(now_ms, |gap| gap.from_ms);
        let span = slice(from_ms, now_ms, oldest, settings);
        let spread_ms = self.spread_ms.clamp(0, settings.slice_ms);
        let from_ms = (span.from_ms - spread_ms).max(oldest);
        Window { span: Span { from_ms, ..span }, is_newest: true, is_fixed: false }
    }

    /// Notes that a window was read completely, and the clocks at the time of the answer.
    pub fn answered(&mut self, window: &Window, clocks: &Clocks, settings: &WindowSettings) {
        self.answered_in_part(window, Proof::Whole, clocks, settings);
    }

    /// Notes which part of a window was read, and the clocks at the time of the answer.
    pub fn answered_in_part(
        &mut self,
        window: &Window,
        proof: Proof,
        clocks: &Clocks,
        settings: &WindowSettings,
    ) {
        let (earliest_ms, latest_ms) = clocks.bounds();
        if proof == Proof::Nothing {
            self.found_untimed(settings);
            // Also where it was read before: a late line without a time may be there, anywhere in the whole hours
            // that were requested.
            let asked_ms = i64::from(window.elapsed_hours()) * HOUR_MS;
            let end_ms = if window.is_newest { earliest_ms } else { window.span.to_ms };
            let from_ms = window.span.from_ms.min(end_ms - asked_ms);
            subtract(&mut self.covered, Span { from_ms, ..window.span });
        }
        if !window.is_newest {
            // Events after Nexthink's present time cannot have been in the answer.
            let mut to_ms = window.span.to_ms.min(earliest_ms);
            if window.is_fixed {
                self.run.fixed_from_ms = Some(window.span.from_ms);
                // No later window overlaps this one, so it is requested again until no line is late any more.
                to_ms = to_ms.min(earliest_ms - settings.overlap_ms);
            }
            if proof != Proof::Nothing {
                add(&mut self.covered, Span { to_ms, ..window.span });
            }
            return;
        }
        match proof {
            Proof::Whole => (self.has_untimed, self.open_ms) = (false, 0),
            Proof::Before(_) => (self.has_untimed, self.open_ms) = (false, WRITING_MS),
            Proof::Nothing => {}
        }
        self.skew_ms = earliest_ms - clocks.local_ms;
        self.spread_ms = latest_ms - earliest_ms;
        self.drop_wrong_claims(earliest_ms, clocks.local_ms, settings);
        self.settle_wanted(earliest_ms, settings);
        // Requests are in whole hours, but only the wanted period counts.
        let from_ms = latest_ms - window.span.length_ms();
        let to_ms = match proof {
            Proof::Whole => earliest_ms,
            Proof::Before(before_ms) => before_ms.min(earliest_ms),
            Proof::Nothing => from_ms,
        };
        add(&mut self.covered, Span { from_ms, to_ms });
        self.give_up_lost(earliest_ms, settings);
        self.run.newest_is_read = true;
        self.read_at_local_ms = Some(clocks.local_ms);
        self.read_at_ms.push(earliest_ms);
        let surplus = self.read_at_ms.len().saturating_sub(REMEMBERED_RUNS);
        self.read_at_ms.drain(..surplus);
    }

    /// Notes that there are lines without a time, so that fixed windows are requested.
    pub fn found_untimed(&mut self, settings: &WindowSettings) {
        self.has_untimed = true;
        self.open_ms = settings.overlap_ms + OPEN_HOURS_MS;
    }

    /// Returns true if the newest events have lines without a time.
    pub fn has_untimed(&self) -> bool {
        self.has_untimed
    }

    /// Drops periods that earlier runs claimed to have read by a clock that was ahead: those in the future, and those
    /// since the last run with a right clock.
    fn drop_wrong_claims(&mut self, now_ms: i64, local_ms: i64, settings: &WindowSettings) {
        let last_ms = self.read_at_ms.last().copied();
        let latest_ms = now_ms.saturating_add_unsigned(ClockOffset::TOLERANCE_MS);
        while self.read_at_ms.last().is_some_and(|read_at_ms| *read_at_ms > latest_ms) {
            self.read_at_ms.pop();
        }
        let mut trusted_until_ms = now_ms;
        if last_ms != self.read_at_ms.last().copied() {
            trusted_until_ms = self.read_at_ms.last().copied().unwrap_or(i64::MIN);
        }
        // The offset between both clocks fell: by today's, the last run was earlier than it claimed.
        if let (Some(last_ms), Some(last_local_ms)) = (last_ms, self.read_at_local_ms) {
            let restated_ms = now_ms - (local_ms - last_local_ms);
            if restated_ms < last_ms.saturating_sub_unsigned(ClockOffset::TOLERANCE_MS) {
                trusted_until_ms = trusted_until_ms.min(restated_ms);
            }
        }
        // Events that Nexthink no longer keeps cannot be read again.
        let oldest = now_ms - settings.source_retention_ms;
        let from_ms = trusted_until_ms.max(oldest);
        subtract(&mut self.covered, Span { from_ms, to_ms: i64::MAX });
    }

    /// Says from when on everything is wanted, now that Nexthink has told the time.
    fn settle_wanted(&mut self, now_ms: i64, settings: &WindowSettings) {
        let first = first_wanted(now_ms, settings);
        let oldest = now_ms - settings.source_retention_ms;
        let was_ever_read = !self.read_at_ms.is_empty() || !self.covered.is_empty();
        let is_settled = was_ever_read && !self.is_wanted_unsettled;
        self.wanted_from_ms = Some(match self.wanted_from_ms {
            Some(from_ms) if is_settled && from_ms <= now_ms => from_ms,
            // A wrong clock may have set it. A start before the events that Nexthink keeps cannot be requested.
            Some(from_ms) if !self.run.is_first && from_ms >= oldest => from_ms.min(first),
            _ => first,
        });
        if !is_settled {
            self.is_wanted_unsettled = self.spread_ms > 0;
        }
    }

    /// Records the periods that Nexthink no longer keeps as lost. Only an answer gives the time for that.
    fn give_up_lost(&mut self, now_ms: i64, settings: &WindowSettings) {
        let oldest = now_ms - settings.source_retention_ms;
        subtract(&mut self.lost, Span { from_ms: oldest, to_ms: i64::MAX });
        for gap in self.gaps_at(now_ms) {
            add(&mut self.lost, Span { from_ms: gap.from_ms, to_ms: gap.to_ms.min(oldest) });
        }
    }

    /// Notes the time of an event.
    pub fn saw_event(&mut self, occurred_ms: i64) {
        self.newest_event_ms = self.newest_event_ms.max(Some(occurred_ms));
    }

    /// Returns the time of the newest event, in milliseconds since 1970-01-01 UTC.
    pub fn newest_event_ms(&self) -> Option<i64> {
        self.newest_event_ms
    }

    /// Returns true if a time is within a read period, so that a new event of this time is late.
    pub fn has_read(&self, occurred_ms: i64) -> bool {
        self.covered.iter().any(|span| (span.from_ms..span.to_ms).contains(&occurred_ms))
    }

    /// Returns the wanted periods that are not read at `now_ms` by this machine's clock, and can still be read.
    pub fn gaps(&self, now_ms: i64) -> Vec<Span> {
        let mut gaps = self.gaps_at(self.server_ms(now_ms));
        subtract(&mut gaps, Span { from_ms: self.final_until_ms(now_ms), to_ms: i64::MAX });
        gaps
    }

    /// Returns the time up to which events are final when this machine's clock says `now_ms`. Both in milliseconds
    /// since 1970-01-01 UTC.
    pub fn final_until_ms(&self, now_ms: i64) -> i64 {
        self.server_ms(now_ms) - self.open_ms
    }

    /// Returns the lost periods.
    pub fn lost(&self) -> &[Span] {
        &self.lost
    }

    /// Returns Nexthink's clock when this machine's says `now_ms`, by the last answer. Both in
    /// milliseconds since 1970-01-01 UTC.
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
        // If Nexthink's clock is behind this machine's, a period that is over here is not over there, and no answer
        // has it yet.
        subtract(&mut gaps, Span { from_ms: server_ms, to_ms: i64::MAX });
        gaps
    }
}

/// From when on the first run wants everything.
fn first_wanted(now_ms: i64, settings: &WindowSettings) -> i64 {
    now_ms - settings.since_ms.min(settings.source_retention_ms)
}

/// The last slice of a gap. The slice that reaches a read period overlaps it in full, so it may be longer.
fn slice(from_ms: i64, to_ms: i64, oldest: i64, settings: &WindowSettings) -> Span {
    let sliced = to_ms - settings.slice_ms;
    let is_last = sliced <= from_ms;
    let from_ms = if is_last { (from_ms - settings.overlap_ms).max(oldest) } else { sliced };
    Span { from_ms, to_ms }
}

#[cfg(test)]
mod tests;
