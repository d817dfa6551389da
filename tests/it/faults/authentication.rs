//! Rows A: tokens, secrets and permissions. What takes minutes there is tested in virtual time in
//! core-nexthink, under the same names.

use std::time::Duration;

use core_simulator::{Answer, Fault, FaultAction, FaultPoint, SavedQuery};

use super::canaries::SECRET;
use super::case::Case;
use crate::kit::write_private;

/// A fault of the token endpoint.
fn at_token(answer: Answer) -> Fault {
    Fault::new(FaultPoint::Token, FaultAction::Answer(answer))
}

#[test]
fn a1_a2_a_token_that_is_refused_in_mid_run_is_renewed() {
    for after in [0, 2, 5] {
        let refusal = FaultAction::Answer(Answer::from_status(401));
        let fault = Fault { after, times: Some(1), ..Fault::new(FaultPoint::Status, refusal) };
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![fault]);
        case.run(0);
        assert_eq!(case.scene().requests().tokens, 2, "the second time after {after} calls");
        case.recovers();
    }
}

#[test]
fn a3_four_steps_share_one_slow_token() {
    let slow =
        Fault { delay: Duration::from_secs(1), ..Fault::new(FaultPoint::Token, FaultAction::Pass) };
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![slow]);
    let case = case.configured(|configuration| configuration.set("nexthink.parallel_exports", "4"));
    case.run(0);
    assert_eq!(case.scene().requests().tokens, 1);
    case.recovers();
}

#[test]
fn a4_a_refused_credential_ends_the_run_before_any_export() {
    for (status, body) in [(400, r#"{"error":"invalid_client"}"#), (401, "")] {
        let answer = Answer::from_status(status).with_body(body);
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![at_token(answer)]);
        let run = case.run(3);
        assert!(run.ended.stderr.contains("client id \"demo\""), "{}", run.ended.stderr);
        assert_eq!(case.scene().requests().exports.values().sum::<u64>(), 0);
        case.recovers();
    }
}

#[test]
fn a5_a_login_host_in_trouble_is_asked_again_and_then_left_for_later() {
    let passing = Fault { times: Some(1), ..at_token(Answer::from_status(503)) };
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![passing]);
    case.run(0);
    case.recovers();
    let case =
        Case::new().fault(|behaviour| behaviour.faults = vec![at_token(Answer::from_status(503))]);
    case.run(4);
    case.recovers();
}

#[test]
fn a6_a_token_without_a_sensible_life_is_used_all_the_same() {
    for life in ["", r#","expires_in":0"#, r#","expires_in":-1"#, r#","expires_in":"900""#] {
        let case = Case::new();
        let token = case.token();
        let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer"{life}}}"#);
        let answer = Answer::from_status(200).with_body(body);
        let case = case.fault(|behaviour| behaviour.faults = vec![at_token(answer)]);
        case.run(0);
        case.recovers();
    }
}

#[test]
fn a7_an_answer_that_is_no_token_is_refused_and_not_shown() {
    let nested = "[".repeat(30_000);
    let long = format!(r#"{{"access_token":"{}"}}"#, "a".repeat(100_000));
    for body in ["<html>SIGN IN</html>", "", "null", nested.as_str(), long.as_str()] {
        let answer = Answer::from_status(200).with_body(body.to_owned());
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![at_token(answer)]);
        let run = case.run(5);
        let start = &body[..body.len().min(12)];
        assert!(start.is_empty() || !run.ended.stderr.contains(start), "{}", run.ended.stderr);
        case.recovers();
    }
}

#[test]
fn a8_a_query_without_permission_leaves_the_others_alone() {
    let case = Case::new().fault(|behaviour| _ = behaviour.forbidden.insert(SavedQuery::Users));
    let run = case.run(7);
    assert_eq!(run.step("fetch-users")["outcome"], "failed");
    assert_eq!(run.step("fetch-packages")["outcome"], "complete");
    assert!(run.partial_types().contains(&"nexthink_user_has_alert"));
    case.recovers();
}

#[test]
fn a9_a_token_of_another_scope_says_which_is_missing() {
    let body = r#"{"access_token":"abc","expires_in":900,"scope":"service:other"}"#;
    let answer = Answer::from_status(200).with_body(body);
    let case = Case::new().fault(|behaviour| behaviour.faults = vec![at_token(answer)]);
    let run = case.run(3);
    assert!(run.ended.stderr.contains("service:integration"), "{}", run.ended.stderr);
    case.recovers();
}

#[test]
fn a10_a_secret_that_is_replaced_while_the_program_runs_is_read_again() {
    let case = Case::new();
    write_private(&case.scene().path("secret"), "an old one");
    let run = case.run(3);
    assert!(!run.ended.stderr.contains("an old one"), "{}", run.ended.stderr);
    // The file is read at the start; the login host answers after it was replaced.
    let slow = Fault {
        times: Some(1),
        delay: Duration::from_secs(3),
        ..Fault::new(FaultPoint::Token, FaultAction::Pass)
    };
    let case = case.fault(|behaviour| behaviour.faults = vec![slow]);
    let running = case.scene().start(&["run"]);
    let asked = crate::kit::until(Duration::from_secs(20), || {
        let requests = case.scene().recorded();
        requests.iter().filter(|request| request.target.starts_with("/oauth2/")).nth(1).map(drop)
    });
    assert!(asked.is_some(), "the login host is asked");
    write_private(&case.scene().path("secret"), SECRET);
    let ended = running.wait();
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    case.recovers();
}

#[test]
fn a11_a_token_that_would_break_a_header_is_refused() {
    for token in [r"a\r\nX-Evil: b", r"a\u0000b", "a b"] {
        let answer = Answer::from_status(200).with_body(format!(r#"{{"access_token":"{token}"}}"#));
        let case = Case::new().fault(|behaviour| behaviour.faults = vec![at_token(answer)]);
        case.run(5);
        assert!(
            case.scene().recorded().iter().all(|request| request.target.starts_with("/oauth2/"))
        );
        case.recovers();
    }
}
