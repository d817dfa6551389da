//! Rows B: what the hosts answer in place of a result. What takes minutes there is tested in virtual
//! time in core-nexthink, under the same names.

use std::fs;
use std::time::Duration;

use core_simulator::{
    Answer, Behaviour, Fault, FaultAction, FaultPoint, QueryBehaviour, RetryAfterForm, SavedQuery,
};

use super::calls::{
    ALERTS, DEVICES, PACKAGES, Trap, USERS, about, answers, assert_failed, n_exports, n_starts, ok,
    once, outcome, throttled, waits_ms,
};
use super::case::Case;
use crate::kit::TENANT;

#[test]
fn b1_throttling_that_passes_is_waited_for() {
    let busy = answers(DEVICES, FaultPoint::Start, throttled(Some("1")));
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![once(busy)]);
    let waits = waits_ms(&case.run(0));
    assert!(waits.iter().any(|wait| *wait >= 1_000), "{waits:?}");
    assert_eq!(n_exports(&case), 4, "what was refused was not paid for");
    case.recovers();
}

#[test]
fn b2_a_wait_until_a_time_counts_from_the_clock_of_the_server() {
    let case = Case::new();
    let day = 86_400;
    for (form, ahead) in [
        (RetryAfterForm::Imf, day),
        (RetryAfterForm::Rfc850, -day),
        (RetryAfterForm::Asctime, day),
        (RetryAfterForm::Iso8601, -day),
    ] {
        case.scene().update(|behaviour| {
            behaviour.concurrent_exports = Some(2);
            behaviour.preparation = Duration::from_millis(300);
            behaviour.concurrent_retry_after = Duration::from_secs(1);
            (behaviour.retry_after_form, behaviour.clock_offset_seconds) = (form.clone(), ahead);
        });
        let waits = waits_ms(&case.run(0));
        assert!(waits.iter().any(|wait| (1_000..3_000).contains(wait)), "{form:?}: {waits:?}");
    }
    case.recovers();
}

#[test]
fn b3_b5_throttling_without_a_usable_wait_is_met_with_a_wait_of_ones_own() {
    let far = "1000000000000000000";
    let waits = [
        (DEVICES, None),
        (USERS, Some("soon")),
        (PACKAGES, Some("-7")),
        (ALERTS, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
    ];
    let faults = waits.map(|(query, wait)| {
        let fault = answers(query, FaultPoint::Start, throttled(wait));
        Fault { times: Some(3), ..fault }
    });
    let overflow = once(Fault::new(FaultPoint::File, FaultAction::Answer(throttled(Some(far)))));
    let case =
        Case::new().fault(|behaviour| behaviour.faults = [&faults[..], &[overflow]].concat());
    let waits = waits_ms(&case.run(0));
    assert!(waits.len() == 13 && waits.iter().all(|wait| *wait < 1_000), "{waits:?}");
    assert_eq!(n_exports(&case), 4);
    case.recovers();
}

#[test]
fn b4_a_daily_limit_defers_the_run_and_the_next_one_does_not_even_call() {
    let case = Case::new().fault(|behaviour| {
        behaviour.daily_export_limit = Some(2);
        behaviour.retry_after = Duration::from_hours(14);
    });
    // Two exports are to be had, and what depends on the others is left as it was.
    let run = case.run(7);
    assert!(run.report["notBefore"].is_string(), "{}", run.report);
    let outcomes = ["fetch-devices", "fetch-users", "fetch-packages", "fetch-alerts"]
        .map(|step| outcome(&run, step).0.to_owned());
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "deferred").count(), 2, "{outcomes:?}");
    let calls = case.scene().recorded().len();
    let again = case.run(75);
    assert!(again.ended.stderr.contains("not before 2"), "{}", again.ended.stderr);
    assert_eq!(case.scene().recorded().len(), calls, "Nexthink was not called");
    let plan = case.scene().program(&["plan"]);
    assert!(plan.stdout.contains(", not before 2"), "{}", plan.stdout);
    // An administrator removes the note.
    let note = case.scene().path("store").join(TENANT).join("quota.json");
    fs::remove_file(note).expect("the wait is kept there");
    case.recovers();
}

