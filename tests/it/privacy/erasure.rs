//! Erasure from outside: nothing is left of a person, in no file and at no destination, whatever is done
//! afterwards; and a person who asks is shown everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aho_corasick::AhoCorasick;
use core_simulator::{JupiterOne, JupiterOneConfig, KeptGraph, SavedQuery, TenantSpec};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::faults::canaries::forms;
use crate::faults::exports::Export;
use crate::kit::{Configuration, Ended, Scene, TENANT, files, ndjson, write_private};

/// A tenant with a key, and a JupiterOne that each run delivers to.
pub(crate) struct Place {
    pub(crate) scene: Scene,
    pub(crate) jupiterone: JupiterOne,
    // Behind what runs on it.
    _runtime: Runtime,
}

impl Place {
    pub(crate) fn new(profile: &str) -> Place {
        Place::with(profile, |_, configuration| configuration)
    }

    /// The same with other settings.
    pub(crate) fn with(
        profile: &str,
        change: impl FnOnce(&Scene, Configuration) -> Configuration,
    ) -> Place {
        let runtime = Runtime::new().expect("threads can be started");
        let config = JupiterOneConfig { api_key: "key".to_owned(), ..JupiterOneConfig::default() };
        let jupiterone = runtime.block_on(JupiterOne::start(config)).expect("a port is free");
        let tenant = TenantSpec { devices: 12, users: 10, alerts: 30, ..TenantSpec::default() };
        let scene = Scene::of(tenant);
        write_private(&scene.path("key"), "key");
        scene.configure(|configuration| {
            change(&scene, configuration)
                .text("privacy.profile", profile)
                .text("destinations.jupiterone.account", "demo")
                .text("destinations.jupiterone.url", jupiterone.url())
                .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
                .set("destinations.jupiterone.after_run", "true")
                .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }")
        });
        let place = Place { scene, jupiterone, _runtime: runtime };
        place.done(&["privacy", "key", "new"]);
        place
    }

    /// Does something that must succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.scene.program(arguments);
        assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
        ended
    }

    /// The objects at JupiterOne.
    pub(crate) fn kept(&self) -> KeptGraph {
        self.jupiterone.graph("api", "nexthink-acme-eu")
    }

    fn erase(&self, flag: &str, text: &str) -> Ended {
        self.done(&["privacy", "erase", flag, text, "--reason", "request", "--yes"])
    }

    /// The identifiers and names of a user who has alerts, as a tenant without a profile shows them.
    fn a_person() -> Person {
        let full =
            Scene::of(TenantSpec { devices: 12, users: 10, alerts: 30, ..TenantSpec::default() });
        full.run_completely();
        let rows = full.query(
            "select u.id uid, u.upn upn, u.username login, u.sid sid, u.\"displayName\" name, \
             count(*) n from nexthink_user u join nexthink_alert a on a.\"userUid\" = u.id \
             where u.upn is not null group by 1, 2, 3, 4, 5 order by n desc, 2",
        );
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("").to_owned();
        let texts = |row: &Value| {
            let texts = ["uid", "upn", "login", "sid", "name"].map(|name| text(row, name));
            texts.into_iter().filter(|text| text.len() > 5).collect()
        };
        let alerts = rows[0]["n"].as_u64().expect("a number");
        Person {
            upn: text(&rows[0], "upn"),
            texts: texts(&rows[0]),
            others: texts(&rows[1]),
            alerts,
        }
    }

    /// Looks for texts in what was printed, in every file, in every table and at JupiterOne.
    pub(crate) fn assert_gone(&self, texts: &BTreeSet<String>, printed: &[&Ended]) {
        let needles: Vec<Vec<u8>> = texts.iter().flat_map(|text| forms(text)).collect();
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(&needles);
        let automaton = automaton.expect("there are few forms");
        let look = |name: &str, text: &[u8]| {
            let found = automaton.find(text);
            let found =
                found.map(|place| String::from_utf8_lossy(&text[place.start()..place.end()]));
            assert_eq!(found, None, "in {name}");
        };
        for ended in printed {
            look("stdout", ended.stdout.as_bytes());
            look("stderr", ended.stderr.as_bytes());
        }
        for entry in self.scene.store().history().expect("it can be listed") {
            let generation = self.scene.store().generation(&entry.id).expect("it is cleansed");
            for table in &generation.manifest().tables {
                for batch in generation.batches(table.kind, &table.name).expect("it is there") {
                    // Every cell, those of dictionaries that no row uses included.
                    let batch = batch.expect("it can be read");
                    look(&table.name, format!("{:?}", batch.columns()).as_bytes());
                    look(&table.name, &ndjson(&batch));
                }
            }
        }
        for path in files(self.scene.folder()) {
            look(&path.display().to_string(), &fs::read(&path).expect("it can be read"));
        }
        let kept = self.kept();
        for (key, object) in kept.entities.iter().chain(&kept.relationships) {
            look("a key at JupiterOne", key.as_bytes());
            look("JupiterOne", object.to_string().as_bytes());
        }
    }
}

