//! The outbox: the transitions that each channel must still be told of.
//!
//! A row is one transition of one finding for one channel. Rows are put into messages, whose IDs and texts are fixed
//! before they are sent for the first time, so a receiver recognizes a duplicate by its ID.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::finding::ERASED_TEXT;
use crate::fingerprint::FindingId;
use crate::rule::Severity;

/// The findings that a message tells one by one; of others it has the number.
pub const MAX_LISTED: usize = 20;
/// The time for which a message is tried, milliseconds.
pub const MAX_AGE_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// The waits before each further attempt, seconds; the last one is repeated.
const WAITS_S: [u64; 8] = [30, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 86_400];
/// Messages that were given up and are still listed.
const MAX_DEAD: usize = 200;
/// The reason why a message is given up whose channel was removed or renamed.
pub const NO_CHANNEL: &str = "notify.toml has no such channel any more";

/// A change that receivers are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// A finding was opened.
    Opened,
    /// A finding was opened again.
    Reopened,
    /// It does not hold any more.
    Resolved,
    /// It is no longer watched. Only receivers that keep state are told.
    Closed,
}

impl Transition {
    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// Returns true if people are told of it.
    pub fn is_for_people(self) -> bool {
        self != Self::Closed
    }

    /// Returns whether the finding is open afterwards.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Opened | Self::Reopened)
    }
}

/// The changes to tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outbox {
    /// Rows that are in no message yet, by channel.
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    /// Messages that were not delivered yet, the oldest first.
    pub(crate) messages: Vec<Message>,
    /// Messages that were given up, the oldest first.
    pub(crate) dead: Vec<Message>,
    /// The number of messages that were ever given up.
    pub(crate) given_up: u64,
    /// When each channel got its last overview, milliseconds since 1970-01-01 UTC.
    pub(crate) overviews: BTreeMap<String, u64>,
}

/// One transition of one finding, for one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The finding.
    #[serde(rename = "f")]
    pub finding: FindingId,
    /// The event.
    #[serde(rename = "t")]
    pub transition: Transition,
    /// When, milliseconds since 1970-01-01 UTC.
    #[serde(rename = "a")]
    pub at: u64,
}

/// A message to one channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id, the same at every attempt.
    pub id: String,
    /// The channel's name.
    pub channel: String,
    /// The tenant that it is about.
    pub tenant: String,
    /// When it was made, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// Its lines about findings, the most severe first.
    pub items: Vec<Item>,
    /// The transitions that it is about, those without an item included.
    pub total: usize,
    /// Those of them after which a finding is open.
    pub opened: usize,
    /// The same by severity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub severities: BTreeMap<Severity, usize>,
    /// True if its receiver keeps a state of each finding, so that it must hear of every end.
    #[serde(default)]
    pub keeps_state: bool,
    /// The numbers of open findings, if it is an overview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overview: Option<BTreeMap<Severity, u64>>,
    /// Attempts that failed.
    #[serde(default)]
    pub attempts: u32,
    /// When it may be tried, milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub next: u64,
    /// The reason why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The line of a message about one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The finding.
    pub finding: FindingId,
    /// The event.
    pub transition: Transition,
    /// When, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The rule.
    pub rule: String,
    /// The rule's title.
    pub title: String,
    /// Its severity.
    pub severity: Severity,
    /// The finding's text.
    pub text: String,
    /// The entity's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The rule's labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When it was opened, milliseconds since 1970-01-01 UTC.
    pub opened: u64,
}

impl Item {
    /// Removes what it says of the entity, and leaves a text in its place.
    fn empty(&mut self, why: &str) {
        why.clone_into(&mut self.text);
        self.entity = None;
    }
}

