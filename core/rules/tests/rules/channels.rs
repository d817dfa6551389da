//! Messages at every channel: hostile names stay texts, and what fails comes again under the same id.

use std::collections::BTreeMap;

use core_rules::book::{Book, Outcome, When};
use core_rules::document::Document;
use core_rules::fingerprint::Fingerprints;
use core_rules::notify::render::{ChannelSecrets, Delivery, render};
use core_rules::notify::send::Sender;
use core_rules::notify::settings::{ChannelKind, NotifySettings};
use core_rules::observation::observe;
use core_rules::outbox::{Attempt, Message};
use core_rules::questions::NoQuestions;
use core_rules::rule::Rule;
use core_rules::rule_file;
use core_simulator::Receiver;
use serde_json::{Value, json};

const DAY_MS: u64 = 24 * 3_600 * 1_000;

fn rule(extra: &str) -> Rule {
    let text = format!(
        "id = 'r'\ntitle = 'R'\nseverity = 'high'\nquery = 'select 1'\nidentity = ['key']\n\
         entity = 'key'\nfirst_run = 'all'\nmessage = '{{{{ name }}}} holds'\n{extra}"
    );
    rule_file::read(Document { file: "r.toml", text: &text }, &NoQuestions).expect("valid")
}

fn settings(text: &str) -> NotifySettings {
    NotifySettings::read(Document { file: "notify.toml", text }).expect("valid")
}

/// A book, its channels, and a clock that only the test moves.
struct Scene {
    book: Book,
    settings: NotifySettings,
    rule: Rule,
    sender: Sender,
    now: u64,
    number: u32,
}

impl Scene {
    fn new(channels: &str) -> Self {
        Self {
            book: Book::new("full", std::collections::BTreeSet::new()),
            settings: settings(channels),
            rule: rule(""),
            sender: Sender::new(core_http::Trust::default(), None).expect("a client"),
            now: 1_800_000_000_000,
            number: 0,
        }
    }

    /// Evaluates on a complete generation with these names, and makes messages.
    fn run(&mut self, names: &[&str]) {
        let fingerprints = Fingerprints::new("acme", None);
        let row = |name: &&str| json!({ "key": name, "name": name }).as_object().cloned();
        let rows = names.iter().filter_map(row).collect();
        let observed = observe(&self.rule, &fingerprints, rows).expect("rows with identities");
        let outcome = Outcome::Rows { observed, reads: Vec::new(), partial: Vec::new() };
        self.number += 1;
        let generation = format!("g{}", self.number);
        let when = When { at: self.now, generation: Some(&generation), run: &generation };
        self.book.evaluate(&self.rule, outcome, &fingerprints, &when);
        let settings = &self.settings;
        self.book.tell(self.now, |_, finding, rule, transition| {
            settings.channels_for(finding, rule, transition)
        });
        self.compose();
    }

    fn compose(&mut self) {
        let (mut number, run) = (0, self.number);
        let now = self.now;
        self.book.compose(&self.settings, "acme", now, &mut || {
            number += 1;
            format!("msg_{now}_{run}_{number}")
        });
        // A restart: what is read is what was written.
        let read: Book = serde_json::from_slice(&self.book.to_bytes()).expect("whole");
        assert_eq!(read, self.book);
    }

    fn secrets(kind: &ChannelKind) -> ChannelSecrets {
        use core_rules::notify::settings::Address;
        let plain = |address: &Address| match address {
            Address::Plain(url) => url.clone(),
            Address::Secret(_) => String::new(),
        };
        let url = match kind {
            ChannelKind::Webhook { url, .. }
            | ChannelKind::Template { url, .. }
            | ChannelKind::Slack { url }
            | ChannelKind::Teams { url }
            | ChannelKind::Pagerduty { url, .. }
            | ChannelKind::Alertmanager { url, .. } => plain(url),
            ChannelKind::Exec { .. } => String::new(),
        };
        ChannelSecrets {
            url,
            key: Some("key-one".to_owned()),
            previous_key: Some("key-zero".to_owned()),
        }
    }

