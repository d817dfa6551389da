//! The identifiers in the rows of a stored table, by what the steps declare of its columns.

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use core_ingest::values::KEY;
use core_model::column::{Column, ColumnForm, Family};
use core_model::entity::EntityType;
use core_model::step::Step;
use core_privacy::pseudonym::{LIST_SEPARATOR, PREFIX};

/// The columns of a table that identify people and devices.
pub(super) struct Identifying {
    columns: Vec<(usize, Family)>,
}

impl Identifying {
    /// Those of a type; none if no step makes it.
    pub(super) fn of(type_name: &str, batch: &RecordBatch) -> Identifying {
        let Some(entity) = entity(type_name) else { return Identifying { columns: Vec::new() } };
        let columns = entity.properties.iter().filter_map(|property| {
            let place = batch.schema().index_of(property.name).ok()?;
            Some((place, family_of(property.columns)?))
        });
        Identifying { columns: columns.collect() }
    }

    /// Hands out the identifiers of a row.
    pub(super) fn each<'a>(
        &self,
        batch: &'a RecordBatch,
        row: usize,
        mut take: impl FnMut(Family, &'a str),
    ) {
        for &(place, family) in &self.columns {
            each_text(batch.column(place).as_ref(), row, &mut |text| {
                if text.starts_with(PREFIX) {
                    // A list of addresses has a pseudonym for each.
                    return text.split(LIST_SEPARATOR).for_each(|item| take(family, item));
                }
                // What is made of an address may be its domain alone, which says nothing of anybody.
                if family != Family::Address || text.contains('@') {
                    take(family, text);
                }
            });
        }
    }
}

/// The entity type of a name, if a step makes it.
pub(super) fn entity(type_name: &str) -> Option<&'static EntityType> {
    Step::all().iter().flat_map(|it| it.entities).find(|it| it.type_name == type_name).copied()
}

/// Returns whether objects of a type go with an erasure: those that have an identifier.
pub fn may_be_erased(type_name: &str) -> bool {
    !identifying(type_name).is_empty()
}

/// The positions of the properties that hold free text.
pub(super) fn free_texts(type_name: &str, batch: &RecordBatch) -> Vec<usize> {
    let properties = entity(type_name).into_iter().flat_map(|it| it.properties);
    let is_free =
        |name: &&'static str| column(name).is_some_and(|it| it.form == ColumnForm::FreeText);
    let free = properties.filter(|it| it.columns.iter().any(&is_free));
    free.filter_map(|it| batch.schema().index_of(it.name).ok()).collect()
}

/// The names of the properties of a type that identify people and devices.
pub(super) fn identifying(type_name: &str) -> Vec<&'static str> {
    let properties = entity(type_name).into_iter().flat_map(|it| it.properties);
    let identifying = properties.filter(|it| family_of(it.columns).is_some());
    identifying.map(|it| it.name).collect()
}

/// The key of a row.
pub(super) fn key(batch: &RecordBatch, row: usize) -> &str {
    let column = batch.column_by_name(KEY).and_then(|it| it.as_string_opt::<i32>());
    column.map_or("", |it| it.value(row))
}

/// The texts of a cell: one, or those of a list.
pub(super) fn each_text<'a>(column: &'a dyn Array, row: usize, take: &mut dyn FnMut(&'a str)) {
    if column.is_null(row) {
        return;
    }
    match column.data_type() {
        DataType::Utf8 => take(column.as_string::<i32>().value(row)),
        DataType::Dictionary(..) => {
            if let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() {
                let number = dictionary.keys().value(row) as usize;
                each_text(dictionary.values().as_ref(), number, take);
            }
        }
        DataType::List(item) if *item.data_type() == DataType::Utf8 => {
            let list = column.as_list::<i32>();
            let texts = list.values().as_string::<i32>();
            let [from, to] = [row, row + 1].map(|it| list.value_offsets()[it]);
            for place in from..to {
                let place = usize::try_from(place).expect("offsets of a list are not negative");
                if texts.is_valid(place) {
                    take(texts.value(place));
                }
            }
        }
        _ => {}
    }
}

/// The family of a property that is read from identifiers of one family alone.
///
/// Names of people and serial numbers are no proof: there are namesakes, and machines of which many
/// have the same serial number.
fn family_of(columns: &[&str]) -> Option<Family> {
    let mut families = columns.iter().map(|name| {
        let ColumnForm::Identifier(family) = column(name)?.form else { return None };
        is_proof(family).then_some(family)
    });
    let first = families.next()??;
    families.all(|it| it == Some(first)).then_some(first)
}

/// What is declared of a column.
fn column(name: &str) -> Option<&'static Column> {
    Column::all().into_iter().find(|it| it.name == name)
}

/// Returns whether an identifier of this family tells one person or device from all others.
fn is_proof(family: Family) -> bool {
    match family {
        Family::Login
        | Family::Address
        | Family::Sid
        | Family::UserUid
        | Family::DeviceUid
        | Family::DeviceName => true,
        Family::PersonName | Family::Serial | Family::CollectorUid | Family::AuditEvent => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn each_pseudonym_of_a_list_identifies_by_itself() {
        let upns: ArrayRef = Arc::new(StringArray::from(vec!["p1-k-a; p1-k-b", "a@x.example"]));
        let batch = RecordBatch::try_from_iter([("upn", upns)]).expect("one column");
        let identifying = Identifying::of("nexthink_user", &batch);
        for (row, expected) in [(0, &["p1-k-a", "p1-k-b"][..]), (1, &["a@x.example"])] {
            let mut found = Vec::new();
            identifying.each(&batch, row, |family, text| {
                assert_eq!(family, Family::Address);
                found.push(text.to_owned());
            });
            assert_eq!(found, expected);
        }
    }
}
