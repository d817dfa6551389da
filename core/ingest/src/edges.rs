//! The edges of one relationship type as pairs of entity numbers, each once.
//!
//! The pairs are held as one compressed set of targets for each source. The rows of an export often come
//! grouped by source, so that one set is in use for many rows. Where they do not, the edges of
//! many rows are first brought near those of the same sources. A table in the order of the sources
//! has each source's key in one place, so that no part of it repeats many keys.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array as _, ArrayRef, DictionaryArray, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use core_model::relationship::RelationshipType;

use crate::keys::UNKNOWN;
use crate::sorted::SortedEntities;
use crate::targets::{Bits, Targets};
use crate::values::{FROM_KEY, TO_KEY, data_type};

/// A batch of a finished table ends with the source that reaches so many edges.
const OUTPUT_ROWS: usize = 32 * 1024;

/// How many neighbouring sources' edges are settled together: their sets fit the processor's cache.
const SOURCES_AT_ONCE: usize = 1024;

/// The edges of one type while a run collects them.
#[derive(Debug)]
pub struct Edges {
    relationship: &'static RelationshipType,
    /// For each source, its targets.
    targets: Vec<Targets>,
    /// What rows have drawn since edges were settled last.
    drawn: Vec<Pair>,
    /// Empty between uses.
    bits: Bits,
    counts: EdgeCounts,
}

/// The ends of the edge that a row has drawn.
#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    from: u32,
    to: u32,
    /// The row, counted from when edges were settled last.
    row: u32,
}

/// What became of the rows that could draw an edge of a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct EdgeCounts {
    /// Edges that the rows drew.
    pub edges: u64,
    /// Rows that drew an edge again.
    pub duplicates: u64,
    /// Dangling rows: they name an entity that nobody knows, and draw no edge.
    pub dangling: u64,
    /// Rows that name nothing at one end, and draw no edge.
    pub unlinked: u64,
    /// Edges taken over from the generation before.
    pub carried_over: u64,
}

/// Stands for the number of an entity at an end that a row does not name.
pub(crate) const UNNAMED: u32 = UNKNOWN - 1;

impl Edges {
    pub(crate) fn new(relationship: &'static RelationshipType) -> Self {
        Self {
            relationship,
            targets: Vec::new(),
            drawn: Vec::new(),
            bits: Bits::default(),
            counts: EdgeCounts::default(),
        }
    }

    /// The type.
    pub fn relationship(&self) -> &'static RelationshipType {
        self.relationship
    }

    /// How many edges there are.
    pub fn len(&self) -> u64 {
        self.counts.edges + self.counts.carried_over
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of the rows.
    pub fn counts(&self) -> EdgeCounts {
        self.counts
    }

    /// Draws the edges of rows, which count when edges are settled. For each row there is the number of the
    /// entity at each end, or [`UNKNOWN`], or [`UNNAMED`]. The first row has this number, counted from when
    /// edges were settled last. Marks the rows that add something now: dangling ones do.
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
                self.drawn.push(Pair { from, to, row });
            } else if from == UNNAMED || to == UNNAMED {
                self.counts.unlinked += 1;
            } else {
                self.counts.dangling += 1;
                *added = true;
            }
        }
    }

    /// Adds the edges that rows have drawn, and marks the rows whose edge is new. Of rows that draw the
    /// same edge, the first one does.
    pub(crate) fn settle(&mut self, added: &mut [bool]) {
        let mut drawn = std::mem::take(&mut self.drawn);
        let changes = drawn.windows(2).filter(|it| it[0].from != it[1].from).count();
        if changes < drawn.len() / 4 {
            self.insert_all(&drawn, added);
        } else {
            self.insert_all(&by_source(&drawn), added);
        }
        drawn.clear();
        self.drawn = drawn;
    }

    fn insert_all(&mut self, pairs: &[Pair], added: &mut [bool]) {
        for run in pairs.chunk_by(|left, right| left.from == right.from) {
            let before = self.counts;
            if !self.insert_run(run, added) {
                for &Pair { from, to, row } in run {
                    let is_new = self.insert(from, to);
                    added[row as usize] |= is_new;
                    self.counts.edges += u64::from(is_new);
                }
            }
            let new = self.counts.edges - before.edges;
            self.counts.duplicates += run.len() as u64 - new;
        }
    }

    /// Inserts the edges of a source that has none yet, all at once, if that is quicker.
    fn insert_run(&mut self, run: &[Pair], added: &mut [bool]) -> bool {
        let targets = self.targets_of(run[0].from);
        if !targets.is_empty() {
            return false;
        }
        let mut rows = run.iter().map(|it| it.row as usize);
        let mut edges = 0;
        let tell = |is_new| {
            let row = rows.next().expect("it tells as often as there are rows");
            added[row] |= is_new;
            edges += u64::from(is_new);
        };
        let numbers = run.iter().map(|it| it.to);
        let Some(made) = Targets::of_run(numbers, &mut self.bits, tell) else { return false };
        *self.targets_of(run[0].from) = made;
        self.counts.edges += edges;
        true
    }

    /// Takes over an edge of an earlier generation.
    pub(crate) fn carry_over(&mut self, from: u32, to: u32) {
        if self.insert(from, to) {
            self.counts.carried_over += 1;
        }
    }

    /// Whether there is an edge between two entities.
    pub(crate) fn contains(&self, from: u32, to: u32) -> bool {
        debug_assert!(self.drawn.is_empty(), "edges are settled before they are asked for");
        self.targets.get(from as usize).is_some_and(|it| it.contains(to))
    }

    fn insert(&mut self, from: u32, to: u32) -> bool {
        self.targets_of(from).insert(to)
    }

    fn targets_of(&mut self, from: u32) -> &mut Targets {
        let from = from as usize;
        if from >= self.targets.len() {
            self.targets.resize_with(from + 1, Targets::default);
        }
        &mut self.targets[from]
    }

    /// The table in batches, ordered by the places of the sources, then by those of the targets.
    ///
    /// # Errors
    ///
    /// Values that the edges repeat are not kept any more.
    pub fn batches<'a>(
        &'a self,
        from: &'a SortedEntities,
        to: &'a SortedEntities,
    ) -> Result<EdgeBatches<'a>, ArrowError> {
        let mut starts = vec![0];
        let mut edges = 0;
        for (next, &number) in (1..).zip(from.numbers()) {
            edges += self.targets.get(number as usize).map_or(0, Targets::len);
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
    /// The place of the first source of each batch, and at last the place after the last source.
    starts: Vec<usize>,
}