    /// Sends all that is due now. `is_killed` forgets what came of it, as a killed process does.
    async fn send(&mut self, is_killed: bool) {
        for channel in self.settings.channels.values() {
            for message in self.book.outbox().due(&channel.name, self.now, 1_000) {
                let secrets = Self::secrets(&channel.kind);
                let delivery = render(&channel.kind, &message, &secrets, self.now);
                let attempt = self.sender.send(delivery.expect("rendered")).await;
                if is_killed {
                    break;
                }
                self.book.outbox_mut().note(&message.id, &attempt, self.now);
                if matches!(attempt, Attempt::Failed { .. }) {
                    break;
                }
            }
        }
    }
}

fn all_channels(url: &str, log: &str) -> String {
    format!(
        r#"
[channels.webhook]
kind = "webhook"
url = "{url}/webhook"
secret = {{ env = "UNUSED" }}
[channels.template]
kind = "template"
url = "{url}/template"
template = '{{"short_description": "{{{{ summary }}}}", "details": "{{{{ details }}}}", "id": "{{{{ id }}}}"}}'
[channels.slack]
kind = "slack"
url = "{url}/slack"
[channels.teams]
kind = "teams"
url = "{url}/teams"
[channels.pagerduty]
kind = "pagerduty"
url = "{url}/pagerduty"
routing_key = {{ env = "UNUSED" }}
[channels.alertmanager]
kind = "alertmanager"
url = "{url}/alertmanager"
[channels.exec]
kind = "exec"
command = ["sh", "-c", 'cat >> "$1"; echo >> "$1"', "sh", "{log}"]
[[routes]]
to = ["webhook", "template", "slack", "teams", "pagerduty", "alertmanager", "exec"]
"#
    )
}

/// Names that mean something to one of the receivers.
fn hostile_names() -> Vec<String> {
    let bases = [
        "<!channel>",
        "<!here|x>",
        "<@U123>",
        "@everyone",
        "@channel",
        "<https://evil.example|click>",
        "[click](https://evil.example)",
        "![x](https://evil.example/x.png)",
        "**bold** _it_ `code`",
        "{{DATE(2026-01-01T00:00:00Z, SHORT)}}",
        "${user.name}",
        "{{ config }}",
        "{% raw %}",
        "%7B%7B",
        "\"}, \"urgency\": \"1",
        "\\\", \"x\": \"",
        "</script><script>alert(1)</script>",
        "<at>all</at>",
        "name\r\nBcc: victim@evil.example",
        "name\nSubject: other",
        "name\r\n.\r\nQUIT\r\n",
        "name\n\n.\nMAIL FROM:<x@evil.example>",
        "=?utf-8?q?x?=",
        "a\u{0}b",
        "\u{202e}evil",
        "\u{2028}line",
        "$(touch evil)",
        "`touch evil`",
        "; touch evil",
        "| cat /etc/passwd",
        "--help",
        "-o evil",
        "'; DROP TABLE x; --",
        "%0d%0aX-Header: 1",
        "\u{1b}[31mred",
        "../../etc/passwd",
        "#EXTRA",
        "null",
        "{\"type\":\"Action.OpenUrl\",\"url\":\"https://evil.example\"}",
        "😀 名前 اسم",
    ];
    let mut names = Vec::new();
    for (place, base) in bases.iter().enumerate() {
        for form in 0..5 {
            names.push(match form {
                0 => (*base).to_owned(),
                1 => format!("PC {base}"),
                2 => format!("{base} {place}"),
                3 => format!("{base}{base}"),
                _ => format!("\"{base}\\"),
            });
        }
    }
    assert!(names.len() >= 200);
    names
}

/// All texts in a document, with the paths of members to them.
fn texts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Array(items) => {
            for item in items {
                texts(item, &format!("{path}[]"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, &format!("{path}.{name}"), found);
            }
        }
        _ => {}
    }
}

