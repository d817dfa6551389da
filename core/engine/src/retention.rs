//! Retention by hand, and its result: in sentences for people and as an object for programs.

use core_store::{ClockVerdict, Retention, RetentionPlan, TenantStore};
use core_terminal::count;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::moment::Moment;
use crate::{audit, ledger, mirrors};

/// Removes what was kept long enough, or only finds out what would go. What the next deliveries compare with stays.
/// `accept_clock` accepts a clock that has jumped.
///
/// # Errors
///
/// Another process writes to the store, or it cannot be read or written.
pub fn retain(
    engine: Engine<'_>,
    tenant: &TenantStore,
    is_dry_run: bool,
    accept_clock: bool,
) -> Result<RetentionReport, Failure> {
    let pinned = mirrors::compared_with(tenant);
    let (windows, now_ms) = (&engine.settings.retention, engine.host.now().0);
    let retention = Retention { windows, pinned: &pinned, now_ms, accept_clock };
    let (plan, events) = if is_dry_run {
        let plan = tenant.plan_retention(retention)?;
        let expired = |from_ms| audit::older_than(tenant, from_ms);
        let events = plan.events_from_ms.map_or(Ok(0), expired)?;
        (plan, events)
    } else {
        ledger::retain(engine.host, &engine.lock()?, retention)?
    };
    Ok(RetentionReport { plan, events, is_dry_run })
}

/// The result of a retention or of its dry run.
#[derive(Debug)]
pub struct RetentionReport {
    /// The plan.
    pub plan: RetentionPlan,
    /// The number of events of the audit trail to remove.
    pub events: u64,
    /// True if nothing was removed.
    pub is_dry_run: bool,
}

impl RetentionReport {
    /// Returns the items to remove, each with the time since which it was kept.
    pub fn items(&self) -> impl Iterator<Item = [String; 2]> {
        let removals = self.plan.removals.iter();
        removals.map(|removal| [removal.name.clone(), Moment(removal.dated_ms).to_rfc3339()])
    }

    /// Returns sentences about the items to remove.
    pub fn sentences(&self) -> Vec<String> {
        let verb = if self.is_dry_run { "would be removed" } else { "removed" };
        let mut sentences = vec![format!("{} {verb}", count(self.plan.removals.len(), "item"))];
        if self.events > 0 {
            let events = count(self.events, "event of the audit trail");
            sentences.push(format!("{events} {verb}"));
        }
        if let Some(through) = self.plan.ledger_through {
            sentences.push(format!("the ledger's entries up to {through} {verb}"));
        }
        sentences
    }

    /// Returns the report for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "dryRun": self.is_dry_run,
            "clock": self.plan.clock,
            "removed": self.plan.removals,
            "events": self.events,
            "ledgerThrough": self.plan.ledger_through,
        })
    }

    /// Returns the reason why nothing was removed, if the clock is the reason. `program` is the command that starts
    /// the program.
    pub fn refusal(&self, program: &str) -> Option<String> {
        let accept = format!("if it is right now, `{program} privacy retention --accept-clock`");
        match self.plan.clock {
            ClockVerdict::Steady => None,
            ClockVerdict::Behind { seen_ms } => Some(format!(
                "the clock is behind {}, which the store has seen already, so nothing is removed; {accept}",
                Moment(seen_ms).to_rfc3339()
            )),
            ClockVerdict::Jumped { seen_ms } => Some(format!(
                "the clock was at {} when the store was last looked at, and has jumped far ahead, so nothing \
                 is removed before a later run sees it there too; {accept}",
                Moment(seen_ms).to_rfc3339()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use core_store::RetentionState;

    use super::*;

    fn report(clock: ClockVerdict) -> RetentionReport {
        let plan = RetentionPlan {
            clock,
            removals: Vec::new(),
            ledger_through: None,
            events_from_ms: None,
            state: RetentionState::default(),
        };
        RetentionReport { plan, events: 0, is_dry_run: false }
    }

    #[test]
    fn what_goes_is_counted_and_a_dry_run_says_that_it_only_would() {
        let mut report = report(ClockVerdict::Steady);
        assert_eq!(report.sentences(), ["0 items removed"]);
        report.events = 2;
        report.plan.ledger_through = Some(17);
        report.is_dry_run = true;
        let expected = [
            "0 items would be removed",
            "2 events of the audit trail would be removed",
            "the ledger's entries up to 17 would be removed",
        ];
        assert_eq!(report.sentences(), expected);
        let object = report.to_json();
        assert_eq!((&object["dryRun"], &object["ledgerThrough"]), (&json!(true), &json!(17)));
    }

    #[test]
    fn a_clock_that_is_not_believed_is_the_reason_and_the_way_on_is_named() {
        let seen_ms = 1_772_359_200_000;
        assert_eq!(report(ClockVerdict::Steady).refusal("nexthink-graph"), None);
        for (clock, expected) in [
            (ClockVerdict::Behind { seen_ms }, "the clock is behind 2026-03-01T10:00:00Z, "),
            (ClockVerdict::Jumped { seen_ms }, "the clock was at 2026-03-01T10:00:00Z when "),
        ] {
            let refusal = report(clock).refusal("nexthink-graph").expect("nothing goes");
            assert!(refusal.starts_with(expected), "{refusal}");
            let way_on = "if it is right now, `nexthink-graph privacy retention --accept-clock`";
            assert!(refusal.ends_with(way_on), "{refusal}");
        }
    }
}
