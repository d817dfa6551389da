//! The counts of a comparison, for people and for programs.

use core_store::TableKind;
use serde_json::{Value, json};

use super::{DiffReport, TypeDiff};

/// Returns the counts as two tables, of types and of properties that changed, for a terminal of so many columns.
pub fn table(report: &DiffReport, columns: Option<usize>) -> String {
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
    let types = core_terminal::table(header, rows, 1, columns);
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
    let properties = core_terminal::table(["type", "property", "changed"], changes, 2, columns);
    format!("{title}{types}\n{properties}")
}

/// Returns the counts as one object.
pub fn json(report: &DiffReport) -> Value {
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

/// Returns the counts as an object for each type.
pub fn rows(report: &DiffReport) -> Vec<Value> {
    report.types.iter().map(counts).collect()
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

/// Returns remarks that a reader of the counts needs.
pub fn remarks(report: &DiffReport) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn diff(name: &str) -> TypeDiff {
        TypeDiff {
            kind: TableKind::Entity,
            name: name.to_owned(),
            before: 10,
            after: 11,
            added: 2,
            removed: 1,
            unknown: 0,
            changed: 3,
            unchanged: 6,
            carried_over: 0,
            properties: BTreeMap::from([("version".to_owned(), 3)]),
            ignored: Vec::new(),
            only_once: Vec::new(),
            withheld: Vec::new(),
            partial_before: false,
            partial_after: false,
        }
    }

    fn report(types: Vec<TypeDiff>) -> DiffReport {
        let generation = |id: &str| (id.to_owned(), "2026-03-01T08:00:00Z".to_owned());
        DiffReport { before: generation("A"), after: generation("B"), types }
    }

    #[test]
    fn the_table_has_types_and_changed_properties() {
        let table = table(&report(vec![diff("nexthink_device")]), None);
        assert!(table.starts_with("A (2026-03-01T08:00:00Z) and B (2026-03-01T08:00:00Z)\n\n"));
        assert!(table.contains("carried over") && table.contains("version"), "{table}");
        let unchanged = TypeDiff { properties: BTreeMap::new(), ..diff("nexthink_device") };
        let table = super::table(&report(vec![unchanged]), None);
        assert!(!table.contains("property"), "{table}");
    }

    #[test]
    fn a_remark_is_made_once_and_only_where_it_is_needed() {
        assert_eq!(remarks(&report(vec![diff("a")])), [""; 0]);
        let ignored = || vec!["lastSeenOn".to_owned()];
        let types = vec![
            TypeDiff { ignored: ignored(), partial_after: true, ..diff("a") },
            TypeDiff { ignored: ignored(), partial_before: true, ..diff("b") },
            TypeDiff { partial_before: true, added: 0, ..diff("c") },
        ];
        let expected = [
            "ignored, since they change with every run: lastSeenOn; --property compares one",
            "partial in the newer generation, so that nothing is proven to be gone: a",
            "partial in the older generation, so that what was added may have existed before: b",
        ];
        assert_eq!(remarks(&report(types)), expected);
    }

    #[test]
    fn the_object_has_what_the_rows_have_and_the_properties() {
        let report = report(vec![diff("nexthink_device")]);
        let (object, rows) = (json(&report), rows(&report));
        assert_eq!(object["differs"], true);
        assert_eq!(object["types"][0]["properties"]["version"], 3);
        assert_eq!(rows[0]["carriedOver"], object["types"][0]["carriedOver"]);
        assert!(rows[0].get("properties").is_none());
    }
}
