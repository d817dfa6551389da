//! A bucket that does not answer for two minutes, or for longer than a run waits.

use std::thread;
use std::time::Duration;

use core_simulator::{BucketFault, Fault, FaultAction, FaultPoint};

use crate::{EXPORTS, Estate, TAKEOVER};

/// The time that the bucket is gone.
const OUTAGE: Duration = Duration::from_mins(2);

/// The time that a run may take to give up.
const GIVES_UP: Duration = Duration::from_mins(15);

fn outage(estate: &Estate, fault: Option<BucketFault>) {
    estate.bucket.update(|behaviour| behaviour.outage = fault);
}

#[test]
fn a_run_goes_on_after_the_bucket_was_gone_for_two_minutes() {
    let estate = Estate::with_interval("1 day");
    estate.prepare_for(Duration::from_secs(20));
    let machine = estate.machine();
    let scheduler = machine.schedule();
    estate.wait_for_notes();
    outage(&estate, Some(BucketFault::Unavailable));
    thread::sleep(OUTAGE);
    outage(&estate, None);
    scheduler.wait_until_said("(by the timetable)", 1);
    let said = scheduler.end();
    assert_eq!(estate.audit().generations.len(), 1, "{said}");
    assert_eq!(estate.exports(), EXPORTS, "nothing is paid for twice");
}

#[test]
fn an_export_that_was_started_and_not_noted_in_the_bucket_is_paid_for_once() {
    let estate = Estate::with_interval("1 day");
    // The answer to the start of each export comes when the bucket is gone.
    estate.scene.update(|behaviour| {
        let delay = Duration::from_secs(4);
        behaviour.faults =
            vec![Fault { delay, ..Fault::new(FaultPoint::Start, FaultAction::Pass) }];
    });
    let machine = estate.machine();
    let run = machine.start(&["run"]);
    estate.wait_for_exports(EXPORTS);
    outage(&estate, Some(BucketFault::Unavailable));
    let ended = run.wait_for(GIVES_UP);
    assert_eq!(ended.exit, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("s3://graph/nexthink"), "{}", ended.stderr);
    outage(&estate, None);
    // A command that reads must not forget what was paid for either.
    let read = machine.program(&["status"]);
    assert_eq!(read.exit, Some(0), "{}", read.stderr);
    let run = machine.start(&["run"]).wait_for(TAKEOVER);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    assert_eq!(estate.exports(), EXPORTS, "nothing is paid for twice");
    assert_eq!(estate.audit().generations.len(), 1);
}
