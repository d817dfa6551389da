//! Runs of every tenant.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::testing::{CODES, Launcher, NOON, Planned, Told, host};

async fn run(
    launcher: &Launcher,
    told: &Told,
    tenants: Vec<(String, Option<Failure>)>,
    signal: impl Future<Output = StopReason>,
) -> AllRuns {
    let host = host(&Arc::new(AtomicU64::new(NOON)));
    run_all(tenants, 2, launcher, told, &host, signal).await
}

fn tenants(names: &[&str]) -> Vec<(String, Option<Failure>)> {
    names.iter().map(|name| ((*name).to_owned(), None)).collect()
}

fn rows(all: &AllRuns) -> Vec<[String; 3]> {
    let cells = all.runs.iter().map(|run| run.cells(CODES));
    cells.map(|[tenant, outcome, code, ..]| [tenant, outcome, code]).collect()
}

#[tokio::test]
async fn every_tenant_runs_once_and_a_failure_concerns_no_other() {
    let (launcher, told) = (Launcher::default(), Told::default());
    launcher.plan("beta", Planned::Code(7));
    launcher.plan("gamma", Planned::Crash);
    launcher.plan("omega", Planned::Killed);
    launcher.plan("zeta", Planned::NoProcess);
    let mut all = tenants(&["acme", "beta", "gamma", "omega", "zeta"]);
    all.push(("delta".to_owned(), Some(Failure::configuration("it is not valid"))));
    let all = run(&launcher, &told, all, std::future::pending()).await;
    let expected = [
        ["acme", "complete", "0"],
        ["beta", "partial", "7"],
        ["delta", "wrong configuration", "2"],
        ["gamma", "crashed", "1"],
        ["omega", "killed", "1"],
        ["zeta", "the program failed", "1"],
    ];
    assert_eq!(rows(&all), expected);
    assert_eq!(all.exit_codes().collect::<Vec<_>>(), [0, 7, 2, 1, 1, 1]);
    assert_eq!(all.summary(0), "1 of 6 tenants complete; the exit code is that of the worst run");
    let mut told = told.take();
    told.sort();
    assert_eq!(told[0], "error: delta: it is not valid");
    assert_eq!(told[1], "error: gamma: the process of the run has crashed");
    let killed = "the run was ended by signal 9; the system may have run out of memory";
    assert_eq!(told[2], format!("error: omega: {killed}"));
    assert!(told[3].starts_with("error: zeta: no process can be started: "), "{told:?}");
    assert_eq!(all.runs[2].to_json(CODES)["report"]["error"], "it is not valid");
}

#[tokio::test]
async fn after_a_signal_no_further_run_is_started_and_those_that_go_on_are_stopped() {
    let (launcher, told) = (Launcher::default(), Told::default());
    for name in ["acme", "beta"] {
        launcher.plan(name, Planned::UntilStopped);
    }
    let signal = std::future::ready(StopReason::Terminated);
    let all = run(&launcher, &told, tenants(&["acme", "beta", "gamma"]), signal).await;
    assert_eq!(all.stopped, Some(StopReason::Terminated));
    let expected =
        [["acme", "stopped", "143"], ["beta", "stopped", "143"], ["gamma", "not started", ""]];
    assert_eq!(rows(&all), expected);
    assert!(all.runs[2].to_json(CODES)["exitCode"].is_null());
}

#[test]
fn the_counts_of_a_run_are_those_of_its_report() {
    let report = json!({ "steps": [
        { "entities": 3, "relationships": 1, "exports": 1 },
        { "entities": 4, "exports": 2 },
    ] });
    let end = RunEnd { exit_code: 0, has_crashed: false, signal: None, report };
    let run = TenantRun { name: "acme".to_owned(), end: Some(end) };
    assert_eq!(run.cells(CODES), ["acme", "complete", "0", "7", "1", "3"]);
    let end = RunEnd { exit_code: 2, has_crashed: false, signal: None, report: Value::Null };
    let run = TenantRun { name: "acme".to_owned(), end: Some(end) };
    assert_eq!(run.cells(CODES)[3..], ["", "", ""], "no report has no counts");
}
