//! The graph of a simulated JupiterOne, and the effect of a job with `DIFF` on it.

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

/// The changes of a job.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    pub(super) entities: Counts,
    pub(super) relationships: Counts,
    /// Relationships with a `_mapping`.
    pub(super) mapped: Counts,
}

/// The changes of a job to one kind of objects.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
    /// Relationships whose ends do not exist.
    pub(super) create_errors: u64,
}

impl Changes {
    /// The counts of the kind of a relationship.
    fn of(&mut self, relationship: &Value) -> &mut Counts {
        if is_mapped(relationship) { &mut self.mapped } else { &mut self.relationships }
    }
}

impl KeptGraph {
    /// Applies an upload: keeps what was uploaded, and deletes everything else except objects of
    /// the partial types.
    pub(super) fn take_over(&mut self, uploaded: Self, partial: &BTreeSet<String>) -> Changes {
        let mut changes = Changes::default();
        let is_kept = |kept: &Value, uploaded: Option<&Value>| {
            uploaded.is_some() || kept["_type"].as_str().is_some_and(|kind| partial.contains(kind))
        };
        let before = self.entities.len();
        self.entities.retain(|key, kept| is_kept(kept, uploaded.entities.get(key)));
        changes.entities.deleted = (before - self.entities.len()) as u64;
        put(&mut self.entities, uploaded.entities, &mut changes.entities);

        let mut sound = uploaded.relationships;
        let entities = &self.entities;
        sound.retain(|_, relationship| {
            let is_sound = ends_exist(relationship, entities);
            changes.of(relationship).create_errors += u64::from(!is_sound);
            is_sound
        });
        self.relationships.retain(|key, kept| {
            let stays = is_kept(kept, sound.get(key)) && ends_exist(kept, entities);
            changes.of(kept).deleted += u64::from(!stays);
            stays
        });
        let (mapped, plain) = sound.into_iter().partition(|(_, object)| is_mapped(object));
        put(&mut self.relationships, plain, &mut changes.relationships);
        put(&mut self.relationships, mapped, &mut changes.mapped);
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

fn is_mapped(relationship: &Value) -> bool {
    relationship.get("_mapping").is_some()
}

/// Returns true if the ends of a relationship exist. For a mapped one only the source counts:
/// JupiterOne looks the target up later, in the whole account.
fn ends_exist(relationship: &Value, entities: &BTreeMap<String, Value>) -> bool {
    let exists = |end: &Value| end.as_str().is_some_and(|key| entities.contains_key(key));
    match relationship.get("_mapping") {
        Some(mapping) => exists(&mapping["sourceEntityKey"]),
        None => ["_fromEntityKey", "_toEntityKey"].iter().all(|end| exists(&relationship[end])),
    }
}

/// Counts the objects of an upload. Inside a text the quotation marks would be escaped.
pub(super) fn count_keys(json: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"_key\":";
    json.windows(KEY.len()).filter(|window| window == &KEY).count() as u64
}

/// Returns the reason why the interface rejects an object: it needs a key, a type and a class; none
/// of our properties may begin with an underscore; values must be scalars or lists of one scalar
/// kind.
pub(super) fn object_defect(object: &Value) -> Option<&'static str> {
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
                items.iter().all(|item| !item.is_object() && std::mem::discriminant(item) == kind)
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

/// Returns true for a list of named records.
fn is_raw_data(value: &Value) -> bool {
    let is_record = |record: &Value| record["name"].is_string() && record["rawData"].is_object();
    value.as_array().is_some_and(|records| !records.is_empty() && records.iter().all(is_record))
}

/// Returns true if the value names the source entity and the direction of a mapped relationship,
/// and the properties by which its target is found.
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
