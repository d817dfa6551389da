//! The decision about a delivery. Deleting needs proof here too: a type is complete at a destination only if the
//! generation says so, and after an erasure only what the delivery before can prove is deleted.

use std::collections::BTreeSet;

use core_destination::{DeliveryError, DeliveryPlan, DeliveryRequest, StepEnding};
use core_model::declared;
use core_model::step::Step;
use core_store::{Generation, StoreError, TenantStore};

use super::{DeliveryRules, EventRules, record};
use crate::contents::Contents;
use crate::events::{Events, is_event_type};
use crate::persons::{USER, USER_IS_PERSON};
use crate::plan::plan_between;
use crate::shape::SHAPE_VERSION;
use crate::sync::{Delivered, JobId};

/// The decision about a delivery, with its reason.
#[derive(Debug)]
pub struct DeliveryDecision {
    /// The changes at the destination.
    pub plan: DeliveryPlan,
    /// The reason why there is a job; none if nothing changed.
    pub reason: Option<&'static str>,
    /// The job of an interrupted delivery, whose end is asked for before the next one.
    pub unresolved_job: Option<JobId>,
    /// The types of which nothing is deleted.
    pub partial_datasets: BTreeSet<String>,
    pub(super) contents: Contents,
    /// Types in which erased people may remain at the destination after this delivery. Types of events are always among
    /// them once they were delivered, since events are never deleted there.
    pub still_held: BTreeSet<String>,
    /// True if a person or device was erased since the last delivery.
    pub after_erasure: bool,
    /// The last delivery to this destination.
    pub(super) before: Option<Delivered>,
    /// True if the generation that it got is here to be compared with.
    pub(super) has_base: bool,
}

impl DeliveryDecision {
    /// Returns true if a later delivery may be able to delete erased people that this one leaves. Of events none can, so
    /// a job for them alone would change nothing.
    pub(super) fn leaves_erased_people(&self) -> bool {
        self.still_held.iter().any(|name| !is_event_type(name))
    }
}

/// Decides what a delivery would do now, without a request. Blocks.
pub(super) fn decide(
    rules: &DeliveryRules,
    tenant: &TenantStore,
    generation: Generation,
    request: &DeliveryRequest,
) -> Result<DeliveryDecision, DeliveryError> {
    let record = record::read(tenant)?;
    let unresolved_job = record.as_ref().and_then(|record| record.pending.clone());
    let before =
        record.filter(|delivered| !request.accept_destination && !delivered.types.is_empty());
    let base = before.as_ref().map(|delivered| base(tenant, delivered)).transpose()?.flatten();
    let generation_erasures = generation.manifest().erasures.clone();
    let purge = withheld(rules, &generation, before.as_ref(), request);
    let steps = Step::generation_steps();
    let contents = Contents::new(generation, &steps, before.as_ref(), rules.extras);
    let contents = match new_events(rules, tenant, before.as_ref())? {
        Some(events) => contents.with_events(events),
        None => contents,
    };
    let contents = purged(contents, &purge)?;
    let plan = plan_between(base.as_ref(), &contents)?;
    let erasures_there = before.as_ref().map(|delivered| delivered.erasures.clone());
    let is_behind = !generation_erasures.is_subset(&erasures_there.unwrap_or_default());
    // A first delivery deletes nothing. The destination may have objects of an earlier delivery all the same: of one
    // whose job failed after it was applied, or of one under another name of the same account.
    let after_erasure = is_behind && before.is_some();
    let contents = match &before {
        Some(before) if after_erasure => {
            contents.with_complete(&safely_complete(rules, &plan, before, base.is_some()))
        }
        _ => contents,
    };
    let still_held =
        if is_behind { held_back(rules, &contents, before.as_ref()) } else { BTreeSet::new() };
    let has_base = base.is_some();
    let reason = match &before {
        Some(before) => reason_after(before, has_base, after_erasure, &plan)
            .or_else(|| request.full.then_some("it was asked for with --full")),
        None => Some("it is the first delivery to this destination, which deletes nothing"),
    };
    let partial_datasets = contents.partial_datasets().clone();
    Ok(DeliveryDecision {
        plan,
        reason,
        unresolved_job,
        partial_datasets,
        contents,
        still_held,
        after_erasure,
        before,
        has_base,
    })
}

