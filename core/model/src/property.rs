//! One property of an entity type: the only declaration of the columns of an export, the property
//! that they become, and its documentation.

pub use crate::column::PersonalData;

use crate::column::Column;
use crate::text;

/// One property of an entity type, and its columns.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a mark that a declaration may have")]
pub struct Property {
    /// The name in the graph, in lower camel case.
    pub name: &'static str,
    /// The columns of the export, as NQL names them. If there are several, the first one with a
    /// value is used, except for the conversions that join them.
    pub columns: &'static [&'static str],
    /// The way the cells are read.
    pub kind: Kind,
    /// One sentence for the data-model page.
    pub description: &'static str,
    /// True if a destination always gets the property, as null if it has no value. Properties that
    /// a class requires need no mark.
    pub required: bool,
    /// True if the value is never null. Checked against the kind by
    /// [`EntityType::checked`](crate::entity::EntityType::checked).
    pub never_null: bool,
    /// True if the value identifies one entity; a value that many entities share becomes null.
    pub identifying: bool,
    /// True if the value changes with nearly every run, so that a comparison of two runs ignores it.
    pub volatile: bool,
}

/// The way the cells of a property are read. Unless a kind says otherwise, an empty cell is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The text of the cell.
    Text,
    /// A whole number; null if the cell has another text.
    Integer,
    /// A point in time, `2026-11-18 11:06:40` or `2026-11-18T11:06:40Z`; null if the cell has
    /// another text or means never, as `1970-01-01 00:00:00` does.
    Timestamp,
    /// The same value for every entity.
    Constant(Constant),
    /// The value that a table has for the cell, ignoring case.
    Lookup(&'static [(&'static str, Constant)], Otherwise),
    /// A named conversion with rules of its own.
    Convert(Conversion),
    /// Required by the class, but in no column of the source: always null.
    NotCollected(ValueType),
}

/// The value of a lookup for a cell that is not in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Null.
    Null,
    /// This value, also for an empty cell.
    Value(Constant),
}

/// A value written in a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constant {
    /// A text.
    Text(&'static str),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

/// The type of a property's value in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A point in time, milliseconds since 1970-01-01 UTC.
    Timestamp,
    /// A list of texts; null instead of an empty list.
    TextList,
}

/// Conversions with their own rules. `core-ingest` implements them, each as a pure function from
/// the text of a cell to an optional value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// The text in lower case: for enumerations, which Nexthink writes in several cases.
    LowerCase,
    /// A version, with dots where Nexthink writes a list (`[10, 0, 22631]`).
    Version,
    /// The text as a list of one.
    List,
    /// The name in the first column and the version in the second, with this between them.
    NameAndVersion(&'static str),
    /// The same, with the third column in place of an empty name.
    NameAndVersionElse(&'static str),
    /// A legal host name of 2 to 63 letters, digits and inner hyphens: the first label of a dotted
    /// name. Null for anything else.
    HostName,
    /// A dotted name whose labels are all legal, as a list of one, without a trailing root dot.
    DomainName,
    /// A serial number; null for a manufacturer's placeholder.
    SerialNumber,
    /// The IPv4 addresses of a list.
    Ipv4Addresses,
    /// The IPv6 addresses of a list, without zone; not an IPv4 address mapped into IPv6.
    Ipv6Addresses,
    /// The addresses of a list that are not routed on the internet.
    PrivateIpAddresses,
    /// The addresses of a list that are routed on the internet.
    PublicIpAddresses,
    /// The legal e-mail addresses of a cell, in lower case; several only if its form proves a list.
    /// The principal name of a guest counts only if it proves the original address.
    EmailAddresses,
    /// The domains of these addresses, in lower case, each once.
    EmailDomains,
    /// The given name of `Jane Doe` or `Doe, Jane`; null if the form does not show it.
    FirstName,
    /// The family name of `Jane Doe` or `Doe, Jane`; null if the form does not show it.
    LastName,
    /// The account part of `DOMAIN\account` or `account@domain`, as a list of one.
    LoginName,
}

/// Declares a text property: its name, its columns, its description.
pub const fn text(
    name: &'static str,
    columns: &'static [&'static str],
    description: &'static str,
) -> Property {
    property(Kind::Text, name, columns, description)
}

/// Declares a property that is a whole number: its name, its columns, its description.
pub const fn integer(
    name: &'static str,
    columns: &'static [&'static str],
    description: &'static str,
) -> Property {
    property(Kind::Integer, name, columns, description)
}

/// Declares a property that is a point in time: its name, its columns, its description.
pub const fn timestamp(
    name: &'static str,
    columns: &'static [&'static str],
    description: &'static str,
) -> Property {
    property(Kind::Timestamp, name, columns, description)
}

/// Declares a property that a table translates: its name, its columns, the table, the value for
/// other cells, its description.
pub const fn lookup(
    name: &'static str,
    columns: &'static [&'static str],
    table: &'static [(&'static str, Constant)],
    otherwise: Otherwise,
    description: &'static str,
) -> Property {
    property(Kind::Lookup(table, otherwise), name, columns, description)
}

/// Declares a property with a conversion: its name, its columns, the conversion, its description.
pub const fn convert(
    name: &'static str,
    columns: &'static [&'static str],
    conversion: Conversion,
    description: &'static str,
) -> Property {
    property(Kind::Convert(conversion), name, columns, description)
}

/// Declares a property that is the same for every entity: its name, the value, its description.
pub const fn constant(name: &'static str, value: Constant, description: &'static str) -> Property {
    property(Kind::Constant(value), name, &[], description)
}

