//! Sending to test receivers.

use core_http::Secret;
use core_rules::notify::settings::SecretPlace;
use core_simulator::Receiver;
use core_store::Outcome;
use serde_json::Value;

use super::*;
use crate::channels::ChannelList;
use crate::testing::{Scene, keys};

const BUDGET: Duration = Duration::from_mins(10);

/// A tenant with findings, each of which makes a message to each of these channels.
async fn scene(channels: &[(&str, String)], findings: usize) -> Scene {
    let scene = Scene::new("");
    let channels = channels.iter().map(|(name, table)| {
        format!("[channels.{name}]\ndigest_above = 1000\n{table}\n[[routes]]\nto = ['{name}']\n")
    });
    let text: String = channels.collect();
    scene.write("notify.toml", &text);
    let found: Vec<String> = (0..findings).map(|number| format!("n{number:03}")).collect();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    scene.add_rule("fan", &keys(&found));
    scene.publish(Outcome::Complete);
    scene.evaluate().await;
    scene
}

fn slack(receiver: &Receiver) -> String {
    format!("kind = 'slack'\nurl = '{}'", receiver.url())
}

fn no_secret(_: &SecretPlace, what: &str) -> anyhow::Result<Secret> {
    anyhow::bail!("{what} is not there")
}

async fn send(scene: &Scene, budget: Duration) -> SendReport {
    let reader = scene.reader();
    let messenger = Messenger { reader: &reader, read_secret: &no_secret };
    messenger.send(budget).await.expect("it can be read and written")
}

/// The number of messages that a channel has accepted and not accepted.
fn counts(report: &SendReport, channel: &str) -> [usize; 2] {
    report.channels.get(channel).map_or([0, 0], |counts| [counts.delivered, counts.failed])
}

#[tokio::test]
async fn all_messages_are_sent_in_rounds_and_the_ledger_counts_them() {
    let receiver = Receiver::start().await.expect("a port is free");
    let scene = scene(&[("ops", slack(&receiver))], 45).await;
    let report = send(&scene, BUDGET).await;
    assert_eq!(counts(&report, "ops"), [45, 0]);
    assert_eq!(receiver.requests().len(), 45);
    assert!(!report.has_failures() && report.failures().is_empty());
    assert!(send(&scene, BUDGET).await.is_empty(), "nothing waits any more");
    let entries = scene.tenant.ledger().entries().expect("it is whole");
    let notified: Vec<_> =
        entries.iter().filter(|entry| entry.record.event == "notified").collect();
    assert_eq!(notified.len(), 1);
    assert_eq!(notified[0].record.facts.get("messages"), Some(&Value::from(45)));
}

#[tokio::test]
async fn without_time_each_channel_gets_one_message_and_the_others_wait() {
    let receivers = [Receiver::start().await, Receiver::start().await];
    let [one, two] = receivers.map(|receiver| receiver.expect("a port is free"));
    let scene = scene(&[("one", slack(&one)), ("two", slack(&two))], 3).await;
    for expected in [1, 2, 3, 3] {
        send(&scene, Duration::ZERO).await;
        assert_eq!([one.requests().len(), two.requests().len()], [expected; 2]);
    }
}

#[tokio::test]
async fn a_receiver_that_fails_gets_one_message_and_leaves_the_others_alone() {
    let (bad, good) = (Receiver::start().await, Receiver::start().await);
    let (bad, good) = (bad.expect("a port is free"), good.expect("a port is free"));
    bad.answer_with(500);
    let scene = scene(&[("bad", slack(&bad)), ("good", slack(&good))], 3).await;
    let report = send(&scene, BUDGET).await;
    assert_eq!([counts(&report, "bad"), counts(&report, "good")], [[0, 1], [3, 0]]);
    assert!(report.has_failures());
    let [failure] = &report.failures()[..] else { panic!("one has failed") };
    assert!(failure.starts_with("channel bad did not take a message, which stays: "), "{failure}");
    let listed = ChannelList::read(&scene.reader()).expect("there are channels").objects();
    let waiting: Vec<_> = listed.iter().map(|channel| channel["waiting"].to_string()).collect();
    assert_eq!(waiting, ["3", "0"]);
    assert_ne!(listed[0]["lastFailure"], "", "{listed:?}");
    bad.answer_with(200);
    scene.pass(24);
    assert_eq!(counts(&send(&scene, BUDGET).await, "bad"), [3, 0], "it is tried again");
}

#[tokio::test]
async fn a_channel_whose_secret_cannot_be_read_keeps_its_messages() {
    let receiver = Receiver::start().await.expect("a port is free");
    let secret = "kind = 'slack'\nurl = { env = 'HOOK' }".to_owned();
    let scene = scene(&[("ops", slack(&receiver)), ("team", secret)], 2).await;
    let report = send(&scene, BUDGET).await;
    assert_eq!([counts(&report, "ops"), counts(&report, "team")], [[2, 0], [0, 1]]);
    let expected = "channel team did not take a message, which stays: the address of channel team is not there";
    assert_eq!(report.failures(), [expected]);
}

#[tokio::test]
async fn nothing_is_sent_while_another_process_sends_or_without_channels() {
    let receiver = Receiver::start().await.expect("a port is free");
    let scene = scene(&[("ops", slack(&receiver))], 1).await;
    let other = scene.tenant.lock_delivery(LOCK, "process 7").expect("it is free");
    assert!(send(&scene, BUDGET).await.is_empty());
    drop(other);
    std::fs::remove_file(scene.folder.path().join("notify.toml")).expect("it is there");
    assert!(send(&scene, BUDGET).await.is_empty());
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn messages_to_a_channel_that_was_removed_are_failures_of_the_next_sending() {
    let receiver = Receiver::start().await.expect("a port is free");
    let scene = scene(&[("ops", slack(&receiver))], 3).await;
    scene.write("notify.toml", "");
    let report = send(&scene, BUDGET).await;
    assert_eq!(counts(&report, "ops"), [0, 3]);
    let expected = "channel ops did not take a message, which was given up: notify.toml has no such channel any more";
    assert_eq!(report.failures(), [expected]);
    assert!(send(&scene, BUDGET).await.is_empty());
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn a_channel_is_tried_and_one_that_keeps_a_state_is_told_of_the_end_too() {
    let receiver = Receiver::start().await.expect("a port is free");
    let alerts = format!("kind = 'alertmanager'\nurl = '{}'", receiver.url());
    let scene = scene(&[("alerts", alerts), ("ops", slack(&receiver))], 0).await;
    let reader = scene.reader();
    let messenger = Messenger { reader: &reader, read_secret: &no_secret };
    let test = async |name: &str| match messenger.test(name).await {
        Ok(line) => line,
        Err(failure) => format!("{:?}: {:#}", failure.kind, failure.error),
    };
    assert_eq!(test("ops").await, "ops (slack) accepted the message");
    assert_eq!(receiver.requests().len(), 1);
    assert_eq!(test("alerts").await, "alerts (alertmanager) accepted the message");
    assert_eq!(receiver.requests().len(), 3, "opened and resolved");
    let unknown = "Configuration: there is no channel `mail`; the channels are alerts, ops";
    assert_eq!(test("mail").await, unknown);
    receiver.answer_with(404);
    let refused = test("ops").await;
    let expected = "DestinationFailed: ops (slack) did not accept the message: ";
    assert!(refused.starts_with(expected), "{refused}");
}
