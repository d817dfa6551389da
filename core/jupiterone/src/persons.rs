//! Mapped relationships from users to the Persons with their e-mail address, made of the table of users.
//!
//! JupiterOne looks the Person up and draws the edge; it makes none where there is none, so that a wrong
//! address adds no Person. Source: integration SDK 17.4, `createIntegrationRelationship.ts`.

use arrow_array::RecordBatch;
use core_model::step::Step;
use core_store::{Generation, Table, TableKind};

use crate::column::{Cell, Column};
use crate::error::JupiterOneError;
use crate::json::{write_text, write_text_part};
use crate::shape::Object;
use crate::text_rule::TextRule;

/// The `_type` of the mapped relationships from users to Persons.
pub const USER_IS_PERSON: &str = "nexthink_user_is_person";

/// The `_type` of the users at which they start.
pub const USER: &str = "nexthink_user";

/// The name of the type at their other end in JupiterOne's documents.
pub(crate) const PERSON: &str = "person";

/// Their class.
pub(crate) const CLASS: &str = "IS";

/// The middle of the key of a relationship to a person. The key ends in an e-mail address.
pub(crate) const IS: &str = "|is|";

/// Their direction: from the user.
pub(crate) const DIRECTION: &str = "FORWARD";

const EMAIL: &str = "email";

/// Returns whether a step makes the users at which they start.
pub(crate) fn start_in(step: &Step) -> bool {
    step.entities.iter().any(|entity| entity.type_name == USER)
}

/// The table of the relationships, whose files are those of the users; none without users.
pub(crate) fn table(generation: &Generation) -> Option<Table> {
    let users = generation.manifest().table(TableKind::Entity, USER)?;
    Some(Table {
        kind: TableKind::Relationship,
        name: USER_IS_PERSON.to_owned(),
        class: vec![CLASS.to_owned()],
        from_type: Some(USER.to_owned()),
        to_type: Some(PERSON.to_owned()),
        ..users.clone()
    })
}

/// Writes the relationships of a batch of users: one for each user with an address, by the first one.
///
/// # Errors
/// [`JupiterOneError::Column`] when a column holds what no generation has; what `each` answers.
pub(crate) fn write_rows<E: From<JupiterOneError>>(
    batch: &RecordBatch,
    mut each: impl FnMut(Object<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (Some(keys), Some(emails)) = (column(batch, "_key")?, column(batch, EMAIL)?) else {
        return Ok(());
    };
    let (mut key, mut json) = (String::new(), Vec::new());
    for row in 0..batch.num_rows() {
        let Some(Cell::Text(user)) = keys.cell(row) else { continue };
        let email = match emails.cell(row) {
            Some(Cell::Text(email)) => Some(email),
            Some(Cell::Texts(emails)) => emails.iter().next(),
            _ => None,
        };
        let Some(email) = email.filter(|email| TextRule::Email.accepts(email)) else { continue };
        key.clear();
        json.clear();
        key.extend([user, IS, DIRECTION, ":_class=Person:email=", email]);
        write(&key, user, email, &mut json);
        each(Object { key: &key, json: &json })?;
    }
    Ok(())
}

fn write(key: &str, user: &str, email: &str, json: &mut Vec<u8>) {
    json.extend_from_slice(b"{\"_key\":\"");
    write_text_part(key, json);
    json.extend_from_slice(b"\",\"_type\":");
    write_text(USER_IS_PERSON, json);
    json.extend_from_slice(
        b",\"_class\":\"IS\",\"displayName\":\"IS\",\"_mapping\":{\"relationshipDirection\":",
    );
    write_text(DIRECTION, json);
    json.extend_from_slice(b",\"sourceEntityKey\":");
    write_text(user, json);
    json.extend_from_slice(
        b",\"targetFilterKeys\":[[\"_class\",\"email\"]],\
          \"targetEntity\":{\"_class\":\"Person\",\"email\":",
    );
    write_text(email, json);
    json.extend_from_slice(b"},\"skipTargetCreation\":true}}");
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<Option<Column<'a>>, JupiterOneError> {
    let Some(array) = batch.column_by_name(name) else { return Ok(None) };
    let column = Column::from_array(array.as_ref()).ok_or_else(|| JupiterOneError::Column {
        type_name: USER.to_owned(),
        column: name.to_owned(),
        found: array.data_type().to_string(),
    })?;
    Ok(Some(column))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder};
    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use serde_json::{Value, json};

    use super::*;

    fn batch(keys: &[Option<&str>], emails: ArrayRef) -> RecordBatch {
        let keys: ArrayRef = Arc::new(keys.iter().copied().collect::<StringArray>());
        RecordBatch::try_from_iter_with_nullable([("_key", keys, true), (EMAIL, emails, true)])
            .expect("the columns have the same length")
    }

    fn written(batch: &RecordBatch) -> Result<Vec<(String, Value)>, JupiterOneError> {
        let mut all = Vec::new();
        write_rows::<JupiterOneError>(batch, |object| {
            let value = serde_json::from_slice(object.json).expect("it is JSON");
            all.push((object.key.to_owned(), value));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn a_user_with_an_address_is_mapped_by_it_and_no_person_is_made() {
        let emails: ArrayRef = Arc::new(StringArray::from(vec![Some("jane@acme.example")]));
        let found = written(&batch(&[Some("nexthink_user:1")], emails)).expect("it can be read");
        let key = "nexthink_user:1|is|FORWARD:_class=Person:email=jane@acme.example";
        let [(found_key, object)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(found_key, key);
        assert_eq!(object["_key"], json!(key));
        assert_eq!(object["_mapping"]["sourceEntityKey"], json!("nexthink_user:1"));
        assert_eq!(object["_mapping"]["skipTargetCreation"], json!(true));
        let person = json!({ "_class": "Person", "email": "jane@acme.example" });
        assert_eq!(object["_mapping"]["targetEntity"], person);
    }

    #[test]
    fn the_first_address_counts_and_what_is_none_draws_nothing() {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a@acme.example"), Some("b@acme.example")]);
        lists.append_value([Some("no address"), Some("c@acme.example")]);
        lists.append_null();
        lists.append_value([None::<&str>; 0]);
        lists.append_value([Some("d@acme.example")]);
        let keys = ["u:1", "u:2", "u:3", "u:4"].map(Some);
        let keys = [&keys[..], &[None]].concat();
        let found = written(&batch(&keys, Arc::new(lists.finish()))).expect("it can be read");
        let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["u:1|is|FORWARD:_class=Person:email=a@acme.example"]);
    }

    #[test]
    fn users_without_addresses_draw_nothing_and_a_foreign_column_is_named() {
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["u:1"]));
        let without = RecordBatch::try_from_iter([("_key", keys)]).expect("one column");
        assert!(written(&without).expect("it can be read").is_empty());
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));
        let refused = written(&batch(&[Some("u:1")], numbers)).expect_err("it is no text");
        let expected = "table nexthink_user: column email holds Float64, which cannot be delivered";
        assert_eq!(refused.to_string(), expected);
    }
}
