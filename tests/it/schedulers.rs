//! Schedulers on several machines over one store in a bucket: real processes, a bucket over HTTP, signals, wrong clocks.
//! `cargo xtask torture schedulers` runs them: no part of `cargo test`, since the program needs its feature `bucket`, and
//! a lease takes a minute to end.

#[allow(dead_code, unused_imports, reason = "these tests need a part of it")]
mod kit;

#[path = "schedulers/clocks.rs"]
mod clocks;
#[path = "schedulers/lost.rs"]
mod lost;
#[path = "schedulers/machine.rs"]
mod machine;
#[path = "schedulers/once.rs"]
mod once;
#[path = "schedulers/outage.rs"]
mod outage;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use core_simulator::{BucketServer, SimulatedBucket, SimulatorConfig, TenantSpec};
use core_store::{GenerationId, LedgerEntry, Location, Store};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::kit::{Scene, TENANT, until};
use crate::machine::Machine;

/// The exports of one run.
const EXPORTS: u64 = 4;

/// The time that a run on another machine may take to take over: the lifetime of a lease, and a run.
const TAKEOVER: Duration = Duration::from_mins(3);

/// A tenant, and a bucket for its store.
struct Estate {
    scene: Scene,
    bucket: SimulatedBucket,
    server: BucketServer,
    // Behind the server, which is dropped first.
    _runtime: Runtime,
}

impl Estate {
    /// A tenant that is due once in this time, and an empty bucket.
    fn with_interval(interval: &str) -> Self {
        let mut config = SimulatorConfig::default();
        config.behaviour.tenant =
            TenantSpec { devices: 30, users: 20, alerts: 5, ..TenantSpec::default() };
        let scene = Scene::with(config);
        let secret = scene.path("secret").display().to_string();
        scene.configure(|configuration| {
            configuration
                .text("store.location", "s3://graph/nexthink")
                .text("store.working_folder", "work")
                .text("schedule.interval", interval)
                // Twelve runs have used up what Nexthink allows in a day.
                .set("nexthink.daily_exports", "10000")
                .set("nexthink.client_secret", &format!("{{ file = \"{secret}\" }}"))
        });
        let runtime = Runtime::new().expect("threads can be started");
        let bucket = SimulatedBucket::default();
        let server = runtime.block_on(BucketServer::start(bucket.clone())).expect("a free port");
        Self { scene, bucket, server, _runtime: runtime }
    }

    /// A machine without a working copy.
    fn machine(&self) -> Machine {
        self.machine_with(&[])
    }

    /// A machine whose processes have more variables.
    fn machine_with(&self, variables: &[(&str, &str)]) -> Machine {
        let configuration = fs::read_to_string(self.scene.path("nexthink-graph.toml"));
        Machine::new(&configuration.expect("it was written"), self.server.url(), variables)
    }

    /// The exports that were started, which are paid for.
    fn exports(&self) -> u64 {
        self.scene.requests().exports.values().sum()
    }

    /// Lets the tenant take so long to prepare each export.
    fn prepare_for(&self, time: Duration) {
        self.scene.update(|behaviour| behaviour.preparation = time);
    }

    /// Waits until so many exports were started.
    fn wait_for_exports(&self, number: u64) {
        let started = until(TAKEOVER, || (self.exports() >= number).then_some(()));
        assert!(started.is_some(), "{} exports were started", self.exports());
    }

    /// Waits until every export of a run is started and noted in the bucket.
    fn wait_for_notes(&self) {
        let noted = || {
            let head = self.head();
            let notes = head["content"]["notes"].as_object().map_or(0, serde_json::Map::len);
            (notes as u64 == EXPORTS).then_some(())
        };
        assert!(until(TAKEOVER, noted).is_some(), "{}", self.head());
    }

    /// The head in the bucket; null if there is none.
    fn head(&self) -> Value {
        let head = self.bucket.peek(&format!("nexthink/{TENANT}/head.json"));
        head.map_or(Value::Null, |head| serde_json::from_slice(&head).expect("a head is JSON"))
    }

    /// The IDs of the generations that the head of the bucket names, and the published one.
    fn published(&self) -> (BTreeSet<String>, Option<String>) {
        let head = self.head();
        let listings = head["content"]["listings"].as_object().into_iter().flatten();
        let names = listings.filter_map(|(name, _)| name.strip_prefix("generations/"));
        let current = head["content"]["current"].as_str().map(str::to_owned);
        (names.map(str::to_owned).collect(), current)
    }

    /// Waits until so many generations are published.
    fn wait_for_generations(&self, number: usize, patience: Duration) {
        let published = until(patience, || (self.published().0.len() >= number).then_some(()));
        assert!(published.is_some(), "{:?}, {} exports", self.published(), self.exports());
    }

    /// Reads the bucket from a machine that has seen nothing yet. Every generation must be whole.
    fn audit(&self) -> Audit {
        let machine = self.machine();
        for arguments in
            [&["store", "verify"][..], &["privacy", "ledger", "verify"], &["status"], &["history"]]
        {
            let ended = machine.program(arguments);
            assert_eq!(ended.exit, Some(0), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        }
        let ended =
            machine.program(&["query", "-o", "json", "select count(*) n from nexthink_device"]);
        let rows: Value = serde_json::from_str(&ended.stdout).expect("the answer is JSON");
        assert_eq!(rows[0]["n"], 30, "{}", ended.stderr);
        Audit::of(&machine)
    }
}

/// The content of a working copy that was brought up to date.
struct Audit {
    /// The kept generations, the oldest first, with their times.
    generations: Vec<(GenerationId, String)>,
    ledger: Vec<LedgerEntry>,
}

impl Audit {
    fn of(machine: &Machine) -> Self {
        let work = machine.path("work");
        let copies = fs::read_dir(&work).expect("there is a working copy");
        let copy = copies.map(|entry| entry.expect("it can be read").path()).next();
        let store = Store::open(Location::Folder(copy.expect("there is a working copy")));
        let tenant = store.and_then(|store| store.tenant(TENANT)).expect("it is a store");
        let mut generations: Vec<_> = tenant
            .history()
            .expect("it can be read")
            .into_iter()
            .map(|entry| entry.manifest.expect("it is whole"))
            .map(|manifest| (manifest.id.clone(), manifest.created_at.clone()))
            .collect();
        generations.sort();
        let ledger = tenant.ledger().entries().expect("it can be read");
        Self { generations, ledger }
    }

    /// The generations that the ends of runs name, in the order of the ledger.
    fn of_runs(&self) -> Vec<&str> {
        let ends = self.ledger.iter().filter(|entry| entry.record.event == "run_ended");
        ends.filter_map(|entry| entry.record.facts.get("generation")?.as_str()).collect()
    }

    /// Fails unless each generation is that of one run of the ledger, and each run has one exit code of these.
    fn assert_one_run_each(&self, codes: &[u64]) {
        let kept: Vec<_> = self.generations.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(self.of_runs(), kept, "{:#?}", self.ledger);
        for entry in self.ledger.iter().filter(|entry| entry.record.event == "run_ended") {
            let code = entry.record.facts.get("exitCode").and_then(Value::as_u64);
            assert!(code.is_some_and(|code| codes.contains(&code)), "{entry:?}");
        }
    }
}

/// Fails unless this is true for so long.
fn assert_stays(time: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < time {
        assert!(is_so(), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A number of the environment, by which `cargo xtask torture` makes a test longer.
#[expect(clippy::disallowed_methods, reason = "a switch for these tests alone")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
