//! Publishes the graph: writes it in its final order to the tables of a generation.

use std::error::Error;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use arrow_array::RecordBatch;
use core_ingest::edges::{EdgeBatches, Edges, edge_schema};
use core_ingest::graph::SortedGraph;
use core_ingest::sorted::SortedEntities;
use core_ingest::values::{Tag, entity_schema};
use core_model::entity::{EntityType, KEY};
use core_model::plan::{Decision, Plan, SkipReason};
use core_model::property::PersonalData;
use core_model::relationship::{EdgeProperty, FROM_KEY, RelationshipType, TO_KEY};
use core_store::{
    Draft, Generation, Outcome, PrivacyMark, Staging, Table, TableDeclaration, TableKind,
    TableWriter,
};

use super::RunState;
use super::apply::Applier;
use super::quota::QuotaClock;
use super::report::{RunReport, TypeReport};
use crate::cancellation::Cancellation;
use crate::engine::Engine;
use crate::failure::{Ending, Failure};
use crate::host::Host;

/// The largest number of waiting batches of edges of a table, and of threads that make them. Each batch has some
/// 32,000 edges.
const WAITING_BATCHES: usize = 4;

/// The part of the manifest besides the tables.
pub(super) struct PublishContext {
    pub(super) region: String,
    pub(super) privacy: PrivacyMark,
    pub(super) host: Host,
    /// False if the user has named steps and left out others that are configured.
    is_whole: bool,
    clock: QuotaClock,
}

impl PublishContext {
    pub(super) fn new(
        engine: Engine<'_>,
        plan: &Plan,
        privacy: PrivacyMark,
        clock: QuotaClock,
    ) -> Self {
        let region = engine.settings.region.as_str().to_owned();
        let left_out = Decision::Skip(SkipReason::NotSelected);
        let is_whole = plan.steps().iter().all(|planned| planned.decision != left_out);
        Self { region, privacy, host: engine.host.clone(), is_whole, clock }
    }
}

/// Writes all tables, completes the report, and publishes both.
pub(super) fn publish(
    applier: Applier,
    context: &PublishContext,
    report: &mut RunReport,
    ending: Ending,
    cancellation: &Cancellation,
) -> Result<Generation, Failure> {
    let Applier { graph, tables_writer, previous, may_lose, reports, parts, held, .. } = applier;
    (report.parts, report.held) = (parts, held);
    let graph = graph.sort();
    let mut tables =
        write_edges(&graph, tables_writer.staging(), context.host.processors, cancellation)?;
    let (staging, of_entities) = tables_writer.finish()?;
    tables.extend(of_entities);
    check_tables(&graph, &tables)?;
    tables.sort_by(|left, right| (left.kind, &left.name).cmp(&(right.kind, &right.name)));
    for table in &mut tables {
        table.partial = !may_lose.get(table.name.as_str()).copied().unwrap_or(false);
        let before = previous
            .as_ref()
            .and_then(|generation| generation.manifest().table(table.kind, &table.name));
        report.types.push(TypeReport {
            name: table.name.clone(),
            objects: table.rows,
            objects_before: before.map(|table| table.rows),
            partial: table.partial,
        });
    }
    let partial = tables.iter().filter(|table| table.partial).map(|table| table.name.clone());
    report.partial_datasets = partial.collect();
    let is_complete = ending == Ending::Complete && context.is_whole;
    report.finish(reports, ending, &context.host);
    let created_at = context.clock.latest(&context.host).to_rfc3339();
    let outcome = if is_complete { Outcome::Complete } else { Outcome::Partial };
    let run = serde_json::to_vec_pretty(report).map_err(anyhow::Error::new)?;
    let state = RunState::of_report(report, RunState::before(previous.as_ref()));
    let state = serde_json::to_vec_pretty(&state).map_err(anyhow::Error::new)?;
    cancellation.check()?;
    let (region, privacy) = (context.region.clone(), Some(context.privacy.clone()));
    let draft = Draft { region, created_at, outcome, privacy, tables };
    Ok(staging.publish(draft, &[(super::report::FILE, &run), (super::state::FILE, &state)])?)
}

