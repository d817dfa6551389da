//! Deliveries of small stores to a database in memory: what is there afterwards, what is refused, and what is made up
//! for after a fault at any statement.

mod faults;
mod graph;
mod objects;
mod refused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use core_destination::mirror::{MirrorReport, MirrorRules};
use core_destination::{DeliveryError, DeliveryRequest, DeliveryResult, TypeChanges};
use core_http::Trust;
use core_store::{
    Draft, GenerationId, Location, Outcome, Store, TableDeclaration, TableKind, TenantStore,
};
use tempfile::TempDir;

use self::graph::{Graph, Simulated};
use crate::destination::{NAME, Neo4j};
use crate::settings::{Neo4jSettings, Tls};
use crate::value::Value;

/// The rows of a generation, or the objects that a database must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Picture {
    /// Users, each with a name.
    users: BTreeMap<String, String>,
    /// Devices, each with a name.
    devices: BTreeMap<String, String>,
    /// Who uses which.
    links: BTreeSet<(String, String)>,
    /// The types that may lack rows.
    partial: BTreeSet<&'static str>,
}

impl Picture {
    /// Users and devices that are named as they are keyed, and who uses which, as `user device`.
    fn new(users: &[&str], devices: &[&str], links: &[&str]) -> Self {
        let named =
            |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), (*key).to_owned())).collect();
        let pair = |pair: &&str| {
            let (user, device) = pair.split_once(' ').expect("it has two keys");
            (user.to_owned(), device.to_owned())
        };
        Self {
            users: named(users),
            devices: named(devices),
            links: links.iter().map(pair).collect(),
            partial: BTreeSet::new(),
        }
    }

    fn partial(mut self, types: &[&'static str]) -> Self {
        self.partial = types.iter().copied().collect();
        self
    }

    /// The objects that must be there after a generation was delivered, by the rules alone: a plain twin.
    fn after(&self, next: &Self, is_erasing: bool) -> Self {
        let keeps =
            |types: &[&str]| !is_erasing && types.iter().any(|name| next.partial.contains(name));
        let nodes = |before: &BTreeMap<String, String>, next: &BTreeMap<String, String>, keeps| {
            let mut nodes = if keeps { before.clone() } else { BTreeMap::new() };
            nodes.extend(next.clone());
            nodes
        };
        let users = nodes(&self.users, &next.users, keeps(&["user"]));
        let devices = nodes(&self.devices, &next.devices, keeps(&["device"]));
        let mut links = next.links.clone();
        if keeps(&["user", "device", "uses"]) {
            links.extend(self.links.clone());
        }
        links.retain(|(user, device)| users.contains_key(user) && devices.contains_key(device));
        let mut partial = next.partial.clone();
        if !partial.is_empty() {
            // Relationships may lack what one of their ends lacks.
            partial.insert("uses");
        }
        Self { users, devices, links, partial }
    }
}

