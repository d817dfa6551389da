//! The book of findings of one tenant: the findings of every rule, and the messages about them.
//!
//! The book is one file, `findings.json`, which is replaced in one step, so state and outbox never disagree.
//! Everything here but that file is pure; the caller passes rows, times and names.

mod counts;
mod evaluate;
mod ids;
mod state;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

pub use self::evaluate::{Outcome, RuleReport, When};
use self::ids::IdSecret;
pub use self::state::{BookError, FILE};
pub use self::texts::BookPart;
use crate::finding::{
    Acknowledgement, ERASED, Finding, Happening, OLD_TEXT, PRIVACY_TEXT, State, Told,
};
use crate::fingerprint::FindingId;
use crate::lifecycle::{Phase, Reason};
use crate::outbox::{Outbox, Transition};
use crate::rule::{Rule, Severity};
use crate::silence::Silence;

/// The form of the file. Since version 2, IDs are keyed: an older program would take every finding for another one.
const VERSION: u32 = 2;
/// The time for which a silence is listed after its end, milliseconds.
const SILENCE_KEPT_MS: u64 = 30 * 24 * 3_600 * 1_000;

/// All findings of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Book {
    pub(crate) version: u32,
    /// The way in which the findings show people: findings of two ways are never compared.
    pub(crate) privacy: String,
    /// The secret of the IDs; none in a book of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_secret: Option<IdSecret>,
    /// The erasures that the book has been through.
    pub(crate) erasures: BTreeSet<String>,
    pub(crate) rules: BTreeMap<String, RuleRecord>,
    pub(crate) findings: BTreeMap<FindingId, Finding>,
    #[serde(default)]
    pub(crate) silences: Vec<Silence>,
    #[serde(default)]
    pub(crate) outbox: Outbox,
}

/// The record of a rule that was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleRecord {
    /// The version of its question.
    pub version: String,
    /// Its title.
    pub title: String,
    /// The severity of its findings.
    pub severity: Severity,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// True if its first complete evaluation is behind it.
    pub has_baseline: bool,
    /// When it was last evaluated, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The generation it was last evaluated on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// The tables that it reads.
    #[serde(default)]
    pub reads: Vec<String>,
    /// The result of the last evaluation.
    pub result: RuleResult,
}

/// The result of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum RuleResult {
    /// Everything that it reads is complete.
    Complete,
    /// Types that it reads are not complete, so that nothing is resolved.
    Unknown {
        /// These types.
        partial: Vec<String>,
    },
    /// It could not be evaluated.
    Failed {
        /// The reason, without a value.
        reason: String,
    },
}

impl Book {
    /// A book without findings.
    pub fn new(privacy: &str, erasures: BTreeSet<String>) -> Self {
        Self { version: VERSION, privacy: privacy.to_owned(), erasures, ..Self::default() }
    }

    /// The findings, by id.
    pub fn findings(&self) -> &BTreeMap<FindingId, Finding> {
        &self.findings
    }

    /// A finding.
    pub fn finding(&self, id: FindingId) -> Option<&Finding> {
        self.findings.get(&id)
    }

    /// The IDs of the findings whose ID begins with a text, or that receivers know by such an ID.
    pub fn ids(&self, prefix: &str) -> Vec<FindingId> {
        let begins = |id: FindingId| id.to_string().starts_with(prefix);
        let found = self
            .findings
            .iter()
            .filter(|(id, finding)| begins(**id) || finding.known_as.is_some_and(begins));
        found.map(|(id, _)| *id).collect()
    }

    /// The record of a rule.
    pub fn rule(&self, id: &str) -> Option<&RuleRecord> {
        self.rules.get(id)
    }

    /// The silences, those that are over included.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// The changes to tell.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The same, to change it.
    pub fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// The severity of a finding.
    pub fn severity(&self, finding: &Finding) -> Severity {
        self.rules.get(&finding.rule).map_or(Severity::Low, |rule| rule.severity)
    }

    /// The silence that a finding is under.
    pub fn silence_of(&self, id: FindingId, now: u64) -> Option<&Silence> {
        let finding = self.findings.get(&id)?;
        silence_of(&self.silences, &self.rules, id, finding, now)
    }

    /// The number of active findings by severity, the most severe last.
    pub fn counts(&self) -> BTreeMap<Severity, u64> {
        let mut counts: BTreeMap<Severity, u64> =
            Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
        for finding in self.findings.values().filter(|finding| finding.life.is_active()) {
            *counts.entry(self.severity(finding)).or_default() += 1;
        }
        counts
    }

