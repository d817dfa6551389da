//! The retention plan: pure, from the names of the items, their own times, and the times when they
//! were first seen.
//!
//! An item's own time may come from a wrong clock. So each item is dated when it is first seen: by
//! its own time if that lies between the last observation and this one, else by this one. It is
//! then never removed too early, and kept too long by no more than the time between two
//! observations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Retention;
use super::clock::{self, ClockVerdict, DAY_MS, HOUR_MS, SeenTimes};
use super::generations::{Dated, RetentionPolicy, choose_removals};
use crate::names::GenerationId;

/// The retention periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Generations.
    pub generations: RetentionPolicy,
    /// Quarantined rows, in days.
    pub quarantine_days: u64,
    /// Downloads and unfinished generations of killed runs, in hours.
    pub staging_hours: u64,
    /// Logs in the store, in days.
    pub logs_days: u64,
    /// Entries of the ledger, in days.
    pub ledger_days: u64,
    /// Events, in days.
    pub events_days: u64,
}

impl Default for Windows {
    /// Ninety days of generations and 180 days of events, which is Nexthink's own retention.
    fn default() -> Self {
        Self {
            generations: RetentionPolicy::default(),
            quarantine_days: 14,
            staging_hours: 24,
            logs_days: 30,
            ledger_days: 400,
            events_days: 180,
        }
    }
}

/// The kind of an item with a retention period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A generation.
    Generation,
    /// Quarantined rows.
    Quarantine,
    /// The unfinished work of a run.
    Staging,
    /// A log.
    Log,
}

/// An item of a store with a retention period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The kind.
    pub kind: ItemKind,
    /// The path below the tenant's folder.
    pub name: String,
    /// The item's own time, in milliseconds since 1970-01-01 UTC.
    pub own_ms: u64,
    /// True if it can be read.
    pub is_whole: bool,
}

/// An item to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// The kind.
    pub kind: ItemKind,
    /// The path below the tenant's folder.
    pub name: String,
    /// The effective time, in milliseconds since 1970-01-01 UTC.
    pub dated_ms: u64,
}

/// The record that is kept between two observations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionState {
    #[serde(flatten)]
    times: SeenTimes,
    /// The items by name.
    items: BTreeMap<String, Seen>,
    /// The last entry of the ledger at times about a day apart: entry, time.
    ledger: BTreeMap<u64, u64>,
}

/// The first observation of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// The item's own time at that moment.
    own_ms: u64,
    /// The effective time.
    dated_ms: u64,
}

/// The removals, and the record to keep once they are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPlan {
    /// The verdict on the clock; nothing is removed unless it is steady.
    pub clock: ClockVerdict,
    /// The items to remove, sorted by name.
    pub removals: Vec<Removal>,
    /// The last entry of the ledger to remove, with all before it.
    pub ledger_through: Option<u64>,
    /// Events from before this time are removed, in milliseconds since 1970-01-01 UTC, by their own
    /// times, which come from another clock. The caller removes them, because it knows their
    /// columns.
    pub events_from_ms: Option<u64>,
    /// The record to keep.
    pub state: RetentionState,
}

