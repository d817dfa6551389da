//! The checkpoint of a program under test: counts the operations of all threads and injects the
//! fault that the environment requests.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Operation;

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
    /// The first operation that it hits, counted from 1.
    first: usize,
    /// True if it hits all later operations too.
    lasts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    KillAfter,
    Torn,
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
            "enospc" => Kind::Error(NO_SPACE),
            "eio" => Kind::Error(IO_ERROR),
            _ => return None,
        };
        let lasts = place.ends_with('+');
        let first = place.trim_end_matches('+').parse().ok()?;
        Some(Self { kind, first, lasts })
    }

    fn hits(self, number: usize) -> bool {
        number == self.first || (self.lasts && number > self.first)
    }
}

/// An operation that may proceed.
pub(super) struct Passed {
    /// The fault during the operation, if any.
    kind: Option<Kind>,
}

pub(super) fn pass(operation: Operation, path: &Path) -> io::Result<Passed> {
    let number = OPERATIONS.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(log) = &SETTINGS.log {
        write_line(log, number, operation, path)?;
    }
    match SETTINGS.fault.filter(|fault| fault.hits(number)).map(|fault| fault.kind) {
        Some(Kind::Kill) => std::process::abort(),
        // Only a write can be torn; any other operation does nothing.
        Some(Kind::Torn) if operation != Operation::Write => std::process::abort(),
        // Removing and opening need no space.
        Some(Kind::Error(NO_SPACE)) if matches!(operation, Operation::Remove | Operation::Open) => {
            Ok(Passed { kind: None })
        }
        Some(Kind::Error(code)) => Err(io::Error::from_raw_os_error(code)),
        kind => Ok(Passed { kind }),
    }
}

pub(super) fn free_bytes(free: Option<u64>) -> Option<u64> {
    SETTINGS.free_bytes.or(free)
}

impl Passed {
    pub(super) fn cut<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        if self.kind == Some(Kind::Torn) { &buffer[..buffer.len() / 2] } else { buffer }
    }

    pub(super) fn finish(self) {
        if self.kind.is_some() {
            std::process::abort();
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
        let fault = |kind, first, lasts| Some(Fault { kind, first, lasts });
        for (text, expected) in [
            ("kill@1", fault(Kind::Kill, 1, false)),
            ("kill-after@20", fault(Kind::KillAfter, 20, false)),
            ("torn@3", fault(Kind::Torn, 3, false)),
            ("enospc@4+", fault(Kind::Error(NO_SPACE), 4, true)),
            ("eio@5", fault(Kind::Error(IO_ERROR), 5, false)),
            ("kill", None),
            ("kill@", None),
            ("stop@1", None),
        ] {
            assert_eq!(Fault::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_lasting_fault_hits_all_later_operations() {
        let once = Fault { kind: Kind::Kill, first: 3, lasts: false };
        let lasting = Fault { lasts: true, ..once };
        let hits = |fault: Fault| (1..=5).filter(|number| fault.hits(*number)).collect::<Vec<_>>();
        assert_eq!(hits(once), [3]);
        assert_eq!(hits(lasting), [3, 4, 5]);
    }
}
