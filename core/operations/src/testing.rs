//! A world for tests: a host, exit codes, a folder of tenants, runs with planned ends, and the messages.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use core_config::{Config, Environment, Source};
use core_engine::{Cancellation, Ending, FailureKind, Host, Moment, StopReason};
use serde_json::Value;
// A step that no code names is not linked, and so not in the registry.
use step_account as _;
use step_alerts as _;
use step_audit as _;
use step_devices as _;
use step_packages as _;
use step_users as _;
use tempfile::TempDir;

use crate::exit_codes::{ExitCodes, RunOutcome};
use crate::messages::Messages;
use crate::run_process::{RunEnd, RunLauncher, RunningRun};

/// 2026-03-01T10:00:00Z in milliseconds.
pub(crate) const NOON: u64 = 1_772_359_200_000;

/// The program's exit codes.
pub(crate) const CODES: ExitCodes = ExitCodes {
    outcome: |code| match code {
        0 | 7 | 8 => RunOutcome::Published,
        3 => RunOutcome::CredentialsRefused,
        4 => RunOutcome::Unreachable,
        6 => RunOutcome::NotDelivered,
        9 => RunOutcome::Locked,
        75 => RunOutcome::Deferred,
        130 | 143 => RunOutcome::Stopped,
        _ => RunOutcome::Failed,
    },
    meaning: |code| match code {
        0 => Some("complete"),
        1 => Some("the program failed"),
        2 => Some("wrong configuration"),
        4 => Some("unreachable"),
        7 => Some("partial"),
        143 => Some("stopped"),
        _ => None,
    },
    of_process: |code| match code {
        Some(code @ (0 | 2..=11 | 75 | 130 | 143)) => u8::try_from(code).unwrap_or(1),
        _ => 1,
    },
};

/// An environment without variables.
pub(crate) const ENVIRONMENT: Environment = Environment {
    variable: |_| None,
    variables: |_| BTreeMap::new(),
    own_command: || "nexthink-graph",
};

/// Returns a host with the time of a clock.
pub(crate) fn host(clock: &Arc<AtomicU64>) -> Host {
    let (clock, next) = (Arc::clone(clock), AtomicU8::new(0));
    Host {
        clock: Arc::new(move || Moment(clock.load(Ordering::Relaxed))),
        random: Arc::new(move |buffer| {
            buffer.fill_with(|| next.fetch_add(1, Ordering::Relaxed));
            Ok(())
        }),
        processors: 2,
        process: "a test".to_owned(),
        user: "uid 1000 (tester)".to_owned(),
        program: "nexthink-graph".to_owned(),
        exit_code: |ending| match ending {
            Ending::Complete => 0,
            Ending::Failed(FailureKind::Configuration) => 2,
            _ => 1,
        },
    }
}

/// A folder with the configuration of a fleet, and the clock of its host.
pub(crate) struct World {
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) host: Host,
    folder: TempDir,
}

impl World {
    /// A fleet of tenants that run every 12 hours, two at once.
    pub(crate) fn fleet(names: &[&str]) -> Self {
        let clock = Arc::new(AtomicU64::new(NOON));
        let folder = TempDir::new().expect("a folder can be made");
        let world = Self { host: host(&clock), clock, folder };
        core_files::create_folder(&world.path("tenants.d")).expect("a folder can be made");
        set_mode(&world.path("tenants.d"), 0o755);
        world.write(
            "fleet.toml",
            "[fleet]\ntenants = \"tenants.d\"\nparallel_runs = 2\n[defaults.store]\nlocation = \"store\"\n\
             [defaults.schedule]\ninterval = \"12 hours\"\n",
        );
        for name in names {
            world.write_tenant(name, "");
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        core_files::replace_file(&path, text.as_bytes()).expect("a file can be written");
        set_mode(&path, 0o644);
    }

    /// Writes the file of a tenant with more lines at its end.
    pub(crate) fn write_tenant(&self, name: &str, more: &str) {
        let text = format!(
            "[nexthink]\ntenant = \"{name}\"\nregion = \"eu\"\nclient_id = \"0a1b\"\n\
             client_secret = {{ env = \"SECRET\" }}\n[queries]\ndevices = \"#devices\"\n{more}"
        );
        self.write(&format!("tenants.d/{name}.toml"), &text);
    }

    pub(crate) fn remove_tenant(&self, name: &str) {
        core_files::remove_file(&self.path(&format!("tenants.d/{name}.toml")))
            .expect("it is there");
    }

    pub(crate) fn source(&self) -> Source {
        Source::File(self.path("fleet.toml"))
    }

    pub(crate) fn config(&self, name: &str) -> Config {
        let fleet = self.source().fleet(ENVIRONMENT).expect("it is valid").expect("it is a fleet");
        fleet.load_tenant(name).expect("it is valid")
    }

    /// Lets hours go by.
    pub(crate) fn pass_hours(&self, hours: u64) {
        self.clock.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    }
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[cfg(not(unix))]
fn set_mode(_: &std::path::Path, _: u32) {}

/// The messages.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the messages since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines())
    }
}

impl Messages for Told {
    fn note(&self, text: &str) {
        self.lines().push(format!("note: {text}"));
    }

    fn warn(&self, text: &str) {
        self.lines().push(format!("warn: {text}"));
    }

    fn error(&self, text: &str) {
        self.lines().push(format!("error: {text}"));
    }
}

/// Starts runs that end at once as planned, or when they are asked to stop.
#[derive(Default)]
pub(crate) struct Launcher {
    /// The end of the next run of each tenant: a code, or a crash.
    pub(crate) ends: Mutex<BTreeMap<String, Planned>>,
    /// The names of the tenants whose runs were started.
    pub(crate) started: Mutex<Vec<String>>,
}

/// The end of a run that a test plans.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Planned {
    Code(u8),
    Crash,
    /// By signal 9.
    Killed,
    /// A success after a time.
    After(Duration),
    UntilStopped,
    NoProcess,
}

impl Launcher {
    pub(crate) fn plan(&self, tenant: &str, end: Planned) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(tenant.to_owned(), end);
    }

    /// Returns the tenants whose runs were started since the last call.
    pub(crate) fn take_started(&self) -> Vec<String> {
        std::mem::take(&mut *self.started.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RunLauncher for Launcher {
    fn launch(&self, tenant: Option<&str>, stop: &Cancellation) -> io::Result<RunningRun> {
        let name = tenant.unwrap_or("alone").to_owned();
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = ends.get(&name).copied().unwrap_or(Planned::Code(0));
        if matches!(planned, Planned::NoProcess) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        let stop = stop.clone();
        Ok(Box::pin(async move {
            let exit_code = match planned {
                Planned::Code(code) => code,
                Planned::Crash | Planned::Killed | Planned::NoProcess => 1,
                Planned::After(time) => {
                    tokio::time::sleep(time).await;
                    0
                }
                Planned::UntilStopped => {
                    stop.requested().await;
                    if stop.reason() == Some(StopReason::Interrupted) { 130 } else { 143 }
                }
            };
            let has_crashed = matches!(planned, Planned::Crash);
            let signal = matches!(planned, Planned::Killed).then_some(9);
            RunEnd { exit_code, has_crashed, signal, report: Value::Null }
        }))
    }
}
