//! The gate: everything that must pass before a change is merged, on a developer's machine and on
//! the build server.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;

use crate::cargo::{cargo, run as run_command};
use crate::{docs, tidy};

/// One stage of the gate.
struct Stage {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<()>,
}

/// The stages: fast ones first, so that a mistake shows within seconds.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", run: |root| run_command(&mut cargo(root, &["fmt", "--all", "--check"])) },
    Stage { name: "tidy", run: tidy::check },
    Stage { name: "docs", run: docs::check },
    Stage { name: "clippy", run: clippy },
    Stage { name: "doc", run: doc },
    Stage { name: "test", run: test },
];

/// Runs the gate.
///
/// # Errors
///
/// A stage fails.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    run_stages(STAGES, root)?;
    eprintln!("ci: passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn run_stages(stages: &[Stage], root: &Path) -> anyhow::Result<()> {
    for stage in stages {
        eprintln!("ci: {}", stage.name);
        let start = Instant::now();
        let result = (stage.run)(root);
        let seconds = start.elapsed().as_secs_f64();
        result.with_context(|| format!("stage `{}` failed after {seconds:.1} s", stage.name))?;
        eprintln!("ci: {} passed in {seconds:.1} s", stage.name);
    }
    Ok(())
}

fn clippy(root: &Path) -> anyhow::Result<()> {
    let check = |targets: &[&str]| {
        let arguments = [&["clippy", "--workspace"], targets, &["--", "-D", "warnings"]].concat();
        run_command(&mut cargo(root, &arguments))
    };
    check(&["--all-targets"])?;
    // To cargo, all targets are those that `cargo test` runs. The others need a server or minutes, and compile all the same.
    let separate = separate_tests(root)?;
    check(&separate.iter().flat_map(|name| ["--test", name]).collect::<Vec<_>>())
}

/// Returns the names of the tests that `cargo test` does not run.
fn separate_tests(root: &Path) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec();
    let packages = metadata.context("cargo metadata")?.packages;
    let targets = packages.into_iter().flat_map(|package| package.targets);
    let separate = targets.filter(|target| target.is_test() && !target.test);
    Ok(separate.map(|target| target.name).collect())
}

fn doc(root: &Path) -> anyhow::Result<()> {
    run_command(
        cargo(root, &["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    )
}

fn test(root: &Path) -> anyhow::Result<()> {
    // A changed snapshot fails; it is never updated here.
    let mut command = cargo(root, &["test", "--workspace"]);
    run_command(command.env("INSTA_UPDATE", "no").env("CI", "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_are_run_by_hand_are_found() {
        let names = separate_tests(Path::new("..")).expect("it is a workspace");
        assert!(names.contains(&"schedulers".to_owned()), "{names:?}");
        assert!(!names.contains(&"it".to_owned()), "{names:?}");
    }

    #[test]
    fn the_first_failure_ends_the_gate_and_is_named() {
        let stages = [
            Stage { name: "one", run: |_| Ok(()) },
            Stage { name: "two", run: |_| anyhow::bail!("broken") },
            Stage { name: "three", run: |_| panic!("a stage after the failure was run") },
        ];
        let error = run_stages(&stages, Path::new(".")).expect_err("the second stage fails");
        let message = format!("{error:#}");
        assert!(message.starts_with("stage `two` failed after "), "{message}");
        assert!(message.ends_with(": broken"), "{message}");
    }
}
