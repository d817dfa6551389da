//! A store with a few generations of invented people, made from rows in JSON.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::json::ReaderBuilder;
use arrow_array::types::UInt32Type;
use arrow_array::{DictionaryArray, RecordBatch};
use core_erasure::cleansing::Cleanser;
use core_erasure::key_file::KeyFile;
use core_erasure::lists::ErasedPeople;
use core_erasure::subject::{AllPseudonyms, Subject, SubjectKind, find};
use core_erasure::{ErasureError, identifiers};
use core_ingest::edges::edge_schema;
use core_ingest::values::entity_schema;
use core_model::relationship::RelationshipType;
use core_model::step::Step;
use core_privacy::keys::KeyRing;
use core_privacy::suppression::{Erasure, SuppressionList, Suppressions};
use core_store::{
    Draft, EventAppender, EventDeclaration, Generation, GenerationId, Location, Outcome, RunLock,
    Store, Table, TableDeclaration, TableKind, TenantStore,
};
use serde_json::{Map, Value, json};
// A step that nothing names is not linked in, and then not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
use tempfile::TempDir;

pub(crate) const TENANT: &str = "acme";
pub(crate) const REGION: &str = "eu";
pub(crate) const LOG: &str = "audit";
/// The name of the tenant in the derivation of keys.
pub(crate) const NAME: &str = "acme.eu";
/// A time that suppresses everything whatever its age.
pub(crate) const EVER: &str = "";

/// A tenant's store and the folder of its key file.
pub(crate) struct Place {
    pub(crate) lock: RunLock,
    pub(crate) key_file: PathBuf,
    /// Removed with the place.
    _folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("a folder");
        let lock =
            store.tenant(TENANT).and_then(|tenant| tenant.lock("a test")).expect("it is free");
        Self { lock, key_file: folder.path().join("key"), _folder: folder }
    }

    pub(crate) fn tenant(&self) -> &TenantStore {
        self.lock.tenant()
    }

    /// The lists in the store and beside the key file.
    pub(crate) fn people(&self) -> ErasedPeople<'_> {
        let key_file = KeyFile { path: &self.key_file, program: "nexthink-graph" };
        ErasedPeople { key_file, tenant: TENANT, region: REGION }
    }

    /// Publishes a generation of these rows, the `number`th. Each table is a type and its rows.
    pub(crate) fn publish(&self, number: u32, tables: &[(&str, Vec<Value>)]) -> Generation {
        let id: GenerationId =
            format!("01JN7Z1M8000000000000000{number:02}").parse().expect("it is an ULID");
        let staging = self.lock.stage(id).expect("nothing is staged");
        let write = |declaration: TableDeclaration, batch: &RecordBatch| -> Table {
            let mut writer = staging.table(declaration).expect("it is valid");
            writer.write(batch).expect("the columns fit");
            writer.finish().expect("there is room")
        };
        let mut written = Vec::new();
        for (name, rows) in tables {
            let (declaration, batch) = if identifiers::entity(name).is_some() {
                let batch = entities(name, rows);
                (entity_declaration(name, &batch), batch)
            } else {
                edges(name, rows)
            };
            written.push(write(declaration, &batch));
        }
        let draft = Draft {
            region: REGION.to_owned(),
            created_at: format!("2026-03-{number:02}T08:00:00Z"),
            outcome: Outcome::Complete,
            privacy: None,
            tables: written,
        };
        staging.publish(draft, &[]).expect("it is whole")
    }

    pub(crate) fn find(&self, kind: SubjectKind, typed: &[&str]) -> Result<Subject, ErasureError> {
        self.find_with(kind, typed, &AllPseudonyms::none())
    }

    pub(crate) fn find_with(
        &self,
        kind: SubjectKind,
        typed: &[&str],
        pseudonyms: &AllPseudonyms,
    ) -> Result<Subject, ErasureError> {
        let typed: Vec<String> = typed.iter().map(|text| (*text).to_owned()).collect();
        find(self.tenant(), kind, &typed, pseudonyms)
    }

    /// Appends events with these accounts and records.
    pub(crate) fn append_events(&self, events: &[(&str, &str)]) {
        let mut appender = self.appender();
        let row = |(number, (account, raw)): (usize, &(&str, &str))| {
            json!({
                "_key": format!("nexthink_audit_event:{number}"),
                "id": number.to_string(),
                "name": "An event",
                "displayName": "An event",
                "observedOn": "2026-03-01T10:00:00Z",
                "account": account,
                "raw": raw,
            })
        };
        let rows: Vec<Value> = events.iter().enumerate().map(row).collect();
        appender.write("2026-03-01", &batch_of("nexthink_audit_event", &rows)).expect("it fits");
        appender.commit(Value::Null).expect("there is room");
    }

    pub(crate) fn appender(&self) -> EventAppender {
        let event = identifiers::entity("nexthink_audit_event").expect("it is linked");
        let declaration = EventDeclaration {
            schema: entity_schema(event, &[]),
            personal_columns: Vec::new(),
            time_column: "observedOn",
            own_time_column: "occurredOn",
        };
        self.lock.append_events(LOG, declaration).expect("the columns are right")
    }

    /// Takes people out of the generations and events. Returns the removed rows of each table, the newest
    /// generation first, and the number of removed events.
    pub(crate) fn cleanse(&self, suppressions: &Suppressions) -> (Vec<(String, u64)>, u64) {
        let cleanser = Cleanser::new(suppressions);
        let generations =
            cleanser.cleanse_generations(&self.lock, &|_| Vec::new()).expect("nothing is damaged");
        let events = cleanser
            .cleanse_events(&mut self.appender(), "nexthink-graph")
            .expect("nothing is damaged");
        (generations.into_iter().flat_map(|cleansed| cleansed.tables).collect(), events)
    }
}

