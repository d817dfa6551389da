//! Shared by the tests: a book with its channels, a clock that only the test moves, and a receiver for every channel.

use std::collections::BTreeSet;

use core_rules::book::{Book, Outcome, When};
use core_rules::document::Document;
use core_rules::fingerprint::Fingerprints;
use core_rules::notify::render::{ChannelSecrets, render};
use core_rules::notify::send::Sender;
use core_rules::notify::settings::{Address, ChannelKind, NotifySettings};
use core_rules::observation::observe;
use core_rules::outbox::Attempt;
use core_rules::questions::NoQuestions;
use core_rules::rule::Rule;
use core_rules::rule_file;
use serde_json::{Value, json};

pub(crate) const DAY_MS: u64 = 24 * 3_600 * 1_000;

pub(crate) fn rule(extra: &str) -> Rule {
    let text = format!(
        "id = 'r'\ntitle = 'R'\nseverity = 'high'\nquery = 'select 1'\nidentity = ['key']\n\
         entity = 'key'\nfirst_run = 'all'\nmessage = '{{{{ name }}}} holds'\n{extra}"
    );
    rule_file::read(Document { file: "r.toml", text: &text }, &NoQuestions).expect("valid")
}

pub(crate) fn settings(text: &str) -> NotifySettings {
    NotifySettings::read(Document { file: "notify.toml", text }).expect("valid")
}

/// A book, its channels, and a clock that only the test moves.
pub(crate) struct Scene {
    pub(crate) book: Book,
    pub(crate) settings: NotifySettings,
    pub(crate) rule: Rule,
    pub(crate) sender: Sender,
    pub(crate) now: u64,
    pub(crate) number: u32,
    ids: u32,
}

impl Scene {
    pub(crate) fn new(channels: &str) -> Self {
        Self {
            book: Book::new("full", BTreeSet::new()),
            settings: settings(channels),
            rule: rule(""),
            sender: Sender::new(core_http::Trust::default(), None).expect("a client"),
            now: 1_800_000_000_000,
            number: 0,
            ids: 0,
        }
    }

    /// Evaluates on a complete generation with these names, and makes messages.
    pub(crate) fn run(&mut self, names: &[&str]) {
        let rows = names.iter().map(|name| json!({ "key": name, "name": name }));
        self.run_rows(&rows.collect::<Vec<_>>());
    }

    /// Evaluates on a complete generation with these rows, and makes messages.
    pub(crate) fn run_rows(&mut self, rows: &[Value]) {
        let fingerprints = Fingerprints::new("acme", None);
        let rows: Vec<_> = rows.iter().filter_map(|row| row.as_object().cloned()).collect();
        let observed = observe(&self.rule, &fingerprints, &rows).expect("rows with identities");
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

    pub(crate) fn compose(&mut self) {
        let ids = &mut self.ids;
        self.book.compose(&self.settings, "acme", self.now, &mut || {
            *ids += 1;
            format!("msg_{ids}")
        });
        // A restart: what is read is what was written.
        let read: Book = serde_json::from_slice(&self.book.to_bytes()).expect("whole");
        assert_eq!(read, self.book);
    }

    pub(crate) fn secrets(kind: &ChannelKind) -> ChannelSecrets {
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
            ChannelKind::Exec { .. } | ChannelKind::Email(_) => String::new(),
        };
        ChannelSecrets {
            url,
            key: Some("key-one".to_owned()),
            previous_key: Some("key-zero".to_owned()),
        }
    }

    /// Sends all that is due now.
    pub(crate) async fn send(&mut self) {
        for (id, attempt) in self.deliver().await {
            self.book.outbox_mut().note(&id, &attempt, self.now);
        }
    }

    /// Sends all that is due now, and tells what came of it.
    pub(crate) async fn deliver(&self) -> Vec<(String, Attempt)> {
        let mut results = Vec::new();
        for channel in self.settings.channels.values() {
            for message in self.book.due(channel, self.now, 1_000) {
                let secrets = Self::secrets(&channel.kind);
                let delivery = render(&channel.kind, &message, &secrets, self.now);
                let attempt = self.sender.send(delivery.expect("rendered")).await;
                let goes_on = !matches!(attempt, Attempt::Failed { .. });
                results.push((message.id, attempt));
                if !goes_on {
                    break;
                }
            }
        }
        results
    }
}

/// A channel of each kind: over HTTP at `url`, a program that writes to the file `log`, and mail to the server `mail`.
pub(crate) fn all_channels(url: &str, log: &str, mail: &str) -> String {
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
[channels.email]
kind = "email"
server = "{mail}"
tls = "none"
from = "graph@acme.example"
to = ["desk@acme.example", "ops@acme.example"]
[[routes]]
to = ["webhook", "template", "slack", "teams", "pagerduty", "alertmanager", "exec", "email"]
"#
    )
}
