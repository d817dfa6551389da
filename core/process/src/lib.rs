#![doc = include_str!("../README.md")]

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The interval at which a running command is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The process groups of the commands that run now.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Kills every command that runs, with all that it has started. The program does this before it ends.
pub fn kill_running() {
    for group in &*running() {
        kill_group(*group);
    }
}

/// A command and all that it starts. Dropping it kills them.
#[derive(Debug)]
pub struct ProcessGroup {
    child: Child,
}

impl ProcessGroup {
    /// Starts a command in a process group of its own.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        // Held until the group is on record: a signal that comes in between must find it there.
        let mut running = running();
        let child = command.spawn()?;
        running.insert(child.id());
        Ok(Self { child })
    }

    /// Returns the command itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until the command itself ends, or until the deadline: then there is no status. It blocks.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn wait_until(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(LOOK),
                status => return Ok(status),
            }
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let id = self.child.id();
        kill_group(id);
        running().remove(&id);
        // Neither fails but for a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn kill_group(group: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        // It fails if nothing of the group is left, which is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The command itself is killed by [`ProcessGroup`]; this system knows no groups of processes.
#[cfg(not(unix))]
fn kill_group(_group: u32) {}
