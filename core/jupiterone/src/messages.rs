//! Deliveries in sentences for people, a line each.

use std::collections::BTreeSet;

use core_destination::{DeliveryResult, ERASED_NOT_COUNTED};
use core_terminal::bytes;
use serde_json::{Value, json};

use crate::events::is_event_type;
use crate::{DeliveryDecision, DeliveryReport, Fix, SchemaViolation};

/// Returns what came of a delivery; only what went wrong if the reader wants quiet.
pub fn delivery(delivered: &DeliveryResult<DeliveryReport>, is_quiet: bool) -> Vec<String> {
    let mut lines = Vec::new();
    match delivered {
        DeliveryResult::NothingChanged { generation } if !is_quiet => lines.push(format!(
            "nothing changed since the last delivery, so no job was started: JupiterOne has generation \
             {generation}"
        )),
        DeliveryResult::NothingChanged { .. } => {}
        DeliveryResult::Delivered { report, unexpected_deletes, still_held, .. } => {
            if !is_quiet {
                success(report, &mut lines);
            }
            trouble(report, *unexpected_deletes, &mut lines);
            lines.extend(still_held_texts(still_held));
        }
    }
    lines
}

fn success(report: &DeliveryReport, lines: &mut Vec<String>) {
    let counters = &report.counters;
    lines.push(format!(
        "delivered generation {} to JupiterOne (job {}): entities {} created, {} updated, {} deleted; \
         relationships {} created, {} updated, {} deleted; {} sent in {}",
        report.generation,
        report.job,
        counters.num_entities_created,
        counters.num_entities_updated,
        counters.num_entities_deleted,
        counters.num_relationships_created,
        counters.num_relationships_updated,
        counters.num_relationships_deleted,
        bytes(report.uploads.sent_bytes),
        counted(report.uploads.requests, "upload", "uploads"),
    ));
    let mapped = [
        counters.num_mapped_relationships_created,
        counters.num_mapped_relationships_updated,
        counters.num_mapped_relationships_deleted,
    ];
    if mapped != [0; 3] {
        let [created, updated, deleted] = mapped;
        lines.push(format!(
            "mapped relationships {created} created, {updated} updated, {deleted} deleted"
        ));
    }
    if !report.partial_datasets.is_empty() {
        let types = report.partial_datasets.join(", ");
        lines.push(format!("JupiterOne deletes nothing of these partial datasets: {types}"));
    }
    lines.extend(violations(&report.findings));
}

/// Returns where people who were erased may still be: of an incomplete type nothing is deleted, since it might only
/// have been missed; a first delivery deletes nothing; and of events nothing ever is.
fn still_held_texts(types: &BTreeSet<String>) -> Vec<String> {
    let (events, partial): (Vec<&str>, Vec<&str>) =
        types.iter().map(String::as_str).partition(|name| is_event_type(name));
    let mut lines = Vec::new();
    if !partial.is_empty() {
        lines.push(format!(
            "error: people or devices that were erased may still be at JupiterOne, in {}: nothing of these \
             types is deleted, since they are partial or this is the first delivery to this destination. Each \
             delivery tries again; run with all steps complete, or delete the objects in JupiterOne",
            partial.join(", ")
        ));
    }
    lines.extend(events.into_iter().map(|name| {
        format!(
            "error: people or devices that were erased may still be at JupiterOne, in {name}: no delivery \
             deletes events. `purge jupiterone --type {name}` removes all of them, and the next delivery \
             brings back those that are stored here"
        )
    }));
    lines
}

fn trouble(report: &DeliveryReport, unexpected_deletes: u64, lines: &mut Vec<String>) {
    let errors = report.counters.kinds_of_errors();
    for (verb, one, many, count) in errors.into_iter().filter(|(.., count)| *count > 0) {
        lines.push(format!(
            "error: JupiterOne could not {verb} {}: see the log of job {} there; the next delivery \
             uploads everything again",
            counted(count, one, many),
            report.job
        ));
    }
    for (name, loss) in &report.uploads.losses {
        let correlation_id = loss.correlation_id.as_deref();
        let upload = correlation_id.map_or(String::new(), |id| format!(" (upload {id})"));
        lines.push(format!(
            "error: {name}: JupiterOne refused {}, and {} not arrive{upload}; nothing of the type was \
             deleted",
            counted(loss.refused, "object", "objects"),
            match loss.lost {
                1 => "1 object did".to_owned(),
                lost => format!("{lost} objects did"),
            }
        ));
    }
    if unexpected_deletes > 0 {
        lines.push(format!(
            "error: JupiterOne deleted {} beyond those that are gone here: check whether something else \
             writes to this scope or integration instance",
            counted(unexpected_deletes, "object", "objects")
        ));
    }
}

