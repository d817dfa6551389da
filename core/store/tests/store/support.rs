//! A small invented estate, and its publication.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use core_store::{
    Draft, Generation, GenerationId, LedgerRecord, Location, Outcome, RunLock, Staging, Store,
    StoreError, Table, TableDeclaration, TableKind, TenantStore,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) type Checked = Result<(), Box<dyn Error>>;

pub(crate) const FIRST: &str = "01JN7Z1M80000000000000000A";
pub(crate) const SECOND: &str = "01JN9Y1M80000000000000000B";
pub(crate) const THIRD: &str = "01JNBX1M80000000000000000C";

/// A temporary store.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) store: Store,
    pub(crate) tenant: TenantStore,
}

impl Place {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let store = Store::open(Location::Folder(folder.path().join("store")))?;
        let tenant = store.tenant("acme")?;
        Ok(Self { folder, store, tenant })
    }

    /// A path below the tenant's folder.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("store/acme").join(below)
    }

    pub(crate) fn lock(&self) -> Result<RunLock, StoreError> {
        self.tenant.lock("pid 1, started 2026-03-01T08:00:00Z")
    }

    /// Publishes a generation whose only device has this key.
    pub(crate) fn publish(&self, id: &str, key: &str) -> Result<Generation, Box<dyn Error>> {
        let staging = self.lock()?.stage(GenerationId::parse(id)?)?;
        let tables = vec![write(&staging, devices(), &[device_batch(&[key])])?];
        Ok(staging.publish(draft(tables), &[("run.json", b"{}")])?)
    }
}

/// A record for the ledger.
pub(crate) fn record(event: &str) -> LedgerRecord {
    LedgerRecord {
        at: "2026-03-01T08:00:00Z".to_owned(),
        at_ms: 1_772_352_000_000,
        who: "uid 1000".to_owned(),
        event: event.to_owned(),
        facts: [("rows".to_owned(), Value::from(3))].into_iter().collect(),
    }
}

pub(crate) fn draft(tables: Vec<Table>) -> Draft {
    Draft {
        region: "eu".to_owned(),
        created_at: "2026-03-01T08:00:00Z".to_owned(),
        outcome: Outcome::Complete,
        privacy: None,
        tables,
    }
}

pub(crate) fn write(
    staging: &Staging,
    declaration: TableDeclaration,
    batches: &[RecordBatch],
) -> Result<Table, StoreError> {
    let mut writer = staging.table(declaration)?;
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

pub(crate) fn devices() -> TableDeclaration {
    TableDeclaration {
        kind: TableKind::Entity,
        name: "nexthink_device".to_owned(),
        class: vec!["Device".to_owned(), "Host".to_owned()],
        ends: None,
        schema: Arc::new(Schema::new(vec![
            Field::new("_key", DataType::Utf8, false),
            Field::new("displayName", DataType::Utf8, true),
            Field::new("memory", DataType::Int64, true),
        ])),
        personal_columns: vec!["displayName".to_owned()],
    }
}

pub(crate) fn device_batch(keys: &[&str]) -> RecordBatch {
    let names: Vec<_> = keys.iter().map(|key| format!("name of {key}")).collect();
    let memory: Vec<_> = keys.iter().map(|key| i64::try_from(key.len()).ok()).collect();
    RecordBatch::try_new(
        devices().schema,
        vec![
            Arc::new(StringArray::from_iter_values(keys)),
            Arc::new(StringArray::from(names)),
            Arc::new(Int64Array::from(memory)),
        ],
    )
    .expect("the columns are the declared ones")
}

pub(crate) fn installations() -> TableDeclaration {
    let key = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    TableDeclaration {
        kind: TableKind::Relationship,
        name: "nexthink_device_installed_package".to_owned(),
        class: vec!["INSTALLED".to_owned()],
        ends: Some(("nexthink_device".to_owned(), "nexthink_package".to_owned())),
        schema: Arc::new(Schema::new(vec![
            Field::new("_fromEntityKey", key.clone(), false),
            Field::new("_toEntityKey", key, false),
        ])),
        personal_columns: Vec::new(),
    }
}

pub(crate) fn installation_batch(pairs: &[(String, String)]) -> RecordBatch {
    let from: DictionaryArray<UInt32Type> = pairs.iter().map(|(from, _)| from.as_str()).collect();
    let to: DictionaryArray<UInt32Type> = pairs.iter().map(|(_, to)| to.as_str()).collect();
    RecordBatch::try_new(installations().schema, vec![Arc::new(from), Arc::new(to)])
        .expect("the columns are the declared ones")
}

/// The keys of all devices of a generation.
pub(crate) fn device_keys(generation: &Generation) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for batch in generation.batches(TableKind::Entity, "nexthink_device")? {
        let batch = batch?;
        let column = batch.column(0).as_any().downcast_ref::<StringArray>();
        keys.extend(column.expect("a key is text").iter().flatten().map(str::to_owned));
    }
    Ok(keys)
}
