//! The allowed dependencies among crates.

use crate::tidy::Violation;
use crate::workspace::{Crate, Dependency};

/// A dependency that the layers allow. A `*` at the end stands for any suffix.
struct Arrow {
    from: &'static str,
    to: &'static str,
    /// True if only the tests of `from` may use it.
    for_tests: bool,
    /// The reason for the arrow.
    reason: &'static str,
}

/// All allowed dependencies among crates of the workspace.
const ARROWS: &[Arrow] = &[
    arrow("runner", "core-*", "the program puts the layers together"),
    arrow("runner", "step-*", "a step that is not linked does not exist"),
    arrow("xtask", "core-*", "the generated pages come from the model"),
    arrow("xtask", "step-*", "the pages are about the steps of the program"),
    arrow("tests", "core-*", "end-to-end tests look at every layer"),
    arrow("tests", "step-*", "conformance tests run every step"),
    arrow("tests", "runner", "end-to-end tests run the program"),
    arrow("step-*", "core-model", "a step is a declaration"),
    arrow("step-*", "step-*", "a step names the steps that it waits for"),
    arrow_of_tests("step-*", "core-ingest", "the test of a step ingests its fixture"),
    arrow("core-ingest", "core-model", "rows are mapped as declared"),
    arrow("core-ingest", "core-privacy", "values are redacted before anything is written"),
    arrow(
        "core-jupiterone",
        "core-model",
        "the shapes of a destination come from the declarations",
    ),
    arrow("core-jupiterone", "core-store", "it delivers a published generation"),
    arrow_of_tests(
        "core-jupiterone",
        "core-simulator",
        "its tests deliver to a simulated JupiterOne",
    ),
    arrow("core-audit", "core-clock", "clocks disagree by one rule"),
    arrow("core-nexthink", "core-clock", "clocks disagree by one rule"),
    arrow("core-nexthink", "core-model", "scopes and addresses are declared"),
    arrow("core-privacy", "core-model", "the redaction of a column follows from its declaration"),
    arrow("core-query", "core-model", "tables are named after the types"),
    arrow("core-query", "core-j1ql", "questions are translated into SQL"),
    arrow("core-query", "core-store", "it queries a published generation"),
    arrow("core-rules", "core-files", "the switches of rules are a small file"),
    arrow("core-rules", "core-store", "findings are kept beside the generations"),
    arrow("core-explorer", "core-query", "the pages show answers"),
    arrow("core-explorer", "core-store", "the pages show what is published"),
    arrow("core-simulator", "core-model", "the simulated tenant knows the columns of the steps"),
    arrow("core-jupiterone", "core-files", "a folder is replaced in one step"),
    arrow("core-jupiterone", "core-http", "calls are limited and retried in one way"),
    arrow("core-nexthink", "core-http", "calls are limited and retried in one way"),
    arrow("core-store", "core-files", "published files are durable"),
    arrow("core-store", "core-model", "a generation is made of the declared types"),
];

/// The external packages that a step may use, so that it stays a table: none of them waits, talks
/// or serializes.
const PACKAGES_OF_STEPS: &[&str] = &["inventory"];

/// The same for the tests of a step.
const PACKAGES_OF_STEP_TESTS: &[&str] = &["inventory", "insta"];

const fn arrow(from: &'static str, to: &'static str, reason: &'static str) -> Arrow {
    Arrow { from, to, for_tests: false, reason }
}

const fn arrow_of_tests(from: &'static str, to: &'static str, reason: &'static str) -> Arrow {
    Arrow { from, to, for_tests: true, reason }
}

/// Returns every forbidden dependency.
pub(super) fn check(crates: &[Crate]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in crates {
        for dependency in
            package.dependencies.iter().filter(|dependency| !allows(package, dependency))
        {
            let kind = if dependency.is_for_tests { "its tests depend" } else { "it depends" };
            let mend = if dependency.is_local {
                format!("move the code; this crate may use {}", allowed_dependencies(package))
            } else {
                "a step is a table: move what needs the package to core/ingest".to_owned()
            };
            violations.push(Violation {
                path: format!("{}/Cargo.toml", package.folder),
                what: format!("{kind} on `{}`, against the layers", dependency.name),
                mend,
            });
        }
    }
    violations
}

