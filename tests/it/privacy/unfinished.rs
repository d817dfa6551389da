//! Erasures that cannot be finished at once: interrupted ones beside a damaged generation, and those after
//! which something is found. Every command says so, names the way out, and that way works in every order.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
#[cfg(unix)]
use std::time::{Duration, Instant};

use core_simulator::SavedQuery;
use serde_json::Value;

use super::erasure::Place;
use crate::faults::exports::Export;
use crate::kit::{Ended, TENANT};

/// A tenant of which two generations are published, with an erasure that was killed and a generation in
/// which a bit has changed since.
struct Interrupted {
    place: Place,
    /// The generation that is damaged, and the other one.
    damaged: String,
    whole: String,
    /// The person whose erasure was interrupted, and another one.
    erased: String,
    other: String,
}

impl Interrupted {
    /// Kills the erasure after it has put the first file of this name in its place.
    fn after(path: &str, is_published_damaged: bool) -> Self {
        let place = Place::new("full");
        place.scene.run_completely();
        let mut damaged = place.scene.published().id().to_string();
        place.scene.update(|behaviour| behaviour.tenant.alerts += 1);
        place.scene.run_completely();
        let mut whole = place.scene.published().id().to_string();
        if is_published_damaged {
            std::mem::swap(&mut damaged, &mut whole);
        }
        let users = place.scene.query("select upn from nexthink_user where upn is not null");
        let mut users = users.iter().map(|row| row["upn"].as_str().expect("a text").to_owned());
        let [first, second, erased, other] =
            [(); 4].map(|()| users.next().expect("there are ten users"));
        // The second erasure does what the third one does, which is killed; the first one makes the lists.
        place.done(&erase(&first, &[]));
        let operations = place.scene.operations_of(&erase(&second, &[]));
        let is_place = |line: &String| line.starts_with("Rename") && line.ends_with(path);
        let place_before = operations.iter().position(is_place);
        let place_before = place_before.unwrap_or_else(|| panic!("no {path}: {operations:#?}"));
        // Counted from 1, and the third erasure looks for one certificate more.
        let number = place_before + 2;
        let fault = format!("kill-after@{number}");
        let ended = place.scene.program_with_fault(&erase(&erased, &[]), &fault);
        assert_eq!(ended.exit, None, "{ended:?}");
        let interrupted = Self { place, damaged, whole, erased, other };
        let table = interrupted.generation().join("entities/nexthink_user");
        let table = fs::read_dir(table).expect("it is there").next().expect("a file");
        let table = table.expect("it can be listed").path();
        let mut bytes = fs::read(&table).expect("it can be read");
        bytes[40] ^= 1;
        fs::write(&table, bytes).expect("the store is ours");
        interrupted
    }

    fn store(&self) -> PathBuf {
        self.place.scene.path("store").join(TENANT)
    }

    fn generation(&self) -> PathBuf {
        self.store().join("generations").join(&self.damaged)
    }

    /// Runs a command that must end so, and must say which generation is damaged and what removes it.
    fn told(&self, arguments: &[&str], exit: i32) -> Ended {
        let ended = self.place.scene.program(arguments);
        assert_eq!(ended.exit, Some(exit), "{arguments:?}: {}", ended.stderr);
        for text in [self.damaged.as_str(), "--remove-damaged"] {
            assert!(ended.stderr.contains(text), "{arguments:?}: {text}: {}", ended.stderr);
        }
        assert!(self.generation().exists(), "{arguments:?}");
        ended
    }

    /// The erasures in force that have no certificate.
    fn uncertified(&self) -> BTreeSet<String> {
        let ids = self.place.scene.store().erasures().expect("it can be read");
        let is_certified =
            |id: &String| self.store().join(format!("certificate-{id}.json")).exists();
        ids.into_iter().filter(|id| !is_certified(id)).collect()
    }

    /// Fails unless nothing is left to do.
    fn assert_finished(&self) {
        assert!(!self.generation().exists());
        assert_eq!(self.uncertified(), BTreeSet::new());
        self.place.scene.run_completely();
        self.place.assert_gone(&BTreeSet::from([self.erased.clone()]), &[]);
    }
}

fn erase<'a>(user: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let erase = ["privacy", "erase", "--user", user, "--reason", "request", "--yes"];
    [&erase[..], more].concat()
}

const APPLY: &[&str] = &["privacy", "suppression", "apply"];

