//! Ten runs with restarts between them, killed once at each write of findings and outbox: each receiver hears of each
//! opened and of each resolved finding in one message, which may come twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use core_rules::book::Book;
use core_simulator::{MailReceiver, MailTls, Receiver};
use jiff::Timestamp;
use serde_json::Value;

use crate::kit::{DAY_MS, Scene, all_channels};

/// The moment of a kill, beside a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The write is lost.
    Before,
    /// It is written, and the process does nothing more.
    After,
}

/// The process was killed.
struct Killed;

/// Processes, one after the other, that have nothing in common but the file with the book.
struct Machine {
    scene: Scene,
    file: Vec<u8>,
    writes: usize,
    kill: Option<(usize, Moment)>,
}

impl Machine {
    fn new(channels: &str, kill: Option<(usize, Moment)>) -> Self {
        let scene = Scene::new(channels);
        let file = scene.book.to_bytes();
        Self { scene, file, writes: 0, kill }
    }

    fn read(&mut self) {
        self.scene.book = serde_json::from_slice::<Book>(&self.file).expect("it is whole");
    }

    fn write(&mut self) -> Result<(), Killed> {
        self.writes += 1;
        let hit = self.kill.filter(|(number, _)| *number == self.writes);
        if matches!(hit, Some((_, Moment::Before))) {
            return Err(Killed);
        }
        self.file = self.scene.book.to_bytes();
        if hit.is_some() { Err(Killed) } else { Ok(()) }
    }

    /// A run: evaluates, and sends what is to be told.
    async fn run(&mut self, names: &[&str]) -> Result<(), Killed> {
        self.read();
        self.scene.run(names);
        self.write()?;
        self.send().await
    }

    /// Does the work of `notify send`.
    async fn send(&mut self) -> Result<(), Killed> {
        self.read();
        let before = self.scene.book.outbox().clone();
        self.scene.compose();
        if *self.scene.book.outbox() != before {
            self.write()?;
        }
        let results = self.scene.deliver().await;
        if results.is_empty() {
            return Ok(());
        }
        self.read();
        for (id, attempt) in results {
            self.scene.book.outbox_mut().note(&id, &attempt, self.scene.now);
        }
        self.write()
    }
}

/// Ten runs in which two devices come and go. Returns how often the file was written.
async fn ten_runs(kill: Option<(usize, Moment)>) -> usize {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let receiver = Receiver::start().await.expect("a port is free");
    let mails = MailReceiver::start(MailTls::None).await.expect("a port is free");
    let channels = all_channels(receiver.url(), &log.display().to_string(), &mails.address());
    let mut machine = Machine::new(&channels, kill);
    for run in 0..10 {
        let names: &[&str] = if (3..6).contains(&run) { &["one", "two"] } else { &[] };
        if machine.run(names).await.is_err() {
            // It is killed once.
            assert!(machine.send().await.is_ok(), "{kill:?}");
        }
        machine.scene.now += DAY_MS / 24;
    }
    machine.read();
    assert!(machine.scene.book.outbox().is_empty(), "{kill:?}");
    let log = fs::read_to_string(&log).expect("it was written");
    let heard = heard(&receiver, &mails, &log);
    assert_eq!(heard.len(), 8, "{kill:?}: {heard:?}");
    for (channel, messages) in &heard {
        let ids: BTreeSet<&str> = messages.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids.len(), 4, "{channel} under {kill:?}: {messages:?}");
        for text in ["opened one", "opened two", "resolved one", "resolved two"] {
            let about = messages.iter().filter(|(_, told)| told == text);
            let ids: BTreeSet<&str> = about.map(|(id, _)| id.as_str()).collect();
            assert_eq!(ids.len(), 1, "{channel} under {kill:?}: {text}: {messages:?}");
        }
        // Only what a killed process has sent comes twice.
        assert!(kill.is_some() || messages.len() == 4, "{channel}: {messages:?}");
    }
    machine.writes
}

/// The messages of each receiver: the ID by which it knows a message again, and what it says.
fn heard(
    receiver: &Receiver,
    mails: &MailReceiver,
    log: &str,
) -> BTreeMap<String, Vec<(String, String)>> {
    let mut heard: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut add = |channel: &str, id: &Value, summary: &str| {
        let entry = (id.to_string(), told(summary));
        heard.entry(channel.to_owned()).or_default().push(entry);
    };
    for request in receiver.requests() {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let channel = request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match channel {
            "webhook" => {
                assert_signed(&request);
                add(channel, &body["id"], &text(&body["data"]["summary"]));
            }
            "template" => add(channel, &body["id"], &text(&body["short_description"])),
            // These have no ID: a message that comes twice is the same.
            "slack" => add(channel, &body, &text(&body["text"])),
            "teams" => {
                let card = &body["attachments"][0]["content"]["body"];
                add(channel, &body, &text(&card[0]["inlines"][0]["text"]));
            }
            "pagerduty" => {
                let id = Value::from(vec![body["dedup_key"].clone(), body["event_action"].clone()]);
                add(channel, &id, &text(&body["payload"]["summary"]));
            }
            _ => {
                for alert in body.as_array().expect("alerts") {
                    let time =
                        |name: &str| text(&alert[name]).parse::<Timestamp>().expect("a time");
                    // An open one ends a day from now, unless it is sent again.
                    let has_ended = time("endsAt").duration_since(time("startsAt")).as_hours() < 20;
                    let word = if has_ended { "resolved" } else { "opened" };
                    let id = Value::from(vec![alert["labels"]["finding"].clone(), word.into()]);
                    let summary = text(&alert["annotations"]["summary"]);
                    add(channel, &id, &format!("[acme] {word} (high): {summary}"));
                }
            }
        }
    }
    for line in log.lines().filter(|line| !line.is_empty()) {
        let body: Value = serde_json::from_str(line).expect("JSON");
        add("exec", &body["id"], body["data"]["summary"].as_str().unwrap_or_default());
    }
    for mail in mails.mails() {
        assert_eq!((mail.from.as_str(), mail.to.len()), ("graph@acme.example", 2));
        let header = |name: &str| {
            let line = mail.content.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        add("email", &header("Message-ID: ").into(), &header("Subject: "));
    }
    heard
}

/// From `[acme] opened (high): one holds` to `opened one`.
fn told(summary: &str) -> String {
    let words: Vec<&str> = summary.split(' ').collect();
    match words[..] {
        ["[acme]", what, "(high):", name, "holds"] => format!("{what} {name}"),
        _ => summary.to_owned(),
    }
}

fn assert_signed(request: &core_simulator::ReceivedRequest) {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let timestamp = header("webhook-timestamp").parse().expect("seconds");
    let sign = |key: &str| {
        let id = header("webhook-id");
        let signed = core_rules::notify::signature::sign(key, &id, timestamp, &request.body);
        signed.expect("a key")
    };
    assert_eq!(header("webhook-signature"), format!("{} {}", sign("key-one"), sign("key-zero")));
}

#[tokio::test]
async fn each_receiver_hears_once_of_each_change_at_whichever_write_a_run_is_killed() {
    let writes = ten_runs(None).await;
    assert!(writes > 10, "{writes}");
    for number in 1..=writes {
        for moment in [Moment::Before, Moment::After] {
            ten_runs(Some((number, moment))).await;
        }
    }
}
