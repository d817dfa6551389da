//! One fault against a tenant that was complete before: what is played, and what must hold after it
//! whatever it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core_simulator::{Behaviour, SimulatorConfig, TenantSpec};
use core_store::{Generation, TableKind};
use serde_json::Value;
use tempfile::TempDir;

use super::canaries::{self, SECRET};
use crate::kit::{Configuration, Run, Scene, ask, table_files};

/// The time that the program may take with a fault, while every wait is set to milliseconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// A tenant of which a complete generation was published, and a fault that comes then.
pub(crate) struct Case {
    scene: Scene,
    healthy: Behaviour,
    before: Objects,
}

/// The objects of each type: keys, or pairs of keys.
type Objects = BTreeMap<String, BTreeSet<String>>;

/// The estate of every case: small, with some of everything.
pub(crate) fn estate() -> TenantSpec {
    TenantSpec {
        devices: 12,
        users: 10,
        packages_per_device: 6,
        alerts: 8,
        dangling_rows: 1,
        duplicate_rows: 1,
        ..TenantSpec::default()
    }
}

/// A healthy tenant with the estate of the cases.
pub(crate) fn healthy() -> SimulatorConfig {
    let mut config =
        SimulatorConfig { client_secret: SECRET.to_owned(), ..SimulatorConfig::default() };
    config.behaviour.tenant = estate();
    config.behaviour.polls_submitted = 0;
    config.behaviour.polls_in_progress = 1;
    config
}

/// The tenant's part of a store after one complete run, made once for all cases.
fn complete_store() -> &'static Path {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let scene = Scene::with(healthy());
        scene.run_completely();
        let store = TempDir::new().expect("a folder can be made");
        copy(&scene.path("store"), &store.path().join("store"));
        store
    });
    store.path()
}

impl Case {
    /// A tenant that is healthy until [`Case::fault`] says otherwise.
    pub(crate) fn new() -> Case {
        let scene = Scene::with(healthy());
        copy(&complete_store().join("store"), &scene.path("store"));
        let (mut behaviour, before) = (None, objects(&scene.published()));
        scene.update(|current| behaviour = Some(current.clone()));
        Case { scene, healthy: behaviour.expect("it was just asked for"), before }
    }

