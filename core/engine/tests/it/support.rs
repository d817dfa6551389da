//! A tenant of a test: its simulator, settings and host.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use core_audit::{HOUR_MS, WindowSettings};
use core_engine::run::{self, Finished, RunOptions};
use core_engine::settings::{
    Account, ApiCredential, Audit, AuditSource, AuditTrails, Privacy, SavedQuery, SecretSource,
    Settings,
};
use core_engine::{
    Cancellation, Ending, Engine, Failure, FailureKind, Host, Moment, Progress, ProgressEvent,
};
use core_http::{RetryPolicy, Secret, Trust};
use core_model::step::Step;
use core_nexthink::{
    AuditHost, EndpointOverrides, Endpoints, PollSchedule, TenantId, Timeouts, Trail,
};
use core_privacy::profile::Profile;
use core_simulator::{Simulator, SimulatorConfig, TenantSpec};
use core_store::{Generation, LedgerEntry, Location, TableKind, Windows};
use jiff::tz::TimeZone;
use tempfile::TempDir;

/// 2026-03-01T10:00:00Z.
pub(crate) const NOON: Moment = Moment(1_772_359_200_000);

/// A secret that a test knows.
#[derive(Debug)]
pub(crate) struct Known(pub(crate) &'static str);

impl SecretSource for Known {
    fn read(&self, _: &str) -> anyhow::Result<Secret> {
        Ok(Secret::new(self.0.to_owned()))
    }
}

/// A tenant with a simulator of its own.
pub(crate) struct Tenant {
    pub(crate) simulator: Simulator,
    pub(crate) settings: Settings,
    pub(crate) host: Host,
    /// Removed with the tenant.
    folder: TempDir,
}

impl Tenant {
    /// A small tenant of this name, whose clock stands still.
    pub(crate) async fn start(name: &str, seed: u64, now: Moment) -> Self {
        let mut config = SimulatorConfig::default();
        config.behaviour.tenant = TenantSpec {
            seed,
            devices: 30,
            users: 20,
            packages_per_device: 4,
            alerts: 12,
            ..TenantSpec::default()
        };
        (config.client_id, config.client_secret) = (name.to_owned(), "s3cret".to_owned());
        let simulator = Simulator::start(config).await.expect("a free port");
        let folder = TempDir::new().expect("a folder can be made");
        let settings = settings(name, &simulator, &folder);
        Self { simulator, settings, host: host(name, now), folder }
    }

    pub(crate) fn engine(&self) -> Engine<'_> {
        Engine { settings: &self.settings, host: &self.host }
    }

    /// The folder with its store and its keys.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has another secret from now on.
    pub(crate) fn with_secret(&mut self, secret: &'static str) {
        let credential = self.settings.credential.as_mut().expect("a tenant has one");
        credential.client_secret = Arc::new(Known(secret));
    }

    /// Runs everything.
    pub(crate) async fn run(&self) -> Result<Finished, Failure> {
        self.run_with(&RunOptions::default()).await
    }

    pub(crate) async fn run_with(&self, options: &RunOptions) -> Result<Finished, Failure> {
        let reads_api = self.settings.reads_api();
        let secret = reads_api.then(|| self.settings.read_client_secret().expect("it is known"));
        let (progress, cancellation) = (Progress::none(), Cancellation::default());
        run::run(self.engine(), secret, options, &progress, &cancellation).await
    }

    pub(crate) fn published(&self) -> Option<Generation> {
        let tenant = self.engine().tenant().expect("the store is there");
        tenant.current().expect("the pointer can be read")
    }

    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        let tenant = self.engine().tenant().expect("the store is there");
        tenant.ledger().entries().expect("the ledger can be read")
    }

    /// Reads the audit trail of the web interface too.
    pub(crate) fn with_audit(mut self) -> Self {
        let host =
            AuditHost::named(&self.simulator.endpoints().api, false).expect("loopback is allowed");
        self.settings.audit = Some(Audit {
            source: AuditSource::Trails(AuditTrails {
                host,
                is_oauth: false,
                account: self.settings.tenant.as_str().to_owned(),
                password: Arc::new(Known("s3cret")),
                trails: vec![Trail::Portal],
            }),
            time_zone: TimeZone::UTC,
            clear_names: false,
            windows: WindowSettings { since_ms: 24 * HOUR_MS, ..WindowSettings::default() },
        });
        self
    }
}

