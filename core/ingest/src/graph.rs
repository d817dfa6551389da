//! The tables of all steps of a run, and the objects carried over from the previous generation.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array as _, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType};
use core_model::entity::EntityType;
use core_model::relationship::{End, FROM_KEY, RelationshipType, TO_KEY};
use core_model::step::Step;

use crate::edges::{EdgeBatches, Edges};
use crate::entities::EntityTable;
use crate::sorted::{ClosedEntities, SortedEntities};
use crate::step::StepTables;

/// The graph of one run while it grows, step after step.
#[derive(Default)]
pub struct Graph {
    entities: BTreeMap<&'static str, EntityTable>,
    /// The entity types that are complete.
    closed: BTreeMap<&'static str, Arc<ClosedEntities>>,
    edges: BTreeMap<&'static str, Edges>,
}

/// The complete graph of one run in its final order.
pub struct SortedGraph {
    entities: BTreeMap<&'static str, Arc<ClosedEntities>>,
    edges: BTreeMap<&'static str, Edges>,
}

impl Graph {
    /// Adds the tables of a step. Exactly one step makes each type.
    pub fn add(&mut self, tables: StepTables) {
        for table in tables.entities {
            self.entities.insert(table.entity().type_name, table);
        }
        for edges in tables.edges {
            self.edges.insert(edges.relationship().type_name, edges);
        }
    }

    /// Adds empty tables for a step that gave none.
    pub fn add_empty(&mut self, step: &'static Step) {
        for entity in step.entities {
            self.entities.insert(entity.type_name, EntityTable::new(entity));
        }
        for relationship in step.relationships {
            self.edges.insert(relationship.type_name, Edges::new(relationship));
        }
    }

    /// The entities of a type, if its step has ended.
    pub fn entity_table(&self, type_name: &str) -> Option<&EntityTable> {
        self.entities.get(type_name)
    }

    /// The edges of a type, if its step has ended.
    pub fn edges(&self, type_name: &str) -> Option<&Edges> {
        self.edges.get(type_name)
    }

    /// Carries over the entities of an earlier generation whose keys are missing here; new values
    /// win.
    ///
    /// # Errors
    ///
    /// The batch is not a table of entities.
    pub fn carry_over_entities(
        &mut self,
        entity: &'static EntityType,
        batch: &RecordBatch,
    ) -> Result<(), ArrowError> {
        let table = self.entities.entry(entity.type_name);
        table.or_insert_with(|| EntityTable::new(entity)).carry_over(batch)
    }

    /// Carries over the edges of an earlier generation whose ends still exist.
    ///
    /// # Errors
    ///
    /// The batch is not a table of edges.
    pub fn carry_over_edges(
        &mut self,
        relationship: &'static RelationshipType,
        batch: &RecordBatch,
    ) -> Result<(), ArrowError> {
        let from = self.numbers(&relationship.from, batch, FROM_KEY)?;
        let to = self.numbers(&relationship.to, batch, TO_KEY)?;
        let edges = self.edges.entry(relationship.type_name);
        let edges = edges.or_insert_with(|| Edges::new(relationship));
        for pair in from.into_iter().zip(to) {
            if let (Some(from), Some(to)) = pair {
                edges.carry_over(from, to);
            }
        }
        Ok(())
    }

    /// The number of entities of an earlier generation that are missing here.
    ///
    /// # Errors
    ///
    /// The batch is not a table of entities.
    pub fn count_missing(
        &self,
        entity: &EntityType,
        batch: &RecordBatch,
    ) -> Result<u64, ArrowError> {
        match self.entities.get(entity.type_name) {
            Some(table) => table.count_missing(batch),
            None => Ok(batch.num_rows() as u64),
        }
    }

    /// The number of entities of an earlier generation that are missing here, and whose `property` is a time before
    /// `oldest_ms`, milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    ///
    /// The batch is not a table of entities.
    pub fn count_expired(
        &self,
        entity: &EntityType,
        batch: &RecordBatch,
        property: &str,
        oldest_ms: i64,
    ) -> Result<u64, ArrowError> {
        match self.entities.get(entity.type_name) {
            Some(table) => table.count_expired(batch, property, oldest_ms),
            None => Ok(0),
        }
    }

    /// The number of edges of an earlier generation that are missing here. An edge that went with
    /// one of its ends does not count, because the step that makes the end accounts for it, unless
    /// that is the same step.
    ///
    /// # Errors
    ///
    /// The batch is not a table of edges.
    pub fn count_missing_edges(
        &self,
        step: &Step,
        relationship: &'static RelationshipType,
        batch: &RecordBatch,
    ) -> Result<u64, ArrowError> {
        let from = self.numbers(&relationship.from, batch, FROM_KEY)?;
        let to = self.numbers(&relationship.to, batch, TO_KEY)?;
        let edges = self.edges.get(relationship.type_name);
        let makes =
            |end: &End| step.entities.iter().any(|entity| entity.type_name == end.entity.type_name);
        let (makes_from, makes_to) = (makes(&relationship.from), makes(&relationship.to));
        let is_missing = |pair: &(Option<u32>, Option<u32>)| match *pair {
            (Some(from), Some(to)) => edges.is_none_or(|edges| !edges.contains(from, to)),
            (from, to) => (from.is_some() || makes_from) && (to.is_some() || makes_to),
        };
        Ok(from.into_iter().zip(to).filter(is_missing).count() as u64)
    }

