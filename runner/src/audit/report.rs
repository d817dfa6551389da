//! What reading the audit trail has done.

use core_audit::{Coverage, Span};
use jiff::Timestamp;
use serde::Serialize;

use super::intake::Counts;
use crate::output::count as count_of;

/// The report on all trails.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditReport {
    pub(crate) trails: Vec<TrailReport>,
    /// Why nothing was read, or not all.
    pub(crate) reason: Option<String>,
    /// Events in the store.
    pub(crate) events: u64,
}

/// What became of one trail.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TrailReport {
    pub(crate) name: String,
    pub(crate) windows: u64,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Records that were new; the others had been read before.
    pub(crate) added: u64,
    pub(crate) unparsed: u64,
    /// Records that name somebody who was erased, and were not kept.
    pub(crate) suppressed: u64,
    pub(crate) late: u64,
    pub(crate) reason: Option<String>,
    /// What could not be read, and will be asked for again.
    pub(crate) gaps: Vec<Gap>,
    /// What was never read, and that Nexthink does not keep any more.
    pub(crate) lost: Vec<Gap>,
}

/// A time without events, RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Gap {
    pub(crate) fn of(span: &Span) -> Gap {
        let text = |ms| {
            Timestamp::from_millisecond(ms).map_or_else(|_| "?".to_owned(), |it| format!("{it:.0}"))
        };
        Gap { from: text(span.from_ms), to: text(span.to_ms) }
    }
}

impl AuditReport {
    pub(super) fn fail(&mut self, reason: String) {
        self.reason = Some(reason);
    }

    /// Whether everything that is wanted and can be had was read.
    pub(crate) fn is_complete(&self) -> bool {
        self.reason.is_none()
            && self.trails.iter().all(|it| it.reason.is_none() && it.gaps.is_empty())
    }

    /// Why not everything was read, a line each.
    pub(crate) fn shortfalls(&self) -> Vec<String> {
        let of_all = self.reason.iter().map(|reason| format!("audit trail: {reason}"));
        let of_trails = self.trails.iter().filter_map(|trail| {
            let gaps = count_of(trail.gaps.len(), "period");
            let unread = || (!trail.gaps.is_empty()).then(|| format!("{gaps} not read yet"));
            let reason = trail.reason.clone().or_else(unread)?;
            Some(format!("audit trail {}: {reason}", trail.name))
        });
        of_all.chain(of_trails).collect()
    }

    /// What people should know, a line each.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(reason) = &self.reason {
            remarks.push(format!("audit trail: {reason}"));
        }
        for trail in &self.trails {
            let TrailReport { name, added, records, unparsed, late, .. } = trail;
            let is_unread = trail.windows == 0 && trail.reason.is_some();
            remarks.extend((!is_unread).then(|| {
                format!(
                    "audit trail {name}: {} added of {records} read{}{}",
                    count_of(*added, "event"),
                    count(*unparsed, "of another form, kept as they are"),
                    count(*late, "came late"),
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

    pub(super) fn add(&mut self, counts: &Counts, bytes: u64) {
        self.windows += 1;
        self.bytes += bytes;
        self.records += counts.records;
        self.added += counts.added;
        self.unparsed += counts.unparsed;
        self.suppressed += counts.suppressed;
        self.late += counts.late;
    }

    pub(super) fn describe(&mut self, coverage: &Coverage, now_ms: i64) {
        self.gaps = coverage.gaps(now_ms).iter().map(Gap::of).collect();
        self.lost = coverage.lost().iter().map(Gap::of).collect();
    }
}