/// Returns which values JupiterOne's data model does not allow, and what was done about them.
pub fn violations(violations: &[SchemaViolation]) -> Vec<String> {
    violations.iter().map(violation_text).collect()
}

fn violation_text(violation: &SchemaViolation) -> String {
    let SchemaViolation { type_name, property, remedy, count, sample_key } = violation;
    let sample = sample_key.as_ref().map_or(String::new(), |key| format!(", for example in {key}"));
    match remedy {
        Fix::Nulled => format!(
            "{type_name}: JupiterOne does not allow {} of `{property}`, so null is sent{sample}",
            counted(*count, "value", "values")
        ),
        Fix::Cut => format!(
            "{type_name}: {} of `{property}` {} too long and sent cut{sample}",
            counted(*count, "text", "texts"),
            if *count == 1 { "is" } else { "are" }
        ),
        Fix::NameLeftOut => format!(
            "{type_name}: the property `{property}` is not sent, since JupiterOne does not allow its name"
        ),
        Fix::ObjectLeftOut => format!(
            "{type_name}: {} not sent, since `{property}` has no value that JupiterOne allows{sample}",
            match count {
                1 => "1 object is".to_owned(),
                count => format!("{count} objects are"),
            }
        ),
    }
}

/// Returns a decision about a delivery as an object.
pub fn decision_json(decision: &DeliveryDecision) -> Value {
    let DeliveryDecision { plan, reason, partial_datasets, still_held, .. } = decision;
    let DeliveryDecision { unresolved_job, after_erasure, .. } = decision;
    json!({
        "dryRun": true,
        "job": reason.is_some(),
        "reason": reason,
        "unresolvedJob": unresolved_job,
        "types": plan.types,
        "completed": plan.completed,
        "partialDatasets": partial_datasets,
        "deletesErased": after_erasure,
        "stillHeldAfterErasure": still_held,
    })
}

/// Returns the changes of a delivery as a table for a terminal of so many columns.
pub fn decision_table(decision: &DeliveryDecision, columns: Option<usize>) -> String {
    let header = ["type", "create", "update", "delete", "kept", "unchanged"];
    let rows = decision.plan.types.iter().map(|changes| {
        let counts =
            [changes.creates, changes.updates, changes.deletes, changes.kept, changes.unchanged];
        let [create, update, delete, kept, unchanged] = counts.map(|count| count.to_string());
        [changes.type_name.clone(), create, update, delete, kept, unchanged]
    });
    core_terminal::table(header, rows, 1, columns)
}

/// Returns what a reader of the table has to know.
pub fn decision_remarks(decision: &DeliveryDecision) -> Vec<String> {
    let DeliveryDecision { plan, reason, partial_datasets, still_held, .. } = decision;
    let DeliveryDecision { unresolved_job, after_erasure, .. } = decision;
    let mut lines = vec![match reason {
        Some(reason) => format!("there would be a job: {reason}"),
        None => "nothing would change, so there would be no job".to_owned(),
    }];
    if let Some(job) = unresolved_job {
        lines.push(format!(
            "the last delivery was interrupted: the next one first asks JupiterOne what became of job \
             {job}, and may change more or less than this"
        ));
    }
    if !partial_datasets.is_empty() {
        let types = joined(partial_datasets);
        lines.push(format!("JupiterOne would delete nothing of these partial datasets: {types}"));
    }
    if !plan.completed.is_empty() {
        let types = plan.completed.join(", ");
        lines.push(format!(
            "these types were partial and are complete now, so JupiterOne may delete more of them than \
             this table says: {types}"
        ));
    }
    if *after_erasure {
        lines.push(ERASED_NOT_COUNTED.to_owned());
    }
    lines.extend(still_held_texts(still_held));
    lines
}

