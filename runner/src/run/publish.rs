//! Publishing: the graph in its final order into the tables of a generation.

use core_ingest::graph::SortedGraph;
use core_ingest::values::{FROM_KEY, KEY, TO_KEY, Tag};
use core_model::entity::EntityType;
use core_model::property::PersonalData;
use core_model::relationship::{EdgeProperty, RelationshipType};
use core_store::{
    Draft, Generation, Outcome, PrivacyMark, Staging, Table, TableDeclaration, TableKind,
};

use super::Stop;
use super::apply::Applier;
use super::report::{RunReport, TypeReport};
use crate::exit::{Exit, Failure};
use crate::system::Moment;

/// What the manifest says besides what was written.
pub(super) struct About {
    pub(super) region: String,
    pub(super) privacy: PrivacyMark,
}

/// Writes all tables, completes the report, and publishes both.
pub(super) fn publish(
    applier: Applier,
    staging: Staging,
    tags: Vec<Tag>,
    about: About,
    report: &mut RunReport,
    exit: Exit,
    stop: &Stop,
) -> Result<Generation, Failure> {
    let Applier { graph, previous, may_lose, reports, parts, held, .. } = applier;
    (report.parts, report.held) = (parts, held);
    let graph = graph.sort(tags);
    let mut tables = write_entities(&graph, &staging, stop)?;
    tables.extend(write_relationships(&graph, &staging, stop)?);
    for table in &mut tables {
        table.partial = !may_lose.get(table.name.as_str()).copied().unwrap_or(false);
        let before = previous.as_ref().and_then(|it| it.manifest().table(table.kind, &table.name));
        report.types.push(TypeReport {
            name: table.name.clone(),
            objects: table.rows,
            objects_before: before.map(|it| it.rows),
            partial: table.partial,
        });
    }
    let partial = tables.iter().filter(|it| it.partial).map(|it| it.name.clone());
    report.partial_datasets = partial.collect();
    let is_complete = exit == Exit::Complete;
    report.finish(reports, exit);
    let now = Moment::now().to_rfc3339();
    let outcome = if is_complete { Outcome::Complete } else { Outcome::Partial };
    let run = serde_json::to_vec_pretty(report).map_err(anyhow::Error::new)?;
    stop.check()?;
    let About { region, privacy } = about;
    let draft = Draft { region, created_at: now, outcome, privacy: Some(privacy), tables };
    Ok(staging.publish(draft, &[(super::report::FILE, &run)])?)
}

fn write_entities(
    graph: &SortedGraph,
    staging: &Staging,
    stop: &Stop,
) -> Result<Vec<Table>, Failure> {
    let mut tables = Vec::new();
    for entities in graph.entities() {
        let entity = entities.entity;
        let mut writer = staging.table(TableDeclaration {
            kind: TableKind::Entity,
            name: entity.type_name.to_owned(),
            class: entity.class.iter().map(|class| class.name().to_owned()).collect(),
            ends: None,
            schema: graph.entity_schema(entity),
            personal_columns: personal_columns(entity),
        })?;
        for batch in graph.entity_batches(entities) {
            stop.check()?;
            writer.write(&batch.map_err(anyhow::Error::new)?)?;
        }
        tables.push(writer.finish()?);
    }
    Ok(tables)
}

fn write_relationships(
    graph: &SortedGraph,
    staging: &Staging,
    stop: &Stop,
) -> Result<Vec<Table>, Failure> {
    let mut tables = Vec::new();
    for edges in graph.edges() {
        let relationship = edges.relationship();
        let ends = [&relationship.from, &relationship.to].map(|it| it.entity.type_name.to_owned());
        let mut writer = staging.table(TableDeclaration {
            kind: TableKind::Relationship,
            name: relationship.type_name.to_owned(),
            class: vec![relationship.class.name().to_owned()],
            ends: Some(ends.into()),
            schema: graph.edge_schema(relationship),
            personal_columns: personal_ends(relationship),
        })?;
        for batch in graph.edge_batches(edges).map_err(anyhow::Error::new)? {
            stop.check()?;
            writer.write(&batch.map_err(anyhow::Error::new)?)?;
        }
        tables.push(writer.finish()?);
    }
    Ok(tables)
}

/// The columns of a type's table that tell something about a person.
fn personal_columns(entity: &EntityType) -> Vec<String> {
    let personal = entity.properties.iter().filter(|it| it.personal != PersonalData::None);
    let mut columns: Vec<String> = personal.map(|it| it.name.to_owned()).collect();
    if key_is_personal(entity) {
        columns.push(KEY.to_owned());
    }
    columns
}

fn personal_ends(relationship: &RelationshipType) -> Vec<String> {
    let ends = [(&relationship.from, FROM_KEY), (&relationship.to, TO_KEY)];
    let personal = ends.iter().filter(|(end, _)| key_is_personal(end.entity));
    let mut columns: Vec<String> = personal.map(|(_, column)| (*column).to_owned()).collect();
    let properties = relationship.properties.iter();
    let is_personal =
        |it: &&EdgeProperty| relationship.target_property(it).personal != PersonalData::None;
    columns.extend(properties.filter(is_personal).map(|it| it.name.to_owned()));
    columns
}

/// Whether the key of a type is a property that tells something about a person.
fn key_is_personal(entity: &EntityType) -> bool {
    let of_key = entity.properties.iter().filter(|it| it.columns == [entity.key_column]);
    of_key.into_iter().any(|it| it.personal != PersonalData::None)
}
