//! `notify`: telling people what rules have found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use core_engine::Moment;
use core_engine::ledger::{self, Event};
use core_engine::settings::SecretSource as _;
use core_http::Secret;
use core_rules::book::Book;
use core_rules::document::Document;
use core_rules::notify::render::{ChannelSecrets, render};
use core_rules::notify::send::Sender;
use core_rules::notify::settings::{
    Address, Channel, ChannelKind, NotifySettings, SecretPlace, check_secret_url,
};
use core_rules::outbox::{Attempt, Message, Transition};
use core_store::{StoreError, TenantStore};
use futures::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};

use super::rules::{self, lock_findings, save};
use crate::cli::{Global, NotifyCommand, ReportFormat, RowFormat};
use crate::config::{self, SecretReference, Variable};
use crate::exit::{Exit, Failure};
use crate::host::host;
use crate::{output, system};

/// The file with channels and routes, beside the configuration.
const FILE: &str = "notify.toml";
/// The lock of whoever sends.
const LOCK: &str = "notify";
/// The time for which a run sends at its end.
pub(super) const AFTER_RUN: Duration = Duration::from_secs(30);
/// The time for which `notify send` sends.
const SENDING: Duration = Duration::from_mins(10);
/// The messages of each channel that are sent before what came of them is written down.
const ROUND: usize = 20;
/// The time that a command for a secret may take.
const SECRET_TIMEOUT: Duration = Duration::from_secs(30);

/// The result of sending.
#[derive(Debug, Default, Serialize)]
pub(super) struct SendReport {
    /// By channel.
    channels: BTreeMap<String, ChannelReport>,
}

/// The result of sending to one channel.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelReport {
    delivered: usize,
    failed: usize,
    /// The reason for which the last one failed.
    reason: Option<String>,
}

/// Does what the command line says.
pub(super) async fn dispatch(global: &Global, command: NotifyCommand) -> Result<Exit, Failure> {
    let tenant = super::tenant(global)?;
    match command {
        NotifyCommand::List { output } => list(global, &tenant, output.output),
        NotifyCommand::Test { name } => test(global, &tenant, &name).await,
        NotifyCommand::Send { output } => {
            required(global)?;
            let report = send(global, &tenant, SENDING).await?;
            report.print(output)?;
            Ok(if report.has_failures() { Exit::DestinationFailed } else { Exit::Complete })
        }
    }
}

/// The failure of sending after a run that has published.
pub(super) fn failure_of(failure: Failure) -> Failure {
    let program = system::own_command();
    let error = failure.error.context(format!(
        "the messages about findings were not sent; `{program} notify send` sends them"
    ));
    Failure { error, ..failure }
}

/// The channels and routes; none without a file.
pub(super) fn settings(global: &Global) -> Result<Option<NotifySettings>, Failure> {
    let path = rules::folder(global).with_file_name(FILE);
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::usage(format!("cannot read {file}: {error}"))),
    };
    let read = NotifySettings::read(Document { file: &file, text: &text });
    read.map(Some).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        Failure::usage(format!("the channels are not valid:\n{}", lines.join("\n")))
    })
}

fn required(global: &Global) -> Result<NotifySettings, Failure> {
    settings(global)?.ok_or_else(|| {
        let path = rules::folder(global).with_file_name(FILE);
        Failure::usage(format!(
            "there is no {}: it names the channels (docs/rules.md)",
            path.display()
        ))
    })
}

