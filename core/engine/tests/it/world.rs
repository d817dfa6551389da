//! A tenant that lives by a clock of its own: its estate changes, it runs and delivers, and what it has is compared with
//! what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use core_destination::{DeliveryRequest, DeliveryResult};
use core_engine::run::{Finished, RunOptions};
use core_engine::{Cancellation, Failure, Moment, Progress, deliver, jupiterone};
use core_files::SimulatedDisk;
use core_jupiterone::DeliveryReport;
use core_simulator::{Behaviour, JupiterOne, JupiterOneBehaviour, SimulatedTrail, TenantSpec};
use core_store::{Outcome, TenantStore};

use super::deliveries;
use super::erasures::{erase, make_keys};
use super::estate::{Objects, kept_keys, keys_in, objects_in, objects_of};
use super::support::Tenant;

pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

/// A tenant with an audit trail and a JupiterOne, on a disk that can be made to fail.
pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) jupiterone: JupiterOne,
    pub(crate) disk: SimulatedDisk,
    destination: core_engine::settings::JupiterOne,
    /// The uids of the users who were erased.
    erased: BTreeSet<String>,
    /// The time at Nexthink, in milliseconds since 1970-01-01 UTC.
    time: Arc<AtomicU64>,
    /// By how much the clock of the program is ahead of it.
    ahead: Arc<AtomicI64>,
}

impl World {
    pub(crate) async fn start(name: &str, seed: u64, now: Moment) -> Self {
        let mut tenant = Tenant::start(name, seed, now).await.with_audit();
        make_keys(&tenant);
        let (time, ahead) = (Arc::new(AtomicU64::new(now.0)), Arc::new(AtomicI64::new(0)));
        let clock = (Arc::clone(&time), Arc::clone(&ahead));
        tenant.host.clock = Arc::new(move || {
            let (time, ahead) = &clock;
            Moment(time.load(Ordering::SeqCst).saturating_add_signed(ahead.load(Ordering::SeqCst)))
        });
        let mut numbers = fastrand::Rng::with_seed(seed);
        let numbers = std::sync::Mutex::new(std::mem::take(&mut numbers));
        tenant.host.random = Arc::new(move |buffer| {
            numbers.lock().expect("no test panics with it").fill(buffer);
            Ok(())
        });
        let (jupiterone, destination) = deliveries::start().await;
        let disk = SimulatedDisk::new(tenant.folder());
        let erased = BTreeSet::new();
        let world = Self { tenant, jupiterone, disk, destination, erased, time, ahead };
        world.set_time(now.0);
        world
    }

    /// The time at Nexthink.
    pub(crate) fn now(&self) -> u64 {
        self.time.load(Ordering::SeqCst)
    }

