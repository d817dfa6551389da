//! Deliveries that are killed or fail, at every file operation of theirs and at many moments in between.

use std::thread;
use std::time::Duration;

use core_simulator::TenantSpec;

use super::Delivery;

fn estate(devices: u32) -> TenantSpec {
    TenantSpec { devices, users: 20, alerts: 20, ..TenantSpec::default() }
}

/// A database with one generation, and a store with the next one.
fn behind() -> Delivery {
    let delivery = Delivery::of(estate(30));
    delivery.scene.run_completely();
    delivery
        .configure_with(|configuration| configuration.set("destinations.neo4j.after_run", "false"));
    delivery.scene.update(|behaviour| behaviour.tenant = estate(33));
    delivery.scene.run_completely();
    delivery
}

#[test]
fn a_delivery_that_is_killed_is_made_up_for_by_the_next_one() {
    let delivery = behind();
    let after = delivery.published();
    for milliseconds in (0..400).step_by(40) {
        let running = delivery.scene.start(&["sync", "neo4j", "--full"]);
        thread::sleep(Duration::from_millis(milliseconds));
        running.kill();
        running.wait();
    }
    // The server may still be busy with one that was killed.
    let synced = crate::kit::until(Duration::from_secs(30), || {
        let (exit, ..) = delivery.sync(&[]);
        (exit == Some(0)).then_some(())
    });
    assert!(synced.is_some());
    assert_eq!(delivery.counts(), after);
    let (_, again, _) = delivery.sync(&[]);
    assert_eq!(again["result"], "nothing_changed", "{again}");
}

#[test]
fn a_delivery_whose_files_fail_or_that_is_killed_at_one_is_made_up_for() {
    let delivery = behind();
    let operations = delivery.scene.operations_of(&["sync", "neo4j", "--full"]);
    let after = delivery.published();
    assert!(operations.len() > 3, "{operations:?}");
    for (number, operation) in operations.iter().enumerate() {
        for fault in [format!("kill@{number}"), format!("enospc@{number}+")] {
            let kind = &fault;
            delivery.scene.program_with_fault(&["sync", "neo4j", "--full"], &fault);
            let (exit, report, stderr) = delivery.sync(&[]);
            assert_eq!(exit, Some(0), "{kind} at {operation}: {report} {stderr}");
            assert_eq!(delivery.counts(), after, "{kind} at {operation}");
        }
    }
}
