//! The view of readers while generations are delivered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use core_simulator::TenantSpec;

use super::{Database, Delivery};

fn estate(devices: u32) -> TenantSpec {
    TenantSpec { devices, users: 20, alerts: 20, ..TenantSpec::default() }
}

#[test]
fn a_reader_sees_one_generation_and_never_waits_and_its_view_stays() {
    let delivery = Delivery::of(estate(30));
    delivery.scene.run_completely();
    let schema = delivery.schema.clone();
    delivery.database.run(&format!(
        "CREATE VIEW {schema}_mine AS SELECT count(*) AS devices FROM {schema}.nexthink_device"
    ));
    let is_over = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let database = Database::connect();
            // A lock that a delivery held would be an error, not a wait.
            database.run("SET lock_timeout = '50ms'");
            let query = format!(
                "SELECT (SELECT generation FROM {schema}._delivery) || ' ' || \
                 (SELECT devices FROM {schema}_mine) || ' ' || \
                 (SELECT count(*) FROM {schema}.nexthink_account_has_device)"
            );
            let mut seen = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let found: String = database.value(&query);
                if seen.last() != Some(&found) {
                    seen.push(found);
                }
            }
            seen
        });
        for devices in [32, 31, 34, 33] {
            delivery.scene.update(|behaviour| behaviour.tenant = estate(devices));
            delivery.scene.run_completely();
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().expect("the reader never fails")
    });
    let counts: Vec<String> =
        seen.iter().map(|line| line.split_once(' ').expect("it has three").1.to_owned()).collect();
    let is_whole =
        |line: &String| line.split_once(' ').is_some_and(|(devices, edges)| devices == edges);
    assert!(counts.iter().all(is_whole), "{counts:?}");
    assert_eq!(counts.last().map(String::as_str), Some("33 33"));
    assert!(counts.len() >= 3, "the reader saw several generations: {counts:?}");
}

#[test]
fn the_role_of_readers_may_read_and_nothing_else() {
    let delivery = Delivery::new();
    let role = format!("{}_readers", delivery.schema);
    delivery.database.run(&format!("CREATE ROLE {role}"));
    delivery
        .configure_with(|configuration| configuration.text("destinations.postgres.readers", &role));
    delivery.scene.run_completely();
    for (right, has_it) in [("SELECT", true), ("INSERT", false), ("DELETE", false)] {
        let query = format!(
            "SELECT has_table_privilege('{role}', '{}.nexthink_device', '{right}')",
            delivery.schema
        );
        assert_eq!(delivery.database.value::<bool>(&query), has_it, "{right}");
    }
}
