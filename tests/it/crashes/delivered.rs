//! JupiterOne after a repair: it has the objects of the published generation, and no others.

use std::collections::BTreeMap;

use core_store::Table;
use serde_json::Value;

use super::Torture;
use crate::kit::ndjson;

impl Torture {
    /// Fails unless JupiterOne has exactly the objects of the published generation, each with its type and its texts.
    pub(super) fn assert_delivered(&self, case: &str) {
        let generation = self.scene().published();
        let kept = self.place.kept();
        let mut left: BTreeMap<String, Value> =
            kept.entities.into_iter().chain(kept.relationships).collect();
        for table in &generation.manifest().tables {
            for batch in generation.batches(table.kind, &table.name).expect("it is there") {
                let rows = ndjson(&batch.expect("it can be read"));
                for row in serde_json::Deserializer::from_slice(&rows).into_iter::<Value>() {
                    let row = row.expect("it is JSON");
                    let key = key(table, &row);
                    let object = left.remove(&key);
                    let object = object.unwrap_or_else(|| panic!("{case}: it lacks {key}"));
                    assert_eq!(object["_type"], table.name.as_str(), "{case}: {key}");
                    assert_same_texts(case, &row, &object);
                }
            }
        }
        assert!(left.is_empty(), "{case}: it has what is not published: {:?}", left.keys());
    }
}

/// The key of a row at JupiterOne: its own, or for a relationship its ends with the class between them.
fn key(table: &Table, row: &Value) -> String {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    text("_key").unwrap_or_else(|| {
        let [from, to] = ["_fromEntityKey", "_toEntityKey"].map(|end| text(end).expect("an end"));
        format!("{from}|{}|{to}", table.class.concat().to_lowercase())
    })
}

/// Compares the texts that both have. Times have another form there.
fn assert_same_texts(case: &str, row: &Value, object: &Value) {
    let members = row.as_object().expect("a row is an object");
    for (name, value) in members.iter().filter(|(_, value)| value.is_string()) {
        if object[name].is_string() {
            assert_eq!(&object[name], value, "{case}: {name} of {}", row["_key"]);
        }
    }
}
