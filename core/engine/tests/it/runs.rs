//! Runs that publish: alone, side by side, one after the other.

use std::time::Duration;

use core_engine::ledger::runs;
use core_engine::run::report::StepOutcome;
use core_engine::run::{RunOptions, RunState};
use core_engine::{Cancellation, Ending, Moment, Progress, run};
use core_http::RetryPolicy;
use core_simulator::{SavedQuery, TenantSpec};
use core_store::Outcome;
use serde_json::Value;

use super::support::{NOON, Tenant, recorder, rows, step_ids};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_run_side_by_side_in_one_process() {
    // Ahead of the simulated tenants' clocks, since a generation is dated by the later of both.
    let late = Moment(4_102_444_800_000);
    let one = Tenant::start("acme", 1, late).await;
    let other = Tenant::start("globex", 2, Moment(late.0 + 3_600_000)).await;
    one.simulator.update(|behaviour| behaviour.tenant.devices = 40);
    let (first, second) = tokio::join!(one.run(), other.run());
    for (tenant, finished, created) in [
        (&one, first.expect("it runs"), "2100-01-01T00:00:00Z"),
        (&other, second.expect("it runs"), "2100-01-01T01:00:00Z"),
    ] {
        assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
        let generation = tenant.published().expect("it is published");
        let counts = tenant.simulator.counts();
        assert_eq!(finished.generation.as_ref(), Some(generation.id()));
        assert_eq!(generation.manifest().created_at, created, "each has its own clock");
        assert_eq!(rows(&generation, "nexthink_device"), counts.devices);
        assert_eq!(rows(&generation, "nexthink_user"), counts.users);
        let name = tenant.settings.tenant.as_str();
        assert_eq!(finished.report.tenant, name);
        let ledger = tenant.ledger();
        assert_eq!(ledger.len(), 2, "a beginning and an end");
        assert!(ledger.iter().all(|entry| entry.record.who == format!("the operator of {name}")));
    }
    let devices =
        |tenant: &Tenant| rows(&tenant.published().expect("published"), "nexthink_device");
    assert_ne!(devices(&one), devices(&other));
}

#[tokio::test]
async fn the_host_says_which_code_reports_and_ledger_name() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.report.exit_code, 50);
    let ledger = tenant.ledger();
    assert_eq!(ledger.last().map(|entry| entry.record.facts["exitCode"].clone()), Some(50.into()));
}

#[tokio::test]
async fn the_stream_of_events_has_each_step_once_and_the_publication_last() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let (progress, events) = recorder();
    let secret = tenant.settings.read_client_secret().expect("it is known");
    let (options, cancellation) = (RunOptions::default(), Cancellation::default());
    let running = run::run(tenant.engine(), Some(secret), &options, &progress, &cancellation);
    running.await.expect("it runs");
    let events = events.lock().expect("no test panics with it").clone();
    assert_eq!(events.last().map(String::as_str), Some("publishing"));
    for id in step_ids() {
        let of_step: Vec<_> = events.iter().filter(|event| event.contains(id)).collect();
        assert_eq!(of_step, [&format!("applying {id}"), &format!("applied {id} complete")]);
    }
}

#[tokio::test]
async fn what_the_next_run_needs_is_a_file_of_its_own() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let generation = tenant.published().expect("it is published");
    let text = generation.attachment("state.json").expect("it can be read").expect("it is there");
    let state: RunState = serde_json::from_slice(&text).expect("it is a state");
    assert_eq!(state, RunState::read(&generation));
    let ids: Vec<_> = state.steps.iter().map(|step| step.id.as_str()).collect();
    for id in step_ids() {
        assert!(ids.contains(&id), "{id} of {ids:?}");
    }
    assert!(state.steps.iter().all(|step| step.outcome == StepOutcome::Complete));
}

