//! The ends that receivers that keep state must hear of, although the finding may not be kept: after an erasure, and
//! after a change of the privacy settings.

use std::collections::BTreeSet;

use core_rules::book::When;
use core_rules::outbox::{Attempt, Message};
use core_simulator::Receiver;
use serde_json::Value;

use crate::kit::{DAY_MS, Scene};

/// A channel that keeps state and one that does not, both at a receiver.
fn channels(receiver: &Receiver, more: &str) -> String {
    let url = receiver.url();
    format!(
        "[channels.incidents]\nkind = \"pagerduty\"\nurl = \"{url}/pagerduty\"\nrouting_key = {{ env = \"K\" }}\n{more}\n\
         [channels.chat]\nkind = \"slack\"\nurl = \"{url}/slack\"\n{more}\n\
         [[routes]]\nto = [\"incidents\", \"chat\"]\n"
    )
}

/// The events that `PagerDuty` has got: the actions, and the keys of the incidents.
fn events(receiver: &Receiver) -> Vec<(String, String)> {
    let requests = receiver.requests().into_iter();
    let taken = requests.filter(|request| request.status < 300 && request.path == "/pagerduty");
    let event = |body: &[u8]| {
        let event: Value = serde_json::from_slice(body).expect("JSON");
        let text = |name: &str| event[name].as_str().expect("it is there").to_owned();
        (text("event_action"), text("dedup_key"))
    };
    taken.map(|request| event(&request.body)).collect()
}

fn n_chats(receiver: &Receiver) -> usize {
    receiver.requests().iter().filter(|request| request.path == "/slack").count()
}

/// Does the work of `notify send`.
async fn send(scene: &mut Scene) {
    let settings = &scene.settings;
    scene.book.tell(scene.now, |_, finding, rule, transition| {
        settings.channels_for(finding, rule, transition)
    });
    scene.compose();
    scene.send().await;
}

fn erase(scene: &mut Scene, name: &str) {
    scene.book.erase(&|text| text.contains(name), BTreeSet::new());
    let text = String::from_utf8(scene.book.to_bytes()).expect("text");
    assert!(!text.contains(name), "{text}");
}

fn change_privacy(scene: &mut Scene) {
    let when = When { at: scene.now, generation: Some("g"), run: "run" };
    scene.book.show_people_as("pseudonymous", &when);
}

fn has_name(receiver: &Receiver, from: usize, name: &str) -> bool {
    let requests = &receiver.requests()[from..];
    requests.iter().any(|request| String::from_utf8_lossy(&request.body).contains(name))
}

#[tokio::test]
async fn an_erasure_ends_the_open_incident_without_a_name_and_then_nothing_of_it_is_left() {
    let receiver = Receiver::start().await.expect("a port is free");
    let mut scene = Scene::new(&channels(&receiver, ""));
    scene.run(&["jane", "joe"]);
    scene.send().await;
    let opened = events(&receiver);
    assert_eq!((opened.len(), n_chats(&receiver)), (2, 2));
    let before = receiver.requests().len();
    erase(&mut scene, "jane");
    send(&mut scene).await;
    let told = events(&receiver);
    let [(action, key)] = &told[2..] else { panic!("{told:?}") };
    assert_eq!(action, "resolve");
    assert!(opened.contains(&("trigger".to_owned(), key.clone())));
    assert!(!has_name(&receiver, before, "jane"));
    assert_eq!(n_chats(&receiver), 2, "people hear nothing");
    let text = String::from_utf8(scene.book.to_bytes()).expect("text");
    let id = key.rsplit('/').next().expect("a key has an ID");
    assert!(!text.contains(id), "{text}");
    // It is told once.
    scene.run(&["joe"]);
    scene.send().await;
    assert_eq!(events(&receiver).len(), 3);
}

