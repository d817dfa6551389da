//! The time since the last complete run, by the clock and by the timetable.

use core_engine::Moment;
use core_engine::ledger::runs;
use core_fleet::TenantSettings;
use core_store::{Outcome, TenantStore};
use core_terminal::count;
use jiff::Timestamp;

use super::{DAY_MS, Fact, whole_days};

/// The number of days for an event that never happened.
const NEVER: f64 = 99_999.0;
/// The largest number of due times to count.
const MOST_DUE: u32 = 1_000;

/// The facts: the days since the last complete run, and the runs that were due since.
pub(super) fn facts(
    tenant: &TenantStore,
    schedule: Option<&TenantSettings>,
    now_ms: u64,
) -> Vec<Fact> {
    let complete = last_complete(tenant);
    let days = complete.map_or(NEVER, |at| whole_days(now_ms.saturating_sub(at)));
    let mut facts = vec![Fact::new("last-complete-run", "run", String::new(), days)];
    if let Some(since) = complete.or_else(|| first_run(tenant)) {
        let since = Since { ms: since, was_complete: complete.is_some() };
        facts.push(due_since(tenant.name(), schedule, since, now_ms));
    }
    facts
}

/// The time of the newest kept generation in which every step was complete.
fn last_complete(tenant: &TenantStore) -> Option<u64> {
    let history = tenant.history().unwrap_or_default();
    let complete = history.iter().find(|entry| {
        entry.manifest.as_ref().is_ok_and(|manifest| manifest.outcome == Outcome::Complete)
    });
    complete.map(|entry| entry.id.time_ms())
}

/// The start of the first run in the ledger.
fn first_run(tenant: &TenantStore) -> Option<u64> {
    let started: Timestamp = runs::of_tenant(tenant).ok()?.first()?.started_at.parse().ok()?;
    u64::try_from(started.as_millisecond()).ok()
}

/// The time of the last complete run, or of the first run if none was complete.
#[derive(Debug, Clone, Copy)]
struct Since {
    ms: u64,
    was_complete: bool,
}

/// The number of runs that were due since a time. Without a timetable, one run is due each day.
fn due_since(name: &str, schedule: Option<&TenantSettings>, since: Since, now_ms: u64) -> Fact {
    let due = schedule.and_then(|schedule| {
        let [after, until] = [since.ms, now_ms].map(|ms| Moment(ms).to_timestamp());
        let due = schedule.due_between(name, after, until, MOST_DUE)?;
        Some((due, format!("the timetable is {}", schedule.timetable)))
    });
    let (due, basis) = due.unwrap_or_else(|| {
        let days = u32::try_from(now_ms.saturating_sub(since.ms) / DAY_MS).unwrap_or(MOST_DUE);
        (days.min(MOST_DUE), "without a timetable, one is due each day".to_owned())
    });
    let at = Moment(since.ms).to_rfc3339();
    let last = if since.was_complete {
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
