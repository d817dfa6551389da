//! The edges of one relationship type as pairs of entity numbers, each once.
//!
//! Each source has one compressed set of targets. The rows of an export are often grouped by
//! source, so one set serves many rows while it is in the cache. Where they are not grouped, the
//! edges of many rows are first sorted roughly by source. The table is in the order of the sources,
//! so that the rows of one key are adjacent and a part of the table has few distinct keys.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array as _, ArrayRef, DictionaryArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use core_model::relationship::{FROM_KEY, RelationshipType, TO_KEY};

use crate::adjacency::{AdjacencySet, ScratchBitmap};
use crate::keys::UNKNOWN;
use crate::sorted::SortedEntities;
use crate::values::data_type;

/// The number of edges after which a batch of a finished table ends, at the end of a source.
const OUTPUT_ROWS: usize = 32 * 1024;

/// The number of neighbouring sources whose edges are inserted together: their sets fit the
/// processor's cache.
const SOURCES_AT_ONCE: usize = 1024;

/// The edges of one type while a run collects them.
#[derive(Debug)]
pub struct Edges {
    relationship: &'static RelationshipType,
    /// The set of targets of each source.
    adjacency: Vec<AdjacencySet>,
    /// Edges that rows have drawn since the last flush.
    pending: Vec<PendingEdge>,
    /// Empty between uses.
    bits: ScratchBitmap,
    counts: EdgeCounts,
}

/// An edge that a row has drawn.
#[derive(Debug, Default, Clone, Copy)]
struct PendingEdge {
    from: u32,
    to: u32,
    /// The row, counted from the last flush.
    row: u32,
}

/// Counts of the rows that could draw an edge of a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Edges that the rows drew.
    pub edges: u64,
    /// Rows that repeated an edge.
    pub duplicates: u64,
    /// Dangling rows: they name an unknown entity, and draw no edge.
    pub dangling: u64,
    /// Rows with an empty cell at one end, which draw no edge.
    pub unlinked: u64,
    /// Edges carried over from the previous generation.
    pub carried_over: u64,
}

/// Stands for an end that a row leaves empty.
pub(crate) const UNNAMED: u32 = UNKNOWN - 1;

impl Edges {
    pub(crate) fn new(relationship: &'static RelationshipType) -> Self {
        Self {
            relationship,
            adjacency: Vec::new(),
            pending: Vec::new(),
            bits: ScratchBitmap::default(),
            counts: EdgeCounts::default(),
        }
    }

