//! The rules for what a run may remove, carry over, pay for and build on, in process.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray as _;
use core_engine::privacy::policy;
use core_engine::run::report::{RunReport, StepOutcome};
use core_engine::run::{self, RunOptions, RunState};
use core_engine::{Ending, FailureKind};
use core_privacy::profile::Profile;
use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery, TenantSpec};
use core_store::TableKind;

use super::erasures::{erase, make_keys};
use super::support::{NOON, Tenant, rows};

const DEVICES: &str = "nexthink_device";
const USERS: &str = "nexthink_user";
const PACKAGES: &str = "nexthink_package";
const INSTALLED: &str = "nexthink_device_installed_package";

fn outcome(report: &RunReport, id: &str) -> Option<StepOutcome> {
    report.steps.iter().find(|step| step.id == id).map(|step| step.outcome)
}

fn published_rows(tenant: &Tenant, name: &str) -> u64 {
    rows(&tenant.published().expect("it is published"), name)
}

/// A tenant that has run once with 30 devices.
async fn tenant() -> Tenant {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    tenant
}

fn with_devices(tenant: &Tenant, devices: u32) {
    tenant.simulator.update(|behaviour| {
        behaviour.tenant = TenantSpec { devices, ..behaviour.tenant.clone() };
    });
}

#[tokio::test]
async fn every_outcome_but_complete_carries_the_objects_over() {
    for (case, expected) in [
        ("truncated", StepOutcome::Partial),
        ("failing", StepOutcome::Failed),
        ("missing", StepOutcome::Failed),
        ("forbidden", StepOutcome::Failed),
    ] {
        let tenant = tenant().await;
        let before = published_rows(&tenant, DEVICES);
        with_devices(&tenant, 20);
        tenant.simulator.update(|behaviour| match case {
            "truncated" => _ = behaviour.row_caps.insert(SavedQuery::Devices, 5),
            "failing" => {
                _ = behaviour.failing.insert(SavedQuery::Devices, "out of memory".to_owned());
            }
            "missing" => _ = behaviour.missing.insert(SavedQuery::Devices),
            _ => _ = behaviour.forbidden.insert(SavedQuery::Devices),
        });
        let Ok(finished) = tenant.run().await else {
            assert_eq!(case, "forbidden", "a query that is refused may be refused for all");
            continue;
        };
        assert_eq!(outcome(&finished.report, "fetch-devices"), Some(expected), "{case}");
        assert_eq!(published_rows(&tenant, DEVICES), before, "{case}");
        assert!(finished.report.partial_datasets.contains(&DEVICES.to_owned()), "{case}");
    }
}

#[tokio::test]
async fn a_complete_step_removes_what_is_gone_with_its_edges() {
    let tenant = tenant().await;
    with_devices(&tenant, 25);
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    assert_eq!(published_rows(&tenant, DEVICES), tenant.simulator.counts().devices);
    assert_eq!(published_rows(&tenant, INSTALLED), tenant.simulator.counts().installations);
}

#[tokio::test]
async fn an_edge_stays_while_either_of_its_ends_may_not_lose_objects() {
    let tenant = tenant().await;
    let before = edges(&tenant);
    with_devices(&tenant, 28);
    tenant.simulator.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Devices));
    let finished = tenant.run().await.expect("the other steps run");
    assert_eq!(outcome(&finished.report, "fetch-packages"), Some(StepOutcome::Complete));
    assert!(finished.report.partial_datasets.contains(&INSTALLED.to_owned()));
    assert!(!finished.report.partial_datasets.contains(&PACKAGES.to_owned()));

    // An edge to a package that is proven to be gone goes with it; every other one stays.
    let packages = texts(&tenant, TableKind::Entity, PACKAGES, "_key");
    let packages: BTreeSet<String> = packages.into_iter().collect();
    let expected = before.into_iter().filter(|(_, package)| packages.contains(package));
    let now = edges(&tenant);
    assert_eq!(now, expected.collect::<BTreeSet<_>>());
    assert!(now.len() as u64 > tenant.simulator.counts().installations, "some were carried over");
}

/// The edges between devices and packages, each as the keys of its ends.
fn edges(tenant: &Tenant) -> BTreeSet<(String, String)> {
    let [from, to] = ["_fromEntityKey", "_toEntityKey"]
        .map(|column| texts(tenant, TableKind::Relationship, INSTALLED, column));
    from.into_iter().zip(to).collect()
}

/// The values of a column of text, row by row.
fn texts(tenant: &Tenant, kind: TableKind, name: &str, column: &str) -> Vec<String> {
    let generation = tenant.published().expect("it is published");
    let mut texts = Vec::new();
    for batch in generation.batches(kind, name).expect("the table is there") {
        let batch = batch.expect("it can be read");
        let cells = batch.column_by_name(column).expect("the column is there");
        match cells.as_any_dictionary_opt() {
            Some(coded) => {
                let values = coded.values().as_string::<i32>();
                let positions = coded.normalized_keys().into_iter();
                texts.extend(positions.map(|position| values.value(position).to_owned()));
            }
            None => texts.extend(cells.as_string::<i32>().iter().flatten().map(str::to_owned)),
        }
    }
    texts
}

