//! A finding as it is stored, with its history.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fingerprint::FindingId;
use crate::lifecycle::{Life, Phase, Reason};
use crate::observation::Observation;

/// The name of one who changed something, and was erased since.
pub(crate) const ERASED: &str = "erased";

/// The text in the place of one about an erased person or device.
pub(crate) const ERASED_TEXT: &str = "removed, since the person or device was erased";

/// The text in the place of one that shows people under earlier privacy settings.
pub(crate) const PRIVACY_TEXT: &str = "removed, since the privacy settings have changed";

/// The text in the place of one that is past its time.
pub(crate) const OLD_TEXT: &str = "removed, since it was resolved long ago";

/// The entries of a finding's history; older ones go, but the first stays.
const MAX_HISTORY: usize = 40;

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// Where it is in its life.
    #[serde(flatten)]
    pub life: Life,
    /// The `_key` of the entity that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Its text, one line.
    pub text: String,
    /// The row, as a JSON object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub values: String,
    /// The values that put findings into one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The ID by which receivers know it, if it is another one: that of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known_as: Option<FindingId>,
    /// The evaluation that moved it last: a generation, or a run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub counted_in: String,
    /// When its row was first seen, milliseconds since 1970-01-01 UTC.
    pub first_seen: u64,
    /// When it was last opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// When it was last resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<u64>,
    /// Who acknowledged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Box<Acknowledgement>>,
    /// The last message to receivers.
    #[serde(default)]
    pub told: Told,
    /// True if it causes no notification: it was there when its rule was new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_quiet: bool,
    /// Its history, the oldest change first.
    #[serde(deserialize_with = "without_spare_room")]
    pub history: Vec<HistoryEntry>,
}

/// Adds all texts of a value to a list.
fn add_texts(value: Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.into_iter().for_each(|item| add_texts(item, texts)),
        Value::Object(members) => members.into_iter().for_each(|(_, item)| add_texts(item, texts)),
        _ => {}
    }
}

/// Reads a list into as much memory as it needs: a list that grows has room for three entries more.
fn without_spare_room<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<HistoryEntry>, D::Error> {
    let mut entries = Vec::deserialize(deserializer)?;
    entries.shrink_to_fit();
    Ok(entries)
}

/// Who has taken a finding on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// A remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The belief of receivers about a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// They do not know of it.
    #[default]
    Nothing,
    /// It is open.
    Open,
    /// It is over.
    Resolved,
}

/// Something that happened to a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The event.
    pub what: Happening,
    /// The generation or run that showed it, or who did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The reason why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The changes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Happening {
    /// Its row was seen.
    Seen,
    /// It was opened.
    Opened,
    /// It was opened after it had been resolved.
    Reopened,
    /// It did not hold any more for the first time.
    Clearing,
    /// It held again before it was resolved.
    Returned,
    /// It is over.
    Resolved,
    /// A person has acknowledged it.
    Acknowledged,
    /// A person has withdrawn the acknowledgement.
    Unacknowledged,
}

/// The state of a finding as people see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It holds, and not for long enough yet.
    Pending,
    /// It holds.
    Open,
    /// It holds and is acknowledged.
    Acknowledged,
    /// It does not hold any more, and not for long enough yet.
    Clearing,
    /// It is over.
    Resolved,
}

impl State {
    /// All states, in the order of a life.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Open, Self::Acknowledged, Self::Clearing, Self::Resolved];

    /// The name in outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Clearing => "clearing",
            Self::Resolved => "resolved",
        }
    }
}

impl Finding {
    /// A finding that was seen for the first time.
    pub fn new(
        rule: &str,
        life: Life,
        observation: Observation,
        at: u64,
        counted_in: &str,
    ) -> Self {
        let mut finding = Self {
            rule: rule.to_owned(),
            life,
            entity: None,
            text: String::new(),
            values: String::new(),
            group: None,
            known_as: None,
            counted_in: counted_in.to_owned(),
            first_seen: at,
            opened: None,
            resolved: None,
            acknowledged: None,
            told: Told::Nothing,
            is_quiet: false,
            // Most findings have one entry for long, and there may be many findings.
            history: Vec::with_capacity(1),
        };
        finding.describe(observation);
        let what = if life.is_active() { Happening::Opened } else { Happening::Seen };
        finding.note(at, what, counted_in);
        finding.opened = life.is_active().then_some(at);
        finding
    }

    /// Takes over the content of the newest row.
    pub fn describe(&mut self, observation: Observation) {
        let Observation { entity, text, values, group } = observation;
        (self.entity, self.text, self.values, self.group) = (entity, text, values, group);
    }

    /// The state as people see it.
    pub fn state(&self) -> State {
        match self.life.phase {
            Phase::Pending => State::Pending,
            Phase::Open if self.acknowledged.is_some() => State::Acknowledged,
            Phase::Open => State::Open,
            Phase::Clearing => State::Clearing,
            Phase::Resolved => State::Resolved,
        }
    }

    /// Removes its content, and leaves a text in its place.
    pub(crate) fn empty(&mut self, why: &str) {
        why.clone_into(&mut self.text);
        self.values.clear();
        (self.entity, self.group) = (None, None);
    }

    /// Leaves only what receivers need to hear of its end.
    pub(crate) fn strip(&mut self, why: &str) {
        self.empty(why);
        self.acknowledged = None;
        self.history = Vec::new();
    }

    /// Ends a finding about an erased person or device, and leaves only what receivers need to hear of its end.
    pub(crate) fn erase(&mut self) {
        self.strip(ERASED_TEXT);
        self.life.resolve(Reason::Erased);
        self.resolved = None;
    }

    /// Ends it.
    pub fn resolve(&mut self, reason: Reason, at: u64, by: &str) {
        self.life.resolve(reason);
        self.note(at, Happening::Resolved, by);
        self.resolved = Some(at);
    }

    /// Returns every text that may name someone whom it is about.
    pub fn texts(&self) -> Vec<String> {
        let note = self.acknowledged.as_ref().and_then(|acknowledged| acknowledged.note.as_ref());
        let fixed = [Some(&self.text), self.entity.as_ref(), self.group.as_ref(), note];
        let mut texts: Vec<String> = fixed.into_iter().flatten().cloned().collect();
        add_texts(serde_json::from_str(&self.values).unwrap_or_default(), &mut texts);
        texts
    }

    /// Removes the names of those who changed it that a predicate selects.
    pub(crate) fn forget_who(&mut self, is_named: &dyn Fn(&str) -> bool) {
        let acknowledged = self.acknowledged.iter_mut().map(|acknowledged| &mut acknowledged.by);
        let changed = self.history.iter_mut().map(|entry| &mut entry.by);
        for by in acknowledged.chain(changed).filter(|by| is_named(by)) {
            ERASED.clone_into(by);
        }
    }

    /// Adds to its history.
    pub fn note(&mut self, at: u64, what: Happening, by: &str) {
        if self.history.len() >= MAX_HISTORY {
            self.history.remove(1);
        }
        let reason = self.life.reason.filter(|_| what == Happening::Resolved);
        self.history.push(HistoryEntry { at, what, by: by.to_owned(), reason });
    }
}