#[test]
fn b6_server_errors_that_pass_cost_nothing_and_those_that_stay_are_told() {
    let at = |at, status| Fault::new(at, FaultAction::Answer(Answer::from_status(status)));
    let (token, start) = (at(FaultPoint::Token, 500), at(FaultPoint::Start, 502));
    let (status, file) = (at(FaultPoint::Status, 503), at(FaultPoint::File, 504));
    let passing = [&token, &start, &status, &file].map(|answer| once(answer.clone())).to_vec();
    let case = Case::new().fault(|behaviour| behaviour.faults = passing);
    case.run(0);
    assert_eq!((case.scene().requests().faults, n_exports(&case)), (4, 4));
    for (fault, words) in [
        (start, "(POST /api/v1/nql/export) answered HTTP 502 2 times: try again later"),
        (status, "(GET /api/v1/nql/status) answered HTTP 503 2 times: try again later"),
        (file, "(GET of the results link) answered HTTP 504 2 times: try again later"),
    ] {
        case.scene().update(|behaviour| behaviour.faults = vec![fault]);
        let run = case.run(4);
        assert_failed(&run, &[("fetch-devices", words), ("fetch-alerts", words)]);
    }
    assert_eq!(n_exports(&case), 8, "an export that could not be had is gone on with");
    let one = Fault { query: Some(USERS.to_owned()), ..at(FaultPoint::Status, 503) };
    case.scene().update(|behaviour| behaviour.faults = vec![one]);
    assert_failed(&case.run(7), &[("fetch-users", "answered HTTP 503")]);
    case.recovers();
}

#[test]
fn b7_an_unsaved_query_is_named_with_the_place_to_save_it() {
    let case = Case::new().fault(|behaviour| _ = behaviour.missing.insert(SavedQuery::Packages));
    let words = "query #j1_packages does not exist: create it in Nexthink under Administration";
    assert_failed(&case.run(7), &[("fetch-packages", words)]);
    assert_eq!((n_starts(&case, PACKAGES), n_exports(&case)), (1, 3));
    case.recovers();
}

#[test]
fn b8_d13_an_export_that_stays_unknown_is_started_again_once() {
    let unknown = answers(USERS, FaultPoint::Status, Answer::from_status(404));
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![once(unknown)]);
    case.run(0);
    assert_eq!(case.scene().requests().exports[&SavedQuery::Users], 1, "it turns up");
    let case = case.fault(|behaviour| {
        let users = QueryBehaviour { forgotten_after: Some(0), ..QueryBehaviour::default() };
        behaviour.queries.insert(USERS.to_owned(), users);
    });
    assert_failed(&case.run(7), &[("fetch-users", "is not known to Nexthink")]);
    assert_eq!(case.scene().requests().exports[&SavedQuery::Users], 3);
    case.recovers();
}

#[test]
fn b9_refusals_are_not_repeated() {
    let refusals = [(DEVICES, 406), (USERS, 415), (PACKAGES, 422), (ALERTS, 418)];
    let faults = refusals
        .map(|(query, status)| answers(query, FaultPoint::Start, Answer::from_status(status)));
    let case = Case::new().fault(|behaviour| behaviour.faults = faults.to_vec());
    let run = case.run(5);
    let words = "a refusal, which will not change by trying again";
    assert_failed(&run, &[("fetch-devices", "HTTP 406"), ("fetch-alerts", "HTTP 418")]);
    assert_failed(&run, &[("fetch-users", words), ("fetch-packages", words)]);
    assert!(refusals.iter().all(|(query, _)| n_starts(&case, query) == 1));
    case.recovers();
}

#[test]
fn b10_a_truncated_export_is_partial_and_nothing_is_taken_for_gone() {
    let truncated = |behaviour: &mut Behaviour| {
        let says_so = QueryBehaviour { says_truncated: true, ..QueryBehaviour::default() };
        behaviour.queries.insert(USERS.to_owned(), says_so);
        behaviour.row_caps.insert(SavedQuery::Packages, 10);
    };
    let case = Case::new().fault(truncated);
    let run = case.run(7);
    for (step, types) in [
        ("fetch-users", ["nexthink_user", "nexthink_account_has_user"]),
        ("fetch-packages", ["nexthink_package", "nexthink_device_installed_package"]),
    ] {
        let (outcome, reason) = outcome(&run, step);
        assert_eq!(outcome, "partial", "{reason}");
        assert!(reason.contains("licence") || reason.contains("maximum"), "{reason}");
        for name in types {
            assert!(run.partial_types().contains(&name), "{name}");
        }
    }
    case.recovers();
}

