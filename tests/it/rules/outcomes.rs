//! Every outcome of a step against every state of a finding: what proves nothing opens nothing, ends nothing and is told to
//! no one, and a change of profile compares nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use core_simulator::{
    Answer, Behaviour, Fault, FaultAction, FaultPoint, Receiver, SavedQuery, TenantSpec,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{done, findings};
use crate::kit::{Configuration, Scene, TENANT, write_private};

/// Rules about packages, each with the complete generations that a finding needs to open and to end.
const RULES: [(&str, u32, u32); 3] = [("waits", 20, 20), ("stays", 1, 1), ("clears", 1, 20)];

/// A tenant with rules, and a receiver of everything that they find.
struct Estate {
    scene: Scene,
    receiver: Receiver,
    /// The packages of each complete generation, the oldest first: the model knows nothing else.
    proofs: Vec<BTreeSet<String>>,
    // Behind what runs on it.
    _runtime: Runtime,
}

impl Estate {
    fn new() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        let tenant = TenantSpec { devices: 30, users: 10, alerts: 10, ..TenantSpec::default() };
        let scene = Scene::of(tenant);
        scene.configure(exports);
        fs::create_dir(scene.path("rules")).expect("a folder can be made");
        for (id, hold, clear_after) in RULES {
            let rule = format!(
                "id = \"{id}\"\ntitle = \"{id}\"\nseverity = \"low\"\nfor = {hold}\nclear_after = {clear_after}\n\
                 query = \"select _key as key from nexthink_package\"\nidentity = [\"key\"]\nentity = \"key\"\n\
                 first_run = \"all\"\nmessage = \"{{{{ key }}}}\"\n"
            );
            scene.write(&format!("rules/{id}.toml"), &rule);
        }
        write_private(&scene.path("webhook-key"), "key");
        let channels = format!(
            "[channels.ops]\nkind = \"webhook\"\nurl = \"{}\"\nsecret = {{ file = \"webhook-key\" }}\n\
             [[routes]]\nto = [\"ops\"]\n",
            receiver.url()
        );
        scene.write("notify.toml", &channels);
        Self { scene, receiver, proofs: Vec::new(), _runtime: runtime }
    }

    /// Lets the next run call Nexthink, though the hour that Nexthink asked for is not over.
    fn forget_the_wait(&self) {
        match fs::remove_file(self.scene.path("store").join(TENANT).join("quota.json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.expect("it is ours"),
        }
    }

    fn run_completely(&mut self) {
        self.scene.run_completely();
        self.proofs.push(self.scene.keys("nexthink_package"));
    }

    /// The state of each finding.
    fn states(&self) -> BTreeMap<(String, String), String> {
        let all = ["pending", "open", "acknowledged", "clearing", "resolved"];
        let all = all.map(|state| ["--state", state]).concat();
        let rows = findings(&self.scene, &all);
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let states =
            rows.iter().map(|row| ((text(row, "rule"), text(row, "entity")), text(row, "state")));
        states.collect()
    }

    /// The state of each finding by the model: the generations that proved something, in a row from the last one.
    fn expected(&self) -> BTreeMap<(String, String), String> {
        let packages: BTreeSet<&String> = self.proofs.iter().flatten().collect();
        let mut states = BTreeMap::new();
        for (rule, hold, clear_after) in RULES {
            for package in &packages {
                let has = |proof: &&BTreeSet<String>| proof.contains(*package);
                let newest_first = || self.proofs.iter().rev();
                let held = newest_first().take_while(has).count();
                let gone = newest_first().take_while(|proof| !has(proof)).count();
                // No package comes back here.
                let was_open = self.proofs.iter().filter(has).count() >= hold as usize;
                let state = match (was_open, gone) {
                    (false, 0) if held > 0 => "pending",
                    (false, _) => continue,
                    (true, 0) => "open",
                    (true, gone) if gone < clear_after as usize => "clearing",
                    (true, _) => "resolved",
                };
                states.insert((rule.to_owned(), (*package).clone()), state.to_owned());
            }
        }
        states
    }
}

type Change = fn(&mut Behaviour);

/// Nexthink asks to wait before it starts the export of packages.
fn throttled_packages() -> Fault {
    let mut answer = Answer::from_status(429);
    answer.headers.insert("retry-after".to_owned(), "3600".to_owned());
    Fault {
        query: Some(SavedQuery::Packages.id().to_owned()),
        // The others have started by then.
        delay: Duration::from_secs(1),
        ..Fault::new(FaultPoint::Start, FaultAction::Answer(answer))
    }
}

