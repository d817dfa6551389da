//! A message as each receiver takes it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::escape::{JsonTemplate, card, slack};
use super::mail::{Letter, Mail};
use super::settings::ChannelKind;
use super::signature::sign;
use crate::outbox::{Item, Message, Transition};
use crate::rule::Severity;
use crate::template::one_line;

/// The characters of a summary at `PagerDuty`.
const MAX_SUMMARY: usize = 1_000;
/// The characters of one block at Slack.
const MAX_BLOCK: usize = 2_900;
/// The name of this program at receivers.
const SOURCE: &str = "nexthink-graph";

/// The secrets of a channel, fetched.
#[derive(Default)]
pub struct ChannelSecrets {
    /// The address.
    pub url: String,
    /// The key of the signature, the routing key, the password, or the value of `Authorization`.
    pub key: Option<String>,
    /// The key before.
    pub previous_key: Option<String>,
}

/// The message to send.
#[derive(Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A POST request with a JSON body.
    Http {
        /// Where to.
        url: String,
        /// Further headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// A program, with this on its standard input.
    Exec {
        /// The program and its arguments, which are those of the configuration.
        command: Vec<String>,
        /// A JSON document.
        input: Vec<u8>,
    },
    /// A mail.
    Mail(Mail),
}

/// Renders a message in the format of its channel.
///
/// # Errors
/// The reason, without a secret or a value: a key or a template that cannot be used.
pub fn render(
    kind: &ChannelKind,
    message: &Message,
    secrets: &ChannelSecrets,
    now: u64,
) -> Result<Delivery, String> {
    let url = secrets.url.clone();
    let post = |url: String, body: &Value| Delivery::Http {
        url,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    Ok(match kind {
        ChannelKind::Webhook { .. } => {
            let body = document(message).to_string().into_bytes();
            let headers = signed(message, secrets, now, &body)?;
            Delivery::Http { url, headers, body }
        }
        ChannelKind::Template { template, .. } => {
            let body = JsonTemplate::new(template)?.render(&template_values(message))?;
            let headers = secrets.key.iter().map(|key| ("authorization", key.clone())).collect();
            Delivery::Http { url, headers, body }
        }
        ChannelKind::Slack { .. } => post(url, &slack_message(message)),
        ChannelKind::Teams { .. } => post(url, &teams_message(message)),
        ChannelKind::Pagerduty { .. } => {
            post(url, &pagerduty_event(message, secrets.key.as_deref().unwrap_or_default()))
        }
        ChannelKind::Alertmanager { expires_hours, .. } => {
            let url = format!("{}/api/v2/alerts", url.trim_end_matches('/'));
            post(url, &alerts(message, now, *expires_hours))
        }
        ChannelKind::Email(settings) => {
            let login = settings.user.clone().zip(secrets.key.clone());
            let text = lines(message).join("\n");
            let letter = Letter {
                id: &message.id,
                at: message.at,
                subject: &headline(message),
                text: &text,
            };
            Delivery::Mail(letter.mail(settings, login)?)
        }
        ChannelKind::Exec { command } => Delivery::Exec {
            command: command.clone(),
            input: document(message).to_string().into_bytes(),
        },
    })
}

/// The headers of the Standard Webhooks specification, with a signature for each key.
fn signed(
    message: &Message,
    secrets: &ChannelSecrets,
    now: u64,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, String> {
    let timestamp = now / 1_000;
    let keys = secrets.key.iter().chain(&secrets.previous_key);
    let signatures = keys.map(|key| sign(key, &message.id, timestamp, body));
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?.join(" ");
    Ok(vec![
        ("webhook-id", message.id.clone()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures),
    ])
}

/// A headline for a message.
pub fn headline(message: &Message) -> String {
    let tenant = &message.tenant;
    if let Some(counts) = &message.overview {
        return format!("[{tenant}] overview: {}", open_text(counts));
    }
    match &message.items[..] {
        [item] if message.total == 1 => {
            let what = transition_text(item.transition);
            format!("[{tenant}] {what} ({}): {}", item.severity, item.text)
        }
        _ => {
            let (opened, ended) = (message.opened, message.total - message.opened);
            format!("[{tenant}] {opened} findings opened, {ended} ended")
        }
    }
}

fn transition_text(transition: Transition) -> &'static str {
    match transition {
        Transition::Opened => "opened",
        Transition::Reopened => "opened again",
        Transition::Resolved => "resolved",
        Transition::Closed => "closed",
    }
}

fn open_text(counts: &BTreeMap<Severity, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .rev()
        .filter(|(_, count)| **count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    if counts.is_empty() { "nothing is open".to_owned() } else { counts.join(", ") + " open" }
}

/// The lines below the headline.
fn lines(message: &Message) -> Vec<String> {
    if message.items.len() == 1 && message.total == 1 {
        let item = &message.items[0];
        let about = item.entity.iter().map(|entity| format!("about {entity}"));
        let rule = format!("{} (rule {}, finding {})", item.title, item.rule, item.finding);
        return std::iter::once(rule).chain(about).collect();
    }
    let mut lines: Vec<String> = message
        .items
        .iter()
        .map(|item| {
            format!("{} ({}): {}", transition_text(item.transition), item.severity, item.text)
        })
        .collect();
    let others = message.total.saturating_sub(message.items.len());
    if others > 0 && !message.items.is_empty() {
        lines.push(format!("and {others} more: see `findings list`"));
    }
    lines
}

fn rfc3339(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(String::new, |timestamp| format!("{timestamp:.0}"))
}

fn item_object(item: &Item) -> Value {
    json!({
        "finding": item.finding,
        "transition": item.transition,
        "at": rfc3339(item.at),
        "rule": item.rule,
        "title": item.title,
        "severity": item.severity,
        "text": item.text,
        "entity": item.entity,
        "labels": item.labels,
        "openedAt": rfc3339(item.opened),
    })
}

/// The document of webhooks and programs.
fn document(message: &Message) -> Value {
    let kind = match (&message.overview, &message.items[..]) {
        (Some(_), _) => "findings.overview".to_owned(),
        (None, [item]) if message.total == 1 => format!("finding.{}", item.transition.name()),
        _ => "findings.changed".to_owned(),
    };
    let mut data = json!({
        "tenant": message.tenant,
        "summary": headline(message),
        "total": message.total,
        "opened": message.opened,
        "openedBySeverity": message.severities,
        "findings": message.items.iter().map(item_object).collect::<Vec<_>>(),
    });
    if let Some(counts) = &message.overview {
        data["open"] = json!(counts);
    }
    json!({ "type": kind, "timestamp": rfc3339(message.at), "id": message.id, "data": data })
}

/// The values that a template may insert.
fn template_values(message: &Message) -> Map<String, Value> {
    let mut values = Map::new();
    let mut put = |name: &str, value: Value| _ = values.insert(name.to_owned(), value);
    put("id", json!(message.id));
    put("tenant", json!(message.tenant));
    put("summary", json!(headline(message)));
    put("details", json!(lines(message).join("\n")));
    put("total", json!(message.total));
    let first = message.items.first();
    put("finding", json!(first.map(|item| item.finding.to_string()).unwrap_or_default()));
    put("severity", json!(first.map_or("informational", |item| item.severity.name())));
    put("transition", json!(first.map_or("overview", |item| item.transition.name())));
    put("rule", json!(first.map(|item| item.rule.clone()).unwrap_or_default()));
    put("title", json!(first.map(|item| item.title.clone()).unwrap_or_default()));
    put("text", json!(first.map(|item| item.text.clone()).unwrap_or_default()));
    put("entity", json!(first.and_then(|item| item.entity.clone()).unwrap_or_default()));
    values
}

/// Blocks of plain text, in which Slack looks for nothing.
fn slack_message(message: &Message) -> Value {
    let block = |text: &str| {
        let text = one_line_block(text);
        json!({
            "type": "section",
            "text": { "type": "plain_text", "text": text, "emoji": false },
        })
    };
    let mut blocks = vec![block(&headline(message))];
    let lines = lines(message).join("\n");
    if !lines.is_empty() {
        blocks.push(block(&lines));
    }
    json!({
        "text": slack(&headline(message)),
        "mrkdwn": false,
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

fn one_line_block(text: &str) -> String {
    text.chars().take(MAX_BLOCK).collect()
}

/// An adaptive card of text runs, in which Teams looks for no Markdown.
fn teams_message(message: &Message) -> Value {
    let run = |text: &str, is_bold: bool| {
        let weight = if is_bold { "Bolder" } else { "Default" };
        json!({
            "type": "RichTextBlock",
            "inlines": [{ "type": "TextRun", "text": card(text), "weight": weight }],
        })
    };
    let mut body = vec![run(&headline(message), true)];
    body.extend(lines(message).iter().map(|line| run(line, false)));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": { "type": "AdaptiveCard", "version": "1.4", "body": body },
        }],
    })
}

fn pagerduty_event(message: &Message, routing_key: &str) -> Value {
    let Some(item) = message.items.first() else {
        // A message without a finding has no incident: it is an event that ends at once.
        return json!({
            "routing_key": routing_key,
            "event_action": "resolve",
            "dedup_key": format!("{SOURCE}/{}/overview", message.tenant),
        });
    };
    let action = if item.transition.is_open() { "trigger" } else { "resolve" };
    let severity = match item.severity {
        Severity::Informational => "info",
        Severity::Low | Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    };
    json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": format!("{SOURCE}/{}/{}", message.tenant, item.finding),
        "payload": {
            "summary": one_line(&headline(message), MAX_SUMMARY),
            "source": format!("{SOURCE}/{}", message.tenant),
            "severity": severity,
            "timestamp": rfc3339(item.at),
            "class": item.rule,
            "custom_details": item_object(item),
        },
    })
}

fn alerts(message: &Message, now: u64, expires_hours: u32) -> Value {
    let expires = now + u64::from(expires_hours) * 3_600 * 1_000;
    let alert = |item: &Item| {
        let mut labels: BTreeMap<String, String> =
            item.labels.iter().map(|(name, value)| (label_name(name), value.clone())).collect();
        let own = [
            ("alertname", item.title.clone()),
            ("rule", item.rule.clone()),
            ("severity", item.severity.name().to_owned()),
            ("finding", item.finding.to_string()),
            ("tenant", message.tenant.clone()),
        ];
        labels.extend(own.map(|(name, value)| (name.to_owned(), value)));
        // Empty labels are dropped there; an empty name of an alert is refused.
        let ends = if item.transition.is_open() { expires } else { item.at.max(item.opened) };
        json!({
            "labels": labels,
            "annotations": { "summary": item.text, "entity": item.entity.clone().unwrap_or_default() },
            "startsAt": rfc3339(item.opened),
            "endsAt": rfc3339(ends),
        })
    };
    message.items.iter().map(alert).collect()
}

/// A name that Alertmanager takes for a label.
fn label_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
