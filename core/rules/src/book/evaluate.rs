//! One evaluation of a rule: applies its rows to the existing findings.

use serde_json::{Value, json};

use super::{Book, RuleResult};
use crate::finding::{Finding, Happening};
use crate::fingerprint::{FindingId, Fingerprints};
use crate::lifecycle::{Evidence, Life, Phase, Reason, Step, Thresholds};
use crate::observation::{Observation, Observed};
use crate::rule::{FirstRun, Rule, RuleKind};

/// The identity of the finding that stands for too many rows.
const SUMMARY: &str = "\u{1}too-many";
/// The identity of the finding that stands for the rows of a first evaluation.
const FIRST_RUN: &str = "\u{1}first-run";

/// The time and the generation of an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct When<'a> {
    /// Now, milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The published generation, if there is one.
    pub generation: Option<&'a str>,
    /// A name of this evaluation, different from that of every other.
    pub run: &'a str,
}

/// The answer to a rule's query.
#[derive(Debug)]
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their values.
        observed: Observed,
        /// The tables that the query reads.
        reads: Vec<String>,
        /// Those of them that are not complete.
        partial: Vec<String>,
    },
    /// No rows, or rows that are no findings.
    Failed {
        /// The reason, without a value.
        reason: String,
    },
}

/// The changes of an evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleReport {
    /// The rows that hold.
    pub rows: usize,
    /// Findings that were opened or reopened.
    pub opened: usize,
    /// Those of them that the rule found at its first evaluation and of which people are not told.
    pub baseline: usize,
    /// Findings that were resolved.
    pub resolved: usize,
    /// Findings of which it is not known whether they still hold.
    pub unknown: usize,
}

/// The facts that are the same for all findings of an evaluation.
struct Round<'a> {
    rule: &'a Rule,
    when: &'a When<'a>,
    thresholds: Thresholds,
    is_complete: bool,
    /// The evaluation that counts: each moves a finding once.
    epoch: &'a str,
    first_run: FindingId,
    too_many: FindingId,
    /// True if people are not told of new findings.
    is_quiet: bool,
}

impl Round<'_> {
    /// Returns true for a finding that is over, stands for rows and does so again. An event never comes back, but these
    /// rows are others.
    fn begins_anew(
        &self,
        id: FindingId,
        thresholds: Thresholds,
        finding: &Finding,
        evidence: Evidence,
    ) -> bool {
        (id == self.first_run || id == self.too_many)
            && thresholds.kind == RuleKind::Event
            && finding.life.phase == Phase::Resolved
            && evidence.is_present
    }
}

impl Book {
    /// Applies the answer to a rule's query.
    pub fn evaluate(
        &mut self,
        rule: &Rule,
        outcome: Outcome,
        fingerprints: &Fingerprints,
        when: &When<'_>,
    ) -> RuleReport {
        self.close_other_version(rule, when);
        let (mut observed, reads, partial) = match outcome {
            Outcome::Rows { observed, reads, partial } => {
                (self.by_keyed_ids(observed), reads, partial)
            }
            Outcome::Failed { reason } => return self.fail(rule, reason, when),
        };
        let is_complete = partial.is_empty();
        let record = self.record(rule, when);
        record.reads = reads;
        record.result =
            if is_complete { RuleResult::Complete } else { RuleResult::Unknown { partial } };
        let is_first = !record.has_baseline && (is_complete || rule.kind == RuleKind::Event);
        record.has_baseline |= is_first;
        let id = |name: &str| self.keyed_id(fingerprints.of(&rule.id, [&Value::from(name)]));
        let (too_many, first_run) = (id(SUMMARY), id(FIRST_RUN));
        let mut report = RuleReport { rows: observed.findings.len(), ..RuleReport::default() };
        if let Some(rows) = observed.too_many {
            let text = format!("{rows} rows, more than the {} of the rule", rule.max_findings);
            observed.findings.insert(too_many, Some(summary(text, rows)));
        }
        if is_first && rule.first_run == FirstRun::Summary && report.rows > 0 {
            let text = format!("{} at its first evaluation: {}", count(report.rows), rule.title);
            observed.findings.insert(first_run, Some(summary(text, report.rows)));
        }
        let epoch = match rule.kind {
            RuleKind::State => when.generation.unwrap_or(when.run),
            RuleKind::Program | RuleKind::Event => when.run,
        };
        let thresholds = Thresholds::of(rule);
        let is_quiet = is_first && rule.first_run != FirstRun::All;
        let round =
            Round { rule, when, thresholds, is_complete, epoch, first_run, too_many, is_quiet };
        self.step_known(&round, &mut observed, &mut report);
        self.add_new(&round, observed, &mut report);
        report
    }

