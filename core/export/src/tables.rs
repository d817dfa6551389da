//! Tables of a generation and events, as comma-separated values or as their stored Parquet files.

use std::fs;
use std::io::{self, BufWriter};
use std::path::Path;

use anyhow::Context as _;
use arrow_schema::{DataType, Field, Schema};
use core_files::File;
use core_query::{Format, ResultWriter};
use core_store::{Batches, EventLog, Generation, StoreError, Table, TableKind};

use crate::TableFormat;
use crate::folder::finish;

/// The path of a table in the folder of its generation. Parquet tables are folders, since a table may have
/// several files.
pub(crate) fn path_of(table: &Table, format: TableFormat) -> String {
    let kind = match table.kind {
        TableKind::Entity => "entities",
        TableKind::Relationship => "relationships",
    };
    match format {
        TableFormat::Csv => format!("{kind}/{}.csv", table.name),
        TableFormat::Parquet => format!("{kind}/{}", table.name),
    }
}

/// The name of a log of events in the folder of events.
pub(crate) fn events_name(log: &str, format: TableFormat) -> String {
    match format {
        TableFormat::Csv => format!("{log}.csv"),
        TableFormat::Parquet => log.to_owned(),
    }
}

/// Writes one table of a generation.
pub(crate) fn write_table(
    generation: &Generation,
    table: &Table,
    format: TableFormat,
    target: &Path,
) -> anyhow::Result<()> {
    match format {
        TableFormat::Parquet => copy_all(generation.open_files(table.kind, &table.name)?, target),
        TableFormat::Csv => {
            let names = table.columns.iter().map(|column| column.name.as_str());
            write_csv(generation.batches(table.kind, &table.name)?, names, target)
        }
    }
}

/// Writes all events of a log.
pub(crate) fn write_events(
    log: &EventLog,
    format: TableFormat,
    target: &Path,
) -> anyhow::Result<()> {
    match format {
        TableFormat::Parquet => copy_all(log.open_files(), target),
        TableFormat::Csv => write_csv(log.batches_from(""), std::iter::empty(), target),
    }
}

/// Writes rows as they come. `columns` are the names for a table without rows.
fn write_csv<'a>(
    mut batches: Batches,
    columns: impl Iterator<Item = &'a str>,
    target: &Path,
) -> anyhow::Result<()> {
    let out = BufWriter::new(File::create_new(target)?);
    let first = batches.next().transpose()?;
    let schema = if let Some(batch) = &first {
        batch.schema()
    } else {
        let fields = columns.map(|name| Field::new(name, DataType::Utf8, true));
        Schema::new(fields.collect::<Vec<_>>()).into()
    };
    let mut writer = ResultWriter::new(Format::Csv, &schema, out)?;
    for batch in first.into_iter().map(Ok).chain(batches) {
        writer.write(&batch?)?;
    }
    finish(writer.finish()?)
}

/// Copies files under numbered names into a new folder.
fn copy_all(
    files: impl Iterator<Item = Result<fs::File, StoreError>>,
    folder: &Path,
) -> anyhow::Result<()> {
    core_files::create_folder(folder)?;
    for (number, file) in files.enumerate() {
        let mut source = file?;
        let target = folder.join(format!("part-{number:05}.parquet"));
        let mut out = BufWriter::new(File::create_new(&target)?);
        io::copy(&mut source, &mut out)
            .with_context(|| format!("cannot write {}", target.display()))?;
        finish(out)?;
    }
    Ok(())
}
