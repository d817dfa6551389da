//! The report of a collection of the audit trail.

use core_audit::{Clocks, Coverage, IntakeCounts, Span};
use core_nexthink::{ClockOffset, NexthinkError};
use jiff::Timestamp;
use serde::Serialize;

use super::table::NAME as TABLE;
use crate::failure::{Ending, Failure, FailureKind};
use core_terminal::count as count_of;

/// The report on all trails.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// The trails, in the order in which they were read.
    pub trails: Vec<TrailReport>,
    /// The reason why nothing, or not everything, was read.
    pub reason: Option<String>,
    /// The kind of that failure.
    #[serde(skip)]
    kind: Option<FailureKind>,
    /// Events in the store.
    pub events: u64,
}

/// The result of reading one trail.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrailReport {
    pub name: String,
    pub windows: u64,
    pub bytes: u64,
    pub records: u64,
    /// New records; the others had been read before.
    pub added: u64,
    pub unparsed: u64,
    /// Records that name an erased person. They were not stored.
    pub suppressed: u64,
    pub late: u64,
    /// Records whose time cannot be right. They are stored at the end of the window.
    pub implausible: u64,
    /// Records without a time.
    pub untimed: u64,
    /// By how many seconds Nexthink's clock is ahead of this machine's, if they disagree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead_seconds: Option<i64>,
    pub reason: Option<String>,
    /// The kind of that failure.
    #[serde(skip)]
    kind: Option<FailureKind>,
    /// The periods that could not be read, and are requested again.
    pub gaps: Vec<Gap>,
    /// The periods that were never read and that Nexthink no longer keeps.
    pub lost: Vec<Gap>,
}

/// A missing period, RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Its start.
    pub from: String,
    /// Its end, exclusive.
    pub to: String,
}

impl Gap {
    /// Writes a span of milliseconds as times.
    pub fn of(span: &Span) -> Gap {
        let text = |ms| {
            Timestamp::from_millisecond(ms)
                .map_or_else(|_| "?".to_owned(), |time| format!("{time:.0}"))
        };
        Gap { from: text(span.from_ms), to: text(span.to_ms) }
    }
}

impl AuditReport {
    pub(super) fn fail(&mut self, failure: &Failure) {
        self.reason = Some(format!("{:#}", failure.error));
        self.kind = Some(failure.kind);
    }

    /// Returns the ending of a run that has read only the audit trail.
    pub fn ending(&self) -> Ending {
        if self.is_complete() {
            return Ending::Complete;
        }
        let was_read = self.trails.iter().any(|trail| trail.windows > 0);
        let of_trails = self.trails.iter().find_map(|trail| trail.kind);
        match self.kind.or(of_trails) {
            Some(kind) if !was_read => Ending::Failed(kind),
            _ => Ending::Partial,
        }
    }

    /// Returns the number of new events.
    pub fn added(&self) -> u64 {
        self.trails.iter().map(|trail| trail.added).sum()
    }

    /// Returns true if everything that is wanted and available was read.
    pub fn is_complete(&self) -> bool {
        self.reason.is_none()
            && self.trails.iter().all(|trail| trail.reason.is_none() && trail.gaps.is_empty())
    }

    /// Returns the reasons why not everything was read, a line each.
    pub fn shortfalls(&self) -> Vec<String> {
        let of_all = self.reason.iter().map(|reason| format!("audit trail: {reason}"));
        let of_trails = self.trails.iter().filter_map(|trail| {
            let gaps = count_of(trail.gaps.len(), "period");
            let unread = || (!trail.gaps.is_empty()).then(|| format!("{gaps} not read yet"));
            let reason = trail.reason.clone().or_else(unread)?;
            Some(format!("audit trail {}: {reason}", trail.name))
        });
        of_all.chain(of_trails).collect()
    }

    /// Returns the remarks for people, a line each.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(reason) = &self.reason {
            remarks.push(format!("audit trail: {reason}"));
        }
        for trail in &self.trails {
            let TrailReport { name, added, records, unparsed, late, implausible, untimed, .. } =
                trail;
            let is_unread = trail.windows == 0 && trail.reason.is_some();
            remarks.extend((!is_unread).then(|| {
                format!(
                    "audit trail {name}: {} added of {records} read{}{}{}{}",
                    count_of(*added, "event"),
                    count(*unparsed, "of another form, kept as they are"),
                    count(*late, "came late"),
                    count(*implausible, "with a time that cannot be right"),
                    count(*untimed, "without a time"),
                )
            }));
            remarks.extend((*untimed > 0 && name != TABLE).then(|| {
                format!(
                    "audit trail {name}: lines without a time are told apart by the day that was asked for, \
                     so that they are right if Nexthink keeps to it; those of an hour are added when it is over"
                )
            }));
            remarks.extend(trail.clock_ahead_seconds.map(|ahead| {
                format!(
                    "audit trail {name}: {}: set it; what is not over by both clocks counts as read only \
                     where Nexthink's login host confirms the time",
                    ClockOffset::from_ahead_ms(ahead.saturating_mul(1_000))
                )
            }));
            if let Some(reason) = &trail.reason {
                remarks.push(format!("audit trail {name}: {reason}"));
            }
            for gap in &trail.gaps {
                remarks.push(format!(
                    "audit trail {name}: not read from {} to {}; the next run asks again",
                    gap.from, gap.to
                ));
            }
            for gap in &trail.lost {
                remarks.push(format!(
                    "audit trail {name}: never read from {} to {}, and Nexthink does not keep it \
                     any more",
                    gap.from, gap.to
                ));
            }
        }
        remarks
    }
}

