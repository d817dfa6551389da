//! A published generation of a few invented devices, packages and edges.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use arrow::array::types::Int32Type;
use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use core_query::{Format, QuerySession, QuerySettings, ResultWriter};
use core_store::{
    Draft, Generation, GenerationId, Location, Outcome, PrivacyMark, Staging, Store,
    TableDeclaration, TableKind,
};
use tempfile::TempDir;

pub(crate) type Checked = Result<(), Box<dyn Error>>;

/// A store of its own, removed afterwards.
pub(crate) struct Place {
    folder: TempDir,
    name: OsString,
}

impl Place {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        // A space and a per cent sign, which addresses of files have to carry.
        Self::named("the store, 100%25".as_ref())
    }

    /// The same with another name of the store's folder.
    pub(crate) fn named(name: &OsStr) -> Result<Self, Box<dyn Error>> {
        Ok(Self { folder: tempfile::tempdir()?, name: name.to_owned() })
    }

    /// The folder that the store is in.
    pub(crate) fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Publishes tables with their rows; the flag tells whether a table is partial.
    pub(crate) fn publish(
        &self,
        tables: Vec<(TableDeclaration, RecordBatch, bool)>,
    ) -> Result<Generation, Box<dyn Error>> {
        self.publish_as("01JN7Z1M80000000000000000A", "2026-03-01T08:00:00Z", tables)
    }

    /// The same as the generation with this ID and time.
    pub(crate) fn publish_as(
        &self,
        id: &str,
        created_at: &str,
        tables: Vec<(TableDeclaration, RecordBatch, bool)>,
    ) -> Result<Generation, Box<dyn Error>> {
        self.publish_draft(id, created_at, None, tables)
    }

    /// The same as the generation with this ID, which shows people in some way.
    pub(crate) fn publish_marked(
        &self,
        id: &str,
        privacy: Option<PrivacyMark>,
        tables: Vec<(TableDeclaration, RecordBatch, bool)>,
    ) -> Result<Generation, Box<dyn Error>> {
        self.publish_draft(id, "2026-03-01T08:00:00Z", privacy, tables)
    }

    fn publish_draft(
        &self,
        id: &str,
        created_at: &str,
        privacy: Option<PrivacyMark>,
        tables: Vec<(TableDeclaration, RecordBatch, bool)>,
    ) -> Result<Generation, Box<dyn Error>> {
        let path = self.folder.path().join(&self.name);
        let tenant = Store::open(Location::Folder(path))?.tenant("acme")?;
        let lock = tenant.lock("pid 1")?;
        let staging = lock.stage(GenerationId::parse(id)?)?;
        let mut written = Vec::new();
        for (declaration, batch, partial) in tables {
            let mut table = write(&staging, declaration, &batch)?;
            table.partial = partial;
            written.push(table);
        }
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: created_at.to_owned(),
            outcome: Outcome::Partial,
            privacy,
            tables: written,
        };
        Ok(staging.publish(draft, &[])?)
    }
}

fn write(
    staging: &Staging,
    declaration: TableDeclaration,
    batch: &RecordBatch,
) -> Result<core_store::Table, Box<dyn Error>> {
    let mut writer = staging.table(declaration)?;
    writer.write(batch)?;
    Ok(writer.finish()?)
}

/// The estate that most tests ask.
pub(crate) async fn estate() -> Result<(Place, QuerySession), Box<dyn Error>> {
    let place = Place::new()?;
    let generation = place.publish(vec![devices(), packages(), installations()])?;
    let session = QuerySession::open(&generation, QuerySettings::default()).await?;
    Ok((place, session))
}

pub(crate) fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(values.iter().copied().collect::<StringArray>())
}

/// One entity type with these rows, complete.
pub(crate) fn entity(
    name: &str,
    class: &[&str],
    batch: RecordBatch,
) -> (TableDeclaration, RecordBatch, bool) {
    let declaration = TableDeclaration {
        kind: TableKind::Entity,
        name: name.to_owned(),
        class: class.iter().map(|&class| class.to_owned()).collect(),
        ends: None,
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch, false)
}

fn devices() -> (TableDeclaration, RecordBatch, bool) {
    let seen = TimestampMillisecondArray::from(vec![
        Some(1_767_225_600_000),
        None,
        Some(1_767_225_600_123),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_key", text(&[Some("d1"), Some("d2"), Some("d3")])),
        ("name", text(&[Some("DEV-1"), Some("=DEV\u{1b}[2J"), Some("東京")])),
        ("displayName", text(&[Some("DEV-1"), Some("DEV-2"), None])),
        ("lastSeenOn", Arc::new(seen.with_timezone("UTC"))),
        ("memory", Arc::new(Int64Array::from(vec![Some(16), None, Some(-8)]))),
        ("score", Arc::new(Float64Array::from(vec![Some(0.5), None, Some(2.0)]))),
        ("tag.AccountName", text(&[Some("acme, \"eu\""), None, Some("x\ny")])),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    entity("nexthink_device", &["Device", "Host"], batch)
}

fn packages() -> (TableDeclaration, RecordBatch, bool) {
    let columns = vec![
        ("_key", text(&[Some("p1"), Some("p2")])),
        ("displayName", text(&[Some("Editor"), None])),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    entity("nexthink_package", &["CodeModule"], batch)
}

fn installations() -> (TableDeclaration, RecordBatch, bool) {
    let from: DictionaryArray<Int32Type> = ["d1", "d1", "d2"].into_iter().collect();
    let to: DictionaryArray<Int32Type> = ["p1", "p2", "p1"].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("_fromEntityKey", Arc::new(from)),
        ("_toEntityKey", Arc::new(to)),
        ("version", text(&[Some("1.0"), Some("2.0"), Some("1.1")])),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: "nexthink_device_installed_package".to_owned(),
        class: vec!["INSTALLED".to_owned()],
        ends: Some(("nexthink_device".to_owned(), "nexthink_package".to_owned())),
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch, true)
}

/// The answer to a query in one of the formats.
pub(crate) async fn answer(
    session: &QuerySession,
    format: Format,
    sql: &str,
) -> Result<String, Box<dyn Error>> {
    let mut result = session.sql(sql)?;
    let mut writer = ResultWriter::new(format, &result.schema(), Vec::new())?;
    while let Some(batch) = result.next().await? {
        writer.write(&batch)?;
    }
    Ok(String::from_utf8(writer.finish()?)?)
}

/// The answer as lines of CSV without the header.
pub(crate) async fn rows(session: &QuerySession, sql: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let text = answer(session, Format::Csv, sql).await?;
    Ok(text.lines().skip(1).map(str::to_owned).collect())
}
