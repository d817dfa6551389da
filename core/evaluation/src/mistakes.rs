//! Mistakes in J1QL that a query is answered in spite of, as JupiterOne does. For a rule, such an answer is no proof: a
//! property that is spelled wrong finds nothing, or everything, for ever.

use core_query::{Compiled, QuerySession};
use core_reading::makes_property;

/// Checks the translated query of a rule. Returns the properties, as `type.property`, that this version of the program
/// makes and the published generation does not have yet.
///
/// # Errors
/// The first mistake, with its place in the query.
pub(crate) fn check(
    session: &QuerySession,
    compiled: &Compiled,
    query: &str,
) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for warning in compiled.warnings.iter().filter(|warning| warning.is_mistake) {
        let property = warning.unknown_property.as_deref();
        let yet_to_come = property.map(|property| properties_to_come(session, compiled, property));
        match yet_to_come {
            Some(found) if !found.is_empty() => missing.extend(found),
            _ => return Err(warning.render(query)),
        }
    }
    Ok(missing)
}

/// The types of a query that will have a property, once a run of this version has read them.
fn properties_to_come(session: &QuerySession, compiled: &Compiled, property: &str) -> Vec<String> {
    let tables = session.tables().iter().filter(|table| compiled.tables.contains(&table.name));
    let lacking = tables.filter(|table| {
        makes_property(&table.name, property)
            && !table.columns.iter().any(|column| column.name == property)
    });
    lacking.map(|table| format!("{}.{property}", table.name)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch, StringArray};
    use core_query::{AddedTable, Environment, QuerySettings};

    use super::*;

    /// Devices as an earlier version of this program has stored them.
    fn session() -> QuerySession {
        let columns = [
            ("_key", Arc::new(StringArray::from(vec!["d:1"])) as _),
            ("osName", Arc::new(StringArray::from(vec!["Windows"])) as _),
            ("memory", Arc::new(Int64Array::from(vec![8])) as _),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut session = QuerySession::empty(QuerySettings::default()).expect("it is set up");
        let added = session.add_table(AddedTable {
            name: "nexthink_device".to_owned(),
            class: "Device".to_owned(),
            schema: batch.schema(),
            batches: vec![batch],
            partial: false,
        });
        added.expect("it is the first of its name");
        session
    }

    #[test]
    fn a_query_that_cannot_be_meant_is_refused_and_a_property_that_is_to_come_is_named() {
        let session = session();
        for (condition, expected) in [
            ("osName = 'Windows'", Ok(&[][..])),
            ("osName = \u{201C}Windows\u{201D}", Ok(&[])),
            ("osNam = 'Windows'", Err("did you mean osName?")),
            ("osNam != 'Windows'", Err("did you mean osName?")),
            ("osName = 10", Err("a number never equals that")),
            ("memory ~= 8", Err("has no parts")),
            ("serial = 'S-1'", Ok(&["nexthink_device.serial"])),
            ("serial = 'S-1' AND osNam = 'Windows'", Err("did you mean osName?")),
        ] {
            let query = format!("FIND Device WITH {condition} AS d RETURN d._key");
            let parameters = BTreeMap::new();
            let environment = Environment { now_ms: 0, parameters: &parameters };
            let compiled = session.compile_j1ql(&query, environment).expect("it is J1QL");
            match (check(&session, &compiled, &query), expected) {
                (Ok(missing), Ok(expected)) => assert_eq!(missing, expected, "{query}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{query}: {reason}"),
                (found, _) => panic!("{query}: {found:?}"),
            }
        }
    }
}
