//! The life of a finding as a pure state machine: pending → open ⇄ clearing → resolved.
//!
//! Time does not count here. A finding moves by *evidence*: an evaluation of its rule on a generation whose types are
//! complete. Each generation moves a finding by one count at most, however often it is evaluated. Without proof,
//! nothing moves.

use serde::{Deserialize, Serialize};

use crate::rule::{Rule, RuleKind};

/// The phase of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It holds, and not for long enough yet.
    Pending,
    /// It holds.
    Open,
    /// It does not hold any more, and not for long enough yet.
    Clearing,
    /// It is over.
    Resolved,
}

/// The reason why a finding is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its condition does not hold any more.
    Cleared,
    /// The event is too long ago for the rule's query.
    Passed,
    /// The rule asks something else now.
    RuleChanged,
    /// There is no such rule any more.
    RuleRemoved,
    /// The rule was switched off.
    RuleDisabled,
    /// People are shown in another way now, so that nothing can be compared.
    PrivacyChanged,
    /// The person or device that it was about was erased.
    Erased,
}

impl Reason {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Cleared => "it does not hold any more",
            Self::Passed => "the event is long ago",
            Self::RuleChanged => "rule changed",
            Self::RuleRemoved => "rule removed",
            Self::RuleDisabled => "rule disabled",
            Self::PrivacyChanged => "privacy settings changed",
            Self::Erased => "person or device erased",
        }
    }
}

/// The counts that a finding needs to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// The kind of the rule.
    pub kind: RuleKind,
    /// The complete generations in which it must hold.
    pub hold: u32,
    /// The complete generations in which it must not.
    pub clear_after: u32,
}

impl Thresholds {
    /// Those of a rule.
    pub fn of(rule: &Rule) -> Self {
        Self { kind: rule.kind, hold: rule.hold, clear_after: rule.clear_after }
    }
}

/// The evidence of one evaluation about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    /// True if its row is there.
    pub is_present: bool,
    /// True if every type that the rule reads is complete.
    pub is_complete: bool,
    /// True if the generation has moved this finding already.
    pub is_counted: bool,
}

/// The part of a finding's state that decides its next state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// The phase.
    pub phase: Phase,
    /// The complete generations in which it held while pending, or did not hold while clearing.
    pub count: u32,
    /// True if it was ever open.
    #[serde(default)]
    pub was_open: bool,
    /// True if the last evaluation could not tell whether it still holds.
    #[serde(default)]
    pub is_unknown: bool,
    /// The reason why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing that people would notice.
    Same,
    /// The generation counts for this finding, and its phase may have changed.
    Counted,
    /// It was pending, was never open, and is not there any more: forget it.
    Forgotten,
}

impl Life {
    /// The life of a row that is seen for the first time; nothing if this is no proof of it.
    pub fn begin(thresholds: Thresholds, is_complete: bool) -> Option<Self> {
        let is_event = thresholds.kind == RuleKind::Event;
        if !is_complete && !is_event {
            return None;
        }
        let mut life = Self {
            phase: Phase::Pending,
            count: 0,
            was_open: false,
            is_unknown: false,
            reason: None,
        };
        life.hold(if is_event { 1 } else { thresholds.hold });
        Some(life)
    }

    /// Returns whether people are to know of it now.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Clearing)
    }

    /// Moves it by an evaluation.
    pub fn step(&mut self, thresholds: Thresholds, evidence: Evidence) -> Step {
        if thresholds.kind == RuleKind::Event {
            return self.step_of_event(evidence);
        }
        let Evidence { is_present, is_complete, is_counted } = evidence;
        self.is_unknown = !is_complete && !is_present && self.phase != Phase::Resolved;
        match (self.phase, is_present) {
            // The only step that needs no proof: it may not be resolved in the meantime.
            (Phase::Clearing, true) => {
                (self.phase, self.count) = (Phase::Open, 0);
                if is_complete { Step::Counted } else { Step::Same }
            }
            _ if !is_complete || is_counted => Step::Same,
            (Phase::Pending, true) => {
                self.hold(thresholds.hold);
                Step::Counted
            }
            (Phase::Resolved, true) => {
                (self.phase, self.count, self.reason) = (Phase::Pending, 0, None);
                self.hold(thresholds.hold);
                Step::Counted
            }
            (Phase::Pending, false) if !self.was_open => Step::Forgotten,
            (Phase::Pending, false) => {
                self.resolve(Reason::Cleared);
                Step::Counted
            }
            (Phase::Open | Phase::Clearing, false) => {
                self.count = if self.phase == Phase::Clearing { self.count + 1 } else { 1 };
                self.phase = Phase::Clearing;
                if self.count >= thresholds.clear_after {
                    self.resolve(Reason::Cleared);
                }
                Step::Counted
            }
            (Phase::Open, true) | (Phase::Resolved, false) => Step::Same,
        }
    }

    /// An event has happened, whatever is known of others. It passes when the query does not return it
    /// any more, and it never comes back.
    fn step_of_event(&mut self, evidence: Evidence) -> Step {
        self.is_unknown = false;
        if self.phase == Phase::Resolved || evidence.is_present || !evidence.is_complete {
            return Step::Same;
        }
        self.resolve(Reason::Passed);
        Step::Counted
    }

    /// Opens it again, whatever its phase.
    pub fn begin_anew(&mut self) {
        *self =
            Self { phase: Phase::Open, count: 0, was_open: true, is_unknown: false, reason: None };
    }

    /// Ends it, whatever its phase.
    pub fn resolve(&mut self, reason: Reason) {
        self.phase = Phase::Resolved;
        self.count = 0;
        self.is_unknown = false;
        self.reason = Some(reason);
    }

    fn hold(&mut self, needed: u32) {
        self.count += 1;
        if self.count >= needed {
            (self.phase, self.count, self.was_open) = (Phase::Open, 0, true);
        }
    }
}
