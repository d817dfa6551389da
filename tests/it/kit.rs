//! The parts that the tests share: a simulated tenant with a folder and a configuration for it, and the
//! program, run as a child process that is given up after a while.

mod file_faults;
mod gathering;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use core_simulator::{
    Behaviour, RecordedRequest, RequestCounts, SimulatedTrail, Simulator, SimulatorConfig,
    TenantCounts, TenantSpec,
};
use core_store::{Generation, Location, Store, TenantStore};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[cfg(target_os = "linux")]
pub(crate) use self::running::start_command;
pub(crate) use self::running::{Running, start, start_and_read};

/// The tenant of every configuration.
pub(crate) const TENANT: &str = "acme";

/// The time that the program may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running tenant, and an empty folder for the program to work in.
pub(crate) struct Scene {
    simulator: Simulator,
    // Behind the simulator, which is dropped first.
    _runtime: Runtime,
    folder: TempDir,
}

impl Scene {
    /// A tenant that holds this, and a configuration for it.
    pub(crate) fn of(tenant: TenantSpec) -> Scene {
        let mut config = SimulatorConfig::default();
        config.behaviour.tenant = tenant;
        Scene::with(config)
    }

    /// A tenant, and a configuration for it.
    pub(crate) fn with(config: SimulatorConfig) -> Scene {
        let runtime = Runtime::new().expect("threads can be started");
        let secret = config.client_secret.clone();
        let simulator = runtime.block_on(Simulator::start(config)).expect("a port is free");
        let folder = TempDir::new().expect("a folder can be made");
        let scene = Scene { simulator, _runtime: runtime, folder };
        write_private(&scene.path("secret"), &secret);
        scene.configure(|configuration| configuration);
        scene
    }

    /// Writes the configuration anew: the healthy one with changes.
    pub(crate) fn configure(&self, change: impl FnOnce(Configuration) -> Configuration) {
        let text = change(Configuration::for_tenant(&self.simulator)).0;
        let lines = text.iter().map(|(name, value)| format!("{name} = {value}\n"));
        self.write("nexthink-graph.toml", &lines.collect::<String>());
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file can be written");
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The folder in which the program runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes how the tenant behaves.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Behaviour)) {
        self.simulator.update(change);
    }

    /// Returns the counts of the tenant.
    pub(crate) fn counts(&self) -> TenantCounts {
        self.simulator.counts()
    }

    /// The rows of the audit trail's table for this time, in seconds since 1970-01-01 UTC.
    pub(crate) fn audit_rows(&self, from: u64, to: u64) -> Vec<[String; 4]> {
        self.simulator.audit_rows(from, to)
    }

    /// The lines of a trail of the tenant for this time, in seconds since 1970-01-01 UTC.
    pub(crate) fn audit_lines(&self, trail: &SimulatedTrail, from: u64, to: u64) -> Vec<String> {
        self.simulator.audit_lines(trail, from, to)
    }

    /// Returns the requests to the tenant.
    pub(crate) fn requests(&self) -> RequestCounts {
        self.simulator.requests()
    }

    /// Returns the objects that the tenant has received.
    pub(crate) fn recorded(&self) -> Vec<RecordedRequest> {
        self.simulator.recorded_requests()
    }

    /// The address of the tenant's API, `http://127.0.0.1:port`.
    pub(crate) fn api(&self) -> &str {
        &self.simulator.endpoints().api
    }

    /// The address of the tenant's file host.
    pub(crate) fn files(&self) -> &str {
        &self.simulator.endpoints().files
    }

    /// Runs the program to its end.
    pub(crate) fn program(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        start(self.folder(), arguments, &[])
    }

    /// `run --output json` with further arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_for(arguments, PATIENCE)
    }

    /// The same with another patience.
    pub(crate) fn run_for(&self, arguments: &[&str], patience: Duration) -> Run {
        let arguments = [&["run", "--output", "json"], arguments].concat();
        Run::of(self.start(&arguments).wait_for(patience))
    }

    /// The same with variables of the environment.
    pub(crate) fn run_under(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let arguments = [&["run", "--output", "json"], arguments].concat();
        Run::of(start(self.folder(), &arguments, variables).wait())
    }

    /// The same, for a run that must be complete.
    pub(crate) fn run_completely(&self) -> Run {
        let run = self.run(&[]);
        assert_eq!(run.ended.exit, Some(0), "{}", run.ended.stderr);
        run
    }

    /// The rows of a query, as JSON objects.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        let ended = self.program(&["query", "--output", "json", sql]);
        assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).expect("the answer is JSON")
    }

    /// The keys of a table in the published generation.
    pub(crate) fn keys(&self, table: &str) -> BTreeSet<String> {
        let rows = self.query(&format!("select _key from {table}"));
        let keys: BTreeSet<_> =
            rows.iter().map(|row| row["_key"].as_str().unwrap_or("").to_owned()).collect();
        assert_eq!(keys.len(), rows.len(), "keys of {table} are unique");
        keys
    }

    /// The tenant's part of the store.
    pub(crate) fn store(&self) -> TenantStore {
        let location = Location::Folder(self.path("store"));
        let store = Store::open(location).and_then(|store| store.tenant(TENANT));
        store.expect("the tenant's name is valid")
    }

    /// The published generation.
    pub(crate) fn published(&self) -> Generation {
        self.store().current().expect("the store is whole").expect("something was published")
    }

    /// Returns the files that runs that did not end well have left; the folder of downloads stays.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let staging = self.path("store").join(TENANT).join("staging");
        let mut left = files_and_folders(&staging);
        left.retain(|path| *path != staging.join("downloads"));
        left
    }

    /// Every file of the published generation that holds entities or relationships.
    pub(crate) fn tables(&self) -> BTreeMap<String, Vec<u8>> {
        let generations = self.path("store").join(TENANT).join("generations");
        table_files(&generations.join(self.published().id().as_str()))
    }
}

