//! The folder for JupiterOne's command line: whole at every moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use core_simulator::TenantSpec;

use crate::kit::{Scene, files};

/// The number of operations that are skipped among those that only write new files.
const STRIDE: usize = 12;

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(folder).expect("it is below").display().to_string();
    let read = |path: &Path| fs::read(path).expect("a file can be read");
    files(folder).iter().map(|path| (name(path), read(path))).collect()
}

#[test]
fn k20_an_export_that_is_killed_or_fails_at_a_file_operation_leaves_a_whole_folder() {
    let scene = Scene::of(TenantSpec { devices: 8, users: 6, alerts: 4, ..TenantSpec::default() });
    scene.run_completely();
    let export = ["export", "jupiterone", "collected"];
    let place = scene.path("collected");
    assert_eq!(scene.program(&export).exit, Some(0));
    let whole = contents(&place);
    assert!(whole.len() > 5, "{:?}", whole.keys());
    let operations = scene.operations_of(&export);
    let is_plain = |text: &str| text.starts_with("Create") || text.starts_with("Write");
    for (number, operation) in (1..).zip(&operations) {
        if is_plain(operation) && number % STRIDE != 0 {
            continue;
        }
        for fault in ["kill", "kill-after", "eio"] {
            let fault = format!("{fault}@{number}");
            let ended = scene.program_with_fault(&export, &fault);
            assert_eq!(contents(&place), whole, "{fault}: {operation}\n{}", ended.stderr);
        }
    }
    assert_eq!(scene.program(&export).exit, Some(0));
    let beside = fs::read_dir(scene.folder()).expect("it is there").flatten();
    let hidden =
        beside.filter(|entry| entry.file_name().to_string_lossy().starts_with(".collected"));
    assert_eq!(hidden.count(), 0, "nothing is left beside the folder");
    assert_eq!(contents(&place), whole);
}