/// A user with these values beside the ones that every user has.
pub(crate) fn user(uid: &str, values: Value) -> Value {
    object(
        "nexthink_user",
        uid,
        json!({ "id": uid, "userIds": [uid], "name": uid, "displayName": uid }),
        values,
    )
}

/// A device with these values beside the ones that every device has.
pub(crate) fn device(uid: &str, values: Value) -> Value {
    object("nexthink_device", uid, json!({ "id": uid, "name": uid, "displayName": uid }), values)
}

/// An alert with these values beside the ones that every alert has.
pub(crate) fn alert(uid: &str, values: Value) -> Value {
    object("nexthink_alert", uid, json!({ "id": uid, "name": uid, "displayName": uid }), values)
}

/// An edge.
pub(crate) fn edge(from: &str, to: &str) -> Value {
    json!([from, to])
}

fn object(type_name: &str, uid: &str, base: Value, values: Value) -> Value {
    let mut members = Map::new();
    members.insert("_key".to_owned(), Value::from(format!("{type_name}:{uid}")));
    for object in [base, values] {
        let Value::Object(object) = object else { panic!("a row is an object") };
        members.extend(object);
    }
    Value::Object(members)
}

/// The rows as the table that a run writes.
pub(crate) fn batch_of(type_name: &str, rows: &[Value]) -> RecordBatch {
    let entity = identifiers::entity(type_name).expect("a step makes it");
    let mut reader = ReaderBuilder::new(entity_schema(entity, &[]))
        .with_strict_mode(true)
        .build_decoder()
        .expect("the types are known");
    reader.serialize(rows).expect("the values fit");
    reader.flush().expect("the values fit").expect("there are rows")
}

fn entities(type_name: &str, rows: &[Value]) -> RecordBatch {
    let entity = identifiers::entity(type_name).expect("a step makes it");
    // Columns that are never null get a value where a row has none.
    let filled = rows.iter().map(|row| {
        let mut row = row.clone();
        for property in entity.properties.iter().filter(|property| property.never_null) {
            if row.get(property.name).is_none() {
                row[property.name] = match property.value_type() {
                    core_model::property::ValueType::Text => Value::from("-"),
                    core_model::property::ValueType::TextList => json!(["-"]),
                    core_model::property::ValueType::Boolean => Value::from(false),
                    _ => Value::from(0),
                };
            }
        }
        row
    });
    batch_of(type_name, &filled.collect::<Vec<_>>())
}

fn entity_declaration(name: &str, batch: &RecordBatch) -> TableDeclaration {
    TableDeclaration {
        kind: TableKind::Entity,
        name: name.to_owned(),
        class: vec!["Record".to_owned()],
        ends: None,
        schema: batch.schema(),
        personal_columns: Vec::new(),
    }
}

fn edges(name: &str, rows: &[Value]) -> (TableDeclaration, RecordBatch) {
    let steps = Step::all();
    let mut relationships = steps.iter().flat_map(|step| step.relationships);
    let found: &RelationshipType =
        relationships.find(|relationship| relationship.type_name == name).expect("a step draws it");
    let end = |place: usize| -> DictionaryArray<UInt32Type> {
        rows.iter().map(|row| row[place].as_str()).collect()
    };
    let batch = RecordBatch::try_new(edge_schema(found), vec![Arc::new(end(0)), Arc::new(end(1))])
        .expect("the edge has no properties");
    let ends = [&found.from, &found.to].map(|end| end.entity.type_name.to_owned());
    let declaration = TableDeclaration {
        kind: TableKind::Relationship,
        name: name.to_owned(),
        class: vec![found.class.name().to_owned()],
        ends: Some(ends.into()),
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch)
}

/// The keys of a test.
pub(crate) fn keys() -> KeyRing {
    KeyRing::new("2026-01-01T00:00:00Z", &[7; core_privacy::keys::NEW_RING_BYTES])
}

/// A list with one erasure of a subject.
pub(crate) fn list_of(id: &str, subject: &Subject) -> SuppressionList {
    let mut list = SuppressionList::new(&keys());
    suppress(&mut list, id, subject);
    list
}

/// Adds an erasure of a subject to a list.
pub(crate) fn suppress(list: &mut SuppressionList, id: &str, subject: &Subject) {
    let erasure = Erasure { id, since: "2026-03-10T00:00:00Z", reason: "gdpr-request" };
    let identifiers =
        subject.identifiers.iter().map(|(identifier_kind, text)| (*identifier_kind, text.as_str()));
    list.suppress(&keys(), NAME, erasure, identifiers).expect("the key is the list's");
}

/// The matcher of a subject.
pub(crate) fn suppressions_of(subject: &Subject) -> Suppressions {
    list_of("e-1", subject).matcher(&keys(), NAME, EVER).expect("the key is the list's")
}

/// The keys of the entities of a type in the published generation.
pub(crate) fn published_keys(
    place: &Place,
    kind: TableKind,
    name: &str,
    column: &str,
) -> Vec<String> {
    let generation = place.tenant().current().expect("it is cleansed").expect("it is published");
    let mut found = Vec::new();
    for batch in generation.batches(kind, name).expect("there is a table") {
        let batch = batch.expect("it is whole");
        let texts = arrow::compute::cast(
            batch.column_by_name(column).expect("there is a column"),
            &arrow_schema::DataType::Utf8,
        );
        let texts = texts.expect("it is text");
        let texts = texts.as_any().downcast_ref::<arrow_array::StringArray>().expect("it is text");
        found.extend(texts.iter().map(|text| text.unwrap_or("(empty)").to_owned()));
    }
    found
}
