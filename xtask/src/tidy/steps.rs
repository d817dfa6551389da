//! A check that the crates of the steps and the steps themselves form the same graph, and that no
//! step is missing between its folder and the program.

use std::collections::BTreeSet;

use core_model::step::Step;

use crate::tidy::Violation;
use crate::workspace::Crate;

/// The program's list of linked step crates.
pub(super) const LINKED: &str = "runner/src/steps.rs";

/// Compares folders, crates, the program's list, and the registered steps.
pub(super) fn check(
    steps: &[&'static Step],
    crates: &[Crate],
    folders: &[String],
    linked: &str,
) -> Vec<Violation> {
    let step_crates: Vec<&Crate> =
        crates.iter().filter(|package| package.folder.starts_with("steps/")).collect();
    let mut violations = Vec::new();
    for folder in folders.iter().map(|name| format!("steps/{name}")) {
        if !step_crates.iter().any(|package| package.folder == folder) {
            violations.push(Violation {
                path: folder,
                what: "the folder is no package of the workspace".to_owned(),
                mend: "remove it, or make the step with `cargo xtask new-step`".to_owned(),
            });
        }
    }
    for package in &step_crates {
        check_name(package, &mut violations);
        check_registration(package, steps, linked, &mut violations);
    }
    for step in steps {
        if !step_crates.iter().any(|package| step_id(package) == step.id) {
            violations.push(Violation {
                path: "steps".to_owned(),
                what: format!("the step `{}` is registered by no crate of its name", step.id),
                mend: "name the step `fetch-<name>` in the crate `step-<name>`".to_owned(),
            });
        }
    }
    violations
}

/// The ID of a crate's step.
fn step_id(package: &Crate) -> String {
    package.name.replacen("step-", "fetch-", 1)
}

fn check_name(package: &Crate, violations: &mut Vec<Violation>) {
    let expected = package.folder.replace("steps/", "step-").replace('_', "-");
    if package.name != expected {
        violations.push(Violation {
            path: format!("{}/Cargo.toml", package.folder),
            what: format!("the package is called `{}`", package.name),
            mend: format!("call it `{expected}`, after its folder"),
        });
    }
}

fn check_registration(
    package: &Crate,
    steps: &[&'static Step],
    linked: &str,
    violations: &mut Vec<Violation>,
) {
    let line = format!("use {} as _;", package.name.replace('-', "_"));
    if !linked.lines().any(|linked_line| linked_line == line) {
        violations.push(Violation {
            path: LINKED.to_owned(),
            what: format!("`{}` is not linked into the program", package.name),
            mend: format!("add `{line}`"),
        });
    }
    let id = step_id(package);
    let own: Vec<_> = steps.iter().filter(|step| step.id == id).collect();
    let [step] = own[..] else {
        violations.push(Violation {
            path: format!("{}/src/lib.rs", package.folder),
            what: format!("{} steps called `{id}` are registered", own.len()),
            mend: "register exactly one with `inventory::submit!(&STEP);`".to_owned(),
        });
        return;
    };
    let declared: BTreeSet<_> =
        step.depends_on.iter().map(|dependency| dependency.id.to_owned()).collect();
    let in_manifest: BTreeSet<_> = package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.is_for_tests)
        .filter_map(|dependency| dependency.name.strip_prefix("step-"))
        .map(|name| format!("fetch-{name}"))
        .collect();
    for id in declared.symmetric_difference(&in_manifest) {
        let what = if declared.contains(id) {
            "is in `depends_on` but not a dependency in Cargo.toml"
        } else {
            "is a dependency in Cargo.toml that `depends_on` does not name"
        };
        violations.push(Violation {
            path: format!("{}/src/lib.rs", package.folder),
            what: format!("`{id}` {what}"),
            mend: "name the same steps in both".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use core_model::step::Source;

    use super::*;
    use crate::tidy::lines;
    use crate::workspace::Dependency;

    const BOTH_LINKED: &str = "//! List.\n\nuse step_ants as _;\nuse step_wild_bees as _;\n";

    const fn step(id: &'static str, depends_on: &'static [&'static Step]) -> Step {
        Step {
            id,
            name: id,
            depends_on,
            source: Source::Configuration,
            entities: &[],
            relationships: &[],
        }
    }

    static ANTS: Step = step("fetch-ants", &[]);
    static BEES: Step = step("fetch-wild-bees", &[&ANTS]);
    static OTHER: Step = step("fetch-other", &[]);

    fn crate_of(folder: &str, name: &str, dependencies: &[&str]) -> Crate {
        let dependencies = dependencies.iter().map(|name| Dependency {
            name: (*name).to_owned(),
            is_for_tests: false,
            is_local: true,
            features: Vec::new(),
        });
        Crate {
            name: name.to_owned(),
            folder: folder.to_owned(),
            manifest: String::new(),
            dependencies: dependencies.collect(),
            forwarded_features: Vec::new(),
            has_readme: true,
        }
    }

    fn crates() -> Vec<Crate> {
        vec![
            crate_of("steps/ants", "step-ants", &["core-model"]),
            crate_of("steps/wild_bees", "step-wild-bees", &["core-model", "step-ants"]),
        ]
    }

    fn folders() -> Vec<String> {
        vec!["ants".to_owned(), "wild_bees".to_owned()]
    }

    #[test]
    fn steps_whose_crates_agree_with_them_pass() {
        let violations = check(&[&ANTS, &BEES], &crates(), &folders(), BOTH_LINKED);
        assert_eq!(lines(&violations), [""; 0]);
    }

    #[test]
    fn a_folder_without_a_package_is_found() {
        let folders = ["ants", "moths", "wild_bees"].map(str::to_owned);
        let violations = check(&[&ANTS, &BEES], &crates(), &folders, BOTH_LINKED);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].path, "steps/moths");
    }

    #[test]
    fn a_step_that_is_not_linked_is_found_even_if_a_comment_names_it() {
        let linked = "// use step_wild_bees as _;\nuse step_ants as _;\n";
        let violations = check(&[&ANTS, &BEES], &crates(), &folders(), linked);
        assert_eq!(
            lines(&violations),
            ["runner/src/steps.rs: `step-wild-bees` is not linked into the program; add `use \
              step_wild_bees as _;`"]
        );
    }

    #[test]
    fn a_crate_that_registers_no_step_or_two_is_found() {
        for (steps, count) in [(&[&ANTS][..], 0), (&[&ANTS, &BEES, &BEES], 2)] {
            let violations = check(steps, &crates(), &folders(), BOTH_LINKED);
            assert_eq!(violations.len(), 1);
            assert_eq!(
                violations[0].what,
                format!("{count} steps called `fetch-wild-bees` are registered")
            );
        }
    }

    #[test]
    fn a_step_of_no_crate_is_found() {
        let violations = check(&[&ANTS, &BEES, &OTHER], &crates(), &folders(), BOTH_LINKED);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].what.contains("`fetch-other`"), "{}", violations[0]);
    }

    #[test]
    fn a_difference_between_the_two_graphs_is_found_either_way() {
        let mut without = crates();
        without[1] = crate_of("steps/wild_bees", "step-wild-bees", &[]);
        let violations = check(&[&ANTS, &BEES], &without, &folders(), BOTH_LINKED);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].what.contains("not a dependency in Cargo.toml"), "{}", violations[0]);

        let mut with = crates();
        with[0] = crate_of("steps/ants", "step-ants", &["step-wild-bees"]);
        let violations = check(&[&ANTS, &BEES], &with, &folders(), BOTH_LINKED);
        assert_eq!(violations.len(), 1);
        assert!(violations[0].what.contains("`depends_on` does not name"), "{}", violations[0]);
    }

    #[test]
    fn a_package_that_is_not_called_after_its_folder_is_found() {
        let crates = [crate_of("steps/ant", "step-ants", &[])];
        let violations = check(&[&ANTS], &crates, &["ant".to_owned()], BOTH_LINKED);
        assert_eq!(
            lines(&violations),
            ["steps/ant/Cargo.toml: the package is called `step-ants`; call it `step-ant`, after \
              its folder"]
        );
    }
}
