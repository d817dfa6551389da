//! JupiterOne as a destination: what it holds after runs of every kind, and what it never loses.

mod bulk;
mod events;
mod extras;
mod folder;
mod held;
mod killed;
mod simulated;
mod truth;
mod valid;

use std::collections::BTreeMap;
use std::fs;

use core_simulator::{
    JobCall, JobFault, JobFaultKind, JupiterOne, JupiterOneConfig, KeptGraph, SavedQuery,
    TenantSpec,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::kit::{Configuration, Run, Scene, write_private};

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
        self.configure_with(|configuration| {
            configuration.set("destinations.jupiterone.after_run", after_run)
        });
    }

    fn configure_with(&self, change: impl FnOnce(Configuration) -> Configuration) {
        let url = self.jupiterone.url().to_owned();
        self.scene.configure(|configuration| {
            change(
                configuration
                    .text("destinations.jupiterone.account", "demo")
                    .text("destinations.jupiterone.url", &url)
                    .set("destinations.jupiterone.api_key", "{ file = \"key\" }")
                    .set("destinations.jupiterone.polling", "{ first_ms = 10, longest_ms = 100 }"),
            )
        });
    }

    fn kept(&self) -> KeptGraph {
        self.jupiterone.graph("api", "nexthink-acme-eu")
    }

    /// Returns the number of objects of each type that JupiterOne has.
    fn counts(&self) -> BTreeMap<String, u64> {
        let kept = self.kept();
        let mut counts = BTreeMap::new();
        for object in kept.entities.values().chain(kept.relationships.values()) {
            let name = object["_type"].as_str().unwrap_or("").to_owned();
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    fn fault(&self, call: JobCall, kind: JobFaultKind) {
        let fault = JobFault { call, after: 0, times: u32::MAX, kind };
        self.jupiterone.update(|behaviour| behaviour.faults = vec![fault]);
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
    assert!(run.ended.stderr.contains("sync jupiterone` delivers it"), "{}", run.ended.stderr);
    assert_eq!(run.report["delivery"]["result"], "failed");
    delivery.scene.published().verify().expect("the generation is safe");
    assert!(delivery.counts().is_empty(), "{:?}", delivery.counts());
    delivery.jupiterone.update(|behaviour| behaviour.faults.clear());
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
    delivery.scene.update(|behaviour| {
        behaviour.forbidden.insert(SavedQuery::Alerts);
        behaviour.row_caps.insert(SavedQuery::Users, 5);
    });
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(7), "{}", run.ended.stderr);
    let kept = delivery.counts();
    for name in ["nexthink_alert", "nexthink_user", "nexthink_user_has_alert"] {
        assert!(kept[name] >= first[name], "{name}: {kept:?} {first:?}");
    }
    // Then they are complete again, with fewer users.
    delivery.scene.update(|behaviour| {
        behaviour.forbidden.clear();
        behaviour.row_caps.clear();
        behaviour.tenant.users = 20;
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
    delivery.scene.update(|behaviour| behaviour.tenant.users = 3);
    let run = delivery.scene.run_completely();
    assert_eq!(
        run.report["delivery"]["counters"]["numEntitiesDeleted"], 0,
        "{}",
        run.report["delivery"]
    );
    assert!(delivery.kept().entities.len() >= before);
}

#[test]
fn a_dry_run_shows_the_changes_and_makes_no_call() {
    let delivery = Delivery::new();
    delivery.configure("false");
    delivery.scene.run_completely();
    let plan = delivery.scene.program(&["sync", "jupiterone", "--dry-run", "--output", "json"]);
    assert_eq!(plan.exit, Some(0), "{}", plan.stderr);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("it is JSON");
    let devices = plan["types"].as_array().and_then(|items| {
        items.iter().find(|entry| entry["typeName"] == "nexthink_device").cloned()
    });
    assert_eq!(devices.expect("it is listed")["creates"], 30);
    assert!(delivery.jupiterone.requests().is_empty());
    assert_eq!(delivery.scene.program(&["sync", "jupiterone"]).exit, Some(0));
    let plan = delivery.scene.program(&["sync", "jupiterone", "--dry-run"]);
    assert!(plan.stderr.contains("nothing would change"), "{}", plan.stderr);
    delivery.configure_with(|configuration| {
        configuration.text("destinations.jupiterone.scope", "elsewhere")
    });
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
    delivery.configure_with(|configuration| configuration.text("queries.alerts", ""));
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
    delivery.scene.configure(|configuration| {
        configuration
            .text("destinations.jupiterone.account", "demo")
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
fn a_folder_is_written_whole_and_never_over_another_programs() {
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
    assert!(summary.is_ok_and(|summary| summary.contains("partialDatasets")));
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
        delivery.scene.configure(|configuration| {
            configuration
                .text("destinations.jupiterone.account", "demo")
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
        assert!(
            stale.stderr.contains("page.md differs from the generated page"),
            "{}",
            stale.stderr
        );
    }
}

#[test]
fn a_full_delivery_mends_a_destination_that_was_emptied_by_hand() {
    let delivery = Delivery::new();
    let run = delivery.scene.run_completely();
    delivery.jupiterone.clear();
    let unchanged = delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(unchanged.exit, Some(0), "{}", unchanged.stderr);
    assert!(unchanged.stderr.contains("nothing changed"), "{}", unchanged.stderr);
    let plan = delivery.scene.program(&["sync", "jupiterone", "--full", "--dry-run"]);
    assert!(plan.stderr.contains("there would be a job: it was asked for"), "{}", plan.stderr);
    assert!(delivery.counts().is_empty());
    let full = delivery.scene.program(&["sync", "jupiterone", "--full"]);
    assert_eq!(full.exit, Some(0), "{}", full.stderr);
    assert_eq!(delivery.counts(), objects(&run));
}

#[test]
fn k16_a_run_that_publishes_nothing_makes_up_for_an_earlier_delivery() {
    let delivery = Delivery::new();
    delivery.fault(JobCall::Entities, JobFaultKind::JobEnded);
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    delivery.jupiterone.update(|behaviour| behaviour.faults.clear());
    let published = delivery.scene.published().id().clone();
    delivery.scene.update(|behaviour| behaviour.forbidden.extend(SavedQuery::ALL));
    let idle = delivery.scene.run(&[]);
    assert_eq!(idle.ended.exit, Some(2), "{}", idle.ended.stderr);
    assert_eq!(delivery.scene.published().id(), &published);
    assert_eq!(idle.report["delivery"]["result"], "delivered", "{}", idle.report);
    assert_eq!(delivery.counts(), objects(&run));
}

#[test]
fn a_check_says_whether_jupiterone_can_be_delivered_to_and_how_to_mend_it() {
    let delivery = Delivery::new();
    let checked = || {
        let ended = delivery.scene.program(&["check", "--json"]);
        let checks: Value = serde_json::from_str(&ended.stdout).expect("it is JSON");
        let checks = checks.as_array().cloned().unwrap_or_default();
        let of = |name: &str| {
            let check =
                checks.iter().find(|check| check["name"] == name).cloned().unwrap_or_default();
            let text = |member: &str| check[member].as_str().unwrap_or("").to_owned();
            (text("state"), text("detail"))
        };
        (ended.exit, of("JupiterOne account"), of("JupiterOne"))
    };
    let (exit, account, reached) = checked();
    assert_eq!(exit, Some(0));
    let expected = "account demo, source api, scope nexthink-acme-eu";
    assert_eq!(account, ("ok".to_owned(), expected.to_owned()));
    assert_eq!(reached.0, "ok", "{}", reached.1);
    assert!(delivery.jupiterone.jobs().is_empty(), "a check creates no job");

    write_private(&delivery.scene.path("key"), "another-key");
    let (exit, _, reached) = checked();
    assert_eq!((exit, reached.0.as_str()), (Some(6), "failed"));
    assert!(reached.1.contains("check the API key") && !reached.1.contains("another-key"));
    write_private(&delivery.scene.path("key"), KEY);
    delivery.configure_with(|configuration| {
        configuration.text("destinations.jupiterone.url", "http://127.0.0.1:9")
    });
    let (exit, _, reached) = checked();
    assert_eq!((exit, reached.0.as_str()), (Some(6), "failed"));
    assert!(reached.1.contains("destinations.jupiterone.url"), "{}", reached.1);

    delivery.configure("true");
    delivery.scene.run_completely();
    delivery.configure_with(|configuration| {
        configuration.text("destinations.jupiterone.scope", "elsewhere")
    });
    let (exit, account, _) = checked();
    assert_eq!((exit, account.0.as_str()), (Some(2), "failed"));
    assert!(account.1.contains("--accept-destination"), "{}", account.1);
}

#[test]
fn k9_another_active_job_defers_a_delivery_with_exit_code_75() {
    let delivery = Delivery::new();
    delivery.configure("false");
    let run = delivery.scene.run_completely();
    delivery.fault(JobCall::Create, JobFaultKind::Status(409));
    let deferred = delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(deferred.exit, Some(75), "{}", deferred.stderr);
    delivery.jupiterone.update(|behaviour| behaviour.faults.clear());
    assert_eq!(delivery.scene.program(&["sync", "jupiterone"]).exit, Some(0));
    assert_eq!(delivery.counts(), objects(&run));
}

#[test]
fn k10_a_refused_object_is_told_with_the_id_of_its_upload_and_its_type_loses_nothing() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let kept = delivery.kept();
    let mut devices =
        kept.entities.iter().filter(|(_, entity)| entity["_type"] == "nexthink_device");
    let refused = devices.next().expect("there are devices").0.clone();
    delivery.jupiterone.update(|behaviour| behaviour.refused_keys = [refused.clone()].into());
    let before = delivery.counts();
    let sync = ["sync", "jupiterone", "--full", "--output", "json"];
    let lossy = delivery.scene.program(&sync);
    assert_eq!(lossy.exit, Some(6), "{}", lossy.stderr);
    let report: Value = serde_json::from_str(&lossy.stdout).expect("it is JSON");
    let loss = &report["uploads"]["losses"]["nexthink_device"];
    assert_eq!((&loss["refused"], &loss["sampleKey"]), (&1.into(), &Value::from(refused)));
    let upload = loss["correlationId"].as_str().expect("it is told");
    let requests = delivery.jupiterone.requests();
    assert!(requests.iter().any(|request| request.correlation_id.as_deref() == Some(upload)));
    assert!(lossy.stderr.contains(&format!("(upload {upload})")), "{}", lossy.stderr);
    assert_eq!(delivery.counts(), before, "the device that was refused is there still");
}

#[test]
fn a_delivery_prints_one_json_object_whether_it_succeeds_or_fails() {
    let delivery = Delivery::new();
    delivery.configure("false");
    let sync = ["sync", "jupiterone", "--output", "json"];
    let object = |arguments: &[&str]| -> (Option<i32>, Value) {
        let ended = delivery.scene.program(arguments);
        (ended.exit, serde_json::from_str(&ended.stdout).expect(&ended.stderr))
    };
    let (exit, nothing) = object(&sync);
    assert_eq!((exit, &nothing["result"]), (Some(2), &"failed".into()), "{nothing}");
    delivery.scene.run_completely();
    delivery.fault(JobCall::Entities, JobFaultKind::WebPage(403));
    let (exit, failed) = object(&sync);
    assert_eq!((exit, &failed["exitCode"]), (Some(6), &6.into()), "{failed}");
    assert!(failed["reason"].as_str().is_some_and(|text| text.contains("a web page")), "{failed}");
    let (_, preview) = object(&["sync", "jupiterone", "--dry-run", "--output", "json"]);
    assert!(preview["unresolvedJob"].is_string() && preview["job"] == true, "{preview}");
    delivery.jupiterone.update(|behaviour| behaviour.faults.clear());
    let (exit, delivered) = object(&sync);
    assert_eq!((exit, &delivered["exitCode"]), (Some(0), &0.into()), "{delivered}");
    assert!(delivered["reason"].is_string() && delivered["changes"].is_array(), "{delivered}");
    let (exit, unchanged) = object(&sync);
    assert_eq!((exit, &unchanged["result"]), (Some(0), &"nothing_changed".into()), "{unchanged}");
}

#[test]
fn what_jupiterone_is_asked_is_heard_in_the_log() {
    let delivery = Delivery::new();
    delivery.configure("false");
    delivery.scene.run_completely();
    let ended = delivery.scene.program(&["sync", "jupiterone", "-vv"]);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("synchronization job created"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(KEY), "{}", ended.stderr);
}

#[test]
fn k13_a_job_that_fails_after_it_was_finalized_is_told_and_made_up_for() {
    let delivery = Delivery::new();
    delivery.jupiterone.update(|behaviour| behaviour.ends_as = "ERROR_BAD_DATA");
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("ERROR_BAD_DATA"), "{}", run.ended.stderr);
    assert!(delivery.counts().is_empty());
    delivery.jupiterone.update(|behaviour| behaviour.ends_as = "FINISHED");
    assert_eq!(delivery.scene.program(&["sync", "jupiterone"]).exit, Some(0));
    assert_eq!(delivery.counts(), objects(&run));
}