fn joined(types: &BTreeSet<String>) -> String {
    types.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{DestinationIdentity, JobCounters, JobId, JobStatus, Uploads};

    #[test]
    fn a_value_that_is_not_sent_is_named_with_what_was_done_about_it() {
        let finding = |remedy, count| SchemaViolation {
            type_name: "device".to_owned(),
            property: "osType".to_owned(),
            remedy,
            count,
            sample_key: Some("device:1".to_owned()),
        };
        for (finding, expected) in [
            (
                finding(Fix::Nulled, 1),
                "device: JupiterOne does not allow 1 value of `osType`, so null is sent, for example in \
                 device:1",
            ),
            (
                finding(Fix::Cut, 2),
                "device: 2 texts of `osType` are too long and sent cut, for example in device:1",
            ),
            (
                SchemaViolation { sample_key: None, ..finding(Fix::NameLeftOut, 9) },
                "device: the property `osType` is not sent, since JupiterOne does not allow its name",
            ),
            (
                finding(Fix::ObjectLeftOut, 1),
                "device: 1 object is not sent, since `osType` has no value that JupiterOne allows, for \
                 example in device:1",
            ),
        ] {
            assert_eq!(violation_text(&finding), expected);
        }
    }

    fn report() -> DeliveryReport {
        let destination: DestinationIdentity = serde_json::from_value(json!({
            "host": "api.eu.jupiterone.io", "account": "acme",
            "source": "api", "scope": "one",
        }))
        .expect("it is a destination");
        DeliveryReport {
            destination,
            generation: core_store::GenerationId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV")
                .expect("an ID"),
            job: JobId::parse("a-1").expect("an ID"),
            status: JobStatus::Finished,
            counters: JobCounters { num_entities_created: 3, ..JobCounters::default() },
            partial_datasets: Vec::new(),
            uploads: Uploads { requests: 1, ..Uploads::default() },
            findings: Vec::new(),
            types: BTreeMap::new(),
            purged: BTreeSet::new(),
            extras: crate::Extras::default(),
            events_through: None,
        }
    }

    fn delivered(
        report: DeliveryReport,
        unexpected_deletes: u64,
    ) -> DeliveryResult<DeliveryReport> {
        DeliveryResult::Delivered {
            reason: "the graph has changed",
            changes: Vec::new(),
            report: Box::new(report),
            unexpected_deletes,
            still_held: BTreeSet::new(),
        }
    }

    #[test]
    fn a_quiet_reader_is_told_of_what_went_wrong_alone() {
        let nothing = DeliveryResult::NothingChanged { generation: "g".to_owned() };
        assert_eq!(delivery(&nothing, true), [""; 0]);
        assert!(delivery(&nothing, false)[0].ends_with("JupiterOne has generation g"));
        let right = delivered(report(), 0);
        assert_eq!(delivery(&right, true), [""; 0]);
        let lines = delivery(&right, false);
        assert!(lines[0].contains("(job a-1): entities 3 created, 0 updated"), "{lines:?}");
        assert!(lines[0].ends_with("sent in 1 upload"), "{lines:?}");
        let partial =
            DeliveryReport { partial_datasets: vec!["a".to_owned(), "b".to_owned()], ..report() };
        let lines = delivery(&delivered(partial, 0), false);
        assert_eq!(lines[1], "JupiterOne deletes nothing of these partial datasets: a, b");
    }

    #[test]
    fn each_way_in_which_a_delivery_falls_short_has_a_line_that_begins_with_error() {
        let mut wrong = report();
        wrong.counters.num_entity_create_errors = 1;
        wrong.counters.num_relationship_delete_errors = 2;
        wrong.counters.num_mapped_relationship_create_errors = 3;
        wrong.counters.num_entity_raw_data_entry_update_errors = 1;
        let correlation_id = Some("c-1".to_owned());
        let refused = crate::Loss { refused: 1, lost: 2, correlation_id, sample_key: None };
        wrong.uploads.losses.insert("nexthink_device".to_owned(), refused);
        let mut told = delivered(wrong, 4);
        if let DeliveryResult::Delivered { still_held, .. } = &mut told {
            still_held.insert("nexthink_user".to_owned());
        }
        let lines = delivery(&told, true);
        assert!(lines.iter().all(|line| line.starts_with("error: ")), "{lines:?}");
        for expected in [
            "could not create 1 entity: see the log of job a-1",
            "could not delete 2 relationships",
            "could not create 3 mapped relationships",
            "could not update 1 entry of raw data of an entity",
            "nexthink_device: JupiterOne refused 1 object, and 2 objects did not arrive (upload c-1)",
            "JupiterOne deleted 4 objects beyond those that are gone here",
            "may still be at JupiterOne, in nexthink_user",
        ] {
            assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
        }
        assert_eq!(lines.len(), 7, "{lines:?}");
    }
}
