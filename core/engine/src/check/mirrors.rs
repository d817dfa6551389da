//! Checks that each mirror is that of the last delivery, can be reached and can be written to. Nothing is written.

use core_destination::mirror::MirrorRules;
use core_destination::{DeliveryError, DeliveryRequest};
use core_store::Store;

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::mirrors;
use crate::settings::{Delta, Postgres};

const POSTGRES: &str = "Postgres";
const DELTA: &str = "Delta tables";

/// Checks the configured mirrors.
pub(super) async fn check(engine: Engine<'_>, checks: &mut Checks) {
    if let Some(postgres) = &engine.settings.postgres {
        checks.push(check_postgres(engine, postgres).await);
    }
    if let Some(delta) = &engine.settings.delta {
        checks.push(check_delta(engine, delta));
    }
}

async fn check_postgres(engine: Engine<'_>, postgres: &Postgres) -> Check {
    let place = postgres.settings.place();
    let rules = mirrors::rules(engine, core_postgres::NAME, place.clone());
    if let Err(failure) = check_place(engine, &rules) {
        return Check::failed_with(POSTGRES, &failure);
    }
    let destination = match mirrors::postgres(engine, postgres) {
        Ok(destination) => destination,
        Err(failure) => return Check::failed_with(POSTGRES, &failure),
    };
    let settings = engine.settings;
    match destination.probe(settings.tenant.as_str(), settings.region.as_str()).await {
        Ok(()) => Check::ok(POSTGRES, format!("{place} accepts the login and can be written to")),
        Err(error) => Check::failed_with(POSTGRES, &DeliveryError::from(error).into()),
    }
}

fn check_delta(engine: Engine<'_>, delta: &Delta) -> Check {
    let place = delta.settings.place();
    let rules = mirrors::rules(engine, core_delta::NAME, place.clone());
    if let Err(failure) = check_place(engine, &rules) {
        return Check::failed_with(DELTA, &failure);
    }
    let settings = engine.settings;
    let destination = mirrors::delta(engine, delta);
    match destination.probe(settings.tenant.as_str(), settings.region.as_str()) {
        Ok(()) => Check::ok(DELTA, format!("{place} can be written to")),
        Err(error) => Check::failed_with(DELTA, &DeliveryError::from(error).into()),
    }
}

/// Checks that the place is that of the last delivery.
fn check_place(engine: Engine<'_>, rules: &MirrorRules) -> Result<(), Failure> {
    let store = Store::open(engine.settings.store.clone())?;
    let tenant = store.tenant(engine.settings.tenant.as_str())?;
    Ok(rules.check(&tenant, &DeliveryRequest::default())?)
}