    /// Keeps an earlier generation's values of the entities of a type where the export lacks a column and has no value.
    ///
    /// # Errors
    ///
    /// A batch is not a table of entities.
    pub fn keep_earlier(
        &mut self,
        entity: &EntityType,
        before: &[RecordBatch],
    ) -> Result<(), ArrowError> {
        match self.entities.get_mut(entity.type_name) {
            Some(table) => table.keep_earlier(before),
            None => Ok(()),
        }
    }

    /// Closes the entities of a type, so that they can be written. Afterwards only their keys may
    /// be looked up here.
    pub fn close(&mut self, type_name: &'static str) -> Option<Arc<ClosedEntities>> {
        let table = self.entities.get_mut(type_name)?;
        let closed = self.closed.entry(type_name);
        Some(Arc::clone(closed.or_insert_with(|| Arc::new(table.close()))))
    }

    /// Brings everything into its final order.
    pub fn sort(mut self) -> SortedGraph {
        let types: Vec<_> = self.entities.keys().copied().collect();
        for type_name in types {
            self.close(type_name);
        }
        SortedGraph { entities: self.closed, edges: self.edges }
    }

    /// Returns the numbers of the entities that a column of keys names.
    fn numbers(
        &self,
        end: &End,
        batch: &RecordBatch,
        column: &str,
    ) -> Result<Vec<Option<u32>>, ArrowError> {
        let keys = TextColumn::from_batch(batch, column)?;
        let table = self.entities.get(end.entity.type_name);
        let number = |key: &str| table?.number(&end.entity.uid_of_key(key)?);
        Ok(keys.map_values(number))
    }
}

impl SortedGraph {
    /// The entity types, in the order of their names.
    pub fn entities(&self) -> impl Iterator<Item = &SortedEntities> {
        self.entities.values().map(|closed| closed.sorted())
    }

    /// The relationship types, in the order of their names.
    pub fn edges(&self) -> impl Iterator<Item = &Edges> {
        self.edges.values()
    }

    /// Returns the table of a relationship type.
    ///
    /// # Errors
    ///
    /// A type at an end of the edges was never made, or values that the edges copy were released: a
    /// defect of the plan.
    pub fn edge_batches<'a>(&'a self, edges: &'a Edges) -> Result<EdgeBatches<'a>, ArrowError> {
        let ends = [&edges.relationship().from, &edges.relationship().to];
        let [from, to] = ends.map(|end| {
            let closed = self.entities.get(end.entity.type_name);
            closed.map(|closed| closed.sorted()).ok_or_else(|| {
                let name = end.entity.type_name;
                ArrowError::SchemaError(format!("no step made the entity type {name}"))
            })
        });
        edges.batches(from?, to?)
    }
}

/// A text column, plain or as a dictionary.
pub(crate) enum TextColumn<'a> {
    Plain(&'a StringArray),
    Dictionary(&'a DictionaryArray<UInt32Type>, &'a StringArray),
}

impl<'a> TextColumn<'a> {
    pub(crate) fn from_batch(batch: &'a RecordBatch, name: &str) -> Result<Self, ArrowError> {
        let no_text_column =
            || ArrowError::SchemaError(format!("no text column `{name}` in the table"));
        let column = batch.column_by_name(name).ok_or_else(no_text_column)?;
        if column.data_type() == &DataType::Utf8 {
            return Ok(Self::Plain(column.as_string()));
        }
        let dictionary = column.as_dictionary_opt::<UInt32Type>().ok_or_else(no_text_column)?;
        let values = dictionary.values().as_string_opt::<i32>().ok_or_else(no_text_column)?;
        Ok(Self::Dictionary(dictionary, values))
    }

    pub(crate) fn value(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Plain(column) => column.is_valid(row).then(|| column.value(row)),
            Self::Dictionary(column, values) => column.key(row).map(|place| values.value(place)),
        }
    }

    /// Applies a function to each row, at most once per dictionary value.
    fn map_values<T: Copy>(&self, function: impl Fn(&str) -> Option<T>) -> Vec<Option<T>> {
        match self {
            Self::Plain(column) => column.iter().map(|value| function(value?)).collect(),
            Self::Dictionary(column, values) => {
                // Computed on demand: a batch may use few of a large dictionary's values.
                let mut mapped: Vec<Option<Option<T>>> = vec![None; values.len()];
                let mut map = |place: u32| {
                    let place = place as usize;
                    *mapped[place].get_or_insert_with(|| {
                        values.is_valid(place).then(|| function(values.value(place))).flatten()
                    })
                };
                column.keys().iter().map(|place| map(place?)).collect()
            }
        }
    }
}
