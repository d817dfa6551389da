//! Checks that the content of the store fits the settings, which a run requires.

use crate::audit;
use crate::privacy;
use crate::run::{self, RunOptions};
use core_store::{Store, TenantStore};

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::{Failure, FailureKind};

/// Checks that the store can be written to, and that a run may build on its content. The checks of the store itself
/// have reported unreadable files.
pub(super) fn check(engine: Engine<'_>, checks: &mut Checks) {
    checks.push(check_writing(engine));
    let store = Store::open(engine.settings.store.clone());
    let Ok(tenant) = store.and_then(|store| store.tenant(engine.settings.tenant.as_str())) else {
        return;
    };
    let table = [
        ("plan", check_plan as fn(Engine<'_>, &TenantStore) -> Result<Option<String>, Failure>),
        ("region of the store", check_region),
        ("privacy", check_privacy),
        ("audit events", check_events),
    ];
    for (name, check) in table {
        match check(engine, &tenant) {
            Ok(None) => {}
            Ok(Some(detail)) => checks.push(Check::ok(name, detail)),
            Err(failure) => checks.push(Check::failed_with(name, &failure)),
        }
    }
}

/// Checks that this user may write where a run would: to the existing folders of the store, or else to the folder in
/// which the first of them would be made. Nothing is written.
fn check_writing(engine: Engine<'_>) -> Check {
    let name = "writing";
    let store = engine.settings.store.folder();
    let tenant = store.join(engine.settings.tenant.as_str());
    let below = ["generations", "staging", "state"].map(|folder| tenant.join(folder));
    let mut folders: Vec<_> = below.into_iter().filter(|folder| folder.is_dir()).collect();
    let nearest = std::path::absolute(&tenant).unwrap_or_else(|_| tenant.clone());
    let nearest = nearest.ancestors().find(|folder| folder.symlink_metadata().is_ok());
    folders.extend(nearest.map(std::path::Path::to_owned));
    for folder in &folders {
        if let Err(error) = core_files::ensure_writable(folder) {
            let detail = format!(
                "cannot write to {}: {error}; give this user the right to, or move the store \
                 (`store.location`)",
                folder.display()
            );
            return Check::failed(name, FailureKind::Configuration, detail);
        }
    }
    Check::ok(name, "the store can be written to")
}

fn check_plan(engine: Engine<'_>, _: &TenantStore) -> Result<Option<String>, Failure> {
    run::checked_plan(engine, &RunOptions::default())?;
    Ok(None)
}

fn check_region(engine: Engine<'_>, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    let Ok(Some(published)) = tenant.current() else { return Ok(None) };
    run::check_region(engine, &published)?;
    Ok(Some(format!("it holds data of region {}, as configured", engine.settings.region)))
}

/// Checks that the key that the profile needs exists, and that a run may replace a generation that was published
/// under other settings.
fn check_privacy(engine: Engine<'_>, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    let mark = privacy::of_run(engine, tenant)?.mark;
    let Ok(Some(published)) = tenant.current() else { return Ok(Some(shown(&mark.profile))) };
    if privacy::is_like(&published, &mark) {
        return Ok(Some(shown(&mark.profile)));
    }
    privacy::check_replaces_all(&published, &run::plan(engine, &[])?)?;
    Ok(Some(format!(
        "profile {}; it or the key has changed, so that the next run replaces everything",
        mark.profile
    )))
}

fn shown(profile: &str) -> String {
    format!("profile {profile}")
}

fn check_events(engine: Engine<'_>, tenant: &TenantStore) -> Result<Option<String>, Failure> {
    if engine.settings.audit.is_none() {
        return Ok(None);
    }
    audit::check_settings(engine, tenant)?;
    Ok(Some("the stored events show people as the settings say".to_owned()))
}
