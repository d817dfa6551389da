//! The daily quota of exports. Each start is counted in a file before it is requested, so that no crash forgets one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use core_bucket::wait_in_place;
use core_nexthink::{ClockOffset, NexthinkError, QuotaState};
use core_store::{RunLock, TenantStore};

use crate::failure::{Failure, FailureKind, journal_error};
use crate::host::Host;
use crate::moment::Moment;

/// The state in the tenant's part of the store.
const STATE: &str = "quota";

/// The quota of one tenant, shared by all exports of a run.
#[derive(Debug, Clone)]
pub struct Quota(Arc<Mutex<Counted>>);

#[derive(Debug)]
struct Counted {
    lock: RunLock,
    ledger: QuotaState,
    clock: QuotaClock,
    /// The number of exports that may be started within 24 hours.
    limit: u32,
    /// The number of reserved exports that have not started.
    reserved: u32,
    started: StartedExports,
    host: Host,
}

/// The number of exports that a run has started. It outlives a run that fails.
#[derive(Debug, Clone, Default)]
pub struct StartedExports(Arc<AtomicU32>);

impl StartedExports {
    /// Returns the number so far.
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The clock by which a run counts its exports: Nexthink's, if this machine's disagrees with it.
///
/// It counts from one reading, so setting the clock during the run changes nothing.
#[derive(Debug, Clone, Copy)]
pub struct QuotaClock {
    read_ms: u64,
    read_at: Instant,
}

impl QuotaClock {
    /// Reads this machine's clock, and corrects it by Nexthink's if that is known.
    pub fn read(host: &Host, offset: Option<ClockOffset>) -> QuotaClock {
        let local_ms = host.now().0;
        let read_ms = offset.map_or(local_ms, |offset| offset.reference_ms(local_ms));
        QuotaClock { read_ms, read_at: Instant::now() }
    }

    /// Returns the present time.
    pub fn now(self) -> Moment {
        Moment(self.read_ms).after(self.read_at.elapsed())
    }

    /// Returns the later time of this clock and this machine's. Items that are dated by a slow clock would be removed
    /// early; items that are dated ahead count from when they are first seen.
    pub(super) fn latest(self, host: &Host) -> Moment {
        self.now().max(host.now())
    }
}

/// The rest of the day's exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// The number of exports that are left.
    pub exports: u32,
    /// The daily limit of exports.
    pub of: u32,
    /// The time until which Nexthink asked to wait.
    pub deferred_until: Option<Moment>,
}

/// Returns the rest of a tenant's quota, without its lock.
pub fn left(tenant: &TenantStore, limit: u32, clock: QuotaClock) -> Result<Left, Failure> {
    let (ledger, now) = (read(tenant)?, clock.now().0);
    Ok(Left {
        exports: ledger.left(limit, now),
        of: limit,
        deferred_until: ledger.deferred_until(now).map(Moment),
    })
}

/// Returns the time from which a run can start, without the tenant's lock; None if that is now.
pub(super) fn earliest(
    tenant: &TenantStore,
    limit: u32,
    estimate: ExportEstimate,
    clock: QuotaClock,
) -> Result<Option<Moment>, Failure> {
    let earliest = read(tenant)?.earliest(limit, estimate.needed(limit), clock.now().0);
    Ok(earliest.map(Moment))
}

/// Exports that are reserved for a step. Dropping it frees those that were not started.
#[derive(Debug)]
pub(super) struct QuotaReservation {
    quota: Quota,
    exports: u32,
}

/// An estimate of the exports that a run will start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportEstimate {
    /// One for each query whose export no earlier run has left.
    pub wholes: u32,
    /// The parts that the last complete run needed.
    pub parts: u32,
}

impl ExportEstimate {
    /// Returns the number of all exports.
    pub fn all(self) -> u32 {
        self.wholes.saturating_add(self.parts)
    }

    /// Returns the number of exports without which a run does not start. The number of parts is a guess: if even a whole
    /// day's quota is not enough, the run starts without them.
    fn needed(self, limit: u32) -> u32 {
        if self.all() > limit { self.wholes } else { self.all() }
    }
}

