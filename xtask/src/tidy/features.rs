//! Features for tests alone. Cargo builds a workspace's crates with all features that any of them asks for, so
//! a test feature among the ordinary dependencies of one crate would be in the program that users get.

use crate::tidy::Violation;
use crate::workspace::Crate;

/// The features that only tests may enable.
const FOR_TESTS: &[&str] = &["fault-injection", "fuzzing"];

/// Every crate that enables one of them beyond its tests.
pub(super) fn check(crates: &[Crate]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in crates {
        let ordinary = package.dependencies.iter().filter(|dependency| !dependency.is_for_tests);
        let of_dependencies = ordinary.flat_map(|dependency| &dependency.features);
        // `[features]` that enable one of a dependency, such as `core-files/fault-injection`.
        let forwarded = package.forwarded_features.iter();
        for feature in of_dependencies.chain(forwarded).filter(|name| is_for_tests(name)) {
            violations.push(Violation {
                path: format!("{}/Cargo.toml", package.folder),
                what: format!("`{feature}` would be in every program of the workspace"),
                mend: "enable it in `[dev-dependencies]`".to_owned(),
            });
        }
    }
    violations
}

fn is_for_tests(feature: &str) -> bool {
    let name = feature.rsplit('/').next().unwrap_or(feature);
    FOR_TESTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn lines(is_for_tests: bool, feature: &str, forwarded: &[&str]) -> Vec<String> {
        let package = Crate {
            name: "tests".to_owned(),
            folder: "tests".to_owned(),
            manifest: String::new(),
            dependencies: vec![Dependency {
                name: "core-files".to_owned(),
                is_for_tests,
                is_local: true,
                features: vec![feature.to_owned()],
            }],
            forwarded_features: forwarded.iter().map(|name| (*name).to_owned()).collect(),
            has_readme: true,
        };
        crate::tidy::lines(&check(&[package]))
    }

    #[test]
    fn a_feature_for_tests_stays_out_of_the_program() {
        assert_eq!(lines(true, "fault-injection", &[]), [""; 0]);
        assert_eq!(lines(false, "other", &["core-files/other"]), [""; 0]);
        for (is_for_tests, feature, forwarded) in [
            (false, "fault-injection", &[][..]),
            (true, "fault-injection", &["core-files/fault-injection"]),
        ] {
            let found = lines(is_for_tests, feature, forwarded);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("[dev-dependencies]"), "{found:?}");
        }
    }
}
