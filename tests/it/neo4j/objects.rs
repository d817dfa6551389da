//! The objects of the graph, and the report of a delivery.

use core_simulator::TenantSpec;

use super::Delivery;

#[test]
fn a_run_delivers_what_it_publishes_and_nothing_if_nothing_changed() {
    let delivery = Delivery::new();
    let run = delivery.scene.run_completely();
    let result = &run.report["mirrors"]["neo4j"];
    assert_eq!(result["result"], "delivered", "{result}");
    assert_eq!(delivery.counts(), delivery.published());
    let again = delivery.scene.run_completely();
    assert_eq!(again.report["mirrors"]["neo4j"]["result"], "nothing_changed");
    let state =
        delivery.rows("MATCH (d:NexthinkDelivery) RETURN d.generation, d.isWhole, d.tenant");
    assert_eq!(state[0][0], delivery.scene.published().id().as_str());
    assert_eq!((&state[0][1], &state[0][2]), (&true.into(), &"acme-eu".into()));
}

#[test]
fn properties_have_the_types_and_values_of_the_generation() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    // Hostile names too, against the rows that `query` prints.
    let query = "SELECT _key AS key, name AS name, \"lastSeenOn\" AS seen FROM nexthink_device ORDER BY _key";
    let ours = delivery.scene.program(&["query", query, "--output", "ndjson"]);
    assert_eq!(ours.exit, Some(0), "{}", ours.stderr);
    let mut ours: Vec<Vec<serde_json::Value>> = ours
        .stdout
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
            vec![row["key"].clone(), row["name"].clone(), row["seen"].clone()]
        })
        .collect();
    // The driver knows a time as a time; the reader prints it in the same form.
    let mut theirs =
        delivery.rows("MATCH (n:nexthink_device:Device) RETURN n._key, n.name, n.lastSeenOn");
    for rows in [&mut ours, &mut theirs] {
        rows.sort_by_key(|row| row[0].to_string());
    }
    assert_eq!(ours.len(), 30);
    assert_eq!(ours, theirs);
    let relationship = delivery.rows(
        "MATCH (u:nexthink_account)-[r:NEXTHINK_ACCOUNT_HAS_DEVICE]->(d:nexthink_device) \
         RETURN u._key + '|HAS|' + d._key, r._key LIMIT 1",
    );
    assert_eq!(relationship[0][0], relationship[0][1]);
}

#[test]
fn a_plan_says_what_a_delivery_then_does() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    delivery
        .configure_with(|configuration| configuration.set("destinations.neo4j.after_run", "false"));
    delivery.scene.update(|behaviour| {
        behaviour.tenant =
            TenantSpec { devices: 28, users: 27, alerts: 25, ..TenantSpec::default() };
    });
    let names = ["nexthink_alert", "nexthink_device_has_alert", "nexthink_user_has_alert"];
    let accepted = names.iter().flat_map(|name| ["--accept-shrink", name]);
    delivery.scene.run(&accepted.collect::<Vec<_>>());
    let before = delivery.counts();
    let (exit, plan, _) = delivery.sync(&["--dry-run"]);
    assert_eq!((exit, &plan["delivers"]), (Some(0), &true.into()), "{plan}");
    assert_eq!(delivery.counts(), before, "a dry run changes nothing");
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
    let changed = |types: &serde_json::Value| {
        let types = types.as_array().cloned().unwrap_or_default();
        let counts = types.into_iter().map(|of| {
            let count = |name: &str| of[name].as_u64().unwrap_or_default();
            (of["typeName"].to_string(), count("creates"), count("updates"), count("deletes"))
        });
        let mut counts: Vec<_> = counts
            .filter(|(_, creates, updates, deletes)| creates + updates + deletes > 0)
            .collect();
        counts.sort();
        counts
    };
    assert_eq!(changed(&plan["types"]), changed(&report["types"]), "{report}");
    assert!(!changed(&report["types"]).is_empty());
}

#[test]
fn purged_types_go_with_what_touches_them_and_come_back() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    let purge = ["purge", "neo4j", "--type", "nexthink_alert", "--output", "json"];
    let ended = delivery.scene.program(&purge);
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    let counts = delivery.counts();
    for gone in ["nexthink_alert", "nexthink_device_has_alert", "nexthink_user_has_alert"] {
        assert!(!counts.contains_key(gone), "{counts:?}");
    }
    assert_eq!(delivery.number("MATCH (n:nexthink_alert) RETURN count(n)"), 0);
    let unknown = delivery.scene.program(&["purge", "neo4j", "--type", "nexthink_car"]);
    assert_eq!(unknown.exit, Some(2), "{}", unknown.stderr);
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
}

#[test]
fn a_graph_that_was_changed_by_hand_is_mended() {
    let delivery = Delivery::new();
    delivery.scene.run_completely();
    delivery.rows("MATCH (n:nexthink_device) WITH n ORDER BY n._key LIMIT 1 DETACH DELETE n");
    let (exit, _, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published(), "their number tells that some are missing");
    delivery.rows("MATCH (n:nexthink_user) SET n.name = 'changed'");
    let (exit, report, stderr) = delivery.sync(&["--full"]);
    assert_eq!((exit, &report["result"]), (Some(0), &"delivered".into()), "{stderr}");
    assert_eq!(delivery.number("MATCH (n:nexthink_user {name: 'changed'}) RETURN count(n)"), 0);
    delivery.rows("MATCH (n) DETACH DELETE n");
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!((exit, &report["result"]), (Some(0), &"delivered".into()), "{stderr}");
    assert_eq!(delivery.counts(), delivery.published());
}
