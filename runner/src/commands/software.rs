//! `software`: what the user's own files say about the software of the estate.

mod advisories;
mod eol;
pub(crate) mod tables;

use std::path::Path;
use std::time::UNIX_EPOCH;

use core_engine::ledger::Event;
use core_query::{Format, QueryError, QuerySession, QuerySettings, ResultWriter};
use core_software::report::Source;
use core_software::{Package, SoftwareError};
use core_store::TableKind;
use core_terminal::count;
use serde_json::Value;

use super::query::failure;
use crate::cli::{Global, SoftwareCommand};
use crate::exit::{Exit, Failure};
use crate::{host, output, system};

const PACKAGE: &str = "nexthink_package";
const DEVICE: &str = "nexthink_device";
const INSTALLED: &str = "nexthink_device_installed_package";

/// The packages and on how many devices each is.
const PACKAGES: &str = "select p._key, p.name, p.publisher, p.version, count(r._fromEntityKey) devices \
     from nexthink_package p left join nexthink_device_installed_package r on r._toEntityKey = p._key \
     group by 1, 2, 3, 4 order by devices desc, 2, 4, 1";
const SYSTEMS: &str = "select osName name, osVersion version, count(*) devices from nexthink_device \
     where osName is not null group by 1, 2 order by 3 desc, 1, 2";

/// Compares the published generation with files.
pub(super) async fn software(global: &Global, command: &SoftwareCommand) -> Result<Exit, Failure> {
    match command {
        SoftwareCommand::Eol(arguments) => eol::eol(global, arguments).await,
        SoftwareCommand::Advisories(arguments) => advisories::advisories(global, arguments).await,
    }
}

/// Opens the published generation, to be asked for its software.
async fn open(global: &Global, report: &str) -> Result<QuerySession, Failure> {
    let tenant = super::tenant(global)?;
    let generation = super::generation(&tenant, None)?;
    let id = generation.id().as_str();
    host::record_read(&tenant, &Event::SoftwareReport { report, generation: id });
    let tables = [
        (TableKind::Entity, PACKAGE),
        (TableKind::Entity, DEVICE),
        (TableKind::Relationship, INSTALLED),
    ];
    for (kind, name) in tables {
        match generation.manifest().table(kind, name) {
            None => {
                return Err(Failure::usage(format!(
                    "the generation has no table {name}: a run reads it if its query is configured"
                )));
            }
            Some(table) if table.partial && !global.quiet => {
                output::note(&format!("{name} is partial: it may lack rows or hold older ones"));
            }
            Some(_) => {}
        }
    }
    let session = QuerySession::open(&generation, QuerySettings::default()).await;
    session.map_err(|error| failure(error, Exit::Internal))
}

async fn rows(session: &QuerySession, sql: &str) -> Result<Vec<Value>, Failure> {
    let rows = async {
        let mut result = session.sql(sql)?;
        let mut writer = ResultWriter::new(Format::Ndjson, &result.schema(), Vec::new())?;
        while let Some(batch) = result.next().await? {
            writer.write(&batch)?;
        }
        writer.finish()
    };
    let lines = rows.await.map_err(|error: QueryError| failure(error, Exit::Internal))?;
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter().collect::<Result<_, _>>();
    rows.map_err(|error| Failure::new(Exit::Internal, error))
}

async fn packages(session: &QuerySession) -> Result<Vec<Package>, Failure> {
    let rows = rows(session, PACKAGES).await?;
    let packages = rows.iter().map(|row| Package {
        key: text(row, "_key"),
        name: text(row, "name"),
        publisher: text(row, "publisher"),
        version: text(row, "version"),
        devices: row["devices"].as_u64().unwrap_or_default(),
    });
    Ok(packages.collect())
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// Reads a file of the user.
fn read<T>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<T, SoftwareError>,
) -> Result<(T, Source), Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    // Windows writes a mark before the text.
    let text = text.trim_start_matches('\u{feff}');
    let parsed = parse(text).map_err(|error| Failure::usage(format!("{shown} {error}")))?;
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let modified = modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    let age_days =
        modified.map(|age| (system::now().0 / 1000).saturating_sub(age.as_secs()) / 86_400);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((parsed, Source { name, age_days }))
}

/// What has to be known to read dates from a file.
fn remark(source: &Source) -> String {
    match source.age_days {
        Some(days) => {
            format!("from {}, which was changed {} ago", source.name, count(days, "day"))
        }
        None => format!("from {}", source.name),
    }
}
