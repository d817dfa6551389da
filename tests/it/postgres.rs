//! The program against a real Postgres server, which `cargo xtask conformance postgres` starts and stops: no part of
//! `cargo test`, since it needs a server.

#[allow(dead_code, unused_imports, reason = "these tests need a part of it")]
mod kit;

#[path = "postgres/erased.rs"]
mod erased;
#[path = "postgres/interrupted.rs"]
mod interrupted;
#[path = "postgres/page.rs"]
mod page;
#[path = "postgres/readers.rs"]
mod readers;
#[path = "postgres/refused.rs"]
mod refused;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "destinations/truth.rs"]
mod truth;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use core_simulator::TenantSpec;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_postgres::types::FromSqlOwned;
use tokio_postgres::{Client, NoTls};

use crate::kit::{Configuration, Scene, write_private};

/// The variable with the server's port.
const PORT: &str = "NEXTHINK_GRAPH_TEST_POSTGRES_PORT";
/// The role that the server was made with.
const USER: &str = "tester";
/// Its password.
const PASSWORD: &str = "canary-password-51f0";

/// The objects of the database: entities by key, each with its type and Nexthink's identifier, and relationships,
/// each with its type and the keys of both ends.
struct HeldGraph {
    entities: BTreeMap<String, (String, String)>,
    relationships: Vec<(String, [String; 2])>,
}

/// A tenant, and a schema that its generations are delivered to.
struct Delivery {
    scene: Scene,
    schema: String,
    database: Database,
}

/// A connection to the server.
struct Database {
    runtime: Runtime,
    client: Client,
}

impl Database {
    fn connect() -> Database {
        Database::connect_to("postgres")
    }

    fn connect_to(name: &str) -> Database {
        let runtime = Runtime::new().expect("threads can be started");
        let settings =
            format!("host=127.0.0.1 port={} user={USER} password={PASSWORD} dbname={name}", port());
        let connecting = tokio_postgres::connect(&settings, NoTls);
        let (client, connection) = runtime.block_on(connecting).expect("the server is there");
        runtime.spawn(connection);
        Database { runtime, client }
    }

    /// Runs statements.
    fn run(&self, text: &str) {
        self.runtime.block_on(self.client.batch_execute(text)).expect(text);
    }

    /// The first columns of all rows.
    fn column<T: FromSqlOwned>(&self, query: &str) -> Vec<T> {
        let rows = self.runtime.block_on(self.client.query(query, &[])).expect(query);
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The one value of a query.
    fn value<T: FromSqlOwned>(&self, query: &str) -> T {
        let row = self.runtime.block_on(self.client.query_one(query, &[])).expect(query);
        row.get(0)
    }
}

#[allow(clippy::disallowed_methods, reason = "the server's port differs each time")]
fn port() -> String {
    std::env::var(PORT).expect("run `cargo xtask conformance postgres`, which starts a server")
}

impl Delivery {
    fn new() -> Delivery {
        Delivery::of(TenantSpec { devices: 30, users: 25, alerts: 30, ..TenantSpec::default() })
    }

    fn of(tenant: TenantSpec) -> Delivery {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("graph_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let delivery = Delivery { scene: Scene::of(tenant), schema, database: Database::connect() };
        write_private(&delivery.scene.path("password"), PASSWORD);
        delivery.configure_with(|configuration| configuration);
        delivery
    }

    fn configure_with(&self, change: impl FnOnce(Configuration) -> Configuration) {
        self.scene.configure(|configuration| {
            change(
                configuration
                    .text("destinations.postgres.host", "127.0.0.1")
                    .set("destinations.postgres.port", &port())
                    .text("destinations.postgres.database", "postgres")
                    .text("destinations.postgres.user", USER)
                    .text("destinations.postgres.schema", &self.schema)
                    .text("destinations.postgres.tls", "off")
                    .set("destinations.postgres.password", "{ file = \"password\" }"),
            )
        });
    }

    /// The tables of types that the schema has.
    fn types(&self) -> Vec<(String, bool)> {
        let query = format!(
            "SELECT type || ':' || (from_type IS NOT NULL)::text FROM {}._types ORDER BY 1",
            self.schema
        );
        let types: Vec<String> = self.database.column(&query);
        let split = |text: String| {
            let (name, is_edge) = text.split_once(':').expect("it has one");
            (name.to_owned(), is_edge == "true")
        };
        types.into_iter().map(split).collect()
    }

    fn held(&self) -> HeldGraph {
        let mut graph = HeldGraph { entities: BTreeMap::new(), relationships: Vec::new() };
        for (name, is_edge) in self.types() {
            let table = format!("{}.{name}", self.schema);
            if is_edge {
                let keys = ["_fromEntityKey", "_toEntityKey"].map(|key| {
                    let query = format!("SELECT \"{key}\" FROM {table} ORDER BY \"_fromEntityKey\", \"_toEntityKey\"");
                    self.database.column::<String>(&query)
                });
                let [from, to] = keys;
                let edges = from.into_iter().zip(to).map(|(from, to)| (name.clone(), [from, to]));
                graph.relationships.extend(edges);
            } else {
                let id = if name == "nexthink_account" { "_key" } else { "id" };
                let query = format!("SELECT ARRAY[\"_key\", \"{id}\"] FROM {table}");
                for pair in self.database.column::<Vec<String>>(&query) {
                    let [key, id] = <[String; 2]>::try_from(pair).expect("they are two");
                    graph.entities.insert(key, (name.clone(), id));
                }
            }
        }
        graph
    }

    fn partial_types(&self) -> Vec<String> {
        let query = format!("SELECT type FROM {}._types WHERE is_partial", self.schema);
        self.database.column(&query)
    }

    /// The number of rows of each type.
    fn counts(&self) -> BTreeMap<String, u64> {
        let count = |(name, _): (String, bool)| {
            let count: i64 =
                self.database.value(&format!("SELECT count(*) FROM {}.{name}", self.schema));
            (name, u64::try_from(count).expect("it is not negative"))
        };
        self.types().into_iter().map(count).collect()
    }

    /// The number of rows of each type in the published generation.
    fn published(&self) -> BTreeMap<String, u64> {
        let generation = self.scene.published();
        let tables = generation.manifest().tables.iter();
        tables.map(|table| (table.name.clone(), table.rows)).collect()
    }

    /// `sync postgres` with JSON.
    fn sync(&self, arguments: &[&str]) -> (Option<i32>, Value, String) {
        let arguments = [&["sync", "postgres", "--output", "json"], arguments].concat();
        let ended = self.scene.program(&arguments);
        let report = serde_json::from_str(&ended.stdout).unwrap_or_default();
        (ended.exit, report, ended.stderr)
    }
}
