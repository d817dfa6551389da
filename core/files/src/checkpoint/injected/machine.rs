//! The target of a fault: this process, or a disk that a test simulates in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use fastrand::Rng;

use super::fault::{END, Fault, IO_ERROR, Kind, NO_SPACE};
use super::power::{Change, Disk};
use super::{Effect, Operation};

/// A process or a simulated disk, with the fault that it will meet.
#[derive(Debug)]
pub(super) struct Machine {
    /// The folder of a simulated disk; none for the process.
    root: Option<PathBuf>,
    fault: Mutex<Option<Fault>>,
    operations: AtomicUsize,
    /// True if no operation is possible any more. A process does not live to see it.
    is_dead: AtomicBool,
    pub(super) disk: Mutex<Disk>,
    /// Held for reading by every operation and for writing by the loss, so that no thread writes after it.
    pub(super) power: RwLock<()>,
}

impl Machine {
    pub(super) fn process(fault: Option<Fault>) -> Self {
        Self {
            root: None,
            fault: Mutex::new(fault),
            operations: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
            disk: Mutex::new(Disk::new()),
            power: RwLock::new(()),
        }
    }

    pub(super) fn simulated(root: PathBuf) -> Self {
        Self { root: Some(root), ..Self::process(None) }
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.root.as_ref().is_some_and(|root| path.starts_with(root))
    }

    /// Starts anew, with another fault.
    pub(super) fn restart(&self, fault: Option<Fault>) {
        *self.disk() = Disk::new();
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.operations.store(0, Ordering::SeqCst);
        self.is_dead.store(false, Ordering::SeqCst);
    }

    pub(super) fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Counts an operation and returns its number.
    pub(super) fn count(&self) -> usize {
        self.operations.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Returns the fault during the operation of this number; fails if the fault prevents it.
    pub(super) fn strike(&self, number: usize, operation: Operation) -> io::Result<Option<Kind>> {
        self.check()?;
        let fault = self.fault().filter(|fault| fault.hits(number));
        match fault.map(|fault| (fault.kind, fault.seed)) {
            Some((Kind::Kill, _)) => Err(self.die()),
            Some((Kind::Power, seed)) => Err(self.lose(seed)),
            // Only a write can be torn; any other operation does nothing.
            Some((Kind::Torn, _)) if operation != Operation::Write => Err(self.die()),
            // Removing and opening need no space.
            Some((Kind::Error(NO_SPACE), _))
                if matches!(operation, Operation::Remove | Operation::Open) =>
            {
                Ok(None)
            }
            Some((Kind::Error(code), _)) => Err(io::Error::from_raw_os_error(code)),
            other => Ok(other.map(|(kind, _)| kind)),
        }
    }

    /// Notes what an operation is about to change, if a loss of power is to come.
    pub(super) fn begin(&'static self, effect: Effect<'_>) -> io::Result<Option<Change>> {
        if !self.loses_power() {
            return Ok(None);
        }
        let change = Change::begin(self, effect);
        // The power may have gone while this thread waited.
        self.check()?;
        Ok(Some(change))
    }

    pub(super) fn loses_power(&self) -> bool {
        self.fault().is_some_and(|fault| fault.kind == Kind::Power)
    }

    /// Meets the fault after the last operation, if there is one.
    pub(super) fn end(&self) {
        let fault = self.fault().filter(|fault| fault.kind == Kind::Power && fault.first == END);
        if let Some(fault) = fault.filter(|_| !self.is_dead()) {
            self.lose(fault.seed);
        }
    }

    /// Ends the process, or all operations of a simulated disk.
    pub(super) fn die(&self) -> io::Error {
        if self.root.is_none() {
            std::process::abort();
        }
        self.is_dead.store(true, Ordering::SeqCst);
        io::Error::from_raw_os_error(IO_ERROR)
    }

    /// Loses what was not durable, and dies.
    fn lose(&self, seed: u64) -> io::Error {
        let _power = self.power.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have met the fault first.
        if !self.is_dead() {
            super::simulated::count_loss();
            self.disk().lose(&mut Rng::with_seed(seed));
        }
        self.die()
    }

    fn check(&self) -> io::Result<()> {
        if self.is_dead() { Err(io::Error::from_raw_os_error(IO_ERROR)) } else { Ok(()) }
    }

    fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
