//! Checks the needs of a run on this machine: the store, its lock, disk space, and the rest of the
//! quota.

use crate::run;
use crate::run::space::Space;
use core_nexthink::ClockOffset;
use core_store::{Store, StoreError, TenantStore};
use core_terminal::bytes;

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};

/// The free space below which a large export and a generation may not fit. Bytes.
const LITTLE_ROOM: u64 = 2_000_000_000;

/// Checks everything but the quota.
pub(super) fn check(engine: Engine<'_>) -> Checks {
    let mut checks = Checks::default();
    let tenant = Store::open(engine.settings.store.clone())
        .and_then(|store| store.tenant(engine.settings.tenant.as_str()));
    match tenant {
        Ok(tenant) => {
            check_lock(&tenant, &mut checks);
            checks.push(check_disk(engine));
            check_generation(&tenant, &mut checks);
        }
        Err(error) => checks.push(failed("store", error)),
    }
    checks
}

/// Checks that a run could start its exports now. If the clocks disagree, Nexthink's counts.
pub(super) fn check_quota(engine: Engine<'_>, offset: Option<ClockOffset>, checks: &mut Checks) {
    let cost = run::plan(engine, &[]).and_then(|plan| run::cost(&plan, engine, offset));
    checks.push(match cost {
        Ok(cost) if cost.is_affordable() => Check::ok("quota", cost.to_string()),
        Ok(cost) => Check::failed("quota", FailureKind::Deferred, cost.to_string()),
        Err(failure) => Check::failed_with("quota", &failure),
    });
}

fn check_lock(tenant: &TenantStore, checks: &mut Checks) {
    checks.push(match tenant.lock_owner() {
        Ok(None) => Check::ok("lock", "no run has it"),
        Ok(Some(owner)) => Check::warning("lock", format!("a run has it: {owner}")),
        Err(error) => failed("lock", error),
    });
}

fn check_disk(engine: Engine<'_>) -> Check {
    let space = Space::of(engine).and_then(|space| space.check().map(|()| space));
    let (needed, free) = match space {
        Ok(Space { needed, free: Some(free) }) => (needed, free),
        Ok(_) => return Check::skipped("disk", "this system does not tell what is free"),
        Err(failure) => return Check::failed_with("disk", &failure),
    };
    match needed {
        // The space that the first run will take is unknown.
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
    let Failure { kind, error } = Failure::from(error);
    // Before anything is written, the place is the cause, as for a run.
    let kind = if is_place { FailureKind::Configuration } else { kind };
    Check::failed(name, kind, format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::super::CheckState;
    use super::*;

    #[test]
    fn a_place_that_cannot_be_used_is_a_wrong_setting_and_damage_is_refused_data() {
        let io = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let table = [
            (
                StoreError::Io { action: "read", path: "store".into(), source: io() },
                FailureKind::Configuration,
            ),
            (StoreError::Locked { owner: "p".to_owned() }, FailureKind::Locked),
            (StoreError::NotCleansed { id: "g".to_owned() }, FailureKind::DataRefused),
        ];
        for (error, kind) in table {
            let mut checks = Checks::default();
            checks.push(failed("store", error));
            let (found, check) = checks.first_failed().expect("it failed");
            assert_eq!((found, check.state), (kind, CheckState::Failed), "{check:?}");
        }
    }
}
