//! Erasures that are killed: they show nobody who is to be erased, and the next run finishes and certifies
//! them.

use std::collections::BTreeSet;
use std::fs;

use super::Torture;
use super::operations::KILLS;
use crate::kit::TENANT;

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

#[test]
fn n3_n13_an_erasure_that_is_killed_anywhere_is_finished_and_certified_by_the_next_run() {
    let torture = Torture::new();
    let mut users = torture.users().into_iter();
    let mut erase = |torture: &Torture, fault: Option<String>| {
        let texts = users.next().expect("there are more users than faults");
        let arguments = ["privacy", "erase", "--user", &texts[0], "--reason", "request", "--yes"];
        let Some(fault) = fault else { return (torture.count(&arguments), texts) };
        let ended = torture.under(&fault, &arguments);
        assert!(matches!(ended.exit, None | Some(0)), "{fault}: {ended:?}");
        (0, texts)
    };
    let (operations, _) = erase(&torture, None);
    for (number, kind) in torture.places(operations, &KILLS) {
        let case = format!("{kind}@{number} of {operations}");
        let (before, in_force) = (torture.generations(), torture.suppressed());
        let (_, texts) = erase(&torture, Some(format!("{kind}@{number}")));
        let has_begun = torture.suppressed() != in_force;
        if has_begun {
            assert_nobody_is_shown(&torture, &case, &texts);
        }
        torture.assert_repaired(&case, &before);
        let suppressed = torture.suppressed();
        assert_eq!(torture.certificates(), suppressed, "{case}");
        assert!(!has_begun || suppressed != in_force, "{case}: an erasure in force was forgotten");
        if suppressed != in_force {
            let texts: BTreeSet<String> = texts.into_iter().filter(|text| text.len() > 5).collect();
            torture.place.assert_gone(&texts, &[]);
        }
    }
}

/// Fails if a reading command shows somebody whose erasure has begun and is not finished.
fn assert_nobody_is_shown(torture: &Torture, case: &str, texts: &[String]) {
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