#[test]
fn b11_b12_successes_without_a_result_are_refused() {
    let error = r#"{"code":500,"message":"NQL-PARSER canary"}"#;
    let case = Case::new().fault(|behaviour| {
        behaviour.faults = vec![
            answers(DEVICES, FaultPoint::Start, ok(error)),
            answers(USERS, FaultPoint::Start, Answer::from_status(204)),
            answers(PACKAGES, FaultPoint::Status, ok("")),
            answers(ALERTS, FaultPoint::Status, ok(error)),
        ];
    });
    let run = case.run(5);
    for step in ["fetch-devices", "fetch-packages", "fetch-alerts"] {
        assert_failed(&run, &[(step, "answered HTTP 200 with ")]);
    }
    assert_failed(&run, &[("fetch-users", "answered HTTP 204 with ")]);
    assert!(!run.ended.stderr.contains("canary"), "{}", run.ended.stderr);
    case.recovers();
}

#[test]
fn b13_redirects_are_never_followed() {
    let trap = Trap::set();
    let redirect = |status| Answer::from_status(status).with_header("location", &trap.url());
    let case = Case::new().fault(|behaviour| {
        behaviour.faults = vec![
            answers(DEVICES, FaultPoint::Start, redirect(301)),
            answers(USERS, FaultPoint::Start, redirect(302)),
            answers(PACKAGES, FaultPoint::Status, redirect(303)),
            about(ALERTS, FaultPoint::File, FaultAction::Redirect(trap.url())),
        ];
    });
    let run = case.run(5);
    let words = "a redirect, which is never followed";
    for step in ["fetch-devices", "fetch-users", "fetch-packages", "fetch-alerts"] {
        assert_failed(&run, &[(step, words)]);
    }
    let moved = FaultAction::Answer(redirect(308));
    case.scene().update(|behaviour| behaviour.faults = vec![Fault::new(FaultPoint::Token, moved)]);
    let run = case.run(5);
    assert!(run.ended.stderr.contains(words), "{}", run.ended.stderr);
    trap.assert_untouched();
    case.recovers();
}

#[test]
fn b14_floods_of_headers_and_of_interim_answers_are_cut_off() {
    let raw = |text: &str, piece: &str, times| format!("{text}{}", piece.repeat(times));
    let head = "HTTP/1.1 200 OK\r\n";
    let many = FaultAction::Raw(raw(head, "x: y\r\n", 10_000).into());
    let long = FaultAction::Raw(raw(head, "x", 1 << 20).into());
    let interim = raw("", "HTTP/1.1 103 Early Hints\r\n\r\n", 20_000);
    let interim = FaultAction::RawThenHang(interim.into());
    let case = Case::new()
        .configured(|configuration| configuration.set("nexthink.timeouts", "{ answer_s = 1 }"));
    let case = case.fault(|behaviour| {
        behaviour.faults = vec![
            about(DEVICES, FaultPoint::Start, many),
            about(USERS, FaultPoint::Status, long),
            about(PACKAGES, FaultPoint::Status, interim),
        ];
    });
    let run = case.run(7);
    let broke = "the connection broke before the answer was complete";
    assert_failed(&run, &[("fetch-devices", broke), ("fetch-users", broke)]);
    assert_failed(&run, &[("fetch-packages", "no answer in time")]);
    assert_eq!(outcome(&run, "fetch-alerts").0, "complete");
    case.recovers();
}

#[test]
fn b15_answers_may_hold_more_than_is_known_but_nothing_twice_and_not_without_end() {
    let twice = r#"{"exportId":"e-1","exportId":"e-2"}"#;
    let mark = "\u{feff}{\"status\":\"SUBMITTED\"}";
    let endless = format!(r#"{{"status":"SUBMITTED","more":"{}"}}"#, "x".repeat(2 << 20));
    let more = r#"{"status":"IN_PROGRESS","progress":{"percent":[40]},"resultsFileUrl":null}"#;
    let case = Case::new().fault(|behaviour| {
        behaviour.faults = vec![
            answers(DEVICES, FaultPoint::Start, ok(twice)),
            answers(PACKAGES, FaultPoint::Status, ok(mark)),
            answers(ALERTS, FaultPoint::Status, ok(endless)),
            once(answers(USERS, FaultPoint::Status, ok(more))),
        ];
    });
    let run = case.run(7);
    for step in ["fetch-devices", "fetch-packages", "fetch-alerts"] {
        assert_failed(&run, &[(step, "answered HTTP 200 with ")]);
    }
    assert_eq!(outcome(&run, "fetch-users").0, "complete");
    case.recovers();
}
