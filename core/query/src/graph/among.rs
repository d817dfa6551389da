//! The relationships among some entities, which a graph of several entities shows.

use std::collections::{BTreeMap, BTreeSet};

use super::answers::{Direction, Edge};
use super::{GraphReader, Group, blocking};
use crate::error::QueryError;

impl GraphReader<'_> {
    /// Returns the relationships among some entities, in order: at most `limit` of each type of relationships. Keys
    /// without an entity are left out, and so are relationships to events.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn edges_among(self, keys: &[String], limit: usize) -> Result<Vec<Edge>, QueryError> {
        let mut by_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in keys {
            if let Some(type_name) = self.type_of(key).await? {
                by_type.entry(type_name).or_default().push(key.clone());
            }
        }
        let mut edges = BTreeSet::new();
        for relationship in &self.session.graph().relationships {
            let ends = by_type.get(&relationship.from).zip(by_type.get(&relationship.to));
            let (Some((from, to)), Some(table)) = (ends, self.edge_table(relationship)) else {
                continue;
            };
            let (from, to) = (from.clone(), to.clone());
            let found = blocking(move || table.between(&from, &to, limit)).await?;
            let group = Group { relationship, direction: Direction::Out };
            edges.extend(found.into_iter().map(|(from, to)| group.edge(&from, &to)));
        }
        Ok(edges.into_iter().collect())
    }
}
