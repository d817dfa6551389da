//! People who were erased: in no node and no property.

use super::Delivery;

/// All properties of all nodes and relationships, as the driver shows them.
fn everything(delivery: &Delivery) -> String {
    let queries = ["MATCH (n) RETURN properties(n)", "MATCH ()-[r]->() RETURN properties(r)"];
    queries.map(|query| format!("{:?}", delivery.rows(query))).concat()
}

#[test]
fn an_erased_person_is_in_no_node_and_no_property() {
    let delivery = Delivery::new();
    let key = delivery.scene.program(&["privacy", "key", "new"]);
    assert_eq!(key.exit, Some(0), "{}", key.stderr);
    delivery.scene.run_completely();
    let names = delivery.texts(
        "MATCH (u:nexthink_user) WHERE u.upn IS NOT NULL RETURN u.upn ORDER BY u._key LIMIT 1",
    );
    let name = names.first().expect("someone has one");
    assert!(everything(&delivery).contains(name), "{name} is found where it is");
    let erased = delivery
        .scene
        .program(&["privacy", "erase", "--user", name, "--reason", "request", "--yes"]);
    assert_eq!(erased.exit, Some(0), "{}", erased.stderr);
    assert!(erased.stderr.contains("sync neo4j` deletes it there"), "{}", erased.stderr);
    let (exit, report, stderr) = delivery.sync(&[]);
    assert_eq!(exit, Some(0), "{stderr}");
    assert!(report["reason"].to_string().contains("erased"), "{report}");
    assert_eq!(delivery.counts(), delivery.published());
    assert!(!everything(&delivery).contains(name), "{name}");
    let (_, again, _) = delivery.sync(&[]);
    assert_eq!(again["result"], "nothing_changed", "{again}");
}
