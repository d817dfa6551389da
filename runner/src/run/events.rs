//! The events of a run: they come after everything else, or alone.

use std::collections::BTreeSet;

use core_model::plan::Plan;
use core_store::RunLock;

use super::report::RunReport;
use super::{FetchedTable, Finished, RunOptions, Stop, fetch_table, open_store, retain};
use crate::audit::{AuditReport, Collection};
use crate::config::Config;
use crate::exit::Failure;
use crate::ledger::{self, Event};
use crate::system::{self, Moment};

/// The events of a run, which come after everything else.
pub(super) struct Events<'a> {
    pub(super) config: &'a Config,
    pub(super) plan: &'a Plan,
    pub(super) lock: &'a RunLock,
    /// By how much the login host is ahead of this machine. Milliseconds.
    pub(super) login_ahead_ms: Option<i64>,
    pub(super) stop: &'a Stop,
}

impl Events<'_> {
    /// Reads the audit trail, if the plan says so.
    pub(super) async fn read(&self, fetched: Option<FetchedTable>) -> Option<AuditReport> {
        let Events { config, lock, login_ahead_ms, stop, .. } = *self;
        let audit = config.audit.as_ref().filter(|_| reads_events(self.plan))?;
        let reading = Collection { config, audit, lock, again: None, login_ahead_ms, stop };
        Some(Box::pin(reading.read(fetched)).await)
    }
}

/// Returns whether a run of this plan reads events.
pub(super) fn reads_events(plan: &Plan) -> bool {
    plan.steps().iter().any(|it| it.runs() && it.step.makes_events())
}

/// Reads the events and nothing else: `--step fetch-audit`, or a configuration without queries. It publishes
/// no generation, so that what is published stays as it is. The ledger has the run's beginning and its end.
pub(super) async fn run_alone(
    config: &Config,
    started: Moment,
    options: &RunOptions,
    stop: &Stop,
) -> Result<Finished, Failure> {
    let (lock, _) = open_store(config)?;
    let tenant = lock.tenant().clone();
    ledger::record(&tenant, &Event::RunStarted { steps: &options.steps })?;
    let reading = async {
        let audit = config.audit.as_ref();
        let audit = audit.ok_or_else(|| Failure::usage("`[audit]` is not configured"))?;
        let fetched = match audit.table() {
            Some(table) => Some(stop.or_stop(fetch_table(config, table, &lock)).await?),
            None => None,
        };
        let (login_ahead_ms, exports) = match &fetched {
            Some(fetched) => (fetched.login_ahead_ms(), u32::from(fetched.result.is_ok())),
            None => (None, 0),
        };
        let reading = Collection { config, audit, lock: &lock, again: None, login_ahead_ms, stop };
        let read = reading.read(fetched).await;
        retain::retain(config, &lock, &lock.downloads()?, &BTreeSet::new());
        let mut report = RunReport::new(config, system::new_run_id(started)?, started);
        let exit = read.exit();
        report.audit = Some(read);
        report.finish(Vec::new(), exit);
        Ok::<_, Failure>((Finished { generation: None, report, exit }, exports))
    };
    let mut ended = Box::pin(reading).await;
    let event = match &ended {
        Ok((finished, exports)) => Event::RunEnded {
            run: Some(&finished.report.run_id),
            generation: None,
            exports: *exports,
            exit_code: finished.exit as u8,
        },
        Err(failure) => Event::RunEnded {
            run: None,
            generation: None,
            exports: 0,
            exit_code: stop.exit_after(failure) as u8,
        },
    };
    match (ledger::record(&tenant, &event), &mut ended) {
        (Ok(head), Ok((finished, _))) => finished.report.ledger = Some(head),
        (Ok(_), Err(_)) => {}
        (Err(error), _) => tracing::error!(%error, "the end of the run is not in the ledger"),
    }
    ended.map(|(finished, _)| finished)
}
