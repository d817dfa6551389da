//! The places outside the store that may still have an erased person or device.

use core_store::TenantStore;

use super::Erased;
use crate::destinations::DestinationKind;
use crate::engine::Engine;
use crate::mirrors;
use crate::settings::Settings;

/// A place that was delivered to.
struct Place {
    kind: DestinationKind,
    /// The place, in words.
    name: String,
    /// True if the next delivery goes there.
    is_configured: bool,
}

/// Returns remarks about other places that may still have what was erased, and how it is deleted there: places that were
/// delivered to, configured still or not, and whatever was exported by hand. The keys follow if a place needs them: they
/// name the person in whatever keeps what this process prints.
pub fn elsewhere(engine: Engine<'_>, tenant: &TenantStore, erased: &Erased) -> Vec<String> {
    let (settings, program) = (engine.settings, &engine.host.program);
    let certificate = &erased.certificate;
    let removed = certificate.rows_removed + certificate.texts_emptied + certificate.events_removed;
    if removed == 0 && certificate.damaged_generations_removed.is_empty() {
        return Vec::new();
    }
    let subject = format!("this {}", if certificate.kind == "user" { "person" } else { "device" });
    let places: Vec<Place> = places(settings, tenant).collect();
    let needs_keys = places.iter().any(|place| !place.is_configured)
        || kinds().all(|kind| configured_place(kind, settings).is_none());
    let mut remarks: Vec<String> = places
        .iter()
        .map(|place| {
            let (name, after_run) = (place.kind.name(), place.kind.is_after_run(settings));
            let run = if after_run { "the next run or " } else { "" };
            let remedy = if place.is_configured {
                format!("{run}`{program} sync {name}` deletes it there")
            } else if erased.keys.is_empty() {
                "no delivery goes there now, so delete it there by hand".to_owned()
            } else {
                "no delivery goes there now, so delete the objects of the keys below there by hand"
                    .to_owned()
            };
            format!("{} may still hold {subject}: {remedy}", place.name)
        })
        .collect();
    remarks.extend(events_at_jupiterone(settings, tenant, program));
    let exported = format!(
        "folders that `{program} export` wrote, and other copies, may still hold {subject}"
    );
    if needs_keys && !erased.keys.is_empty() {
        remarks.push(format!("{exported}: delete the objects with these keys there by hand"));
        remarks.extend(erased.keys.iter().cloned());
    } else {
        remarks.push(format!("{exported}: delete it there by hand"));
    }
    remarks
}

/// Returns the names of the places that were delivered to, for a certificate.
pub(super) fn delivered_to(engine: Engine<'_>, tenant: &TenantStore) -> Vec<String> {
    places(engine.settings, tenant).map(|place| place.name).collect()
}

fn kinds() -> impl Iterator<Item = DestinationKind> {
    DestinationKind::MIRRORS.into_iter().chain([DestinationKind::JupiterOne])
}

/// The places that were delivered to, as the records of deliveries have them: the configuration may name others, or none.
fn places<'a>(
    settings: &'a Settings,
    tenant: &'a TenantStore,
) -> impl Iterator<Item = Place> + use<'a> {
    let delivered = kinds().filter(|kind| mirrors::was_delivered(tenant, kind.name()));
    delivered.flat_map(|kind| {
        let configured = configured_place(kind, settings);
        let mut names = mirrors::former_places(tenant, kind.name());
        if let Some(last) = mirrors::last_place(tenant, kind.name()) {
            names.push(last);
        } else {
            // The configured place may be one that nothing was delivered to, and is never the only one that is possible.
            names.extend(configured.clone());
            names.push(mirrors::unknown_places(kind.name()));
        }
        names.into_iter().map(move |name| {
            let is_configured = configured.as_ref() == Some(&name);
            Place { kind, name, is_configured }
        })
    })
}

/// Returns how events of the audit trail are removed from JupiterOne, if it has any: no delivery deletes them.
fn events_at_jupiterone(
    settings: &Settings,
    tenant: &TenantStore,
    program: &str,
) -> Option<String> {
    let name = core_jupiterone::delivered_events(tenant)?;
    if settings.jupiterone.is_none() {
        return Some(format!(
            "JupiterOne may have events of the audit trail too (type {name}): delete these there"
        ));
    }
    Some(format!(
        "events of the audit trail at JupiterOne are not deleted by that: `{program} purge jupiterone --type {name}` \
         removes all of them, and the next `{program} sync jupiterone` brings back those that are stored here"
    ))
}

/// The place of a destination, if it is configured.
fn configured_place(kind: DestinationKind, settings: &Settings) -> Option<String> {
    match kind {
        DestinationKind::JupiterOne => settings
            .jupiterone
            .as_ref()
            .map(|to| mirrors::jupiterone_place(&to.destination.identity().to_string())),
        DestinationKind::Postgres => settings.postgres.as_ref().map(|to| to.settings.place()),
        DestinationKind::Delta => settings.delta.as_ref().map(|to| to.settings.place()),
        DestinationKind::Neo4j => settings.neo4j.as_ref().map(|to| to.settings.place()),
    }
}
