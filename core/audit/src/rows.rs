//! Events as rows of the declared columns.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMillisecondBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use core_model::entity::EntityType;
use serde_json::{Map, Value};

use crate::event::AuditEvent;

/// The column whose times decide how long events are kept.
pub const TIME_COLUMN: &str = "observedOn";

/// The column with the times that events state themselves.
pub const OWN_TIME_COLUMN: &str = "occurredOn";

/// Rows that are written at once.
const MAX_ROWS: usize = 4096;

/// The table of the events: the declared type, and the schema that it is stored by.
#[derive(Debug, Clone)]
pub struct EventTable {
    event_type: &'static EntityType,
    schema: SchemaRef,
}

impl EventTable {
    /// The table of a type. `schema` has the key, then the declared properties in their order.
    pub fn new(event_type: &'static EntityType, schema: SchemaRef) -> Self {
        Self { event_type, schema }
    }

    /// The type of the events.
    pub fn event_type(&self) -> &'static EntityType {
        self.event_type
    }
}

/// The columns that the store adds to an event.
pub(crate) struct StoredEvent<'a> {
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
    /// The time by which it is kept, in milliseconds since 1970-01-01 UTC.
    pub(crate) observed_ms: i64,
    pub(crate) trail: &'a str,
}

/// Rows that are not written yet.
pub(crate) struct Rows {
    table: EventTable,
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
    pub(crate) fn new(table: &EventTable) -> Self {
        let column = |data_type: &DataType| match data_type {
            DataType::Int64 => Column::Integer(Int64Builder::new()),
            DataType::Timestamp(..) => {
                let builder = TimestampMillisecondBuilder::new();
                Column::Time(builder.with_data_type(data_type.clone()))
            }
            _ => Column::Text(StringBuilder::new()),
        };
        // The first one is the key.
        let fields = table.schema.fields().iter().skip(1);
        let columns = fields.map(|field| column(field.data_type())).collect();
        Self { table: table.clone(), keys: StringBuilder::new(), columns, len: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= MAX_ROWS
    }

    pub(crate) fn push(
        &mut self,
        stored: &StoredEvent<'_>,
        event: &AuditEvent,
        drops: &dyn Fn(&str) -> bool,
    ) {
        let StoredEvent { key, id, observed_ms, trail } = *stored;
        self.len += 1;
        self.keys.append_value(key);
        let summary = if drops("audit.summary") { "An event".to_owned() } else { summary(event) };
        let details = details(event);
        let properties = self.table.event_type.properties.iter();
        for (property, column) in properties.zip(&mut self.columns) {
            let cell = match property.columns[0] {
                "audit.id" => Cell::Text(Some(id)),
                "audit.summary" => Cell::Text(Some(&summary)),
                "audit.occurred" => Cell::Time(event.occurred_ms),
                "audit.observed" => Cell::Time(Some(observed_ms)),
                "audit.action" => Cell::Text(event.known().map(|known| known.action.name())),
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

    /// Takes the rows so far.
    pub(crate) fn take(&mut self) -> RecordBatch {
        self.len = 0;
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(self.keys.finish())];
        arrays.extend(self.columns.iter_mut().map(Column::finish));
        let schema = Arc::clone(&self.table.schema);
        RecordBatch::try_new(schema, arrays).expect("the columns are those that are declared")
    }
}

impl Column {
    fn append(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Column::Text(builder), Cell::Text(text)) => builder.append_option(*text),
            (Column::Integer(builder), Cell::Integer(number)) => {
                builder.append_option(number.and_then(|number| i64::try_from(number).ok()));
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

/// Describes an action without the name of a person.
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

/// The pairs as a JSON object. A name that occurs twice has a list of its values.
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
