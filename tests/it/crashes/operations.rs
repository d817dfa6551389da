//! Every command, killed before and after file operations, and with operations that fail.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Torture;
use crate::kit::Ended;

/// Faults that end the program in mid-operation. A loss of power also takes what was not fsynced.
pub(super) const KILLS: [&str; 4] = ["kill", "power", "kill-after", "torn"];
/// Faults that make operations fail: once, and from then on.
pub(super) const FAILURES: [(&str, &str); 4] =
    [("enospc", ""), ("enospc", "+"), ("eio", ""), ("eio", "+")];

/// Kills a command at its operations, one fault after the other, and has the next run repair it.
pub(super) fn kill_at_operations(torture: &Torture, arguments: &[&str]) {
    torture.change_estate();
    let operations = torture.count(arguments);
    for (number, kind) in torture.places(operations, &KILLS) {
        torture.change_estate();
        let case = format!("{arguments:?} under {kind}@{number} of {operations}");
        let before = torture.generations();
        let ended = torture.under(&format!("{kind}@{number}"), arguments);
        assert!(matches!(ended.exit, None | Some(0)), "{case}: {ended:?}");
        torture.assert_repaired(&case, &before);
    }
}

/// Makes operations of a command fail: it says why, and the next run repairs what is left.
pub(super) fn fail_at_operations(torture: &Torture, arguments: &[&str]) {
    torture.change_estate();
    let operations = torture.count(arguments);
    for (number, (kind, lasts)) in torture.places(operations, &FAILURES) {
        torture.change_estate();
        let case = format!("{arguments:?} under {kind}@{number}{lasts} of {operations}");
        let before = torture.generations();
        let ended = torture.under(&format!("{kind}@{number}{lasts}"), arguments);
        assert_said(&case, &ended);
        torture.assert_repaired(&case, &before);
    }
}

/// Fails unless a command that did not end well said why.
pub(crate) fn assert_said(case: &str, ended: &Ended) {
    let exit = ended.exit.unwrap_or_else(|| panic!("{case}: it died: {}", ended.stderr));
    if exit == 0 {
        return;
    }
    let says = ["No space left on device", "Input/output error"];
    assert!(
        says.iter().any(|text| ended.stderr.contains(text)),
        "{case}: {exit}: {}",
        ended.stderr
    );
    // A disk that is full or fails is no wrong usage.
    assert!([1, 6, 7].contains(&exit), "{case}: {exit}: {}", ended.stderr);
}

#[test]
fn n1_n13_a_run_with_its_delivery_that_is_killed_is_repaired_by_the_next() {
    kill_at_operations(&Torture::new(), &["run"]);
}

#[test]
fn n2_a_run_with_its_delivery_on_a_full_or_broken_disk_says_so_and_loses_nothing() {
    fail_at_operations(&Torture::new(), &["run"]);
}

#[test]
fn n2_exports_that_a_run_on_a_full_or_broken_disk_has_paid_for_are_not_paid_for_again() {
    let torture = Torture::new();
    let scene = torture.scene();
    let started = || scene.requests().exports.values().sum::<u64>();
    let before = started();
    let operations = torture.count(&["run"]);
    let of_a_run = started() - before;
    for (number, (kind, lasts)) in torture.places(operations, &FAILURES) {
        let case = format!("run under {kind}@{number}{lasts} of {operations}");
        let ended = torture.under(&format!("{kind}@{number}{lasts}"), &["run"]);
        assert_said(&case, &ended);
        // An export that is on record is gone on with. Those that are used are on record no more.
        let on_record = scene.store().download_notes().expect("they can be listed").len() as u64;
        let before = started();
        scene.run_completely();
        assert_eq!(started() - before, of_a_run - on_record, "{case}: {on_record} on record");
    }
}

#[test]
fn n1_n2_n13_a_backfill_that_is_killed_or_has_no_room_is_repaired_by_the_next_run() {
    let torture = Torture::new();
    let day = torture
        .scene()
        .query("select cast(max(\"observedOn\") as date) as day from nexthink_audit_event");
    let day = day[0]["day"].as_str().expect("a date").to_owned();
    let arguments = ["backfill", "audit", "--from", &day];
    kill_at_operations(&torture, &arguments);
    fail_at_operations(&torture, &arguments);
}

#[test]
fn n1_n2_n13_a_retention_that_is_killed_or_has_no_room_is_repaired_by_the_next_run() {
    let torture = Torture::new();
    let arguments = ["privacy", "retention"];
    kill_at_operations(&torture, &arguments);
    fail_at_operations(&torture, &arguments);
}

#[test]
fn n1_n2_n13_a_key_that_was_said_to_be_there_is_there_after_every_kill_and_failure() {
    let torture = Torture::new();
    let arguments = ["privacy", "key", "rotate"];
    let operations = torture.count(&arguments);
    let mut said: BTreeSet<String> = BTreeSet::new();
    let kinds = ["kill@", "power@", "kill-after@", "torn@", "enospc@", "eio@"];
    for (number, kind) in (1..=operations).flat_map(|number| kinds.map(|kind| (number, kind))) {
        let case = format!("{kind}{number} of {operations}");
        let ended = torture.under(&format!("{kind}{number}"), &arguments);
        if ended.exit == Some(0) {
            said.extend(ended.stdout.split_whitespace().last().map(str::to_owned));
        } else if ended.exit.is_some() {
            assert_said(&case, &ended);
        }
        let keys = keys_of(&torture);
        assert!(said.is_subset(&keys), "{case}: {said:?} were said to be there: {keys:?}");
    }
    torture.assert_repaired("after the rotations", &torture.generations());
}

/// The ids of the keys in the key file.
pub(super) fn keys_of(torture: &Torture) -> BTreeSet<String> {
    let listed = torture.place.done(&["privacy", "key", "list", "--output", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("it is JSON");
    let ids = listed.as_array().expect("a list").iter();
    ids.filter_map(|key| key["id"].as_str().map(str::to_owned)).collect()
}
