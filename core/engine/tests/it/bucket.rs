//! Runs and erasures of a tenant whose store is in a bucket: machines take turns, and die at any request.

#[path = "../../../bucket/tests/bucket/in_process.rs"]
mod in_process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use core_bucket::{
    BucketError, DeletedObjects, LIFETIME, Needed, Place, Random, Session, WorkingCopyRequest,
    refresh, send_reads,
};
use core_destination::DeliveryRequest;
use core_engine::ledger::{self, Event};
use core_engine::run::{self, Finished, RunOptions};
use core_engine::settings::{JupiterOne, Settings};
use core_engine::{Cancellation, Ending, Engine, Failure, FailureKind, Host, Progress};
use core_simulator::{BucketFault, SimulatedBucket};
use core_store::{Generation, Location, Store};
use tempfile::TempDir;
use tokio::sync::RwLock;

use super::deliveries::{self, deliver_on};
use super::erasures::{erase_on, first_uid, make_keys};
use super::support::{NOON, Tenant, host, rows, settings};
use in_process::InProcess;

/// The lifetime of the lease of a machine that is killed, so that the next one need not wait for long.
const SHORT: Duration = Duration::from_millis(200);

/// A machine that works for a tenant.
struct Machine {
    settings: Settings,
    host: Host,
    request: WorkingCopyRequest,
    /// Stops all its requests to the bucket while it is locked for writing.
    pause: Arc<RwLock<()>>,
    /// Removed with the machine.
    _folder: TempDir,
}

impl Machine {
    fn new(tenant: &Tenant, bucket: &SimulatedBucket, lease_lifetime: Duration) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let settings = settings("acme", &tenant.simulator, &folder);
        // The operator gives a copy of the key file to every machine.
        if tenant.settings.privacy.key_file.exists() {
            std::fs::copy(&tenant.settings.privacy.key_file, &settings.privacy.key_file)
                .expect("there is room");
        }
        let client = InProcess::new(bucket);
        let pause = client.pause();
        let request = WorkingCopyRequest {
            place: Place::Bucket {
                store: Arc::new(client),
                folder: "stores".into(),
                shown: "s3://acme/stores".to_owned(),
            },
            folder: Store::open(settings.store.clone()).expect("the path is absolute"),
            tenant: "acme".to_owned(),
            owner: "a machine".to_owned(),
            deleted_objects: DeletedObjects::Gone,
            needed: Needed::Current,
            is_probed: false,
            lease_lifetime,
            random: random(),
        };
        Self { settings, host: host("acme", NOON), request, pause, _folder: folder }
    }

    fn engine(&self) -> Engine<'_> {
        Engine { settings: &self.settings, host: &self.host }
    }

    /// Takes the tenant up. What this machine does then is watched.
    fn open(&mut self) -> Session {
        let session = Session::open(self.request.clone()).expect("the bucket can be reached");
        let folder = self.settings.store.folder().to_owned();
        self.settings.store = Location::working_copy(folder, session.watch());
        session
    }

    async fn run(&self) -> Result<Finished, Failure> {
        let secret = self.settings.read_client_secret().expect("it is known");
        let (progress, cancellation) = (Progress::none(), Cancellation::default());
        let options = RunOptions::default();
        run::run(self.engine(), Some(secret), &options, &progress, &cancellation).await
    }

    /// Runs from the beginning to the end, as the program does.
    async fn run_once(&mut self) -> Finished {
        let session = self.open();
        let finished = self.run().await.expect("it runs");
        session.close().expect("it is published");
        finished
    }

    /// Brings the machine up to date as a command that reads does; returns the published generation.
    async fn refreshed(&self) -> Option<Generation> {
        refresh(&self.request).await.expect("the bucket can be reached");
        self.engine().tenant().expect("a store").current().expect("it can be opened")
    }
}

/// Numbers that never repeat in this process.
fn random() -> Random {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|| NEXT.fetch_add(1, Ordering::Relaxed))
}

fn started_exports(tenant: &Tenant) -> u64 {
    tenant.simulator.requests().exports.values().sum()
}

