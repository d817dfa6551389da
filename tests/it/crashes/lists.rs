//! The lists of erased people: a missing copy is made again, and without both no person is shown.

use std::fs;

use super::Torture;
use crate::kit::TENANT;

#[test]
fn n4_a_missing_list_of_erased_people_is_made_again_and_without_both_nothing_is_read() {
    let torture = Torture::new();
    let users = torture.users();
    let erase = ["privacy", "erase", "--user", &users[0][0], "--reason", "request", "--yes"];
    torture.place.done(&erase);
    let listed = torture.scene().path("store").join(TENANT).join("suppressions.json");
    let key_folder = listed.ancestors().nth(3).expect("the store is in a folder");
    let is_copy = |path: &std::path::PathBuf| path.to_string_lossy().ends_with("suppressions.json");
    let copy = fs::read_dir(key_folder).expect("it is there").flatten().map(|entry| entry.path());
    let copy = copy.into_iter().find(is_copy).expect("there is a copy beside the key file");
    for missing in [&copy, &listed] {
        let before = fs::read(missing).expect("it is there");
        fs::remove_file(missing).expect("it is ours");
        torture.scene().run_completely();
        assert_eq!(fs::read(missing).expect("it is made again"), before);
    }
    // An older copy of the list is not followed either.
    fs::write(&copy, fs::read_to_string(&listed).expect("it is there")).expect("it is ours");

    for path in [&copy, &listed] {
        fs::remove_file(path).expect("it is ours");
    }
    for names_erasures_in_force in [true, false] {
        if !names_erasures_in_force {
            // The published generation still says that it has been through one.
            let erasures = listed.with_file_name("erasures.json");
            fs::remove_file(erasures).expect("it is ours");
        }
        for arguments in [&["run"][..], &["privacy", "suppression", "list"]] {
            let ended = torture.scene().program(arguments);
            assert_eq!(ended.exit, Some(5), "{arguments:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("both lists"), "{arguments:?}: {}", ended.stderr);
        }
        // What is stored has been through the erasure, and can still be read.
        assert_eq!(torture.users().len(), users.len() - 1);
    }
}
