//! Retention after a run.

use std::collections::BTreeSet;

use core_nexthink::ClockOffset;
use core_store::{ClockVerdict, Downloads, Retention, RunLock};

use crate::engine::Engine;
use crate::ledger;
use crate::mirrors;

/// Removes the downloads that were published. A failure only costs space, so it does not fail the run.
pub(super) fn remove_used(downloads: &Downloads, used: &BTreeSet<String>) {
    if let Err(error) = downloads.clear_except(|name| !used.contains(name)) {
        tracing::warn!(%error, "the downloads were not removed");
    }
}

/// Removes everything past its retention period. A failure only costs space, and the next run makes up for it, so it does
/// not fail the run.
///
/// While this machine's clock and Nexthink's disagree, nothing is removed by age and no date is recorded: whichever
/// clock is wrong, items would be removed too early, now or once it is right again.
pub(super) fn retain(engine: Engine<'_>, lock: &RunLock, offset: Option<ClockOffset>) {
    if let Some(offset) = offset.filter(|offset| offset.is_disagreement()) {
        tracing::warn!(%offset, "nothing was removed by age, since the clocks disagree");
        return;
    }
    let pinned = mirrors::compared_with(lock.tenant());
    let retention = Retention {
        windows: &engine.settings.retention,
        pinned: &pinned,
        now_ms: engine.host.now().0,
        accept_clock: false,
    };
    match ledger::retain(engine.host, lock, retention) {
        Ok((plan, _)) if plan.clock != ClockVerdict::Steady => {
            tracing::warn!(
                clock = ?plan.clock,
                "nothing was removed by age, since the clock cannot be believed"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "what was kept long enough was not removed"),
    }
}
