//! Deliveries that are killed, and deliveries that meet.

use std::fs;
use std::time::Duration;

use core_simulator::{KeptGraph, Silence, TenantSpec};

use super::Delivery;
use crate::crashes::operations::assert_said;
use crate::kit::{Ended, Running, TENANT, until};

/// The time that a request may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two generations of an estate, and what JupiterOne makes of each.
struct Two {
    delivery: Delivery,
    generations: [(String, KeptGraph); 2],
    /// Returns the number of requests that a delivery of one after the other takes.
    requests: usize,
}

impl Two {
    fn new() -> Two {
        let estate = TenantSpec {
            devices: 30,
            users: 25,
            alerts: 30,
            packages_per_device: 6,
            ..TenantSpec::default()
        };
        let delivery = Delivery::of(estate.clone());
        delivery.configure("false");
        // Several uploads, some of which are halved.
        delivery.jupiterone.update(|behaviour| behaviour.max_upload_bytes = 30_000);
        let mut requests = 0;
        let generations =
            [estate.clone(), TenantSpec { users: 22, alerts: 27, ..estate }].map(|tenant| {
                delivery.scene.update(|behaviour| behaviour.tenant = tenant);
                delivery.scene.run_completely();
                requests = delivery.jupiterone.requests().len();
                let delivered = delivery.scene.program(&["sync", "jupiterone"]);
                assert_eq!(delivered.exit, Some(0), "{}", delivered.stderr);
                requests = delivery.jupiterone.requests().len() - requests;
                (delivery.scene.published().id().to_string(), delivery.kept())
            });
        assert_ne!(generations[0].1, generations[1].1);
        Two { delivery, generations, requests }
    }

    /// Makes one of both the published generation.
    fn publish(&self, generation: &str) {
        let current = self.delivery.scene.path("store").join(TENANT).join("CURRENT");
        fs::write(current, format!("{generation}\n")).expect("the store is ours");
    }

    /// Starts a delivery that hangs at its request of this number.
    fn start_and_hang_at(&self, number: usize, hears_one: bool) -> Running {
        let jupiterone = &self.delivery.jupiterone;
        let before = jupiterone.unanswered();
        let after = u32::try_from(number).expect("there are few");
        jupiterone.update(|behaviour| behaviour.silence = Some(Silence { after, hears_one }));
        let running = self.delivery.scene.start(&["sync", "jupiterone"]);
        let hangs = || (jupiterone.unanswered() > before).then_some(());
        assert!(until(PATIENCE, hangs).is_some(), "request {number} does not come");
        running
    }

    fn sync(&self) -> Ended {
        self.delivery.jupiterone.update(|behaviour| behaviour.silence = None);
        let synced = self.delivery.scene.program(&["sync", "jupiterone"]);
        assert_eq!(synced.exit, Some(0), "{}", synced.stderr);
        synced
    }
}

#[test]
fn k8_k16_a_delivery_that_is_killed_at_any_request_is_made_up_for_by_the_next() {
    let two = Two::new();
    let jupiterone = &two.delivery.jupiterone;
    assert!(two.requests > 8, "{} requests", two.requests);
    let mut orphans = 0;
    for number in 0..two.requests {
        for (hears_one, at) in [(false, 0), (true, 1)] {
            let case = format!("request {number}, heard: {hears_one}");
            let (generation, expected) = &two.generations[at];
            let before = two.delivery.kept();
            assert_eq!(before, two.generations[1 - at].1, "{case}");
            two.publish(generation);
            let running = two.start_and_hang_at(number, hears_one);
            running.kill();
            assert_eq!(running.wait().exit, None, "{case}");
            let kept = two.delivery.kept();
            assert!(kept == before || kept == *expected, "{case}: half of a delivery is there");

            two.sync();
            assert_eq!(two.delivery.kept(), *expected, "{case}");
            let jobs = jupiterone.jobs();
            assert_eq!(jobs.last().map(|job| job.status.as_str()), Some("FINISHED"), "{case}");
            // A job whose creation was not answered is unknown to the program.
            orphans += usize::from(hears_one && number == 0);
            let open = jobs.iter().filter(|job| job.status == "AWAITING_UPLOADS").count();
            assert_eq!(open, orphans, "{case}");
            assert!(two.sync().stderr.contains("nothing changed"), "{case}");
        }
    }
}

