//! The rules of a tenant, and the folder of their files.

use std::path::{Path, PathBuf};

use core_engine::{Failure, FailureKind};
use core_rules::library::{Library, SwitchError};

use crate::asked::AskedQuestions;

/// The folder with rules, beside the configuration.
const FOLDER: &str = "rules";

/// Returns the folder of rule files, beside the configuration in `folder`. Without a configuration, it is in the
/// current folder.
pub fn rules_folder(folder: Option<&Path>) -> PathBuf {
    beside_configuration(folder, FOLDER)
}

/// Returns the path of a file or folder beside the configuration.
pub(crate) fn beside_configuration(folder: Option<&Path>, name: &str) -> PathBuf {
    folder.unwrap_or(Path::new("")).join(name)
}

/// Reads all rules: the shipped ones, and those beside the configuration in `folder`. They may ask the saved
/// questions beside it, too.
pub fn load_rules(folder: Option<&Path>) -> Library {
    Library::load(&rules_folder(folder), &AskedQuestions::load(folder))
}

/// Checks that all rule files are valid.
///
/// # Errors
///
/// All mistakes at once.
pub fn check_problems(library: &Library) -> Result<(), Failure> {
    if library.problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        library.problems.iter().map(|problem| format!("  {problem}")).collect();
    Err(Failure::configuration(format!("rule files are not valid:\n{}", lines.join("\n"))))
}

/// Checks that it is known which rules are enabled.
///
/// # Errors
///
/// The file of switches has a mistake.
pub fn check_switches(library: &Library) -> Result<(), Failure> {
    match &library.broken_switches {
        None => Ok(()),
        Some(problem) => Err(Failure::configuration(format!(
            "it is not known which rules are enabled, so no rule is evaluated: {problem}"
        ))),
    }
}

/// Checks that the rules with these IDs are there and on, as a run evaluates them. `program` is the command to name.
///
/// # Errors
///
/// One is not there, or is off, or it is not known which are on.
pub fn check_on(library: &Library, ids: &[String], program: &str) -> Result<(), Failure> {
    check_switches(library)?;
    for id in ids {
        if !library.named(id).map_err(switch_failure)?.is_on {
            return Err(Failure::configuration(format!(
                "rule `{id}` is disabled: `{program} rules enable {id}` enables it, and --dry-run tries it as it is"
            )));
        }
    }
    Ok(())
}

/// Checks that the rules with these IDs are there.
///
/// # Errors
///
/// One is not there.
pub fn check_known(library: &Library, ids: &[String]) -> Result<(), Failure> {
    ids.iter().try_for_each(|id| library.named(id).map(drop)).map_err(switch_failure)
}

/// Returns the failure for a rule that does not exist, or that cannot be enabled or disabled.
pub fn switch_failure(error: SwitchError) -> Failure {
    Failure::new(FailureKind::Configuration, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, keys};

    #[test]
    fn all_mistakes_in_rule_files_are_told_at_once_and_the_shipped_rules_stay() {
        let scene = Scene::new("");
        scene.add_rule("fan", &keys(&["a"]));
        let library = load_rules(Some(scene.folder.path()));
        check_problems(&library).map_err(|failure| failure.error).expect("all are valid");
        scene.write("rules/one.toml", "id = ");
        scene.write("rules/two.toml", "colour = 'red'\n");
        let library = load_rules(Some(scene.folder.path()));
        let text = check_problems(&library).expect_err("two are not").error.to_string();
        assert!(text.starts_with("rule files are not valid:\n  "), "{text}");
        assert!(text.contains("one.toml:1:") && text.contains("two.toml:1:"), "{text}");
        assert!(library.find("fan").is_some() && library.find("critical-alert-open").is_some());
    }

    #[test]
    fn a_switch_that_cannot_be_written_says_why() {
        let scene = Scene::new("");
        let library = load_rules(Some(scene.folder.path()));
        let rule = library.rules[0].rule.id.clone();
        // Nothing is there to be read, and no folder can be made.
        let folder = scene.folder.path().join("link");
        std::os::unix::fs::symlink("nowhere/rules", &folder).expect("a link can be made");
        let error = library.switch(&folder, &[rule], true).expect_err("it cannot be written");
        let failure = switch_failure(error);
        assert!(failure.error.root_cause().is::<std::io::Error>(), "{:#}", failure.error);
    }

    #[test]
    fn files_are_beside_the_configuration_or_in_the_folder_that_the_process_works_in() {
        assert_eq!(rules_folder(Some(Path::new("etc"))), Path::new("etc/rules"));
        assert_eq!(rules_folder(None), Path::new("rules"));
        assert_eq!(beside_configuration(None, "notify.toml"), Path::new("notify.toml"));
    }

    #[test]
    fn a_rule_that_is_off_is_not_evaluated_by_hand_unless_it_is_tried() {
        let scene = Scene::new("");
        scene.add_rule("fan", &keys(&["a"]));
        let library = load_rules(Some(scene.folder.path()));
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        for (named, expected) in [
            (&["fan"][..], None),
            (&[], None),
            (
                &["fan", "critical-alert-open"],
                Some(
                    "rule `critical-alert-open` is disabled: `graph rules enable critical-alert-open` enables it, \
                     and --dry-run tries it as it is",
                ),
            ),
        ] {
            let refused = check_on(&library, &ids(named), "graph").err();
            let text = refused.map(|failure| failure.error.to_string());
            assert_eq!(text.as_deref(), expected, "{named:?}");
            assert!(check_known(&library, &ids(named)).is_ok(), "{named:?}");
        }
        for check in
            [check_on(&library, &ids(&["fna"]), "graph"), check_known(&library, &ids(&["fna"]))]
        {
            let text = check.expect_err("it is misspelt").error.to_string();
            assert!(text.contains("fan"), "{text}");
        }
    }

    #[test]
    fn an_unknown_rule_is_a_mistake_of_the_user() {
        let library = load_rules(None);
        let failure = switch_failure(library.named("critical-alert-opne").expect_err("unknown"));
        assert_eq!(failure.kind, core_engine::FailureKind::Configuration);
        assert!(failure.error.to_string().contains("critical-alert-open"), "{}", failure.error);
    }
}
