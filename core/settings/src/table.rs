//! All settings, a file for each table of the configuration.

mod audit;
mod destinations;
mod fleet;
mod nexthink;
mod privacy;
mod queries;
mod runs;

use crate::flat::Value;
use crate::setting::{Absent, Setting, Table};

/// The file that is read where no other is named.
pub const DEFAULT_FILE: &str = "nexthink-graph.toml";

/// The prefix of the names of variables that override the file. Two underscores stand for each
/// dot: `NEXTHINK_GRAPH__QUERIES__DEVICES` is `queries.devices`.
pub const VARIABLE_PREFIX: &str = "NEXTHINK_GRAPH__";

/// The tables of a tenant's file, in the order of the reference.
pub const TABLES: [Table; 14] = [
    nexthink::ACCOUNT,
    nexthink::NEXTHINK,
    queries::QUERIES,
    runs::STORE,
    runs::SCHEDULE,
    runs::MONITORING,
    runs::RETENTION,
    privacy::PRIVACY,
    audit::AUDIT,
    destinations::JUPITERONE,
    destinations::POSTGRES,
    destinations::DELTA,
    destinations::NEO4J,
    privacy::MCP,
];

/// The table that makes a file the file of a fleet.
pub const FLEET: Table = fleet::FLEET;

/// Returns the declared default of a setting that holds a text.
///
/// # Panics
///
/// There is none: a defect of the caller.
pub fn default_text(path: &str) -> String {
    let setting = settings().find(|setting| setting.path == path);
    match setting.map(|setting| setting.absent) {
        Some(Absent::Default(value)) => match Value::parse(value) {
            Some(Value::Text(text)) => text,
            other => unreachable!("the default of {path} is {other:?}"),
        },
        other => unreachable!("the default of {path} is {other:?}"),
    }
}

/// Iterates over all settings of a tenant's file, in the order of the reference.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    TABLES.iter().flat_map(|table| table.settings)
}