/// Returns the reason for a job after an earlier delivery; none if JupiterOne has all of it already.
fn reason_after(
    before: &Delivered,
    has_base: bool,
    after_erasure: bool,
    plan: &DeliveryPlan,
) -> Option<&'static str> {
    let reasons = [
        (!before.whole, "the last delivery is not known to be complete"),
        (!has_base, "the generation of the last delivery is no longer stored"),
        (before.shape != SHAPE_VERSION, "this version of the program writes objects differently"),
        (after_erasure, "people or devices were erased since the last delivery"),
        (!plan.is_empty(), "the graph has changed"),
    ];
    reasons.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
}

/// The events that the destination does not have yet, if it is to have any.
fn new_events(
    rules: &DeliveryRules,
    tenant: &TenantStore,
    before: Option<&Delivered>,
) -> Result<Option<Events>, DeliveryError> {
    let Some(EventRules { log, tags }) = &rules.events else { return Ok(None) };
    let log = tenant.events(log)?;
    if log.files().is_empty() {
        return Ok(None);
    }
    let event_type = declared::event_type();
    let since = before.and_then(|delivered| delivered.events.get(event_type.type_name));
    let mut account = String::new();
    declared::account_type().write_key(tenant.name(), &mut account);
    let since = since.copied().unwrap_or_default();
    let tags = tags.clone();
    Ok(Some(Events::new(log, since, event_type, declared::account_has_event(), account, tags)))
}

/// The partial types that may be named complete after an erasure: those of which JupiterOne had exactly
/// what was delivered last, and all of that, but for who was erased, is delivered again.
fn safely_complete(
    rules: &DeliveryRules,
    plan: &DeliveryPlan,
    before: &Delivered,
    has_base: bool,
) -> BTreeSet<String> {
    let Some(partial_then) = before.partial.as_ref().filter(|_| before.whole && has_base) else {
        return BTreeSet::new();
    };
    let types = plan.types.iter().filter(|changes| changes.kept == 0);
    let names = types.map(|changes| changes.type_name.clone());
    names.filter(|name| !partial_then.contains(name) && (rules.may_be_erased)(name)).collect()
}

/// Returns the types that keep all their objects although erased people may be among them.
fn held_back(
    rules: &DeliveryRules,
    contents: &Contents,
    before: Option<&Delivered>,
) -> BTreeSet<String> {
    let delivered = before.map(|delivered| delivered.types.clone());
    let delivered = delivered.unwrap_or_else(|| contents.delivered_types()).into_keys();
    let held = delivered.filter(|name| (rules.may_be_erased)(name));
    held.filter(|name| contents.partial_datasets().contains(name)).collect()
}

