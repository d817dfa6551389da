//! The subcommands that `cargo xtask bench` starts as separate processes: write the files, run one
//! case on them and print its cost, or serve them. Separate from `xtask`, so that the other chores
//! build without Parquet.

#![expect(clippy::print_stdout, reason = "what it prints is read by the process that started it")]

mod cases;
mod files;
mod meter;
mod people;
mod publishing;
mod serve;
mod shuffle;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

use cases::Case;
use files::Size;

/// The second half of `cargo xtask bench`.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the exports of the simulated tenant to a folder.
    Gen {
        size: Size,
        folder: PathBuf,
        #[arg(long)]
        shuffled: bool,
    },
    /// Run one case on the files of a folder and print its cost.
    Case { case: Case, folder: PathBuf },
    /// Serve the compressed files of a folder as a tenant's results, until standard input ends.
    Serve { folder: PathBuf },
    /// Serve a small tenant with an audit trail of a line a second, until standard input ends.
    ServeAudit,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Gen { size, folder, shuffled } => files::write(size, shuffled, &folder),
        Command::Case { case, folder } => run_case(case, &folder),
        Command::Serve { folder } => serve::serve(&folder),
        Command::ServeAudit => serve::serve_audit(),
    }
}

fn run_case(case: Case, folder: &Path) -> anyhow::Result<()> {
    let start = meter::Meter::start(case.is_single_threaded())?;
    let rows = case.run(folder).with_context(|| format!("the case over {}", folder.display()))?;
    if rows == 0 {
        bail!("the files have no rows");
    }
    println!("{}", start.stop(rows)?);
    Ok(())
}
