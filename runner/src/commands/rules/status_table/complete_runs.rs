//! The time for which the tenant has been without a complete run, by the clock and by its timetable.

use core_engine::Moment;
use core_store::{Outcome, TenantStore};
use core_terminal::count;
use jiff::Timestamp;

use super::{DAY_MS, Fact, whole_days};
use crate::config::Config;

/// The days of what never happened.
const NEVER: f64 = 99_999.0;
/// The due times that are counted at most.
const MOST_DUE: u32 = 1_000;

/// The facts: the days since the last complete run, and the runs that were due since.
pub(super) fn facts(config: Option<&Config>, tenant: &TenantStore, now_ms: u64) -> Vec<Fact> {
    let complete = last_complete(tenant);
    let days = complete.map_or(NEVER, |at| whole_days(now_ms.saturating_sub(at)));
    let mut facts = vec![Fact::new("last-complete-run", "run", String::new(), days)];
    if let Some(since) = complete.or_else(|| first_run(tenant)) {
        facts.push(due_since(config, complete.is_some(), since, now_ms));
    }
    facts
}

/// When the newest kept generation was made in which every step was complete.
fn last_complete(tenant: &TenantStore) -> Option<u64> {
    let history = tenant.history().unwrap_or_default();
    let complete = history.iter().find(|entry| {
        entry.manifest.as_ref().is_ok_and(|manifest| manifest.outcome == Outcome::Complete)
    });
    complete.map(|entry| entry.id.time_ms())
}

/// When the first run started that the ledger knows of.
fn first_run(tenant: &TenantStore) -> Option<u64> {
    let entries = tenant.ledger().entries().ok()?;
    let started: Timestamp =
        core_operations::health::runs(&entries).first()?.started_at.parse().ok()?;
    u64::try_from(started.as_millisecond()).ok()
}

/// The runs that were due since a time. Without a timetable, one is due each day.
fn due_since(config: Option<&Config>, was_complete: bool, since: u64, now_ms: u64) -> Fact {
    let due = config.and_then(|config| {
        let [after, until] = [since, now_ms].map(|ms| Moment(ms).to_timestamp());
        let schedule = &config.schedule;
        let due = schedule.due_between(config.tenant.as_str(), after, until, MOST_DUE)?;
        Some((due, format!("the timetable is {}", schedule.timetable)))
    });
    let (due, basis) = due.unwrap_or_else(|| {
        let days = u32::try_from(now_ms.saturating_sub(since) / DAY_MS).unwrap_or(MOST_DUE);
        (days.min(MOST_DUE), "without a timetable, one is due each day".to_owned())
    });
    let at = Moment(since).to_rfc3339();
    let last = if was_complete {
        format!("the last complete run was at {at}")
    } else {
        format!("no run has been complete since the first one at {at}")
    };
    let detail = format!("{last}, and {} due since ({basis})", count_were(due));
    Fact::new("runs-due-since-complete", "run", detail, due.into())
}

fn count_were(due: u32) -> String {
    let runs = if due == MOST_DUE { format!("{due} or more runs") } else { count(due, "run") };
    format!("{runs} {}", if due == 1 { "was" } else { "were" })
}
