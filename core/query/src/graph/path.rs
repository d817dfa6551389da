//! The shortest path between two entities, searched from both ends at once.

use std::collections::{BTreeMap, HashMap};

use super::answers::{Direction, Edge, Path, PathOptions};
use super::{GraphReader, Group, blocking};
use crate::error::QueryError;

/// The entities that a search has reached from one end.
struct Reached {
    /// For each entity its type and, but for the end itself, the edge that led to it and the entity
    /// before it.
    entities: HashMap<String, (String, Option<(Edge, String)>)>,
    /// Those reached last, by type.
    frontier: BTreeMap<String, Vec<String>>,
    steps: u32,
}

impl Reached {
    fn new(type_name: &str, key: &str) -> Self {
        Self {
            entities: HashMap::from([(key.to_owned(), (type_name.to_owned(), None))]),
            frontier: BTreeMap::from([(type_name.to_owned(), vec![key.to_owned()])]),
            steps: 0,
        }
    }

    fn frontier_size(&self) -> usize {
        self.frontier.values().map(Vec::len).sum()
    }

    /// The edges from an entity back to the end, the nearest first.
    fn way_back(&self, key: &str) -> Vec<(Edge, String)> {
        let mut way = Vec::new();
        let mut key = key.to_owned();
        while let Some((_, Some((edge, before)))) = self.entities.get(&key) {
            way.push((edge.clone(), before.clone()));
            key.clone_from(before);
        }
        way
    }
}

impl GraphReader<'_> {
    /// Returns a shortest path between two entities, if there is one within the options. Of several
    /// shortest paths it is always the same one.
    ///
    /// # Errors
    /// [`QueryError::UnknownEntity`] if one of the two does not exist, [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn shortest_path(
        self,
        from: &str,
        to: &str,
        options: &PathOptions,
    ) -> Result<Option<Path>, QueryError> {
        let from_type = self.type_of(from).await?.ok_or(QueryError::UnknownEntity)?;
        let to_type = self.type_of(to).await?.ok_or(QueryError::UnknownEntity)?;
        let mut near = Reached::new(&from_type, from);
        let mut far = Reached::new(&to_type, to);
        loop {
            let meeting = near.entities.keys().filter(|key| far.entities.contains_key(*key)).min();
            if let Some(meeting) = meeting.cloned() {
                return self.joined(&near, &far, &meeting).await.map(Some);
            }
            if near.steps + far.steps >= options.max_length {
                return Ok(None);
            }
            let (smaller, goal) = if near.frontier_size() <= far.frontier_size() {
                (&mut near, to)
            } else {
                (&mut far, from)
            };
            if smaller.frontier.is_empty() {
                return Ok(None);
            }
            self.advance(smaller, goal, options).await?;
        }
    }

    /// Takes one step from the entities that were reached last. Of the entities to avoid, only the goal is reached.
    async fn advance(
        self,
        reached: &mut Reached,
        goal: &str,
        options: &PathOptions,
    ) -> Result<(), QueryError> {
        let frontier = std::mem::take(&mut reached.frontier);
        reached.steps += 1;
        for (type_name, keys) in frontier {
            for group in self.groups(&type_name) {
                let other_type = group.other_type();
                let is_avoided = options.avoid.contains(other_type)
                    || (!options.through_accounts && self.is_hub(other_type));
                let mut found: Vec<_> = self.expand(group, &keys).await?.into_iter().collect();
                found.sort_unstable();
                for (key, before) in found {
                    if reached.entities.contains_key(&key) || (is_avoided && key != goal) {
                        continue;
                    }
                    let edge = group.edge(&before, &key);
                    reached.frontier.entry(other_type.to_owned()).or_default().push(key.clone());
                    reached.entities.insert(key, (other_type.to_owned(), Some((edge, before))));
                }
            }
        }
        Ok(())
    }

    /// Returns all neighbors of some entities in a group, each with one of the entities.
    async fn expand(
        self,
        group: Group<'_>,
        keys: &[String],
    ) -> Result<HashMap<String, String>, QueryError> {
        // Events are related to nothing but their account, so that no path leads through them.
        let Some(table) = self.edge_table(group.relationship) else { return Ok(HashMap::new()) };
        let (end, keys) = (group.near_end(), keys.to_vec());
        blocking(move || table.expand(end, &keys)).await
    }

    async fn joined(
        self,
        near: &Reached,
        far: &Reached,
        meeting: &str,
    ) -> Result<Path, QueryError> {
        let mut edges = Vec::new();
        let mut keys = vec![meeting.to_owned()];
        for (edge, before) in near.way_back(meeting) {
            edges.push(edge);
            keys.push(before);
        }
        edges.reverse();
        keys.reverse();
        for (edge, before) in far.way_back(meeting) {
            edges.push(edge);
            keys.push(before);
        }
        let typed: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let known = near.entities.get(&key).or_else(|| far.entities.get(&key));
                let type_name = known.map(|(type_name, _)| type_name.clone()).unwrap_or_default();
                (type_name, key)
            })
            .collect();
        Ok(Path { entities: self.ordered_references(&typed).await?, edges })
    }
}

impl Group<'_> {
    /// The edge of this group between an entity and its neighbor.
    pub(super) fn edge(self, near: &str, other: &str) -> Edge {
        let (from, to) = match self.direction {
            Direction::Out => (near, other),
            Direction::In => (other, near),
        };
        Edge {
            type_name: self.relationship.name.clone(),
            class: self.relationship.class.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
        }
    }
}
