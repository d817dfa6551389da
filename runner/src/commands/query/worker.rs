//! Runs a query in a process of its own.
//!
//! SQL can ask for anything: to allocate more than any limit that an engine keeps by itself, to overflow a
//! stack, to compute for an hour without a pause. A process cannot end any of these in an orderly way from
//! within. So `query` starts this program once more. The system limits the memory of that worker, and its
//! parent watches the clock and the signals and can always kill it.

use std::io::{self, Read as _};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use core_cli::Limits;

use crate::exit::{Exit, Failure};
use crate::signals::signal;
use crate::{output, pager, system};

/// The interval at which the parent looks for the end of the worker.
const LOOK: Duration = Duration::from_millis(5);

/// The worker while it runs. Dropped, it is killed.
struct Worker(Child);

impl Worker {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the command line of this process in a worker and waits for its end. The worker prints its own errors
/// and the answer; an answer that a pager shows is kept until it is whole, since a reader takes longer than
/// any limit.
pub(crate) async fn run(limits: &Limits, pager: Option<String>) -> Result<Exit, Failure> {
    let mut worker = start(pager.is_some()).map_err(|error| {
        let error = anyhow::Error::new(error).context("cannot start a process for the query");
        Failure::new(Exit::Internal, error)
    })?;
    let printed = worker.0.stdout.take().map(|mut stdout| {
        thread::spawn(move || {
            let mut text = Vec::new();
            // What was read before a failure is printed all the same.
            let _ = stdout.read_to_end(&mut text);
            text
        })
    });
    let exit = ended(&mut worker, limits).await;
    drop(worker);
    if let (Some(pager), Some(printed)) = (pager, printed) {
        let text = printed.join().unwrap_or_default();
        pager::print(&pager, &text);
    }
    exit
}

/// Starts a worker, which prints to standard output, or as if to this terminal into a pipe.
fn start(is_piped: bool) -> io::Result<Worker> {
    let columns =
        output::terminal_columns().filter(|_| is_piped).map(|columns| columns.to_string());
    let mut flags = vec!["--worker"];
    if let Some(columns) = &columns {
        flags.extend(["--worker-columns", columns]);
    }
    let mut command = system::this_command(&flags)?;
    if is_piped {
        command.stdout(Stdio::piped());
    }
    command.spawn().map(Worker)
}

/// Waits for the end of a worker, of its time, or for a signal.
async fn ended(worker: &mut Worker, limits: &Limits) -> Result<Exit, Failure> {
    let time_out = async {
        match limits.timeout.limit() {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // Signals first, so that they are listened for before anything else.
        biased;
        reason = signal() => {
            let exit = Exit::from(reason);
            Err(Failure { exit, error: anyhow::anyhow!("stopped by a signal; a query changes nothing") })
        }
        status = worker.ended() => exit_of(status, limits),
        () = time_out => {
            let raise = "give it more time with --timeout";
            Err(Failure::usage(core_query::out_of_time(limits.timeout, raise)))
        }
    }
}

fn exit_of(status: io::Result<ExitStatus>, limits: &Limits) -> Result<Exit, Failure> {
    let status = status.map_err(|error| Failure::new(Exit::Internal, error))?;
    let Some(code) = status.code() else {
        // A failed allocation and a stack overflow abort the process.
        let raise = format!("raise --memory-limit (now {} MiB)", limits.memory_limit);
        return Err(Failure::usage(core_query::out_of_memory(&raise)));
    };
    Exit::from_code(code).inspect(|_| output::leave_errors_to_worker()).ok_or_else(|| {
        let error = anyhow::anyhow!("the process of the query ended with exit code {code}");
        Failure::new(Exit::Internal, error)
    })
}
