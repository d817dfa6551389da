//! `privacy retention`: removes what was kept long enough, or shows what would go.

use core_engine::Moment;
use core_engine::audit;
use core_engine::ledger;
use core_store::{ClockVerdict, Retention, RetentionPlan};
use core_terminal::count;
use serde_json::json;

use crate::cli::{Global, ReportFormat, RetentionArguments};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::system;
use crate::{commands, output};

/// Removes, or only shows what would go.
pub(super) fn retention(global: &Global, arguments: RetentionArguments) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let RetentionArguments { dry_run, accept_clock, output } = arguments;
    let now_ms = system::now().0;
    let pinned = core_engine::mirrors::compared_with(&commands::tenant(global)?);
    let retention = Retention { windows: &config.retention, pinned: &pinned, now_ms, accept_clock };
    let (plan, events) = if dry_run {
        let tenant = commands::tenant(global)?;
        let plan = tenant.plan_retention(retention)?;
        let events =
            plan.events_from_ms.map_or(Ok(0), |from_ms| audit::older_than(&tenant, from_ms))?;
        (plan, events)
    } else {
        ledger::retain(host(), &engine(&config).lock()?, retention)?
    };
    match output {
        ReportFormat::Json => {
            let report = json!({
                "dryRun": dry_run,
                "clock": plan.clock,
                "removed": plan.removals,
                "events": events,
                "ledgerThrough": plan.ledger_through,
            });
            output::result(&serde_json::to_string_pretty(&report).map_err(anyhow::Error::new)?);
        }
        ReportFormat::Table => print(&plan, events, dry_run),
    }
    match refusal(&plan) {
        None => Ok(Exit::Complete),
        Some(reason) => Err(Failure::new(Exit::Configuration, anyhow::Error::msg(reason))),
    }
}

fn print(plan: &RetentionPlan, events: u64, dry_run: bool) {
    let rows = plan
        .removals
        .iter()
        .map(|removal| [removal.name.clone(), Moment(removal.dated_ms).to_rfc3339()]);
    if !plan.removals.is_empty() {
        output::result(&output::table(["item", "kept since"], rows, 2));
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    output::note(&format!("{} {verb}", count(plan.removals.len(), "item")));
    if events > 0 {
        let events = count(events, "event of the audit trail");
        output::note(&format!("{events} {verb}"));
    }
    if let Some(through) = plan.ledger_through {
        output::note(&format!("the ledger's entries up to {through} {verb}"));
    }
}

/// Why nothing was removed, if the clock is the reason.
fn refusal(plan: &RetentionPlan) -> Option<String> {
    let program = system::own_command();
    let accept = format!("if it is right now, `{program} privacy retention --accept-clock`");
    match plan.clock {
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
