//! The trouble of a year, as `docs/faults.md` has it: at Nexthink, on the way, on this machine, at JupiterOne.

use core_simulator::{
    AnnouncedLength, Answer, Behaviour, Cut, Fault, FaultAction, FaultPoint, JobCall, JobFault,
    JobFaultKind, Results, ResultsCompression,
};
use fastrand::Rng;

use super::estate::QUERIES;
use super::world::{HOUR_MS, World};

/// The changes made to a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Nexthink(&'static str),
    JupiterOne(&'static str),
    Disk(String),
    Clock(i64),
}

/// The numbers of operations that a fault of the disk is drawn from.
const OPERATIONS: usize = 420;

/// Draws something that goes wrong, or nothing, and does it.
pub(crate) fn strike(world: &World, random: &mut Rng) -> Trouble {
    match random.u8(..10) {
        0..4 => nexthink(world, random),
        4 => jupiterone(world, random),
        5 | 6 => {
            let kinds = ["power", "power", "kill", "kill-after", "torn", "enospc", "eio"];
            let kind = kinds[random.usize(..kinds.len())];
            let lasts = if kind.starts_with('e') && random.bool() { "+" } else { "" };
            let fault = format!("{kind}@{}{lasts}", random.usize(1..OPERATIONS));
            world.disk.start_with_fault(&fault);
            Trouble::Disk(fault)
        }
        7 => {
            let hours = random.i64(-800..800);
            world.set_ahead(hours * i64::try_from(HOUR_MS).unwrap_or(0));
            Trouble::Clock(hours)
        }
        _ => Trouble::None,
    }
}

fn nexthink(world: &World, random: &mut Rng) -> Trouble {
    let mut what = "";
    world.tenant.simulator.update(|behaviour| {
        what = if random.bool() {
            of_a_query(behaviour, random)
        } else {
            of_requests(behaviour, random)
        };
    });
    Trouble::Nexthink(what)
}

/// The trouble with one query: its export ends badly, or its file is not as it should be.
fn of_a_query(behaviour: &mut Behaviour, random: &mut Rng) -> &'static str {
    let query = QUERIES[random.usize(..QUERIES.len())];
    let times = if random.bool() { Some(1) } else { None };
    let of_query = behaviour.queries.entry(query.id().to_owned()).or_default();
    match random.u8(..7) {
        0 => {
            behaviour.row_caps.insert(query, 5);
            "a truncated export"
        }
        1 => {
            behaviour.failing.insert(query, "out of memory".to_owned());
            "an export that fails"
        }
        2 => {
            behaviour.missing.insert(query);
            "a query that is not saved"
        }
        3 => {
            behaviour.forbidden.insert(query);
            "a forbidden query"
        }
        4 => {
            of_query.results = Some(Results {
                content: "<!DOCTYPE html><title>Sign in</title>".into(),
                compression: ResultsCompression::AsIs,
            });
            "a web page for a file"
        }
        5 => {
            of_query.download.cut = Some(Cut { at: 40, times });
            "a file that is cut"
        }
        _ => {
            of_query.download.announced_length = AnnouncedLength::None;
            "a file without a length"
        }
    }
}

/// The trouble with some requests, whatever they are about.
fn of_requests(behaviour: &mut Behaviour, random: &mut Rng) -> &'static str {
    let points = [FaultPoint::Token, FaultPoint::Start, FaultPoint::Status, FaultPoint::File];
    let answer = |status| FaultAction::Answer(Answer::from_status(status));
    let (at, action, what) = match random.u8(..6) {
        0 => (points[random.usize(..4)], answer(503), "503"),
        1 => (points[random.usize(..4)], FaultAction::Reset, "a reset"),
        2 => (FaultPoint::Token, answer(401), "refused credentials"),
        3 => {
            let answer = Answer::from_status(429).with_header("retry-after", "7200");
            (FaultPoint::Start, FaultAction::Answer(answer), "429")
        }
        4 => (FaultPoint::Audit, FaultAction::Close, "a closed connection to the audit trail"),
        _ => {
            let answer = Answer::from_status(200).with_body("{}");
            (points[random.usize(..4)], FaultAction::Answer(answer), "200 without a result")
        }
    };
    let times = if random.bool() { Some(1) } else { None };
    behaviour.faults = vec![Fault { after: random.u64(..3), times, ..Fault::new(at, action) }];
    what
}

fn jupiterone(world: &World, random: &mut Rng) -> Trouble {
    let calls = [
        JobCall::Create,
        JobCall::Get,
        JobCall::Entities,
        JobCall::Relationships,
        JobCall::Finalize,
        JobCall::Abort,
    ];
    let kinds = [
        JobFaultKind::Status(500),
        JobFaultKind::Status(401),
        JobFaultKind::AnswersOk,
        JobFaultKind::WebPage(403),
        JobFaultKind::StoresNothing,
        JobFaultKind::JobEnded,
    ];
    if random.u8(..6) == 0 {
        world.jupiterone.update(|behaviour| behaviour.ends_as = "ERROR_BAD_DATA");
        return Trouble::JupiterOne("a job that ends badly");
    }
    let fault = JobFault {
        call: calls[random.usize(..calls.len())],
        after: random.u32(..2),
        times: if random.bool() { 1 } else { u32::MAX },
        kind: kinds[random.usize(..kinds.len())],
    };
    world.jupiterone.update(|behaviour| behaviour.faults = vec![fault]);
    Trouble::JupiterOne("a call that fails")
}
