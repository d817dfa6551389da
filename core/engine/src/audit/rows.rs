//! Events as rows of the declared columns.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use core_audit::AuditEvent;
use core_ingest::values::{data_type, entity_schema};
use core_model::property::ValueType;
use serde_json::{Map, Value};

use crate::declared;

/// The column by whose times events are kept.
pub(super) const TIME_COLUMN: &str = "observedOn";
/// The column with the times that events tell themselves.
pub(super) const OWN_TIME_COLUMN: &str = "occurredOn";

/// Rows that are written at once.
const MAX_ROWS: usize = 4096;

/// Rows that are not written yet.
pub(super) struct Rows {
    keys: StringBuilder,
    columns: Vec<Column>,
    len: usize,
}

enum Column {
    Text(StringBuilder),
    Integer(Int64Builder),
    Time(TimestampMillisecondBuilder),
}

/// The value of a column of the step.
enum Cell<'a> {
    Text(Option<&'a str>),
    Integer(Option<u64>),
    Time(Option<i64>),
}

impl Rows {
    pub(super) fn new() -> Self {
        let column = |value_type| match value_type {
            ValueType::Integer => Column::Integer(Int64Builder::new()),
            ValueType::Timestamp => {
                let builder = TimestampMillisecondBuilder::new();
                Column::Time(builder.with_data_type(data_type(ValueType::Timestamp)))
            }
            _ => Column::Text(StringBuilder::new()),
        };
        let properties = declared::event_type().properties.iter();
        let columns = properties.map(|property| column(property.value_type())).collect();
        Self { keys: StringBuilder::new(), columns, len: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len >= MAX_ROWS
    }

    pub(super) fn push(
        &mut self,
        key: &str,
        id: &str,
        event: &AuditEvent,
        observed_ms: i64,
        trail: &str,
        drops: &dyn Fn(&str) -> bool,
    ) {
        self.len += 1;
        self.keys.append_value(key);
        let summary = if drops("audit.summary") { "An event".to_owned() } else { summary(event) };
        let details = details(event);
        for (property, column) in declared::event_type().properties.iter().zip(&mut self.columns) {
            let cell = match property.columns[0] {
                "audit.id" => Cell::Text(Some(id)),
                "audit.summary" => Cell::Text(Some(&summary)),
                "audit.occurred" => Cell::Time(event.occurred_ms),
                "audit.observed" => Cell::Time(Some(observed_ms)),
                "audit.action" => Cell::Text(event.known().map(|it| it.action.name())),
                "audit.code" => Cell::Integer(event.code.map(u64::from)),
                "audit.category" => Cell::Text(event.category.as_deref()),
                "audit.source" => Cell::Text(event.source.as_deref()),
                "audit.trail" => Cell::Text(Some(trail)),
                "audit.account" => Cell::Text(event.account.as_deref()),
                "audit.message" => Cell::Text(Some(&event.message)),
                "audit.details" => Cell::Text(details.as_deref()),
                "audit.duration" => Cell::Integer(event.duration_ms),
                "audit.format" => {
                    Cell::Text(Some(if event.is_parsed() { "parsed" } else { "unparsed" }))
                }
                "audit.raw_bytes" => Cell::Integer(Some(event.raw_length)),
                "audit.raw" => Cell::Text(Some(&event.raw)),
                other => unreachable!("the step reads {other}, which no event has"),
            };
            let is_dropped = !property.never_null && drops(property.columns[0]);
            if is_dropped { column.append_null() } else { column.append(&cell) }
        }
    }

    /// The rows so far; there are none afterwards.
    pub(super) fn take(&mut self) -> RecordBatch {
        self.len = 0;
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(self.keys.finish())];
        arrays.extend(self.columns.iter_mut().map(Column::finish));
        let schema = entity_schema(declared::event_type(), &[]);
        RecordBatch::try_new(schema, arrays).expect("the columns are those that are declared")
    }
}

impl Column {
    fn append(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Column::Text(builder), Cell::Text(text)) => builder.append_option(*text),
            (Column::Integer(builder), Cell::Integer(number)) => {
                builder.append_option(number.and_then(|it| i64::try_from(it).ok()));
            }
            (Column::Time(builder), Cell::Time(time)) => builder.append_option(*time),
            _ => unreachable!("a column of the step has another kind than its value"),
        }
    }

    fn append_null(&mut self) {
        match self {
            Column::Text(builder) => builder.append_null(),
            Column::Integer(builder) => builder.append_null(),
            Column::Time(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Text(builder) => Arc::new(builder.finish()),
            Column::Integer(builder) => Arc::new(builder.finish()),
            Column::Time(builder) => Arc::new(builder.finish()),
        }
    }
}

/// What was done, without anybody's name in it.
fn summary(event: &AuditEvent) -> String {
    match (event.known(), event.code) {
        (Some(known), _) => known.sentence.to_owned(),
        (None, Some(code)) => {
            let category = event.category.as_deref().unwrap_or("Event");
            format!("{category} {code}")
        }
        (None, None) => "A record of another form".to_owned(),
    }
}

/// The pairs as a JSON object; of a name that is there twice the values as a list.
fn details(event: &AuditEvent) -> Option<String> {
    if event.details.is_empty() {
        return None;
    }
    let mut object = Map::new();
    for (name, value) in &event.details {
        let value = Value::from(value.as_str());
        match object.get_mut(name) {
            None => {
                object.insert(name.clone(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(Value::Object(object).to_string())
}
