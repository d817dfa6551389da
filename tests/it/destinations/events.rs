//! The audit trail at JupiterOne: nothing of it unless that is switched on, then every event once, and
//! none is ever deleted there.

use core_simulator::JobCall;
use serde_json::Value;

use super::extras::{held, json};
use super::{Delivery, JobFaultKind};
use crate::kit::Configuration;

const EVENT: &str = "nexthink_audit_event";
const HAS_EVENT: &str = "nexthink_account_has_audit_event";

fn configure(
    delivery: &Delivery,
    is_on: bool,
    change: impl FnOnce(Configuration) -> Configuration,
) {
    let host = delivery.scene.api().to_owned();
    delivery.configure_with(|configuration| {
        let configuration = configuration
            .text("audit.host", &host)
            .text("audit.account", "demo")
            .set("audit.password", "{ file = \"secret\" }")
            .set("audit.since_days", "2")
            .set("destinations.jupiterone.after_run", "false");
        change(if is_on {
            configuration.set("destinations.jupiterone.audit", "true")
        } else {
            configuration
        })
    });
}

fn sync(delivery: &Delivery, arguments: &[&str]) -> Value {
    let arguments = [&["sync", "jupiterone", "--output", "json"], arguments].concat();
    json(&delivery.scene.program(&arguments))
}

/// The events that JupiterOne has.
fn events(delivery: &Delivery) -> Vec<Value> {
    let kept = delivery.kept().entities.into_values();
    kept.filter(|entity| entity["_type"] == EVENT).collect()
}

/// Returns the number of them, each with the edge to it.
fn n_held(delivery: &Delivery) -> usize {
    let (events, edges) = (events(delivery), held(delivery, HAS_EVENT));
    assert_eq!(events.len(), edges.len());
    events.len()
}

fn n_stored(delivery: &Delivery) -> usize {
    let rows = delivery.scene.query("select count(*) n from nexthink_audit_event");
    usize::try_from(rows[0]["n"].as_u64().expect("a number")).expect("small")
}

/// Makes the next run read this event alone.
fn happens(delivery: &Delivery, what: &str) {
    let line = format!("[Portal|LOGIN|20103|eve] {what}");
    delivery.scene.update(|behaviour| behaviour.audit.content = Some(line));
}

#[test]
fn events_are_delivered_where_that_is_switched_on_only_the_new_ones_and_never_deleted() {
    let delivery = Delivery::new();
    configure(&delivery, false, |configuration| configuration);
    delivery.scene.run_completely();
    sync(&delivery, &[]);
    assert_eq!(n_held(&delivery), 0);

    configure(&delivery, true, |configuration| configuration);
    let delivered = sync(&delivery, &[]);
    let stored = n_stored(&delivery);
    assert!(stored > 250);
    assert_eq!(n_held(&delivery), stored);
    assert_eq!(delivered["counters"]["numEntitiesDeleted"], 0);
    let partial = delivered["partialDatasets"].as_array().expect("a list");
    assert!(partial.contains(&EVENT.into()) && partial.contains(&HAS_EVENT.into()), "{partial:?}");
    let event = &events(&delivery)[0];
    assert_eq!((&event["_class"], event["occurredOn"].is_number()), (&["Record"][..].into(), true));
    assert_eq!(sync(&delivery, &[])["result"], "nothing_changed");

    // A delivery that fails is made up for, and what JupiterOne has is not sent again.
    happens(&delivery, "once");
    delivery.scene.run_completely();
    delivery.fault(JobCall::Finalize, JobFaultKind::Status(400));
    let failed = delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(failed.exit, Some(6), "{}", failed.stderr);
    delivery.jupiterone.update(|behaviour| behaviour.faults.clear());
    happens(&delivery, "twice");
    delivery.scene.run_completely();
    let intent = sync(&delivery, &["--dry-run"]);
    let types = intent["types"].as_array().expect("a list");
    for name in [EVENT, HAS_EVENT] {
        let changes = types
            .iter()
            .find(|object_type| object_type["typeName"] == name)
            .expect("it is told of");
        assert_eq!((&changes["creates"], &changes["deletes"]), (&2.into(), &0.into()), "{name}");
    }
    sync(&delivery, &[]);
    assert_eq!(n_held(&delivery), stored + 2);

    // What goes here stays there.
    configure(&delivery, true, |configuration| configuration.set("retention.audit_days", "1"));
    delivery.scene.run_completely();
    assert!(n_stored(&delivery) < stored);
    sync(&delivery, &["--full"]);
    assert_eq!(n_held(&delivery), stored + 2);
}

#[test]
fn events_stay_when_they_are_switched_off_and_go_when_they_are_purged() {
    let delivery = Delivery::new();
    configure(&delivery, true, |configuration| configuration);
    delivery.scene.run_completely();
    sync(&delivery, &[]);
    let stored = n_stored(&delivery);
    assert_eq!(n_held(&delivery), stored);
    configure(&delivery, false, |configuration| configuration);
    sync(&delivery, &["--full"]);
    assert_eq!(n_held(&delivery), stored, "switched off");
    let purged = delivery.scene.program(&["purge", "jupiterone", "--type", EVENT]);
    assert_eq!(purged.exit, Some(0), "{}", purged.stderr);
    assert_eq!(n_held(&delivery), 0);
    configure(&delivery, true, |configuration| configuration);
    sync(&delivery, &[]);
    assert_eq!(n_held(&delivery), stored, "switched on again");

    configure(&delivery, true, |configuration| configuration.without("audit."));
    let refused = delivery.scene.program(&["sync", "jupiterone"]);
    assert_eq!(refused.exit, Some(2));
    assert!(refused.stderr.contains("there is no `[audit]`"), "{}", refused.stderr);
}

#[test]
fn events_have_the_account_name_as_every_entity_has() {
    let delivery = Delivery::new();
    let tagged = |configuration: Configuration| {
        configuration.text("account.name", "Acme").set("account.tag_entities", "true")
    };
    configure(&delivery, true, tagged);
    delivery.scene.run_completely();
    sync(&delivery, &[]);
    let delivered = events(&delivery);
    assert!(!delivered.is_empty());
    assert!(delivered.iter().all(|event| event["tag.AccountName"] == "Acme"));
    let sql = "select count(*) n from nexthink_audit_event where \"tag.AccountName\" = 'Acme'";
    assert_eq!(delivery.scene.query(sql)[0]["n"], delivered.len());
    let j1ql = "FIND nexthink_audit_event WITH tag.AccountName = 'Acme' AS e RETURN count(e) AS n";
    assert_eq!(delivery.scene.query(j1ql)[0]["n"], delivered.len());
}
