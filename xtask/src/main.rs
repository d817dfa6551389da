#![doc = include_str!("../README.md")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people at a terminal")]

mod bench;
mod browser;
mod cargo;
mod ci;
mod conformance;
mod dist;
mod docs;
mod fuzz;
mod mutants;
mod new_step;
#[path = "../../runner/src/steps.rs"]
mod steps;
mod targets;
mod tidy;
mod torture;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the crate of a new step, with documentation and tests.
    #[command(after_help = "Example:\n  cargo xtask new-step software_metering")]
    NewStep {
        /// The subject of the step, in lower case with underscores: `software_metering`.
        name: String,
    },
    /// Write the generated pages.
    #[command(after_help = "Example:\n  cargo xtask docs --check")]
    Docs {
        /// Write nothing; fail if a page is stale or a fault has no test.
        #[arg(long)]
        check: bool,
    },
    /// Check the rules on layers, steps, manifests, sources and licences.
    Tidy,
    /// Measure the program, its parts, and other programs.
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Kill the program, take its power, make its disk fail, let it live for a year.
    #[command(after_help = "Example:\n  cargo xtask torture commands --seconds 600")]
    Torture {
        /// The faults to try.
        #[command(subcommand)]
        torture: torture::Torture,
    },
    /// Change the code in small ways, and check that a test fails each time; needs cargo-mutants.
    #[command(after_help = "Example:\n  cargo xtask mutants outcome deletion --shard 0/8")]
    Mutants(mutants::MutantsArguments),
    /// Look for bytes that make a reader fail, with libFuzzer; needs a C++ compiler.
    #[command(after_help = "Example:\n  cargo xtask fuzz decoder status --seconds 3600")]
    Fuzz(fuzz::FuzzArguments),
    /// Let programs of others judge ours; installs them in `target/conformance`.
    #[command(after_help = "Example:\n  cargo xtask conformance notify")]
    Conformance {
        /// The judges.
        #[arg(value_enum)]
        judge: conformance::Judge,
    },
    /// Look at the explorer's pages in a real browser.
    #[command(after_help = "Example:\n  cargo xtask browser --pictures target/pictures")]
    Browser(browser::BrowserArguments),
    /// Make the packages of a finished program: archive, Debian package, bill of materials, checksums.
    #[command(
        after_help = "Example:\n  cargo xtask dist --binary target/release/nexthink-graph --check"
    )]
    Dist(dist::DistArguments),
    /// Check that the program compiles for other systems.
    #[command(
        after_help = "Example:\n  cargo xtask targets --target x86_64-pc-windows-gnu -p core-files"
    )]
    Targets(targets::TargetArguments),
    /// Run everything that must pass before a merge.
    Ci,
}

const EXAMPLES: &str = "Examples:
  cargo xtask ci                          the whole gate, as the build server runs it
  cargo xtask tidy                        the fast rules only
  cargo xtask bench micro                 what each part of the pass costs
  cargo xtask bench run                   what the whole program costs
  cargo xtask docs                        after a change to a declaration
  cargo xtask new-step software_metering  a new step in steps/software_metering";

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let root = cargo::workspace_root()?;
    match command {
        Command::NewStep { name } => new_step::create(&root, &name),
        Command::Docs { check: false } => docs::write(&root),
        Command::Docs { check: true } => docs::check(&root),
        Command::Tidy => tidy::check(&root),
        Command::Bench { bench } => bench::run(&root, &bench),
        Command::Torture { torture } => torture::run(&root, &torture),
        Command::Mutants(arguments) => mutants::run(&root, &arguments),
        Command::Fuzz(arguments) => fuzz::run(&root, &arguments),
        Command::Conformance { judge } => conformance::run(&root, judge),
        Command::Browser(arguments) => browser::run(&root, &arguments),
        Command::Dist(arguments) => dist::run(&root, &arguments),
        Command::Targets(arguments) => targets::check(&root, &arguments),
        Command::Ci => ci::run(&root),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