/// Declares a property that a class requires and Nexthink does not deliver: its name, its type, its
/// description.
pub const fn not_collected(
    name: &'static str,
    value_type: ValueType,
    description: &'static str,
) -> Property {
    property(Kind::NotCollected(value_type), name, &[], description)
}

const fn property(
    kind: Kind,
    name: &'static str,
    columns: &'static [&'static str],
    description: &'static str,
) -> Property {
    assert!(
        text::is_lower_camel_case(name),
        "a property name is lower camel case, letters and digits: are name and column swapped?"
    );
    assert!(
        text::ends_with(description, b'.'),
        "a description is a sentence and ends with a full stop"
    );
    assert!(
        kind.reads_columns() != columns.is_empty(),
        "a constant has no column, every other kind has at least one"
    );
    let mut i = 0;
    while i < columns.len() {
        assert!(
            text::contains(columns[i], b'.'),
            "an NQL column has a dot: are name and column swapped?"
        );
        i += 1;
    }
    kind.check();
    Property {
        name,
        columns,
        kind,
        description,
        required: false,
        never_null: false,
        identifying: false,
        volatile: false,
    }
}

impl Property {
    /// Returns the relation of the value to a person: the closest one of its columns.
    ///
    /// Statistics of tables, the record of processing, the generated pages and what readers are shown
    /// derive from it, and so from the same declarations as the redaction of columns.
    pub fn personal_data(&self) -> PersonalData {
        let declared = self.columns.iter().filter_map(|column| Column::find(column));
        let closest = declared.map(|column| column.personal).max().unwrap_or(PersonalData::None);
        match self.kind {
            // The domain of an address does not identify a person.
            Kind::Convert(Conversion::EmailDomains) => closest.min(PersonalData::Indirect),
            _ => closest,
        }
    }

    /// Marks a property of this type that a destination always gets, as null if it has no value.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Marks a property whose value is never null.
    #[must_use]
    pub const fn never_null(mut self) -> Self {
        self.never_null = true;
        self
    }

    /// Marks a text that identifies one entity, such as a serial number. A value that more than a
    /// few entities share identifies none of them and becomes null.
    #[must_use]
    pub const fn identifying(mut self) -> Self {
        assert!(
            matches!(self.kind.value_type(), ValueType::Text) && !self.never_null,
            "only a text that may be null can identify an entity"
        );
        self.identifying = true;
        self
    }

    /// Marks a property whose value changes with nearly every run, such as when a device was last seen.
    #[must_use]
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// The type of the value in the graph.
    pub const fn value_type(&self) -> ValueType {
        self.kind.value_type()
    }

    /// The type in the documentation's notation, for example `string | null`.
    pub fn documented_type(&self) -> String {
        let name = match self.value_type() {
            ValueType::Text => "string",
            ValueType::Integer | ValueType::Timestamp => "number",
            ValueType::Boolean => "boolean",
            ValueType::TextList => "array of strings",
        };
        if self.never_null { name.to_owned() } else { format!("{name} | null") }
    }
}

impl Kind {
    /// The type of the kind's values.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::Text => ValueType::Text,
            Self::Integer => ValueType::Integer,
            Self::Timestamp => ValueType::Timestamp,
            Self::Constant(constant) => constant.value_type(),
            Self::Lookup(table, _) => table[0].1.value_type(),
            Self::Convert(conversion) => conversion.value_type(),
            Self::NotCollected(value_type) => value_type,
        }
    }

    const fn reads_columns(self) -> bool {
        !matches!(self, Self::Constant(_) | Self::NotCollected(_))
    }

    /// Rejects, at compile time, a lookup of mixed types.
    const fn check(self) {
        let Self::Lookup(table, otherwise) = self else { return };
        assert!(!table.is_empty(), "a lookup table has at least one row");
        let expected = table[0].1.value_type() as u8;
        let mut i = 0;
        while i < table.len() {
            assert!(
                table[i].1.value_type() as u8 == expected,
                "all values of a lookup table have one type"
            );
            i += 1;
        }
        if let Otherwise::Value(value) = otherwise {
            assert!(
                value.value_type() as u8 == expected,
                "the value for other cells has the type of the table"
            );
        }
    }

    /// Returns true if the kind always has a value, given whether one of the property's columns is
    /// never empty.
    pub(crate) const fn always_has_value(self, has_filled_column: bool) -> bool {
        match self {
            Self::Constant(_) | Self::Lookup(_, Otherwise::Value(_)) => true,
            Self::Text
            | Self::Convert(
                Conversion::LowerCase | Conversion::List | Conversion::NameAndVersionElse(_),
            ) => has_filled_column,
            _ => false,
        }
    }
}

impl Constant {
    /// The type of the value.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::Text(_) => ValueType::Text,
            Self::Integer(_) => ValueType::Integer,
            Self::Boolean(_) => ValueType::Boolean,
        }
    }
}

impl Conversion {
    /// The type of the conversion's values.
    pub const fn value_type(self) -> ValueType {
        match self {
            Self::LowerCase
            | Self::Version
            | Self::NameAndVersion(_)
            | Self::NameAndVersionElse(_)
            | Self::HostName
            | Self::SerialNumber
            | Self::FirstName
            | Self::LastName => ValueType::Text,
            Self::List
            | Self::DomainName
            | Self::Ipv4Addresses
            | Self::Ipv6Addresses
            | Self::PrivateIpAddresses
            | Self::PublicIpAddresses
            | Self::EmailAddresses
            | Self::EmailDomains
            | Self::LoginName => ValueType::TextList,
        }
    }
}
