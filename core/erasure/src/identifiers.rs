//! The identifiers in the rows of a stored table, by the steps' declarations of its columns.

use std::sync::LazyLock;

use arrow_array::cast::AsArray as _;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use core_model::column::{Column, ColumnForm, IdentifierKind};
use core_model::entity::{EntityType, KEY};
use core_model::step::Step;
use core_privacy::mentions::Position;
use core_privacy::pseudonym::{LIST_SEPARATOR, PREFIX};

/// The columns of a table that identify people and devices.
pub(crate) struct IdentifyingColumns {
    columns: Vec<(usize, IdentifierKind)>,
}

impl IdentifyingColumns {
    /// The identifying columns of a type's table; none if no step makes the type.
    pub(crate) fn new(type_name: &str, batch: &RecordBatch) -> Self {
        let Some(entity) = entity(type_name) else { return Self { columns: Vec::new() } };
        let columns = entity.properties.iter().filter_map(|property| {
            let place = batch.schema().index_of(property.name).ok()?;
            Some((place, identifier_kind_of(property.columns)?))
        });
        Self { columns: columns.collect() }
    }

    /// Hands out the identifiers of a row.
    pub(crate) fn each<'a>(
        &self,
        batch: &'a RecordBatch,
        row: usize,
        mut take: impl FnMut(IdentifierKind, &'a str),
    ) {
        for &(place, identifier_kind) in &self.columns {
            each_text(batch.column(place).as_ref(), row, &mut |text| {
                if text.starts_with(PREFIX) {
                    // A list of addresses has a pseudonym for each.
                    return text.split(LIST_SEPARATOR).for_each(|item| take(identifier_kind, item));
                }
                // A value derived from an address may be its domain alone, which identifies no one.
                if identifier_kind != IdentifierKind::Address || text.contains('@') {
                    take(identifier_kind, text);
                }
            });
        }
    }
}

/// Returns the entity type of a name, if a step makes it.
pub fn entity(type_name: &str) -> Option<&'static EntityType> {
    let entities = Step::all().into_iter().flat_map(|step| step.entities);
    entities.into_iter().find(|entity| entity.type_name == type_name).copied()
}

/// Returns the entity type whose key is an identifier of a kind, such as the uid of a user.
pub(crate) fn entity_with_key(identifier_kind: IdentifierKind) -> Option<&'static EntityType> {
    let entities = Step::all().into_iter().flat_map(|step| step.entities);
    let is_keyed = |entity: &&&'static EntityType| {
        column(entity.key_column)
            .is_some_and(|column| column.form == ColumnForm::Identifier(identifier_kind))
    };
    entities.into_iter().find(is_keyed).copied()
}

/// Returns true if objects of a type may go with an erasure: they have an identifier.
pub fn may_be_erased(type_name: &str) -> bool {
    !identifying(type_name).is_empty()
}

/// The positions of the properties that hold free text.
pub(crate) fn free_texts(type_name: &str, batch: &RecordBatch) -> Vec<usize> {
    let properties = entity(type_name).into_iter().flat_map(|entity| entity.properties);
    let is_free = |name: &&'static str| has_form(name, ColumnForm::FreeText);
    let free = properties.filter(|property| property.columns.iter().any(is_free));
    free.filter_map(|property| batch.schema().index_of(property.name).ok()).collect()
}

/// The names of the properties of a type that identify people and devices.
pub(crate) fn identifying(type_name: &str) -> Vec<&'static str> {
    let properties = entity(type_name).into_iter().flat_map(|entity| entity.properties);
    let identifying = properties.filter(|property| identifier_kind_of(property.columns).is_some());
    identifying.map(|property| property.name).collect()
}

/// The properties of an event that may name people, with the kind of text that each is.
pub(crate) fn event_texts() -> &'static [(&'static str, Position)] {
    static TEXTS: LazyLock<Vec<(&str, Position)>> = LazyLock::new(find_event_texts);
    &TEXTS
}