    /// The relationship type.
    pub fn relationship(&self) -> &'static RelationshipType {
        self.relationship
    }

    /// The number of edges.
    pub fn len(&self) -> u64 {
        self.counts.edges + self.counts.carried_over
    }

    /// Returns true if there are no edges.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The counts of the rows.
    pub fn counts(&self) -> EdgeCounts {
        self.counts
    }

    /// Draws the edges of rows; they take effect at the next flush. Each end of a row is an entity
    /// number, [`UNKNOWN`] or [`UNNAMED`]. `first` is the number of the first row, counted from the
    /// last flush. Marks the dangling rows as having added something.
    pub(crate) fn draw(
        &mut self,
        [from, to]: [&[u32]; 2],
        unusable: &[bool],
        first: u32,
        added: &mut [bool],
    ) {
        let rows = (first..).zip(from.iter().zip(to)).zip(unusable.iter().zip(added));
        for ((row, (&from, &to)), (&unusable, added)) in rows {
            if unusable {
                continue;
            }
            if from < UNNAMED && to < UNNAMED {
                self.pending.push(PendingEdge { from, to, row });
            } else if from == UNNAMED || to == UNNAMED {
                self.counts.unlinked += 1;
            } else {
                self.counts.dangling += 1;
                *added = true;
            }
        }
    }

    /// Inserts the pending edges and marks the rows whose edge is new. If several rows draw the
    /// same edge, the first of them is marked.
    pub(crate) fn flush(&mut self, added: &mut [bool]) {
        let mut pending = std::mem::take(&mut self.pending);
        let changes = pending.windows(2).filter(|pair| pair[0].from != pair[1].from).count();
        if changes < pending.len() / 4 {
            self.insert_all(&pending, added);
        } else {
            self.insert_all(&group_by_source(&pending), added);
        }
        pending.clear();
        self.pending = pending;
    }

    fn insert_all(&mut self, pairs: &[PendingEdge], added: &mut [bool]) {
        for run in pairs.chunk_by(|left, right| left.from == right.from) {
            let before = self.counts;
            if !self.insert_run(run, added) {
                for &PendingEdge { from, to, row } in run {
                    let is_new = self.insert(from, to);
                    added[row as usize] |= is_new;
                    self.counts.edges += u64::from(is_new);
                }
            }
            let new = self.counts.edges - before.edges;
            self.counts.duplicates += run.len() as u64 - new;
        }
    }

    /// Inserts all edges of a source that has none yet, if that is faster than one by one.
    fn insert_run(&mut self, run: &[PendingEdge], added: &mut [bool]) -> bool {
        let adjacency = self.targets_of(run[0].from);
        if !adjacency.is_empty() {
            return false;
        }
        let mut rows = run.iter().map(|edge| edge.row as usize);
        let mut edges = 0;
        let report = |is_new| {
            let row = rows.next().expect("called once per row");
            added[row] |= is_new;
            edges += u64::from(is_new);
        };
        let numbers = run.iter().map(|edge| edge.to);
        let Some(set) = AdjacencySet::from_run(numbers, &mut self.bits, report) else {
            return false;
        };
        *self.targets_of(run[0].from) = set;
        self.counts.edges += edges;
        true
    }

    /// Carries over an edge of an earlier generation.
    pub(crate) fn carry_over(&mut self, from: u32, to: u32) {
        if self.insert(from, to) {
            self.counts.carried_over += 1;
        }
    }

    /// Returns true if there is an edge between two entities.
    pub(crate) fn contains(&self, from: u32, to: u32) -> bool {
        debug_assert!(self.pending.is_empty(), "edges must be flushed before they are looked up");
        self.adjacency.get(from as usize).is_some_and(|adjacency| adjacency.contains(to))
    }

    fn insert(&mut self, from: u32, to: u32) -> bool {
        self.targets_of(from).insert(to)
    }

    fn targets_of(&mut self, from: u32) -> &mut AdjacencySet {
        let from = from as usize;
        if from >= self.adjacency.len() {
            self.adjacency.resize_with(from + 1, AdjacencySet::default);
        }
        &mut self.adjacency[from]
    }

    /// Returns the table in batches, ordered by the rank of the source, then by that of the target.
    ///
    /// # Errors
    ///
    /// The values that the edges copy from their targets were released.
    pub fn batches<'a>(
        &'a self,
        from: &'a SortedEntities,
        to: &'a SortedEntities,
    ) -> Result<EdgeBatches<'a>, ArrowError> {
        let mut starts = vec![0];
        let mut edges = 0;
        for (next, &number) in (1..).zip(from.numbers()) {
            edges += self.adjacency.get(number as usize).map_or(0, AdjacencySet::len);
            if edges >= OUTPUT_ROWS {
                starts.push(next);
                edges = 0;
            }
        }
        if edges > 0 {
            starts.push(from.len());
        }
        let writer = EdgeWriter::new(self.relationship, from, to)?;
        Ok(EdgeBatches { edges: self, from, to, writer, starts })
    }
}

/// The table of the edges of one type, in batches.
pub struct EdgeBatches<'a> {
    edges: &'a Edges,
    from: &'a SortedEntities,
    to: &'a SortedEntities,
    writer: EdgeWriter,
    /// The rank of the first source of each batch, and finally the rank after the last source.
    starts: Vec<usize>,
}

