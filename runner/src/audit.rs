//! Reads the audit trail into the store: window by window, each kept or forgotten as a whole, so that
//! whatever ends the program costs no event and doubles none.

mod intake;
mod report;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod trails;

use std::collections::BTreeMap;
use std::sync::Arc;

use core_audit::{Coverage, HOUR_MS, Span};
use core_ingest::values::entity_schema;
use core_model::property::PersonalData;
use core_store::{EventAppender, EventDeclaration, EventLog, RunLock, StoreError};
use serde::{Deserialize, Serialize};
use step_audit::AUDIT_EVENT;

pub(crate) use self::report::{AuditReport, Gap};
pub(crate) use self::table::columns as table_columns;
pub(crate) use self::trails::{client, name_of};
use crate::config::{Audit, AuditSource, Config};
use crate::exit::Failure;
use crate::privacy;
use crate::run::{FetchedTable, Stop};
use crate::system::Moment;

/// The log of events in the store.
pub(crate) const LOG: &str = "audit";

/// What is noted with the events: what of each trail was read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notes {
    #[serde(default)]
    pub(crate) trails: BTreeMap<String, Coverage>,
}

impl Notes {
    /// The notes of a log; none of one that nothing was ever read into.
    pub(crate) fn of(log: &EventLog) -> anyhow::Result<Notes> {
        if log.notes().is_null() {
            return Ok(Notes::default());
        }
        Ok(serde_json::from_value(log.notes().clone())?)
    }
}

/// What the events are, for the store.
fn declaration() -> EventDeclaration {
    let properties = AUDIT_EVENT.properties.iter();
    let personal = properties.filter(|it| it.personal != PersonalData::None);
    EventDeclaration {
        schema: entity_schema(&AUDIT_EVENT, &[]),
        personal_columns: personal.map(|it| it.name.to_owned()).collect(),
        time_column: rows::TIME_COLUMN,
    }
}

/// Reads what is new of every trail, and what is wanted again; then removes what is too old. What
/// fails of it is told in the report and made up for by a later run. `fetched` is the export of the
/// table, where the audit trail is read from there.
pub(crate) async fn collect(
    config: &Config,
    audit: &Audit,
    lock: &RunLock,
    again: Option<Span>,
    fetched: Option<FetchedTable>,
    stop: &Stop,
) -> AuditReport {
    let mut report = AuditReport::default();
    let collecting = collect_into(config, audit, lock, again, fetched, stop, &mut report);
    if let Err(failure) = collecting.await {
        report.fail(format!("{:#}", failure.error));
    }
    report
}

async fn collect_into(
    config: &Config,
    audit: &Audit,
    lock: &RunLock,
    again: Option<Span>,
    fetched: Option<FetchedTable>,
    stop: &Stop,
    report: &mut AuditReport,
) -> Result<(), Failure> {
    let suppressions = Arc::new(privacy::suppressions(config, lock.tenant())?);
    let mut appender = appender(lock)?;
    let mut notes = Notes::of(appender.log())?;
    match &audit.source {
        AuditSource::Trails(source) => {
            let reading = trails::Trails { config, audit, source, again, stop, suppressions };
            reading.read(&mut appender, &mut notes, report).await?;
        }
        AuditSource::Table(source) => {
            stop.check()?;
            let fetched = fetched.ok_or_else(|| anyhow::anyhow!("its export was lost"))?;
            let reading = table::Reading { audit, table: source, stop, again, suppressions };
            let (read, trail_report) = reading.read(fetched, appender, notes).await?;
            appender = read;
            report.trails.push(trail_report);
        }
    }
    let oldest = now_ms() - 24 * HOUR_MS * i64::try_from(audit.retention_days).unwrap_or(i64::MAX);
    report.removed = appender.retain_from(oldest)?;
    report.events = appender.log().rows();
    Ok(())
}

/// The log of events, to be written to.
pub(crate) fn appender(lock: &RunLock) -> Result<EventAppender, StoreError> {
    lock.append_events(LOG, declaration())
}

/// Makes everything that was written count, with what was read.
fn commit(appender: &mut EventAppender, notes: &Notes) -> Result<(), Failure> {
    Ok(appender.commit(serde_json::to_value(notes).map_err(anyhow::Error::new)?)?)
}

/// Now, by the clock of this machine.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(Moment::now().0).unwrap_or(i64::MAX)
}
