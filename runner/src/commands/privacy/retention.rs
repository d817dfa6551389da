//! `privacy retention`: removes what was kept long enough, or shows what would go.

use core_engine::retention::RetentionReport;
use core_engine::{audit, ledger};
use core_store::Retention;

use crate::cli::{Global, ReportFormat, RetentionArguments};
use crate::exit::{Exit, Failure};
use crate::host::{engine, host};
use crate::{commands, output, system};

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
    let report = RetentionReport { plan, events, is_dry_run: dry_run };
    match output {
        ReportFormat::Json => {
            let text = serde_json::to_string_pretty(&report.to_json());
            output::result(&text.map_err(anyhow::Error::new)?);
        }
        ReportFormat::Table => print(&report),
    }
    match report.refusal(system::own_command()) {
        None => Ok(Exit::Complete),
        Some(reason) => Err(Failure::new(Exit::Configuration, anyhow::Error::msg(reason))),
    }
}

fn print(report: &RetentionReport) {
    if !report.plan.removals.is_empty() {
        output::result(&output::table(["item", "kept since"], report.items(), 2));
    }
    for sentence in report.sentences() {
        output::note(&sentence);
    }
}
