//! Checks that each audit trail can be read, or that the query of the table has its columns.

use std::collections::BTreeMap;

use crate::audit;
use crate::settings::{AuditSource, AuditTable, AuditTrails};
use core_audit::Clocks;
use core_nexthink::{AuditRequest, Client, NexthinkError, Trail};

use super::columns::run_query;
use super::connection::{self, impatient};
use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};

/// Checks the audit trail, if it is configured. `client` exists if the API was reached.
pub(super) async fn check(engine: Engine<'_>, client: Option<&Client>, checks: &mut Checks) {
    match engine.settings.audit.as_ref().map(|audit| &audit.source) {
        None => {}
        Some(AuditSource::Trails(source)) => check_trails(engine, source, checks).await,
        Some(AuditSource::Table(table)) => checks.push(check_table(engine, table, client).await),
    }
}

/// Checks, before events are removed, that the audit trail can be read.
///
/// # Errors
///
/// The first failed check.
pub async fn require_audit(engine: Engine<'_>) -> Result<(), Failure> {
    let mut checks = Checks::default();
    let is_table = engine.settings.audit.as_ref().is_some_and(|audit| audit.table().is_some());
    let client = if is_table { connection::client(engine, &mut checks) } else { None };
    check(engine, client.as_deref(), &mut checks).await;
    let Some((kind, Check { name, detail, .. })) = checks.first_failed() else { return Ok(()) };
    Err(Failure::new(kind, anyhow::anyhow!("nothing was removed, since {name} fails: {detail}")))
}

/// Requests the last hour of each trail.
async fn check_trails(engine: Engine<'_>, source: &AuditTrails, checks: &mut Checks) {
    let client = match audit::client(engine, source, impatient) {
        Ok(client) => client,
        Err(failure) => return checks.push(Check::failed_with("audit trail", &failure)),
    };
    let mut refused = false;
    for trail in &source.trails {
        let name = format!("audit {}", audit::name_of(trail));
        if refused {
            checks.push(Check::skipped(name, "the account was refused"));
            continue;
        }
        let request = AuditRequest { trail: trail.clone(), before: None, elapsed_hours: 1 };
        match client.read(&request, |_| Ok(())).await {
            Ok(answer) => checks.push(answered(name, engine.host.now_ms(), answer.server_ms)),
            Err(error) => {
                refused = matches!(error, NexthinkError::AuditUnauthorized { .. });
                let check = Check::failed_at_nexthink(name, &error);
                let detail = format!("{}{}", check.detail, fix_of(&error, trail));
                checks.push(Check { detail, ..check });
            }
        }
    }
}

/// Returns the check of a trail that answers. Disagreeing clocks are a warning: a period counts as read only when it
/// is over by both.
fn answered(name: String, local_ms: i64, server_ms: Option<i64>) -> Check {
    let clocks = Clocks { local_ms, server_ms, witness_ahead_ms: None };
    match clocks.disagreement() {
        None => Check::ok(name, "it answers, and takes the account"),
        Some(offset) => Check::warning(name, format!("it answers, but {offset}: set it")),
    }
}

/// Returns the fix as the end of a message; empty if none is known.
fn fix_of(error: &NexthinkError, trail: &Trail) -> &'static str {
    match (error, trail) {
        (NexthinkError::AuditUnauthorized { .. }, _) => {
            ": see `audit.account`, `audit.password` and `audit.auth`"
        }
        (NexthinkError::AuditTrailFailed { .. }, Trail::Engine(_)) => {
            ": is `audit.engines` right, and is the Engine connected?"
        }
        (NexthinkError::Unreachable { .. }, _) => ": see `audit.host`",
        _ => "",
    }
}

async fn check_table(engine: Engine<'_>, table: &AuditTable, client: Option<&Client>) -> Check {
    let name = "query audit";
    let Some(client) = client else {
        return Check::skipped(name, "the API was not reached");
    };
    let answer = run_query(engine, client, "audit", name, &table.query, &BTreeMap::new()).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(check) => return check,
    };
    match audit::table_columns(table, &answer.columns) {
        Err(error) => Check::failed(name, FailureKind::DataRefused, error.to_string()),
        Ok(_) if answer.rows == 0 => {
            Check::warning(name, format!("{} has the columns and gives no rows", table.query))
        }
        Ok(_) => Check::ok(name, format!("{} has the columns that are read", table.query)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::CheckState;
    use super::*;

    #[test]
    fn clocks_that_disagree_are_a_warning_of_a_trail_that_answers() {
        const NOW: i64 = 1_772_359_200_000;
        for (server_ms, state) in [
            (None, CheckState::Ok),
            (Some(NOW + 60_000), CheckState::Ok),
            (Some(NOW + 3_600_000), CheckState::Warning),
            (Some(NOW - 3_600_000), CheckState::Warning),
        ] {
            let check = answered("audit portal".to_owned(), NOW, server_ms);
            assert_eq!(check.state, state, "{server_ms:?}: {check:?}");
        }
    }
}