/// The members that a document has, without the texts in them.
fn shape(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts(value, "", &mut found);
    let mut paths: Vec<String> = found.into_iter().map(|(path, _)| path).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn hostile_names_stay_texts_at_every_channel() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log").display().to_string();
    let channels = settings(&all_channels("http://127.0.0.1:9", &log));
    let message = |name: &str| {
        let mut scene = Scene::new(&all_channels("http://127.0.0.1:9", &log));
        scene.run(&[name]);
        scene.book.outbox().messages().to_vec()
    };
    let harmless: BTreeMap<String, Message> =
        message("harmless").into_iter().map(|it| (it.channel.clone(), it)).collect();
    for name in &hostile_names() {
        for message in message(name) {
            let kind = &channels.channels[&message.channel].kind;
            let secrets = Scene::secrets(kind);
            let delivery = render(kind, &message, &secrets, message.at).expect("rendered");
            let plain = render(kind, &harmless[&message.channel], &secrets, message.at);
            match (delivery, plain.expect("rendered")) {
                (
                    Delivery::Http { url, headers, body },
                    Delivery::Http { url: plain_url, headers: plain_headers, body: plain_body },
                ) => {
                    let [body, plain] = [body, plain_body]
                        .map(|body| serde_json::from_slice::<Value>(&body).expect("JSON"));
                    assert_eq!(shape(&body), shape(&plain), "{}: {name:?}", message.channel);
                    let names = |headers: &[(&'static str, String)]| {
                        headers.iter().map(|(name, _)| *name).collect::<Vec<_>>()
                    };
                    assert_eq!((url, names(&headers)), (plain_url, names(&plain_headers)));
                    assert_inert(&message.channel, &body, name);
                }
                (Delivery::Exec { command, input }, Delivery::Exec { command: plain, .. }) => {
                    assert_eq!(command, plain);
                    assert!(serde_json::from_slice::<Value>(&input).is_ok());
                }
                _ => panic!("{}: {name:?}", message.channel),
            }
        }
    }
}

/// Fails if a receiver would act on a text.
fn assert_inert(channel: &str, body: &Value, name: &str) {
    let mut found = Vec::new();
    texts(body, "", &mut found);
    for (path, text) in found {
        let is_control = text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!is_control, "{channel}: {path}: {name:?}");
        match channel {
            // Only the fallback is read as Slack's own markup; blocks are plain text.
            "slack" if path == ".text" => {
                assert!(!text.contains('<') && !text.contains('>'), "{text}");
            }
            "slack" if path.ends_with(".text.type") => assert_eq!(text, "plain_text"),
            "teams" if path.ends_with("[].type") => {
                let known = ["RichTextBlock", "TextRun"];
                assert!(known.contains(&text.as_str()), "{text}");
            }
            "teams" if path.rsplit('.').next() == Some("text") => {
                assert!(!text.contains("{{") && !text.contains("${"), "{text}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn each_receiver_hears_once_of_each_change_whatever_is_killed_and_restarted() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let receiver = Receiver::start().await.expect("a port is free");
    let channels = all_channels(receiver.url(), &log.display().to_string());
    let mut scene = Scene::new(&channels);
    for run in 0..10 {
        // Two devices come with the third run and go with the sixth; every other attempt is killed.
        let names: &[&str] = if (3..6).contains(&run) { &["one", "two"] } else { &[] };
        scene.run(names);
        scene.send(run % 2 == 0).await;
        scene.send(false).await;
        scene.now += DAY_MS / 24;
    }
    assert!(scene.book.outbox().is_empty());
    let requests = receiver.requests();
    let of = |path: &str| {
        requests.iter().filter(|it| it.path.starts_with(path)).cloned().collect::<Vec<_>>()
    };
    for path in ["/webhook", "/template", "/slack", "/teams"] {
        // Doubled ones have the same body, in which the id is; so nothing else is left to differ.
        let mut bodies: Vec<Vec<u8>> = of(path).into_iter().map(|it| it.body).collect();
        bodies.sort_unstable();
        bodies.dedup();
        assert_eq!(bodies.len(), 4, "{path}: two opened, two resolved");
    }
    let webhooks = of("/webhook");
    for request in &webhooks {
        let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
        let timestamp = header("webhook-timestamp").parse().expect("seconds");
        let sign = |key: &str| {
            let id = header("webhook-id");
            core_rules::notify::signature::sign(key, &id, timestamp, &request.body)
        };
        let both =
            format!("{} {}", sign("key-one").expect("signed"), sign("key-zero").expect("signed"));
        assert_eq!(header("webhook-signature"), both);
    }
    let mut events: Vec<(String, String)> = of("/pagerduty")
        .iter()
        .map(|it| serde_json::from_slice::<Value>(&it.body).expect("JSON"))
        .map(|it| (it["dedup_key"].to_string(), it["event_action"].to_string()))
        .collect();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), 4);
    let logged = std::fs::read_to_string(&log).expect("it was written");
    let mut lines: Vec<&str> = logged.lines().filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 4);
    assert!(!of("/alertmanager/api/v2/alerts").is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_down_for_three_days_gets_everything_in_order_and_one_for_a_week_nothing()
 {
    let receiver = Receiver::start().await.expect("a port is free");
    let text = format!(
        "[channels.ops]\nkind = \"slack\"\nurl = \"{}\"\n[[routes]]\nto = [\"ops\"]\n",
        receiver.url()
    );
    for (days, delivered, given_up) in [(3_u64, 3, 0), (9, 1, 2)] {
        let mut scene = Scene::new(&text);
        receiver.answer_with(500);
        let before = receiver.requests().len();
        scene.run(&["one"]);
        scene.run(&[]);
        for _ in 0..days * 24 {
            scene.send(false).await;
            scene.now += DAY_MS / 24;
        }
        receiver.answer_with(200);
        scene.run(&["two"]);
        for _ in 0..26 {
            scene.send(false).await;
            scene.now += DAY_MS / 24;
        }
        assert!(scene.book.outbox().is_empty());
        assert_eq!(scene.book.outbox().given_up(), given_up, "{days} days");
        let requests = receiver.requests();
        let taken: Vec<String> = requests[before..]
            .iter()
            .filter(|request| request.status == 200)
            .map(|request| serde_json::from_slice::<Value>(&request.body).expect("JSON"))
            .map(|body| body["text"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(taken.len(), delivered, "{days} days: {taken:?}");
        if days == 3 {
            assert!(taken[0].contains("opened") && taken[1].contains("resolved"), "{taken:?}");
        }
        // It is not hammered meanwhile.
        assert!(requests.len() - before < 30, "{}", requests.len() - before);
    }
}

#[test]
fn many_transitions_are_one_digest_and_quiet_hours_hold_all_but_the_urgent() {
    let quiet = r#"
[channels.ops]
kind = "slack"
url = "https://hooks.example/x"
quiet_hours = "00:00-23:59"
urgent = "critical"
[[routes]]
to = ["ops"]
"#;
    let names: Vec<String> = (0..500).map(|number| format!("PC-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut scene = Scene::new(&quiet.replace("00:00-23:59", "00:00-00:00"));
    scene.run(&names);
    let [digest] = scene.book.outbox().messages() else { panic!("one digest") };
    assert_eq!((digest.total, digest.opened, digest.items.len()), (500, 500, 20));

    let mut scene = Scene::new(quiet);
    scene.run(&names);
    assert_eq!(scene.book.outbox().messages().len(), 0);
    assert_eq!(scene.book.outbox().waiting("ops"), 500);
    let mut scene = Scene::new(quiet);
    scene.rule = rule("").clone();
    scene.rule.severity = core_rules::rule::Severity::Critical;
    scene.run(&names);
    assert_eq!(scene.book.outbox().messages().len(), 1);
}

#[test]
fn mistakes_in_the_file_have_a_place() {
    let table = [
        (
            "[channels.a]\nkind = \"slak\"\n",
            "notify.toml:2:8: there is no kind `slak`, did you mean `slack`?",
        ),
        (
            "[channels.a]\nkind = \"slack\"\n",
            "notify.toml:2:8: a channel of kind slack needs `url`",
        ),
        (
            "[channels.a]\nkind = \"slack\"\nurl = \"http://a.example\"\n",
            "notify.toml:3:7: use https",
        ),
        (
            "[channels.a]\nkind = \"slack\"\nurl = \"https://a.example\"\ncommand = [\"x\"]\n",
            "notify.toml:2:8: `command` is not for channels of kind slack",
        ),
        (
            "[channels.ops]\nkind = \"slack\"\nurl = \"https://a.example\"\n[[routes]]\nto = [\"op\"]\n",
            "notify.toml:5:6: there is no channel `op`, did you mean `ops`?",
        ),
    ];
    for (text, expected) in table {
        let problems =
            NotifySettings::read(Document { file: "notify.toml", text }).expect_err(text);
        assert!(problems[0].to_string().starts_with(expected), "{}", problems[0]);
    }
}
