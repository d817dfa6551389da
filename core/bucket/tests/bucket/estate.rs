//! A small store in a folder: generations, an event log, a ledger, small files and large ones.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{BooleanArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use core_bucket::{ClientSettings, Place};
use core_store::{
    Cleansing, Draft, EventDeclaration, GenerationId, LedgerRecord, Location, Outcome, RunLock,
    Store, StoreError, Table, TableDeclaration, TableKind, TenantSnapshot, TenantStore,
};
use serde_json::Map;
use tempfile::TempDir;

pub(crate) const FIRST: &str = "01JN7Z1M80000000000000000A";
pub(crate) const SECOND: &str = "01JN9Y1M80000000000000000B";
pub(crate) const THIRD: &str = "01JNBX1M80000000000000000C";

/// 2026-01-01.
const START_MS: i64 = 1_767_225_600_000;

/// A store in a temporary folder.
pub(crate) struct Estate {
    pub(crate) folder: TempDir,
    pub(crate) tenant: TenantStore,
}

impl Estate {
    /// An empty store.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let location = Location::Folder(folder.path().join("store"));
        let store = Store::open(location).expect("the path is absolute");
        Self { folder, tenant: store.tenant("acme").expect("a valid name") }
    }

    /// A store with two generations, events, a ledger, and small files.
    pub(crate) fn with_two_generations() -> Self {
        let estate = Self::empty();
        estate.publish(FIRST, &["ann", "bob"]);
        estate.append_event("event-1");
        estate.publish(SECOND, &["ann", "bob", "cem"]);
        let lock = estate.lock();
        lock.set_state("quota", b"{\"started\": 7}").expect("there is room");
        let findings = format!("{{\"text\": \"{}\"}}", "x".repeat(10_000));
        lock.set_state("findings", findings.as_bytes()).expect("there is room");
        estate
    }

    /// The changes of a run, an erasure of `bob` and retention.
    pub(crate) fn change(&self) {
        self.publish(THIRD, &["ann", "bob", "cem", "dee"]);
        self.append_event("event-2");
        self.erase("e-1", "bob");
        let lock = self.lock();
        lock.set_state("quota", b"{\"started\": 8}").expect("there is room");
        lock.remove_state("findings").expect("it is there");
        lock.set_state("retention", b"{}").expect("there is room");
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join("acme").join(below)
    }

    pub(crate) fn place(&self) -> Place {
        let address = self.root().to_string_lossy().into_owned();
        Place::open(&address, &ClientSettings::default()).expect("a folder")
    }

    pub(crate) fn lock(&self) -> RunLock {
        self.tenant.lock("a test").expect("it is free")
    }

    pub(crate) fn snapshot(&self) -> TenantSnapshot {
        self.lock().snapshot().expect("the store is whole")
    }

    pub(crate) fn publish(&self, id: &str, keys: &[&str]) {
        let lock = self.lock();
        self.append_to_ledger(&format!("run {id}"));
        let staging = lock.stage(GenerationId::parse(id).expect("an ID")).expect("there is room");
        let mut writer = staging.table(devices()).expect("the declaration is right");
        writer.write(&device_batch(keys)).expect("the columns are right");
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables: vec![writer.finish().expect("there is room")],
        };
        staging.publish(draft, &[("run.json", b"{}")]).expect("everything is listed");
    }

    pub(crate) fn append_to_ledger(&self, event: &str) {
        self.tenant.ledger().append(&self.record(event)).expect("there is room");
    }

    /// A record for the ledger.
    pub(crate) fn record(&self, event: &str) -> LedgerRecord {
        LedgerRecord {
            at: "2026-03-01T08:00:00Z".to_owned(),
            at_ms: 1_772_352_000_000,
            who: format!("a user of {}", self.tenant.name()),
            event: event.to_owned(),
            facts: Map::new(),
        }
    }

    pub(crate) fn append_event(&self, key: &str) {
        let mut appender = self.lock().append_events("audit", events()).expect("valid");
        let time = Arc::new(TimestampMillisecondArray::from(vec![START_MS]).with_timezone("UTC"));
        let keys = Arc::new(StringArray::from(vec![key]));
        let batch = RecordBatch::try_new(events().schema, vec![keys, time.clone(), time]);
        appender.write("2026-01-01", &batch.expect("the columns fit")).expect("there is room");
        appender.commit(serde_json::Value::Null).expect("there is room");
    }

    /// Erases a person: removes their row from every generation.
    pub(crate) fn erase(&self, erasure: &str, key: &str) {
        self.try_erase(erasure, key).expect("the store is whole");
    }

    /// Does the same where tables may be missing.
    pub(crate) fn try_erase(&self, erasure: &str, key: &str) -> Result<(), StoreError> {
        let lock = self.lock();
        self.append_to_ledger("erasure");
        let mut erasures = self.tenant.erasures().expect("they can be read");
        erasures.insert(erasure.to_owned());
        lock.set_erasures(&erasures).expect("there is room");
        let keep = |_: &Table, batch: &RecordBatch| {
            let keys = batch.column(0).as_string::<i32>();
            let kept: Vec<&str> = keys.iter().flatten().filter(|other| *other != key).collect();
            (kept.len() < batch.num_rows()).then(|| device_batch(&kept))
        };
        let cleansing = Cleansing { personal_columns: &|_| Vec::new(), keep: &keep };
        lock.cleanse(&cleansing)?;
        let mut appender = lock.append_events("audit", events()).expect("valid");
        let keep = |batch: &RecordBatch| BooleanArray::from(vec![true; batch.num_rows()]);
        appender.retain_where(&keep)?;
        Ok(())
    }

    /// The keys of all devices of all generations.
    pub(crate) fn devices(&self) -> BTreeSet<String> {
        let mut devices = BTreeSet::new();
        for entry in self.tenant.history().expect("the store is whole") {
            let generation = self.tenant.generation(&entry.id).expect("it is whole and open");
            generation.verify().expect("no file is damaged");
            for batch in generation.batches(TableKind::Entity, "nexthink_device").expect("a table")
            {
                let batch = batch.expect("it can be read");
                devices
                    .extend(batch.column(0).as_string::<i32>().iter().flatten().map(str::to_owned));
            }
        }
        devices
    }
}

fn devices() -> TableDeclaration {
    TableDeclaration {
        kind: TableKind::Entity,
        name: "nexthink_device".to_owned(),
        class: vec!["Device".to_owned()],
        ends: None,
        schema: Arc::new(Schema::new(vec![Field::new("_key", DataType::Utf8, false)])),
        personal_columns: Vec::new(),
    }
}

fn device_batch(keys: &[&str]) -> RecordBatch {
    let keys = Arc::new(StringArray::from_iter_values(keys));
    RecordBatch::try_new(devices().schema, vec![keys]).expect("the columns are the declared ones")
}

fn events() -> EventDeclaration {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    EventDeclaration {
        schema: Arc::new(Schema::new(vec![
            Field::new("_key", DataType::Utf8, false),
            Field::new("observedOn", time.clone(), false),
            Field::new("occurredOn", time, true),
        ])),
        personal_columns: Vec::new(),
        time_column: "observedOn",
        own_time_column: "occurredOn",
    }
}
