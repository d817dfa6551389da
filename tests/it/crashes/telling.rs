//! People are told once of each change, wherever `rules run` and `notify send` are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use core_simulator::{MailReceiver, MailTls, Receiver, TenantSpec};
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::operations::KILLS;
use super::{SAMPLES, spread, torture_seconds};
use crate::kit::{Ended, Scene, write_private};

/// A rule that needs no new generation: it finds what the user's own file of advisories says.
const RULE: &str = r#"
id = "advisory"
title = "Advisory"
severity = "high"
kind = "program"
first_run = "all"
query = "select advisory as key from advisory_match group by 1"
identity = ["key"]
message = "{{ key }} applies"
"#;

/// Quiet hours that hold every message back.
const QUIET: &str = "quiet_hours = \"00:00-23:59:59.999\"\n";

/// A tenant whose findings eight receivers hear of. In each round one finding opens, and that of the round before ends.
struct Telling {
    scene: Scene,
    receiver: Receiver,
    mails: MailReceiver,
    round: usize,
    heard: BTreeMap<String, BTreeSet<String>>,
    // Behind what runs on it.
    _runtime: Runtime,
}

impl Telling {
    fn new() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        let mails = runtime.block_on(MailReceiver::start(MailTls::None)).expect("a port is free");
        let tenant = TenantSpec { devices: 12, users: 10, alerts: 5, ..TenantSpec::default() };
        let scene = Scene::of(tenant);
        for folder in ["rules", "software"] {
            fs::create_dir(scene.path(folder)).expect("a folder can be made");
        }
        write_private(&scene.path("key"), "key");
        let heard = BTreeMap::new();
        let mut telling = Self { scene, receiver, mails, round: 0, heard, _runtime: runtime };
        telling.scene.run_completely();
        telling.scene.write("rules/advisory.toml", RULE);
        telling.begin_round("");
        // The first round has no end.
        telling.done(&["rules", "run"]);
        telling.heard = telling.identities();
        assert_eq!(telling.heard.len(), 8, "{:?}", telling.heard);
        telling
    }

    /// Lets one finding open and another one end at the next evaluation. `setting` is one of every channel.
    fn begin_round(&mut self, setting: &str) {
        self.round += 1;
        self.write_channels(setting);
        let advisory =
            format!("id,publisher,name,fixed_in\nADV-{},Nexthink,Nexthink Coll*,99\n", self.round);
        self.scene.write("software/advisories.csv", &advisory);
    }

    fn write_channels(&self, setting: &str) {
        let url = self.receiver.url();
        let template = r#"template = '{"id": "{{ id }}", "what": "{{ summary }}"}'"#;
        let log = self.scene.path("log");
        let mail = format!(
            "server = \"{}\"\ntls = \"none\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]",
            self.mails.address()
        );
        let exec =
            format!("command = [\"/bin/sh\", \"-c\", '/bin/cat >> \"$0\"', \"{}\"]", log.display());
        let over_http = |kind: &str, more: &str| format!("url = \"{url}/{kind}\"\n{more}");
        let channels = [
            ("webhook", over_http("webhook", "secret = { file = \"key\" }")),
            ("template", over_http("template", template)),
            ("slack", over_http("slack", "")),
            ("teams", over_http("teams", "")),
            ("pagerduty", over_http("pagerduty", "routing_key = { file = \"key\" }")),
            ("alertmanager", over_http("alertmanager", "")),
            ("email", mail),
            ("exec", exec),
        ];
        let names = channels.each_ref().map(|(kind, _)| format!("\"{kind}\"")).join(", ");
        let tables = channels.map(|(kind, settings)| {
            format!("[channels.{kind}]\nkind = \"{kind}\"\n{settings}\n{setting}")
        });
        let text = format!("{}[[routes]]\nto = [{names}]\n", tables.concat());
        self.scene.write("notify.toml", &text);
    }

    fn done(&self, arguments: &[&str]) -> Ended {
        let ended = self.scene.program(arguments);
        assert_eq!(ended.exit, Some(0), "{arguments:?}: {}", ended.stderr);
        ended
    }

    /// By what each receiver tells a message from every other one. One that came twice is here once.
    fn identities(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut heard: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |channel: &str, identity: String| {
            heard.entry(channel.to_owned()).or_default().insert(identity);
        };
        for request in self.receiver.requests() {
            let body: Value = serde_json::from_slice(&request.body).expect("JSON");
            let channel =
                request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
            match channel {
                "webhook" | "template" => add(channel, body["id"].to_string()),
                "pagerduty" => {
                    add(channel, format!("{} {}", body["dedup_key"], body["event_action"]));
                }
                "alertmanager" => {
                    for alert in body.as_array().expect("alerts") {
                        let is_open = is_open(alert);
                        add(channel, format!("{} {is_open}", alert["labels"]["finding"]));
                    }
                }
                _ => add(channel, body.to_string()),
            }
        }
        for mail in self.mails.mails() {
            let id = mail.content.lines().find(|line| line.starts_with("Message-ID: "));
            add("email", id.unwrap_or_default().to_owned());
        }
        let log = fs::read_to_string(self.scene.path("log")).unwrap_or_default();
        for body in serde_json::Deserializer::from_str(&log).into_iter::<Value>() {
            add("exec", body.expect("JSON")["id"].to_string());
        }
        heard
    }

    /// Fails unless each receiver has heard of exactly one beginning and one end since the last round.
    fn assert_told(&mut self, case: &str) {
        let heard = self.identities();
        for (channel, messages) in &heard {
            let before = self.heard.get(channel).map_or(0, BTreeSet::len);
            assert_eq!(messages.len(), before + 2, "{case}: {channel}: {messages:?}");
        }
        self.heard = heard;
        let open = self.done(&["findings", "list", "--output", "json"]).stdout;
        let open: Vec<Value> = serde_json::from_str(&open).expect("an array");
        let texts: Vec<&str> = open.iter().filter_map(|finding| finding["text"].as_str()).collect();
        assert_eq!(texts, [format!("ADV-{} applies", self.round)], "{case}");
    }

    /// Kills a command at its operations: all that there is time for under `cargo xtask torture`, else some.
    /// `prepare` begins each round, and `repair` is what the user does next.
    fn kill_at_operations(
        &mut self,
        arguments: &[&str],
        repair: &[&str],
        mut prepare: impl FnMut(&mut Self),
    ) {
        prepare(self);
        let operations = self.scene.last_operation_of(arguments);
        self.assert_told("without a fault");
        let seconds = torture_seconds().map(Duration::from_secs);
        let tries = if seconds.is_some() { operations * KILLS.len() } else { SAMPLES };
        let started = Instant::now();
        let rounds = (0..KILLS.len()).flat_map(|_| spread(operations));
        let places = rounds.enumerate().take(tries);
        for (place, number) in places {
            if seconds.is_some_and(|seconds| started.elapsed() > seconds) {
                break;
            }
            // In each pass over the operations another kind comes first.
            let kind = KILLS[(place + place / operations) % KILLS.len()];
            let case = format!("{arguments:?} under {kind}@{number} of {operations}");
            prepare(self);
            let ended = self.scene.program_with_fault(arguments, &format!("{kind}@{number}"));
            assert!(matches!(ended.exit, None | Some(0)), "{case}: {ended:?}");
            self.done(repair);
            self.assert_told(&case);
        }
    }
}

/// Returns whether an alert is sent as an open one, whose end is a day from now.
fn is_open(alert: &Value) -> bool {
    let time = |name: &str| {
        let text = alert[name].as_str().unwrap_or_default();
        text.parse::<Timestamp>().expect("a time")
    };
    time("endsAt").duration_since(time("startsAt")).as_hours() > 20
}

#[test]
fn n1_n13_each_receiver_hears_once_of_each_change_wherever_an_evaluation_is_killed() {
    let arguments = ["rules", "run"];
    Telling::new().kill_at_operations(&arguments, &arguments, |telling| telling.begin_round(""));
}

#[test]
fn n1_n13_each_receiver_hears_once_of_each_change_wherever_sending_is_killed() {
    let arguments = ["notify", "send"];
    Telling::new().kill_at_operations(&arguments, &arguments, |telling| {
        telling.begin_round(QUIET);
        telling.done(&["rules", "run"]);
        telling.write_channels("");
    });
}