    /// The highest severity of an open finding that is neither acknowledged nor silenced.
    pub fn highest_severity(&self, now: u64) -> Option<Severity> {
        let open = self.findings.iter().filter(|(id, finding)| {
            let is_open = matches!(finding.state(), State::Open | State::Clearing);
            is_open && finding.acknowledged.is_none() && self.silence_of(**id, now).is_none()
        });
        open.map(|(_, finding)| self.severity(finding)).max()
    }

    /// Takes a finding on; returns false if it is over.
    pub fn acknowledge(&mut self, id: FindingId, acknowledgement: Acknowledgement) -> bool {
        let Some(finding) = self.findings.get_mut(&id) else { return false };
        if finding.life.phase == Phase::Resolved {
            return false;
        }
        finding.note(acknowledgement.at, Happening::Acknowledged, &acknowledgement.by);
        finding.acknowledged = Some(Box::new(acknowledgement));
        true
    }

    /// Withdraws an acknowledgement; returns false if there was none.
    pub fn unacknowledge(&mut self, id: FindingId, at: u64, by: &str) -> bool {
        let Some(finding) = self.findings.get_mut(&id) else { return false };
        if finding.acknowledged.take().is_none() {
            return false;
        }
        finding.note(at, Happening::Unacknowledged, by);
        true
    }

    /// Adds a silence.
    pub fn silence(&mut self, silence: Silence) {
        self.silences.push(silence);
    }

    /// Ends a silence now; returns false if none has this ID.
    pub fn end_silence(&mut self, id: &str, now: u64) -> bool {
        let found =
            self.silences.iter_mut().find(|silence| silence.id == id && silence.until > now);
        found.map(|silence| silence.until = now).is_some()
    }

    /// Closes the findings of rules that are not there or not on any more. No message is sent.
    pub fn close_rules(
        &mut self,
        is_known: impl Fn(&str) -> bool,
        is_on: impl Fn(&str) -> bool,
        when: &When<'_>,
    ) {
        for finding in self.findings.values_mut() {
            if finding.life.phase == Phase::Resolved || is_on(&finding.rule) {
                continue;
            }
            let known = is_known(&finding.rule);
            let reason = if known { Reason::RuleDisabled } else { Reason::RuleRemoved };
            finding.resolve(reason, when.at, when.run);
        }
        for (_, record) in self.rules.iter_mut().filter(|(id, _)| !is_on(id)) {
            record.has_baseline = false;
        }
    }

    /// Starts again if the privacy settings have changed: closes all findings and removes their texts, which show
    /// people under the old settings. Receivers that keep state still hear of every end.
    pub fn show_people_as(&mut self, privacy: &str, when: &When<'_>) {
        if self.privacy == privacy {
            return;
        }
        privacy.clone_into(&mut self.privacy);
        for finding in self.findings.values_mut() {
            if finding.life.phase != Phase::Resolved {
                finding.resolve(Reason::PrivacyChanged, when.at, when.run);
            }
            finding.empty(PRIVACY_TEXT);
        }
        self.rules.values_mut().for_each(|record| record.has_baseline = false);
        self.outbox.keep_ends(PRIVACY_TEXT);
    }

    /// Puts the transitions that receivers have not been told of into the outbox. `channels` returns the channels for
    /// a transition of a finding, or none if no route selects the finding; it is called once for each transition.
    pub fn tell(
        &mut self,
        now: u64,
        mut channels: impl FnMut(FindingId, &Finding, &RuleRecord, Transition) -> Option<Vec<String>>,
    ) -> usize {
        let mut told = 0;
        for (id, finding) in &mut self.findings {
            let is_silenced =
                || silence_of(&self.silences, &self.rules, *id, finding, now).is_some();
            let Some((transition, belief)) = due(finding) else { continue };
            if transition.is_for_people() && is_silenced() {
                continue;
            }
            let Some(record) = self.rules.get(&finding.rule) else { continue };
            let channels = channels(*id, finding, record, transition);
            // Otherwise receivers would hear of the end of a finding that they never heard of. They hear of it when a
            // route selects it while it is open.
            if channels.is_none() && transition.is_open() {
                continue;
            }
            for channel in channels.into_iter().flatten() {
                self.outbox.add(&channel, *id, transition, now);
                told += 1;
            }
            finding.told = belief;
        }
        told
    }

