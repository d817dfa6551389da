//! Mutants: small changes to the code that decides what is kept, removed, published and delivered. A test of the same
//! crate must fail for each of them.
//!
//! `cargo-mutants` makes the changes in a copy of the workspace and runs the tests; the builds of all modules share
//! `target/mutants/build`, so that dependencies are compiled once. It is no stage of the gate: all 2,100 mutants take about a
//! day of a processor.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cargo::cargo;

/// Tests that live through random faults or many days for half a minute and longer. What they find, a test of the rule
/// finds in a second.
const LEFT_OUT: [&str; 8] = [
    "a_run_whose_clock_disagrees",
    "bucket::",
    "disk::",
    "l10_a_line_is_one_event",
    "l2_l3_l9_the_store_has",
    "seeds::",
    "stopping::",
    "year::",
];

/// The share of the viable mutants that the tests must catch, in percent.
const LEAST_SHARE: u64 = 90;

/// The version that this was written for: another one may name its results differently.
const INSTALL: &str = "cargo install cargo-mutants --locked --version ^27";

/// The arguments of `cargo xtask mutants`.
#[derive(Debug, Args)]
pub(crate) struct MutantsArguments {
    /// The modules; all if none is named.
    #[arg(value_enum)]
    modules: Vec<Module>,
    /// Try one of N parts of each module's mutants: `0/8` is the first of eight.
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
}

/// A part of the program in which a mistake loses, shows or keeps what it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Module {
    /// The outcome of a step, and the objects that it may remove.
    Outcome,
    /// Removal at a destination and by age.
    Deletion,
    /// Rows and exports: each is counted once.
    Accounting,
    /// Bytes to rows.
    Decoder,
    /// Generations: staged, checked, published.
    Publication,
    /// Jobs, uploads and answers of a destination.
    Delivery,
}

impl Module {
    /// The crates and the files that make it, as patterns below the root.
    fn sources(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Outcome => (
                &["core-ingest", "core-engine"],
                &[
                    "core/ingest/src/outcome.rs",
                    "core/engine/src/run/apply.rs",
                    "core/engine/src/run/read.rs",
                    "core/engine/src/run/state.rs",
                ],
            ),
            Self::Deletion => (
                &["core-jupiterone", "core-destination", "core-store"],
                &[
                    "core/jupiterone/src/delivery/decision.rs",
                    "core/jupiterone/src/contents.rs",
                    "core/jupiterone/src/plan.rs",
                    "core/destination/src/**/*.rs",
                    "core/store/src/retention.rs",
                    "core/store/src/retention/*.rs",
                ],
            ),
            Self::Accounting => (
                &["core-ingest", "core-engine"],
                &[
                    "core/ingest/src/duplicate_rows.rs",
                    "core/ingest/src/partition.rs",
                    "core/ingest/src/step/*.rs",
                    "core/engine/src/run/cost.rs",
                    "core/engine/src/run/quota.rs",
                ],
            ),
            Self::Decoder => (
                &["core-ingest"],
                &[
                    "core/ingest/src/decoder.rs",
                    "core/ingest/src/decoder/*.rs",
                    "core/ingest/src/decompress.rs",
                    "core/ingest/src/delimiter_scan.rs",
                    "core/ingest/src/header.rs",
                    "core/ingest/src/sniff.rs",
                ],
            ),
            Self::Publication => (
                &["core-store", "core-engine"],
                &[
                    "core/engine/src/run/publish.rs",
                    "core/store/src/checksum.rs",
                    "core/store/src/generation.rs",
                    "core/store/src/leftovers.rs",
                    "core/store/src/manifest.rs",
                    "core/store/src/staging.rs",
                    "core/store/src/tenant.rs",
                ],
            ),
            Self::Delivery => (
                &["core-jupiterone", "core-engine"],
                &[
                    "core/engine/src/deliver.rs",
                    "core/jupiterone/src/delivery.rs",
                    "core/jupiterone/src/delivery/job_run.rs",
                    "core/jupiterone/src/delivery/record.rs",
                    "core/jupiterone/src/sync/*.rs",
                ],
            ),
        }
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The number of mutants of a module by their fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    /// A test failed.
    caught: u64,
    /// The tests did not end, which a person would notice as well.
    timed_out: u64,
    /// All tests passed.
    missed: u64,
    /// It does not compile.
    unviable: u64,
}

impl Tally {
    /// Reads what cargo-mutants has counted.
    ///
    /// # Errors
    ///
    /// A number is missing.
    fn parse(outcomes: &str) -> anyhow::Result<Self> {
        let outcomes: Value = serde_json::from_str(outcomes)?;
        let number = |name: &str| {
            outcomes[name].as_u64().with_context(|| format!("there is no number `{name}`"))
        };
        Ok(Self {
            caught: number("caught")?,
            timed_out: number("timeout")?,
            missed: number("missed")?,
            unviable: number("unviable")?,
        })
    }

