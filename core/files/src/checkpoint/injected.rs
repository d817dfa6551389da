//! The checkpoint of a program under test: counts the operations of all threads and injects the
//! fault that the environment requests, or that a test requests of a folder.

mod fault;
mod machine;
mod power;
mod simulated;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use self::fault::{Fault, Kind};
use self::machine::Machine;
use self::power::Change;
pub use self::simulated::SimulatedDisk;
use super::{Effect, Operation};

/// The variable with the fault, in the form that the README describes.
const FAULT: &str = "FILE_FAULT";
/// The variable with the file that gets a line for each operation.
const LOG: &str = "FILE_OPERATIONS";
/// The variable with the free bytes of every disk.
const FREE: &str = "FILE_FREE_BYTES";

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::read);
/// Everything that is in no simulated disk.
static PROCESS: LazyLock<Machine> = LazyLock::new(|| Machine::process(SETTINGS.fault));

#[derive(Debug, Default)]
struct Settings {
    fault: Option<Fault>,
    log: Option<PathBuf>,
    free_bytes: Option<u64>,
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "a switch for tests, not a setting of users")]
    fn read() -> Self {
        let fault = std::env::var(FAULT).ok().map(|text| Fault::of(&text));
        Self {
            fault,
            log: std::env::var_os(LOG).map(PathBuf::from),
            free_bytes: std::env::var(FREE).ok().and_then(|text| text.parse().ok()),
        }
    }
}

/// An operation that may proceed.
pub(super) struct Passed {
    machine: &'static Machine,
    /// The fault during the operation, if any.
    kind: Option<Kind>,
    /// The changes that a loss of power would undo, if one is to come.
    change: Option<Change>,
}

pub(super) fn pass_effect(effect: Effect<'_>) -> io::Result<Passed> {
    let passed = pass(effect.operation(), effect.path())?;
    let change = passed.machine.begin(effect)?;
    Ok(Passed { change, ..passed })
}

pub(super) fn pass(operation: Operation, path: &Path) -> io::Result<Passed> {
    let machine = simulated::machine_of(path).unwrap_or(&PROCESS);
    let number = machine.count();
    if let Some(log) = &SETTINGS.log {
        write_line(log, number, operation, path)?;
    }
    let kind = machine.strike(number, operation)?;
    Ok(Passed { machine, kind, change: None })
}

pub(super) fn end_of_operations() {
    PROCESS.end();
}

pub(super) fn free_bytes(free: Option<u64>) -> Option<u64> {
    SETTINGS.free_bytes.or(free)
}

pub(super) fn boot_id(id: String) -> String {
    if PROCESS.loses_power() {
        return format!("before {id}");
    }
    // Each loss of a simulated disk is a start of the system.
    match simulated::losses() {
        0 => id,
        losses => format!("{id} and {losses} later"),
    }
}

impl Passed {
    pub(super) fn cut<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        if self.kind == Some(Kind::Torn) { &buffer[..buffer.len() / 2] } else { buffer }
    }

    pub(super) fn finish(self, is_done: bool) {
        if self.kind.is_some() {
            self.machine.die();
        }
        if let Some(change) = self.change.filter(|_| is_done) {
            change.finish();
        }
    }
}

/// Appends a line with one write call, so that lines of several threads are not mixed.
fn write_line(log: &Path, number: usize, operation: Operation, path: &Path) -> io::Result<()> {
    let mut line = String::new();
    let written = writeln!(line, "{number} {operation:?} {}", path.display());
    written.map_err(io::Error::other)?;
    OpenOptions::new().append(true).create(true).open(log)?.write_all(line.as_bytes())
}
