//! Schemas that are not written to, and what is said about that.

use super::{Delivery, PASSWORD};
use crate::kit::write_private;

#[test]
fn a_schema_of_another_program_is_refused_and_stays_as_it_is() {
    let delivery = Delivery::new();
    let schema = &delivery.schema;
    delivery
        .database
        .run(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.theirs AS SELECT 1 AS one"));
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    assert!(
        run.ended.stderr.contains("this program did not make, such as theirs"),
        "{}",
        run.ended.stderr
    );
    assert_eq!(delivery.database.value::<i32>(&format!("SELECT one FROM {schema}.theirs")), 1);
    let check = delivery.scene.program(&["check"]);
    assert_eq!(check.exit, Some(2), "{}", check.stdout);
    // An empty one is used.
    delivery.database.run(&format!("DROP TABLE {schema}.theirs"));
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
}

#[test]
fn a_schema_of_another_tenant_or_a_newer_generation_or_version_is_refused() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let state = format!("{}._delivery", delivery.schema);
    for (change, back, expected) in [
        (
            "tenant = 'other-us'",
            "tenant = 'acme-eu'",
            "of tenant other-us, and this is tenant acme-eu",
        ),
        ("format = 9", "format = 1", "newer version"),
        ("generation = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'", "format = 1", "is newer than"),
    ] {
        delivery.database.run(&format!("UPDATE {state} SET {change}"));
        let (exit, report, stderr) = delivery.sync(&["--full"]);
        assert_eq!(exit, Some(2), "{stderr}");
        assert!(report["reason"].to_string().contains(expected), "{report}");
        delivery.database.run(&format!("UPDATE {state} SET {back}"));
    }
    let (exit, _, stderr) = delivery.sync(&["--accept-destination"]);
    assert_eq!(exit, Some(0), "{stderr}");
}

#[test]
fn a_login_that_is_refused_is_told_without_the_password() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    write_private(&delivery.scene.path("password"), "wrong-password");
    let (exit, report, stderr) = delivery.sync(&["--full"]);
    assert_eq!(exit, Some(6), "{stderr}");
    assert!(
        report["reason"].to_string().contains("refused the login of role tester (28P01)"),
        "{report}"
    );
    assert!(!stderr.contains("wrong-password") && !stderr.contains(PASSWORD));
    let check = delivery.scene.program(&["check"]);
    assert_eq!(check.exit, Some(6), "{}", check.stdout);
    delivery.configure_with(|configuration| configuration.set("destinations.postgres.port", "9"));
    let (exit, report, _) = delivery.sync(&["--full", "--accept-destination"]);
    assert_eq!(exit, Some(6), "{report}");
    assert!(
        report["reason"].to_string().contains("no connection to database postgres"),
        "{report}"
    );
}

#[test]
fn another_place_is_refused_until_it_is_accepted() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let other = format!("{}_other", delivery.schema);
    delivery
        .configure_with(|configuration| configuration.text("destinations.postgres.schema", &other));
    let (exit, report, _) = delivery.sync(&[]);
    assert_eq!(exit, Some(2), "{report}");
    assert!(report["reason"].to_string().contains("--accept-destination"), "{report}");
    let (exit, _, stderr) = delivery.sync(&["--accept-destination"]);
    assert_eq!(exit, Some(0), "{stderr}");
    let count: i64 =
        delivery.database.value(&format!("SELECT count(*) FROM {other}.nexthink_device"));
    assert_eq!(count, 30);
}
