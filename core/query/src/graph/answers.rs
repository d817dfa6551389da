//! The answers of the graph verbs, ready to be written as JSON.

use std::collections::BTreeSet;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// Which way a relationship points, seen from an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the entity to its neighbor.
    Out,
    /// From its neighbor to the entity.
    In,
}

/// An entity by its key, type and names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntityRef {
    /// Its `_key`.
    #[serde(rename = "_key")]
    pub key: String,
    /// Its `_type`.
    #[serde(rename = "_type")]
    pub type_name: String,
    /// Its `_class`.
    #[serde(rename = "_class")]
    pub class: Vec<String>,
    /// Its `name`.
    pub name: Option<String>,
    /// Its `displayName`.
    #[serde(rename = "displayName")]
    pub display_name: Option<String>,
}

impl EntityRef {
    /// The name to show: the display name, else the name, else the key.
    pub fn title(&self) -> &str {
        self.display_name.as_deref().or(self.name.as_deref()).unwrap_or(&self.key)
    }
}

/// Properties with their values, in the order of the table. Those without a value are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties(pub Vec<(String, Value)>);

impl Properties {
    /// Returns the value of a property, if it has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An entity with its properties.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entity {
    /// Its key, type and names.
    #[serde(flatten)]
    pub reference: EntityRef,
    /// Its properties, without those in `reference`.
    pub properties: Properties,
    /// True if its type is partial: the entity may be carried over from an earlier generation.
    pub partial: bool,
}

/// The entities that a key or name stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "result", content = "value")]
pub enum Lookup {
    /// One entity.
    Found(Box<Entity>),
    /// Several entities have this name.
    Ambiguous(SearchPage),
    /// No entity has this key or name; these contain it.
    NotFound(SearchPage),
}

/// The neighbors of an entity over one type of relationships in one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborGroup {
    /// The `_type` of the relationships.
    pub relationship: String,
    /// Their `_class`.
    pub class: String,
    /// Which way they point, seen from the entity.
    pub direction: Direction,
    /// The `_type` of the neighbors.
    pub other_type: String,
    /// The number of them.
    pub count: u64,
    /// True if there may be more, because one of the tables is partial.
    pub partial: bool,
}

/// A neighbor of an entity.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbor {
    /// The entity at the other end.
    pub entity: EntityRef,
    /// The properties of the relationship besides its ends.
    pub properties: Properties,
}

/// Some neighbors of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeighborPage {
    /// The neighbors, ordered by their keys.
    pub neighbors: Vec<Neighbor>,
    /// The number that the whole group has.
    pub count: u64,
    /// The text to pass to get the next ones; none after the last.
    pub next: Option<u64>,
}

/// The reach of a neighborhood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighborhoodLimits {
    /// The steps from the entity.
    pub depth: u32,
    /// The neighbors of one entity in one group.
    pub neighbors: usize,
    /// The entities in all.
    pub entities: usize,
}

impl Default for NeighborhoodLimits {
    /// One step, 25 neighbors in a group, 500 entities.
    fn default() -> Self {
        Self { depth: 1, neighbors: 25, entities: 500 }
    }
}

/// The entities around one, and the relationships that lead to them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighborhood {
    /// The entities, the nearest first.
    pub entities: Vec<PlacedEntity>,
    /// The relationships between them.
    pub edges: Vec<Edge>,
    /// The relationships that the limits have left out.
    pub hidden: Vec<HiddenEdges>,
}

/// An entity of a neighborhood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlacedEntity {
    /// The entity.
    #[serde(flatten)]
    pub entity: EntityRef,
    /// The steps to it.
    pub depth: u32,
}

/// A relationship.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Edge {
    /// Its `_type`.
    #[serde(rename = "_type")]
    pub type_name: String,
    /// Its `_class`.
    #[serde(rename = "_class")]
    pub class: String,
    /// The key of the entity that it goes out from.
    #[serde(rename = "_fromEntityKey")]
    pub from: String,
    /// The key of the entity that it goes to.
    #[serde(rename = "_toEntityKey")]
    pub to: String,
}

/// Relationships of one entity that a neighborhood does not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HiddenEdges {
    /// The key of the entity.
    pub key: String,
    /// The `_type` of the relationships.
    pub relationship: String,
    /// Which way they point.
    pub direction: Direction,
    /// The number that is not shown.
    pub count: u64,
}

/// The edges that a path may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathOptions {
    /// The relationships, at most.
    pub max_length: u32,
    /// The types that a path must not lead through. It may begin and end there.
    pub avoid: BTreeSet<String>,
    /// True if a path may lead through accounts, to which everything is related.
    pub through_accounts: bool,
}

impl Default for PathOptions {
    /// Six relationships, not through accounts.
    fn default() -> Self {
        Self { max_length: 6, avoid: BTreeSet::new(), through_accounts: false }
    }
}

/// A way from one entity to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// The entities, both ends included.
    pub entities: Vec<EntityRef>,
    /// The relationships between each and the next; they may point either way.
    pub edges: Vec<Edge>,
}

/// The match of a text in a property. The order is that of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchKind {
    /// The property is the text.
    Exact,
    /// The property begins with it.
    Prefix,
    /// The property contains it.
    Substring,
}

/// An entity that a search has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    /// The entity.
    #[serde(flatten)]
    pub entity: EntityRef,
    /// The property in which the text was found.
    pub property: String,
    /// The value of the property; in lower case, unless it is a key or a name.
    pub value: String,
    /// The kind of the match.
    pub kind: MatchKind,
}

/// The best answers to a search.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SearchPage {
    /// The entities, the best first.
    pub hits: Vec<SearchHit>,
    /// The number of further entities that contain the text.
    pub more: u64,
}
