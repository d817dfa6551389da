//! `privacy retention`: removes what was kept long enough, or shows what would go.

use core_cli::{Global, ReportFormat, RetentionArguments};
use core_engine::retention::{self, RetentionReport};

use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::{commands, output, system};

/// Removes, or only shows what would go.
pub(super) fn retention(global: &Global, arguments: RetentionArguments) -> Result<Exit, Failure> {
    let config = commands::configured(global)?;
    let RetentionArguments { dry_run, accept_clock, output } = arguments;
    let tenant = commands::tenant(global)?;
    let report = retention::retain(engine(&config), &tenant, dry_run, accept_clock)?;
    match output {
        ReportFormat::Json => output::json(&report.to_json())?,
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
    output::notes(&report.sentences());
}
