//! The classic interface: the trail of the web interface and those of Engines, window by window.

use std::sync::Arc;

use core_audit::{Span, TrailKind, Window};
use core_nexthink::{AuditAccess, AuditClient, AuditPiece, AuditRequest, Credentials, Trail};
use core_privacy::suppression::Suppressions;
use core_store::EventAppender;

use super::intake::Intake;
use super::report::{AuditReport, TrailReport};
use super::{Notes, commit, now_ms};
use crate::config::{Audit, AuditTrails, Config};
use crate::exit::Failure;
use crate::run::{self, Stop};
use crate::system;

/// The trails of the classic interface.
pub(super) struct Trails<'a> {
    pub(super) config: &'a Config,
    pub(super) audit: &'a Audit,
    pub(super) source: &'a AuditTrails,
    pub(super) again: Option<Span>,
    pub(super) stop: &'a Stop,
    pub(super) suppressions: Arc<Suppressions>,
}

impl Trails<'_> {
    /// Reads what is new of every trail, and what is wanted again.
    pub(super) async fn read(
        &self,
        appender: &mut EventAppender,
        notes: &mut Notes,
        report: &mut AuditReport,
    ) -> Result<(), Failure> {
        let client = client(self.config, self.source, |_| {})?;
        for trail in &self.source.trails {
            let name = name_of(trail);
            let coverage = notes.trails.entry(name.clone()).or_default();
            coverage.begin(now_ms(), &self.audit.windows);
            if let Some(span) = self.again {
                coverage.want(span);
            }
            let (audit, stop, suppressions) = (self.audit, self.stop, &*self.suppressions);
            let mut reading =
                Reading { audit, client: &client, stop, suppressions, trail, name: &name };
            let trail_report = reading.read(appender, notes).await?;
            report.trails.push(trail_report);
        }
        Ok(())
    }
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
        commit(appender, notes)?;
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
        commit(appender, notes)?;
        report.add(&counts, answer.bytes);
        Ok(())
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
