//! Reads the audit trail in a run: after everything else, or alone.

use core_model::plan::Plan;
use core_nexthink::ClockOffset;
use core_store::RunLock;

use super::quota::StartedExports;
use super::report::RunReport;
use super::{
    FetchedTable, Finished, OpenedStore, RunOptions, fetch_table, open_store, record_end, retain,
};
use crate::audit::{AuditReport, Collection};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::Failure;
use crate::ledger::{self, Event};
use crate::moment::Moment;

/// The collection of events in a run.
pub(super) struct Events<'a> {
    pub(super) engine: Engine<'a>,
    pub(super) plan: &'a Plan,
    pub(super) lock: &'a RunLock,
    /// The offset of the login host's clock from this machine's. Milliseconds.
    pub(super) login_ahead_ms: Option<i64>,
    pub(super) cancellation: &'a Cancellation,
}

impl Events<'_> {
    /// Reads the audit trail, if it is in the plan.
    pub(super) async fn read(&self, fetched: Option<FetchedTable>) -> Option<AuditReport> {
        let Events { engine, lock, login_ahead_ms, cancellation, .. } = *self;
        let audit = engine.settings.audit.as_ref().filter(|_| reads_events(self.plan))?;
        let reading = Collection { engine, audit, lock, again: None, login_ahead_ms, cancellation };
        Some(Box::pin(reading.read(fetched)).await)
    }
}

/// Returns true if a run of this plan reads events.
pub(super) fn reads_events(plan: &Plan) -> bool {
    plan.steps().iter().any(|planned| planned.runs() && planned.step.makes_events())
}

/// Runs only the audit trail: for `--step fetch-audit`, or a configuration without queries. It publishes no
/// generation, so the published one stays. The ledger records the beginning and the end of the run.
pub(super) async fn run_alone(
    engine: Engine<'_>,
    started: Moment,
    options: &RunOptions,
    cancellation: &Cancellation,
) -> Result<Finished, Failure> {
    let OpenedStore { lock, unfinished_erasures, .. } = open_store(engine, cancellation)?;
    let tenant = lock.tenant().clone();
    ledger::record(engine.host, &tenant, &Event::RunStarted { steps: &options.steps })?;
    let exports = StartedExports::default();
    let reading = async {
        let audit = engine.settings.audit.as_ref();
        let audit = audit.ok_or_else(|| Failure::configuration("`[audit]` is not configured"))?;
        let fetched = match audit.table() {
            Some(table) => {
                let fetching = Box::pin(fetch_table(engine, table, &lock, &exports));
                Some(cancellation.or_stop(fetching).await?)
            }
            None => None,
        };
        let login_ahead_ms = fetched.as_ref().and_then(FetchedTable::login_ahead_ms);
        let reading =
            Collection { engine, audit, lock: &lock, again: None, login_ahead_ms, cancellation };
        let read = reading.read(fetched).await;
        let offset = login_ahead_ms.map(ClockOffset::from_ahead_ms);
        retain::retain(engine, &lock, offset);
        let mut report = RunReport::new(engine, engine.host.new_id(started)?, started);
        let ending = read.ending();
        report.audit = Some(read);
        report.finish(Vec::new(), ending, engine.host);
        Ok(Finished { generation: None, report, ending })
    };
    let mut ended = Box::pin(reading).await;
    if let Ok(finished) = &mut ended {
        finished.note_unfinished(unfinished_erasures, engine.host);
    }
    record_end(engine.host, &tenant, &mut ended, &exports, cancellation);
    ended
}