/// Plans the removals. `ledger_head` is the number of the ledger's last entry.
pub(super) fn plan(
    mut state: RetentionState,
    items: &[Item],
    current: Option<&GenerationId>,
    ledger_head: Option<u64>,
    retention: Retention<'_>,
) -> RetentionPlan {
    let Retention { windows, pinned, now_ms, accept_clock } = retention;
    let newest = items.iter().filter(|item| item.kind == ItemKind::Generation);
    let newest_ms = newest.map(|item| item.own_ms).max().unwrap_or(0);
    let last_observation = state.times.believed_ms;
    let (clock, times) = clock::judge(state.times, newest_ms, now_ms, accept_clock);
    state.times = times;
    if clock != ClockVerdict::Steady {
        let (removals, ledger_through, events_from_ms) = (Vec::new(), None, None);
        return RetentionPlan { clock, removals, ledger_through, events_from_ms, state };
    }
    let dated: Vec<(&Item, u64)> = items
        .iter()
        .map(|item| (item, date_of(item, state.items.get(&item.name), last_observation, now_ms)))
        .collect();
    let mut removals = expired_generations(&dated, current, pinned, windows.generations, now_ms);
    removals.extend(dated.iter().filter_map(|(item, dated_ms)| {
        let window_ms = window_ms(windows, item.kind)?;
        (now_ms.saturating_sub(*dated_ms) > window_ms).then(|| removal(item, *dated_ms))
    }));
    removals.sort_by(|left, right| left.name.cmp(&right.name));
    let stays = |item: &Item| !removals.iter().any(|removal| removal.name == item.name);
    state.items = dated
        .iter()
        .filter(|(item, _)| stays(item))
        .map(|(item, dated_ms)| {
            (item.name.clone(), Seen { own_ms: item.own_ms, dated_ms: *dated_ms })
        })
        .collect();
    let ledger_through = expired_entries(&mut state.ledger, ledger_head, windows, now_ms);
    let events_from_ms = Some(now_ms.saturating_sub(windows.events_days * DAY_MS));
    RetentionPlan { clock, removals, ledger_through, events_from_ms, state }
}

/// The effective time of an item.
fn date_of(item: &Item, seen: Option<&Seen>, last_observation: Option<u64>, now_ms: u64) -> u64 {
    if let Some(seen) = seen
        && seen.own_ms == item.own_ms
    {
        return seen.dated_ms;
    }
    let is_possible =
        item.own_ms <= now_ms && last_observation.is_none_or(|last| item.own_ms >= last);
    if is_possible { item.own_ms } else { now_ms }
}

fn window_ms(windows: &Windows, kind: ItemKind) -> Option<u64> {
    Some(match kind {
        ItemKind::Generation => return None,
        ItemKind::Quarantine => windows.quarantine_days * DAY_MS,
        ItemKind::Staging => windows.staging_hours * HOUR_MS,
        ItemKind::Log => windows.logs_days * DAY_MS,
    })
}

fn expired_generations(
    dated: &[(&Item, u64)],
    current: Option<&GenerationId>,
    pinned: &[GenerationId],
    policy: RetentionPolicy,
    now_ms: u64,
) -> Vec<Removal> {
    let generations: Vec<Dated<'_>> = dated
        .iter()
        .filter(|(item, _)| item.kind == ItemKind::Generation)
        .map(|(item, dated_ms)| Dated {
            name: &item.name,
            at_ms: *dated_ms,
            is_whole: item.is_whole,
        })
        .collect();
    let name_of = |id: &GenerationId| format!("generations/{id}");
    let current = current.map(name_of);
    let pinned: Vec<String> = pinned.iter().map(name_of).collect();
    let gone = choose_removals(&generations, current.as_deref(), policy, now_ms);
    gone.into_iter()
        .filter(|generation| !pinned.iter().any(|name| name == generation.name))
        .map(|generation| Removal {
            kind: ItemKind::Generation,
            name: generation.name.to_owned(),
            dated_ms: generation.at_ms,
        })
        .collect()
}

/// The last entry that already existed when the period began. Entries are dated by the observations
/// of the ledger, not by their own times, which a wrong clock may have set.
fn expired_entries(
    marks: &mut BTreeMap<u64, u64>,
    head: Option<u64>,
    windows: &Windows,
    now_ms: u64,
) -> Option<u64> {
    let window_ms = windows.ledger_days * DAY_MS;
    let through =
        marks.iter().rfind(|(_, at)| now_ms.saturating_sub(**at) > window_ms).map(|mark| *mark.0);
    if let Some(through) = through {
        marks.retain(|sequence, _| *sequence > through);
    }
    let last = marks.last_key_value().map(|(sequence, at)| (*sequence, *at));
    if let Some(head) = head
        // Some hours less than a day, since a daily run does not always start at the same minute.
        && last.is_none_or(|(sequence, at)| sequence < head && now_ms >= at + 20 * HOUR_MS)
    {
        marks.insert(head, now_ms);
    }
    through
}

fn removal(item: &Item, dated_ms: u64) -> Removal {
    Removal { kind: item.kind, name: item.name.clone(), dated_ms }
}

#[cfg(test)]
mod tests;
