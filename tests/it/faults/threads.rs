//! A small limit of processes: the program says which limit to raise, and never hangs for a thread that it did not get.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::case::healthy;
use crate::kit::{Ended, Scene, start_command};

/// A user with no process: limits count all processes of a user, and not those of root.
const NOBODY: u32 = 64_173;

/// Runs a command under a limit of processes: as another user if this is root.
fn under(limit: usize, program: &Path, scene: &Scene, is_root: bool, words: &[&str]) -> Ended {
    let mut shell = Command::new("/bin/bash");
    let script = format!("ulimit -u {limit} && exec \"$0\" \"$@\"");
    shell.current_dir(scene.folder()).arg("-c").arg(script).arg(program).args(words).env_clear();
    if is_root {
        shell.uid(NOBODY).gid(NOBODY);
    }
    start_command(shell).wait()
}

/// Gives everything below a folder to a user, which only root can.
fn give(folder: &Path, user: u32) {
    chown(folder, Some(user), Some(user)).expect("root may give what it has");
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            give(&path, user);
        } else {
            chown(&path, Some(user), Some(user)).expect("root may give what it has");
        }
    }
}

#[test]
fn j22_under_a_small_limit_of_processes_a_command_works_or_says_which_limit_to_raise() {
    let is_root = fs::metadata("/proc/self").expect("it is there").uid() == 0;
    let scene = Scene::with(healthy());
    scene.run_completely();
    // A copy, since another user may not come to where the program is.
    let program = scene.path("program");
    fs::copy(env!("CARGO_BIN_EXE_program"), &program).expect("there is room");
    // A user other than root has an unknown number of processes already: for it, only the smallest limit is certain.
    let limits: &[(usize, bool)] =
        if is_root { &[(1, false), (25, false), (26, true), (32, true)] } else { &[(1, false)] };
    let query: &[&str] = &["query", "select count(*) from nexthink_device"];
    for (limit, is_enough) in limits {
        for words in [&["run"], query] {
            let before = scene.published().id().clone();
            if is_root {
                give(scene.folder(), NOBODY);
            }
            let ended = under(*limit, &program, &scene, is_root, words);
            if is_root {
                // A store of another user is refused.
                give(scene.folder(), 0);
            }
            let case = format!("{limit} {words:?}: {}", ended.stderr);
            assert_eq!(ended.exit, Some(i32::from(!is_enough)), "{case}");
            let says = "it needs 25: raise the limit of processes (`ulimit -u`";
            assert_eq!(ended.stderr.contains(says), !is_enough, "{case}");
            let has_published = scene.published().id() != &before;
            assert_eq!(has_published, *is_enough && words == ["run"], "{case}");
            scene.published().verify().expect("what is published is whole");
        }
    }
    assert_eq!(scene.leftovers(), [] as [PathBuf; 0]);
}
