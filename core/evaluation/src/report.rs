//! The result of an evaluation, and its texts for people.

use std::collections::BTreeMap;

use core_rules::book::{Book, RuleReport, RuleResult};
use core_rules::library::Library;
use core_rules::rule::{Rule, Severity};
use core_terminal::count;
use serde::Serialize;

/// The result of an evaluation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RulesReport {
    /// The rules that were evaluated.
    pub(crate) rules: Vec<RuleLine>,
    /// Mistakes in rule files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    /// Messages that were not sent, and the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    /// The number of active findings of all rules, by severity.
    open: BTreeMap<Severity, u64>,
    /// The highest severity of an open finding that is neither acknowledged nor silenced.
    highest_severity: Option<Severity>,
}

/// The result of one rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleLine {
    id: String,
    severity: Severity,
    result: &'static str,
    /// The reason why the result is not complete.
    reason: Option<String>,
    rows: usize,
    opened: usize,
    /// The number of opened findings that are the baseline of the rule.
    baseline: usize,
    resolved: usize,
    unknown: usize,
    open: usize,
}

impl RuleLine {
    pub(crate) fn new(rule: &Rule, book: &Book, counts: RuleReport) -> Self {
        let RuleReport { rows, opened, baseline, resolved, unknown } = counts;
        let of_rule = book.findings().values().filter(|finding| finding.rule == rule.id);
        let result = book.rule(&rule.id).map(|record| &record.result);
        Self {
            id: rule.id.clone(),
            severity: rule.severity,
            result: result.map_or("", word),
            reason: result.and_then(reason),
            rows,
            opened,
            baseline,
            resolved,
            unknown,
            open: of_rule.filter(|finding| finding.life.is_active()).count(),
        }
    }
}

impl RuleLine {
    fn remarks(&self) -> Vec<String> {
        let Self { id, baseline, result, .. } = self;
        let baseline = (*baseline > 0).then(|| {
            let findings = count(*baseline, "finding");
            format!(
                "rule {id}: {findings} of its first evaluation: a baseline, about which no message is sent"
            )
        });
        let reason = self.reason.as_ref().map(|reason| format!("rule {id}: {result}: {reason}"));
        baseline.into_iter().chain(reason).collect()
    }
}

impl RulesReport {
    /// A report without rules yet.
    pub(crate) fn new(library: &Library) -> Self {
        let problems = library.problems.iter().map(ToString::to_string).collect();
        let (rules, notices, open) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { rules, problems, notices, open, highest_severity: None }
    }

    /// Adds a mistake in a file.
    pub(crate) fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Adds messages that were not sent, and the reason.
    pub(crate) fn add_notice(&mut self, notice: String) {
        self.notices.push(notice);
    }

    /// Adds the numbers of all findings.
    pub(crate) fn sum_up(&mut self, book: &Book, now: u64) {
        self.open = book.counts();
        self.highest_severity = book.highest_severity(now);
    }

    /// Returns true if there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.problems.is_empty() && self.notices.is_empty()
    }

    /// Returns a table of the rules for a terminal of so many columns.
    pub fn table(&self, columns: Option<usize>) -> String {
        let rows = self.rules.iter().map(|line| {
            [
                line.id.clone(),
                line.severity.name().to_owned(),
                line.result.to_owned(),
                line.rows.to_string(),
                line.opened.to_string(),
                line.resolved.to_string(),
                line.open.to_string(),
            ]
        });
        let header = ["rule", "severity", "result", "rows", "opened", "resolved", "open"];
        core_terminal::table(header, rows, 3, columns)
    }

    /// Returns true if no rule was evaluated.
    pub fn has_no_rules(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns a line about the changes, for the report of a run; none if no rule was evaluated.
    pub fn summary(&self) -> Option<String> {
        let opened: usize = self.rules.iter().map(|line| line.opened).sum();
        let resolved: usize = self.rules.iter().map(|line| line.resolved).sum();
        let open: u64 = self.open.values().sum();
        let by_severity: Vec<String> = self
            .open
            .iter()
            .rev()
            .filter(|(_, count)| **count > 0)
            .map(|(severity, count)| format!("{count} {severity}"))
            .collect();
        let by_severity = if by_severity.is_empty() {
            String::new()
        } else {
            format!(" ({})", by_severity.join(", "))
        };
        (!self.rules.is_empty()).then(|| {
            format!(
                "{}: {} open{by_severity}, {opened} opened, {resolved} resolved",
                count(self.rules.len(), "rule"),
                count(open, "finding"),
            )
        })
    }

    /// Returns remarks about mistakes, what was not sent, baselines, and rules without a complete result.
    pub fn remarks(&self) -> Vec<String> {
        let problems = self.problems.iter().map(|problem| format!("not valid: {problem}"));
        let notices = self.notices.iter().cloned();
        problems.chain(notices).chain(self.rules.iter().flat_map(RuleLine::remarks)).collect()
    }

    /// Returns the highest severity of an open finding, if it is `level` or higher.
    fn fired(&self, level: Severity) -> Option<Severity> {
        self.highest_severity.filter(|severity| *severity >= level)
    }

    /// Says that a finding of a severity or a higher one is open, and which command shows it, or that this is not known:
    /// a rule of such a severity has failed, or a rule file has a mistake. Nothing if there is no such finding.
    pub fn fired_text(&self, level: Severity, program: &str) -> Option<String> {
        if let Some(highest) = self.fired(level) {
            return Some(format!(
                "a finding of severity {highest} is open (--fail-on {level}): `{program} findings list` shows it"
            ));
        }
        let failed = word(&RuleResult::Failed { reason: String::new() });
        let is_meant = |line: &&RuleLine| line.severity >= level && line.result == failed;
        let unknown = match (self.rules.iter().find(is_meant), self.problems.first()) {
            (Some(RuleLine { id, severity, .. }), _) => {
                format!("rule {id} of severity {severity} has failed")
            }
            (None, Some(_)) => "a file of the rules is not valid".to_owned(),
            (None, None) => return None,
        };
        Some(format!(
            "{unknown}, so a finding may be missing (--fail-on {level}): `{program} rules list` shows the rules"
        ))
    }
}