impl EdgeBatches<'_> {
    /// The number of batches.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns true if there are no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over all batches.
    pub fn iter(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        self.every(1, 0)
    }

    /// Iterates over every `step`-th batch, beginning with `first`, so that several threads can
    /// share the work.
    pub fn every(
        &self,
        step: usize,
        first: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        let mut bits = ScratchBitmap::default();
        (first..self.len()).step_by(step).map(move |batch| self.batch(batch, &mut bits))
    }

    fn batch(&self, batch: usize, bits: &mut ScratchBitmap) -> Result<RecordBatch, ArrowError> {
        let (start, end) = (self.starts[batch], self.starts[batch + 1]);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let first = u32::try_from(start).expect("ranks are u32");
        for (place, &number) in (first..).zip(&self.from.numbers()[start..end]) {
            let Some(adjacency) = self.edges.adjacency.get(number as usize) else { continue };
            adjacency.append_ranks(&self.to.rank, bits, &mut to);
            from.resize(to.len(), place);
        }
        self.writer.batch(from, to)
    }
}

/// Groups the edges by ranges of neighbouring sources, and keeps their order within a group.
fn group_by_source(pairs: &[PendingEdge]) -> Vec<PendingEdge> {
    let group = |edge: &PendingEdge| edge.from as usize / SOURCES_AT_ONCE;
    let groups = pairs.iter().map(group).max().map_or(0, |last| last + 1);
    let mut starts = vec![0; groups + 1];
    for pair in pairs {
        starts[group(pair) + 1] += 1;
    }
    for place in 0..groups {
        starts[place + 1] += starts[place];
    }
    let mut sorted = vec![PendingEdge::default(); pairs.len()];
    for pair in pairs {
        let place = &mut starts[group(pair)];
        sorted[*place] = *pair;
        *place += 1;
    }
    sorted
}

/// The schema of a relationship type's table: the keys of both ends, then the edge's properties.
pub fn edge_schema(relationship: &RelationshipType) -> SchemaRef {
    let key = |name| Field::new(name, dictionary(DataType::Utf8), false);
    let mut fields = vec![key(FROM_KEY), key(TO_KEY)];
    fields.extend(relationship.properties.iter().map(|inherited| {
        let property = relationship.target_property(inherited);
        let value = data_type(property.value_type());
        Field::new(inherited.name, dictionary(value), !property.never_null)
    }));
    Arc::new(Schema::new(fields))
}

fn dictionary(value: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(value))
}

/// Makes batches of edges, which share the columns of their ends as dictionaries.
struct EdgeWriter {
    schema: SchemaRef,
    from_keys: Arc<StringArray>,
    to_keys: Arc<StringArray>,
    /// The values of each property of the edge, in the order of the targets.
    properties: Vec<ArrayRef>,
}

impl EdgeWriter {
    fn new(
        relationship: &RelationshipType,
        from: &SortedEntities,
        to: &SortedEntities,
    ) -> Result<Self, ArrowError> {
        let properties = relationship.properties.iter().map(|property| to.property(property.name));
        Ok(Self {
            schema: edge_schema(relationship),
            from_keys: Arc::clone(&from.keys),
            to_keys: Arc::clone(&to.keys),
            properties: properties.collect::<Result<_, _>>()?,
        })
    }

