//! The values of one property for all entities of a type, and the schema of a type's table.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Int64Builder, ListBuilder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use core_model::entity::EntityType;
use core_model::property::{Constant, Conversion, Kind, Otherwise, Property, ValueType};
use jiff::tz::TimeZone;

use crate::batch::Column;
use crate::convert::{self, Addresses};

/// The column of the key, in every table of entities.
pub const KEY: &str = "_key";

/// The column of the source's key, in every table of relationships.
pub const FROM_KEY: &str = "_fromEntityKey";

/// The column of the target's key, in every table of relationships.
pub const TO_KEY: &str = "_toEntityKey";

/// The most bytes of one text; what is longer is cut and ends in an ellipsis.
const MAX_TEXT_BYTES: usize = 4096;

/// The most bytes of all texts of one property. Offsets into them are 31 bits.
pub(crate) const MAX_PROPERTY_BYTES: usize = 1 << 30;

/// A property that a run gives to every entity, such as `tag.AccountName`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The name of the property.
    pub name: String,
    /// The value.
    pub value: String,
}

/// The schema of a type's table: `_key`, the properties in their declared order, the tags.
pub fn entity_schema(entity: &EntityType, tags: &[Tag]) -> SchemaRef {
    let mut fields = vec![Field::new(KEY, DataType::Utf8, false)];
    fields.extend(entity.properties.iter().map(|property| {
        Field::new(property.name, data_type(property.value_type()), !property.never_null)
    }));
    fields.extend(tags.iter().map(|tag| Field::new(&tag.name, DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
}

/// How a value is held in a table. Times are milliseconds since 1970-01-01 UTC.
pub fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Text => DataType::Utf8,
        ValueType::Integer => DataType::Int64,
        ValueType::Boolean => DataType::Boolean,
        ValueType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        ValueType::TextList => {
            DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
        }
    }
}

/// The values of one property, in the order of the entities' numbers.
pub(crate) enum Values {
    Text(StringBuilder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMillisecondBuilder),
    TextList(ListBuilder<StringBuilder>),
}

impl Values {
    pub(crate) fn new(value_type: ValueType) -> Values {
        match value_type {
            ValueType::Text => Values::Text(StringBuilder::new()),
            ValueType::Integer => Values::Integer(Int64Builder::new()),
            ValueType::Boolean => Values::Boolean(BooleanBuilder::new()),
            ValueType::Timestamp => {
                let builder = TimestampMillisecondBuilder::new();
                Values::Timestamp(builder.with_data_type(data_type(ValueType::Timestamp)))
            }
            ValueType::TextList => Values::TextList(ListBuilder::new(StringBuilder::new())),
        }
    }

    /// Appends the property's values of these rows. The kind is matched once, outside the loops.
    ///
    /// Returns how many cells held something that the kind cannot read. Only numbers and times can
    /// be unreadable: a text that is no host name is simply none.
    pub(crate) fn extend(
        &mut self,
        property: &Property,
        columns: &[Column<'_>],
        rows: &[usize],
        zone: &TimeZone,
    ) -> u64 {
        match property.kind {
            Kind::Integer => return self.extend_integers(columns, rows, convert::integer),
            Kind::Timestamp => {
                let rule = |cell: &str| convert::timestamp(cell, zone);
                return self.extend_integers(columns, rows, rule);
            }
            Kind::Text => self.extend_text(columns, rows, Some),
            Kind::Constant(constant) => self.extend_constants(rows.iter().map(|_| Some(constant))),
            Kind::Lookup(table, otherwise) => {
                let cells = rows.iter().map(|&row| first_cell(columns, row));
                self.extend_constants(cells.map(|cell| look_up(table, otherwise, cell)));
            }
            Kind::Convert(conversion) => self.extend_converted(conversion, columns, rows),
            Kind::NotCollected(_) => self.extend_constants(rows.iter().map(|_| None)),
        }
        0
    }

    fn extend_converted(&mut self, conversion: Conversion, columns: &[Column<'_>], rows: &[usize]) {
        let ip = |wanted| {
            move |cell: &str| {
                let addresses = convert::addresses(cell, wanted);
                addresses.iter().map(IpAddr::to_string).collect()
            }
        };
        match conversion {
            Conversion::LowerCase => {
                self.extend_text(columns, rows, |cell| Some(cell.to_lowercase()));
            }
            Conversion::Version => self.extend_text(columns, rows, |cell| {
                Some(convert::version(cell)).filter(|version| !version.is_empty())
            }),
            Conversion::HostName => self.extend_text(columns, rows, convert::host_name),
            Conversion::SerialNumber => self.extend_text(columns, rows, convert::serial_number),
            Conversion::FirstName => self.extend_text(columns, rows, convert::first_name),
            Conversion::LastName => self.extend_text(columns, rows, convert::last_name),
            Conversion::Joined(separator) => self.extend_joined(columns, None, rows, separator),
            Conversion::JoinedElseLast(separator) => {
                let (last, joined) = columns.split_last().expect("a conversion has a column");
                self.extend_joined(joined, Some(*last), rows, separator);
            }
            Conversion::List => self.extend_lists(columns, rows, |it| vec![it.to_owned()]),
            Conversion::DomainName => self.extend_lists(columns, rows, |cell| {
                convert::domain_name(cell).map(str::to_owned).into_iter().collect()
            }),
            Conversion::LoginName => self.extend_lists(columns, rows, |cell| {
                convert::login_name(cell).map(str::to_owned).into_iter().collect()
            }),
            Conversion::Ipv4Addresses => self.extend_lists(columns, rows, ip(Addresses::V4)),
            Conversion::Ipv6Addresses => self.extend_lists(columns, rows, ip(Addresses::V6)),
            Conversion::PrivateIpAddresses => {
                self.extend_lists(columns, rows, ip(Addresses::Private));
            }
            Conversion::PublicIpAddresses => {
                self.extend_lists(columns, rows, ip(Addresses::Public));
            }
            Conversion::EmailAddresses => self.extend_lists(columns, rows, convert::emails),
            Conversion::EmailDomains => self.extend_lists(columns, rows, |cell| {
                let emails = convert::emails(cell);
                let mut domains: Vec<String> = Vec::new();
                for domain in emails.iter().map(|it| convert::email_domain(it)) {
                    if !domains.iter().any(|it| it == domain) {
                        domains.push(domain.to_owned());
                    }
                }
                domains
            }),
        }
    }

    fn extend_text<'a, T: AsRef<str>>(
        &mut self,
        columns: &[Column<'a>],
        rows: &[usize],
        rule: impl Fn(&'a str) -> Option<T>,
    ) {
        let Values::Text(builder) = self else { unreachable!("the kind decides the values") };
        for &row in rows {
            builder.append_option(
                first_value(columns, row, &rule).as_ref().map(|it| cut(it.as_ref())),
            );
        }
    }

    fn extend_joined(
        &mut self,
        columns: &[Column<'_>],
        fallback: Option<Column<'_>>,
        rows: &[usize],
        separator: &str,
    ) {
        let Values::Text(builder) = self else { unreachable!("the kind decides the values") };
        let mut joined = String::new();
        for &row in rows {
            joined.clear();
            for cell in columns.iter().map(|it| it.cell(row)).filter(|it| !it.is_empty()) {
                if !joined.is_empty() {
                    joined.push_str(separator);
                }
                joined.push_str(&convert::version(cell));
            }
            if joined.is_empty() {
                joined.push_str(fallback.map_or("", |it| it.cell(row)));
            }
            builder.append_option((!joined.is_empty()).then(|| cut(&joined)));
        }
    }

    fn extend_lists(
        &mut self,
        columns: &[Column<'_>],
        rows: &[usize],
        rule: impl Fn(&str) -> Vec<String>,
    ) {
        let Values::TextList(builder) = self else { unreachable!("the kind decides the values") };
        let rule = |cell: &str| Some(rule(cell)).filter(|items| !items.is_empty());
        for &row in rows {
            let items = first_value(columns, row, rule);
            let items = items.iter().flatten().map(|item| Some(cut(item)));
            if items.clone().next().is_some() {
                builder.append_value(items);
            } else {
                builder.append_null();
            }
        }
    }

    fn extend_integers(
        &mut self,
        columns: &[Column<'_>],
        rows: &[usize],
        rule: impl Fn(&str) -> Option<i64>,
    ) -> u64 {
        let mut unreadable = 0;
        for &row in rows {
            let value = first_value(columns, row, &rule);
            unreadable += u64::from(value.is_none() && !first_cell(columns, row).is_empty());
            match self {
                Values::Integer(builder) => builder.append_option(value),
                Values::Timestamp(builder) => builder.append_option(value),
                _ => unreachable!("the kind decides the values"),
            }
        }
        unreadable
    }

    fn extend_constants(&mut self, constants: impl Iterator<Item = Option<Constant>>) {
        for constant in constants {
            match (&mut *self, constant) {
                (Values::Text(builder), Some(Constant::Text(it))) => builder.append_value(it),
                (Values::Integer(builder), Some(Constant::Integer(it))) => builder.append_value(it),
                (Values::Boolean(builder), Some(Constant::Boolean(it))) => builder.append_value(it),
                (values, _) => values.append_null(),
            }
        }
    }

    fn append_null(&mut self) {
        match self {
            Values::Text(builder) => builder.append_null(),
            Values::Integer(builder) => builder.append_null(),
            Values::Boolean(builder) => builder.append_null(),
            Values::Timestamp(builder) => builder.append_null(),
            Values::TextList(builder) => builder.append_null(),
        }
    }

    /// Appends these rows of a column of an earlier generation; nulls where it has no such column
    /// or one of another type.
    pub(crate) fn extend_from(&mut self, column: Option<&ArrayRef>, rows: &[usize]) {
        let Some(column) = column.filter(|it| self.holds(it.data_type())) else {
            for _ in rows {
                self.append_null();
            }
            return;
        };
        for &row in rows {
            if column.is_null(row) {
                self.append_null();
                continue;
            }
            match self {
                Values::Text(builder) => builder.append_value(column.as_string::<i32>().value(row)),
                Values::Integer(builder) => {
                    builder.append_value(column.as_primitive::<Int64Type>().value(row));
                }
                Values::Boolean(builder) => builder.append_value(column.as_boolean().value(row)),
                Values::Timestamp(builder) => {
                    let times = column.as_primitive::<TimestampMillisecondType>();
                    builder.append_value(times.value(row));
                }
                Values::TextList(builder) => {
                    let items = column.as_list::<i32>().value(row);
                    builder.append_value(items.as_string::<i32>());
                }
            }
        }
    }

    /// Appends what a value that is never null is for an entity of which nothing is known.
    pub(crate) fn append_default(&mut self, property: &Property, uid: &str) {
        match (property.kind, &mut *self) {
            (Kind::Constant(value) | Kind::Lookup(_, Otherwise::Value(value)), _) => {
                self.extend_constants(std::iter::once(Some(value)));
            }
            (_, Values::Text(builder)) => builder.append_value(uid),
            (_, Values::TextList(builder)) => builder.append_value([Some(uid)]),
            _ => self.append_null(),
        }
    }

    /// How many values are times after this one, in milliseconds.
    pub(crate) fn count_times_after(&self, latest: i64) -> u64 {
        let Values::Timestamp(builder) = self else { return 0 };
        // A null is held as zero, and `latest` is long after 1970.
        builder.values_slice().iter().filter(|&&it| it > latest).count() as u64
    }

    /// How many bytes the texts take.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Values::Text(builder) => builder.values_slice().len(),
            Values::TextList(builder) => builder.values_ref().values_slice().len(),
            Values::Integer(_) | Values::Boolean(_) | Values::Timestamp(_) => 0,
        }
    }

    /// Whether a column of an earlier generation holds values of this type.
    pub(crate) fn holds(&self, found: &DataType) -> bool {
        match (self, found) {
            (Values::Text(_), DataType::Utf8)
            | (Values::Integer(_), DataType::Int64)
            | (Values::Boolean(_), DataType::Boolean)
            | (Values::Timestamp(_), DataType::Timestamp(TimeUnit::Millisecond, _)) => true,
            (Values::TextList(_), DataType::List(item)) => item.data_type() == &DataType::Utf8,
            _ => false,
        }
    }

    pub(crate) fn finish(mut self) -> ArrayRef {
        match &mut self {
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Integer(builder) => Arc::new(builder.finish()),
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish()),
            Values::TextList(builder) => Arc::new(builder.finish()),
        }
    }
}

/// A text that is not longer than a value may be.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]))
}

/// What a rule gives for the first cell of the row, in the order of the columns, for which it
/// gives anything.
fn first_value<'a, T>(
    columns: &[Column<'a>],
    row: usize,
    rule: impl Fn(&'a str) -> Option<T>,
) -> Option<T> {
    columns.iter().map(|it| it.cell(row)).filter(|it| !it.is_empty()).find_map(rule)
}

fn first_cell<'a>(columns: &[Column<'a>], row: usize) -> &'a str {
    first_value(columns, row, Some).unwrap_or("")
}

fn look_up(
    table: &[(&'static str, Constant)],
    otherwise: Otherwise,
    cell: &str,
) -> Option<Constant> {
    let found = table.iter().find(|(word, _)| word.eq_ignore_ascii_case(cell));
    match (found, otherwise) {
        (Some((_, value)), _) => Some(*value),
        (None, Otherwise::Value(value)) => Some(value),
        (None, Otherwise::Null) => None,
    }
}
