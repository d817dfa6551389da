//! Lists of names in messages, which get longer with each new step.

use std::path::Path;

use serde_json::Value;

use crate::kit::start;

/// The names of all steps, types, and queries as a message lists them, each with a mark that does not
/// change with a new step.
pub(super) fn of_all(folder: &Path) -> [(String, &'static str); 3] {
    let ended = start(folder, &["steps", "--output", "json"], &[]).wait();
    let steps: Vec<Value> = serde_json::from_str(&ended.stdout).expect("it is JSON");
    let id = |step: &Value| step["id"].as_str().unwrap_or_default().to_owned();
    let exports =
        steps.iter().map(id).filter(|id| !["fetch-account", "fetch-audit"].contains(&&**id));
    let queries: Vec<String> =
        exports.map(|id| id.trim_start_matches("fetch-").replace('-', "_")).collect();
    let mut sorted: Vec<&Value> = steps.iter().collect();
    sorted.sort_by_key(|step| id(step));
    let types = ["entityTypes", "relationshipTypes"].map(|kind| {
        let generation = sorted.iter().filter(|step| step["id"] != "fetch-audit");
        let types = generation.flat_map(|step| step[kind].as_array().into_iter().flatten());
        types.filter_map(Value::as_str).collect::<Vec<_>>()
    });
    let ids: Vec<String> = sorted.into_iter().map(id).collect();
    [
        (ids.join(", "), "[all steps]"),
        (types.concat().join(", "), "[all types]"),
        (queries.join(", "), "[all queries]"),
    ]
}
