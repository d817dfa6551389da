//! The entities around one, step by step, within limits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::answers::{Edge, HiddenEdges, Neighborhood, NeighborhoodLimits, PlacedEntity};
use super::edges::EdgesAt;
use super::entities::texts;
use super::{GraphReader, Group, blocking};
use crate::error::QueryError;

/// A neighborhood while it grows.
#[derive(Default)]
struct Growth {
    /// The type, the key and the depth of each entity, in the order in which they were found.
    entities: Vec<(String, String, u32)>,
    known: BTreeSet<String>,
    edges: BTreeSet<Edge>,
    hidden: BTreeMap<(String, String), HiddenEdges>,
}

impl GraphReader<'_> {
    /// Returns the entities around one, and the relationships that lead to them. Accounts, to which
    /// everything is related, are shown but not followed, unless one of them is the entity itself.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn neighborhood(
        self,
        key: &str,
        limits: NeighborhoodLimits,
    ) -> Result<Neighborhood, QueryError> {
        let mut growth = Growth::default();
        if let Some(type_name) = self.type_of(key).await? {
            growth.known.insert(key.to_owned());
            growth.entities.push((type_name, key.to_owned(), 0));
        }
        let mut first_new = 0;
        for depth in 0..limits.depth {
            let frontier = growth.entities[first_new..].to_vec();
            first_new = growth.entities.len();
            let mut by_type: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (type_name, key, _) in frontier {
                if depth == 0 || !self.is_hub(&type_name) {
                    by_type.entry(type_name).or_default().push(key);
                }
            }
            for (type_name, keys) in &by_type {
                for group in self.groups(type_name) {
                    self.grow(&mut growth, group, keys, depth + 1, limits).await?;
                }
            }
        }
        let keys: Vec<_> = growth
            .entities
            .iter()
            .map(|(type_name, key, _)| (type_name.clone(), key.clone()))
            .collect();
        let entities = self.ordered_references(&keys).await?;
        let depths = growth.entities.iter().map(|(_, _, depth)| *depth);
        let entities = entities.into_iter().zip(depths);
        Ok(Neighborhood {
            entities: entities.map(|(entity, depth)| PlacedEntity { entity, depth }).collect(),
            edges: growth.edges.into_iter().collect(),
            hidden: growth.hidden.into_values().filter(|hidden| hidden.count > 0).collect(),
        })
    }

    /// Adds the neighbors in one group of some entities.
    async fn grow(
        self,
        growth: &mut Growth,
        group: Group<'_>,
        keys: &[String],
        depth: u32,
        limits: NeighborhoodLimits,
    ) -> Result<(), QueryError> {
        for (key, at, others) in self.expand_each(group, keys, limits.neighbors).await? {
            let mut shown = 0;
            for other in others {
                if !growth.known.contains(&other) {
                    if growth.entities.len() >= limits.entities {
                        continue;
                    }
                    growth.known.insert(other.clone());
                    growth.entities.push((group.other_type().to_owned(), other.clone(), depth));
                }
                shown += 1;
                growth.edges.insert(group.edge(&key, &other));
            }
            let relationship = group.relationship.name.clone();
            let hidden = HiddenEdges {
                key: key.clone(),
                relationship: relationship.clone(),
                direction: group.direction,
                count: at.count - shown,
            };
            growth.hidden.insert((key, format!("{relationship} {:?}", group.direction)), hidden);
        }
        Ok(())
    }

    /// Finds the first neighbors of each of some entities in one group.
    async fn expand_each(
        self,
        group: Group<'_>,
        keys: &[String],
        limit: usize,
    ) -> Result<Vec<(String, EdgesAt, Vec<String>)>, QueryError> {
        let far = group.near_end().other().column();
        let Some(table) = self.edge_table(group.relationship) else {
            let mut each = Vec::new();
            for key in keys {
                let at = self.edges_at(group, key, 0, limit).await?;
                let others = texts(&self.read_edges(group, key, &at.rows).await?, far)?;
                each.push((key.clone(), at, others.into_iter().flatten().collect()));
            }
            return Ok(each);
        };
        let (end, near) = (group.near_end(), keys.to_vec());
        let found = blocking(move || table.find(end, &near, 0, limit)).await?;
        // One pass for the rows of all keys.
        let rows: BTreeSet<u64> = found.iter().flat_map(|at| at.rows.iter().copied()).collect();
        let rows: Vec<u64> = rows.into_iter().collect();
        let edges = self.read_edges(group, "", &rows).await?;
        let others = texts(&edges, far)?;
        let by_row: HashMap<u64, String> =
            rows.iter().copied().zip(others.into_iter().map(Option::unwrap_or_default)).collect();
        let each = keys.iter().zip(found).map(|(key, at)| {
            let others = at.rows.iter().filter_map(|row| by_row.get(row).cloned()).collect();
            (key.clone(), at, others)
        });
        Ok(each.collect())
    }
}