/// A store, and a database that its generations are delivered to.
struct Scene {
    _folder: TempDir,
    tenant: TenantStore,
    session: Simulated,
    published: u32,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let store = Store::open(Location::Folder(folder.path().join("store")));
        let tenant = store.and_then(|store| store.tenant("acme")).expect("it is new");
        Self { _folder: folder, tenant, session: Simulated::default(), published: 0 }
    }

    /// Publishes a generation.
    fn publish(&mut self, picture: &Picture) {
        self.published += 1;
        let id = format!("01JN8BG900000000000000{:04}", self.published);
        self.publish_as(&id, picture);
    }

    fn publish_as(&self, id: &str, picture: &Picture) {
        let lock = self.tenant.lock("a test").expect("no one else runs");
        let id = GenerationId::parse(id).expect("it is one");
        let staging = lock.stage(id).expect("there is room");
        let named = |rows: &BTreeMap<String, String>| {
            let (keys, names) = rows.iter().map(|(key, name)| (key.clone(), name.clone())).unzip();
            vec![("_key", keys), ("name", names)]
        };
        let (from, to): (Vec<String>, Vec<String>) = picture.links.iter().cloned().unzip();
        let ends = Some(("user".to_owned(), "device".to_owned()));
        let parts = [
            ("user", None, named(&picture.users)),
            ("device", None, named(&picture.devices)),
            ("uses", ends, vec![("_fromEntityKey", from), ("_toEntityKey", to)]),
        ];
        let mut tables = Vec::new();
        for (name, ends, columns) in parts {
            let columns = columns.into_iter().map(|(column, values)| {
                (column, Arc::new(StringArray::from(values)) as ArrayRef, false)
            });
            let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("of one length");
            let kind = if ends.is_some() { TableKind::Relationship } else { TableKind::Entity };
            let class = if ends.is_some() { "USES" } else { "Any" };
            let declaration = TableDeclaration {
                kind,
                name: name.to_owned(),
                class: vec![class.to_owned()],
                ends,
                schema: batch.schema(),
                personal_columns: Vec::new(),
            };
            let mut writer = staging.table(declaration).expect("it is declared once");
            writer.write(&batch).expect("there is room");
            let mut table = writer.finish().expect("there is room");
            table.partial = picture.partial.contains(name);
            tables.push(table);
        }
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2025-03-01T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables,
        };
        staging.publish(draft, &[]).expect("there is room");
    }

    /// Notes the erasures that every further generation has been through.
    fn erase(&self, ids: &[&str]) {
        let lock = self.tenant.lock("a test").expect("no one else runs");
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        lock.set_erasures(&ids).expect("there is room");
    }

    fn deliver_with(
        &mut self,
        request: &DeliveryRequest,
    ) -> Result<DeliveryResult<MirrorReport>, DeliveryError> {
        let settings = Neo4jSettings {
            host: "localhost".to_owned(),
            port: 7687,
            database: "graph".to_owned(),
            user: "writer".to_owned(),
            tls: Tls::Off,
            trust: Trust::default(),
        };
        let rules = MirrorRules {
            name: NAME,
            place: settings.place(),
            skipped_types: |_| BTreeSet::new(),
            may_be_erased: |name| name == "user",
            personal_columns: |_| Vec::new(),
            program: "the program".to_owned(),
        };
        let lock = self.tenant.lock_delivery(NAME, "a test")?;
        let generation = self.tenant.current()?.expect("something is published");
        let scope = rules.scope(&self.tenant, generation, request)?;
        let destination = Neo4j::new(rules, settings, None);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("it needs nothing of the system");
        let session = &mut self.session;
        runtime.block_on(destination.deliver_over(session, &lock, &scope, request, &|_| ()))
    }

    /// Delivers; the report, or `None` if nothing has changed.
    fn deliver(&mut self) -> Option<MirrorReport> {
        match self.deliver_with(&DeliveryRequest::default()).expect("it succeeds") {
            DeliveryResult::NothingChanged { .. } => None,
            DeliveryResult::Delivered { report, .. } => Some(*report),
        }
    }

    /// The message of a delivery that is refused.
    fn refused(&mut self) -> String {
        let error = self.deliver_with(&DeliveryRequest::default()).expect_err("it is refused");
        format!("{:#}", anyhow::Error::from(error))
    }
}

impl Graph {
    /// The objects as a picture.
    fn picture(&self) -> Picture {
        let nodes = |name: &str| {
            let objects = self.objects.get(name).into_iter().flatten();
            let named = objects.map(|(key, object)| {
                let name = object.properties.field("name").and_then(Value::as_text);
                (key.clone(), name.unwrap_or_default().to_owned())
            });
            named.collect()
        };
        let links = self.objects.get("USES").into_iter().flatten();
        let partial = ["user", "device", "uses"]
            .into_iter()
            .filter(|name| self.entries.get(*name).is_some_and(|entry| entry.is_partial));
        Picture {
            users: nodes("user"),
            devices: nodes("device"),
            links: links.filter_map(|(_, object)| object.ends.clone()).collect(),
            partial: partial.collect(),
        }
    }
}

/// The counts of a type in a report: created, updated, deleted, kept, unchanged.
fn counts(report: &MirrorReport, name: &str) -> [u64; 5] {
    let of = |changes: &TypeChanges| {
        [changes.creates, changes.updates, changes.deletes, changes.kept, changes.unchanged]
    };
    report.types.iter().find(|changes| changes.type_name == name).map(of).unwrap_or_default()
}

/// Asserts that the objects are those of the picture, whatever is said of their completeness.
fn assert_objects(found: &Picture, expected: &Picture, when: &str) {
    let objects = |picture: &Picture| Picture { partial: BTreeSet::new(), ..picture.clone() };
    assert_eq!(objects(found), objects(expected), "{when}");
}
