//! The objects of JupiterOne, as `truth` compares them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Delivery;

/// The objects of a destination: entities by key, each with its type and Nexthink's identifier, and relationships, each
/// with its type and the keys of both ends.
pub(super) struct HeldGraph {
    pub(super) entities: BTreeMap<String, (String, String)>,
    pub(super) relationships: Vec<(String, [String; 2])>,
}

impl Delivery {
    /// Returns the objects of JupiterOne.
    pub(super) fn held(&self) -> HeldGraph {
        let kept = self.kept();
        let text = |object: &Value, name: &str| {
            object[name].as_str().expect("every object has it").to_owned()
        };
        let entity = |(key, entity): (&String, &Value)| {
            let id = entity["id"].as_str().unwrap_or_default().to_owned();
            (key.clone(), (text(entity, "_type"), id))
        };
        let relationship = |edge: &Value| {
            let ends = ["_fromEntityKey", "_toEntityKey"].map(|end| text(edge, end));
            (text(edge, "_type"), ends)
        };
        HeldGraph {
            entities: kept.entities.iter().map(entity).collect(),
            relationships: kept.relationships.values().map(relationship).collect(),
        }
    }

    /// The types of which the last job deleted nothing.
    pub(super) fn partial_types(&self) -> Vec<String> {
        let jobs = self.jupiterone.jobs();
        jobs.last().map(|job| job.partial_types.clone()).unwrap_or_default()
    }
}