impl Quota {
    /// Reads the counts of earlier runs.
    pub(super) fn open(lock: &RunLock, limit: u32, host: &Host) -> Result<Quota, Failure> {
        let ledger = read(lock.tenant())?;
        let (clock, host) = (QuotaClock::read(host, None), host.clone());
        let (lock, started) = (lock.clone(), StartedExports::default());
        let counted = Counted { lock, ledger, clock, limit, reserved: 0, started, host };
        Ok(Quota(Arc::new(Mutex::new(counted))))
    }

    /// Counts the starts of exports in `started` too.
    pub(super) fn counting(self, started: &StartedExports) -> Quota {
        self.counted().started = started.clone();
        self
    }

    /// Fails if Nexthink has asked to wait, by this machine's clock. It is checked before the first call, so that a
    /// throttled host is not called. A clock that is behind the recorded times proves nothing.
    ///
    /// # Errors
    ///
    /// The run is deferred.
    pub(super) fn check_deferral(&self) -> Result<(), Failure> {
        let counted = self.counted();
        let now = counted.clock.now();
        if counted.ledger.latest_ms().is_some_and(|latest_ms| latest_ms > now.0) {
            return Ok(());
        }
        counted.check_deferral(now)
    }

    /// Counts by Nexthink's clock from now on, if its offset is known and large.
    ///
    /// # Errors
    ///
    /// The corrected times cannot be kept.
    pub(super) fn set_clock(&self, offset: Option<ClockOffset>) -> Result<QuotaClock, Failure> {
        let mut counted = self.counted();
        counted.clock = QuotaClock::read(&counted.host, offset);
        let (now, before) = (counted.clock.now().0, counted.ledger.clone());
        match offset {
            Some(_) => counted.ledger.correct(now),
            None => counted.ledger.prune(now),
        }
        // Saved at once: starts that were dated by a clock that was ahead count for a day from now on.
        if counted.ledger != before {
            counted.save()?;
        }
        Ok(counted.clock)
    }

    /// Checks that the rest of the quota is enough for a run.
    ///
    /// # Errors
    /// The run is deferred: Nexthink asked to wait, or too few exports are left. A run whose queries exceed the daily
    /// quota is a failure of the configuration.
    pub(super) fn check_run(&self, estimate: ExportEstimate) -> Result<(), Failure> {
        if estimate.all() == 0 {
            return Ok(());
        }
        let counted = self.counted();
        let now = counted.clock.now();
        counted.check_deferral(now)?;
        let (left, limit) = (counted.left(now), counted.limit);
        if estimate.wholes > limit {
            let needed = estimate.wholes;
            return Err(Failure::configuration(format!(
                "this run needs {needed} exports and `nexthink.daily_exports` is {limit}: run fewer \
                 steps at once"
            )));
        }
        let needed = estimate.needed(limit);
        if needed <= left {
            return Ok(());
        }
        let earliest = counted.ledger.earliest(limit, needed, now.0).unwrap_or(now.0);
        let earliest = Moment(earliest).to_rfc3339();
        Err(deferred(format!(
            "this run needs {needed} exports, and {left} of the day's {limit} are left: not before \
             {earliest}"
        )))
    }

    /// Reserves this many exports if as many are left; otherwise returns the number that is left.
    pub(super) fn reserve(&self, exports: u32) -> Result<QuotaReservation, u32> {
        let mut counted = self.counted();
        let left = counted.left(counted.clock.now());
        if exports > left {
            return Err(left);
        }
        counted.reserved += exports;
        Ok(QuotaReservation { quota: self.clone(), exports })
    }

    /// Reserves up to this many exports, as many as are left.
    pub(super) fn reserve_up_to(&self, exports: u32) -> QuotaReservation {
        let mut counted = self.counted();
        let exports = exports.min(counted.left(counted.clock.now()));
        counted.reserved += exports;
        QuotaReservation { quota: self.clone(), exports }
    }

    /// Records that Nexthink asked to wait, for the next run too.
    pub(super) fn defer(&self, wait: Duration) {
        let mut counted = self.counted();
        let now = counted.clock.now();
        counted.ledger.defer(now.after(wait).0, now.0);
        if let Err(error) = counted.save() {
            tracing::warn!(%error, "the next run will not know that Nexthink asked to wait");
        }
    }