impl EdgeBatches<'_> {
    /// How many batches there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All batches.
    pub fn iter(&self) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        self.every(1, 0)
    }

    /// Every `step`-th batch from the `first` on: for threads that make a part of them each.
    pub fn every(
        &self,
        step: usize,
        first: usize,
    ) -> impl Iterator<Item = Result<RecordBatch, ArrowError>> + '_ {
        let mut bits = Bits::default();
        (first..self.len()).step_by(step).map(move |it| self.batch(it, &mut bits))
    }

    fn batch(&self, batch: usize, bits: &mut Bits) -> Result<RecordBatch, ArrowError> {
        let (start, end) = (self.starts[batch], self.starts[batch + 1]);
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let first = u32::try_from(start).expect("places are u32");
        for (place, &number) in (first..).zip(&self.from.numbers()[start..end]) {
            let Some(targets) = self.edges.targets.get(number as usize) else { continue };
            targets.append_ranks(&self.to.rank, bits, &mut to);
            from.resize(to.len(), place);
        }
        self.writer.batch(from, to)
    }
}

/// The same pairs with those of neighbouring sources together, in which they stay in their order.
fn by_source(pairs: &[Pair]) -> Vec<Pair> {
    let group = |it: &Pair| it.from as usize / SOURCES_AT_ONCE;
    let groups = pairs.iter().map(group).max().map_or(0, |last| last + 1);
    let mut starts = vec![0; groups + 1];
    for pair in pairs {
        starts[group(pair) + 1] += 1;
    }
    for place in 0..groups {
        starts[place + 1] += starts[place];
    }
    let mut sorted = vec![Pair::default(); pairs.len()];
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
    fields.extend(relationship.properties.iter().map(|it| {
        let property = relationship.target_property(it);
        let value = data_type(property.value_type());
        Field::new(it.name, dictionary(value), !property.never_null)
    }));
    Arc::new(Schema::new(fields))
}

fn dictionary(value: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(value))
}

/// Makes batches of edges that share the columns of their ends as dictionaries.
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
        let properties = relationship.properties.iter().map(|it| to.property(it.name));
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
            // A null belongs into the keys of a dictionary, where every reader looks for it.
            let keys = to.iter().map(|it| it.filter(|&place| values.is_valid(place as usize)));
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
    use core_model::relationship::row;

    use super::*;

    static BOX: EntityType = EntityType {
        type_name: "shop_box",
        class: &[Class::Application],
        resource: "Box",
        key_column: "box.uid",
        key_else: &[],
        newest_by: &[],
        properties: &[
            text("name", &["box.uid"], "Name.").never_null(),
            text("displayName", &["box.uid"], "Name.").never_null(),
        ],
    }
    .checked();

    static BOX_HAS_BOX: RelationshipType = RelationshipType {
        type_name: "shop_box_has_box",
        from: row(&BOX, "box.uid"),
        class: RelationshipClass::Has,
        to: row(&BOX, "box.uid"),
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
            edges.settle(&mut added_now);
            added.push(added_now);
        }
        (edges, added)
    }

    #[test]
    fn the_first_row_that_draws_an_edge_adds_it_whatever_the_order_of_sources() {
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
    fn a_row_that_names_nobody_known_is_counted_and_draws_no_edge() {
        let mut edges = Edges::new(&BOX_HAS_BOX);
        let mut added = [false; 5];
        let from = [1, UNKNOWN, UNNAMED, UNNAMED, UNKNOWN];
        let to = [UNKNOWN, 1, 1, UNKNOWN, UNKNOWN];
        let unusable = [false, false, false, false, true];
        edges.draw([&from, &to], &unusable, 0, &mut added);
        edges.settle(&mut added);
        assert_eq!(added, [true, true, false, false, false]);
        let counts = EdgeCounts { dangling: 2, unlinked: 2, ..EdgeCounts::default() };
        assert_eq!(edges.counts(), counts);
    }

    #[test]
    fn pairs_of_neighbouring_sources_come_together_in_their_order() {
        let pairs = [(3000, 0), (1, 1), (2999, 2), (0, 3), (1, 4)];
        let pairs = pairs.map(|(from, row)| Pair { from, to: 0, row });
        let rows: Vec<u32> = by_source(&pairs).iter().map(|it| it.row).collect();
        assert_eq!(rows, [1, 3, 4, 0, 2]);
    }
}
