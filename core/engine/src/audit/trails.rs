//! The classic interface: the trail of the web interface and those of Engines, window by window.

use std::time::Duration;

use core_audit::{
    AnswerSource, Clocks, ENGINE_TRAIL, EventPrivacy, Intake, Proof, Span, TrailKind, Window,
};
use core_nexthink::{
    AuditAccess, AuditClient, AuditPiece, AuditRequest, Credentials, ErrorKind, NexthinkError,
    Trail,
};
use core_store::EventAppender;

use super::log_sink::LogSink;
use super::report::{AuditReport, TrailReport};
use super::{Notes, commit, event_table};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::settings::{Audit, AuditTrails};

/// The time for which a window is retried. The run has to wait for it, and a later run makes up for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The number of attempts.
const ATTEMPTS: u32 = 4;

/// The trails of the classic interface.
pub(super) struct Trails<'a> {
    pub(super) engine: Engine<'a>,
    pub(super) audit: &'a Audit,
    pub(super) source: &'a AuditTrails,
    pub(super) again: Option<Span>,
    pub(super) cancellation: &'a Cancellation,
    pub(super) people: EventPrivacy,
    /// The offset of the login host's clock from this machine's. Milliseconds.
    pub(super) login_ahead_ms: Option<i64>,
}

impl Trails<'_> {
    /// Reads the new events of every trail, and the period to read again.
    pub(super) async fn read(
        &self,
        appender: &mut EventAppender,
        notes: &mut Notes,
        report: &mut AuditReport,
    ) -> Result<(), Failure> {
        let client = client(self.engine, self.source, |settings| {
            settings.retry.budget = settings.retry.budget.min(PATIENCE);
            settings.retry.max_attempts = settings.retry.max_attempts.min(ATTEMPTS);
        })?;
        let mut failed_for_all = None;
        for trail in &self.source.trails {
            let name = name_of(trail);
            let coverage = notes.trails.entry(name.clone()).or_default();
            coverage.begin(self.engine.host.now_ms(), &self.audit.windows);
            if let Some(span) = self.again {
                coverage.want(span);
            }
            if let Some(first) = &failed_for_all {
                let mut skipped = TrailReport::new(&name);
                skipped.reason = Some(format!("not asked for, since it would fail like {first}"));
                skipped.describe(coverage, self.engine.host.now_ms());
                report.trails.push(skipped);
                continue;
            }
            let mut reading = Reading { trails: self, client: &client, trail, name: &name };
            let (trail_report, fails_for_all) = reading.read(appender, notes).await?;
            report.trails.push(trail_report);
            failed_for_all = fails_for_all.then_some(name);
        }
        // Records the wanted periods of skipped trails too.
        commit(appender, notes)
    }
}

/// One trail being read.
struct Reading<'a> {
    trails: &'a Trails<'a>,
    client: &'a AuditClient,
    trail: &'a Trail,
    name: &'a str,
}

