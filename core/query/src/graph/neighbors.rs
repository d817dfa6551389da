//! The neighbors of one entity: how many there are in each group, and a page of one group.

use core_j1ql::RelationshipTable;
use datafusion::arrow::array::types::Int64Type;
use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::compute::concat_batches;

use super::answers::{Direction, Neighbor, NeighborGroup, NeighborPage, Properties};
use super::edges::EdgesAt;
use super::entities::{rows_as_properties, texts};
use super::{GraphReader, Group, blocking};
use crate::error::QueryError;
use crate::withheld::ColumnView;

/// The neighbors of a page, at most.
const MAX_PAGE: usize = 1_000;

/// The properties of a relationship that a page leaves out: they are the same in all of them, or an end.
const NOT_SHOWN: [&str; 6] =
    ["_key", "_type", "_class", "displayName", "_fromEntityKey", "_toEntityKey"];

impl GraphReader<'_> {
    /// Returns the groups of neighbors that an entity has, with exact counts, the largest last. Groups
    /// without neighbors are left out, unless they are partial.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn neighbor_groups(self, key: &str) -> Result<Vec<NeighborGroup>, QueryError> {
        let Some(type_name) = self.type_of(key).await? else { return Ok(Vec::new()) };
        let mut answer = Vec::new();
        for group in self.groups(&type_name) {
            let at = self.edges_at(group, key, 0, 0).await?;
            let partial =
                self.is_partial(&group.relationship.name) || self.is_partial(group.other_type());
            if at.count == 0 && !partial {
                continue;
            }
            answer.push(NeighborGroup {
                relationship: group.relationship.name.clone(),
                class: group.relationship.class.clone(),
                direction: group.direction,
                other_type: group.other_type().to_owned(),
                count: at.count,
                partial,
            });
        }
        answer.sort_by_key(|group| group.count);
        Ok(answer)
    }

    /// Returns neighbors of an entity over one type of relationships in one direction, ordered by their
    /// keys: at most `limit`, and at most 1,000. `from` is the `next` of the page before, or 0.
    ///
    /// # Errors
    /// [`QueryError::UnknownEntity`], [`QueryError::UnknownTable`] if there is no such relationship at the entity's
    /// type, [`QueryError::Store`] for damaged files, [`QueryError::Execution`].
    pub async fn neighbors(
        self,
        key: &str,
        relationship: &str,
        direction: Direction,
        from: u64,
        limit: usize,
    ) -> Result<NeighborPage, QueryError> {
        let type_name = self.type_of(key).await?.ok_or(QueryError::UnknownEntity)?;
        let groups = self.groups(&type_name);
        let is_meant = |group: &&Group<'_>| {
            group.relationship.name == relationship && group.direction == direction
        };
        let Some(group) = groups.iter().find(is_meant).copied() else {
            let mut tables: Vec<String> =
                groups.iter().map(|group| group.relationship.name.clone()).collect();
            tables.dedup();
            let suggestion =
                crate::error::most_similar(relationship, &tables).map(|best| tables[best].clone());
            let name = relationship.to_owned();
            let condition = self.session.graph.condition_of(&name).map(str::to_owned);
            return Err(QueryError::UnknownTable { name, suggestion, tables, condition });
        };
        let limit = limit.clamp(1, MAX_PAGE);
        let at = self.edges_at(group, key, from, limit + 1).await?;
        let rows = &at.rows[..at.rows.len().min(limit)];
        let next = at.rows.get(limit).copied();
        if rows.is_empty() {
            return Ok(NeighborPage { neighbors: Vec::new(), count: at.count, next });
        }
        let edges = self.read_edges(group, key, rows).await?;
        let neighbors = self.neighbors_of(group, &edges).await?;
        Ok(NeighborPage { neighbors, count: at.count, next })
    }

    async fn neighbors_of(
        self,
        group: Group<'_>,
        edges: &RecordBatch,
    ) -> Result<Vec<Neighbor>, QueryError> {
        let keys = texts(edges, group.near_end().other().column())?;
        let keys: Vec<_> = keys
            .into_iter()
            .map(|key| (group.other_type().to_owned(), key.unwrap_or_default()))
            .collect();
        let entities = self.ordered_references(&keys).await?;
        let properties = rows_as_properties(edges)?.into_iter().map(|mut row| {
            row.0.retain(|(name, _)| !NOT_SHOWN.contains(&name.as_str()));
            Properties(row.0)
        });
        let neighbors = entities.into_iter().zip(properties);
        Ok(neighbors.map(|(entity, properties)| Neighbor { entity, properties }).collect())
    }

    /// Finds the edges of a group at one entity.
    pub(super) async fn edges_at(
        self,
        group: Group<'_>,
        key: &str,
        first_row: u64,
        limit: usize,
    ) -> Result<EdgesAt, QueryError> {
        let Some(table) = self.edge_table(group.relationship) else {
            return self.event_edges_at(group, key, first_row, limit).await;
        };
        let (end, keys) = (group.near_end(), vec![key.to_owned()]);
        let found = blocking(move || table.find(end, &keys, first_row, limit)).await?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The same for edges to events. These are made on request and have no stored rows, so the position in the order
    /// of their keys replaces the row.
    async fn event_edges_at(
        self,
        group: Group<'_>,
        key: &str,
        first_row: u64,
        limit: usize,
    ) -> Result<EdgesAt, QueryError> {
        let (table, near) = (&group.relationship.name, group.near_end().column());
        let sql = format!("select count(*) n from {table} where {near} = {}", literal(key));
        let batches = self.session.sql(&sql)?.collect().await?;
        let counts = batches.first().map(|batch| batch.column(0).as_primitive::<Int64Type>());
        let count = counts.filter(|counts| !counts.is_empty()).map_or(0, |counts| counts.value(0));
        let count = count.unsigned_abs();
        let end = count.min(first_row.saturating_add(limit as u64));
        Ok(EdgesAt { count, rows: (first_row..end).collect() })
    }

    /// The stored columns of a relationship type, without those that the session withholds or changes.
    fn shown_columns(self, relationship: &RelationshipTable) -> Vec<String> {
        let names = relationship.properties.iter().map(|property| &property.name);
        let is_shown = |name: &&String| {
            let withholding = self.session.withholding.as_ref();
            let view = withholding.map(|rule| rule.view(&relationship.name, name));
            matches!(view, None | Some(ColumnView::Stored))
        };
        names.filter(is_shown).cloned().collect()
    }

    /// Reads the edges of a group in these rows, which follow each other if they lead to events.
    pub(super) async fn read_edges(
        self,
        group: Group<'_>,
        key: &str,
        rows: &[u64],
    ) -> Result<RecordBatch, QueryError> {
        if let Some(table) = self.edge_table(group.relationship) {
            let rows = rows.to_vec();
            let columns = self.shown_columns(group.relationship);
            return blocking(move || table.read(&rows, &columns)).await;
        }
        let (table, near) = (&group.relationship.name, group.near_end());
        let sql = format!(
            "select _fromEntityKey, _toEntityKey from {table} where {} = {} order by {} limit {} \
             offset {}",
            near.column(),
            literal(key),
            near.other().column(),
            rows.len(),
            rows.first().unwrap_or(&0)
        );
        let answer = self.session.sql(&sql)?;
        let schema = answer.schema();
        let batches = answer.collect().await?;
        concat_batches(&schema, &batches).map_err(|error| QueryError::from_arrow(&error))
    }
}

/// A text as SQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
