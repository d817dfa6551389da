//! `serve --postgres` of the built program, as clients of Postgres use it.
#![cfg(unix)]

mod answers;
mod limits;
mod sessions;
mod values;

use std::time::Duration;

use core_simulator::TenantSpec;
use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, Row, SimpleQueryMessage};

use crate::kit::{Running, Scene, until};

/// The time that the server may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server for clients of Postgres.
struct Server {
    running: Running,
    port: u16,
    analyst: String,
    viewer: String,
    runtime: Runtime,
}

fn scene() -> Scene {
    let scene =
        Scene::of(TenantSpec { devices: 30, users: 12, alerts: 8, ..TenantSpec::default() });
    scene.run_completely();
    scene
}

fn token(scene: &Scene, role: &str) -> String {
    let made = scene.program(&["serve", "token", "new", "--name", role, "--role", role]);
    assert_eq!(made.exit, Some(0), "{}", made.stderr);
    made.stdout.trim().to_owned()
}

impl Server {
    fn start(scene: &Scene, arguments: &[&str]) -> Self {
        let (analyst, viewer) = (token(scene, "analyst"), token(scene, "viewer"));
        let serve = ["serve", "--listen", "127.0.0.1:0", "--postgres", "127.0.0.1:0"];
        let running = scene.start(&[&serve, arguments].concat());
        let printed = until(PATIENCE, || {
            let printed = running.printed();
            let address = printed.lines().nth(1)?.strip_prefix("postgresql://127.0.0.1:")?;
            address.strip_suffix("/acme")?.parse().ok()
        });
        let port = printed.unwrap_or_else(|| panic!("no address: {}", running.said()));
        let runtime = Runtime::new().expect("a runtime can be made");
        Self { running, port, analyst, viewer, runtime }
    }

    /// Logs in with a password; the error is that of the server.
    fn connect(&self, password: &str) -> Result<Client, Error> {
        self.connect_to(password, "acme")
    }

    fn connect_to(&self, password: &str, database: &str) -> Result<Client, Error> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("anyone").dbname(database);
        config.password(password);
        self.runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await?;
            // Its end is that of the client.
            tokio::spawn(async { drop(connection.await) });
            Ok(client)
        })
    }

    fn analyst(&self) -> Client {
        self.connect(&self.analyst).unwrap_or_else(|error| panic!("{}", told(&error)))
    }

    fn viewer(&self) -> Client {
        self.connect(&self.viewer).unwrap_or_else(|error| panic!("{}", told(&error)))
    }

    /// Asks in the protocol for texts; returns the first column.
    fn texts(&self, client: &Client, sql: &str) -> Result<Vec<String>, Error> {
        let messages = self.runtime.block_on(client.simple_query(sql))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Asks with a prepared statement, in binary.
    fn rows(&self, client: &Client, sql: &str) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(client.query(sql, &[]))
    }

    /// Returns the code of the error that a statement ends with.
    fn code(&self, client: &Client, sql: &str) -> String {
        let refused = self.texts(client, sql).expect_err(sql);
        refused.code().map_or_else(|| told(&refused), |code| code.code().to_owned())
    }
}

