//! A published generation of invented devices, users, packages and alerts.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use core_j1ql::{Compiled, Environment};
use core_query::{Format, QuerySession, QuerySettings, ResultWriter};
use core_store::{
    Draft, Generation, GenerationId, Location, Outcome, Store, TableDeclaration, TableKind,
};
use tempfile::TempDir;

use crate::peer::Recorder;

pub(crate) type Checked = Result<(), Box<dyn Error>>;

/// 2026-03-01T00:00:00Z, the time of all tests.
pub(crate) const NOW_MS: i64 = 1_772_323_200_000;
const DAY_MS: i64 = 86_400_000;

/// A session over a store of its own.
pub(crate) struct Estate {
    pub(crate) session: QuerySession,
    recorder: Option<Recorder>,
    _folder: TempDir,
}

/// A table to publish.
pub(crate) struct TestTable {
    pub(crate) name: &'static str,
    pub(crate) class: Vec<String>,
    pub(crate) ends: Option<(&'static str, &'static str)>,
    pub(crate) rows: RecordBatch,
}

impl Estate {
    /// Publishes tables and opens a session over them.
    pub(crate) async fn publish(tables: Vec<TestTable>) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let generation = publish(&folder, tables)?;
        let session = QuerySession::open(&generation, QuerySettings::default()).await?;
        Ok(Self { session, recorder: Recorder::new(&generation)?, _folder: folder })
    }

    /// Answers a query, each row as its cells with commas between, the header first.
    pub(crate) async fn answer(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let parameters: BTreeMap<String, String> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let environment = Environment { now_ms: NOW_MS, parameters: &parameters };
        let compiled = self
            .session
            .compile_j1ql(query, environment)
            .map_err(|error| format!("{query}\n{}", error.render(query)))?;
        let answer = cells(&self.session, &compiled).await;
        let rows = answer.map_err(|error| format!("{query}\n{}\n{error}", compiled.sql))?;
        if let Some(recorder) = &self.recorder {
            recorder.add(query, &compiled.sql, &rows[1..])?;
        }
        Ok(rows.into_iter().map(|row| row.join(",")).collect())
    }
}

/// Answers a query; each row as its cells, the header first.
pub(crate) async fn cells(
    session: &QuerySession,
    query: &Compiled,
) -> Result<Vec<Vec<String>>, Box<dyn Error>> {
    let mut result = session.j1ql(query)?;
    let mut writer = ResultWriter::new(Format::Csv, &result.schema(), Vec::new())?;
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    let text = writer.finish()?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
    let rows = reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect()));
    rows.collect()
}

fn publish(folder: &TempDir, tables: Vec<TestTable>) -> Result<Generation, Box<dyn Error>> {
    let store = Store::open(Location::Folder(folder.path().join("store")))?;
    let tenant = store.tenant("acme")?;
    let lock = tenant.lock("pid 1")?;
    let staging = lock.stage(GenerationId::parse("01JN7Z1M80000000000000000A")?)?;
    let mut written = Vec::new();
    for table in tables {
        let kind = if table.ends.is_some() { TableKind::Relationship } else { TableKind::Entity };
        let declaration = TableDeclaration {
            kind,
            name: table.name.to_owned(),
            class: table.class,
            ends: table.ends.map(|(from, to)| (from.to_owned(), to.to_owned())),
            schema: table.rows.schema(),
            personal_columns: Vec::new(),
        };
        let mut writer = staging.table(declaration)?;
        writer.write(&table.rows)?;
        written.push(writer.finish()?);
    }
    let draft = Draft {
        region: "eu".to_owned(),
        created_at: "2026-03-01T00:00:00Z".to_owned(),
        outcome: Outcome::Complete,
        privacy: None,
        tables: written,
    };
    Ok(staging.publish(draft, &[])?)
}

