//! The audit trail: whether each trail can be read, or the query of the table has its columns.

use std::collections::BTreeMap;

use core_audit::Clocks;
use core_engine::audit;
use core_engine::settings::{AuditSource, AuditTable, AuditTrails};
use core_nexthink::{AuditRequest, Client, NexthinkError, Trail};

use super::columns::run_query;
use super::connection::{self, impatient};
use super::{Check, Checks, State};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::system;

/// Checks the audit trail, if it is to be read. `client` is there if the API was reached.
pub(super) async fn check(config: &Config, client: Option<&Client>, checks: &mut Checks) {
    match config.audit.as_ref().map(|audit| &audit.source) {
        None => {}
        Some(AuditSource::Trails(source)) => check_trails(config, source, checks).await,
        Some(AuditSource::Table(table)) => checks.push(check_table(table, client).await),
    }
}

/// Refuses what would lose events while the audit trail cannot be read.
///
/// # Errors
/// What failed first.
pub(in crate::commands) async fn require(config: &Config) -> Result<(), Failure> {
    let mut checks = Checks(Vec::new());
    let is_table = config.audit.as_ref().is_some_and(|audit| audit.table().is_some());
    let client = if is_table { connection::client(config, &mut checks) } else { None };
    check(config, client.as_deref(), &mut checks).await;
    match checks.0.into_iter().find(|check| check.state == State::Failed) {
        None => Ok(()),
        Some(Check { name, detail, exit, .. }) => Err(Failure::new(
            exit,
            anyhow::anyhow!("nothing was removed, since {name} fails: {detail}"),
        )),
    }
}

/// Asks for the last hour of each trail.
async fn check_trails(config: &Config, source: &AuditTrails, checks: &mut Checks) {
    let client = match audit::client(engine(config), source, impatient) {
        Ok(client) => client,
        Err(failure) => {
            let failure = Failure::from(failure);
            let detail = format!("{:#}", failure.error);
            return checks.push(Check::failed("audit trail", failure.exit, detail));
        }
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
            Ok(answer) => checks.push(answered(name, answer.server_ms)),
            Err(error) => {
                refused = matches!(error, NexthinkError::AuditUnauthorized { .. });
                let check = Check::failed_at_nexthink(name, &error);
                let detail = format!("{}{}", check.detail, fix_of(&error, trail));
                checks.push(Check { detail, ..check });
            }
        }
    }
}

/// The check of a trail that answers. A clock that disagrees is a warning: what both clocks do not show to
/// be over does not count as read.
fn answered(name: String, server_ms: Option<i64>) -> Check {
    let clocks = Clocks { local_ms: system::now_ms(), server_ms, witness_ahead_ms: None };
    match clocks.disagreement() {
        None => Check::ok(name, "it answers, and takes the account"),
        Some(offset) => Check::warning(name, format!("it answers, but {offset}: set it")),
    }
}

/// What to do about it, where that is known.
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

async fn check_table(table: &AuditTable, client: Option<&Client>) -> Check {
    let name = "query audit";
    let Some(client) = client else {
        return Check::skipped(name, "the API was not reached");
    };
    let answer = run_query(client, "audit", name, &table.query, &BTreeMap::new()).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(check) => return check,
    };
    match audit::table_columns(table, &answer.columns) {
        Err(error) => Check::failed(name, Exit::DataRefused, error.to_string()),
        Ok(_) if answer.rows == 0 => {
            Check::warning(name, format!("{} has the columns and gives no rows", table.query))
        }
        Ok(_) => Check::ok(name, format!("{} has the columns that are read", table.query)),
    }
}
