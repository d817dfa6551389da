//! Makes the mirrors, which hold the tables of a generation as they are, from the settings of a tenant, and reads the
//! records of the last deliveries.

use std::collections::BTreeSet;

use core_destination::mirror::{self, MirrorRecord, MirrorRules};
use core_erasure::identifiers::may_be_erased;
use core_http::Secret;
use core_model::step::Step;
use core_store::{Generation, GenerationId, LedgerHead, TenantStore};

use crate::engine::Engine;
use crate::erasure::personal_columns;
use crate::failure::{Failure, FailureKind};
use crate::run::RunState;
use crate::run::report::StepOutcome;
use crate::settings::{Delta, Neo4j, Postgres, SharedSecretSource};

pub use core_delta::NAME as DELTA;
pub use core_jupiterone::NAME as JUPITERONE;
pub use core_neo4j::NAME as NEO4J;
pub use core_postgres::NAME as POSTGRES;

/// The names of all mirrors.
const MIRRORS: [&str; 3] = [POSTGRES, DELTA, NEO4J];

/// The names of all destinations, in the order in which a run delivers to them.
pub fn destinations() -> impl Iterator<Item = &'static str> {
    [JUPITERONE].into_iter().chain(MIRRORS)
}

/// Returns Postgres as a destination.
///
/// # Errors
///
/// The password cannot be read.
pub fn postgres(
    engine: Engine<'_>,
    postgres: &Postgres,
) -> Result<core_postgres::Postgres, Failure> {
    let password = read_password(postgres.password.as_ref(), "the password of Postgres")?;
    let settings = postgres.settings.clone();
    let rules = rules(engine, POSTGRES, settings.place());
    Ok(core_postgres::Postgres::new(rules, settings, password))
}

/// Returns a folder of Delta tables as a destination.
pub fn delta(engine: Engine<'_>, delta: &Delta) -> core_delta::Delta {
    let settings = delta.settings.clone();
    let rules = rules(engine, DELTA, settings.place());
    core_delta::Delta::new(rules, settings)
}

/// Returns Neo4j as a destination.
///
/// # Errors
///
/// The password cannot be read.
pub fn neo4j(engine: Engine<'_>, neo4j: &Neo4j) -> Result<core_neo4j::Neo4j, Failure> {
    let password = read_password(neo4j.password.as_ref(), "the password of Neo4j")?;
    let settings = neo4j.settings.clone();
    let rules = rules(engine, NEO4J, settings.place());
    Ok(core_neo4j::Neo4j::new(rules, settings, password))
}

/// Reads the password of a database, if it has one.
fn read_password(
    source: Option<&SharedSecretSource>,
    what: &str,
) -> Result<Option<Secret>, Failure> {
    let password = source.map(|source| source.read(what)).transpose();
    password.map_err(|error| Failure { kind: FailureKind::Configuration, error })
}

/// Returns the rules of deliveries to a mirror.
pub fn rules(engine: Engine<'_>, name: &'static str, place: String) -> MirrorRules {
    let program = engine.host.program.clone();
    MirrorRules { name, place, skipped_types, may_be_erased, personal_columns, program }
}

/// Returns the generations that the next deliveries compare with, which must be kept until then.
pub fn compared_with(tenant: &TenantStore) -> Vec<GenerationId> {
    let mirrored = MIRRORS.iter().flat_map(|name| mirror::compared_with(tenant, name));
    core_jupiterone::compared_with(tenant).into_iter().chain(mirrored).collect()
}

/// Returns the ledger heads in the records of deliveries, which the ledger must still contain.
///
/// # Errors
///
/// The store cannot be read.
pub fn known_ledger_heads(tenant: &TenantStore) -> Result<Vec<LedgerHead>, Failure> {
    let mut heads = Vec::from_iter(core_jupiterone::known_ledger_head(tenant)?);
    for name in MIRRORS {
        heads.extend(mirror::known_ledger_head(tenant, name)?);
    }
    Ok(heads)
}

/// Returns the mirrors that have received a delivery, each with its place.
pub fn places(tenant: &TenantStore) -> Vec<(&'static str, String)> {
    let place = |name| mirror::last_place(tenant, name).map(|place| (name, place));
    MIRRORS.into_iter().filter_map(place).collect()
}

/// Returns the places that earlier deliveries to a destination of this name went to, and that still hold what they got.
pub fn former_places(tenant: &TenantStore, name: &str) -> Vec<String> {
    if name == JUPITERONE {
        let former = core_jupiterone::former_places(tenant).into_iter();
        return former.map(|place| jupiterone_place(&place)).collect();
    }
    mirror::former_places(tenant, name).into_iter().collect()
}

/// Returns the place that the last delivery to a destination of this name went to. A record that cannot be read does not
/// tell.
pub fn last_place(tenant: &TenantStore, name: &str) -> Option<String> {
    if name == JUPITERONE {
        let last = core_jupiterone::last_destination(tenant)?;
        return Some(jupiterone_place(&last.to_string()));
    }
    mirror::last_place(tenant, name)
}

/// Returns words for the places of deliveries whose record cannot be read.
pub fn unknown_places(name: &str) -> String {
    format!("places that the damaged record of deliveries to {name} does not tell")
}

/// Returns the words that tell a destination at JupiterOne from every other one.
pub fn jupiterone_place(destination: &str) -> String {
    format!("JupiterOne ({destination})")
}

/// Returns true unless nothing was ever delivered to a destination of this name. A record that cannot be read counts as
/// a delivery.
pub fn was_delivered(tenant: &TenantStore, name: &str) -> bool {
    if name == JUPITERONE {
        return core_jupiterone::was_delivered(tenant);
    }
    !matches!(MirrorRecord::read(tenant, name), Ok(None))
}

/// Returns the types of the steps that did not have to run.
fn skipped_types(generation: &Generation) -> BTreeSet<String> {
    let states = RunState::read(generation).steps;
    let is_skipped = |step: &&&Step| {
        let mut states = states.iter();
        let state = states.find(|state| state.id == step.id);
        state.is_none_or(|state| state.outcome == StepOutcome::Skipped)
    };
    let steps = Step::generation_steps();
    let skipped = steps.iter().filter(is_skipped);
    skipped.flat_map(|step| step.type_names()).map(ToOwned::to_owned).collect()
}