#[tokio::test]
async fn the_next_run_knows_how_long_each_query_takes_and_asks_about_it_later() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let known = || {
        let generation = tenant.published().expect("it is published");
        let state = generation.attachment("state.json").expect("it can be read");
        let state: Value = serde_json::from_slice(&state.expect("it is there")).expect("JSON");
        state["preparedMs"].as_object().expect("it is a table").clone()
    };
    tenant.run().await.expect("it runs");
    let all = known();
    assert_eq!(all.len(), 4, "{all:?}");

    // A step takes longer than before; the others are left out and still known.
    tenant.simulator.update(|behaviour| behaviour.preparation = Duration::from_secs(2));
    let users = RunOptions { steps: vec!["fetch-users".to_owned()], ..RunOptions::default() };
    let polls = async || {
        let before = tenant.simulator.requests().polls;
        tenant.run_with(&users).await.expect("it runs");
        tenant.simulator.requests().polls - before
    };
    let first = polls().await;
    let kept = known();
    // The time counts from the answer to the start, which may come late.
    assert!(kept["#j1_users"].as_u64().is_some_and(|ms| ms > 1_000), "{kept:?}");
    assert_eq!(kept["#j1_devices"], all["#j1_devices"]);
    let second = polls().await;
    assert!(second < first, "{second} questions after {first}");
}

#[tokio::test]
async fn a_query_that_is_missing_makes_the_run_partial_and_its_types_too() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| _ = behaviour.missing.insert(SavedQuery::Users));
    let finished = tenant.run().await.expect("the other steps run");
    assert_eq!(finished.ending, Ending::Partial);
    assert_eq!(finished.report.exit_code, 51);
    let generation = tenant.published().expect("it is published");
    let outcome = |id: &str| {
        let state = RunState::read(&generation);
        state.steps.into_iter().find(|step| step.id == id).map(|step| step.outcome)
    };
    assert_eq!(outcome("fetch-users"), Some(StepOutcome::Failed));
    assert_eq!(outcome("fetch-devices"), Some(StepOutcome::Complete));
    assert!(finished.report.partial_datasets.contains(&"nexthink_user".to_owned()));
    assert!(!finished.report.partial_datasets.contains(&"nexthink_device".to_owned()));
}

#[tokio::test]
async fn a_type_that_shrinks_too_much_stays_until_that_is_accepted_once() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.simulator.update(|behaviour| behaviour.tenant.devices = 80);
    tenant.run().await.expect("it runs");
    let before = rows(&tenant.published().expect("published"), "nexthink_device");
    tenant.simulator.update(|behaviour| behaviour.tenant.devices = 20);
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.ending, Ending::Partial);
    assert_eq!(rows(&tenant.published().expect("published"), "nexthink_device"), before);

    let accept = |types: &[&str]| RunOptions {
        accept_shrink: types.iter().map(|name| (*name).to_owned()).collect(),
        ..RunOptions::default()
    };
    let both = ["nexthink_device", "nexthink_account_has_device"];
    for other in [&both[..1], &["nexthink_user"]] {
        let finished = tenant.run_with(&accept(other)).await.expect("it runs");
        assert_eq!(finished.ending, Ending::Partial, "{other:?} alone is not what shrank");
    }
    tenant.run_with(&accept(&both)).await.expect("it runs");
    let after = rows(&tenant.published().expect("published"), "nexthink_device");
    assert_eq!(after, tenant.simulator.counts().devices);
    assert!(after < before);
}

#[tokio::test]
async fn a_step_that_is_not_asked_for_carries_its_types_over() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let users = rows(&tenant.published().expect("published"), "nexthink_user");
    tenant
        .simulator
        .update(|behaviour| behaviour.tenant = TenantSpec { users: 1, ..behaviour.tenant.clone() });
    let options = RunOptions { steps: vec!["fetch-devices".to_owned()], ..RunOptions::default() };
    let finished = tenant.run_with(&options).await.expect("it runs");
    assert_eq!(rows(&tenant.published().expect("published"), "nexthink_user"), users);
    assert_eq!(finished.report.steps.iter().map(|step| step.exports).sum::<u32>(), 1);
}

