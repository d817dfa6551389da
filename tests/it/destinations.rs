//! JupiterOne as a destination: what it holds after runs of every kind, and what it never loses.

mod killed;
mod truth;

use std::collections::BTreeMap;
use std::fs;

use core_simulator::{
    JobCall, JobFault, JobFaultKind, JupiterOne, JupiterOneConfig, KeptGraph, SavedQuery,
    TenantSpec,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::kit::{Configuration, Run, Scene, is_played, write_private};

const KEY: &str = "canary-api-key-7c1d";

/// A tenant, and a JupiterOne that its generations are delivered to.
struct Delivery {
    scene: Scene,
    jupiterone: JupiterOne,
    // Behind what runs on it.
    _runtime: Runtime,
}

impl Delivery {
    fn new() -> Delivery {
        Delivery::of(TenantSpec { devices: 30, users: 25, alerts: 30, ..TenantSpec::default() })
    }

    fn of(tenant: TenantSpec) -> Delivery {
        let runtime = Runtime::new().expect("threads can be started");
        let config = JupiterOneConfig { api_key: KEY.to_owned(), ..JupiterOneConfig::default() };
        let jupiterone = runtime.block_on(JupiterOne::start(config)).expect("a port is free");
        let delivery = Delivery { scene: Scene::of(tenant), jupiterone, _runtime: runtime };
        write_private(&delivery.scene.path("key"), KEY);
        delivery.configure("true");
        delivery
    }

    fn configure(&self, after_run: &str) {
        self.configure_with(|it| it.set("destinations.jupiterone.after_run", after_run));
    }

    fn configure_with(&self, change: impl FnOnce(Configuration) -> Configuration) {
        let url = self.jupiterone.url().to_owned();
        self.scene.configure(|it| {
            change(
                it.text("destinations.jupiterone.account", "demo")
                    .text("destinations.jupiterone.url", &url)
                    .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
                    .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }"),
            )
        });
    }

    fn kept(&self) -> KeptGraph {
        self.jupiterone.graph("api", "nexthink-acme-eu")
    }

    /// How many objects of each type JupiterOne has.
    fn counts(&self) -> BTreeMap<String, u64> {
        let kept = self.kept();
        let mut counts = BTreeMap::new();
        for object in kept.entities.values().chain(kept.relationships.values()) {
            let name = object["_type"].as_str().unwrap_or("").to_owned();
            if is_played(&name) {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    }

    fn fault(&self, call: JobCall, kind: JobFaultKind) {
        let fault = JobFault { call, after: 0, times: u32::MAX, kind };
        self.jupiterone.update(|it| it.faults = vec![fault]);
    }
}

fn objects(run: &Run) -> BTreeMap<String, u64> {
    let objects = run.objects().into_iter().filter(|(_, objects)| *objects > 0);
    objects.map(|(name, objects)| (name.to_owned(), objects)).collect()
}

#[test]
fn a_run_delivers_what_it_publishes_and_nothing_if_nothing_changed() {
    let delivery = Delivery::new();
    let run = delivery.scene.run_completely();
    assert_eq!(run.report["delivery"]["result"], "delivered", "{}", run.report["delivery"]);
    assert_eq!(delivery.counts(), objects(&run));
    assert_eq!(delivery.jupiterone.jobs().len(), 1);
    let again = delivery.scene.run_completely();
    assert_eq!(again.report["delivery"]["result"], "nothing_changed");
    assert_eq!(delivery.jupiterone.jobs().len(), 1, "no job without a change");
    for printed in [&run.ended, &again.ended] {
        assert!(!printed.stdout.contains(KEY) && !printed.stderr.contains(KEY));
    }
}

#[test]
fn k1_a_key_that_is_refused_ends_the_run_before_any_export() {
    let delivery = Delivery::new();
    write_private(&delivery.scene.path("key"), "another-key");
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    assert!(delivery.scene.requests().exports.is_empty());
    assert!(!run.ended.stderr.contains("another-key"), "{}", run.ended.stderr);
}

#[test]
fn k16_a_delivery_that_fails_leaves_the_generation_and_sync_makes_up_for_it() {
    let delivery = Delivery::new();
    delivery.fault(JobCall::Relationships, JobFaultKind::JobEnded);
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("sync jupiterone` makes up"), "{}", run.ended.stderr);
    assert_eq!(run.report["delivery"]["result"], "failed");
    delivery.scene.published().verify().expect("the generation is safe");
    assert!(delivery.counts().is_empty(), "{:?}", delivery.counts());
    delivery.jupiterone.update(|it| it.faults.clear());
    let made_up = delivery.scene.program(&["sync", "jupiterone", "--output", "json"]);
    assert_eq!(made_up.exit, Some(0), "{}", made_up.stderr);
    let report: Value = serde_json::from_str(&made_up.stdout).expect("it is JSON");
    assert_eq!(report["result"], "delivered");
    assert_eq!(delivery.counts(), objects(&run));
}

#[test]
fn what_a_step_could_not_see_is_not_deleted_and_what_a_complete_one_misses_is() {
    let delivery = Delivery::new();
    let first = objects(&delivery.scene.run_completely());
    // Alerts fail and users are cut off: both keep what JupiterOne has, and all edges that touch them.
    delivery.scene.update(|it| {
        it.forbidden.insert(SavedQuery::Alerts);
        it.row_caps.insert(SavedQuery::Users, 5);
    });
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let kept = delivery.counts();
    for name in ["nexthink_alert", "nexthink_user", "nexthink_user_has_alert"] {
        assert!(kept[name] >= first[name], "{name}: {kept:?} {first:?}");
    }
    // Then they are complete again, with fewer users.
    delivery.scene.update(|it| {
        it.forbidden.clear();
        it.row_caps.clear();
        it.tenant.users = 20;
    });
    let run = delivery.scene.run_completely();
    assert_eq!(delivery.counts(), objects(&run), "complete types lose what is gone");
}

#[test]
fn a_first_delivery_deletes_nothing_that_is_there_already() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let before = delivery.kept().entities.len();
    // The store is lost, and the estate is smaller now.
    fs::remove_dir_all(delivery.scene.path("store")).expect("it is there");
    delivery.scene.update(|it| it.tenant.users = 3);
    let run = delivery.scene.run_completely();
    assert_eq!(
        run.report["delivery"]["counters"]["numEntitiesDeleted"], 0,
        "{}",
        run.report["delivery"]
    );
    assert!(delivery.kept().entities.len() >= before);
}

