//! The number of instructions of each case, which depends on the code and not on other load.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::built::Built;
use super::{Files, Output, micro};

/// A program that counts instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counter {
    Callgrind,
    Perf,
}

/// Counts the instructions of all cases.
///
/// # Errors
///
/// No counter is installed, or a case fails.
pub(crate) fn run(built: &Built, what: Files, output: Output) -> anyhow::Result<()> {
    let Some(counter) =
        [Counter::Callgrind, Counter::Perf].into_iter().find(|counter| counter.is_installed())
    else {
        bail!("neither `valgrind` nor `perf` is installed, so instructions cannot be counted");
    };
    let folder = built.files(what)?;
    let rows = f64::from(what.size.rows());
    if output == Output::Table {
        println!("{}, instructions by {counter:?}", what.name());
        println!("{:28}{:>12}{:>10}", "", "millions", "per row");
    }
    for (case, name) in micro::CASES {
        let mut measured = counter.command();
        let example = built.example();
        measured.arg(example.get_program()).args(["case", case]).arg(&folder);
        let output_of_case = measured.output().context("the counter does not start")?;
        let printed = String::from_utf8_lossy(&output_of_case.stderr);
        if !output_of_case.status.success() {
            bail!("the case `{case}` failed: {}", printed.trim());
        }
        let instructions =
            counter.read(&printed).with_context(|| format!("no count in `{printed}`"))?;
        if output == Output::Json {
            println!("{}", json!({ "name": name, "instructions": instructions }));
        } else {
            println!("{name:28}{:12.1}{:10.0}", instructions / 1e6, instructions / rows);
        }
    }
    Ok(())
}

impl Counter {
    fn is_installed(self) -> bool {
        let name = if self == Self::Callgrind { "valgrind" } else { "perf" };
        let mut command = Command::new(name);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// The counter's command, to which program and arguments are appended.
    fn command(self) -> Command {
        let (name, arguments) = match self {
            Self::Callgrind => {
                ("valgrind", ["--tool=callgrind", "--callgrind-out-file=/dev/null"].as_slice())
            }
            Self::Perf => ("perf", ["stat", "-x", ",", "-e", "instructions:u"].as_slice()),
        };
        let mut command = Command::new(name);
        command.args(arguments);
        command
    }

    /// Parses the count in the output: `==7== Collected : 123` or `123,,instructions:u,…`.
    fn read(self, printed: &str) -> Option<f64> {
        let count = match self {
            Self::Callgrind => printed.lines().find_map(|line| line.split_once("Collected : "))?.1,
            Self::Perf => {
                printed.lines().find(|line| line.contains("instructions:u"))?.split(',').next()?
            }
        };
        count.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_counters_print() {
        let callgrind = "==12== Events    : Ir\n==12== Collected : 6031467\n==12== \n";
        assert_eq!(Counter::Callgrind.read(callgrind), Some(6_031_467.0));
        let perf = "512,,instructions:u,1000,100.00,,\n";
        assert_eq!(Counter::Perf.read(perf), Some(512.0));
        assert_eq!(Counter::Perf.read("<not supported>,,instructions:u,0,100.00,,"), None);
    }
}
