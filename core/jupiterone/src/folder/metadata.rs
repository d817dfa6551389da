//! The files beside the objects: the summary of the run, and the steps as the command line loads them.

use std::collections::BTreeMap;

use core_model::step::Step;
use serde_json::{Map, Value, json};

use super::StepResult;
use crate::documentation;
use crate::extras::Extras;
use crate::persons::{self, PERSON, USER, USER_IS_PERSON};

/// `summary.json`: step results, and the partial datasets that `sync` finalizes with.
pub(super) fn summary(
    steps: &[StepResult],
    extras: Extras,
    objects: &BTreeMap<String, u64>,
    partial: &[String],
) -> Value {
    let results = steps.iter().map(|result| step_result(result, extras, objects, partial));
    let results: Vec<_> = results.collect();
    json!({
        "integrationStepResults": results,
        "metadata": { "partialDatasets": { "types": partial } },
    })
}

fn step_result(
    it: &StepResult,
    extras: Extras,
    objects: &BTreeMap<String, u64>,
    partial: &[String],
) -> Value {
    let declared = types_of(it.step, extras);
    let counts: Map<String, Value> = declared
        .iter()
        .filter_map(|name| objects.get(*name).map(|count| (*name, *count)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    let partial: Vec<_> =
        declared.iter().filter(|name| partial.iter().any(|known| known == *name)).collect();
    json!({
        "id": it.step.id,
        "name": it.step.name,
        "dependsOn": ids(it.step.depends_on),
        "declaredTypes": declared,
        "partialTypes": partial,
        "encounteredTypes": counts.keys().collect::<Vec<_>>(),
        "encounteredTypeCounts": counts,
        "status": it.status,
    })
}

/// `src/index.js`: the steps without anything to execute, which is all that `document`, `visualize-types`
/// and the other commands about types need.
pub(super) fn index_js(steps: &[StepResult], extras: Extras) -> String {
    let steps: Vec<_> = steps.iter().map(|result| step(result.step, extras)).collect();
    let config = json!({ "instanceConfigFields": {}, "integrationSteps": steps });
    // Names of types and classes: nothing that could end the script or start another.
    let config = serde_json::to_string_pretty(&config).expect("the steps are plain data");
    format!(
        "// Written by nexthink-graph: the types of the graph beside it. There is nothing to run.\n\
         exports.invocationConfig = {config};\n"
    )
}

fn step(step: &Step, extras: Extras) -> Value {
    let entities: Vec<_> = step
        .entities
        .iter()
        .map(|entity| {
            let classes: Vec<_> = entity.class.iter().map(|class| class.name()).collect();
            json!({ "resourceName": entity.resource, "_type": entity.type_name, "_class": classes })
        })
        .collect();
    let relationships: Vec<_> = step
        .relationships
        .iter()
        .map(|relationship| {
            json!({
                "_type": relationship.type_name,
                "_class": relationship.class.name(),
                "sourceType": relationship.from.entity.type_name,
                "targetType": relationship.to.entity.type_name,
            })
        })
        .collect();
    let mut metadata = json!({
        "id": step.id,
        "name": step.name,
        "dependsOn": ids(step.depends_on),
        "entities": entities,
        "relationships": relationships,
    });
    if has_persons(step, extras) {
        metadata["mappedRelationships"] = json!([{
            "_type": USER_IS_PERSON,
            "_class": persons::CLASS,
            "sourceType": USER,
            "targetType": PERSON,
            "direction": persons::DIRECTION,
        }]);
    }
    metadata
}

/// `docs/jupiterone.md`, as `document` would write it; it wants the page to be there.
pub(super) fn page(steps: &[StepResult], extras: Extras) -> String {
    let steps: Vec<_> = steps.iter().map(|result| result.step).collect();
    let section = documentation::sdk_section(&steps, extras);
    section.map_or_else(String::new, |section| format!("{section}\n"))
}

fn ids(steps: &[&Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.id).collect()
}

fn types_of(step: &Step, extras: Extras) -> Vec<&'static str> {
    step.type_names().chain(has_persons(step, extras).then_some(USER_IS_PERSON)).collect()
}

/// Returns whether the relationships to Persons come with a step.
fn has_persons(step: &Step, extras: Extras) -> bool {
    extras.persons && persons::start_in(step)
}
