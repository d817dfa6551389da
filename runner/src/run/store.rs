//! The store of a run: its lock, and what is published in it.

use core_store::{Generation, RunLock, Store, TenantStore};

use crate::config::Config;
use crate::exit::{Failure, failure_of_place};
use crate::ledger::{self, Event};
use crate::privacy::{self, Recleansing};
use crate::system::Moment;

/// The locked store of a tenant, with everybody taken out who was erased.
pub(super) struct OpenedStore {
    pub(super) lock: RunLock,
    pub(super) previous: Option<Generation>,
    /// Why erasures are not finished, a sentence each.
    pub(super) unfinished_erasures: Vec<String>,
}

/// Locks the store and takes out everybody who was erased and has come back.
pub(super) fn open_store(config: &Config) -> Result<OpenedStore, Failure> {
    let lock = lock(config)?;
    let Recleansing { has_come_back, shortfalls } = privacy::cleanse_what_came_back(config, &lock)?;
    if has_come_back {
        ledger::record(lock.tenant(), &Event::SuppressionsApplied {})?;
    }
    let previous = lock.tenant().current()?;
    if let Some(previous) = &previous {
        check_region(config, previous)?;
    }
    Ok(OpenedStore { lock, previous, unfinished_erasures: shortfalls })
}

/// The right to write to the tenant's part of the store.
pub(crate) fn lock(config: &Config) -> Result<RunLock, Failure> {
    let tenant = Store::open(config.store.clone())?.tenant(config.tenant.as_str())?;
    lock_tenant(&tenant)
}

/// The same for any tenant of a store. The ledger has an entry for each generation that goes with what
/// killed runs have left.
pub(crate) fn lock_tenant(tenant: &TenantStore) -> Result<RunLock, Failure> {
    let lock = tenant.lock_and_tell(&owner(), &mut |generation| {
        let event = Event::UnpublishedRemoved { generation: generation.as_str() };
        ledger::record(tenant, &event).map(drop)
    });
    lock.map_err(failure_of_place)
}

/// Who has a lock, for whoever finds it taken.
pub(crate) fn owner() -> String {
    format!("process {}, since {}", std::process::id(), Moment::now().to_rfc3339())
}

/// Refuses to go on from a generation of another region.
pub(crate) fn check_region(config: &Config, published: &Generation) -> Result<(), Failure> {
    let region = &published.manifest().region;
    if region == config.region.as_str() {
        return Ok(());
    }
    // A tenant of the same name elsewhere is another one: everything would be taken for gone.
    Err(Failure::usage(format!(
        "the store holds tenant {} of region {region}, and `nexthink.region` is {}: give this one a \
         store of its own in `store.location`",
        config.tenant.as_str(),
        config.region.as_str()
    )))
}
