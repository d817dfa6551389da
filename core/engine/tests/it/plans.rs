//! The plan of a run: which steps run, which are skipped and why, and which names are refused.

use core_engine::settings::Settings;
use core_engine::{FailureKind, run};
use core_model::plan::{Decision, SkipReason};

use super::support::{NOON, Tenant, step_ids};

const EVENTS: &str = "fetch-audit";

/// The decision about each step of a run, by its ID.
fn decisions(tenant: &Tenant, selected: &[&str]) -> Vec<(&'static str, Decision)> {
    let selected: Vec<String> = selected.iter().map(|&id| id.to_owned()).collect();
    let plan = run::plan(tenant.engine(), &selected).expect("the steps make a plan");
    plan.steps().iter().map(|planned| (planned.step.id, planned.decision.clone())).collect()
}

fn decision(tenant: &Tenant, selected: &[&str], id: &str) -> Decision {
    let found = decisions(tenant, selected).into_iter().find(|(step, _)| *step == id);
    found.unwrap_or_else(|| panic!("there is no step {id}")).1
}

/// The IDs of the steps that run.
fn running(tenant: &Tenant, selected: &[&str]) -> Vec<&'static str> {
    let decisions = decisions(tenant, selected).into_iter();
    let mut ids: Vec<_> =
        decisions.filter(|(_, decision)| *decision == Decision::Run).map(|(id, _)| id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn everything_that_is_configured_runs_and_events_only_with_an_audit_trail() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let mut of_generation = step_ids();
    of_generation.sort_unstable();
    assert_eq!(running(&tenant, &[]), of_generation);
    assert_eq!(
        decision(&tenant, &[], EVENTS),
        Decision::Skip(SkipReason::NoTable { table: "audit" })
    );
    let tenant = tenant.with_audit();
    assert_eq!(decision(&tenant, &[], EVENTS), Decision::Run);
}

#[tokio::test]
async fn a_step_without_a_query_is_skipped_with_the_setting_that_it_lacks() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.queries.remove("alerts");
    let expected = Decision::Skip(SkipReason::NoQueryId { config_field: "alerts" });
    assert_eq!(decision(&tenant, &[], "fetch-alerts"), expected);
    assert_eq!(decision(&tenant, &[], "fetch-devices"), Decision::Run);
}

#[tokio::test]
async fn a_named_step_runs_with_the_account_that_its_edges_need_and_nothing_else() {
    let tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    let account = step_account::STEP.id;
    let mut expected = [account, "fetch-users"];
    expected.sort_unstable();
    assert_eq!(running(&tenant, &["fetch-users"]), expected);
    for id in ["fetch-devices", EVENTS] {
        let left_out = Decision::Skip(SkipReason::NotSelected);
        assert_eq!(decision(&tenant, &["fetch-users"], id), left_out, "{id}");
    }
}

#[tokio::test]
async fn the_account_alone_is_no_generation() {
    let mut tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    let account = step_account::STEP.id;
    let nothing = Decision::Skip(SkipReason::NothingFetched);
    assert_eq!(running(&tenant, &[EVENTS]), [EVENTS]);
    assert_eq!(decision(&tenant, &[EVENTS], account), nothing);
    tenant.settings.queries.clear();
    assert_eq!(running(&tenant, &[]), [EVENTS]);
    assert_eq!(decision(&tenant, &[], account), nothing);
}

#[tokio::test]
async fn a_step_that_is_named_and_cannot_run_is_refused_with_what_it_lacks() {
    let lacks_query = |settings: &mut Settings| _ = settings.queries.remove("alerts");
    for (name, change, expected) in [
        ("fetch-alerts", lacks_query as fn(&mut Settings), "`queries.alerts` has no query ID"),
        (EVENTS, |_| (), "`[audit]` is not configured"),
    ] {
        let mut tenant = Tenant::start("acme", 1, NOON).await;
        change(&mut tenant.settings);
        let refused = run::plan(tenant.engine(), &[name.to_owned()]).expect_err("it cannot run");
        assert_eq!(refused.kind, FailureKind::Configuration);
        let words = refused.error.to_string();
        assert_eq!(words, format!("step `{name}` cannot run: {expected}"));
    }
}
