//! Deliveries to a mirror in sentences for people, a line each.

use core_terminal::{count, table};
use serde_json::{Value, json};

use super::{MirrorDecision, MirrorReport};
use crate::destination::DeliveryResult;
use crate::plan::{ERASED_NOT_COUNTED, TypeChanges};

/// Returns what came of a delivery; only what went wrong if the reader wants quiet.
pub fn delivery(
    name: &str,
    delivered: &DeliveryResult<MirrorReport>,
    is_quiet: bool,
) -> Vec<String> {
    match delivered {
        _ if is_quiet => Vec::new(),
        DeliveryResult::NothingChanged { generation } => vec![format!(
            "nothing changed since the last delivery: {name} has generation {generation}"
        )],
        DeliveryResult::Delivered { report, .. } => success(name, report),
    }
}

fn success(name: &str, report: &MirrorReport) -> Vec<String> {
    let sum = |of: fn(&TypeChanges) -> u64| report.types.iter().map(of).sum::<u64>();
    let mut lines = vec![format!(
        "delivered generation {} to {name} ({}): {} created, {} updated, {} deleted in {}",
        report.generation,
        report.place,
        sum(|changes| changes.creates),
        sum(|changes| changes.updates),
        sum(|changes| changes.deletes),
        count(report.types.len(), "table"),
    )];
    if !report.removed_types.is_empty() {
        lines.push(format!("removed there: {}", report.removed_types.join(", ")));
    }
    if !report.partial_datasets.is_empty() {
        lines.push(format!(
            "nothing was removed from these partial types: {}",
            report.partial_datasets.join(", ")
        ));
    }
    if report.changed_values > 0 {
        lines.push(format!(
            "{} changed, because {name} cannot hold it as it is: a character U+0000 became U+FFFD, a time out of \
             range became null, a null in a list was left out",
            count(usize::try_from(report.changed_values).unwrap_or(usize::MAX), "value")
        ));
    }
    lines
}

/// Returns a decision about a delivery as an object.
pub fn decision_json(decision: &MirrorDecision) -> Value {
    json!({
        "dryRun": true,
        "delivers": decision.scope.reason.is_some(),
        "reason": decision.scope.reason,
        "isInterrupted": decision.is_interrupted,
        "types": decision.plan.types,
        "completed": decision.plan.completed,
        "removedTypes": decision.scope.withheld(),
        "partialDatasets": decision.scope.partial_datasets(),
        "deletesErased": decision.scope.after_erasure,
    })
}

/// Returns the changes of a delivery as a table for a terminal of so many columns.
pub fn decision_table(decision: &MirrorDecision, columns: Option<usize>) -> String {
    let header = ["type", "create", "update", "delete", "kept", "unchanged"];
    let rows = decision.plan.types.iter().map(|changes| {
        let counts =
            [changes.creates, changes.updates, changes.deletes, changes.kept, changes.unchanged];
        let [create, update, delete, kept, unchanged] = counts.map(|count| count.to_string());
        [changes.type_name.clone(), create, update, delete, kept, unchanged]
    });
    table(header, rows, 1, columns)
}

/// Returns what a reader of the table has to know.
pub fn decision_remarks(decision: &MirrorDecision) -> Vec<String> {
    let mut lines = vec![match decision.scope.reason {
        Some(reason) => format!("there would be a delivery: {reason}"),
        None => "nothing would change, so nothing would be sent".to_owned(),
    }];
    if decision.is_interrupted {
        lines.push(
            "the end of the last delivery is unknown: the next one looks at what is there, and may change more or \
             less than this"
                .to_owned(),
        );
    }
    let partial = decision.scope.partial_datasets();
    if !partial.is_empty() {
        lines.push(format!(
            "nothing would be removed from these partial types: {}",
            partial.join(", ")
        ));
    }
    if decision.scope.after_erasure {
        lines.push(ERASED_NOT_COUNTED.to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_has_a_line_for_what_was_done_and_one_for_each_thing_to_know() {
        let changes = |creates, updates, deletes| TypeChanges {
            creates,
            updates,
            deletes,
            ..TypeChanges::default()
        };
        let report = MirrorReport {
            generation: "01JN7Z1M80000000000000000A".to_owned(),
            place: "graph at db.example".to_owned(),
            types: vec![changes(1, 2, 3), changes(10, 20, 30)],
            ..MirrorReport::default()
        };
        let told = |report: &MirrorReport, is_quiet| {
            delivery("Postgres", &report.clone().delivered("the graph has changed"), is_quiet)
        };
        let done = "delivered generation 01JN7Z1M80000000000000000A to Postgres (graph at db.example): \
                    11 created, 22 updated, 33 deleted in 2 tables";
        assert_eq!(told(&report, false), [done]);
        assert!(told(&report, true).is_empty());

        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let report = MirrorReport {
            removed_types: names(&["room", "user"]),
            partial_datasets: names(&["device"]),
            changed_values: 1,
            ..report
        };
        assert_eq!(
            told(&report, false),
            [
                done,
                "removed there: room, user",
                "nothing was removed from these partial types: device",
                "1 value changed, because Postgres cannot hold it as it is: a character U+0000 became U+FFFD, a \
                 time out of range became null, a null in a list was left out",
            ]
        );
        let nothing = DeliveryResult::NothingChanged { generation: "01J".to_owned() };
        assert_eq!(
            delivery("Postgres", &nothing, false),
            ["nothing changed since the last delivery: Postgres has generation 01J"]
        );
        assert!(delivery("Postgres", &nothing, true).is_empty());
    }
}
