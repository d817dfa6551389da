//! The program against a real server that speaks Bolt, which `cargo xtask conformance neo4j` starts and stops, read back
//! by Neo4j's own driver: no part of `cargo test`, since it needs a server.

#[allow(dead_code, unused_imports, reason = "these tests need a part of it")]
mod kit;

#[path = "neo4j/erased.rs"]
mod erased;
#[path = "neo4j/interrupted.rs"]
mod interrupted;
#[path = "neo4j/objects.rs"]
mod objects;
#[path = "neo4j/page.rs"]
mod page;
#[path = "neo4j/refused.rs"]
mod refused;
#[path = "destinations/truth.rs"]
mod truth;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use core_simulator::TenantSpec;
use serde_json::{Value, json};

use crate::kit::{Configuration, Scene, write_private};

/// The variable with the command that starts a reader, as a JSON list.
const READER: &str = "NEXTHINK_GRAPH_TEST_NEO4J_READER";
/// The variable with the server's port for Bolt.
const PORT: &str = "NEXTHINK_GRAPH_TEST_NEO4J_PORT";
/// The user that the server was made with.
const USER: &str = "root";
/// Its password.
const PASSWORD: &str = "canary-password-51f0";

/// The objects of the database: entities by key, each with its type and Nexthink's identifier, and relationships,
/// each with its type and the keys of both ends.
struct HeldGraph {
    entities: BTreeMap<String, (String, String)>,
    relationships: Vec<(String, [String; 2])>,
}

/// A tenant, and a database that its generations are delivered to.
struct Delivery {
    scene: Scene,
    database: String,
    reader: Mutex<Reader>,
}

/// A process that asks the server by Neo4j's own driver.
struct Reader {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[allow(clippy::disallowed_methods, reason = "the server differs each time")]
fn variable(name: &str) -> String {
    std::env::var(name).expect("run `cargo xtask conformance neo4j`, which starts a server")
}

impl Reader {
    fn start() -> Reader {
        let command: Vec<String> =
            serde_json::from_str(&variable(READER)).expect("it is a list of texts");
        let (program, arguments) = command.split_first().expect("it has a program");
        let mut command = Command::new(program);
        command.args(arguments).args([USER, PASSWORD]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("there is Python");
        let orders = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Reader { process, orders, answers }
    }

    fn ask(&mut self, order: &Value) -> Value {
        writeln!(self.orders, "{order}").expect("the reader listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the reader answers");
        let answer: Value = serde_json::from_str(&line).unwrap_or_default();
        assert!(answer.is_array(), "{order}: {line}");
        answer
    }
}

impl Delivery {
    fn new() -> Delivery {
        Delivery::of(TenantSpec { devices: 30, users: 25, alerts: 30, ..TenantSpec::default() })
    }

    fn of(tenant: TenantSpec) -> Delivery {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("graph{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut reader = Reader::start();
        reader.ask(&json!({ "create": database }));
        let scene = Scene::of(tenant);
        let delivery = Delivery { scene, database, reader: Mutex::new(reader) };
        write_private(&delivery.scene.path("password"), PASSWORD);
        delivery.configure_with(|configuration| configuration);
        delivery
    }

    fn configure_with(&self, change: impl FnOnce(Configuration) -> Configuration) {
        self.scene.configure(|configuration| {
            change(
                configuration
                    .text("destinations.neo4j.host", "127.0.0.1")
                    .set("destinations.neo4j.port", &variable(PORT))
                    .text("destinations.neo4j.database", &self.database)
                    .text("destinations.neo4j.user", USER)
                    .text("destinations.neo4j.tls", "off")
                    .set("destinations.neo4j.password", "{ file = \"password\" }"),
            )
        });
    }

    /// The rows of a query, by Neo4j's own driver.
    fn rows(&self, query: &str) -> Vec<Vec<Value>> {
        let order = json!({ "database": self.database, "query": query });
        let answer = self.reader.lock().expect("no test panicked with it").ask(&order);
        serde_json::from_value(answer).expect("they are rows")
    }

    /// The texts of the first column of a query.
    fn texts(&self, query: &str) -> Vec<String> {
        let rows = self.rows(query).into_iter();
        rows.map(|row| row[0].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The one number of a query.
    fn number(&self, query: &str) -> u64 {
        self.rows(query)[0][0].as_u64().expect("it is a number")
    }

    /// The types that the graph has, and whether they are of relationships.
    fn types(&self) -> Vec<(String, bool)> {
        let rows = self.rows("MATCH (t:NexthinkType) RETURN t.type, t.fromType ORDER BY t.type");
        let split = |row: Vec<Value>| {
            (row[0].as_str().expect("it has a name").to_owned(), !row[1].is_null())
        };
        rows.into_iter().map(split).collect()
    }

    fn held(&self) -> HeldGraph {
        let mut graph = HeldGraph { entities: BTreeMap::new(), relationships: Vec::new() };
        let text = |value: &Value| value.as_str().expect("it is a text").to_owned();
        for (name, is_edge) in self.types() {
            if is_edge {
                let query = format!(
                    "MATCH (a)-[r:{}]->(b) RETURN a._key AS f, b._key AS t",
                    name.to_uppercase()
                );
                let edges = self.rows(&query).into_iter();
                let edges = edges.map(|row| (name.clone(), [text(&row[0]), text(&row[1])]));
                graph.relationships.extend(edges);
            } else {
                let id = if name == "nexthink_account" { "_key" } else { "id" };
                for row in
                    self.rows(&format!("MATCH (n:{name}) RETURN n._key AS key, n.{id} AS id"))
                {
                    graph.entities.insert(text(&row[0]), (name.clone(), text(&row[1])));
                }
            }
        }
        graph
    }

    fn partial_types(&self) -> Vec<String> {
        self.texts("MATCH (t:NexthinkType) WHERE t.isPartial RETURN t.type")
    }

    /// The number of objects of each type.
    fn counts(&self) -> BTreeMap<String, u64> {
        let count = |(name, is_edge): (String, bool)| {
            let query = if is_edge {
                format!("MATCH ()-[r:{}]->() RETURN count(r)", name.to_uppercase())
            } else {
                format!("MATCH (n:{name}) RETURN count(n)")
            };
            (name, self.number(&query))
        };
        self.types().into_iter().map(count).collect()
    }

    /// The number of rows of each type in the published generation.
    fn published(&self) -> BTreeMap<String, u64> {
        let generation = self.scene.published();
        let tables = generation.manifest().tables.iter();
        tables.map(|table| (table.name.clone(), table.rows)).collect()
    }

    /// `sync neo4j` with JSON.
    fn sync(&self, arguments: &[&str]) -> (Option<i32>, Value, String) {
        let arguments = [&["sync", "neo4j", "--output", "json"], arguments].concat();
        let ended = self.scene.program(&arguments);
        let report = serde_json::from_str(&ended.stdout).unwrap_or_default();
        (ended.exit, report, ended.stderr)
    }
}