    fn batch(&self, from: Vec<u32>, to: Vec<u32>) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(2 + self.properties.len());
        let to = UInt32Array::from(to);
        columns.push(dictionary_array(UInt32Array::from(from), Arc::clone(&self.from_keys) as _)?);
        columns.push(dictionary_array(to.clone(), Arc::clone(&self.to_keys) as _)?);
        for values in &self.properties {
            if values.null_count() == 0 {
                columns.push(dictionary_array(to.clone(), Arc::clone(values))?);
                continue;
            }
            // Nulls go into the keys of a dictionary, because some readers do not look for them
            // among its values.
            let keys = to.iter().map(|key| key.filter(|&rank| values.is_valid(rank as usize)));
            columns.push(dictionary_array(keys.collect(), Arc::clone(values))?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

fn dictionary_array(keys: UInt32Array, values: ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(DictionaryArray::<UInt32Type>::try_new(keys, values)?))
}

#[cfg(test)]
mod tests {
    use core_model::class::{Class, RelationshipClass};
    use core_model::entity::EntityType;
    use core_model::property::text;
    use core_model::relationship::by_column;

    use super::*;

    static BOX: EntityType = EntityType {
        type_name: "shop_box",
        class: &[Class::Application],
        resource: "Box",
        key_column: "box.uid",
        fallback_key: &[],
        newest_by: &[],
        properties: &[
            text("name", &["box.uid"], "Name.").never_null(),
            text("displayName", &["box.uid"], "Name.").never_null(),
        ],
    }
    .checked();

    static BOX_HAS_BOX: RelationshipType = RelationshipType {
        type_name: "shop_box_has_box",
        from: by_column(&BOX, "box.uid"),
        class: RelationshipClass::Has,
        to: by_column(&BOX, "box.uid"),
        properties: &[],
    }
    .checked();

    fn edges_drawn(runs: &[&[(u32, u32)]]) -> (Edges, Vec<Vec<bool>>) {
        let mut edges = Edges::new(&BOX_HAS_BOX);
        let mut added = Vec::new();
        for run in runs {
            let (from, to): (Vec<u32>, Vec<u32>) = run.iter().copied().unzip();
            let mut added_now = vec![false; run.len()];
            edges.draw([&from, &to], &vec![false; run.len()], 0, &mut added_now);
            edges.flush(&mut added_now);
            added.push(added_now);
        }
        (edges, added)
    }

    #[test]
    fn the_first_row_of_an_edge_is_marked_in_any_order_of_sources() {
        let grouped: &[_] = &[(1, 7), (1, 7), (1, 8), (1, 9), (1, 9), (5000, 7), (5000, 7)];
        let scattered: &[_] = &[(5000, 7), (1, 7), (5000, 7), (2, 7), (1, 7), (1, 8)];
        let (edges, added) = edges_drawn(&[grouped, scattered]);
        assert_eq!(added[0], [true, false, true, true, false, true, false]);
        assert_eq!(added[1], [false, false, false, true, false, false]);
        assert_eq!((edges.counts().edges, edges.counts().duplicates), (5, 8));
        let (_, added) = edges_drawn(&[scattered]);
        assert_eq!(added[0], [true, true, false, true, false, true]);
    }

    #[test]
    fn a_row_with_an_unknown_or_empty_end_is_counted_and_draws_no_edge() {
        let mut edges = Edges::new(&BOX_HAS_BOX);
        let mut added = [false; 5];
        let from = [1, UNKNOWN, UNNAMED, UNNAMED, UNKNOWN];
        let to = [UNKNOWN, 1, 1, UNKNOWN, UNKNOWN];
        let unusable = [false, false, false, false, true];
        edges.draw([&from, &to], &unusable, 0, &mut added);
        edges.flush(&mut added);
        assert_eq!(added, [true, true, false, false, false]);
        let counts = EdgeCounts { dangling: 2, unlinked: 2, ..EdgeCounts::default() };
        assert_eq!(edges.counts(), counts);
    }

    #[test]
    fn grouping_by_source_keeps_the_order_within_a_group() {
        let pairs = [(3000, 0), (1, 1), (2999, 2), (0, 3), (1, 4)];
        let pairs = pairs.map(|(from, row)| PendingEdge { from, to: 0, row });
        let rows: Vec<u32> = group_by_source(&pairs).iter().map(|edge| edge.row).collect();
        assert_eq!(rows, [1, 3, 4, 0, 2]);
    }
}
