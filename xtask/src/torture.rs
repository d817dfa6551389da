//! The faults that the gate tries for a minute, for as long as you want: kills, failures and losses of power at every
//! operation, thousands of seeds of a simulated disk, processes that meet, a simulated year, random queries.
//!
//! Each is a test of the gate with larger numbers, so that there is one way to judge what is left. Only the schedulers
//! over a bucket and the real disks are no part of the gate: the former need another build and minutes, the latter root. A
//! failure names its seed, and the command that replays it is printed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::cargo::{cargo, program, run as run_command};

/// The operations to torture.
#[derive(Subcommand)]
pub(crate) enum Torture {
    /// Ask random queries; kill every command at its file operations, and make them fail.
    #[command(after_help = "Example:\n  cargo xtask torture commands --seconds 600")]
    Commands {
        /// The duration of each test, in seconds.
        #[arg(long, default_value_t = 300)]
        seconds: u64,
    },
    /// Let eight processes meet, 200 times: runs, erasures, key rotations, queries.
    #[command(after_help = "Example:\n  cargo xtask torture together")]
    Together,
    /// Kill runs at random moments.
    #[command(after_help = "Example:\n  cargo xtask torture kills --count 500")]
    Kills(Seeds),
    /// Kill runs at system calls; needs `strace`.
    #[command(after_help = "Example:\n  cargo xtask torture system-calls --count 300")]
    SystemCalls(Seeds),
    /// Cut the power off during runs whose store is on ext4 or XFS, which then forgets what it has not written; fill such a
    /// disk, and make it read-only. Needs Linux, root, and `xfs_io` of the package xfsprogs.
    #[command(after_help = "Example:\n  cargo xtask torture real-disk --count 200")]
    RealDisk(Seeds),
    /// Write what a run writes on a simulated disk that fails, is killed or loses its power.
    #[command(after_help = "Example:\n  cargo xtask torture disk --count 10000")]
    Disk(Seeds),
    /// Run and deliver on such a disk.
    #[command(after_help = "Example:\n  cargo xtask torture seeds --count 1000")]
    Seeds(Seeds),
    /// Let schedulers on several machines share a store in a bucket: lose and pause machines, set their clocks wrong,
    /// take the bucket away. Needs a build with the feature `bucket`, libfaketime, and a quarter of an hour.
    #[command(after_help = "Example:\n  cargo xtask torture schedulers --minutes 30 --count 8")]
    Schedulers {
        /// The number of due times for which three machines compete, a minute apart.
        #[arg(long, default_value_t = 12)]
        minutes: u64,
        /// The first seed of the moments at which machines are lost or paused.
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// The number of seeds, all of which are tried at the same time.
        #[arg(long, default_value_t = 4)]
        count: u64,
    },
    /// Live through a year of scheduled runs with random faults.
    #[command(after_help = "Example:\n  cargo xtask torture year --seed 7")]
    Year {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The number of days.
        #[arg(long, default_value_t = 365)]
        days: u64,
    },
}

/// The seeds to try.
#[derive(Args)]
pub(crate) struct Seeds {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// The number of seeds.
    #[arg(long, default_value_t = 500)]
    count: u64,
}

