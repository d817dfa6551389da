//! A server that speaks Bolt for tests: an `ArcadeDB` from `PyPI`, which brings a Java of its own, in a folder of ours and
//! on free ports of this machine, gone with its value.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::bench::python;
use crate::cargo::{cargo, run as run_command};

/// The server, and Neo4j's own driver.
const PACKAGES: [&str; 2] = ["arcadedb-embedded==26.10.2.post1", "neo4j==6.4.1"];

/// The password of the user `root`, which the server has.
const PASSWORD: &str = "canary-password-51f0";

/// The variables that tell the tests the port and the command of a reader.
const PORT: &str = "NEXTHINK_GRAPH_TEST_NEO4J_PORT";
const READER: &str = "NEXTHINK_GRAPH_TEST_NEO4J_READER";

/// Runs the tests of the destination against a real server, read back by Neo4j's own driver.
///
/// # Errors
///
/// The server does not start, or a test fails.
pub(super) fn judge(root: &Path, folder: &Path) -> anyhow::Result<()> {
    let python = python(folder, &PACKAGES)?;
    let server = Server::start(root, folder, &python)?;
    let script = root.join("xtask/peers/neo4j_reader.py");
    let reader = json!([python, script, server.http.to_string(), server.bolt.to_string()]);
    let arguments = ["test", "--workspace", "--test", "neo4j"];
    let mut tests = cargo(root, &arguments);
    run_command(tests.env(PORT, server.bolt.to_string()).env(READER, reader.to_string()))
}

/// A running server.
struct Server {
    process: Child,
    http: u64,
    bolt: u64,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is wanted any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(root: &Path, folder: &Path, python: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("neo4j");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let log = fs::File::create(folder.join("log.txt"))?;
        let mut command = Command::new(python);
        command.arg(root.join("xtask/peers/neo4j_server.py")).arg(folder.join("root"));
        command.arg(PASSWORD).current_dir(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let process = command.spawn().context("Python cannot be started")?;
        let mut server = Self { process, http: 0, bolt: 0 };
        let output = server.process.stdout.take().context("it is piped")?;
        // The server writes about itself first.
        for line in BufReader::new(output).lines() {
            let ports: Value = serde_json::from_str(&line?).unwrap_or_default();
            if let Some((http, bolt)) = ports["http"].as_u64().zip(ports["bolt"].as_u64()) {
                (server.http, server.bolt) = (http, bolt);
                return Ok(server);
            }
        }
        bail!("ArcadeDB ended at once: see target/conformance/neo4j/log.txt")
    }
}
