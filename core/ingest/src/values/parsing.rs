//! Parsing of the cells of a property, and counts of the cells that could not be parsed.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::AddAssign;

use core_model::cell;
use core_model::property::{Constant, Conversion, Kind, Otherwise, Property};
use jiff::tz::TimeZone;

use super::Values;
use crate::batch::Column;
use crate::convert::{self, Addresses, Time};

/// The most bytes of one text. A longer text is cut and ends in an ellipsis.
const MAX_TEXT_BYTES: usize = 4096;

/// Counts of the cells of a property that do not hold a value.
///
/// Kinds that extract a part of a text, such as a host name or a given name, count nothing: another
/// property has the whole text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellCounts {
    /// Rows with an unreadable cell.
    pub(crate) unreadable: u64,
    /// The rows among these without a value.
    pub(crate) lost: u64,
    /// Rows with a time that means never.
    pub(crate) never: u64,
}

/// The items that a rule finds in one cell, and true if the cell also holds something else.
type Items = (Vec<String>, bool);

impl Values {
    /// Appends the property's values of these rows. The kind is matched once, outside the loops, so
    /// that each loop is specialized.
    pub(crate) fn extend(
        &mut self,
        property: &Property,
        columns: &[Column<'_>],
        rows: &[usize],
        zone: &TimeZone,
    ) -> CellCounts {
        match property.kind {
            Kind::Integer => return self.extend_integers(columns, rows),
            Kind::Timestamp => return self.extend_times(columns, rows, zone),
            Kind::Lookup(table, otherwise) => {
                return self.extend_lookups(table, otherwise, columns, rows);
            }
            Kind::Convert(conversion) => return self.extend_converted(conversion, columns, rows),
            Kind::Text => self.extend_text(columns, rows, Some),
            Kind::Constant(constant) => {
                for _ in rows {
                    self.append_constant(Some(constant));
                }
            }
            Kind::NotCollected(_) => {
                for _ in rows {
                    self.append_null();
                }
            }
        }
        CellCounts::default()
    }

    fn extend_converted(
        &mut self,
        conversion: Conversion,
        columns: &[Column<'_>],
        rows: &[usize],
    ) -> CellCounts {
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
            Conversion::NameAndVersion(separator) | Conversion::NameAndVersionElse(separator) => {
                self.extend_named_versions(columns, rows, separator);
            }
            Conversion::List => {
                return self.extend_lists(columns, rows, |cell| (vec![cell.to_owned()], false));
            }
            Conversion::DomainName => {
                return self.extend_lists(columns, rows, |cell| {
                    (convert::domain_name(cell).map(str::to_owned).into_iter().collect(), false)
                });
            }
            Conversion::LoginName => {
                return self.extend_lists(columns, rows, |cell| {
                    let account = convert::login_name(cell);
                    (account.map(str::to_owned).into_iter().collect(), account.is_none())
                });
            }
            Conversion::Ipv4Addresses => {
                return self.extend_addresses(columns, rows, Addresses::V4);
            }
            Conversion::Ipv6Addresses => {
                return self.extend_addresses(columns, rows, Addresses::V6);
            }
            Conversion::PrivateIpAddresses => {
                return self.extend_addresses(columns, rows, Addresses::Private);
            }
            Conversion::PublicIpAddresses => {
                return self.extend_addresses(columns, rows, Addresses::Public);
            }
            Conversion::EmailAddresses => {
                return self.extend_lists(columns, rows, |cell| {
                    let emails = cell::emails(cell);
                    (emails.addresses, emails.unreadable)
                });
            }
            Conversion::EmailDomains => return self.extend_lists(columns, rows, email_domains),
        }
        CellCounts::default()
    }

    fn extend_text<'a, T: AsRef<str>>(
        &mut self,
        columns: &[Column<'a>],
        rows: &[usize],
        rule: impl Fn(&'a str) -> Option<T>,
    ) {
        let Self::Text(builder) = self else { unreachable!("the kind decides the values") };
        for &row in rows {
            builder.append_option(
                first_value(columns, row, &rule)
                    .as_ref()
                    .map(|first_value| cut(first_value.as_ref())),
            );
        }
    }

    /// Appends a name and a version. A fallback column takes the place of an empty name.
    fn extend_named_versions(&mut self, columns: &[Column<'_>], rows: &[usize], separator: &str) {
        let Self::Text(builder) = self else { unreachable!("the kind decides the values") };
        let [name, version, fallback @ ..] = columns else {
            unreachable!("the conversion reads a name and a version")
        };
        let mut joined = String::new();
        for &row in rows {
            joined.clear();
            joined.push_str(match name.cell(row) {
                "" => first_cell(fallback, row),
                name => name,
            });
            let version = convert::version(version.cell(row));
            if !joined.is_empty() && !version.is_empty() {
                joined.push_str(separator);
            }
            joined.push_str(&version);
            builder.append_option((!joined.is_empty()).then(|| cut(&joined)));
        }
    }

    fn extend_addresses(
        &mut self,
        columns: &[Column<'_>],
        rows: &[usize],
        wanted: Addresses,
    ) -> CellCounts {
        self.extend_lists(columns, rows, |cell| {
            let (addresses, is_unreadable) = convert::addresses(cell, wanted);
            (addresses.iter().map(IpAddr::to_string).collect(), is_unreadable)
        })
    }

    fn extend_lists(
        &mut self,
        columns: &[Column<'_>],
        rows: &[usize],
        rule: impl Fn(&str) -> Items,
    ) -> CellCounts {
        let Self::TextList(builder) = self else { unreachable!("the kind decides the values") };
        let mut counts = CellCounts::default();
        for &row in rows {
            let mut is_unreadable = false;
            let items = first_value(columns, row, |cell| {
                let (items, has_unreadable) = rule(cell);
                is_unreadable |= has_unreadable;
                Some(items).filter(|items| !items.is_empty())
            });
            counts.add(is_unreadable, items.is_some());
            match items {
                Some(items) => builder.append_value(items.iter().map(|item| Some(cut(item)))),
                None => builder.append_null(),
            }
        }
        counts
    }

    fn extend_integers(&mut self, columns: &[Column<'_>], rows: &[usize]) -> CellCounts {
        let Self::Integer(builder) = self else { unreachable!("the kind decides the values") };
        let mut counts = CellCounts::default();
        for &row in rows {
            let value = first_value(columns, row, convert::integer);
            counts.add(value.is_none() && !first_cell(columns, row).is_empty(), value.is_some());
            builder.append_option(value);
        }
        counts
    }

    fn extend_times(
        &mut self,
        columns: &[Column<'_>],
        rows: &[usize],
        zone: &TimeZone,
    ) -> CellCounts {
        let Self::Timestamp(builder) = self else { unreachable!("the kind decides the values") };
        let mut counts = CellCounts::default();
        for &row in rows {
            let (mut is_unreadable, mut is_never) = (false, false);
            let value = first_value(columns, row, |cell| {
                let time = convert::time(cell, zone);
                is_unreadable |= time == Time::Unreadable;
                is_never |= time == Time::Never;
                if let Time::At(instant) = time { Some(instant) } else { None }
            });
            counts.add(value.is_none() && is_unreadable, value.is_some());
            counts.never += u64::from(value.is_none() && is_never);
            builder.append_option(value);
        }
        counts
    }

    fn extend_lookups(
        &mut self,
        table: &[(&'static str, Constant)],
        otherwise: Otherwise,
        columns: &[Column<'_>],
        rows: &[usize],
    ) -> CellCounts {
        let mut counts = CellCounts::default();
        for &row in rows {
            let cell = first_cell(columns, row);
            let value = look_up(table, otherwise, cell);
            // A word that the table does not have says that the earlier value is over.
            counts.unreadable += u64::from(value.is_none() && !cell.is_empty());
            self.append_constant(value);
        }
        counts
    }

    /// Appends a constant of a declaration, or null.
    pub(super) fn append_constant(&mut self, constant: Option<Constant>) {
        match (&mut *self, constant) {
            (Self::Text(builder), Some(Constant::Text(text))) => builder.append_value(text),
            (Self::Integer(builder), Some(Constant::Integer(number))) => {
                builder.append_value(number);
            }
            (Self::Boolean(builder), Some(Constant::Boolean(flag))) => builder.append_value(flag),
            (values, _) => values.append_null(),
        }
    }
}

impl CellCounts {
    fn add(&mut self, is_unreadable: bool, has_value: bool) {
        self.unreadable += u64::from(is_unreadable);
        self.lost += u64::from(is_unreadable && !has_value);
    }
}

impl AddAssign for CellCounts {
    fn add_assign(&mut self, other: Self) {
        self.unreadable += other.unreadable;
        self.lost += other.lost;
        self.never += other.never;
    }
}

fn email_domains(cell: &str) -> Items {
    let emails = cell::emails(cell);
    let mut domains: Vec<String> = Vec::new();
    for domain in emails.addresses.iter().map(|addresse| cell::email_domain(addresse)) {
        if !domains.iter().any(|known| known == domain) {
            domains.push(domain.to_owned());
        }
    }
    (domains, emails.unreadable)
}

/// Cuts a text that is longer than a value may be.
fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]))
}

/// The first value that a rule returns for the non-empty cells of the row, in the order of the
/// columns.
fn first_value<'a, T>(
    columns: &[Column<'a>],
    row: usize,
    rule: impl FnMut(&'a str) -> Option<T>,
) -> Option<T> {
    columns.iter().map(|column| column.cell(row)).filter(|map| !map.is_empty()).find_map(rule)
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
