//! The counts of a comparison, for people and for programs.

use core_query::{DiffReport, TypeDiff};
use core_store::TableKind;
use serde_json::{Value, json};

use crate::cli::{DiffFormat, RowFormat};
use crate::commands::show;
use crate::output;

/// The counts as two tables: of types, and of properties that changed.
pub(super) fn table(report: &DiffReport) -> String {
    let header =
        ["type", "before", "after", "added", "removed", "changed", "unknown", "carried over"];
    let rows = report.types.iter().map(|diff| {
        let numbers = [
            diff.before,
            diff.after,
            diff.added,
            diff.removed,
            diff.changed,
            diff.unknown,
            diff.carried_over,
        ];
        let mut row = vec![diff.name.clone()];
        row.extend(numbers.iter().map(u64::to_string));
        <[String; 8]>::try_from(row).unwrap_or_default()
    });
    let types = output::table(header, rows, 1);
    let (before, after) = (&report.before, &report.after);
    let title = format!("{} ({}) and {} ({})\n\n", before.0, before.1, after.0, after.1);
    let changes: Vec<[String; 3]> = report
        .types
        .iter()
        .flat_map(|diff| {
            let properties = diff.properties.iter();
            properties.map(|(name, count)| [diff.name.clone(), name.clone(), count.to_string()])
        })
        .collect();
    if changes.is_empty() {
        return title + &types;
    }
    let properties = output::table(["type", "property", "changed"], changes, 2);
    format!("{title}{types}\n{properties}")
}

/// The counts as one object.
pub(super) fn json(report: &DiffReport) -> Value {
    json!({
        "before": { "id": report.before.0, "createdAt": report.before.1 },
        "after": { "id": report.after.0, "createdAt": report.after.1 },
        "differs": report.differs(),
        "types": report.types.iter().map(|diff| {
            let mut object = counts(diff);
            object["properties"] = json!(diff.properties);
            object["ignored"] = json!(diff.ignored);
            object["onlyOnce"] = json!(diff.only_once);
            object["withheld"] = json!(diff.withheld);
            object
        }).collect::<Vec<_>>(),
    })
}

/// The counts as a row for each type.
pub(super) fn rows(report: &DiffReport, format: DiffFormat) {
    let format = if format == DiffFormat::Csv { RowFormat::Csv } else { RowFormat::Ndjson };
    let objects: Vec<Value> = report.types.iter().map(counts).collect();
    // Objects of numbers and names can always be printed.
    let _ = show::rows(&objects, format);
}

fn counts(diff: &TypeDiff) -> Value {
    json!({
        "type": diff.name,
        "kind": match diff.kind {
            TableKind::Entity => "entity",
            TableKind::Relationship => "relationship",
        },
        "before": diff.before,
        "after": diff.after,
        "added": diff.added,
        "removed": diff.removed,
        "changed": diff.changed,
        "unchanged": diff.unchanged,
        "unknown": diff.unknown,
        "carriedOver": diff.carried_over,
        "partialBefore": diff.partial_before,
        "partialAfter": diff.partial_after,
    })
}

/// What has to be known to read the counts.
pub(super) fn remarks(report: &DiffReport) -> Vec<String> {
    let names = |is: &dyn Fn(&TypeDiff) -> bool| -> String {
        let types = report.types.iter().filter(|diff| is(diff));
        types.map(|diff| diff.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let properties = |of: &dyn Fn(&TypeDiff) -> Vec<String>| -> String {
        let mut names: Vec<String> = report.types.iter().flat_map(of).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    };
    let table = [
        (
            "ignored, since they change with every run: ",
            properties(&|diff| diff.ignored.clone()),
            "; --property compares one",
        ),
        (
            "not compared, since only one of the generations has them: ",
            properties(&|diff| diff.only_once.clone()),
            "",
        ),
        ("not compared, since they are withheld: ", properties(&|diff| diff.withheld.clone()), ""),
        (
            "partial in the newer generation, so that nothing is proven to be gone: ",
            names(&|diff| diff.partial_after),
            "",
        ),
        (
            "partial in the older generation, so that what was added may have existed before: ",
            names(&|diff| diff.partial_before && diff.added > 0),
            "",
        ),
    ];
    let said = table.into_iter().filter(|(_, names, _)| !names.is_empty());
    said.map(|(before, names, after)| format!("{before}{names}{after}")).collect()
}
