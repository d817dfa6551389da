//! Publishes a graph as a generation of a store, as the program does.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use core_ingest::edges::edge_schema;
use core_ingest::graph::{Graph, SortedGraph};
use core_ingest::values::entity_schema;
use core_model::entity::EntityType;
use core_model::property::PersonalData;
use core_store::{
    Draft, GenerationId, Location, Outcome, Staging, Store, Table, TableDeclaration, TableKind,
};

/// The tenant of the store.
pub(crate) const TENANT: &str = "acme";

/// The number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    One,
    Two,
}

/// Publishes to a new store, which is kept for inspection.
///
/// # Errors
///
/// The store is not writable.
pub(crate) fn publish(graph: Graph, folder: &Path, threads: Threads) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let graph = graph.sort();
    let store = Store::open(Location::parse(&folder.to_string_lossy())?)?;
    let staging = store
        .tenant(TENANT)?
        .lock("cargo xtask bench")?
        .stage(GenerationId::parse("01JN7Z1M80000000000000000A")?)?;
    let draft = Draft {
        region: "eu".to_owned(),
        created_at: "2026-03-01T08:00:00Z".to_owned(),
        outcome: Outcome::Complete,
        privacy: None,
        tables: write_tables(&graph, &staging, threads)?,
    };
    staging.publish(draft, &[])?;
    Ok(())
}

fn write_tables(
    graph: &SortedGraph,
    staging: &Staging,
    threads: Threads,
) -> anyhow::Result<Vec<Table>> {
    let (entities, relationships) = match threads {
        Threads::One => (write_entities(graph, staging), write_relationships(graph, staging)),
        Threads::Two => thread::scope(|scope| {
            let relationships = scope.spawn(|| write_relationships(graph, staging));
            let entities = write_entities(graph, staging);
            (entities, relationships.join().unwrap_or_else(|defect| resume_unwind(defect)))
        }),
    };
    Ok([entities?, relationships?].concat())
}

fn write_entities(graph: &SortedGraph, staging: &Staging) -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for entities in graph.entities() {
        let entity = entities.entity;
        let mut writer = staging.table(TableDeclaration {
            kind: TableKind::Entity,
            name: entity.type_name.to_owned(),
            class: entity.class.iter().map(|class| class.name().to_owned()).collect(),
            ends: None,
            schema: entity_schema(entity, &[]),
            personal_columns: personal_columns(entity),
        })?;
        for batch in entities.batches(&[])? {
            writer.write(&batch?)?;
        }
        tables.push(writer.finish()?);
    }
    Ok(tables)
}

fn write_relationships(graph: &SortedGraph, staging: &Staging) -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for edges in graph.edges() {
        let relationship = edges.relationship();
        let ends =
            [&relationship.from, &relationship.to].map(|end| end.entity.type_name.to_owned());
        let mut writer = staging.table(TableDeclaration {
            kind: TableKind::Relationship,
            name: relationship.type_name.to_owned(),
            class: vec![relationship.class.name().to_owned()],
            ends: Some(ends.into()),
            schema: edge_schema(relationship),
            personal_columns: Vec::new(),
        })?;
        for batch in graph.edge_batches(edges)?.iter() {
            writer.write(&batch?)?;
        }
        tables.push(writer.finish()?);
    }
    Ok(tables)
}

fn personal_columns(entity: &EntityType) -> Vec<String> {
    let personal =
        entity.properties.iter().filter(|property| property.personal_data() != PersonalData::None);
    personal.map(|property| property.name.to_owned()).collect()
}
