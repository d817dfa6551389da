//! Makes a step in a copy of this workspace and runs its checks there, so that the templates stay
//! as good as the hand-written steps.
//!
//! The copy and its build stay in cargo's folder for temporary files between two runs: only changed
//! files are copied and built again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The entries of the workspace that are not copied.
const NOT_COPIED: &[&str] = &[".git", "target"];

#[test]
fn a_new_step_passes_every_check_without_an_edit_by_hand() {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-step");
    let copy = temporary.join("workspace");
    // Cargo runs a test in the folder of its crate.
    mirror(Path::new(".."), &copy);
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(&copy).args(arguments);
        command.env("CARGO_TARGET_DIR", temporary.join("target")).env("INSTA_UPDATE", "no");
        let output = command.output().expect("the program starts");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), text)
    };
    let passes = |program: &str, arguments: &[&str]| {
        let (succeeds, output) = run(program, arguments);
        assert!(succeeds, "{program} {arguments:?}\n{output}");
    };

    passes(env!("CARGO_BIN_EXE_xtask"), &["new-step", "rehearsed_things"]);

    passes("cargo", &["test", "--package", "step-rehearsed-things"]);
    passes("cargo", &["fmt", "--package", "step-rehearsed-things", "--check"]);
    // A new build, with the step linked in.
    passes("cargo", &["run", "--package", "xtask", "--", "tidy"]);
    passes("cargo", &["run", "--package", "xtask", "--", "docs", "--check"]);
    let page = fs::read_to_string(copy.join("docs/data-model.md")).expect("the page is written");
    assert!(page.contains("`nexthink_account_has_rehearsed_things`"), "{page}");

    let again = run(env!("CARGO_BIN_EXE_xtask"), &["new-step", "rehearsed_things"]);
    let refusal = "error: the name is taken: steps/rehearsed_things exists\n";
    assert_eq!(again, (false, refusal.to_owned()));
}

/// Makes `copy` a mirror of `original`. An unchanged file keeps its time, so that cargo does not
/// rebuild it.
fn mirror(original: &Path, copy: &Path) {
    fs::create_dir_all(copy).expect("a folder can be made");
    let names: BTreeSet<_> = names(original).chain(names(copy)).collect();
    for name in names.into_iter().filter(|name| !NOT_COPIED.contains(&name.as_str())) {
        let (from, to) = (original.join(&name), copy.join(&name));
        if from.is_dir() {
            mirror(&from, &to);
        } else if from.is_file() {
            let text = fs::read(&from).expect("a file can be read");
            if fs::read(&to).ok().as_ref() != Some(&text) {
                fs::write(&to, text).expect("a file can be written");
            }
        } else if to.is_dir() {
            fs::remove_dir_all(&to).expect("a folder can be removed");
        } else {
            fs::remove_file(&to).expect("a file can be removed");
        }
    }
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder can be listed")
        .map(|entry| entry.expect("an entry can be read").path())
        .collect();
    entries.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
}