/// The files with entities and relationships in the folder of a generation.
pub(crate) fn table_files(generation: &Path) -> BTreeMap<String, Vec<u8>> {
    let kinds = ["entities", "relationships"].map(|kind| files(&generation.join(kind)));
    let named = kinds.into_iter().flatten().map(|path| {
        let name = path.strip_prefix(generation).expect("it is below").display().to_string();
        (name, fs::read(&path).expect("a file can be read"))
    });
    named.collect()
}

/// The rows of a table as lines of JSON.
pub(crate) fn ndjson(batch: &RecordBatch) -> Vec<u8> {
    let format = core_query::Format::Ndjson;
    let rows = core_query::ResultWriter::new(format, &batch.schema(), Vec::new());
    let mut rows = rows.expect("it can be written");
    rows.write(batch).expect("it can be written");
    rows.finish().expect("it can be written")
}

/// Sends a request, of which the last headers are still missing, and reads the whole answer.
pub(crate) fn ask(address: &str, request: &str, body: &str) -> String {
    let host = address.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("it listens");
    let request = format!("{request}\r\nHost: {host}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    files_and_folders(folder).into_iter().filter(|path| path.is_file()).collect()
}

fn files_and_folders(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A folder that is not there has nothing in it.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(files_and_folders(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
    set_mode(path, 0o600);
}

/// Sets the permissions of a file, where the system has such.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, permissions).expect("the file is ours");
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

/// The settings of a configuration file, as TOML values by their dotted names.
pub(crate) struct Configuration(BTreeMap<String, String>);

impl Configuration {
    fn for_tenant(simulator: &Simulator) -> Configuration {
        let endpoints = simulator.endpoints();
        Configuration(BTreeMap::new())
            .text("nexthink.tenant", TENANT)
            .text("nexthink.region", "eu")
            .text("nexthink.client_id", "demo")
            .set("nexthink.client_secret", "{ file = \"secret\" }")
            .set("nexthink.polling", "{ first_ms = 10, longest_ms = 100 }")
            .set("nexthink.retry", "{ attempts = 2, longest_ms = 10 }")
            .text("nexthink.endpoints.login", &endpoints.login)
            .text("nexthink.endpoints.api", &endpoints.api)
            .text("nexthink.endpoints.files", &endpoints.files)
            .text("queries.devices", "#j1_devices")
            .text("queries.users", "#j1_users")
            .text("queries.packages", "#j1_packages")
            .text("queries.alerts", "#j1_alerts")
            .text("store.location", "store")
    }

    /// Sets a value that is written as TOML.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Configuration {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a text without quotation marks or backslashes in it.
    pub(crate) fn text(self, name: &str, text: &str) -> Configuration {
        self.set(name, &format!("\"{text}\""))
    }

    /// A value as it is written.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Leaves out everything whose name begins like this.
    pub(crate) fn without(mut self, prefix: &str) -> Configuration {
        self.0.retain(|name, _| !name.starts_with(prefix));
        self
    }
}

/// Asks again and again until there is an answer; none if it does not come in time.
pub(crate) fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || started.elapsed() > patience {
            return answer;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The end of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; none if a signal ended it.
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) ended: Ended,
    /// Null if it printed none.
    pub(crate) report: Value,
}

impl Run {
    fn of(ended: Ended) -> Run {
        let report = serde_json::from_str(&ended.stdout).unwrap_or(Value::Null);
        Run { ended, report }
    }

    /// Returns the report about a step.
    pub(crate) fn step(&self, id: &str) -> &Value {
        named(&self.report["steps"], "id", id)
    }

    /// The types of which objects may be missing.
    pub(crate) fn partial_types(&self) -> Vec<&str> {
        let types = self.report["partialDatasets"].as_array().into_iter().flatten();
        types.filter_map(Value::as_str).collect()
    }

    /// Returns the number of objects of each type.
    pub(crate) fn objects(&self) -> BTreeMap<&str, u64> {
        let types = self.report["types"].as_array().into_iter().flatten();
        types
            .filter_map(|entry| Some((entry["type"].as_str()?, entry["objects"].as_u64()?)))
            .collect()
    }
}

fn named<'a>(list: &'a Value, member: &str, name: &str) -> &'a Value {
    let mut items = list.as_array().into_iter().flatten();
    let found = items.find(|item| item[member] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {list}"))
}