#[test]
fn k19_a_job_that_goes_on_after_a_kill_is_waited_for() {
    let two = Two::new();
    let jupiterone = &two.delivery.jupiterone;
    let [(first, at_first), (second, at_second)] = &two.generations;
    // The last questions of a delivery are about the job that was finalized: killed at each of them, and at the
    // finalization, it leaves a job that JupiterOne goes on with.
    let mut outlived = 0;
    for number in two.requests - 5..two.requests {
        let case = format!("request {number} of {}", two.requests);
        assert_eq!(two.delivery.kept(), *at_second, "{case}");
        two.publish(first);
        let running = two.start_and_hang_at(number, true);
        running.kill();
        assert_eq!(running.wait().exit, None, "{case}");
        let job = jupiterone.jobs().pop().expect("there is a job");
        outlived += usize::from(job.status.starts_with("FINALIZ"));
        // What is published meanwhile is not what that job brings. A delivery beside the job would be undone by it.
        two.publish(second);
        two.sync();
        jupiterone.end_finalized_jobs();
        assert_eq!(two.delivery.kept(), *at_second, "{case}, which left the job {}", job.status);
    }
    assert!(outlived > 1, "{outlived} kills left a job that goes on");
    assert_ne!(at_first, at_second);
}

#[test]
fn k19_a_delivery_that_fails_or_is_killed_at_any_file_operation_is_made_up_for_by_the_next() {
    let two = Two::new();
    let sync = ["sync", "jupiterone"];
    two.publish(&two.generations[0].0);
    let operations = two.delivery.scene.operations_of(&sync);
    assert!(
        operations.iter().any(|operation| operation.contains("delivered-jupiterone")),
        "{operations:?}"
    );
    let [(first, at_first), (second, at_second)] = &two.generations;
    two.publish(first);
    two.sync();
    for (number, operation) in (1..).zip(&operations) {
        // A disk that is full stays full; one that fails may fail once, and a write may be cut off by a kill.
        let rare = if number % 2 == 0 { "eio" } else { "torn" };
        let faults =
            [format!("kill@{number}"), format!("enospc@{number}+"), format!("{rare}@{number}")];
        for fault in faults {
            let case = format!("{fault}: {operation}");
            two.publish(second);
            let ended = two.delivery.scene.program_with_fault(&sync, &fault);
            let kept = two.delivery.kept();
            assert!(kept == *at_first || kept == *at_second, "{case}: half of a delivery is there");
            if ended.exit == Some(0) {
                assert_eq!(kept, *at_second, "{case}: it is said to be there");
            }
            if fault.starts_with('e') {
                assert_said(&case, &ended);
            } else {
                assert_eq!(ended.exit, None, "{case}: {}", ended.stderr);
            }
            // Back to what was delivered before. That JupiterOne has it already may be said only if it has.
            two.publish(first);
            two.sync();
            assert_eq!(two.delivery.kept(), *at_first, "{case}");
        }
    }
}

#[test]
fn k19_a_job_that_cannot_be_written_down_is_not_finalized() {
    let two = Two::new();
    let sync = ["sync", "jupiterone"];
    two.publish(&two.generations[0].0);
    let operations = two.delivery.scene.operations_of(&sync);
    let is_record =
        |text: &String| text.contains("delivered-jupiterone.json") && text.starts_with("Create");
    let first = operations.iter().position(is_record).expect("there is a record") + 1;
    let before = two.delivery.kept();
    two.publish(&two.generations[1].0);
    let fault = format!("enospc@{first}+");
    let failed = two.delivery.scene.program_with_fault(&sync, &fault);
    assert_eq!(failed.exit, Some(6), "{}", failed.stderr);
    assert!(failed.stderr.contains("could not be written down"), "{}", failed.stderr);
    let job = two.delivery.jupiterone.jobs().pop().expect("there was a job");
    assert_eq!(job.status, "ABORTED");
    assert_eq!(two.delivery.kept(), before);
}

#[cfg(unix)]
#[test]
fn a_second_delivery_is_refused_and_told_whose_the_first_is_and_a_run_is_not() {
    let two = Two::new();
    two.publish(&two.generations[0].0);
    let first = two.start_and_hang_at(1, false);
    let second = two.delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(second.exit, Some(9), "{}", second.stderr);
    let owner = format!("process {}, since 2", first.id());
    assert!(second.stderr.contains(&owner), "{owner}: {}", second.stderr);
    // A run is none of its business, and neither is its delivery.
    let run = two.delivery.scene.run_completely();
    assert_eq!(run.report["outcome"], "complete");
    two.publish(&two.generations[0].0);
    first.kill();
    assert_eq!(first.wait().exit, None);
    two.sync();
    assert_eq!(two.delivery.kept(), two.generations[0].1);
}
