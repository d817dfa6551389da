//! Checks that each mirror is that of the last delivery, can be reached and can be written to. Nothing is written.

use core_destination::mirror::MirrorRules;
use core_destination::{DeliveryError, DeliveryRequest};
use core_store::Store;

use super::{Check, Checks};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::mirrors;
use crate::settings::{Delta, Neo4j, Postgres};

const POSTGRES: &str = "Postgres";
const DELTA: &str = "Delta tables";
const NEO4J: &str = "Neo4j";

/// Checks the configured mirrors.
pub(super) async fn check(engine: Engine<'_>, checks: &mut Checks) {
    if let Some(postgres) = &engine.settings.postgres {
        checks.push(check_postgres(engine, postgres).await);
    }
    if let Some(delta) = &engine.settings.delta {
        checks.push(check_delta(engine, delta));
    }
    if let Some(neo4j) = &engine.settings.neo4j {
        checks.push(check_neo4j(engine, neo4j).await);
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

async fn check_neo4j(engine: Engine<'_>, neo4j: &Neo4j) -> Check {
    let place = neo4j.settings.place();
    let rules = mirrors::rules(engine, core_neo4j::NAME, place.clone());
    if let Err(failure) = check_place(engine, &rules) {
        return Check::failed_with(NEO4J, &failure);
    }
    let destination = match mirrors::neo4j(engine, neo4j) {
        Ok(destination) => destination,
        Err(failure) => return Check::failed_with(NEO4J, &failure),
    };
    let settings = engine.settings;
    match destination.probe(settings.tenant.as_str(), settings.region.as_str()).await {
        Ok(()) => Check::ok(NEO4J, format!("{place} accepts the login and has no other graph")),
        Err(error) => Check::failed_with(NEO4J, &DeliveryError::from(error).into()),
    }
}

/// Checks that the place is that of the last delivery.
fn check_place(engine: Engine<'_>, rules: &MirrorRules) -> Result<(), Failure> {
    let store = Store::open(engine.settings.store.clone())?;
    let tenant = store.tenant(engine.settings.tenant.as_str())?;
    Ok(rules.check(&tenant, &DeliveryRequest::default())?)
}
