//! The decision about a delivery to a mirror.

use std::collections::BTreeSet;

use core_store::{Generation, StoreError, TenantStore};

use super::comparison::plan_between;
use super::{MirrorRecord, MirrorRules, MirrorScope, MirroredTypes};
use crate::destination::{DeliveryError, DeliveryRequest};
use crate::plan::DeliveryPlan;

/// The decision about a delivery to a mirror, with its reason.
#[derive(Debug)]
pub struct MirrorDecision {
    /// The changes at the mirror.
    pub plan: DeliveryPlan,
    /// The decision about a delivery: its scope and its reason.
    pub scope: MirrorScope,
    /// True if the end of the last delivery is unknown, so that the mirror may have other rows than the plan says.
    pub is_interrupted: bool,
}

/// Decides what a delivery would do now, by the rows of two generations.
pub(super) fn decide(
    rules: &MirrorRules,
    tenant: &TenantStore,
    generation: Generation,
    request: &DeliveryRequest,
) -> Result<MirrorDecision, DeliveryError> {
    let record = record_of(rules, tenant)?;
    let scope = scope(rules, tenant, generation, request)?;
    let base = match &record {
        Some(record) if !record.types.is_empty() => {
            base(tenant, record)?.map(|base| MirrorScope::new(base, &record.types, &record.purged))
        }
        _ => None,
    };
    let held = record.as_ref().map(|record| &record.types);
    let plan = plan_between(base.as_ref(), held, &scope)?;
    let is_interrupted = record.is_some_and(|record| record.unfinished.is_some());
    Ok(MirrorDecision { plan, scope, is_interrupted })
}

/// Decides which tables a delivery brings, and why, by the record of the last one.
pub(super) fn scope(
    rules: &MirrorRules,
    tenant: &TenantStore,
    generation: Generation,
    request: &DeliveryRequest,
) -> Result<MirrorScope, DeliveryError> {
    let record = record_of(rules, tenant)?;
    let nothing = MirroredTypes::new();
    let there = record.as_ref().map_or(&nothing, |record| &record.types);
    check_purge(&generation, there, record.as_ref(), request)?;
    let skipped = (rules.skipped_types)(&generation);
    let still_purged =
        record.iter().flat_map(|record| &record.purged).filter(|name| skipped.contains(*name));
    let withheld: BTreeSet<String> = still_purged.chain(&request.purge).cloned().collect();
    let mut scope = MirrorScope::new(generation, there, &withheld);
    let erasures = &scope.generation.manifest().erasures;
    scope.after_erasure =
        record.as_ref().is_some_and(|record| !erasures.is_subset(&record.erasures));
    scope.reason = reason(record.as_ref(), &scope, request);
    Ok(scope)
}

/// The record of the last delivery to the same place.
fn record_of(
    rules: &MirrorRules,
    tenant: &TenantStore,
) -> Result<Option<MirrorRecord>, DeliveryError> {
    let record = MirrorRecord::read(tenant, rules.name)?;
    Ok(record.filter(|record| record.place == rules.place))
}

fn reason(
    record: Option<&MirrorRecord>,
    scope: &MirrorScope,
    request: &DeliveryRequest,
) -> Option<&'static str> {
    let Some(record) = record else {
        return Some("it is the first delivery to this destination");
    };
    // Types that the generation does not have stay there.
    let now = scope.types();
    let is_changed = now.iter().any(|(name, held)| record.types.get(name) != Some(held));
    let is_purged = scope.withheld().iter().any(|name| record.types.contains_key(name));
    let reasons = [
        (!record.whole, "the last delivery is not known to be complete"),
        (scope.after_erasure, "people or devices were erased since the last delivery"),
        (is_changed || is_purged, "the graph has changed"),
        (request.full, "it was asked for with --full"),
    ];
    reasons.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
}

/// Refuses to purge a type that does not exist.
fn check_purge(
    generation: &Generation,
    there: &MirroredTypes,
    record: Option<&MirrorRecord>,
    request: &DeliveryRequest,
) -> Result<(), DeliveryError> {
    let tables = generation.manifest().tables.iter().map(|table| &table.name);
    let purged = record.into_iter().flat_map(|record| &record.purged);
    let known: BTreeSet<&String> = tables.chain(there.keys()).chain(purged).collect();
    let Some(unknown) = request.purge.iter().find(|name| !known.contains(name)) else {
        return Ok(());
    };
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    Err(DeliveryError::Configuration(anyhow::anyhow!(
        "there is no type `{unknown}`; the types are {}",
        known.join(", ")
    )))
}

/// The generation that was delivered last, if it is kept still.
fn base(tenant: &TenantStore, record: &MirrorRecord) -> Result<Option<Generation>, DeliveryError> {
    match tenant.generation(&record.generation) {
        Ok(generation) => Ok(Some(generation)),
        Err(StoreError::GenerationNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
