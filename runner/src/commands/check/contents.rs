//! What the store holds against what the configuration says now: a run refuses what does not fit, so that
//! `check` has to say so first.

use core_engine::audit;
use core_engine::privacy;
use core_engine::run::{self, RunOptions};
use core_store::{Location, Store, TenantStore};

use super::{Check, Checks};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::host::engine;
use crate::system;

/// Checks whether the store can be written to, and whether a run may go on from what it holds. What
/// cannot be read was told by the checks of the store itself.
pub(super) fn check(config: &Config, checks: &mut Checks) {
    checks.push(check_writing(config));
    let store = Store::open(config.store.clone());
    let Ok(tenant) = store.and_then(|store| store.tenant(config.tenant.as_str())) else { return };
    let table = [
        ("plan", check_plan as fn(&Config, &TenantStore) -> Result<Option<String>, Failure>),
        ("region of the store", check_region),
        ("privacy", check_privacy),
        ("audit events", check_events),
    ];
    for (name, check) in table {
        match check(config, &tenant) {
            Ok(None) => {}
            Ok(Some(detail)) => checks.push(Check::ok(name, detail)),
            Err(Failure { exit, error }) => {
                checks.push(Check::failed(name, exit, format!("{error:#}")));
            }
        }
    }
}

/// Returns whether this user may write where a run would: to the folders of the store that exist, or else to the
/// one in which the first of them would be made. Nothing is written.
fn check_writing(config: &Config) -> Check {
    let name = "writing";
    let Location::Folder(store) = &config.store else {
        return Check::skipped(name, "the store is no folder of this machine");
    };
    let tenant = store.join(config.tenant.as_str());
    let below = ["generations", "staging", "state"].map(|folder| tenant.join(folder));
    let mut folders: Vec<_> = below.into_iter().filter(|folder| folder.is_dir()).collect();
    let nearest = std::path::absolute(&tenant).unwrap_or_else(|_| tenant.clone());
    let nearest = nearest.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    folders.extend(nearest.map(std::path::Path::to_owned));
    for folder in &folders {
        if let Err(error) = system::ensure_writable(folder) {
            let detail = format!(
                "cannot write to {}: {error}; give this user the right to, or move the store \
                 (`store.location`)",
                folder.display()
            );
            return Check::failed(name, Exit::Configuration, detail);
        }
    }
    Check::ok(name, "the store can be written to")
}

fn check_plan(config: &Config, _: &TenantStore) -> Result<Option<String>, Failure> {
    run::checked_plan(engine(config), &RunOptions::default())?;
    Ok(None)
}

fn check_region(config: &Config, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    let Ok(Some(published)) = tenant.current() else { return Ok(None) };
    run::check_region(engine(config), &published)?;
    Ok(Some(format!("it holds data of region {}, as configured", config.region)))
}

/// Returns whether the key is there that the profile needs, and whether a run may replace what was published
/// under other settings.
fn check_privacy(config: &Config, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    let mark = privacy::of_run(engine(config), tenant)?.mark;
    let Ok(Some(published)) = tenant.current() else { return Ok(Some(shown(&mark.profile))) };
    if privacy::is_like(&published, &mark) {
        return Ok(Some(shown(&mark.profile)));
    }
    privacy::check_replaces_all(&published, &run::plan(engine(config), &[])?)?;
    Ok(Some(format!(
        "profile {}; it or the key has changed, so that the next run replaces everything",
        mark.profile
    )))
}

fn shown(profile: &str) -> String {
    format!("profile {profile}")
}

fn check_events(config: &Config, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    if config.audit.is_none() {
        return Ok(None);
    }
    audit::check_settings(engine(config), tenant)?;
    Ok(Some("the stored events show people as the settings say".to_owned()))
}
