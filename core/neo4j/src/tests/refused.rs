//! Databases that are not written to, and what is said about that.

use core_destination::{DeliveryError, DeliveryRequest};

use super::graph::{Object, Simulated, State};
use super::{Picture, Scene};
use crate::value::map;

fn picture() -> Picture {
    Picture::new(&["ann"], &["pc"], &["ann pc"])
}

#[test]
fn a_database_with_objects_of_others_is_refused_and_stays_as_it_is() {
    for type_name in ["user", "USES"] {
        let mut scene = Scene::new();
        scene.publish(&picture());
        let theirs = Object { ends: None, properties: map([]), classes: [].into() };
        let objects = &mut scene.session.graph.objects;
        objects.entry(type_name.to_owned()).or_default().insert("theirs".to_owned(), theirs);
        let before = scene.session.graph.clone();
        let refused = scene.refused();
        let part = format!("objects of the type {type_name} that this program did not make");
        assert!(refused.contains(&part), "{refused}");
        assert_eq!(scene.session.graph, before);
        // Other nodes may be there.
        scene.session.graph.objects.clear();
        let theirs = Object { ends: None, properties: map([]), classes: [].into() };
        let objects = &mut scene.session.graph.objects;
        objects.entry("Movie".to_owned()).or_default().insert("theirs".to_owned(), theirs);
        scene.deliver().expect("it is delivered beside them");
        assert_eq!(scene.session.graph.keys("Movie"), ["theirs"]);
    }
}

#[test]
fn another_tenant_a_newer_version_a_newer_generation_and_an_old_copy_are_refused() {
    type Change = fn(&mut State);
    let changes: [(Change, &str); 5] = [
        (
            |state| state.tenant = "other-us".to_owned(),
            "of tenant other-us, and this is tenant acme-eu",
        ),
        (|state| state.format = 9, "newer version of this program (format 9)"),
        (|state| state.generation = Some("7ZZ".to_owned()), "generation 7ZZ, which is newer"),
        (|state| state.delivering = Some("7ZZ".to_owned()), "generation 7ZZ, which is newer"),
        (|state| state.erasures = vec!["e9".to_owned()], "been through erasure e9"),
    ];
    for (change, part) in changes {
        let mut scene = Scene::new();
        scene.publish(&picture());
        scene.deliver();
        change(scene.session.graph.state.as_mut().expect("it is ours"));
        let before = scene.session.graph.clone();
        let refused = scene.refused();
        assert!(refused.contains(part), "{refused}");
        assert_eq!(scene.session.graph, before, "{part}");
        let accepts = DeliveryRequest { accept_destination: true, ..DeliveryRequest::default() };
        let accepted = scene.deliver_with(&accepts);
        let may_be_accepted = refused.contains("--accept-destination");
        assert_eq!(accepted.is_ok(), may_be_accepted, "{refused}");
        assert_eq!(
            scene.session.graph.state.as_ref().map(|state| state.format == 9),
            Some(part.contains("format"))
        );
    }
}

#[test]
fn a_store_that_was_put_back_from_before_an_erasure_brings_no_one_back() {
    let mut scene = Scene::new();
    let mut old = Scene::new();
    old.publish(&picture());
    scene.publish(&picture());
    scene.deliver();
    scene.erase(&["e1"]);
    scene.publish(&Picture::new(&[], &["pc"], &[]));
    scene.deliver().expect("someone was erased");
    // A newer generation of the old store.
    old.publish_as("01JN8BG9000000000000000009", &picture());
    std::mem::swap(&mut scene.session, &mut old.session);
    let refused = old.refused();
    assert!(refused.contains("would bring the erased back"), "{refused}");
    assert_eq!(old.session.graph.keys("user"), [""; 0]);
}

#[test]
fn a_delivery_gives_up_once_another_one_has_begun() {
    let mut scene = Scene::new();
    scene.publish(&picture());
    scene.deliver();
    scene.publish(&Picture::new(&["ann", "bob"], &["mac"], &["bob mac"]));
    let start = scene.session.graph.clone();
    // Before every statement, as long as it runs.
    for number in 0..40 {
        scene.session = Simulated { graph: start.clone(), ..Simulated::default() };
        scene.session.takeover = Some(number);
        let delivered = scene.deliver_with(&DeliveryRequest::default());
        let begun =
            scene.session.actions.iter().filter(|action| *action == "beginning the delivery");
        let (begun, total) = (begun.count(), scene.session.actions.len());
        match delivered {
            Ok(_) => assert!(number >= total || number < 12, "{number} of {total}"),
            Err(DeliveryError::Failed(error)) => {
                assert!(error.to_string().contains("has begun since"), "{number}: {error}");
                assert_eq!(begun, 3, "{number}: it had begun");
                let state = scene.session.graph.state.as_ref().expect("it is ours");
                assert!(!state.is_whole, "{number}: the other one is under way");
            }
            Err(error) => panic!("{number}: {error}"),
        }
    }
}
