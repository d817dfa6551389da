//! Sends waiting messages, and tests channels.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use core_engine::ledger::{self, Event};
use core_engine::{Failure, FailureKind, Moment};
use core_reading::Reader;
use core_rules::book::Book;
use core_rules::notify::render::{ChannelSecrets, render};
use core_rules::notify::send::Sender;
use core_rules::notify::settings::{Channel, NotifySettings};
use core_rules::outbox::{Attempt, Message, NO_CHANNEL, Transition};
use core_store::StoreError;
use futures::future::join_all;
use serde::Serialize;
use tokio::time::Instant;

use crate::channels::{self, ReadSecret};

/// The lock of the sending process.
const LOCK: &str = "notify";
/// The number of messages that each channel gets before their results are written.
const ROUND: usize = 20;

/// The result of sending.
#[derive(Debug, Default, Serialize)]
pub struct SendReport {
    /// By channel.
    channels: BTreeMap<String, ChannelReport>,
}

/// The result of sending to one channel.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelReport {
    delivered: usize,
    failed: usize,
    /// Those of the failed ones that are not tried again.
    given_up: usize,
    /// The reason of the last failure.
    reason: Option<String>,
}

/// Sends messages about the findings of one tenant.
#[derive(Clone, Copy)]
pub struct Messenger<'a> {
    /// The tenant, its settings, and its host.
    pub reader: &'a Reader<'a>,
    /// Reads the secrets of channels.
    pub read_secret: ReadSecret<'a>,
}

impl Messenger<'_> {
    /// Sends the messages that are due, for at most `budget`. Does nothing if another process is sending.
    ///
    /// # Errors
    ///
    /// The channels or the findings cannot be read or written. A receiver that does not accept a message is a line of
    /// the report.
    pub async fn send(self, budget: Duration) -> Result<SendReport, Failure> {
        let Reader { tenant, host, folder, .. } = *self.reader;
        let mut report = SendReport::default();
        let Some(settings) = channels::read(folder)? else { return Ok(report) };
        let _sending = match tenant.lock_delivery(LOCK, &host.lock_owner()) {
            Err(StoreError::Delivering { .. }) => return Ok(report),
            locked => locked?,
        };
        let sender = self.sender()?;
        let mut secrets: BTreeMap<&str, anyhow::Result<ChannelSecrets>> = BTreeMap::new();
        let until = Instant::now() + budget;
        let mut due = self.begin(&settings, &mut report).await?;
        while !due.is_empty() {
            for (name, _) in &due {
                if let Some(channel) = settings.channels.get(name) {
                    let read = || channels::secrets(channel, self.read_secret);
                    secrets.entry(&channel.name).or_insert_with(read);
                }
            }
            let sending = due.into_iter().filter_map(|(name, messages)| {
                let channel = settings.channels.get(&name)?;
                let secrets = secrets.get(name.as_str())?;
                Some(self.send_all(&sender, channel, secrets, messages, until))
            });
            let results: Vec<(String, Message, Attempt)> =
                join_all(sending).await.into_iter().flatten().collect();
            due = self.note(&settings, &results, &mut report).await?;
            if Instant::now() >= until {
                break;
            }
        }
        for (channel, counts) in &report.channels {
            if counts.delivered > 0 {
                let messages = counts.delivered;
                ledger::record(host, tenant, &Event::Notified { channel, messages })?;
            }
        }
        Ok(report)
    }

    /// Sends a test message to a channel. Returns a line about the receiver's answer.
    ///
    /// # Errors
    ///
    /// There is no such channel, a secret cannot be read, or the receiver does not accept the message.
    pub async fn test(self, name: &str) -> Result<String, Failure> {
        let settings = channels::required(self.reader.folder)?;
        let Some(channel) = settings.channels.get(name) else {
            let names: Vec<&str> = settings.channels.keys().map(String::as_str).collect();
            return Err(Failure::configuration(format!(
                "there is no channel `{name}`; the channels are {}",
                names.join(", ")
            )));
        };
        let secrets = channels::secrets(channel, self.read_secret)
            .map_err(|error| Failure::new(FailureKind::Configuration, error))?;
        let sender = self.sender()?;
        // A receiver that keeps state would show the test as open for ever.
        let transitions: &[Transition] = if channel.kind.keeps_state() {
            &[Transition::Opened, Transition::Resolved]
        } else {
            &[Transition::Opened]
        };
        let kind = channel.kind.name();
        for transition in transitions {
            let now = self.reader.host.now();
            let id = message_id(self.reader, now)?;
            let message = Book::trial(channel, self.reader.tenant.name(), now.0, id, *transition);
            match self.send_one(&sender, channel, &secrets, &message).await {
                Attempt::Delivered => {}
                Attempt::Failed { reason, .. } | Attempt::Refused { reason } => {
                    return Err(Failure::new(
                        FailureKind::DestinationFailed,
                        anyhow::anyhow!("{name} ({kind}) did not accept the message: {reason}"),
                    ));
                }
            }
        }
        Ok(format!("{name} ({kind}) accepted the message"))
    }

    /// The client for messages, with the trust and the proxy of the settings.
    fn sender(self) -> Result<Sender, Failure> {
        let (trust, proxy) = match self.reader.settings {
            Some(settings) => (settings.trust.clone(), settings.proxy.clone()),
            None => Default::default(),
        };
        Sender::new(trust, proxy).map_err(Failure::configuration)
    }

    /// Composes the due messages, those about changes since the last evaluation too, and returns the first ones of each
    /// channel. An erasure, for one, ends findings without an evaluation.
    async fn begin(
        self,
        settings: &NotifySettings,
        report: &mut SendReport,
    ) -> Result<Due, Failure> {
        let Reader { tenant, host, .. } = *self.reader;
        let lock = Book::lock(tenant, &host.lock_owner()).await?;
        let Some(mut book) = Book::read(tenant)? else { return Ok(Due::new()) };
        let now = host.now();
        let before = book.outbox().clone();
        let told = tell(&mut book, settings, now);
        for (channel, given_up) in compose(&mut book, settings, self.reader, now)? {
            let reason = Some(NO_CHANNEL.to_owned());
            let counts = ChannelReport { delivered: 0, failed: given_up, given_up, reason };
            report.channels.insert(channel, counts);
        }
        if told > 0 || *book.outbox() != before {
            book.write(&lock)?;
        }
        Ok(due(&book, settings, now))
    }

    /// Sends the messages of one channel, one after the other, until one fails or the time is up. A slow receiver
    /// must not hold up the run that sends the messages.
    async fn send_all(
        self,
        sender: &Sender,
        channel: &Channel,
        secrets: &anyhow::Result<ChannelSecrets>,
        messages: Vec<Message>,
        until: Instant,
    ) -> Vec<(String, Message, Attempt)> {
        let mut results = Vec::new();
        for message in messages {
            let attempt = match secrets {
                Ok(secrets) => self.send_one(sender, channel, secrets, &message).await,
                Err(error) => {
                    Attempt::Failed { reason: format!("{error:#}"), retry_after_ms: None }
                }
            };
            let goes_on = !matches!(attempt, Attempt::Failed { .. });
            results.push((channel.name.clone(), message, attempt));
            if !goes_on || Instant::now() >= until {
                break;
            }
        }
        results
    }

    /// Sends one message.
    async fn send_one(
        self,
        sender: &Sender,
        channel: &Channel,
        secrets: &ChannelSecrets,
        message: &Message,
    ) -> Attempt {
        match render(&channel.kind, message, secrets, self.reader.host.now().0) {
            Ok(delivery) => sender.send(delivery).await,
            Err(reason) => Attempt::Refused { reason },
        }
    }

    /// Writes the results of messages, and returns the next ones.
    async fn note(
        self,
        settings: &NotifySettings,
        results: &[(String, Message, Attempt)],
        report: &mut SendReport,
    ) -> Result<Due, Failure> {
        let Reader { tenant, host, .. } = *self.reader;
        let lock = Book::lock(tenant, &host.lock_owner()).await?;
        let Some(mut book) = Book::read(tenant)? else { return Ok(Due::new()) };
        let now = host.now();
        for (channel, message, attempt) in results {
            let is_given_up = book.outbox_mut().note(&message.id, attempt, now.0);
            let counts = report.channels.entry(channel.clone()).or_default();
            match attempt {
                Attempt::Delivered => counts.delivered += 1,
                Attempt::Failed { reason, .. } | Attempt::Refused { reason } => {
                    counts.failed += 1;
                    counts.reason = Some(reason.clone());
                    counts.given_up += usize::from(is_given_up);
                }
            }
        }
        book.write(&lock)?;
        Ok(due(&book, settings, now))
    }
}

