//! All tenants, and which of them to start now.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::tenant::{Ended, LastRun, Notice, Tenant, TenantSettings, TenantState, TenantStatus};

/// The tenants of a fleet.
#[derive(Debug, Default)]
pub struct Fleet {
    tenants: BTreeMap<String, Tenant>,
    /// The tenants that wait, by the time at which they are due.
    waiting: BTreeSet<(Timestamp, String)>,
    /// The time of the last call.
    clock: Option<Timestamp>,
}

/// A run to start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The name of the tenant.
    pub tenant: String,
    /// When it was due; earlier than now if it had to wait for a place.
    pub due: Timestamp,
}

impl Fleet {
    /// Adds a tenant, or takes over its changed settings; returns whether anything changed. `last` is the last run
    /// that the store knows of, so that a restart neither forgets nor repeats one; it counts for a new tenant only.
    ///
    /// Changed settings lift a pause. Equal ones touch nothing, so that all files can be read again at any time.
    pub fn set(
        &mut self,
        name: &str,
        settings: TenantSettings,
        last: Option<LastRun>,
        now: Timestamp,
    ) -> bool {
        self.see(now);
        if self.tenants.contains_key(name) {
            return self.change(name, |tenant| tenant.set(settings, now)).unwrap_or(false);
        }
        let tenant = Tenant::new(name, settings, last, now);
        self.waiting.extend(tenant.due().map(|due| (due, name.to_owned())));
        self.tenants.insert(name.to_owned(), tenant);
        true
    }

    /// Removes a tenant. A run that is going on goes on; [`Fleet::ended`] forgets the tenant then.
    pub fn remove(&mut self, name: &str) {
        if self.change(name, Tenant::remove) == Some(true) {
            self.forget(name);
        }
    }

    /// Lifts the pause of a tenant, and ends its wait after an unreachable source or refused credentials.
    pub fn resume(&mut self, name: &str, now: Timestamp) {
        self.see(now);
        self.change(name, |tenant| tenant.resume(now));
    }

    /// Returns the runs to start now, `free` at most, and counts them as running. The tenant that has been due for
    /// longest comes first, so that none starves.
    pub fn next(&mut self, now: Timestamp, free: usize) -> Vec<Start> {
        self.see(now);
        let due = self.waiting.iter().take_while(|(due, _)| *due <= now).take(free);
        let starts: Vec<Start> =
            due.map(|(due, name)| Start { tenant: name.clone(), due: *due }).collect();
        for start in &starts {
            self.change(&start.tenant, |tenant| tenant.start(now));
        }
        starts
    }

    /// Takes note of how a run ended. Returns what the operator should be told.
    pub fn ended(&mut self, name: &str, ended: Ended, now: Timestamp) -> Option<Notice> {
        self.see(now);
        let notice = self.change(name, |tenant| tenant.ended(ended, now))?;
        if self.tenants.get(name).is_some_and(Tenant::is_removed) {
            self.forget(name);
            return None;
        }
        notice
    }

    /// Returns when the next waiting tenant is due, which may be over; none if all are disabled, paused or running.
    /// Callers should not sleep longer than some minutes all the same, since the clock may be set meanwhile.
    pub fn wake_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.see(now);
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Returns what all tenants are doing, by name.
    pub fn status(&self) -> Vec<TenantStatus> {
        self.tenants.iter().map(|(name, tenant)| tenant.status(name)).collect()
    }

    /// Returns one line about all tenants: how many do what, and when the next run is due.
    pub fn summary(&self) -> String {
        let count = |is_it: fn(&TenantState) -> bool| {
            self.tenants.values().filter(|tenant| is_it(&tenant.state())).count()
        };
        let counts = [
            (count(|state| matches!(state, TenantState::Running { .. })), "running"),
            (count(|state| matches!(state, TenantState::Paused(_))), "paused"),
            (count(|state| *state == TenantState::Disabled), "disabled"),
        ];
        let word = if self.tenants.len() == 1 { "tenant" } else { "tenants" };
        let counts = [(self.tenants.len(), word)]
            .into_iter()
            .chain(counts.into_iter().filter(|(count, _)| *count > 0))
            .map(|(count, what)| format!("{count} {what}"));
        let line = counts.collect::<Vec<_>>().join(", ");
        match self.waiting.first() {
            Some((due, _)) => format!("{line}; next run at {due:.0}"),
            None => line,
        }
    }

    /// Compares the clock with that of the last call. If it went back, due times that were computed from the later time
    /// would let tenants wait for as long as it was ahead.
    fn see(&mut self, now: Timestamp) {
        if self.clock.is_some_and(|clock| now < clock) {
            let names: Vec<String> = self.tenants.keys().cloned().collect();
            for name in names {
                self.change(&name, |tenant| tenant.clock_went_back(now));
            }
        }
        self.clock = Some(now);
    }

    /// Changes a tenant, and its place among those that wait.
    fn change<T>(&mut self, name: &str, change: impl FnOnce(&mut Tenant) -> T) -> Option<T> {
        let tenant = self.tenants.get_mut(name)?;
        let before = tenant.due();
        let changed = change(tenant);
        let after = tenant.due();
        if before != after {
            if let Some(due) = before {
                self.waiting.remove(&(due, name.to_owned()));
            }
            self.waiting.extend(after.map(|due| (due, name.to_owned())));
        }
        Some(changed)
    }

    fn forget(&mut self, name: &str) {
        let due = self.tenants.remove(name).and_then(|tenant| tenant.due());
        if let Some(due) = due {
            self.waiting.remove(&(due, name.to_owned()));
        }
    }
}