impl Message {
    /// Removes items for which `stays` returns false, and counts the others.
    fn retain_items(&mut self, stays: &dyn Fn(&mut Item) -> bool) {
        let (total, opened, severities) = (&mut self.total, &mut self.opened, &mut self.severities);
        self.items.retain_mut(|item| {
            let stays = stays(item);
            if !stays {
                *total = total.saturating_sub(1);
            }
            if !stays && item.transition.is_open() {
                *opened = opened.saturating_sub(1);
                let of_severity = severities.entry(item.severity).or_default();
                *of_severity = of_severity.saturating_sub(1);
            }
            stays
        });
        self.severities.retain(|_, findings| *findings > 0);
    }
}

/// The result of sending a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has it.
    Delivered,
    /// It may be tried again.
    Failed {
        /// The reason, without a secret or a value.
        reason: String,
        /// The wait that the receiver asks for, milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// Trying again would change nothing.
    Refused {
        /// The reason, without a secret or a value.
        reason: String,
    },
}

impl Outbox {
    /// Returns whether nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.rows.values().all(Vec::is_empty) && self.messages.is_empty()
    }

    /// The messages that were not delivered yet.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The last messages that were given up.
    pub fn dead(&self) -> &[Message] {
        &self.dead
    }

    /// The number of messages that were ever given up.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The transitions that are in no message yet, of one channel.
    pub fn waiting(&self, channel: &str) -> usize {
        self.rows.get(channel).map_or(0, Vec::len)
    }

    /// Adds a row.
    pub(crate) fn add(
        &mut self,
        channel: &str,
        finding: FindingId,
        transition: Transition,
        at: u64,
    ) {
        let row = Row { finding, transition, at };
        match self.rows.get_mut(channel) {
            Some(rows) => rows.push(row),
            None => _ = self.rows.insert(channel.to_owned(), vec![row]),
        }
    }

    /// The findings that are in no message yet.
    pub(crate) fn findings(&self) -> HashSet<FindingId> {
        self.rows.values().flatten().map(|row| row.finding).collect()
    }

    /// The findings whose ends are in no message yet.
    pub(crate) fn waiting_ends(&self) -> HashSet<FindingId> {
        let ends = self.rows.values().flatten().filter(|row| !row.transition.is_open());
        ends.map(|row| row.finding).collect()
    }

    /// Removes everything about some findings, and the items whose texts a predicate selects: a message has the text of
    /// its time, also after its finding has another one or is forgotten.
    ///
    /// Receivers that keep state still hear of the ends, and of findings that are open and have another text by now.
    pub(crate) fn erase(&mut self, findings: &HashSet<FindingId>, is_named: &dyn Fn(&str) -> bool) {
        self.close_rows(|row| findings.contains(&row.finding));
        let is_about = |item: &Item| {
            findings.contains(&item.finding)
                || is_named(&item.text)
                || item.entity.as_deref().is_some_and(is_named)
        };
        for message in &mut self.messages {
            let keeps_state = message.keeps_state;
            message.retain_items(&|item: &mut Item| {
                if !is_about(item) {
                    return true;
                }
                item.empty(ERASED_TEXT);
                keeps_state && !(item.transition.is_open() && findings.contains(&item.finding))
            });
        }
        for message in &mut self.dead {
            message.retain_items(&|item: &mut Item| !is_about(item));
        }
        let says_something = |message: &Message| message.total > 0 || message.overview.is_some();
        self.messages.retain(says_something);
        self.dead.retain(says_something);
    }

    /// Removes everything except the ends that receivers that keep state are to hear of. These have `why` for a text.
    pub(crate) fn keep_ends(&mut self, why: &str) {
        self.close_rows(|_| true);
        self.messages.retain(|message| message.keeps_state);
        for message in &mut self.messages {
            message.retain_items(&|item: &mut Item| {
                item.empty(why);
                !item.transition.is_open()
            });
        }
        self.messages.retain(|message| message.total > 0);
        self.dead.clear();
    }

    /// Makes the ends among some rows news for receivers that keep state alone, and removes the others.
    fn close_rows(&mut self, is_chosen: impl Fn(&Row) -> bool) {
        let stays = |row: &mut Row| {
            if !is_chosen(row) {
                return true;
            }
            let is_end = !row.transition.is_open();
            row.transition = Transition::Closed;
            is_end
        };
        self.rows.values_mut().for_each(|rows| rows.retain_mut(stays));
    }

    /// The number of transitions that were not delivered yet. A message about none, such as an overview, counts as one.
    pub fn n_changes(&self) -> usize {
        let in_messages = self.messages.iter().map(|message| message.total.max(1));
        self.rows.values().map(Vec::len).sum::<usize>() + in_messages.sum::<usize>()
    }

    /// Gives up what waits for channels that do not exist. Returns the number of messages of each of them; the transitions
    /// that were in no message yet are one.
    pub(crate) fn give_up_channels(
        &mut self,
        is_known: impl Fn(&str) -> bool,
        now: u64,
    ) -> BTreeMap<String, usize> {
        let mut gone: Vec<Message> =
            self.messages.extract_if(.., |message| !is_known(&message.channel)).collect();
        let rows = self.rows.extract_if(.., |channel, _| !is_known(channel));
        gone.extend(rows.filter(|(_, rows)| !rows.is_empty()).map(|(channel, rows)| Message {
            channel,
            at: now,
            total: rows.len(),
            ..Message::default()
        }));
        self.overviews.retain(|channel, _| is_known(channel));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for mut message in gone {
            *counts.entry(message.channel.clone()).or_default() += 1;
            message.error = Some(NO_CHANNEL.to_owned());
            self.give_up(message);
        }
        counts
    }

    fn give_up(&mut self, message: Message) {
        self.given_up += 1;
        self.dead.push(message);
        let excess = self.dead.len().saturating_sub(MAX_DEAD);
        self.dead.drain(..excess);
    }

    /// The messages of a channel that may be sent now, the oldest first, up to a number. Those that `waits` selects wait;
    /// of the others, none overtakes another one, so that a receiver never hears of an end before the beginning.
    pub(crate) fn due(
        &self,
        channel: &str,
        waits: impl FnMut(&Message) -> bool,
        now: u64,
        limit: usize,
    ) -> Vec<Message> {
        let mut waits = waits;
        let of_channel = self.messages.iter().filter(|message| message.channel == channel);
        let of_channel = of_channel.filter(|message| !waits(message));
        // A clock that was set back must not hold a message for longer than its wait.
        let longest = WAITS_S.last().copied().unwrap_or_default() * 1_000;
        let is_due = |message: &&Message| message.next <= now || message.next > now + longest;
        of_channel.take_while(is_due).take(limit).cloned().collect()
    }

    /// Records the result of sending a message. A message that was erased meanwhile is ignored. Returns true if it was given
    /// up.
    pub fn note(&mut self, id: &str, attempt: &Attempt, now: u64) -> bool {
        let place = self.messages.iter().position(|message| message.id == id);
        let Some(place) = place else { return false };
        let (reason, wait) = match attempt {
            Attempt::Delivered => {
                self.messages.remove(place);
                return false;
            }
            Attempt::Failed { reason, retry_after_ms } => (reason, Some(*retry_after_ms)),
            Attempt::Refused { reason } => (reason, None),
        };
        let message = &mut self.messages[place];
        message.error = Some(reason.clone());
        let waits = usize::try_from(message.attempts).unwrap_or(usize::MAX);
        message.attempts += 1;
        let is_old = now.saturating_sub(message.at) > MAX_AGE_MS;
        let Some(asked) = wait.filter(|_| !is_old) else {
            let message = self.messages.remove(place);
            self.give_up(message);
            return true;
        };
        let planned = WAITS_S.get(waits).or(WAITS_S.last()).copied().unwrap_or_default() * 1_000;
        // A receiver that asks for a month is asked again tomorrow.
        let asked = asked.unwrap_or(0).min(24 * 3_600 * 1_000);
        message.next = now.saturating_add(planned.max(asked));
        false
    }
}