#[test]
fn a_dry_run_tells_what_would_change_and_asks_nobody() {
    let delivery = Delivery::new();
    delivery.configure("false");
    delivery.scene.run_completely();
    let plan = delivery.scene.program(&["sync", "jupiterone", "--dry-run", "--output", "json"]);
    assert_eq!(plan.exit, Some(0), "{}", plan.stderr);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("it is JSON");
    let devices = plan["types"]
        .as_array()
        .and_then(|it| it.iter().find(|it| it["typeName"] == "nexthink_device").cloned());
    assert_eq!(devices.expect("it is listed")["creates"], 30);
    assert!(delivery.jupiterone.requests().is_empty());
    assert_eq!(delivery.scene.program(&["sync", "jupiterone"]).exit, Some(0));
    let plan = delivery.scene.program(&["sync", "jupiterone", "--dry-run"]);
    assert!(plan.stderr.contains("nothing would change"), "{}", plan.stderr);
    delivery.configure_with(|it| it.text("destinations.jupiterone.scope", "elsewhere"));
    let refused = delivery.scene.program(&["sync", "jupiterone", "--dry-run"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--accept-destination"), "{}", refused.stderr);
}

#[test]
fn a_purge_removes_a_type_and_what_touches_it() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let purged = delivery.scene.program(&["purge", "jupiterone", "--type", "nexthink_alert"]);
    assert_eq!(purged.exit, Some(0), "{}", purged.stderr);
    let counts = delivery.counts();
    assert!(counts.keys().all(|name| !name.contains("alert")), "{counts:?}");
    assert_eq!(counts["nexthink_device"], 30);
    // A complete step brings them back; one that is skipped does not, though its objects are kept here.
    delivery.configure_with(|it| it.text("queries.alerts", ""));
    let run = delivery.scene.run_completely();
    assert!(run.objects()["nexthink_alert"] > 0);
    assert!(
        delivery.counts().keys().all(|name| !name.contains("alert")),
        "{:?}",
        delivery.counts()
    );
    delivery.configure("true");
    let run = delivery.scene.run_completely();
    assert_eq!(delivery.counts(), objects(&run));
    let unknown = delivery.scene.program(&["purge", "jupiterone", "--type", "nexthink_alarm"]);
    assert_eq!(unknown.exit, Some(2), "{}", unknown.stderr);
}

#[test]
fn k17_another_destination_has_to_be_accepted() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let url = delivery.jupiterone.url().to_owned();
    delivery.scene.configure(|it| {
        it.text("destinations.jupiterone.account", "demo")
            .text("destinations.jupiterone.url", &url)
            .text("destinations.jupiterone.scope", "elsewhere")
            .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }")
            .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
    });
    let refused = delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.stderr);
    let accepted = delivery.scene.program(&["sync", "jupiterone", "--accept-destination"]);
    assert_eq!(accepted.exit, Some(0), "{}", accepted.stderr);
    assert_eq!(
        delivery.jupiterone.graph("api", "elsewhere").entities.len(),
        delivery.kept().entities.len()
    );
}

