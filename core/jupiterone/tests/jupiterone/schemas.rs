//! A delivery has what the published schemas of the data model allow, and nothing that they allow
//! is lost.

use arrow_array::{ArrayRef, RecordBatch};
use core_jupiterone::{DATA_MODEL_VERSION, JupiterOneError, SchemaViolations, Shape};
use core_store::{Column, Table, TableKind};
use serde::Deserialize;
use serde_json::Value;

use crate::schema::Schemas;
use crate::support::{Checked, Estate, FIRST, Place, booleans, lists, numbers, texts};

/// Entities, and what the package `@jupiterone/data-model` says of them.
#[derive(Deserialize)]
struct Verdicts {
    source: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    valid: bool,
    entity: Value,
}

fn verdicts() -> Verdicts {
    serde_json::from_str(include_str!("../data/verdicts.json")).expect("the file is ours")
}

/// A column with one value; none for a value that no table of a generation can hold.
fn column(value: &Value) -> Option<ArrayRef> {
    Some(match value {
        Value::Null => texts([None]),
        Value::String(text) => texts([Some(text.as_str())]),
        Value::Bool(yes) => booleans([Some(*yes)]),
        Value::Number(number) => numbers([Some(number.as_i64()?)]),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            lists(&[Some(&items?)])
        }
        Value::Object(_) => return None,
    })
}

/// The part that is delivered of a table that holds the entity: it, or nothing when it is left out. `None` when
/// no table can hold it.
fn delivered(entity: &Value) -> Option<Vec<Value>> {
    let members = entity.as_object().expect("an entity is an object").iter();
    let mut columns = Vec::new();
    for (name, value) in members.filter(|(name, _)| *name != "_class" && *name != "_type") {
        columns.push((name.as_str(), column(value)?));
    }
    // Every row has a key, and the name of a table is none too short: neither comes out of an export.
    if entity["_key"].as_str().is_none() || entity["_type"].as_str()?.len() < 3 {
        return None;
    }
    let classes = entity["_class"].as_array().expect("a list").iter();
    let table = Table {
        kind: TableKind::Entity,
        name: entity["_type"].as_str()?.to_owned(),
        class: classes.filter_map(|class| class.as_str().map(ToOwned::to_owned)).collect(),
        from_type: None,
        to_type: None,
        rows: 1,
        partial: false,
        columns: columns
            .iter()
            .map(|(name, array)| Column {
                name: (*name).to_owned(),
                data_type: array.data_type().to_string(),
                nullable: true,
            })
            .collect(),
        files: Vec::new(),
    };
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.expect("every column has one row");
    let mut objects = Vec::new();
    Shape::new(&table)
        .write_rows(&batch, &mut SchemaViolations::default(), |object| {
            objects.push(serde_json::from_slice(object.json).expect("an object is JSON"));
            Ok::<_, JupiterOneError>(())
        })
        .expect("the columns are of kinds that tables have");
    Some(objects)
}

#[test]
fn the_validator_of_these_tests_agrees_with_the_package() {
    let (schemas, verdicts) = (Schemas::read(), verdicts());
    assert_eq!(verdicts.source["version"], DATA_MODEL_VERSION);
    assert!(verdicts.cases.len() > 200);
    for case in verdicts.cases {
        assert_eq!(schemas.accept(&case.entity), case.valid, "{}", case.entity);
    }
}

#[test]
fn whatever_a_table_holds_is_delivered_valid_or_not_at_all() {
    let schemas = Schemas::read();
    let mut n_mended = 0;
    for case in verdicts().cases {
        for entity in delivered(&case.entity).unwrap_or_default() {
            assert!(schemas.accept(&entity), "{} became {entity}", case.entity);
            n_mended += usize::from(!case.valid);
        }
    }
    assert!(n_mended > 60, "{n_mended}");
}

#[test]
fn what_is_valid_arrives_as_it_was() {
    // In another order or twice means the same, and an empty list means null.
    let plain = |value: &Value| match value {
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => {
            let mut items = items.clone();
            items.dedup();
            Value::Array(items)
        }
        other => other.clone(),
    };
    for case in verdicts().cases.iter().filter(|case| case.valid) {
        let Some(entities) = delivered(&case.entity) else { continue };
        let [entity] = &*entities else { panic!("{} was left out", case.entity) };
        for (name, value) in case.entity.as_object().expect("an object") {
            let arrived = entity.get(name).cloned().unwrap_or_default();
            assert_eq!(arrived, plain(value), "{name} of {}", case.entity);
        }
    }
}

#[test]
fn the_estate_is_valid() -> Checked {
    let (schemas, place) = (Schemas::read(), Place::new()?);
    let contents = place.contents(FIRST, &Estate::of(8))?;
    let mut n_valid = 0;
    let mut findings = SchemaViolations::default();
    for table in contents.tables(TableKind::Entity) {
        contents.for_each_object(table, &mut findings, |object| {
            let entity: Value = serde_json::from_slice(object.json).expect("an object is JSON");
            assert!(schemas.accept(&entity), "{entity}");
            n_valid += 1;
            Ok::<_, JupiterOneError>(())
        })?;
    }
    assert_eq!(n_valid, 13);
    assert!(findings.entries().is_empty(), "{findings:?}");
    Ok(())
}
