//! The objects of a database after deliveries without faults.

use core_destination::DeliveryRequest;

use super::{Picture, Scene, assert_objects, counts};
use crate::statement::{HASH, KEY};
use crate::value::Value;

#[test]
fn the_first_delivery_creates_everything_and_the_next_one_nothing() {
    let mut scene = Scene::new();
    let picture = Picture::new(&["ann", "bob"], &["pc"], &["ann pc"]);
    scene.publish(&picture);
    let report = scene.deliver().expect("it is the first one");
    assert_eq!(scene.session.graph.picture(), picture);
    assert_eq!(counts(&report, "user"), [2, 0, 0, 0, 0]);
    assert_eq!(counts(&report, "uses"), [1, 0, 0, 0, 0]);
    let state = scene.session.graph.state.clone().expect("it is written");
    assert_eq!((state.tenant.as_str(), state.is_whole), ("acme-eu", true));
    assert_eq!(state.generation.as_deref(), Some("01JN8BG9000000000000000001"));
    let (before, sent) = (scene.session.graph.clone(), scene.session.sent);
    assert_eq!(scene.deliver(), None);
    assert_eq!((scene.session.graph, scene.session.sent), (before, sent), "nothing is written");
}

#[test]
fn only_rows_that_changed_are_sent() {
    let mut scene = Scene::new();
    let mut picture = Picture::new(&["ann", "bob", "eve"], &["pc"], &["ann pc"]);
    scene.publish(&picture);
    scene.deliver();
    picture.users.insert("bob".to_owned(), "Bob".to_owned());
    picture.users.insert("dan".to_owned(), "Dan".to_owned());
    scene.publish(&picture);
    let sent = scene.session.sent;
    let report = scene.deliver().expect("a user is new");
    assert_eq!(scene.session.sent - sent, 2);
    assert_eq!(counts(&report, "user"), [1, 1, 0, 0, 2]);
    assert_eq!(report.types.len(), 1, "the other types are not looked at: {:?}", report.types);
    assert_eq!(scene.session.graph.picture(), picture);
    let generation = scene.session.graph.state.and_then(|state| state.generation);
    assert_eq!(generation.as_deref(), Some("01JN8BG9000000000000000002"));
}

#[test]
fn what_is_gone_goes_relationships_before_nodes() {
    let mut scene = Scene::new();
    scene.publish(&Picture::new(&["ann", "bob"], &["mac", "pc"], &["ann pc", "bob mac"]));
    scene.deliver();
    let picture = Picture::new(&["ann"], &["mac", "pc"], &["ann pc"]);
    scene.publish(&picture);
    let first = scene.session.actions.len();
    let report = scene.deliver().expect("someone is gone");
    assert_eq!(scene.session.graph.picture(), picture);
    assert_eq!(counts(&report, "user"), [0, 0, 1, 0, 1]);
    assert_eq!(counts(&report, "uses"), [0, 0, 1, 0, 1]);
    let removals = scene.session.actions[first..].iter();
    let removals: Vec<_> = removals.filter(|action| action.starts_with("removing")).collect();
    assert_eq!(removals, ["removing from uses", "removing from user"]);
}

#[test]
fn nothing_goes_from_a_partial_type_but_relationships_that_lost_an_end() {
    let mut scene = Scene::new();
    scene.publish(&Picture::new(&["ann", "bob"], &["mac", "pc"], &["ann pc", "bob mac"]));
    scene.deliver();
    let next = Picture::new(&["ann"], &["pc"], &[]).partial(&["user", "uses"]);
    scene.publish(&next);
    let report = scene.deliver().expect("a device is gone");
    let expected = Picture::new(&["ann", "bob"], &["pc"], &["ann pc"]);
    assert_objects(&scene.session.graph.picture(), &expected, "partial");
    assert_eq!(counts(&report, "user"), [0, 0, 0, 1, 1]);
    assert_eq!(counts(&report, "uses"), [0, 0, 1, 1, 0], "one went with its device");
    assert_eq!(report.partial_datasets, ["user", "uses"]);
    // The same rows, complete now: what was kept goes.
    scene.publish(&Picture { partial: [].into(), ..next });
    let report = scene.deliver().expect("the types are complete");
    assert_eq!(counts(&report, "user"), [0, 0, 1, 0, 1]);
    assert_objects(&scene.session.graph.picture(), &Picture::new(&["ann"], &["pc"], &[]), "whole");
}

