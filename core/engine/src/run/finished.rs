//! The end of a run, and the reasons why it is not complete.

use core_store::GenerationId;

use super::report::RunReport;
use crate::failure::{Ending, FailureKind};
use crate::host::Host;

/// The result of a run.
pub struct Finished {
    /// The published generation; none if no export could be used.
    pub generation: Option<GenerationId>,
    /// The report.
    pub report: RunReport,
    /// The ending.
    pub ending: Ending,
}

impl Finished {
    /// Returns the reason why the run is not complete; nothing if it is.
    pub fn shortfall(&self) -> Option<String> {
        if self.ending == Ending::Complete {
            return None;
        }
        let what = match &self.generation {
            Some(_) if self.ending == Ending::Failed(FailureKind::DataRefused) => {
                "the generation is published, but erased people may be in what is stored"
            }
            Some(_) => "the generation is published, but partial",
            None if self.report.is_audit_whole() => "erased people may be in what is stored",
            None if self.report.steps.is_empty() => "the audit trail could not be read as a whole",
            None => "no export could be used, so that nothing was published",
        };
        Some(match &self.report.shortfalls()[..] {
            [] => what.to_owned(),
            [reason] => format!("{what}: {reason}"),
            reasons => format!("{what}:\n  {}", reasons.join("\n  ")),
        })
    }

    /// Notes the reasons why erasures are not finished, and changes the ending accordingly: stored data of erased
    /// people is worse than an incomplete read.
    pub(super) fn note_unfinished(&mut self, erasures: Vec<String>, host: &Host) {
        if !erasures.is_empty() && matches!(self.ending, Ending::Complete | Ending::Partial) {
            self.ending = Ending::Failed(FailureKind::DataRefused);
            self.report.exit_code = (host.exit_code)(self.ending);
        }
        self.report.unfinished_erasures = erasures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::report::{StepOutcome, StepReport};

    fn finished(ending: Ending, is_published: bool, steps: &[(StepOutcome, &str)]) -> Finished {
        let steps = steps.iter().map(|(outcome, reason)| StepReport {
            id: "fetch-devices",
            outcome: *outcome,
            reason: Some((*reason).to_owned()),
            ..StepReport::default()
        });
        let id = "01JN7Z1M80000000000000000A";
        Finished {
            generation: is_published.then(|| id.parse().expect("it is an ID")),
            report: RunReport { steps: steps.collect(), ..RunReport::default() },
            ending,
        }
    }

    #[test]
    fn a_run_that_falls_short_says_what_is_published_and_why() {
        let lacking = [(StepOutcome::Partial, "it was truncated")];
        let refused = Ending::Failed(FailureKind::DataRefused);
        for (finished, expected) in [
            (finished(Ending::Complete, true, &[]), None),
            (
                finished(Ending::Partial, true, &lacking),
                Some(
                    "the generation is published, but partial: fetch-devices: partial: it was truncated",
                ),
            ),
            (
                finished(refused, true, &[]),
                Some("the generation is published, but erased people may be in what is stored"),
            ),
            (
                finished(Ending::Failed(FailureKind::Unreachable), false, &lacking),
                Some(
                    "no export could be used, so that nothing was published: fetch-devices: partial: it was \
                     truncated",
                ),
            ),
            (
                finished(Ending::Partial, false, &[]),
                Some("the audit trail could not be read as a whole"),
            ),
        ] {
            assert_eq!(finished.shortfall().as_deref(), expected);
        }
    }

    #[test]
    fn several_reasons_stand_in_lines_of_their_own() {
        let two = [(StepOutcome::Partial, "it was truncated"), (StepOutcome::Failed, "it is down")];
        let told = finished(Ending::Partial, true, &two).shortfall().expect("it is not complete");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "the generation is published, but partial:");
        assert_eq!(
            lines[1..],
            ["  fetch-devices: partial: it was truncated", "  fetch-devices: failed: it is down",]
        );
    }

    #[test]
    fn an_erasure_that_is_not_finished_is_worse_than_a_partial_run_and_not_than_a_failed_one() {
        let host = crate::testing::host();
        let refused = Ending::Failed(FailureKind::DataRefused);
        let failed = Ending::Failed(FailureKind::Unreachable);
        for (ending, unfinished, expected) in [
            (Ending::Complete, true, refused),
            (Ending::Partial, true, refused),
            (failed, true, failed),
            (Ending::Complete, false, Ending::Complete),
            (Ending::Partial, false, Ending::Partial),
        ] {
            let mut finished = finished(ending, true, &[]);
            let reasons: Vec<String> = unfinished.then(|| "e-1".to_owned()).into_iter().collect();
            finished.note_unfinished(reasons.clone(), &host);
            assert_eq!(finished.ending, expected, "{ending:?} {unfinished}");
            assert_eq!(finished.report.unfinished_erasures, reasons);
        }
    }
}
