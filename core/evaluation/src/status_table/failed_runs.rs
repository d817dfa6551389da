//! The newest runs in a row that published nothing.

use core_engine::{Ending, FailureKind, Host, StopReason};
use core_store::{LedgerRecord, TenantStore};
use serde_json::Value;

use super::Fact;

/// The entry of the ledger about a run that has ended.
const RUN_ENDED: &str = "run_ended";

/// Endings of runs that say nothing about the next one: somebody stopped it, Nexthink asked to wait, another run was under way.
const SAYING_NOTHING: [FailureKind; 4] = [
    FailureKind::Locked,
    FailureKind::Deferred,
    FailureKind::Stopped(StopReason::Interrupted),
    FailureKind::Stopped(StopReason::Terminated),
];

/// The fact, if the last run that says anything published nothing.
pub(super) fn fact(tenant: &TenantStore, host: &Host) -> Option<Fact> {
    let entries = tenant.ledger().entries().ok()?;
    let ended = entries.iter().rev().map(|entry| &entry.record);
    let ended = ended.filter(|record| record.event == RUN_ENDED);
    let silent = SAYING_NOTHING.map(|kind| u64::from((host.exit_code)(Ending::Failed(kind))));
    let exit_code = |record: &LedgerRecord| record.facts.get("exitCode").and_then(Value::as_u64);
    let says_something =
        |record: &&LedgerRecord| !exit_code(record).is_some_and(|code| silent.contains(&code));
    let failed: Vec<&LedgerRecord> = ended
        .filter(says_something)
        .take_while(|record| record.facts.get("generation").is_none_or(Value::is_null))
        .collect();
    let last = failed.first()?;
    let code = exit_code(last).map_or_else(String::new, |code| format!(" with exit code {code}"));
    let runs = failed.len();
    let which = if runs == 1 { "run".to_owned() } else { format!("{runs} runs") };
    let detail = format!("the last {which} published nothing, ending at {}{code}", last.at);
    let value = u32::try_from(runs).map_or(f64::from(u32::MAX), f64::from);
    Some(Fact::new("runs-failed", "run", detail, value))
}