#[test]
fn after_an_erasure_nothing_stays_that_the_generation_does_not_have() {
    let mut scene = Scene::new();
    scene.publish(&Picture::new(&["ann", "bob"], &["pc"], &["ann pc", "bob pc"]));
    scene.deliver();
    scene.erase(&["e1"]);
    let next = Picture::new(&["bob"], &["pc"], &["bob pc"]).partial(&["user", "uses"]);
    scene.publish(&next);
    scene.deliver().expect("someone was erased");
    assert_eq!(
        scene.session.graph.picture(),
        Picture {
            partial: ["user", "uses"].into(),
            ..Picture::new(&["bob"], &["pc"], &["bob pc"])
        }
    );
    assert!(!format!("{:?}", scene.session.graph).contains("ann"), "no property has the person");
    assert_eq!(scene.session.graph.state.as_ref().map(|state| state.erasures.len()), Some(1));
    assert_eq!(scene.deliver(), None, "the erasure is done with");
}

#[test]
fn an_erasure_between_a_killed_first_delivery_and_the_next_one_counts() {
    let mut scene = Scene::new();
    scene.publish(&Picture::new(&["ann"], &["pc"], &[]));
    scene.session.fault = Some((20, super::graph::Fault::After));
    scene.deliver_with(&DeliveryRequest::default()).expect_err("it is killed");
    assert_eq!(scene.session.graph.keys("user"), ["ann"], "it had come so far");
    scene.session.fault = None;
    scene.erase(&["e1"]);
    scene.publish(&Picture::new(&[], &["pc"], &[]).partial(&["user"]));
    scene.deliver().expect("there is something to do");
    assert_eq!(scene.session.graph.keys("user"), [""; 0]);
}

#[test]
fn purged_types_go_with_what_touches_them_and_come_back() {
    let mut scene = Scene::new();
    let picture = Picture::new(&["ann"], &["pc"], &["ann pc"]);
    scene.publish(&picture);
    scene.deliver();
    let request = DeliveryRequest { purge: vec!["user".to_owned()], ..DeliveryRequest::default() };
    scene.deliver_with(&request).expect("it exists");
    let graph = &scene.session.graph;
    assert_objects(&graph.picture(), &Picture::new(&[], &["pc"], &[]), "purged");
    assert_eq!(graph.entries.keys().collect::<Vec<_>>(), ["device"]);
    scene.deliver().expect("they are missing");
    assert_eq!(scene.session.graph.picture(), picture);
}

#[test]
fn objects_that_were_removed_by_hand_come_back_and_those_that_were_changed_with_full() {
    let mut scene = Scene::new();
    let picture = Picture::new(&["ann", "bob"], &["pc"], &["ann pc"]);
    scene.publish(&picture);
    scene.deliver();
    scene.session.graph.objects.get_mut("USES").expect("it is there").clear();
    let report = scene.deliver().expect("one is missing");
    assert_eq!(counts(&report, "uses"), [1, 0, 0, 0, 0]);
    let users = scene.session.graph.objects.get_mut("user").expect("they are there");
    let ann = users.get_mut("ann").expect("she is there");
    let Value::Map(properties) = &mut ann.properties else { panic!("it has properties") };
    properties.retain(|(name, _)| [KEY, HASH].contains(&name.as_ref()));
    assert_eq!(scene.deliver(), None, "neither the number nor the hash tells");
    let full = DeliveryRequest { full: true, ..DeliveryRequest::default() };
    scene.deliver_with(&full).expect("it succeeds");
    assert_eq!(scene.session.graph.picture(), picture);
}

#[test]
fn a_row_has_its_key_its_hash_and_its_class() {
    let mut scene = Scene::new();
    scene.publish(&Picture::new(&["ann"], &["pc"], &["ann pc"]));
    scene.deliver();
    let graph = &scene.session.graph;
    let ann = &graph.objects["user"]["ann"];
    assert!(ann.classes.contains("Any"), "{ann:?}");
    assert_eq!(ann.properties.field(KEY), Some(&Value::from("ann")));
    assert!(ann.properties.field(HASH).and_then(Value::as_integer).is_some(), "{ann:?}");
    assert_eq!(graph.keys("USES"), ["ann|USES|pc"]);
}

#[test]
fn more_rows_than_one_statement_takes_are_delivered_and_removed() {
    let mut scene = Scene::new();
    let keys: Vec<String> = (0..12_500).map(|number| format!("pc-{number:05}")).collect();
    let devices: Vec<&str> = keys.iter().map(String::as_str).collect();
    scene.publish(&Picture::new(&[], &devices, &[]));
    let report = scene.deliver().expect("it is the first one");
    assert_eq!(counts(&report, "device"), [12_500, 0, 0, 0, 0]);
    let writes = scene.session.actions.iter().filter(|action| *action == "writing device");
    assert_eq!(writes.count(), 7, "2,000 at a time");
    // The last one is on the second page of keys.
    scene.publish(&Picture::new(&[], &devices[1..12_499], &[]));
    let report = scene.deliver().expect("two are gone");
    assert_eq!(counts(&report, "device"), [0, 0, 2, 0, 12_498]);
    assert_eq!(scene.session.graph.keys("device").len(), 12_498);
}