struct Person {
    upn: String,
    texts: BTreeSet<String>,
    /// Returns the identifiers of another user.
    others: BTreeSet<String>,
    alerts: u64,
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it is ours");
    for entry in fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

/// The identifiers of a person in a store of pseudonyms.
fn pseudonyms(place: &Place, upn: &str) -> BTreeSet<String> {
    let shown = place.done(&[
        "privacy",
        "erase",
        "--user",
        upn,
        "--reason",
        "x",
        "--dry-run",
        "-o",
        "json",
    ]);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("it is JSON");
    let texts = shown["identifiers"].as_array().expect("a list").iter();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn nothing_is_left_of_a_person_after_runs_a_restore_and_a_rotation() {
    for profile in ["full", "pseudonymous"] {
        let place = Place::new(profile);
        place.scene.run_completely();
        place.scene.run_completely();
        let person = Place::a_person();
        let mut texts = pseudonyms(&place, &person.upn);
        assert!(texts.len() > 2, "{profile}: the person is known by several: {}", texts.len());
        texts.extend(person.texts.clone());
        let backup = tempfile::tempdir().expect("a folder can be made");
        let store = place.scene.path("store").join(TENANT);
        copy(&store, &backup.path().join("store"));

        let users = place.scene.keys("nexthink_user").len();
        let erased = place.erase("--user", &person.upn);
        assert_eq!(place.scene.keys("nexthink_user").len(), users - 1);
        let mut printed = vec![erased];
        for _ in 0..5 {
            let run = place.scene.run_completely();
            let rows = &run.step("fetch-users")["rows"];
            let count = |name: &str| rows[name].as_u64().expect("a number");
            assert_eq!(count("suppressed"), 1, "{rows}");
            assert_eq!(
                count("read"),
                count("used") + count("merged") + count("quarantined") + count("suppressed")
            );
            printed.push(run.ended);
        }
        place.assert_gone(&texts, &printed.iter().collect::<Vec<_>>());
        assert_eq!(place.jupiterone.jobs().len(), 2, "one before and one for the erasure");

        // The store of before the erasure is put back whole.
        fs::remove_dir_all(&store).expect("it is ours");
        copy(&backup.path().join("store"), &store);
        let refused = place.scene.program(&["query", "select 1"]);
        assert_eq!(refused.exit, Some(5), "{}", refused.stderr);
        assert!(refused.stderr.contains("suppression apply"), "{}", refused.stderr);
        let run = place.scene.run_completely();
        place.done(&["privacy", "key", "rotate"]);
        let rotated = place.scene.run_completely();
        place.assert_gone(&texts, &[&run.ended, &rotated.ended]);
    }
}

#[test]
fn a_store_that_was_put_back_is_delivered_to_no_destination() {
    let place = Place::with("full", |_, configuration| {
        configuration
            .text("destinations.delta.folder", "lake")
            .set("destinations.delta.after_run", "false")
    });
    place.scene.run_completely();
    let backup = tempfile::tempdir().expect("a folder can be made");
    let store = place.scene.path("store").join(TENANT);
    copy(&store, &backup.path().join("store"));
    place.erase("--user", &Place::a_person().upn);
    fs::remove_dir_all(&store).expect("it is ours");
    copy(&backup.path().join("store"), &store);
    let jobs = place.jupiterone.jobs().len();
    for arguments in [["sync", "jupiterone"], ["sync", "delta"]] {
        let refused = place.scene.program(&arguments);
        assert_eq!(refused.exit, Some(5), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("suppression apply"), "{}", refused.stderr);
    }
    assert_eq!(place.jupiterone.jobs().len(), jobs);
    assert!(!place.scene.path("lake").exists());
}

#[test]
fn a_person_goes_at_jupiterone_although_the_step_is_not_complete() {
    let place = Place::new("full");
    place.scene.run_completely();
    place.scene.run_completely();
    // A second delivery, with all types complete.
    place.done(&["sync", "jupiterone", "--full"]);
    let person = Place::a_person();
    place.scene.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    place.erase("--user", &person.upn);
    let run = place.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    assert!(run.partial_types().contains(&"nexthink_user"));
    let kept = place.kept();
    let users = kept.entities.values().filter(|entity| entity["_type"] == "nexthink_user");
    assert_eq!(users.count(), place.scene.keys("nexthink_user").len());
    fs::remove_dir_all(place.scene.path("store").join(TENANT).join("staging")).expect("it is ours");
    place.assert_gone(&person.texts, &[&run.ended]);
}

#[test]
fn an_erasure_is_shown_asked_for_listed_and_lifted() {
    let place = Place::new("full");
    place.scene.run_completely();
    let person = Place::a_person();
    let before = place.scene.keys("nexthink_user");
    let asked = place.scene.program(&["privacy", "erase", "--user", &person.upn, "--reason", "x"]);
    assert_eq!(asked.exit, Some(2), "{}", asked.stderr);
    let named =
        place.scene.program(&["privacy", "erase", "--user", "x", "--reason", "Jane Doe", "--yes"]);
    assert_eq!(named.exit, Some(2), "{}", named.stderr);
    assert_eq!(place.scene.keys("nexthink_user"), before);
    place.erase("--user", &person.upn);
    let list = place.done(&["privacy", "suppression", "list", "--output", "json"]);
    let list: Vec<Value> = serde_json::from_str(&list.stdout).expect("it is JSON");
    let id = list[0]["erasure"].as_str().expect("a text").to_owned();
    let csv = place.done(&["privacy", "suppression", "list", "--output", "csv"]).stdout;
    assert!(csv.starts_with("erasure,identifiers,") && csv.contains(&id), "{csv}");
    let certificate = place.scene.path("store").join(TENANT).join(format!("certificate-{id}.json"));
    let certificate: Value =
        serde_json::from_slice(&fs::read(certificate).expect("there is one")).expect("it is JSON");
    assert!(certificate["rowsRemoved"].as_u64() > Some(person.alerts), "{certificate}");
    assert!(certificate["filesScanned"].as_u64() > Some(10), "{certificate}");
    place.done(&["privacy", "suppression", "lift", &id, "--reason", "mistake"]);
    place.scene.run_completely();
    assert_eq!(place.scene.keys("nexthink_user"), before);
    let events = place.done(&["privacy", "ledger", "list"]).stdout;
    assert!(events.contains("erasure") && events.contains("suppression_lifted"), "{events}");
}

#[test]
fn a_namesake_is_no_trace_of_an_erased_person() {
    let scene = Scene::of(TenantSpec { devices: 10, users: 300, ..TenantSpec::default() });
    assert_eq!(scene.program(&["privacy", "key", "new"]).exit, Some(0));
    scene.run_completely();
    let rows = scene.query(
        "select upn from nexthink_user where upn is not null and \"displayName\" in \
         (select \"displayName\" from nexthink_user group by 1 having count(*) > 1) order by 1",
    );
    let upn = rows[0]["upn"].as_str().expect("there are namesakes");
    let ended = scene.program(&["privacy", "erase", "--user", upn, "--reason", "x", "--yes"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    // A domain that many have is no identifier that was left out.
    assert!(!ended.stderr.contains("those of others"), "{}", ended.stderr);
    // Without a destination, no other command removes what was exported.
    assert!(ended.stderr.contains("by hand") && ended.stderr.contains("nexthink_user:"));
    assert_eq!(scene.query("select count(*) n from nexthink_user")[0]["n"], 299);
}

#[test]
fn a_device_goes_with_its_edges_and_alerts() {
    let place = Place::new("full");
    place.scene.run_completely();
    let devices = place.scene.query("select id, _key k from nexthink_device order by 1");
    let (id, key) = (devices[0]["id"].as_str(), devices[0]["k"].as_str());
    let (id, key) = (id.expect("a text"), key.expect("a text"));
    place.erase("--device", id);
    assert!(!place.scene.keys("nexthink_device").contains(key));
    for (table, column) in [
        ("nexthink_device_installed_package", "_fromEntityKey"),
        ("nexthink_account_has_device", "_toEntityKey"),
        ("nexthink_device_has_alert", "_fromEntityKey"),
    ] {
        let sql = format!("select count(*) n from {table} where \"{column}\" = '{key}'");
        assert_eq!(place.scene.query(&sql)[0]["n"], 0, "{table}");
    }
    let run = place.scene.run_completely();
    assert!(run.step("fetch-packages")["rows"]["suppressed"].as_u64() > Some(0));
}

#[test]
fn a_retrieval_has_every_fact_of_the_person_and_none_of_others() {
    let place = Place::new("full");
    place.scene.run_completely();
    let person = Place::a_person();
    let answer = place.done(&["privacy", "retrieve", "--user", &person.upn]);
    let json: Value = serde_json::from_str(&answer.stdout).expect("it is JSON");
    let user = &json["entities"]["nexthink_user"];
    assert_eq!(user.as_array().map(Vec::len), Some(1));
    let stored =
        place.scene.query(&format!("select * from nexthink_user where upn = '{}'", person.upn));
    let stored = stored[0].as_object().expect("a row");
    for (name, value) in stored.iter().filter(|(name, _)| !name.starts_with('_')) {
        assert_eq!(&user[0][name], value, "{name}");
    }
    let alerts = json["entities"]["nexthink_alert"].as_array().expect("there are alerts");
    assert_eq!(alerts.len() as u64, person.alerts);
    let facts = stored.values().filter(|value| !value.is_null()).count()
        + alerts
            .iter()
            .flat_map(|alert| alert.as_object().into_iter().flatten())
            .filter(|(_, value)| !value.is_null())
            .count();
    assert!(facts >= 40, "{facts} facts");
    assert_eq!(
        json["relationships"]["nexthink_user_has_alert"].as_array().map(Vec::len),
        Some(alerts.len())
    );
    assert_eq!(json["history"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["deliveries"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["retention"]["generationsDays"], 90);
    let page = place.done(&["privacy", "retrieve", "--user", &person.upn, "--output", "html"]);
    assert!(page.stdout.starts_with("<!doctype html>") && page.stdout.contains(&person.upn));
    for text in &person.others {
        assert!(!answer.stdout.contains(text) && !page.stdout.contains(text), "the neighbour");
    }
    let events = place.done(&["privacy", "ledger", "list", "--event", "retrieval"]).stdout;
    assert_eq!(events.matches("kind=user").count(), 2, "{events}");
}

#[test]
fn an_erasure_is_nothing_that_the_shrink_guard_minds() {
    // This profile keeps no UPN to find a person by, so the run is the first to remove the person.
    let place = Place::new("minimal");
    let users = Export::of(SavedQuery::Users);
    let [uid, upn] = ["user.uid", "user.upn"].map(|column| users.position(column));
    let person = users.rows.iter().find(|row| !row[upn].is_empty()).expect("a user has one");
    let mut alerts = Export::of(SavedQuery::Alerts);
    let model = alerts.rows[0].clone();
    for number in 0..60 {
        alerts.rows.push(model.clone());
        let last = alerts.rows.len() - 1;
        *alerts.cell(last, "alert.uid") = format!("alert-{number}");
        person[uid].clone_into(alerts.cell(last, "user.uid"));
    }
    for (query, export) in [(SavedQuery::Users, users.clone()), (SavedQuery::Alerts, alerts)] {
        export.serve(&place.scene, query);
    }
    place.scene.run_completely();
    let erased = place.erase("--user", &person[upn]);
    assert!(erased.stdout.contains(" 0 entities"), "{}", erased.stdout);
    let run = place.scene.run_completely();
    assert!(run.step("fetch-alerts")["rows"]["suppressed"].as_u64() >= Some(60));
    let left = "select count(*) n from nexthink_alert where id like 'alert-%'";
    assert_eq!(place.scene.query(left)[0]["n"], 0);
}
