//! The number of newest runs in a row that published nothing.

use core_engine::ledger::runs::{self, RunRecord, RunVerdict, failed_in_a_row};
use core_engine::{Ending, FailureKind, Host, StopReason};
use core_store::TenantStore;

use super::Fact;

/// The endings of runs that have published.
const PUBLISHED: [Ending; 3] =
    [Ending::Complete, Ending::Partial, Ending::Failed(FailureKind::DestinationFailed)];

/// The endings that say nothing about the next run: another run was in progress, Nexthink asked to wait, a signal
/// stopped the run.
const SILENT: [Ending; 4] = [
    Ending::Failed(FailureKind::Locked),
    Ending::Failed(FailureKind::Deferred),
    Ending::Failed(FailureKind::Stopped(StopReason::Interrupted)),
    Ending::Failed(FailureKind::Stopped(StopReason::Terminated)),
];

/// The fact, if the last run with a meaningful ending published nothing.
pub(super) fn fact(tenant: &TenantStore, host: &Host) -> Option<Fact> {
    let is_code_of =
        |endings: &[Ending], code| endings.iter().any(|ending| (host.exit_code)(*ending) == code);
    let verdict = |code| match code {
        code if is_code_of(&PUBLISHED, code) => RunVerdict::Published,
        code if is_code_of(&SILENT, code) => RunVerdict::Silent,
        _ => RunVerdict::Failed,
    };
    let runs = runs::of_tenant(tenant).ok()?;
    let is_running = tenant.lock_owner().ok()?.is_some();
    let failed = failed_in_a_row(&runs, is_running, verdict);
    let newest = failed.first()?;
    let which = if failed.len() == 1 { "run".to_owned() } else { format!("{} runs", failed.len()) };
    let detail = format!("the last {which} published nothing, {}", end(newest));
    let value = u32::try_from(failed.len()).map_or(f64::from(u32::MAX), f64::from);
    Some(Fact::new("runs-failed", "run", detail, value))
}

/// The end of the newest run.
fn end(run: &RunRecord) -> String {
    match (&run.ended_at, run.exit_code) {
        (Some(at), Some(code)) => format!("ending at {at} with exit code {code}"),
        (Some(at), None) => format!("ending at {at}"),
        (None, _) => format!("starting at {} and killed before its end", run.started_at),
    }
}
