//! Findings for lists, pages and scripts: plain objects with times in RFC 3339, selected and sorted for people.
//! Personal data can be left out.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::book::{Book, RuleRecord, RuleResult};
use crate::finding::{Finding, Happening, HistoryEntry, State};
use crate::fingerprint::FindingId;
use crate::lifecycle::Reason;
use crate::rule::Severity;
use crate::silence::{Matcher, Silence};

/// The findings that a list has.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// In one of these states; those that are not over if it is empty.
    pub states: Vec<State>,
    /// Of this severity or a higher one.
    pub severity: Option<Severity>,
    /// The further conditions on them.
    pub matcher: Matcher,
}

impl Wanted {
    fn includes(&self, book: &Book, id: FindingId, finding: &Finding) -> bool {
        let state = finding.state();
        let is_state = match &self.states[..] {
            [] => matches!(state, State::Open | State::Acknowledged | State::Clearing),
            states => states.contains(&state),
        };
        is_state
            && self.severity.is_none_or(|wanted| book.severity(finding) >= wanted)
            && self.matcher.matches(id, finding, book.rule(&finding.rule))
    }
}

/// A finding in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingRow {
    /// Its id.
    pub id: FindingId,
    /// The id of its rule.
    pub rule: String,
    /// The title of its rule.
    pub title: Option<String>,
    /// Its severity.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: State,
    /// True if the last evaluation could not tell whether it still holds.
    pub unknown: bool,
    /// True if a silence covers it.
    pub silenced: bool,
    /// Its text; none where personal data is left out.
    pub text: Option<String>,
    /// The `_key` of the entity that it is about; none where personal data is left out.
    pub entity: Option<String>,
    /// When its row was first seen, RFC 3339.
    pub first_seen: String,
    /// When it was last opened.
    pub opened: Option<String>,
    /// When it was last resolved.
    pub resolved: Option<String>,
    /// The reason why it is over.
    pub reason: Option<Reason>,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
}

/// A finding with all that is known of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingDetail {
    /// The entries of a list.
    #[serde(flatten)]
    pub summary: FindingRow,
    /// The row of the rule's query; null where personal data is left out.
    pub row: Value,
    /// Who acknowledged it, when and with which remark.
    pub acknowledgement: Option<AcknowledgementView>,
    /// The silence that it is under.
    pub silence: Option<SilenceView>,
    /// Its history, the oldest change first.
    pub history: Vec<HappeningView>,
}

/// Who has taken a finding on.
#[derive(Debug, Clone, Serialize)]
pub struct AcknowledgementView {
    /// Who.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// A remark.
    pub note: Option<String>,
}

/// A silence.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SilenceView {
    /// Its id.
    pub id: String,
    /// Its subject, in words.
    pub matcher: String,
    /// False after its end.
    pub in_force: bool,
    /// When it ends, RFC 3339.
    pub until: String,
    /// Who made it.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// Something that happened to a finding.
#[derive(Debug, Clone, Serialize)]
pub struct HappeningView {
    /// When, RFC 3339.
    pub at: String,
    /// The event.
    pub what: Happening,
    /// The generation or run that showed it, or who did it.
    pub by: String,
    /// The reason why it is over, in words.
    pub reason: Option<&'static str>,
}

/// A rule that was evaluated.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The severity of its findings.
    pub severity: Severity,
    /// When it was last evaluated, RFC 3339.
    pub at: String,
    /// `complete`, `unknown` or `failed`.
    pub result: &'static str,
    /// The reason why it is unknown or has failed.
    pub why: Option<String>,
    /// The number of its findings that hold.
    pub open: usize,
}

/// A moment as RFC 3339 writes it, to the second.
pub fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "out of range".to_owned(), |time| format!("{time:.0}"))
}

/// The time since which a finding has its state, for people. Milliseconds since 1970-01-01 UTC.
pub fn since(finding: &Finding) -> u64 {
    match finding.state() {
        State::Resolved => finding.resolved.unwrap_or(finding.first_seen),
        _ => finding.opened.unwrap_or(finding.first_seen),
    }
}

impl Book {
    /// The findings of a list: the most severe first, then the newest.
    pub fn wanted(&self, wanted: &Wanted) -> Vec<(FindingId, &Finding)> {
        let all = self.findings().iter().map(|(id, finding)| (*id, finding));
        let mut found: Vec<_> =
            all.filter(|(id, finding)| wanted.includes(self, *id, finding)).collect();
        found.sort_by(|(_, one), (_, other)| {
            let order = self.severity(other).cmp(&self.severity(one));
            order
                .then_with(|| since(other).cmp(&since(one)))
                .then_with(|| one.text.cmp(&other.text))
        });
        found
    }