/// The result of a rule in one word.
pub(crate) fn word(result: &RuleResult) -> &'static str {
    match result {
        RuleResult::Complete => "complete",
        RuleResult::Unknown { .. } => "unknown",
        RuleResult::Failed { .. } => "failed",
    }
}

/// The reason why a result is not complete.
pub(crate) fn reason(result: &RuleResult) -> Option<String> {
    match result {
        RuleResult::Complete => None,
        RuleResult::Unknown { partial } => Some(format!(
            "it reads {}, of which objects or values may be missing, so that nothing is opened or resolved",
            partial.join(", ")
        )),
        RuleResult::Failed { reason } => Some(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, result: &RuleResult) -> RuleLine {
        RuleLine {
            id: id.to_owned(),
            severity: Severity::High,
            result: word(result),
            reason: reason(result),
            rows: 3,
            opened: 2,
            baseline: 0,
            resolved: 1,
            unknown: 0,
            open: 3,
        }
    }

    fn report(rules: Vec<RuleLine>, open: &[(Severity, u64)]) -> RulesReport {
        let highest = open.iter().map(|(severity, _)| *severity).max();
        let open = open.iter().copied().collect();
        let (problems, notices) = (Vec::new(), Vec::new());
        RulesReport { rules, problems, notices, open, highest_severity: highest }
    }

    #[test]
    fn a_summary_counts_all_rules_and_names_the_gravest_severity_first() {
        let lines =
            || vec![line("fan", &RuleResult::Complete), line("disk", &RuleResult::Complete)];
        let open = [(Severity::Low, 1), (Severity::Critical, 2), (Severity::High, 0)];
        let text = report(lines(), &open).summary().expect("rules were evaluated");
        assert_eq!(text, "2 rules: 3 findings open (2 critical, 1 low), 4 opened, 2 resolved");
        let text = report(lines(), &[]).summary().expect("rules were evaluated");
        assert_eq!(text, "2 rules: 0 findings open, 4 opened, 2 resolved");
        assert_eq!(report(Vec::new(), &open).summary(), None);
    }

    #[test]
    fn rules_without_a_complete_result_say_why() {
        let unknown = RuleResult::Unknown { partial: vec!["device".to_owned(), "user".to_owned()] };
        let failed = RuleResult::Failed { reason: "there is no table user".to_owned() };
        let lines = vec![line("a", &RuleResult::Complete), line("b", &unknown), line("c", &failed)];
        let mut report = report(lines, &[]);
        report.add_problem("a.toml:1:1: it is empty".to_owned());
        assert_eq!(
            report.remarks(),
            [
                "not valid: a.toml:1:1: it is empty",
                "rule b: unknown: it reads device, user, of which objects or values may be missing, so that \
                 nothing is opened or resolved",
                "rule c: failed: there is no table user",
            ]
        );
    }

    #[test]
    fn a_baseline_is_said_before_the_reason_of_the_result() {
        let failed = RuleResult::Failed { reason: "it took too long".to_owned() };
        let line = RuleLine { baseline: 2, ..line("fan", &failed) };
        let expected = [
            "rule fan: 2 findings of its first evaluation: a baseline, about which no message is sent",
            "rule fan: failed: it took too long",
        ];
        assert_eq!(report(vec![line], &[]).remarks(), expected);
    }

    #[test]
    fn a_severity_has_fired_if_a_finding_has_it_or_a_higher_one() {
        let report = report(Vec::new(), &[(Severity::High, 1)]);
        for (level, expected) in [
            (Severity::Low, Some(Severity::High)),
            (Severity::High, Some(Severity::High)),
            (Severity::Critical, None),
        ] {
            assert_eq!(report.fired(level), expected, "{level}");
            let text = report.fired_text(level, "graph");
            let told = expected.map(|highest| {
                format!("a finding of severity {highest} is open (--fail-on {level}): `graph findings list` shows it")
            });
            assert_eq!(text, told, "{level}");
        }
    }

    #[test]
    fn a_rule_that_failed_and_a_file_with_a_mistake_do_not_pass_for_no_finding() {
        let failed = RuleResult::Failed { reason: "it took too long".to_owned() };
        let of_rule = report(vec![line("a", &RuleResult::Complete), line("b", &failed)], &[]);
        let expected = "rule b of severity high has failed, so a finding may be missing (--fail-on medium): \
                        `graph rules list` shows the rules";
        assert_eq!(of_rule.fired_text(Severity::Medium, "graph").as_deref(), Some(expected));
        assert_eq!(of_rule.fired_text(Severity::Critical, "graph"), None);
        let mut of_file = report(vec![line("a", &RuleResult::Complete)], &[]);
        assert_eq!(of_file.fired_text(Severity::Low, "graph"), None);
        of_file.add_problem("a.toml:1:1: it is empty".to_owned());
        let text = of_file.fired_text(Severity::Critical, "graph").expect("it is not known");
        assert!(text.starts_with("a file of the rules is not valid, so"), "{text}");
    }

    #[test]
    fn a_table_has_a_line_for_each_rule() {
        let table = report(vec![line("fan", &RuleResult::Complete)], &[]).table(None);
        let words: Vec<&str> =
            table.lines().last().unwrap_or_default().split_whitespace().collect();
        assert_eq!(words, ["fan", "high", "complete", "3", "2", "1", "3"]);
    }
}
