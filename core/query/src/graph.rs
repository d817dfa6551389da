//! The graph verbs: look up one entity, follow relationships from it, search names.
//!
//! Entities are read by the engine. Relationships are read directly: a table of edges is a few columns of
//! dictionary codes, and one pass over the codes of one column finds the edges at an entity without
//! making a text of any other row (`edges`). Both ways pass the same gate as a query: files are compared
//! with their checksums, and a generation that has not been through every erasure cannot be opened.

mod among;
mod answers;
mod changes;
mod edges;
mod entities;
mod names;
mod neighborhood;
mod neighbors;
mod overview;
mod path;
mod positioned;
mod search;
pub mod texts;

pub use self::answers::{
    Direction, Edge, Entity, EntityRef, HiddenEdges, Lookup, MatchKind, Neighbor, NeighborGroup,
    NeighborPage, Neighborhood, NeighborhoodLimits, Path, PathOptions, PlacedEntity, Properties,
    SearchHit, SearchPage,
};
pub use self::changes::{Appearance, ChangeKind, EntityChange, EntityHistory, PropertyChange};
pub use self::names::SearchIndex;
pub use self::overview::{Alerts, EntityOverview};

use core_j1ql::RelationshipTable;

use self::edges::{EdgeTable, End};
use crate::error::QueryError;
use crate::session::QuerySession;
use crate::stored::StoredTable;

/// The class whose entities are related to everything. Paths and neighborhoods do not lead through them.
const HUB_CLASS: &str = "Account";

/// Reads the graph of a session.
#[derive(Clone, Copy)]
pub struct GraphReader<'a> {
    session: &'a QuerySession,
}

/// A type of relationships, seen from one of its ends.
#[derive(Clone, Copy)]
struct Group<'a> {
    relationship: &'a RelationshipTable,
    direction: Direction,
}

impl QuerySession {
    /// Returns a reader of the session's graph.
    pub fn graph_reader(&self) -> GraphReader<'_> {
        GraphReader { session: self }
    }
}

impl<'a> GraphReader<'a> {
    /// The groups of relationships that an entity of a type can have.
    fn groups(self, type_name: &str) -> Vec<Group<'a>> {
        let mut groups = Vec::new();
        for relationship in &self.session.graph().relationships {
            if relationship.from == type_name {
                groups.push(Group { relationship, direction: Direction::Out });
            }
            if relationship.to == type_name {
                groups.push(Group { relationship, direction: Direction::In });
            }
        }
        groups
    }

    /// Returns whether entities of a type are related to everything.
    fn is_hub(self, type_name: &str) -> bool {
        let is_meant = |table: &&core_j1ql::EntityTable| table.name == type_name;
        let table = self.session.graph().entities.iter().find(is_meant);
        table.is_some_and(|table| table.classes.iter().any(|class| class == HUB_CLASS))
    }

    /// The stored edges of a relationship type; none for those to events, which are not stored.
    fn edge_table(self, relationship: &RelationshipTable) -> Option<EdgeTable> {
        match self.session.stored.get(&relationship.name)? {
            StoredTable::Generation(generation, kind) => {
                Some(EdgeTable::new(generation.clone(), *kind, &relationship.name))
            }
            StoredTable::Events(_) => None,
        }
    }

    fn is_partial(self, table: &str) -> bool {
        self.session.tables().iter().any(|known| known.name == table && known.partial)
    }
}

impl<'a> Group<'a> {
    /// The type of the entities at the other end.
    fn other_type(self) -> &'a str {
        match self.direction {
            Direction::Out => &self.relationship.to,
            Direction::In => &self.relationship.from,
        }
    }

    /// The end at which the entity stands that the group is seen from.
    fn near_end(self) -> End {
        match self.direction {
            Direction::Out => End::From,
            Direction::In => End::To,
        }
    }
}

/// Does work that reads files on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(QueryError::PANICKED))
}
