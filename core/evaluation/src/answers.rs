//! The rows of rules, as the worker process prints them: for each rule a line for its start, one with its columns and
//! tables, one for each row, and one for its end. Lines other than rows begin with `#`.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read, Write};

use core_rules::book::Outcome;
use core_rules::fingerprint::Fingerprints;
use core_rules::observation::Observer;
use core_rules::rule::Rule;
use serde::{Deserialize, Serialize};

/// The longest line that is read. Bytes.
const MAX_LINE: u64 = 4 * 1024 * 1024;

/// A line other than a row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    /// The query of the rule is asked next.
    Start { rule: String },
    /// The rows of a rule follow.
    Rows { rule: String, columns: Vec<String>, reads: Vec<String>, partial: Vec<String> },
    /// All rows of the rule were printed.
    End { rule: String },
    /// The rule has failed, without rows or with only some of them.
    Failed { rule: String, reason: String },
}

impl Line {
    /// Writes the line.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "#{}", serde_json::to_string(self).map_err(io::Error::other)?)
    }
}

/// The answers to the queries, by rule.
#[derive(Debug, Default)]
pub struct Answers {
    outcomes: BTreeMap<String, Outcome>,
    /// The rule whose query was being answered when the output ended.
    started: Option<String>,
    /// The reason why the other rules have no answer.
    otherwise: String,
}

impl Answers {
    /// No answers, for this reason.
    pub fn none(otherwise: String) -> Self {
        Self { otherwise, ..Self::default() }
    }

    /// Reads the output of [`answer_rules`](crate::answer_rules). A rule without an end line is not among the
    /// answers.
    pub fn read(out: impl Read, rules: &[Rule], fingerprints: &Fingerprints) -> Self {
        let mut answers = Self::default();
        answers.started = read(out, rules, fingerprints, &mut answers.outcomes);
        answers
    }

    /// Adds the answers of another process. The rule at which it ended has failed, for this reason.
    pub(crate) fn add(&mut self, other: Self, reason: &str) {
        self.outcomes.extend(other.outcomes);
        if let Some(rule) = other.started {
            self.outcomes.insert(rule, Outcome::Failed { reason: reason.to_owned() });
        }
    }

    /// Returns whether there is an answer for a rule.
    pub(crate) fn has(&self, rule: &str) -> bool {
        self.outcomes.contains_key(rule)
    }

    /// The same answers, with the reason why others are missing.
    #[must_use]
    pub fn or_else(self, otherwise: String) -> Self {
        Self { otherwise, ..self }
    }

    /// Returns the answer for a rule.
    pub fn take(&mut self, rule: &str) -> Outcome {
        let outcome = self.outcomes.remove(rule);
        outcome.unwrap_or_else(|| Outcome::Failed { reason: self.otherwise.clone() })
    }
}

/// Reads outcomes, and returns the rule at which the output ended.
fn read(
    out: impl Read,
    rules: &[Rule],
    fingerprints: &Fingerprints,
    outcomes: &mut BTreeMap<String, Outcome>,
) -> Option<String> {
    let mut started = None;
    let mut lines = BufReader::new(out);
    let mut current: Option<(&Rule, Reading<'_>)> = None;
    let mut text = String::new();
    loop {
        text.clear();
        match lines.by_ref().take(MAX_LINE).read_line(&mut text) {
            Ok(0) | Err(_) => return started,
            Ok(_) => {}
        }
        let Some(line) = text.strip_prefix('#') else {
            if let Some((_, reading)) = &mut current {
                reading.take(&text);
            }
            continue;
        };
        match serde_json::from_str(line) {
            Ok(Line::Start { rule }) => started = Some(rule),
            Ok(Line::Rows { rule, columns, reads, partial }) => {
                let found = rules.iter().find(|known| known.id == rule);
                current = found
                    .map(|rule| (rule, Reading::new(rule, fingerprints, &columns, reads, partial)));
            }
            Ok(Line::End { .. }) => {
                started = None;
                if let Some((rule, reading)) = current.take() {
                    outcomes.insert(rule.id.clone(), reading.finish());
                }
            }
            Ok(Line::Failed { rule, reason }) => {
                (current, started) = (None, None);
                outcomes.insert(rule, Outcome::Failed { reason });
            }
            Err(_) => return started,
        }
    }
}

/// The rows of one rule while they are read.
struct Reading<'a> {
    observer: Result<Observer<'a>, String>,
    reads: Vec<String>,
    partial: Vec<String>,
}