    /// Sets both clocks.
    #[expect(
        clippy::disallowed_methods,
        reason = "the simulated tenant counts from this machine's clock"
    )]
    pub(crate) fn set_time(&self, now: u64) {
        self.time.store(now, Ordering::SeqCst);
        let real = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let real = i64::try_from(real.unwrap_or_default().as_secs()).unwrap_or(i64::MAX);
        let wanted = i64::try_from(now / 1_000).unwrap_or(i64::MAX);
        self.tenant.simulator.update(|behaviour| behaviour.clock_offset_seconds = wanted - real);
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, ms: u64) {
        self.set_time(self.now() + ms);
    }

    /// Sets by how much the program's clock is ahead, in milliseconds.
    pub(crate) fn set_ahead(&self, ms: i64) {
        self.ahead.store(ms, Ordering::SeqCst);
    }

    /// Changes the estate.
    pub(crate) fn change(&self, change: impl FnOnce(&mut TenantSpec)) {
        self.tenant.simulator.update(|behaviour| change(&mut behaviour.tenant));
    }

    /// Ends every fault of Nexthink and JupiterOne.
    pub(crate) fn heal(&self) {
        self.tenant.simulator.update(|behaviour| {
            *behaviour = Behaviour {
                tenant: behaviour.tenant.clone(),
                clock_offset_seconds: behaviour.clock_offset_seconds,
                ..Behaviour::default()
            };
        });
        self.jupiterone.update(|behaviour| *behaviour = JupiterOneBehaviour::default());
        self.set_ahead(0);
    }

    /// The truth now.
    pub(crate) fn truth(&self) -> Objects {
        let mut spec = None;
        self.tenant.simulator.update(|behaviour| spec = Some(behaviour.tenant.clone()));
        objects_of(&spec.expect("it was read"), &self.erased)
    }

    /// Erases the first user who is left.
    pub(crate) fn erase_a_person(&mut self) {
        let (uid, _) = erase(&self.tenant);
        self.erased.insert(uid);
    }

    pub(crate) fn store(&self) -> TenantStore {
        self.tenant.engine().tenant().expect("the store is there")
    }

    /// Returns the published generation; nothing before the first run.
    pub(crate) fn published(&self) -> Objects {
        let current = self.store().current().expect("the pointer can be read");
        current.map(|generation| objects_in(&generation)).unwrap_or_default()
    }

    pub(crate) async fn run(&self, options: &RunOptions) -> Result<Finished, Failure> {
        self.tenant.run_with(options).await
    }

    /// Delivers as a run does, but without waits.
    pub(crate) async fn deliver(&self) -> Result<DeliveryResult<DeliveryReport>, Failure> {
        let engine = self.tenant.engine();
        let client = jupiterone::client(engine, &self.destination, |settings| {
            settings.retry.first_wait = Duration::from_millis(1);
            settings.retry.max_wait = Duration::from_millis(2);
            settings.poll.deadline = Duration::from_millis(500);
        })?;
        let rules = jupiterone::rules(engine, &self.destination);
        let destination = core_jupiterone::JupiterOne::new(rules, client);
        let (progress, cancellation) = (Progress::none(), Cancellation::default());
        let request = DeliveryRequest::default();
        deliver::deliver_published(engine, &destination, &request, &progress, &cancellation).await
    }

    /// Fails unless JupiterOne has everything that is published; and nothing else, if that is complete. What went while
    /// deliveries failed is still there after a partial one, since that deletes nothing.
    pub(crate) fn assert_delivered(&self, case: &str) {
        let generation = self.store().current().expect("it can be read").expect("it is published");
        let kept = kept_keys(&self.jupiterone.graph("api", "nexthink-acme"));
        let published = keys_in(&generation);
        let lacking: Vec<_> = published.difference(&kept).collect();
        assert!(lacking.is_empty(), "{case}: JupiterOne lacks {lacking:?}");
        if generation.manifest().outcome == Outcome::Complete {
            let stale: Vec<_> = kept.difference(&published).collect();
            assert!(stale.is_empty(), "{case}: JupiterOne still has {stale:?}");
        }
    }

    /// Fails unless the store has exactly the events of the trail, day by day, since runs began at `start` and so many days
    /// are kept.
    pub(crate) fn assert_events(&self, case: &str, start: Moment, kept_days: u64) {
        let log = self.store().events(core_engine::audit::LOG).expect("it can be read");
        let mut stored: BTreeMap<String, usize> = BTreeMap::new();
        for file in log.files() {
            *stored.entry(file.day.clone()).or_default() += usize::try_from(file.rows).unwrap_or(0);
        }
        let now = self.now();
        // The first day is read in part, the last ones may still be, and what is kept ends within a day.
        let first =
            (start.0 + 2 * DAY_MS).max(now.saturating_sub((kept_days - 2) * DAY_MS)) / DAY_MS;
        for day in first..(now - 2 * DAY_MS) / DAY_MS {
            let (from, to) = (day * DAY_MS / 1_000, (day + 1) * DAY_MS / 1_000);
            let lines = self.tenant.simulator.audit_lines(&SimulatedTrail::Portal, from, to).len();
            let name = Moment(day * DAY_MS).to_timestamp().strftime("%Y-%m-%d").to_string();
            let found = stored.get(&name).copied().unwrap_or(0);
            assert_eq!(found, lines, "{case}: events of {name}");
        }
    }

    /// Fails unless the store is whole: what is published can be read and is as its manifest says, no file is there that
    /// nothing names, and the ledger has no findings.
    pub(crate) fn assert_whole(&self, case: &str) {
        let store = self.store();
        let folder = self.tenant.folder().join("store").join(store.name());
        let mut named: BTreeSet<PathBuf> = BTreeSet::new();
        for entry in store.history().expect("it can be listed") {
            let generation = store.generation(&entry.id).expect("it can be opened");
            generation.verify().unwrap_or_else(|error| panic!("{case}: {error}"));
            let base = folder.join("generations").join(entry.id.as_str());
            named.extend(generation.manifest().files().map(|file| base.join(&file.path)));
            named.insert(base.join("manifest.json"));
        }
        let log = store.events(core_engine::audit::LOG).expect("it can be read");
        log.verify().unwrap_or_else(|error| panic!("{case}: {error}"));
        let base = folder.join("events").join(core_engine::audit::LOG);
        named.extend(log.files().iter().map(|file| base.join(&file.path)));
        named.insert(base.join("state.json"));
        let held = ["generations", "events", "staging"].map(|name| folder.join(name));
        let stray = files(&folder).into_iter().filter(|path| {
            let is_held = held.iter().any(|folder| path.starts_with(folder));
            (is_held && !named.contains(path)) || path.to_string_lossy().contains(".new")
        });
        let stray: Vec<_> = stray.filter(|path| !path.ends_with("downloads/started")).collect();
        assert!(stray.is_empty(), "{case}: nothing names {stray:?}");
        let missing: Vec<_> = named.iter().filter(|path| !path.is_file()).collect();
        assert!(missing.is_empty(), "{case}: {missing:?} are missing");
        let heads = store.known_ledger_heads().expect("it can be listed");
        let findings = store.ledger().verify(&heads).expect("it can be read").findings;
        assert!(findings.is_empty(), "{case}: {findings:?}");
    }
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
