//! The overview and an answer as one page that needs no server: no script, nothing from another host, to be sent on.

mod page;

use core_store::TenantStore;
use serde::{Deserialize, Serialize};

use self::page::words;
use crate::api::{self, Overview, TypeSummary};
use crate::host::{Host, HostError};

/// The beginning of a page, which distinguishes it from other files.
pub const SNAPSHOT_MARK: &str = "<!doctype html><!-- nexthink-graph export html -->";

/// A question and its answer.
#[derive(Debug, Clone)]
pub struct AnsweredQuestion {
    /// The question in one sentence.
    pub title: String,
    /// The content of the answer.
    pub description: String,
    /// The answer.
    pub answer: QueryAnswer,
}

/// The answer of the process of a query, in JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryAnswer {
    /// The columns, in order.
    pub columns: Vec<AnswerColumn>,
    /// The first rows, objects by the name of the column.
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
    /// The number of all rows.
    pub total: u64,
    /// The partial tables that the answer is made from.
    pub partial_tables: Vec<String>,
    /// Remarks about the answer, such as columns that are left out.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A column of an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnswerColumn {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `number`, `boolean`, `timestamp` or a list of text.
    #[serde(rename = "type")]
    pub data_type: String,
}

/// Makes the page of a tenant. `has_personal` says whether the answer may show people.
///
/// # Errors
/// The store cannot be read.
pub fn snapshot(
    host: &dyn Host,
    tenant: &TenantStore,
    question: Option<&AnsweredQuestion>,
    has_personal: bool,
) -> Result<String, HostError> {
    let overview = api::read_overview(host, tenant, None)?;
    Ok(page::page(&overview, question, has_personal))
}

/// The number of objects of a type, and its growth.
struct Tile {
    name: String,
    objects: u64,
    /// The points of a line over the generations; none if there is only one.
    line: Option<String>,
    /// The difference from the generation before, in words.
    change: String,
    /// `up`, `down` or `muted`.
    direction: &'static str,
}

impl Overview {
    /// The entity types of which there are objects.
    fn tiles(&self) -> impl Iterator<Item = Tile> {
        let is_shown = |kind: &&TypeSummary| kind.kind == "entity" && kind.objects > 0;
        self.types.iter().filter(is_shown).map(|kind| {
            let points = self.history.iter().filter_map(|point| point.objects.get(&kind.type_name));
            let values: Vec<u64> = points.copied().collect();
            let (change, direction) = match kind.objects_before {
                None => ("new".to_owned(), "muted"),
                Some(before) if before == kind.objects => ("unchanged".to_owned(), "muted"),
                Some(before) if before < kind.objects => {
                    (format!("+{}", number(kind.objects - before)), "up")
                }
                Some(before) => (format!("−{}", number(before - kind.objects)), "down"),
            };
            Tile {
                name: words(&kind.type_name),
                objects: kind.objects,
                line: (values.len() > 1).then(|| line(&values)),
                change,
                direction,
            }
        })
    }
}

/// A number with separators: `12,345`.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The points of a line through values, in a box of 100 by 28.
#[expect(clippy::cast_precision_loss, reason = "a picture needs few digits")]
fn line(values: &[u64]) -> String {
    let (low, high) = (values.iter().min().copied(), values.iter().max().copied());
    let (low, high) = (low.unwrap_or(0) as f64, high.unwrap_or(0) as f64);
    let step = 100.0 / values.len().saturating_sub(1).max(1) as f64;
    let points = values.iter().enumerate().map(|(place, value)| {
        let share = if high > low { (*value as f64 - low) / (high - low) } else { 0.5 };
        format!("{:.1},{:.1}", place as f64 * step, 26.0 - 24.0 * share)
    });
    points.collect::<Vec<_>>().join(" ")
}