    /// Returns the time until which Nexthink asked to wait.
    pub(super) fn deferred_until(&self) -> Option<Moment> {
        let counted = self.counted();
        counted.ledger.deferred_until(counted.clock.now().0).map(Moment)
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        match self.0.try_lock() {
            Ok(counted) => counted,
            Err(TryLockError::Poisoned(counted)) => counted.into_inner(),
            // Another export is being saved, over a bucket perhaps.
            Err(TryLockError::WouldBlock) => {
                wait_in_place(|| self.0.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl QuotaReservation {
    /// The number of reserved exports.
    pub(super) fn exports(&self) -> u32 {
        self.exports
    }

    /// Splits off a reservation of this many exports, or of all that are left.
    pub(super) fn take(&mut self, exports: u32) -> QuotaReservation {
        let exports = exports.min(self.exports);
        self.exports -= exports;
        QuotaReservation { quota: self.quota.clone(), exports }
    }

    /// Adds another reservation.
    pub(super) fn add(&mut self, mut other: QuotaReservation) {
        self.exports += std::mem::take(&mut other.exports);
    }

    /// Counts a start that is about to be requested, from the reservation or else from the rest of the quota. Returns
    /// the time by the clock of the quota.
    ///
    /// # Errors
    /// Nothing is left, or it cannot be counted.
    pub(super) fn start(&mut self) -> Result<Moment, NexthinkError> {
        let mut counted = self.quota.counted();
        let now = counted.clock.now();
        if self.exports > 0 {
            self.exports -= 1;
            counted.reserved -= 1;
        } else if counted.left(now) == 0 {
            let limit = counted.limit;
            let not_before_ms = counted.ledger.earliest(limit, 1, now.0).unwrap_or(now.0);
            return Err(NexthinkError::QuotaExhausted { limit, not_before_ms });
        }
        counted.ledger.count(now.0);
        counted.save()?;
        counted.started.0.fetch_add(1, Ordering::Relaxed);
        Ok(now)
    }

    /// Reverts the last start, which was refused, and reserves the export again.
    pub(super) fn take_back(&mut self) {
        self.exports += 1;
        let mut counted = self.quota.counted();
        counted.ledger.take_back();
        counted.started.0.fetch_sub(1, Ordering::Relaxed);
        counted.reserved += 1;
        if let Err(error) = counted.save() {
            tracing::warn!(%error, "an export that was refused stays counted");
        }
    }
}

impl Drop for QuotaReservation {
    fn drop(&mut self) {
        self.quota.counted().reserved -= self.exports;
    }
}

fn deferred(message: String) -> Failure {
    Failure { kind: FailureKind::Deferred, error: anyhow::Error::msg(message) }
}

impl Counted {
    fn check_deferral(&self, now: Moment) -> Result<(), Failure> {
        let Some(until) = self.ledger.deferred_until(now.0) else { return Ok(()) };
        Err(deferred(format!(
            "Nexthink asked for no more exports for now: not before {}",
            Moment(until).to_rfc3339()
        )))
    }

    /// The number of exports that are neither used nor reserved.
    fn left(&self, now: Moment) -> u32 {
        self.ledger.left(self.limit, now.0).saturating_sub(self.reserved)
    }

    fn save(&self) -> Result<(), NexthinkError> {
        let bytes = serde_json::to_vec(&self.ledger).map_err(std::io::Error::other);
        let saved =
            bytes.and_then(|bytes| self.lock.set_state(STATE, &bytes).map_err(journal_error));
        saved.map_err(|error| NexthinkError::Journal { source: Arc::new(error) })
    }
}

fn read(tenant: &TenantStore) -> Result<QuotaState, Failure> {
    let Some(bytes) = tenant.state(STATE)? else { return Ok(QuotaState::default()) };
    let read = serde_json::from_slice(&bytes).with_context(|| {
        format!(
            "the file {STATE}.json of tenant {} is damaged; it only counts the exports of the past \
             24 hours, so it may be removed",
            tenant.name()
        )
    });
    Ok(read?)
}

#[cfg(test)]
mod tests;