/// Fetches the secrets of a channel.
fn ready(global: &Global, channel: &Channel) -> anyhow::Result<ChannelSecrets> {
    let source = config::find(global.config.as_deref());
    let paths = config::paths(
        &source.map_or_else(PathBuf::new, |source| source.folder(config::ENVIRONMENT)),
    );
    let fetch = |place: &SecretPlace, what: &str| -> anyhow::Result<Secret> {
        let reference = match place.clone() {
            SecretPlace::Env(name) => {
                SecretReference::Variable(Variable::new(name, config::ENVIRONMENT))
            }
            SecretPlace::File(path) => {
                SecretReference::File(paths.resolve(&path).map_err(anyhow::Error::msg)?)
            }
            SecretPlace::Command(words) => {
                SecretReference::Command { words, timeout: SECRET_TIMEOUT }
            }
        };
        reference.read(&format!("{what} of channel {}", channel.name))
    };
    let text = |place: &SecretPlace, what: &str| -> anyhow::Result<String> {
        Ok(fetch(place, what)?.expose().to_owned())
    };
    let url = |address: &Address| -> anyhow::Result<String> {
        match address {
            Address::Plain(text) => Ok(text.clone()),
            Address::Secret(place) => {
                let url = text(place, "the address")?;
                check_secret_url(&url).map_err(anyhow::Error::msg)?;
                Ok(url)
            }
        }
    };
    let mut secrets = ChannelSecrets::default();
    match &channel.kind {
        ChannelKind::Webhook { url: address, secret, previous_secret } => {
            secrets.url = url(address)?;
            secrets.key = Some(text(secret, "the key")?);
            let previous = previous_secret.as_ref().map(|place| text(place, "the previous key"));
            secrets.previous_key = previous.transpose()?;
        }
        ChannelKind::Template { url: address, authorization, .. } => {
            secrets.url = url(address)?;
            let key = authorization.as_ref().map(|place| text(place, "the authorization"));
            secrets.key = key.transpose()?;
        }
        ChannelKind::Slack { url: address }
        | ChannelKind::Teams { url: address }
        | ChannelKind::Alertmanager { url: address, .. } => secrets.url = url(address)?,
        ChannelKind::Pagerduty { url: address, routing_key } => {
            secrets.url = url(address)?;
            secrets.key = Some(text(routing_key, "the routing key")?);
        }
        ChannelKind::Email(settings) => {
            let password = settings.password.as_ref().map(|place| text(place, "the password"));
            secrets.key = password.transpose()?;
        }
        ChannelKind::Exec { .. } => {}
    }
    Ok(secrets)
}

/// The client for messages, with the trust and the proxy of the configuration.
fn sender(global: &Global) -> Result<Sender, Failure> {
    let source = config::find(global.config.as_deref());
    let config = source.map(|source| config::load(&source)).transpose()?;
    let (trust, proxy) = match config {
        Some(config) => (config.trust.clone(), config.proxy.clone()),
        None => Default::default(),
    };
    Sender::new(trust, proxy).map_err(Failure::usage)
}

/// Sends one message.
async fn send_one(
    sender: &Sender,
    channel: &Channel,
    ready: &ChannelSecrets,
    message: &Message,
) -> Attempt {
    let delivery = match render(&channel.kind, message, ready, system::now().0) {
        Ok(delivery) => delivery,
        Err(reason) => return Attempt::Refused { reason },
    };
    sender.send(delivery).await
}

/// Tries a channel.
async fn test(global: &Global, tenant: &TenantStore, name: &str) -> Result<Exit, Failure> {
    let settings = required(global)?;
    let Some(channel) = settings.channels.get(name) else {
        let names: Vec<&str> = settings.channels.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no channel `{name}`; the channels are {}",
            names.join(", ")
        )));
    };
    let ready =
        ready(global, channel).map_err(|error| Failure { exit: Exit::Configuration, error })?;
    let sender = sender(global)?;
    // A receiver that keeps a state would show the test as open for ever.
    let transitions: &[Transition] = if channel.kind.keeps_state() {
        &[Transition::Opened, Transition::Resolved]
    } else {
        &[Transition::Opened]
    };
    for transition in transitions {
        let now = system::now();
        let message = Book::trial(channel, tenant.name(), now.0, message_id(now)?, *transition);
        match send_one(&sender, channel, &ready, &message).await {
            Attempt::Delivered => {}
            Attempt::Failed { reason, .. } | Attempt::Refused { reason } => {
                let kind = channel.kind.name();
                return Err(Failure::new(
                    Exit::DestinationFailed,
                    anyhow::anyhow!("{name} ({kind}) did not take the message: {reason}"),
                ));
            }
        }
    }
    output::result(&format!("{name} ({}) took the message", channel.kind.name()));
    Ok(Exit::Complete)
}

/// A new id for a message, which sorts by time.
pub(super) fn message_id(now: Moment) -> anyhow::Result<String> {
    Ok(format!("msg_{}", host().new_id(now)?))
}

/// Puts what is to be told into messages.
pub(super) fn compose(
    book: &mut Book,
    settings: &NotifySettings,
    tenant: &TenantStore,
    now: Moment,
) -> anyhow::Result<()> {
    // Each id is made before it is known whether it is needed: an error cannot leave the closure.
    let mut failed = None;
    book.compose(settings, tenant.name(), now.0, &mut || {
        message_id(now).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        })
    });
    failed.map_or(Ok(()), Err)
}

