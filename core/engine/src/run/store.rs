//! The store of a run: its lock, and the published generation.

use core_store::{Generation, RunLock, TenantStore};

use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::erasure::{self, Recleansing};
use crate::failure::{Failure, failure_of_place};
use crate::host::Host;
use crate::ledger::{self, Event};

/// The locked store of a tenant, without erased people.
pub(super) struct OpenedStore {
    pub(super) lock: RunLock,
    pub(super) previous: Option<Generation>,
    /// The reasons why erasures are not finished, a sentence each.
    pub(super) unfinished_erasures: Vec<String>,
}

/// Locks the store and removes erased people who have come back. All work under the lock, including retention after
/// the run, ends once a stop is requested.
pub(super) fn open_store(
    engine: Engine<'_>,
    cancellation: &Cancellation,
) -> Result<OpenedStore, Failure> {
    let tenant = engine.tenant()?.with_stop(cancellation.stop_flag());
    let lock = lock_tenant(engine.host, &tenant)?;
    let Recleansing { has_come_back, shortfalls } = erasure::cleanse_what_came_back(engine, &lock)?;
    if has_come_back {
        ledger::record(engine.host, lock.tenant(), &Event::SuppressionsApplied {})?;
    }
    let previous = lock.tenant().current()?;
    if let Some(previous) = &previous {
        check_region(engine, previous)?;
    }
    Ok(OpenedStore { lock, previous, unfinished_erasures: shortfalls })
}

/// Locks a tenant's part of the store for writing, and removes the leftovers of killed runs. The ledger gets an entry
/// for each generation among them.
///
/// # Errors
/// Another process has the lock, or the place cannot be used.
pub fn lock_tenant(host: &Host, tenant: &TenantStore) -> Result<RunLock, Failure> {
    let lock = tenant.lock_and_tell(&host.lock_owner(), &mut |generation| {
        let event = Event::UnpublishedRemoved { generation: generation.as_str() };
        ledger::record(host, tenant, &event).map(drop)
    });
    lock.map_err(failure_of_place)
}

/// Refuses to build on a generation of another region.
///
/// # Errors
/// The published generation is of another region.
pub fn check_region(engine: Engine<'_>, published: &Generation) -> Result<(), Failure> {
    let region = &published.manifest().region;
    if region == engine.settings.region.as_str() {
        return Ok(());
    }
    // A tenant of the same name in another region is a different one: all of its objects would count as gone.
    Err(Failure::configuration(format!(
        "the store holds tenant {} of region {region}, and `nexthink.region` is {}: give this one a \
         store of its own in `store.location`",
        engine.settings.tenant.as_str(),
        engine.settings.region.as_str()
    )))
}
