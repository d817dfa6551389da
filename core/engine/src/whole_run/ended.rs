//! The end of a run with what follows it, and what of it counts.

use crate::destinations::{Delivered, DestinationKind};
use crate::failure::{Ending, Failure};
use crate::run::Finished;

/// A run that has ended, with everything that followed it.
pub struct Ended<Report> {
    /// The run.
    pub finished: Finished,
    /// The deliveries, in order.
    pub deliveries: Vec<(DestinationKind, Result<Delivered, Failure>)>,
    /// The findings of the rules.
    pub rules: Result<Report, Failure>,
}

/// A run that has failed.
pub struct FailedRun<Report> {
    /// The failure.
    pub failure: Failure,
    /// The findings of the rules about the program; none if they were not to be evaluated.
    pub rules: Option<Result<Report, Failure>>,
}

/// The one thing that a run with all that followed it ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// The end of the run and of its deliveries.
    Ending(Ending),
    /// A rule fired that the caller asked for.
    RuleFired,
    /// Everything else is complete, but the rules failed.
    RulesFailed,
}

impl<Report> Ended<Report> {
    /// Returns the end of the run and of its deliveries: a delivery that failed comes first.
    pub fn ending(&self) -> Ending {
        ending(self.finished.ending, &self.deliveries)
    }

    /// Returns what everything ends with; `has_fired` if the rules have found what the caller asked for. What the run
    /// itself has to say comes first, but for a partial generation, which the caller wants to look beyond.
    pub fn conclusion(&self, has_fired: bool) -> Conclusion {
        match (self.ending(), self.rules.is_ok()) {
            (Ending::Complete, false) => Conclusion::RulesFailed,
            (Ending::Complete | Ending::Partial, true) if has_fired => Conclusion::RuleFired,
            (ending, _) => Conclusion::Ending(ending),
        }
    }
}

/// Returns the end of a run and of its deliveries.
pub(super) fn ending(
    run: Ending,
    deliveries: &[(DestinationKind, Result<Delivered, Failure>)],
) -> Ending {
    let mut endings = deliveries.iter().map(|(_, delivered)| match delivered {
        Ok(delivered) => delivered.ending,
        Err(failure) => Ending::Failed(failure.kind),
    });
    endings.find(|ending| *ending != Ending::Complete).unwrap_or(run)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::failure::{FailureKind, StopReason};
    use crate::run::report::RunReport;

    const FAILED: Ending = Ending::Failed(FailureKind::DestinationFailed);
    const STOPPED: Ending = Ending::Failed(FailureKind::Stopped(StopReason::Interrupted));

    fn ended(run: Ending, deliveries: &[Ending], rules_work: bool) -> Ended<()> {
        let failure = |kind| Failure::new(kind, anyhow::anyhow!("it failed"));
        let deliveries = deliveries.iter().map(|ending| {
            let delivered = match ending {
                Ending::Failed(kind) => Err(failure(*kind)),
                ending => Ok(Delivered { ending: *ending, object: Value::Null, remarks: vec![] }),
            };
            (DestinationKind::Delta, delivered)
        });
        Ended {
            finished: Finished { generation: None, report: RunReport::default(), ending: run },
            deliveries: deliveries.collect(),
            rules: if rules_work { Ok(()) } else { Err(failure(FailureKind::Internal)) },
        }
    }

    #[test]
    fn a_delivery_that_failed_says_more_than_the_run() {
        let refused = Ending::Failed(FailureKind::DataRefused);
        for (run, deliveries, expected) in [
            (Ending::Complete, &[][..], Ending::Complete),
            (Ending::Partial, &[], Ending::Partial),
            (Ending::Complete, &[Ending::Complete, Ending::Complete], Ending::Complete),
            (Ending::Partial, &[Ending::Complete], Ending::Partial),
            (Ending::Complete, &[FAILED, Ending::Complete], FAILED),
            (Ending::Complete, &[Ending::Complete, FAILED], FAILED),
            (refused, &[FAILED], FAILED),
            (Ending::Complete, &[FAILED, STOPPED], FAILED),
            (Ending::Complete, &[STOPPED, STOPPED], STOPPED),
        ] {
            assert_eq!(ended(run, deliveries, true).ending(), expected, "{run:?} {deliveries:?}");
        }
    }

    #[test]
    fn a_delivery_that_is_not_whole_is_one_that_failed() {
        let mut ended = ended(Ending::Complete, &[Ending::Complete], true);
        let (_, delivered) = &mut ended.deliveries[0];
        delivered.as_mut().expect("it was delivered").ending = FAILED;
        assert_eq!(ended.ending(), FAILED);
    }

    #[test]
    fn the_rules_count_where_the_run_has_nothing_graver_to_say() {
        let refused = Ending::Failed(FailureKind::DataRefused);
        for (run, rules_work, has_fired, expected) in [
            (Ending::Complete, true, false, Conclusion::Ending(Ending::Complete)),
            (Ending::Complete, true, true, Conclusion::RuleFired),
            (Ending::Partial, true, true, Conclusion::RuleFired),
            (Ending::Partial, true, false, Conclusion::Ending(Ending::Partial)),
            (refused, true, true, Conclusion::Ending(refused)),
            (Ending::Complete, false, false, Conclusion::RulesFailed),
            (Ending::Partial, false, false, Conclusion::Ending(Ending::Partial)),
            (refused, false, false, Conclusion::Ending(refused)),
        ] {
            let conclusion = ended(run, &[], rules_work).conclusion(has_fired);
            assert_eq!(conclusion, expected, "{run:?} {rules_work} {has_fired}");
        }
        let failed = ended(Ending::Complete, &[FAILED], true);
        assert_eq!(failed.conclusion(true), Conclusion::Ending(FAILED));
    }
}
