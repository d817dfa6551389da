//! The checkpoint of a program under test: counts the operations of all threads and injects the
//! fault that the environment requests.

mod power;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::power::Change;
use super::{Effect, Operation};

/// The variable with the fault, in the form that the README describes.
const FAULT: &str = "FILE_FAULT";
/// The variable with the file that gets a line for each operation.
const LOG: &str = "FILE_OPERATIONS";
/// The variable with the free bytes of every disk.
const FREE: &str = "FILE_FREE_BYTES";
/// `ENOSPC` and `EIO` on every Unix.
const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::read);
static OPERATIONS: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Default)]
struct Settings {
    fault: Option<Fault>,
    log: Option<PathBuf>,
    free_bytes: Option<u64>,
}

/// A fault and the operations that it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    kind: Kind,
    /// The first operation that it hits, counted from 1; [`END`] for the moment after the last one.
    first: usize,
    /// True if it hits all later operations too.
    lasts: bool,
    /// Decides what a loss of power takes.
    seed: u64,
}

/// The position of a fault after the last operation.
const END: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    KillAfter,
    Torn,
    Power,
    Error(i32),
}

impl Settings {
    #[expect(clippy::disallowed_methods, reason = "a switch for tests, not a setting of users")]
    fn read() -> Self {
        let fault = std::env::var(FAULT).ok().map(|text| {
            // A test that requests an unknown fault would otherwise pass without testing anything.
            Fault::parse(&text).unwrap_or_else(|| panic!("{FAULT} is not a fault: {text}"))
        });
        Self {
            fault,
            log: std::env::var_os(LOG).map(PathBuf::from),
            free_bytes: std::env::var(FREE).ok().and_then(|text| text.parse().ok()),
        }
    }
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (kind, place) = text.split_once('@')?;
        let kind = match kind {
            "kill" => Kind::Kill,
            "kill-after" => Kind::KillAfter,
            "torn" => Kind::Torn,
            "power" => Kind::Power,
            "enospc" => Kind::Error(NO_SPACE),
            "eio" => Kind::Error(IO_ERROR),
            _ => return None,
        };
        let lasts = place.ends_with('+');
        let (place, seed) =
            place.split_once(':').map_or((place, None), |(place, seed)| (place, Some(seed)));
        let first = match place.trim_end_matches('+') {
            "end" => END,
            number => number.parse().ok()?,
        };
        let seed = seed.map_or(Some(first as u64), |seed| seed.parse().ok())?;
        Some(Self { kind, first, lasts, seed })
    }

    fn hits(self, number: usize) -> bool {
        number == self.first || (self.lasts && number > self.first)
    }
}

/// An operation that may proceed.
pub(super) struct Passed {
    /// The fault during the operation, if any.
    kind: Option<Kind>,
    /// What a loss of power would undo, if one is to come.
    change: Option<Change>,
}

pub(super) fn pass_effect(effect: Effect<'_>) -> io::Result<Passed> {
    let passed = pass(effect.operation(), effect.path())?;
    let change = power_fault().map(|_| Change::begin(effect));
    Ok(Passed { change, ..passed })
}

pub(super) fn pass(operation: Operation, path: &Path) -> io::Result<Passed> {
    let number = OPERATIONS.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(log) = &SETTINGS.log {
        write_line(log, number, operation, path)?;
    }
    let fault = SETTINGS.fault.filter(|fault| fault.hits(number));
    let kind = match fault.map(|fault| (fault.kind, fault.seed)) {
        Some((Kind::Kill, _)) => std::process::abort(),
        Some((Kind::Power, seed)) => power::lose(seed),
        // Only a write can be torn; any other operation does nothing.
        Some((Kind::Torn, _)) if operation != Operation::Write => std::process::abort(),
        // Removing and opening need no space.
        Some((Kind::Error(NO_SPACE), _))
            if matches!(operation, Operation::Remove | Operation::Open) =>
        {
            None
        }
        Some((Kind::Error(code), _)) => return Err(io::Error::from_raw_os_error(code)),
        other => other.map(|(kind, _)| kind),
    };
    Ok(Passed { kind, change: None })
}

pub(super) fn end_of_operations() {
    if let Some(fault) = power_fault().filter(|fault| fault.first == END) {
        power::lose(fault.seed);
    }
}

/// The loss of power that a test has requested, if any.
fn power_fault() -> Option<Fault> {
    SETTINGS.fault.filter(|fault| fault.kind == Kind::Power)
}

pub(super) fn free_bytes(free: Option<u64>) -> Option<u64> {
    SETTINGS.free_bytes.or(free)
}

pub(super) fn boot_id(id: String) -> String {
    if power_fault().is_some() { format!("before {id}") } else { id }
}

impl Passed {
    pub(super) fn cut<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        if self.kind == Some(Kind::Torn) { &buffer[..buffer.len() / 2] } else { buffer }
    }

    pub(super) fn finish(self, is_done: bool) {
        if self.kind.is_some() {
            std::process::abort();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_a_kind_a_position_and_a_duration() {
        let fault = |kind, first, lasts| Some(Fault { kind, first, lasts, seed: first as u64 });
        for (text, expected) in [
            ("kill@1", fault(Kind::Kill, 1, false)),
            ("kill-after@20", fault(Kind::KillAfter, 20, false)),
            ("torn@3", fault(Kind::Torn, 3, false)),
            ("enospc@4+", fault(Kind::Error(NO_SPACE), 4, true)),
            ("eio@5", fault(Kind::Error(IO_ERROR), 5, false)),
            ("power@6", fault(Kind::Power, 6, false)),
            ("power@6:9", Some(Fault { kind: Kind::Power, first: 6, lasts: false, seed: 9 })),
            ("power@end", fault(Kind::Power, END, false)),
            ("kill", None),
            ("kill@", None),
            ("stop@1", None),
        ] {
            assert_eq!(Fault::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_lasting_fault_hits_all_later_operations() {
        let once = Fault { kind: Kind::Kill, first: 3, lasts: false, seed: 0 };
        let lasting = Fault { lasts: true, ..once };
        let hits = |fault: Fault| (1..=5).filter(|number| fault.hits(*number)).collect::<Vec<_>>();
        assert_eq!(hits(once), [3]);
        assert_eq!(hits(lasting), [3, 4, 5]);
    }
}
