//! Fuzzing: libFuzzer looks for bytes that make a reader panic or say something that cannot be true.
//!
//! The targets are in `fuzz/src/targets.rs`, and `tests/corpora.rs` runs them over their corpora in the gate. Here they are
//! built with LLVM's counters of code that has run, by the stable compiler, into `target/fuzz`. Inputs that reach new code
//! are kept there for the next time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::cargo::{cargo, run as run_command};

/// The counters that libFuzzer needs in the code: of the edges that are taken, and of the values that are compared.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The arguments of `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// The targets, by the folders of `xtask/fuzz/corpora`; all if none is named.
    targets: Vec<String>,
    /// The duration for each target, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Run one target with this input only.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// Fuzzes targets one after the other.
///
/// # Errors
///
/// There is no C++ compiler for libFuzzer, a target is unknown, or one fails: the message names the input and the command
/// that runs it again.
pub(crate) fn run(root: &Path, arguments: &FuzzArguments) -> anyhow::Result<()> {
    let targets = chosen(&known(root)?, &arguments.targets)?;
    let fuzzer = build(root)?;
    if let Some(input) = &arguments.input {
        let [target] = &targets[..] else { bail!("--input needs the name of one target") };
        let input = std::path::absolute(input).context("the input has no path")?;
        return run_command(fuzz(root, &fuzzer, target).arg(input));
    }
    for target in &targets {
        attempt(root, &fuzzer, target, arguments.seconds)?;
    }
    Ok(())
}

/// Returns the names of all targets.
fn known(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("xtask/fuzz/corpora");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Returns the named targets, or all.
fn chosen(known: &[String], named: &[String]) -> anyhow::Result<Vec<String>> {
    for name in named {
        ensure!(
            known.contains(name),
            "there is no target {name}: name one of {}",
            known.join(", ")
        );
    }
    Ok(if named.is_empty() { known } else { named }.to_vec())
}

/// Builds the fuzzer, and returns its path.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let host = Command::new("rustc").args(["--print", "host-tuple"]).output();
    let host = String::from_utf8(host.context("rustc does not start")?.stdout)?;
    let host = host.trim();
    let mut command = cargo(root, &["build", "--package", "xtask", "--example", "fuzz"]);
    command.args(["--features", "fuzz", "--profile", "fuzz", "--target", host]);
    command.args(["--target-dir", "target/fuzz"]).env("RUSTFLAGS", RUSTFLAGS);
    run_command(&mut command).context("the fuzzer was not built; it needs a C++ compiler")?;
    Ok(root.join("target/fuzz").join(host).join("fuzz/examples/fuzz"))
}

fn fuzz(root: &Path, fuzzer: &Path, target: &str) -> Command {
    let mut command = Command::new(fuzzer);
    command.current_dir(root).env("FUZZ_TARGET", target);
    command
}

/// Fuzzes a target for some time.
fn attempt(root: &Path, fuzzer: &Path, target: &str, seconds: u64) -> anyhow::Result<()> {
    let found = format!("target/fuzz/corpora/{target}");
    let failures = format!("target/fuzz/failures/{target}/");
    for folder in [&found, &failures] {
        fs::create_dir_all(root.join(folder)).with_context(|| format!("cannot make {folder}"))?;
    }
    println!("{target}:");
    let mut command = fuzz(root, fuzzer, target);
    command.args([&found, &format!("xtask/fuzz/corpora/{target}")]);
    command.args([format!("-max_total_time={seconds}"), format!("-artifact_prefix={failures}")]);
    // An input for which a reader takes ten seconds or two gigabytes is a failure, too.
    command.args([
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-verbosity=0",
        "-print_funcs=0",
        "-print_final_stats=1",
    ]);
    run_command(&mut command).with_context(|| {
        format!(
            "the input is in {failures}; `cargo xtask fuzz {target} --input FILE` runs it again. Once it is mended, add it \
             to xtask/fuzz/corpora/{target}, so that the gate tries it from then on"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_are_tried_unless_some_are_named() {
        let known = ["audit", "token"].map(str::to_owned);
        assert_eq!(chosen(&known, &[]).expect("all"), known);
        assert_eq!(chosen(&known, &known[1..]).expect("it exists"), ["token"]);
        let error = chosen(&known, &["tokens".to_owned()]).expect_err("it does not exist");
        assert_eq!(error.to_string(), "there is no target tokens: name one of audit, token");
    }

    #[test]
    fn the_targets_are_the_folders_of_the_corpora() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let names = known(&root).expect("they can be listed");
        assert!(names.contains(&"decoder".to_owned()), "{names:?}");
    }
}
