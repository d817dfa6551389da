//! Databases that are not written to, and what is said about that.

use super::{Delivery, PASSWORD};
use crate::kit::write_private;

#[test]
fn a_graph_of_another_program_is_refused_and_stays_as_it_is() {
    let delivery = Delivery::new();
    delivery.rows("CREATE (n:nexthink_device {name: 'theirs'}) RETURN n.name");
    let run = delivery.scene.run(&[]);
    assert_eq!(run.ended.exit, Some(6), "{}", run.ended.stderr);
    let part = "objects of the type nexthink_device that this program did not make";
    assert!(run.ended.stderr.contains(part), "{}", run.ended.stderr);
    assert_eq!(delivery.number("MATCH (n) RETURN count(n)"), 1);
    // Other nodes may be there.
    delivery.rows("MATCH (n) DETACH DELETE n");
    delivery.rows("CREATE (n:Movie {name: 'theirs'}) RETURN n.name");
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.number("MATCH (n:Movie) RETURN count(n)"), 1);
}

#[test]
fn a_graph_of_another_tenant_or_a_newer_generation_or_version_is_refused() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    for (change, back, expected) in [
        (
            "tenant = 'other-us'",
            "tenant = 'acme-eu'",
            "of tenant other-us, and this is tenant acme-eu",
        ),
        ("format = 9", "format = 1", "newer version"),
        ("erasures = ['e9']", "erasures = []", "been through erasure e9"),
        ("generation = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'", "format = 1", "is newer than"),
    ] {
        delivery.rows(&format!("MATCH (d:NexthinkDelivery) SET d.{change} RETURN 1"));
        let (exit, report, stderr) = delivery.sync(&["--full"]);
        assert_eq!(exit, Some(2), "{stderr}");
        assert!(report["reason"].to_string().contains(expected), "{report}");
        delivery.rows(&format!("MATCH (d:NexthinkDelivery) SET d.{back} RETURN 1"));
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
    let reason = report["reason"].to_string();
    assert!(reason.contains("refused the login of user root"), "{report}");
    assert!(!stderr.contains("wrong-password") && !stderr.contains(PASSWORD));
    let check = delivery.scene.program(&["check"]);
    assert_eq!(check.exit, Some(6), "{}", check.stdout);
    delivery.configure_with(|configuration| configuration.set("destinations.neo4j.port", "9"));
    let (exit, report, _) = delivery.sync(&["--full", "--accept-destination"]);
    assert_eq!(exit, Some(6), "{report}");
    assert!(report["reason"].to_string().contains("no connection to database"), "{report}");
}

#[test]
fn another_place_is_refused_until_it_is_accepted() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let check = delivery.scene.program(&["check"]);
    assert!(check.stdout.contains("accepts the login"), "{}", check.stdout);
    delivery
        .configure_with(|configuration| configuration.text("destinations.neo4j.host", "localhost"));
    let (exit, report, _) = delivery.sync(&[]);
    assert_eq!(exit, Some(2), "{report}");
    assert!(report["reason"].to_string().contains("--accept-destination"), "{report}");
    let (exit, _, stderr) = delivery.sync(&["--accept-destination"]);
    assert_eq!(exit, Some(0), "{stderr}");
}
