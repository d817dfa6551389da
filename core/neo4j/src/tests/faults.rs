//! Faults at every statement, and histories of generations with faults in between, against a plain twin.

use core_destination::DeliveryRequest;
use proptest::prelude::*;

use super::graph::{Fault, Simulated};
use super::{Picture, Scene, assert_objects};

/// Two generations that differ in every way, the second with these partial types.
fn pictures(partial: &[&'static str]) -> (Picture, Picture) {
    let before =
        Picture::new(&["ann", "bob", "dan"], &["mac", "pc"], &["ann pc", "bob mac", "dan pc"]);
    let mut next = Picture::new(&["ann", "bob", "eve"], &["pc", "tab"], &["ann pc", "eve tab"]);
    next.users.insert("bob".to_owned(), "Robert".to_owned());
    (before, next.partial(partial))
}

/// A store with both generations, and the database with the first one, or with nothing.
fn scene(before: &Picture, next: &Picture, is_first: bool) -> Scene {
    let mut scene = Scene::new();
    scene.publish(before);
    if !is_first {
        scene.deliver();
    }
    scene.publish(next);
    scene.session.actions.clear();
    scene
}

/// Lets a delivery fail at each of its statements. Then `check` gets the scene with what is there, each time.
fn at_each_statement(mut scene: Scene, check: impl Fn(&mut Scene, &str)) {
    let start = scene.session.graph.clone();
    scene.deliver();
    let statements = scene.session.actions.len();
    assert!(statements > 12, "{statements}");
    for number in 0..statements {
        for fault in [Fault::Before, Fault::After] {
            let when = format!("{fault:?} statement {number} of {statements}");
            let graph = start.clone();
            scene.session =
                Simulated { graph, fault: Some((number, fault)), ..Simulated::default() };
            scene.deliver_with(&DeliveryRequest::default()).expect_err(&when);
            scene.session.fault = None;
            check(&mut scene, &when);
        }
    }
}

#[test]
fn a_delivery_that_fails_at_any_statement_is_made_up_for_by_the_next_one() {
    for (partial, is_first) in [(&[][..], true), (&[], false), (&["user"], false)] {
        let (before, next) = pictures(partial);
        let start = if is_first { Picture::default() } else { before.clone() };
        let expected = start.after(&next, false);
        at_each_statement(scene(&before, &next, is_first), |scene, when| {
            scene.deliver();
            assert_objects(&scene.session.graph.picture(), &expected, when);
            let state = scene.session.graph.state.clone().expect("it is written");
            assert!(state.is_whole && state.delivering.is_none(), "{when}");
            let entries = scene.session.graph.entries.values();
            let kept = entries.filter(|entry| !entry.is_exact).count();
            assert_eq!(kept > 0, !partial.is_empty(), "{when}: the state says what was kept");
        });
    }
}

#[test]
fn a_failed_delivery_of_one_generation_does_not_hide_that_the_next_one_is_another() {
    // The generation after the failed one is that before it, by every row.
    let (before, next) = pictures(&[]);
    let mut other = scene(&before, &next, false);
    other.publish(&before);
    let other = std::cell::RefCell::new(other);
    at_each_statement(scene(&before, &next, false), |scene, when| {
        let mut other = other.borrow_mut();
        std::mem::swap(&mut scene.session, &mut other.session);
        other.deliver();
        assert_objects(&other.session.graph.picture(), &before, when);
    });
}

fn any_picture() -> impl Strategy<Value = Picture> {
    let users = prop::collection::btree_map("u[a-d]", "[xy]", 0..4);
    let devices = prop::collection::btree_map("d[a-d]", "[xy]", 0..4);
    let partial = prop::sample::subsequence(vec!["user", "device", "uses"], 0..=3);
    (users, devices, any::<u16>(), partial, any::<bool>()).prop_map(
        |(users, devices, bits, partial, is_complete)| {
            let pairs = users
                .keys()
                .flat_map(|user| devices.keys().map(move |device| (user.clone(), device.clone())));
            let links = pairs.enumerate().filter(|(number, _)| bits >> (number % 16) & 1 == 1);
            let links = links.map(|(_, pair)| pair).collect();
            let partial = if is_complete { Vec::new() } else { partial };
            Picture { users, devices, links, partial: partial.into_iter().collect() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_history_of_generations_ends_in_what_the_twin_says(
        history in prop::collection::vec(
            (any_picture(), prop::option::of((0_usize..40, any::<bool>())), prop::bool::weighted(0.2)),
            1..6,
        ),
    ) {
        let mut scene = Scene::new();
        let mut twin = Picture::default();
        let mut erasures: Vec<String> = Vec::new();
        for (next, fault, is_erasing) in history {
            if is_erasing {
                erasures.push(format!("e{}", erasures.len()));
                let ids: Vec<&str> = erasures.iter().map(String::as_str).collect();
                scene.erase(&ids);
            }
            scene.publish(&next);
            let Simulated { graph, .. } = std::mem::take(&mut scene.session);
            let fault = fault.map(|(number, is_after)| {
                (number, if is_after { Fault::After } else { Fault::Before })
            });
            scene.session = Simulated { graph, fault, ..Simulated::default() };
            let is_failed = scene.deliver_with(&DeliveryRequest::default()).is_err();
            scene.session.fault = None;
            if is_failed {
                scene.deliver();
            }
            twin = twin.after(&next, is_erasing);
            prop_assert_eq!(scene.session.graph.picture(), twin.clone());
        }
    }
}
