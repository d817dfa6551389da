//! The store of a run: its lock, and what is published in it.

use core_store::{Generation, RunLock, TenantStore};

use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::erasure::{self, Recleansing};
use crate::failure::{Failure, failure_of_place};
use crate::host::Host;
use crate::ledger::{self, Event};

/// The locked store of a tenant, with everybody taken out who was erased.
pub(super) struct OpenedStore {
    pub(super) lock: RunLock,
    pub(super) previous: Option<Generation>,
    /// The reasons why erasures are not finished, a sentence each.
    pub(super) unfinished_erasures: Vec<String>,
}

/// Locks the store and takes out everybody who was erased and has come back. All that is done with the lock, also
/// retention after the run, ends once a stop is asked for.
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

/// Takes the right to write to a tenant's part of the store. The ledger has an entry for each generation that
/// goes with what killed runs have left.
///
/// # Errors
/// Another process has it, or the place cannot be used.
pub fn lock_tenant(host: &Host, tenant: &TenantStore) -> Result<RunLock, Failure> {
    let lock = tenant.lock_and_tell(&host.lock_owner(), &mut |generation| {
        let event = Event::UnpublishedRemoved { generation: generation.as_str() };
        ledger::record(host, tenant, &event).map(drop)
    });
    lock.map_err(failure_of_place)
}

/// Refuses to go on from a generation of another region.
///
/// # Errors
/// It is of another region.
pub fn check_region(engine: Engine<'_>, published: &Generation) -> Result<(), Failure> {
    let region = &published.manifest().region;
    if region == engine.settings.region.as_str() {
        return Ok(());
    }
    // A tenant of the same name elsewhere is another one: everything would be taken for gone.
    Err(Failure::configuration(format!(
        "the store holds tenant {} of region {region}, and `nexthink.region` is {}: give this one a \
         store of its own in `store.location`",
        engine.settings.tenant.as_str(),
        engine.settings.region.as_str()
    )))
}
