//! A graph as plain text, one entity or edge after the other, for the snapshots of the steps'
//! tests. It shows personal data, so it is for invented data only.

use std::fmt::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use core_model::relationship::{FROM_KEY, TO_KEY};
use core_model::step::Step;

use crate::edges::Edges;
use crate::entities::EntityTable;
use crate::graph::{Graph, TextColumn};
use crate::step::{IngestError, StepIngest};

/// Builds the graph of these exports, which must come in the order of the dependency graph.
///
/// # Errors
///
/// An export is rejected.
pub fn build_graph(exports: &[(&'static Step, &[u8])]) -> Result<Graph, IngestError> {
    let mut graph = Graph::default();
    for (step, export) in exports {
        let mut ingest = StepIngest::new(step, &graph);
        ingest.push(export)?;
        let tables = ingest.finish()?;
        graph.add(tables);
    }
    Ok(graph)
}

/// Lists the entities and edges of a step's types, without null properties.
///
/// # Errors
///
/// None in practice: an error here is a defect of a schema.
pub fn list(graph: Graph, step: &Step) -> Result<String, ArrowError> {
    let mut listing = String::new();
    for entity in step.entities {
        let counts = graph.entity_table(entity.type_name).map(EntityTable::counts);
        let _ = writeln!(listing, "{}: {counts:?}", entity.type_name);
    }
    for relationship in step.relationships {
        let counts = graph.edges(relationship.type_name).map(Edges::counts);
        let _ = writeln!(listing, "{}: {counts:?}", relationship.type_name);
    }
    let graph = graph.sort();
    let belongs_to_step = |name| step.entities.iter().any(|entity| entity.type_name == name);
    for entities in graph.entities().filter(|table| belongs_to_step(table.entity.type_name)) {
        for batch in entities.batches(&[])? {
            list_entities(&mut listing, &batch?);
        }
    }
    let belongs_to_step =
        |name| step.relationships.iter().any(|relationship| relationship.type_name == name);
    for edges in graph.edges().filter(|table| belongs_to_step(table.relationship().type_name)) {
        for batch in graph.edge_batches(edges)?.iter() {
            list_edges(&mut listing, edges.relationship().class.name(), &batch?)?;
        }
    }
    Ok(listing)
}

fn list_entities(listing: &mut String, batch: &RecordBatch) {
    for row in 0..batch.num_rows() {
        listing.push('\n');
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            if column.is_valid(row) {
                let _ = writeln!(listing, "{}: {}", field.name(), cell(column, row));
            }
        }
    }
}

fn list_edges(listing: &mut String, class: &str, batch: &RecordBatch) -> Result<(), ArrowError> {
    let (from, to) =
        (TextColumn::from_batch(batch, FROM_KEY)?, TextColumn::from_batch(batch, TO_KEY)?);
    for row in 0..batch.num_rows() {
        let ends = (from.value(row).unwrap_or(""), to.value(row).unwrap_or(""));
        let _ = write!(listing, "\n{} {class} {}", ends.0, ends.1);
        for field in &batch.schema().fields()[2..] {
            let value = TextColumn::from_batch(batch, field.name())?.value(row);
            let _ = write!(listing, " {}: {value:?}", field.name());
        }
    }
    listing.push('\n');
    Ok(())
}

fn cell(column: &dyn Array, row: usize) -> String {
    match column.data_type() {
        DataType::Utf8 => format!("{:?}", column.as_string::<i32>().value(row)),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            format!("{:?}", items.as_string::<i32>().iter().flatten().collect::<Vec<_>>())
        }
        _ => column.as_primitive::<TimestampMillisecondType>().value(row).to_string(),
    }
}
