//! The overview and an answer as one page that needs no server: no script, nothing from another host, to be sent on.

use core_store::TenantStore;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

use crate::api::{self, Overview, TypeSummary};
use crate::host::{Host, HostError};

/// The page. The name of the template has the page's form, so that every value is escaped.
const TEMPLATE: (&str, &str) = ("snapshot.html", include_str!("snapshot/page.html"));

/// What a page begins with, so that one can be told from other files.
pub const SNAPSHOT_MARK: &str = "<!doctype html><!-- nexthink-graph export html -->";

/// A question and its answer.
#[derive(Debug, Clone, Serialize)]
pub struct AnsweredQuestion {
    /// The question in one sentence.
    pub title: String,
    /// What the answer holds.
    pub description: String,
    /// The answer.
    pub answer: QueryAnswer,
}

/// What the process of a query answers in JSON.
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
    let overview = api::read_overview(host, tenant)?;
    let mut environment = Environment::new();
    environment.add_filter("number", number);
    environment.add_filter("words", |name: Option<&str>| words(name.unwrap_or_default()));
    environment.add_filter("cell", cell);
    environment.add_filter("minute", minute);
    environment.add_template(TEMPLATE.0, TEMPLATE.1)?;
    let page = environment.get_template(TEMPLATE.0)?.render(context! {
        overview => Serde(&overview),
        tiles => Serde(&overview.tiles().collect::<Vec<_>>()),
        question => Serde(&question),
        has_personal,
        version => env!("CARGO_PKG_VERSION"),
    })?;
    Ok(format!("{SNAPSHOT_MARK}\n{page}\n"))
}

/// The number of objects of a type, and how it grew.
#[derive(Serialize)]
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

/// The word for a type: `nexthink_device_installed_package` is "device installed package".
fn words(type_name: &str) -> String {
    type_name.trim_start_matches("nexthink_").replace('_', " ")
}

/// A time of RFC 3339 to the minute.
fn minute(time: &str) -> String {
    format!("{} UTC", time.get(..16).unwrap_or(time).replace('T', " "))
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

/// The text of a cell, with hidden characters as their codes.
fn cell(value: &Value) -> String {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_none() || value.is_undefined() => String::new(),
        None if value.kind() == minijinja::value::ValueKind::Seq => {
            let items = value.try_iter().into_iter().flatten();
            items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
        }
        None => value.to_string(),
    };
    let visible = |character: char| {
        if is_hidden(character) {
            format!("<U+{:04X}>", u32::from(character))
        } else {
            character.to_string()
        }
    };
    if text.chars().any(is_hidden) { text.chars().map(visible).collect() } else { text }
}

/// Characters that steer or hide, as `web/js/text.js` has them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
