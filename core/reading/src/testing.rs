//! A store of one tenant, and readers of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

// A step that nothing names is not linked in, and then not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, StringArray};
use core_engine::{Ending, Host, Moment};
use core_store::{Draft, Location, Outcome, Store, TableDeclaration, TableKind, TenantStore};
use tempfile::TempDir;

use crate::reader::Reader;

/// The IDs of generations, the oldest first; each is a day younger than the one before.
pub(crate) const IDS: [&str; 3] =
    ["01JN7Z1M80000000000000000A", "01JN9Y1M80000000000000000B", "01JNBX1M80000000000000000C"];

/// A store with generations that have no tables.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
    pub(crate) tenant: TenantStore,
    pub(crate) host: Host,
}

impl Fixture {
    /// A store with this many generations of 2026-03-01, -02 and -03 at eight o'clock.
    pub(crate) fn new(generations: usize) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let store = Store::open(Location::Folder(folder.path().join("store"))).expect("it is new");
        let tenant = store.tenant("acme").expect("it is a name");
        let lock = tenant.lock("a test").expect("the lock is free");
        for (place, id) in IDS.iter().take(generations).enumerate() {
            let draft = Draft {
                region: "eu".to_owned(),
                created_at: format!("2026-03-0{}T08:00:00Z", place + 1),
                outcome: Outcome::Complete,
                privacy: None,
                tables: Vec::new(),
            };
            let staging = lock.stage(id.parse().expect("it is an ID")).expect("there is room");
            staging.publish(draft, &[]).expect("there is room");
        }
        drop(lock);
        Self { folder, store, tenant, host: host() }
    }

    /// A reader without settings, whose files are in a folder if one is named.
    pub(crate) fn reader<'a>(&'a self, folder: Option<&'a Path>) -> Reader<'a> {
        let (tenant, host) = (&self.tenant, &self.host);
        Reader { tenant, settings: None, host, folder, tell: |_| {}, is_quiet: true }
    }
}

/// Returns a host whose clock shows 2026-03-04T10:00:00Z.
pub(crate) fn host() -> Host {
    let next = Mutex::new(0_u8);
    Host {
        clock: Arc::new(|| Moment(1_772_618_400_000)),
        random: Arc::new(move |buffer| {
            let mut next = next.lock().expect("nothing panics");
            buffer.fill_with(|| {
                *next = next.wrapping_add(1);
                *next
            });
            Ok(())
        }),
        processors: 2,
        process: "a test".to_owned(),
        user: "uid 1000 (tester)".to_owned(),
        program: "nexthink-graph".to_owned(),
        exit_code: |ending| u8::from(ending != Ending::Complete),
    }
}

/// The ID of the generation of [`Fixture::estate`].
pub(crate) const ESTATE: &str = "01JNBX1M80000000000000000C";

impl Fixture {
    /// A store whose one generation has the devices `d1`, `d2` and `d3`, of which the first two have the package `p1`.
    pub(crate) fn estate() -> Self {
        let fixture = Self::new(0);
        let lock = fixture.tenant.lock("a test").expect("the lock is free");
        let staging = lock.stage(ESTATE.parse().expect("it is an ID")).expect("there is room");
        let tables = estate_tables().into_iter().map(|(declaration, batch)| {
            let mut writer = staging.table(declaration).expect("there is room");
            writer.write(&batch).expect("it has the declared columns");
            writer.finish().expect("there is room")
        });
        let draft = Draft {
            region: "eu".to_owned(),
            created_at: "2026-03-03T08:00:00Z".to_owned(),
            outcome: Outcome::Complete,
            privacy: None,
            tables: tables.collect(),
        };
        staging.publish(draft, &[]).expect("there is room");
        drop(lock);
        fixture
    }
}

fn estate_tables() -> [(TableDeclaration, RecordBatch); 3] {
    let texts = |texts: &[&str]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let ends = |texts: &[&str]| {
        Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>()) as ArrayRef
    };
    let entity = |name: &str, class: &str, keys: &[&str], names: &[&str]| {
        let columns =
            [("_key", texts(keys)), ("name", texts(names)), ("displayName", texts(names))];
        table(TableKind::Entity, name, class, columns)
    };
    let columns = [("_fromEntityKey", ends(&["d1", "d2"])), ("_toEntityKey", ends(&["p1", "p1"]))];
    let installed = "nexthink_device_installed_package";
    let (declaration, batch) = table(TableKind::Relationship, installed, "INSTALLED", columns);
    let ends = Some(("nexthink_device".to_owned(), "nexthink_package".to_owned()));
    let names = ["LAP-1", "LAP-2", "LAP-2"];
    [
        entity("nexthink_device", "Device", &["d1", "d2", "d3"], &names),
        entity("nexthink_package", "CodeModule", &["p1"], &["Editor"]),
        (TableDeclaration { ends, ..declaration }, batch),
    ]
}

fn table<const WIDTH: usize>(
    kind: TableKind,
    name: &str,
    class: &str,
    columns: [(&str, ArrayRef); WIDTH],
) -> (TableDeclaration, RecordBatch) {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let declaration = TableDeclaration {
        kind,
        name: name.to_owned(),
        class: vec![class.to_owned()],
        ends: None,
        schema: batch.schema(),
        personal_columns: Vec::new(),
    };
    (declaration, batch)
}
