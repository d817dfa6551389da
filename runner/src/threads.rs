//! The threads of the program: as many as it needs are there, or it does not begin.
//!
//! The runtime takes threads for granted. Where a container's limit refuses one, it panics, or waits
//! without end for a thread that never comes.

use std::io;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, bail};
use tokio::runtime::{Builder, Runtime};

use crate::exit::Exit;
use crate::{output, system};

/// The most workers of the runtime. They wait for the network; what takes time has threads of its own.
const MOST_WORKERS: usize = 8;

/// The threads that the largest command has beside the workers: those that resolve names, read and write
/// files, decode, write tables and draw bars.
const OTHERS: usize = 24;

/// The panics of the standard library and the runtime when the system refuses a thread.
const REFUSALS: [&str; 2] = ["failed to spawn thread", "OS can't spawn worker thread"];

/// The message when a thread is refused.
pub(crate) const REFUSED: &str = "the system refuses this program another thread: raise the limit of \
                                  processes (`ulimit -u`, or the pids limit of the container)";

/// Starts the runtime.
///
/// # Errors
///
/// The system does not let this program have enough threads.
pub(crate) fn start_runtime() -> anyhow::Result<Runtime> {
    let wanted = system::processors().min(MOST_WORKERS);
    let available = available(wanted + OTHERS);
    let Some(workers) = available.checked_sub(OTHERS).filter(|workers| *workers > 0) else {
        bail!(
            "cannot start: the system lets this program have {available} threads and it needs {}: raise \
             the limit of processes (`ulimit -u`, or the pids limit of the container)",
            OTHERS + 1
        );
    };
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers.min(wanted)).enable_all().build().context("cannot start")
}

/// Returns the number of threads, of so many, that can run at the same time.
fn available(wanted: usize) -> usize {
    let (release, waits) = mpsc::channel::<()>();
    let waits = Arc::new(Mutex::new(waits));
    let threads: Vec<JoinHandle<()>> = (0..wanted)
        .map_while(|_| {
            let waits = Arc::clone(&waits);
            // Each holds its thread until all are there.
            let hold = move || drop(waits.lock().map(|lock| lock.recv()));
            start(hold).ok()
        })
        .collect();
    drop(release);
    let available = threads.len();
    for thread in threads {
        drop(thread.join());
    }
    available
}

fn start(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("probe".to_owned()).spawn(work)
}

/// Ends the program if a panic says that the system has refused a thread: whoever waits for what that
/// thread should do would wait for ever.
pub(crate) fn exit_if_refused(panic: &str) {
    if REFUSALS.iter().any(|refusal| panic.starts_with(refusal)) {
        core_process::kill_running();
        output::note(&format!("error: {REFUSED}"));
        std::process::exit(Exit::Internal as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j22_threads_that_can_be_had_are_counted() {
        assert_eq!(available(0), 0);
        assert_eq!(available(5), 5);
    }

    #[test]
    fn another_panic_does_not_end_the_program_here() {
        exit_if_refused("index out of bounds: the len is 3 but the index is 7");
    }
}