fn count(number: u64, what: &str) -> String {
    if number == 0 { String::new() } else { format!(", {number} {what}") }
}

impl TrailReport {
    pub(super) fn new(name: &str) -> TrailReport {
        TrailReport { name: name.to_owned(), ..TrailReport::default() }
    }

    pub(super) fn add(&mut self, counts: &IntakeCounts, bytes: u64) {
        self.windows += 1;
        self.bytes += bytes;
        self.records += counts.records;
        self.added += counts.added;
        self.unparsed += counts.unparsed;
        self.suppressed += counts.suppressed;
        self.late += counts.late;
        self.implausible += counts.implausible;
        self.untimed += counts.untimed;
    }

    /// Notes the kind of a failure that kept a part from being read.
    pub(super) fn fail(&mut self, error: &anyhow::Error) {
        let kind = error.downcast_ref::<NexthinkError>().map(NexthinkError::kind);
        self.kind = self.kind.or(Some(kind.map_or(FailureKind::Internal, FailureKind::from)));
    }

    /// Notes the offset of the clocks, if they disagree.
    pub(super) fn notice_clocks(&mut self, clocks: &Clocks) {
        let ahead = clocks.disagreement().map(|offset| offset.ahead_ms() / 1_000);
        self.clock_ahead_seconds = self.clock_ahead_seconds.or(ahead);
    }

    pub(super) fn describe(&mut self, coverage: &Coverage, now_ms: i64) {
        self.gaps = coverage.gaps(now_ms).iter().map(Gap::of).collect();
        self.lost = coverage.lost().iter().map(Gap::of).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail(windows: u64, reason: Option<&str>, kind: Option<FailureKind>) -> TrailReport {
        TrailReport {
            windows,
            reason: reason.map(str::to_owned),
            kind,
            ..TrailReport::new("portal")
        }
    }

    fn gap() -> Gap {
        Gap { from: "2026-03-01T10:00:00Z".to_owned(), to: "2026-03-01T11:00:00Z".to_owned() }
    }

    #[test]
    fn only_a_trail_of_which_nothing_was_read_fails_the_whole() {
        let unreachable = Some(FailureKind::Unreachable);
        let table = [
            (vec![trail(3, None, None)], Ending::Complete),
            (vec![trail(3, Some("down"), unreachable)], Ending::Partial),
            (vec![trail(0, Some("down"), unreachable)], Ending::Failed(FailureKind::Unreachable)),
            (vec![trail(0, Some("down"), unreachable), trail(1, None, None)], Ending::Partial),
            (vec![TrailReport { gaps: vec![gap()], ..trail(1, None, None) }], Ending::Partial),
            (vec![TrailReport { lost: vec![gap()], ..trail(1, None, None) }], Ending::Complete),
        ];
        for (trails, expected) in table {
            let report = AuditReport { trails, ..AuditReport::default() };
            assert_eq!(report.ending(), expected, "{report:?}");
        }
        let mut report = AuditReport::default();
        report.fail(&Failure::configuration("no such engine"));
        assert_eq!(report.ending(), Ending::Failed(FailureKind::Configuration));
    }

    #[test]
    fn what_is_not_read_yet_is_a_shortfall_with_its_reason_or_its_number() {
        let unread = TrailReport { gaps: vec![gap(), gap()], ..trail(1, None, None) };
        let trails = vec![trail(1, Some("HTTP 503"), None), unread, trail(1, None, None)];
        let report = AuditReport { trails, ..AuditReport::default() };
        let expected =
            ["audit trail portal: HTTP 503", "audit trail portal: 2 periods not read yet"];
        assert_eq!(report.shortfalls(), expected);
    }

    #[test]
    fn people_read_what_was_added_and_each_period_that_is_missing() {
        let counted = TrailReport {
            records: 9,
            added: 1,
            late: 2,
            gaps: vec![gap()],
            lost: vec![gap()],
            clock_ahead_seconds: Some(600),
            ..trail(1, None, None)
        };
        let down = trail(0, Some("it is down"), None);
        let report = AuditReport { trails: vec![counted, down], ..AuditReport::default() };
        let remarks = report.remarks();
        assert_eq!(remarks[0], "audit trail portal: 1 event added of 9 read, 2 came late");
        assert!(remarks[1].contains("Nexthink") && remarks[1].contains("set it"), "{}", remarks[1]);
        assert!(remarks[2].ends_with("the next run asks again"), "{}", remarks[2]);
        assert!(remarks[3].ends_with("Nexthink does not keep it any more"), "{}", remarks[3]);
        assert_eq!(remarks[4..], ["audit trail portal: it is down"], "nothing was read of it");
    }

    #[test]
    fn a_span_beyond_the_calendar_is_still_a_text() {
        let gap = Gap::of(&Span { from_ms: 0, to_ms: i64::MAX });
        assert_eq!((gap.from.as_str(), gap.to.as_str()), ("1970-01-01T00:00:00Z", "?"));
    }
}
