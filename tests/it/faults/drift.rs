//! Rows H: saved queries that were changed, and configurations that do not fit. H9, a column
//! that keeps its name and means something else, has no test: no column of the saved queries is a
//! number whose range could tell.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery};
use serde_json::json;

use super::case::Case;
use super::exports::{
    Export, assert_changes_nothing, assert_refused, devices, forget_downloads, text, with_devices,
};
use crate::kit::{TENANT, files};

/// The program refuses the configuration with these words, and makes no call.
fn assert_no_start(case: &Case, telling: &str) {
    let asked = case.scene().recorded().len();
    let run = case.run(2);
    assert!(run.ended.stderr.contains(telling), "{telling}: {}", run.ended.stderr);
    assert_eq!(case.scene().recorded().len(), asked, "no call was made");
}

/// Every file of the store.
fn stored(case: &Case) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = files(&case.scene().path("store"));
    // Only the owner that it names changes in the lock.
    let all = all
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|file_name| file_name != "lock"));
    all.map(|path| (path.clone(), fs::read(path).expect("a file can be read"))).collect()
}

#[test]
fn h1_a_query_that_was_changed_is_refused_or_says_what_it_lacks() {
    // A column dropped, added, renamed.
    let case = with_devices(devices().without("device.entity").csv());
    let run = assert_changes_nothing(&case);
    assert_eq!(run.step("fetch-devices")["missingColumns"], json!(["device.entity"]));
    let case = case.serving(SavedQuery::Devices, devices().renamed("device.sid", "device.x").csv());
    let run = assert_changes_nothing(&case);
    assert_eq!(run.step("fetch-devices")["unknownColumns"], 1);
    case.recovers();
    let renamed = devices().renamed("device.uid", "device.id").csv();
    let case = with_devices(renamed);
    assert_refused(&case, "the export has no column `device.uid`");
    case.recovers();
}

#[test]
fn h1_a_query_that_no_longer_names_an_end_deletes_no_relationship() {
    let without_end = Export::of(SavedQuery::Packages).without("device.uid").csv();
    let case = Case::new().serving(SavedQuery::Packages, without_end);
    let run = case.run(7);
    let step = run.step("fetch-packages");
    assert!(text(&step["reason"]).contains("names an end of relationships"), "{step}");
    case.recovers();
}

#[test]
fn h10_a_query_with_a_limit_is_partial_and_a_filter_is_named() {
    let fewer = |query| {
        let export = Export::of(query);
        Export { rows: export.rows[1..].to_vec(), ..export }
    };
    let executed = |case: Case, id: &str, text: &str| {
        case.fault(|behaviour| {
            behaviour.queries.entry(id.to_owned()).or_default().executed_query =
                Some(text.to_owned());
        })
    };
    let case = Case::new().serving(SavedQuery::Alerts, fewer(SavedQuery::Alerts).csv());
    let case =
        executed(case, "#j1_alerts", "alerts | list alert.uid | sort alert.uid asc | limit 7");
    let run = case.run(7);
    let step = run.step("fetch-alerts");
    assert_eq!(step["outcome"], "partial", "{step}");
    assert!(text(&step["reason"]).contains("has a limit"), "{step}");
    assert_eq!(step["narrowing"]["limit"], "limit 7");
    let check = case.scene().program(&["check"]);
    assert_eq!(check.exit, Some(7), "{}", check.stdout);
    assert!(
        check.stdout.contains("has `limit 7`, with which it stays partial"),
        "{}",
        check.stdout
    );
    forget_downloads(&case);
    case.recovers();

    let filter = "users | where user.name != \"canary | limit 1\" | list user.uid";
    let case = executed(Case::new(), "#j1_users", filter);
    let run = case.run(0);
    let expected = json!({ "limit": null, "filters": ["where user.name != \"…\""] });
    assert_eq!(run.step("fetch-users")["narrowing"], expected);
    let check = case.scene().program(&["check"]);
    assert_eq!(check.exit, Some(0), "{}", check.stdout);
    let named = "leaves rows out by `where user.name != \"…\"`";
    assert!(check.stdout.contains(named), "{}", check.stdout);
}

#[test]
fn h10_a_query_whose_text_is_not_shown_in_time_deletes_nothing_and_says_so() {
    let all = Export::of(SavedQuery::Alerts);
    let fewer = Export { rows: all.rows[1..].to_vec(), ..all };
    let serving = |answer: Answer| {
        let executing = Fault::new(FaultPoint::Execute, FaultAction::Answer(answer));
        let fault = Fault { query: Some("#j1_alerts".to_owned()), ..executing };
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![fault]);
        case.serving(SavedQuery::Alerts, fewer.csv())
    };
    let assert_partial = |case: &Case| {
        let run = case.run(7);
        let step = run.step("fetch-alerts");
        assert_eq!(step["outcome"], "partial", "{step}");
        assert!(text(&step["reason"]).contains("did not show the text"), "{step}");
    };
    let assert_told = |case: &Case, why: &str| {
        let run = case.run(0);
        assert_eq!(run.step("fetch-alerts")["narrowing"]["unchecked"], why);
    };
    let throttled = serving(Answer::from_status(429).with_header("Retry-After", "7200"));
    assert_partial(&throttled);
    assert_partial(&throttled);
    throttled.recovers();

    // A query with too many rows can never be run at once, so it is no reason to keep objects for ever.
    let failing = serving(Answer::from_status(503));
    assert_partial(&failing);
    assert_told(&failing, "failedAgain");
    failing.recovers();

    let refused = serving(Answer::from_status(403));
    assert_told(&refused, "hidden");
    refused.recovers();
}

