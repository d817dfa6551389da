//! A rule: a query whose rows are findings, and how findings of it live.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The severity of a finding, the least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Informational,
    /// To look at when there is time.
    Low,
    /// To look at soon.
    Medium,
    /// To look at today.
    High,
    /// To look at now.
    Critical,
}

impl Severity {
    /// All severities, the least severe first.
    pub const ALL: [Self; 5] =
        [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in rule files and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The kind of facts that a rule is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// A condition of the estate, which holds or does not in each generation.
    #[default]
    State,
    /// A condition of this program's own work, which is looked at after each run.
    Program,
    /// An event: it is reported once and never clears.
    Event,
}

/// The language of a rule's query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// J1QL, which begins with FIND.
    J1ql,
    /// SQL.
    Sql,
}

/// The treatment of the rows of a rule's first complete evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstRun {
    /// They become findings without notifications.
    #[default]
    Baseline,
    /// One message with their number.
    Summary,
    /// A message about each.
    All,
}

/// The source of a rule's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleQuery {
    /// A query of the rule's own.
    Text {
        /// Its language.
        language: Language,
        /// The query.
        text: String,
    },
    /// A saved question.
    Question {
        /// Its name.
        name: String,
        /// The values of its parameters.
        parameters: BTreeMap<String, String>,
        /// The query and the values of all its parameters, as one text.
        asked: String,
    },
}

impl RuleQuery {
    /// The query, or that of the question.
    pub fn text(&self) -> &str {
        match self {
            Self::Text { text, .. } => text,
            Self::Question { asked, .. } => asked,
        }
    }
}

/// A valid rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The permanent name: findings belong to it, whatever else changes.
    pub id: String,
    /// The name for people.
    pub title: String,
    /// The meaning of its findings, and what to do about them.
    pub description: String,
    /// The severity of its findings.
    pub severity: Severity,
    /// The kind of facts.
    pub kind: RuleKind,
    /// The source of its rows.
    pub query: RuleQuery,
    /// The columns that tell one finding from another.
    pub identity: Vec<String>,
    /// The column with the `_key` of the entity that a finding is about.
    pub entity: Option<String>,
    /// The number of complete generations in which a row must be there before it opens a finding.
    pub hold: u32,
    /// The number of complete generations in which it must not before the finding is resolved.
    pub clear_after: u32,
    /// The columns whose values put findings into one message.
    pub group_by: Vec<String>,
    /// The number of rows above which one summary stands for new findings.
    pub max_findings: usize,
    /// The treatment of the rows of the first evaluation.
    pub first_run: FirstRun,
    /// The template of a finding's text.
    pub message: String,
    /// Labels, for routes and receivers.
    pub labels: BTreeMap<String, String>,
    /// Examples: rows, and the findings that they are.
    pub tests: Vec<RuleTest>,
}

/// An example in a rule file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// Its name, for the report.
    #[serde(default)]
    pub name: String,
    /// Rows as the query would return them.
    #[serde(default)]
    pub rows: Vec<Map<String, Value>>,
    /// The texts of the findings, in the order of the rows.
    #[serde(default)]
    pub findings: Vec<String>,
    /// A part of the message with which the rule must fail instead.
    #[serde(default)]
    pub fails: Option<String>,
}

impl Rule {
    /// The version of the rule's query. Findings of different versions are not comparable.
    pub fn version(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut part = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        match &self.query {
            RuleQuery::Text { language, text } => {
                part(if *language == Language::Sql { "sql" } else { "j1ql" });
                part(text.trim());
            }
            RuleQuery::Question { asked, .. } => {
                part("question");
                part(asked);
            }
        }
        part(&format!("{:?}", self.kind));
        self.identity.iter().for_each(|column| part(column));
        hasher.finalize().to_hex()[..16].to_owned()
    }
}
