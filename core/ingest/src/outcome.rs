//! How a step ended, and which types may lose objects because of it.
//!
//! Deleting needs proof of completeness; adding does not. A type may lose objects only if the step
//! that makes it is complete and, for a relationship type, both its ends may lose objects too. All
//! other types keep what the generation before had.

use std::fmt;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is proven that the step saw everything.
    Complete,
    /// It saw something, but perhaps not everything.
    Partial(PartialReason),
    /// It saw nothing that can be used.
    Failed,
    /// It did not run, by configuration or command.
    Skipped,
    /// It may not run before some time, by quota.
    Deferred,
}

/// Why a step that gave tables is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartialReason {
    /// Nexthink cut the results off at the licence's maximum (HTTP 206).
    Truncated,
    /// The saved query has a limit of its own.
    Limited,
    /// Rows were quarantined.
    Quarantined,
    /// A column is missing that names an end of relationships.
    MissingEnd,
    /// The length of the download was not proven.
    LengthUnproven,
    /// A part of the export did not come, or was truncated itself.
    PartUnfinished,
    /// Rows came that lie outside the part they came in.
    OutsidePart,
    /// The export has rows that belong to no part.
    PartsDoNotCover,
    /// The export may have rows that belong to no part.
    PartsUnproven,
    /// It would remove more than a run may without being told.
    Shrunk,
}

/// How much of a type a complete step may remove without being told: the larger of a number of
/// objects and a share of what there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShrinkGuard {
    /// This many objects may always go.
    pub objects: u64,
    /// And this share of the objects, in percent.
    pub percent: u64,
}

impl Default for ShrinkGuard {
    fn default() -> Self {
        Self { objects: 20, percent: 15 }
    }
}

impl ShrinkGuard {
    /// Whether removing so many of the objects that there were is too much.
    pub const fn refuses(self, before: u64, removed: u64) -> bool {
        removed > self.objects && removed * 100 > before * self.percent
    }
}

impl Outcome {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial(_) => "partial",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Deferred => "deferred",
        }
    }

    /// Whether the entity types of a step with this outcome may lose objects.
    pub const fn entities_may_go(self) -> bool {
        matches!(self, Self::Complete)
    }

    /// Whether a relationship type of a step with this outcome may lose objects, given whether the
    /// types at its ends may.
    pub const fn edges_may_go(self, from_may_go: bool, to_may_go: bool) -> bool {
        matches!(self, Self::Complete) && from_may_go && to_may_go
    }
}

impl fmt::Display for PartialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => {
                "truncated by Nexthink at the maximum number of results of the licence; \
                 `nql --partitioned` prints the query that fetches it in parts"
            }
            Self::Limited => {
                "the saved query has a limit, so rows may be missing; take the limit out in Nexthink"
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

    /// Every outcome of the step of a relationship type, times those of the steps of its ends.
    #[test]
    fn a_type_loses_objects_only_where_all_that_feeds_it_is_complete() {
        for step in ALL {
            for from in ALL {
                for to in ALL {
                    let may_go = step.edges_may_go(from.entities_may_go(), to.entities_may_go());
                    let all_complete = [step, from, to].iter().all(|it| it.name() == "complete");
                    assert_eq!(may_go, all_complete, "{step:?} {from:?} {to:?}");
                }
            }
        }
    }

    #[test]
    fn the_guard_refuses_more_than_20_objects_that_are_more_than_15_percent() {
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
        for (before, removed, refused) in table {
            let guard = ShrinkGuard::default();
            assert_eq!(guard.refuses(before, removed), refused, "{removed} of {before}");
        }
    }
}