/// Sends the messages that may be sent now, for so long at most. Whoever else sends them does it alone.
pub(super) async fn send(
    global: &Global,
    tenant: &TenantStore,
    budget: Duration,
) -> Result<SendReport, Failure> {
    let mut report = SendReport::default();
    let Some(settings) = settings(global)? else { return Ok(report) };
    let _sending = match tenant.lock_delivery(LOCK, &host().lock_owner()) {
        Err(StoreError::Delivering { .. }) => return Ok(report),
        locked => locked?,
    };
    let sender = sender(global)?;
    let mut channels: BTreeMap<&str, anyhow::Result<ChannelSecrets>> = BTreeMap::new();
    let until = Instant::now() + budget;
    let mut due = begin(tenant, &settings).await?;
    while !due.is_empty() {
        for (name, _) in &due {
            if let Some(channel) = settings.channels.get(name) {
                channels.entry(&channel.name).or_insert_with(|| ready(global, channel));
            }
        }
        let sending = due.into_iter().filter_map(|(name, messages)| {
            let channel = settings.channels.get(&name)?;
            let ready = channels.get(name.as_str())?;
            Some(send_all(&sender, channel, ready, messages, until))
        });
        let results: Vec<(String, Message, Attempt)> =
            join_all(sending).await.into_iter().flatten().collect();
        due = note(tenant, &settings, &results, &mut report).await?;
        if Instant::now() >= until {
            break;
        }
    }
    for (channel, counts) in &report.channels {
        if counts.delivered > 0 {
            let messages = counts.delivered;
            ledger::record(host(), tenant, &Event::Notified { channel, messages })?;
        }
    }
    Ok(report)
}

/// The messages of each channel.
type Due = Vec<(String, Vec<Message>)>;

/// Puts what is to be told into messages, and returns the first of each channel.
async fn begin(tenant: &TenantStore, settings: &NotifySettings) -> Result<Due, Failure> {
    let lock = lock_findings(tenant).await?;
    let Some(mut book) = rules::read_book(tenant)? else { return Ok(Due::new()) };
    let now = system::now();
    let before = book.outbox().clone();
    compose(&mut book, settings, tenant, now)?;
    if *book.outbox() != before {
        save(&lock, &book)?;
    }
    Ok(due(&book, settings, now))
}

/// The next messages of each channel.
fn due(book: &Book, settings: &NotifySettings, now: Moment) -> Due {
    let due =
        settings.channels.keys().map(|name| (name.clone(), book.outbox().due(name, now.0, ROUND)));
    due.filter(|(_, messages)| !messages.is_empty()).collect()
}

/// Sends messages of one channel, one after the other, until one fails or the time is over. A receiver that takes many seconds
/// for each must not hold the run at whose end it is told.
async fn send_all(
    sender: &Sender,
    channel: &Channel,
    ready: &anyhow::Result<ChannelSecrets>,
    messages: Vec<Message>,
    until: Instant,
) -> Vec<(String, Message, Attempt)> {
    let mut results = Vec::new();
    for message in messages {
        let attempt = match ready {
            Ok(ready) => send_one(sender, channel, ready, &message).await,
            Err(error) => Attempt::Failed { reason: format!("{error:#}"), retry_after_ms: None },
        };
        let goes_on = !matches!(attempt, Attempt::Failed { .. });
        results.push((channel.name.clone(), message, attempt));
        if !goes_on || Instant::now() >= until {
            break;
        }
    }
    results
}

/// Writes down what came of messages, and returns the next ones.
async fn note(
    tenant: &TenantStore,
    settings: &NotifySettings,
    results: &[(String, Message, Attempt)],
    report: &mut SendReport,
) -> Result<Due, Failure> {
    let lock = lock_findings(tenant).await?;
    let Some(mut book) = rules::read_book(tenant)? else { return Ok(Due::new()) };
    let now = system::now();
    for (channel, message, attempt) in results {
        book.outbox_mut().note(&message.id, attempt, now.0);
        let counts = report.channels.entry(channel.clone()).or_default();
        match attempt {
            Attempt::Delivered => counts.delivered += 1,
            Attempt::Failed { reason, .. } | Attempt::Refused { reason } => {
                counts.failed += 1;
                counts.reason = Some(reason.clone());
            }
        }
    }
    save(&lock, &book)?;
    Ok(due(&book, settings, now))
}