    /// The folder that the program works in.
    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }

    /// A token that the tenant accepts.
    pub(crate) fn token(&self) -> String {
        let form = "grant_type=client_credentials&scope=service:integration";
        let request = format!(
            "POST /oauth2/default/v1/token HTTP/1.1\r\nAuthorization: Basic {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}",
            STANDARD.encode(format!("demo:{SECRET}")),
            form.len()
        );
        let answer = ask(self.scene.api(), &request, form);
        let body = answer.split("\r\n\r\n").nth(1).expect("the answer has a body");
        let body: Value = serde_json::from_str(body).expect("the answer is JSON");
        body["access_token"].as_str().expect("there is a token").to_owned()
    }

    /// Changes how the tenant behaves from here on.
    pub(crate) fn fault(self, change: impl FnOnce(&mut Behaviour)) -> Case {
        self.scene.update(change);
        self
    }

    /// Changes the configuration from here on.
    pub(crate) fn configured(self, change: impl FnOnce(Configuration) -> Configuration) -> Case {
        self.scene.configure(change);
        self
    }

    /// Runs, and checks what must hold after every run.
    pub(crate) fn run(&self, exit: i32) -> Run {
        self.run_with(exit, &[])
    }

    /// The same with further arguments.
    pub(crate) fn run_with(&self, exit: i32, arguments: &[&str]) -> Run {
        self.judge(exit, || self.scene.run(&[&["-vv"], arguments].concat()))
    }

    /// The same with variables of the environment.
    pub(crate) fn run_under(&self, exit: i32, variables: &[(&str, &str)]) -> Run {
        self.judge(exit, || self.scene.run_under(&["-vv"], variables))
    }

    fn judge(&self, exit: i32, run: impl FnOnce() -> Run) -> Run {
        let started = Instant::now();
        let run = run();
        assert!(started.elapsed() < PATIENCE, "it took {:?}", started.elapsed());
        assert_eq!(run.ended.exit, Some(exit), "{}", run.ended.stderr);
        self.check(&run);
        run
    }

    /// Checks the rules that hold after a run, however it ended.
    pub(crate) fn check(&self, run: &Run) {
        let generation = self.scene.published();
        generation.verify().expect("what is published is whole");
        self.check_objects(run, &generation);
        check_accounts(&run.report);
        if let Some(exit) = run.report["exitCode"].as_i64() {
            assert_eq!(Some(exit), run.ended.exit.map(i64::from), "the report tells the exit code");
        }
        self.check_leftovers();
        canaries::assert_none(&self.scene, &run.ended);
    }

    /// A type loses nothing unless the report says that it is whole; and no run publishes less than
    /// it says.
    fn check_objects(&self, run: &Run, generation: &Generation) {
        let after = objects(generation);
        let partial: Vec<&str> = run.partial_types();
        let published = run.report["types"].as_array().is_some_and(|items| !items.is_empty());
        for (name, before) in &self.before {
            let after = after.get(name).map_or(&BTreeSet::new(), |objects| objects).clone();
            if !published {
                assert_eq!(before, &after, "{name}: nothing was published");
            } else if partial.contains(&name.as_str()) {
                let lost: Vec<_> = before.difference(&after).collect();
                assert!(lost.is_empty(), "{name} is partial and lost {lost:?}");
            }
            if published {
                assert_eq!(run.objects()[name.as_str()], after.len() as u64, "{name}");
            }
        }
    }

    /// Nothing lies about but downloads that the next run can go on with.
    fn check_leftovers(&self) {
        let left = self.scene.leftovers();
        let is_note =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let (notes, files): (Vec<_>, Vec<_>) = left.iter().partition(|path| is_note(path));
        for path in &files {
            assert!(notes.contains(&&path.with_extension(extension(path))), "{left:?}");
        }
    }

    /// Ends the fault: the next run is complete and gives what a run from nothing gives.
    pub(crate) fn recovers(self) {
        let healthy = self.healthy.clone();
        self.scene.update(|behaviour| *behaviour = healthy);
        self.scene.configure(|configuration| configuration);
        let run = self.scene.run_completely();
        self.check(&run);
        let fresh = complete_store().join("store").join(crate::kit::TENANT);
        let published = fs::read_to_string(fresh.join("CURRENT")).expect("it was published");
        let fresh = table_files(&fresh.join("generations").join(published.trim()));
        assert!(self.scene.tables() == fresh, "a clean run equals one from nothing");
        assert!(self.scene.leftovers().is_empty(), "{:?}", self.scene.leftovers());
    }
}

/// The extension of a download's note.
fn extension(path: &Path) -> String {
    match path.extension() {
        Some(extension) => format!("{}.json", extension.display()),
        None => "json".to_owned(),
    }
}

/// Every row that was read is used, merged, quarantined or suppressed.
fn check_accounts(report: &Value) {
    for step in report["steps"].as_array().into_iter().flatten() {
        let rows = |name: &str| step["rows"][name].as_u64().unwrap_or(0);
        let accounted = rows("used") + rows("merged") + rows("quarantined") + rows("suppressed");
        assert_eq!(rows("read"), accounted, "{step}");
    }
}

/// The objects of a generation.
fn objects(generation: &Generation) -> Objects {
    let mut objects = Objects::new();
    for table in &generation.manifest().tables {
        let found = objects.entry(table.name.clone()).or_default();
        for batch in generation.batches(table.kind, &table.name).expect("it is whole") {
            let batch = batch.expect("it is whole");
            found.extend(match table.kind {
                TableKind::Entity => texts(&batch, "_key"),
                TableKind::Relationship => {
                    let ends = texts(&batch, "_fromEntityKey").into_iter();
                    let ends = ends.zip(texts(&batch, "_toEntityKey"));
                    ends.map(|(from, to)| format!("{from} > {to}")).collect()
                }
            });
        }
    }
    objects
}

/// The values of a column of keys.
fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).expect("every table has its keys");
    if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.iter().flatten().map(str::to_owned).collect();
    }
    let dictionary = column.as_any_dictionary();
    let values = dictionary.values().as_string::<i32>();
    dictionary.normalized_keys().into_iter().map(|key| values.value(key).to_owned()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it is a folder") {
        let (path, target) =
            entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("listed");
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}
