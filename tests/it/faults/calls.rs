//! Faults of the calls about one query, and what a run says of its step then.

use std::io::ErrorKind;
use std::net::TcpListener;

use core_simulator::{Answer, Fault, FaultAction, FaultPoint};

use super::case::Case;
use crate::kit::Run;

/// The four saved queries.
pub(crate) const DEVICES: &str = "#j1_devices";
pub(crate) const USERS: &str = "#j1_users";
pub(crate) const PACKAGES: &str = "#j1_packages";
pub(crate) const ALERTS: &str = "#j1_alerts";

/// A fault of the calls about one query.
pub(crate) fn about(query: &str, at: FaultPoint, action: FaultAction) -> Fault {
    Fault { query: Some(query.to_owned()), ..Fault::new(at, action) }
}

pub(crate) fn answers(query: &str, at: FaultPoint, answer: Answer) -> Fault {
    about(query, at, FaultAction::Answer(answer))
}

pub(crate) fn once(fault: Fault) -> Fault {
    Fault { times: Some(1), ..fault }
}

pub(crate) fn throttled(wait: Option<&str>) -> Answer {
    let answer = Answer::from_status(429);
    match wait {
        Some(wait) => answer.with_header("retry-after", wait),
        None => answer,
    }
}

pub(crate) fn ok(body: impl Into<String>) -> Answer {
    Answer::from_status(200).with_body(body.into())
}

pub(crate) fn n_exports(case: &Case) -> u64 {
    case.scene().requests().exports.values().sum()
}

/// Returns the number of times that an export of a query was asked for, in vain or not.
pub(crate) fn n_starts(case: &Case, query: &str) -> usize {
    let recorded = case.scene().recorded();
    let starts = recorded.iter().filter(|request| request.target == "/api/v1/nql/export");
    starts.filter(|start| String::from_utf8_lossy(&start.body).contains(query)).count()
}

pub(crate) fn outcome<'a>(run: &'a Run, step: &str) -> (&'a str, &'a str) {
    let step = run.step(step);
    (step["outcome"].as_str().unwrap_or(""), step["reason"].as_str().unwrap_or(""))
}

/// Each step has failed, and says so with these words.
pub(crate) fn assert_failed(run: &Run, words: &[(&str, &str)]) {
    for (step, words) in words {
        let (outcome, reason) = outcome(run, step);
        assert_eq!(outcome, "failed", "{step}: {reason}");
        assert!(reason.contains(words), "{step}: {reason}");
    }
}

/// Returns the waits of the program before it repeated calls, in milliseconds.
pub(crate) fn waits_ms(run: &Run) -> Vec<u64> {
    let told = run.ended.stderr.split("retry_after_ms=").skip(1);
    let digits = told.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
    digits.map(|digit| digit.parse().expect("it is a number")).collect()
}

/// A port that must not be called.
pub(crate) struct Trap(TcpListener);

impl Trap {
    pub(crate) fn set() -> Trap {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be told so");
        Trap(listener)
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("it is bound"))
    }

    /// Fails if it was called.
    pub(crate) fn assert_untouched(&self) {
        let error = self.0.accept().expect_err("this port must not be called");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}
