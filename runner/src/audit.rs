//! Reads the audit trail into the store: window by window, each kept or forgotten as a whole, so that
//! whatever ends the program costs no event and doubles none.

mod intake;
mod report;
mod rows;

use std::collections::BTreeMap;

use core_audit::{Coverage, HOUR_MS, Span, TrailKind, Window};
use core_ingest::values::entity_schema;
use core_model::property::PersonalData;
use core_nexthink::{AuditAccess, AuditClient, AuditPiece, AuditRequest, Credentials, Trail};
use core_privacy::suppression::Suppressions;
use core_store::{EventAppender, EventDeclaration, EventLog, RunLock, StoreError};
use serde::{Deserialize, Serialize};
use step_audit::AUDIT_EVENT;

use self::intake::Intake;
use self::report::TrailReport;
pub(crate) use self::report::{AuditReport, Gap};
use crate::config::{Audit, Config};
use crate::exit::Failure;
use crate::privacy;
use crate::run::{self, Stop};
use crate::system::{self, Moment};

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
/// fails of it is told in the report and made up for by a later run.
pub(crate) async fn collect(
    config: &Config,
    audit: &Audit,
    lock: &RunLock,
    again: Option<Span>,
    stop: &Stop,
) -> AuditReport {
    let mut report = AuditReport::default();
    if let Err(failure) = collect_into(config, audit, lock, again, stop, &mut report).await {
        report.fail(format!("{:#}", failure.error));
    }
    report
}

async fn collect_into(
    config: &Config,
    audit: &Audit,
    lock: &RunLock,
    again: Option<Span>,
    stop: &Stop,
    report: &mut AuditReport,
) -> Result<(), Failure> {
    let suppressions = privacy::suppressions(config, lock.tenant())?;
    let mut appender = appender(lock)?;
    let mut notes = Notes::of(appender.log())?;
    let client = client(config, audit)?;
    for trail in &audit.trails {
        let name = name_of(trail);
        let coverage = notes.trails.entry(name.clone()).or_default();
        coverage.begin(now_ms(), &audit.windows);
        if let Some(span) = again {
            coverage.want(span);
        }
        let mut reading = Reading {
            audit,
            client: &client,
            stop,
            trail,
            name: &name,
            suppressions: &suppressions,
        };
        let trail_report = reading.read(&mut appender, &mut notes).await?;
        report.trails.push(trail_report);
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

/// One trail being read.
struct Reading<'a> {
    audit: &'a Audit,
    client: &'a AuditClient,
    stop: &'a Stop,
    suppressions: &'a Suppressions,
    trail: &'a Trail,
    name: &'a str,
}

impl Reading<'_> {
    /// Reads windows until nothing is missing but what has failed.
    async fn read(
        &mut self,
        appender: &mut EventAppender,
        notes: &mut Notes,
    ) -> Result<TrailReport, Failure> {
        let began_ms = now_ms();
        let mut report = TrailReport::new(self.name);
        let mut failed: Vec<Span> = Vec::new();
        loop {
            let coverage = notes.trails.entry(self.name.to_owned()).or_default();
            let next = coverage.next_window(began_ms, &self.audit.windows, &failed);
            let Some(window) = next else { break };
            self.stop.check()?;
            match self.read_window(&window, appender, notes, &mut report).await {
                Ok(()) => {}
                Err(failure) => {
                    appender.discard()?;
                    tracing::warn!(trail = self.name, error = %failure.error, "window not read");
                    report.reason.get_or_insert(format!("{:#}", failure.error));
                    failed.push(window.span);
                    // The next window would fail alike, after as long a wait.
                    if failed.len() >= 2 || report.windows == 0 {
                        break;
                    }
                }
            }
        }
        let coverage = notes.trails.entry(self.name.to_owned()).or_default();
        report.describe(coverage, began_ms);
        // What failed is on record too: that it is wanted, and what is lost for good.
        appender.commit(serde_json::to_value(&*notes).map_err(anyhow::Error::new)?)?;
        Ok(report)
    }

    /// Reads a window and keeps what is new in it.
    async fn read_window(
        &self,
        window: &Window,
        appender: &mut EventAppender,
        notes: &mut Notes,
        report: &mut TrailReport,
    ) -> Result<(), Failure> {
        let (before, elapsed_hours) = window.parameters(&self.audit.time_zone);
        let before = before.map(|it| it.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        let request = AuditRequest { trail: self.trail.clone(), before, elapsed_hours };
        let kind = match self.trail {
            Trail::Portal => TrailKind::Portal,
            Trail::Engine(_) | Trail::Engines => TrailKind::Engine,
        };
        let coverage = notes.trails.get(self.name).cloned().unwrap_or_default();
        let mut intake = Intake::new(appender, &coverage, kind, self.name, window);
        intake.suppress(self.suppressions);
        intake.read_in(self.audit.time_zone.clone(), now_ms());
        let answer = self.client.read(&request, |piece| match piece {
            AuditPiece::Begin => intake.begin(),
            AuditPiece::Bytes(bytes) => intake.take(bytes),
        });
        let answer = answer.await?;
        let counts = intake.finish().map_err(anyhow::Error::new)?;
        let mut coverage = coverage;
        coverage.answered(window, answer.server_ms, now_ms());
        if let Some(newest_ms) = counts.newest_ms {
            coverage.saw_event(newest_ms);
        }
        notes.trails.insert(self.name.to_owned(), coverage);
        appender.commit(serde_json::to_value(&*notes).map_err(anyhow::Error::new)?)?;
        report.add(&counts, answer.bytes);
        Ok(())
    }
}

/// A client with the configured account.
pub(crate) fn client(config: &Config, audit: &Audit) -> Result<AuditClient, Failure> {
    let password = audit.password.resolve_as("the password of the audit trail")?;
    let credentials = Credentials::new(&audit.account, password)?;
    let access = if audit.is_oauth {
        AuditAccess::OAuth(credentials)
    } else {
        AuditAccess::Basic(credentials)
    };
    let mut settings = core_nexthink::Settings::new(system::random()?);
    settings.retry = config.retry.clone();
    settings.timeouts = config.timeouts.clone();
    settings.trust.extra_ca_pem.clone_from(&config.extra_ca_pem);
    settings.proxy = run::proxy(&config.proxy);
    Ok(AuditClient::new(&audit.host, &config.endpoints, access, settings)?)
}

/// The name of a trail in notes, reports and events.
fn name_of(trail: &Trail) -> String {
    match trail {
        Trail::Portal => "portal".to_owned(),
        Trail::Engines => "engines".to_owned(),
        Trail::Engine(name) => format!("engine/{}", name.as_str()),
    }
}

/// Now, by the clock of this machine.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(Moment::now().0).unwrap_or(i64::MAX)
}
