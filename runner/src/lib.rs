#![doc = include_str!("../README.md")]
#![deny(unused_crate_dependencies)]

mod audit;
mod cli;
mod commands;
mod config;
mod deliver;
mod destruction;
mod everything;
mod exit;
mod ledger;
mod output;
mod privacy;
mod progress;
mod record;
mod run;
mod steps;
mod system;
mod telemetry;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use crate::exit::Exit;

/// How long work on other threads may take to end after the program has decided to.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The whole program, from the command line to the exit code.
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    system::protect_process();
    output::hide_panics();
    telemetry::start(&cli.global);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&anyhow::Error::new(error).context("cannot start"));
            return ExitCode::from(Exit::Internal as u8);
        }
    };
    let exit = runtime.block_on(commands::dispatch(cli)).unwrap_or_else(|failure| {
        output::error(&failure.error);
        failure.exit
    });
    runtime.shutdown_timeout(SHUTDOWN);
    ExitCode::from(exit as u8)
}
