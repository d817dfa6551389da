//! What stands beside the objects: the summary of the run, and the steps as the command line loads them.

use std::collections::BTreeMap;

use core_model::step::Step;
use serde_json::{Map, Value, json};

use super::StepResult;
use crate::documentation;

/// `summary.json`: step results, and the partial datasets that `sync` finalizes with.
pub(super) fn summary(
    steps: &[StepResult],
    objects: &BTreeMap<String, u64>,
    partial: &[String],
) -> Value {
    let results: Vec<_> = steps.iter().map(|it| step_result(it, objects, partial)).collect();
    json!({
        "integrationStepResults": results,
        "metadata": { "partialDatasets": { "types": partial } },
    })
}

fn step_result(it: &StepResult, objects: &BTreeMap<String, u64>, partial: &[String]) -> Value {
    let declared = types_of(it.step);
    let counts: Map<String, Value> = declared
        .iter()
        .filter_map(|name| objects.get(*name).map(|count| (*name, *count)))
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    let partial: Vec<_> =
        declared.iter().filter(|name| partial.iter().any(|it| it == *name)).collect();
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
pub(super) fn index_js(steps: &[StepResult]) -> String {
    let steps: Vec<_> = steps.iter().map(|it| step(it.step)).collect();
    let config = json!({ "instanceConfigFields": {}, "integrationSteps": steps });
    // Names of types and classes: nothing that could end the script or start another.
    let config = serde_json::to_string_pretty(&config).expect("the steps are plain data");
    format!(
        "// Written by nexthink-graph: the types of the graph beside it. There is nothing to run.\n\
         exports.invocationConfig = {config};\n"
    )
}

fn step(step: &Step) -> Value {
    let entities: Vec<_> = step
        .entities
        .iter()
        .map(|it| {
            let classes: Vec<_> = it.class.iter().map(|class| class.name()).collect();
            json!({ "resourceName": it.resource, "_type": it.type_name, "_class": classes })
        })
        .collect();
    let relationships: Vec<_> = step
        .relationships
        .iter()
        .map(|it| {
            json!({
                "_type": it.type_name,
                "_class": it.class.name(),
                "sourceType": it.from.entity.type_name,
                "targetType": it.to.entity.type_name,
            })
        })
        .collect();
    json!({
        "id": step.id,
        "name": step.name,
        "dependsOn": ids(step.depends_on),
        "entities": entities,
        "relationships": relationships,
    })
}

/// `docs/jupiterone.md`, as `document` would write it; it wants the page to be there.
pub(super) fn page(steps: &[StepResult]) -> String {
    let steps: Vec<_> = steps.iter().map(|it| it.step).collect();
    documentation::sdk_section(&steps).map_or_else(String::new, |section| format!("{section}\n"))
}

fn ids(steps: &[&Step]) -> Vec<&'static str> {
    steps.iter().map(|it| it.id).collect()
}

fn types_of(step: &Step) -> Vec<&'static str> {
    let entities = step.entities.iter().map(|it| it.type_name);
    entities.chain(step.relationships.iter().map(|it| it.type_name)).collect()
}
