//! Folders that a test takes for disks of machines of their own, in its own process: what is killed there is not the
//! process, but every later operation fails until the machine is started again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use super::fault::Fault;
use super::machine::Machine;

static DISKS: RwLock<Vec<&'static Machine>> = RwLock::new(Vec::new());
static LOSSES: AtomicUsize = AtomicUsize::new(0);

/// A folder as the disk of a machine that can be killed and can lose its power, while the process goes on.
///
/// A test starts work in the folder, lets it run into a fault and fail, waits for its end, starts the machine again and
/// looks at what is left. That takes no process, so that thousands of faults are tried in minutes.
#[derive(Debug)]
pub struct SimulatedDisk {
    machine: &'static Machine,
}

impl SimulatedDisk {
    /// Takes a folder for a disk until this is dropped.
    pub fn new(folder: &Path) -> Self {
        // The guards of operations that are under way outlive any scope; a test has few disks.
        let machine: &'static Machine = Box::leak(Box::new(Machine::simulated(absolute(folder))));
        DISKS.write().unwrap_or_else(PoisonError::into_inner).push(machine);
        Self { machine }
    }

    /// Starts the machine, which will meet a fault in the form of `FILE_FAULT`: `power@17:5`. Operations are counted
    /// from now on.
    ///
    /// # Panics
    ///
    /// This is no fault.
    pub fn start_with_fault(&self, fault: &str) {
        self.machine.restart(Some(Fault::of(fault)));
    }

    /// Starts the machine, which meets no fault any more. Operations are counted from now on.
    pub fn start(&self) {
        self.machine.restart(None);
    }

    /// Returns the number of operations since the last start.
    pub fn operations(&self) -> usize {
        self.machine.operations()
    }

    /// Returns whether the machine was killed or lost its power since the last start.
    pub fn is_dead(&self) -> bool {
        self.machine.is_dead()
    }

    /// Says that no operation will follow, as [`end_of_operations`](crate::end_of_operations) does for the process.
    pub fn end_of_operations(&self) {
        self.machine.end();
    }
}

impl Drop for SimulatedDisk {
    fn drop(&mut self) {
        let mut disks = DISKS.write().unwrap_or_else(PoisonError::into_inner);
        disks.retain(|disk| !std::ptr::eq(*disk, self.machine));
    }
}

/// Returns the simulated disk that has a path, if any.
pub(super) fn machine_of(path: &Path) -> Option<&'static Machine> {
    let disks = DISKS.read().unwrap_or_else(PoisonError::into_inner);
    if disks.is_empty() {
        return None;
    }
    let path = absolute(path);
    disks.iter().find(|disk| disk.has(&path)).copied()
}

/// Returns how often a simulated disk has lost its power.
pub(super) fn losses() -> usize {
    LOSSES.load(Ordering::SeqCst)
}

pub(super) fn count_loss() {
    LOSSES.fetch_add(1, Ordering::SeqCst);
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::{create_folder, replace_file};

    #[test]
    fn a_disk_that_died_takes_no_operation_until_it_is_started_again() {
        let [one, other] = [(); 2].map(|()| TempDir::new().expect("a folder can be made"));
        let disk = SimulatedDisk::new(one.path());
        let state = one.path().join("state");
        replace_file(&state, b"first").expect("there is no fault");
        let operations = disk.operations();
        for number in 1..=operations {
            for kind in ["kill", "kill-after", "torn", "power"] {
                fs::write(&state, "first").expect("the folder is ours");
                disk.start_with_fault(&format!("{kind}@{number}"));
                let replaced = replace_file(&state, b"second");
                assert!(disk.is_dead(), "{kind}@{number}");
                assert!(replaced.is_err() || number == operations, "{kind}@{number}");
                assert!(create_folder(&one.path().join("folder")).is_err(), "{kind}@{number}");
                create_folder(&other.path().join("folder")).expect("another disk is not affected");
                disk.start();
                let text = fs::read_to_string(&state).expect("one of them is there");
                assert!(["first", "second"].contains(&text.as_str()), "{kind}@{number}: {text}");
            }
        }
        disk.start_with_fault(&format!("enospc@{}", operations + 1));
        replace_file(&state, b"third").expect("the fault is behind it");
    }

    #[test]
    fn a_folder_is_a_disk_only_as_long_as_it_is_taken_for_one() {
        let folder = TempDir::new().expect("a folder can be made");
        let disk = SimulatedDisk::new(folder.path());
        disk.start_with_fault("kill@1");
        let state = folder.path().join("state");
        assert!(replace_file(&state, b"first").is_err());
        drop(disk);
        replace_file(&state, b"first").expect("nothing stands in the way");
    }
}