#[test]
fn m8_a_damaged_generation_keeps_an_interrupted_erasure_open_until_it_is_removed() {
    let scene = Interrupted::after("erasures.json", false);
    let retrieved = scene.place.scene.program(&["privacy", "retrieve", "--user", &scene.other]);
    assert_eq!(retrieved.exit, Some(5), "{}", retrieved.stderr);

    scene.told(&["run"], 5);
    let report = scene.told(&["run", "--output", "json"], 5).stdout;
    let report: Value = serde_json::from_str(&report).expect("it is JSON");
    assert_eq!(report["exitCode"], 5);
    assert!(
        report["unfinishedErasures"][0].as_str().is_some_and(|text| text.contains(&scene.damaged))
    );
    scene.told(APPLY, 5);
    assert_eq!(scene.uncertified().len(), 1);
    // The others are whole and can be asked; the damaged one stays closed.
    assert_eq!(scene.place.scene.query("select count(*) n from nexthink_user")[0]["n"], 7);
    let query = ["query", "--as-of", &scene.damaged, "select upn from nexthink_user"];
    let closed = scene.place.scene.program(&query);
    assert_eq!(closed.exit, Some(5), "{}", closed.stderr);
    assert!(closed.stderr.contains("privacy suppression apply"), "{}", closed.stderr);
    let verified = scene.place.scene.program(&["store", "verify"]);
    assert!(verified.stdout.contains("has another content"), "{}", verified.stdout);

    let removed = scene.place.done(&[APPLY, &["--remove-damaged"]].concat());
    assert!(removed.stderr.contains(&scene.damaged), "{}", removed.stderr);
    let certificates = fs::read_dir(scene.store()).expect("it is there").filter_map(|entry| {
        let path = entry.expect("it can be listed").path();
        let is_one = path.file_name()?.to_str()?.starts_with("certificate-");
        is_one.then(|| fs::read_to_string(path).expect("it can be read"))
    });
    let last = certificates.max().expect("there are two");
    assert!(last.contains("wasInterrupted") && last.contains(&scene.damaged), "{last}");
    scene.assert_finished();
}

#[test]
fn m8_any_erasure_removes_the_damage_and_finishes_the_interrupted_one() {
    for is_same in [true, false] {
        let scene = Interrupted::after("manifest.json", false);
        let user = if is_same { &scene.erased } else { &scene.other };
        scene.told(&erase(user, &[]), 5);
        assert_eq!(scene.uncertified().len(), 1);
        scene.place.done(&erase(user, &["--remove-damaged"]));
        scene.assert_finished();
    }
}

#[test]
fn m9_what_is_left_after_an_interrupted_erasure_is_told_by_every_run_until_it_is_gone() {
    let place = Place::new("full");
    place.scene.run_completely();
    let users = place.scene.query("select upn from nexthink_user where upn is not null limit 1");
    let user = users[0]["upn"].as_str().expect("a text").to_owned();
    place.done(&erase(&user, &[]));
    let store = place.scene.path("store").join(TENANT);
    let id = place.scene.store().erasures().expect("it can be read").pop_first().expect("one");
    let certificate = store.join(format!("certificate-{id}.json"));
    let uncertified = store.join(format!("uncertified-{id}.json"));
    // As if it had been killed at its end; a file of another program names the person in its midst.
    fs::remove_file(&certificate).expect("the store is ours");
    let left = store.join("logs/run.log");
    fs::create_dir_all(left.parent().expect("a folder")).expect("the store is ours");
    let filler = "a line of a log\n".repeat(200_000);
    fs::write(&left, format!("{filler}mail for {user} was sent\n{filler}")).expect("it is ours");
    for _ in 0..2 {
        let run = place.scene.program(&["run"]);
        assert_eq!(run.exit, Some(5), "{}", run.stderr);
        for text in [id.as_str(), "logs/run.log", "not certified"] {
            assert!(run.stderr.contains(text), "{text}: {}", run.stderr);
        }
        assert!(!run.stderr.contains(&user) && uncertified.exists() && !certificate.exists());
    }
    let ledger = place.done(&["privacy", "ledger", "list", "--output", "ndjson"]).stdout;
    let ended = ledger.lines().rfind(|line| line.contains("run_ended")).expect("a run has ended");
    assert!(ended.contains("\"exitCode\":5"), "{ended}");

    fs::write(&left, filler).expect("it is ours");
    place.scene.run_completely();
    assert!(certificate.exists() && !uncertified.exists());
    let certificate = fs::read_to_string(certificate).expect("it can be read");
    assert!(certificate.contains("wasInterrupted"), "{certificate}");
}