/// The number of objects of a type.
pub(crate) fn rows(generation: &Generation, name: &str) -> u64 {
    let manifest = generation.manifest();
    let kinds = [TableKind::Entity, TableKind::Relationship];
    let table = kinds.into_iter().find_map(|kind| manifest.table(kind, name));
    table.map_or(0, |table| table.rows)
}

/// A receiver that keeps a line for each event.
pub(crate) fn recorder() -> (Progress, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    let progress = Progress::new(move |event| {
        let line = match event {
            ProgressEvent::Export { .. } | ProgressEvent::Note { .. } => return,
            ProgressEvent::Applying { step } => format!("applying {step}"),
            ProgressEvent::Applied(report) => format!("applied {} {}", report.id, report.outcome),
            ProgressEvent::Publishing => "publishing".to_owned(),
        };
        kept.lock().expect("no test panics with it").push(line);
    });
    (progress, events)
}

pub(crate) fn settings(name: &str, simulator: &Simulator, folder: &TempDir) -> Settings {
    let endpoints = simulator.endpoints();
    let overrides = EndpointOverrides {
        login: endpoints.login.clone(),
        api: endpoints.api.clone(),
        files: endpoints.files.clone(),
    };
    let queries = [
        ("devices", "#j1_devices"),
        ("users", "#j1_users"),
        ("packages", "#j1_packages"),
        ("alerts", "#j1_alerts"),
    ];
    let queries = queries.map(|(field, id)| {
        (field, SavedQuery { id: id.parse().expect("a query ID"), partition: None })
    });
    Settings {
        account: Account::default(),
        tenant: name.parse::<TenantId>().expect("a tenant"),
        region: "eu".parse().expect("a region"),
        credential: Some(ApiCredential {
            client_id: name.to_owned(),
            client_secret: Arc::new(Known("s3cret")),
        }),
        endpoints: Endpoints::overridden(&overrides).expect("loopback is allowed"),
        time_zone: TimeZone::UTC,
        trust: Trust::default(),
        proxy: None,
        poll: PollSchedule {
            first: Duration::from_millis(5),
            cap: Duration::from_millis(20),
            gone_after: Duration::ZERO,
            ..PollSchedule::default()
        },
        retry: RetryPolicy {
            max_attempts: 2,
            first_wait: Duration::from_millis(1),
            max_wait: Duration::from_millis(2),
            first_contact: Duration::from_millis(50),
            ..RetryPolicy::default()
        },
        timeouts: Timeouts::default(),
        daily_exports: 1_000,
        parallel_exports: 4,
        queries: BTreeMap::from(queries),
        files: BTreeMap::new(),
        store: Location::Folder(folder.path().join("store")),
        privacy: Privacy {
            policy: core_engine::privacy::policy(Profile::Full, &[]).expect("no overrides"),
            key_file: folder.path().join("keys"),
        },
        audit: None,
        jupiterone: None,
        delta: None,
        postgres: None,
        neo4j: None,
        retention: Windows::default(),
    }
}

pub(crate) fn host(name: &str, now: Moment) -> Host {
    let next = AtomicU8::new(0);
    Host {
        clock: Arc::new(move || now),
        random: Arc::new(move |buffer| {
            buffer.fill_with(|| next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }),
        processors: 2,
        process: format!("the test of {name}"),
        user: format!("the operator of {name}"),
        program: "nexthink-graph".to_owned(),
        exit_code,
    }
}

/// Codes that no program has, so that a test can tell them.
fn exit_code(ending: Ending) -> u8 {
    match ending {
        Ending::Complete => 50,
        Ending::Partial => 51,
        Ending::Failed(FailureKind::Stopped(_)) => 52,
        Ending::Failed(_) => 53,
    }
}

/// The steps that the tests link in.
pub(crate) fn step_ids() -> Vec<&'static str> {
    Step::generation_steps().into_iter().map(|step| step.id).collect()
}
