//! Channels of every kind from outside: the command that tries each, and what they are told where people are shown by
//! pseudonyms.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use core_simulator::{MailReceiver, MailTls, Receiver, TenantSpec};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::done;
use crate::kit::{Scene, write_private};

const NAMES: [&str; 8] =
    ["webhook", "template", "slack", "teams", "pagerduty", "alertmanager", "email", "exec"];

/// A rule that shows names of people.
const USERS: &str = r#"
id = "user-seen"
title = "User"
severity = "high"
query = "select _key as key, upn, \"displayName\" as name from nexthink_user"
identity = ["key"]
entity = "key"
first_run = "all"
message = "{{ name }} ({{ upn }})"
"#;

/// A tenant with a channel of every kind.
struct Channels {
    scene: Scene,
    receiver: Receiver,
    mails: MailReceiver,
    // Behind what runs on it.
    _runtime: Runtime,
}

impl Channels {
    fn new() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        let mails = runtime.block_on(MailReceiver::start(MailTls::None)).expect("a port is free");
        let tenant = TenantSpec { devices: 12, users: 10, alerts: 5, ..TenantSpec::default() };
        let scene = Scene::of(tenant);
        write_private(&scene.path("webhook-key"), "key");
        let (url, mail) = (receiver.url(), mails.address());
        let key = "{ file = \"webhook-key\" }";
        let log = scene.path("log").display().to_string();
        let settings = [
            format!("url = \"{url}/webhook\"\nsecret = {key}"),
            format!("url = \"{url}/template\"\ntemplate = '{{\"text\": \"{{{{ text }}}}\"}}'"),
            format!("url = \"{url}/slack\""),
            format!("url = \"{url}/teams\""),
            format!("url = \"{url}/pagerduty\"\nrouting_key = {key}"),
            format!("url = \"{url}/alertmanager\""),
            format!(
                "server = \"{mail}\"\ntls = \"none\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]"
            ),
            format!("command = [\"/bin/sh\", \"-c\", '/bin/cat >> \"$0\"', \"{log}\"]"),
        ];
        let tables = NAMES
            .iter()
            .zip(settings)
            .map(|(name, settings)| format!("[channels.{name}]\nkind = \"{name}\"\n{settings}\n"));
        let routes = format!("[[routes]]\nto = {NAMES:?}\n");
        scene.write("notify.toml", &(tables.collect::<String>() + &routes));
        Self { scene, receiver, mails, _runtime: runtime }
    }

    /// Everything that every receiver was sent.
    fn sent(&self) -> Vec<(String, String)> {
        let requests = self.receiver.requests().into_iter().map(|request| {
            let channel =
                request.path.trim_start_matches('/').split('/').next().unwrap_or_default();
            (channel.to_owned(), String::from_utf8_lossy(&request.body).into_owned())
        });
        let mails = self.mails.mails().into_iter().map(|mail| ("email".to_owned(), mail.content));
        let log = fs::read_to_string(self.scene.path("log")).ok();
        requests.chain(mails).chain(log.map(|log| ("exec".to_owned(), log))).collect()
    }
}

#[test]
fn each_channel_is_tried_by_a_command_that_says_why_it_fails() {
    let channels = Channels::new();
    for name in NAMES {
        let tried = done(&channels.scene, &["notify", "test", name]);
        assert_eq!(tried.stdout, format!("{name} ({name}) accepted the message\n"));
        assert_eq!(
            channels.sent().last().map(|(channel, _)| channel.as_str()),
            Some(name),
            "{name}"
        );
    }
    channels.receiver.answer_with(500);
    channels.mails.refuse_with(Some(451));
    for name in &NAMES[..7] {
        let tried = channels.scene.program(&["notify", "test", name]);
        assert_eq!(tried.exit, Some(6), "{name}");
        let expected = format!("{name} ({name}) did not accept the message: ");
        assert!(tried.stderr.contains(&expected), "{name}: {}", tried.stderr);
    }
    let unknown = channels.scene.program(&["notify", "test", "pager"]);
    assert_eq!(unknown.exit, Some(2));
    assert!(unknown.stderr.contains("there is no channel `pager`"), "{}", unknown.stderr);
}

#[test]
fn under_a_profile_every_channel_and_the_findings_show_pseudonyms() {
    let channels = Channels::new();
    let scene = &channels.scene;
    scene.run_completely();
    let people = scene.query("select upn, \"displayName\" as name from nexthink_user");
    let people = people.iter().flat_map(|row| [&row["upn"], &row["name"]]);
    let people: Vec<&str> = people.filter_map(|name| name.as_str()).collect();
    assert!(people.len() > 10, "{people:?}");
    scene.configure(|configuration| configuration.text("privacy.profile", "pseudonymous"));
    done(scene, &["privacy", "key", "new"]);
    fs::create_dir(scene.path("rules")).expect("a folder can be made");
    scene.write("rules/users.toml", USERS);
    scene.run_completely();
    let sent = channels.sent();
    for name in NAMES {
        assert!(sent.iter().any(|(channel, _)| channel == name), "{name} was told nothing");
    }
    let findings = fs::read_to_string(scene.path("store/acme/findings.json")).expect("it is there");
    let texts = sent.iter().map(|(_, text)| text).chain([&findings]);
    for text in texts {
        assert!(people.iter().all(|name| !text.contains(name)), "{text}");
    }
}

#[test]
fn a_slow_receiver_gets_each_message_once_and_takes_none_from_the_others() {
    let runtime = Runtime::new().expect("threads can be started");
    let [slow, quick] =
        [(), ()].map(|()| runtime.block_on(Receiver::start()).expect("a port is free"));
    slow.answer_after(Duration::from_millis(200));
    let tenant = TenantSpec { devices: 12, users: 10, alerts: 5, ..TenantSpec::default() };
    let scene = Scene::of(tenant);
    write_private(&scene.path("webhook-key"), "key");
    let channel = |name: &str, receiver: &Receiver| {
        let url = receiver.url();
        format!(
            "[channels.{name}]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = {{ file = \"webhook-key\" }}\n"
        )
    };
    let routes = "[[routes]]\nto = [\"slow\", \"quick\"]\n";
    scene.write("notify.toml", &(channel("slow", &slow) + &channel("quick", &quick) + routes));
    fs::create_dir(scene.path("rules")).expect("a folder can be made");
    scene.write("rules/users.toml", USERS);
    for users in [10, 11] {
        scene.update(|behaviour| behaviour.tenant.users = users);
        scene.run_completely();
        let findings = |receiver: &Receiver| {
            let bodies = receiver.requests().into_iter().map(|request| request.body);
            let bodies = bodies.map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"));
            let ids = bodies.map(|body| body["data"]["findings"][0]["finding"].to_string());
            ids.collect::<Vec<_>>()
        };
        let told = findings(&slow);
        assert_eq!(told.len(), scene.keys("nexthink_user").len());
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "{told:?}");
        assert_eq!(told, findings(&quick));
    }
}
