//! The values of one property for all entities of a type, and the schema of a type's table.

mod parsing;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder as _, BooleanBuilder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::bit_util::get_bit;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use core_model::entity::{EntityType, KEY};
use core_model::property::{Constant, Kind, Otherwise, Property, ValueType};

pub(crate) use self::parsing::CellCounts;

/// The most bytes of text in one property. Arrow's offsets into it have 31 bits.
pub(crate) const MAX_PROPERTY_BYTES: usize = 1 << 30;

/// A property that a run sets on every entity, such as `tag.AccountName`.
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

/// The Arrow type of a value. Times are milliseconds since 1970-01-01 UTC.
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

/// The values of one property, in the order of the entity numbers.
pub(crate) enum Values {
    Text(StringBuilder),
    Integer(Int64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMillisecondBuilder),
    TextList(ListBuilder<StringBuilder>),
}

impl Values {
    pub(crate) fn new(value_type: ValueType) -> Self {
        match value_type {
            ValueType::Text => Self::Text(StringBuilder::new()),
            ValueType::Integer => Self::Integer(Int64Builder::new()),
            ValueType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ValueType::Timestamp => {
                let builder = TimestampMillisecondBuilder::new();
                Self::Timestamp(builder.with_data_type(data_type(ValueType::Timestamp)))
            }
            ValueType::TextList => Self::TextList(ListBuilder::new(StringBuilder::new())),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::TextList(builder) => builder.append_null(),
        }
    }

    /// Appends these rows of a column of an earlier generation; nulls if it lacks the column or has
    /// another type there.
    pub(crate) fn extend_from(&mut self, column: Option<&ArrayRef>, rows: &[usize]) {
        let Some(column) = column.filter(|found| self.holds(found.data_type())) else {
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
                Self::Text(builder) => builder.append_value(column.as_string::<i32>().value(row)),
                Self::Integer(builder) => {
                    builder.append_value(column.as_primitive::<Int64Type>().value(row));
                }
                Self::Boolean(builder) => builder.append_value(column.as_boolean().value(row)),
                Self::Timestamp(builder) => {
                    let times = column.as_primitive::<TimestampMillisecondType>();
                    builder.append_value(times.value(row));
                }
                Self::TextList(builder) => {
                    let items = column.as_list::<i32>().value(row);
                    builder.append_value(items.as_string::<i32>());
                }
            }
        }
    }

    /// Appends the default of a property that is never null, for an entity without data.
    pub(crate) fn append_default(&mut self, property: &Property, uid: &str) {
        match (property.kind, &mut *self) {
            (Kind::Constant(value) | Kind::Lookup(_, Otherwise::Value(value)), _) => {
                self.append_constant(Some(value));
            }
            (_, Self::Text(builder)) => builder.append_value(uid),
            (_, Self::TextList(builder)) => builder.append_value([Some(uid)]),
            _ => self.append_null(),
        }
    }

    /// Returns true if a value is the one of an entity without data: that of a constant or of a lookup for other cells,
    /// or `uid` if the property falls back to it.
    pub(crate) fn is_default(&self, property: &Property, uid: Option<&str>, place: usize) -> bool {
        match property.kind {
            Kind::Constant(value) | Kind::Lookup(_, Otherwise::Value(value)) => {
                self.is_constant(value, place)
            }
            _ => uid.is_some_and(|uid| self.is_text(uid, place)),
        }
    }

    fn is_constant(&self, constant: Constant, place: usize) -> bool {
        match (self, constant) {
            (_, Constant::Text(text)) => self.is_text(text, place),
            (Self::Integer(builder), Constant::Integer(number)) => {
                builder.values_slice()[place] == number
            }
            (Self::Boolean(builder), Constant::Boolean(flag)) => {
                get_bit(builder.values_slice(), place) == flag
            }
            _ => false,
        }
    }

    /// Returns true if a value is this text, or a list of this text alone.
    fn is_text(&self, text: &str, place: usize) -> bool {
        let Self::TextList(builder) = self else {
            return self.text(place) == Some(text.as_bytes());
        };
        let items = between(builder.offsets_slice(), place);
        items.len() == 1 && text_of(builder.values_ref(), items.start) == text.as_bytes()
    }

    /// Counts the times after `latest`, in milliseconds, among the first values.
    pub(crate) fn count_times_after(&self, latest: i64, first: usize) -> u64 {
        let Self::Timestamp(builder) = self else { return 0 };
        // A null is stored as zero, and `latest` is long after 1970.
        builder.values_slice().iter().take(first).filter(|&&time| time > latest).count() as u64
    }

    /// The newest time, in milliseconds; none if there is no time.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        let Self::Timestamp(builder) = self else { return None };
        let places = 0..builder.len();
        places
            .filter(|place| self.is_valid(*place))
            .map(|place| builder.values_slice()[place])
            .max()
    }

    /// The number of values, nulls included.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(builder) => builder.len(),
            Self::Integer(builder) => builder.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Timestamp(builder) => builder.len(),
            Self::TextList(builder) => builder.len(),
        }
    }

    /// Returns true if a value is not null.
    pub(crate) fn is_valid(&self, place: usize) -> bool {
        let valid = match self {
            Self::Text(builder) => builder.validity_slice(),
            Self::Integer(builder) => builder.validity_slice(),
            Self::Boolean(builder) => builder.validity_slice(),
            Self::Timestamp(builder) => builder.validity_slice(),
            Self::TextList(builder) => builder.validity_slice(),
        };
        // A builder that has met no null has no validity bits.
        valid.is_none_or(|bits| get_bit(bits, place))
    }

    /// The text at this position; `None` for null or for values of another type.
    pub(crate) fn text(&self, place: usize) -> Option<&[u8]> {
        let Self::Text(builder) = self else { return None };
        self.is_valid(place).then(|| text_of(builder, place))
    }

    /// A copy of the values.
    pub(crate) fn to_array(&self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish_cloned()),
            Self::Integer(builder) => Arc::new(builder.finish_cloned()),
            Self::Boolean(builder) => Arc::new(builder.finish_cloned()),
            Self::Timestamp(builder) => Arc::new(builder.finish_cloned()),
            Self::TextList(builder) => Arc::new(builder.finish_cloned()),
        }
    }

    /// The size of the texts in bytes.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(builder) => builder.values_slice().len(),
            Self::TextList(builder) => builder.values_ref().values_slice().len(),
            Self::Integer(_) | Self::Boolean(_) | Self::Timestamp(_) => 0,
        }
    }

    /// Returns true if a column of an earlier generation has values of this type.
    pub(crate) fn holds(&self, found: &DataType) -> bool {
        match (self, found) {
            (Self::Text(_), DataType::Utf8)
            | (Self::Integer(_), DataType::Int64)
            | (Self::Boolean(_), DataType::Boolean)
            | (Self::Timestamp(_), DataType::Timestamp(TimeUnit::Millisecond, _)) => true,
            (Self::TextList(_), DataType::List(item)) => item.data_type() == &DataType::Utf8,
            _ => false,
        }
    }

    pub(crate) fn finish(mut self) -> ArrayRef {
        match &mut self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::TextList(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The bytes of a text in a builder.
pub(crate) fn text_of(builder: &StringBuilder, place: usize) -> &[u8] {
    &builder.values_slice()[between(builder.offsets_slice(), place)]
}

/// The range of the text or list at this position.
pub(crate) fn between(offsets: &[i32], place: usize) -> Range<usize> {
    let offset = |at: usize| usize::try_from(offsets[at]).expect("an offset is never negative");
    offset(place)..offset(place + 1)
}
