//! Programs of others judge ours: the official client of the Model Context Protocol, receivers of messages, another engine
//! for SQL, Prometheus, readers of Delta tables, a Postgres server, clients of Postgres, a server of Bolt, and servers of buckets. It is no stage of the gate, since it needs Python and packages.

mod bucket;
mod delta;
mod metrics;
mod neo4j;
mod postgres;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::bench::{Tenant, python};
use crate::cargo::{cargo, run as run_command};

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Judge {
    /// The official MCP client calls every tool of `mcp`.
    Mcp,
    /// DuckDB answers the SQL that J1QL queries become, random ones and the shipped questions, on the same files.
    J1ql,
    /// Standard Webhooks' own library, a real SMTP server and an installed Alertmanager take messages.
    Notify,
    /// `promtool` checks the metrics and the alerts.
    Metrics,
    /// delta-rs, Polars and DuckDB read Delta tables.
    Delta,
    /// A real Postgres server takes generations, and readers look on.
    Postgres,
    /// psql, psycopg and `SQLAlchemy` read the graph from `serve --postgres`, with recorded queries of other clients.
    PostgresWire,
    /// `ArcadeDB` takes generations over Bolt, and Neo4j's own driver looks on.
    Neo4j,
    /// moto and, if npm can install it, Azurite take a store and give it back.
    Bucket,
}

/// The client, in the newest version whose answers our script reads.
const MCP: [&str; 1] = ["mcp"];

/// The receivers, and certificates for them.
const NOTIFY: [&str; 3] = ["standardwebhooks", "aiosmtpd", "trustme"];

/// The clients of Postgres; psql is a package of the system.
const POSTGRES_CLIENTS: [&str; 2] = ["psycopg[binary]", "sqlalchemy"];

/// The other engine, and what it needs to return times.
const DUCKDB: [&str; 2] = ["duckdb", "pytz"];

/// Lets others judge the program.
///
/// # Errors
/// They refuse something, or what is missing.
pub(crate) fn run(root: &Path, judge: Judge) -> anyhow::Result<()> {
    match judge {
        Judge::J1ql => j1ql(root),
        Judge::Mcp => with_tenant(root, "mcp_client.py", &MCP, "nexthink-graph.toml"),
        Judge::Notify => with_tenant(root, "notify_receivers.py", &NOTIFY, ""),
        Judge::Metrics => metrics::judge(root),
        Judge::Delta => {
            let (program, folder) = built(root)?;
            delta::judge(root, &folder, &program)
        }
        Judge::Postgres => {
            let (_, folder) = built(root)?;
            postgres::judge(root, &folder)
        }
        Judge::PostgresWire => {
            with_tenant(root, "postgres_clients.py", &POSTGRES_CLIENTS, "nexthink-graph.toml")
        }
        Judge::Neo4j => {
            let (_, folder) = built(root)?;
            neo4j::judge(root, &folder)
        }
        Judge::Bucket => {
            let (program, folder) = built(root)?;
            bucket::judge(root, &folder, &program)
        }
    }
}

/// Lets DuckDB answer what our tests ask in J1QL. They write it down.
fn j1ql(root: &Path) -> anyhow::Result<()> {
    let place = root.join("target/conformance");
    let cases = place.join("j1ql");
    if cases.exists() {
        fs::remove_dir_all(&cases).context("cannot empty target/conformance/j1ql")?;
    }
    fs::create_dir_all(&cases).context("cannot make target/conformance/j1ql")?;
    let tests = ["test", "--quiet", "--workspace", "--test", "query", "--", "j1ql", "questions"];
    run_command(cargo(root, &tests).env("J1QL_CASES", &cases))?;
    let python = python(&place, &DUCKDB)?;
    run_command(Command::new(python).arg(root.join("xtask/peers/duckdb_j1ql.py")).arg(&cases))
}

/// Builds the program under test; returns its path and a folder to work in.
fn built(root: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    run_command(&mut cargo(root, &["build", "--workspace"]))?;
    let target = root.join("target");
    let program = target.join("debug").join(format!("program{}", std::env::consts::EXE_SUFFIX));
    let folder = target.join("conformance");
    fs::create_dir_all(&folder).context("cannot make target/conformance")?;
    Ok((program, folder))
}

/// Runs a script of a peer with our program and a file of its folder, over a simulated tenant.
fn with_tenant(root: &Path, script: &str, packages: &[&str], file: &str) -> anyhow::Result<()> {
    let (program, folder) = built(root)?;
    let ours = || {
        let mut command = Command::new(&program);
        command.current_dir(&folder);
        command
    };
    let tenant = Tenant::start(ours(), &[("--devices", 100), ("--users", 50)])?;
    run_command(ours().args(["run", "--quiet"]))?;
    drop(tenant);
    let script = root.join("xtask/peers").join(script);
    let python = python(&folder, packages)?;
    run_command(Command::new(python).arg(script).arg(&program).arg(folder.join(file)))
}