    /// The share of the viable mutants that the tests noticed, in percent, rounded down.
    fn share(self) -> u64 {
        let noticed = self.caught + self.timed_out;
        (noticed * 100).checked_div(noticed + self.missed).unwrap_or(100)
    }

    fn line(self, name: &str) -> String {
        let Self { caught, timed_out, missed, unviable } = self;
        format!(
            "{name:<12} {caught:>5} caught  {timed_out:>4} timed out  {missed:>4} missed  {unviable:>4} \
             unviable  {:>4} %",
            self.share()
        )
    }
}

/// Tries the mutants of the modules, and prints a line for each module.
///
/// # Errors
///
/// cargo-mutants is not installed, the tests fail without any mutant, or too many mutants are missed.
pub(crate) fn run(root: &Path, arguments: &MutantsArguments) -> anyhow::Result<()> {
    let version = cargo(root, &["mutants", "--version"]).stderr(Stdio::null()).output();
    let is_installed = version.is_ok_and(|output| output.status.success());
    ensure!(is_installed, "cargo-mutants is not installed; run `{INSTALL}`");
    let place = root.join("target/mutants");
    fs::create_dir_all(&place).context("cannot make target/mutants")?;
    let modules = match arguments.modules.as_slice() {
        [] => Module::value_variants(),
        modules => modules,
    };
    let mut weak = Vec::new();
    for &module in modules {
        let name = module.name();
        let tally = attempt(root, &place.join(&name), module, arguments.shard.as_deref())
            .with_context(|| format!("cannot try the mutants of {name}"))?;
        println!("{}", tally.line(&name));
        if tally.share() < LEAST_SHARE {
            weak.push(name);
        }
    }
    if !weak.is_empty() {
        bail!(
            "less than {LEAST_SHARE} % of the mutants were caught in {}; \
             target/mutants/MODULE/mutants.out/missed.txt names the others",
            weak.join(", ")
        );
    }
    Ok(())
}

/// Tries the mutants of one module; `place` gets the logs.
fn attempt(
    root: &Path,
    place: &Path,
    module: Module,
    shard: Option<&str>,
) -> anyhow::Result<Tally> {
    let mut command = command(root, place, module, shard);
    let status = command.status().context("cargo does not start")?;
    let outcomes = place.join("mutants.out/outcomes.json");
    // 0: all were caught; 2: some were missed; 3: some timed out.
    ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants failed ({status})");
    let text = fs::read_to_string(&outcomes)
        .with_context(|| format!("cannot read {}", outcomes.display()))?;
    Tally::parse(&text).with_context(|| {
        format!("{} is not what cargo-mutants 27 writes; run `{INSTALL}`", outcomes.display())
    })
}

fn command(root: &Path, place: &Path, module: Module, shard: Option<&str>) -> Command {
    let mut command = cargo(root, &["mutants", "--no-shuffle", "--annotations=none"]);
    // A test that takes three times as long as without a mutant hangs.
    command.args(["--timeout-multiplier", "3", "--minimum-test-timeout", "60"]);
    command.args([OsStr::new("--output"), place.as_os_str()]);
    let (packages, files) = module.sources();
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command.args(files.iter().flat_map(|file| ["--file", file]));
    // Round robin, so that a part has mutants of every file.
    command.args(shard.iter().flat_map(|shard| ["--sharding", "round-robin", "--shard", shard]));
    // Examples in documentation say little about a mutant and are slow.
    command.args(["--", "--lib", "--tests", "--"]);
    command.args(LEFT_OUT.iter().flat_map(|filter| ["--skip", filter]));
    command.env("CARGO_TARGET_DIR", root.join("target/mutants/build"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_are_read_and_a_module_without_any_is_whole() -> anyhow::Result<()> {
        let text =
            r#"{"outcomes":[],"total_mutants":12,"missed":1,"caught":8,"timeout":1,"unviable":2}"#;
        let tally = Tally::parse(text)?;
        assert_eq!(tally, Tally { caught: 8, timed_out: 1, missed: 1, unviable: 2 });
        assert_eq!(tally.share(), 90);
        assert_eq!(Tally { missed: 2, ..tally }.share(), 81, "a share is never rounded up");
        assert_eq!(Tally::default().share(), 100);
        assert!(Tally::parse(r#"{"missed":1}"#).is_err());
        Ok(())
    }

    #[test]
    fn every_file_of_a_module_exists_in_one_of_its_crates() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for &module in Module::value_variants() {
            let (packages, files) = module.sources();
            let folders: Vec<_> =
                packages.iter().map(|name| name.replacen('-', "/", 1) + "/src/").collect();
            for file in files {
                let below = folders.iter().any(|folder| file.starts_with(folder.as_str()));
                assert!(below, "{module:?}: {file} is in none of {packages:?}");
                let fixed = file.split('*').next().unwrap_or(file);
                assert!(root.join(fixed).exists(), "{module:?}: {file} does not exist");
            }
        }
    }
}
