//! The end of a run by the outcomes of its steps.

use core_model::plan::Plan;
use core_store::StoreError;
use jiff::tz::TimeZone;

use super::*;
use crate::run::encrypted_downloads::Files;
use crate::testing::{Place, host};

fn applier(place: &Place, replaces_all: bool) -> Applier {
    let id = "01JN7Z1M80000000000000000A".parse().expect("an ID");
    let staging = place.lock.stage(id).expect("there is room");
    let plan = Plan::new(&[], |_| Decision::Run).expect("nothing is a plan");
    let cancellation = Cancellation::default();
    let writer = BackgroundTableWriter::start(staging, &plan, Vec::new(), &cancellation);
    let files = Files::new(place.lock.downloads().expect("there is room"), false, &host());
    let reading = Reading { zone: TimeZone::UTC, files, protection: None };
    let base = Base { previous: None, replaces_all, state: RunState::default() };
    Applier::new(base, reading, Vec::new(), writer, cancellation, host())
}

fn report(outcome: StepOutcome, query_id: Option<&str>) -> StepReport {
    let query_id = query_id.map(str::to_owned);
    StepReport { outcome, query_id, ..StepReport::new(&step_account::STEP) }
}

#[test]
fn of_several_failures_the_one_that_needs_a_person_comes_before_the_one_that_passes() {
    let gravest_first = [
        ErrorKind::Credentials,
        ErrorKind::Configuration,
        ErrorKind::Query,
        ErrorKind::Data,
        ErrorKind::Local,
        ErrorKind::Unreachable,
        ErrorKind::Deferred,
    ];
    let place = Place::new();
    let mut applier = applier(&place, false);
    assert_eq!(applier.worst_failure(), None);
    for (rank, graver) in gravest_first.into_iter().enumerate() {
        for lesser in &gravest_first[rank..] {
            applier.failures = vec![*lesser, graver, *lesser];
            assert_eq!(applier.worst_failure(), Some(graver), "{graver:?} {lesser:?}");
        }
    }
}

#[test]
fn only_rows_of_an_export_are_worth_a_generation() {
    let place = Place::new();
    let mut applier = applier(&place, false);
    for (outcome, query, expected) in [
        (StepOutcome::Complete, Some("#q"), true),
        (StepOutcome::Partial, Some("#q"), true),
        (StepOutcome::Failed, Some("#q"), false),
        (StepOutcome::Deferred, Some("#q"), false),
        (StepOutcome::Skipped, None, false),
        // The account is no export.
        (StepOutcome::Complete, None, false),
    ] {
        applier.reports = vec![report(StepOutcome::Failed, Some("#p")), report(outcome, query)];
        assert_eq!(applier.anything_fetched(), expected, "{outcome} {query:?}");
        let lacks_nothing = [StepOutcome::Complete, StepOutcome::Skipped].contains(&outcome);
        applier.reports.remove(0);
        assert_eq!(applier.all_complete(), lacks_nothing, "{outcome}");
    }
}

#[test]
fn a_step_that_lacks_something_keeps_from_replacing_everything_only_where_that_must_be() {
    let place = Place::new();
    for (replaces_all, outcome, keeps) in [
        (true, StepOutcome::Partial, true),
        (true, StepOutcome::Failed, true),
        (true, StepOutcome::Deferred, true),
        (true, StepOutcome::Skipped, false),
        (true, StepOutcome::Complete, false),
        (false, StepOutcome::Failed, false),
    ] {
        let mut applier = applier(&place, replaces_all);
        applier.reports = vec![report(StepOutcome::Complete, None), report(outcome, None)];
        let found = applier.keeps_from_replacing().map(|report| report.outcome);
        assert_eq!(found, keeps.then_some(outcome), "{replaces_all} {outcome}");
    }
}

#[test]
fn a_step_that_is_to_run_and_has_no_rows_is_a_defect() {
    let place = Place::new();
    let mut applier = applier(&place, false);
    let planned = PlannedStep { step: &step_users::STEP, wave: 0, decision: Decision::Run };
    let defect = applier.apply(&planned, None, None).expect_err("there are no rows");
    assert_eq!(defect.to_string(), "step fetch-users has no rows to apply");
}

#[test]
fn what_the_operating_system_refuses_is_a_failure_of_this_machine() {
    let system = || io::Error::from_raw_os_error(28);
    let store = StoreError::Io { action: "read", path: "a".into(), source: system() };
    for (error, expected) in [
        (anyhow::Error::new(system()), true),
        (anyhow::Error::new(system()).context("the file cannot be read"), true),
        (anyhow::Error::new(store).context("a download"), true),
        (anyhow::Error::new(io::Error::other("the stream has no end")), false),
        (anyhow::Error::new(io::Error::from(io::ErrorKind::UnexpectedEof)), false),
        (anyhow::anyhow!("a row is wrong"), false),
    ] {
        assert_eq!(is_local(&error), expected, "{error:#}");
    }
}
