//! The events of a run: they come after everything else, or alone.

use std::collections::BTreeSet;

use core_model::plan::Plan;
use core_store::RunLock;

use super::report::RunReport;
use super::{
    FetchedTable, Finished, OpenedStore, RunOptions, Stop, fetch_table, open_store, record_end,
    retain,
};
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
    let OpenedStore { lock, unfinished_erasures, .. } = open_store(config)?;
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
    let ended = Box::pin(reading).await;
    let exports = ended.as_ref().map_or(0, |(_, exports)| *exports);
    let mut ended = ended.map(|(finished, _)| finished);
    if let Ok(finished) = &mut ended {
        finished.note_unfinished(unfinished_erasures);
    }
    record_end(&tenant, &mut ended, exports, stop);
    ended
}
