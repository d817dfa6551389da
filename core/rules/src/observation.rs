//! Turns the rows of a rule's query into an observation of its findings.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::fingerprint::{FindingId, Fingerprints};
use crate::rule::Rule;
use crate::template::{MessageTemplate, one_line};

/// The characters of a key or of a group.
const MAX_LABEL: usize = 300;

/// A row as a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The entity that it is about.
    pub entity: Option<String>,
    /// Its text.
    pub text: String,
    /// The row, as a JSON object.
    pub values: String,
    /// The values that put findings into one message.
    pub group: Option<String>,
}

/// The rows of one evaluation.
#[derive(Debug, Default)]
pub struct Observed {
    /// All that hold, by id. Rows beyond the rule's maximum have no observation.
    pub findings: HashMap<FindingId, Option<Observation>>,
    /// The rows that were read, if they are more than the rule's maximum.
    pub too_many: Option<usize>,
}

/// A reason why a rule's rows are no findings. It names columns and never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The query does not return a column.
    #[error("the query returns no column `{column}`; its columns are {}", columns.join(", "))]
    MissingColumn {
        /// The column that the rule names.
        column: String,
        /// The columns of the rows.
        columns: Vec<String>,
    },
    /// A row has no value in a column of the identity.
    #[error(
        "row {row} has no value in `{column}`, which is part of the identity: leave such rows out in the query"
    )]
    NullIdentity {
        /// The column.
        column: String,
        /// The row, from 1.
        row: usize,
    },
    /// Two rows have one identity.
    #[error("rows are the same in {}: name more columns in `identity`, or group them in the query", columns.join(", "))]
    DoubledIdentity {
        /// The columns of the identity.
        columns: Vec<String>,
    },
    /// The text of a row cannot be made.
    #[error("the message cannot be made: {reason}")]
    Message {
        /// The reason.
        reason: String,
    },
}

/// Takes the rows of a rule one after the other.
#[derive(Debug)]
pub struct Observer<'a> {
    rule: &'a Rule,
    fingerprints: &'a Fingerprints,
    template: MessageTemplate,
    observed: Observed,
    rows: usize,
}

impl<'a> Observer<'a> {
    /// An observer of a rule.
    ///
    /// # Errors
    /// [`RowError::MissingColumn`], [`RowError::Message`].
    pub fn new(
        rule: &'a Rule,
        fingerprints: &'a Fingerprints,
        columns: &[String],
    ) -> Result<Self, RowError> {
        let named = rule.identity.iter().chain(&rule.entity).chain(&rule.group_by);
        if let Some(column) = named.into_iter().find(|name| !columns.contains(name)) {
            let (column, columns) = (column.clone(), columns.to_vec());
            return Err(RowError::MissingColumn { column, columns });
        }
        let template = MessageTemplate::new(&rule.message);
        let template = template.map_err(|reason| RowError::Message { reason })?;
        Ok(Self { rule, fingerprints, template, observed: Observed::default(), rows: 0 })
    }

    /// Takes a row.
    ///
    /// # Errors
    /// [`RowError`], after which the rule has failed.
    pub fn take(&mut self, row: &Map<String, Value>) -> Result<(), RowError> {
        self.rows += 1;
        let value = |column: &String| row.get(column).unwrap_or(&Value::Null);
        let missing = self.rule.identity.iter().find(|column| value(column).is_null());
        if let Some(column) = missing {
            return Err(RowError::NullIdentity { column: column.clone(), row: self.rows });
        }
        let id = self.fingerprints.of(&self.rule.id, self.rule.identity.iter().map(value));
        let is_listed = self.rows <= self.rule.max_findings;
        let observation = if is_listed { Some(self.observation(row)?) } else { None };
        if self.observed.findings.insert(id, observation).is_some() {
            return Err(RowError::DoubledIdentity { columns: self.rule.identity.clone() });
        }
        Ok(())
    }

    fn observation(&self, row: &Map<String, Value>) -> Result<Observation, RowError> {
        let text = self.template.render(row).map_err(|reason| RowError::Message { reason })?;
        let shown = |column: &String| match row.get(column) {
            Some(Value::String(text)) => one_line(text, MAX_LABEL),
            Some(value) => one_line(&value.to_string(), MAX_LABEL),
            None => String::new(),
        };
        let group: Vec<String> = self.rule.group_by.iter().map(shown).collect();
        let has_value = |column: &&String| row.get(*column).is_some_and(|value| !value.is_null());
        let entity = self.rule.entity.as_ref().filter(has_value).map(shown);
        let group = (!group.is_empty()).then(|| group.join(" "));
        let values = serde_json::to_string(row).unwrap_or_default();
        Ok(Observation { entity, text, values, group })
    }

    /// All that was observed.
    pub fn finish(self) -> Observed {
        let mut observed = self.observed;
        if self.rows > self.rule.max_findings {
            observed.too_many = Some(self.rows);
            observed.findings.values_mut().for_each(|observation| *observation = None);
        }
        observed
    }
}

/// Observes rows at once.
///
/// # Errors
/// [`RowError`].
pub fn observe(
    rule: &Rule,
    fingerprints: &Fingerprints,
    rows: &[Map<String, Value>],
) -> Result<Observed, RowError> {
    let Some(first) = rows.first() else { return Ok(Observed::default()) };
    let columns: Vec<String> = first.keys().cloned().collect();
    let mut observer = Observer::new(rule, fingerprints, &columns)?;
    for row in rows {
        observer.take(row)?;
    }
    Ok(observer.finish())
}