/// Refuses to publish if the table of a type of the graph was not written.
fn check_tables(graph: &SortedGraph, tables: &[Table]) -> Result<(), Failure> {
    let mut types = graph.entities().map(|table| table.entity.type_name);
    match types.find(|name| !tables.iter().any(|table| table.name == *name)) {
        Some(name) => {
            Err(anyhow::anyhow!("the table of {name} was not written; this is a defect").into())
        }
        None => Ok(()),
    }
}

/// Writes the tables of all relationships, one per processor at a time.
fn write_edges(
    graph: &SortedGraph,
    staging: &Staging,
    processors: usize,
    cancellation: &Cancellation,
) -> Result<Vec<Table>, Failure> {
    let mut edges: Vec<&Edges> = graph.edges().collect();
    // The largest first, so that no large one is left at the end.
    edges.sort_by_key(|edges| std::cmp::Reverse(edges.len()));
    let next = AtomicUsize::new(0);
    let write = || {
        let mut tables = Vec::new();
        while let Some(edges) = edges.get(next.fetch_add(1, Ordering::Relaxed)) {
            let table = staging.table(edge_declaration(edges.relationship()))?;
            let batches = graph.edge_batches(edges).map_err(anyhow::Error::new)?;
            tables.push(write_while_made(table, &batches, processors, cancellation)?);
        }
        Ok(tables)
    };
    let written: Vec<Result<Vec<Table>, Failure>> = thread::scope(|scope| {
        let others = (1..processors.min(edges.len())).map(|_| scope.spawn(write));
        let others: Vec<_> = others.collect();
        let own = write();
        let others = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(others).collect()
    });
    let tables: Vec<Vec<Table>> = written.into_iter().collect::<Result<_, Failure>>()?;
    Ok(tables.concat())
}

/// Writes the table of an entity type; `tags` are given to every entity.
pub(super) fn write_entities(
    entities: &SortedEntities,
    tags: &[Tag],
    staging: &Staging,
    cancellation: &Cancellation,
) -> Result<Table, Failure> {
    let table = staging.table(entity_declaration(entities.entity, tags))?;
    write_batches(table, entities.batches(tags).map_err(anyhow::Error::new)?, cancellation)
}

/// Writes batches while other threads make them: for many edges, making takes as long as writing.
fn write_while_made(
    table: TableWriter,
    batches: &EdgeBatches<'_>,
    processors: usize,
    cancellation: &Cancellation,
) -> Result<Table, Failure> {
    let makers = processors.min(batches.len()).clamp(1, WAITING_BATCHES);
    thread::scope(|scope| {
        let start = |first| {
            let (give, take) = mpsc::sync_channel(WAITING_BATCHES.div_ceil(makers));
            // Sending fails only if the table cannot be written.
            let given = batches.every(makers, first).map(move |batch| give.send(batch));
            scope.spawn(|| given.take_while(Result::is_ok).count());
            take
        };
        let queues: Vec<_> = (0..makers).map(start).collect();
        let in_order = queues.iter().cycle().map_while(|queue| queue.recv().ok());
        write_batches(table, in_order, cancellation)
    })
}

fn write_batches<E: Error + Send + Sync + 'static>(
    mut table: TableWriter,
    batches: impl Iterator<Item = Result<RecordBatch, E>>,
    cancellation: &Cancellation,
) -> Result<Table, Failure> {
    for batch in batches {
        cancellation.check()?;
        table.write(&batch.map_err(anyhow::Error::new)?)?;
    }
    Ok(table.finish()?)
}

