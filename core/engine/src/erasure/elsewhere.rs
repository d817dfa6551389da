//! The places outside the store that may still have an erased person or device.

use core_store::TenantStore;

use super::Erased;
use crate::destinations::DestinationKind;
use crate::engine::Engine;
use crate::mirrors;
use crate::settings::Settings;

/// Returns remarks about other places that may still have what was erased, and how it is deleted there: destinations
/// that were delivered to, and if none is configured, whatever was exported by hand.
pub fn elsewhere(engine: Engine<'_>, tenant: &TenantStore, erased: &Erased) -> Vec<String> {
    let (settings, program) = (engine.settings, &engine.host.program);
    let certificate = &erased.certificate;
    let removed = certificate.rows_removed + certificate.texts_emptied + certificate.events_removed;
    if removed == 0 && certificate.damaged_generations_removed.is_empty() {
        return Vec::new();
    }
    let subject = format!("this {}", if certificate.kind == "user" { "person" } else { "device" });
    let kinds = DestinationKind::MIRRORS.into_iter().chain([DestinationKind::JupiterOne]);
    let (mut remarks, mut has_destination) = (Vec::new(), false);
    for kind in kinds {
        let Some(place) = place(kind, settings) else { continue };
        has_destination = true;
        if mirrors::was_delivered(tenant, kind.name()) {
            let run = if kind.is_after_run(settings) { "the next run or " } else { "" };
            let name = kind.name();
            remarks.push(format!(
                "{place} may still hold {subject}: {run}`{program} sync {name}` deletes it there"
            ));
        }
    }
    remarks.extend(events_at_jupiterone(settings, tenant, program));
    if !has_destination && !erased.keys.is_empty() {
        remarks.push(
            "no destination is configured: where this was exported to, delete the objects with these keys by hand"
                .to_owned(),
        );
        remarks.extend(erased.keys.iter().cloned());
    }
    remarks
}

/// Returns how events of the audit trail are removed from JupiterOne, if it has any: no delivery deletes them.
fn events_at_jupiterone(
    settings: &Settings,
    tenant: &TenantStore,
    program: &str,
) -> Option<String> {
    settings.jupiterone.as_ref()?;
    let name = core_jupiterone::delivered_events(tenant)?;
    Some(format!(
        "events of the audit trail at JupiterOne are not deleted by that: `{program} purge jupiterone --type {name}` \
         removes all of them, and the next `{program} sync jupiterone` brings back those that are stored here"
    ))
}

/// The place of a destination, if it is configured.
fn place(kind: DestinationKind, settings: &Settings) -> Option<String> {
    match kind {
        DestinationKind::JupiterOne => {
            settings.jupiterone.as_ref().map(|_| "JupiterOne".to_owned())
        }
        DestinationKind::Postgres => settings.postgres.as_ref().map(|to| to.settings.place()),
        DestinationKind::Delta => settings.delta.as_ref().map(|to| to.settings.place()),
        DestinationKind::Neo4j => settings.neo4j.as_ref().map(|to| to.settings.place()),
    }
}