/// The contents that were delivered last, if their generation is kept still.
fn base(tenant: &TenantStore, delivered: &Delivered) -> Result<Option<Contents>, DeliveryError> {
    let generation = match tenant.generation(&delivered.generation) {
        Ok(generation) => generation,
        Err(StoreError::GenerationNotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let steps = Step::generation_steps();
    let contents = Contents::new(generation, &steps, Some(delivered), delivered.extras);
    let purged_then: Vec<String> = delivered.purged.iter().cloned().collect();
    purged(contents, &purged_then).map(Some)
}

/// The types that are not delivered: those that are purged now, and those that were and whose step has
/// not seen them since.
fn withheld(
    rules: &DeliveryRules,
    generation: &Generation,
    before: Option<&Delivered>,
    request: &DeliveryRequest,
) -> Vec<String> {
    let ends = (rules.step_ends)(generation);
    let is_skipped = |name: &str| {
        if rules.events.is_some() && is_event_type(name) {
            return false;
        }
        // It is made of the users.
        let name = if name == USER_IS_PERSON { USER } else { name };
        let steps = Step::generation_steps();
        let step = steps.iter().find(|step| step.type_names().any(|made| made == name));
        step.is_none_or(|step| {
            ends.iter().any(|end| end.id == step.id && end.ending == StepEnding::Skipped)
        })
    };
    let kept =
        before.into_iter().flat_map(|delivered| &delivered.purged).filter(|name| is_skipped(name));
    kept.chain(&request.purge).cloned().collect()
}

fn purged(contents: Contents, types: &[String]) -> Result<Contents, DeliveryError> {
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    Ok(contents.purge(&types)?)
}

#[cfg(test)]
mod tests {
    use core_destination::TypeChanges;
    use serde_json::json;

    use super::*;

    fn delivered(whole: bool, shape: u32) -> Delivered {
        let record = json!({
            "destination": {
                "host": "api.eu.jupiterone.io", "account": "acme",
                "source": "api", "scope": "one",
            },
            "generation": "01ARYZ6S41TSV4RRFFQ69G5FAV",
            "whole": whole,
            "shape": shape,
            "types": { "nexthink_user": null, "nexthink_device": null },
        });
        serde_json::from_value(record).expect("it is a record")
    }

    fn plan(changes: &[(&str, u64, u64)]) -> DeliveryPlan {
        let types = changes.iter().map(|(name, deletes, kept)| TypeChanges {
            type_name: (*name).to_owned(),
            deletes: *deletes,
            kept: *kept,
            ..TypeChanges::default()
        });
        DeliveryPlan { types: types.collect(), ..DeliveryPlan::default() }
    }

    fn rules() -> DeliveryRules {
        let destination = crate::Destination::new(
            crate::BaseUrl::parse("https://api.eu.jupiterone.io").expect("a host"),
            "acme",
            crate::Source::Api { scope: "one".to_owned() },
        );
        DeliveryRules {
            destination: destination.expect("a destination"),
            extras: crate::Extras::default(),
            events: None,
            step_ends: |_| Vec::new(),
            may_be_erased: |name| name == "nexthink_user",
            program: "nexthink-graph".to_owned(),
        }
    }

    #[test]
    fn there_is_a_job_for_the_first_reason_that_applies_and_none_without_any() {
        let (same, changed) = (plan(&[]), plan(&[("nexthink_device", 1, 0)]));
        for (whole, has_base, shape, after_erasure, plan, expected) in [
            (true, true, SHAPE_VERSION, false, &same, None),
            (
                false,
                false,
                0,
                true,
                &changed,
                Some("the last delivery is not known to be complete"),
            ),
            (
                true,
                false,
                0,
                true,
                &changed,
                Some("the generation of the last delivery is no longer"),
            ),
            (true, true, 0, true, &changed, Some("this version of the program writes objects")),
            (true, true, SHAPE_VERSION, true, &changed, Some("people or devices were erased")),
            (true, true, SHAPE_VERSION, false, &changed, Some("the graph has changed")),
        ] {
            let reason = reason_after(&delivered(whole, shape), has_base, after_erasure, plan);
            let is_expected = match expected {
                Some(expected) => reason.is_some_and(|reason| reason.starts_with(expected)),
                None => reason.is_none(),
            };
            assert!(is_expected, "{reason:?} and not {expected:?}");
        }
    }

    #[test]
    fn after_an_erasure_a_partial_type_is_complete_only_if_nothing_of_it_is_withheld() {
        let (rules, plan) = (rules(), plan(&[("nexthink_user", 1, 0), ("nexthink_device", 1, 0)]));
        let known = |whole, partial: Option<&[&str]>| {
            let partial = partial.map(|names| names.iter().map(|&name| name.to_owned()).collect());
            Delivered { partial, ..delivered(whole, SHAPE_VERSION) }
        };
        let safe = |before: &Delivered, has_base| safely_complete(&rules, &plan, before, has_base);
        let all = known(true, Some(&[]));
        assert_eq!(safe(&all, true), BTreeSet::from(["nexthink_user".to_owned()]));
        let none = BTreeSet::new();
        assert_eq!(safe(&all, false), none, "there is nothing to compare with");
        assert_eq!(safe(&known(false, Some(&[])), true), none, "it may hold more");
        assert_eq!(safe(&known(true, None), true), none, "what it held is not known");
        assert_eq!(safe(&known(true, Some(&["nexthink_user"])), true), none, "it was partial then");
        let kept = super::tests::plan(&[("nexthink_user", 1, 3)]);
        assert_eq!(safely_complete(&rules, &kept, &all, true), none, "three would be deleted");
    }
}