#[tokio::test]
async fn losing_twenty_objects_is_no_shrink_and_losing_more_of_few_is() {
    let mut cases = [0; 2];
    for kept in [66, 61, 60, 59, 54] {
        let tenant = Tenant::start("acme", 1, NOON).await;
        with_devices(&tenant, 80);
        tenant.run().await.expect("it runs");
        let before = published_rows(&tenant, DEVICES);
        with_devices(&tenant, kept);
        let is_refused = before - tenant.simulator.counts().devices > 20;
        cases[usize::from(is_refused)] += 1;
        let finished = tenant.run().await.expect("it runs");
        let expected = if is_refused { StepOutcome::Partial } else { StepOutcome::Complete };
        assert_eq!(outcome(&finished.report, "fetch-devices"), Some(expected), "{kept}");
        let reason = finished.report.shortfalls().join("\n");
        assert_eq!(reason.contains("--accept-shrink nexthink_device"), is_refused, "{reason}");
    }
    assert!(cases.iter().all(|cases| *cases > 0), "both answers are tried: {cases:?}");
}

#[tokio::test]
async fn losing_more_than_twenty_objects_of_many_is_no_shrink() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    with_devices(&tenant, 400);
    tenant.run().await.expect("it runs");
    let before = published_rows(&tenant, DEVICES);
    with_devices(&tenant, 370);
    let lost = before - tenant.simulator.counts().devices;
    assert!(lost > 20 && lost * 100 < before * 15, "{lost} of {before} are lost");
    let finished = tenant.run().await.expect("it runs");
    let devices = outcome(&finished.report, "fetch-devices");
    assert_eq!(devices, Some(StepOutcome::Complete), "{:?}", finished.report.shortfalls());
    assert_eq!(published_rows(&tenant, DEVICES), before - lost);
}

#[tokio::test]
async fn a_step_that_shrank_is_paid_for_once() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    with_devices(&tenant, 80);
    tenant.run().await.expect("it runs");
    with_devices(&tenant, 20);
    let shrunk = tenant.run().await.expect("it runs");
    // Fewer devices have fewer packages. The rows of the other steps were used.
    assert_eq!(shrunk.report.held, ["fetch-devices", "fetch-packages"]);
    let state = RunState::read(&tenant.published().expect("it is published"));
    assert!(state.steps.iter().any(|step| step.outcome == StepOutcome::Partial));
    let accept = ["nexthink_device", "nexthink_account_has_device"].map(str::to_owned).to_vec();
    let options = RunOptions { accept_shrink: accept, ..RunOptions::default() };
    let accepted = tenant.run_with(&options).await.expect("it runs");
    let devices = accepted.report.steps.iter().find(|step| step.id == "fetch-devices");
    assert_eq!(devices.map(|step| step.exports), Some(0), "the same rows are used");
}

#[tokio::test]
async fn a_first_run_without_a_step_has_nothing_to_carry_over() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Devices));
    let finished = tenant.run().await.expect("the other steps run");
    assert_eq!(finished.ending, Ending::Partial);
    assert_eq!(published_rows(&tenant, DEVICES), 0);
    assert_eq!(published_rows(&tenant, INSTALLED), 0, "an edge goes with its end");
}

#[tokio::test]
async fn another_privacy_profile_replaces_everything_or_nothing() {
    let mut tenant = tenant().await;
    let first = tenant.published().expect("it is published").id().clone();
    make_keys(&tenant);
    tenant.settings.privacy.policy = policy(Profile::Pseudonymous, &[]).expect("no overrides");
    tenant.simulator.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    let Err(refused) = tenant.run().await else { panic!("users would be shown in two ways") };
    assert_eq!(refused.kind, FailureKind::DataRefused);
    assert_eq!(tenant.published().expect("it is published").id(), &first);

    tenant.simulator.update(|behaviour| behaviour.missing.clear());
    let finished = tenant.run().await.expect("every step is complete");
    assert_eq!(finished.ending, Ending::Complete);
    let mark = tenant.published().and_then(|generation| generation.manifest().privacy.clone());
    assert_eq!(mark.map(|mark| mark.profile), Some("pseudonymous".to_owned()));
}

#[tokio::test]
async fn a_shrink_is_seen_when_another_profile_has_changed_all_keys() {
    for (devices, is_refused) in [(20, true), (75, false)] {
        let mut tenant = Tenant::start("acme", 1, NOON).await;
        with_devices(&tenant, 80);
        tenant.run().await.expect("it runs");
        let first = tenant.published().expect("it is published").id().clone();
        make_keys(&tenant);
        tenant.settings.privacy.policy = policy(Profile::Pseudonymous, &[]).expect("no overrides");
        with_devices(&tenant, devices);
        match tenant.run().await {
            Ok(finished) => {
                assert!(!is_refused, "{devices}: {:?}", finished.report.shortfalls());
                assert_eq!(finished.ending, Ending::Complete, "{devices}");
            }
            Err(refused) => {
                assert!(is_refused, "{devices}: {:#}", refused.error);
                assert_eq!(refused.kind, FailureKind::DataRefused);
                assert_eq!(tenant.published().expect("it is published").id(), &first);
            }
        }
    }
}