#[test]
fn a_folder_is_written_whole_and_never_over_somebody_elses() {
    let delivery = Delivery::new();
    delivery.configure("false");
    let run = delivery.scene.run_completely();
    let export = delivery.scene.program(&["export", "jupiterone", "collected", "--output", "json"]);
    assert_eq!(export.exit, Some(0), "{}", export.stderr);
    let report: Value = serde_json::from_str(&export.stdout).expect("it is JSON");
    for (name, objects) in objects(&run) {
        assert_eq!(report["objects"][&name], objects, "{name}");
    }
    let summary = fs::read_to_string(delivery.scene.path("collected/.j1-integration/summary.json"));
    assert!(summary.is_ok_and(|it| it.contains("partialDatasets")));
    assert_eq!(delivery.scene.program(&["export", "jupiterone", "collected"]).exit, Some(0));
    fs::create_dir(delivery.scene.path("mine")).expect("a folder can be made");
    delivery.scene.write("mine/notes.txt", "precious");
    let refused = delivery.scene.program(&["export", "jupiterone", "mine"]);
    assert_eq!(refused.exit, Some(2), "{}", refused.stderr);
    assert!(delivery.scene.path("mine/notes.txt").exists());
}

#[test]
fn a_destination_that_is_wrong_is_told_with_everything_else() {
    let delivery = Delivery::new();
    let table = [
        ("destinations.jupiterone.url", "\"https://evil.example\"", "is not api."),
        ("destinations.jupiterone.source", "\"webhook\"", "must be api, integration-external"),
        (
            "destinations.jupiterone.source",
            "\"integration-managed\"",
            "integration_instance_id` is missing",
        ),
        ("destinations.jupiterone.api_key", "\"plain\"", "must not hold the secret itself"),
        (
            "destinations.jupiterone.integration_instance_id",
            "\"1\"",
            "with source api it is `scope`",
        ),
        ("destinations.jupiterone.mode", "\"CREATE_OR_UPDATE\"", "CREATE_OR_UPDATE"),
    ];
    for (name, value, expected) in table {
        delivery.scene.configure(|it| {
            it.text("destinations.jupiterone.account", "demo")
                .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
                .set(name, value)
        });
        let ended = delivery.scene.program(&["sync", "jupiterone"]);
        assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
    }
}

#[test]
fn the_page_is_printed_and_checked_in_both_forms() {
    let delivery = Delivery::new();
    for (format, heading) in [("sdk", "### Entities"), ("page", "Per-Step Breakdown")] {
        let printed = delivery.scene.program(&["docs", "--format", format]);
        assert_eq!(printed.exit, Some(0), "{}", printed.stderr);
        assert!(printed.stdout.contains(heading), "{}", printed.stdout);
        delivery.scene.write("page.md", &printed.stdout);
        let check = ["docs", "--format", format, "--check", "page.md"];
        assert_eq!(delivery.scene.program(&check).exit, Some(0), "{format}");
        delivery
            .scene
            .write("page.md", &printed.stdout.replace("nexthink_user", "nexthink_person"));
        let stale = delivery.scene.program(&check);
        assert_eq!(stale.exit, Some(2), "{format}");
        assert!(stale.stderr.contains("page.md is not what the steps say"), "{}", stale.stderr);
    }
}