#[tokio::test]
async fn a_generation_of_some_steps_alone_is_partial_unless_they_are_all_that_are_configured() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let whole = tenant.published().expect("published").id().clone();
    let newest = || {
        let store = tenant.engine().tenant().expect("the store is there");
        runs::newest_of_whole_run(&store).expect("it can be read").expect("there is one").id
    };
    let plan = run::plan(tenant.engine(), &[]).expect("the steps make a plan");
    let running = plan.steps().iter().filter(|planned| planned.runs());
    let all: Vec<String> = running.map(|planned| planned.step.id.to_owned()).collect();
    let devices = vec!["fetch-devices".to_owned()];
    for (steps, outcome) in [(devices, Outcome::Partial), (all, Outcome::Complete)] {
        let options = RunOptions { steps, ..RunOptions::default() };
        let finished = tenant.run_with(&options).await.expect("it runs");
        assert_eq!(finished.ending, Ending::Complete, "it did what it was asked for");
        let published = tenant.published().expect("published");
        assert_eq!(published.manifest().outcome, outcome);
        let expected = if outcome == Outcome::Partial { &whole } else { published.id() };
        assert_eq!(newest(), *expected);
    }
}

#[tokio::test]
async fn the_audit_trail_is_read_after_the_generation_and_each_event_once() {
    let tenant = Tenant::start("acme", 1, NOON).await.with_audit();
    let mut added = Vec::new();
    for _ in 0..2 {
        let finished = tenant.run().await.expect("it runs");
        let audit = finished.report.audit.expect("the trail is read");
        added.push((audit.added() > 0, audit.reason.clone()));
    }
    assert_eq!(added, [(true, None), (false, None)]);
}

#[tokio::test]
async fn a_plan_costs_what_the_run_then_starts() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let plan = run::plan(tenant.engine(), &[]).expect("the steps make a plan");
    let cost = run::cost(&plan, tenant.engine(), None).expect("the store can be read");
    let finished = tenant.run().await.expect("it runs");
    let started: u32 = finished.report.steps.iter().map(|step| step.exports).sum();
    assert_eq!(cost.to_json()["needed"], started);
    assert!(cost.is_affordable());
}

#[tokio::test]
async fn no_receiver_is_needed() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    let secret = tenant.settings.read_client_secret().expect("it is known");
    let (options, cancellation) = (RunOptions::default(), Cancellation::default());
    let progress = Progress::none();
    let running = run::run(tenant.engine(), Some(secret), &options, &progress, &cancellation);
    assert_eq!(running.await.expect("it runs").ending, Ending::Complete);
}

#[tokio::test]
async fn the_queries_of_a_run_are_executed_no_faster_than_nexthink_accepts() {
    let mut tenant = Tenant::start("acme", 1, NOON).await;
    tenant.settings.retry = RetryPolicy::default();
    tenant.simulator.update(|behaviour| behaviour.executions_per_second = 1);
    let started = std::time::Instant::now();
    let finished = tenant.run().await.expect("it runs");
    assert_eq!(finished.ending, Ending::Complete, "{:?}", finished.report.shortfalls());
    assert_eq!(tenant.simulator.requests().executions, 4);
    // Four executions have three pauses of a second; one that is refused costs half a minute.
    let took = started.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(20)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn exports_are_asked_for_times_in_utc_as_executions_are() {
    let tenant = Tenant::start("acme", 1, NOON).await;
    tenant.run().await.expect("it runs");
    let in_utc = |path: &str| {
        let requests = tenant.simulator.recorded_requests();
        let requests = requests.iter().filter(|request| request.target == path);
        let header = ("x-utc-times".to_owned(), b"true".to_vec());
        requests.map(|request| request.headers.contains(&header)).collect::<Vec<_>>()
    };
    assert_eq!(in_utc("/api/v1/nql/export"), [true; 4]);
    assert_eq!(in_utc("/api/v1/nql/execute"), [true; 4]);
}
