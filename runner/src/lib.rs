#![doc = include_str!("../README.md")]
#![deny(unused_crate_dependencies)]

mod commands;
mod config;
mod exit;
mod host;
mod output;
mod pager;
mod progress;
mod run_process;
mod signals;
mod steps;
mod system;
mod telemetry;
mod threads;
mod typed;
mod working_copy;

// Its own tests, too, run with one step more than the program has.
#[cfg(test)]
use step_rehearsal as _;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use core_cli::Cli;
use tokio::runtime::{Builder, Runtime};

use crate::exit::{Exit, Failure};

/// The threads that a query is computed on, at most.
const MAX_QUERY_THREADS: usize = 8;
/// The threads that read files for a query: each reads ahead a little of the memory.
const MAX_BLOCKING_QUERY_THREADS: usize = 4;
/// The stack of each: an expression is evaluated level by level.
const QUERY_STACK_BYTES: usize = 16 * 1024 * 1024;
/// The memory that the process of a query takes besides the query: the program, the plan and the stack for planning.
const QUERY_OVERHEAD_BYTES: u64 = 192 * 1024 * 1024;

/// The time that work on other threads may take to end after the program has decided to.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The whole program, from the command line to the exit code.
pub fn main() -> ExitCode {
    // Errors of the command line are told in the format that it asks for, too.
    let arguments = core_assistant::whole_arguments(std::env::args_os(), std::io::stdin());
    let wants_json = core_cli::asks_for_json(arguments.iter().cloned());
    let cli = core_cli::parse(arguments, &core_cli::exit_code_list());
    let cli = cli.unwrap_or_else(|error| refuse(&error, wants_json));
    system::protect_process();
    output::hide_panics();
    telemetry::start(&cli.global);
    output::set_terminal_columns(cli.worker_columns);
    config::choose_tenant(&cli);
    let in_environment = system::variable("NEXTHINK_GRAPH_CONFIG").map(PathBuf::from);
    system::set_own_command(cli.own_command(system::program(), in_environment.as_deref()));
    match cli.worker_memory_bytes(commands::RULES_MEMORY_BYTES) {
        Some(memory_bytes) => work(cli, memory_bytes, wants_json),
        None => run(cli, threads::start_runtime(), wants_json),
    }
}

/// Runs a query in a process that may take so much memory, on threads whose stacks have room for it.
fn work(cli: Cli, memory_bytes: u64, wants_json: bool) -> ExitCode {
    let threads = system::processors().min(MAX_QUERY_THREADS);
    // The stacks count as memory when the threads are started, whether they are used or not.
    let stacks = (threads + 1 + MAX_BLOCKING_QUERY_THREADS) * QUERY_STACK_BYTES;
    system::become_worker(memory_bytes + QUERY_OVERHEAD_BYTES + stacks as u64);
    let answering = std::thread::Builder::new().stack_size(QUERY_STACK_BYTES).spawn(move || {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(threads).max_blocking_threads(MAX_BLOCKING_QUERY_THREADS);
        runtime.thread_stack_size(QUERY_STACK_BYTES);
        run(cli, runtime.enable_all().build().context("cannot start"), wants_json)
    });
    let failed = ExitCode::from(Exit::Internal as u8);
    match answering {
        Ok(thread) => thread.join().unwrap_or(failed),
        Err(error) => {
            output::error(&anyhow::Error::new(error).context(threads::REFUSED));
            failed
        }
    }
}

/// Does what the command line says, on a runtime if there is one.
fn run(cli: Cli, runtime: anyhow::Result<Runtime>, wants_json: bool) -> ExitCode {
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure { exit: Exit::Internal, error }, wants_json),
    };
    let context = runtime.enter();
    runtime.spawn(signals::watch());
    drop(context);
    // A panic here must not leave work on other threads waiting for something that never comes.
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(commands::dispatch(cli))));
    let ended = ended.unwrap_or_else(|_| Err(exit::defect()));
    core_process::kill_running();
    runtime.shutdown_timeout(SHUTDOWN);
    #[cfg(feature = "opentelemetry")]
    telemetry::collector::end();
    core_files::end_of_operations();
    let is_printed = output::end();
    let code = match ended {
        Ok(exit) => {
            if exit != Exit::Complete && !output::has_error() {
                output::error_text(exit.meaning());
            }
            ExitCode::from(exit as u8)
        }
        Err(failure) => fail(&failure, wants_json),
    };
    if is_printed { code } else { ExitCode::from(Exit::Internal as u8) }
}

/// Tells why the command failed, to people and, unless there is a result already, to programs.
fn fail(failure: &Failure, wants_json: bool) -> ExitCode {
    output::error(&failure.error);
    if wants_json && !output::has_result() {
        output::result(&failure.to_json());
    }
    ExitCode::from(failure.exit as u8)
}

/// Ends the program for a command line that cannot be used, or that asks for help.
fn refuse(error: &core_cli::Error, wants_json: bool) -> ! {
    if wants_json && error.use_stderr() {
        let message = core_cli::message(error);
        output::result(&exit::failure_json(Exit::Configuration as u8, &message));
    }
    error.exit()
}