/// Asserts that a generation is whole and has everything that the tenant has.
fn assert_from_scratch(tenant: &Tenant, generation: &Generation, context: &str) {
    generation.verify().expect("it is whole");
    let counts = tenant.simulator.counts();
    assert_eq!(rows(generation, "nexthink_device"), counts.devices, "{context}");
    assert_eq!(rows(generation, "nexthink_user"), counts.users, "{context}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_take_turns_and_readers_see_what_is_published() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let bucket = SimulatedBucket::default();
    let new = || Machine::new(&tenant, &bucket, LIFETIME);
    let (mut first, mut second, reader) = (new(), new(), new());
    assert!(reader.refreshed().await.is_none());
    let finished = first.run_once().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let seen = reader.refreshed().await.expect("it is published");
    assert_eq!(Some(seen.id()), finished.generation.as_ref());
    assert_from_scratch(&tenant, &seen, "after the first run");
    let store = reader.engine().tenant().expect("a store");
    ledger::record(&reader.host, &store, &Event::AuditRead { question: "tail" }).expect("room");
    send_reads(&reader.request).await.expect("the bucket can be reached");

    second.run_once().await;
    reader.refreshed().await;
    assert_eq!(store.history().expect("it is whole").len(), 2);
    let ledger = store.ledger();
    let verified = ledger.verify(&store.known_ledger_heads().expect("readable"));
    assert!(verified.expect("it can be read").findings.is_empty());
    let events = ledger.entries().expect("it can be read").into_iter();
    let events: Vec<_> = events.map(|entry| entry.record.event).collect();
    assert_eq!(events.iter().filter(|event| *event == "audit_read").count(), 1, "{events:?}");
    assert_eq!(events.len(), 5, "two runs and a read: {events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_was_erased_on_one_machine_is_in_no_object_and_on_no_machine_that_goes_on() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    let bucket = SimulatedBucket::default();
    let new = || Machine::new(&tenant, &bucket, LIFETIME);
    let (mut first, mut second) = (new(), new());
    first.run_once().await;
    first.run_once().await;
    let session = second.open();
    let store = second.engine().tenant().expect("a store");
    assert_eq!(store.not_fetched().expect("it can be listed").len(), 1);
    let uid = erase_on(second.engine()).0;
    assert_eq!(store.not_fetched().expect("it can be listed"), []);
    session.close().expect("it is published");
    let has_uid = |bytes: &[u8]| bytes.windows(uid.len()).any(|window| window == uid.as_bytes());
    assert!(!bucket.all_bytes().iter().any(|bytes| has_uid(bytes)), "an object has the person");
    let finished = first.run_once().await;
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    let users = finished.report.steps.iter().find(|step| step.id == "fetch-users");
    assert_eq!(users.map(|step| step.rows.suppressed), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_of_a_new_machine_is_compared_with_the_generation_that_another_has_delivered() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    let bucket = SimulatedBucket::default();
    let (mut first, mut second) =
        (Machine::new(&tenant, &bucket, LIFETIME), Machine::new(&tenant, &bucket, LIFETIME));
    first.run_once().await;
    let (simulated, settings) = deliveries::start().await;
    let session = first.open();
    deliver(&first, &settings).await;
    erase_on(first.engine());
    first.run().await.expect("it runs");
    session.close().expect("it is published");
    let delivered = simulated.graph("api", "nexthink-acme").entities.len();

    let session = second.open();
    let store = second.engine().tenant().expect("a store");
    assert_eq!(store.not_fetched().expect("it can be listed").len(), 1);
    deliver(&second, &settings).await;
    assert_eq!(store.not_fetched().expect("it can be listed"), []);
    session.close().expect("it is published");
    let left = simulated.graph("api", "nexthink-acme").entities.len();
    assert_eq!(left + 1, delivered, "the person who was erased is gone there too");
}

/// Has a machine work until the bucket has got a request, which it never answers, and takes it off the network. Returns
/// true if the work ended before.
async fn work_until(
    mut machine: Machine,
    bucket: &SimulatedBucket,
    number: u64,
    work: impl AsyncFnOnce(&Machine) + Send + 'static,
) -> bool {
    let fault =
        if number.is_multiple_of(2) { BucketFault::HangBefore } else { BucketFault::HangAfter };
    let number = bucket.requests() + number;
    bucket.update(|behaviour| {
        behaviour.faults.insert(number, fault);
    });
    let pause = Arc::clone(&machine.pause);
    // The thread is left behind, as a machine that stands still for ever.
    let running = thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
        runtime.block_on(async {
            let session = machine.open();
            work(&machine).await;
            session.close().expect("it is published");
        });
    });
    while bucket.requests() < number && !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Who waits for the lock excludes all who come later, and the request that hangs never ends.
    tokio::spawn(async move {
        let _dead = pause.write_owned().await;
        std::future::pending::<()>().await;
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    running.is_finished()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_dies_at_any_request_is_taken_over_and_pays_for_no_export_twice() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let before = SimulatedBucket::default();
    Machine::new(&tenant, &before, LIFETIME).run_once().await;
    let reader = Machine::new(&tenant, &before, LIFETIME);
    let first = reader.refreshed().await.expect("it is published");
    let mut last = 0;
    // Every request of the protocol under them is tried in `core/bucket/tests/bucket/working.rs`.
    for number in (1..).step_by(9) {
        let bucket = before.fork();
        let started = started_exports(&tenant);
        let victim = Machine::new(&tenant, &bucket, SHORT);
        let run = async |machine: &Machine| drop(machine.run().await.expect("it runs"));
        if work_until(victim, &bucket, number, run).await {
            break;
        }
        last = number;
        bucket.update(|behaviour| behaviour.faults.clear());
        let context = format!("request {number}");
        let reader = Machine::new(&tenant, &bucket, LIFETIME);
        let seen = reader.refreshed().await.expect("something is published");
        assert_from_scratch(&tenant, &seen, &context);
        let is_published = seen.id() != first.id();
        let paid = seen_notes(&bucket);

        let mut heir = Machine::new(&tenant, &bucket, LIFETIME);
        let resumable = started_exports(&tenant) - started;
        let finished = heir.run_once().await;
        assert_eq!(finished.ending, Ending::Complete, "{context}");
        let exports = started_exports(&tenant) - started - resumable;
        assert_eq!(exports + paid, 4, "{context}: {paid} notes are in the bucket");
        let seen = reader.refreshed().await.expect("it is published");
        assert_from_scratch(&tenant, &seen, &context);
        assert_eq!(Some(seen.id()), finished.generation.as_ref(), "{context}, {is_published}");
    }
    assert!(last > 50, "a run has more than {last} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_dies_at_any_request_is_in_force_everywhere_or_not_at_all() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    let before = SimulatedBucket::default();
    Machine::new(&tenant, &before, LIFETIME).run_once().await;
    let reader = Machine::new(&tenant, &before, LIFETIME);
    let uid = first_uid(&reader.refreshed().await.expect("it is published"));
    let mut last = 0;
    for number in (1..).step_by(3) {
        let bucket = before.fork();
        let victim = Machine::new(&tenant, &bucket, SHORT);
        let erase = async |machine: &Machine| drop(erase_on(machine.engine()));
        if work_until(victim, &bucket, number, erase).await {
            break;
        }
        last = number;
        bucket.update(|behaviour| behaviour.faults.clear());
        let mut heir = Machine::new(&tenant, &bucket, LIFETIME);
        let session = heir.open();
        let store = heir.engine().tenant().expect("a store");
        if store.erasures().expect("they can be read").is_empty() {
            assert_eq!(erase_on(heir.engine()).0, uid, "request {number}");
        }
        heir.run().await.expect("it runs");
        session.close().expect("it is published");
        let has_uid = |bytes: &[u8]| bytes.windows(uid.len()).any(|part| part == uid.as_bytes());
        assert!(!bucket.all_bytes().iter().any(|bytes| has_uid(bytes)), "request {number}");
        let reader = Machine::new(&tenant, &bucket, LIFETIME);
        let seen = reader.refreshed().await.expect("it is published");
        assert_ne!(first_uid(&seen), uid, "request {number}");
    }
    assert!(last > 15, "an erasure has more than {last} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_dies_at_any_request_is_gone_on_with() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let before = SimulatedBucket::default();
    let mut first = Machine::new(&tenant, &before, LIFETIME);
    first.run_once().await;
    let (reference, settings) = deliveries::start().await;
    let session = first.open();
    deliver(&first, &settings).await;
    session.close().expect("it is published");
    let expected = reference.graph("api", "nexthink-acme");
    assert!(!expected.entities.is_empty());

    let before = SimulatedBucket::default();
    Machine::new(&tenant, &before, LIFETIME).run_once().await;
    let mut last = 0;
    for number in (1..).step_by(3) {
        let bucket = before.fork();
        let (simulated, settings) = deliveries::start().await;
        let victim = Machine::new(&tenant, &bucket, SHORT);
        let settings = Arc::new(settings);
        let theirs = Arc::clone(&settings);
        let work = async move |machine: &Machine| deliver(machine, &theirs).await;
        if work_until(victim, &bucket, number, work).await {
            break;
        }
        last = number;
        bucket.update(|behaviour| behaviour.faults.clear());
        simulated.end_finalized_jobs();
        let mut heir = Machine::new(&tenant, &bucket, LIFETIME);
        let session = heir.open();
        deliver(&heir, &settings).await;
        session.close().expect("it is published");
        assert_eq!(simulated.graph("api", "nexthink-acme"), expected, "request {number}");
    }
    assert!(last > 10, "a delivery has more than {last} requests");
}

async fn deliver(machine: &Machine, settings: &JupiterOne) {
    let request = DeliveryRequest::default();
    let delivered = deliver_on(machine.engine(), settings, &request).await;
    delivered.expect("JupiterOne answers");
}

/// The number of exports that the head of the bucket says are paid for.
fn seen_notes(bucket: &SimulatedBucket) -> u64 {
    let head = bucket.peek("stores/acme/head.json").expect("there is a head");
    let head: serde_json::Value = serde_json::from_slice(&head).expect("it is JSON");
    head["content"]["notes"].as_object().map_or(0, |notes| notes.len() as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_lost_its_lease_ends_as_one_that_another_run_excludes() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let bucket = SimulatedBucket::default();
    let mut stopped = Machine::new(&tenant, &bucket, SHORT);
    let session = stopped.open();
    let paused = Arc::clone(&stopped.pause).write_owned().await;
    let mut other = Machine::new(&tenant, &bucket, LIFETIME);
    let published = other.run_once().await.generation;
    drop(paused);
    match stopped.run().await {
        // No export was started: each is in the quota first, which the bucket refused.
        Ok(finished) => assert!(finished.generation.is_none(), "it published under a lost lease"),
        Err(failure) => assert_eq!(failure.kind, FailureKind::Locked, "{:#}", failure.error),
    }
    assert!(matches!(session.close(), Err(BucketError::LeaseLost { .. })));
    let reader = Machine::new(&tenant, &bucket, LIFETIME);
    let seen = reader.refreshed().await.expect("it is published");
    assert_eq!(Some(seen.id()), published.as_ref());
}