    /// Forgets findings that were resolved before a time, and silences that are long over. Of a finding that receivers
    /// believe to be open, what they need to hear of its end stays until they are told.
    pub fn forget(&mut self, resolved_before: u64, now: u64) {
        let told_of = self.outbox.findings();
        self.findings.retain(|id, finding| {
            let is_current = finding.life.phase != Phase::Resolved
                || finding.resolved.is_some_and(|at| at >= resolved_before)
                || told_of.contains(id);
            if !is_current && finding.life.reason != Some(Reason::Erased) {
                finding.strip(OLD_TEXT);
            }
            is_current || finding.told == Told::Open
        });
        self.silences.retain(|silence| silence.until.saturating_add(SILENCE_KEPT_MS) > now);
        let used: BTreeSet<&str> =
            self.findings.values().map(|finding| finding.rule.as_str()).collect();
        // A rule that fails from its beginning has neither, and is listed with its reason all the same.
        let is_kept = |id: &str, record: &RuleRecord| {
            used.contains(id) || record.has_baseline || record.at >= resolved_before
        };
        self.rules.retain(|id, record| is_kept(id, record));
    }

    /// Removes the findings, waiting messages and silences with a text that a predicate selects, and the names of those who
    /// changed others. Returns the number of findings.
    ///
    /// Receivers that keep state are still to hear of the end of what they believe to be open. Until they are told, the ID,
    /// the rule and the times of such a finding stay.
    pub fn erase(&mut self, is_named: &dyn Fn(&str) -> bool, erasures: BTreeSet<String>) -> usize {
        let (mut gone, mut removed) = (HashSet::new(), 0);
        let waiting_ends = self.outbox.waiting_ends();
        self.findings.retain(|id, finding| {
            if !finding.texts().iter().any(|text| is_named(text)) {
                return true;
            }
            gone.extend([Some(*id), finding.known_as].into_iter().flatten());
            removed += 1;
            finding.erase();
            finding.told == Told::Open || waiting_ends.contains(id)
        });
        self.outbox.erase(&gone, is_named);
        self.findings.values_mut().for_each(|finding| finding.forget_who(is_named));
        self.silences.retain(|silence| {
            let is_left = |id| self.findings.contains_key(&id) && !gone.contains(&id);
            let names = silence.matcher.entity.iter().chain([&silence.why]);
            let names_someone = names.into_iter().any(|text| is_named(text));
            silence.matcher.finding.is_none_or(is_left) && !names_someone
        });
        for silence in self.silences.iter_mut().filter(|silence| is_named(&silence.by)) {
            ERASED.clone_into(&mut silence.by);
        }
        self.erasures = erasures;
        removed
    }

    /// Forgets the findings about erased people and devices whose ends receivers were told of.
    pub(crate) fn forget_erased(&mut self) {
        let told_of = self.outbox.findings();
        self.findings.retain(|id, finding| {
            finding.life.reason != Some(Reason::Erased)
                || finding.told == Told::Open
                || told_of.contains(id)
        });
    }

    fn record(&mut self, rule: &Rule, when: &When<'_>) -> &mut RuleRecord {
        let record = self.rules.entry(rule.id.clone()).or_insert_with(|| RuleRecord {
            version: rule.version(),
            title: String::new(),
            severity: rule.severity,
            labels: BTreeMap::new(),
            has_baseline: false,
            at: 0,
            generation: None,
            reads: Vec::new(),
            result: RuleResult::Complete,
        });
        record.title.clone_from(&rule.title);
        record.labels.clone_from(&rule.labels);
        record.severity = rule.severity;
        record.at = when.at;
        record.generation = when.generation.map(str::to_owned);
        record
    }
}

fn silence_of<'a>(
    silences: &'a [Silence],
    rules: &BTreeMap<String, RuleRecord>,
    id: FindingId,
    finding: &Finding,
    now: u64,
) -> Option<&'a Silence> {
    let rule = rules.get(&finding.rule);
    silences
        .iter()
        .find(|silence| silence.until > now && silence.matcher.matches(id, finding, rule))
}

/// The message that receivers are to get of a finding, and their belief then.
fn due(finding: &Finding) -> Option<(Transition, Told)> {
    let life = &finding.life;
    if life.is_unknown || finding.is_quiet {
        return None;
    }
    match (finding.told, life.phase) {
        (told, Phase::Open | Phase::Clearing) if told != Told::Open => {
            // Who acknowledged it knows of it.
            let is_news = finding.acknowledged.is_none() && life.phase == Phase::Open;
            let first = told == Told::Nothing;
            let transition = if first { Transition::Opened } else { Transition::Reopened };
            is_news.then_some((transition, Told::Open))
        }
        (Told::Open, Phase::Resolved) => {
            let transition = match life.reason {
                Some(Reason::Cleared) => Transition::Resolved,
                _ => Transition::Closed,
            };
            Some((transition, Told::Resolved))
        }
        _ => None,
    }
}