impl SendReport {
    fn has_failures(&self) -> bool {
        self.channels.values().any(|counts| counts.failed > 0)
    }

    fn print(&self, format: ReportFormat) -> Result<(), Failure> {
        if format == ReportFormat::Json {
            let text = serde_json::to_string_pretty(self).map_err(anyhow::Error::new)?;
            output::result(&text);
        } else if self.channels.is_empty() {
            output::note("nothing waits to be sent");
        } else {
            let rows = self.channels.iter().map(|(name, counts)| {
                [name.clone(), counts.delivered.to_string(), counts.failed.to_string()]
            });
            output::result(&output::table(["channel", "delivered", "failed"], rows, 1));
        }
        self.note_failures();
        Ok(())
    }

    /// Tells which channels did not take messages.
    pub(super) fn note_failures(&self) {
        for (name, counts) in &self.channels {
            if let Some(reason) = &counts.reason {
                output::note(&format!(
                    "channel {name} did not take a message, which stays: {reason}"
                ));
            }
        }
    }
}

fn list(global: &Global, tenant: &TenantStore, format: RowFormat) -> Result<Exit, Failure> {
    let settings = required(global)?;
    let book = rules::read_book(tenant)?.unwrap_or_default();
    let outbox = book.outbox();
    let rows: Vec<(String, &'static str, usize, usize, usize, String)> = settings
        .channels
        .values()
        .map(|channel| {
            let of_channel = |messages: &[Message]| {
                messages.iter().filter(|message| message.channel == channel.name).count()
            };
            let error = outbox
                .messages()
                .iter()
                .find(|message| message.channel == channel.name)
                .and_then(|message| message.error.clone());
            (
                channel.name.clone(),
                channel.kind.name(),
                outbox.waiting(&channel.name),
                of_channel(outbox.messages()),
                of_channel(outbox.dead()),
                error.unwrap_or_default(),
            )
        })
        .collect();
    if format == RowFormat::Table {
        let rows = rows.into_iter().map(|(name, kind, held, waiting, dead, error)| {
            let numbers = [held, waiting, dead].map(|number| number.to_string());
            let [held, waiting, dead] = numbers;
            [name, kind.to_owned(), error, held, waiting, dead]
        });
        let header = ["channel", "kind", "last failure", "held back", "waiting", "given up"];
        output::result(&output::table(header, rows, 3));
        return Ok(Exit::Complete);
    }
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|(name, kind, held, waiting, dead, error)| {
            json!({
                "channel": name, "kind": kind, "heldBack": held, "waiting": waiting,
                "givenUp": dead, "lastFailure": error,
            })
        })
        .collect();
    super::show::rows(rows, format)
}

#[cfg(test)]
mod tests {
    use core_http::Trust;
    use core_simulator::Receiver;
    use tokio::runtime::Runtime;

    use super::*;

    #[test]
    fn messages_whose_time_is_over_stay_and_each_channel_gets_one_at_least() {
        let runtime = Runtime::new().expect("threads can be started");
        let receiver = runtime.block_on(Receiver::start()).expect("a port is free");
        let text = format!("[channels.ops]\nkind = \"slack\"\nurl = \"{}\"\n", receiver.url());
        let settings = NotifySettings::read(Document { file: "notify.toml", text: &text });
        let settings = settings.expect("valid");
        let channel = &settings.channels["ops"];
        let ready =
            Ok(ChannelSecrets { url: receiver.url().to_owned(), key: None, previous_key: None });
        let sender = Sender::new(Trust::default(), None).expect("a client");
        let messages = || {
            let ids = ["msg_1", "msg_2", "msg_3"].map(str::to_owned);
            ids.map(|id| Book::trial(channel, "acme", 1, id, Transition::Opened)).to_vec()
        };
        let later = Instant::now() + SENDING;
        for (until, expected) in [(Instant::now(), 1), (later, 3)] {
            let before = receiver.requests().len();
            let sending = send_all(&sender, channel, &ready, messages(), until);
            assert_eq!(runtime.block_on(sending).len(), expected);
            assert_eq!(receiver.requests().len() - before, expected);
        }
    }
}