impl Reading<'_> {
    /// Reads windows until only failed ones are missing. Returns whether the failure would affect every other trail
    /// too.
    async fn read(
        &mut self,
        appender: &mut EventAppender,
        notes: &mut Notes,
    ) -> Result<(TrailReport, bool), Failure> {
        let began_ms = self.trails.engine.host.now_ms();
        let mut report = TrailReport::new(self.name);
        let mut failed: Vec<Span> = Vec::new();
        let mut fails_for_all = false;
        loop {
            let coverage = notes.trails.entry(self.name.to_owned()).or_default();
            let Audit { windows, time_zone, .. } = self.trails.audit;
            let next = coverage.next_window(began_ms, windows, time_zone, &failed);
            let Some(window) = next else { break };
            self.trails.cancellation.check()?;
            let reason = match self.read_window(&window, appender, notes, &mut report).await {
                Ok(None) => continue,
                // Its events are stored, but there may be more.
                Ok(Some(reason)) => reason.to_owned(),
                Err(failure) => {
                    appender.discard()?;
                    fails_for_all = is_for_all(&failure.error);
                    report.fail(&failure.error);
                    format!("{:#}", failure.error)
                }
            };
            tracing::warn!(trail = self.name, reason, "window not read");
            report.reason.get_or_insert(reason);
            failed.push(window.span);
            // The next window would fail in the same way, after an equally long wait.
            if fails_for_all || failed.len() >= 2 || report.windows == 0 {
                break;
            }
        }
        let coverage = notes.trails.entry(self.name.to_owned()).or_default();
        report.describe(coverage, began_ms);
        // Records the failed windows as wanted, and the lost ones.
        commit(appender, notes)?;
        Ok((report, fails_for_all))
    }

    /// Reads a window and stores its new events. Returns the reason why it does not count as read, if there is one.
    async fn read_window(
        &self,
        window: &Window,
        appender: &mut EventAppender,
        notes: &mut Notes,
        report: &mut TrailReport,
    ) -> Result<Option<&'static str>, Failure> {
        let Trails { engine, audit, cancellation, people, login_ahead_ms, .. } = self.trails;
        let (before, elapsed_hours) = window.parameters(&audit.time_zone);
        let before = before.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        let request = AuditRequest { trail: self.trail.clone(), before, elapsed_hours };
        let kind = match self.trail {
            Trail::Portal => TrailKind::Portal,
            Trail::Engine(_) | Trail::Engines => TrailKind::Engine,
        };
        let mut coverage = notes.trails.get(self.name).cloned().unwrap_or_default();
        let zone = audit.time_zone.clone();
        let table = event_table();
        let source = AnswerSource { kind, trail: self.name, window, coverage: &coverage };
        let mut intake = Intake::new(LogSink(appender), &table, source, zone, people.clone());
        let at = |server_ms| {
            let (local_ms, witness_ahead_ms) = (engine.host.now_ms(), *login_ahead_ms);
            Clocks { local_ms, server_ms, witness_ahead_ms }
        };
        let mut clocks = at(None);
        let answer = self.client.read(&request, |piece| match piece {
            AuditPiece::Begin { server_ms } => {
                clocks = at(server_ms);
                intake.begin(&clocks)
            }
            AuditPiece::Bytes(bytes) => intake.take(bytes),
        });
        let answer = cancellation.or_stop(async { Ok(answer.await?) }).await?;
        let counts = intake.finish(answer.end_proven).map_err(anyhow::Error::new)?;
        let lacking = counts.lacking(answer.end_proven);
        let proof = counts.proof(window, *self.trail == Trail::Engines);
        if lacking.is_none() {
            coverage.answered_in_part(window, proof, &clocks, &audit.windows);
        } else if proof == Proof::Nothing {
            // Its lines without a time are kept by a fixed window, whatever it lacks.
            coverage.found_untimed(&audit.windows);
        }
        if let Some(newest_ms) = counts.newest_ms {
            coverage.saw_event(newest_ms);
        }
        let known = notes.trails.insert(self.name.to_owned(), coverage);
        if let Err(failure) = commit(appender, notes) {
            // The events are discarded, and these notes are committed later: the window is still to be read.
            notes.trails.insert(self.name.to_owned(), known.unwrap_or_default());
            return Err(failure);
        }
        report.add(&counts, answer.bytes);
        report.notice_clocks(&clocks);
        Ok(lacking)
    }
}

/// Returns true if the host or the account is the cause. An account that is refused again and again would be locked.
fn is_for_all(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<NexthinkError>() {
        None | Some(NexthinkError::AuditTrailFailed { .. }) => false,
        Some(error) => matches!(
            error.kind(),
            ErrorKind::Credentials | ErrorKind::Unreachable | ErrorKind::Deferred
        ),
    }
}

/// Makes a client with the configured account; `adjust` may change the configured limits.
pub fn client(
    engine: Engine<'_>,
    audit: &AuditTrails,
    adjust: impl FnOnce(&mut core_nexthink::Settings),
) -> Result<AuditClient, Failure> {
    let password = audit.password.read("the password of the audit trail")?;
    let credentials = Credentials::new(&audit.account, password)?;
    let access = if audit.is_oauth {
        AuditAccess::OAuth(credentials)
    } else {
        AuditAccess::Basic(credentials)
    };
    let mut settings = core_nexthink::Settings::new(engine.host.random()?);
    settings.retry = engine.settings.retry.clone();
    settings.timeouts = engine.settings.timeouts.clone();
    settings.trust = engine.settings.trust.clone();
    settings.proxy.clone_from(&engine.settings.proxy);
    adjust(&mut settings);
    Ok(AuditClient::new(&audit.host, &engine.settings.endpoints, access, settings)?)
}

/// The name of a trail in notes, reports and events.
pub fn name_of(trail: &Trail) -> String {
    match trail {
        Trail::Portal => "portal".to_owned(),
        Trail::Engines => "engines".to_owned(),
        Trail::Engine(name) => format!("{ENGINE_TRAIL}{}", name.as_str()),
    }
}
