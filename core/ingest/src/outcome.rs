//! The outcome of a step, and the rule for which types may lose objects.
//!
//! Removing needs proof of completeness; adding does not. A type may lose objects only if the step
//! that makes it is complete and, for a relationship type, both its ends may lose objects too. All
//! other types keep the objects of the previous generation.

use std::fmt;

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The step provably saw everything.
    Complete,
    /// The step saw some rows, but possibly not all.
    Partial(PartialReason),
    /// The step got nothing usable.
    Failed,
    /// The step did not run, by configuration or command.
    Skipped,
    /// The step may not run yet, by quota.
    Deferred,
}

/// The reason why a step that gave tables is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialReason {
    /// Nexthink truncated the results at the licence's maximum (HTTP 206).
    Truncated,
    /// The saved query has its own limit.
    Limited,
    /// It is not known if the saved query has a limit, and the next run may well find out.
    LimitUnchecked,
    /// Rows were quarantined.
    Quarantined,
    /// A column that names an end of relationships is missing.
    MissingEnd,
    /// The length of the download is unproven.
    LengthUnproven,
    /// A part of the export failed, or was truncated itself.
    PartUnfinished,
    /// A part has rows that belong to another one.
    OutsidePart,
    /// The export has rows that belong to no part.
    PartsDoNotCover,
    /// The export may have rows that belong to no part.
    PartsUnproven,
    /// It would remove more objects than a run may remove without approval.
    Shrunk,
}

/// The limit on how much of a type a complete step may remove without approval: the larger of a
/// number of objects and a share of the previous objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShrinkGuard {
    /// The number of objects that may always be removed.
    pub objects: u64,
    /// The share of the previous objects that may be removed, in percent.
    pub percent: u64,
}

impl Default for ShrinkGuard {
    fn default() -> Self {
        Self { objects: 20, percent: 15 }
    }
}

impl ShrinkGuard {
    /// Returns true if removing this many of the previous objects is too much.
    pub const fn rejects(self, before: u64, removed: u64) -> bool {
        removed > self.objects && removed * 100 > before * self.percent
    }
}

impl Outcome {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial(_) => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Deferred => "deferred",
        }
    }

    /// Returns true if the entity types of a step with this outcome may lose objects.
    pub const fn may_remove_entities(self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Returns true if a relationship type of a step with this outcome may lose objects, given
    /// whether the types at its ends may.
    pub const fn may_remove_edges(self, may_remove_from: bool, may_remove_to: bool) -> bool {
        matches!(self, Self::Complete) && may_remove_from && may_remove_to
    }
}

impl fmt::Display for PartialReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => {
                "truncated by Nexthink at the maximum number of results of the licence; \
                 `nql --partitioned` prints the query that fetches it in parts"
            }
            Self::Limited => {
                "the saved query has a limit, so rows may be missing; take the limit out in Nexthink"
            }
            Self::LimitUnchecked => {
                "Nexthink did not show the text of the saved query in time, so rows may be missing by a limit \
                 in it; the next run checks it again"
            }
            Self::Quarantined => "rows were quarantined",
            Self::MissingEnd => {
                "the export lacks a column that names an end of relationships; list it in the query"
            }
            Self::LengthUnproven => "the length of the download was not proven",
            Self::PartUnfinished => {
                "a part of the export did not come whole; run again, or give the partition finer \
                 values"
            }
            Self::OutsidePart => {
                "rows came that lie outside the part they came in, so the saved query ignores its \
                 parameter; save the text that `nql --partitioned` prints"
            }
            Self::PartsUnproven => {
                "it is not proven that every row belongs to a part: only the sixteen hexadecimal \
                 digits of an identifier prove it"
            }
            Self::PartsDoNotCover => {
                "the export has rows that belong to no part; add the values that the partition \
                 lacks"
            }
            Self::Shrunk => "it would remove more than a run may without being told",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Outcome; 5] = [
        Outcome::Complete,
        Outcome::Partial(PartialReason::Truncated),
        Outcome::Failed,
        Outcome::Skipped,
        Outcome::Deferred,
    ];

    /// Every outcome of the step of a relationship type, combined with those of the steps of its
    /// ends.
    #[test]
    fn a_type_loses_objects_only_if_its_step_and_those_of_its_ends_are_complete() {
        for step in ALL {
            for from in ALL {
                for to in ALL {
                    let may_remove =
                        step.may_remove_edges(from.may_remove_entities(), to.may_remove_entities());
                    let all_complete =
                        [step, from, to].iter().all(|outcome| outcome.name() == "complete");
                    assert_eq!(may_remove, all_complete, "{step:?} {from:?} {to:?}");
                }
            }
        }
    }

    #[test]
    fn the_guard_rejects_more_than_20_objects_that_are_more_than_15_percent() {
        let table = [
            (10, 10, false),
            (20, 20, false),
            (21, 21, true),
            (100, 20, false),
            (100, 21, true),
            (1000, 140, false),
            (1000, 150, false),
            (1000, 151, true),
            (1000, 1000, true),
            (0, 0, false),
        ];
        for (before, removed, rejected) in table {
            let guard = ShrinkGuard::default();
            assert_eq!(guard.rejects(before, removed), rejected, "{removed} of {before}");
        }
    }
}