    /// Moves the known findings, and removes their rows from the observation.
    fn step_known(&mut self, round: &Round<'_>, observed: &mut Observed, report: &mut RuleReport) {
        self.findings.retain(|id, finding| {
            if finding.rule != round.rule.id {
                return true;
            }
            let row = observed.findings.remove(id);
            let evidence = Evidence {
                is_present: row.is_some(),
                is_complete: round.is_complete,
                is_counted: finding.counted_in == round.epoch,
            };
            let is_of_first_run = *id == round.first_run;
            let kind = if is_of_first_run { RuleKind::Event } else { round.thresholds.kind };
            let thresholds = Thresholds { kind, ..round.thresholds };
            let before = finding.life;
            let step = if round.begins_anew(*id, thresholds, finding, evidence) {
                finding.life.begin_anew();
                finding.is_quiet = round.is_quiet && !is_of_first_run;
                Step::Counted
            } else {
                finding.life.step(thresholds, evidence)
            };
            if step == Step::Forgotten {
                return false;
            }
            if step == Step::Counted {
                round.epoch.clone_into(&mut finding.counted_in);
            }
            if let (Some(row), true) = (row.flatten(), finding.life.phase != Phase::Resolved) {
                finding.describe(row);
            }
            note_change(finding, before, round.when, report);
            report.unknown += usize::from(finding.life.is_unknown);
            true
        });
    }

    /// Adds findings for the rows that are left.
    fn add_new(&mut self, round: &Round<'_>, observed: Observed, report: &mut RuleReport) {
        for (id, row) in observed.findings {
            let (Some(row), Some(life)) = (row, Life::begin(round.thresholds, round.is_complete))
            else {
                continue;
            };
            let mut finding = Finding::new(&round.rule.id, life, row, round.when.at, round.epoch);
            finding.is_quiet = round.is_quiet && id != round.first_run;
            report.opened += usize::from(life.is_active());
            let is_baseline = round.rule.first_run == FirstRun::Baseline && finding.is_quiet;
            report.baseline += usize::from(life.is_active() && is_baseline);
            self.findings.insert(id, finding);
        }
    }

    /// Closes the findings of another version of the rule.
    fn close_other_version(&mut self, rule: &Rule, when: &When<'_>) {
        let version = rule.version();
        let Some(record) = self.rules.get_mut(&rule.id).filter(|it| it.version != version) else {
            return;
        };
        record.version = version;
        record.has_baseline = false;
        self.findings.retain(|_, finding| {
            if finding.rule != rule.id || finding.life.phase == Phase::Resolved {
                return true;
            }
            if !finding.life.was_open {
                return false;
            }
            finding.resolve(Reason::RuleChanged, when.at, when.run);
            finding.counted_in.clear();
            true
        });
    }

    /// Nothing is known of a rule's findings.
    fn fail(&mut self, rule: &Rule, reason: String, when: &When<'_>) -> RuleReport {
        self.record(rule, when).result = RuleResult::Failed { reason };
        let mut report = RuleReport::default();
        for finding in self.findings.values_mut() {
            if finding.rule == rule.id && finding.life.phase != Phase::Resolved {
                finding.life.is_unknown = true;
                report.unknown += 1;
            }
        }
        report
    }
}

/// Writes down how a finding has changed.
fn note_change(finding: &mut Finding, before: Life, when: &When<'_>, report: &mut RuleReport) {
    let by = when.generation.unwrap_or(when.run);
    let after = finding.life;
    if before.phase == Phase::Resolved && after.phase != Phase::Resolved {
        // The acknowledgement was for the finding that is over.
        finding.acknowledged = None;
    }
    let what = match (before.phase, after.phase) {
        (one, other) if one == other => return,
        (Phase::Clearing, Phase::Open) => Happening::Returned,
        (_, Phase::Open) if before.was_open => Happening::Reopened,
        (_, Phase::Open) => Happening::Opened,
        (_, Phase::Clearing) => Happening::Clearing,
        (_, Phase::Resolved) => Happening::Resolved,
        (_, Phase::Pending) => Happening::Seen,
    };
    match what {
        Happening::Opened | Happening::Reopened => {
            // A finding that comes back is reported, even if it was in the baseline of its rule. A
            // finding that was closed by a change of its rule was never gone.
            finding.is_quiet &=
                before.phase != Phase::Resolved || before.reason != Some(Reason::Cleared);
            finding.opened = Some(when.at);
            report.opened += 1;
        }
        Happening::Resolved => {
            finding.resolved = Some(when.at);
            report.resolved += 1;
        }
        _ => {}
    }
    finding.note(when.at, what, by);
}

fn summary(text: String, rows: usize) -> Observation {
    let values = json!({ "rows": rows }).to_string();
    Observation { entity: None, text, values, group: None }
}

fn count(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}
