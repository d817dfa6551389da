//! What a run needs on this machine: the store, its lock, room on the disk, and exports left.

use core_engine::run;
use core_engine::run::space::Space;
use core_engine::text::bytes;
use core_nexthink::ClockOffset;
use core_store::{Store, StoreError, TenantStore};

use super::{Check, Checks};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;

/// Below this there is hardly room for a large export and a generation, in bytes.
const LITTLE_ROOM: u64 = 2_000_000_000;

/// Checks all but the exports that are left.
pub(super) fn check(config: &Config) -> Checks {
    let mut checks = Checks(Vec::new());
    let tenant =
        Store::open(config.store.clone()).and_then(|store| store.tenant(config.tenant.as_str()));
    match tenant {
        Ok(tenant) => {
            check_lock(&tenant, &mut checks);
            checks.push(check_disk(config));
            check_generation(&tenant, &mut checks);
        }
        Err(error) => checks.push(failed("store", error)),
    }
    checks
}

/// Checks whether a run could start its exports now. Where the clocks disagree, Nexthink's counts.
pub(super) fn check_quota(config: &Config, offset: Option<ClockOffset>, checks: &mut Checks) {
    let cost =
        run::plan(engine(config), &[]).and_then(|plan| run::cost(&plan, engine(config), offset));
    checks.push(match cost {
        Ok(cost) if cost.is_affordable() => Check::ok("quota", cost.to_string()),
        Ok(cost) => Check::failed("quota", Exit::Deferred, cost.to_string()),
        Err(core_engine::Failure { kind, error }) => {
            Check::failed("quota", kind.into(), format!("{error:#}"))
        }
    });
}

fn check_lock(tenant: &TenantStore, checks: &mut Checks) {
    checks.push(match tenant.lock_owner() {
        Ok(None) => Check::ok("lock", "no run has it"),
        Ok(Some(owner)) => Check::warning("lock", format!("a run has it: {owner}")),
        Err(error) => failed("lock", error),
    });
}

fn check_disk(config: &Config) -> Check {
    let space = Space::of(engine(config)).and_then(|space| space.check().map(|()| space));
    let (needed, free) = match space {
        Ok(Space { needed, free: Some(free) }) => (needed, free),
        Ok(_) => return Check::skipped("disk", "this system does not tell what is free"),
        Err(core_engine::Failure { kind, error }) => {
            return Check::failed("disk", kind.into(), format!("{error:#}"));
        }
    };
    match needed {
        // Nothing tells what the first run will take.
        None if free < LITTLE_ROOM => {
            let detail = format!("only {} are free; make room, or move the store", bytes(free));
            Check::warning("disk", detail)
        }
        None => Check::ok("disk", format!("{} are free", bytes(free))),
        Some(needed) => {
            let (free, needed) = (bytes(free), bytes(needed));
            Check::ok("disk", format!("{free} are free, and the last run took {needed}"))
        }
    }
}

fn check_generation(tenant: &TenantStore, checks: &mut Checks) {
    checks.push(match tenant.current() {
        Ok(Some(generation)) => {
            let created = &generation.manifest().created_at;
            Check::ok("store", format!("generation {} of {created}", generation.id()))
        }
        Ok(None) => Check::ok("store", "no generation yet"),
        Err(error) => failed("store", error),
    });
}

fn failed(name: &str, error: StoreError) -> Check {
    let is_place = matches!(error, StoreError::Io { .. });
    let Failure { exit, error } = Failure::from(error);
    // Before anything is written it is the place that is wrong, as for a run.
    let exit = if is_place { Exit::Configuration } else { exit };
    Check::failed(name, exit, format!("{error:#}"))
}