impl<'a> Reading<'a> {
    fn new(
        rule: &'a Rule,
        fingerprints: &'a Fingerprints,
        columns: &[String],
        reads: Vec<String>,
        partial: Vec<String>,
    ) -> Self {
        let observer = Observer::new(rule, fingerprints, columns);
        Self { observer: observer.map_err(|error| error.to_string()), reads, partial }
    }

    fn take(&mut self, line: &str) {
        let Ok(observer) = &mut self.observer else { return };
        let row = serde_json::from_str(line).map_err(|_| "a row cannot be read".to_owned());
        let taken = row.and_then(|row| observer.take(&row).map_err(|error| error.to_string()));
        if let Err(reason) = taken {
            self.observer = Err(reason);
        }
    }

    fn finish(self) -> Outcome {
        match self.observer {
            Ok(observer) => Outcome::Rows {
                observed: observer.finish(),
                reads: self.reads,
                partial: self.partial,
            },
            Err(reason) => Outcome::Failed { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rule;

    const ROWS: &str =
        r#"#{"rows":{"rule":"fan","columns":["_key","speed"],"reads":["device"],"partial":[]}}"#;
    const END: &str = r#"#{"end":{"rule":"fan"}}"#;

    /// Reads lines for two rules, and returns the answer of each in words.
    fn read_lines(lines: &[&str]) -> [String; 2] {
        let rules = ["fan", "disk"].map(|id| rule(id, "select 1"));
        let fingerprints = Fingerprints::new("acme", None);
        let text = lines.join("\n");
        let mut answers = Answers::read(text.as_bytes(), &rules, &fingerprints);
        answers = answers.or_else("it ended".to_owned());
        ["fan", "disk"].map(|rule| match answers.take(rule) {
            Outcome::Failed { reason } => reason,
            Outcome::Rows { observed, reads, partial } => {
                format!("{} of {reads:?} without {partial:?}", observed.findings.len())
            }
        })
    }

    #[test]
    fn rows_count_only_if_their_end_was_printed() {
        let row = r#"{"_key":"a","speed":1}"#;
        let other = r#"{"_key":"b","speed":2}"#;
        let table: [(&[&str], &str); 5] = [
            (&[ROWS, row, other, END], r#"2 of ["device"] without []"#),
            (&[ROWS, END], r#"0 of ["device"] without []"#),
            (&[ROWS, row, other], "it ended"),
            (&[row, END], "it ended"),
            (&[ROWS, row, "#no line", END], "it ended"),
        ];
        for (lines, expected) in table {
            assert_eq!(read_lines(lines), [expected, "it ended"], "{lines:?}");
        }
    }

    #[test]
    fn a_rule_that_fails_leaves_the_others_alone() {
        let failed = r#"#{"failed":{"rule":"disk","reason":"there is no table disk"}}"#;
        let whole = r#"1 of ["device"] without []"#;
        let row = r#"{"_key":"a","speed":1}"#;
        assert_eq!(read_lines(&[failed, ROWS, row, END]), [whole, "there is no table disk"]);
        assert_eq!(read_lines(&[ROWS, row, END, failed]), [whole, "there is no table disk"]);
    }

    #[test]
    fn a_row_that_cannot_be_used_fails_its_rule() {
        let broken = read_lines(&[ROWS, "{", r#"{"_key":"a","speed":1}"#, END]);
        assert_eq!(broken[0], "a row cannot be read");
        let without = ROWS.replace("_key", "name");
        let [reason, _] = read_lines(&[&without, r#"{"name":"a","speed":1}"#, END]);
        assert!(reason.contains("_key"), "{reason}");
    }

    #[test]
    fn rows_of_a_rule_that_was_not_asked_are_not_read() {
        let other = ROWS.replace("fan", "other");
        assert_eq!(read_lines(&[&other, "{", END]), ["it ended", "it ended"]);
    }
}