#[tokio::test]
async fn a_step_that_is_left_out_keeps_a_change_of_the_profile_from_publishing() {
    let mut tenant = tenant().await;
    make_keys(&tenant);
    tenant.settings.privacy.policy = policy(Profile::Pseudonymous, &[]).expect("no overrides");
    let options = RunOptions { steps: vec!["fetch-devices".to_owned()], ..RunOptions::default() };
    let Err(refused) = tenant.run_with(&options).await else {
        panic!("users would stay as they are")
    };
    assert_eq!(refused.kind, FailureKind::Configuration);
    assert!(refused.error.to_string().contains("run all steps at once"), "{}", refused.error);
}

#[tokio::test]
async fn a_throttled_tenant_is_asked_for_no_export_until_the_wait_is_over() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| behaviour.daily_export_limit = Some(1));
    let finished = tenant.run().await.expect("one export starts");
    assert_eq!(finished.ending, Ending::Partial);
    assert!(finished.report.not_before.is_some());
    let started = |tenant: &Tenant| tenant.simulator.requests().exports.values().sum::<u64>();
    let before = started(&tenant);
    let Err(deferred) = tenant.run().await else { panic!("Nexthink has asked to wait") };
    assert_eq!(deferred.kind, FailureKind::Deferred);
    assert_eq!(started(&tenant), before, "no export was requested");
}

#[tokio::test]
async fn a_throttled_status_is_a_wait_for_the_next_run_too() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let plan = run::plan(tenant.engine(), &[]).expect("the steps make a plan");
    let not_before = || {
        let cost = run::cost(&plan, tenant.engine(), None).expect("the store can be read");
        cost.not_before()
    };
    assert!(not_before().is_none());
    // The exports are paid for.
    let answer = Answer::from_status(429).with_header("Retry-After", "50460");
    let fault = Fault::new(FaultPoint::Status, FaultAction::Answer(answer));
    tenant.simulator.update(|behaviour| behaviour.faults = vec![fault]);
    let finished = tenant.run().await.expect("nothing is fetched");
    assert_eq!(finished.ending, Ending::Failed(FailureKind::Deferred));
    assert!(finished.report.not_before.is_some());
    assert!(not_before().is_some());
}

#[tokio::test]
async fn rows_of_erased_people_that_are_exported_still_excuse_no_shrink() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    make_keys(&tenant);
    let with_users = |users| {
        tenant.simulator.update(|behaviour| {
            behaviour.tenant = TenantSpec { users, ..behaviour.tenant.clone() };
        });
    };
    with_users(200);
    tenant.run().await.expect("it runs");
    // Among them are administrators of several machines, whose names are alike.
    for _ in 0..30 {
        erase(&tenant);
    }
    tenant.run().await.expect("it runs");
    assert_eq!(published_rows(&tenant, USERS), 170);
    with_users(160);
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(outcome(&finished.report, "fetch-users"), Some(StepOutcome::Partial));
    let reason = finished.report.shortfalls().join("\n");
    assert!(reason.contains("--accept-shrink nexthink_user"), "{reason}");
    assert_eq!(published_rows(&tenant, USERS), 170);
}

#[tokio::test]
async fn the_same_tenant_makes_the_same_tables() {
    let tenant = tenant().await;
    let checksums = || {
        let generation = tenant.published().expect("it is published");
        let tables = generation.manifest().tables.clone();
        tables.into_iter().map(|table| (table.name, table.files)).collect::<Vec<_>>()
    };
    let first = checksums();
    tenant.run().await.expect("it runs");
    assert_eq!(checksums(), first);
}

#[tokio::test]
async fn the_number_of_processors_changes_no_byte_of_a_table() {
    let mut made = Vec::new();
    for processors in [1, 2, 8] {
        let mut tenant = Tenant::start("acme", 1, NOON).await;
        tenant.host.processors = processors;
        tenant.run().await.expect("it runs");
        let tables = tenant.published().expect("it is published").manifest().tables.clone();
        made.push(tables.into_iter().map(|table| (table.name, table.files)).collect::<Vec<_>>());
    }
    assert_eq!(made[0], made[1]);
    assert_eq!(made[0], made[2]);
}

#[tokio::test]
async fn every_row_is_accounted_for() {
    let tenant = tenant().await;
    let finished = tenant.run().await.expect("it runs");
    for step in &finished.report.steps {
        let rows = &step.rows;
        assert_eq!(
            rows.read,
            rows.used + rows.merged + rows.quarantined + rows.suppressed,
            "{}",
            step.id
        );
    }
}
