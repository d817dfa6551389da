//! What a simulated JupiterOne keeps, and what a job with `DIFF` makes of it.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use serde_json::Value;

/// Objects of one source and scope by their `_key`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptGraph {
    /// The entities.
    pub entities: BTreeMap<String, Value>,
    /// The relationships.
    pub relationships: BTreeMap<String, Value>,
}

/// What a job did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) entities: Counts,
    pub(super) relationships: Counts,
    /// Relationships whose ends do not exist.
    pub(super) create_errors: u64,
}

/// What a job did to one kind of objects.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl KeptGraph {
    /// Takes over what was uploaded; deletes what was not, but for the partial types.
    pub(super) fn take_over(&mut self, uploaded: Self, partial: &BTreeSet<String>) -> Changes {
        let mut changes = Changes::default();
        let is_kept = |kept: &Value, uploaded: Option<&Value>| {
            uploaded.is_some() || kept["_type"].as_str().is_some_and(|it| partial.contains(it))
        };
        let before = self.entities.len();
        self.entities.retain(|key, kept| is_kept(kept, uploaded.entities.get(key)));
        changes.entities.deleted = (before - self.entities.len()) as u64;
        put(&mut self.entities, uploaded.entities, &mut changes.entities);

        let mut sound = uploaded.relationships;
        let n_uploaded = sound.len();
        sound.retain(|_, it| ends_exist(it, &self.entities));
        changes.create_errors = (n_uploaded - sound.len()) as u64;
        let before = self.relationships.len();
        let entities = &self.entities;
        self.relationships
            .retain(|key, kept| is_kept(kept, sound.get(key)) && ends_exist(kept, entities));
        changes.relationships.deleted = (before - self.relationships.len()) as u64;
        put(&mut self.relationships, sound, &mut changes.relationships);
        changes
    }
}

fn put(kept: &mut BTreeMap<String, Value>, new: BTreeMap<String, Value>, counts: &mut Counts) {
    for (key, object) in new {
        match kept.entry(key) {
            Entry::Vacant(place) => {
                place.insert(object);
                counts.created += 1;
            }
            Entry::Occupied(mut place) if *place.get() != object => {
                place.insert(object);
                counts.updated += 1;
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// Whether the ends of a relationship are there. Of a mapped one that is its source: its target is looked up
/// later on, in the whole account.
fn ends_exist(relationship: &Value, entities: &BTreeMap<String, Value>) -> bool {
    let exists = |end: &Value| end.as_str().is_some_and(|key| entities.contains_key(key));
    match relationship.get("_mapping") {
        Some(mapping) => exists(&mapping["sourceEntityKey"]),
        None => ["_fromEntityKey", "_toEntityKey"].iter().all(|end| exists(&relationship[end])),
    }
}

/// How many objects an upload has. In a text of an object the quotation marks would be escaped.
pub(super) fn count_keys(json: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"_key\":";
    json.windows(KEY.len()).filter(|it| it == &KEY).count() as u64
}

/// Why an object is not acceptable, by the rules of the interface: a key, a type and a class; no property
/// of ours that begins with an underscore; values that are plain or lists of one plain kind.
pub(super) fn fault_of(object: &Value) -> Option<&'static str> {
    const KNOWN: [&str; 7] =
        ["_key", "_type", "_class", "_fromEntityKey", "_toEntityKey", "_rawData", "_mapping"];
    let Some(members) = object.as_object() else { return Some("an object is expected") };
    if !["_key", "_type"].iter().all(|name| object[name].is_string()) || object["_class"].is_null()
    {
        return Some("_key, _type and _class are required");
    }
    for (name, value) in members {
        if name.starts_with('_') && !KNOWN.contains(&name.as_str()) {
            return Some("a property name begins with an underscore");
        }
        let is_plain = match value {
            _ if name == "_rawData" => is_raw_data(value),
            _ if name == "_mapping" => is_mapping(value),
            Value::Array(items) => {
                let kind = std::mem::discriminant(items.first().unwrap_or(&Value::Null));
                items.iter().all(|it| !it.is_object() && std::mem::discriminant(it) == kind)
            }
            Value::Object(_) => false,
            _ => true,
        };
        if !is_plain {
            return Some("a value is neither plain nor a list of one plain kind");
        }
    }
    None
}

/// Whether this is a list of named records.
fn is_raw_data(value: &Value) -> bool {
    let is_record = |it: &Value| it["name"].is_string() && it["rawData"].is_object();
    value.as_array().is_some_and(|records| !records.is_empty() && records.iter().all(is_record))
}

/// Whether this says from which entity a mapped relationship goes which way, and by which properties its
/// target is found.
fn is_mapping(value: &Value) -> bool {
    let is_way = matches!(value["relationshipDirection"].as_str(), Some("FORWARD" | "REVERSE"));
    let target = &value["targetEntity"];
    let is_filter = |filter: &Value| {
        let names = filter.as_array().filter(|names| !names.is_empty());
        let known = |name: &Value| name.as_str().is_some_and(|name| !target[name].is_null());
        names.is_some_and(|names| names.iter().all(known))
    };
    let filters = value["targetFilterKeys"].as_array().filter(|filters| !filters.is_empty());
    is_way
        && value["sourceEntityKey"].is_string()
        && filters.is_some_and(|filters| filters.iter().all(is_filter))
}
