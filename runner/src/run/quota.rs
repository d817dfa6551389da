//! The day's exports: what is left of them, counted in a file before each start, so that no crash
//! forgets one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use core_nexthink::{NexthinkError, QuotaLedger};
use core_store::{RunLock, TenantStore};

use crate::exit::{Exit, Failure};
use crate::system::Moment;

/// The state in the tenant's part of the store.
const STATE: &str = "quota";

/// The day's exports of one tenant, for all exports of a run.
#[derive(Debug, Clone)]
pub(crate) struct Quota(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    lock: RunLock,
    ledger: QuotaLedger,
    /// How many may be started within 24 hours.
    limit: u32,
    /// How many of those left are promised to exports that have not started.
    reserved: u32,
}

/// What is left of the day's exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) exports: u32,
    pub(crate) of: u32,
    /// Until when Nexthink asked to be left alone.
    pub(crate) deferred_until: Option<Moment>,
}

/// What is left for a tenant, without its lock.
pub(crate) fn left(tenant: &TenantStore, limit: u32) -> Result<Left, Failure> {
    let (ledger, now) = (read(tenant)?, Moment::now().0);
    Ok(Left {
        exports: ledger.left(limit, now),
        of: limit,
        deferred_until: ledger.deferred_until(now).map(Moment),
    })
}

impl Quota {
    /// Reads what earlier runs counted.
    pub(super) fn open(lock: &RunLock, limit: u32) -> Result<Quota, Failure> {
        let read = read(lock.tenant())?;
        let mut ledger = read.clone();
        // Kept at once: a start from the future, since the clock was set back, becomes one of now.
        ledger.prune(Moment::now().0);
        let is_changed = ledger != read;
        let counted = Counted { lock: lock.clone(), ledger, limit, reserved: 0 };
        if is_changed {
            counted.save()?;
        }
        Ok(Quota(Arc::new(Mutex::new(counted))))
    }

    /// Promises a run its exports, or says when they can be had.
    ///
    /// # Errors
    /// The run is deferred: Nexthink asked to wait, or the day's rest is not enough.
    pub(super) fn reserve_run(&self, needed: u32) -> Result<(), Failure> {
        let now = Moment::now();
        let mut counted = self.counted();
        if let Some(until) = counted.ledger.deferred_until(now.0) {
            let message = format!(
                "Nexthink asked for no more exports for now: not before {}",
                Moment(until).to_rfc3339()
            );
            return Err(Failure { exit: Exit::Deferred, error: anyhow::Error::msg(message) });
        }
        let (left, limit) = (counted.left(now), counted.limit);
        if needed > left {
            let earliest = counted.ledger.earliest(limit, needed.min(limit), now.0);
            let earliest = Moment(earliest.unwrap_or(now.0)).to_rfc3339();
            let message = if needed > limit {
                format!(
                    "this run needs {needed} exports, and Nexthink allows {limit} a day: run fewer \
                     steps, or split fewer queries into parts"
                )
            } else {
                format!(
                    "this run needs {needed} exports, and {left} of the day's {limit} are left: not \
                     before {earliest}"
                )
            };
            return Err(Failure { exit: Exit::Deferred, error: anyhow::Error::msg(message) });
        }
        counted.reserved += needed;
        Ok(())
    }

    /// Promises so many exports, if there are as many left. Otherwise says how many there are.
    pub(super) fn reserve(&self, needed: u32) -> Result<(), u32> {
        let mut counted = self.counted();
        let left = counted.left(Moment::now());
        if needed > left {
            return Err(left);
        }
        counted.reserved += needed;
        Ok(())
    }

    /// Gives a promise back.
    pub(super) fn release(&self, promised: u32) {
        let mut counted = self.counted();
        counted.reserved = counted.reserved.saturating_sub(promised);
    }

    /// Counts a start that is about to be asked for.
    ///
    /// # Errors
    /// Nothing is left, or it cannot be counted.
    pub(super) fn starting(&self, is_promised: bool) -> Result<(), NexthinkError> {
        let now = Moment::now();
        let mut counted = self.counted();
        if is_promised {
            counted.reserved = counted.reserved.saturating_sub(1);
        } else if counted.left(now) == 0 {
            let limit = counted.limit;
            let not_before = counted.ledger.earliest(limit, 1, now.0).unwrap_or(now.0);
            return Err(NexthinkError::QuotaExhausted { limit, not_before_ms: not_before });
        }
        counted.ledger.count(now.0);
        counted.save()
    }

    /// Takes the last count back: the start was refused.
    pub(super) fn not_started(&self) {
        let mut counted = self.counted();
        counted.ledger.take_back();
        if let Err(error) = counted.save() {
            tracing::warn!(%error, "an export that was refused stays counted");
        }
    }

    /// Keeps in mind that Nexthink asked to wait, for the next run too.
    pub(super) fn defer(&self, until: Moment) {
        let mut counted = self.counted();
        counted.ledger.defer(until.0);
        if let Err(error) = counted.save() {
            tracing::warn!(%error, "the next run will not know that Nexthink asked to wait");
        }
    }

    /// Until when Nexthink wants to be left alone.
    pub(super) fn deferred_until(&self) -> Option<Moment> {
        self.counted().ledger.deferred_until(Moment::now().0).map(Moment)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// What is neither used nor promised.
    fn left(&self, now: Moment) -> u32 {
        self.ledger.left(self.limit, now.0).saturating_sub(self.reserved)
    }

    fn save(&self) -> Result<(), NexthinkError> {
        let bytes = serde_json::to_vec(&self.ledger).map_err(std::io::Error::other);
        let saved =
            bytes.and_then(|it| self.lock.set_state(STATE, &it).map_err(std::io::Error::other));
        saved.map_err(|error| NexthinkError::Journal { source: Arc::new(error) })
    }
}

fn read(tenant: &TenantStore) -> Result<QuotaLedger, Failure> {
    let Some(bytes) = tenant.state(STATE)? else { return Ok(QuotaLedger::default()) };
    let read = serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "the file {STATE}.json of tenant {} is damaged; it only counts the exports of the past \
             24 hours, so it may be removed",
            tenant.name()
        )
    });
    Ok(read?)
}