fn entity_declaration(entity: &EntityType, tags: &[Tag]) -> TableDeclaration {
    TableDeclaration {
        kind: TableKind::Entity,
        name: entity.type_name.to_owned(),
        class: entity.class.iter().map(|class| class.name().to_owned()).collect(),
        ends: None,
        schema: entity_schema(entity, tags),
        personal_columns: personal_columns(entity),
    }
}

fn edge_declaration(relationship: &RelationshipType) -> TableDeclaration {
    let ends = [&relationship.from, &relationship.to].map(|end| end.entity.type_name.to_owned());
    TableDeclaration {
        kind: TableKind::Relationship,
        name: relationship.type_name.to_owned(),
        class: vec![relationship.class.name().to_owned()],
        ends: Some(ends.into()),
        schema: edge_schema(relationship),
        personal_columns: personal_ends(relationship),
    }
}

/// Returns the personal columns of an entity type's table.
pub fn personal_columns(entity: &EntityType) -> Vec<String> {
    let personal =
        entity.properties.iter().filter(|property| property.personal_data() != PersonalData::None);
    let mut columns: Vec<String> = personal.map(|property| property.name.to_owned()).collect();
    if key_is_personal(entity) {
        columns.push(KEY.to_owned());
    }
    columns
}

/// Returns the personal columns of a relationship's table.
pub fn personal_ends(relationship: &RelationshipType) -> Vec<String> {
    let ends = [(&relationship.from, FROM_KEY), (&relationship.to, TO_KEY)];
    let personal = ends.iter().filter(|(end, _)| key_is_personal(end.entity));
    let mut columns: Vec<String> = personal.map(|(_, column)| (*column).to_owned()).collect();
    let properties = relationship.properties.iter();
    let is_personal = |property: &&EdgeProperty| {
        relationship.target_property(property).personal_data() != PersonalData::None
    };
    columns.extend(properties.filter(is_personal).map(|property| property.name.to_owned()));
    columns
}

/// Returns true if the key of a type is a personal property.
fn key_is_personal(entity: &EntityType) -> bool {
    let of_key =
        entity.properties.iter().filter(|property| property.columns == [entity.key_column]);
    of_key.into_iter().any(|property| property.personal_data() != PersonalData::None)
}

#[cfg(test)]
mod tests {
    use core_ingest::graph::Graph;

    use super::*;

    #[test]
    fn a_type_without_a_table_is_a_defect_and_not_published_as_gone() {
        assert!(check_tables(&Graph::default().sort(), &[]).is_ok());
        let mut graph = Graph::default();
        graph.add_empty(&step_account::STEP);
        let refused = check_tables(&graph.sort(), &[]).expect_err("it was not written");
        assert!(refused.error.to_string().contains("nexthink_account"), "{refused:?}");
        let other = Table {
            kind: TableKind::Entity,
            name: "nexthink_device".to_owned(),
            class: Vec::new(),
            from_type: None,
            to_type: None,
            rows: 0,
            partial: false,
            columns: Vec::new(),
            files: Vec::new(),
        };
        let mut graph = Graph::default();
        graph.add_empty(&step_account::STEP);
        assert!(check_tables(&graph.sort(), &[other]).is_err(), "another table is not this one");
    }

    #[test]
    fn the_key_of_a_person_is_personal_at_the_ends_of_edges_too() {
        let table: [(&RelationshipType, &[&str]); 4] = [
            (&step_users::ACCOUNT_HAS_USER, &[TO_KEY]),
            (&step_devices::ACCOUNT_HAS_DEVICE, &[]),
            (&step_alerts::USER_HAS_ALERT, &[FROM_KEY]),
            (&step_packages::DEVICE_INSTALLED_PACKAGE, &[]),
        ];
        for (relationship, expected) in table {
            assert_eq!(personal_ends(relationship), expected, "{}", relationship.type_name);
        }
        assert!(personal_columns(&step_users::USER).iter().any(|column| column == KEY));
        assert!(personal_columns(&step_packages::PACKAGE).is_empty());
    }
}