fn allows(from: &Crate, dependency: &Dependency) -> bool {
    if dependency.is_local {
        return ARROWS.iter().any(|arrow| {
            matches(arrow.from, &from.name)
                && matches(arrow.to, &dependency.name)
                && (dependency.is_for_tests || !arrow.for_tests)
        });
    }
    if !matches("step-*", &from.name) {
        return true;
    }
    let packages = if dependency.is_for_tests { PACKAGES_OF_STEP_TESTS } else { PACKAGES_OF_STEPS };
    packages.contains(&dependency.name.as_str())
}

/// The crates that a crate may depend on, each with the reason.
fn allowed_dependencies(from: &Crate) -> String {
    let arrows = ARROWS.iter().filter(|arrow| matches(arrow.from, &from.name));
    let allowed: Vec<_> = arrows.map(|arrow| format!("{} ({})", arrow.to, arrow.reason)).collect();
    if allowed.is_empty() { "no other crate".to_owned() } else { allowed.join(", ") }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depends(name: &str, dependency: &str, is_for_tests: bool) -> bool {
        let is_local = ["core-", "step-", "runner", "xtask", "tests"]
            .iter()
            .any(|start| dependency.starts_with(start));
        let dependency = Dependency {
            name: dependency.to_owned(),
            is_for_tests,
            is_local,
            features: Vec::new(),
        };
        let package = Crate {
            name: name.to_owned(),
            folder: name.to_owned(),
            manifest: String::new(),
            dependencies: vec![dependency],
            forwarded_features: Vec::new(),
            has_readme: true,
        };
        check(&[package]).is_empty()
    }

    #[test]
    fn arrows_point_down_and_nowhere_else() {
        let table = [
            ("runner", "core-store", true),
            ("runner", "step-devices", true),
            ("xtask", "core-model", true),
            ("step-packages", "step-devices", true),
            ("step-packages", "core-model", true),
            ("tests", "runner", true),
            ("core-query", "core-store", true),
            ("core-ingest", "arrow-array", true),
            ("step-packages", "core-ingest", false),
            ("step-packages", "runner", false),
            ("core-model", "core-ingest", false),
            ("core-model", "step-devices", false),
            ("core-store", "core-query", false),
            ("core-store", "step-devices", false),
            ("core-nexthink", "core-store", false),
            ("runner", "xtask", false),
            ("xtask", "runner", false),
        ];
        for (from, to, allowed) in table {
            assert_eq!(depends(from, to, false), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn only_the_tests_of_a_step_may_ingest_and_snapshot() {
        for (to, in_tests, elsewhere) in [
            ("core-ingest", true, false),
            ("insta", true, false),
            ("inventory", true, true),
            ("tokio", false, false),
            ("serde", false, false),
            ("core-store", false, false),
        ] {
            assert_eq!(depends("step-devices", to, true), in_tests, "{to}");
            assert_eq!(depends("step-devices", to, false), elsewhere, "{to}");
        }
    }

    #[test]
    fn a_violation_names_the_manifest_the_dependency_and_what_is_allowed() {
        let package = Crate {
            name: "core-store".to_owned(),
            folder: "core/store".to_owned(),
            manifest: String::new(),
            dependencies: vec![Dependency {
                name: "core-query".to_owned(),
                is_for_tests: false,
                is_local: true,
                features: Vec::new(),
            }],
            forwarded_features: Vec::new(),
            has_readme: true,
        };
        assert_eq!(
            crate::tidy::lines(&check(&[package])),
            ["core/store/Cargo.toml: it depends on `core-query`, against the layers; move the \
              code; this crate may use core-files (published files are durable), core-model (a \
              generation is made of the declared types)"]
        );
    }
}
