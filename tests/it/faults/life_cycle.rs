//! Rows D: the life of an export. What takes minutes there is tested in virtual time in
//! core-nexthink, under the same names; D10, a process that is killed, is in `resuming`.

use std::time::Duration;

use core_simulator::{
    Behaviour, FailingExports, Fault, FaultAction, FaultPoint, QueryBehaviour, RecordedRequest,
    SavedQuery,
};

use super::calls::{
    ALERTS, DEVICES, PACKAGES, USERS, about, answers, assert_failed, n_exports, ok, once, outcome,
    waits_ms,
};
use super::case::Case;

/// Changes how one query behaves.
fn of_query(behaviour: &mut Behaviour, id: &str, change: impl FnOnce(&mut QueryBehaviour)) {
    change(behaviour.queries.entry(id.to_owned()).or_default());
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn d1_a_failed_export_is_started_anew_once_if_its_reason_may_pass() {
    let failing = |times, description: String| Some(FailingExports { times, description });
    let shout = format!("syntax\u{1b}[2J\r\nerror: {}", "x".repeat(5_000));
    let case = Case::new().fault(|behaviour| {
        of_query(behaviour, DEVICES, |query| {
            query.failing = failing(1, "overloaded, try again".to_owned());
        });
        of_query(behaviour, USERS, |query| {
            query.failing = failing(9, "execution timed out".to_owned());
        });
        of_query(behaviour, PACKAGES, |query| query.failing = failing(9, shout.clone()));
    });
    let run = case.run(7);
    assert_eq!(outcome(&run, "fetch-devices").0, "complete");
    let failed = "failed in Nexthink: ";
    assert_failed(&run, &[("fetch-users", failed), ("fetch-packages", failed)]);
    let reason = outcome(&run, "fetch-packages").1;
    assert!(reason.len() < 500 && !reason.contains(char::is_control), "{reason}");
    assert!(!run.ended.stderr.contains("\u{1b}[2J"), "it cannot steer a terminal");
    let starts = case.scene().requests().exports;
    let of = |query| starts.get(&query).copied();
    let expected = (Some(2), Some(2), Some(1));
    let found = (of(SavedQuery::Devices), of(SavedQuery::Users), of(SavedQuery::Packages));
    assert_eq!(found, expected);
    case.recovers();
}

#[test]
fn d2_an_export_that_never_ends_meets_its_deadline_and_is_gone_on_with() {
    let polling = "{ first_ms = 10, longest_ms = 200, deadline_s = 2 }";
    let case =
        Case::new().configured(|configuration| configuration.set("nexthink.polling", polling));
    let case = case.fault(|behaviour| {
        _ = behaviour.preparations.insert(SavedQuery::Alerts, Duration::from_secs(8));
    });
    assert_failed(&case.run(7), &[("fetch-alerts", "did not finish within 2 s")]);
    assert_eq!(n_exports(&case), 4);
    let case = case.configured(|configuration| configuration);
    case.run(0);
    assert_eq!(n_exports(&case), 7, "the one that was waited for in vain is not paid for again");
    case.recovers();
}

#[test]
fn d3_statuses_that_are_not_known_are_not_taken_for_done() {
    let unknown = ["CANCELLED", "IN_PROGRESS", "DONE", ""];
    let case = Case::new().fault(|behaviour| {
        of_query(behaviour, DEVICES, |query| query.statuses = texts(&unknown));
        behaviour.faults = vec![once(answers(USERS, FaultPoint::Status, ok(r#"{"status":null}"#)))];
    });
    let run = case.run(0);
    let told = run.ended.stderr.matches("has a status that is not known").count();
    assert_eq!(told, 2, "once for each export: {}", run.ended.stderr);
    case.recovers();
}

#[test]
fn d4_d5_d6_the_first_completed_status_with_a_link_counts_and_nothing_else() {
    let case = Case::new().fault(|behaviour| {
        of_query(behaviour, DEVICES, |query| {
            query.statuses_after_completion = texts(&["IN_PROGRESS"; 9]);
        });
        of_query(behaviour, USERS, |query| {
            query.completed_without_link = 1;
            query.statuses_after_completion = texts(&["IN_PROGRESS", "SUBMITTED"]);
        });
        of_query(behaviour, PACKAGES, |query| query.completed_without_link = 3);
        of_query(behaviour, ALERTS, |query| query.has_link_in_progress = true);
        behaviour.polls_in_progress = 4;
    });
    case.run(0);
    assert_eq!((n_exports(&case), case.scene().requests().downloads), (4, 4));
    assert!(polls_before_files(&case).iter().all(|polls| *polls >= 5), "no link was taken early");
    case.recovers();
}

/// For each results file how often the status of its export was asked for before.
fn polls_before_files(case: &Case) -> Vec<usize> {
    let recorded = case.scene().recorded();
    let name =
        |request: &RecordedRequest| request.target.split('/').nth(2).unwrap_or("").to_owned();
    let files = recorded.iter().enumerate().filter(|(_, request)| request.is_for_files);
    let polls = files.map(|(n, file)| {
        let of_it = format!("/api/v1/nql/status/{}", name(file));
        recorded[..n].iter().filter(|request| request.target == of_it).count()
    });
    polls.collect()
}

#[test]
fn d5_a_completed_export_that_never_has_a_link_has_failed() {
    let case = Case::new()
        .fault(|behaviour| of_query(behaviour, USERS, |query| query.completed_without_link = 99));
    let run = case.run(7);
    assert_failed(&run, &[("fetch-users", "completed, but without a results link")]);
    assert_eq!(n_exports(&case), 4);
    case.recovers();
}

#[test]
fn d7_an_export_id_that_is_not_one_path_segment_is_refused() {
    let long = "e".repeat(10_000);
    let ids = [(DEVICES, "../../x"), (USERS, ""), (PACKAGES, "a%00"), (ALERTS, long.as_str())];
    let case = Case::new().fault(|behaviour| {
        for (query, export_id) in ids {
            of_query(behaviour, query, |query| query.export_id = Some(export_id.to_owned()));
        }
    });
    let run = case.run(5);
    for step in ["fetch-devices", "fetch-users", "fetch-packages", "fetch-alerts"] {
        assert_failed(&run, &[(step, "(POST /api/v1/nql/export) answered HTTP 200 with ")]);
    }
    let asked = case.scene().recorded();
    let known = ["/oauth2/default/v1/token", "/api/v1/nql/execute", "/api/v1/nql/export"];
    assert!(asked.iter().all(|request| known.contains(&request.target.as_str())), "{asked:?}");
    case.recovers();
}

#[test]
fn d7_d11_results_of_another_query_are_refused_by_their_header() {
    let case = Case::new().fault(|behaviour| {
        // Both steps get the results of the export that was started last, before any is done.
        behaviour.preparation = Duration::from_secs(1);
        of_query(behaviour, DEVICES, |query| query.export_id = Some("one-for-all".to_owned()));
        of_query(behaviour, USERS, |query| query.export_id = Some("one-for-all".to_owned()));
        of_query(behaviour, ALERTS, |query| query.same_as = Some(SavedQuery::Packages));
    });
    let run = case.run(7);
    let outcomes = ["fetch-devices", "fetch-users"].map(|step| outcome(&run, step));
    let refused: Vec<_> = outcomes.iter().filter(|(outcome, _)| *outcome == "failed").collect();
    let [(_, reason)] = refused[..] else { panic!("one of them has its own: {outcomes:?}") };
    assert!(reason.contains("was refused"), "{reason}");
    assert_failed(&run, &[("fetch-alerts", "the export of query #j1_alerts was refused")]);
    case.recovers();
}

#[test]
fn d8_exports_wait_for_their_turn() {
    let case = Case::new().fault(|behaviour| {
        behaviour.concurrent_exports = Some(1);
        behaviour.concurrent_retry_after = Duration::from_secs(1);
        behaviour.preparation = Duration::from_millis(300);
    });
    assert!(!waits_ms(&case.run(0)).is_empty(), "starts at once were refused");
    assert_eq!(n_exports(&case), 4, "a refused start was not paid for");
    // Or they are started one by one.
    let case = case.configured(|configuration| configuration.set("nexthink.parallel_exports", "1"));
    assert_eq!(waits_ms(&case.run(0)), [0; 0]);
    assert_eq!(case.scene().requests().max_running_exports, 1);
    case.recovers();
}

#[test]
fn d9_a_start_whose_answer_does_not_come_is_made_again_twice_at_most() {
    let late = Fault {
        delay: Duration::from_secs(3),
        ..once(about(USERS, FaultPoint::Start, FaultAction::Pass))
    };
    let case = Case::new().configured(|configuration| {
        let configuration =
            configuration.set("nexthink.retry", "{ attempts = 8, longest_ms = 10 }");
        configuration.set("nexthink.timeouts", "{ answer_s = 1 }")
    });
    let case = case.fault(|behaviour| {
        behaviour.faults = vec![late, about(DEVICES, FaultPoint::Start, FaultAction::Lose)];
    });
    let run = case.run(7);
    assert_failed(&run, &[("fetch-devices", "the connection broke")]);
    let starts = case.scene().requests().exports;
    assert_eq!((starts[&SavedQuery::Devices], starts[&SavedQuery::Users]), (3, 2));
    // The tenant has counted all of these, and so has the program.
    let plan = case.scene().program(&["plan"]);
    assert!(plan.stdout.contains("; 39 of 50 a day are left"), "{}", plan.stdout);
    case.recovers();
}

#[test]
fn d12_rows_about_what_was_enrolled_meanwhile_are_counted_and_no_error() {
    let case = Case::new().fault(|behaviour| behaviour.tenant.dangling_rows = 5);
    let run = case.run(0);
    for step in ["fetch-alerts", "fetch-packages"] {
        let dangling = run.step(step)["dangling"].as_u64();
        assert!(dangling.is_some_and(|dangling| dangling >= 5), "{step}: {dangling:?}");
        assert_eq!(outcome(&run, step).0, "complete");
    }
    case.recovers();
}
