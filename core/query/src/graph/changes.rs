//! The fate of one entity over the generations.

use core_store::{Generation, TableKind};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use serde::Serialize;
use serde_json::Value;

use super::GraphReader;
use super::answers::Properties;
use super::entities::rows_as_properties;
use crate::error::QueryError;
use crate::history::{CREATED_AT, GENERATION};

/// A generation, by its ID and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Appearance {
    /// The ID of the generation.
    pub generation: String,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// The history of an entity in the kept generations.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityHistory {
    /// The first generation that has it.
    pub first_seen: Option<Appearance>,
    /// The last generation that has it.
    pub last_seen: Option<Appearance>,
    /// The number of generations that were looked at.
    pub generations: usize,
    /// The changes, the oldest first.
    pub changes: Vec<EntityChange>,
}

/// The difference of a generation from the one before.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityChange {
    /// The generation.
    #[serde(flatten)]
    pub at: Appearance,
    /// The event.
    pub kind: ChangeKind,
    /// The properties that changed.
    pub properties: Vec<PropertyChange>,
}

/// The change of an entity between two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is there for the first time, or again.
    Appeared,
    /// Properties have other values.
    Changed,
    /// It is not there any more.
    Removed,
    /// It is not there, but its table is partial, so that it may exist.
    Unknown,
}

/// A property that has another value than before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropertyChange {
    /// Its name.
    pub name: String,
    /// The value before; null if it had none.
    pub before: Value,
    /// The value now; null if it has none.
    pub after: Value,
}

impl GraphReader<'_> {
    /// Returns the history of an entity in some generations. The session's volatile properties are not compared.
    ///
    /// # Errors
    /// [`QueryError::Store`] for damaged files, [`QueryError::Open`], [`QueryError::Execution`].
    pub async fn history(
        self,
        type_name: &str,
        key: &str,
        generations: &[Generation],
    ) -> Result<EntityHistory, QueryError> {
        let mut generations: Vec<&Generation> = generations.iter().collect();
        generations.sort_by_key(|generation| generation.id().clone());
        let newest_first: Vec<Generation> = generations.iter().rev().copied().cloned().collect();
        let Some(plan) = self.session.history_plan(type_name, &newest_first).await? else {
            return Ok(EntityHistory::default());
        };
        let is_key = Expr::Column(Column::from_name("_key")).eq(lit(key));
        let plan =
            LogicalPlanBuilder::from(plan).filter(is_key).and_then(LogicalPlanBuilder::build);
        let plan = plan.map_err(|error| self.session.error(&error))?;
        let mut rows = Vec::new();
        for batch in self.session.run_plan(plan)?.collect().await? {
            rows.extend(rows_as_properties(&batch)?);
        }
        let ignored = self.session.volatile.iter().filter(|(of, _)| of == type_name);
        let mut ignored: Vec<&str> = ignored.map(|(_, property)| property.as_str()).collect();
        ignored.extend([GENERATION, CREATED_AT]);
        Ok(compared(&generations, type_name, &rows, &ignored))
    }
}

/// Compares the rows of an entity in generations, the oldest first.
fn compared(
    generations: &[&Generation],
    type_name: &str,
    rows: &[Properties],
    ignored: &[&str],
) -> EntityHistory {
    let mut history = EntityHistory { generations: generations.len(), ..EntityHistory::default() };
    let mut before: Option<&Properties> = None;
    for generation in generations {
        let manifest = generation.manifest();
        let at = Appearance {
            generation: generation.id().to_string(),
            created_at: manifest.created_at.clone(),
        };
        let is_here = |row: &&Properties| {
            row.get(GENERATION).and_then(Value::as_str) == Some(generation.id().as_str())
        };
        let now = rows.iter().find(is_here);
        if now.is_some() {
            history.first_seen.get_or_insert_with(|| at.clone());
            history.last_seen = Some(at.clone());
        }
        let (kind, properties) = match (before, now) {
            (None, None) => continue,
            (None, Some(_)) => (ChangeKind::Appeared, Vec::new()),
            (Some(_), None) => {
                let table = manifest.table(TableKind::Entity, type_name);
                let is_known = table.is_some_and(|table| !table.partial);
                (if is_known { ChangeKind::Removed } else { ChangeKind::Unknown }, Vec::new())
            }
            (Some(before), Some(now)) => (ChangeKind::Changed, differences(before, now, ignored)),
        };
        if kind != ChangeKind::Changed || !properties.is_empty() {
            history.changes.push(EntityChange { at, kind, properties });
        }
        before = now;
    }
    history
}

fn differences(before: &Properties, now: &Properties, ignored: &[&str]) -> Vec<PropertyChange> {
    let mut names: Vec<&String> = now.0.iter().chain(&before.0).map(|(name, _)| name).collect();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| !ignored.contains(&name.as_str()) && seen.insert(*name));
    let value =
        |properties: &Properties, name: &str| properties.get(name).cloned().unwrap_or(Value::Null);
    let changes = names.into_iter().map(|name| PropertyChange {
        name: name.clone(),
        before: value(before, name),
        after: value(now, name),
    });
    changes.filter(|change| change.before != change.after).collect()
}