/// Returns an error with what the server has told.
fn told(error: &Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

#[test]
fn a_client_reads_what_its_token_may_see_and_the_ledger_tells_who_has_read() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let (analyst, viewer) = (server.analyst(), server.viewer());
    let devices = "select name from nexthink_device order by name";
    assert_eq!(
        server.texts(&analyst, devices).map_err(|error| told(&error)).map(|rows| rows.len()),
        Ok(30)
    );
    let binary = server.rows(&analyst, devices).expect("it can be asked");
    let name: &str = binary[0].get("name");
    assert_eq!(server.texts(&analyst, devices).expect("it can be asked")[0], name);

    // What a viewer may not see is in no table, in no catalog and in no comparison.
    let columns =
        "select column_name from information_schema.columns where table_name = 'nexthink_user'";
    let attributes =
        "select a.attname from pg_attribute a where a.attrelid = 'nexthink_user'::regclass";
    for catalog in [columns, attributes] {
        let seen = |client| server.texts(client, catalog).expect("it can be asked");
        let (all, some) = (seen(&analyst), seen(&viewer));
        assert!(all.iter().any(|column| column == "email"), "{all:?}");
        assert!(!some.iter().any(|column| column == "email"), "{some:?}");
        assert!(some.iter().any(|column| column == "_key"), "{some:?}");
    }
    let all = server.rows(&viewer, "select * from nexthink_user limit 1").expect("it can be asked");
    assert!(all[0].columns().iter().all(|column| column.name() != "email"));
    assert_eq!(server.code(&viewer, "select email from nexthink_user"), "42501");
    assert_eq!(server.code(&viewer, "select 1 from nexthink_user where email like 'a%'"), "42501");

    for (statement, code) in [
        ("selec 1", "42601"),
        ("select * from nothing", "42P01"),
        ("select nothing from nexthink_device", "42703"),
        ("select nothing(1)", "42883"),
        ("delete from nexthink_device", "25006"),
        ("create table mine (a int)", "25006"),
        ("copy nexthink_device from stdin", "0A000"),
        ("set default_transaction_read_only = off", "22023"),
        ("set nothing = 1", "42704"),
    ] {
        assert_eq!(server.code(&analyst, statement), code, "{statement}");
    }

    let refused = |connected: Result<Client, Error>| {
        let error = connected.expect_err("it is refused");
        error.code().map_or_else(|| told(&error), |code| code.code().to_owned())
    };
    assert_eq!(refused(server.connect("a guess")), "28P01");
    assert_eq!(refused(server.connect_to(&server.viewer, "other")), "3D000");
    assert!(
        server.connect_to(&server.viewer, "postgres").is_ok(),
        "the name that tools begin with"
    );

    server.running.signal("INT");
    let ended = server.running.wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let entries = scene.store().ledger().entries().expect("a ledger");
    let reads = entries.iter().filter(|entry| entry.record.event == "postgres_query");
    let users: Vec<_> = reads.filter_map(|entry| entry.record.facts["user"].as_str()).collect();
    // Three equal queries of devices, one of users. Reading the catalog shows no data, and what is refused reads nothing.
    assert_eq!(users, ["analyst", "viewer"]);
    let printed = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!printed.contains(&server_token(&scene)), "no token is printed");
}

/// Returns a text that is in the file of tokens and nowhere else.
fn server_token(scene: &Scene) -> String {
    let kept = std::fs::read_to_string(scene.path("nexthink-graph-tokens.json")).expect("written");
    kept.split('"').max_by_key(|part| part.len()).expect("it has some").to_owned()
}

#[test]
fn a_transaction_reads_one_generation_and_the_next_one_the_newest() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let client = server.analyst();
    let count = || {
        let rows = server.rows(&client, "select count(*) from nexthink_device");
        rows.map(|rows| rows[0].get::<_, i64>(0)).map_err(|error| told(&error))
    };
    let run = |sql: &str| server.texts(&client, sql).expect(sql);
    run("begin");
    assert_eq!(count(), Ok(30));
    scene.update(|behaviour| behaviour.tenant.devices = 33);
    scene.run_completely();
    assert_eq!(count(), Ok(30), "the transaction began before");
    run("savepoint a");
    assert_eq!(server.code(&client, "select * from nothing"), "42P01");
    assert_eq!(server.code(&client, "select 1"), "25P02", "it has failed");
    run("rollback to savepoint a");
    assert_eq!(count(), Ok(30));
    run("commit");
    assert_eq!(count(), Ok(33));
    let both = "select count(*) from nexthink_device; select count(*) from nexthink_device_history";
    assert_eq!(run(both), ["33", "63"]);
}

#[test]
fn a_token_is_accepted_once_it_is_made_and_refused_once_it_is_removed() {
    let scene = scene();
    let server = Server::start(&scene, &[]);
    let kept = server.analyst();
    let made = scene.program(&["serve", "token", "new", "--name", "later", "--role", "analyst"]);
    let later = made.stdout.trim().to_owned();
    let client = until(PATIENCE, || server.connect(&later).ok()).expect("it is accepted in time");
    assert_eq!(server.texts(&client, "select 1").expect("it can be asked"), ["1"]);

    let listed = scene.program(&["serve", "token", "list", "--output", "csv"]);
    assert_eq!(listed.stdout, "name,role\r\nanalyst,analyst\r\nviewer,viewer\r\nlater,analyst\r\n");
    let removed = scene.program(&["serve", "token", "remove", "later"]);
    assert_eq!(removed.exit, Some(0), "{}", removed.stderr);
    let ended = until(PATIENCE, || server.texts(&client, "select 1").err());
    let ended = ended.expect("the session ends in time");
    assert!(ended.is_closed() || ended.code().map(SqlState::code) == Some("28P01"), "{ended}");
    let refused = server.connect(&later).expect_err("it is refused");
    assert_eq!(refused.code().map(SqlState::code), Some("28P01"));
    assert_eq!(server.texts(&kept, "select 1").expect("another token's session goes on"), ["1"]);

    let unknown = scene.program(&["serve", "token", "remove", "later"]);
    assert_eq!(unknown.exit, Some(2));
    assert!(unknown.stderr.contains("there is no token later in "), "{}", unknown.stderr);
}