#[test]
fn h1_a_limit_or_a_condition_that_was_added_shows_as_a_shrinking_estate() {
    let export = Export::of(SavedQuery::Packages);
    let limited = Export { rows: export.rows[..10].to_vec(), ..export.clone() };
    let mut filtered = export.clone();
    let uid = export.rows[0][0].clone();
    filtered.rows.retain(|row| row[0] == uid);
    for export in [limited, filtered] {
        let case = Case::new().serving(SavedQuery::Packages, export.csv());
        let run = case.run(7);
        let step = run.step("fetch-packages");
        assert_eq!(step["outcome"], "partial", "{step}");
        assert!(text(&step["reason"]).contains("--accept-shrink"), "{step}");
        forget_downloads(&case);
        case.recovers();
    }
}

#[test]
fn h2_a_query_that_was_deleted_costs_its_step_and_nothing_else() {
    let case = Case::new().fault(|behaviour| _ = behaviour.missing.insert(SavedQuery::Devices));
    assert_refused(&case, "query #j1_devices does not exist: create it in Nexthink under");
    case.recovers();
}

#[test]
fn h3_an_aggregated_query_is_refused() {
    let case = with_devices("device.operating_system.platform,number_of_devices\nWindows,12\n");
    assert_refused(&case, "the export has no column `device.uid`");
    case.recovers();
}

#[test]
fn h4_a_query_id_that_is_none_is_refused_before_anything_is_asked() {
    let long = format!("#{}", "a".repeat(256));
    let mut case = Case::new();
    for id in ["j1_devices", "#J1_devices", "#x", long.as_str(), "#a/../b"] {
        case = case.configured(|configuration| configuration.text("queries.devices", id));
        assert_no_start(&case, "`queries.devices` is wrong");
    }
    case.recovers();
}

#[test]
fn h5_a_blank_query_id_skips_its_step_and_deletes_nothing() {
    let case = Case::new().configured(|configuration| configuration.text("queries.users", ""));
    let case = case.fault(|behaviour| behaviour.tenant.users = 3);
    let run = case.run(0);
    assert_eq!(run.step("fetch-users")["outcome"], "skipped");
    assert!(run.partial_types().contains(&"nexthink_user"));
    assert_eq!(run.objects()["nexthink_user"], 10);
    case.recovers();
}

#[test]
fn h6_a_setting_that_is_unknown_wrong_or_there_twice_is_named_with_its_line() {
    let case = Case::new();
    let path = case.scene().path("nexthink-graph.toml");
    let configuration = fs::read_to_string(&path).expect("it was written");
    let line = configuration.lines().count() + 1;
    for (addition, telling) in [
        ("nexthink.tennant = \"acme\"", "did you mean `nexthink.tenant`?"),
        ("nexthink.parallel_exports = \"all\"", "`nexthink.parallel_exports` must be"),
        ("nexthink.tenant = \"acme\"", "duplicate key"),
    ] {
        case.scene().write("nexthink-graph.toml", &format!("{configuration}{addition}\n"));
        assert_no_start(&case, telling);
        assert_no_start(&case, &format!("nexthink-graph.toml:{line}:"));
    }
    case.recovers();
}

#[test]
fn h7_a_store_of_another_region_is_refused_and_another_tenant_has_its_own_folder() {
    let case = Case::new();
    let before = stored(&case);
    let case = case.configured(|configuration| configuration.text("nexthink.region", "us"));
    assert_no_start(&case, "the store holds tenant acme of region eu");
    assert!(stored(&case) == before, "nothing was touched");
    let case = case.configured(|configuration| configuration.text("nexthink.tenant", "other"));
    case.run(0);
    let after = stored(&case);
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
    let other = case.scene().path("store").join("other");
    assert!(after.keys().any(|path| path.starts_with(&other)));
    case.recovers();
}

#[test]
fn h8_a_store_of_a_newer_program_is_refused_and_left_as_it_is() {
    let case = Case::new();
    let generation = case.scene().published().id().to_string();
    let folder = case.scene().path("store").join(TENANT).join("generations").join(generation);
    let manifest = folder.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("it was published");
    let newer = text.replacen("\"format_version\": 1", "\"format_version\": 2", 1);
    assert_ne!(newer, text);
    fs::write(&manifest, newer).expect("it is ours");
    let before = stored(&case);
    for arguments in [&["run"][..], &["query", "select 1"]] {
        let ended = case.scene().program(arguments);
        assert_eq!(ended.exit, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("newer"), "{}", ended.stderr);
    }
    assert_eq!(case.scene().requests().tokens, 0, "no call was made");
    assert!(stored(&case) == before, "nothing was touched");
    fs::write(&manifest, text).expect("it is ours");
    case.recovers();
}
