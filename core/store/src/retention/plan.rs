//! What goes at a time: pure, from the names of what there is, the times that it bears, and when it was
//! seen first.
//!
//! An item bears a time of its own, which a wrong clock may have given it. So each is dated when it is
//! first seen: by its own time if that lies between the last look and this one, else by this one. It
//! is then never removed early, and kept too long by no more than the time between two looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Retention;
use super::clock::{self, ClockVerdict, DAY_MS, HOUR_MS, SeenTimes};
use super::generations::{Dated, RetentionPolicy, choose_removals};
use crate::names::GenerationId;

/// How long everything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Generations.
    pub generations: RetentionPolicy,
    /// Rows that were set aside. Days.
    pub quarantine_days: u64,
    /// Downloads and half-made generations that a killed run has left. Hours.
    pub staging_hours: u64,
    /// Logs that are kept in the store. Days.
    pub logs_days: u64,
    /// Entries of the ledger. Days.
    pub ledger_days: u64,
    /// Events. Days.
    pub events_days: u64,
}

impl Default for Windows {
    /// Ninety days of generations and 180 of events, as Nexthink keeps its own.
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

/// What can be kept for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A generation.
    Generation,
    /// Rows that were set aside.
    Quarantine,
    /// What a run has not finished.
    Staging,
    /// A log.
    Log,
}

/// Something in a store that is kept for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its path below the tenant's folder.
    pub name: String,
    /// The time that it bears, milliseconds since 1970-01-01 UTC.
    pub own_ms: u64,
    /// Whether it can be read.
    pub is_whole: bool,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// What it is.
    pub kind: ItemKind,
    /// Its path below the tenant's folder.
    pub name: String,
    /// How old it counts as, milliseconds since 1970-01-01 UTC.
    pub dated_ms: u64,
}

/// What is remembered from one look to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionState {
    #[serde(flatten)]
    times: SeenTimes,
    /// The items by name.
    items: BTreeMap<String, Seen>,
    /// The last entry of the ledger at times about a day apart: entry, time.
    ledger: BTreeMap<u64, u64>,
}

/// When an item was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// The time that it bore.
    own_ms: u64,
    /// How old it counts as.
    dated_ms: u64,
}

/// What goes, and what is remembered once it has gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Whether the clock is believed; nothing goes unless it is.
    pub clock: ClockVerdict,
    /// What goes, sorted by name.
    pub removals: Vec<Removal>,
    /// The last entry of the ledger that goes with all before it.
    pub ledger_through: Option<u64>,
    /// Events from before this go, milliseconds since 1970-01-01 UTC; by their own times, which are
    /// those of another clock. The caller removes them, who knows their columns.
    pub events_from_ms: Option<u64>,
    /// What is to be remembered.
    pub state: RetentionState,
}

/// Decides what goes. `ledger_head` is the number of the ledger's last entry.
pub(super) fn plan(
    mut state: RetentionState,
    items: &[Item],
    current: Option<&GenerationId>,
    ledger_head: Option<u64>,
    retention: Retention<'_>,
) -> RetentionPlan {
    let Retention { windows, pinned, now_ms, accept_clock } = retention;
    let newest = items.iter().filter(|it| it.kind == ItemKind::Generation);
    let newest_ms = newest.map(|it| it.own_ms).max().unwrap_or(0);
    let last_look = state.times.believed_ms;
    let (clock, times) = clock::judge(state.times, newest_ms, now_ms, accept_clock);
    state.times = times;
    if clock != ClockVerdict::Steady {
        let (removals, ledger_through, events_from_ms) = (Vec::new(), None, None);
        return RetentionPlan { clock, removals, ledger_through, events_from_ms, state };
    }
    let dated: Vec<(&Item, u64)> = items
        .iter()
        .map(|item| (item, date_of(item, state.items.get(&item.name), last_look, now_ms)))
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

/// How old an item counts as.
fn date_of(item: &Item, seen: Option<&Seen>, last_look: Option<u64>, now_ms: u64) -> u64 {
    if let Some(seen) = seen
        && seen.own_ms == item.own_ms
    {
        return seen.dated_ms;
    }
    let is_possible = item.own_ms <= now_ms && last_look.is_none_or(|last| item.own_ms >= last);
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
        .filter(|it| !pinned.iter().any(|name| name == it.name))
        .map(|it| Removal {
            kind: ItemKind::Generation,
            name: it.name.to_owned(),
            dated_ms: it.at_ms,
        })
        .collect()
}

/// The last entry that was there already when the window began. Entries are dated by when the ledger
/// was looked at, not by the times in them, which a wrong clock may have given them.
fn expired_entries(
    marks: &mut BTreeMap<u64, u64>,
    head: Option<u64>,
    windows: &Windows,
    now_ms: u64,
) -> Option<u64> {
    let window_ms = windows.ledger_days * DAY_MS;
    let through =
        marks.iter().rfind(|(_, at)| now_ms.saturating_sub(**at) > window_ms).map(|it| *it.0);
    if let Some(through) = through {
        marks.retain(|sequence, _| *sequence > through);
    }
    let last = marks.last_key_value().map(|(sequence, at)| (*sequence, *at));
    if let Some(head) = head
        // Some hours less than a day, since a daily run is not always at the same minute.
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
