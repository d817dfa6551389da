//! Erasures that are killed or whose disk fails: they show no person who is to be erased, and the next run finishes and certifies
//! them.

use std::collections::BTreeSet;
use std::fs;

use super::operations::{FAILURES, KILLS, assert_said};
use super::{Torture, long};
use crate::kit::{Ended, TENANT};

/// Reading commands that show people.
const READERS: [&[&str]; 4] = [
    &["query", "select * from nexthink_user"],
    &["query", "select * from nexthink_audit_event"],
    &["audit", "tail", "--lines", "1000"],
    &["privacy", "retrieve", "--user", "anybody@acme.example"],
];

impl Torture {
    /// The ids of the erasures that are certified.
    pub(super) fn certificates(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.scene().path("store").join(TENANT)).expect("it is there");
        let names = names.map(|entry| entry.expect("an entry").file_name());
        let id = |name: &std::ffi::OsString| {
            let name = name.to_str()?.strip_prefix("certificate-")?;
            Some(name.strip_suffix(".json")?.to_owned())
        };
        names.filter_map(|name| id(&name)).collect()
    }

    /// The ids of the erasures in force.
    pub(super) fn suppressed(&self) -> BTreeSet<String> {
        self.scene().store().erasures().expect("it can be read")
    }
}

/// Erases a user under each fault, another one each time. `check` judges how the erasure ended; the next run must
/// finish and certify it.
fn erase_under_faults(
    torture: &Torture,
    faults: &[(&str, &str)],
    check: impl Fn(&str, &Ended, bool),
) {
    let mut users = torture.users().into_iter();
    let mut next = || users.next().expect("there are more users than faults");
    let erase = |user: String| {
        ["privacy", "erase", "--user", &user, "--reason", "request", "--yes"].map(str::to_owned)
    };
    let arguments = erase(next()[0].clone());
    let operations = torture.count(&arguments.each_ref().map(String::as_str));
    for (number, (kind, lasts)) in torture.places(operations, faults) {
        let fault = format!("{kind}@{number}{lasts}");
        let case = format!("{fault} of {operations}");
        let (before, in_force) = (torture.generations(), torture.suppressed());
        let texts = next();
        let arguments = erase(texts[0].clone());
        let ended = torture.under(&fault, &arguments.each_ref().map(String::as_str));
        let has_begun = torture.suppressed() != in_force;
        check(&case, &ended, has_begun);
        if has_begun {
            assert_no_erased_person_is_shown(torture, &case, &texts);
        }
        torture.assert_repaired(&case, &before);
        let suppressed = torture.suppressed();
        assert_eq!(torture.certificates(), suppressed, "{case}");
        assert!(!has_begun || suppressed != in_force, "{case}: an erasure in force was forgotten");
        if suppressed != in_force {
            torture.place.assert_gone(&long(texts), &[]);
        }
    }
}

#[test]
fn n3_n13_an_erasure_that_is_killed_anywhere_is_finished_and_certified_by_the_next_run() {
    let kills = KILLS.map(|kind| (kind, ""));
    erase_under_faults(&Torture::new(), &kills, |case, ended, _| {
        assert!(matches!(ended.exit, None | Some(0)), "{case}: {ended:?}");
    });
}

#[test]
fn n2_n3_an_erasure_on_a_full_or_broken_disk_says_so_and_the_next_run_certifies_it() {
    erase_under_faults(&Torture::new(), &FAILURES, |case, ended, has_begun| {
        assert_said(case, ended);
        assert!(ended.exit != Some(0) || has_begun, "{case}: it was said to be done: {ended:?}");
    });
}

/// Fails if a reading command shows a person whose erasure has begun and is not finished.
fn assert_no_erased_person_is_shown(torture: &Torture, case: &str, texts: &[String]) {
    for arguments in READERS {
        let shown = torture.scene().program(arguments);
        let names = texts.iter().any(|text| text.len() > 5 && shown.stdout.contains(text.as_str()));
        assert!(!names, "{case}: {arguments:?} shows who is being erased: {}", shown.stdout);
    }
}

#[test]
fn n3_events_are_refused_until_an_erasure_is_finished_also_where_there_is_nothing_else() {
    let torture = Torture::new();
    let store = torture.scene().path("store").join(TENANT);
    let erasures = store.join("erasures.json");
    fs::write(&erasures, "[\"e-1\"]").expect("the store is ours");
    for alone in [false, true] {
        if alone {
            fs::remove_file(store.join("CURRENT")).expect("it is there");
        }
        for arguments in READERS.iter().skip(1) {
            let shown = torture.scene().program(arguments);
            assert_eq!(shown.exit, Some(5), "{arguments:?}, alone: {alone}: {}", shown.stderr);
            // What prints JSON prints an object that says why, and nothing else.
            let is_reason = shown.stdout.is_empty() || shown.stdout.starts_with("{\n  \"error\"");
            assert!(is_reason, "{arguments:?}: {}", shown.stdout);
            assert!(shown.stderr.contains("erase"), "{}", shown.stderr);
        }
    }
}