    /// A finding as lists show it.
    pub fn row(&self, id: FindingId, finding: &Finding, now: u64) -> FindingRow {
        FindingRow {
            id,
            rule: finding.rule.clone(),
            title: self.rule(&finding.rule).map(|rule| rule.title.clone()),
            severity: self.severity(finding),
            state: finding.state(),
            unknown: finding.life.is_unknown,
            silenced: self.silence_of(id, now).is_some(),
            text: Some(finding.text.clone()),
            entity: finding.entity.clone(),
            first_seen: time(finding.first_seen),
            opened: finding.opened.map(time),
            resolved: finding.resolved.map(time),
            reason: finding.life.reason,
            acknowledged_by: finding.acknowledged.as_ref().map(|ack| ack.by.clone()),
        }
    }

    /// A finding with all that is known of it.
    pub fn detail(&self, id: FindingId, finding: &Finding, now: u64) -> FindingDetail {
        FindingDetail {
            summary: self.row(id, finding, now),
            row: serde_json::from_str(&finding.values).unwrap_or(Value::Null),
            acknowledgement: finding.acknowledged.as_ref().map(|ack| AcknowledgementView {
                by: ack.by.clone(),
                at: time(ack.at),
                note: ack.note.clone(),
            }),
            silence: self.silence_of(id, now).map(|silence| SilenceView::new(silence, now)),
            history: finding.history.iter().map(HappeningView::new).collect(),
        }
    }

    /// The rules that were evaluated, by id.
    pub fn rule_views(&self) -> Vec<RuleView> {
        let open = |id: &str| {
            let findings = self.findings().values();
            findings.filter(|finding| finding.rule == id && finding.life.is_active()).count()
        };
        let views = self.rules.iter().map(|(id, record)| RuleView::new(id, record, open(id)));
        views.collect()
    }

    /// The number of findings that hold and that a matcher is about.
    pub fn active_matching(&self, matcher: &Matcher) -> usize {
        let findings = self.findings().iter();
        let matching = findings.filter(|(id, finding)| {
            finding.life.is_active() && matcher.matches(**id, finding, self.rule(&finding.rule))
        });
        matching.count()
    }
}

impl FindingRow {
    /// Leaves out possible personal data: texts of rows, the entity, and who acknowledged it.
    #[must_use]
    pub fn without_personal(self) -> Self {
        Self { text: None, entity: None, acknowledged_by: None, ..self }
    }
}

impl FindingDetail {
    /// Leaves out possible personal data, including remarks of users.
    #[must_use]
    pub fn without_personal(self) -> Self {
        let history = self.history.into_iter().map(|happening| match happening.what {
            Happening::Acknowledged | Happening::Unacknowledged => {
                HappeningView { by: String::new(), ..happening }
            }
            _ => happening,
        });
        let silence = self.silence.map(SilenceView::without_personal);
        Self {
            summary: self.summary.without_personal(),
            row: Value::Null,
            acknowledgement: None,
            silence,
            history: history.collect(),
        }
    }
}

impl SilenceView {
    /// A silence as it is now.
    pub fn new(silence: &Silence, now: u64) -> Self {
        Self {
            id: silence.id.clone(),
            matcher: silence.matcher.describe(),
            in_force: silence.until > now,
            until: time(silence.until),
            by: silence.by.clone(),
            why: silence.why.clone(),
        }
    }

    /// Leaves out its author, reason and subject.
    #[must_use]
    pub fn without_personal(self) -> Self {
        Self { matcher: String::new(), by: String::new(), why: String::new(), ..self }
    }
}

impl HappeningView {
    /// An entry of a finding's history.
    pub fn new(entry: &HistoryEntry) -> Self {
        Self {
            at: time(entry.at),
            what: entry.what,
            by: entry.by.clone(),
            reason: entry.reason.map(Reason::text),
        }
    }
}

impl RuleView {
    fn new(id: &str, record: &RuleRecord, open: usize) -> Self {
        let (result, why) = match &record.result {
            RuleResult::Complete => ("complete", None),
            RuleResult::Unknown { partial } => {
                ("unknown", Some(format!("not complete: {}", partial.join(", "))))
            }
            RuleResult::Failed { reason } => ("failed", Some(reason.clone())),
        };
        Self {
            id: id.to_owned(),
            title: record.title.clone(),
            severity: record.severity,
            at: time(record.at),
            result,
            why,
            open,
        }
    }
}