#[tokio::test]
async fn an_end_that_waits_reaches_a_receiver_that_keeps_state_and_no_other() {
    for is_erasure in [true, false] {
        // In a message that the receivers did not take, or held back by quiet hours.
        for more in ["", "quiet_hours = \"12:00-13:00\""] {
            let receiver = Receiver::start().await.expect("a port is free");
            let mut scene = Scene::new(&channels(&receiver, more));
            scene.now = 20_000 * DAY_MS;
            scene.run(&["jane"]);
            scene.send().await;
            assert_eq!(events(&receiver).len(), 1);
            scene.now += DAY_MS / 2 + 1;
            receiver.answer_with(500);
            scene.run(&[]);
            scene.send().await;
            if is_erasure {
                erase(&mut scene, "jane");
            } else {
                change_privacy(&mut scene);
            }
            receiver.answer_with(200);
            let before = receiver.requests().len();
            scene.now += DAY_MS / 12;
            send(&mut scene).await;
            let told = events(&receiver);
            let actions: Vec<&str> = told.iter().map(|(action, _)| action.as_str()).collect();
            assert_eq!(actions, ["trigger", "resolve"], "{is_erasure} {more}");
            assert_eq!(told[0].1, told[1].1, "{is_erasure} {more}");
            assert!(!has_name(&receiver, before, "jane"), "{is_erasure} {more}");
            let after = receiver.requests();
            assert!(after[before..].iter().all(|request| request.path != "/slack"), "{more}");
            assert!(scene.book.outbox().is_empty(), "{is_erasure} {more}");
        }
    }
}

#[tokio::test]
async fn what_was_not_sent_yet_of_an_open_finding_is_never_sent() {
    for is_erasure in [true, false] {
        let receiver = Receiver::start().await.expect("a port is free");
        let mut scene = Scene::new(&channels(&receiver, ""));
        scene.run(&["jane"]);
        if is_erasure {
            erase(&mut scene, "jane");
        } else {
            change_privacy(&mut scene);
        }
        send(&mut scene).await;
        let actions: Vec<String> =
            events(&receiver).into_iter().map(|(action, _)| action).collect();
        // It may have been sent by a process that was killed before it wrote that down.
        assert_eq!(actions, ["resolve"], "{is_erasure}");
        assert_eq!(n_chats(&receiver), 0, "{is_erasure}");
        assert!(!has_name(&receiver, 0, "jane"), "{is_erasure}");
    }
}

#[tokio::test]
async fn an_open_finding_that_named_an_erased_person_before_is_opened_without_the_name() {
    let receiver = Receiver::start().await.expect("a port is free");
    let mut scene = Scene::new(&channels(&receiver, ""));
    let row = |name: &str| serde_json::json!({ "key": "nexthink_device:1", "name": name });
    scene.run_rows(&[row("laptop of jane")]);
    scene.run_rows(&[row("laptop 7")]);
    erase(&mut scene, "jane");
    send(&mut scene).await;
    let [(action, _)] = &events(&receiver)[..] else { panic!("one incident is open") };
    assert_eq!(action, "trigger");
    assert!(!has_name(&receiver, 0, "jane"));
}

#[test]
fn a_finding_whose_end_is_not_told_yet_is_not_forgotten() {
    let mut scene = Scene::new(
        "[channels.ops]\nkind = \"pagerduty\"\nrouting_key = { env = \"K\" }\n[[routes]]\nto = [\"ops\"]\n",
    );
    scene.run(&["a"]);
    let taken = |scene: &mut Scene| -> Vec<Message> {
        let messages = scene.book.outbox().messages().to_vec();
        for message in &messages {
            scene.book.outbox_mut().note(&message.id, &Attempt::Delivered, scene.now);
        }
        messages
    };
    assert_eq!(taken(&mut scene).len(), 1);
    // It ends while the file of channels has a mistake, so that nothing can be told.
    let settings = std::mem::take(&mut scene.settings);
    let when = When { at: scene.now, generation: Some("g9"), run: "g9" };
    scene.book.close_rules(|_| true, |_| false, &when);
    scene.now += 100 * DAY_MS;
    scene.book.forget(scene.now - 90 * DAY_MS, scene.now);
    scene.settings = settings;
    let settings = &scene.settings;
    scene.book.tell(scene.now, |_, finding, rule, transition| {
        settings.channels_for(finding, rule, transition)
    });
    scene.compose();
    assert_eq!(taken(&mut scene).len(), 1);
    scene.book.forget(scene.now - 90 * DAY_MS, scene.now);
    assert!(scene.book.findings().is_empty());
}