/// The messages of each channel.
type Due = Vec<(String, Vec<Message>)>;

/// The next messages of each channel.
fn due(book: &Book, settings: &NotifySettings, now: Moment) -> Due {
    let due = settings
        .channels
        .values()
        .map(|channel| (channel.name.clone(), book.due(channel, now.0, ROUND)));
    due.filter(|(_, messages)| !messages.is_empty()).collect()
}

/// Returns a new ID for a message, which sorts by time.
fn message_id(reader: &Reader<'_>, now: Moment) -> anyhow::Result<String> {
    Ok(format!("msg_{}", reader.host.new_id(now)?))
}

/// Puts the changes that receivers have not been told of into the outbox. Returns their number.
pub(crate) fn tell(book: &mut Book, settings: &NotifySettings, now: Moment) -> usize {
    book.tell(now.0, |_, finding, rule, transition| {
        settings.channels_for(finding, rule, transition)
    })
}

/// Composes the due messages. Returns the channels that do not exist any more, and how many messages to each are given up.
pub(crate) fn compose(
    book: &mut Book,
    settings: &NotifySettings,
    reader: &Reader<'_>,
    now: Moment,
) -> anyhow::Result<BTreeMap<String, usize>> {
    // Each ID is made before it is known whether it is needed, since an error cannot leave the closure.
    let mut failed = None;
    let given_up = book.compose(settings, reader.tenant.name(), now.0, &mut || {
        message_id(reader, now).unwrap_or_else(|error| {
            failed = Some(error);
            String::new()
        })
    });
    failed.map_or(Ok(given_up), Err)
}

impl SendReport {
    /// Returns true if no message was sent.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Returns true if a receiver did not accept a message.
    pub fn has_failures(&self) -> bool {
        self.channels.values().any(|counts| counts.failed > 0)
    }

    /// Returns a table for a terminal of so many columns.
    pub fn table(&self, columns: Option<usize>) -> String {
        let rows = self.channels.iter().map(|(name, counts)| {
            [name.clone(), counts.delivered.to_string(), counts.failed.to_string()]
        });
        core_terminal::table(["channel", "delivered", "failed"], rows, 1, columns)
    }

    /// Returns a line for each channel that did not accept a message.
    pub fn failures(&self) -> Vec<String> {
        let failure = |(name, counts): (&String, &ChannelReport)| {
            let reason = counts.reason.as_ref()?;
            Some(match counts.given_up {
                0 => format!("channel {name} did not take a message, which stays: {reason}"),
                _ => format!("channel {name} did not take a message, which was given up: {reason}"),
            })
        };
        self.channels.iter().filter_map(failure).collect()
    }
}