/// Runs the tests with larger numbers.
///
/// # Errors
///
/// A test fails: its message names the operation, the seed or the query.
pub(crate) fn run(root: &Path, torture: &Torture) -> anyhow::Result<()> {
    match torture {
        Torture::Commands { seconds } => commands(root, *seconds),
        Torture::Together => {
            run_command(test(root, "it", "crashes::at_once").env("TORTURE_SECONDS", "1"))
        }
        Torture::Kills(seeds) => tries(
            "kills",
            test(root, "it", "crashes::anywhere::n1_a_run_that_is_killed_at_any_moment"),
            "TORTURE_KILLS",
            seeds,
        ),
        Torture::SystemCalls(seeds) => {
            let version = program("strace", root, &["--version"]).output();
            version.context("strace does not start: install it with the system's packages")?;
            tries(
                "system-calls",
                test(root, "it", "crashes::anywhere::n1_a_run_that_is_killed_at_a_system_call"),
                "TORTURE_SYSTEM_CALLS",
                seeds,
            )
        }
        Torture::RealDisk(seeds) => {
            let version = program("xfs_io", root, &["-V"]).output();
            version.context("xfs_io does not start: install the system's package xfsprogs")?;
            tries("real-disk", test(root, "it", "crashes::real_disk"), "TORTURE_REAL_DISK", seeds)
        }
        Torture::Disk(seeds) => {
            tries("disk", light(root, "store", "disk::"), "TORTURE_SEEDS", seeds)
        }
        Torture::Seeds(seeds) => {
            tries("seeds", light(root, "it", "seeds::"), "TORTURE_SEEDS", seeds)
        }
        Torture::Schedulers { minutes, first, count } => {
            let mut command = schedulers(root);
            command.env("TORTURE_MINUTES", minutes.to_string());
            tries("schedulers", command, "TORTURE_SEEDS", &Seeds { first: *first, count: *count })
        }
        Torture::Year { seed, days } => {
            let mut command = light(root, "it", "year::");
            command.env("TORTURE_SEED", seed.to_string()).env("TORTURE_DAYS", days.to_string());
            run_command(&mut command).with_context(|| {
                format!("`cargo xtask torture year --seed {seed} --days {days}` replays it")
            })
        }
    }
}

/// Tries seeds, and says how to replay the one that failed.
fn tries(name: &str, mut command: Command, count: &str, seeds: &Seeds) -> anyhow::Result<()> {
    command.env("TORTURE_SEED", seeds.first.to_string()).env(count, seeds.count.to_string());
    if let Err(error) = run_command(&mut command) {
        bail!(
            "{error:#}; the seed is in the message above, and `cargo xtask torture {name} --first SEED \
             --count 1` replays it"
        );
    }
    Ok(())
}

/// Random queries in J1QL, then every command at every operation for which there is time.
fn commands(root: &Path, seconds: u64) -> anyhow::Result<()> {
    run_command(test(root, "query", "j1ql::random").env("RANDOM_J1QL", "1"))?;
    run_command(test(root, "it", "crashes::").env("TORTURE_SECONDS", seconds.to_string()))
}

/// Some tests of the whole workspace, which are built once for all.
fn test(root: &Path, target: &str, filter: &str) -> Command {
    let arguments = ["test", "--workspace", "--test", target, "--", "--nocapture", filter];
    cargo(root, &arguments)
}

/// The tests of schedulers that share a bucket. They mostly wait, so all of them run at the same time.
fn schedulers(root: &Path) -> Command {
    let arguments = ["test", "--workspace", "--features", "runner/bucket", "--test", "schedulers"];
    cargo(root, &[&arguments[..], &["--", "--nocapture", "--test-threads=16"]].concat())
}

/// Some tests of the store (`store`) or of the engine (`it`), which are built without the query engine.
fn light(root: &Path, target: &str, filter: &str) -> Command {
    let arguments = ["test", "-p", "core-store", "-p", "core-engine", "--test", target];
    cargo(root, &[&arguments[..], &["--", "--nocapture", filter]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::sources;

    /// With another name, a test would try little or nothing, and pass.
    #[test]
    fn every_variable_and_every_filter_is_one_of_the_tests() {
        let source = include_str!("torture.rs");
        let (source, _) = source.split_once("#[cfg(test)]").expect("these are tests");
        let literals: Vec<&str> = source.split('"').skip(1).step_by(2).collect();
        let files = sources(Path::new("..")).expect("they can be read");
        let tests: Vec<_> = files.iter().filter(|file| file.path.contains("tests/")).collect();
        let occurs = |text: &str| tests.iter().any(|file| file.text.contains(text));
        let mut checked = 0;
        for text in literals {
            if text.starts_with("TORTURE_") || text.starts_with("RANDOM_") {
                assert!(occurs(&format!("\"{text}\"")), "no test reads the variable {text}");
                checked += 1;
            }
            let name = text.trim_end_matches("::").rsplit("::").next().unwrap_or_default();
            if text.contains("::") {
                let is_known = occurs(&format!("mod {name}")) || occurs(&format!("fn {name}"));
                assert!(is_known, "no test has the name {text}");
                checked += 1;
            }
        }
        assert!(checked > 15, "only {checked} were found");
    }
}
