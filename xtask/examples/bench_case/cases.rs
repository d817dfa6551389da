//! The cases: how far the pass from bytes to tables goes.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use clap::ValueEnum;
use core_ingest::decoder::Decoder;
use core_ingest::decompress::{self, Caps};
use core_ingest::graph::{Graph, SortedGraph};
use core_ingest::step::{StepIngest, ingest_row};
use core_model::entity::EntityType;
use core_model::property::PersonalData;
use core_model::step::Step;
use core_store::{
    Draft, GenerationId, Location, Outcome, Staging, Store, Table, TableDeclaration, TableKind,
};

/// Bytes that are read at once, as in the program.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Decode plain CSV.
    Decode,
    /// Decompress and decode.
    DecodeZstd,
    /// Decode plain CSV and map it to entities and edges.
    Map,
    /// The same, sorted, written as Parquet and published.
    Publish,
    /// The same from Zstandard.
    PublishZstd,
}

impl Case {
    /// Runs the case and returns the rows that were read.
    pub(crate) fn run(self, folder: &Path) -> anyhow::Result<u64> {
        let suffix = match self {
            Case::Decode | Case::Map | Case::Publish => "csv",
            Case::DecodeZstd | Case::PublishZstd => "csv.zst",
        };
        let file = |name: &str| folder.join(format!("{name}.{suffix}"));
        let steps = [(&step_devices::STEP, "devices"), (&step_packages::STEP, "packages")];
        let mut rows = 0;
        if matches!(self, Case::Decode | Case::DecodeZstd) {
            for (_, name) in steps {
                rows += decode(&file(name))?;
            }
            return Ok(rows);
        }
        let mut graph = Graph::default();
        let account = [("account.tenant_id", "acme"), ("account.region", "eu")];
        graph.add(ingest_row(&step_account::STEP, &graph, &account)?);
        for (step, name) in steps {
            rows += map(step, &file(name), &mut graph)?;
        }
        if self != Case::Map {
            publish(graph, &folder.join("store"))?;
        }
        Ok(rows)
    }
}

fn decode(path: &Path) -> anyhow::Result<u64> {
    let mut decoder = Decoder::default();
    read(path, |mut bytes| {
        while !bytes.is_empty() {
            let n_read = decoder.decode(bytes)?;
            bytes = &bytes[n_read..];
            if decoder.is_full() {
                let batch = decoder.take_batch();
                decoder.recycle(batch);
            }
        }
        Ok(())
    })?;
    decoder.finish()?;
    decoder.take_batch();
    Ok(decoder.counts().rows)
}

fn map(step: &'static Step, path: &Path, graph: &mut Graph) -> anyhow::Result<u64> {
    let mut ingest = StepIngest::new(step, graph);
    read(path, |bytes| Ok(ingest.push(bytes)?))?;
    let tables = ingest.finish()?;
    let rows = tables.account.decoder.rows;
    graph.add(tables);
    Ok(rows)
}

fn read(path: &Path, mut push: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    let (_, mut reader) = decompress::reader(BufReader::new(file), file_bytes, Caps::default())?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(()),
            n_read => push(&chunk[..n_read])?,
        }
    }
}

/// Publishes into a store of its own, which is empty before and stays to be looked at.
fn publish(graph: Graph, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let graph = graph.sort(Vec::new());
    let store = Store::open(Location::parse(&folder.to_string_lossy())?)?;
    let staging = store
        .tenant("acme")?
        .lock("cargo xtask bench")?
        .stage(GenerationId::parse("01JN7Z1M80000000000000000A")?)?;
    let mut tables = write_entities(&graph, &staging)?;
    tables.extend(write_relationships(&graph, &staging)?);
    let draft = Draft {
        region: "eu".to_owned(),
        created_at: "2026-03-01T08:00:00Z".to_owned(),
        outcome: Outcome::Complete,
        privacy: None,
        tables,
    };
    staging.publish(draft, &[])?;
    Ok(())
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
            schema: graph.entity_schema(entity),
            personal_columns: personal_columns(entity),
        })?;
        for batch in graph.entity_batches(entities) {
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
        let ends = [&relationship.from, &relationship.to].map(|it| it.entity.type_name.to_owned());
        let mut writer = staging.table(TableDeclaration {
            kind: TableKind::Relationship,
            name: relationship.type_name.to_owned(),
            class: vec![relationship.class.name().to_owned()],
            ends: Some(ends.into()),
            schema: graph.edge_schema(relationship),
            personal_columns: Vec::new(),
        })?;
        for batch in graph.edge_batches(edges)? {
            writer.write(&batch?)?;
        }
        tables.push(writer.finish()?);
    }
    Ok(tables)
}

fn personal_columns(entity: &EntityType) -> Vec<String> {
    let personal = entity.properties.iter().filter(|it| it.personal != PersonalData::None);
    personal.map(|it| it.name.to_owned()).collect()
}