#[test]
fn m9_a_device_with_the_name_of_an_erased_person_is_found_without_the_name_too() {
    let place = Place::new("full");
    place.scene.run_completely();
    let users = place.scene.query("select upn from nexthink_user where upn is not null limit 1");
    let user = users[0]["upn"].as_str().expect("a text").to_owned();
    let mut devices = Export::of(SavedQuery::Devices);
    devices.cell(0, "device.name").clone_from(&user);
    devices.serve(&place.scene, SavedQuery::Devices);
    place.scene.run_completely();
    let refused = place.scene.program(&erase(&user, &[]));
    assert_eq!(refused.exit, Some(5), "{}", refused.stderr);
    // The next run does not know the name, and must not certify what the erasure could not.
    let run = place.scene.program(&["run"]);
    assert_eq!(run.exit, Some(5), "{}", run.stderr);
    assert!(run.stderr.contains("nexthink_device"), "{}", run.stderr);
}

#[test]
fn m8_an_interrupted_erasure_beside_damage_can_be_lifted() {
    let scene = Interrupted::after("erasures.json", false);
    let listed = scene.place.done(&["privacy", "suppression", "list", "--output", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("it is JSON");
    let last = listed.as_array().and_then(|list| list.last()).expect("there are two");
    let id = last["erasure"].as_str().expect("an id");
    scene.told(&["privacy", "suppression", "lift", id, "--reason", "mistake"], 0);
    assert_eq!(scene.uncertified(), BTreeSet::new());
    scene.place.scene.run_completely();
    let users = scene.place.scene.query("select upn from nexthink_user");
    assert!(users.iter().any(|row| row["upn"] == scene.erased.as_str()), "it is read again");
}

#[test]
fn m8_a_damaged_published_generation_is_no_dead_end_for_an_erasure() {
    let scene = Interrupted::after("erasures.json", true);
    for arguments in [&["run"][..], APPLY, &erase(&scene.other, &["--remove-damaged"])] {
        let refused = scene.told(arguments, 5);
        assert!(refused.stderr.contains("CURRENT"), "{}", refused.stderr);
    }
    // What the message says.
    let current = format!("{}\n", scene.whole);
    fs::write(scene.store().join("CURRENT"), current).expect("the store is ours");
    scene.place.done(&[APPLY, &["--remove-damaged"]].concat());
    scene.assert_finished();
}

/// A signal stops an erasure before it begins, in the middle or at its end: it says which, and the next run does the
/// rest. Each outcome by itself is tested in the engine, by a request at a known moment.
#[cfg(unix)]
#[test]
fn an_erasure_ends_within_two_seconds_of_a_signal_and_the_next_run_finishes_it() {
    let place = Place::new("full");
    place.scene.run_completely();
    let users = place.scene.query("select upn from nexthink_user where upn is not null limit 6");
    let users: Vec<&str> = users.iter().map(|row| row["upn"].as_str().expect("a text")).collect();
    for (user, wait_ms) in users.iter().zip([5, 60, 120, 200, 300, 500]) {
        let running = place.scene.start(&erase(user, &[]));
        std::thread::sleep(Duration::from_millis(wait_ms));
        let signalled = Instant::now();
        running.signal("TERM");
        let ended = running.wait();
        assert!(signalled.elapsed() < Duration::from_secs(2), "{:?}", signalled.elapsed());
        let is_unfinished =
            ended.stderr.contains("the next run finishes it before it reads anything");
        match ended.exit {
            Some(0) => {}
            // The system ends a program that does not listen yet.
            None => assert_eq!(ended.stderr, ""),
            Some(143) => assert!(
                is_unfinished || ended.stderr.contains("error: stopped by a signal"),
                "{}",
                ended.stderr
            ),
            Some(_) => panic!("{ended:?}"),
        }
        place.scene.run_completely();
        let left =
            place.scene.query(&format!("select upn from nexthink_user where upn = '{user}'"));
        assert!(left.is_empty() || !(is_unfinished || ended.exit == Some(0)), "{user}: {ended:?}");
    }
}