/// Enough exports for all the runs.
fn exports(configuration: Configuration) -> Configuration {
    configuration.set("nexthink.daily_exports", "500")
}

#[test]
fn what_proves_nothing_moves_no_finding_in_any_state() {
    let mut estate = Estate::new();
    estate.run_completely();
    estate.scene.update(|behaviour| behaviour.tenant.retired_packages = 2);
    estate.run_completely();
    let before = estate.states();
    assert_eq!(before, estate.expected());
    let all: BTreeSet<&str> = before.values().map(String::as_str).collect();
    assert_eq!(all, BTreeSet::from(["pending", "open", "clearing", "resolved"]));
    let heard = estate.receiver.requests().len();

    let no_query = "the step is skipped, for it has no query";
    let not_asked = "the step is not asked for";
    let deferred = "deferred";
    let table: [(&str, i32, Change); 8] = [
        ("failed", 7, |behaviour| {
            _ = behaviour.failing.insert(SavedQuery::Packages, "ERROR".to_owned());
        }),
        ("forbidden", 7, |behaviour| _ = behaviour.forbidden.insert(SavedQuery::Packages)),
        ("missing", 7, |behaviour| _ = behaviour.missing.insert(SavedQuery::Packages)),
        ("truncated", 7, |behaviour| _ = behaviour.row_caps.insert(SavedQuery::Packages, 100)),
        ("shrunken", 7, |behaviour| behaviour.tenant.retired_packages = 100),
        (deferred, 7, |behaviour| behaviour.faults = vec![throttled_packages()]),
        (no_query, 0, |_| {}),
        (not_asked, 0, |_| {}),
    ];
    for (outcome, exit, change) in table {
        estate.scene.update(|behaviour| {
            // More packages would be gone, if this were believed.
            behaviour.tenant.retired_packages = 4;
            change(behaviour);
        });
        if outcome == no_query {
            estate
                .scene
                .configure(|configuration| exports(configuration).text("queries.packages", ""));
        }
        let arguments: &[&str] =
            if outcome == not_asked { &["--step", "fetch-users"] } else { &[] };
        for _ in 0..2 {
            if outcome == deferred {
                estate.forget_the_wait();
            }
            let run = estate.scene.run(arguments);
            assert_eq!(run.ended.exit, Some(exit), "{outcome}: {}", run.ended.stderr);
            let rules = run.report["rules"]["rules"].as_array().expect("a list");
            assert!(rules.iter().all(|rule| rule["result"] == "unknown"), "{outcome}: {rules:?}");
            assert_eq!(estate.states(), before, "{outcome}");
        }
        assert_eq!(estate.receiver.requests().len(), heard, "{outcome}");
        if outcome == deferred {
            estate.forget_the_wait();
        }
        // What is mended proves the same as before.
        estate.scene.update(|behaviour| {
            let tenant = TenantSpec { retired_packages: 2, ..behaviour.tenant.clone() };
            *behaviour = Behaviour { tenant, ..Behaviour::default() };
        });
        estate.scene.configure(exports);
        estate.run_completely();
        assert_eq!(estate.states(), estate.expected(), "{outcome}");
    }
    assert_eq!(estate.receiver.requests().len(), heard);

    assert_another_profile_clears_nothing(&estate, &before);
}

/// Another profile shows people in another way: everything closes, nothing is cleared, and no one hears of an end.
fn assert_another_profile_clears_nothing(
    estate: &Estate,
    before: &BTreeMap<(String, String), String>,
) {
    let heard = estate.receiver.requests().len();
    estate
        .scene
        .configure(|configuration| exports(configuration).text("privacy.profile", "pseudonymous"));
    done(&estate.scene, &["privacy", "key", "new"]);
    estate.scene.run_completely();
    let closed = findings(&estate.scene, &["--state", "resolved"]);
    let reasons: BTreeSet<&str> =
        closed.iter().filter_map(|finding| finding["reason"].as_str()).collect();
    assert_eq!(reasons, BTreeSet::from(["cleared", "privacy-changed"]));
    let cleared = closed.iter().filter(|finding| finding["reason"] == "cleared").count();
    assert_eq!(cleared, before.values().filter(|state| *state == "resolved").count());
    for request in &estate.receiver.requests()[heard..] {
        let text = String::from_utf8_lossy(&request.body);
        assert!(!text.contains("\"resolved\"") && !text.contains("\"closed\""), "{text}");
    }
}
