//! The tables `software_eol` and `advisory_match`, made from the user's files for queries, questions and rules that name
//! them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use core_engine::{Failure, Moment};
use core_query::{AddedTable, QuerySession};
use core_software::report::AdvisoryLine;
use serde_json::Value;

use crate::failure::internal;
use crate::software::{self, KnownProducts, SOURCES, day_of};

/// The tables.
pub(crate) const EOL: &str = "software_eol";
pub(crate) const ADVISORIES: &str = "advisory_match";
const CLASS: &str = "Record";

/// The folder of the user's files, beside the configuration.
const FOLDER: &str = "software";

/// The columns of the tables; numbers are those of `NUMBERS`.
const EOL_COLUMNS: [&str; 15] = [
    "_key",
    "kind",
    "name",
    "version",
    "package",
    "devices",
    "product",
    "releases",
    "state",
    "endsFrom",
    "endsUntil",
    "rule",
    "confidence",
    "source",
    "sourceAgeDays",
];
const ADVISORY_COLUMNS: [&str; 14] = [
    "_key",
    "package",
    "name",
    "version",
    "devices",
    "advisory",
    "verdict",
    "fixedIn",
    "severity",
    "link",
    "rule",
    "confidence",
    "source",
    "sourceAgeDays",
];
const NUMBERS: [&str; 2] = ["devices", "sourceAgeDays"];

/// The user's files.
struct Files {
    folder: Option<PathBuf>,
}

/// Adds the tables that a text names, unless they are there already.
///
/// # Errors
///
/// The files of a table that is named are not there, or cannot be read.
pub(crate) async fn add_named(
    folder: Option<&Path>,
    session: &mut QuerySession,
    text: &str,
    now: Moment,
) -> Result<(), Failure> {
    let files = Files { folder: folder.map(|folder| folder.join(FOLDER)) };
    let is_missing = |session: &QuerySession, name: &str| {
        text.contains(name) && session.tables().iter().all(|table| table.name != name)
    };
    if is_missing(session, EOL) {
        let products = files.needed("products.json", EOL)?;
        let mapping = files.existing("mapping.toml");
        let known = KnownProducts::read(&products, mapping.as_deref(), now)?;
        let lines = known.support(session).await?;
        let today = day_of(now);
        let rows: Vec<Value> = lines.iter().map(|line| line.to_row(&known.source, today)).collect();
        add(session, EOL, &EOL_COLUMNS, &rows)?;
    }
    if is_missing(session, ADVISORIES) {
        let names = ["advisories.csv", "advisories.toml"];
        let lists: Vec<PathBuf> = names.iter().filter_map(|name| files.existing(name)).collect();
        let exploited = files.existing("exploited.json");
        if lists.is_empty() && exploited.is_none() {
            files.needed(names[0], ADVISORIES)?;
        }
        let lines = software::advisories(session, &lists, exploited.as_deref(), now).await?;
        let matches: Vec<Value> = lines.iter().map(AdvisoryLine::to_row).collect();
        add(session, ADVISORIES, &ADVISORY_COLUMNS, &matches)?;
    }
    Ok(())
}

impl Files {
    fn existing(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists())
    }

    fn needed(&self, name: &str, table: &str) -> Result<PathBuf, Failure> {
        self.existing(name).ok_or_else(|| {
            let place = Path::new(FOLDER).join(name);
            Failure::configuration(format!(
                "the table {table} is made from {}, which is not beside the configuration: put the file there \
                 (docs/ask.md says which it is)",
                place.display()
            ))
        })
    }
}

/// Adds rows as a table, which is partial if one of the tables that it is made from is.
fn add(
    session: &mut QuerySession,
    name: &str,
    columns: &[&str],
    rows: &[Value],
) -> Result<(), Failure> {
    let arrays = columns.iter().map(|column| -> ArrayRef {
        let cells = rows.iter().map(|row| &row[*column]);
        if NUMBERS.contains(column) {
            return Arc::new(cells.map(Value::as_i64).collect::<Int64Array>());
        }
        Arc::new(cells.map(Value::as_str).collect::<StringArray>())
    });
    let arrays: Vec<ArrayRef> = arrays.collect();
    let fields = columns
        .iter()
        .zip(&arrays)
        .map(|(column, array)| Field::new(*column, array.data_type().clone(), *column != "_key"));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(anyhow::Error::new)?;
    let is_source = |table: &str| SOURCES.iter().any(|(_, name)| *name == table);
    let partial = session.tables().iter().any(|table| table.partial && is_source(&table.name));
    let (name, class) = (name.to_owned(), CLASS.to_owned());
    let added = AddedTable { name, class, schema, batches: vec![batch], partial };
    session.add_table(added).map_err(internal)
}
