//! The report of an evaluation for the user.

use std::collections::BTreeMap;

use core_rules::book::{Book, RuleRecord, RuleReport, RuleResult};
use core_rules::library::Library;
use core_rules::rule::{FirstRun, Rule, RuleKind, Severity};
use core_terminal::count;
use serde::Serialize;

use crate::cli::{ReportFormat, SeverityName};
use crate::exit::{Exit, Failure};
use crate::output;

/// The result of an evaluation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::commands) struct RulesReport {
    /// The rules that were evaluated.
    pub(super) rules: Vec<RuleLine>,
    /// Mistakes in rule files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    /// The active findings of each severity, of all rules.
    open: BTreeMap<Severity, u64>,
    /// The highest severity of an open finding that is neither acknowledged nor silenced.
    highest_severity: Option<Severity>,
}

/// The result of one rule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleLine {
    id: String,
    severity: Severity,
    result: &'static str,
    /// The reason for which the result is not complete.
    reason: Option<String>,
    rows: usize,
    opened: usize,
    /// Those of the opened that are the baseline of the rule.
    baseline: usize,
    resolved: usize,
    unknown: usize,
    open: usize,
}

impl RuleLine {
    pub(super) fn new(rule: &Rule, book: &Book, counts: RuleReport) -> Self {
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

impl RulesReport {
    /// A report without rules yet.
    pub(super) fn new(library: &Library) -> Self {
        let problems = library.problems.iter().map(ToString::to_string).collect();
        Self { rules: Vec::new(), problems, open: BTreeMap::new(), highest_severity: None }
    }

    /// Adds a mistake in a file.
    pub(super) fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Takes over the numbers of all findings.
    pub(super) fn sum_up(&mut self, book: &Book, now: u64) {
        self.open = book.counts();
        self.highest_severity = book.highest_severity(now);
    }

    /// Returns whether there is anything to tell.
    pub(in crate::commands) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.problems.is_empty()
    }

    /// Prints the report as the result of a command.
    pub(super) fn print(&self, format: ReportFormat) -> Result<(), Failure> {
        if format == ReportFormat::Json {
            let text = serde_json::to_string_pretty(self).map_err(anyhow::Error::new)?;
            output::result(&text);
            return Ok(());
        }
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
        if self.rules.is_empty() {
            let program = crate::system::own_command();
            output::note(&format!("no rule is on: `{program} rules list` shows all"));
        } else {
            output::result(&output::table(header, rows, 3));
        }
        self.note_reasons();
        Ok(())
    }

    /// Tells what has changed, beside the report of a run.
    pub(in crate::commands) fn note(&self) {
        let opened: usize = self.rules.iter().map(|line| line.opened).sum();
        let resolved: usize = self.rules.iter().map(|line| line.resolved).sum();
        let open: u64 = self.open.values().sum();
        let grave: Vec<String> = self
            .open
            .iter()
            .rev()
            .filter(|(_, count)| **count > 0)
            .map(|(severity, count)| format!("{count} {severity}"))
            .collect();
        let grave =
            if grave.is_empty() { String::new() } else { format!(" ({})", grave.join(", ")) };
        if !self.rules.is_empty() {
            output::note(&format!(
                "{}: {} open{grave}, {opened} opened, {resolved} resolved",
                count(self.rules.len(), "rule"),
                count(open, "finding"),
            ));
        }
        self.note_reasons();
    }

    fn note_reasons(&self) {
        for problem in &self.problems {
            output::note(&format!("not valid: {problem}"));
        }
        for line in &self.rules {
            if line.baseline > 0 {
                output::note(&format!(
                    "rule {}: {} of its first evaluation: a baseline, about which no message is sent",
                    line.id,
                    count(line.baseline, "finding")
                ));
            }
            if let Some(reason) = &line.reason {
                output::note(&format!("rule {}: {}: {reason}", line.id, line.result));
            }
        }
    }

    /// The exit code and the reason, if a finding has the severity that the user names or a higher one.
    pub(in crate::commands) fn exit_code(
        &self,
        fail_on: Option<SeverityName>,
    ) -> Option<(Exit, String)> {
        let SeverityName(level) = fail_on?;
        let highest = self.highest_severity.filter(|severity| *severity >= level)?;
        let program = crate::system::own_command();
        let message = format!(
            "a finding of severity {highest} is open (--fail-on {level}): `{program} findings list` shows it"
        );
        Some((Exit::RuleFired, message))
    }
}

/// The result of an evaluation in one word.
pub(super) fn word(result: &RuleResult) -> &'static str {
    match result {
        RuleResult::Complete => "complete",
        RuleResult::Unknown { .. } => "unknown",
        RuleResult::Failed { .. } => "failed",
    }
}

fn reason(result: &RuleResult) -> Option<String> {
    match result {
        RuleResult::Complete => None,
        RuleResult::Unknown { partial } => Some(format!(
            "it reads {}, of which objects may be missing, so that nothing is opened or resolved",
            partial.join(", ")
        )),
        RuleResult::Failed { reason } => Some(reason.clone()),
    }
}

/// Returns a sentence about when findings of a rule open and close.
pub(super) fn life_text(rule: &Rule) -> String {
    let generations = |number: u32| count(number, "complete generation");
    let life = match rule.kind {
        RuleKind::Event => "Each event is told once.".to_owned(),
        RuleKind::Program | RuleKind::State => format!(
            "A finding opens after {}, and is resolved after {} without its row.",
            generations(rule.hold),
            generations(rule.clear_after)
        ),
    };
    let first = match rule.first_run {
        FirstRun::Baseline => "No message is sent about what it finds at first.",
        FirstRun::Summary => "What it finds at first is told as a number.",
        FirstRun::All => "What it finds at first is told, too.",
    };
    format!("Identity: {}. {life} {first}\n", rule.identity.join(", "))
}

/// The last evaluation of a rule, in a sentence.
pub(super) fn record_text(record: &RuleRecord) -> String {
    let at = core_engine::Moment(record.at).to_rfc3339();
    let reads =
        if record.reads.is_empty() { "nothing".to_owned() } else { record.reads.join(", ") };
    let reason = reason(&record.result).map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("Last evaluated {at}: {}{reason}. It reads {reads}.\n", word(&record.result))
}
