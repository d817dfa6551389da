//! Reads the audit trail into the store, window by window. Each window is stored or dropped as a whole, so that no
//! event is lost or stored twice, however the program ends.

mod backfill;
mod log_sink;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod trail_status;
mod trails;

use std::collections::BTreeMap;
use std::sync::Arc;

use core_audit::{Coverage, EventPrivacy, EventTable, OWN_TIME_COLUMN, Span, TIME_COLUMN};
use core_ingest::values::entity_schema;
use core_model::declared;
use core_model::property::PersonalData;
use core_store::{
    EventAppender, EventDeclaration, EventLog, PrivacyMark, RunLock, StoreError, TenantStore,
};
use serde::{Deserialize, Serialize};

pub use self::backfill::{Backfill, Period};
pub use self::report::{AuditReport, Gap};
pub use self::table::columns as table_columns;
pub use self::trail_status::TrailStatus;
pub use self::trails::{client, name_of};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::privacy;
use crate::run::FetchedTable;
use crate::settings::{Audit, AuditSource};

/// The log of events in the store.
pub const LOG: &str = "audit";

/// The notes beside the events: the periods of each trail that were read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notes {
    /// The coverage of each trail, by its name.
    #[serde(default)]
    pub trails: BTreeMap<String, Coverage>,
    /// The privacy settings of the events.
    #[serde(default)]
    privacy: PrivacyMark,
}

impl Notes {
    /// The notes of a log; empty if nothing was ever read into it.
    pub fn of(log: &EventLog) -> anyhow::Result<Notes> {
        if log.notes().is_null() {
            return Ok(Notes::default());
        }
        Ok(serde_json::from_value(log.notes().clone())?)
    }
}

/// The declaration of the events for the store.
fn declaration() -> EventDeclaration {
    let properties = declared::event_type().properties.iter();
    let personal = properties.filter(|property| property.personal_data() != PersonalData::None);
    EventDeclaration {
        schema: entity_schema(declared::event_type(), &[]),
        personal_columns: personal.map(|property| property.name.to_owned()).collect(),
        time_column: TIME_COLUMN,
        own_time_column: OWN_TIME_COLUMN,
    }
}

/// One reading of the audit trail.
pub struct Collection<'a> {
    /// The tenant.
    pub engine: Engine<'a>,
    /// The settings of the audit trail.
    pub audit: &'a Audit,
    /// The lock of the tenant's store.
    pub lock: &'a RunLock,
    /// The period to read again.
    pub again: Option<Span>,
    /// The offset of the login host's clock from this machine's. Milliseconds.
    pub login_ahead_ms: Option<i64>,
    /// Stops the reading between two windows.
    pub cancellation: &'a Cancellation,
}

impl Collection<'_> {
    /// Reads the new events of every trail, and the period to read again. Failures are in the report, and a later run
    /// makes up for them. `fetched` is the export of the table, if the audit trail is read from there.
    pub async fn read(&self, fetched: Option<FetchedTable>) -> AuditReport {
        let mut report = AuditReport::default();
        if let Err(failure) = self.read_into(fetched, &mut report).await {
            report.fail(&failure);
        }
        report
    }

    async fn read_into(
        &self,
        fetched: Option<FetchedTable>,
        report: &mut AuditReport,
    ) -> Result<(), Failure> {
        let Collection { engine, audit, lock, again, login_ahead_ms, cancellation } = *self;
        let (redactor, mark) = privacy::of_events(engine)?;
        let people = EventPrivacy {
            redactor: redactor.map(Arc::new),
            suppressions: Arc::new(privacy::suppressions(engine, lock.tenant())?),
        };
        let mut appender = appender(lock)?;
        let mut notes = Notes::of(appender.log())?;
        check_privacy(engine, appender.log(), &notes, &mark)?;
        notes.privacy = mark;
        match &audit.source {
            AuditSource::Trails(source) => {
                let reading = trails::Trails {
                    engine,
                    audit,
                    source,
                    again,
                    cancellation,
                    people,
                    login_ahead_ms,
                };
                reading.read(&mut appender, &mut notes, report).await?;
            }
            AuditSource::Table(source) => {
                cancellation.check()?;
                let fetched = fetched.ok_or_else(|| anyhow::anyhow!("its export was lost"))?;
                let reading = table::Reading { audit, table: source, cancellation, again, people };
                let (read, trail_report) = reading.read(fetched, appender, notes).await?;
                appender = read;
                report.trails.push(trail_report);
            }
        }
        appender.compact()?;
        report.events = appender.log().rows();
        Ok(())
    }
}

/// Refuses to read events under other privacy settings than those of the stored events.
fn check_privacy(
    engine: Engine<'_>,
    log: &EventLog,
    notes: &Notes,
    mark: &PrivacyMark,
) -> Result<(), Failure> {
    if log.files().is_empty() || notes.privacy == *mark {
        return Ok(());
    }
    Err(Failure::configuration(format!(
        "the events in the store were read under other privacy settings or another key, so that none \
         are added: `{} backfill audit --start-over --from TIME` removes them and reads anew what \
         Nexthink still has",
        engine.host.program
    )))
}

/// Refuses settings under which no event could be added to the stored ones.
pub fn check_settings(engine: Engine<'_>, tenant: &TenantStore) -> Result<(), Failure> {
    let (_, mark) = privacy::of_events(engine)?;
    let log = tenant.events(LOG)?;
    check_privacy(engine, &log, &Notes::of(&log)?, &mark)
}

/// Removes all events and the record of what was read. Returns the number of removed events.
pub fn start_over(lock: &RunLock) -> Result<u64, StoreError> {
    let mut appender = appender(lock)?;
    let removed = appender.retain_from(i64::MAX)?;
    appender.commit(serde_json::Value::Null)?;
    Ok(removed)
}

/// The table of the events, for the intake.
fn event_table() -> EventTable {
    EventTable::new(declared::event_type(), entity_schema(declared::event_type(), &[]))
}

/// Opens the log of events for writing.
pub fn appender(lock: &RunLock) -> Result<EventAppender, StoreError> {
    lock.append_events(LOG, declaration())
}

/// Removes the events from before a time, in milliseconds since 1970-01-01 UTC. Returns their number.
///
/// # Errors
/// Those of [`EventAppender::retain_from`].
pub fn retain(lock: &RunLock, from_ms: u64) -> Result<u64, StoreError> {
    if lock.tenant().events(LOG)?.files().is_empty() {
        return Ok(0);
    }
    appender(lock)?.retain_from(i64::try_from(from_ms).unwrap_or(i64::MAX))
}

/// Returns the number of events from before a time.
///
/// # Errors
/// Those of [`TenantStore::events`], and [`StoreError::Parquet`].
pub fn older_than(tenant: &TenantStore, ms: u64) -> Result<u64, StoreError> {
    tenant.events(LOG)?.rows_before(TIME_COLUMN, i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Commits the written events and the notes on what was read.
fn commit(appender: &mut EventAppender, notes: &Notes) -> Result<(), Failure> {
    Ok(appender.commit(serde_json::to_value(notes).map_err(anyhow::Error::new)?)?)
}
