//! The classic interface: the trail of the web interface and those of Engines, window by window.

use std::time::Duration;

use core_audit::{Span, TrailKind, Window};
use core_nexthink::{
    AuditAccess, AuditClient, AuditPiece, AuditRequest, Credentials, ErrorKind, NexthinkError,
    Trail,
};
use core_store::EventAppender;

use super::intake::Intake;
use super::report::{AuditReport, TrailReport};
use super::{Notes, People, commit, now_ms};
use crate::config::{Audit, AuditTrails, Config};
use crate::exit::Failure;
use crate::run::{self, Stop};
use crate::system;

/// How long a window that cannot be read is tried: the run waits for it, and a later one makes up for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is tried.
const ATTEMPTS: u32 = 4;

/// The trails of the classic interface.
pub(super) struct Trails<'a> {
    pub(super) config: &'a Config,
    pub(super) audit: &'a Audit,
    pub(super) source: &'a AuditTrails,
    pub(super) again: Option<Span>,
    pub(super) stop: &'a Stop,
    pub(super) people: People,
}

impl Trails<'_> {
    /// Reads what is new of every trail, and what is wanted again.
    pub(super) async fn read(
        &self,
        appender: &mut EventAppender,
        notes: &mut Notes,
        report: &mut AuditReport,
    ) -> Result<(), Failure> {
        let client = client(self.config, self.source, |settings| {
            settings.retry.budget = settings.retry.budget.min(PATIENCE);
            settings.retry.max_attempts = settings.retry.max_attempts.min(ATTEMPTS);
        })?;
        let mut failed_for_all = None;
        for trail in &self.source.trails {
            let name = name_of(trail);
            let coverage = notes.trails.entry(name.clone()).or_default();
            coverage.begin(now_ms(), &self.audit.windows);
            if let Some(span) = self.again {
                coverage.want(span);
            }
            if let Some(first) = &failed_for_all {
                let mut skipped = TrailReport::new(&name);
                skipped.reason = Some(format!("not asked for, since it would fail like {first}"));
                skipped.describe(coverage, now_ms());
                report.trails.push(skipped);
                continue;
            }
            let (audit, stop, people) = (self.audit, self.stop, &self.people);
            let mut reading = Reading { audit, client: &client, stop, people, trail, name: &name };
            let (trail_report, fails_for_all) = reading.read(appender, notes).await?;
            report.trails.push(trail_report);
            failed_for_all = fails_for_all.then_some(name);
        }
        // What is wanted of trails that were not asked for is on record too.
        commit(appender, notes)
    }
}

/// One trail being read.
struct Reading<'a> {
    audit: &'a Audit,
    client: &'a AuditClient,
    stop: &'a Stop,
    people: &'a People,
    trail: &'a Trail,
    name: &'a str,
}

impl Reading<'_> {
    /// Reads windows until nothing is missing but what has failed. Says whether what failed would fail
    /// for every other trail too.
    async fn read(
        &mut self,
        appender: &mut EventAppender,
        notes: &mut Notes,
    ) -> Result<(TrailReport, bool), Failure> {
        let began_ms = now_ms();
        let mut report = TrailReport::new(self.name);
        let mut failed: Vec<Span> = Vec::new();
        let mut fails_for_all = false;
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
                    fails_for_all = is_for_all(&failure.error);
                    // The next window would fail alike, after as long a wait.
                    if fails_for_all || failed.len() >= 2 || report.windows == 0 {
                        break;
                    }
                }
            }
        }
        let coverage = notes.trails.entry(self.name.to_owned()).or_default();
        report.describe(coverage, began_ms);
        // What failed is on record too: that it is wanted, and what is lost for good.
        commit(appender, notes)?;
        Ok((report, fails_for_all))
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
        intake.protect(self.people);
        intake.read_in(self.audit.time_zone.clone(), now_ms());
        let answer = self.client.read(&request, |piece| match piece {
            AuditPiece::Begin => intake.begin(),
            AuditPiece::Bytes(bytes) => intake.take(bytes),
        });
        let answer = self.stop.or_stop(async { Ok(answer.await?) }).await?;
        let counts = intake.finish().map_err(anyhow::Error::new)?;
        let mut coverage = coverage;
        coverage.answered(window, answer.server_ms, now_ms());
        if let Some(newest_ms) = counts.newest_ms {
            coverage.saw_event(newest_ms);
        }
        notes.trails.insert(self.name.to_owned(), coverage);
        commit(appender, notes)?;
        report.add(&counts, answer.bytes);
        Ok(())
    }
}

/// Whether the host or the account is the reason: an account that is refused again and again is locked.
fn is_for_all(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<NexthinkError>() {
        None | Some(NexthinkError::AuditTrailFailed { .. }) => false,
        Some(error) => matches!(
            error.kind(),
            ErrorKind::Credentials | ErrorKind::Unreachable | ErrorKind::Deferred
        ),
    }
}

/// A client with the configured account, with other bounds than the configured ones where `patience`
/// sets them.
pub(crate) fn client(
    config: &Config,
    audit: &AuditTrails,
    patience: impl FnOnce(&mut core_nexthink::Settings),
) -> Result<AuditClient, Failure> {
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
    patience(&mut settings);
    Ok(AuditClient::new(&audit.host, &config.endpoints, access, settings)?)
}

/// The name of a trail in notes, reports and events.
pub(crate) fn name_of(trail: &Trail) -> String {
    match trail {
        Trail::Portal => "portal".to_owned(),
        Trail::Engines => "engines".to_owned(),
        Trail::Engine(name) => format!("engine/{}", name.as_str()),
    }
}