fn find_event_texts() -> Vec<(&'static str, Position)> {
    let steps = Step::all().into_iter().filter(|step| step.makes_events());
    let properties = steps.flat_map(|step| step.entities).flat_map(|entity| entity.properties);
    let position = |columns: &[&str]| {
        columns.iter().find_map(|name| match column(name)?.form {
            ColumnForm::Identifier(IdentifierKind::Login) => Some(Position::Account),
            ColumnForm::FreeText => Some(Position::Text),
            _ => None,
        })
    };
    properties.filter_map(|property| Some((property.name, position(property.columns)?))).collect()
}

/// The kind of text in a column of an event.
pub(crate) fn position_in_event(column: &str) -> Position {
    let found = event_texts().iter().find(|(name, _)| *name == column);
    found.map_or(Position::Label, |(_, position)| *position)
}

/// The key of a row.
pub(crate) fn key(batch: &RecordBatch, row: usize) -> &str {
    let column = batch.column_by_name(KEY).and_then(|column| column.as_string_opt::<i32>());
    column.map_or("", |keys| keys.value(row))
}

/// Hands out the texts of a cell: one, or those of a list.
pub(crate) fn each_text<'a>(column: &'a dyn Array, row: usize, take: &mut dyn FnMut(&'a str)) {
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
            let [from, to] = [row, row + 1].map(|place| list.value_offsets()[place]);
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

/// The kind of a property that is read from identifiers of one kind alone.
///
/// Names of people and serial numbers are no proof: there are namesakes, and machines of which many
/// have the same serial number.
fn identifier_kind_of(columns: &[&str]) -> Option<IdentifierKind> {
    let mut identifier_kinds = columns.iter().map(|name| {
        let ColumnForm::Identifier(identifier_kind) = column(name)?.form else { return None };
        is_proof(identifier_kind).then_some(identifier_kind)
    });
    let first = identifier_kinds.next()??;
    identifier_kinds.all(|identifier_kind| identifier_kind == Some(first)).then_some(first)
}

/// Returns the declaration of a column.
fn column(name: &str) -> Option<&'static Column> {
    Column::all().into_iter().find(|column| column.name == name)
}

fn has_form(name: &str, form: ColumnForm) -> bool {
    column(name).is_some_and(|column| column.form == form)
}

/// Returns true if an identifier of this kind distinguishes one person or device from all others.
fn is_proof(identifier_kind: IdentifierKind) -> bool {
    match identifier_kind {
        IdentifierKind::Login
        | IdentifierKind::Address
        | IdentifierKind::Sid
        | IdentifierKind::UserUid
        | IdentifierKind::DeviceUid
        | IdentifierKind::DeviceName => true,
        IdentifierKind::PersonName
        | IdentifierKind::Serial
        | IdentifierKind::CollectorUid
        | IdentifierKind::AuditEvent => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};
    // A step that nothing names is not linked in, and then not in the registry.
    use step_audit as _;
    use step_users as _;

    use super::*;

    #[test]
    fn each_pseudonym_of_a_list_identifies_by_itself() {
        let upns: ArrayRef = Arc::new(StringArray::from(vec!["p1-k-a; p1-k-b", "a@x.example"]));
        let batch = RecordBatch::try_from_iter([("upn", upns)]).expect("one column");
        let identifying = IdentifyingColumns::new("nexthink_user", &batch);
        for (row, expected) in [(0, &["p1-k-a", "p1-k-b"][..]), (1, &["a@x.example"])] {
            let mut found = Vec::new();
            identifying.each(&batch, row, |identifier_kind, text| {
                assert_eq!(identifier_kind, IdentifierKind::Address);
                found.push(text.to_owned());
            });
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_texts_of_an_event_that_may_name_people_are_those_that_its_step_declares() {
        let expected = [
            ("account", Position::Account),
            ("message", Position::Text),
            ("details", Position::Text),
            ("raw", Position::Text),
        ];
        assert_eq!(event_texts(), expected);
        assert_eq!(position_in_event("source"), Position::Label);
    }

    #[test]
    fn only_types_with_an_identifier_may_be_erased() {
        assert!(may_be_erased("nexthink_user"));
        assert!(!may_be_erased("nexthink_account"));
        assert!(!may_be_erased("nexthink_user_has_alert"), "a relationship goes with its ends");
    }
}
