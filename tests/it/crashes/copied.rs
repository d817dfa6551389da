//! `store copy` to a folder, killed and refused at its file operations: a reader of the copy sees the old store or the
//! new one, and the next copy completes it.

use core_store::{Location, Store, TenantSnapshot, TenantStore};

use super::Torture;
use super::operations::{FAILURES, KILLS, assert_said};
use crate::kit::TENANT;

const COPY: [&str; 4] = ["store", "copy", "store", "backup"];

/// The tenant in a folder of the scene.
fn tenant(torture: &Torture, folder: &str) -> TenantStore {
    let location = Location::Folder(torture.scene().path(folder));
    let store = Store::open(location).expect("the path is absolute");
    store.tenant(TENANT).expect("a valid name")
}

fn snapshot(tenant: &TenantStore) -> TenantSnapshot {
    let lock = tenant.lock("a test").expect("it is free");
    lock.snapshot().expect("the store is whole")
}

/// Fails unless a reader of the copy sees a whole generation, and the next copy makes it what the store is.
fn assert_completed(torture: &Torture, case: &str) {
    let backup = tenant(torture, "backup");
    let current = backup.current().unwrap_or_else(|error| panic!("{case}: {error}"));
    current
        .expect("it was copied before")
        .verify()
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    let ended = torture.scene().program(&COPY);
    assert_eq!(ended.exit, Some(0), "{case}: {}", ended.stderr);
    let store = tenant(torture, "store");
    assert_eq!(snapshot(&backup), snapshot(&store), "{case}");
    for entry in backup.history().expect("it can be listed") {
        backup.verify(&entry.id).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    assert!(!torture.scene().path("backup").join(TENANT).join("copying").exists(), "{case}");
}

#[test]
fn n1_n2_n13_a_copy_that_is_killed_or_has_no_room_is_completed_by_the_next() {
    let torture = Torture::new();
    torture.scene().program(&COPY);
    torture.scene().run_completely();
    let operations = torture.count(&COPY);
    for (number, kind) in torture.places(operations, &KILLS) {
        torture.change_estate();
        torture.scene().run_completely();
        let case = format!("{COPY:?} under {kind}@{number} of {operations}");
        let ended = torture.under(&format!("{kind}@{number}"), &COPY);
        assert!(matches!(ended.exit, None | Some(0)), "{case}: {ended:?}");
        assert_completed(&torture, &case);
    }
    for (number, (kind, lasts)) in torture.places(operations, &FAILURES) {
        torture.change_estate();
        torture.scene().run_completely();
        let case = format!("{COPY:?} under {kind}@{number}{lasts} of {operations}");
        let ended = torture.under(&format!("{kind}@{number}{lasts}"), &COPY);
        assert_said(&case, &ended);
        assert_completed(&torture, &case);
    }
    torture.assert_repaired("after all copies", &torture.generations());
}