/// The estate that tests of meaning ask.
///
/// `anna` uses `d1` and `d2`, `ben` uses `d2`, `cleo` uses nothing. `d1` has two packages, `d2` one, `d3`
/// none. `d1` has an open and a closed alert; `ben` has an open one.
pub(crate) async fn estate() -> Result<Estate, Box<dyn Error>> {
    let has_alert = |name, from| (name, "HAS", (from, "nexthink_alert"));
    let mut tables = vec![devices()?, users()?, packages()?, alerts()?];
    for ((name, class, ends), pairs) in [
        (
            (
                "nexthink_device_installed_package",
                "INSTALLED",
                ("nexthink_device", "nexthink_package"),
            ),
            vec![("d1", "p1"), ("d1", "p2"), ("d2", "p1")],
        ),
        (
            ("nexthink_user_uses_device", "USES", ("nexthink_user", "nexthink_device")),
            vec![("u1", "d1"), ("u1", "d2"), ("u2", "d2")],
        ),
        (
            has_alert("nexthink_device_has_alert", "nexthink_device"),
            vec![("d1", "a1"), ("d1", "a2")],
        ),
        (has_alert("nexthink_user_has_alert", "nexthink_user"), vec![("u2", "a3")]),
    ] {
        tables.push(edges(name, class, ends, &pairs)?);
    }
    Estate::publish(tables).await
}

pub(crate) fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// Times that many days before now.
fn days_ago(values: &[Option<i64>]) -> ArrayRef {
    let times = values.iter().map(|days| days.map(|days| NOW_MS - days * DAY_MS));
    Arc::new(times.collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

pub(crate) fn lists(values: &[Option<&[&str]>]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in values {
        match list {
            Some(items) => builder.append_value(items.iter().map(|item| Some(*item))),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

pub(crate) fn entities(
    name: &'static str,
    classes: &[&str],
    columns: Vec<(&str, ArrayRef)>,
) -> Result<TestTable, Box<dyn Error>> {
    let class = classes.iter().map(|class| (*class).to_owned()).collect();
    Ok(TestTable { name, class, ends: None, rows: RecordBatch::try_from_iter(columns)? })
}

pub(crate) fn edges(
    name: &'static str,
    class: &str,
    ends: (&'static str, &'static str),
    pairs: &[(&str, &str)],
) -> Result<TestTable, Box<dyn Error>> {
    let (from, to): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(from, to)| (Some(*from), Some(*to))).unzip();
    let columns = vec![("_fromEntityKey", text(&from)), ("_toEntityKey", text(&to))];
    let rows = RecordBatch::try_from_iter(columns)?;
    Ok(TestTable { name, class: vec![class.to_owned()], ends: Some(ends), rows })
}

fn devices() -> Result<TestTable, Box<dyn Error>> {
    entities(
        "nexthink_device",
        &["Device"],
        vec![
            ("_key", text(&[Some("d1"), Some("d2"), Some("d3")])),
            ("displayName", text(&[Some("DEV-1"), Some("DEV-2"), Some("DEV-3")])),
            ("osName", text(&[Some("Windows 11"), Some("macOS 15"), None])),
            ("memory", numbers(&[Some(16), Some(32), None])),
            ("lastSeenOn", days_ago(&[Some(1), Some(40), None])),
            (
                "fqdn",
                lists(&[
                    Some(&["dev-1.acme.example", "dev-1.local"]),
                    Some(&["dev-2.acme.example"]),
                    None,
                ]),
            ),
            ("tag.Site", text(&[Some("Zürich"), Some("Genève"), None])),
        ],
    )
}

fn users() -> Result<TestTable, Box<dyn Error>> {
    entities(
        "nexthink_user",
        &["User"],
        vec![
            ("_key", text(&[Some("u1"), Some("u2"), Some("u3")])),
            ("displayName", text(&[Some("anna"), Some("ben"), Some("cleo")])),
            ("department", text(&[Some("IT"), Some("it"), None])),
            ("lastSeenOn", days_ago(&[Some(2), Some(3), Some(100)])),
        ],
    )
}

fn packages() -> Result<TestTable, Box<dyn Error>> {
    entities(
        "nexthink_package",
        &["Application"],
        vec![
            ("_key", text(&[Some("p1"), Some("p2"), Some("p3")])),
            ("displayName", text(&[Some("Editor 1.0"), Some("it's 2.0"), Some("unused")])),
            ("version", text(&[Some("1.0"), Some("2.0"), Some("9")])),
            ("size", numbers(&[Some(i64::MAX), Some(i64::MAX), Some(1)])),
        ],
    )
}

fn alerts() -> Result<TestTable, Box<dyn Error>> {
    entities(
        "nexthink_alert",
        &["Alert", "Finding"],
        vec![
            ("_key", text(&[Some("a1"), Some("a2"), Some("a3")])),
            ("displayName", text(&[Some("disk full"), Some("crash"), Some("crash")])),
            ("severity", text(&[Some("critical"), Some("low"), Some("high")])),
            ("score", numbers(&[Some(10), Some(2), Some(10)])),
            ("open", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true)]))),
        ],
    )
}
