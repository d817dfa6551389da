//! Types of values as Postgres names them, and the types of columns that become them.

use arrow_schema::{DataType, IntervalUnit};

/// A type of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Date,
    Timestamp,
    TimestampTz,
    Interval,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Integers,
}

impl Kind {
    /// Returns the type that a column of an answer becomes; text for everything that has no other.
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Self::Int2,
            DataType::UInt16 | DataType::Int32 => Self::Int4,
            // The catalog alone has columns of this type.
            DataType::UInt32 => Self::Oid,
            DataType::Int64 | DataType::UInt64 => Self::Int8,
            DataType::Float16 | DataType::Float32 => Self::Float4,
            DataType::Float64 => Self::Float8,
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Numeric,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, None) => Self::Timestamp,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Interval(IntervalUnit::MonthDayNano) | DataType::Duration(_) => {
                Self::Interval
            }
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::List(field) | DataType::LargeList(field) => match Self::of(field.data_type())
            {
                Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid => Self::Integers,
                _ => Self::Texts,
            },
            _ => Self::Text,
        }
    }

    /// Returns the type of columns whose values this program reads a parameter as; none if the query tells it.
    pub(crate) fn declared(oid: u32) -> Option<DataType> {
        Some(match oid {
            16 => DataType::Boolean,
            20 | 21 | 23 | 26 => DataType::Int64,
            700 | 701 => DataType::Float64,
            1009 | 1015 => DataType::new_list(DataType::Utf8, true),
            _ => return None,
        })
    }

    /// Returns the number of the type.
    pub(crate) fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Text => 25,
            Self::Oid => 26,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Texts => 1009,
            Self::Integers => 1016,
            Self::Date => 1082,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Interval => 1186,
            Self::Numeric => 1700,
        }
    }

    /// Returns the length of a value in binary; -1 if values differ in it.
    pub(crate) fn length(self) -> i16 {
        match self {
            Self::Bool => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Oid | Self::Float4 | Self::Date => 4,
            Self::Int8 | Self::Float8 | Self::Timestamp | Self::TimestampTz => 8,
            Self::Interval => 16,
            Self::Numeric | Self::Text | Self::Texts | Self::Integers => -1,
        }
    }

    /// Returns the name that SQL has for the type.
    pub(crate) fn sql_name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Oid => "oid",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Date => "date",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Texts => "text[]",
            Self::Integers => "bigint[]",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, TimeUnit};

    use super::*;

    #[test]
    fn columns_of_generations_have_types_that_clients_know() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let list = DataType::List(Arc::new(Field::new("item", DataType::Utf8View, true)));
        let table = [
            (DataType::Utf8View, 25, "text"),
            (dictionary, 25, "text"),
            (DataType::Int64, 20, "bigint"),
            (DataType::Float64, 701, "double precision"),
            (DataType::Boolean, 16, "boolean"),
            (
                DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                1184,
                "timestamp with time zone",
            ),
            (DataType::Date32, 1082, "date"),
            (list, 1009, "text[]"),
            (DataType::Null, 25, "text"),
            (DataType::Time64(TimeUnit::Microsecond), 25, "text"),
        ];
        for (data_type, oid, name) in table {
            let kind = Kind::of(&data_type);
            assert_eq!((kind.oid(), kind.sql_name()), (oid, name), "{data_type}");
        }
    }
}
